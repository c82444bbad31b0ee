/* MATMUL: one product when the second operand has no batch axes, else a batched one. */
#include "internal.h"

typedef struct operand {
    dnnl_dims_t dims, strides;
} operand;

/* Extents of a value as `rank` axes, ones in front; the last two exchanged when `transposed`. */
static void describe(const oassl_graph_value *v, int32_t rank, int64_t transposed, operand *o) {
    int64_t step = 1;
    for (int32_t k = rank; k-- > 0;) {
        const int32_t from = k - (rank - v->rank);
        o->dims[k] = from >= 0 ? v->shape[from] : 1;
        o->strides[k] = step;
        step *= o->dims[k];
    }
    if (!transposed) return;
    const int64_t dim = o->dims[rank - 1], stride = o->strides[rank - 1];
    o->dims[rank - 1] = o->dims[rank - 2];
    o->strides[rank - 1] = o->strides[rank - 2];
    o->dims[rank - 2] = dim;
    o->strides[rank - 2] = stride;
}

/* Row-major leading axes become rows of one matrix. */
static void collapse(operand *o, int32_t rank) {
    int64_t rows = 1;
    for (int32_t k = 0; k < rank - 1; k++) rows *= o->dims[k];
    o->dims[1] = o->dims[rank - 1];
    o->dims[0] = rows;
    o->strides[0] = o->dims[1];
    o->strides[1] = 1;
}

static int batch_is_one(const operand *o, int32_t rank) {
    for (int32_t k = 0; k < rank - 2; k++)
        if (o->dims[k] != 1) return 0;
    return 1;
}

static int same_batch(const operand *a, const operand *b, int32_t rank) {
    for (int32_t k = 0; k < rank - 2; k++)
        if (a->dims[k] != b->dims[k]) return 0;
    return 1;
}

static void last_axes(operand *o, int32_t rank, int32_t keep) {
    int64_t batch = 1;
    for (int32_t k = 0; k < rank - 2; k++) batch *= o->dims[k];
    const int64_t slice = o->dims[rank - 2] * o->dims[rank - 1];
    for (int32_t k = 0; k < 2; k++) {
        o->dims[keep - 2 + k] = o->dims[rank - 2 + k];
        o->strides[keep - 2 + k] = o->strides[rank - 2 + k];
    }
    if (keep == 3) {
        o->dims[0] = batch;
        o->strides[0] = slice;
    }
}

/* The fewest axes that still say it: oneDNN's fast paths want two or three. */
static int32_t simplify(operand *a, operand *b, operand *c, int32_t rank, int64_t transpose_a) {
    if (batch_is_one(b, rank) && !transpose_a) {
        collapse(a, rank);
        collapse(c, rank);
        last_axes(b, rank, 2);
        return 2;
    }
    if (rank == 2 || !same_batch(a, b, rank)) return rank;
    const int32_t keep = batch_is_one(a, rank) ? 2 : 3;
    last_axes(a, rank, keep);
    last_axes(b, rank, keep);
    last_axes(c, rank, keep);
    return keep;
}

static oassl_status layout_for(oab_lower *l, const operand *o, int32_t rank, const oab_layout **out_layout) {
    return oab_onednn_strided_layout(l, rank, o->dims, o->strides, dnnl_f32, out_layout);
}

static oassl_status emit(oab_lower *l, const operand *a, const operand *b, const operand *c, int32_t rank) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const uint32_t b_value = oab_onednn_operand(l, l->current, 1);
    const oab_layout *src, *weight, *dst, *bias = NULL;
    uint32_t x, w, y, bias_buffer = OAB_NONE;
    OAB_TRY(layout_for(l, a, rank, &src));
    OAB_TRY(layout_for(l, b, rank, &weight));
    OAB_TRY(layout_for(l, c, rank, &dst));
    if (node->n_inputs > 2) {
        operand row = {.dims = {0}};
        for (int32_t k = 0; k < rank; k++)
            row.dims[k] = k == rank - 1 ? c->dims[k] : 1, row.strides[k] = c->dims[rank - 1];
        row.strides[rank - 1] = 1;
        OAB_TRY(layout_for(l, &row, rank, &bias));
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &bias_buffer));
    }
    /* A parameter is brought once into the layout the kernel likes best. */
    const int prepacked = rank == 2 && l->graph->values[b_value].kind == OASSL_VALUE_PARAM;
    oab_md any;
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = oab_md_any(&any, rank, b->dims, dnnl_f32);
    if (status == dnnl_success)
        status = oab_pd_matmul(&pd, l->engine, &src->md, prepacked ? &any : &weight->md, bias ? &bias->md : NULL,
                               &dst->md, l->attr);
    oab_md_destroy(&any);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "matrix product");
    oassl_status result = OASSL_STATUS_OK;
    if (prepacked) {
        const oab_layout *packed;
        result = oab_onednn_layout_of(l, pd, dnnl_query_weights_md, rank, b->dims, &packed);
        if (result == OASSL_STATUS_OK) result = oab_onednn_prepack_from(l, b_value, weight, packed, &w);
        weight = packed;
    } else {
        result = oab_onednn_plain(l, b_value, &w);
    }
    if (result == OASSL_STATUS_OK) result = oab_onednn_plain(l, oab_onednn_operand(l, l->current, 0), &x);
    if (result == OASSL_STATUS_OK) result = oab_onednn_plain_result(l, node->first_output, &y);
    if (result != OASSL_STATUS_OK) {
        dnnl_primitive_desc_destroy(pd);
        return result;
    }
    const oab_arg args[] = {{DNNL_ARG_DST, y, dst},
                            {DNNL_ARG_SRC, x, src},
                            {DNNL_ARG_WEIGHTS, w, weight},
                            {DNNL_ARG_BIAS, bias_buffer, bias}};
    return oab_onednn_emit_primitive(l, pd, args, 4, 1);
}

oassl_status oab_onednn_lower_matmul(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const oassl_graph_value *values = l->graph->values;
    const oassl_graph_value *out = &values[node->first_output];
    operand a = {.dims = {0}}, b = {.dims = {0}}, c = {.dims = {0}};
    int32_t rank = out->rank < 2 ? 2 : out->rank;
    describe(&values[oab_onednn_operand(l, l->current, 0)], rank, node->attrs.i[0], &a);
    describe(&values[oab_onednn_operand(l, l->current, 1)], rank, node->attrs.i[1], &b);
    describe(out, rank, 0, &c);
    rank = simplify(&a, &b, &c, rank, node->attrs.i[0]);
    return emit(l, &a, &b, &c, rank);
}
