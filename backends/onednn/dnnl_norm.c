/* Batch normalisation in the layout of its input, with the RELU after it where pattern.c found one: with the
 * statistics of the batch by kernels of our own (native_norm.c), with given ones by oneDNN. */
#include "internal.h"

typedef struct norm {
    const oab_layout *data, *channels;
    oab_norm geometry;
    unsigned flags;
    uint32_t x;
} norm;

/* Whether our kernels can read the layout: channels side by side, one plane after the other, or blocks of channels;
 * and in each all places of a picture at one stride. */
static int find_geometry(const oab_layout *data, oab_norm *out) {
    const dnnl_dim_t *stride;
    const dnnl_dim_t block = oab_md_strides(&data->md, &stride);
    const int last = data->rank - 1;
    int64_t area = 1;
    if (block != 1 && block != 8 && block != 16) return 0;
    for (int k = last; k > 1; k--) {
        if (data->dims[k] > 1 && stride[k] != area * stride[last]) return 0;
        area *= data->dims[k];
    }
    const int64_t channels = data->dims[1];
    const int64_t side_by_side = stride[1] != 1 ? 1 : channels % 16 == 0 ? 16 : channels % 8 == 0 ? 8 : 1;
    const int64_t tile = block > 1 ? block : side_by_side;
    *out = (oab_norm){.batch = data->dims[0],
                      .channels = channels,
                      .area = area,
                      .tile = tile,
                      .batch_stride = stride[0],
                      .tile_stride = block > 1 ? stride[1] : stride[1] * tile,
                      .area_stride = last > 1 ? stride[last] : 1,
                      .is_bf16 = data->type == dnnl_bf16};
    return 1;
}

/* Rows of channels: [N,C], [N,C,area], or the layout a convolution left. */
static oassl_status describe(oab_lower *l, uint32_t x_value, norm *n) {
    const oassl_graph_value *v = &l->graph->values[x_value];
    n->flags = dnnl_use_scale | dnnl_use_shift;
    OAB_TRY(oab_onednn_plain_layout(l, 1, &v->shape[1], &n->channels));
    n->data = oab_onednn_known_form(l, x_value);
    const int fits = n->data && n->data->rank == v->rank &&
                     (n->data->type == dnnl_f32 || n->data->type == dnnl_bf16) && find_geometry(n->data, &n->geometry);
    if (!fits) {
        int64_t dims[3] = {v->shape[0], v->shape[1], 1};
        for (int32_t k = 2; k < v->rank; k++) dims[2] *= v->shape[k];
        OAB_TRY(oab_onednn_plain_layout(l, v->rank > 2 ? 3 : 2, dims, &n->data));
        find_geometry(n->data, &n->geometry);
    }
    return oab_onednn_form(l, x_value, n->data, &n->x);
}

static oassl_status optional_result(oab_lower *l, uint32_t k, uint32_t *out_buffer) {
    const uint32_t v = l->graph->nodes[l->current].first_output + k;
    *out_buffer = OAB_NONE;
    return l->values[v].uses ? oab_onednn_plain_result(l, v, out_buffer) : OASSL_STATUS_OK;
}

/* ---- statistics of the batch --------------------------------------------------------------------------------- */

static oassl_status emit_native(oab_lower *l, const norm *n, oab_kernel kernel, const uint32_t *args, uint32_t n_args,
                                uint32_t n_written, uint32_t in_place) {
    oab_norm *kept = oab_onednn_keep(l, sizeof *kept);
    oab_node *node;
    if (!kept) return OASSL_STATUS_OUT_OF_MEMORY;
    *kept = n->geometry;
    kept->relu = l->fusions[l->current].relu;
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    node->extra = kept;
    return oab_onednn_emit_kernel(l, kernel, node, args, n_args, n_written, in_place, oab_onednn_norm_scratch(kept));
}

static oassl_status lower_training(oab_lower *l) {
    norm n = {0};
    uint32_t args[10]; /* y, mean, rstd, new running mean and variance; x, gamma, beta, running mean and variance */
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    args[5] = n.x;
    OAB_TRY(oab_onednn_form_result(l, l->fusions[l->current].result, n.data, &args[0]));
    for (uint32_t k = 1; k < 5; k++) {
        OAB_TRY(optional_result(l, k, &args[k]));
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k), &args[5 + k]));
    }
    return emit_native(l, &n, oab_onednn_batch_norm, args, 10, 5, 5);
}

static oassl_status lower_training_grad(oab_lower *l) {
    const oab_fusion *fusion = &l->fusions[l->current];
    norm n = {0};
    uint32_t args[9]; /* dx, dgamma, dbeta; x, gamma, mean, rstd, dy, beta */
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    args[3] = n.x;
    for (uint32_t k = 1; k < 4; k++) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k), &args[3 + k]));
    OAB_TRY(oab_onednn_form(l, fusion->relu ? fusion->dy : oab_onednn_operand(l, l->current, 4), n.data, &args[7]));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, n.data, &args[0]));
    OAB_TRY(optional_result(l, 1, &args[1]));
    OAB_TRY(optional_result(l, 2, &args[2]));
    if (fusion->relu) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, fusion->partner, 2), &args[8]));
    return emit_native(l, &n, oab_onednn_batch_norm_grad, args, fusion->relu ? 9 : 8, 3, 7);
}

/* ---- given statistics ---------------------------------------------------------------------------------------- */

static oassl_status emit_given(oab_lower *l, const norm *n, dnnl_primitive_desc_t pd) {
    const oab_fusion *fusion = &l->fusions[l->current];
    uint32_t y, row[4]; /* gamma, beta, mean, variance */
    for (uint32_t k = 0; k < 4; k++) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k + 1), &row[k]));
    OAB_TRY(oab_onednn_form_result(l, fusion->result, n->data, &y));
    const oab_arg args[] = {{DNNL_ARG_DST, y, n->data},
                            {DNNL_ARG_SRC, n->x, n->data},
                            {DNNL_ARG_SCALE, row[0], n->channels},
                            {DNNL_ARG_SHIFT, row[1], n->channels},
                            {DNNL_ARG_MEAN, row[2], n->channels},
                            {DNNL_ARG_VARIANCE, row[3], n->channels}};
    return oab_onednn_emit_primitive(l, pd, args, 6, 1);
}

static oassl_status lower_given(oab_lower *l) {
    norm n = {0};
    dnnl_primitive_desc_t pd;
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    n.flags |= dnnl_use_global_stats | (l->fusions[l->current].relu ? dnnl_fuse_norm_relu : 0);
    const dnnl_status_t status = oab_pd_norm_forward(&pd, l->engine, dnnl_forward_inference, &n.data->md,
                                                     (float)l->graph->nodes[l->current].attrs.f[0], n.flags, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation");
    const oassl_status result = emit_given(l, &n, pd);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

/* Memory for output k of the node, a temporary one when nobody uses it. */
static oassl_status channel_result(oab_lower *l, const norm *n, uint32_t k, uint32_t *out_buffer) {
    OAB_TRY(optional_result(l, k, out_buffer));
    return *out_buffer == OAB_NONE ? oab_onednn_buffer(l, 4 * (uint64_t)n->channels->dims[0], out_buffer)
                                   : OASSL_STATUS_OK;
}

static oassl_status emit_given_grad(oab_lower *l, const norm *n, dnnl_primitive_desc_t pd) {
    uint32_t row[3], dy, dx, dgamma, dbeta; /* gamma, mean, variance */
    for (uint32_t k = 0; k < 3; k++) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k + 1), &row[k]));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 4), n->data, &dy));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, n->data, &dx));
    OAB_TRY(channel_result(l, n, 1, &dgamma));
    OAB_TRY(channel_result(l, n, 2, &dbeta));
    const oab_arg args[] = {{DNNL_ARG_DIFF_SRC, dx, n->data},
                            {DNNL_ARG_DIFF_SCALE, dgamma, n->channels},
                            {DNNL_ARG_DIFF_SHIFT, dbeta, n->channels},
                            {DNNL_ARG_DIFF_DST, dy, n->data},
                            {DNNL_ARG_SRC, n->x, n->data},
                            {DNNL_ARG_SCALE, row[0], n->channels},
                            {DNNL_ARG_SHIFT, OAB_NORM_GRAD_WANTS_SHIFT ? row[0] : OAB_NONE, n->channels},
                            {DNNL_ARG_MEAN, row[1], n->channels},
                            {DNNL_ARG_VARIANCE, row[2], n->channels}};
    OAB_TRY(oab_onednn_emit_primitive(l, pd, args, 9, 3));
    l->plan->steps[l->plan->n_steps - 1].in_place = 3;
    return OASSL_STATUS_OK;
}

static oassl_status lower_given_grad(oab_lower *l) {
    const float eps = (float)l->graph->nodes[l->current].attrs.f[0];
    norm n = {0};
    dnnl_primitive_desc_t hint, pd;
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    n.flags |= dnnl_use_global_stats;
    dnnl_status_t status =
        oab_pd_norm_forward(&hint, l->engine, dnnl_forward_training, &n.data->md, eps, n.flags, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation");
    status = oab_pd_norm_grad(&pd, l->engine, &n.data->md, eps, n.flags, hint, l->attr);
    dnnl_primitive_desc_destroy(hint);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "batch normalisation's gradient");
    const oassl_status result = emit_given_grad(l, &n, pd);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

oassl_status oab_onednn_lower_norm(oab_lower *l) {
    return l->graph->nodes[l->current].op == OASSL_OP_BATCH_NORM ? lower_training(l) : lower_given(l);
}

oassl_status oab_onednn_lower_norm_grad(oab_lower *l) {
    return l->graph->nodes[l->current].op == OASSL_OP_BATCH_NORM_GRAD ? lower_training_grad(l) : lower_given_grad(l);
}
