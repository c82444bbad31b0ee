/* Inference graphs with many nodes, run with fusion off and on: what a backend merges, reorders, lays out anew or
 * keeps in place must not show. */
#include "conform.h"

#include <math.h>

static cf_graph *begin(cf_suite *s, const char *name) {
    cf_graph *g = cf_begin(s, "%s", name);
    if (g) g->fused = 1;
    return g;
}

static cf_value weight(cf_graph *g, int64_t o, int64_t c, int64_t kernel) {
    const double deviation = sqrt(2.0 / (double)(c * kernel * kernel));
    return cf_param(g, CF_FILL(CF_NORMAL, 0, deviation), CF_SHAPE(o, c, kernel, kernel));
}

static cf_value vector(cf_graph *g, int64_t n) { return cf_param(g, CF_RANGE(-0.5, 0.5), CF_SHAPE(n)); }

static cf_value linear(cf_graph *g, cf_value x, int64_t from, int64_t to, int biased) {
    const cf_value w = cf_param(g, CF_FILL(CF_NORMAL, 0, 1 / sqrt((double)from)), CF_SHAPE(to, from));
    return cf_matmul(g, x, w, biased ? vector(g, to) : CF_NONE, 0, 1);
}

static cf_value norm(cf_graph *g, cf_value x) {
    const int64_t c = cf_info(g, x)->shape[1];
    const cf_value in[] = {x, cf_param(g, CF_RANGE(0.5, 1.5), CF_SHAPE(c)), vector(g, c), vector(g, c),
                           cf_param(g, CF_RANGE(0.5, 2), CF_SHAPE(c))};
    return cf_batch_norm_infer(g, in, 1e-5);
}

static cf_value relu(cf_graph *g, cf_value x) { return cf_unary(g, OASSL_OP_RELU, x); }
static cf_value add(cf_graph *g, cf_value a, cf_value b) { return cf_binary(g, OASSL_OP_ADD, a, b); }
static cf_value mul(cf_graph *g, cf_value a, cf_value b) { return cf_binary(g, OASSL_OP_MUL, a, b); }

static cf_value conv_norm(cf_graph *g, cf_value x, int64_t o, int64_t kernel, int64_t stride) {
    const cf_value w = weight(g, o, cf_info(g, x)->shape[1], kernel);
    return norm(g, cf_conv(g, x, w, CF_NONE, cf_square(kernel, stride, kernel / 2)));
}

static cf_value basic_block(cf_graph *g, cf_value x, int64_t o, int64_t stride) {
    const cf_value inner = conv_norm(g, relu(g, conv_norm(g, x, o, 3, stride)), o, 3, 1);
    const int same = stride == 1 && cf_info(g, x)->shape[1] == o;
    return relu(g, add(g, inner, same ? x : conv_norm(g, x, o, 1, stride)));
}

/* ---- convolution chains
 * --------------------------------------------------------------------------------------------- */

static void conv_bn_relu(cf_suite *s) {
    static const struct {
        const char *name;
        int64_t c, h, w, o, kernel, stride;
    } grid[] = {{"conv3x3_bn_relu", 16, 9, 11, 32, 3, 1},
                {"conv1x1_bn_relu", 17, 7, 7, 5, 1, 1},
                {"conv7x7s2_bn_relu", 3, 20, 17, 16, 7, 2},
                {"conv3x3s2_bn_relu", 64, 8, 8, 64, 3, 2}};
    for (int k = 0; k < 4; k++) {
        cf_graph *g = begin(s, grid[k].name);
        if (!g) continue;
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, grid[k].c, grid[k].h, grid[k].w));
        cf_output(g, relu(g, conv_norm(g, x, grid[k].o, grid[k].kernel, grid[k].stride)));
        cf_check(g);
    }
}

/* conv + bias, a residual and relu, in every order and with every kind of residual */
static void conv_bias_sum_relu(cf_suite *s) {
    for (int how = 0; how < 8; how++) {
        cf_graph *g =
            cf_begin(s, "conv_bias_sum_relu_%s_%s_%s", how & 1 ? "left" : "right",
                     how & 2 ? "residual_is_input" : "residual_is_result", how & 4 ? "residual_kept" : "once");
        if (!g) continue;
        g->fused = 1;
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 16, 9, 7));
        const cf_value other = cf_input(g, CF_RANDOM, CF_SHAPE(2, 16, 9, 7));
        const cf_value residual = how & 2 ? other : cf_unary(g, OASSL_OP_TANH, other);
        const cf_value y = cf_conv(g, x, weight(g, 16, 16, 3), vector(g, 16), cf_square(3, 1, 1));
        const cf_value sum = how & 1 ? add(g, residual, y) : add(g, y, residual);
        cf_output(g, relu(g, sum));
        if (how & 4) cf_output(g, mul(g, residual, residual)); /* the residual is read after the sum */
        cf_check(g);
    }
}

/* Values inside a pattern that are needed elsewhere too must survive the fusion. */
static void kept_intermediates(cf_suite *s) {
    for (int keep = 0; keep < 3; keep++) {
        cf_graph *g = cf_begin(s, "conv_bn_relu_keep_%s", keep == 0 ? "conv" : keep == 1 ? "bn" : "conv_as_output");
        if (!g) continue;
        g->fused = 1;
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(1, 8, 7, 7));
        const cf_value y = cf_conv(g, x, weight(g, 16, 8, 3), CF_NONE, cf_square(3, 1, 1));
        const cf_value z = norm(g, y), r = relu(g, z);
        cf_output(g, r);
        if (keep == 2)
            cf_output(g, y);
        else
            cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, keep ? z : y, 0xD, 0));
        cf_check(g);
    }
}

static void resnet(cf_suite *s) {
    cf_graph *g = begin(s, "basic_block_same");
    if (g) {
        cf_output(g, basic_block(g, cf_input(g, CF_RANDOM, CF_SHAPE(1, 16, 10, 8)), 16, 1));
        cf_check(g);
    }
    g = begin(s, "basic_block_down");
    if (g) {
        cf_output(g, basic_block(g, cf_input(g, CF_RANDOM, CF_SHAPE(2, 16, 9, 9)), 32, 2));
        cf_check(g);
    }
    g = begin(s, "resnet");
    if (!g) return;
    cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 3, 40, 48));
    x = cf_pool(g, OASSL_OP_MAX_POOL, relu(g, conv_norm(g, x, 16, 7, 2)), cf_square(3, 2, 1));
    x = basic_block(g, basic_block(g, x, 16, 1), 32, 2);
    x = basic_block(g, x, 48, 2);
    const cf_value pooled = cf_reduce(g, OASSL_OP_REDUCE_MEAN, x, 0xC, 0);
    cf_output(g, linear(g, pooled, 48, 10, 1));
    cf_output(g, x);
    g->looser = 2;
    cf_check(g);
}

/* Elementwise and movement around convolutions, where a blocked layout must be given up or carried on. */
static void around_conv(cf_suite *s) {
    static const char *const names[] = {"conv_transpose",       "conv_reshape",       "conv_concat_conv",
                                        "conv_slice_conv",      "conv_pad_conv",      "conv_scale_channels",
                                        "conv_reduce_channels", "conv_softmax_space", "conv_max_space",
                                        "conv_affine_conv",     "conv_avg_pool_conv"};
    for (int how = 0; how < 11; how++) {
        cf_graph *g = begin(s, names[how]);
        if (!g) continue;
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 5, 8, 9));
        cf_value y = cf_conv(g, x, weight(g, 20, 5, 3), vector(g, 20), cf_square(3, 1, 1));
        switch (how) {
        case 0: y = cf_transpose(g, y, (const int64_t[]){0, 2, 3, 1}); break;
        case 1: y = cf_reshape(g, OASSL_OP_RESHAPE, y, CF_SHAPE(2, 20, 72)); break;
        case 2: y = cf_concat(g, (const cf_value[]){y, x, relu(g, y)}, 3, 1); break;
        case 3: y = cf_slice(g, y, 1, 3, 11); break;
        case 4: y = cf_pad(g, cf_pad(g, y, 2, 1, 2), 3, 0, 1); break;
        case 5: y = mul(g, y, cf_param(g, CF_RANDOM, CF_SHAPE(1, 20, 1, 1))); break;
        case 6: y = cf_reduce(g, OASSL_OP_REDUCE_SUM, y, 2, 1); break;
        case 7: y = cf_softmax(g, OASSL_OP_SOFTMAX, cf_reshape(g, OASSL_OP_RESHAPE, y, CF_SHAPE(2, 20, 72)), 2); break;
        case 8: y = cf_reduce(g, OASSL_OP_REDUCE_MAX, y, 0xC, 0); break;
        case 9: y = cf_affine(g, y, 0.5, 1); break;
        default: y = cf_pool(g, OASSL_OP_AVG_POOL, y, cf_square(2, 2, 0)); break;
        }
        if (cf_info(g, y)->rank == 4 && how != 0)
            y = relu(g, cf_conv(g, y, weight(g, 6, cf_info(g, y)->shape[1], 1), CF_NONE, cf_square(1, 1, 0)));
        cf_output(g, y);
        cf_check(g);
    }
}

/* ---- transformers
 * ---------------------------------------------------------------------------------------------------- */

static cf_value heads_of(cf_graph *g, cf_value x, int64_t n, int64_t length, int64_t heads, int64_t width) {
    const cf_value split = cf_reshape(g, OASSL_OP_RESHAPE, x, CF_SHAPE(n, length, heads, width));
    return cf_transpose(g, split, (const int64_t[]){0, 2, 1, 3});
}

static cf_value layer_norm(cf_graph *g, cf_value x, int64_t width) {
    return cf_layer_norm(g, x, cf_param(g, CF_RANGE(0.5, 1.5), CF_SHAPE(width)), vector(g, width), 1e-12);
}

static cf_value transformer_layer(cf_graph *g, cf_value x, cf_value mask, int64_t heads) {
    const int64_t n = cf_info(g, x)->shape[0], length = cf_info(g, x)->shape[1], width = cf_info(g, x)->shape[2];
    const cf_value q = heads_of(g, linear(g, x, width, width, 1), n, length, heads, width / heads);
    const cf_value k = heads_of(g, linear(g, x, width, width, 1), n, length, heads, width / heads);
    const cf_value v = heads_of(g, linear(g, x, width, width, 1), n, length, heads, width / heads);
    cf_value scores = cf_affine(g, cf_matmul(g, q, k, CF_NONE, 0, 1), 1 / sqrt((double)(width / heads)), 0);
    scores = cf_softmax(g, OASSL_OP_SOFTMAX, add(g, scores, mask), 3);
    cf_value context = cf_transpose(g, cf_matmul(g, scores, v, CF_NONE, 0, 0), (const int64_t[]){0, 2, 1, 3});
    context = cf_reshape(g, OASSL_OP_RESHAPE, context, CF_SHAPE(n, length, width));
    x = layer_norm(g, add(g, x, linear(g, context, width, width, 1)), width);
    const cf_value inner = cf_unary(g, OASSL_OP_GELU, linear(g, x, width, 4 * width, 1));
    return layer_norm(g, add(g, linear(g, inner, 4 * width, width, 1), x), width);
}

static void transformers(cf_suite *s) {
    static const struct {
        const char *name;
        uint32_t op;
    } activations[] = {{"linear_gelu", OASSL_OP_GELU},
                       {"linear_relu", OASSL_OP_RELU},
                       {"linear_tanh", OASSL_OP_TANH},
                       {"linear_quick_gelu", OASSL_OP_QUICK_GELU},
                       {"linear_sigmoid", OASSL_OP_SIGMOID}};
    for (int k = 0; k < 5; k++)
        for (int biased = 0; biased < 2; biased++) {
            cf_graph *g = cf_begin(s, "%s%s", activations[k].name, biased ? "_bias" : "");
            if (!g) continue;
            g->fused = 1;
            const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 9, 24));
            const cf_value inner = cf_unary(g, activations[k].op, linear(g, x, 24, 40, biased));
            cf_output(g, linear(g, inner, 40, 7, 1));
            cf_check(g);
        }
    cf_graph *g = begin(s, "linear_separate_bias_residual");
    if (g) {
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 9, 24));
        cf_output(g, add(g, add(g, linear(g, x, 24, 24, 0), vector(g, 24)), x));
        cf_check(g);
    }
    g = begin(s, "attention");
    if (g) {
        const cf_value mask = cf_input(g, CF_RANGE(-3, 0), CF_SHAPE(2, 1, 1, 9));
        cf_output(g, transformer_layer(g, cf_input(g, CF_RANDOM, CF_SHAPE(2, 9, 32)), mask, 4));
        cf_check(g);
    }
    g = begin(s, "bert_two_layers");
    if (!g) return;
    const cf_value table = cf_param(g, CF_RANDOM, CF_SHAPE(50, 32)), places = cf_param(g, CF_RANDOM, CF_SHAPE(12, 32));
    const cf_value words = cf_gather(g, table, cf_index(g, 50, CF_SHAPE(2, 12)));
    cf_value x = layer_norm(g, add(g, words, places), 32);
    const cf_value mask = cf_input(g, CF_RANGE(-3, 0), CF_SHAPE(2, 1, 1, 12));
    x = transformer_layer(g, transformer_layer(g, x, mask, 4), mask, 4);
    cf_output(g, cf_reshape(g, OASSL_OP_RESHAPE, cf_slice(g, x, 1, 0, 1), CF_SHAPE(2, 32)));
    g->looser = 2;
    cf_check(g);
}

/* ---- elementwise graphs
 * ---------------------------------------------------------------------------------------------- */

/* x / max(|x|, 1e-12) along one axis, the tri-map loss of losses.md 1 */
static void similarity(cf_suite *s) {
    cf_graph *g = begin(s, "cosine_maps");
    if (!g) return;
    const int64_t n = 3, c = 16, p = 20;
    cf_value features[2] = {cf_input(g, CF_RANDOM, CF_SHAPE(n, 1, c, p)),
                            cf_input(g, CF_RANDOM, CF_SHAPE(1, n, c, 1))};
    for (int k = 0; k < 2; k++) {
        const cf_value square = cf_reduce(g, OASSL_OP_REDUCE_SUM, mul(g, features[k], features[k]), 4, 1);
        const cf_value floor = cf_constant(g, CF_RANGE(1e-12, 1e-12), CF_SCALAR);
        features[k] = cf_binary(g, OASSL_OP_DIV, features[k],
                                cf_binary(g, OASSL_OP_MAXIMUM, cf_unary(g, OASSL_OP_SQRT, square), floor));
    }
    const cf_value maps = cf_reduce(g, OASSL_OP_REDUCE_SUM, mul(g, features[0], features[1]), 4, 0); /* [n,n,p] */
    const cf_value w = cf_unary(g, OASSL_OP_SIGMOID, cf_affine(g, maps, 1 / 0.3, -0.65 / 0.3));
    const cf_value pooled = cf_binary(g, OASSL_OP_DIV, cf_reduce(g, OASSL_OP_REDUCE_SUM, mul(g, w, maps), 4, 0),
                                      cf_reduce(g, OASSL_OP_REDUCE_SUM, w, 4, 0));
    cf_output(g, cf_softmax(g, OASSL_OP_LOG_SOFTMAX, cf_affine(g, pooled, 2, 0), 1));
    cf_output(g, maps);
    cf_check(g);
}

static void elementwise(cf_suite *s) {
    cf_graph *g = begin(s, "many_uses");
    if (g) {
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(5, 33));
        const cf_value a = cf_unary(g, OASSL_OP_TANH, x), b = mul(g, a, a), c = add(g, b, a),
                       d = cf_binary(g, OASSL_OP_SUB, c, b);
        cf_output(g, mul(g, d, c));
        cf_output(g, add(g, x, x));
        cf_output(g, b);
        cf_check(g);
    }
    g = begin(s, "output_read_by_nodes");
    if (g) {
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(4, 6)), y = relu(g, x);
        cf_output(g, y);
        cf_output(g, cf_affine(g, y, -2, 1));
        cf_check(g);
    }
    g = begin(s, "dead_outputs");
    if (g) { /* only the second output of a node is asked for */
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(6, 20));
        const cf_value y = cf_layer_norm(g, x, vector(g, 20), vector(g, 20), 1e-5);
        cf_output(g, y + 1);
        cf_check(g);
    }
    g = begin(s, "input_as_output");
    if (g) {
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(3, 4));
        cf_output(g, x);
        cf_output(g, cf_unary(g, OASSL_OP_ABS, x));
        cf_check(g);
    }
    g = begin(s, "constants");
    if (g) {
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(3, 40)), k = cf_constant(g, CF_RANDOM, CF_SHAPE(40));
        const cf_value folded = cf_unary(g, OASSL_OP_EXP, k); /* a backend may compute this once */
        cf_output(g, add(g, mul(g, x, folded), cf_constant(g, CF_RANGE(2, 3), CF_SCALAR)));
        cf_check(g);
    }
    g = begin(s, "long_chain");
    if (!g) return;
    cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 7, 11));
    for (int k = 0; k < 40; k++)
        x = k % 3 == 0 ? cf_unary(g, OASSL_OP_TANH, x) : cf_affine(g, x, k % 2 ? 1.1 : -0.9, 0.1);
    cf_output(g, x);
    g->looser = 4;
    cf_check(g);
}

void cases_chains(cf_suite *s) {
    conv_bn_relu(s);
    conv_bias_sum_relu(s);
    kept_intermediates(s);
    resnet(s);
    around_conv(s);
    transformers(s);
    similarity(s);
    elementwise(s);
}
