/* Tolerances, and whether two results are the same within them. */
#include "conform.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One row an operation: how far an f32 result may be from the truth rounded to f32 (fields of cf_tolerance).  A sum's
 * error belongs to what was summed, not to what is left of it.  f64 results get the same row times 1e-7.  EXACT
 * results are equal, NaN for NaN.  All but MOVED ones may come with subnormal numbers flushed to zero. */
#define MOVED                                                                                                         \
    { .moves = 1 }
#define EXACT                                                                                                         \
    { 0 }
#define ROUNDED                                                                                                       \
    { 2e-7, 0 } /* one rounding, maybe two */
#define FUNCTION                                                                                                      \
    { 4e-6, 2e-7 } /* a polynomial */
#define SUMMED                                                                                                        \
    { .of_terms = 2e-6 }

#define TOLERANCE_ADD EXACT
#define TOLERANCE_SUB EXACT
#define TOLERANCE_MUL ROUNDED
#define TOLERANCE_DIV ROUNDED
#define TOLERANCE_MAXIMUM EXACT
#define TOLERANCE_MINIMUM EXACT
#define TOLERANCE_LESS_EQUAL EXACT
#define TOLERANCE_AFFINE                                                                                              \
    { 2e-7, 2e-7 }
#define TOLERANCE_EXP FUNCTION
#define TOLERANCE_LOG FUNCTION
#define TOLERANCE_SQRT ROUNDED
#define TOLERANCE_RECIPROCAL ROUNDED
#define TOLERANCE_ABS EXACT
#define TOLERANCE_SIGN EXACT
#define TOLERANCE_RELU EXACT
#define TOLERANCE_SIGMOID FUNCTION
#define TOLERANCE_TANH FUNCTION
#define TOLERANCE_SOFTPLUS FUNCTION
#define TOLERANCE_GELU                                                                                                \
    { 4e-6, 4e-7 }
#define TOLERANCE_QUICK_GELU FUNCTION
#define TOLERANCE_RELU_GRAD EXACT
#define TOLERANCE_GELU_GRAD                                                                                           \
    { 4e-6, 1e-6 }
#define TOLERANCE_QUICK_GELU_GRAD                                                                                     \
    { 4e-6, 1e-6 }
#define TOLERANCE_REDUCE_SUM SUMMED
#define TOLERANCE_REDUCE_MEAN SUMMED
#define TOLERANCE_REDUCE_MAX EXACT
#define TOLERANCE_REDUCE_MAX_GRAD EXACT
#define TOLERANCE_REDUCE_LSE                                                                                          \
    { 4e-6, 1e-6 }
#define TOLERANCE_MATMUL SUMMED
#define TOLERANCE_CONV2D SUMMED
#define TOLERANCE_CONV2D_GRAD_INPUT SUMMED
#define TOLERANCE_CONV2D_GRAD_WEIGHT SUMMED
#define TOLERANCE_MAX_POOL EXACT
#define TOLERANCE_MAX_POOL_GRAD                                                                                       \
    { 1e-6, 1e-6 } /* overlapping windows add */
#define TOLERANCE_AVG_POOL SUMMED
#define TOLERANCE_AVG_POOL_GRAD SUMMED
#define TOLERANCE_BATCH_NORM                                                                                          \
    { 4e-6, 4e-6 }
#define TOLERANCE_BATCH_NORM_GRAD                                                                                     \
    { 4e-6, 1e-5 }
#define TOLERANCE_BATCH_NORM_INFER                                                                                    \
    { 2e-6, 2e-6 }
#define TOLERANCE_BATCH_NORM_INFER_GRAD                                                                               \
    { 4e-6, 1e-5 }
#define TOLERANCE_LAYER_NORM                                                                                          \
    { 4e-6, 4e-6 }
#define TOLERANCE_LAYER_NORM_GRAD                                                                                     \
    { 4e-6, 1e-5 }
#define TOLERANCE_SOFTMAX                                                                                             \
    { 4e-6, 1e-7 }
#define TOLERANCE_SOFTMAX_GRAD                                                                                        \
    { 4e-6, 2e-6 }
#define TOLERANCE_LOG_SOFTMAX                                                                                         \
    { 4e-6, 1e-6 }
#define TOLERANCE_LOG_SOFTMAX_GRAD                                                                                    \
    { 4e-6, 4e-6 }
#define TOLERANCE_RESHAPE MOVED
#define TOLERANCE_TRANSPOSE MOVED
#define TOLERANCE_CONCAT MOVED
#define TOLERANCE_SLICE MOVED
#define TOLERANCE_PAD MOVED
#define TOLERANCE_BROADCAST MOVED
#define TOLERANCE_GATHER MOVED
#define TOLERANCE_SCATTER_ADD SUMMED
#define TOLERANCE_STOP_GRADIENT MOVED
#define TOLERANCE_COUNT_NON_FINITE EXACT
#define TOLERANCE_SINKHORN                                                                                            \
    { 2e-5, 0, 2e-6 } /* potentials cancel */
#define TOLERANCE_SINKHORN_GRAD                                                                                       \
    { 1e-4, 1e-4 }
#define TOLERANCE_ADAM                                                                                                \
    { 1e-6, 1e-6 }
#define TOLERANCE_CHAIN                                                                                               \
    { 0, 2e-5 }

static const cf_tolerance tolerances[OASSL_OP_LIMIT] = {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) [number] = TOLERANCE_##NAME,
#include <oassl/ops.inc>
#undef OASSL_OP
};

cf_tolerance cf_tolerance_of(const cf_graph *g) {
    cf_tolerance t = g->graph.n_nodes == 1 ? tolerances[g->nodes[0].op] : (cf_tolerance)TOLERANCE_CHAIN;
    /* Steps of 8 bits are as large for small numbers as for large ones. */
    const int sums = t.of_terms > 0 && g->precision != OASSL_PRECISION_INT8;
    if (g->precision != OASSL_PRECISION_F32)
        t = sums ? (cf_tolerance){.of_terms = g->tolerance} : (cf_tolerance){.of_largest = g->tolerance};
    const double factor = (g->looser > 0 ? g->looser : 1.0) * (g->dtype == OASSL_DTYPE_F64 ? 1e-7 : 1.0);
    t.relative *= factor;
    t.of_largest *= factor;
    t.absolute *= factor;
    t.of_terms *= factor;
    return t;
}

static double element(const oassl_graph_value *value, const void *data, int64_t k) {
    switch (value->dtype) {
    case OASSL_DTYPE_F64: return ((const double *)data)[k];
    case OASSL_DTYPE_I32: return ((const int32_t *)data)[k];
    default: return ((const float *)data)[k];
    }
}

/* "[1,2,3]" */
static void position_text(const oassl_graph_value *value, int64_t k, char *text, size_t bytes) {
    int64_t position[OASSL_MAX_RANK];
    for (int32_t axis = value->rank - 1; axis >= 0; axis--) {
        position[axis] = k % value->shape[axis];
        k /= value->shape[axis];
    }
    size_t at = (size_t)snprintf(text, bytes, "[");
    for (int32_t axis = 0; axis < value->rank && at < bytes; axis++)
        at += (size_t)snprintf(text + at, bytes - at, axis ? ",%lld" : "%lld", (long long)position[axis]);
    if (at < bytes) snprintf(text + at, bytes - at, "]");
}

static double largest_finite(const oassl_graph_value *value, const void *data) {
    double largest = 0;
    for (int64_t k = 0; k < cf_count(value); k++) {
        const double x = fabs(element(value, data, k));
        if (isfinite(x) && x > largest) largest = x;
    }
    return largest;
}

/* Element k of [N,T,...] belongs to a row that was not executed. */
static int is_undefined(const cf_graph *g, cf_value v, int64_t k, void *const *expected) {
    if (g->rows_of[v] == OASSL_NO_VALUE) return 0;
    const oassl_graph_value *value = &g->values[v];
    const int64_t inner = cf_count(value) / (value->shape[0] * value->shape[1]);
    const int64_t row = k / inner % value->shape[1], n = k / inner / value->shape[1];
    return row >= ((const int32_t *)expected[g->rows_of[v]])[n];
}

static int32_t compare_norms(const cf_graph *g, cf_value v, const void *expected, const void *got, char *text) {
    const oassl_graph_value *value = &g->values[v];
    const double allowed = g->tolerance * (g->looser > 0 ? g->looser : 1.0);
    double difference = 0, size = 0;
    for (int64_t k = 0; k < cf_count(value); k++) {
        const double want = element(value, expected, k), have = element(value, got, k);
        difference += (want - have) * (want - have);
        size += want * want;
    }
    if (sqrt(difference) <= allowed * sqrt(size)) return 1; /* no NaN passes */
    snprintf(text, 256, "output '%s': the difference's norm is %.3g of %.3g (allowed part %.3g)",
             g->names + value->name, sqrt(difference), sqrt(size), allowed);
    return 0;
}

int32_t cf_compare(const cf_graph *g, cf_value v, void *const *expected, void *const *got, void *const *terms,
                   char *text) {
    const oassl_graph_value *value = &g->values[v];
    if (g->by_norm && value->dtype == OASSL_DTYPE_F32) return compare_norms(g, v, expected[v], got[v], text);
    const cf_tolerance t = value->dtype == OASSL_DTYPE_I32 ? (cf_tolerance){0} : cf_tolerance_of(g);
    const double largest = largest_finite(value, expected[v]);
    /* a subnormal operand or result may be flushed to zero */
    const double flushed = t.moves ? 0 : 4 * (value->dtype == OASSL_DTYPE_F64 ? DBL_MIN : FLT_MIN);
    int64_t n_bad = 0;
    for (int64_t k = 0; k < cf_count(value); k++) {
        const double want = element(value, expected[v], k), have = element(value, got[v], k);
        if (want == have || (isnan(want) && isnan(have)) || is_undefined(g, v, k, expected)) continue;
        const double allowed = t.relative * fabs(want) + t.of_largest * largest + t.absolute +
                               (t.of_terms > 0 ? t.of_terms * element(value, terms[v], k) : 0) + flushed;
        if (isfinite(want) && fabs(want - have) <= allowed) continue;
        if (n_bad++ > 0) continue;
        char where[64];
        position_text(value, k, where, sizeof where);
        snprintf(text, 256, "output '%s' element %s: expected %.9g, got %.9g (allowed difference %.3g)",
                 g->names + value->name, where, want, have, isfinite(want) ? allowed : 0.0);
    }
    if (n_bad > 1) {
        const size_t end = strlen(text);
        snprintf(text + end, 256 - end, "; %lld of %lld elements differ", (long long)n_bad,
                 (long long)cf_count(value));
    }
    return n_bad == 0;
}
