/* The gradient of every operation, in a table made from ops.inc. */
#include "graph/gradient.h"

#include <string.h>

#define NO OAI_NO_VALUE

static oai_value unary_of(oai_tape *t, uint32_t op, oai_value x) { return oai_unary(t->b, op, x); }

static oai_value binary_of(oai_tape *t, uint32_t op, oai_value x, oai_value y) {
    return oai_node(t->b, op, (const oai_value[]){x, y}, 2, &t->node.attrs);
}

static oai_value negated(oai_tape *t, oai_value x) { return oai_affine(t->b, x, -1, 0); }

static oai_value reshape_as(oai_builder *b, oai_value x, oai_value as) {
    const oassl_graph_value *from = oai_info(b, x), *to = oai_info(b, as);
    if (from->rank == to->rank && memcmp(from->shape, to->shape, sizeof to->shape) == 0) return x;
    int64_t shape[OASSL_MAX_RANK];
    memcpy(shape, to->shape, sizeof shape);
    return oai_reshape(b, x, to->rank, shape);
}

/* What broadcasting repeated is summed: a gradient of the shape of `as`. */
static oai_value sum_to(oai_builder *b, oai_value dy, oai_value as) {
    const oassl_graph_value *from = oai_info(b, dy), *to = oai_info(b, as);
    uint32_t axes = 0;
    int32_t added = from->rank - to->rank;
    for (int32_t k = 0; k < from->rank; k++)
        if (from->shape[k] != 1 && (k < added || to->shape[k - added] == 1)) axes |= (uint32_t)OAI_AXIS(k);
    if (axes) dy = oai_reduce(b, OASSL_OP_REDUCE_SUM, dy, axes, 1);
    return reshape_as(b, dy, as);
}

/* Gives input k of a broadcasting node its gradient. */
static void give_summed(oai_tape *t, uint32_t k, oai_value gradient) {
    oai_give(t, k, sum_to(t->b, gradient, t->in[k]));
}

/* ---- elementwise, two inputs ------------------------------------------------------------------------------- */

static void grad_add(oai_tape *t) {
    for (uint32_t k = 0; k < 2; k++)
        if (oai_wants(t, k)) give_summed(t, k, t->dy);
}

static void grad_sub(oai_tape *t) {
    if (oai_wants(t, 0)) give_summed(t, 0, t->dy);
    if (oai_wants(t, 1)) oai_give(t, 1, negated(t, sum_to(t->b, t->dy, t->in[1])));
}

static void grad_mul(oai_tape *t) {
    for (uint32_t k = 0; k < 2; k++)
        if (oai_wants(t, k)) give_summed(t, k, oai_mul(t->b, t->dy, t->in[1 - k]));
}

static void grad_div(oai_tape *t) {
    oai_value q = oai_div(t->b, t->dy, t->in[1]);
    if (oai_wants(t, 0)) give_summed(t, 0, q);
    if (oai_wants(t, 1)) oai_give(t, 1, negated(t, sum_to(t->b, oai_mul(t->b, q, t->out), t->in[1])));
}

/* `takes` is 1 where the first input is the result. */
static void choose(oai_tape *t, oai_value takes) {
    if (oai_wants(t, 0)) give_summed(t, 0, oai_mul(t->b, t->dy, takes));
    if (oai_wants(t, 1)) give_summed(t, 1, oai_mul(t->b, t->dy, oai_affine(t->b, takes, -1, 1)));
}

static void grad_maximum(oai_tape *t) { choose(t, oai_less_equal(t->b, t->in[1], t->in[0])); }
static void grad_minimum(oai_tape *t) { choose(t, oai_less_equal(t->b, t->in[0], t->in[1])); }

/* ---- elementwise, one input -------------------------------------------------------------------------------- */

static void grad_affine(oai_tape *t) { oai_give(t, 0, oai_affine(t->b, t->dy, t->node.attrs.f[0], 0)); }
static void grad_exp(oai_tape *t) { oai_give(t, 0, oai_mul(t->b, t->dy, t->out)); }
static void grad_log(oai_tape *t) { oai_give(t, 0, oai_div(t->b, t->dy, t->in[0])); }
static void grad_sqrt(oai_tape *t) { oai_give(t, 0, oai_div(t->b, oai_affine(t->b, t->dy, 0.5, 0), t->out)); }
static void grad_reciprocal(oai_tape *t) {
    oai_value squared = oai_mul(t->b, t->out, t->out);
    oai_give(t, 0, negated(t, oai_mul(t->b, t->dy, squared)));
}
static void grad_abs(oai_tape *t) { oai_give(t, 0, oai_mul(t->b, t->dy, unary_of(t, OASSL_OP_SIGN, t->in[0]))); }
/* From the output: the input may then be overwritten or never written (fusion). */
static void grad_relu(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_RELU_GRAD, t->out, t->dy)); }
static void grad_sigmoid(oai_tape *t) {
    oai_value slope = oai_mul(t->b, t->out, oai_affine(t->b, t->out, -1, 1));
    oai_give(t, 0, oai_mul(t->b, t->dy, slope));
}
static void grad_tanh(oai_tape *t) {
    oai_value slope = oai_affine(t->b, oai_mul(t->b, t->out, t->out), -1, 1);
    oai_give(t, 0, oai_mul(t->b, t->dy, slope));
}
static void grad_softplus(oai_tape *t) {
    oai_give(t, 0, oai_mul(t->b, t->dy, unary_of(t, OASSL_OP_SIGMOID, t->in[0])));
}
static void grad_gelu(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_GELU_GRAD, t->in[0], t->dy)); }
static void grad_quick_gelu(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_QUICK_GELU_GRAD, t->in[0], t->dy)); }
/* Linear in dy, and flat in x: only dy has a gradient. */
static void grad_relu_grad(oai_tape *t) {
    if (oai_wants(t, 1)) oai_give(t, 1, binary_of(t, OASSL_OP_RELU_GRAD, t->in[0], t->dy));
}

/* ---- reductions -------------------------------------------------------------------------------------------- */

/* A reduced value, its reduced axes put back as 1. */
static oai_value kept(oai_tape *t, oai_value reduced) {
    const oassl_graph_value *x = oai_info(t->b, t->in[0]);
    int64_t shape[OASSL_MAX_RANK] = {0};
    for (int32_t k = 0; k < x->rank; k++) shape[k] = t->node.attrs.i[0] >> k & 1 ? 1 : x->shape[k];
    return t->node.attrs.i[1] ? reduced : oai_reshape(t->b, reduced, x->rank, shape);
}

static oai_value broadcast_as(oai_builder *b, oai_value x, oai_value as) {
    oassl_graph_value to = *oai_info(b, as);
    return oai_broadcast(b, x, to.rank, to.shape);
}

static void grad_reduce_sum(oai_tape *t) { oai_give(t, 0, broadcast_as(t->b, kept(t, t->dy), t->in[0])); }

static void grad_reduce_mean(oai_tape *t) {
    double n = (double)oai_value_count(oai_info(t->b, t->in[0])) / (double)oai_value_count(oai_info(t->b, t->out));
    oai_value each = oai_affine(t->b, t->dy, 1 / n, 0);
    oai_give(t, 0, broadcast_as(t->b, kept(t, each), t->in[0]));
}

static void grad_reduce_max(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_REDUCE_MAX_GRAD, t->in[0], t->dy)); }

static void grad_reduce_lse(oai_tape *t) {
    oai_value weights = unary_of(t, OASSL_OP_EXP, oai_sub(t->b, t->in[0], kept(t, t->out)));
    oai_give(t, 0, oai_mul(t->b, weights, kept(t, t->dy)));
}

/* ---- products ---------------------------------------------------------------------------------------------- */

static oai_value rows(oai_builder *b, oai_value x) { return oai_reshape(b, x, 2, OAI_SHAPE(-1, oai_dim(b, x, -1))); }

/* y = x W for a batch of x and one matrix W: one product over all rows instead of one a batch element and a sum. */
static oai_value grad_shared_matrix(oai_tape *t, oai_value x, int transpose_w) {
    oai_value flat_x = rows(t->b, x), flat_dy = rows(t->b, t->dy);
    return transpose_w ? oai_matmul(t->b, flat_dy, flat_x, 1, 0) : oai_matmul(t->b, flat_x, flat_dy, 1, 0);
}

static void grad_matmul(oai_tape *t) {
    oai_builder *b = t->b;
    int ta = (int)t->node.attrs.i[0], tb = (int)t->node.attrs.i[1];
    oai_value x = t->in[0], y = t->in[1];
    if (oai_wants(t, 0)) {
        oai_value g = ta ? oai_matmul(b, y, t->dy, tb, 1) : oai_matmul(b, t->dy, y, 0, !tb);
        give_summed(t, 0, g);
    }
    if (oai_wants(t, 1)) {
        if (oai_info(b, y)->rank == 2 && oai_info(b, x)->rank > 2 && !ta)
            oai_give(t, 1, grad_shared_matrix(t, x, tb));
        else
            give_summed(t, 1, tb ? oai_matmul(b, t->dy, x, 1, ta) : oai_matmul(b, x, t->dy, !ta, 0));
    }
    if (oai_wants(t, 2)) give_summed(t, 2, t->dy);
}

/* The node's attributes with two extents behind them. */
static oai_value with_extents(oai_tape *t, uint32_t op, const oai_value *inputs, uint32_t n, oai_value sized) {
    oassl_node_attrs attrs = t->node.attrs;
    attrs.i[7] = oai_dim(t->b, sized, 2);
    attrs.i[8] = oai_dim(t->b, sized, 3);
    return oai_node(t->b, op, inputs, n, &attrs);
}

static void grad_conv2d(oai_tape *t) {
    oai_value x = t->in[0], w = t->in[1];
    if (oai_wants(t, 0))
        oai_give(t, 0, with_extents(t, OASSL_OP_CONV2D_GRAD_INPUT, (const oai_value[]){w, t->dy}, 2, x));
    if (oai_wants(t, 1))
        oai_give(t, 1, with_extents(t, OASSL_OP_CONV2D_GRAD_WEIGHT, (const oai_value[]){x, t->dy}, 2, w));
    if (oai_wants(t, 2))
        oai_give(t, 2, oai_reduce(t->b, OASSL_OP_REDUCE_SUM, t->dy, OAI_AXIS(0) | OAI_AXIS(2) | OAI_AXIS(3), 0));
}

static void grad_max_pool(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_MAX_POOL_GRAD, t->in[0], t->dy)); }
static void grad_avg_pool(oai_tape *t) {
    oai_give(t, 0, with_extents(t, OASSL_OP_AVG_POOL_GRAD, &t->dy, 1, t->in[0]));
}

/* ---- normalisation ----------------------------------------------------------------------------------------- */

/* (x, gamma, a, b, dy) -> dx, dgamma, dbeta for inputs 0, 1, 2 */
static void give_norm(oai_tape *t, uint32_t op, oai_value a, oai_value b) {
    const oai_value inputs[] = {t->in[0], t->in[1], a, b, t->dy};
    oai_value first = oai_node(t->b, op, inputs, 5, &t->node.attrs);
    for (uint32_t k = 0; k < 3 && first != NO; k++)
        if (oai_wants(t, k)) oai_give(t, k, first + k);
}

static void grad_batch_norm(oai_tape *t) { give_norm(t, OASSL_OP_BATCH_NORM_GRAD, t->out + 1, t->out + 2); }
static void grad_batch_norm_infer(oai_tape *t) { give_norm(t, OASSL_OP_BATCH_NORM_INFER_GRAD, t->in[3], t->in[4]); }
static void grad_layer_norm(oai_tape *t) { give_norm(t, OASSL_OP_LAYER_NORM_GRAD, t->out + 1, t->out + 2); }
static void grad_softmax(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_SOFTMAX_GRAD, t->out, t->dy)); }
static void grad_log_softmax(oai_tape *t) { oai_give(t, 0, binary_of(t, OASSL_OP_LOG_SOFTMAX_GRAD, t->out, t->dy)); }

/* ---- moving data ------------------------------------------------------------------------------------------- */

static void grad_reshape(oai_tape *t) { oai_give(t, 0, reshape_as(t->b, t->dy, t->in[0])); }
static void grad_broadcast(oai_tape *t) { give_summed(t, 0, t->dy); }

static void grad_transpose(oai_tape *t) {
    int32_t inverse[OASSL_MAX_RANK] = {0};
    for (int32_t k = 0, rank = oai_info(t->b, t->out)->rank; k < rank; k++) inverse[t->node.attrs.i[k]] = k;
    oai_give(t, 0, oai_transpose(t->b, t->dy, inverse));
}

static void grad_concat(oai_tape *t) {
    int32_t axis = (int32_t)t->node.attrs.i[0];
    int64_t start = 0;
    for (uint32_t k = 0; k < t->node.n_inputs; k++) {
        int64_t length = oai_dim(t->b, t->in[k], axis);
        if (oai_wants(t, k)) oai_give(t, k, oai_slice(t->b, t->dy, axis, start, length));
        start += length;
    }
}

static void grad_slice(oai_tape *t) {
    const int64_t *i = t->node.attrs.i;
    int64_t after = oai_dim(t->b, t->in[0], (int32_t)i[0]) - i[1] - i[2];
    oassl_node_attrs attrs = {.i = {i[0], i[1], after}};
    oai_give(t, 0, oai_node(t->b, OASSL_OP_PAD, &t->dy, 1, &attrs));
}

static void grad_pad(oai_tape *t) {
    const int64_t *i = t->node.attrs.i;
    oai_give(t, 0, oai_slice(t->b, t->dy, (int32_t)i[0], i[1], oai_dim(t->b, t->in[0], (int32_t)i[0])));
}

static void grad_gather(oai_tape *t) {
    oassl_node_attrs attrs = {.i = {oai_dim(t->b, t->in[0], 0)}};
    if (oai_wants(t, 0))
        oai_give(t, 0, oai_node(t->b, OASSL_OP_SCATTER_ADD, (const oai_value[]){t->in[1], t->dy}, 2, &attrs));
}

static void grad_scatter_add(oai_tape *t) {
    if (oai_wants(t, 1)) oai_give(t, 1, oai_gather(t->b, t->dy, t->in[0]));
}

static void grad_sinkhorn(oai_tape *t) {
    const oai_value inputs[] = {t->in[0], t->in[1], t->out + 1, t->out + 2, t->out + 3, t->dy};
    oai_value first = oai_node(t->b, OASSL_OP_SINKHORN_GRAD, inputs, 6, &t->node.attrs);
    for (uint32_t k = 0; k < 2 && first != NO; k++)
        if (oai_wants(t, k)) oai_give(t, k, first + k);
}

/* ---- the table --------------------------------------------------------------------------------------------- */

/* First derivatives are all that is used: differentiating these again is refused, not taken for zero. */
static void refused(oai_tape *t) {
    oai_builder_fail(t->b, OASSL_STATUS_UNSUPPORTED, "autodiff: %s (%s) has no gradient", oai_op_name(t->node.op),
                     (const char *)t->b->names.data + t->node.name);
}

/* Constant for the purpose of differentiation. */
#define grad_less_equal NULL
#define grad_sign NULL
#define grad_stop_gradient NULL
#define grad_count_non_finite NULL
#define grad_adam NULL

#define grad_gelu_grad refused
#define grad_quick_gelu_grad refused
#define grad_reduce_max_grad refused
#define grad_conv2d_grad_input refused
#define grad_conv2d_grad_weight refused
#define grad_max_pool_grad refused
#define grad_avg_pool_grad refused
#define grad_batch_norm_grad refused
#define grad_batch_norm_infer_grad refused
#define grad_layer_norm_grad refused
#define grad_softmax_grad refused
#define grad_log_softmax_grad refused
#define grad_sinkhorn_grad refused

/* An operation added to ops.inc without a grad_ above does not compile. */
const oai_gradient_rule oai_gradient_rules[OASSL_OP_LIMIT] = {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) [number] = grad_##name,
#include "oassl/ops.inc"
#undef OASSL_OP
};
