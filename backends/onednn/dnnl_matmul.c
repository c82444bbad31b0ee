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

/* bf16 pays for bringing the operands into it where each of their numbers is used often enough. */
static int large(const operand *a, const operand *b, int32_t rank) {
    return a->dims[rank - 2] >= 32 && a->dims[rank - 1] >= 32 && b->dims[rank - 1] >= 32;
}

typedef struct product {
    operand a, b, c, bias;
    int32_t rank;
    dnnl_data_type_t type; /* of the operands */
    const oab_layout *src, *weight, *dst, *row;
    int prepacked;
} product;

static oassl_status layouts(oab_lower *l, product *p) {
    const int32_t rank = p->rank;
    OAB_TRY(oab_onednn_strided_layout(l, rank, p->a.dims, p->a.strides, p->type, &p->src));
    OAB_TRY(oab_onednn_strided_layout(l, rank, p->b.dims, p->b.strides, p->type, &p->weight));
    OAB_TRY(oab_onednn_strided_layout(l, rank, p->c.dims, p->c.strides, dnnl_f32, &p->dst));
    if (l->graph->nodes[l->current].n_inputs <= 2) return OASSL_STATUS_OK;
    for (int32_t k = 0; k < rank; k++) {
        p->bias.dims[k] = k == rank - 1 ? p->c.dims[k] : 1;
        p->bias.strides[k] = k == rank - 1 ? 1 : p->c.dims[rank - 1];
    }
    return oab_onednn_strided_layout(l, rank, p->bias.dims, p->bias.strides, dnnl_f32, &p->row);
}

static dnnl_status_t descriptor(const oab_lower *l, const product *p, dnnl_primitive_desc_t *out_pd) {
    oab_md any;
    dnnl_status_t status = oab_md_any(&any, p->rank, p->b.dims, p->type);
    if (status == dnnl_success)
        status = oab_pd_matmul(out_pd, l->engine, &p->src->md, p->prepacked ? &any : &p->weight->md,
                               p->row ? &p->row->md : NULL, &p->dst->md, l->attr);
    oab_md_destroy(&any);
    return status;
}

static oassl_status operand_buffer(oab_lower *l, const product *p, uint32_t k, uint32_t *out_buffer) {
    const uint32_t value = oab_onednn_operand(l, l->current, k);
    return p->type == dnnl_bf16 ? oab_onednn_plain_bf16(l, value, out_buffer)
                                : oab_onednn_plain(l, value, out_buffer);
}

static oassl_status weight_buffer(oab_lower *l, product *p, dnnl_primitive_desc_t pd, uint32_t *out_buffer) {
    if (!p->prepacked) return operand_buffer(l, p, 1, out_buffer);
    const oab_layout *from;
    OAB_TRY(oab_onednn_strided_layout(l, p->rank, p->b.dims, p->b.strides, dnnl_f32, &from));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_weights_md, p->rank, p->b.dims, &p->weight));
    return oab_onednn_prepack_from(l, oab_onednn_operand(l, l->current, 1), from, p->weight, out_buffer);
}

static oassl_status emit(oab_lower *l, product *p, dnnl_primitive_desc_t pd) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    uint32_t x, w, y, bias = OAB_NONE;
    OAB_TRY(weight_buffer(l, p, pd, &w));
    OAB_TRY(operand_buffer(l, p, 0, &x));
    if (p->row) OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &bias));
    OAB_TRY(oab_onednn_plain_result(l, node->first_output, &y));
    const oab_arg args[] = {{DNNL_ARG_DST, y, p->dst},
                            {DNNL_ARG_SRC, x, p->src},
                            {DNNL_ARG_WEIGHTS, w, p->weight},
                            {DNNL_ARG_BIAS, bias, p->row}};
    return oab_onednn_emit_primitive(l, pd, args, 4, 1);
}

oassl_status oab_onednn_lower_matmul(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const oassl_graph_value *values = l->graph->values;
    const oassl_graph_value *out = &values[node->first_output];
    const uint32_t b_value = oab_onednn_operand(l, l->current, 1);
    product p = {.type = dnnl_f32};
    const int32_t rank = out->rank < 2 ? 2 : out->rank;
    describe(&values[oab_onednn_operand(l, l->current, 0)], rank, node->attrs.i[0], &p.a);
    describe(&values[b_value], rank, node->attrs.i[1], &p.b);
    describe(out, rank, 0, &p.c);
    p.rank = simplify(&p.a, &p.b, &p.c, rank, node->attrs.i[0]);
    if (l->options->precision == OASSL_PRECISION_BF16 && large(&p.a, &p.b, p.rank)) p.type = dnnl_bf16;
    /* A parameter is brought once into the layout the kernel likes best. */
    p.prepacked = p.rank == 2 && values[b_value].kind == OASSL_VALUE_PARAM;
    dnnl_primitive_desc_t pd;
    OAB_TRY(layouts(l, &p));
    dnnl_status_t status = descriptor(l, &p, &pd);
    if (status == dnnl_unimplemented && p.type != dnnl_f32) {
        p.type = dnnl_f32;
        OAB_TRY(layouts(l, &p));
        status = descriptor(l, &p, &pd);
    }
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "matrix product");
    const oassl_status result = emit(l, &p, pd);
    dnnl_primitive_desc_destroy(pd);
    return result;
}
