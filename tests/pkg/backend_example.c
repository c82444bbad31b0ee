/* A complete backend, small enough to copy from: six operations on f32, one thread, nothing fused.
 *
 *   cc -shared -fPIC backend_example.c -o liboassl-backend-example.so $(pkg-config --cflags oassl)
 *   oassl-conform --backend ./liboassl-backend-example.so --op matmul      what it computes, against the reference
 *   OASSL_BACKEND_PATH=$PWD oassl info                                     the library finds it
 *
 * It links nothing of ours: memory, error texts and the wish to stop come through the host's table. */
#include <oassl/backend.h>
#include <stdio.h>
#include <string.h>

struct oassl_backend_instance {
    const oassl_backend_host *host;
};

/* Where a value lives: constant `data`, memory bound by the caller, or `offset` into the exec's workspace. */
typedef struct place {
    const void *data;
    uint64_t offset, bytes;
    int bindable;
} place;

typedef struct step {
    uint32_t op, n_inputs, in[3], out;
    int64_t count;   /* elements of the result */
    int64_t m, n, k; /* of a matrix product */
    int transpose_a, transpose_b;
    uint64_t offset; /* of its result, see run_matmul() */
    float scale, shift;
} step;

/* All that exec_run() needs: the graph may be gone by then. */
struct oassl_backend_plan {
    const oassl_backend_host *host;
    uint32_t n_steps, n_values, n_outputs;
    step *steps;
    place *places;
    uint32_t *outputs;
    void *constants;
    uint64_t workspace_bytes;
};

struct oassl_backend_exec {
    const oassl_backend_plan *plan;
    void **address; /* by value id */
    char *workspace;
};

/* ---- the host's services ---- */

static oassl_status fail(const oassl_backend_host *host, oassl_status status, const char *text) {
    return host->fail(host->user, status, text);
}

static void *take(const oassl_backend_host *host, uint64_t bytes) {
    void *memory = host->alloc(host->user, bytes ? bytes : 1, 64);
    if (memory)
        memset(memory, 0, bytes ? bytes : 1);
    else
        fail(host, OASSL_STATUS_OUT_OF_MEMORY, "example: out of memory");
    return memory;
}

static void give(const oassl_backend_host *host, void *memory) {
    if (memory) host->free(host->user, memory);
}

/* ---- instance, device, memory ---- */

static oassl_status example_open(const oassl_backend_host *host, oassl_backend_instance **out_instance) {
    *out_instance = take(host, sizeof **out_instance);
    if (!*out_instance) return OASSL_STATUS_OUT_OF_MEMORY;
    (*out_instance)->host = host;
    return OASSL_STATUS_OK;
}

static void example_close(oassl_backend_instance *instance) {
    if (instance) give(instance->host, instance);
}

static oassl_status example_device_count(oassl_backend_instance *instance, uint32_t *out_count) {
    (void)instance;
    *out_count = 1;
    return OASSL_STATUS_OK;
}

/* Never more than the size the caller knows. */
static void answer(void *out, uint32_t *out_size, const void *info, uint32_t size) {
    const uint32_t known = *out_size < size ? *out_size : size;
    memcpy(out, info, known);
    *out_size = known;
}

static oassl_status example_device_info(oassl_backend_instance *instance, uint32_t index,
                                        oassl_backend_device_info *out_info) {
    if (index != 0) return fail(instance->host, OASSL_STATUS_INVALID_ARGUMENT, "example: there is only device 0");
    oassl_backend_device_info info = {.struct_size = sizeof info, .device = OASSL_DEVICE_CPU};
    snprintf(info.name, sizeof info.name, "CPU, one thread");
    snprintf(info.library, sizeof info.library, "backend_example.c");
    answer(out_info, &out_info->struct_size, &info, sizeof info);
    return OASSL_STATUS_OK;
}

static oassl_status example_memory_alloc(oassl_backend_instance *instance, uint32_t device_index, uint64_t bytes,
                                         void **out_address) {
    (void)device_index;
    *out_address = take(instance->host, bytes);
    return *out_address ? OASSL_STATUS_OK : OASSL_STATUS_OUT_OF_MEMORY;
}

static void example_memory_free(oassl_backend_instance *instance, uint32_t device_index, void *address) {
    (void)device_index;
    give(instance->host, address);
}

static oassl_status example_memory_copy(oassl_backend_instance *instance, uint32_t device_index, void *to,
                                        const void *from, uint64_t bytes, int32_t direction) {
    (void)instance, (void)device_index, (void)direction;
    if (bytes) memmove(to, from, bytes);
    return OASSL_STATUS_OK;
}

/* ---- what it can do ---- */

static int64_t count_of(const oassl_graph_value *value) {
    int64_t count = 1;
    for (int32_t k = 0; k < value->rank; k++) count *= value->shape[k];
    return count;
}

static const oassl_graph_value *input_of(const oassl_graph *graph, const oassl_graph_node *node, uint32_t k) {
    return &graph->values[graph->operands[node->first_input + k]];
}

static const char *missing_for(const oassl_graph *graph, const oassl_graph_node *node) {
    for (uint32_t k = 0; k < node->n_inputs; k++)
        if (input_of(graph, node, k)->dtype != OASSL_DTYPE_F32) return "another dtype than f32";
    const oassl_graph_value *out = &graph->values[node->first_output];
    switch (node->op) {
    case OASSL_OP_AFFINE:
    case OASSL_OP_RELU: return NULL;
    case OASSL_OP_ADD:
    case OASSL_OP_SUB:
    case OASSL_OP_MUL:
        for (uint32_t k = 0; k < 2; k++) {
            const oassl_graph_value *in = input_of(graph, node, k);
            if (in->rank != out->rank || memcmp(in->shape, out->shape, (size_t)in->rank * sizeof in->shape[0]) != 0)
                return "broadcasting";
        }
        return NULL;
    case OASSL_OP_MATMUL: return out->rank == 2 ? NULL : "batches of matrices";
    default: return "this operation";
    }
}

static oassl_status example_node_supported(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t node,
                                           const oassl_backend_plan_options *options) {
    const char *missing = missing_for(graph, &graph->nodes[node]);
    if (options->device_index != 0) missing = "a second device";
    if (options->precision != OASSL_PRECISION_F32) missing = "another precision than f32";
    if (!missing) return OASSL_STATUS_OK;
    char text[256];
    snprintf(text, sizeof text, "example: node %u '%s' (operation %u): the example does not have %s", (unsigned)node,
             graph->names + graph->nodes[node].name, (unsigned)graph->nodes[node].op, missing);
    return fail(instance->host, OASSL_STATUS_UNSUPPORTED, text);
}

/* ---- plan ---- */

static uint64_t reserve(oassl_backend_plan *plan, uint64_t bytes) {
    const uint64_t offset = plan->workspace_bytes;
    plan->workspace_bytes += (bytes + 63) / 64 * 64;
    return offset;
}

static oassl_status place_values(oassl_backend_plan *plan, const oassl_graph *graph, const oassl_backend_param *params,
                                 uint32_t n_params) {
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const oassl_graph_value *value = &graph->values[v];
        place *p = &plan->places[v];
        p->bytes = (uint64_t)count_of(value) * 4; /* f32 and i32 alike; anything else was refused */
        p->bindable = value->kind == OASSL_VALUE_INPUT;
        if (value->kind == OASSL_VALUE_RESULT) p->offset = reserve(plan, p->bytes);
        if (value->kind == OASSL_VALUE_CONSTANT) p->data = (const char *)plan->constants + value->constant_offset;
    }
    for (uint32_t k = 0; k < n_params; k++) plan->places[params[k].value].data = params[k].data;
    for (uint32_t k = 0; k < graph->n_outputs; k++) plan->places[graph->outputs[k]].bindable = 1;
    for (uint32_t v = 0; v < graph->n_values; v++)
        if (graph->values[v].kind == OASSL_VALUE_PARAM && !plan->places[v].data)
            return fail(plan->host, OASSL_STATUS_INVALID_ARGUMENT, "example: a parameter has no contents");
    return OASSL_STATUS_OK;
}

static step step_of(oassl_backend_plan *plan, const oassl_graph *graph, const oassl_graph_node *node) {
    step s = {.op = node->op, .n_inputs = node->n_inputs, .out = node->first_output};
    s.count = count_of(&graph->values[s.out]);
    for (uint32_t k = 0; k < node->n_inputs; k++) s.in[k] = graph->operands[node->first_input + k];
    if (node->op == OASSL_OP_AFFINE) {
        s.scale = (float)node->attrs.f[0];
        s.shift = (float)node->attrs.f[1];
    }
    if (node->op == OASSL_OP_MATMUL) {
        s.transpose_a = node->attrs.i[0] != 0;
        s.transpose_b = node->attrs.i[1] != 0;
        s.m = graph->values[s.out].shape[0];
        s.n = graph->values[s.out].shape[1];
        s.k = input_of(graph, node, 0)->shape[!s.transpose_a];
        s.offset = reserve(plan, (uint64_t)s.count * sizeof(float));
    }
    return s;
}

static void example_plan_destroy(oassl_backend_plan *plan) {
    if (!plan) return;
    give(plan->host, plan->steps);
    give(plan->host, plan->places);
    give(plan->host, plan->outputs);
    give(plan->host, plan->constants);
    give(plan->host, plan);
}

static oassl_status example_plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                        const oassl_backend_param *params, uint32_t n_params,
                                        const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    const oassl_backend_host *host = instance->host;
    *out_plan = NULL;
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t n = 0; n < graph->n_nodes && status == OASSL_STATUS_OK; n++)
        status = example_node_supported(instance, graph, n, options);
    if (status != OASSL_STATUS_OK) return status;
    oassl_backend_plan *plan = take(host, sizeof *plan);
    if (!plan) return OASSL_STATUS_OUT_OF_MEMORY;
    *plan = (oassl_backend_plan){
        .host = host, .n_steps = graph->n_nodes, .n_values = graph->n_values, .n_outputs = graph->n_outputs};
    status = OASSL_STATUS_OUT_OF_MEMORY;
    if ((plan->steps = take(host, graph->n_nodes * sizeof *plan->steps)) &&
        (plan->places = take(host, graph->n_values * sizeof *plan->places)) &&
        (plan->outputs = take(host, graph->n_outputs * sizeof *plan->outputs)) &&
        (plan->constants = take(host, graph->constants_bytes))) {
        if (graph->constants_bytes) memcpy(plan->constants, graph->constants, graph->constants_bytes);
        memcpy(plan->outputs, graph->outputs, graph->n_outputs * sizeof *plan->outputs);
        status = place_values(plan, graph, params, n_params);
        for (uint32_t n = 0; n < graph->n_nodes; n++) plan->steps[n] = step_of(plan, graph, &graph->nodes[n]);
    }
    if (status == OASSL_STATUS_OK)
        *out_plan = plan;
    else
        example_plan_destroy(plan);
    return status;
}

static oassl_status example_plan_info(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info) {
    const oassl_backend_plan_info info = {
        .struct_size = sizeof info, .n_steps = plan->n_steps, .workspace_bytes = plan->workspace_bytes};
    answer(out_info, &out_info->struct_size, &info, sizeof info);
    return OASSL_STATUS_OK;
}

/* ---- exec ---- */

static void example_exec_destroy(oassl_backend_exec *exec) {
    if (!exec) return;
    const oassl_backend_host *host = exec->plan->host;
    give(host, exec->address);
    give(host, exec->workspace);
    give(host, exec);
}

static oassl_status example_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec) {
    const oassl_backend_host *host = plan->host;
    *out_exec = NULL;
    oassl_backend_exec *exec = take(host, sizeof *exec);
    if (!exec) return OASSL_STATUS_OUT_OF_MEMORY;
    exec->plan = plan;
    exec->address = take(host, plan->n_values * sizeof *exec->address);
    exec->workspace = take(host, plan->workspace_bytes);
    if (!exec->address || !exec->workspace) {
        example_exec_destroy(exec);
        return OASSL_STATUS_OUT_OF_MEMORY;
    }
    for (uint32_t v = 0; v < plan->n_values; v++)
        if (!plan->places[v].bindable) exec->address[v] = exec->workspace + plan->places[v].offset;
    *out_exec = exec;
    return OASSL_STATUS_OK;
}

static oassl_status example_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address) {
    const oassl_backend_plan *plan = exec->plan;
    if (value >= plan->n_values || !plan->places[value].bindable)
        return fail(plan->host, OASSL_STATUS_INVALID_ARGUMENT, "example: that value is neither input nor output");
    exec->address[value] = address;
    return OASSL_STATUS_OK;
}

/* Into the workspace first: the result may be bound to the memory of an input. */
static void run_matmul(const step *s, const float *a, const float *b, const float *bias, float *apart, float *out) {
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++) {
            double sum = bias ? bias[j] : 0;
            for (int64_t k = 0; k < s->k; k++)
                sum += (double)a[s->transpose_a ? k * s->m + i : i * s->k + k] *
                       b[s->transpose_b ? j * s->k + k : k * s->n + j];
            apart[i * s->n + j] = (float)sum;
        }
    memcpy(out, apart, (size_t)s->count * sizeof *out);
}

static const float *contents(const oassl_backend_exec *exec, uint32_t value) {
    const void *data = exec->plan->places[value].data;
    return data ? data : exec->address[value];
}

static void run_step(const oassl_backend_exec *exec, const step *s) {
    const float *a = contents(exec, s->in[0]), *b = s->n_inputs > 1 ? contents(exec, s->in[1]) : NULL;
    float *out = exec->address[s->out];
    switch (s->op) {
    case OASSL_OP_ADD:
        for (int64_t k = 0; k < s->count; k++) out[k] = a[k] + b[k];
        break;
    case OASSL_OP_SUB:
        for (int64_t k = 0; k < s->count; k++) out[k] = a[k] - b[k];
        break;
    case OASSL_OP_MUL:
        for (int64_t k = 0; k < s->count; k++) out[k] = a[k] * b[k];
        break;
    case OASSL_OP_AFFINE:
        for (int64_t k = 0; k < s->count; k++) out[k] = s->scale * a[k] + s->shift;
        break;
    case OASSL_OP_RELU: /* a NaN stays one */
        for (int64_t k = 0; k < s->count; k++) out[k] = a[k] < 0 ? 0 : a[k];
        break;
    case OASSL_OP_MATMUL:
        run_matmul(s, a, b, s->n_inputs > 2 ? contents(exec, s->in[2]) : NULL, (float *)(exec->workspace + s->offset),
                   out);
        break;
    }
}

static oassl_status example_exec_run(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_backend_host *host = plan->host;
    for (uint32_t v = 0; v < plan->n_values; v++)
        if (plan->places[v].bindable && !exec->address[v] && plan->places[v].bytes > 0)
            return fail(host, OASSL_STATUS_INVALID_ARGUMENT, "example: an input or output is not bound");
    for (uint32_t k = 0; k < plan->n_steps; k++) {
        if (host->cancelled(host->user)) return fail(host, OASSL_STATUS_CANCELLED, "example: cancelled");
        run_step(exec, &plan->steps[k]);
    }
    for (uint32_t k = 0; k < plan->n_outputs; k++) { /* an output may name a parameter or a constant */
        const place *p = &plan->places[plan->outputs[k]];
        if (p->data && p->bytes) memcpy(exec->address[plan->outputs[k]], p->data, p->bytes);
    }
    return OASSL_STATUS_OK;
}

/* ---- the table ---- */

static const oassl_backend_api api = {
    .struct_size = sizeof(oassl_backend_api),
    .abi_major = OASSL_BACKEND_ABI_MAJOR,
    .abi_minor = OASSL_BACKEND_ABI_MINOR,
    .name = "example",
    .description = "six operations, to copy from",
    .open = example_open,
    .close = example_close,
    .device_count = example_device_count,
    .device_info = example_device_info,
    .memory_alloc = example_memory_alloc,
    .memory_free = example_memory_free,
    .memory_copy = example_memory_copy,
    .node_supported = example_node_supported,
    .plan_create = example_plan_create,
    .plan_destroy = example_plan_destroy,
    .plan_info = example_plan_info,
    .exec_create = example_exec_create,
    .exec_destroy = example_exec_destroy,
    .exec_bind = example_exec_bind,
    .exec_run = example_exec_run,
};

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);

oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    (void)minor; /* older and newer minors: struct sizes tell what the other side knows */
    *out_api = NULL;
    if (major != OASSL_BACKEND_ABI_MAJOR) return OASSL_STATUS_UNSUPPORTED;
    *out_api = &api;
    return OASSL_STATUS_OK;
}
