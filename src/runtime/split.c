/* Dividing a graph into what depends on params and constants only, evaluated once on the reference backend, and the
 * rest, which the plan's backend compiles with the results as further params. */
#include <string.h>

#include "base/safetensors.h"
#include "runtime/runtime.h"

/* A folded value may grow that far beyond its inputs: a broadcast constant is better made anew in every run. */
#define SMALL_BYTES ((uint64_t)64 * 1024)

typedef struct split {
    oai_plan *plan;
    const oai_host *host;
    const oassl_graph *graph;
    uint8_t *fixed;    /* of values: known before the run */
    uint8_t *folded;   /* of nodes: evaluated now */
    uint8_t *frontier; /* of values: made by a folded node, used by another */
    uint8_t *output;   /* of values: asked for by the caller */
    uint32_t n_folded, n_frontier;
    uint32_t *outputs; /* scratch list of value ids */
} split;

static uint64_t value_bytes(const oassl_graph_value *v) {
    return (uint64_t)oai_value_count(v) * oai_dtype_bytes(v->dtype);
}

static int can_fold(const split *s, const oassl_graph_node *node) {
    uint64_t in_bytes = 0, out_bytes = 0;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        uint32_t id = s->graph->operands[node->first_input + k];
        if (!s->fixed[id]) return 0;
        in_bytes += value_bytes(&s->graph->values[id]);
    }
    for (uint32_t k = 0; k < node->n_outputs; k++) {
        if (s->output[node->first_output + k]) return 0;
        out_bytes += value_bytes(&s->graph->values[node->first_output + k]);
    }
    return out_bytes <= SMALL_BYTES || out_bytes <= 2 * in_bytes;
}

static void classify(split *s) {
    const oassl_graph *g = s->graph;
    for (uint32_t k = 0; k < g->n_outputs; k++) s->output[g->outputs[k]] = 1;
    for (uint32_t id = 0; id < g->n_values; id++)
        s->fixed[id] = g->values[id].kind == OASSL_VALUE_PARAM || g->values[id].kind == OASSL_VALUE_CONSTANT;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const oassl_graph_node *node = &g->nodes[n];
        if (!s->plan->options.no_fusion && can_fold(s, node)) {
            s->folded[n] = 1;
            s->n_folded++;
            memset(s->fixed + node->first_output, 1, node->n_outputs);
            continue;
        }
        for (uint32_t k = 0; k < node->n_inputs; k++) {
            uint32_t id = g->operands[node->first_input + k];
            uint32_t producer = g->values[id].producer;
            if (g->values[id].kind != OASSL_VALUE_RESULT || !s->folded[producer] || s->frontier[id]) continue;
            s->frontier[id] = 1;
            s->n_frontier++;
        }
    }
}

/* A graph of the nodes with folded[node] == want whose outputs are the n_outputs in s->outputs.  Values on the
 * frontier become params of the part that does not make them. */
static oassl_status extract(split *s, uint8_t want, uint32_t n_outputs, oassl_graph **out_graph) {
    oassl_graph *copy;
    OAI_TRY(oai_graph_copy(s->host, s->graph, &copy));
    oassl_graph_node *nodes = (oassl_graph_node *)copy->nodes;
    oassl_graph_value *values = (oassl_graph_value *)copy->values;
    uint32_t n = 0;
    for (uint32_t k = 0; k < s->graph->n_nodes; k++) {
        int keep = s->folded[k] == want;
        for (uint32_t o = nodes[k].first_output; o < nodes[k].first_output + nodes[k].n_outputs; o++) {
            values[o].producer = keep ? n : OASSL_NO_VALUE;
            if (!keep) values[o].kind = s->frontier[o] ? OASSL_VALUE_PARAM : OASSL_VALUE_UNUSED;
        }
        if (keep) nodes[n++] = nodes[k];
    }
    copy->n_nodes = n;
    copy->outputs = s->outputs;
    copy->n_outputs = n_outputs;
    oassl_status status = oai_graph_prune(s->host, copy, out_graph);
    oai_graph_destroy(s->host, copy);
    return status;
}

/* Runs `graph`, which has no inputs, on the reference backend; addresses[k] receives output k. */
static oassl_status evaluate(split *s, const oassl_graph *graph, void *const *addresses) {
    const oai_plan *plan = s->plan;
    const oai_backend *reference = oai_registry_find(&plan->context->registry, "reference");
    const oassl_backend_api *api = reference->api;
    oassl_backend_plan_options options = {.struct_size = sizeof options, .n_threads = 1};
    oassl_backend_plan *compiled = NULL;
    oassl_backend_exec *exec = NULL;
    oassl_status status =
        api->plan_create(reference->instance, graph, plan->params, plan->n_params, &options, &compiled);
    if (status == OASSL_STATUS_OK) status = api->exec_create(compiled, &exec);
    for (uint32_t k = 0; k < graph->n_outputs && status == OASSL_STATUS_OK; k++)
        status = api->exec_bind(exec, graph->outputs[k], addresses[k]);
    if (status == OASSL_STATUS_OK) status = api->exec_run(exec);
    if (exec) api->exec_destroy(exec);
    if (compiled) api->plan_destroy(compiled);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "evaluating constants");
}

/* Evaluates the folded part into plan->folded and lists its results in params. */
static oassl_status fold(split *s, oassl_backend_param *params) {
    const oassl_graph *g = s->graph;
    size_t total = 0;
    uint32_t n = 0;
    for (uint32_t id = 0; id < g->n_values; id++) {
        if (!s->frontier[id]) continue;
        s->outputs[n++] = id;
        total += (value_bytes(&g->values[id]) + 63) / 64 * 64;
    }
    oassl_graph *prelude = NULL;
    void **addresses = oai_alloc(s->host, n * sizeof *addresses);
    s->plan->folded = oai_alloc(s->host, total);
    oassl_status status =
        addresses && s->plan->folded ? extract(s, 1, n, &prelude) : oai_no_memory(total, "folded constants");
    if (status == OASSL_STATUS_OK) {
        char *at = s->plan->folded;
        for (uint32_t k = 0; k < n; k++) {
            addresses[k] = at;
            params[k] = (oassl_backend_param){.value = s->outputs[k], .data = at};
            at += (value_bytes(&g->values[s->outputs[k]]) + 63) / 64 * 64;
        }
        status = evaluate(s, prelude, addresses);
    }
    oai_graph_destroy(s->host, prelude);
    oai_free(s->host, addresses);
    return status;
}

static const void *param_data(const oai_plan *plan, uint32_t value) {
    for (uint32_t k = 0; k < plan->n_params; k++)
        if (plan->params[k].value == value) return plan->params[k].data;
    return NULL;
}

/* Outputs that no node makes become copies; s->outputs gets the others. */
static oassl_status divide_outputs(split *s, uint32_t *out_n) {
    const oassl_graph *g = s->graph;
    oai_plan *plan = s->plan;
    uint32_t n = 0;
    plan->copies = oai_calloc(s->host, g->n_outputs, sizeof *plan->copies);
    if (!plan->copies) return oai_no_memory(g->n_outputs * sizeof *plan->copies, "a plan");
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        uint32_t id = g->outputs[k];
        const oassl_graph_value *v = &g->values[id];
        const void *from = NULL;
        if (v->kind == OASSL_VALUE_PARAM) from = param_data(plan, id);
        if (v->kind == OASSL_VALUE_CONSTANT) from = (const char *)g->constants + v->constant_offset;
        if (from)
            plan->copies[plan->n_copies++] = (oai_plan_copy){.value = id, .from = from, .bytes = value_bytes(v)};
        else
            s->outputs[n++] = id;
    }
    *out_n = n;
    return OASSL_STATUS_OK;
}

static oassl_status run(split *s, oassl_backend_param *params, uint32_t *out_n_params) {
    oai_plan *plan = s->plan;
    uint32_t n_outputs = 0, n = 0;
    classify(s);
    if (s->n_frontier > 0) OAI_TRY(fold(s, params));
    n = s->n_frontier;
    OAI_TRY(divide_outputs(s, &n_outputs));
    if (n_outputs > 0) OAI_TRY(extract(s, 0, n_outputs, &plan->main));
    for (uint32_t k = 0; k < plan->n_params && plan->main; k++)
        if (plan->main->values[plan->params[k].value].kind == OASSL_VALUE_PARAM) params[n++] = plan->params[k];
    *out_n_params = n;
    return OASSL_STATUS_OK;
}

oassl_status oai_plan_split(oai_plan *plan, oassl_backend_param **out_params, uint32_t *out_n_params) {
    const oai_host *host = &plan->context->host;
    const oassl_graph *g = plan->graph;
    *out_params = NULL;
    *out_n_params = 0;
    size_t n_values = g->n_values, n_flags = 3 * n_values + g->n_nodes;
    size_t n_outputs = n_values > g->n_outputs ? n_values : g->n_outputs;
    uint8_t *flags = oai_calloc(host, n_flags, 1);
    uint32_t *outputs = oai_alloc(host, n_outputs * sizeof *outputs);
    /* Room for every value: the folded results and the caller's. */
    oassl_backend_param *params = oai_alloc(host, (n_values + plan->n_params) * sizeof *params);
    oassl_status status;
    if (flags && outputs && params) {
        split s = {.plan = plan,
                   .host = host,
                   .graph = g,
                   .fixed = flags,
                   .frontier = flags + n_values,
                   .output = flags + 2 * n_values,
                   .folded = flags + 3 * n_values,
                   .outputs = outputs};
        status = run(&s, params, out_n_params);
    } else {
        status = oai_no_memory((n_values + plan->n_params) * sizeof *params, "a plan");
    }
    oai_free(host, flags);
    oai_free(host, outputs);
    if (status == OASSL_STATUS_OK)
        *out_params = params;
    else
        oai_free(host, params);
    return status;
}
