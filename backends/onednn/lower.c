/* From graph to steps: what each op becomes. */
#include "internal.h"

/* Lowers the current node to a kernel of our own on row-major memory. */
oassl_status oab_onednn_native(oab_lower *l, oab_kernel kernel, uint32_t in_place, uint64_t scratch_bytes,
                               const void *extra) {
    oab_node *node;
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    node->extra = extra;
    const uint32_t n_out = node->n_outputs, n_args = n_out + node->n_inputs;
    uint32_t *args = oab_onednn_keep(l, n_args * sizeof *args);
    if (!args) return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < node->n_inputs; k++)
        OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, k), &args[n_out + k]));
    for (uint32_t k = 0; k < n_out; k++) {
        const uint32_t v = l->graph->nodes[l->current].first_output + k;
        args[k] = OAB_NONE;
        if (l->values[v].uses || k == 0) OAB_TRY(oab_onednn_plain_result(l, v, &args[k]));
    }
    return oab_onednn_emit_kernel(l, kernel, node, args, n_args, n_out,
                                  in_place == OAB_NONE ? OAB_NONE : n_out + in_place, scratch_bytes);
}

/* ---- elementwise in any layout ------------------------------------------------------------------------------- */

/* A padded layout holds zeros in the padding; only these keep it so. */
static int keeps_zero(const oassl_graph_node *node) {
    switch (node->op) {
    case OASSL_OP_ADD:
    case OASSL_OP_SUB:
    case OASSL_OP_MUL:
    case OASSL_OP_MAXIMUM:
    case OASSL_OP_MINIMUM:
    case OASSL_OP_RELU:
    case OASSL_OP_RELU_GRAD:
    case OASSL_OP_ABS:
    case OASSL_OP_TANH: return 1;
    case OASSL_OP_AFFINE: return node->attrs.f[1] == 0.0;
    default: return 0;
    }
}

static int same_shape(const oab_lower *l, uint32_t a, uint32_t b) {
    const oassl_graph_value *x = &l->graph->values[a], *y = &l->graph->values[b];
    if (x->rank != y->rank) return 0;
    for (int32_t k = 0; k < x->rank; k++)
        if (x->shape[k] != y->shape[k]) return 0;
    return 1;
}

/* The layout to compute the node in, NULL for row-major f32: that of an operand which is not there row-major. */
static const oab_layout *layout_of_operands(const oab_lower *l, oab_kernel bf16_kernel) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const oab_layout *found = NULL;
    if (!keeps_zero(node)) return NULL;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        const uint32_t v = oab_onednn_operand(l, l->current, k);
        if (!same_shape(l, v, node->first_output)) return NULL;
        if (!found && l->values[v].plain == OAB_NONE) found = oab_onednn_known_form(l, v);
    }
    if (!found || found->rank != l->graph->values[node->first_output].rank) return NULL;
    return found->type == dnnl_f32 || (found->type == dnnl_bf16 && bf16_kernel) ? found : NULL;
}

static void flatten(oab_node *node, const oab_layout *layout) {
    oassl_graph_value *values = (oassl_graph_value *)(node + 1); /* see oab_onednn_make_node */
    node->count = (int64_t)(oab_md_bytes(&layout->md) / dnnl_data_type_size(layout->type));
    for (uint32_t k = 0; k < node->n_inputs + node->n_outputs; k++) {
        values[k].rank = 1;
        values[k].shape[0] = node->count;
    }
}

/* bf16_kernel: the same on bf16 numbers, or NULL */
static oassl_status lower_elementwise(oab_lower *l, oab_kernel kernel, oab_kernel bf16_kernel) {
    const oab_layout *layout = layout_of_operands(l, bf16_kernel);
    const uint32_t result = l->fusions[l->current].result;
    oab_node *node;
    uint32_t args[3];
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        const uint32_t v = oab_onednn_operand(l, l->current, k);
        OAB_TRY(layout ? oab_onednn_form(l, v, layout, &args[1 + k]) : oab_onednn_plain(l, v, &args[1 + k]));
    }
    OAB_TRY(layout ? oab_onednn_form_result(l, result, layout, &args[0])
                   : oab_onednn_plain_result(l, result, &args[0]));
    if (layout) flatten(node, layout);
    if (layout && layout->type == dnnl_bf16) kernel = bf16_kernel;
    uint32_t in_place = 1; /* operand 0, or 1 where 0 is broadcast */
    if (node->n_inputs == 2 && oab_onednn_count(&node->in[0]) != oab_onednn_count(&node->out[0])) in_place = 2;
    return oab_onednn_emit_kernel(l, kernel, node, args, 1 + node->n_inputs, 1, in_place, 0);
}

static oassl_status lower_add(oab_lower *l) {
    return l->fusions[l->current].relu ? lower_elementwise(l, oab_onednn_add_relu, oab_onednn_bf16_add_relu)
                                       : lower_elementwise(l, oab_onednn_binary, oab_onednn_bf16_add);
}
static oassl_status lower_binary(oab_lower *l) { return lower_elementwise(l, oab_onednn_binary, NULL); }
static oassl_status lower_unary(oab_lower *l) { return lower_elementwise(l, oab_onednn_unary, NULL); }
static oassl_status lower_relu(oab_lower *l) { return lower_elementwise(l, oab_onednn_unary, oab_onednn_bf16_relu); }
static oassl_status lower_unary_grad(oab_lower *l) { return lower_elementwise(l, oab_onednn_unary_grad, NULL); }
static oassl_status lower_relu_grad(oab_lower *l) {
    return lower_elementwise(l, oab_onednn_unary_grad, oab_onednn_bf16_relu_grad);
}

/* ---- moving -------------------------------------------------------------------------------------------------- */

static oassl_status lower_reshape(oab_lower *l) {
    oab_value *view = &l->values[l->graph->nodes[l->current].first_output];
    OAB_TRY(oab_onednn_plain(l, oab_onednn_operand(l, l->current, 0), &view->plain));
    view->views_input = l->plan->buffers[view->plain].home == OAB_BOUND;
    return OASSL_STATUS_OK;
}

static oassl_status lower_stop_gradient(oab_lower *l) {
    const oab_value *from = &l->values[oab_onednn_operand(l, l->current, 0)];
    oab_value *to = &l->values[l->graph->nodes[l->current].first_output];
    if (!from->n_forms) return lower_reshape(l);
    OAB_TRY(from->plain == OAB_NONE ? OASSL_STATUS_OK : lower_reshape(l));
    to->n_forms = from->n_forms;
    for (uint32_t k = 0; k < from->n_forms; k++) to->forms[k] = from->forms[k];
    return OASSL_STATUS_OK;
}

static oassl_status lower_transpose(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_transpose, OAB_NONE, 0, NULL);
}
static oassl_status lower_concat(oab_lower *l) { return oab_onednn_native(l, oab_onednn_concat, OAB_NONE, 0, NULL); }
static oassl_status lower_slice(oab_lower *l) { return oab_onednn_native(l, oab_onednn_slice, OAB_NONE, 0, NULL); }
static oassl_status lower_pad(oab_lower *l) { return oab_onednn_native(l, oab_onednn_pad, OAB_NONE, 0, NULL); }
static oassl_status lower_broadcast(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_broadcast, OAB_NONE, 0, NULL);
}
static oassl_status lower_gather(oab_lower *l) { return oab_onednn_native(l, oab_onednn_gather, OAB_NONE, 0, NULL); }
static oassl_status lower_scatter(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_scatter_add, OAB_NONE, 0, NULL);
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

static oassl_status lower_reduce(oab_lower *l) { return oab_onednn_native(l, oab_onednn_reduce, OAB_NONE, 0, NULL); }
static oassl_status lower_reduce_max_grad(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_reduce_max_grad, OAB_NONE, 0, NULL);
}
static oassl_status lower_softmax(oab_lower *l) { return oab_onednn_native(l, oab_onednn_softmax, 0, 0, NULL); }
static oassl_status lower_softmax_grad(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_softmax_grad, 1, 0, NULL);
}
static oassl_status lower_layer_norm(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_layer_norm, OAB_NONE, 0, NULL);
}
static oassl_status lower_layer_norm_grad(oab_lower *l) {
    const oassl_graph_value *gamma = &l->graph->values[oab_onednn_operand(l, l->current, 1)];
    return oab_onednn_native(l, oab_onednn_layer_norm_grad, OAB_NONE,
                             2 * (uint64_t)l->plan->n_threads * (uint64_t)oab_onednn_count(gamma) * sizeof(double),
                             NULL);
}
static oassl_status lower_count(oab_lower *l) {
    return oab_onednn_native(l, oab_onednn_count_non_finite, OAB_NONE, 0, NULL);
}
static oassl_status lower_adam(oab_lower *l) { return oab_onednn_native(l, oab_onednn_adam, OAB_NONE, 0, NULL); }

static oassl_status lower_sinkhorn_with(oab_lower *l, oab_kernel kernel) {
    const void *extra;
    OAB_TRY(oab_onednn_sinkhorn_extra(l, l->current, &extra));
    const oassl_graph_value *s = &l->graph->values[oab_onednn_operand(l, l->current, 0)];
    return oab_onednn_native(l, kernel, OAB_NONE, oab_onednn_sinkhorn_scratch(l->plan, s), extra);
}
static oassl_status lower_sinkhorn(oab_lower *l) { return lower_sinkhorn_with(l, oab_onednn_sinkhorn); }
static oassl_status lower_sinkhorn_grad(oab_lower *l) { return lower_sinkhorn_with(l, oab_onednn_sinkhorn_grad); }

typedef oassl_status (*lower_fn)(oab_lower *l);

static const lower_fn rules[OASSL_OP_LIMIT] = {
    [OASSL_OP_ADD] = lower_add,
    [OASSL_OP_SUB] = lower_binary,
    [OASSL_OP_MUL] = lower_binary,
    [OASSL_OP_DIV] = lower_binary,
    [OASSL_OP_MAXIMUM] = lower_binary,
    [OASSL_OP_MINIMUM] = lower_binary,
    [OASSL_OP_LESS_EQUAL] = lower_binary,
    [OASSL_OP_AFFINE] = lower_unary,
    [OASSL_OP_EXP] = lower_unary,
    [OASSL_OP_LOG] = lower_unary,
    [OASSL_OP_SQRT] = lower_unary,
    [OASSL_OP_RECIPROCAL] = lower_unary,
    [OASSL_OP_ABS] = lower_unary,
    [OASSL_OP_SIGN] = lower_unary,
    [OASSL_OP_RELU] = lower_relu,
    [OASSL_OP_SIGMOID] = lower_unary,
    [OASSL_OP_TANH] = lower_unary,
    [OASSL_OP_SOFTPLUS] = lower_unary,
    [OASSL_OP_GELU] = lower_unary,
    [OASSL_OP_QUICK_GELU] = lower_unary,
    [OASSL_OP_RELU_GRAD] = lower_relu_grad,
    [OASSL_OP_GELU_GRAD] = lower_unary_grad,
    [OASSL_OP_QUICK_GELU_GRAD] = lower_unary_grad,
    [OASSL_OP_REDUCE_SUM] = lower_reduce,
    [OASSL_OP_REDUCE_MEAN] = lower_reduce,
    [OASSL_OP_REDUCE_MAX] = lower_reduce,
    [OASSL_OP_REDUCE_MAX_GRAD] = lower_reduce_max_grad,
    [OASSL_OP_REDUCE_LSE] = lower_reduce,
    [OASSL_OP_MATMUL] = oab_onednn_lower_matmul,
    [OASSL_OP_CONV2D] = oab_onednn_lower_conv,
    [OASSL_OP_CONV2D_GRAD_INPUT] = oab_onednn_lower_conv_grad_input,
    [OASSL_OP_CONV2D_GRAD_WEIGHT] = oab_onednn_lower_conv_grad_weight,
    [OASSL_OP_MAX_POOL] = oab_onednn_lower_pool,
    [OASSL_OP_MAX_POOL_GRAD] = oab_onednn_lower_pool_grad,
    [OASSL_OP_AVG_POOL] = oab_onednn_lower_pool,
    [OASSL_OP_AVG_POOL_GRAD] = oab_onednn_lower_pool_grad,
    [OASSL_OP_BATCH_NORM] = oab_onednn_lower_norm,
    [OASSL_OP_BATCH_NORM_GRAD] = oab_onednn_lower_norm_grad,
    [OASSL_OP_BATCH_NORM_INFER] = oab_onednn_lower_norm,
    [OASSL_OP_BATCH_NORM_INFER_GRAD] = oab_onednn_lower_norm_grad,
    [OASSL_OP_LAYER_NORM] = lower_layer_norm,
    [OASSL_OP_LAYER_NORM_GRAD] = lower_layer_norm_grad,
    [OASSL_OP_SOFTMAX] = lower_softmax,
    [OASSL_OP_SOFTMAX_GRAD] = lower_softmax_grad,
    [OASSL_OP_LOG_SOFTMAX] = lower_softmax,
    [OASSL_OP_LOG_SOFTMAX_GRAD] = lower_softmax_grad,
    [OASSL_OP_RESHAPE] = lower_reshape,
    [OASSL_OP_TRANSPOSE] = lower_transpose,
    [OASSL_OP_CONCAT] = lower_concat,
    [OASSL_OP_SLICE] = lower_slice,
    [OASSL_OP_PAD] = lower_pad,
    [OASSL_OP_BROADCAST] = lower_broadcast,
    [OASSL_OP_GATHER] = lower_gather,
    [OASSL_OP_SCATTER_ADD] = lower_scatter,
    [OASSL_OP_STOP_GRADIENT] = lower_stop_gradient,
    [OASSL_OP_COUNT_NON_FINITE] = lower_count,
    [OASSL_OP_SINKHORN] = lower_sinkhorn,
    [OASSL_OP_SINKHORN_GRAD] = lower_sinkhorn_grad,
    [OASSL_OP_ADAM] = lower_adam,
};

int oab_onednn_knows(uint32_t op) { return op < OASSL_OP_LIMIT && rules[op]; }

/* Brings a value that the caller reads into the caller's memory, unless it was made there. */
static oassl_status deliver(oab_lower *l, uint32_t value) {
    if (!l->values[value].is_output || l->plan->bound[value] != OAB_NONE) return OASSL_STATUS_OK;
    uint32_t from, to;
    OAB_TRY(oab_onednn_plain(l, value, &from)); /* a reorder goes straight to the caller's memory */
    if (l->plan->bound[value] != OAB_NONE) return OASSL_STATUS_OK;
    OAB_TRY(oab_onednn_plain_result(l, value, &to));
    return oab_onednn_copy(l, from, to, 4 * (uint64_t)oab_onednn_count(&l->graph->values[value]));
}

/* The caller may have bound an output to the memory of an input of its size.  Before the current node writes `value`,
 * views of such inputs that are read later get memory of their own; */
static oassl_status keep_views(oab_lower *l, uint32_t value) {
    const int64_t count = oab_onednn_count(&l->graph->values[value]);
    for (uint32_t v = 0; v < l->graph->n_values; v++) {
        oab_value *view = &l->values[v];
        if (!view->views_input || l->readers[v] <= l->current || oab_onednn_count(&l->graph->values[v]) != count)
            continue;
        const uint32_t from = view->plain;
        OAB_TRY(oab_onednn_buffer(l, 4 * (uint64_t)count, &view->plain));
        OAB_TRY(oab_onednn_copy(l, from, view->plain, 4 * (uint64_t)count));
        view->views_input = 0;
    }
    return OASSL_STATUS_OK;
}

/* afterwards, reordered copies of such inputs are out of date. */
static void forget_forms(oab_lower *l, uint32_t value) {
    const int64_t count = oab_onednn_count(&l->graph->values[value]);
    for (uint32_t v = 0; v < l->graph->n_values; v++)
        if (l->graph->values[v].kind == OASSL_VALUE_INPUT && oab_onednn_count(&l->graph->values[v]) == count)
            l->values[v].n_forms = 0, l->values[v].bf16 = OAB_NONE;
}

static oassl_status lower_node(oab_lower *l) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    for (uint32_t k = 0; k < node->n_outputs; k++)
        if (l->values[node->first_output + k].is_output) OAB_TRY(keep_views(l, node->first_output + k));
    if (!l->fusions[l->current].absorbed) OAB_TRY(rules[node->op](l));
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        const uint32_t value = node->first_output + k;
        OAB_TRY(deliver(l, value));
        if (l->values[value].is_output) forget_forms(l, value);
    }
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_lower(oab_lower *l) {
    const oassl_graph *graph = l->graph;
    OAB_TRY(oab_onednn_find_patterns(l));
    OAB_TRY(oab_onednn_assign_types(l));
    for (uint32_t v = 0; v < graph->n_values; v++) {
        uint32_t buffer;
        if (graph->values[v].kind == OASSL_VALUE_INPUT) OAB_TRY(oab_onednn_plain(l, v, &buffer));
    }
    for (l->current = 0; l->current < graph->n_nodes; l->current++) OAB_TRY(lower_node(l));
    for (uint32_t k = 0; k < graph->n_outputs; k++) { /* parameters and constants as outputs */
        const uint32_t v = graph->outputs[k];
        if (graph->values[v].kind == OASSL_VALUE_RESULT || l->plan->bound[v] != OAB_NONE) continue;
        uint32_t from, to;
        OAB_TRY(oab_onednn_plain(l, v, &from));
        OAB_TRY(oab_onednn_plain_result(l, v, &to));
        OAB_TRY(oab_onednn_copy(l, from, to, 4 * (uint64_t)oab_onednn_count(&graph->values[v])));
    }
    return OASSL_STATUS_OK;
}
