/* Short names for adding nodes (emit.h). */
#include "graph/emit.h"

#include <string.h>

#include "base/safetensors.h"

#define NODE(b, op, attrs, ...)                                                                                       \
    oai_node(b, op, (const oai_value[]){__VA_ARGS__}, sizeof((const oai_value[]){__VA_ARGS__}) / sizeof(oai_value),   \
             attrs)

/* A negative axis counts from the end; anything outside becomes an attribute that shape inference refuses. */
static int64_t axis_of(const oai_builder *b, oai_value x, int32_t axis) {
    return axis < 0 ? axis + oai_info(b, x)->rank : axis;
}

/* ---- elementwise ------------------------------------------------------------------------------------------- */

oai_value oai_add(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_ADD, NULL, x, y); }
oai_value oai_sub(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_SUB, NULL, x, y); }
oai_value oai_mul(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_MUL, NULL, x, y); }
oai_value oai_div(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_DIV, NULL, x, y); }
oai_value oai_maximum(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_MAXIMUM, NULL, x, y); }
oai_value oai_less_equal(oai_builder *b, oai_value x, oai_value y) { return NODE(b, OASSL_OP_LESS_EQUAL, NULL, x, y); }

oai_value oai_unary(oai_builder *b, uint32_t op, oai_value x) { return NODE(b, op, NULL, x); }

oai_value oai_affine(oai_builder *b, oai_value x, double scale, double shift) {
    return NODE(b, OASSL_OP_AFFINE, (&(oassl_node_attrs){.f = {scale, shift}}), x);
}

oai_value oai_reduce(oai_builder *b, uint32_t op, oai_value x, uint32_t axes, int keep) {
    return NODE(b, op, (&(oassl_node_attrs){.i = {axes, keep != 0}}), x);
}

/* ---- matrices and networks --------------------------------------------------------------------------------- */

static oai_value matmul(oai_builder *b, oai_value x, oai_value y, oai_value bias, int transpose_x, int transpose_y) {
    oassl_node_attrs attrs = {.i = {transpose_x != 0, transpose_y != 0}};
    return oai_node(b, OASSL_OP_MATMUL, (const oai_value[]){x, y, bias}, bias == OAI_NO_VALUE ? 2 : 3, &attrs);
}

oai_value oai_matmul(oai_builder *b, oai_value x, oai_value y, int transpose_x, int transpose_y) {
    return matmul(b, x, y, OAI_NO_VALUE, transpose_x, transpose_y);
}

/* Leading axes are flattened so that every backend sees one large product. */
oai_value oai_linear(oai_builder *b, oai_value x, oai_value weight, oai_value bias) {
    oassl_graph_value type = *oai_info(b, x);
    if (type.rank == 2) return matmul(b, x, weight, bias, 0, 1);
    if (type.rank == 0) return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "linear: the input is a scalar");
    oai_value flat = oai_reshape(b, x, 2, OAI_SHAPE(-1, type.shape[type.rank - 1]));
    oai_value y = matmul(b, flat, weight, bias, 0, 1);
    type.shape[type.rank - 1] = oai_dim(b, y, 1);
    return oai_reshape(b, y, type.rank, type.shape);
}

oai_value oai_conv2d(oai_builder *b, oai_value x, oai_value weight, oai_value bias, int64_t stride, int64_t pad) {
    oassl_node_attrs attrs = {.i = {stride, stride, pad, pad, 1, 1, 1}};
    return oai_node(b, OASSL_OP_CONV2D, (const oai_value[]){x, weight, bias}, bias == OAI_NO_VALUE ? 2 : 3, &attrs);
}

static oai_value pool(oai_builder *b, uint32_t op, oai_value x, int64_t kernel, int64_t stride, int64_t pad) {
    return NODE(b, op, (&(oassl_node_attrs){.i = {kernel, kernel, stride, stride, pad, pad}}), x);
}

oai_value oai_max_pool(oai_builder *b, oai_value x, int64_t kernel, int64_t stride, int64_t pad) {
    return pool(b, OASSL_OP_MAX_POOL, x, kernel, stride, pad);
}

oai_value oai_avg_pool(oai_builder *b, oai_value x, int64_t kernel, int64_t stride, int64_t pad) {
    return pool(b, OASSL_OP_AVG_POOL, x, kernel, stride, pad);
}

oai_value oai_layer_norm(oai_builder *b, oai_value x, oai_value gamma, oai_value beta, double eps) {
    return NODE(b, OASSL_OP_LAYER_NORM, (&(oassl_node_attrs){.f = {eps}}), x, gamma, beta);
}

oai_value oai_softmax(oai_builder *b, oai_value x, int32_t axis) {
    return NODE(b, OASSL_OP_SOFTMAX, (&(oassl_node_attrs){.i = {axis_of(b, x, axis)}}), x);
}

oai_value oai_log_softmax(oai_builder *b, oai_value x, int32_t axis) {
    return NODE(b, OASSL_OP_LOG_SOFTMAX, (&(oassl_node_attrs){.i = {axis_of(b, x, axis)}}), x);
}

/* ---- moving data ------------------------------------------------------------------------------------------- */

static oai_value to_shape(oai_builder *b, uint32_t op, oai_value x, int32_t rank, const int64_t *shape) {
    oassl_node_attrs attrs = {.i = {rank}};
    if (rank < 0 || rank > OASSL_MAX_RANK)
        return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "%s: rank %d is not 0..%d", oai_op_name(op), rank,
                                OASSL_MAX_RANK);
    if (rank > 0) memcpy(attrs.i + 1, shape, (size_t)rank * sizeof *shape);
    return NODE(b, op, &attrs, x);
}

/* An extent of -1 is what the others leave over; 0 is left for shape inference to refuse. */
oai_value oai_reshape(oai_builder *b, oai_value x, int32_t rank, const int64_t *shape) {
    int64_t resolved[OASSL_MAX_RANK] = {0}, known = 1, total = oai_value_count(oai_info(b, x));
    int32_t free_axis = -1;
    for (int32_t k = 0; k < rank && k < OASSL_MAX_RANK; k++) {
        resolved[k] = shape[k];
        if (shape[k] == -1 && free_axis < 0)
            free_axis = k;
        else if (shape[k] > 0 && shape[k] <= total)
            known *= shape[k] <= total / known ? shape[k] : 1;
    }
    if (free_axis >= 0) resolved[free_axis] = total / known;
    return to_shape(b, OASSL_OP_RESHAPE, x, rank, resolved);
}

oai_value oai_broadcast(oai_builder *b, oai_value x, int32_t rank, const int64_t *shape) {
    return to_shape(b, OASSL_OP_BROADCAST, x, rank, shape);
}

oai_value oai_transpose(oai_builder *b, oai_value x, const int32_t *permutation) {
    oassl_node_attrs attrs = {0};
    for (int32_t k = 0, rank = oai_info(b, x)->rank; k < rank; k++) attrs.i[k] = permutation[k];
    return NODE(b, OASSL_OP_TRANSPOSE, &attrs, x);
}

oai_value oai_concat(oai_builder *b, const oai_value *values, uint32_t n, int32_t axis) {
    oassl_node_attrs attrs = {.i = {n > 0 ? axis_of(b, values[0], axis) : axis}};
    return oai_node(b, OASSL_OP_CONCAT, values, n, &attrs);
}

oai_value oai_slice(oai_builder *b, oai_value x, int32_t axis, int64_t start, int64_t length) {
    return NODE(b, OASSL_OP_SLICE, (&(oassl_node_attrs){.i = {axis_of(b, x, axis), start, length}}), x);
}

oai_value oai_gather(oai_builder *b, oai_value table, oai_value index) {
    return NODE(b, OASSL_OP_GATHER, NULL, table, index);
}

/* ---- compositions ------------------------------------------------------------------------------------------ */

/* Sum of x*y over one axis, which stays as 1. */
static oai_value dot(oai_builder *b, oai_value x, oai_value y, int64_t axis) {
    oai_value product = oai_mul(b, x, y);
    return oai_reduce(b, OASSL_OP_REDUCE_SUM, product, OAI_AXIS(axis), 1);
}

static int bad_axis(oai_builder *b, const char *what, oai_value x, int64_t axis) {
    int32_t rank = oai_info(b, x)->rank;
    if (axis >= 0 && axis < rank) return 0;
    oai_builder_fail(b, OASSL_STATUS_INVALID_ARGUMENT, "%s: axis %lld of rank %d", what, (long long)axis, rank);
    return 1;
}

/* The bound is put on the square: below it the gradient of the norm is 0, not 0/0. */
oai_value oai_normalize(oai_builder *b, oai_value x, int32_t axis) {
    int64_t a = axis_of(b, x, axis);
    if (bad_axis(b, "normalize", x, a)) return OAI_NO_VALUE;
    oai_value smallest = oai_scalar(b, oai_info(b, x)->dtype, 1e-24);
    oai_value square = oai_maximum(b, dot(b, x, x, a), smallest);
    return oai_div(b, x, oai_unary(b, OASSL_OP_SQRT, square));
}

/* Divided by one norm after the other: the product of two small norms would underflow first. */
oai_value oai_cosine(oai_builder *b, oai_value x, oai_value y, int32_t axis) {
    int32_t rank_x = oai_info(b, x)->rank, rank_y = oai_info(b, y)->rank;
    int32_t rank = rank_x > rank_y ? rank_x : rank_y;
    int32_t from_end = axis < 0 ? axis : axis - rank; /* the axis may sit at different places of x and y */
    int64_t a_x = rank_x + from_end, a_y = rank_y + from_end;
    if (bad_axis(b, "cosine", x, a_x) || bad_axis(b, "cosine", y, a_y)) return OAI_NO_VALUE;
    if (oai_dim(b, x, (int32_t)a_x) != oai_dim(b, y, (int32_t)a_y))
        return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "cosine: extents %lld and %lld of axis %d",
                                (long long)oai_dim(b, x, (int32_t)a_x), (long long)oai_dim(b, y, (int32_t)a_y), axis);
    oai_value norm_x = oai_unary(b, OASSL_OP_SQRT, dot(b, x, x, a_x));
    oai_value norm_y = oai_unary(b, OASSL_OP_SQRT, dot(b, y, y, a_y));
    oai_value cosine = oai_div(b, oai_div(b, dot(b, x, y, rank + from_end), norm_x), norm_y);
    oassl_graph_value type = *oai_info(b, cosine); /* drop the axis that is 1 */
    int64_t a = type.rank + from_end;
    if (a >= 0 && a < type.rank) memmove(type.shape + a, type.shape + a + 1, (size_t)(type.rank - 1 - a) * 8);
    return oai_reshape(b, cosine, type.rank - 1, type.shape);
}
