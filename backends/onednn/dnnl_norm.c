/* Batch normalisation in the layout of its input, with the RELU after it where pattern.c found one.
 *
 * oneDNN speaks of the biased variance where the graph has 1/sqrt(var + eps) and the unbiased running one; two kernels
 * of a few channels' worth of work translate. */
#include "internal.h"

typedef struct norm {
    const oab_layout *data, *channels;
    unsigned flags;
    uint32_t x;
} norm;

/* Rows of channels: [N,C], [N,C,area], or the layout a convolution left. */
static oassl_status describe(oab_lower *l, uint32_t x_value, norm *n) {
    const oassl_graph_value *v = &l->graph->values[x_value];
    n->flags = dnnl_use_scale | dnnl_use_shift;
    OAB_TRY(oab_onednn_plain_layout(l, 1, &v->shape[1], &n->channels));
    n->data = oab_onednn_known_form(l, x_value);
    const int fits = n->data && n->data->rank == v->rank && (n->data->type == dnnl_f32 || n->data->type == dnnl_bf16);
    if (!fits) {
        int64_t dims[3] = {v->shape[0], v->shape[1], 1};
        for (int32_t k = 2; k < v->rank; k++) dims[2] *= v->shape[k];
        OAB_TRY(oab_onednn_plain_layout(l, v->rank > 2 ? 3 : 2, dims, &n->data));
    }
    return oab_onednn_form(l, x_value, n->data, &n->x);
}

static uint64_t channel_bytes(const norm *n) { return 4 * (uint64_t)n->channels->dims[0]; }

/* Memory for output k of the node, a temporary one when nobody uses it. */
static oassl_status channel_result(oab_lower *l, const norm *n, uint32_t k, uint32_t *out_buffer) {
    const uint32_t v = l->graph->nodes[l->current].first_output + k;
    if (l->values[v].uses) return oab_onednn_plain_result(l, v, out_buffer);
    return oab_onednn_buffer(l, channel_bytes(n), out_buffer);
}

static oassl_status optional_result(oab_lower *l, uint32_t k, uint32_t *out_buffer) {
    const uint32_t v = l->graph->nodes[l->current].first_output + k;
    *out_buffer = OAB_NONE;
    return l->values[v].uses ? oab_onednn_plain_result(l, v, out_buffer) : OASSL_STATUS_OK;
}

/* mean, var, running statistics -> rstd, new running statistics */
static oassl_status emit_statistics(oab_lower *l, uint32_t mean, uint32_t var) {
    oab_node *node;
    uint32_t old_mean, old_var, rstd, new_mean, new_var;
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 3), &old_mean));
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 4), &old_var));
    OAB_TRY(optional_result(l, 2, &rstd));
    OAB_TRY(optional_result(l, 3, &new_mean));
    OAB_TRY(optional_result(l, 4, &new_var));
    const uint32_t args[] = {rstd, new_mean, new_var, mean, var, old_mean, old_var};
    return oab_onednn_emit_kernel(l, oab_onednn_norm_statistics, node, args, 7, 3, OAB_NONE, 0);
}

static oassl_status emit_forward(oab_lower *l, norm *n, dnnl_primitive_desc_t pd, uint32_t mean, uint32_t var,
                                 uint32_t statistics_written) {
    oab_fusion *fusion = &l->fusions[l->current];
    const int needs_workspace = (n->flags & dnnl_fuse_norm_relu) && statistics_written;
    const oab_layout *workspace = NULL;
    uint32_t gamma, beta, y;
    oassl_status status = oab_onednn_plain(l, oab_onednn_operand(l, l->current, 1), &gamma);
    if (status == OASSL_STATUS_OK) status = oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &beta);
    if (status == OASSL_STATUS_OK) status = oab_onednn_form_result(l, fusion->result, n->data, &y);
    if (status == OASSL_STATUS_OK && needs_workspace)
        status = oab_onednn_layout_of(l, pd, dnnl_query_workspace_md, n->data->rank, n->data->dims, &workspace);
    if (status == OASSL_STATUS_OK && needs_workspace)
        status = oab_onednn_buffer(l, oab_md_bytes(&workspace->md), &fusion->workspace);
    if (status != OASSL_STATUS_OK) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    const oab_arg written[] = {{DNNL_ARG_DST, y, n->data},         {DNNL_ARG_WORKSPACE, fusion->workspace, workspace},
                               {DNNL_ARG_MEAN, mean, n->channels}, {DNNL_ARG_VARIANCE, var, n->channels},
                               {DNNL_ARG_SRC, n->x, n->data},      {DNNL_ARG_SCALE, gamma, n->channels},
                               {DNNL_ARG_SHIFT, beta, n->channels}};
    return oab_onednn_emit_primitive(l, pd, written, 7, statistics_written ? 4 : 2);
}

oassl_status oab_onednn_lower_norm(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const int training = node->op == OASSL_OP_BATCH_NORM;
    norm n = {0};
    uint32_t mean, var;
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    if (training) {
        OAB_TRY(channel_result(l, &n, 1, &mean));
        OAB_TRY(oab_onednn_buffer(l, channel_bytes(&n), &var));
    } else {
        n.flags |= dnnl_use_global_stats;
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 3), &mean));
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 4), &var));
    }
    if (l->fusions[l->current].relu) n.flags |= dnnl_fuse_norm_relu;
    dnnl_primitive_desc_t pd;
    const dnnl_status_t status =
        oab_pd_norm_forward(&pd, l->engine, training ? dnnl_forward_training : dnnl_forward_inference, &n.data->md,
                            (float)node->attrs.f[0], n.flags, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation");
    l->fusions[l->current].form = n.data;
    OAB_TRY(emit_forward(l, &n, pd, mean, var, training));
    return training ? emit_statistics(l, mean, var) : OASSL_STATUS_OK;
}

/* Small enough not to count; not 0, as oneDNN takes the variance of padded channels as 0 and would divide by it. */
static const float NO_EPS = 1e-30f;

/* The variance that has this rstd without an eps. */
static oassl_status variance_of(oab_lower *l, const norm *n, uint32_t rstd_value, uint32_t *out_buffer) {
    oab_node *node;
    uint32_t rstd;
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    node->count = n->channels->dims[0];
    OAB_TRY(oab_onednn_plain(l, rstd_value, &rstd));
    OAB_TRY(oab_onednn_buffer(l, channel_bytes(n), out_buffer));
    return oab_onednn_emit_kernel(l, oab_onednn_norm_variance, node, (uint32_t[]){*out_buffer, rstd}, 2, 1, OAB_NONE,
                                  0);
}

static oassl_status emit_grad(oab_lower *l, const norm *n, float eps, uint32_t mean, uint32_t var) {
    const oab_fusion *fusion = &l->fusions[l->current];
    const oab_layout *workspace = NULL;
    uint32_t gamma, dy, dx, dgamma, dbeta;
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 1), &gamma));
    OAB_TRY(oab_onednn_form(l, fusion->relu ? fusion->dy : oab_onednn_operand(l, l->current, 4), n->data, &dy));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, n->data, &dx));
    OAB_TRY(channel_result(l, n, 1, &dgamma));
    OAB_TRY(channel_result(l, n, 2, &dbeta));
    dnnl_primitive_desc_t hint, pd;
    dnnl_status_t status =
        oab_pd_norm_forward(&hint, l->engine, dnnl_forward_training, &n->data->md, eps, n->flags, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation");
    status = oab_pd_norm_grad(&pd, l->engine, &n->data->md, eps, n->flags, hint, l->attr);
    dnnl_primitive_desc_destroy(hint);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation's gradient");
    const uint32_t kept = fusion->relu ? l->fusions[fusion->partner].workspace : OAB_NONE;
    if (kept != OAB_NONE) {
        const oassl_status found =
            oab_onednn_layout_of(l, pd, dnnl_query_workspace_md, n->data->rank, n->data->dims, &workspace);
        if (found != OASSL_STATUS_OK) {
            dnnl_primitive_desc_destroy(pd);
            return found;
        }
    }
    const oab_arg args[] = {{DNNL_ARG_DIFF_SRC, dx, n->data},
                            {DNNL_ARG_DIFF_SCALE, dgamma, n->channels},
                            {DNNL_ARG_DIFF_SHIFT, dbeta, n->channels},
                            {DNNL_ARG_DIFF_DST, dy, n->data},
                            {DNNL_ARG_SRC, n->x, n->data},
                            {DNNL_ARG_SCALE, gamma, n->channels},
                            {DNNL_ARG_SHIFT, OAB_NORM_GRAD_WANTS_SHIFT ? gamma : OAB_NONE, n->channels},
                            {DNNL_ARG_MEAN, mean, n->channels},
                            {DNNL_ARG_VARIANCE, var, n->channels},
                            {DNNL_ARG_WORKSPACE, kept, workspace}};
    OAB_TRY(oab_onednn_emit_primitive(l, pd, args, 10, 3));
    l->plan->steps[l->plan->n_steps - 1].in_place = 3;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_lower_norm_grad(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const int training = node->op == OASSL_OP_BATCH_NORM_GRAD;
    norm n = {0};
    uint32_t mean, var;
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    if (l->fusions[l->current].relu) n.flags |= dnnl_fuse_norm_relu;
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &mean));
    if (training) {
        OAB_TRY(variance_of(l, &n, oab_onednn_operand(l, l->current, 3), &var));
        return emit_grad(l, &n, NO_EPS, mean, var);
    }
    n.flags |= dnnl_use_global_stats;
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 3), &var));
    return emit_grad(l, &n, (float)node->attrs.f[0], mean, var);
}
