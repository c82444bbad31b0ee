/* One run of a graph on a backend, through the plug-in interface alone. */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GUARD = 256 };
static const uint8_t CANARY = 0xC5;

/* Memory of one bound value on the device, [guard | data | guard], and a host image of it. */
typedef struct buffer {
    uint8_t *image, *device;
    uint64_t bytes, all, at; /* of the data, of everything, where the data begins */
} buffer;

typedef struct run {
    const cf_backend *backend;
    const cf_graph *g;
    const cf_run_options *options;
    char *text;
    oassl_backend_plan *plan;
    oassl_backend_exec *exec;
    buffer buffers[CF_MAX_VALUES];
    uint8_t is_output[CF_MAX_VALUES];
} run;

static oassl_status broken(const run *r, const char *what) {
    snprintf(r->text, 256, "%s", what);
    return OASSL_STATUS_INTERNAL;
}

/* Passes a status on; a failing one with the name of the call and the backend's own text. */
static oassl_status called(const run *r, oassl_status status, const char *what) {
    if (status != OASSL_STATUS_OK)
        snprintf(r->text, 256, "%s gave status %d: %.200s", what, (int)status, cf_host_error());
    return status;
}

static const char *value_name(const cf_graph *g, cf_value v) { return g->names + g->values[v].name; }

static int owns_memory(const run *r, cf_value v) {
    const int bound = r->g->values[v].kind == OASSL_VALUE_INPUT || r->is_output[v];
    return bound && r->g->alias[v] == OASSL_NO_VALUE;
}

oassl_backend_plan_options cf_plan_options(const cf_graph *g, int32_t precision, int32_t no_fusion, uint32_t threads) {
    const uint32_t n_ranges = precision == OASSL_PRECISION_INT8 ? g->n_ranges : 0;
    return (oassl_backend_plan_options){.struct_size = sizeof(oassl_backend_plan_options),
                                        .n_threads = threads,
                                        .precision = precision,
                                        .deterministic = 1,
                                        .no_fusion = no_fusion,
                                        .n_ranges = n_ranges,
                                        .ranges = n_ranges ? g->ranges : NULL};
}

static oassl_status make_plan(run *r, void *const *data) {
    const cf_graph *g = r->g;
    oassl_backend_param params[CF_MAX_VALUES];
    uint32_t n = 0;
    for (cf_value v = 0; v < g->graph.n_values; v++)
        if (g->values[v].kind == OASSL_VALUE_PARAM) params[n++] = (oassl_backend_param){.value = v, .data = data[v]};
    const oassl_backend_plan_options options =
        cf_plan_options(g, r->options->precision, r->options->no_fusion, r->options->threads);
    const oassl_backend_api *api = r->backend->api;
    oassl_status status =
        called(r, api->plan_create(r->backend->instance, &g->graph, params, n, &options, &r->plan), "plan_create");
    if (status == OASSL_STATUS_OK) status = called(r, api->exec_create(r->plan, &r->exec), "exec_create");
    return status;
}

static oassl_status bind_values(run *r) {
    const cf_graph *g = r->g;
    const oassl_backend_api *api = r->backend->api;
    oassl_status status = OASSL_STATUS_OK;
    for (cf_value v = 0; v < g->graph.n_values && status == OASSL_STATUS_OK; v++) {
        if (!owns_memory(r, v)) continue;
        buffer *b = &r->buffers[v];
        b->bytes = cf_bytes(&g->values[v]);
        /* elements are aligned to themselves; nothing more is promised to a backend */
        b->at = GUARD + (r->options->misaligned ? (g->values[v].dtype == OASSL_DTYPE_F64 ? 8 : 4) : 0);
        b->all = b->at + b->bytes + GUARD;
        b->image = malloc(b->all);
        if (!b->image) return broken(r, "oassl-conform is out of memory");
        void *device = NULL;
        status = called(r, api->memory_alloc(r->backend->instance, 0, b->all, &device), "memory_alloc");
        b->device = device;
        if (status == OASSL_STATUS_OK) status = called(r, api->exec_bind(r->exec, v, b->device + b->at), "exec_bind");
    }
    for (cf_value v = 0; v < g->graph.n_values && status == OASSL_STATUS_OK; v++)
        if (g->alias[v] != OASSL_NO_VALUE)
            status = called(r, api->exec_bind(r->exec, v, r->buffers[g->alias[v]].device + r->buffers[g->alias[v]].at),
                            "exec_bind");
    return status;
}

/* Inputs get their data, outputs rubbish (NaN as floats), so that an element nobody writes shows. */
static oassl_status upload(run *r, void *const *data) {
    const cf_graph *g = r->g;
    oassl_status status = OASSL_STATUS_OK;
    for (cf_value v = 0; v < g->graph.n_values && status == OASSL_STATUS_OK; v++) {
        if (!owns_memory(r, v)) continue;
        buffer *b = &r->buffers[v];
        memset(b->image, CANARY, b->all);
        if (g->values[v].kind == OASSL_VALUE_INPUT)
            memcpy(b->image + b->at, data[v], b->bytes);
        else
            memset(b->image + b->at, 0xFF, b->bytes);
        status = called(r,
                        r->backend->api->memory_copy(r->backend->instance, 0, b->device, b->image, b->all,
                                                     OASSL_COPY_HOST_TO_DEVICE),
                        "memory_copy");
    }
    return status;
}

static oassl_status check_guards(const run *r, cf_value v) {
    const buffer *b = &r->buffers[v];
    for (uint64_t k = 0; k < b->all; k++) {
        if (k == b->at) k += b->bytes;
        if (b->image[k] == CANARY) continue;
        snprintf(r->text, 256, "wrote outside %s '%s': %lld bytes %s its %llu bytes",
                 r->is_output[v] ? "output" : "input", value_name(r->g, v),
                 (long long)(k < b->at ? b->at - k : k - b->at - b->bytes + 1), k < b->at ? "before" : "after",
                 (unsigned long long)b->bytes);
        return OASSL_STATUS_INTERNAL;
    }
    return OASSL_STATUS_OK;
}

static int is_overwritten(const cf_graph *g, cf_value input) {
    for (cf_value v = 0; v < g->graph.n_values; v++)
        if (g->alias[v] == input) return 1;
    return 0;
}

/* Reads everything bound back, checks what must not have changed, and hands out the outputs.  On a second run
 * (`again`) the outputs must have the same bits as after the first: plans are asked to be deterministic. */
static oassl_status download(run *r, void *const *data, int again) {
    const cf_graph *g = r->g;
    oassl_status status = OASSL_STATUS_OK;
    for (cf_value v = 0; v < g->graph.n_values && status == OASSL_STATUS_OK; v++) {
        if (!owns_memory(r, v)) continue;
        buffer *b = &r->buffers[v];
        status = called(r,
                        r->backend->api->memory_copy(r->backend->instance, 0, b->image, b->device, b->all,
                                                     OASSL_COPY_DEVICE_TO_HOST),
                        "memory_copy");
        if (status == OASSL_STATUS_OK) status = check_guards(r, v);
        if (status == OASSL_STATUS_OK && g->values[v].kind == OASSL_VALUE_INPUT && !is_overwritten(g, v) &&
            memcmp(b->image + b->at, data[v], b->bytes) != 0) {
            snprintf(r->text, 256, "changed its input '%s'", value_name(g, v));
            return OASSL_STATUS_INTERNAL;
        }
    }
    for (uint32_t k = 0; k < g->graph.n_outputs && status == OASSL_STATUS_OK; k++) {
        const cf_value v = g->outputs[k];
        if (g->values[v].kind == OASSL_VALUE_INPUT) continue; /* bound once, unchanged */
        const buffer *b = &r->buffers[g->alias[v] == OASSL_NO_VALUE ? v : g->alias[v]];
        if (again && g->rows_of[v] == OASSL_NO_VALUE && memcmp(data[v], b->image + b->at, b->bytes) != 0) {
            snprintf(r->text, 256, "output '%s': the second run with the same input gave other bits",
                     value_name(g, v));
            return OASSL_STATUS_INTERNAL;
        }
        memcpy(data[v], b->image + b->at, b->bytes);
    }
    return status;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the repeats, after one run to warm up. */
static oassl_status measure(run *r) {
    enum { MOST = 64 };
    double ms[MOST];
    const int n = r->options->repeats < MOST ? r->options->repeats : MOST;
    for (int k = 0; k < n; k++) {
        const double start = now_ms();
        const oassl_status status = called(r, r->backend->api->exec_run(r->exec), "exec_run");
        if (status != OASSL_STATUS_OK) return status;
        ms[k] = now_ms() - start;
    }
    qsort(ms, (size_t)n, sizeof *ms, by_value);
    *r->options->out_ms = ms[n / 2];
    return OASSL_STATUS_OK;
}

static oassl_status run_all(run *r, void *const *data) {
    oassl_status status = make_plan(r, data);
    if (status == OASSL_STATUS_OK) status = bind_values(r);
    for (int again = 0; again < 2 && status == OASSL_STATUS_OK; again++) {
        status = upload(r, data);
        if (status == OASSL_STATUS_OK) status = called(r, r->backend->api->exec_run(r->exec), "exec_run");
        if (status == OASSL_STATUS_OK) status = download(r, data, again);
        if (r->backend->library == NULL) break; /* once is enough for the reference */
    }
    if (status == OASSL_STATUS_OK && r->options->repeats > 0) status = measure(r);
    return status;
}

oassl_status cf_run(const cf_backend *backend, const cf_graph *g, void *const *data, const cf_run_options *options,
                    char *text) {
    static run r; /* large; the program has one thread */
    memset(&r, 0, sizeof r);
    r.backend = backend;
    r.g = g;
    r.options = options;
    r.text = text;
    for (uint32_t k = 0; k < g->graph.n_outputs; k++) r.is_output[g->outputs[k]] = 1;
    const oassl_status status = run_all(&r, data);
    for (cf_value v = 0; v < g->graph.n_values; v++) {
        free(r.buffers[v].image);
        if (r.buffers[v].device) backend->api->memory_free(backend->instance, 0, r.buffers[v].device);
    }
    if (r.exec) backend->api->exec_destroy(r.exec);
    if (r.plan) backend->api->plan_destroy(r.plan);
    return status;
}
