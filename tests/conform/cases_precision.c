/* Plans in less than strict f32 against the reference in f32: the same graphs, and whole networks, within a tolerance
 * of each precision.  A plug-in that has none of them says UNSUPPORTED with the reason, and the cases count as
 * skipped. */
#include "conform.h"

#include <math.h>
#include <stdio.h>

static cf_value relu(cf_graph *g, cf_value x) { return cf_unary(g, OASSL_OP_RELU, x); }

/* Batch normalisation folded, as inference graphs come. */
static cf_value conv(cf_graph *g, cf_value x, int64_t o, int64_t kernel, int64_t stride) {
    const int64_t c = cf_info(g, x)->shape[1];
    const cf_fill fill = CF_FILL(CF_NORMAL, 0, sqrt(2.0 / (double)(c * kernel * kernel)));
    const cf_value w = cf_param(g, fill, CF_SHAPE(o, c, kernel, kernel)),
                   bias = cf_param(g, CF_RANGE(-0.2, 0.2), CF_SHAPE(o));
    return cf_conv(g, x, w, bias, cf_square(kernel, stride, kernel / 2));
}

static cf_value block(cf_graph *g, cf_value x, int64_t o, int64_t stride) {
    const cf_value inner = conv(g, relu(g, conv(g, x, o, 3, stride)), o, 3, 1);
    const int same = stride == 1 && cf_info(g, x)->shape[1] == o;
    return relu(g, cf_binary(g, OASSL_OP_ADD, inner, same ? x : conv(g, x, o, 1, stride)));
}

/* A residual network in small: stem, pooling, two stages, the map and its mean as outputs. */
static void networks(cf_suite *s) {
    static const struct {
        const char *name;
        int64_t n, c, h, w, width;
    } grid[] = {{"net_picture", 1, 3, 64, 64, 16},
                {"net_batch3", 3, 3, 40, 56, 32},
                {"net_sound", 2, 1, 65, 50, 16},
                {"net_odd", 1, 5, 37, 29, 12}};
    for (int k = 0; k < 4; k++) {
        cf_graph *g = cf_begin(s, "%s", grid[k].name);
        if (!g) continue;
        g->fused = 1;
        g->looser = 2; /* ten layers' errors add up */
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(grid[k].n, grid[k].c, grid[k].h, grid[k].w));
        cf_value y = cf_pool(g, OASSL_OP_MAX_POOL, relu(g, conv(g, x, grid[k].width, 7, 2)), cf_square(3, 2, 1));
        y = block(g, block(g, y, grid[k].width, 1), grid[k].width, 1);
        y = block(g, block(g, y, 2 * grid[k].width, 2), 2 * grid[k].width, 1);
        cf_output(g, y);
        cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_MEAN, y, 0xC, 0));
        cf_check(g);
    }
}

/* Between two convolutions, so that a plan in 8 bits pools 8 bits. */
static void pools(cf_suite *s) {
    static const cf_window windows[] = {{2, 2, 2, 2, 0, 0, 1, 1, 1},
                                        {3, 3, 1, 1, 1, 1, 1, 1, 1},
                                        {2, 5, 1, 3, 1, 0, 1, 1, 1},
                                        {4, 1, 3, 1, 3, 0, 1, 1, 1}};
    for (int k = 0; k < 8; k++) {
        cf_graph *g = cf_begin(s, "pooled%d%s", k / 2, k % 2 ? "_average" : "");
        if (!g) continue;
        const cf_value x = relu(g, conv(g, cf_input(g, CF_RANDOM, CF_SHAPE(2, 3, 13, 11)), 17, 3, 1));
        const cf_value y = cf_pool(g, k % 2 ? OASSL_OP_AVG_POOL : OASSL_OP_MAX_POOL, x, windows[k / 2]);
        cf_output(g, conv(g, y, 8, 1, 1));
        cf_check(g);
    }
}

static void products(cf_suite *s) {
    cf_graph *g = cf_begin(s, "linear_gelu_linear");
    if (!g) return;
    g->fused = 1;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(3, 40, 64));
    const cf_value w1 = cf_param(g, CF_FILL(CF_NORMAL, 0, 0.12), CF_SHAPE(96, 64)),
                   w2 = cf_param(g, CF_FILL(CF_NORMAL, 0, 0.1), CF_SHAPE(64, 96));
    const cf_value bias = cf_param(g, CF_RANGE(-0.2, 0.2), CF_SHAPE(96));
    const cf_value inner = cf_unary(g, OASSL_OP_GELU, cf_matmul(g, x, w1, bias, 0, 1));
    cf_output(g, cf_binary(g, OASSL_OP_ADD, x, cf_matmul(g, inner, w2, CF_NONE, 0, 1)));
    cf_output(g, cf_matmul(g, x, x, CF_NONE, 0, 1));
    cf_check(g);
}

static int begin(cf_suite *s, int32_t precision, double tolerance) {
    if (s->dtype != OASSL_DTYPE_F32) return 0;
    s->precision = precision;
    s->tolerance = tolerance;
    networks(s);
    pools(s);
    products(s);
    cases_conv2d(s);
    cases_chains(s);
    return 1;
}

static void end(cf_suite *s) {
    s->precision = OASSL_PRECISION_F32;
    s->tolerance = 0;
    s->by_norm = 0;
}

void cases_f32_fast(cf_suite *s) {
    if (!begin(s, OASSL_PRECISION_F32_FAST, 1e-4)) return;
    cases_conv2d_grad_input(s);
    cases_conv2d_grad_weight(s);
    cases_training(s);
    end(s);
}

void cases_bf16(cf_suite *s) {
    if (!begin(s, OASSL_PRECISION_BF16, 1e-2)) return;
    cases_conv2d_grad_input(s);
    cases_conv2d_grad_weight(s);
    cases_matmul(s);
    /* One result in 2^8 falls on the other side of a RELU, and takes the whole gradient of the element with it: in the
     * norm a few per cent of a small tensor for each layer on the way back. */
    s->by_norm = 1;
    s->tolerance = 4e-2;
    cases_training(s);
    end(s);
}

void cases_int8(cf_suite *s) {
    if (!begin(s, OASSL_PRECISION_INT8, 3e-2)) return;
    end(s);
}
