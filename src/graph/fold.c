/* Inference rewriting: batch normalisation becomes part of the convolution before it. */
#include "graph/builder.h"
#include "graph/emit.h"

#include <string.h>

static int is_fixed(const oai_builder *b, oai_value value) {
    uint32_t kind = oai_values(b)[value].kind;
    return kind == OASSL_VALUE_PARAM || kind == OASSL_VALUE_CONSTANT;
}

/* The convolution that node `bn` can be merged with, or NULL. */
static const oassl_graph_node *foldable(const oai_builder *b, const oassl_graph_node *bn, const uint32_t *n_uses) {
    if (bn->op != OASSL_OP_BATCH_NORM_INFER) return NULL;
    const uint32_t *in = oai_operands(b) + bn->first_input;
    const oassl_graph_value *x = &oai_values(b)[in[0]];
    if (x->kind != OASSL_VALUE_RESULT || n_uses[in[0]] != 1) return NULL;
    const oassl_graph_node *conv = &oai_nodes(b)[x->producer];
    if (conv->op != OASSL_OP_CONV2D) return NULL;
    for (uint32_t k = 1; k < 5; k++)
        if (!is_fixed(b, in[k])) return NULL;
    for (uint32_t k = 1; k < conv->n_inputs; k++)
        if (!is_fixed(b, oai_operands(b)[conv->first_input + k])) return NULL;
    return conv;
}

/* Makes node `index` the convolution of the same input with w*s and beta + (bias - mean)*s, s = gamma/sqrt(var + eps).
 */
static void fold(oai_builder *b, uint32_t index, oassl_graph_node conv) {
    oassl_graph_node bn = oai_nodes(b)[index];
    const uint32_t *in = oai_operands(b) + bn.first_input, *conv_in = oai_operands(b) + conv.first_input;
    oai_value gamma = in[1], beta = in[2], mean = in[3], var = in[4];
    oai_value x = conv_in[0], weight = conv_in[1], bias = conv.n_inputs == 3 ? conv_in[2] : OAI_NO_VALUE;
    oai_value deviation = oai_unary(b, OASSL_OP_SQRT, oai_affine(b, var, 1, bn.attrs.f[0]));
    oai_value scale = oai_div(b, gamma, deviation);
    oai_value new_weight = oai_mul(b, weight, oai_reshape(b, scale, 4, OAI_SHAPE(-1, 1, 1, 1)));
    oai_value offset = bias == OAI_NO_VALUE ? oai_affine(b, mean, -1, 0) : oai_sub(b, bias, mean);
    oai_value new_bias = oai_add(b, beta, oai_mul(b, offset, scale));
    uint32_t *operands = oai_array_add(b, &b->operands, 3, sizeof *operands);
    if (!operands || b->status != OASSL_STATUS_OK) return;
    operands[0] = x;
    operands[1] = new_weight;
    operands[2] = new_bias;
    oassl_graph_node *node = &oai_nodes(b)[index];
    node->op = OASSL_OP_CONV2D;
    node->attrs = conv.attrs;
    node->n_inputs = 3;
    node->first_input = (uint32_t)(b->operands.n - 3);
}

/* Nodes from n_old on depend on parameters only: in front they precede all who use them. */
static void move_to_front(oai_builder *b, size_t n_old, oassl_graph_node *scratch) {
    size_t n_new = b->nodes.n - n_old;
    oassl_graph_node *nodes = oai_nodes(b);
    memcpy(scratch, nodes, n_old * sizeof *nodes);
    memmove(nodes, nodes + n_old, n_new * sizeof *nodes);
    memcpy(nodes + n_new, scratch, n_old * sizeof *nodes);
    for (size_t k = 0; k < b->nodes.n; k++)
        for (uint32_t o = 0; o < nodes[k].n_outputs; o++)
            oai_values(b)[nodes[k].first_output + o].producer = (uint32_t)k;
}

void oai_fold_batch_norm(oai_builder *b) {
    if (b->status != OASSL_STATUS_OK || b->nodes.n == 0) return;
    size_t n_old = b->nodes.n;
    uint32_t scope = b->scope;
    uint32_t *n_uses = oai_calloc(b->host, b->values.n, sizeof *n_uses);
    oassl_graph_node *scratch = oai_alloc(b->host, n_old * sizeof *scratch);
    if (!n_uses || !scratch) {
        oai_builder_fail(b, OASSL_STATUS_OUT_OF_MEMORY, "out of memory: folding %zu nodes", n_old);
    } else {
        for (size_t k = 0; k < b->operands.n; k++) n_uses[oai_operands(b)[k]]++;
        for (size_t k = 0; k < b->outputs.n; k++) n_uses[((uint32_t *)b->outputs.data)[k]]++;
        for (uint32_t k = 0; k < n_old && b->status == OASSL_STATUS_OK; k++) {
            const oassl_graph_node *conv = foldable(b, &oai_nodes(b)[k], n_uses);
            b->scope = oai_nodes(b)[k].name;
            if (conv) fold(b, k, *conv);
        }
        if (b->status == OASSL_STATUS_OK) move_to_front(b, n_old, scratch);
    }
    b->scope = scope;
    oai_free(b->host, scratch);
    oai_free(b->host, n_uses);
}
