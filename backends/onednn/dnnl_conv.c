/* CONV2D and its gradients.  oneDNN chooses the layouts; what follows in the graph takes them over. */
#include "internal.h"

typedef struct conv {
    oab_conv_geometry geometry;
    dnnl_dims_t src, weight, dst, bias;
    int32_t weight_rank; /* 5 with groups */
    oab_md any_src, any_weight, any_dst, bias_md;
} conv;

static void shape_of(const oab_lower *l, uint32_t value, dnnl_dims_t dims) {
    const oassl_graph_value *v = &l->graph->values[value];
    for (int32_t k = 0; k < v->rank; k++) dims[k] = v->shape[k];
}

/* src, weight, dst: the values with these shapes, whichever of them the node makes. */
static oassl_status describe(oab_lower *l, uint32_t src, uint32_t weight, uint32_t dst, conv *c) {
    const int64_t *a = l->graph->nodes[l->current].attrs.i;
    dnnl_dims_t flat = {0};
    for (int k = 0; k < 2; k++) {
        c->geometry.stride[k] = a[k];
        c->geometry.pad[k] = a[2 + k];
        c->geometry.dilation[k] = a[4 + k] - 1;
    }
    shape_of(l, src, c->src);
    shape_of(l, dst, c->dst);
    shape_of(l, weight, flat);
    const int64_t groups = a[6];
    c->weight_rank = 4;
    for (int k = 0; k < 4; k++) c->weight[k] = flat[k];
    if (groups > 1) {
        c->weight_rank = 5;
        c->weight[0] = groups;
        c->weight[1] = flat[0] / groups;
        for (int k = 1; k < 4; k++) c->weight[k + 1] = flat[k];
    }
    c->bias[0] = flat[0];
    const dnnl_dims_t one = {1};
    dnnl_status_t status = oab_md_any(&c->any_src, 4, c->src);
    if (status == dnnl_success) status = oab_md_any(&c->any_weight, c->weight_rank, c->weight);
    if (status == dnnl_success) status = oab_md_any(&c->any_dst, 4, c->dst);
    if (status == dnnl_success) status = oab_md_strided(&c->bias_md, 1, c->bias, one);
    return status == dnnl_success ? OASSL_STATUS_OK : oab_onednn_dnnl_error(l, status, "convolution's tensors");
}

static void release(conv *c) {
    oab_md_destroy(&c->any_src);
    oab_md_destroy(&c->any_weight);
    oab_md_destroy(&c->any_dst);
    oab_md_destroy(&c->bias_md);
}

/* sum + relu as operations on the result before it is written */
static dnnl_status_t fused_attr(const oab_fusion *fusion, dnnl_primitive_attr_t *out_attr) {
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out_attr);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*out_attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && fusion->sum != OAB_NONE) status = oab_post_sum(ops);
    if (status == dnnl_success && fusion->relu) status = oab_post_relu(ops);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out_attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    return status;
}

static oassl_status emit_forward(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    const oab_fusion *fusion = &l->fusions[l->current];
    const int biased = l->graph->nodes[l->current].n_inputs > 2;
    const oab_layout *src, *weight, *dst, *bias = NULL;
    uint32_t src_buffer, weight_buffer, dst_buffer, bias_buffer = OAB_NONE;
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_src_md, 4, c->src, &src));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_weights_md, c->weight_rank, c->weight, &weight));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_dst_md, 4, c->dst, &dst));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 0), src, &src_buffer));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), weight, &weight_buffer));
    if (biased) {
        OAB_TRY(oab_onednn_plain_layout(l, 1, c->bias, &bias));
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &bias_buffer));
    }
    uint32_t other = OAB_NONE;
    if (fusion->sum != OAB_NONE) OAB_TRY(oab_onednn_form(l, fusion->sum, dst, &other));
    OAB_TRY(oab_onednn_form_result(l, fusion->result, dst, &dst_buffer));
    /* The sum accumulates into the result's memory; the copy vanishes when it can take over the summand's. */
    if (other != OAB_NONE) OAB_TRY(oab_onednn_copy(l, other, dst_buffer, oab_md_bytes(&dst->md)));
    dnnl_primitive_desc_t own;
    const dnnl_status_t status = dnnl_primitive_desc_clone(&own, pd);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "convolution");
    const oab_arg args[] = {{DNNL_ARG_DST, dst_buffer, dst},
                            {DNNL_ARG_SRC, src_buffer, src},
                            {DNNL_ARG_WEIGHTS, weight_buffer, weight},
                            {DNNL_ARG_BIAS, bias_buffer, bias}};
    return oab_onednn_emit_primitive(l, own, args, 4, 1);
}

oassl_status oab_onednn_lower_conv(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    conv c = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    oassl_status result = describe(l, oab_onednn_operand(l, l->current, 0), oab_onednn_operand(l, l->current, 1),
                                   node->first_output, &c);
    if (result == OASSL_STATUS_OK) {
        dnnl_status_t status = fused_attr(&l->fusions[l->current], &attr);
        /* Told so, oneDNN chooses layouts that the gradients like too. */
        const int training = l->values[oab_onednn_operand(l, l->current, 0)].in_gradient ||
                             l->values[oab_onednn_operand(l, l->current, 1)].in_gradient;
        if (status == dnnl_success)
            status = oab_pd_conv_forward(&pd, l->engine, training ? dnnl_forward_training : dnnl_forward_inference,
                                         &c.any_src, &c.any_weight, node->n_inputs > 2 ? &c.bias_md : NULL, &c.any_dst,
                                         &c.geometry, attr);
        result = status == dnnl_success ? emit_forward(l, &c, pd) : oab_onednn_dnnl_error(l, status, "convolution");
    }
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    release(&c);
    return result;
}

static oassl_status emit_grad_input(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    const oab_layout *diff_src, *weight, *diff_dst;
    uint32_t result, weight_buffer, dy;
    oassl_status status = oab_onednn_layout_of(l, pd, dnnl_query_diff_src_md, 4, c->src, &diff_src);
    if (status == OASSL_STATUS_OK)
        status = oab_onednn_layout_of(l, pd, dnnl_query_weights_md, c->weight_rank, c->weight, &weight);
    if (status == OASSL_STATUS_OK) status = oab_onednn_layout_of(l, pd, dnnl_query_diff_dst_md, 4, c->dst, &diff_dst);
    if (status == OASSL_STATUS_OK)
        status = oab_onednn_form(l, oab_onednn_operand(l, l->current, 0), weight, &weight_buffer);
    if (status == OASSL_STATUS_OK) status = oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), diff_dst, &dy);
    if (status == OASSL_STATUS_OK)
        status = oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, diff_src, &result);
    if (status != OASSL_STATUS_OK) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    const oab_arg args[] = {{DNNL_ARG_DIFF_SRC, result, diff_src},
                            {DNNL_ARG_WEIGHTS, weight_buffer, weight},
                            {DNNL_ARG_DIFF_DST, dy, diff_dst}};
    return oab_onednn_emit_primitive(l, pd, args, 3, 1);
}

static oassl_status emit_grad_weight(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    const oab_layout *src, *diff_weight, *diff_dst;
    uint32_t result, x, dy;
    oassl_status status = oab_onednn_layout_of(l, pd, dnnl_query_src_md, 4, c->src, &src);
    if (status == OASSL_STATUS_OK)
        status = oab_onednn_layout_of(l, pd, dnnl_query_diff_weights_md, c->weight_rank, c->weight, &diff_weight);
    if (status == OASSL_STATUS_OK) status = oab_onednn_layout_of(l, pd, dnnl_query_diff_dst_md, 4, c->dst, &diff_dst);
    if (status == OASSL_STATUS_OK) status = oab_onednn_form(l, oab_onednn_operand(l, l->current, 0), src, &x);
    if (status == OASSL_STATUS_OK) status = oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), diff_dst, &dy);
    if (status == OASSL_STATUS_OK)
        status = oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, diff_weight, &result);
    if (status != OASSL_STATUS_OK) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    const oab_arg args[] = {
        {DNNL_ARG_DIFF_WEIGHTS, result, diff_weight}, {DNNL_ARG_SRC, x, src}, {DNNL_ARG_DIFF_DST, dy, diff_dst}};
    return oab_onednn_emit_primitive(l, pd, args, 3, 1);
}

static dnnl_status_t forward_hint(oab_lower *l, const conv *c, dnnl_primitive_desc_t *out_hint) {
    return oab_pd_conv_forward(out_hint, l->engine, dnnl_forward_training, &c->any_src, &c->any_weight, NULL,
                               &c->any_dst, &c->geometry, l->attr);
}

oassl_status oab_onednn_lower_conv_grad_input(oab_lower *l) {
    conv c = {0};
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    oassl_status result = describe(l, l->graph->nodes[l->current].first_output, oab_onednn_operand(l, l->current, 0),
                                   oab_onednn_operand(l, l->current, 1), &c);
    if (result == OASSL_STATUS_OK) {
        dnnl_status_t status = forward_hint(l, &c, &hint);
        if (status == dnnl_success)
            status = oab_pd_conv_grad_input(&pd, l->engine, &c.any_src, &c.any_weight, &c.any_dst, &c.geometry, hint,
                                            l->attr);
        result = status == dnnl_success ? emit_grad_input(l, &c, pd)
                                        : oab_onednn_dnnl_error(l, status, "convolution's input gradient");
    }
    if (hint) dnnl_primitive_desc_destroy(hint);
    release(&c);
    return result;
}

oassl_status oab_onednn_lower_conv_grad_weight(oab_lower *l) {
    conv c = {0};
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    oassl_status result = describe(l, oab_onednn_operand(l, l->current, 0), l->graph->nodes[l->current].first_output,
                                   oab_onednn_operand(l, l->current, 1), &c);
    if (result == OASSL_STATUS_OK) {
        dnnl_status_t status = forward_hint(l, &c, &hint);
        if (status == dnnl_success)
            status = oab_pd_conv_grad_weight(&pd, l->engine, &c.any_src, &c.any_weight, &c.any_dst, &c.geometry, hint,
                                             l->attr);
        result = status == dnnl_success ? emit_grad_weight(l, &c, pd)
                                        : oab_onednn_dnnl_error(l, status, "convolution's weight gradient");
    }
    if (hint) dnnl_primitive_desc_destroy(hint);
    release(&c);
    return result;
}
