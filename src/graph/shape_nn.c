/* Shape rules of convolution, pooling, normalisation, Sinkhorn and Adam.  Attributes are bounded before they are
 * multiplied: a graph may come from anywhere. */
#include "graph/shape.h"

#include "base/safetensors.h"

#define MOST INT32_MAX

/* Number of window positions along one axis. */
static oassl_status window(int64_t extent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                           int64_t *out_extent) {
    if (kernel > MOST) return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "kernel extent %lld", (long long)kernel);
    int64_t span = dilation * (kernel - 1) + 1, padded = extent + 2 * pad;
    if (span > padded)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "the window spans %lld, the padded input only %lld",
                        (long long)span, (long long)padded);
    *out_extent = (padded - span) / stride + 1;
    return OASSL_STATUS_OK;
}

/* ---- convolution: i0..i6 = stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups ---------------- */

static oassl_status conv_attrs(const oai_query *q) {
    for (uint32_t k = 0; k < 2; k++) {
        OAI_TRY(oai_need_attr(q, k, "stride", 1, MOST));
        OAI_TRY(oai_need_attr(q, 2 + k, "pad", 0, MOST));
        OAI_TRY(oai_need_attr(q, 4 + k, "dilation", 1, MOST));
    }
    return oai_need_attr(q, 6, "groups", 1, MOST);
}

/* Shape of the result for an input [N,C,H,W] and a weight [O,C/g,kh,kw]. */
static oassl_status conv_result(const oai_query *q, const int64_t *x, const int64_t *w, int64_t *out) {
    int64_t groups = q->i[6];
    if (x[1] % groups != 0 || w[0] % groups != 0 || x[1] / groups != w[1])
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %s does not fit weight %s with %lld groups",
                        oai_shape_to_text(4, x).text, oai_shape_to_text(4, w).text, (long long)groups);
    out[0] = x[0];
    out[1] = w[0];
    OAI_TRY(window(x[2], w[2], q->i[0], q->i[2], q->i[4], &out[2]));
    return window(x[3], w[3], q->i[1], q->i[3], q->i[5], &out[3]);
}

oassl_status oai_shape_conv2d(const oai_query *q) {
    OAI_TRY(conv_attrs(q));
    OAI_TRY(oai_need_rank(q, 0, 4));
    OAI_TRY(oai_need_rank(q, 1, 4));
    int64_t out[4];
    OAI_TRY(conv_result(q, oai_in(q, 0)->shape, oai_in(q, 1)->shape, out));
    oai_set(q->out, 4, out);
    return q->n_inputs == 3 ? oai_need_shape(q, 2, 1, &oai_in(q, 1)->shape[0]) : OASSL_STATUS_OK;
}

oassl_status oai_shape_conv2d_grad_input(const oai_query *q) {
    OAI_TRY(conv_attrs(q));
    OAI_TRY(oai_need_attr(q, 7, "H", 1, OAI_MAX_ELEMENTS));
    OAI_TRY(oai_need_attr(q, 8, "W", 1, OAI_MAX_ELEMENTS));
    OAI_TRY(oai_need_rank(q, 0, 4));
    OAI_TRY(oai_need_rank(q, 1, 4));
    const int64_t *w = oai_in(q, 0)->shape, *dy = oai_in(q, 1)->shape;
    if (w[1] > OAI_MAX_ELEMENTS / q->i[6]) return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "more than 2^48 channels");
    int64_t x[4] = {dy[0], w[1] * q->i[6], q->i[7], q->i[8]}, result[4];
    OAI_TRY(conv_result(q, x, w, result));
    oai_set(q->out, 4, x);
    return oai_need_shape(q, 1, 4, result);
}

oassl_status oai_shape_conv2d_grad_weight(const oai_query *q) {
    OAI_TRY(conv_attrs(q));
    OAI_TRY(oai_need_attr(q, 7, "kh", 1, MOST));
    OAI_TRY(oai_need_attr(q, 8, "kw", 1, MOST));
    OAI_TRY(oai_need_rank(q, 0, 4));
    OAI_TRY(oai_need_rank(q, 1, 4));
    const int64_t *x = oai_in(q, 0)->shape, *dy = oai_in(q, 1)->shape;
    int64_t w[4] = {dy[1], x[1] / q->i[6], q->i[7], q->i[8]}, result[4];
    OAI_TRY(conv_result(q, x, w, result));
    oai_set(q->out, 4, w);
    return oai_need_shape(q, 1, 4, result);
}

/* ---- pooling: i0..i5 = kh, kw, stride_h, stride_w, pad_h, pad_w -------------------------------------------- */

/* A pad smaller than the kernel leaves no window without an element of the input. */
static oassl_status pool_result(const oai_query *q, const int64_t *x, int64_t *out) {
    for (uint32_t k = 0; k < 2; k++) {
        OAI_TRY(oai_need_attr(q, k, "kernel", 1, MOST));
        OAI_TRY(oai_need_attr(q, 2 + k, "stride", 1, MOST));
        OAI_TRY(oai_need_attr(q, 4 + k, "pad", 0, q->i[k] - 1));
        OAI_TRY(window(x[2 + k], q->i[k], q->i[2 + k], q->i[4 + k], 1, &out[2 + k]));
    }
    out[0] = x[0];
    out[1] = x[1];
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_pool(const oai_query *q) {
    OAI_TRY(oai_need_rank(q, 0, 4));
    int64_t out[4];
    OAI_TRY(pool_result(q, oai_in(q, 0)->shape, out));
    oai_set(q->out, 4, out);
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_max_pool_grad(const oai_query *q) {
    OAI_TRY(oai_need_rank(q, 0, 4));
    int64_t result[4];
    OAI_TRY(pool_result(q, oai_in(q, 0)->shape, result));
    oai_set(q->out, 4, oai_in(q, 0)->shape);
    return oai_need_shape(q, 1, 4, result);
}

oassl_status oai_shape_avg_pool_grad(const oai_query *q) {
    OAI_TRY(oai_need_rank(q, 0, 4));
    OAI_TRY(oai_need_attr(q, 6 + 1, "H", 1, OAI_MAX_ELEMENTS));
    OAI_TRY(oai_need_attr(q, 6 + 2, "W", 1, OAI_MAX_ELEMENTS));
    const int64_t *dy = oai_in(q, 0)->shape;
    int64_t x[4] = {dy[0], dy[1], q->i[7], q->i[8]}, result[4];
    OAI_TRY(pool_result(q, x, result));
    oai_set(q->out, 4, x);
    return oai_need_shape(q, 0, 4, result);
}

/* ---- normalisation ----------------------------------------------------------------------------------------- */

static oassl_status channel_vectors(const oai_query *q, uint32_t first, uint32_t last) {
    const oassl_graph_value *x = oai_in(q, 0);
    if (x->rank < 2)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input 0: expected [N,C,...], found %s",
                        oai_shape_to_text(x->rank, x->shape).text);
    for (uint32_t k = first; k <= last; k++) OAI_TRY(oai_need_shape(q, k, 1, &x->shape[1]));
    return oai_need_float(q, 0, "eps", 0);
}

oassl_status oai_shape_batch_norm(const oai_query *q) {
    OAI_TRY(channel_vectors(q, 1, 4));
    OAI_TRY(oai_need_float(q, 1, "momentum", 0));
    const oassl_graph_value *x = oai_in(q, 0);
    oai_set(&q->out[0], x->rank, x->shape);
    for (uint32_t k = 1; k < 5; k++) oai_set(&q->out[k], 1, &x->shape[1]);
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_batch_norm_infer(const oai_query *q) {
    OAI_TRY(channel_vectors(q, 1, 4));
    oai_set(q->out, oai_in(q, 0)->rank, oai_in(q, 0)->shape);
    return OASSL_STATUS_OK;
}

/* (x, gamma, mean, rstd or var, dy) -> dx, dgamma, dbeta */
oassl_status oai_shape_batch_norm_grad(const oai_query *q) {
    OAI_TRY(channel_vectors(q, 1, 3));
    const oassl_graph_value *x = oai_in(q, 0);
    oai_set(&q->out[0], x->rank, x->shape);
    oai_set(&q->out[1], 1, &x->shape[1]);
    oai_set(&q->out[2], 1, &x->shape[1]);
    return oai_need_same(q, 4, 0);
}

static oassl_status layer_norm_input(const oai_query *q, int64_t *out_width) {
    const oassl_graph_value *x = oai_in(q, 0);
    if (x->rank < 1) return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input 0: expected rank 1 or more, found a scalar");
    *out_width = x->shape[x->rank - 1];
    OAI_TRY(oai_need_shape(q, 1, 1, out_width));
    return oai_need_float(q, 0, "eps", 0);
}

oassl_status oai_shape_layer_norm(const oai_query *q) {
    int64_t width;
    OAI_TRY(layer_norm_input(q, &width));
    OAI_TRY(oai_need_shape(q, 2, 1, &width));
    const oassl_graph_value *x = oai_in(q, 0);
    oai_set(&q->out[0], x->rank, x->shape);
    oai_set(&q->out[1], x->rank - 1, x->shape);
    oai_set(&q->out[2], x->rank - 1, x->shape);
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_layer_norm_grad(const oai_query *q) {
    int64_t width;
    OAI_TRY(layer_norm_input(q, &width));
    const oassl_graph_value *x = oai_in(q, 0);
    OAI_TRY(oai_need_shape(q, 2, x->rank - 1, x->shape));
    OAI_TRY(oai_need_shape(q, 3, x->rank - 1, x->shape));
    OAI_TRY(oai_need_same(q, 4, 0));
    oai_set(&q->out[0], x->rank, x->shape);
    oai_set(&q->out[1], 1, &width);
    oai_set(&q->out[2], 1, &width);
    return OASSL_STATUS_OK;
}

/* ---- Sinkhorn and Adam ------------------------------------------------------------------------------------- */

static oassl_status sinkhorn_inputs(const oai_query *q, int64_t *out_potentials) {
    OAI_TRY(oai_need_attr(q, 0, "h", 1, MOST));
    OAI_TRY(oai_need_attr(q, 1, "w", 1, MOST));
    OAI_TRY(oai_need_attr(q, 2, "iterations", 1, MOST));
    OAI_TRY(oai_need_attr(q, 3, "interpretation", 0, 1));
    OAI_TRY(oai_need_attr(q, 4, "grid coordinates", 0, 1));
    OAI_TRY(oai_need_attr(q, 5, "squared", 0, 1));
    OAI_TRY(oai_need_attr(q, 6, "envelope", 0, 1));
    OAI_TRY(oai_need_float(q, 0, "eps", 1e-12));
    OAI_TRY(oai_need_float(q, 1, "stop threshold", 0));
    OAI_TRY(oai_need_float(q, 2, "spatial weight", 0));
    OAI_TRY(oai_need_rank(q, 0, 2));
    int64_t s[2] = {oai_in(q, 0)->shape[0], q->i[0] * q->i[1]};
    OAI_TRY(oai_need_shape(q, 0, 2, s));
    OAI_TRY(oai_need_shape(q, 1, 2, s));
    out_potentials[0] = s[0];
    out_potentials[1] = q->i[2];
    out_potentials[2] = s[1];
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_sinkhorn(const oai_query *q) {
    int64_t potentials[3];
    OAI_TRY(sinkhorn_inputs(q, potentials));
    oai_set(&q->out[0], 1, potentials);
    oai_set(&q->out[1], 3, potentials);
    oai_set(&q->out[2], 3, potentials);
    oai_set(&q->out[3], 1, potentials);
    q->out[3].dtype = OASSL_DTYPE_I32;
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_sinkhorn_grad(const oai_query *q) {
    int64_t potentials[3];
    OAI_TRY(sinkhorn_inputs(q, potentials));
    OAI_TRY(oai_need_shape(q, 2, 3, potentials));
    OAI_TRY(oai_need_shape(q, 3, 3, potentials));
    OAI_TRY(oai_need_shape(q, 4, 1, potentials));
    OAI_TRY(oai_need_shape(q, 5, 1, potentials));
    oai_set(&q->out[0], 2, oai_in(q, 0)->shape);
    oai_set(&q->out[1], 2, oai_in(q, 0)->shape);
    return OASSL_STATUS_OK;
}

oassl_status oai_shape_adam(const oai_query *q) {
    static const int64_t three = 3;
    for (uint32_t k = 1; k < 4; k++) OAI_TRY(oai_need_same(q, k, 0));
    OAI_TRY(oai_need_shape(q, 4, 1, &three));
    for (uint32_t k = 0; k < 4; k++) OAI_TRY(oai_need_float(q, k, "coefficient", 0));
    for (uint32_t k = 0; k < 3; k++) oai_set(&q->out[k], oai_in(q, 0)->rank, oai_in(q, 0)->shape);
    return OASSL_STATUS_OK;
}
