/* The table, the one device, and which nodes can run. */
#include "reference.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

oassl_status oab_reference_fail(const oassl_backend_host *host, oassl_status status, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return host->fail(host->user, status, text);
}

double *oab_reference_scratch(const oab_call *call, int64_t count) {
    const uint64_t bytes = (uint64_t)(count > 0 ? count : 1) * sizeof(double);
    double *memory = call->host->alloc(call->host->user, bytes, 64);
    if (memory)
        memset(memory, 0, bytes);
    else
        oab_reference_fail(call->host, OASSL_STATUS_OUT_OF_MEMORY, "%s '%s': no memory for %llu bytes of scratch",
                           call->op, call->node, (unsigned long long)bytes);
    return memory;
}

uint64_t oab_reference_dtype_bytes(int32_t dtype) {
    switch (dtype) {
    case OASSL_DTYPE_F32:
    case OASSL_DTYPE_I32: return 4;
    case OASSL_DTYPE_F64: return 8;
    default: return 0;
    }
}

oab_tensor oab_reference_tensor(const oassl_graph_value *value) {
    oab_tensor t = {.dtype = value->dtype, .rank = value->rank, .count = 1};
    for (int32_t k = 0; k < value->rank; k++) {
        t.shape[k] = value->shape[k];
        t.count *= value->shape[k];
    }
    return t;
}

int32_t oab_reference_node_dtype(const oassl_graph *graph, const oassl_graph_node *node) {
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        const int32_t dtype = graph->values[graph->operands[node->first_input + k]].dtype;
        if (dtype != OASSL_DTYPE_I32) return dtype;
    }
    return node->n_inputs ? graph->values[graph->operands[node->first_input]].dtype : 0;
}

/* ---- instance and device --------------------------------------------------------------------------------------- */

static oassl_status reference_open(const oassl_backend_host *host, oassl_backend_instance **out_instance) {
    *out_instance = NULL;
    oassl_backend_instance *instance = host->alloc(host->user, sizeof *instance, 64);
    if (!instance) return oab_reference_fail(host, OASSL_STATUS_OUT_OF_MEMORY, "reference: no memory to open");
    instance->host = host;
    *out_instance = instance;
    return OASSL_STATUS_OK;
}

static void reference_close(oassl_backend_instance *instance) {
    if (instance) instance->host->free(instance->host->user, instance);
}

static oassl_status reference_device_count(oassl_backend_instance *instance, uint32_t *out_count) {
    (void)instance;
    *out_count = 1;
    return OASSL_STATUS_OK;
}

static oassl_status check_device(oassl_backend_instance *instance, uint32_t index) {
    if (index == 0) return OASSL_STATUS_OK;
    return oab_reference_fail(instance->host, OASSL_STATUS_INVALID_ARGUMENT,
                              "reference: device %u, but there is only 0", (unsigned)index);
}

static oassl_status reference_device_info(oassl_backend_instance *instance, uint32_t index,
                                          oassl_backend_device_info *out_info) {
    const oassl_status status = check_device(instance, index);
    if (status != OASSL_STATUS_OK) return status;
    oassl_backend_device_info info = {.struct_size = sizeof info, .device = OASSL_DEVICE_CPU};
    snprintf(info.name, sizeof info.name, "CPU, one thread");
    snprintf(info.library, sizeof info.library, "plain C");
    /* an older host knows fewer fields; one that left the size 0 has this version's */
    const uint32_t known = out_info->struct_size ? out_info->struct_size : (uint32_t)sizeof info;
    info.struct_size = known < sizeof info ? known : (uint32_t)sizeof info;
    memcpy(out_info, &info, info.struct_size);
    return OASSL_STATUS_OK;
}

static oassl_status reference_memory_alloc(oassl_backend_instance *instance, uint32_t device_index, uint64_t bytes,
                                           void **out_address) {
    *out_address = NULL;
    const oassl_status status = check_device(instance, device_index);
    if (status != OASSL_STATUS_OK) return status;
    *out_address = instance->host->alloc(instance->host->user, bytes ? bytes : 1, 64);
    if (*out_address) return OASSL_STATUS_OK;
    return oab_reference_fail(instance->host, OASSL_STATUS_OUT_OF_MEMORY, "reference: no memory for %llu bytes",
                              (unsigned long long)bytes);
}

static void reference_memory_free(oassl_backend_instance *instance, uint32_t device_index, void *address) {
    (void)device_index;
    if (address) instance->host->free(instance->host->user, address);
}

static oassl_status reference_memory_copy(oassl_backend_instance *instance, uint32_t device_index, void *to,
                                          const void *from, uint64_t bytes, int32_t direction) {
    const oassl_status status = check_device(instance, device_index);
    if (status != OASSL_STATUS_OK) return status;
    if (direction < OASSL_COPY_HOST_TO_DEVICE || direction > OASSL_COPY_DEVICE_TO_DEVICE)
        return oab_reference_fail(instance->host, OASSL_STATUS_INVALID_ARGUMENT, "reference: copy direction %d",
                                  (int)direction);
    if (bytes) memmove(to, from, bytes);
    return OASSL_STATUS_OK;
}

/* ---- what can run ---------------------------------------------------------------------------------------------- */

oassl_status oab_reference_node_supported(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t node,
                                          const oassl_backend_plan_options *options) {
    const oassl_graph_node *n = &graph->nodes[node];
    const char *op = oab_reference_op_name(n->op), *name = graph->names ? graph->names + n->name : "";
    const int32_t dtype = oab_reference_node_dtype(graph, n);
    if (options && options->device_index != 0) return check_device(instance, options->device_index);
    if (options && options->precision != OASSL_PRECISION_F32)
        return oab_reference_fail(
            instance->host, OASSL_STATUS_UNSUPPORTED,
            "reference: %s '%s': precision %d, this backend computes strictly in the dtype asked "
            "for (precision 0)",
            op, name, (int)options->precision);
    if (!oab_reference_kernel(n->op, dtype))
        return oab_reference_fail(instance->host, OASSL_STATUS_UNSUPPORTED,
                                  "reference: no kernel for operation %u (%s) '%s' on dtype %d", (unsigned)n->op, op,
                                  name, (int)dtype);
    return OASSL_STATUS_OK;
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static const oassl_backend_api reference_api = {
    .struct_size = sizeof(oassl_backend_api),
    .abi_major = OASSL_BACKEND_ABI_MAJOR,
    .abi_minor = OASSL_BACKEND_ABI_MINOR,
    .name = "reference",
    .description = "plain C, one thread, sums in double: slow, obvious, always there",
    .open = reference_open,
    .close = reference_close,
    .device_count = reference_device_count,
    .device_info = reference_device_info,
    .memory_alloc = reference_memory_alloc,
    .memory_free = reference_memory_free,
    .memory_copy = reference_memory_copy,
    .node_supported = oab_reference_node_supported,
    .plan_create = oab_reference_plan_create,
    .plan_destroy = oab_reference_plan_destroy,
    .plan_info = oab_reference_plan_info,
    .exec_create = oab_reference_exec_create,
    .exec_destroy = oab_reference_exec_destroy,
    .exec_bind = oab_reference_exec_bind,
    .exec_run = oab_reference_exec_run,
};

oassl_status oab_reference_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    (void)minor;
    *out_api = NULL;
    if (major != OASSL_BACKEND_ABI_MAJOR) return OASSL_STATUS_UNSUPPORTED;
    *out_api = &reference_api;
    return OASSL_STATUS_OK;
}
