/* Batch normalisation in the layout of its input, with the RELU after it where pattern.c found one, by kernels of our
 * own (native_norm.c). */
#include "internal.h"

typedef struct norm {
    const oab_layout *data;
    oab_norm geometry;
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

static oassl_status emit(oab_lower *l, const norm *n, oab_kernel kernel, const uint32_t *args, uint32_t n_args,
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

oassl_status oab_onednn_lower_norm(oab_lower *l) {
    norm n = {0};
    uint32_t args[10]; /* y, mean, rstd, new running mean and variance; x, gamma, beta, (running) mean and variance */
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    args[5] = n.x;
    OAB_TRY(oab_onednn_form_result(l, l->fusions[l->current].result, n.data, &args[0]));
    const int infers = l->graph->nodes[l->current].op == OASSL_OP_BATCH_NORM_INFER; /* y only */
    for (uint32_t k = 1; k < 5; k++) {
        args[k] = OAB_NONE;
        if (!infers) OAB_TRY(optional_result(l, k, &args[k]));
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k), &args[5 + k]));
    }
    return emit(l, &n, infers ? oab_onednn_batch_norm_infer : oab_onednn_batch_norm, args, 10, 5, 5);
}

oassl_status oab_onednn_lower_norm_grad(oab_lower *l) {
    const oab_fusion *fusion = &l->fusions[l->current];
    const int infers = l->graph->nodes[l->current].op == OASSL_OP_BATCH_NORM_INFER_GRAD;
    norm n = {0};
    uint32_t args[9]; /* dx, dgamma, dbeta; x, gamma, mean, rstd or variance, dy, beta */
    OAB_TRY(describe(l, oab_onednn_operand(l, l->current, 0), &n));
    args[3] = n.x;
    for (uint32_t k = 1; k < 4; k++) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k), &args[3 + k]));
    OAB_TRY(oab_onednn_form(l, fusion->relu ? fusion->dy : oab_onednn_operand(l, l->current, 4), n.data, &args[7]));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, n.data, &args[0]));
    OAB_TRY(optional_result(l, 1, &args[1]));
    OAB_TRY(optional_result(l, 2, &args[2]));
    if (fusion->relu) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, fusion->partner, 2), &args[8]));
    return emit(l, &n, infers ? oab_onednn_batch_norm_infer_grad : oab_onednn_batch_norm_grad, args,
                fusion->relu ? 9 : 8, 3, 7);
}
