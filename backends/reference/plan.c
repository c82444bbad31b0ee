/* A plan is a copy of the graph with a place for every value; an exec is a workspace and the bound addresses. */
#include "reference.h"

#include <string.h>

#define ALIGNMENT 64
#define NOT_IN_WORKSPACE UINT64_MAX

struct oassl_backend_plan {
    const oassl_backend_host *host;
    oassl_graph graph; /* its arrays are the plan's own */
    const void **data; /* by value id: contents of parameters and constants */
    uint64_t *offset;  /* by value id: place in the workspace */
    uint8_t *bindable; /* by value id: an input or an output of the graph */
    uint64_t workspace_bytes;
};

struct oassl_backend_exec {
    const oassl_backend_plan *plan;
    void *workspace;
    void **address; /* by value id; NULL until bound */
};

static uint64_t value_bytes(const oassl_graph_value *value) {
    return (uint64_t)oab_reference_tensor(value).count * oab_reference_dtype_bytes(value->dtype);
}

static const char *text_at(const oassl_graph *graph, uint32_t name) { return graph->names ? graph->names + name : ""; }

/* ---- memory plan ----------------------------------------------------------------------------------------------- */

typedef struct block {
    uint64_t offset, bytes;
    uint32_t value;
} block;

/* Lowest gap between the live blocks (sorted by offset) that holds `bytes`. */
static uint64_t place(block *live, uint32_t *n_live, uint32_t value, uint64_t bytes) {
    uint64_t offset = 0;
    uint32_t at = 0;
    while (at < *n_live && live[at].offset - offset < bytes) {
        offset = live[at].offset + live[at].bytes;
        at++;
    }
    memmove(live + at + 1, live + at, (*n_live - at) * sizeof *live);
    live[at] = (block){offset, bytes, value};
    (*n_live)++;
    return offset;
}

/* last_use[v]: index of the last node that reads v, or the one that makes it. */
static void find_last_uses(const oassl_graph *graph, uint32_t *last_use) {
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const oassl_graph_node *node = &graph->nodes[n];
        for (uint32_t k = 0; k < node->n_inputs; k++) last_use[graph->operands[node->first_input + k]] = n;
        for (uint32_t k = 0; k < node->n_outputs; k++) last_use[node->first_output + k] = n;
    }
}

/* Places every result that is not an output of the graph.  Inputs of a node are still live while its outputs are
 * placed, so they never share memory. */
static void place_results(oassl_backend_plan *plan, uint32_t *last_use, block *live) {
    const oassl_graph *graph = &plan->graph;
    uint32_t n_live = 0;
    find_last_uses(graph, last_use);
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const oassl_graph_node *node = &graph->nodes[n];
        for (uint32_t v = node->first_output; v < node->first_output + node->n_outputs; v++) {
            if (plan->bindable[v]) continue;
            const uint64_t bytes = (value_bytes(&graph->values[v]) + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
            plan->offset[v] = place(live, &n_live, v, bytes);
            if (plan->offset[v] + bytes > plan->workspace_bytes) plan->workspace_bytes = plan->offset[v] + bytes;
        }
        uint32_t kept = 0;
        for (uint32_t k = 0; k < n_live; k++)
            if (last_use[live[k].value] > n) live[kept++] = live[k];
        n_live = kept;
    }
}

static oassl_status no_memory(const oassl_backend_host *host, uint64_t bytes) {
    return oab_reference_fail(host, OASSL_STATUS_OUT_OF_MEMORY, "reference: no memory for %llu bytes",
                              (unsigned long long)bytes);
}

static oassl_status plan_memory(oassl_backend_plan *plan) {
    const oassl_backend_host *host = plan->host;
    const uint64_t n = (uint64_t)plan->graph.n_values + 1;
    uint32_t *last_use = host->alloc(host->user, n * sizeof *last_use, ALIGNMENT);
    block *live = host->alloc(host->user, n * sizeof *live, ALIGNMENT);
    const oassl_status status = last_use && live ? OASSL_STATUS_OK : no_memory(host, n * sizeof *live);
    if (status == OASSL_STATUS_OK) place_results(plan, last_use, live);
    if (last_use) host->free(host->user, last_use);
    if (live) host->free(host->user, live);
    return status;
}

/* ---- plan ------------------------------------------------------------------------------------------------------ */

static oassl_status copy_of(const oassl_backend_host *host, const void *from, uint64_t bytes, const void **out_copy) {
    void *copy = host->alloc(host->user, bytes ? bytes : 1, ALIGNMENT);
    if (!copy) return no_memory(host, bytes);
    if (bytes) memcpy(copy, from, bytes);
    *out_copy = copy;
    return OASSL_STATUS_OK;
}

static oassl_status copy_graph(const oassl_backend_host *host, const oassl_graph *from, oassl_graph *to) {
    to->n_nodes = from->n_nodes;
    to->n_values = from->n_values;
    to->n_operands = from->n_operands;
    to->n_outputs = from->n_outputs;
    to->names_bytes = from->names_bytes;
    to->constants_bytes = from->constants_bytes;
    const struct {
        const void *from, **to;
        uint64_t bytes;
    } parts[] = {
        {from->nodes, (const void **)&to->nodes, from->n_nodes * sizeof *from->nodes},
        {from->values, (const void **)&to->values, from->n_values * sizeof *from->values},
        {from->operands, (const void **)&to->operands, from->n_operands * sizeof *from->operands},
        {from->outputs, (const void **)&to->outputs, from->n_outputs * sizeof *from->outputs},
        {from->names, (const void **)&to->names, from->names_bytes},
        {from->constants, &to->constants, from->constants_bytes},
    };
    oassl_status status = OASSL_STATUS_OK;
    for (size_t k = 0; k < sizeof parts / sizeof *parts && status == OASSL_STATUS_OK; k++)
        if (parts[k].from) status = copy_of(host, parts[k].from, parts[k].bytes, parts[k].to);
    return status;
}

/* The arrays indexed by value id, without the workspace offsets. */
static oassl_status make_value_tables(oassl_backend_plan *plan, const oassl_backend_param *params, uint32_t n_params) {
    const oassl_backend_host *host = plan->host;
    const oassl_graph *graph = &plan->graph;
    const uint64_t n = (uint64_t)graph->n_values + 1;
    plan->data = host->alloc(host->user, n * sizeof *plan->data, ALIGNMENT);
    plan->offset = host->alloc(host->user, n * sizeof *plan->offset, ALIGNMENT);
    plan->bindable = host->alloc(host->user, n, ALIGNMENT);
    if (!plan->data || !plan->offset || !plan->bindable) return no_memory(host, n * sizeof *plan->data);
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const oassl_graph_value *value = &graph->values[v];
        plan->bindable[v] = value->kind == OASSL_VALUE_INPUT;
        plan->offset[v] = NOT_IN_WORKSPACE;
        plan->data[v] =
            value->kind == OASSL_VALUE_CONSTANT ? (const char *)graph->constants + value->constant_offset : NULL;
    }
    for (uint32_t k = 0; k < graph->n_outputs; k++) plan->bindable[graph->outputs[k]] = 1;
    for (uint32_t k = 0; k < n_params; k++)
        if (params[k].value < graph->n_values) plan->data[params[k].value] = params[k].data;
    for (uint32_t v = 0; v < graph->n_values; v++)
        if (graph->values[v].kind == OASSL_VALUE_PARAM && !plan->data[v])
            return oab_reference_fail(host, OASSL_STATUS_INVALID_ARGUMENT,
                                      "reference: no contents given for parameter %u '%s'", (unsigned)v,
                                      text_at(graph, graph->values[v].name));
    return OASSL_STATUS_OK;
}

oassl_status oab_reference_plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                       const oassl_backend_param *params, uint32_t n_params,
                                       const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    const oassl_backend_host *host = instance->host;
    *out_plan = NULL;
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t n = 0; n < graph->n_nodes && status == OASSL_STATUS_OK; n++)
        status = oab_reference_node_supported(instance, graph, n, options);
    if (status != OASSL_STATUS_OK) return status;
    oassl_backend_plan *plan = host->alloc(host->user, sizeof *plan, ALIGNMENT);
    if (!plan) return no_memory(host, sizeof *plan);
    *plan = (oassl_backend_plan){.host = host, .graph.struct_size = sizeof plan->graph};
    status = copy_graph(host, graph, &plan->graph);
    if (status == OASSL_STATUS_OK) status = make_value_tables(plan, params, n_params);
    if (status == OASSL_STATUS_OK) status = plan_memory(plan);
    if (status == OASSL_STATUS_OK)
        *out_plan = plan;
    else
        oab_reference_plan_destroy(plan);
    return status;
}

void oab_reference_plan_destroy(oassl_backend_plan *plan) {
    if (!plan) return;
    const oassl_graph *graph = &plan->graph;
    const void *parts[] = {graph->nodes,     graph->values, graph->operands, graph->outputs, graph->names,
                           graph->constants, plan->data,    plan->offset,    plan->bindable, plan};
    const oassl_backend_host *host = plan->host;
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        if (parts[k]) host->free(host->user, (void *)parts[k]);
}

oassl_status oab_reference_plan_info(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info) {
    oassl_backend_plan_info info = {.n_steps = plan->graph.n_nodes, .workspace_bytes = plan->workspace_bytes};
    const uint32_t known = out_info->struct_size ? out_info->struct_size : (uint32_t)sizeof info;
    info.struct_size = known < sizeof info ? known : (uint32_t)sizeof info;
    memcpy(out_info, &info, info.struct_size);
    return OASSL_STATUS_OK;
}

/* ---- exec ------------------------------------------------------------------------------------------------------ */

oassl_status oab_reference_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec) {
    const oassl_backend_host *host = plan->host;
    const uint64_t n = (uint64_t)plan->graph.n_values + 1;
    *out_exec = NULL;
    oassl_backend_exec *exec = host->alloc(host->user, sizeof *exec, ALIGNMENT);
    if (!exec) return no_memory(host, sizeof *exec);
    exec->plan = plan;
    exec->address = host->alloc(host->user, n * sizeof *exec->address, ALIGNMENT);
    exec->workspace = host->alloc(host->user, plan->workspace_bytes + 1, ALIGNMENT);
    if (!exec->address || !exec->workspace) {
        oab_reference_exec_destroy(exec);
        return no_memory(host, plan->workspace_bytes);
    }
    for (uint32_t v = 0; v < plan->graph.n_values; v++)
        exec->address[v] = plan->offset[v] == NOT_IN_WORKSPACE ? NULL : (char *)exec->workspace + plan->offset[v];
    *out_exec = exec;
    return OASSL_STATUS_OK;
}

void oab_reference_exec_destroy(oassl_backend_exec *exec) {
    if (!exec) return;
    const oassl_backend_host *host = exec->plan->host;
    if (exec->address) host->free(host->user, exec->address);
    if (exec->workspace) host->free(host->user, exec->workspace);
    host->free(host->user, exec);
}

oassl_status oab_reference_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address) {
    const oassl_backend_plan *plan = exec->plan;
    if (value >= plan->graph.n_values || !plan->bindable[value])
        return oab_reference_fail(plan->host, OASSL_STATUS_INVALID_ARGUMENT,
                                  "reference: value %u is neither an input nor an output of the graph",
                                  (unsigned)value);
    exec->address[value] = address;
    return OASSL_STATUS_OK;
}

static oassl_status check_bound(const oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    for (uint32_t v = 0; v < plan->graph.n_values; v++)
        if (plan->bindable[v] && !exec->address[v] && value_bytes(&plan->graph.values[v]) > 0)
            return oab_reference_fail(plan->host, OASSL_STATUS_INVALID_ARGUMENT,
                                      "reference: value %u '%s' is not bound", (unsigned)v,
                                      text_at(&plan->graph, plan->graph.values[v].name));
    return OASSL_STATUS_OK;
}

static int overlap(const oab_tensor *a, const oab_tensor *b) {
    const uintptr_t pa = (uintptr_t)a->data, pb = (uintptr_t)b->data;
    return pa < pb + (uintptr_t)b->count * oab_reference_dtype_bytes(b->dtype) &&
           pb < pa + (uintptr_t)a->count * oab_reference_dtype_bytes(a->dtype);
}

/* Kernels read inputs and write outputs in any order, so an input bound to the memory of an output is copied first:
 * `copies` receives the copy of each such input. */
static oassl_status separate_inputs(const oab_call *call, oab_tensor *in, void **copies) {
    for (uint32_t k = 0; k < call->n_in; k++)
        for (uint32_t o = 0; o < call->n_out; o++) {
            if (copies[k] || !overlap(&in[k], &call->out[o])) continue;
            const void *copy = NULL;
            const oassl_status status =
                copy_of(call->host, in[k].data, (uint64_t)in[k].count * oab_reference_dtype_bytes(in[k].dtype), &copy);
            if (status != OASSL_STATUS_OK) return status;
            copies[k] = in[k].data = (void *)copy;
        }
    return OASSL_STATUS_OK;
}

enum { MOST_OPERANDS = 255, MOST_OUTPUTS = 8 };

static oassl_status run_node(const oassl_backend_exec *exec, const oassl_graph_node *node) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_graph *graph = &plan->graph;
    oab_tensor in[MOST_OPERANDS], out[MOST_OUTPUTS];
    void *copies[MOST_OPERANDS] = {NULL};
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        const uint32_t v = graph->operands[node->first_input + k];
        in[k] = oab_reference_tensor(&graph->values[v]);
        in[k].data = plan->data[v] ? (void *)plan->data[v] : exec->address[v];
    }
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        out[k] = oab_reference_tensor(&graph->values[node->first_output + k]);
        out[k].data = exec->address[node->first_output + k];
    }
    const oab_call call = {.host = plan->host,
                           .op = oab_reference_op_name(node->op),
                           .node = text_at(graph, node->name),
                           .attrs = &node->attrs,
                           .in = in,
                           .out = out,
                           .n_in = node->n_inputs,
                           .n_out = node->n_outputs};
    oassl_status status = separate_inputs(&call, in, copies);
    if (status == OASSL_STATUS_OK)
        status = oab_reference_kernel(node->op, oab_reference_node_dtype(graph, node))(&call);
    for (uint32_t k = 0; k < node->n_inputs; k++)
        if (copies[k]) plan->host->free(plan->host->user, copies[k]);
    return status;
}

oassl_status oab_reference_exec_run(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_graph *graph = &plan->graph;
    oassl_status status = check_bound(exec);
    for (uint32_t n = 0; n < graph->n_nodes && status == OASSL_STATUS_OK; n++) {
        if (plan->host->cancelled && plan->host->cancelled(plan->host->user))
            return oab_reference_fail(plan->host, OASSL_STATUS_CANCELLED, "cancelled before %s '%s'",
                                      oab_reference_op_name(graph->nodes[n].op), text_at(graph, graph->nodes[n].name));
        status = run_node(exec, &graph->nodes[n]);
    }
    /* an output may also name a parameter or a constant */
    for (uint32_t k = 0; k < graph->n_outputs && status == OASSL_STATUS_OK; k++) {
        const uint32_t v = graph->outputs[k];
        const uint64_t bytes = value_bytes(&graph->values[v]);
        if (plan->data[v] && bytes) memcpy(exec->address[v], plan->data[v], bytes);
    }
    return status;
}
