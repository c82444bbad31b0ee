#include "model/ranges.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* ---- names of values ---------------------------------------------------------------------------------------- */

typedef struct oai_tapping {
    const oassl_graph *graph;
    oai_tap *taps;
    uint32_t n;
    uint32_t *n_readers, *reader; /* of values; the last of the readers, a node */
    uint8_t *named;               /* of values */
} oai_tapping;

static oai_value operand(const oassl_graph *g, const oassl_graph_node *node, uint32_t k) {
    return g->operands[node->first_input + k];
}

/* The weights as they are stored: folding multiplied them, as the first factor. */
static const char *weight_name(const oassl_graph *g, const oassl_graph_node *convolution) {
    oai_value v = operand(g, convolution, 1);
    while (g->values[v].kind == OASSL_VALUE_RESULT) v = operand(g, &g->nodes[g->values[v].producer], 0);
    return g->names + g->values[v].name;
}

static void tap(oai_tapping *t, const oassl_graph_node *convolution, const char *place, oai_value value) {
    oai_tap *out = &t->taps[t->n++];
    const char *name = weight_name(t->graph, convolution);
    size_t n = strlen(name), suffix = strlen(".weight");
    if (n > suffix && strcmp(name + n - suffix, ".weight") == 0) n -= suffix;
    *out = (oai_tap){.value = value, .place = place};
    snprintf(out->convolution, sizeof out->convolution, "%.*s", (int)n, name);
    t->named[value] = 1;
}

static const char *place_of(uint32_t op) {
    switch (op) {
    case OASSL_OP_ADD: return "add";
    case OASSL_OP_RELU: return "relu";
    case OASSL_OP_MAX_POOL: return "max_pool";
    default: return NULL;
    }
}

static void tap_results(oai_tapping *t, const oassl_graph_node *convolution) {
    const oassl_graph *g = t->graph;
    const char *place = "output";
    for (oai_value v = convolution->first_output; place && !t->named[v];) {
        tap(t, convolution, place, v);
        if (t->n_readers[v] != 1) return;
        const oassl_graph_node *next = &g->nodes[t->reader[v]];
        place = place_of(next->op);
        v = next->first_output;
    }
}

static void name_values(oai_tapping *t) {
    const oassl_graph *g = t->graph;
    for (uint32_t k = 0; k < g->n_nodes; k++)
        for (uint32_t i = 0; i < g->nodes[k].n_inputs; i++) {
            oai_value v = operand(g, &g->nodes[k], i);
            t->n_readers[v]++;
            t->reader[v] = k;
        }
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].op == OASSL_OP_CONV2D) tap(t, &g->nodes[k], "input", operand(g, &g->nodes[k], 0));
    for (uint32_t k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].op == OASSL_OP_CONV2D) tap_results(t, &g->nodes[k]);
}

oassl_status oai_taps_of(const oai_host *host, const oassl_graph *graph, oai_tap **out_taps, uint32_t *out_n_taps) {
    size_t n = graph->n_values, most = n + graph->n_nodes; /* inputs may be named more than once */
    *out_n_taps = 0;
    oai_tapping t = {.graph = graph, .taps = oai_calloc(host, most + 1, sizeof *t.taps)};
    t.n_readers = oai_calloc(host, 2 * n + 1, sizeof *t.n_readers);
    t.named = oai_calloc(host, n + 1, 1);
    t.reader = t.n_readers ? t.n_readers + n : NULL;
    bool whole = t.taps && t.n_readers && t.named;
    if (whole) name_values(&t);
    oai_free(host, t.n_readers);
    oai_free(host, t.named);
    if (!whole) {
        oai_free(host, t.taps);
        t.taps = NULL;
    }
    *out_taps = t.taps;
    *out_n_taps = t.n;
    return whole ? OASSL_STATUS_OK : oai_no_memory(most * sizeof *t.taps, "the names of values");
}

/* ---- metadata ----------------------------------------------------------------------------------------------- */

static oassl_status parse(const oai_store *store, json_t **out_object, json_t **out_ranges) {
    const char *text = oai_store_metadata(store, OAI_RANGES_KEY);
    *out_object = NULL;
    if (!text)
        return oai_fail(OASSL_STATUS_NOT_FOUND,
                        "int8 needs weights with calibrated ranges (metadata %s), these have none: make them with "
                        "'oassl quantize' or oassl_quantizer_create()",
                        OAI_RANGES_KEY);
    OAI_TRY(oai_json_parse(text, strlen(text), "metadata " OAI_RANGES_KEY, 1, out_object));
    oassl_status status = oai_json_object(*out_object, "ranges", out_ranges);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "metadata " OAI_RANGES_KEY);
}

/* Both ends fit a float: what a file says is not to become an infinite scale. */
static oassl_status read_range(const json_t *places, const char *convolution, const char *place,
                               oassl_backend_range *out) {
    double ends[2] = {0, 0};
    oassl_status status = oai_json_numbers(places, place, 2, ends);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "metadata %s: '%s'", OAI_RANGES_KEY, convolution);
    if (!(fabs(ends[0]) <= FLT_MAX / 4 && fabs(ends[1]) <= FLT_MAX / 4 && ends[0] <= ends[1]))
        return oai_fail(OASSL_STATUS_FORMAT,
                        "metadata %s: '%s', field '%s': expected finite numbers [low, high], found [%g, %g]",
                        OAI_RANGES_KEY, convolution, place, ends[0], ends[1]);
    out->low = (float)ends[0];
    out->high = (float)ends[1];
    return OASSL_STATUS_OK;
}

static oassl_status check_all(const json_t *ranges) {
    const char *convolution, *place;
    json_t *places, *unused;
    json_object_foreach((json_t *)ranges, convolution, places) {
        if (!json_is_object(places)) {
            oassl_status status = oai_json_unexpected(convolution, "an object", places);
            return oai_fail_within(status, "metadata " OAI_RANGES_KEY);
        }
        json_object_foreach(places, place, unused) {
            oassl_backend_range range;
            (void)unused;
            OAI_TRY(read_range(places, convolution, place, &range));
        }
    }
    return OASSL_STATUS_OK;
}

/* The stored convolutions are the tensors with four dimensions. */
static oassl_status check_whole(const oai_store *store, const json_t *ranges) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *tensor = oai_store_at(store, i);
        if (tensor->rank != 4) continue;
        char name[160];
        snprintf(name, sizeof name, "%s", tensor->name);
        char *suffix = strstr(name, ".weight");
        if (suffix) *suffix = '\0';
        const json_t *places = json_object_get(ranges, name);
        if (!places || !json_object_get(places, "input"))
            return oai_fail(OASSL_STATUS_FORMAT,
                            "metadata %s: there is no range for the input of '%s': calibrate these weights again",
                            OAI_RANGES_KEY, name);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_ranges_check(const oai_store *store) {
    json_t *object, *ranges;
    oassl_status status = parse(store, &object, &ranges);
    if (status == OASSL_STATUS_OK) status = check_all(ranges);
    if (status == OASSL_STATUS_OK) status = check_whole(store, ranges);
    json_decref(object);
    return status;
}

static oassl_status bind(const json_t *ranges, const oai_tap *taps, uint32_t n_taps, oassl_backend_range *out,
                         uint32_t *out_n) {
    for (uint32_t k = 0; k < n_taps; k++) {
        const json_t *places = json_object_get(ranges, taps[k].convolution);
        bool twice = false;
        for (uint32_t i = 0; i < *out_n; i++) twice |= out[i].value == taps[k].value;
        if (twice || !places || !json_object_get(places, taps[k].place)) continue;
        OAI_TRY(read_range(places, taps[k].convolution, taps[k].place, &out[*out_n]));
        out[(*out_n)++].value = taps[k].value;
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_ranges_bind(const oai_store *store, const oassl_graph *graph, oassl_backend_range **out_ranges,
                             uint32_t *out_n_ranges) {
    const oai_host *host = oai_store_host(store);
    json_t *object, *ranges;
    oai_tap *taps = NULL;
    uint32_t n_taps = 0;
    *out_ranges = NULL;
    *out_n_ranges = 0;
    oassl_status status = parse(store, &object, &ranges);
    if (status == OASSL_STATUS_OK) status = oai_taps_of(host, graph, &taps, &n_taps);
    oassl_backend_range *list = status == OASSL_STATUS_OK ? oai_calloc(host, n_taps + 1u, sizeof *list) : NULL;
    if (status == OASSL_STATUS_OK && !list) status = oai_no_memory(n_taps * sizeof *list, "a plan's ranges");
    if (status == OASSL_STATUS_OK) status = bind(ranges, taps, n_taps, list, out_n_ranges);
    json_decref(object);
    oai_free(host, taps);
    if (status == OASSL_STATUS_OK)
        *out_ranges = list;
    else
        oai_free(host, list);
    return status;
}
