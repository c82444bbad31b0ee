/* Plans: checked, divided, compiled by a backend, and shared through the context's cache. */
#include <math.h>
#include <string.h>

#include "runtime/runtime.h"

/* ---- what is asked for ------------------------------------------------------------------------------------- */

static int has_f64(const oassl_graph *g) {
    for (uint32_t id = 0; id < g->n_values; id++)
        if (g->values[id].kind != OASSL_VALUE_UNUSED && g->values[id].dtype == OASSL_DTYPE_F64) return 1;
    return 0;
}

static oassl_status choose_backend(const oassl_context *context, const oassl_graph *graph, const char *name,
                                   const oai_backend **out_backend) {
    const oai_backend *backend = context->active;
    if (name) backend = oai_registry_find(&context->registry, name);
    if (!backend) return oai_fail(OASSL_STATUS_UNAVAILABLE, "plan: backend '%s' is not loaded", name);
    if (has_f64(graph)) backend = oai_registry_find(&context->registry, "reference");
    *out_backend = backend;
    return OASSL_STATUS_OK;
}

/* Every PARAM has contents, and nothing else has. */
static oassl_status check_params(const oai_host *host, const oassl_graph *g, const oassl_backend_param *params,
                                 uint32_t n_params) {
    uint8_t *given = oai_calloc(host, g->n_values ? g->n_values : 1, 1);
    if (!given) return oai_no_memory(g->n_values, "a plan");
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t k = 0; k < n_params && status == OASSL_STATUS_OK; k++) {
        uint32_t id = params[k].value;
        if (id >= g->n_values || (g->values[id].kind != OASSL_VALUE_PARAM && g->values[id].kind != OASSL_VALUE_UNUSED))
            status =
                oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "plan: params[%u]: value %u is no param of the graph", k, id);
        else if (!params[k].data)
            status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "plan: param '%s' (value %u) has no data",
                              g->names + g->values[id].name, id);
        else if (given[id]++)
            status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "plan: param '%s' (value %u) is given twice",
                              g->names + g->values[id].name, id);
    }
    for (uint32_t id = 0; id < g->n_values && status == OASSL_STATUS_OK; id++)
        if (g->values[id].kind == OASSL_VALUE_PARAM && !given[id])
            status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "plan: param '%s' (value %u) is not given",
                              g->names + g->values[id].name, id);
    oai_free(host, given);
    return status;
}

/* ---- cache; the context's lock is held
 * ------------------------------------------------------------------------------ */

static int same_options(const oassl_backend_plan_options *a, const oassl_backend_plan_options *b) {
    oassl_backend_plan_options left = *a, right = *b;
    left.ranges = right.ranges = NULL; /* compared by what they hold */
    if (memcmp(&left, &right, sizeof left) != 0) return 0;
    return a->n_ranges == 0 || memcmp(a->ranges, b->ranges, a->n_ranges * sizeof *a->ranges) == 0;
}

static int same_key(const oai_plan *a, const oai_plan *b) {
    if (a->asked != b->asked || a->n_params != b->n_params || !same_options(&a->options, &b->options)) return 0;
    for (uint32_t k = 0; k < a->n_params; k++)
        if (a->params[k].value != b->params[k].value || a->params[k].data != b->params[k].data) return 0;
    return oai_graph_equal(a->graph, b->graph);
}

static oai_plan *find_cached(const oai_plan *key) {
    oassl_context *context = key->context;
    oai_plan *found = NULL;
    pthread_mutex_lock(&context->lock);
    for (oai_plan *p = context->plans; p && !found; p = p->next)
        if (same_key(p, key)) found = p;
    if (found) found->n_references++;
    pthread_mutex_unlock(&context->lock);
    return found;
}

/* Two threads may have compiled the same plan: the second takes the first's. */
static oai_plan *publish(oai_plan *plan) {
    oassl_context *context = plan->context;
    oai_plan *found = NULL;
    pthread_mutex_lock(&context->lock);
    for (oai_plan *p = context->plans; p && !found; p = p->next)
        if (same_key(p, plan)) found = p;
    if (found) {
        found->n_references++;
    } else {
        plan->n_references = 1;
        plan->next = context->plans;
        context->plans = plan;
    }
    pthread_mutex_unlock(&context->lock);
    return found ? found : plan;
}

/* ---- compiling --------------------------------------------------------------------------------------------- */

static oassl_status check_support(const oai_plan *plan, const oai_backend *backend,
                                  const oassl_backend_plan_options *options) {
    const oassl_graph *g = plan->main;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
        oassl_status status = backend->api->node_supported(backend->instance, g, k, options);
        if (status != OASSL_STATUS_OK)
            return oai_fail_within(status, "backend %s: node %u %s (%s)", backend->name, k,
                                   oai_op_name(g->nodes[k].op), g->names + g->nodes[k].name);
    }
    return OASSL_STATUS_OK;
}

static int is_f32(int32_t precision) {
    return precision == OASSL_PRECISION_F32 || precision == OASSL_PRECISION_F32_FAST;
}

/* The plan's backend and `options`, as they will be used: what may stand in for what is asked for does. */
static oassl_status settle_backend(oai_plan *plan, oassl_backend_plan_options *options) {
    oassl_context *context = plan->context;
    const oai_backend *reference = oai_registry_find(&context->registry, "reference");
    oassl_status status = check_support(plan, plan->backend, options);
    if (status == OASSL_STATUS_UNSUPPORTED && options->precision == OASSL_PRECISION_F32_FAST) {
        options->precision = OASSL_PRECISION_F32;
        status = check_support(plan, plan->backend, options);
    }
    if (status != OASSL_STATUS_UNSUPPORTED || !context->allow_fallback || plan->backend == reference ||
        !is_f32(options->precision))
        return status;
    oai_log(&context->host, OAI_LOG_WARN, "%s; the whole plan runs on the reference backend", oassl_last_error());
    plan->backend = reference;
    return check_support(plan, reference, options);
}

/* Folded weights are the second copy of what a backend has packed for itself. */
static void drop_folded(oai_plan *plan) {
    oassl_backend_plan_info info = {.struct_size = sizeof info};
    if (plan->backend->api->plan_info(plan->compiled, &info) != OASSL_STATUS_OK || !info.params_copied) return;
    oai_free(&plan->context->host, plan->folded);
    plan->folded = NULL;
}

static oassl_status compile(oai_plan *plan, const oai_plan_options *asked) {
    oassl_context *context = plan->context;
    oassl_backend_param *params;
    uint32_t n_params;
    OAI_TRY(oai_plan_split(plan, &params, &n_params));
    if (asked && asked->after_folding) asked->after_folding(asked->user);
    oassl_status status = OASSL_STATUS_OK;
    if (plan->main) {
        oassl_backend_plan_options options = plan->options;
        status = settle_backend(plan, &options);
        if (status == OASSL_STATUS_OK)
            status = plan->backend->api->plan_create(plan->backend->instance, plan->main, params, n_params, &options,
                                                     &plan->compiled);
        if (status == OASSL_STATUS_OK) drop_folded(plan);
    }
    oai_free(&context->host, params);
    return status;
}

static void free_plan(oai_plan *plan) {
    const oai_host *host = &plan->context->host;
    if (plan->compiled) plan->backend->api->plan_destroy(plan->compiled);
    oai_graph_destroy(host, plan->graph);
    oai_graph_destroy(host, plan->main);
    oai_free(host, plan->params);
    oai_free(host, (void *)plan->options.ranges);
    oai_free(host, plan->folded);
    oai_free(host, plan->copies);
    oai_free(host, plan);
}

/* The ranges of an INT8 plan, copied.  Values the graph no longer has are left to the backend to ignore. */
static oassl_status set_ranges(oai_plan *plan, const oassl_graph *graph, const oai_plan_options *options) {
    if (options->n_ranges == 0) return OASSL_STATUS_OK;
    for (uint32_t k = 0; k < options->n_ranges; k++) {
        const oassl_backend_range *r = &options->ranges[k];
        if (r->value >= graph->n_values || !isfinite(r->low) || !isfinite(r->high) || r->low > r->high)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "plan: ranges[%u]: value %u, %g to %g", k, r->value, r->low,
                            r->high);
    }
    oassl_backend_range *own = oai_alloc(&plan->context->host, options->n_ranges * sizeof *own);
    if (!own) return oai_no_memory(options->n_ranges * sizeof *own, "a plan's ranges");
    memcpy(own, options->ranges, options->n_ranges * sizeof *own);
    plan->options.ranges = own;
    plan->options.n_ranges = options->n_ranges;
    return OASSL_STATUS_OK;
}

static oassl_status set_key(oai_plan *plan, const oassl_graph *graph, const oassl_backend_param *params,
                            uint32_t n_params, const oai_plan_options *options) {
    const oai_host *host = &plan->context->host;
    oai_plan_options none = {0};
    if (!options) options = &none;
    OAI_TRY(choose_backend(plan->context, graph, options->backend, &plan->asked));
    OAI_TRY(check_params(host, graph, params, n_params));
    plan->backend = plan->asked;
    plan->options = (oassl_backend_plan_options){
        .struct_size = sizeof plan->options,
        .n_threads = options->n_threads ? options->n_threads : host->n_threads,
        .precision = options->precision,
        .deterministic = options->deterministic,
        .no_fusion = options->no_fusion,
    };
    OAI_TRY(set_ranges(plan, graph, options));
    OAI_TRY(oai_graph_copy(host, graph, &plan->graph));
    plan->graph->hash = oai_graph_hash(graph); /* the graph may come from anywhere */
    plan->params = oai_calloc(host, n_params + 1u, sizeof *params);
    if (!plan->params) return oai_no_memory(n_params * sizeof *params, "a plan");
    if (n_params) memcpy(plan->params, params, n_params * sizeof *params);
    plan->n_params = n_params;
    return OASSL_STATUS_OK;
}

oassl_status oai_plan_create(oassl_context *context, const oassl_graph *graph, const oassl_backend_param *params,
                             uint32_t n_params, const oai_plan_options *options, oai_plan **out_plan) {
    *out_plan = NULL;
    OAI_TRY(oai_context_check_process(context));
    OAI_TRY(oai_graph_verify(graph));
    oai_plan *plan = oai_calloc(&context->host, 1, sizeof *plan);
    if (!plan) return oai_no_memory(sizeof *plan, "a plan");
    plan->context = context;
    oassl_status status = set_key(plan, graph, params, n_params, options);
    if (status == OASSL_STATUS_OK) {
        *out_plan = find_cached(plan);
        if (!*out_plan) {
            status = compile(plan, options);
            if (status == OASSL_STATUS_OK) *out_plan = publish(plan);
        }
    }
    if (*out_plan != plan) free_plan(plan);
    return status;
}

void oai_plan_destroy(oai_plan *plan) {
    if (!plan) return;
    oassl_context *context = plan->context;
    oassl_status inside = oai_context_check_process(context);
    if (inside != OASSL_STATUS_OK) return; /* in a forked child: the parent's */
    pthread_mutex_lock(&context->lock);
    int last = --plan->n_references == 0;
    if (last) {
        oai_plan **link = &context->plans;
        while (*link != plan) link = &(*link)->next;
        *link = plan->next;
    }
    pthread_mutex_unlock(&context->lock);
    if (last) free_plan(plan);
}

oassl_status oai_plan_info(const oai_plan *plan, oassl_backend_plan_info *out_info) {
    *out_info = (oassl_backend_plan_info){.struct_size = sizeof *out_info};
    return plan->compiled ? plan->backend->api->plan_info(plan->compiled, out_info) : OASSL_STATUS_OK;
}

const char *oai_plan_backend(const oai_plan *plan) { return plan->backend->name; }
