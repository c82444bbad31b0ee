/* Dividing a graph into what depends on params and constants only, evaluated once on the reference backend, and the
 * rest, which the plan's backend compiles with the results as further params. */
#include <string.h>

#include "base/safetensors.h"
#include "runtime/runtime.h"

/* What becomes of a node. */
enum { RUN = 0, FOLDED = 1, SCALED = 2 /* folded, but here instead of on the reference backend */ };

/* A folded value may grow that far beyond its inputs: a broadcast constant is better made anew in every run. */
#define SMALL_BYTES ((uint64_t)64 * 1024)

typedef struct split {
    oai_plan *plan;
    const oai_host *host;
    const oassl_graph *graph;
    uint8_t *fixed;    /* of values: known before the run */
    uint8_t *folded;   /* of nodes: RUN, or how it is evaluated now */
    uint8_t *frontier; /* of values: made by a folded node, used by one that is not; or the factor of a SCALED node */
    uint8_t *output;   /* of values: asked for by the caller */
    uint32_t n_frontier;
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

/* Batch normalisation in a convolution's weights: a param times one factor for each of its first extent.  It is most
 * of all folding, and nobody waits for a general product to walk through 20 million small rows. */
static int is_scaling(const split *s, const oassl_graph_node *node) {
    if (node->op != OASSL_OP_MUL) return 0;
    const uint32_t *in = &s->graph->operands[node->first_input];
    const oassl_graph_value *x = &s->graph->values[in[0]], *factor = &s->graph->values[in[1]];
    if (x->kind != OASSL_VALUE_PARAM || x->dtype != OASSL_DTYPE_F32 || factor->kind != OASSL_VALUE_RESULT) return 0;
    if (x->rank < 2 || factor->rank != x->rank || factor->shape[0] != x->shape[0]) return 0;
    return oai_value_count(factor) == factor->shape[0];
}

static void add_to_frontier(split *s, uint32_t id) {
    if (s->frontier[id]) return;
    s->frontier[id] = 1;
    s->n_frontier++;
}

static void classify(split *s) {
    const oassl_graph *g = s->graph;
    for (uint32_t k = 0; k < g->n_outputs; k++) s->output[g->outputs[k]] = 1;
    for (uint32_t id = 0; id < g->n_values; id++)
        s->fixed[id] = g->values[id].kind == OASSL_VALUE_PARAM || g->values[id].kind == OASSL_VALUE_CONSTANT;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const oassl_graph_node *node = &g->nodes[n];
        if (!s->plan->options.no_fusion && can_fold(s, node)) {
            s->folded[n] = FOLDED;
            memset(s->fixed + node->first_output, 1, node->n_outputs);
            continue;
        }
        for (uint32_t k = 0; k < node->n_inputs; k++) {
            uint32_t id = g->operands[node->first_input + k];
            if (g->values[id].kind == OASSL_VALUE_RESULT && s->folded[g->values[id].producer]) add_to_frontier(s, id);
        }
    }
}

/* Only what no other folded node reads can be left out of what the reference backend evaluates. */
static void find_scalings(split *s) {
    const oassl_graph *g = s->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (s->folded[n] && s->frontier[g->nodes[n].first_output] && is_scaling(s, &g->nodes[n]))
            s->folded[n] = SCALED;
    for (uint32_t n = g->n_nodes; n-- > 0;)
        for (uint32_t k = 0; k < g->nodes[n].n_inputs && s->folded[n] == FOLDED; k++) {
            const oassl_graph_value *v = &g->values[g->operands[g->nodes[n].first_input + k]];
            if (v->kind == OASSL_VALUE_RESULT && s->folded[v->producer] == SCALED) s->folded[v->producer] = FOLDED;
        }
    for (uint32_t n = 0; n < g->n_nodes; n++)
        if (s->folded[n] == SCALED) add_to_frontier(s, g->operands[g->nodes[n].first_input + 1]);
}

/* A graph of the nodes with folded[node] == want whose outputs are the n_outputs in s->outputs.  Values on the
 * frontier become params of the part that does not make them (those that nothing there reads are removed again). */
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

static void scale(const float *x, const float *factors, int64_t n_rows, int64_t row, float *out) {
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t k = 0; k < row; k++) out[i * row + k] = x[i * row + k] * factors[i];
}

static const void *param_data(const oai_plan *plan, uint32_t value) {
    for (uint32_t k = 0; k < plan->n_params; k++)
        if (plan->params[k].value == value) return plan->params[k].data;
    return NULL;
}

/* addresses[v]: where value v of the frontier is. */
static void run_scalings(const split *s, void *const *addresses) {
    const oassl_graph *g = s->graph;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (s->folded[n] != SCALED) continue;
        const uint32_t *in = &g->operands[g->nodes[n].first_input];
        const oassl_graph_value *x = &g->values[in[0]];
        scale(param_data(s->plan, in[0]), addresses[in[1]], x->shape[0], oai_value_count(x) / x->shape[0],
              addresses[g->nodes[n].first_output]);
    }
}

/* What the reference backend has to give: s->outputs[0..n) of addresses[v]. */
static oassl_status run_prelude(split *s, void *const *addresses) {
    const oassl_graph *g = s->graph;
    oassl_graph *prelude = NULL;
    uint32_t n = 0;
    for (uint32_t id = 0; id < g->n_values; id++)
        if (s->frontier[id] && s->folded[g->values[id].producer] == FOLDED) s->outputs[n++] = id;
    if (n == 0) return OASSL_STATUS_OK;
    void **bound = oai_alloc(s->host, n * sizeof *bound);
    if (!bound) return oai_no_memory(n * sizeof *bound, "folded constants");
    for (uint32_t k = 0; k < n; k++) bound[k] = addresses[s->outputs[k]];
    oassl_status status = extract(s, FOLDED, n, &prelude);
    if (status == OASSL_STATUS_OK) status = evaluate(s, prelude, bound);
    oai_graph_destroy(s->host, prelude);
    oai_free(s->host, bound);
    return status;
}

/* Evaluates the folded part into plan->folded and lists its results in params. */
static oassl_status fold(split *s, oassl_backend_param *params) {
    const oassl_graph *g = s->graph;
    size_t total = 0;
    uint32_t n = 0;
    for (uint32_t id = 0; id < g->n_values; id++)
        if (s->frontier[id]) total += (value_bytes(&g->values[id]) + 63) / 64 * 64;
    void **addresses = oai_calloc(s->host, g->n_values, sizeof *addresses);
    s->plan->folded = oai_alloc(s->host, total);
    oassl_status status = addresses && s->plan->folded ? OASSL_STATUS_OK : oai_no_memory(total, "folded constants");
    if (status == OASSL_STATUS_OK) {
        char *at = s->plan->folded;
        for (uint32_t id = 0; id < g->n_values; id++) {
            if (!s->frontier[id]) continue;
            addresses[id] = at;
            params[n++] = (oassl_backend_param){.value = id, .data = at};
            at += (value_bytes(&g->values[id]) + 63) / 64 * 64;
        }
        status = run_prelude(s, addresses);
    }
    if (status == OASSL_STATUS_OK) run_scalings(s, addresses);
    oai_free(s->host, addresses);
    return status;
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
    find_scalings(s);
    if (s->n_frontier > 0) OAI_TRY(fold(s, params));
    OAI_TRY(divide_outputs(s, &n_outputs));
    if (n_outputs > 0) OAI_TRY(extract(s, RUN, n_outputs, &plan->main));
    for (uint32_t k = 0; k < s->n_frontier && plan->main; k++) /* without the factors */
        if (plan->main->values[params[k].value].kind == OASSL_VALUE_PARAM) params[n++] = params[k];
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
