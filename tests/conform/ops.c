/* Nodes with the shapes of their results. */
#include "conform.h"

#include <string.h>

cf_value cf_unary(cf_graph *g, uint32_t op, cf_value x) {
    cf_node(g, op, CF_IN(x));
    return cf_result_like(g, x);
}

cf_value cf_affine(cf_graph *g, cf_value x, double scale, double shift) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_AFFINE, CF_IN(x));
    a->f[0] = scale;
    a->f[1] = shift;
    return cf_result_like(g, x);
}

cf_value cf_binary(cf_graph *g, uint32_t op, cf_value a, cf_value b) {
    const oassl_graph_value va = *cf_info(g, a), vb = *cf_info(g, b);
    const int32_t rank = va.rank > vb.rank ? va.rank : vb.rank;
    int64_t shape[OASSL_MAX_RANK];
    for (int32_t k = 1; k <= rank; k++) {
        const int64_t ea = k <= va.rank ? va.shape[va.rank - k] : 1, eb = k <= vb.rank ? vb.shape[vb.rank - k] : 1;
        shape[rank - k] = ea == 1 ? eb : ea;
    }
    cf_node(g, op, CF_IN(a, b));
    return cf_result(g, rank, shape);
}

cf_value cf_grad_of(cf_graph *g, uint32_t op, cf_value x, cf_value dy) {
    cf_node(g, op, CF_IN(x, dy));
    return cf_result_like(g, x);
}

cf_value cf_reduce(cf_graph *g, uint32_t op, cf_value x, int64_t axes, int64_t keep) {
    const oassl_graph_value v = *cf_info(g, x);
    int64_t shape[OASSL_MAX_RANK];
    int32_t rank = 0;
    for (int32_t k = 0; k < v.rank; k++)
        if (!(axes >> k & 1))
            shape[rank++] = v.shape[k];
        else if (keep)
            shape[rank++] = 1;
    oassl_node_attrs *a = cf_node(g, op, CF_IN(x));
    a->i[0] = axes;
    a->i[1] = keep;
    return cf_result(g, rank, shape);
}

cf_value cf_softmax(cf_graph *g, uint32_t op, cf_value x, int64_t axis) {
    cf_node(g, op, CF_IN(x))->i[0] = axis;
    return cf_result_like(g, x);
}

cf_value cf_matmul(cf_graph *g, cf_value a, cf_value b, cf_value bias, int64_t transpose_a, int64_t transpose_b) {
    const oassl_graph_value va = *cf_info(g, a), vb = *cf_info(g, b);
    const int32_t rank = va.rank > vb.rank ? va.rank : vb.rank;
    int64_t shape[OASSL_MAX_RANK];
    for (int32_t k = 3; k <= rank; k++) {
        const int64_t ea = k <= va.rank ? va.shape[va.rank - k] : 1, eb = k <= vb.rank ? vb.shape[vb.rank - k] : 1;
        shape[rank - k] = ea == 1 ? eb : ea;
    }
    shape[rank - 2] = va.shape[va.rank - (transpose_a ? 1 : 2)];
    shape[rank - 1] = vb.shape[vb.rank - (transpose_b ? 2 : 1)];
    oassl_node_attrs *attrs = cf_node(g, OASSL_OP_MATMUL, (const cf_value[]){a, b, bias}, bias == CF_NONE ? 2 : 3);
    attrs->i[0] = transpose_a;
    attrs->i[1] = transpose_b;
    return cf_result(g, rank, shape);
}

/* ---- windows -------------------------------------------------------------------------------------------------------
 */

static int64_t one(int64_t x) { return x ? x : 1; }

cf_window cf_square(int64_t kernel, int64_t stride, int64_t pad) {
    return (cf_window){kernel, kernel, stride, stride, pad, pad, 1, 1, 1};
}

int64_t cf_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return (in + 2 * pad - ((kernel - 1) * one(dilation) + 1)) / one(stride) + 1;
}

static void conv_attrs(oassl_node_attrs *a, cf_window k) {
    const int64_t i[] = {one(k.stride_h),   one(k.stride_w),   k.pad_h,      k.pad_w,
                         one(k.dilation_h), one(k.dilation_w), one(k.groups)};
    memcpy(a->i, i, sizeof i);
}

static void pool_attrs(oassl_node_attrs *a, cf_window k) {
    const int64_t i[] = {k.kh, k.kw, one(k.stride_h), one(k.stride_w), k.pad_h, k.pad_w};
    memcpy(a->i, i, sizeof i);
}

static cf_value windowed(cf_graph *g, cf_value x, int64_t channels, cf_window k) {
    const oassl_graph_value v = *cf_info(g, x);
    return cf_result(g, CF_SHAPE(v.shape[0], channels,
                                 cf_window_extent(v.shape[2], k.kh, k.stride_h, k.pad_h, k.dilation_h),
                                 cf_window_extent(v.shape[3], k.kw, k.stride_w, k.pad_w, k.dilation_w)));
}

cf_value cf_conv(cf_graph *g, cf_value x, cf_value w, cf_value bias, cf_window k) {
    k.kh = cf_info(g, w)->shape[2];
    k.kw = cf_info(g, w)->shape[3];
    conv_attrs(cf_node(g, OASSL_OP_CONV2D, (const cf_value[]){x, w, bias}, bias == CF_NONE ? 2 : 3), k);
    return windowed(g, x, cf_info(g, w)->shape[0], k);
}

cf_value cf_conv_grad_input(cf_graph *g, cf_value w, cf_value dy, cf_window k, int64_t h, int64_t width) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_CONV2D_GRAD_INPUT, CF_IN(w, dy));
    conv_attrs(a, k);
    a->i[7] = h;
    a->i[8] = width;
    return cf_result(g, CF_SHAPE(cf_info(g, dy)->shape[0], cf_info(g, w)->shape[1] * one(k.groups), h, width));
}

cf_value cf_conv_grad_weight(cf_graph *g, cf_value x, cf_value dy, cf_window k) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_CONV2D_GRAD_WEIGHT, CF_IN(x, dy));
    conv_attrs(a, k);
    a->i[7] = k.kh;
    a->i[8] = k.kw;
    return cf_result(g, CF_SHAPE(cf_info(g, dy)->shape[1], cf_info(g, x)->shape[1] / one(k.groups), k.kh, k.kw));
}

cf_value cf_pool(cf_graph *g, uint32_t op, cf_value x, cf_window k) {
    pool_attrs(cf_node(g, op, CF_IN(x)), k);
    return windowed(g, x, cf_info(g, x)->shape[1], k);
}

cf_value cf_max_pool_grad(cf_graph *g, cf_value x, cf_value dy, cf_window k) {
    pool_attrs(cf_node(g, OASSL_OP_MAX_POOL_GRAD, CF_IN(x, dy)), k);
    return cf_result_like(g, x);
}

cf_value cf_avg_pool_grad(cf_graph *g, cf_value dy, cf_window k, int64_t h, int64_t width) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_AVG_POOL_GRAD, CF_IN(dy));
    pool_attrs(a, k);
    a->i[7] = h;
    a->i[8] = width;
    return cf_result(g, CF_SHAPE(cf_info(g, dy)->shape[0], cf_info(g, dy)->shape[1], h, width));
}

/* ---- normalisation -------------------------------------------------------------------------------------------------
 */

cf_value cf_batch_norm(cf_graph *g, const cf_value in[5], double eps, double momentum) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_BATCH_NORM, in, 5);
    a->f[0] = eps;
    a->f[1] = momentum;
    const cf_value y = cf_result_like(g, in[0]);
    for (int k = 0; k < 4; k++) cf_result_like(g, in[1]);
    return y;
}

static cf_value norm_grad(cf_graph *g, const cf_value in[5]) {
    const cf_value dx = cf_result_like(g, in[0]);
    cf_result_like(g, in[1]);
    cf_result_like(g, in[1]);
    return dx;
}

cf_value cf_batch_norm_grad(cf_graph *g, const cf_value in[5]) {
    cf_node(g, OASSL_OP_BATCH_NORM_GRAD, in, 5);
    return norm_grad(g, in);
}

cf_value cf_batch_norm_infer(cf_graph *g, const cf_value in[5], double eps) {
    cf_node(g, OASSL_OP_BATCH_NORM_INFER, in, 5)->f[0] = eps;
    return cf_result_like(g, in[0]);
}

cf_value cf_batch_norm_infer_grad(cf_graph *g, const cf_value in[5], double eps) {
    cf_node(g, OASSL_OP_BATCH_NORM_INFER_GRAD, in, 5)->f[0] = eps;
    return norm_grad(g, in);
}

cf_value cf_layer_norm(cf_graph *g, cf_value x, cf_value gamma, cf_value beta, double eps) {
    cf_node(g, OASSL_OP_LAYER_NORM, CF_IN(x, gamma, beta))->f[0] = eps;
    const oassl_graph_value v = *cf_info(g, x);
    const cf_value y = cf_result(g, v.rank, v.shape);
    cf_result(g, v.rank - 1, v.shape);
    cf_result(g, v.rank - 1, v.shape);
    return y;
}

cf_value cf_layer_norm_grad(cf_graph *g, const cf_value in[5]) {
    cf_node(g, OASSL_OP_LAYER_NORM_GRAD, in, 5);
    return norm_grad(g, in);
}

/* ---- movement ------------------------------------------------------------------------------------------------------
 */

cf_value cf_reshape(cf_graph *g, uint32_t op, cf_value x, int32_t rank, const int64_t *shape) {
    oassl_node_attrs *a = cf_node(g, op, CF_IN(x));
    a->i[0] = rank;
    for (int32_t k = 0; k < rank; k++) a->i[k + 1] = shape[k];
    return cf_result(g, rank, shape);
}

cf_value cf_transpose(cf_graph *g, cf_value x, const int64_t *permutation) {
    const oassl_graph_value v = *cf_info(g, x);
    int64_t shape[OASSL_MAX_RANK];
    oassl_node_attrs *a = cf_node(g, OASSL_OP_TRANSPOSE, CF_IN(x));
    for (int32_t k = 0; k < v.rank; k++) {
        a->i[k] = permutation[k];
        shape[k] = v.shape[permutation[k]];
    }
    return cf_result(g, v.rank, shape);
}

/* x with another extent along one axis */
static cf_value resized(cf_graph *g, cf_value x, int64_t axis, int64_t extent) {
    oassl_graph_value v = *cf_info(g, x);
    v.shape[axis] = extent;
    return cf_result(g, v.rank, v.shape);
}

cf_value cf_concat(cf_graph *g, const cf_value *x, uint32_t n, int64_t axis) {
    int64_t extent = 0;
    for (uint32_t k = 0; k < n; k++) extent += cf_info(g, x[k])->shape[axis];
    cf_node(g, OASSL_OP_CONCAT, x, n)->i[0] = axis;
    return resized(g, x[0], axis, extent);
}

cf_value cf_slice(cf_graph *g, cf_value x, int64_t axis, int64_t start, int64_t length) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_SLICE, CF_IN(x));
    a->i[0] = axis;
    a->i[1] = start;
    a->i[2] = length;
    return resized(g, x, axis, length);
}

cf_value cf_pad(cf_graph *g, cf_value x, int64_t axis, int64_t before, int64_t after) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_PAD, CF_IN(x));
    a->i[0] = axis;
    a->i[1] = before;
    a->i[2] = after;
    return resized(g, x, axis, before + cf_info(g, x)->shape[axis] + after);
}

cf_value cf_gather(cf_graph *g, cf_value table, cf_value index) {
    const oassl_graph_value t = *cf_info(g, table), i = *cf_info(g, index);
    int64_t shape[2 * OASSL_MAX_RANK];
    for (int32_t k = 0; k < i.rank; k++) shape[k] = i.shape[k];
    for (int32_t k = 1; k < t.rank; k++) shape[i.rank + k - 1] = t.shape[k];
    cf_node(g, OASSL_OP_GATHER, CF_IN(table, index));
    return cf_result(g, i.rank + t.rank - 1, shape);
}

cf_value cf_scatter_add(cf_graph *g, cf_value index, cf_value dy, int64_t rows) {
    const oassl_graph_value i = *cf_info(g, index), v = *cf_info(g, dy);
    int64_t shape[OASSL_MAX_RANK + 1] = {rows};
    for (int32_t k = i.rank; k < v.rank; k++) shape[1 + k - i.rank] = v.shape[k];
    cf_node(g, OASSL_OP_SCATTER_ADD, CF_IN(index, dy))->i[0] = rows;
    return cf_result(g, 1 + v.rank - i.rank, shape);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------
 */

static void sinkhorn_attrs(oassl_node_attrs *a, const cf_sinkhorn *k) {
    const int64_t i[] = {k->h, k->w, k->iterations, k->mass, k->grid_indices, k->squared, k->envelope};
    memcpy(a->i, i, sizeof i);
    a->f[0] = k->eps;
    a->f[1] = k->stop;
    a->f[2] = k->spatial;
}

cf_value cf_sinkhorn_of(cf_graph *g, cf_value s, cf_value t, const cf_sinkhorn *k) {
    const int64_t n = cf_info(g, s)->shape[0], p = k->h * k->w;
    sinkhorn_attrs(cf_node(g, OASSL_OP_SINKHORN, CF_IN(s, t)), k);
    const cf_value distance = cf_result(g, CF_SHAPE(n));
    const cf_value u = cf_result(g, CF_SHAPE(n, k->iterations, p));
    const cf_value v = cf_result(g, CF_SHAPE(n, k->iterations, p));
    const cf_value iterations = cf_result(g, CF_SHAPE(n));
    g->values[iterations].dtype = OASSL_DTYPE_I32;
    g->rows_of[u] = g->rows_of[v] = iterations;
    return distance;
}

cf_value cf_sinkhorn_grad(cf_graph *g, const cf_value in[6], const cf_sinkhorn *k) {
    sinkhorn_attrs(cf_node(g, OASSL_OP_SINKHORN_GRAD, in, 6), k);
    const cf_value ds = cf_result_like(g, in[0]);
    cf_result_like(g, in[1]);
    return ds;
}

cf_value cf_adam(cf_graph *g, const cf_value in[5], double beta1, double beta2, double eps, double decay) {
    oassl_node_attrs *a = cf_node(g, OASSL_OP_ADAM, in, 5);
    const double f[] = {beta1, beta2, eps, decay};
    memcpy(a->f, f, sizeof f);
    const cf_value p = cf_result_like(g, in[0]);
    cf_result_like(g, in[2]);
    cf_result_like(g, in[3]);
    return p;
}
