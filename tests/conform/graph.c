/* Building graphs: the POD arrays of backend.h in fixed arrays of a cf_graph. */
#include "conform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cf_graph *cf_begin(cf_suite *suite, const char *what, ...) {
    cf_graph *g = suite->graph;
    memset(g, 0, sizeof *g);
    g->suite = suite;
    g->dtype = suite->dtype;
    g->precision = suite->precision;
    g->by_norm = suite->by_norm;
    g->tolerance = suite->tolerance;
    const int head =
        snprintf(g->name, sizeof g->name, "%s/%s/", suite->op, suite->dtype == OASSL_DTYPE_F64 ? "f64" : "f32");
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(g->name + head, sizeof g->name - (size_t)head, what, arguments);
    va_end(arguments);
    if (suite->only && strncmp(g->name, suite->only, strlen(suite->only)) != 0) return NULL;
    if (suite->list) {
        printf("%s\n", g->name);
        return NULL;
    }
    g->graph = (oassl_graph){.struct_size = sizeof g->graph,
                             .nodes = g->nodes,
                             .values = g->values,
                             .operands = g->operands,
                             .outputs = g->outputs,
                             .names = g->names,
                             .names_bytes = 1,
                             .constants = g->constants};
    return g;
}

/* The cases are part of the program: one that outgrows the arrays is a mistake to be seen at once. */
static void must(int condition, const cf_graph *g, const char *what) {
    if (condition) return;
    fprintf(stderr, "oassl-conform: case %s: %s\n", g->name, what);
    abort();
}

static uint32_t add_name(cf_graph *g, const char *text, uint32_t number) {
    const uint64_t at = g->graph.names_bytes;
    must(at + 40 < CF_NAMES, g, "too many names");
    g->graph.names_bytes += (uint64_t)snprintf(g->names + at, 40, "%s%u", text, (unsigned)number) + 1;
    return (uint32_t)at;
}

static cf_value add_value(cf_graph *g, uint32_t kind, int32_t dtype, int32_t rank, const int64_t *shape) {
    must(g->graph.n_values < CF_MAX_VALUES, g, "too many values");
    must(rank >= 0 && rank <= OASSL_MAX_RANK, g, "rank");
    const cf_value v = g->graph.n_values++;
    oassl_graph_value *value = &g->values[v];
    *value = (oassl_graph_value){.kind = kind, .dtype = dtype, .rank = rank, .producer = OASSL_NO_VALUE};
    for (int32_t k = 0; k < rank; k++) {
        must(shape[k] >= 0, g, "negative extent");
        value->shape[k] = shape[k];
    }
    value->name = add_name(g, kind == OASSL_VALUE_PARAM ? "param" : kind == OASSL_VALUE_INPUT ? "input" : "result", v);
    g->alias[v] = g->rows_of[v] = OASSL_NO_VALUE;
    return v;
}

cf_value cf_input(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape) {
    const cf_value v = add_value(g, OASSL_VALUE_INPUT, g->dtype, rank, shape);
    g->fill[v] = fill;
    return v;
}

cf_value cf_param(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape) {
    const cf_value v = add_value(g, OASSL_VALUE_PARAM, g->dtype, rank, shape);
    g->fill[v] = fill;
    return v;
}

cf_value cf_index(cf_graph *g, int64_t limit, int32_t rank, const int64_t *shape) {
    const cf_value v = add_value(g, OASSL_VALUE_INPUT, OASSL_DTYPE_I32, rank, shape);
    g->fill[v] = CF_FILL(CF_INDEX, 0, (double)limit);
    return v;
}

cf_value cf_constant(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape) {
    const cf_value v = add_value(g, OASSL_VALUE_CONSTANT, g->dtype, rank, shape);
    const uint64_t at = (g->graph.constants_bytes + 63) / 64 * 64, bytes = cf_bytes(&g->values[v]);
    must(at + bytes <= CF_CONSTANTS, g, "too many constants");
    g->fill[v] = fill;
    g->values[v].constant_offset = at;
    g->graph.constants_bytes = at + bytes;
    cf_fill_value(g, v, g->constants + at);
    return v;
}

const oassl_graph_value *cf_info(const cf_graph *g, cf_value v) { return &g->values[v]; }

int64_t cf_count(const oassl_graph_value *value) {
    int64_t count = 1;
    for (int32_t k = 0; k < value->rank; k++) count *= value->shape[k];
    return count;
}

uint64_t cf_bytes(const oassl_graph_value *value) {
    return (uint64_t)cf_count(value) * (value->dtype == OASSL_DTYPE_F64 ? 8 : 4);
}

static const char *op_name(uint32_t op) {
    switch (op) {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs)                                               \
    case number:                                                                                                      \
        return #name;
#include <oassl/ops.inc>
#undef OASSL_OP
    default: return "?";
    }
}

oassl_node_attrs *cf_node(cf_graph *g, uint32_t op, const cf_value *inputs, uint32_t n_inputs) {
    must(g->graph.n_nodes < CF_MAX_NODES && g->graph.n_operands + n_inputs <= CF_MAX_OPERANDS, g, "too many nodes");
    const uint32_t n = g->graph.n_nodes++;
    g->nodes[n] = (oassl_graph_node){.op = op,
                                     .n_inputs = n_inputs,
                                     .first_input = g->graph.n_operands,
                                     .first_output = g->graph.n_values,
                                     .name = add_name(g, op_name(op), n)};
    for (uint32_t k = 0; k < n_inputs; k++) {
        must(inputs[k] < g->graph.n_values, g, "operand does not exist");
        g->operands[g->graph.n_operands++] = inputs[k];
    }
    return &g->nodes[n].attrs;
}

cf_value cf_result(cf_graph *g, int32_t rank, const int64_t *shape) {
    const cf_value v = add_value(g, OASSL_VALUE_RESULT, g->dtype, rank, shape);
    oassl_graph_node *node = &g->nodes[g->graph.n_nodes - 1];
    must(v == node->first_output + node->n_outputs, g, "outputs of a node are not consecutive");
    node->n_outputs++;
    g->values[v].producer = g->graph.n_nodes - 1;
    return v;
}

cf_value cf_result_like(cf_graph *g, cf_value v) {
    const oassl_graph_value like = g->values[v];
    return cf_result(g, like.rank, like.shape);
}

void cf_output(cf_graph *g, cf_value v) {
    must(g->graph.n_outputs < CF_MAX_OUTPUTS && v < g->graph.n_values, g, "too many outputs");
    g->outputs[g->graph.n_outputs++] = v;
}

void cf_outputs(cf_graph *g, cf_value first, uint32_t n) {
    for (uint32_t k = 0; k < n; k++) cf_output(g, first + k);
}

/* ---- contents ------------------------------------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *state) { return (double)(next_random(state) >> 11) * 0x1p-53; }

static double special(uint64_t *state, int with_nan) {
    switch (next_random(state) % 8) {
    case 0: return 1.0 / 0.0;
    case 1: return -1.0 / 0.0;
    case 2: return with_nan ? 0.0 / 0.0 : 0.0;
    default: return 4 * uniform(state) - 2;
    }
}

static double tiny(uint64_t *state, int is_f64) {
    const double smallest = is_f64 ? 0x1p-1022 : 0x1p-126, sign = next_random(state) & 1 ? -1 : 1;
    switch (next_random(state) % 4) {
    case 0: return sign * 0.0;
    case 1: return sign * smallest;
    default: return sign * smallest * uniform(state);
    }
}

static double draw(const cf_fill *fill, uint64_t *state, int is_f64) {
    static const double few[] = {-1, 0, 0.5, 1};
    switch (fill->kind) {
    case CF_UNIFORM: return fill->low + (fill->high - fill->low) * uniform(state);
    case CF_TIES: return few[next_random(state) % 4];
    case CF_ZEROS: return 0;
    case CF_LARGE: return (2 * uniform(state) - 1) * (fill->high != 0 ? fill->high : 1e18);
    case CF_TINY: return tiny(state, is_f64);
    case CF_SPECIAL: return special(state, 1);
    case CF_INFINITE: return special(state, 0);
    case CF_INDEX: return (double)(int64_t)(fill->high * uniform(state));
    default: { /* the sum of twelve uniforms is as good as normal here */
        double sum = -6;
        for (int k = 0; k < 12; k++) sum += uniform(state);
        return sum * (fill->high != 0 ? fill->high : 1.0);
    }
    }
}

void cf_fill_value(const cf_graph *g, cf_value v, void *to) {
    const oassl_graph_value *value = &g->values[v];
    const cf_fill *fill = &g->fill[v];
    if (fill->kind == CF_DATA) {
        memcpy(to, fill->data, cf_bytes(value));
        return;
    }
    uint64_t state = 14695981039346656037u + v;
    for (const char *c = g->name; *c; c++) state = (state ^ (uint8_t)*c) * 1099511628211u;
    const int64_t count = cf_count(value);
    for (int64_t k = 0; k < count; k++) {
        const double x = draw(fill, &state, value->dtype == OASSL_DTYPE_F64);
        if (value->dtype == OASSL_DTYPE_F64)
            ((double *)to)[k] = x;
        else if (value->dtype == OASSL_DTYPE_I32)
            ((int32_t *)to)[k] = (int32_t)x;
        else
            ((float *)to)[k] = (float)x;
    }
}
