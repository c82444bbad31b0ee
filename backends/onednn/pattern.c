/* Finds out which nodes one step can compute together.
 *
 *   CONV2D [+ ADD] [+ RELU]             one primitive with post-operations
 *   BATCH_NORM(_INFER) + RELU           one step
 *   RELU_GRAD + BATCH_NORM_GRAD         one step that works out again where the RELU's operand was positive
 *   ADD + RELU                          one pass over memory
 *   MAX_POOL and MAX_POOL_GRAD          the first tells the second where the maxima were */
#include <string.h>

#include "internal.h"

static const oassl_graph_node *node_at(const oab_lower *l, uint32_t n) { return &l->graph->nodes[n]; }

uint32_t oab_onednn_operand(const oab_lower *l, uint32_t node, uint32_t k) {
    return l->operands[node_at(l, node)->first_input + k];
}

/* x > 0 exactly where relu(x) > 0: reading the result instead lets the RELU's operand die early. */
static oassl_status read_relu_results(oab_lower *l) {
    uint32_t *relu_of = oab_onednn_alloc(l->host, l->graph->n_values * sizeof *relu_of);
    if (!relu_of) return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t v = 0; v < l->graph->n_values; v++) relu_of[v] = OAB_NONE;
    for (uint32_t n = 0; n < l->graph->n_nodes; n++) {
        uint32_t *x = &l->operands[node_at(l, n)->first_input];
        if (node_at(l, n)->op == OASSL_OP_RELU) relu_of[*x] = node_at(l, n)->first_output;
        if (node_at(l, n)->op == OASSL_OP_RELU_GRAD && relu_of[*x] != OAB_NONE) *x = relu_of[*x];
    }
    oab_onednn_free(l->host, relu_of);
    return OASSL_STATUS_OK;
}

static void count_uses(oab_lower *l) {
    for (uint32_t n = 0; n < l->graph->n_nodes; n++)
        for (uint32_t k = 0; k < node_at(l, n)->n_inputs; k++) {
            const uint32_t v = oab_onednn_operand(l, n, k);
            l->values[v].uses++;
            l->readers[v] = n;
            const uint32_t op = node_at(l, n)->op;
            if (op == OASSL_OP_CONV2D_GRAD_INPUT || op == OASSL_OP_CONV2D_GRAD_WEIGHT) l->values[v].in_gradient = 1;
        }
    for (uint32_t k = 0; k < l->graph->n_outputs; k++) {
        l->values[l->graph->outputs[k]].uses++;
        l->values[l->graph->outputs[k]].is_output = 1;
    }
}

/* The node that is the only reader of `value`, if it is an `op` nobody has absorbed. */
static uint32_t only_reader(const oab_lower *l, uint32_t value, uint32_t op) {
    if (l->values[value].uses != 1 || l->values[value].is_output) return OAB_NONE;
    const uint32_t n = l->readers[value];
    return node_at(l, n)->op == op && !l->fusions[n].absorbed ? n : OAB_NONE;
}

static int same_shape(const oab_lower *l, uint32_t a, uint32_t b) {
    const oassl_graph_value *x = &l->graph->values[a], *y = &l->graph->values[b];
    return x->rank == y->rank && !memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
}

static void absorb_relu(oab_lower *l, oab_fusion *fusion) {
    const uint32_t relu = only_reader(l, fusion->result, OASSL_OP_RELU);
    if (relu == OAB_NONE) return;
    fusion->relu = 1;
    fusion->result = node_at(l, relu)->first_output;
    l->fusions[relu].absorbed = 1;
}

static void absorb_sum(oab_lower *l, uint32_t n) {
    oab_fusion *fusion = &l->fusions[n];
    const uint32_t add = only_reader(l, fusion->result, OASSL_OP_ADD);
    if (add == OAB_NONE) return;
    const uint32_t a = oab_onednn_operand(l, add, 0), b = oab_onednn_operand(l, add, 1);
    const uint32_t other = a == fusion->result ? b : a;
    const oassl_graph_value *v = &l->graph->values[other];
    if (!same_shape(l, other, fusion->result) || (v->kind == OASSL_VALUE_RESULT && v->producer > n)) return;
    fusion->sum = other;
    fusion->result = node_at(l, add)->first_output;
    l->fusions[add].absorbed = 1;
}

static void absorb_relu_grad(oab_lower *l, uint32_t n) {
    const uint32_t mean = oab_onednn_operand(l, n, 2), dy = oab_onednn_operand(l, n, 4);
    if (l->graph->values[mean].kind != OASSL_VALUE_RESULT || l->graph->values[dy].kind != OASSL_VALUE_RESULT) return;
    const uint32_t norm = l->graph->values[mean].producer, grad = l->graph->values[dy].producer;
    if (node_at(l, norm)->op != OASSL_OP_BATCH_NORM || l->fusions[norm].partner != OAB_NONE) return;
    if (mean != node_at(l, norm)->first_output + 1 || oab_onednn_operand(l, n, 3) != mean + 1 ||
        oab_onednn_operand(l, n, 0) != oab_onednn_operand(l, norm, 0))
        return;
    if (!l->fusions[norm].relu || node_at(l, grad)->op != OASSL_OP_RELU_GRAD || l->values[dy].uses != 1) return;
    if (oab_onednn_operand(l, grad, 0) != l->fusions[norm].result) return;
    l->fusions[norm].partner = n;
    l->fusions[n].partner = norm;
    l->fusions[n].relu = 1;
    l->fusions[n].dy = oab_onednn_operand(l, grad, 1);
    l->fusions[grad].absorbed = 1;
    l->values[l->fusions[norm].result].uses--;
}

static void pair_max_pool(oab_lower *l, uint32_t n) {
    for (uint32_t k = 0; k < n; k++) {
        if (node_at(l, k)->op != OASSL_OP_MAX_POOL || l->fusions[k].partner != OAB_NONE) continue;
        if (oab_onednn_operand(l, k, 0) != oab_onednn_operand(l, n, 0)) continue;
        if (memcmp(node_at(l, k)->attrs.i, node_at(l, n)->attrs.i, 6 * sizeof(int64_t))) continue;
        l->fusions[k].partner = n;
        l->fusions[n].partner = k;
        return;
    }
}

static void fuse_node(oab_lower *l, uint32_t n) {
    oab_fusion *fusion = &l->fusions[n];
    if (fusion->absorbed) return;
    switch (node_at(l, n)->op) {
    case OASSL_OP_CONV2D:
        absorb_sum(l, n);
        absorb_relu(l, fusion);
        break;
    case OASSL_OP_ADD:
        if (same_shape(l, oab_onednn_operand(l, n, 0), oab_onednn_operand(l, n, 1))) absorb_relu(l, fusion);
        break;
    case OASSL_OP_BATCH_NORM:
    case OASSL_OP_BATCH_NORM_INFER: absorb_relu(l, fusion); break;
    case OASSL_OP_BATCH_NORM_GRAD: absorb_relu_grad(l, n); break;
    default: break;
    }
}

oassl_status oab_onednn_find_patterns(oab_lower *l) {
    const oassl_graph *graph = l->graph;
    memcpy(l->operands, graph->operands, graph->n_operands * sizeof *l->operands);
    if (!l->options->no_fusion) OAB_TRY(read_relu_results(l));
    count_uses(l);
    for (uint32_t n = 0; n < graph->n_nodes; n++)
        l->fusions[n] = (oab_fusion){.sum = OAB_NONE,
                                     .partner = OAB_NONE,
                                     .dy = OAB_NONE,
                                     .workspace = OAB_NONE,
                                     .result = graph->nodes[n].first_output};
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        if (!l->options->no_fusion) fuse_node(l, n);
        if (graph->nodes[n].op == OASSL_OP_MAX_POOL_GRAD) pair_max_pool(l, n);
    }
    return OASSL_STATUS_OK;
}
