/* Cases of matrix products and convolutions. */
#include "conform.h"

#include <stdio.h>

/* ---- matmul --------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    int32_t rank_a, rank_b;
    int64_t lead_a[4], lead_b[4]; /* leading axes */
    int64_t rows, depth, cols;
} products[] = {
    {"1x1x1", 2, 2, {0}, {0}, 1, 1, 1},
    {"3x5x7", 2, 2, {0}, {0}, 3, 5, 7},
    {"1x64x17", 2, 2, {0}, {0}, 1, 64, 17},
    {"33x1x9", 2, 2, {0}, {0}, 33, 1, 9},
    {"65x300x1", 2, 2, {0}, {0}, 65, 300, 1},
    {"b3_4x6x5", 3, 3, {3}, {3}, 4, 6, 5},
    {"b3_shared_left", 2, 3, {0}, {3}, 4, 6, 5},
    {"b3_shared_right", 3, 2, {3}, {0}, 4, 6, 5},
    {"b2x3_9x8x9", 4, 4, {2, 3}, {2, 3}, 9, 8, 9},
    {"b2x1_1x3", 4, 4, {2, 1}, {1, 3}, 5, 4, 3},
    {"b2x3_b3", 4, 3, {2, 3}, {3}, 5, 4, 3},
    {"b2x3x2_5axes", 5, 5, {2, 3, 2}, {2, 1, 2}, 3, 4, 5},
    {"128x512x100", 2, 2, {0}, {0}, 128, 512, 100},
};

static cf_value matrix(cf_graph *g, int param, int32_t rank, const int64_t *lead, int64_t rows, int64_t cols) {
    int64_t shape[OASSL_MAX_RANK];
    for (int32_t k = 0; k < rank - 2; k++) shape[k] = lead[k];
    shape[rank - 2] = rows;
    shape[rank - 1] = cols;
    return param ? cf_param(g, CF_RANDOM, rank, shape) : cf_input(g, CF_RANDOM, rank, shape);
}

static void matmul_case(cf_suite *s, size_t k, int ta, int tb, int biased, int param) {
    cf_graph *g = cf_begin(s, "%s%s%s%s%s", products[k].name, ta ? "_ta" : "", tb ? "_tb" : "", biased ? "_bias" : "",
                           param ? "_param" : "");
    if (!g) return;
    const int64_t m = products[k].rows, d = products[k].depth, n = products[k].cols;
    const cf_value a = matrix(g, 0, products[k].rank_a, products[k].lead_a, ta ? d : m, ta ? m : d);
    const cf_value b = matrix(g, param, products[k].rank_b, products[k].lead_b, tb ? n : d, tb ? d : n);
    const cf_value bias = !biased ? CF_NONE
                          : param ? cf_param(g, CF_RANDOM, CF_SHAPE(n))
                                  : cf_input(g, CF_RANDOM, CF_SHAPE(n));
    cf_output(g, cf_matmul(g, a, b, bias, ta, tb));
    cf_check(g);
}

void cases_matmul(cf_suite *s) {
    for (size_t k = 0; k < sizeof products / sizeof *products; k++)
        for (int how = 0; how < 16; how++) matmul_case(s, k, how & 1, how >> 1 & 1, how >> 2 & 1, how >> 3);
    cf_graph *g = cf_begin(s, "zeros");
    if (g) {
        const cf_value a = cf_input(g, CF_FILL(CF_ZEROS), CF_SHAPE(5, 6));
        cf_output(g, cf_matmul(g, a, cf_input(g, CF_RANDOM, CF_SHAPE(6, 4)), CF_NONE, 0, 0));
        cf_check(g);
    }
    g = cf_begin(s, "square_of_input");
    if (g) { /* both operands the same value */
        const cf_value a = cf_input(g, CF_RANDOM, CF_SHAPE(9, 20));
        cf_output(g, cf_matmul(g, a, a, CF_NONE, 0, 1));
        cf_check(g);
    }
}

/* ---- convolution ---------------------------------------------------------------------------------------------------
 */

typedef struct conv_case {
    const char *name;
    int64_t n, c, h, w, o;
    cf_window k;
} conv_case;

/* The shapes a grid of kernel, stride and padding does not reach. */
static const conv_case odd_convs[] = {
    {"groups2", 2, 4, 9, 8, 6, {3, 3, 1, 1, 1, 1, 1, 1, 2}},
    {"groups3_odd", 1, 6, 7, 5, 9, {3, 3, 2, 2, 1, 1, 1, 1, 3}},
    {"groups2_wide", 2, 64, 7, 7, 32, {3, 3, 1, 1, 1, 1, 1, 1, 2}},
    {"depthwise16", 2, 16, 9, 9, 16, {3, 3, 1, 1, 1, 1, 1, 1, 16}},
    {"depthwise17_s2", 1, 17, 9, 10, 17, {3, 3, 2, 2, 1, 1, 1, 1, 17}},
    {"depthwise_multiplier", 1, 4, 6, 6, 8, {3, 3, 1, 1, 1, 1, 1, 1, 4}},
    {"dilation2", 1, 16, 14, 14, 16, {3, 3, 1, 1, 2, 2, 2, 2, 1}},
    {"dilation3x1", 2, 3, 15, 9, 5, {3, 2, 1, 1, 0, 1, 3, 1, 1}},
    {"dilation2_groups2", 1, 8, 11, 11, 8, {3, 3, 1, 1, 2, 2, 2, 2, 2}},
    {"kernel1x3", 1, 5, 6, 11, 7, {1, 3, 1, 1, 0, 1, 1, 1, 1}},
    {"kernel3x1", 1, 5, 11, 6, 7, {3, 1, 1, 1, 1, 0, 1, 1, 1}},
    {"kernel5x2_s2x1", 2, 6, 13, 8, 4, {5, 2, 2, 1, 0, 1, 1, 1, 1}},
    {"kernel_is_image", 2, 8, 5, 6, 9, {5, 6, 1, 1, 0, 0, 1, 1, 1}},
    {"stride3", 1, 4, 16, 17, 4, {3, 3, 3, 3, 0, 0, 1, 1, 1}},
    {"unused_rim", 1, 4, 8, 8, 4, {3, 3, 2, 2, 0, 0, 1, 1, 1}}, /* the last row and column meet no tap */
    {"wide_pad", 1, 3, 4, 4, 5, {3, 3, 1, 1, 2, 2, 1, 1, 1}},
    {"batch5", 5, 3, 8, 8, 4, {3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"stem", 1, 3, 32, 40, 64, {7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"stem_audio", 1, 1, 33, 25, 64, {7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"stem_audio_even", 2, 1, 33, 24, 64, {7, 7, 2, 2, 3, 3, 1, 1, 1}}, /* rows that the stride divides */
    {"one_channel_s2x4", 2, 1, 9, 16, 8, {3, 5, 2, 4, 1, 2, 1, 1, 1}},
    {"one_channel_s3", 1, 1, 8, 12, 5, {3, 4, 3, 3, 0, 1, 1, 1, 1}},
    {"two_channels_s2", 2, 2, 9, 10, 6, {5, 5, 2, 2, 2, 2, 1, 1, 1}},
    {"layer", 1, 64, 14, 14, 64, {3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"down", 2, 64, 14, 14, 128, {1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"patch16", 1, 3, 32, 32, 24, {16, 16, 16, 16, 0, 0, 1, 1, 1}},
};

static const conv_case bench_convs[] = {
    {"bench_stem", 1, 3, 224, 224, 64, {7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"bench_layer1", 1, 64, 56, 56, 64, {3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"bench_layer3", 1, 256, 14, 14, 256, {3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"bench_down", 1, 128, 28, 28, 256, {1, 1, 2, 2, 0, 0, 1, 1, 1}},
};

/* variant bit 0: weights are parameters, bit 1: there is a bias.  repeat: how many times this shape came before. */
typedef void (*conv_check)(cf_suite *s, const conv_case *c, int variant, int repeat);

static void each_conv(cf_suite *s, conv_check check) {
    static const int64_t kernels[] = {1, 3, 7}, channels[][2] = {{1, 1}, {3, 16}, {16, 17}, {17, 3}, {64, 64}};
    static const int64_t sizes[][2] = {{7, 7}, {9, 32}};
    int variant = 0;
    for (int k = 0; k < 3; k++)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int padded = 0; padded < (kernels[k] > 1 ? 2 : 1); padded++)
                for (int c = 0; c < 5; c++)
                    for (int size = 0; size < 2; size++, variant++) {
                        char name[64];
                        const int64_t pad = padded ? kernels[k] / 2 : 0;
                        const conv_case one = {name,
                                               1 + variant % 2,
                                               channels[c][0],
                                               sizes[size][0],
                                               sizes[size][1],
                                               channels[c][1],
                                               cf_square(kernels[k], stride, pad)};
                        snprintf(name, sizeof name, "%lldx%lld_s%lld_p%lld_n%lld_%lldto%lld_%lldx%lld",
                                 (long long)one.k.kh, (long long)one.k.kw, (long long)stride, (long long)pad,
                                 (long long)one.n, (long long)one.c, (long long)one.o, (long long)one.h,
                                 (long long)one.w);
                        check(s, &one, variant, 0);
                    }
    const conv_case tiny = {"1x1_image1x1", 1, 3, 1, 1, 2, cf_square(1, 1, 0)};
    check(s, &tiny, 0, 0);
    for (size_t k = 0; k < sizeof odd_convs / sizeof *odd_convs; k++)
        for (variant = 0; variant < 4; variant++) check(s, &odd_convs[k], variant, variant);
    for (size_t k = 0; s->bench && k < sizeof bench_convs / sizeof *bench_convs; k++) check(s, &bench_convs[k], 3, 0);
}

static cf_value weights(cf_graph *g, const conv_case *c, int param) {
    const int64_t shape[] = {c->o, c->c / c->k.groups, c->k.kh, c->k.kw};
    return param ? cf_param(g, CF_RANDOM, 4, shape) : cf_input(g, CF_RANDOM, 4, shape);
}

static cf_value input(cf_graph *g, const conv_case *c) {
    return cf_input(g, CF_RANDOM, CF_SHAPE(c->n, c->c, c->h, c->w));
}

static cf_value output_gradient(cf_graph *g, const conv_case *c) {
    const cf_window *k = &c->k;
    return cf_input(g, CF_RANDOM,
                    CF_SHAPE(c->n, c->o, cf_window_extent(c->h, k->kh, k->stride_h, k->pad_h, k->dilation_h),
                             cf_window_extent(c->w, k->kw, k->stride_w, k->pad_w, k->dilation_w)));
}

static void check_conv(cf_suite *s, const conv_case *c, int variant, int repeat) {
    (void)repeat;
    cf_graph *g = cf_begin(s, "%s%s%s", c->name, variant & 1 ? "_param" : "", variant & 2 ? "_bias" : "");
    if (!g) return;
    const cf_value x = input(g, c), w = weights(g, c, variant & 1);
    const cf_value bias = !(variant & 2) ? CF_NONE
                          : variant & 1  ? cf_param(g, CF_RANDOM, CF_SHAPE(c->o))
                                         : cf_input(g, CF_RANDOM, CF_SHAPE(c->o));
    cf_output(g, cf_conv(g, x, w, bias, c->k));
    cf_check(g);
}

static void check_grad_input(cf_suite *s, const conv_case *c, int variant, int repeat) {
    if (repeat > 1) return; /* bias plays no part */
    cf_graph *g = cf_begin(s, "%s%s", c->name, variant & 1 ? "_param" : "");
    if (!g) return;
    const cf_value w = weights(g, c, variant & 1);
    cf_output(g, cf_conv_grad_input(g, w, output_gradient(g, c), c->k, c->h, c->w));
    cf_check(g);
}

static void check_grad_weight(cf_suite *s, const conv_case *c, int variant, int repeat) {
    (void)variant;
    if (repeat > 0) return;
    cf_graph *g = cf_begin(s, "%s", c->name);
    if (!g) return;
    const cf_value x = input(g, c);
    cf_output(g, cf_conv_grad_weight(g, x, output_gradient(g, c), c->k));
    cf_check(g);
}

void cases_conv2d(cf_suite *s) { each_conv(s, check_conv); }
void cases_conv2d_grad_input(cf_suite *s) { each_conv(s, check_grad_input); }
void cases_conv2d_grad_weight(cf_suite *s) { each_conv(s, check_grad_weight); }
