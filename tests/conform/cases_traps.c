/* Graphs made to trip a backend that fuses, lays out or updates in place too eagerly.  Each was a mistake somebody
 * could make: a pattern that looks like the usual one and is not. */
#include "conform.h"

#include <math.h>

static cf_value relu(cf_graph *g, cf_value x) { return cf_unary(g, OASSL_OP_RELU, x); }
static cf_value add(cf_graph *g, cf_value a, cf_value b) { return cf_binary(g, OASSL_OP_ADD, a, b); }

static cf_value weight(cf_graph *g, int64_t o, int64_t c, int64_t kernel) {
    return cf_param(g, CF_FILL(CF_NORMAL, 0, sqrt(2.0 / (double)(c * kernel * kernel))),
                    CF_SHAPE(o, c, kernel, kernel));
}

static cf_value same_conv(cf_graph *g, cf_value x, cf_value w) {
    const int64_t kernel = cf_info(g, w)->shape[2];
    return cf_conv(g, x, w, CF_NONE, cf_square(kernel, 1, kernel / 2));
}

static cf_value picture(cf_graph *g, int64_t n, int64_t c, int64_t h, int64_t w) {
    return cf_input(g, CF_RANDOM, CF_SHAPE(n, c, h, w));
}

static cf_value channels(cf_graph *g, int64_t c, double low, double high) {
    return cf_input(g, CF_RANGE(low, high), CF_SHAPE(c));
}

/* ---- sums and activations after a convolution
 * -------------------------------------------------------------------------- */

static void sums(cf_graph *g, int how) {
    const cf_value x = picture(g, 2, 5, 7, 6), y = same_conv(g, x, weight(g, 17, 5, 3));
    switch (how) {
    case 0: /* the other operand is broadcast */
        cf_output(g, relu(g, add(g, y, cf_param(g, CF_RANDOM, CF_SHAPE(1, 17, 1, 1)))));
        break;
    case 1: cf_output(g, relu(g, add(g, y, cf_input(g, CF_RANDOM, CF_SHAPE(2, 1, 7, 6))))); break;
    case 2: cf_output(g, relu(g, add(g, y, cf_constant(g, CF_RANGE(1, 2), CF_SCALAR)))); break;
    case 3: /* with itself */ cf_output(g, relu(g, add(g, y, y))); break;
    case 4: /* two convolutions, one sum */
        cf_output(g, relu(g, add(g, y, same_conv(g, x, weight(g, 17, 5, 1)))));
        break;
    case 5: { /* three in a row */
        const cf_value z = add(g, y, same_conv(g, x, weight(g, 17, 5, 1)));
        cf_output(g, add(g, relu(g, z), same_conv(g, relu(g, z), weight(g, 17, 17, 3))));
        break;
    }
    case 6: /* relu before the sum, not after */ cf_output(g, add(g, relu(g, y), picture(g, 2, 17, 7, 6))); break;
    case 7: /* two relus, an activation after the activation */
        cf_output(g, cf_unary(g, OASSL_OP_TANH, relu(g, relu(g, y))));
        break;
    case 8: { /* relu of the convolution, and the convolution itself in the sum */
        cf_output(g, add(g, relu(g, y), y));
        break;
    }
    default: { /* the convolution's input is the residual, as in a block without a second convolution */
        const cf_value z = same_conv(g, y, weight(g, 17, 17, 3));
        cf_output(g, relu(g, add(g, y, z)));
        break;
    }
    }
}

/* ---- weights used in more than one way
 * --------------------------------------------------------------------------------- */

static void shared_weights(cf_graph *g, int how) {
    const cf_value x = picture(g, 2, 16, 8, 8);
    if (how == 0) { /* one weight, two strides, and its size */
        const cf_value w = weight(g, 16, 16, 3);
        cf_output(g, relu(g, cf_conv(g, x, w, CF_NONE, cf_square(3, 1, 1))));
        cf_output(g, cf_conv(g, x, w, CF_NONE, cf_square(3, 2, 1)));
        cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, cf_binary(g, OASSL_OP_MUL, w, w), 0xF, 0));
    } else if (how == 1) { /* one matrix, used both ways round */
        const cf_value m = cf_param(g, CF_RANDOM, CF_SHAPE(12, 12)), rows = cf_input(g, CF_RANDOM, CF_SHAPE(5, 12));
        cf_output(g, cf_matmul(g, cf_matmul(g, rows, m, CF_NONE, 0, 1), m, CF_NONE, 0, 0));
    } else if (how == 2) { /* one bias for a convolution and a matrix product */
        const cf_value bias = cf_param(g, CF_RANDOM, CF_SHAPE(16)), m = cf_param(g, CF_RANDOM, CF_SHAPE(16, 16));
        const cf_value y = cf_conv(g, x, weight(g, 16, 16, 1), bias, cf_square(1, 1, 0));
        cf_output(g, cf_matmul(g, cf_reduce(g, OASSL_OP_REDUCE_MEAN, y, 0xC, 0), m, bias, 0, 1));
    } else { /* weights made by nodes from parameters, as folding leaves them */
        const cf_value w = weight(g, 16, 16, 3), scale = cf_param(g, CF_RANGE(0.5, 2), CF_SHAPE(16, 1, 1, 1));
        cf_output(g, relu(g, same_conv(g, x, cf_binary(g, OASSL_OP_MUL, w, scale))));
    }
}

/* ---- training forms
 * ----------------------------------------------------------------------------------------------------- */

static cf_value batch_norm(cf_graph *g, cf_value x, cf_value gamma) {
    const int64_t c = cf_info(g, x)->shape[1];
    return cf_batch_norm(
        g, (const cf_value[]){x, gamma, channels(g, c, -0.5, 0.5), channels(g, c, -1, 1), channels(g, c, 0.5, 2)},
        1e-5, 0.1);
}

static void norms(cf_graph *g, int how) {
    const cf_value x = picture(g, 3, 5, 7, 6), y = same_conv(g, x, weight(g, 17, 5, 3)),
                   gamma = channels(g, 17, 0.5, 1.5);
    const cf_value z = batch_norm(g, y, gamma), r = relu(g, z), dy = picture(g, 3, 17, 7, 6);
    g->looser = 4;
    switch (how) {
    case 0: /* the norm itself is needed beside its relu */
        cf_output(g, r);
        cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_MAX, z, 0xC, 0));
        break;
    case 1: { /* relu_grad on the input of relu, not on its output */
        const cf_value dz = cf_grad_of(g, OASSL_OP_RELU_GRAD, z, dy);
        cf_output(g, r);
        cf_outputs(g, cf_batch_norm_grad(g, (const cf_value[]){y, gamma, z + 1, z + 2, dz}), 3);
        break;
    }
    case 2: { /* the masked gradient is needed twice, as at the end of a residual block */
        const cf_value dz = cf_grad_of(g, OASSL_OP_RELU_GRAD, r, dy);
        cf_outputs(g, cf_batch_norm_grad(g, (const cf_value[]){y, gamma, z + 1, z + 2, dz}), 3);
        cf_output(g, add(g, dz, dz));
        break;
    }
    case 3: { /* the mask comes from another relu than the norm's own */
        const cf_value other = relu(g, picture(g, 3, 17, 7, 6)), dz = cf_grad_of(g, OASSL_OP_RELU_GRAD, other, dy);
        cf_output(g, r);
        cf_outputs(g, cf_batch_norm_grad(g, (const cf_value[]){y, gamma, z + 1, z + 2, dz}), 3);
        break;
    }
    case 4: /* no relu: the gradient straight in */
        cf_output(g, z);
        cf_outputs(g, cf_batch_norm_grad(g, (const cf_value[]){y, gamma, z + 1, z + 2, dy}), 3);
        break;
    case 5: /* only the statistics are used */ cf_outputs(g, z + 1, 4); break;
    case 6: { /* pooling back through 17 channels */
        const cf_window k = cf_square(3, 2, 1);
        const cf_value pooled = cf_pool(g, OASSL_OP_MAX_POOL, r, k);
        cf_output(g, pooled);
        cf_output(g, cf_max_pool_grad(g, r, cf_affine(g, pooled, 0.5, 1), k));
        break;
    }
    case 7: { /* evaluation form inside training, with its gradient (frozen statistics) */
        const cf_value mean = channels(g, 17, -1, 1), var = channels(g, 17, 0.5, 2);
        const cf_value e =
            cf_batch_norm_infer(g, (const cf_value[]){y, gamma, channels(g, 17, -1, 1), mean, var}, 1e-5);
        const cf_value back = cf_grad_of(g, OASSL_OP_RELU_GRAD, relu(g, e), dy);
        cf_output(g, e);
        cf_outputs(g, cf_batch_norm_infer_grad(g, (const cf_value[]){y, gamma, mean, var, back}, 1e-5), 3);
        break;
    }
    default: { /* rows instead of pictures */
        const cf_value rows = cf_input(g, CF_RANDOM, CF_SHAPE(9, 17));
        cf_output(g, relu(g, batch_norm(g, rows, gamma)));
        break;
    }
    }
}

/* The two branches of a pair share their weights: gradients of both add before the update, which takes the gradient as
 * the convolution left it. */
static void twin_update(cf_graph *g) {
    const cf_value w = cf_input(g, CF_FILL(CF_NORMAL, 0, 0.2), CF_SHAPE(17, 5, 3, 3)),
                   m = cf_input(g, CF_RANGE(-0.1, 0.1), CF_SHAPE(17, 5, 3, 3));
    const cf_value v = cf_input(g, CF_RANGE(0, 0.1), CF_SHAPE(17, 5, 3, 3)),
                   scalars = cf_input(g, CF_RANGE(0.05, 0.2), CF_SHAPE(3));
    cf_value gradient[2];
    for (int k = 0; k < 2; k++) {
        const cf_value x = picture(g, 2, 5, 7, 6), y = same_conv(g, x, w);
        cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_MEAN, y, 0xC, 0));
        gradient[k] = cf_conv_grad_weight(g, x, relu(g, y), cf_square(3, 1, 1));
    }
    const cf_value p =
        cf_adam(g, (const cf_value[]){w, add(g, gradient[0], gradient[1]), m, v, scalars}, 0.9, 0.999, 1e-8, 0);
    g->alias[p] = w;
    g->alias[p + 1] = m;
    g->alias[p + 2] = v;
    cf_outputs(g, p, 3);
}

/* Views of a parameter taken before its update keep the old contents, those taken after it show the new ones. */
static void views(cf_graph *g) {
    const cf_value p = cf_input(g, CF_RANDOM, CF_SHAPE(4, 6)), gradient = cf_input(g, CF_RANDOM, CF_SHAPE(4, 6));
    const cf_value m = cf_input(g, CF_RANGE(-0.1, 0.1), CF_SHAPE(4, 6)),
                   v = cf_input(g, CF_RANGE(0, 0.1), CF_SHAPE(4, 6));
    const cf_value scalars = cf_input(g, CF_RANGE(0.05, 0.2), CF_SHAPE(3));
    const cf_value flat = cf_reshape(g, OASSL_OP_RESHAPE, p, CF_SHAPE(24)),
                   held = cf_unary(g, OASSL_OP_STOP_GRADIENT, p);
    const cf_value part = cf_slice(g, p, 0, 1, 2);
    const cf_value updated = cf_adam(g, (const cf_value[]){p, gradient, m, v, scalars}, 0.9, 0.999, 1e-8, 0);
    g->alias[updated] = p;
    g->alias[updated + 1] = m;
    g->alias[updated + 2] = v;
    cf_output(g, cf_affine(g, flat, 2, 0));
    cf_output(g, cf_affine(g, held, 3, 0));
    cf_output(g, cf_unary(g, OASSL_OP_ABS, part));
    cf_output(g, cf_reshape(g, OASSL_OP_RESHAPE, updated, CF_SHAPE(6, 4)));
    cf_outputs(g, updated, 3);
}

/* ---- layouts
 * ------------------------------------------------------------------------------------------------------------- */

static void layouts(cf_graph *g, int how) {
    const cf_value x = picture(g, 2, 5, 7, 6), y = same_conv(g, x, weight(g, 17, 5, 3));
    switch (how) {
    case 0: cf_output(g, cf_softmax(g, OASSL_OP_SOFTMAX, y, 1)); break;
    case 1: cf_output(g, cf_softmax(g, OASSL_OP_LOG_SOFTMAX, y, 3)); break;
    case 2: cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_LSE, y, 0x3, 1)); break;
    case 3: /* odd channel counts joined and cut */
        cf_output(g, same_conv(g, cf_slice(g, cf_concat(g, (const cf_value[]){y, x, y}, 3, 1), 1, 11, 18),
                               weight(g, 3, 18, 1)));
        break;
    case 4: /* batches joined: siamese inputs */
        cf_output(
            g, same_conv(g, cf_concat(g, (const cf_value[]){x, cf_affine(g, x, -1, 0)}, 2, 0), weight(g, 17, 5, 3)));
        break;
    case 5: /* elementwise between two that came out of different convolutions */
        cf_output(g,
                  cf_binary(g, OASSL_OP_DIV, y,
                            cf_affine(g, cf_unary(g, OASSL_OP_SIGMOID, same_conv(g, x, weight(g, 17, 5, 1))), 1, 1)));
        break;
    case 6: /* an image-wide scale [N,C,1,1] made from the convolution itself */
        cf_output(g, cf_binary(g, OASSL_OP_MUL, y,
                               cf_unary(g, OASSL_OP_SIGMOID, cf_reduce(g, OASSL_OP_REDUCE_MEAN, y, 0xC, 1))));
        break;
    case 7: /* normalised over channels, as features are */
        cf_output(g, cf_binary(g, OASSL_OP_DIV, y,
                               cf_unary(g, OASSL_OP_SQRT,
                                        cf_reduce(g, OASSL_OP_REDUCE_SUM, cf_binary(g, OASSL_OP_MUL, y, y), 2, 1))));
        break;
    case 8: /* a picture made of matrix rows */
        cf_output(g, same_conv(g,
                               cf_reshape(g, OASSL_OP_RESHAPE,
                                          cf_matmul(g, cf_input(g, CF_RANDOM, CF_SHAPE(2, 9)),
                                                    cf_param(g, CF_RANDOM, CF_SHAPE(9, 60)), CF_NONE, 0, 0),
                                          CF_SHAPE(2, 3, 4, 5)),
                               weight(g, 16, 3, 3)));
        break;
    case 9: /* positions times channels */
        cf_output(g, cf_matmul(g, cf_reshape(g, OASSL_OP_RESHAPE, y, CF_SHAPE(2, 17, 42)),
                               cf_param(g, CF_RANDOM, CF_SHAPE(17, 4)), CF_NONE, 1, 0));
        break;
    default: cf_output(g, cf_reduce(g, OASSL_OP_COUNT_NON_FINITE, y, 0xF, 0)); break;
    }
}

void cases_traps(cf_suite *s) {
    static const struct {
        const char *name;
        void (*build)(cf_graph *g, int how);
        int count;
    } families[] = {
        {"sums", sums, 10}, {"shared_weights", shared_weights, 4}, {"norms", norms, 9}, {"layouts", layouts, 11}};
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        for (int how = 0; how < families[k].count; how++) {
            cf_graph *g = cf_begin(s, "%s%d", families[k].name, how);
            if (!g) continue;
            g->fused = 1;
            families[k].build(g, how);
            cf_check(g);
        }
    cf_graph *g = cf_begin(s, "twin_update");
    if (g) {
        g->fused = 1;
        g->looser = 2;
        twin_update(g);
        cf_check(g);
    }
    g = cf_begin(s, "views");
    if (!g) return;
    g->fused = 1;
    views(g);
    cf_check(g);
}
