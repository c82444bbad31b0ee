/* Every differentiable operation and the compositions the losses and networks are made of. */
#include "grad_check.h"

/* ---- what is differentiated -------------------------------------------------------------------------------- */

#define BINARY(name, OP)                                                                                              \
    static oai_value name(oai_builder *b, const oai_value *x) { return oai_node(b, OASSL_OP_##OP, x, 2, NULL); }
#define UNARY(name, OP)                                                                                               \
    static oai_value name(oai_builder *b, const oai_value *x) { return oai_unary(b, OASSL_OP_##OP, x[0]); }
#define REDUCE(name, OP, axes, keep)                                                                                  \
    static oai_value name(oai_builder *b, const oai_value *x) {                                                       \
        return oai_reduce(b, OASSL_OP_##OP, x[0], axes, keep);                                                        \
    }
#define NODE(name, OP, n, ...)                                                                                        \
    static oai_value name(oai_builder *b, const oai_value *x) {                                                       \
        return oai_node(b, OASSL_OP_##OP, x, n, &(oassl_node_attrs){__VA_ARGS__});                                    \
    }

BINARY(add, ADD)
BINARY(sub, SUB)
BINARY(mul, MUL)
BINARY(divide, DIV)
BINARY(maximum, MAXIMUM)
BINARY(minimum, MINIMUM)
UNARY(exponential, EXP)
UNARY(logarithm, LOG)
UNARY(root, SQRT)
UNARY(reciprocal, RECIPROCAL)
UNARY(absolute, ABS)
UNARY(relu, RELU)
UNARY(sigmoid, SIGMOID)
UNARY(hyperbolic, TANH)
UNARY(softplus, SOFTPLUS)
UNARY(gelu, GELU)
UNARY(quick_gelu, QUICK_GELU)
NODE(affine, AFFINE, 1, .f = {-1.7, 0.3})
REDUCE(sum_1, REDUCE_SUM, OAI_AXIS(1), 0)
REDUCE(sum_02_keep, REDUCE_SUM, OAI_AXIS(0) | OAI_AXIS(2), 1)
REDUCE(mean_01, REDUCE_MEAN, OAI_AXIS(0) | OAI_AXIS(1), 0)
REDUCE(max_2, REDUCE_MAX, OAI_AXIS(2), 0)
REDUCE(max_02_keep, REDUCE_MAX, OAI_AXIS(0) | OAI_AXIS(2), 1)
REDUCE(lse_1, REDUCE_LSE, OAI_AXIS(1), 0)
REDUCE(lse_12_keep, REDUCE_LSE, OAI_AXIS(1) | OAI_AXIS(2), 1)
NODE(matmul_nn, MATMUL, 2, .i = {0, 0})
NODE(matmul_tn, MATMUL, 2, .i = {1, 0})
NODE(matmul_nt, MATMUL, 2, .i = {0, 1})
NODE(matmul_tt, MATMUL, 2, .i = {1, 1})
NODE(matmul_bias, MATMUL, 3, .i = {0, 1})
NODE(conv_plain, CONV2D, 2, .i = {1, 1, 0, 0, 1, 1, 1})
NODE(conv_stride_pad, CONV2D, 3, .i = {2, 3, 1, 2, 1, 1, 1})
NODE(conv_dilated, CONV2D, 2, .i = {1, 1, 2, 1, 2, 1, 1})
NODE(conv_groups, CONV2D, 3, .i = {2, 1, 1, 0, 1, 1, 2})
NODE(max_pool, MAX_POOL, 1, .i = {3, 2, 2, 2, 1, 0})
NODE(avg_pool, AVG_POOL, 1, .i = {3, 2, 2, 2, 1, 0})
NODE(batch_norm, BATCH_NORM, 5, .f = {1e-5, 0.1})
NODE(batch_norm_infer, BATCH_NORM_INFER, 5, .f = {1e-5})
NODE(layer_norm, LAYER_NORM, 3, .f = {1e-5})
NODE(softmax_1, SOFTMAX, 1, .i = {1})
NODE(softmax_2, SOFTMAX, 1, .i = {2})
NODE(log_softmax_0, LOG_SOFTMAX, 1, .i = {0})
NODE(log_softmax_2, LOG_SOFTMAX, 1, .i = {2})
NODE(reshape, RESHAPE, 1, .i = {2, 4, 6})
NODE(transpose, TRANSPOSE, 1, .i = {2, 0, 1})
NODE(concat, CONCAT, 3, .i = {1})
NODE(slice, SLICE, 1, .i = {1, 1, 2})
NODE(pad, PAD, 1, .i = {2, 1, 2})
NODE(broadcast, BROADCAST, 1, .i = {4, 2, 3, 4, 2})
NODE(sinkhorn_cost, SINKHORN, 2, .i = {2, 3, 100, 0, 0, 0, 0}, .f = {0.1, 0.1, 1.0})
NODE(sinkhorn_cost_long, SINKHORN, 2, .i = {3, 2, 6, 0, 1, 1, 0}, .f = {0.3, 0.0, 0.5})
NODE(sinkhorn_mass, SINKHORN, 2, .i = {2, 3, 100, 1, 0, 0, 0}, .f = {0.1, 0.1, 1.0})
NODE(sinkhorn_mass_long, SINKHORN, 2, .i = {1, 6, 7, 1, 0, 1, 0}, .f = {0.2, 0.0, 1.0})

static oai_value gather(oai_builder *b, const oai_value *x) {
    static const int32_t rows[] = {2, 0, 2, 4};
    return oai_gather(b, x[0], oai_constant(b, OASSL_DTYPE_I32, 2, OAI_SHAPE(2, 2), rows));
}

static oai_value scatter_add(oai_builder *b, const oai_value *x) {
    static const int32_t rows[] = {2, 0, 2, 4};
    oai_value inputs[] = {oai_constant(b, OASSL_DTYPE_I32, 1, OAI_SHAPE(4), rows), x[0]};
    return oai_node(b, OASSL_OP_SCATTER_ADD, inputs, 2, &(oassl_node_attrs){.i = {5}});
}

static oai_value relu_grad(oai_builder *b, const oai_value *x) {
    oai_value inputs[] = {oai_affine(b, x[1], 1, -0.7), x[0]};
    return oai_node(b, OASSL_OP_RELU_GRAD, inputs, 2, NULL);
}

static oai_value normalize(oai_builder *b, const oai_value *x) { return oai_normalize(b, x[0], 1); }
static oai_value cosine(oai_builder *b, const oai_value *x) { return oai_cosine(b, x[0], x[1], -2); }
static oai_value linear(oai_builder *b, const oai_value *x) { return oai_linear(b, x[0], x[1], x[2]); }

/* A value used many times, in many ways: gradients accumulate. */
static oai_value shared(oai_builder *b, const oai_value *x) {
    oai_value y = oai_mul(b, x[0], x[0]);
    oai_value z = oai_add(b, oai_unary(b, OASSL_OP_TANH, y), oai_sub(b, y, x[0]));
    return oai_mul(b, oai_div(b, z, y), z);
}

/* A residual block as in the networks: convolution, batch norm, ReLU, sum, pooling, cosine with a vector. */
static oai_value block(oai_builder *b, const oai_value *x) {
    oai_value zero = oai_scalar(b, F64, 0), stats = oai_broadcast(b, zero, 1, OAI_SHAPE(2));
    oai_value h = oai_conv2d(b, x[0], x[1], OAI_NO_VALUE, 1, 1);
    oai_value norm[] = {h, x[2], x[3], stats, oai_affine(b, stats, 1, 1)};
    h = oai_node(b, OASSL_OP_BATCH_NORM, norm, 5, &(oassl_node_attrs){.f = {1e-5, 0.1}});
    h = oai_unary(b, OASSL_OP_RELU, oai_add(b, h, x[0]));
    h = oai_avg_pool(b, h, 2, 2, 0);
    return oai_cosine(b, h, oai_reshape(b, x[4], 4, OAI_SHAPE(1, 2, 1, 1)), 1);
}

/* One attention head with layer norm. */
static oai_value attention(oai_builder *b, const oai_value *x) {
    oai_value h = oai_layer_norm(b, x[0], x[1], x[2], 1e-5);
    oai_value q = oai_linear(b, h, x[3], OAI_NO_VALUE), k = oai_linear(b, h, x[4], OAI_NO_VALUE);
    oai_value scores = oai_affine(b, oai_matmul(b, q, k, 0, 1), 0.7, 0);
    return oai_add(b, x[0], oai_matmul(b, oai_softmax(b, scores, -1), h, 0, 0));
}

#define V(...)                                                                                                        \
    {                                                                                                                 \
        sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), { __VA_ARGS__ }                                           \
    }

static const grad_case cases[] = {
    {"add", add, -1, 1, 2, 2, {V(2, 3, 4), V(2, 3, 4)}},
    {"add broadcast", add, -1, 1, 2, 2, {V(3, 1), V(2, 1, 4)}},
    {"sub broadcast", sub, -1, 1, 2, 2, {V(4), V(2, 3, 4)}},
    {"mul broadcast", mul, -1, 1, 2, 2, {V(2, 3, 4), V(3, 1)}},
    {"div", divide, 0.5, 2, 2, 2, {V(2, 3), V(2, 3)}},
    {"div broadcast", divide, 0.5, 2, 2, 2, {V(2, 1), V(4)}},
    {"maximum", maximum, -1, 1, 2, 2, {V(3, 4), V(3, 4)}},
    {"minimum broadcast", minimum, -1, 1, 2, 2, {V(3, 4), V(4)}},
    {"affine", affine, -1, 1, 1, 1, {V(5)}},
    {"exp", exponential, -1, 1, 1, 1, {V(5)}},
    {"log", logarithm, 0.3, 2, 1, 1, {V(5)}},
    {"sqrt", root, 0.3, 2, 1, 1, {V(5)}},
    {"reciprocal", reciprocal, 0.5, 2, 1, 1, {V(5)}},
    {"abs", absolute, -1, 1, 1, 1, {V(9)}},
    {"relu", relu, -1, 1, 1, 1, {V(9)}},
    {"relu_grad", relu_grad, 0.1, 1.2, 1, 2, {V(9), V(9)}},
    {"sigmoid", sigmoid, -3, 3, 1, 1, {V(9)}},
    {"tanh", hyperbolic, -2, 2, 1, 1, {V(9)}},
    {"softplus", softplus, -4, 4, 1, 1, {V(9)}},
    {"gelu", gelu, -2, 2, 1, 1, {V(9)}},
    {"quick_gelu", quick_gelu, -2, 2, 1, 1, {V(9)}},
    {"reduce_sum", sum_1, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"reduce_sum keep", sum_02_keep, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"reduce_mean", mean_01, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"reduce_max", max_2, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"reduce_max keep", max_02_keep, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"reduce_lse", lse_1, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"reduce_lse keep", lse_12_keep, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"matmul", matmul_nn, -1, 1, 2, 2, {V(3, 4), V(4, 2)}},
    {"matmul a^T", matmul_tn, -1, 1, 2, 2, {V(4, 3), V(4, 2)}},
    {"matmul b^T", matmul_nt, -1, 1, 2, 2, {V(3, 4), V(2, 4)}},
    {"matmul a^T b^T", matmul_tt, -1, 1, 2, 2, {V(4, 3), V(2, 4)}},
    {"matmul batches", matmul_nn, -1, 1, 2, 2, {V(2, 1, 3, 4), V(3, 4, 2)}},
    {"matmul a^T batches", matmul_tn, -1, 1, 2, 2, {V(2, 4, 3), V(2, 4, 2)}},
    {"matmul a^T b^T one matrix", matmul_tt, -1, 1, 2, 2, {V(4, 3), V(2, 2, 4)}},
    {"matmul batch, one matrix", matmul_nn, -1, 1, 2, 2, {V(2, 3, 4), V(4, 2)}},
    {"matmul batch, one matrix^T", matmul_nt, -1, 1, 2, 2, {V(2, 2, 3, 4), V(2, 4)}},
    {"matmul batch^T, one matrix", matmul_tn, -1, 1, 2, 2, {V(2, 4, 3), V(4, 2)}},
    {"matmul bias", matmul_bias, -1, 1, 3, 3, {V(3, 4), V(2, 4), V(2)}},
    {"matmul bias batches", matmul_bias, -1, 1, 3, 3, {V(2, 3, 4), V(2, 4), V(2)}},
    {"linear", linear, -1, 1, 3, 3, {V(2, 3, 4), V(2, 4), V(2)}},
    {"conv", conv_plain, -1, 1, 2, 2, {V(2, 2, 4, 3), V(3, 2, 3, 2)}},
    {"conv stride pad", conv_stride_pad, -1, 1, 3, 3, {V(2, 2, 5, 6), V(3, 2, 3, 4), V(3)}},
    {"conv dilated", conv_dilated, -1, 1, 2, 2, {V(1, 2, 4, 3), V(2, 2, 3, 3)}},
    {"conv groups", conv_groups, -1, 1, 3, 3, {V(2, 4, 5, 3), V(6, 2, 3, 2), V(6)}},
    {"max_pool", max_pool, -1, 1, 1, 1, {V(2, 2, 5, 4)}},
    {"avg_pool", avg_pool, -1, 1, 1, 1, {V(2, 2, 5, 4)}},
    {"batch_norm", batch_norm, 0.2, 2, 3, 5, {V(3, 2, 2, 3), V(2), V(2), V(2), V(2)}},
    {"batch_norm rows", batch_norm, 0.2, 2, 3, 5, {V(4, 3), V(3), V(3), V(3), V(3)}},
    {"batch_norm_infer", batch_norm_infer, 0.2, 2, 3, 5, {V(3, 2, 2, 3), V(2), V(2), V(2), V(2)}},
    {"layer_norm", layer_norm, 0.2, 2, 3, 3, {V(2, 3, 4), V(4), V(4)}},
    {"softmax", softmax_1, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"softmax last", softmax_2, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"log_softmax", log_softmax_0, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"log_softmax last", log_softmax_2, -2, 2, 1, 1, {V(2, 3, 4)}},
    {"reshape", reshape, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"transpose", transpose, -1, 1, 1, 1, {V(2, 3, 4)}},
    {"concat", concat, -1, 1, 3, 3, {V(2, 3), V(2, 1), V(2, 2)}},
    {"slice", slice, -1, 1, 1, 1, {V(2, 4, 3)}},
    {"pad", pad, -1, 1, 1, 1, {V(2, 2, 3)}},
    {"broadcast", broadcast, -1, 1, 1, 1, {V(3, 1, 2)}},
    {"gather", gather, -1, 1, 1, 1, {V(5, 3)}},
    {"scatter_add", scatter_add, -1, 1, 1, 1, {V(4, 3)}},
    {"sinkhorn intensity", sinkhorn_cost, -0.9, 0.9, 2, 2, {V(3, 6), V(3, 6)}},
    {"sinkhorn intensity, all iterations", sinkhorn_cost_long, -0.9, 0.9, 2, 2, {V(2, 6), V(2, 6)}},
    {"sinkhorn mass", sinkhorn_mass, 0.1, 0.9, 2, 2, {V(3, 6), V(3, 6)}},
    {"sinkhorn mass, all iterations", sinkhorn_mass_long, 0.1, 0.9, 2, 2, {V(2, 6), V(2, 6)}},
    {"normalize", normalize, -1, 1, 1, 1, {V(2, 3, 2)}},
    {"cosine", cosine, -1, 1, 2, 2, {V(2, 1, 3, 4), V(5, 3, 1)}},
    {"shared value", shared, 0.3, 1, 1, 1, {V(2, 3)}},
    {"residual block", block, -1, 1, 5, 5, {V(2, 2, 4, 4), V(2, 2, 3, 3), V(2), V(2), V(2)}},
    {"attention", attention, -1, 1, 5, 5, {V(2, 3, 4), V(4), V(4), V(4, 4), V(4, 4)}},
};

static void test_cases(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double error = grad_error(&cases[k]);
        if (!(error < 1e-6)) fail_msg("%s: relative error %g", cases[k].name, error);
    }
}

/* An operation that ops.inc gains needs a case above or an entry here. */
static int not_differentiated(uint32_t op) {
    switch (op) {
    case OASSL_OP_LESS_EQUAL:
    case OASSL_OP_SIGN:
    case OASSL_OP_STOP_GRADIENT:
    case OASSL_OP_COUNT_NON_FINITE:
    case OASSL_OP_ADAM:
    case OASSL_OP_GELU_GRAD:
    case OASSL_OP_QUICK_GELU_GRAD:
    case OASSL_OP_REDUCE_MAX_GRAD:
    case OASSL_OP_CONV2D_GRAD_INPUT:
    case OASSL_OP_CONV2D_GRAD_WEIGHT:
    case OASSL_OP_MAX_POOL_GRAD:
    case OASSL_OP_AVG_POOL_GRAD:
    case OASSL_OP_BATCH_NORM_GRAD:
    case OASSL_OP_BATCH_NORM_INFER_GRAD:
    case OASSL_OP_LAYER_NORM_GRAD:
    case OASSL_OP_SOFTMAX_GRAD:
    case OASSL_OP_LOG_SOFTMAX_GRAD:
    case OASSL_OP_SINKHORN_GRAD: return 1;
    default: return 0;
    }
}

static void test_every_operation_was_tried(void **state) {
    (void)state;
#define OASSL_OP(number, NAME, name, min, max, outputs)                                                               \
    if (!seen_ops[number] && !not_differentiated(number)) fail_msg("no case differentiates %s", #name);
#include "oassl/ops.inc"
#undef OASSL_OP
}

/* ---- can it fail? ------------------------------------------------------------------------------------------ */

static oai_value half_stopped(oai_builder *b, const oai_value *x) {
    return oai_mul(b, x[0], oai_unary(b, OASSL_OP_STOP_GRADIENT, x[0]));
}

static void test_a_wrong_gradient_is_caught(void **state) {
    (void)state;
    const grad_case wrong = {"(expected to be wrong)", half_stopped, 0.5, 1, 1, 1, {V(1)}};
    assert_true(grad_error(&wrong) > 0.1);
}

/* ---- where differences do not exist: ties, zeros ----------------------------------------------------------- */

/* Gradient at given inputs into r->g. */
static void at_point(const grad_case *c, const double *x0, const double *x1, grad_run *r) {
    grad_open(c, r);
    memcpy(r->x[0], x0, (size_t)r->n[0] * sizeof *x0);
    if (x1) memcpy(r->x[1], x1, (size_t)r->n[1] * sizeof *x1);
    CHECK(oai_exec_run(r->full));
}

static oai_value sum_of(oai_builder *b, oai_value y) { /* undoes the random weights: every dy equal to 1 */
    return oai_reduce(b, OASSL_OP_REDUCE_SUM, y, (1u << oai_info(b, y)->rank) - 1, 0);
}

static oai_value max_sum(oai_builder *b, const oai_value *x) { return sum_of(b, maximum(b, x)); }
static oai_value min_sum(oai_builder *b, const oai_value *x) { return sum_of(b, minimum(b, x)); }
static oai_value abs_sum(oai_builder *b, const oai_value *x) { return sum_of(b, absolute(b, x)); }
static oai_value relu_sum(oai_builder *b, const oai_value *x) { return sum_of(b, relu(b, x)); }
static oai_value pool_sum(oai_builder *b, const oai_value *x) { return sum_of(b, oai_max_pool(b, x[0], 2, 2, 0)); }
static oai_value reduce_max_sum(oai_builder *b, const oai_value *x) {
    return sum_of(b, oai_reduce(b, OASSL_OP_REDUCE_MAX, x[0], OAI_AXIS(1), 0));
}

static void expect(const grad_case *c, const double *x0, const double *x1, const double *g0, const double *g1) {
    grad_run r;
    at_point(c, x0, x1, &r);
    double weight = 0; /* all gradients carry the one random weight of the scalar result */
    for (int64_t j = 0; j < r.n[0]; j++) weight = fmax(weight, fabs(r.g[0][j]));
    if (g1)
        for (int64_t j = 0; j < r.n[1]; j++) weight = fmax(weight, fabs(r.g[1][j]));
    for (int64_t j = 0; j < r.n[0]; j++) assert_float_equal(r.g[0][j] / weight, g0[j], 1e-12);
    for (int64_t j = 0; g1 && j < r.n[1]; j++) assert_float_equal(r.g[1][j] / weight, g1[j], 1e-12);
    grad_close(&r);
}

static void test_ties(void **state) {
    (void)state;
    const double a[] = {1, 2, 3}, b[] = {1, 3, 2}, zero[] = {0, -1, 2};
    const grad_case maximum_case = {"", max_sum, 0, 1, 2, 2, {V(3), V(3)}};
    expect(&maximum_case, a, b, (double[]){1, 0, 1}, (double[]){0, 1, 0});
    const grad_case minimum_case = {"", min_sum, 0, 1, 2, 2, {V(3), V(3)}};
    expect(&minimum_case, a, b, (double[]){1, 1, 0}, (double[]){0, 0, 1});
    const grad_case abs_case = {"", abs_sum, 0, 1, 1, 1, {V(3)}};
    expect(&abs_case, zero, NULL, (double[]){0, -1, 1}, NULL);
    const grad_case relu_case = {"", relu_sum, 0, 1, 1, 1, {V(3)}};
    expect(&relu_case, zero, NULL, (double[]){0, 0, 1}, NULL);
    const grad_case pool_case = {"", pool_sum, 0, 1, 1, 1, {V(1, 1, 2, 4)}};
    expect(&pool_case, (double[]){1, 5, 2, 2, 5, 5, 2, 2}, NULL, (double[]){0, 1, 1, 0, 0, 0, 0, 0}, NULL);
    const grad_case max_case = {"", reduce_max_sum, 0, 1, 1, 1, {V(2, 3)}};
    expect(&max_case, (double[]){1, 4, 4, 7, 7, 7}, NULL, (double[]){0, 1, 0, 1, 0, 0}, NULL);
}

static oai_value normalize_sum(oai_builder *b, const oai_value *x) { return sum_of(b, normalize(b, x)); }

static void test_normalize_of_zero_is_finite(void **state) {
    (void)state;
    const grad_case c = {"", normalize_sum, 0, 1, 1, 1, {V(2, 3)}};
    grad_run r;
    at_point(&c, (double[]){0, 0, 0, 1, 2, 2}, NULL, &r);
    for (int64_t j = 0; j < r.n[0]; j++) assert_true(isfinite(r.g[0][j]));
    grad_close(&r);
}

/* Statistics beside the result, indices and comparisons are constants: no gradient, no error. */
static oai_value with_constants(oai_builder *b, const oai_value *x) {
    oai_value mask = oai_less_equal(b, x[0], oai_scalar(b, F64, 0.5));
    oai_value sign = oai_unary(b, OASSL_OP_SIGN, x[0]), count = oai_unary(b, OASSL_OP_COUNT_NON_FINITE, x[0]);
    return oai_add(b, oai_mul(b, mask, x[0]), oai_add(b, sign, count));
}

static void test_constants_pass_nothing_on(void **state) {
    (void)state;
    const grad_case c = {"with constants", with_constants, 0, 1, 1, 1, {V(9)}};
    assert_true(grad_error(&c) < 1e-6);
    oai_builder *b;
    oai_value gradient = 0;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_value x = oai_input(b, "x", F64, 0, NULL), y = oai_input(b, "y", F64, 0, NULL);
    oai_value loss = oai_unary(b, OASSL_OP_STOP_GRADIENT, oai_mul(b, x, x));
    CHECK(oai_gradient(b, loss, &x, 1, &gradient));
    assert_int_equal(gradient, OAI_NO_VALUE);
    CHECK(oai_gradient(b, oai_mul(b, x, x), &y, 1, &gradient));
    assert_int_equal(gradient, OAI_NO_VALUE);
    oai_builder_destroy(b);
}

static void test_second_derivatives_are_refused(void **state) {
    (void)state;
    oai_builder *b;
    oai_value dx, ddx;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_value x = oai_input(b, "x", F64, 0, NULL);
    CHECK(oai_gradient(b, oai_unary(b, OASSL_OP_GELU, x), &x, 1, &dx));
    assert_int_equal(oai_gradient(b, dx, &x, 1, &ddx), OASSL_STATUS_UNSUPPORTED);
    assert_non_null(strstr(oassl_last_error(), "gelu_grad"));
    oai_builder_destroy(b);
}

/* losses.md 8.2, known answer ori_a: both ordered pairs of two maps on a 2x2 grid. */
static void ori_a(int64_t mode, int64_t envelope, double threshold, double *out_loss, double *out_gradient) {
    static const double map_0[] = {.91, .23, .12, .02}, map_1[] = {.15, .74, .65, .33};
    oai_builder *b;
    oassl_graph *graph;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_value in[] = {oai_input(b, "s0", F64, 2, OAI_SHAPE(1, 4)), oai_input(b, "s1", F64, 2, OAI_SHAPE(1, 4))};
    oai_value swapped[] = {in[1], in[0]};
    oai_value s = oai_concat(b, in, 2, 0), t = oai_affine(b, oai_concat(b, swapped, 2, 0), -1, 1);
    oassl_node_attrs attrs = {.i = {2, 2, 100, mode, 0, 0, envelope}, .f = {0.1, threshold, 1}};
    oai_value loss = sum_of(b, oai_node(b, OASSL_OP_SINKHORN, (oai_value[]){s, t}, 2, &attrs)), gradient;
    CHECK(oai_gradient(b, loss, in, 1, &gradient));
    oai_output(b, loss);
    oai_output(b, gradient);
    CHECK(oai_builder_finish(b, &graph));
    oai_exec *exec = compile(graph);
    CHECK(oai_exec_bind(exec, in[0], (void *)map_0));
    CHECK(oai_exec_bind(exec, in[1], (void *)map_1));
    CHECK(oai_exec_bind(exec, loss, out_loss));
    CHECK(oai_exec_bind(exec, gradient, out_gradient));
    CHECK(oai_exec_run(exec));
    oai_exec_destroy(exec);
    oai_graph_destroy(&oai_default_host, graph);
    oai_builder_destroy(b);
}

static void test_ori_known_answers(void **state) {
    (void)state;
    static const double unrolled[] = {0.499821, -0.498022, -0.499361, -0.502796};
    static const double envelope[] = {0.500000, -0.499324, -0.499725, -0.500951};
    double loss, gradient[4];
    ori_a(0, 0, 0.1, &loss, gradient);
    assert_float_equal(loss, 0.486317, 1e-6);
    for (int k = 0; k < 4; k++) assert_float_equal(gradient[k], unrolled[k], 1e-6);
    ori_a(0, 1, 0.1, &loss, gradient);
    for (int k = 0; k < 4; k++) assert_float_equal(gradient[k], envelope[k], 1e-6);
    ori_a(0, 0, 1e-9, &loss, gradient);
    assert_float_equal(loss, 0.485887, 1e-6);
    ori_a(1, 0, 0.1, &loss, gradient);
    assert_float_equal(loss, 0.590603, 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_operation_was_tried),
        cmocka_unit_test(test_a_wrong_gradient_is_caught),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_normalize_of_zero_is_finite),
        cmocka_unit_test(test_constants_pass_nothing_on),
        cmocka_unit_test(test_second_derivatives_are_refused),
        cmocka_unit_test(test_ori_known_answers),
    };
    return cmocka_run_group_tests(tests, make_context, drop_context);
}
