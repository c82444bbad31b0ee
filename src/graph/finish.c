/* From a builder's growing arrays to one immutable, hashed block without dead code. */
#include "graph/builder.h"

#include <string.h>

#include "base/safetensors.h"

/* ---- allocation -------------------------------------------------------------------------------------------- */

/* Arrays of nothing may be NULL, which memcpy does not allow. */
static void copy_bytes(const void *to, const void *from, uint64_t bytes) {
    if (bytes) memcpy((void *)to, from, (size_t)bytes);
}

static int same_bytes(const void *a, const void *b, uint64_t bytes) {
    return bytes == 0 || memcmp(a, b, (size_t)bytes) == 0;
}

static uint64_t padded(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/* A graph with room for `sizes` arrays behind its header, all zero. */
static oassl_graph *allocate(const oai_host *host, const oassl_graph *sizes) {
    uint64_t nodes = padded(sizeof *sizes), values = nodes + padded((uint64_t)sizes->n_nodes * sizeof *sizes->nodes),
             operands = values + padded((uint64_t)sizes->n_values * sizeof *sizes->values),
             outputs = operands + padded((uint64_t)sizes->n_operands * sizeof *sizes->operands),
             names = outputs + padded((uint64_t)sizes->n_outputs * sizeof *sizes->outputs),
             constants = names + padded(sizes->names_bytes), total = constants + padded(sizes->constants_bytes);
    char *block = total <= SIZE_MAX ? oai_calloc(host, 1, (size_t)total) : NULL;
    if (!block) {
        oai_no_memory((size_t)total, "a graph");
        return NULL;
    }
    oassl_graph *g = (oassl_graph *)block;
    *g = *sizes;
    g->struct_size = sizeof *g;
    g->reserved = 0;
    g->nodes = (void *)(block + nodes);
    g->values = (void *)(block + values);
    g->operands = (void *)(block + operands);
    g->outputs = (void *)(block + outputs);
    g->names = block + names;
    g->constants = block + constants;
    return g;
}

oassl_status oai_graph_copy(const oai_host *host, const oassl_graph *graph, oassl_graph **out_graph) {
    *out_graph = NULL;
    oassl_graph *g = allocate(host, graph);
    if (!g) return OASSL_STATUS_OUT_OF_MEMORY;
    copy_bytes(g->nodes, graph->nodes, graph->n_nodes * sizeof *g->nodes);
    copy_bytes(g->values, graph->values, graph->n_values * sizeof *g->values);
    copy_bytes(g->operands, graph->operands, graph->n_operands * sizeof *g->operands);
    copy_bytes(g->outputs, graph->outputs, graph->n_outputs * sizeof *g->outputs);
    copy_bytes(g->names, graph->names, graph->names_bytes);
    copy_bytes(g->constants, graph->constants, graph->constants_bytes);
    *out_graph = g;
    return OASSL_STATUS_OK;
}

void oai_graph_destroy(const oai_host *host, oassl_graph *graph) { oai_free(host, graph); }

/* ---- hash and equality: everything but the names ----------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word * 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 29;
}

static uint64_t mix_block(uint64_t h, const void *data, uint64_t bytes) {
    const char *p = data;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h, word);
    }
    uint64_t word = 0;
    if (bytes) memcpy(&word, p, (size_t)bytes);
    return mix(h, word ^ bytes << 56);
}

uint64_t oai_graph_hash(const oassl_graph *g) {
    uint64_t h = mix(mix(mix(mix(0, g->n_nodes), g->n_values), g->n_operands), g->n_outputs);
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        const oassl_graph_node *n = &g->nodes[k];
        h = mix(h, (uint64_t)n->op << 32 | n->n_inputs);
        h = mix(h, (uint64_t)n->first_input << 32 | n->first_output);
        h = mix_block(h, &n->attrs, sizeof n->attrs);
    }
    for (uint32_t k = 0; k < g->n_values; k++) {
        const oassl_graph_value *v = &g->values[k];
        if (v->kind == OASSL_VALUE_UNUSED) continue;
        h = mix(h, (uint64_t)v->kind << 32 | (uint32_t)v->dtype << 8 | (uint32_t)v->rank);
        h = mix_block(h, v->shape, (uint64_t)v->rank * sizeof *v->shape);
    }
    h = mix_block(h, g->operands, (uint64_t)g->n_operands * sizeof *g->operands);
    h = mix_block(h, g->outputs, (uint64_t)g->n_outputs * sizeof *g->outputs);
    return mix_block(h, g->constants, g->constants_bytes);
}

static int same_value(const oassl_graph_value *a, const oassl_graph_value *b) {
    if (a->kind != b->kind) return 0;
    if (a->kind == OASSL_VALUE_UNUSED) return 1;
    return a->dtype == b->dtype && a->rank == b->rank && a->producer == b->producer &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0 &&
           (a->kind != OASSL_VALUE_CONSTANT || a->constant_offset == b->constant_offset);
}

static int same_node(const oassl_graph_node *a, const oassl_graph_node *b) {
    return a->op == b->op && a->n_inputs == b->n_inputs && a->first_input == b->first_input &&
           a->n_outputs == b->n_outputs && a->first_output == b->first_output &&
           memcmp(&a->attrs, &b->attrs, sizeof a->attrs) == 0;
}

int oai_graph_equal(const oassl_graph *a, const oassl_graph *b) {
    if (a->hash != b->hash || a->n_nodes != b->n_nodes || a->n_values != b->n_values ||
        a->n_operands != b->n_operands || a->n_outputs != b->n_outputs || a->constants_bytes != b->constants_bytes)
        return 0;
    for (uint32_t k = 0; k < a->n_values; k++)
        if (!same_value(&a->values[k], &b->values[k])) return 0;
    for (uint32_t k = 0; k < a->n_nodes; k++)
        if (!same_node(&a->nodes[k], &b->nodes[k])) return 0;
    return same_bytes(a->operands, b->operands, a->n_operands * sizeof *a->operands) &&
           same_bytes(a->outputs, b->outputs, a->n_outputs * sizeof *a->outputs) &&
           same_bytes(a->constants, b->constants, a->constants_bytes);
}

/* ---- dead code --------------------------------------------------------------------------------------------- */

/* live_nodes and live_values get 1 for what the outputs depend on; counts what is left. */
static void mark(const oassl_graph *from, uint8_t *live_nodes, uint8_t *live_values, oassl_graph *sizes) {
    for (uint32_t k = 0; k < from->n_outputs; k++) live_values[from->outputs[k]] = 1;
    for (uint32_t k = from->n_nodes; k-- > 0;) {
        const oassl_graph_node *node = &from->nodes[k];
        for (uint32_t o = 0; o < node->n_outputs; o++) live_nodes[k] |= live_values[node->first_output + o];
        if (!live_nodes[k]) continue;
        sizes->n_nodes++;
        sizes->n_operands += node->n_inputs;
        memset(live_values + node->first_output, 1, node->n_outputs);
        for (uint32_t i = 0; i < node->n_inputs; i++) live_values[from->operands[node->first_input + i]] = 1;
    }
    for (uint32_t id = 0; id < from->n_values; id++) {
        const oassl_graph_value *v = &from->values[id];
        if (live_values[id] && v->kind == OASSL_VALUE_CONSTANT)
            sizes->constants_bytes += padded((uint64_t)oai_value_count(v) * oai_dtype_bytes(v->dtype));
    }
}

/* Copies what is live; ids stay, dead values become UNUSED, constants move together. */
static void copy_live(const oassl_graph *from, const uint8_t *live_nodes, const uint8_t *live_values, oassl_graph *g) {
    oassl_graph_node *nodes = (oassl_graph_node *)g->nodes;
    oassl_graph_value *values = (oassl_graph_value *)g->values;
    uint32_t *operands = (uint32_t *)g->operands;
    uint32_t n_nodes = 0, n_operands = 0;
    uint64_t offset = 0;
    copy_bytes(g->outputs, from->outputs, from->n_outputs * sizeof *g->outputs);
    copy_bytes(g->names, from->names, from->names_bytes);
    for (uint32_t id = 0; id < from->n_values; id++) {
        values[id] = from->values[id];
        if (!live_values[id]) {
            values[id].kind = OASSL_VALUE_UNUSED;
            values[id].producer = OASSL_NO_VALUE;
        } else if (values[id].kind == OASSL_VALUE_CONSTANT) {
            uint64_t bytes = (uint64_t)oai_value_count(&values[id]) * oai_dtype_bytes(values[id].dtype);
            memcpy((char *)g->constants + offset, (const char *)from->constants + values[id].constant_offset,
                   (size_t)bytes);
            values[id].constant_offset = offset;
            offset += padded(bytes);
        }
    }
    for (uint32_t k = 0; k < from->n_nodes; k++) {
        if (!live_nodes[k]) continue;
        oassl_graph_node *node = &nodes[n_nodes];
        *node = from->nodes[k];
        node->first_input = n_operands;
        for (uint32_t i = 0; i < node->n_inputs; i++)
            operands[n_operands++] = from->operands[from->nodes[k].first_input + i];
        for (uint32_t o = 0; o < node->n_outputs; o++) values[node->first_output + o].producer = n_nodes;
        n_nodes++;
    }
}

oassl_status oai_graph_prune(const oai_host *host, const oassl_graph *from, oassl_graph **out_graph) {
    *out_graph = NULL;
    uint8_t *live = oai_calloc(host, (size_t)from->n_nodes + from->n_values, 1);
    if (!live) return oai_no_memory((size_t)from->n_nodes + from->n_values, "a graph's live nodes");
    oassl_graph sizes = {.n_values = from->n_values, .n_outputs = from->n_outputs, .names_bytes = from->names_bytes};
    mark(from, live, live + from->n_nodes, &sizes);
    oassl_graph *g = allocate(host, &sizes);
    if (g) copy_live(from, live, live + from->n_nodes, g);
    oai_free(host, live);
    if (!g) return OASSL_STATUS_OUT_OF_MEMORY;
    g->hash = oai_graph_hash(g);
    oassl_status status = oai_graph_verify(g);
    if (status != OASSL_STATUS_OK) {
        oai_graph_destroy(host, g);
        return status;
    }
    *out_graph = g;
    return OASSL_STATUS_OK;
}

oassl_status oai_builder_finish(oai_builder *b, oassl_graph **out_graph) {
    *out_graph = NULL;
    OAI_TRY(oai_builder_status(b));
    oassl_graph view = {.struct_size = sizeof view,
                        .n_nodes = (uint32_t)b->nodes.n,
                        .n_values = (uint32_t)b->values.n,
                        .n_operands = (uint32_t)b->operands.n,
                        .n_outputs = (uint32_t)b->outputs.n,
                        .nodes = b->nodes.data,
                        .values = b->values.data,
                        .operands = b->operands.data,
                        .outputs = b->outputs.data,
                        .names = b->names.data,
                        .names_bytes = b->names.n,
                        .constants = b->constants.data,
                        .constants_bytes = b->constants.n};
    return oai_graph_prune(b->host, &view, out_graph);
}

oai_value oai_graph_find(const oassl_graph *graph, const char *name) {
    if (!name || !*name) return OAI_NO_VALUE;
    for (uint32_t id = 0; id < graph->n_values; id++)
        if (strcmp(graph->names + graph->values[id].name, name) == 0) return id;
    return OAI_NO_VALUE;
}
