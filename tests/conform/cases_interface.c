/* The plug-in interface itself: versions, devices, memory, errors, cancelling, running out of memory. */
#include "conform.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef const char *(*interface_check)(cf_suite *s); /* NULL or what is wrong */

static oassl_backend_plan_options plan_options(const cf_suite *s) {
    return (oassl_backend_plan_options){.struct_size = sizeof(oassl_backend_plan_options), .n_threads = s->threads};
}

static const char *check_device(cf_suite *s) {
    const cf_backend *b = &s->plugin;
    uint32_t count = 0;
    if (b->api->device_count(b->instance, &count) != OASSL_STATUS_OK || count == 0) return "device_count gives none";
    oassl_backend_device_info info = {.struct_size = sizeof info};
    if (b->api->device_info(b->instance, 0, &info) != OASSL_STATUS_OK) return "device_info(0) failed";
    if (info.device != OASSL_DEVICE_CPU && info.device != OASSL_DEVICE_CUDA) return "device_info: unknown device kind";
    if (!memchr(info.name, 0, sizeof info.name) || !info.name[0]) return "device_info: no name";
    return b->api->device_info(b->instance, count, &info) == OASSL_STATUS_OK
               ? "device_info accepts a device that is not there"
               : NULL;
}

static const char *check_version(cf_suite *s) {
    oassl_backend_query_fn query = NULL;
    const oassl_backend_api *api = NULL;
    *(void **)&query = dlsym(s->plugin.library, "oassl_backend_query");
    if (query(OASSL_BACKEND_ABI_MAJOR + 1, 0, &api) != OASSL_STATUS_UNSUPPORTED)
        return "oassl_backend_query accepts another major version";
    if (query(OASSL_BACKEND_ABI_MAJOR, OASSL_BACKEND_ABI_MINOR + 7, &api) != OASSL_STATUS_OK || !api)
        return "oassl_backend_query refuses a newer minor version";
    return api->name && api->name[0] && api->description ? NULL : "the table has no name or description";
}

static const char *check_memory(cf_suite *s) {
    const cf_backend *b = &s->plugin;
    uint8_t in[1000], out[1000] = {0};
    void *first = NULL, *second = NULL;
    for (int k = 0; k < 1000; k++) in[k] = (uint8_t)(k * 7);
    int ok = b->api->memory_alloc(b->instance, 0, 1000, &first) == OASSL_STATUS_OK &&
             b->api->memory_alloc(b->instance, 0, 1000, &second) == OASSL_STATUS_OK;
    ok = ok && b->api->memory_copy(b->instance, 0, first, in, 1000, OASSL_COPY_HOST_TO_DEVICE) == OASSL_STATUS_OK &&
         b->api->memory_copy(b->instance, 0, second, first, 1000, OASSL_COPY_DEVICE_TO_DEVICE) == OASSL_STATUS_OK &&
         b->api->memory_copy(b->instance, 0, out, second, 1000, OASSL_COPY_DEVICE_TO_HOST) == OASSL_STATUS_OK;
    b->api->memory_free(b->instance, 0, first);
    b->api->memory_free(b->instance, 0, second);
    b->api->memory_free(b->instance, 0, NULL);
    return ok && memcmp(in, out, 1000) == 0 ? NULL : "1000 bytes did not come back from the device";
}

/* ---- one small graph
 * --------------------------------------------------------------------------------------------------- */

/* relu(x w^T + bias), w and bias parameters */
static cf_graph *small_graph(cf_suite *s, const char *name) {
    cf_graph *g = cf_begin(s, "%s", name);
    if (!g) return NULL;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(4, 6)), w = cf_param(g, CF_RANDOM, CF_SHAPE(5, 6));
    const cf_value y = cf_matmul(g, x, w, cf_param(g, CF_RANDOM, CF_SHAPE(5)), 0, 1);
    cf_output(g, cf_unary(g, OASSL_OP_RELU, y));
    return g;
}

typedef struct small {
    float x[24], w[30], bias[5];
    void *device_x, *device_y;
    oassl_backend_plan *plan;
    oassl_backend_exec *exec;
} small;

static oassl_status small_plan(const cf_suite *s, const cf_graph *g, small *m) {
    const oassl_backend_plan_options options = plan_options(s);
    const oassl_backend_param params[] = {{.value = 1, .data = m->w}, {.value = 2, .data = m->bias}};
    cf_fill_value(g, 0, m->x);
    cf_fill_value(g, 1, m->w);
    cf_fill_value(g, 2, m->bias);
    return s->plugin.api->plan_create(s->plugin.instance, &g->graph, params, 2, &options, &m->plan);
}

static oassl_status small_exec(const cf_suite *s, const cf_graph *g, small *m) {
    const cf_backend *b = &s->plugin;
    oassl_status status = small_plan(s, g, m);
    if (status == OASSL_STATUS_OK) status = b->api->exec_create(m->plan, &m->exec);
    if (status == OASSL_STATUS_OK) status = b->api->memory_alloc(b->instance, 0, sizeof m->x, &m->device_x);
    if (status == OASSL_STATUS_OK) status = b->api->memory_alloc(b->instance, 0, 80, &m->device_y);
    if (status == OASSL_STATUS_OK)
        status = b->api->memory_copy(b->instance, 0, m->device_x, m->x, sizeof m->x, OASSL_COPY_HOST_TO_DEVICE);
    if (status == OASSL_STATUS_OK) status = b->api->exec_bind(m->exec, 0, m->device_x);
    if (status == OASSL_STATUS_OK) status = b->api->exec_bind(m->exec, g->outputs[0], m->device_y);
    return status;
}

static void small_free(const cf_suite *s, small *m) {
    const cf_backend *b = &s->plugin;
    if (m->exec) b->api->exec_destroy(m->exec);
    if (m->plan) b->api->plan_destroy(m->plan);
    if (m->device_x) b->api->memory_free(b->instance, 0, m->device_x);
    if (m->device_y) b->api->memory_free(b->instance, 0, m->device_y);
    *m = (small){{0}};
}

static const char *check_unbound(cf_suite *s) {
    small m = {{0}};
    cf_graph *g = small_graph(s, "unbound");
    const oassl_backend_api *api = s->plugin.api;
    const char *wrong = NULL;
    if (!g) return NULL;
    if (small_plan(s, g, &m) != OASSL_STATUS_OK || api->exec_create(m.plan, &m.exec) != OASSL_STATUS_OK)
        wrong = "a plan of matmul and relu failed";
    else if (api->exec_run(m.exec) == OASSL_STATUS_OK)
        wrong = "exec_run with nothing bound succeeds";
    else if (api->exec_bind(m.exec, 99, m.x) == OASSL_STATUS_OK)
        wrong = "exec_bind accepts a value that does not exist";
    else if (api->exec_bind(m.exec, 1, m.x) == OASSL_STATUS_OK)
        wrong = "exec_bind accepts a parameter";
    small_free(s, &m);
    return wrong;
}

static const char *check_params(cf_suite *s) {
    cf_graph *g = small_graph(s, "params");
    if (!g) return NULL;
    const oassl_backend_plan_options options = plan_options(s);
    oassl_backend_plan *plan = NULL;
    float w[30] = {0};
    const oassl_backend_param only_w = {.value = 1, .data = w};
    if (s->plugin.api->plan_create(s->plugin.instance, &g->graph, &only_w, 1, &options, &plan) != OASSL_STATUS_OK)
        return plan ? "a failing plan_create leaves a plan" : NULL;
    s->plugin.api->plan_destroy(plan);
    return "plan_create succeeds without the contents of a parameter";
}

static const char *check_cancel(cf_suite *s) {
    small m = {{0}};
    cf_graph *g = small_graph(s, "cancel");
    if (!g) return NULL;
    const char *wrong = NULL;
    if (small_exec(s, g, &m) != OASSL_STATUS_OK) wrong = "a plan of matmul and relu failed";
    cf_host_cancel(1);
    if (!wrong && s->plugin.api->exec_run(m.exec) != OASSL_STATUS_CANCELLED)
        wrong = "exec_run does not give CANCELLED when the host asks to stop";
    cf_host_cancel(0);
    if (!wrong && s->plugin.api->exec_run(m.exec) != OASSL_STATUS_OK) wrong = "exec_run fails after a cancelled run";
    small_free(s, &m);
    return wrong;
}

static const char *check_plan_info(cf_suite *s) {
    small m = {{0}};
    cf_graph *g = small_graph(s, "plan_info");
    if (!g) return NULL;
    oassl_backend_plan_info info = {.struct_size = sizeof info};
    const char *wrong = NULL;
    if (small_plan(s, g, &m) != OASSL_STATUS_OK || s->plugin.api->plan_info(m.plan, &info) != OASSL_STATUS_OK)
        wrong = "plan_info failed";
    else if (info.n_steps == 0 || info.n_steps > 16)
        wrong = "plan_info: a plan of two nodes does not have 1 to 16 steps";
    small_free(s, &m);
    return wrong;
}

/* Convolution, normalisation, pooling, softmax, reductions, look-up and transport: kernels that want scratch. */
static cf_graph *wide_graph(cf_suite *s, const char *name) {
    cf_graph *g = cf_begin(s, "%s", name);
    if (!g) return NULL;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(2, 3, 6, 6)), w = cf_param(g, CF_RANDOM, CF_SHAPE(4, 3, 3, 3));
    const cf_value y = cf_conv(g, x, w, CF_NONE, cf_square(3, 1, 1));
    const cf_value in[] = {y, cf_param(g, CF_RANGE(1, 2), CF_SHAPE(4)), cf_param(g, CF_RANDOM, CF_SHAPE(4)),
                           cf_param(g, CF_RANDOM, CF_SHAPE(4)), cf_param(g, CF_RANGE(1, 2), CF_SHAPE(4))};
    const cf_value z = cf_unary(g, OASSL_OP_RELU, cf_batch_norm_infer(g, in, 1e-5));
    const cf_value pooled = cf_pool(g, OASSL_OP_MAX_POOL, z, cf_square(2, 2, 0));
    const cf_value maps = cf_reshape(g, OASSL_OP_RESHAPE, pooled, CF_SHAPE(8, 9));
    cf_output(g, cf_conv_grad_input(g, w, y, cf_square(3, 1, 1), 6, 6));
    cf_output(g, cf_conv_grad_weight(g, x, y, cf_square(3, 1, 1)));
    cf_output(g, cf_max_pool_grad(g, z, pooled, cf_square(2, 2, 0)));
    cf_output(g, cf_reduce(g, OASSL_OP_REDUCE_LSE, maps, 2, 0));
    cf_output(g, cf_softmax(g, OASSL_OP_SOFTMAX, maps, 1));
    cf_output(g, cf_scatter_add(g, cf_index(g, 3, CF_SHAPE(8)), maps, 3));
    const cf_sinkhorn k = {3, 3, 5, 0, 0, 0, 0, 0.1, 0.1, 1};
    cf_output(g, cf_sinkhorn_of(g, maps, cf_affine(g, maps, -1, 1), &k));
    return g;
}

/* Every allocation in turn fails: OUT_OF_MEMORY or success, never a crash, nothing left behind. */
static const char *starve(cf_suite *s, const cf_graph *g, void **data, int32_t precision) {
    const char *wrong = "still allocating after 3000 allocations";
    const int64_t before = cf_host_live();
    oassl_status status = OASSL_STATUS_OUT_OF_MEMORY;
    for (int64_t at = 0; at < 3000 && status == OASSL_STATUS_OUT_OF_MEMORY; at++) {
        char text[256] = "";
        const cf_run_options options = {.threads = s->threads, .precision = precision};
        cf_host_fail_alloc(at);
        status = cf_run(&s->plugin, g, data, &options, text);
        cf_host_fail_alloc(-1);
        wrong = status == OASSL_STATUS_OK ? NULL : "a failing allocation gives another status than OUT_OF_MEMORY";
        /* a backend may keep what it made for later plans, once */
        if (cf_host_live() > before + 64) wrong = "a failing allocation leaks", status = OASSL_STATUS_INTERNAL;
    }
    return wrong;
}

static const char *check_out_of_memory(cf_suite *s) {
    static void *data[CF_MAX_VALUES];
    const char *wrong = NULL;
    cf_graph *g = wide_graph(s, "out_of_memory");
    if (!g) return NULL;
    memset(data, 0, sizeof data);
    for (cf_value v = 0; v < g->graph.n_values; v++) {
        data[v] = calloc(1, cf_bytes(&g->values[v]) + 8);
        if (!data[v]) return "oassl-conform is out of memory";
        cf_fill_value(g, v, data[v]);
        g->ranges[g->n_ranges++] = (oassl_backend_range){.value = v, .low = -4, .high = 4};
    }
    for (int32_t precision = 0; precision < 4 && !wrong; precision++) {
        const oassl_backend_plan_options options = cf_plan_options(g, precision, 0, s->threads);
        const oassl_backend_api *api = s->plugin.api;
        if (api->node_supported(s->plugin.instance, &g->graph, 0, &options) == OASSL_STATUS_OK)
            wrong = starve(s, g, data, precision);
    }
    for (cf_value v = 0; v < g->graph.n_values; v++) free(data[v]);
    return wrong;
}

/* A host of minor 0 has no ranges in its options: what lies behind them is not read. */
static const char *check_short_options(cf_suite *s) {
    cf_graph *g = small_graph(s, "short_options");
    if (!g) return NULL;
    oassl_backend_plan_options options = cf_plan_options(g, OASSL_PRECISION_INT8, 0, s->threads);
    options.struct_size = offsetof(oassl_backend_plan_options, n_ranges);
    options.n_ranges = 1000000;
    options.ranges = (const oassl_backend_range *)(uintptr_t)64;
    const oassl_status status = s->plugin.api->node_supported(s->plugin.instance, &g->graph, 0, &options);
    return status == OASSL_STATUS_UNSUPPORTED ? NULL : "int8 without ranges is not UNSUPPORTED";
}

static const char *check_gather_index(cf_suite *s) {
    static const int32_t bad[] = {-1, 5, INT32_MAX, INT32_MIN};
    for (int k = 0; k < 4; k++) {
        cf_graph *g = cf_begin(s, "gather_index%d", k);
        if (!g) return NULL;
        const int32_t index[] = {0, bad[k], 4};
        const cf_value table = cf_input(g, CF_RANDOM, CF_SHAPE(5, 3)), at = cf_index(g, 5, CF_SHAPE(3));
        const cf_value y = cf_gather(g, table, at);
        g->fill[at] = CF_FILL(CF_DATA, 0, 0, index);
        cf_output(g, y);
        float contents[15], result[9];
        int32_t indices[3];
        cf_fill_value(g, table, contents);
        cf_fill_value(g, at, indices);
        void *data[] = {contents, indices, result};
        char text[256] = "";
        const cf_run_options options = {.no_fusion = 1, .threads = s->threads};
        if (cf_run(&s->plugin, g, data, &options, text) == OASSL_STATUS_OK)
            return "gather accepts an index outside the table";
        if (!strstr(text, g->names + g->nodes[0].name)) return "the error of gather does not name the node";
    }
    return NULL;
}

/* ---- threads
 * ------------------------------------------------------------------------------------------------------------- */

typedef struct worker {
    const oassl_backend_api *api;
    small *m;
    oassl_status status;
} worker;

static void *run_often(void *argument) {
    worker *w = argument;
    for (int k = 0; k < 200 && w->status == OASSL_STATUS_OK; k++) w->status = w->api->exec_run(w->m->exec);
    return NULL;
}

static const char *check_threads(cf_suite *s) {
    enum { N = 3 };
    small m[N] = {{{0}}};
    worker workers[N];
    pthread_t threads[N];
    cf_graph *g = small_graph(s, "threads");
    const char *wrong = NULL;
    if (!g) return NULL;
    for (int k = 0; k < N && !wrong; k++) {
        if (small_exec(s, g, &m[k]) != OASSL_STATUS_OK) wrong = "a plan of matmul and relu failed";
        workers[k] = (worker){s->plugin.api, &m[k], OASSL_STATUS_OK};
    }
    int started = 0;
    while (!wrong && started < N && pthread_create(&threads[started], NULL, run_often, &workers[started]) == 0)
        started++;
    for (int k = 0; k < started; k++) pthread_join(threads[k], NULL);
    float first[20], other[20];
    const cf_backend *b = &s->plugin;
    for (int k = 0; k < started && !wrong; k++) {
        b->api->memory_copy(b->instance, 0, k ? other : first, m[k].device_y, sizeof first, OASSL_COPY_DEVICE_TO_HOST);
        if (workers[k].status != OASSL_STATUS_OK)
            wrong = "exec_run failed on a thread";
        else if (k && memcmp(first, other, sizeof first) != 0)
            wrong = "execs on three threads give different results";
    }
    for (int k = 0; k < N; k++) small_free(s, &m[k]);
    return wrong;
}

static const char *check_graph_is_copied(cf_suite *s) {
    small m = {{0}};
    float before[20], after[20];
    cf_graph *g = small_graph(s, "graph_is_copied");
    if (!g) return NULL;
    const cf_backend *b = &s->plugin;
    const char *wrong = "a plan of matmul and relu failed";
    if (small_exec(s, g, &m) == OASSL_STATUS_OK && b->api->exec_run(m.exec) == OASSL_STATUS_OK) {
        b->api->memory_copy(b->instance, 0, before, m.device_y, sizeof before, OASSL_COPY_DEVICE_TO_HOST);
        memset(g->nodes, 0xA5, sizeof g->nodes);
        memset(g->values, 0xA5, sizeof g->values);
        memset(g->operands, 0xA5, sizeof g->operands);
        wrong = b->api->exec_run(m.exec) == OASSL_STATUS_OK ? NULL : "exec_run fails once the graph is gone";
        b->api->memory_copy(b->instance, 0, after, m.device_y, sizeof after, OASSL_COPY_DEVICE_TO_HOST);
        if (!wrong && memcmp(before, after, sizeof before) != 0) wrong = "the result changes once the graph is gone";
    }
    small_free(s, &m);
    return wrong;
}

void cases_interface(cf_suite *s) {
    static const struct {
        const char *name;
        interface_check check;
    } checks[] = {
        {"version", check_version},
        {"device", check_device},
        {"memory", check_memory},
        {"unbound", check_unbound},
        {"params", check_params},
        {"cancel", check_cancel},
        {"plan_info", check_plan_info},
        {"gather_index", check_gather_index},
        {"short_options", check_short_options},
        {"threads", check_threads},
        {"graph_is_copied", check_graph_is_copied},
        {"out_of_memory", check_out_of_memory},
    };
    for (size_t k = 0; k < sizeof checks / sizeof *checks; k++) {
        char name[64];
        snprintf(name, sizeof name, "interface/f32/%s", checks[k].name);
        if (s->only && strncmp(name, s->only, strlen(s->only)) != 0) continue;
        if (s->list) {
            printf("%s\n", name);
            continue;
        }
        const char *wrong = checks[k].check(s);
        cf_report(s, name, wrong ? CF_FAILED : CF_PASSED, wrong ? wrong : "", 0, 0);
    }
}
