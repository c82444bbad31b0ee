/* The oneDNN backend: instance, plan and the table that the host sees. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

oassl_status oab_onednn_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec);
void oab_onednn_exec_destroy(oassl_backend_exec *exec);
oassl_status oab_onednn_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address);
oassl_status oab_onednn_exec_run(oassl_backend_exec *exec);

/* ---- instance ------------------------------------------------------------------------------------------------ */

static oassl_status backend_open(const oassl_backend_host *host, oassl_backend_instance **out_instance) {
    *out_instance = NULL;
    oassl_backend_instance *instance = oab_onednn_alloc(host, sizeof *instance);
    if (!instance) return OASSL_STATUS_OUT_OF_MEMORY;
    instance->host = host;
    instance->process = (long)getpid();
    const dnnl_status_t status = dnnl_engine_create(&instance->engine, dnnl_cpu, 0);
    if (status != dnnl_success) {
        oab_onednn_free(host, instance);
        return oab_onednn_fail(host, OASSL_STATUS_UNAVAILABLE, "oneDNN has no CPU engine (status %d)", (int)status);
    }
    *out_instance = instance;
    return OASSL_STATUS_OK;
}

static void backend_close(oassl_backend_instance *instance) {
    if (!instance) return;
    dnnl_engine_destroy(instance->engine);
    oab_onednn_free(instance->host, instance);
}

static oassl_status device_count(oassl_backend_instance *instance, uint32_t *out_count) {
    (void)instance;
    *out_count = 1;
    return OASSL_STATUS_OK;
}

static const char *isa_name(void) {
    const unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    /* From the most to the least capable: each value contains the bits of those before it. */
    static const struct {
        unsigned isa;
        const char *name;
    } names[] = {{dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
                 {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
                 {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
                 {dnnl_cpu_isa_avx512_core, "avx512_core"},
                 {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
                 {dnnl_cpu_isa_avx2, "avx2"},
                 {dnnl_cpu_isa_avx, "avx"},
                 {dnnl_cpu_isa_sse41, "sse41"}};
    for (uint32_t k = 0; k < sizeof names / sizeof *names; k++)
        if ((isa & names[k].isa) == names[k].isa) return names[k].name;
    return "baseline";
}

static oassl_status device_info(oassl_backend_instance *instance, uint32_t index,
                                oassl_backend_device_info *out_info) {
    if (index != 0)
        return oab_onednn_fail(instance->host, OASSL_STATUS_INVALID_ARGUMENT, "oneDNN backend: no device %u, only 0",
                               index);
    const dnnl_version_t *version = dnnl_version();
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    out_info->device = OASSL_DEVICE_CPU;
    out_info->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    snprintf(out_info->name, sizeof out_info->name, "CPU %s", isa_name());
    snprintf(out_info->library, sizeof out_info->library, "oneDNN %d.%d.%d", version->major, version->minor,
             version->patch);
    return OASSL_STATUS_OK;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static oassl_status memory_alloc(oassl_backend_instance *instance, uint32_t device_index, uint64_t bytes,
                                 void **out_address) {
    (void)device_index;
    *out_address = instance->host->alloc(instance->host->user, bytes ? bytes : 1, OAB_ALIGNMENT);
    if (*out_address) return OASSL_STATUS_OK;
    return oab_onednn_fail(instance->host, OASSL_STATUS_OUT_OF_MEMORY, "oneDNN backend: no memory for %llu bytes",
                           (unsigned long long)bytes);
}

static void memory_free(oassl_backend_instance *instance, uint32_t device_index, void *address) {
    (void)device_index;
    oab_onednn_free(instance->host, address);
}

static oassl_status memory_copy(oassl_backend_instance *instance, uint32_t device_index, void *to, const void *from,
                                uint64_t bytes, int32_t direction) {
    (void)instance, (void)device_index, (void)direction;
    if (bytes) __builtin_memmove(to, from, bytes);
    return OASSL_STATUS_OK;
}

/* ---- plan ---------------------------------------------------------------------------------------------------- */

static void plan_destroy(oassl_backend_plan *plan) {
    if (!plan) return;
    const oassl_backend_host *host = plan->instance->host;
    for (uint32_t s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].primitive) dnnl_primitive_destroy(plan->steps[s].primitive);
    for (oab_layout *layout = plan->layouts; layout; layout = layout->next) oab_md_destroy(&layout->md);
    while (plan->blocks) {
        oab_block *block = plan->blocks;
        plan->blocks = block->next;
        oab_onednn_free(host, block);
    }
    oab_onednn_free(host, plan->buffers);
    oab_onednn_free(host, plan->steps);
    oab_onednn_free(host, plan->bound);
    oab_onednn_free(host, plan);
}

static oassl_status allocate_lowering(oab_lower *l) {
    const oassl_graph *graph = l->graph;
    oassl_backend_plan *plan = l->plan;
    l->params = oab_onednn_alloc(l->host, graph->n_values * sizeof *l->params);
    l->operands = oab_onednn_alloc(l->host, graph->n_operands * sizeof *l->operands);
    l->readers = oab_onednn_alloc(l->host, graph->n_values * sizeof *l->readers);
    l->values = oab_onednn_alloc(l->host, graph->n_values * sizeof *l->values);
    l->fusions = oab_onednn_alloc(l->host, graph->n_nodes * sizeof *l->fusions);
    plan->bound = oab_onednn_alloc(l->host, graph->n_values * sizeof *plan->bound);
    if (!l->params || !l->operands || !l->readers || !l->values || !l->fusions || !plan->bound)
        return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t v = 0; v < graph->n_values; v++) plan->bound[v] = l->values[v].plain = l->values[v].bf16 = OAB_NONE;
    plan->n_values = graph->n_values;
    if (dnnl_primitive_attr_create(&l->attr) != dnnl_success ||
        dnnl_primitive_attr_set_scratchpad_mode(l->attr, dnnl_scratchpad_mode_user) != dnnl_success)
        return oab_onednn_fail(l->host, OASSL_STATUS_OUT_OF_MEMORY, "oneDNN cannot make primitive attributes");
    return OASSL_STATUS_OK;
}

static void free_lowering(oab_lower *l) {
    for (uint32_t n = 0; l->fusions && n < l->graph->n_nodes; n++)
        if (l->fusions[n].hint) dnnl_primitive_desc_destroy(l->fusions[n].hint);
    if (l->attr) dnnl_primitive_attr_destroy(l->attr);
    oab_onednn_free(l->host, l->params);
    oab_onednn_free(l->host, l->operands);
    oab_onednn_free(l->host, l->readers);
    oab_onednn_free(l->host, l->values);
    oab_onednn_free(l->host, l->fusions);
}

static oassl_status check_param(const oab_lower *l) {
    for (uint32_t v = 0; v < l->graph->n_values; v++)
        if (l->graph->values[v].kind == OASSL_VALUE_PARAM && !l->params[v])
            return oab_onednn_fail(l->host, OASSL_STATUS_INVALID_ARGUMENT,
                                   "oneDNN backend: parameter \"%s\" has no data",
                                   l->graph->names ? l->graph->names + l->graph->values[v].name : "");
    return OASSL_STATUS_OK;
}

static oassl_status keep_param(oab_lower *l, oab_buffer *buffer) {
    for (uint32_t v = 0; v < l->graph->n_values; v++) {
        if (l->graph->values[v].kind != OASSL_VALUE_PARAM || buffer->address != l->params[v]) continue;
        void *copy = oab_onednn_keep(l, buffer->bytes);
        if (!copy) return OASSL_STATUS_OUT_OF_MEMORY;
        memcpy(copy, buffer->address, buffer->bytes);
        buffer->address = copy;
        break;
    }
    return OASSL_STATUS_OK;
}

/* What steps read of the caller's params as they are, biases mostly, is copied: the rest was packed, and the caller
 * may take its memory back. */
static oassl_status keep_params(oab_lower *l) {
    const oassl_backend_plan *plan = l->plan;
    for (uint32_t s = 0; s < plan->n_steps; s++)
        for (uint32_t k = 0; k < plan->steps[s].n_args; k++) {
            const uint32_t b = plan->steps[s].args[k];
            if (b != OAB_NONE && plan->buffers[b].home == OAB_FIXED) OAB_TRY(keep_param(l, &plan->buffers[b]));
        }
    return OASSL_STATUS_OK;
}

static oassl_status compile(oab_lower *l, const oassl_backend_param *params, uint32_t n_params) {
    OAB_TRY(allocate_lowering(l));
    for (uint32_t k = 0; k < n_params; k++)
        if (params[k].value < l->graph->n_values) l->params[params[k].value] = params[k].data;
    OAB_TRY(check_param(l));
    OAB_TRY(oab_onednn_lower(l));
    OAB_TRY(keep_params(l));
    return oab_onednn_place(l->plan);
}

static oassl_status node_supported(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t index,
                                   const oassl_backend_plan_options *options) {
    const oassl_graph_node *node = &graph->nodes[index];
    const char *name = graph->names ? graph->names + node->name : "";
    if (options) OAB_TRY(oab_onednn_check_precision(instance->host, options));
    for (uint32_t k = 0; k < node->n_inputs + node->n_outputs; k++) {
        const uint32_t v =
            k < node->n_inputs ? graph->operands[node->first_input + k] : node->first_output + k - node->n_inputs;
        const int32_t dtype = graph->values[v].dtype;
        if (dtype != OASSL_DTYPE_F32 && dtype != OASSL_DTYPE_I32)
            return oab_onednn_fail(
                instance->host, OASSL_STATUS_UNSUPPORTED,
                "oneDNN backend: node %u \"%s\" has a tensor of dtype %d; only f32 and i32 are supported", index, name,
                dtype);
    }
    if (!oab_onednn_knows(node->op))
        return oab_onednn_fail(instance->host, OASSL_STATUS_UNSUPPORTED,
                               "oneDNN backend: node %u \"%s\": op %u is not known", index, name, node->op);
    return OASSL_STATUS_OK;
}

static oassl_status plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                const oassl_backend_param *params, uint32_t n_params,
                                const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    static const oassl_backend_plan_options defaults = {.struct_size = sizeof defaults};
    *out_plan = NULL;
    if (!options) options = &defaults;
    for (uint32_t n = 0; n < graph->n_nodes; n++) OAB_TRY(node_supported(instance, graph, n, options));
    OAB_TRY(oab_onednn_check_fork(instance->host, options->n_threads));
    oassl_backend_plan *plan = oab_onednn_alloc(instance->host, sizeof *plan);
    if (!plan) return OASSL_STATUS_OUT_OF_MEMORY;
    plan->instance = instance;
    plan->n_threads = options->n_threads ? options->n_threads : 1;
    oab_lower l = {
        .plan = plan, .host = instance->host, .engine = instance->engine, .graph = graph, .options = options};
    /* oneDNN decides about blocking and scratchpads for the thread count at creation. */
    oab_environment saved;
    oab_onednn_enter(plan->n_threads, &saved);
    const oassl_status status = compile(&l, params, n_params);
    oab_onednn_leave(&saved);
    free_lowering(&l);
    if (status != OASSL_STATUS_OK) {
        plan_destroy(plan);
        return status;
    }
    *out_plan = plan;
    return OASSL_STATUS_OK;
}

static oassl_status plan_info(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info) {
    out_info->n_steps = plan->n_steps;
    out_info->workspace_bytes = plan->arena_bytes;
    out_info->prepacked_bytes = plan->prepacked_bytes;
    if (out_info->struct_size >= offsetof(oassl_backend_plan_info, reserved)) /* a host since minor 1 */
        out_info->params_copied = 1;
    return OASSL_STATUS_OK;
}

static const oassl_backend_api api = {.struct_size = sizeof api,
                                      .abi_major = OASSL_BACKEND_ABI_MAJOR,
                                      .abi_minor = OASSL_BACKEND_ABI_MINOR,
                                      .name = "onednn",
                                      .description = "oneDNN on the CPU, with layout propagation and fusion",
                                      .open = backend_open,
                                      .close = backend_close,
                                      .device_count = device_count,
                                      .device_info = device_info,
                                      .memory_alloc = memory_alloc,
                                      .memory_free = memory_free,
                                      .memory_copy = memory_copy,
                                      .node_supported = node_supported,
                                      .plan_create = plan_create,
                                      .plan_destroy = plan_destroy,
                                      .plan_info = plan_info,
                                      .exec_create = oab_onednn_exec_create,
                                      .exec_destroy = oab_onednn_exec_destroy,
                                      .exec_bind = oab_onednn_exec_bind,
                                      .exec_run = oab_onednn_exec_run};

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);
oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    (void)minor; /* fields are only appended: an older host reads a prefix of the table */
    if (major != OASSL_BACKEND_ABI_MAJOR) return OASSL_STATUS_UNSUPPORTED;
    *out_api = &api;
    return OASSL_STATUS_OK;
}
