/* Cases of the elementwise operations. */
#include "conform.h"

typedef struct shaped {
    const char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
} shaped;

static const shaped shapes[] = {
    {"scalar", 0, {0}},
    {"1", 1, {1}},
    {"7", 1, {7}},
    {"64", 1, {64}},
    {"3x5x17", 3, {3, 5, 17}},
    {"2x16x9x11", 4, {2, 16, 9, 11}},
    {"2x3x1x5x2x3", 6, {2, 3, 1, 5, 2, 3}},
    {"100003", 1, {100003}},
};

enum { N_SHAPES = sizeof shapes / sizeof *shapes };

typedef struct named_fill {
    const char *name;
    cf_fill fill;
} named_fill;

#define FILL_ROW(text, ...)                                                                                           \
    {                                                                                                                 \
        text, { __VA_ARGS__ }                                                                                         \
    }
#define FILLS(...) (const named_fill[]){__VA_ARGS__}, sizeof((const named_fill[]){__VA_ARGS__}) / sizeof(named_fill)

static void unary_case(cf_suite *s, uint32_t op, const shaped *shape, const named_fill *fill) {
    cf_graph *g = cf_begin(s, "%s_%s", shape->name, fill->name);
    if (!g) return;
    cf_output(g, cf_unary(g, op, cf_input(g, fill->fill, shape->rank, shape->shape)));
    cf_check(g);
}

static void unary(cf_suite *s, uint32_t op, const named_fill *fills, size_t n_fills) {
    for (size_t k = 0; k < N_SHAPES; k++) unary_case(s, op, &shapes[k], &fills[0]);
    for (size_t f = 1; f < n_fills; f++) unary_case(s, op, &shapes[4 + f % 2], &fills[f]);
}

#define ORDINARY FILL_ROW("normal", CF_NORMAL)
#define TIES FILL_ROW("ties", CF_TIES)
#define ZEROS FILL_ROW("zeros", CF_ZEROS)
#define INFINITE FILL_ROW("infinite", CF_INFINITE)
#define SPECIAL FILL_ROW("special", CF_SPECIAL)
#define TINY FILL_ROW("tiny", CF_TINY)
#define LARGE FILL_ROW("large", CF_LARGE)
#define BETWEEN(name, low, high) FILL_ROW(name, CF_UNIFORM, low, high)

void cases_exp(cf_suite *s) { unary(s, OASSL_OP_EXP, FILLS(ORDINARY, ZEROS, SPECIAL, BETWEEN("wide", -110, 95))); }
void cases_log(cf_suite *s) {
    unary(s, OASSL_OP_LOG, FILLS(BETWEEN("positive", 0.01, 5), BETWEEN("small", 1e-30, 1e-20), ZEROS));
}
void cases_sqrt(cf_suite *s) { unary(s, OASSL_OP_SQRT, FILLS(BETWEEN("positive", 0, 9), ZEROS)); }
void cases_reciprocal(cf_suite *s) {
    unary(s, OASSL_OP_RECIPROCAL, FILLS(BETWEEN("positive", 0.01, 9), BETWEEN("negative", -9, -0.01), TIES, LARGE));
}
void cases_abs(cf_suite *s) { unary(s, OASSL_OP_ABS, FILLS(ORDINARY, TIES, SPECIAL, TINY)); }
void cases_sign(cf_suite *s) { unary(s, OASSL_OP_SIGN, FILLS(ORDINARY, TIES, ZEROS, INFINITE)); }
void cases_relu(cf_suite *s) { unary(s, OASSL_OP_RELU, FILLS(ORDINARY, TIES, SPECIAL, TINY, LARGE)); }
void cases_sigmoid(cf_suite *s) {
    unary(s, OASSL_OP_SIGMOID, FILLS(ORDINARY, ZEROS, INFINITE, BETWEEN("wide", -80, 80)));
}
void cases_tanh(cf_suite *s) { unary(s, OASSL_OP_TANH, FILLS(ORDINARY, ZEROS, INFINITE, BETWEEN("wide", -40, 40))); }
void cases_softplus(cf_suite *s) {
    unary(s, OASSL_OP_SOFTPLUS, FILLS(ORDINARY, ZEROS, BETWEEN("wide", -80, 300), LARGE));
}
void cases_gelu(cf_suite *s) { unary(s, OASSL_OP_GELU, FILLS(ORDINARY, ZEROS, BETWEEN("wide", -12, 12))); }
void cases_quick_gelu(cf_suite *s) { unary(s, OASSL_OP_QUICK_GELU, FILLS(ORDINARY, ZEROS, BETWEEN("wide", -40, 40))); }
void cases_stop_gradient(cf_suite *s) { unary(s, OASSL_OP_STOP_GRADIENT, FILLS(ORDINARY, SPECIAL, TINY)); }

void cases_affine(cf_suite *s) {
    static const double scales[][2] = {{2, -1}, {-0.5, 0}, {0, 3}, {1, 0.1}, {1e-3, 1e3}};
    for (size_t k = 0; k < N_SHAPES; k++) {
        cf_graph *g = cf_begin(s, "%s", shapes[k].name);
        if (!g) continue;
        const double *f = scales[k % 5];
        cf_output(g, cf_affine(g, cf_input(g, CF_RANDOM, shapes[k].rank, shapes[k].shape), f[0], f[1]));
        cf_check(g);
    }
}

/* ---- (x, dy)
 * -------------------------------------------------------------------------------------------------------- */

static void gradient(cf_suite *s, uint32_t op, const named_fill *fills, size_t n_fills) {
    for (size_t k = 0; k < N_SHAPES; k++)
        for (size_t f = 0; f < n_fills; f++) {
            if (f > 0 && k != 4 + f % 2) continue;
            cf_graph *g = cf_begin(s, "%s_%s", shapes[k].name, fills[f].name);
            if (!g) continue;
            const cf_value x = cf_input(g, fills[f].fill, shapes[k].rank, shapes[k].shape);
            cf_output(g, cf_grad_of(g, op, x, cf_input(g, CF_RANDOM, shapes[k].rank, shapes[k].shape)));
            cf_check(g);
        }
}

void cases_relu_grad(cf_suite *s) { gradient(s, OASSL_OP_RELU_GRAD, FILLS(ORDINARY, TIES, ZEROS, INFINITE, LARGE)); }
void cases_gelu_grad(cf_suite *s) {
    gradient(s, OASSL_OP_GELU_GRAD, FILLS(ORDINARY, ZEROS, BETWEEN("wide", -12, 12)));
}
void cases_quick_gelu_grad(cf_suite *s) {
    gradient(s, OASSL_OP_QUICK_GELU_GRAD, FILLS(ORDINARY, ZEROS, BETWEEN("wide", -40, 40)));
}

/* ---- two inputs
 * ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    shaped a, b;
} pairs[] = {
    {"same", {"", 2, {4, 5}}, {"", 2, {4, 5}}},
    {"scalars", {"", 0, {0}}, {"", 0, {0}}},
    {"1_7", {"", 1, {1}}, {"", 1, {7}}},
    {"scalar_3x4", {"", 0, {0}}, {"", 2, {3, 4}}},
    {"3x4_scalar", {"", 2, {3, 4}}, {"", 0, {0}}},
    {"channel", {"", 4, {2, 16, 7, 9}}, {"", 4, {1, 16, 1, 1}}},
    {"channel_left", {"", 3, {17, 1, 1}}, {"", 4, {2, 17, 7, 9}}},
    {"plane", {"", 4, {2, 16, 7, 9}}, {"", 4, {2, 1, 7, 9}}},
    {"outer", {"", 3, {2, 1, 5}}, {"", 3, {1, 3, 1}}},
    {"column", {"", 2, {6, 300}}, {"", 2, {6, 1}}},
    {"row", {"", 2, {1, 300}}, {"", 2, {6, 300}}},
    {"last", {"", 6, {2, 3, 4, 1, 2, 7}}, {"", 1, {7}}},
    {"checker", {"", 6, {2, 1, 4, 1, 3, 1}}, {"", 6, {1, 3, 1, 2, 1, 5}}},
    {"maps", {"", 5, {3, 1, 4, 5, 6}}, {"", 5, {1, 2, 4, 5, 6}}},
    {"big", {"", 2, {301, 257}}, {"", 2, {301, 257}}},
    {"big_bias", {"", 2, {301, 257}}, {"", 1, {257}}},
};

static void binary_case(cf_suite *s, uint32_t op, size_t pair, const named_fill *a, const named_fill *b) {
    cf_graph *g = cf_begin(s, "%s_%s_%s", pairs[pair].name, a->name, b->name);
    if (!g) return;
    const cf_value x = cf_input(g, a->fill, pairs[pair].a.rank, pairs[pair].a.shape);
    const cf_value y = cf_input(g, b->fill, pairs[pair].b.rank, pairs[pair].b.shape);
    cf_output(g, cf_binary(g, op, x, y));
    cf_check(g);
}

/* fills come in pairs: a, b */
static void binary(cf_suite *s, uint32_t op, const named_fill *fills, size_t n_fills) {
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) binary_case(s, op, k, &fills[0], &fills[1]);
    for (size_t f = 2; f + 1 < n_fills; f += 2) {
        binary_case(s, op, 0, &fills[f], &fills[f + 1]);
        binary_case(s, op, 5, &fills[f], &fills[f + 1]);
        binary_case(s, op, 14, &fills[f], &fills[f + 1]);
    }
}

void cases_add(cf_suite *s) {
    binary(s, OASSL_OP_ADD, FILLS(ORDINARY, ORDINARY, LARGE, ORDINARY, SPECIAL, INFINITE, TINY, TINY));
}
void cases_sub(cf_suite *s) {
    binary(s, OASSL_OP_SUB, FILLS(ORDINARY, ORDINARY, LARGE, LARGE, SPECIAL, INFINITE, TIES, TIES));
}
void cases_mul(cf_suite *s) {
    binary(s, OASSL_OP_MUL, FILLS(ORDINARY, ORDINARY, FILL_ROW("overflow", CF_LARGE, 0, 1e38), LARGE, SPECIAL, TIES));
}
void cases_div(cf_suite *s) {
    binary(s, OASSL_OP_DIV, FILLS(ORDINARY, BETWEEN("positive", 0.01, 9), TIES, TIES, LARGE, LARGE, ZEROS, ORDINARY));
}
void cases_maximum(cf_suite *s) {
    binary(s, OASSL_OP_MAXIMUM, FILLS(ORDINARY, ORDINARY, TIES, TIES, INFINITE, INFINITE, TINY, ZEROS));
}
void cases_minimum(cf_suite *s) {
    binary(s, OASSL_OP_MINIMUM, FILLS(ORDINARY, ORDINARY, TIES, TIES, INFINITE, INFINITE, TINY, ZEROS));
}
void cases_less_equal(cf_suite *s) {
    binary(s, OASSL_OP_LESS_EQUAL, FILLS(ORDINARY, ORDINARY, TIES, TIES, SPECIAL, SPECIAL, INFINITE, INFINITE));
}
