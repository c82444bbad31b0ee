/* Training graphs: forward, backward by hand, and the update, in one list. */
#include "conform.h"

#include <math.h>

typedef struct layer {                  /* conv, batch norm in training form, relu; and what the way back needs */
    cf_value x, w, gamma, y, norm, out; /* norm: first output of BATCH_NORM */
    cf_window k;
} layer;

static cf_value relu(cf_graph *g, cf_value x) { return cf_unary(g, OASSL_OP_RELU, x); }
static cf_value add(cf_graph *g, cf_value a, cf_value b) { return cf_binary(g, OASSL_OP_ADD, a, b); }

static cf_value channels(cf_graph *g, int64_t c, double low, double high) {
    return cf_input(g, CF_RANGE(low, high), CF_SHAPE(c));
}

/* Weights are inputs: they change between steps. */
static layer conv_norm(cf_graph *g, cf_value x, int64_t o, int64_t kernel, int64_t stride, int with_relu) {
    const int64_t c = cf_info(g, x)->shape[1];
    layer l = {.x = x, .k = cf_square(kernel, stride, kernel / 2)};
    l.w =
        cf_input(g, CF_FILL(CF_NORMAL, 0, sqrt(2.0 / (double)(c * kernel * kernel))), CF_SHAPE(o, c, kernel, kernel));
    l.gamma = channels(g, o, 0.5, 1.5);
    const cf_value beta = channels(g, o, -0.5, 0.5), mean = channels(g, o, -0.5, 0.5), var = channels(g, o, 0.5, 2);
    l.y = cf_conv(g, x, l.w, CF_NONE, l.k);
    l.norm = cf_batch_norm(g, (const cf_value[]){l.y, l.gamma, beta, mean, var}, 1e-5, 0.1);
    l.out = with_relu ? relu(g, l.norm) : l.norm;
    cf_output(g, l.norm + 3); /* new running statistics, written over the old ones */
    cf_output(g, l.norm + 4);
    g->alias[l.norm + 3] = mean;
    g->alias[l.norm + 4] = var;
    return l;
}

/* From the gradient of l.out to that of l.x; the parameters' gradients become outputs. */
static cf_value conv_norm_back(cf_graph *g, const layer *l, cf_value dy, int needs_dx) {
    if (l->out != l->norm) dy = cf_grad_of(g, OASSL_OP_RELU_GRAD, l->out, dy);
    const cf_value back = cf_batch_norm_grad(g, (const cf_value[]){l->y, l->gamma, l->norm + 1, l->norm + 2, dy});
    cf_output(g, back + 1);
    cf_output(g, back + 2);
    cf_output(g, cf_conv_grad_weight(g, l->x, back, l->k));
    if (!needs_dx) return CF_NONE;
    return cf_conv_grad_input(g, l->w, back, l->k, cf_info(g, l->x)->shape[2], cf_info(g, l->x)->shape[3]);
}

static void stacks(cf_suite *s) {
    static const struct {
        const char *name;
        int64_t n, c, h, w, o, kernel, stride;
    } grid[] = {{"conv_bn_relu", 2, 3, 8, 9, 16, 3, 1},
                {"conv_bn_relu_s2", 3, 16, 9, 9, 17, 3, 2},
                {"conv1x1_bn_relu", 2, 17, 6, 6, 32, 1, 1},
                {"conv7x7_bn_relu", 2, 1, 15, 12, 16, 7, 2}};
    for (int k = 0; k < 4; k++) {
        cf_graph *g = cf_begin(s, "%s", grid[k].name);
        if (!g) continue;
        g->fused = 1;
        g->looser = 4;
        const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(grid[k].n, grid[k].c, grid[k].h, grid[k].w));
        const layer a = conv_norm(g, x, grid[k].o, grid[k].kernel, grid[k].stride, 1),
                    b = conv_norm(g, a.out, 8, 3, 1, 1);
        cf_output(g, b.out);
        const cf_value dy = cf_input(g, CF_RANDOM, cf_info(g, b.out)->rank, cf_info(g, b.out)->shape);
        cf_output(g, conv_norm_back(g, &a, conv_norm_back(g, &b, dy, 1), 1));
        cf_check(g);
    }
}

/* A residual block: two ways forward that add, two ways back that add. */
static void block(cf_suite *s, int down) {
    cf_graph *g = cf_begin(s, "residual_block_%s", down ? "down" : "same");
    if (!g) return;
    g->fused = 1;
    g->looser = 5;
    const int64_t o = down ? 24 : 16;
    const cf_value stem = cf_input(g, CF_RANDOM, CF_SHAPE(2, 16, 8, 9));
    const layer first = conv_norm(g, stem, o, 3, down ? 2 : 1, 1), second = conv_norm(g, first.out, o, 3, 1, 0);
    layer side = {0};
    if (down) side = conv_norm(g, stem, o, 1, 2, 0);
    const cf_value out = relu(g, add(g, second.out, down ? side.out : stem));
    cf_output(g, out);
    const cf_value seed = cf_input(g, CF_RANDOM, cf_info(g, out)->rank, cf_info(g, out)->shape);
    const cf_value dy = cf_grad_of(g, OASSL_OP_RELU_GRAD, out, seed);
    const cf_value inner = conv_norm_back(g, &first, conv_norm_back(g, &second, dy, 1), 1);
    cf_output(g, add(g, inner, down ? conv_norm_back(g, &side, dy, 1) : dy));
    cf_check(g);
}

/* conv, norm, relu, max pooling, mean over space, classifier; softmax cross-entropy; back to every parameter */
static void classifier(cf_suite *s) {
    cf_graph *g = cf_begin(s, "stem_pool_classifier");
    if (!g) return;
    g->fused = 1;
    g->looser = 5;
    const int64_t n = 3, classes = 5;
    const cf_window pooling = cf_square(3, 2, 1);
    const layer stem = conv_norm(g, cf_input(g, CF_RANDOM, CF_SHAPE(n, 3, 18, 15)), 16, 7, 2, 1);
    const cf_value pooled = cf_pool(g, OASSL_OP_MAX_POOL, stem.out, pooling);
    const int64_t h = cf_info(g, pooled)->shape[2], w = cf_info(g, pooled)->shape[3];
    const cf_value features = cf_reduce(g, OASSL_OP_REDUCE_MEAN, pooled, 0xC, 0);
    const cf_value weight = cf_input(g, CF_RANDOM, CF_SHAPE(classes, 16)), bias = channels(g, classes, -1, 1);
    const cf_value logits = cf_softmax(g, OASSL_OP_LOG_SOFTMAX, cf_matmul(g, features, weight, bias, 0, 1), 1);
    const cf_value target = cf_input(g, CF_RANGE(0, 0.4), CF_SHAPE(n, classes));
    cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, cf_binary(g, OASSL_OP_MUL, logits, target), 3, 0));
    cf_node(g, OASSL_OP_LOG_SOFTMAX_GRAD, CF_IN(logits, target))->i[0] = 1;
    const cf_value dlogits = cf_result_like(g, logits);
    cf_output(g, cf_matmul(g, dlogits, features, CF_NONE, 1, 0));
    cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, dlogits, 1, 0));
    cf_value dy = cf_matmul(g, dlogits, weight, CF_NONE, 0, 0);
    dy = cf_reshape(g, OASSL_OP_RESHAPE, cf_affine(g, dy, 1.0 / (double)(h * w), 0), CF_SHAPE(n, 16, 1, 1));
    dy = cf_reshape(g, OASSL_OP_BROADCAST, dy, CF_SHAPE(n, 16, h, w));
    conv_norm_back(g, &stem, cf_max_pool_grad(g, stem.out, dy, pooling), 0);
    cf_check(g);
}

static void transformer_back(cf_suite *s) {
    cf_graph *g = cf_begin(s, "linear_gelu_layer_norm");
    if (!g) return;
    g->fused = 1;
    g->looser = 4;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(10, 16)),
                   w1 = cf_input(g, CF_FILL(CF_NORMAL, 0, 0.3), CF_SHAPE(32, 16));
    const cf_value w2 = cf_input(g, CF_FILL(CF_NORMAL, 0, 0.3), CF_SHAPE(16, 32)), gamma = channels(g, 16, 0.5, 1.5);
    const cf_value inner = cf_matmul(g, x, w1, channels(g, 32, -0.5, 0.5), 0, 1),
                   active = cf_unary(g, OASSL_OP_GELU, inner);
    const cf_value sum = add(g, x, cf_matmul(g, active, w2, channels(g, 16, -0.5, 0.5), 0, 1));
    const cf_value y = cf_layer_norm(g, sum, gamma, channels(g, 16, -0.5, 0.5), 1e-5);
    cf_output(g, y);
    const cf_value dy = cf_input(g, CF_RANDOM, CF_SHAPE(10, 16));
    const cf_value back = cf_layer_norm_grad(g, (const cf_value[]){sum, gamma, y + 1, y + 2, dy});
    cf_outputs(g, back + 1, 2);
    cf_output(g, cf_matmul(g, back, active, CF_NONE, 1, 0));
    const cf_value dinner = cf_grad_of(g, OASSL_OP_GELU_GRAD, inner, cf_matmul(g, back, w2, CF_NONE, 0, 0));
    cf_output(g, cf_matmul(g, dinner, x, CF_NONE, 1, 0));
    cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, dinner, 1, 0));
    cf_output(g, add(g, back, cf_matmul(g, dinner, w1, CF_NONE, 0, 0)));
    cf_check(g);
}

/* One step on a linear model, the update written over the parameters.  The loss reads the old weights before the
 * update, a later node the new ones; which is which must survive reordering and fusion. */
static void step(cf_suite *s) {
    cf_graph *g = cf_begin(s, "adam_in_place");
    if (!g) return;
    g->fused = 1;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(6, 9)), target = cf_input(g, CF_RANDOM, CF_SHAPE(6, 4));
    const cf_value w = cf_input(g, CF_RANDOM, CF_SHAPE(4, 9)), m = cf_input(g, CF_RANGE(-0.1, 0.1), CF_SHAPE(4, 9));
    const cf_value v = cf_input(g, CF_RANGE(0, 0.1), CF_SHAPE(4, 9)),
                   scalars = cf_input(g, CF_RANGE(0.05, 0.2), CF_SHAPE(3));
    const cf_value error = cf_binary(g, OASSL_OP_SUB, cf_matmul(g, x, w, CF_NONE, 0, 1), target);
    const cf_value gradient = cf_matmul(g, error, x, CF_NONE, 1, 0);
    const cf_value size = cf_reduce(g, OASSL_OP_REDUCE_SUM, cf_binary(g, OASSL_OP_MUL, w, w), 3, 0); /* of the old w */
    const cf_value updated = cf_adam(g, (const cf_value[]){w, gradient, m, v, scalars}, 0.9, 0.999, 1e-8, 1e-4);
    g->alias[updated] = w;
    g->alias[updated + 1] = m;
    g->alias[updated + 2] = v;
    cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, cf_binary(g, OASSL_OP_MUL, error, error), 3, 0));
    cf_output(g, cf_affine(g, size, 0.5, 0)); /* listed after the update, but of a value made before it */
    cf_output(g, cf_matmul(g, x, updated, CF_NONE, 0, 1));
    cf_outputs(g, updated, 3);
    cf_check(g);
}

static void updates(cf_suite *s) {
    step(s);
    cf_graph *g = cf_begin(s, "adam_many");
    if (!g) return;
    g->fused = 1;
    const cf_value scalars = cf_input(g, CF_RANGE(0.05, 0.2), CF_SHAPE(3));
    for (int k = 0; k < 12; k++) {
        const int64_t count = 1 + 37 * k;
        const cf_value p = cf_input(g, CF_RANDOM, CF_SHAPE(count)),
                       m = cf_input(g, CF_RANGE(-0.1, 0.1), CF_SHAPE(count));
        const cf_value v = cf_input(g, CF_RANGE(0, 0.1), CF_SHAPE(count)),
                       gradient = cf_input(g, CF_RANDOM, CF_SHAPE(count));
        const cf_value new_p = cf_adam(g, (const cf_value[]){p, gradient, m, v, scalars}, 0.9, 0.999, 1e-8, 0.01);
        g->alias[new_p] = p;
        g->alias[new_p + 1] = m;
        g->alias[new_p + 2] = v;
        cf_outputs(g, new_p, 3);
    }
    cf_check(g);
}

/* A word table: rows looked up, and the gradient gathered back */
static void words(cf_suite *s) {
    cf_graph *g = cf_begin(s, "gather_scatter");
    if (!g) return;
    g->fused = 1;
    const cf_value table = cf_input(g, CF_RANDOM, CF_SHAPE(11, 8)), index = cf_index(g, 11, CF_SHAPE(3, 5));
    const cf_value rows = cf_unary(g, OASSL_OP_TANH, cf_gather(g, table, index));
    cf_output(g, rows);
    cf_output(g, cf_scatter_add(g, index, rows, 11));
    cf_check(g);
}

/* Maps of a sample against each other, as the ORI loss has them, and the way back to the maps */
static void transport(cf_suite *s) {
    for (int64_t mass = 0; mass < 2; mass++)
        for (int64_t envelope = 0; envelope < 2; envelope++) {
            cf_graph *g = cf_begin(s, "ori_%s_%s", mass ? "mass" : "intensity", envelope ? "envelope" : "unrolled");
            if (!g) continue;
            g->fused = 1;
            g->looser = 10;
            const cf_sinkhorn k = {4, 5, 100, mass, 0, 0, envelope, 0.1, 0.1, 1};
            const cf_value maps = cf_input(g, CF_RANGE(0.05, 1), CF_SHAPE(3, 2, 20));
            const cf_value first = cf_reshape(g, OASSL_OP_RESHAPE, cf_slice(g, maps, 1, 0, 1), CF_SHAPE(3, 20));
            const cf_value second = cf_reshape(g, OASSL_OP_RESHAPE, cf_slice(g, maps, 1, 1, 1), CF_SHAPE(3, 20));
            const cf_value from = cf_concat(g, (const cf_value[]){first, second}, 2, 0);
            const cf_value to = cf_affine(g, cf_concat(g, (const cf_value[]){second, first}, 2, 0), -1, 1);
            const cf_value distance = cf_sinkhorn_of(g, from, to, &k);
            cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_SUM, distance, 1, 0));
            const cf_value seed = cf_input(g, CF_RANGE(0.5, 2), CF_SHAPE(6));
            const cf_value in[] = {from, to, distance + 1, distance + 2, distance + 3, seed};
            cf_outputs(g, cf_sinkhorn_grad(g, in, &k), 2);
            cf_check(g);
        }
}

void cases_training(cf_suite *s) {
    stacks(s);
    block(s, 0);
    block(s, 1);
    classifier(s);
    transformer_back(s);
    updates(s);
    words(s);
    transport(s);
}
