/* Pooling in the layout of its input, by oneDNN but for 8-bit maxima (native_pool.c).  The forward maximum leaves a
 * workspace for the backward one. */
#include "internal.h"

typedef struct pool {
    oab_pool_geometry geometry;
    dnnl_alg_kind_t algorithm;
    dnnl_dims_t src, dst;
    const oab_layout *src_layout, *dst_layout, *workspace_layout;
    dnnl_primitive_desc_t forward; /* owned by whoever made it */
} pool;

static void shape_of(const oab_lower *l, uint32_t value, dnnl_dims_t dims) {
    const oassl_graph_value *v = &l->graph->values[value];
    for (int32_t k = 0; k < v->rank; k++) dims[k] = v->shape[k];
}

static void describe(const oab_lower *l, uint32_t src, uint32_t dst, pool *p) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const int64_t *a = node->attrs.i;
    for (int k = 0; k < 2; k++) {
        p->geometry.kernel[k] = a[k];
        p->geometry.stride[k] = a[2 + k];
        p->geometry.pad[k] = a[4 + k];
    }
    const int max = node->op == OASSL_OP_MAX_POOL || node->op == OASSL_OP_MAX_POOL_GRAD;
    p->algorithm = max ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
    shape_of(l, src, p->src);
    shape_of(l, dst, p->dst);
}

/* The forward descriptor for a source in `p->src_layout`; oneDNN chooses the result's layout. */
static oassl_status forward_descriptor(oab_lower *l, dnnl_prop_kind_t prop, pool *p) {
    oab_md any;
    dnnl_status_t status = oab_md_any(&any, 4, p->dst, p->src_layout->type);
    if (status == dnnl_success)
        status = oab_pd_pool_forward(&p->forward, l->engine, prop, p->algorithm, &p->src_layout->md, &any,
                                     &p->geometry, l->attr);
    oab_md_destroy(&any);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "pooling");
    OAB_TRY(oab_onednn_layout_of(l, p->forward, dnnl_query_dst_md, 4, p->dst, &p->dst_layout));
    if (prop == dnnl_forward_training && p->algorithm == dnnl_pooling_max)
        OAB_TRY(oab_onednn_layout_of(l, p->forward, dnnl_query_workspace_md, 4, p->dst, &p->workspace_layout));
    return OASSL_STATUS_OK;
}

static oassl_status source_layout(oab_lower *l, uint32_t src, pool *p) {
    p->src_layout = oab_onednn_known_form(l, src);
    if (p->src_layout && p->src_layout->rank == 4) return OASSL_STATUS_OK;
    return oab_onednn_plain_layout(l, 4, p->src, &p->src_layout);
}

static oassl_status emit_forward(oab_lower *l, const pool *p, uint32_t src, uint32_t dst_buffer, uint32_t workspace) {
    uint32_t x;
    OAB_TRY(oab_onednn_form(l, src, p->src_layout, &x));
    const oab_arg args[] = {{DNNL_ARG_DST, dst_buffer, p->dst_layout},
                            {DNNL_ARG_WORKSPACE, workspace, p->workspace_layout},
                            {DNNL_ARG_SRC, x, p->src_layout}};
    return oab_onednn_emit_primitive(l, p->forward, args, 3, 2);
}

static oassl_status new_workspace(oab_lower *l, const pool *p, uint32_t *out_buffer) {
    *out_buffer = OAB_NONE;
    if (!p->workspace_layout) return OASSL_STATUS_OK;
    return oab_onednn_buffer(l, oab_md_bytes(&p->workspace_layout->md), out_buffer);
}

/* A maximum for inference of what 8-bit convolutions leave. */
static oassl_status reads_u8(oab_lower *l, const pool *p, int *out_yes) {
    const oab_layout *innermost;
    *out_yes = p->algorithm == dnnl_pooling_max && l->fusions[l->current].partner == OAB_NONE &&
               p->src_layout->type == dnnl_u8;
    if (!*out_yes) return OASSL_STATUS_OK;
    OAB_TRY(oab_onednn_innermost_layout(l, p->src, dnnl_u8, &innermost));
    *out_yes = oab_md_equal(&p->src_layout->md, &innermost->md);
    return OASSL_STATUS_OK;
}

static oassl_status lower_max_u8(oab_lower *l, pool *p, uint32_t src, uint32_t dst) {
    oab_node *node;
    uint32_t args[2]; /* y, x */
    OAB_TRY(oab_onednn_innermost_layout(l, p->dst, dnnl_u8, &p->dst_layout));
    OAB_TRY(oab_onednn_form(l, src, p->src_layout, &args[1]));
    OAB_TRY(oab_onednn_form_result(l, dst, p->dst_layout, &args[0]));
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    return oab_onednn_emit_kernel(l, oab_onednn_max_pool_u8, node, args, 2, 1, OAB_NONE,
                                  oab_onednn_max_pool_scratch(l->plan, node->in));
}

static oassl_status lower_forward(oab_lower *l, pool *p) {
    oab_fusion *fusion = &l->fusions[l->current];
    const uint32_t src = oab_onednn_operand(l, l->current, 0), dst = l->graph->nodes[l->current].first_output;
    uint32_t y;
    int is_u8;
    OAB_TRY(source_layout(l, src, p));
    OAB_TRY(reads_u8(l, p, &is_u8));
    if (is_u8) return lower_max_u8(l, p, src, dst);
    OAB_TRY(forward_descriptor(l, fusion->partner == OAB_NONE ? dnnl_forward_inference : dnnl_forward_training, p));
    OAB_TRY(new_workspace(l, p, &fusion->workspace));
    OAB_TRY(oab_onednn_form_result(l, dst, p->dst_layout, &y));
    OAB_TRY(emit_forward(l, p, src, y, fusion->workspace));
    if (fusion->partner != OAB_NONE) {
        fusion->form = p->src_layout;
        fusion->hint = p->forward;
        p->forward = NULL;
    }
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_lower_pool(oab_lower *l) {
    pool p = {0};
    describe(l, oab_onednn_operand(l, l->current, 0), l->graph->nodes[l->current].first_output, &p);
    const oassl_status status = lower_forward(l, &p);
    if (p.forward) dnnl_primitive_desc_destroy(p.forward);
    return status;
}

/* Without the forward pool in the plan, its workspace is made here. */
static oassl_status forward_again(oab_lower *l, pool *p, uint32_t src, uint32_t *out_workspace) {
    uint32_t y;
    OAB_TRY(source_layout(l, src, p));
    OAB_TRY(forward_descriptor(l, dnnl_forward_training, p));
    OAB_TRY(new_workspace(l, p, out_workspace));
    if (*out_workspace == OAB_NONE) return OASSL_STATUS_OK;
    OAB_TRY(oab_onednn_buffer(l, oab_md_bytes(&p->dst_layout->md), &y));
    return emit_forward(l, p, src, y, *out_workspace);
}

static oassl_status lower_grad(oab_lower *l, pool *p, uint32_t dy_value, uint32_t workspace) {
    dnnl_primitive_desc_t pd;
    uint32_t dy, dx;
    OAB_TRY(oab_onednn_form(l, dy_value, p->dst_layout, &dy));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, p->src_layout, &dx));
    const dnnl_status_t status = oab_pd_pool_grad(&pd, l->engine, p->algorithm, &p->src_layout->md, &p->dst_layout->md,
                                                  &p->geometry, p->forward, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "pooling's gradient");
    const oab_arg args[] = {{DNNL_ARG_DIFF_SRC, dx, p->src_layout},
                            {DNNL_ARG_DIFF_DST, dy, p->dst_layout},
                            {DNNL_ARG_WORKSPACE, workspace, p->workspace_layout}};
    const oassl_status result = oab_onednn_emit_primitive(l, pd, args, 3, 1);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

static oassl_status lower_max_grad(oab_lower *l, pool *p) {
    const uint32_t x = oab_onednn_operand(l, l->current, 0), dy = oab_onednn_operand(l, l->current, 1);
    const uint32_t partner = l->fusions[l->current].partner;
    uint32_t workspace;
    if (partner == OAB_NONE) {
        OAB_TRY(forward_again(l, p, x, &workspace));
        return lower_grad(l, p, dy, workspace);
    }
    p->forward = l->fusions[partner].hint;
    p->src_layout = l->fusions[partner].form;
    l->fusions[partner].hint = NULL;
    OAB_TRY(oab_onednn_layout_of(l, p->forward, dnnl_query_dst_md, 4, p->dst, &p->dst_layout));
    OAB_TRY(oab_onednn_layout_of(l, p->forward, dnnl_query_workspace_md, 4, p->dst, &p->workspace_layout));
    return lower_grad(l, p, dy, l->fusions[partner].workspace);
}

static oassl_status lower_avg_grad(oab_lower *l, pool *p) {
    OAB_TRY(oab_onednn_plain_layout(l, 4, p->src, &p->src_layout));
    OAB_TRY(forward_descriptor(l, dnnl_forward_training, p));
    return lower_grad(l, p, oab_onednn_operand(l, l->current, 0), OAB_NONE);
}

oassl_status oab_onednn_lower_pool_grad(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const int max = node->op == OASSL_OP_MAX_POOL_GRAD;
    pool p = {0};
    describe(l, node->first_output, oab_onednn_operand(l, l->current, max), &p);
    const oassl_status status = max ? lower_max_grad(l, &p) : lower_avg_grad(l, &p);
    if (p.forward) dnnl_primitive_desc_destroy(p.forward);
    return status;
}
