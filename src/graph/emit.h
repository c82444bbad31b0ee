/* Short names for adding nodes: what networks and losses are written in.  All take the builder first and return the
 * (first) output value.  Axes may be negative.  Implemented in emit.c on oai_node(). */
#ifndef OAI_GRAPH_EMIT_H
#define OAI_GRAPH_EMIT_H

#include "graph/graph.h"

/* elementwise, broadcasting */
oai_value oai_add(oai_builder *b, oai_value x, oai_value y);
oai_value oai_sub(oai_builder *b, oai_value x, oai_value y);
oai_value oai_mul(oai_builder *b, oai_value x, oai_value y);
oai_value oai_div(oai_builder *b, oai_value x, oai_value y);
oai_value oai_maximum(oai_builder *b, oai_value x, oai_value y);
oai_value oai_less_equal(oai_builder *b, oai_value x, oai_value y);
/* elementwise, one input: op is OASSL_OP_EXP, ... */
oai_value oai_unary(oai_builder *b, uint32_t op, oai_value x);
oai_value oai_affine(oai_builder *b, oai_value x, double scale, double shift);

/* reductions over the axes listed in a bit mask made with OAI_AXIS(a) of non-negative axes */
#define OAI_AXIS(a) (1 << (a))
oai_value oai_reduce(oai_builder *b, uint32_t op, oai_value x, uint32_t axes, int keep);

oai_value oai_matmul(oai_builder *b, oai_value x, oai_value y, int transpose_x, int transpose_y);
/* x W^T + bias over the last axis; W [out, in]; bias may be OAI_NO_VALUE.  x may have any leading axes. */
oai_value oai_linear(oai_builder *b, oai_value x, oai_value weight, oai_value bias);
oai_value oai_conv2d(oai_builder *b, oai_value x, oai_value weight, oai_value bias, int64_t stride, int64_t pad);
oai_value oai_max_pool(oai_builder *b, oai_value x, int64_t kernel, int64_t stride, int64_t pad);
oai_value oai_avg_pool(oai_builder *b, oai_value x, int64_t kernel, int64_t stride, int64_t pad);
oai_value oai_layer_norm(oai_builder *b, oai_value x, oai_value gamma, oai_value beta, double eps);
oai_value oai_softmax(oai_builder *b, oai_value x, int32_t axis);
oai_value oai_log_softmax(oai_builder *b, oai_value x, int32_t axis);

oai_value oai_reshape(oai_builder *b, oai_value x, int32_t rank, const int64_t *shape); /* one extent may be -1 */
oai_value oai_broadcast(oai_builder *b, oai_value x, int32_t rank, const int64_t *shape);
oai_value oai_transpose(oai_builder *b, oai_value x, const int32_t *permutation);
oai_value oai_concat(oai_builder *b, const oai_value *values, uint32_t n, int32_t axis);
oai_value oai_slice(oai_builder *b, oai_value x, int32_t axis, int64_t start, int64_t length);
oai_value oai_gather(oai_builder *b, oai_value table, oai_value index);

/* x / max(|x|_2 over one axis, 1e-12) */
oai_value oai_normalize(oai_builder *b, oai_value x, int32_t axis);
/* sum over `axis` of x*y / (|x| |y|), broadcasting, no epsilon (losses.md 8.1) */
oai_value oai_cosine(oai_builder *b, oai_value x, oai_value y, int32_t axis);

#define OAI_SHAPE(...) ((const int64_t[]){__VA_ARGS__})

#endif
