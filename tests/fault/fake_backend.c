/* Plug-ins with something wrong with them, and one that is right: FAKE_KIND says which.  The right one answers 42. */
#include <stdlib.h>
#include <string.h>

#include "oassl/backend.h"

enum { GOOD = 1, MAJOR, SHORT, SLOT, UNAVAILABLE, EXPORT, OLD };

struct oassl_backend_instance {
    const oassl_backend_host *host;
};

struct oassl_backend_plan {
    const oassl_backend_host *host;
    uint32_t output;
    uint64_t count;
};

struct oassl_backend_exec {
    const oassl_backend_plan *plan;
    float *output;
};

static oassl_status no_memory(const oassl_backend_host *host) {
    return host->fail(host->user, OASSL_STATUS_OUT_OF_MEMORY, "out of memory: the fake backend");
}

static oassl_status fake_open(const oassl_backend_host *host, oassl_backend_instance **out_instance) {
    if (FAKE_KIND == UNAVAILABLE)
        return host->fail(host->user, OASSL_STATUS_UNAVAILABLE, "the fake driver is not installed");
    *out_instance = host->alloc(host->user, sizeof **out_instance, 64);
    if (!*out_instance) return no_memory(host);
    (*out_instance)->host = host;
    host->log(host->user, 4, "the fake backend is open");
    return OASSL_STATUS_OK;
}

static void fake_close(oassl_backend_instance *instance) { instance->host->free(instance->host->user, instance); }

static oassl_status fake_device_count(oassl_backend_instance *instance, uint32_t *out_count) {
    (void)instance;
    *out_count = 1;
    return OASSL_STATUS_OK;
}

static oassl_status fake_device_info(oassl_backend_instance *instance, uint32_t index,
                                     oassl_backend_device_info *out) {
    (void)instance, (void)index;
    strcpy(out->name, "imaginary");
    strcpy(out->library, "fake 1.0");
    return OASSL_STATUS_OK;
}

static oassl_status fake_memory_alloc(oassl_backend_instance *instance, uint32_t device, uint64_t bytes, void **out) {
    (void)device;
    *out = instance->host->alloc(instance->host->user, bytes, 64);
    return *out ? OASSL_STATUS_OK : no_memory(instance->host);
}

static void fake_memory_free(oassl_backend_instance *instance, uint32_t device, void *address) {
    (void)device;
    instance->host->free(instance->host->user, address);
}

static oassl_status fake_memory_copy(oassl_backend_instance *instance, uint32_t device, void *to, const void *from,
                                     uint64_t bytes, int32_t direction) {
    (void)instance, (void)device, (void)direction;
    memcpy(to, from, bytes);
    return OASSL_STATUS_OK;
}

static oassl_status fake_node_supported(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t node,
                                        const oassl_backend_plan_options *options) {
    (void)options;
    if (graph->nodes[node].op != OASSL_OP_TANH) return OASSL_STATUS_OK;
    return instance->host->fail(instance->host->user, OASSL_STATUS_UNSUPPORTED, "the fake backend has no tanh");
}

static oassl_status fake_plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                     const oassl_backend_param *params, uint32_t n_params,
                                     const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    (void)params, (void)n_params, (void)options;
    *out_plan = instance->host->alloc(instance->host->user, sizeof **out_plan, 64);
    if (!*out_plan) return no_memory(instance->host);
    const oassl_graph_value *v = &graph->values[graph->outputs[0]];
    (*out_plan)->host = instance->host;
    (*out_plan)->output = graph->outputs[0];
    (*out_plan)->count = 1;
    for (int32_t k = 0; k < v->rank; k++) (*out_plan)->count *= (uint64_t)v->shape[k];
    return OASSL_STATUS_OK;
}

static void fake_plan_destroy(oassl_backend_plan *plan) { plan->host->free(plan->host->user, plan); }

static oassl_status fake_plan_info(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info) {
    (void)plan;
    out_info->n_steps = 1;
    return OASSL_STATUS_OK;
}

static oassl_status fake_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec) {
    *out_exec = plan->host->alloc(plan->host->user, sizeof **out_exec, 64);
    if (!*out_exec) return no_memory(plan->host);
    (*out_exec)->plan = plan;
    return OASSL_STATUS_OK;
}

static void fake_exec_destroy(oassl_backend_exec *exec) { exec->plan->host->free(exec->plan->host->user, exec); }

static oassl_status fake_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address) {
    if (value == exec->plan->output) exec->output = address;
    return OASSL_STATUS_OK;
}

static oassl_status fake_exec_run(oassl_backend_exec *exec) {
    const oassl_backend_host *host = exec->plan->host;
    if (host->cancelled(host->user))
        return host->fail(host->user, OASSL_STATUS_CANCELLED, "the fake run was cancelled");
    for (uint64_t k = 0; k < exec->plan->count; k++) exec->output[k] = 42;
    return OASSL_STATUS_OK;
}

static const oassl_backend_api api = {
    .struct_size = FAKE_KIND == SHORT ? sizeof api - sizeof(void *) : sizeof api,
    .abi_major = FAKE_KIND == MAJOR ? OASSL_BACKEND_ABI_MAJOR + 1 : OASSL_BACKEND_ABI_MAJOR,
    .name = FAKE_KIND == UNAVAILABLE ? "asleep" : "fake",
    .description = "answers 42",
    .open = fake_open,
    .close = fake_close,
    .device_count = fake_device_count,
    .device_info = fake_device_info,
    .memory_alloc = fake_memory_alloc,
    .memory_free = fake_memory_free,
    .memory_copy = fake_memory_copy,
    .node_supported = fake_node_supported,
    .plan_create = fake_plan_create,
    .plan_destroy = fake_plan_destroy,
    .plan_info = fake_plan_info,
    .exec_create = fake_exec_create,
    .exec_destroy = fake_exec_destroy,
    .exec_bind = FAKE_KIND == SLOT ? NULL : fake_exec_bind,
    .exec_run = fake_exec_run,
};

#if FAKE_KIND == 6
#define oassl_backend_query another_name
#endif

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);

oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    (void)major, (void)minor;
    if (FAKE_KIND == OLD) return OASSL_STATUS_UNSUPPORTED;
    *out_api = &api;
    return OASSL_STATUS_OK;
}
