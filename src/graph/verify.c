/* Checking a graph from anywhere.  Nothing here trusts a number before it has been compared with its bound; afterwards
 * every other part of the library and every plug-in may. */
#include "graph/builder.h"

#include <string.h>

#include "base/safetensors.h"

static oassl_status bad(const char *what) { return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "graph: %s", what); }

static oassl_status verify_header(const oassl_graph *g) {
    if (!g) return bad("NULL");
    if (g->struct_size < sizeof *g) return bad("struct_size is too small");
    if ((g->n_nodes && !g->nodes) || (g->n_values && !g->values) || (g->n_operands && !g->operands) ||
        (g->n_outputs && !g->outputs) || (g->constants_bytes && !g->constants))
        return bad("an array is NULL");
    if (g->n_values == OASSL_NO_VALUE || g->n_nodes == OASSL_NO_VALUE) return bad("too many values or nodes");
    if (!g->names || g->names_bytes == 0 || g->names[0] != 0 || g->names[g->names_bytes - 1] != 0)
        return bad("names do not begin and end with NUL");
    if (g->constants_bytes > (uint64_t)INT64_MAX) return bad("constants_bytes is too large");
    if (g->n_outputs == 0) return bad("it has no outputs");
    return OASSL_STATUS_OK;
}

static oassl_status verify_result(const oassl_graph *g, uint32_t id) {
    const oassl_graph_value *v = &g->values[id];
    if (v->producer >= g->n_nodes)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "producer %u of %u nodes", v->producer, g->n_nodes);
    const oassl_graph_node *node = &g->nodes[v->producer];
    if (id < node->first_output || id - node->first_output >= node->n_outputs)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "node %u does not produce it", v->producer);
    return OASSL_STATUS_OK;
}

static oassl_status verify_value(const oassl_graph *g, uint32_t id) {
    const oassl_graph_value *v = &g->values[id];
    if (v->kind < OASSL_VALUE_INPUT || v->kind > OASSL_VALUE_UNUSED)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "kind %u is unknown", v->kind);
    if (v->name >= g->names_bytes) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "name offset %u", v->name);
    OAI_TRY(oai_type_check(v->dtype, v->rank, v->shape));
    if (v->kind == OASSL_VALUE_RESULT) return verify_result(g, id);
    if (v->producer != OASSL_NO_VALUE)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "has producer %u but is no result", v->producer);
    if (v->kind == OASSL_VALUE_CONSTANT) {
        uint64_t bytes = (uint64_t)oai_value_count(v) * oai_dtype_bytes(v->dtype);
        if (v->constant_offset % 64 != 0 || v->constant_offset > g->constants_bytes ||
            bytes > g->constants_bytes - v->constant_offset)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "constant of %llu bytes at offset %llu of %llu",
                            (unsigned long long)bytes, (unsigned long long)v->constant_offset,
                            (unsigned long long)g->constants_bytes);
    }
    return OASSL_STATUS_OK;
}

static oassl_status verify_inputs(const oassl_graph *g, uint32_t index) {
    const oassl_graph_node *node = &g->nodes[index];
    if (node->n_inputs > g->n_operands || node->first_input > g->n_operands - node->n_inputs)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "operands %u..+%u of %u", node->first_input, node->n_inputs,
                        g->n_operands);
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        uint32_t id = g->operands[node->first_input + k];
        if (id >= g->n_values || g->values[id].kind == OASSL_VALUE_UNUSED)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "input %u: there is no value %u", k, id);
        if (g->values[id].kind == OASSL_VALUE_RESULT && g->values[id].producer >= index)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "input %u: value %u is produced later, by node %u", k, id,
                            g->values[id].producer);
    }
    return OASSL_STATUS_OK;
}

static oassl_status verify_outputs(const oassl_graph *g, uint32_t index) {
    const oassl_graph_node *node = &g->nodes[index];
    if (node->n_outputs != oai_op_n_outputs(node->op))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "expected %u outputs, found %u", oai_op_n_outputs(node->op),
                        node->n_outputs);
    if (node->n_outputs > g->n_values || node->first_output > g->n_values - node->n_outputs)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "outputs %u..+%u of %u values", node->first_output,
                        node->n_outputs, g->n_values);
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        const oassl_graph_value *v = &g->values[node->first_output + k];
        if (v->kind != OASSL_VALUE_RESULT || v->producer != index)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "output %u: value %u is not a result of this node", k,
                            node->first_output + k);
    }
    return OASSL_STATUS_OK;
}

static oassl_status verify_node(const oassl_graph *g, uint32_t index) {
    const oassl_graph_node *node = &g->nodes[index];
    if (oai_op_n_outputs(node->op) == 0)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "operation %u is unknown", node->op);
    OAI_TRY(verify_inputs(g, index));
    OAI_TRY(verify_outputs(g, index));
    oai_type types[OAI_MAX_OUTPUTS];
    OAI_TRY(oai_infer(g->values, g->operands + node->first_input, node->n_inputs, node->op, &node->attrs, types));
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        const oassl_graph_value *v = &g->values[node->first_output + k];
        if (v->dtype != types[k].dtype || v->rank != types[k].rank ||
            memcmp(v->shape, types[k].shape, (size_t)v->rank * sizeof *v->shape) != 0)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "output %u: expected %s %s, found %s %s", k,
                            oai_dtype_name(types[k].dtype), oai_shape_to_text(types[k].rank, types[k].shape).text,
                            oai_dtype_name(v->dtype), oai_shape_to_text(v->rank, v->shape).text);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_graph_verify(const oassl_graph *g) {
    OAI_TRY(verify_header(g));
    for (uint32_t id = 0; id < g->n_values; id++) {
        oassl_status status = verify_value(g, id);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "graph: value %u", id);
    }
    for (uint32_t index = 0; index < g->n_nodes; index++) {
        const oassl_graph_node *node = &g->nodes[index];
        if (node->name >= g->names_bytes) return bad("a node's name lies outside the names");
        oassl_status status = verify_node(g, index);
        if (status != OASSL_STATUS_OK) {
            char text[256];
            oai_node_text(text, sizeof text, index, node->op, g->names + node->name);
            return oai_fail_within(status, "graph: %s", text);
        }
    }
    for (uint32_t k = 0; k < g->n_outputs; k++)
        if (g->outputs[k] >= g->n_values || g->values[g->outputs[k]].kind == OASSL_VALUE_UNUSED)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "graph: output %u: there is no value %u", k, g->outputs[k]);
    return OASSL_STATUS_OK;
}
