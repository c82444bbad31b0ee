#include "model/attention.h"

#include <math.h>

/* [B, L, width] -> [B, heads, L, width / heads] */
static oai_value split_heads(oai_builder *b, oai_value x, int64_t n_heads) {
    int64_t batch = oai_dim(b, x, 0), length = oai_dim(b, x, 1), width = oai_dim(b, x, 2);
    x = oai_reshape(b, x, 4, OAI_SHAPE(batch, length, n_heads, width / n_heads));
    return oai_transpose(b, x, (const int32_t[]){0, 2, 1, 3});
}

oai_value oai_attention(oai_builder *b, oai_value q, oai_value k, oai_value v, int64_t n_heads, oai_value mask) {
    int64_t batch = oai_dim(b, q, 0), length = oai_dim(b, q, 1), width = oai_dim(b, q, 2);
    oai_value scores = oai_matmul(b, split_heads(b, q, n_heads), split_heads(b, k, n_heads), 0, 1);
    scores = oai_affine(b, scores, 1 / sqrt((double)(width / n_heads)), 0.0);
    oai_value weights = oai_softmax(b, oai_add(b, scores, mask), 3);
    oai_value mixed = oai_matmul(b, weights, split_heads(b, v, n_heads), 0, 0);
    mixed = oai_transpose(b, mixed, (const int32_t[]){0, 2, 1, 3});
    return oai_reshape(b, mixed, 3, OAI_SHAPE(batch, length, width));
}

oai_value oai_named_linear(oai_emitter *e, oai_value x, int64_t out, const char *name) {
    int64_t in = oai_dim(e->builder, x, -1);
    oai_value weight = oai_weight(e, oai_init_normal(0, 0.02), 2, OAI_SHAPE(out, in), "%s.weight", name);
    oai_value bias = oai_weight(e, oai_init_constant(0), 1, &out, "%s.bias", name);
    return oai_linear(e->builder, x, weight, bias);
}

oai_value oai_named_norm(oai_emitter *e, oai_value x, double eps, const char *name) {
    int64_t width = oai_dim(e->builder, x, -1);
    oai_value gamma = oai_weight(e, oai_init_constant(1), 1, &width, "%s.weight", name);
    oai_value beta = oai_weight(e, oai_init_constant(0), 1, &width, "%s.bias", name);
    return oai_layer_norm(e->builder, x, gamma, beta, eps);
}
