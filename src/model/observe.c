#include "model/observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/net_graph.h"
#include "model/ranges.h"

enum { N_BINS = 4096 }; /* even, so that doubling the limit merges pairs of bins */

/* What a named value was seen to hold: bins over -limit..limit, a power of two that grows as needed. */
typedef struct oai_seen {
    oai_tap tap; /* its value id means nothing here */
    float low, high, limit;
    uint64_t n;
    uint64_t *bins; /* [N_BINS] */
} oai_seen;

/* The plan of the last size of one network. */
typedef struct oai_watched {
    int64_t key[4];
    oai_plan *plan;
    oai_exec *exec;
    oai_value io[3];
    uint32_t n_io;
    oai_tap *taps;
    uint32_t n_taps;
    size_t *counts;  /* [n_taps] elements */
    float **buffers; /* [n_taps] where each value arrives; NULL = at one of the caller's addresses */
    float *block;
} oai_watched;

struct oai_observer {
    oassl_context *context;
    const oai_host *host;
    oai_net_config config;
    const oai_store *store;
    oai_watched watched[3];
    oai_seen *seen;
    uint32_t n_seen;
};

oassl_status oai_observer_create(oassl_context *context, const oai_net_config *config, const oai_store *store,
                                 oai_observer **out_observer) {
    const oai_host *host = oai_context_host(context);
    *out_observer = oai_calloc(host, 1, sizeof **out_observer);
    if (!*out_observer) return oai_no_memory(sizeof **out_observer, "an observer");
    **out_observer = (oai_observer){.context = context, .host = host, .config = *config, .store = store};
    return OASSL_STATUS_OK;
}

static void forget(const oai_host *host, oai_watched *w) {
    oai_exec_destroy(w->exec);
    oai_plan_destroy(w->plan);
    oai_free(host, w->taps);
    oai_free(host, w->counts);
    oai_free(host, w->buffers);
    oai_free(host, w->block);
    memset(w, 0, sizeof *w);
}

void oai_observer_destroy(oai_observer *o) {
    if (!o) return;
    for (int i = 0; i < 3; i++) forget(o->host, &o->watched[i]);
    for (uint32_t k = 0; k < o->n_seen; k++) oai_free(o->host, o->seen[k].bins);
    oai_free(o->host, o->seen);
    oai_free(o->host, o);
}

/* ---- plans that give every named value ---------------------------------------------------------------------- */

/* Memory for what is neither input nor output of the network nor named before; `outputs` gets those, behind the
 * network's own. */
static oassl_status place_values(const oai_host *host, oai_watched *w, const oassl_graph *g, uint32_t *outputs,
                                 uint32_t *n_outputs) {
    size_t total = 0;
    for (uint32_t k = 0; k < w->n_taps; k++) {
        w->counts[k] = (size_t)oai_value_count(&g->values[w->taps[k].value]);
        total += (w->counts[k] + 15) / 16 * 16;
    }
    w->block = oai_alloc(host, total * sizeof *w->block);
    if (!w->block) return oai_no_memory(total * sizeof *w->block, "the values of a network");
    float *next = w->block;
    for (uint32_t k = 0; k < w->n_taps; k++) {
        oai_value v = w->taps[k].value;
        bool given = false;
        for (uint32_t i = 0; i < w->n_io; i++) given |= w->io[i] == v;
        for (uint32_t i = 0; i < k && !w->buffers[k]; i++)
            if (w->taps[i].value == v) w->buffers[k] = w->buffers[i];
        if (given || w->buffers[k]) continue;
        w->buffers[k] = next;
        next += (w->counts[k] + 15) / 16 * 16;
        outputs[(*n_outputs)++] = v;
    }
    return OASSL_STATUS_OK;
}

static oassl_status make_plan(const oai_observer *o, oai_watched *w, const oai_net_graph *net, uint32_t *outputs) {
    oassl_graph open = *net->graph; /* shallow: planning copies it */
    oassl_backend_param *params;
    uint32_t n_params, n_outputs = 0;
    for (; n_outputs < open.n_outputs; n_outputs++) outputs[n_outputs] = open.outputs[n_outputs];
    OAI_TRY(place_values(o->host, w, net->graph, outputs, &n_outputs));
    open.outputs = outputs;
    open.n_outputs = n_outputs;
    OAI_TRY(oai_store_bind(o->store, &net->emitter, net->graph, &params, &n_params));
    oassl_status status = oai_plan_create(o->context, &open, params, n_params, NULL, &w->plan);
    oai_free(o->host, params);
    OAI_TRY(status);
    OAI_TRY(oai_exec_create(w->plan, &w->exec));
    for (uint32_t k = 0; k < w->n_taps; k++)
        if (w->buffers[k]) OAI_TRY(oai_exec_bind(w->exec, w->taps[k].value, w->buffers[k]));
    return OASSL_STATUS_OK;
}

static oassl_status watch(const oai_observer *o, oai_watched *w, const int64_t key[4]) {
    oai_net_graph net;
    oassl_status status = oai_net_graph_create(o->host, &o->config, key, &net);
    if (status == OASSL_STATUS_OK) status = oai_taps_of(o->host, net.graph, &w->taps, &w->n_taps);
    memcpy(w->io, net.io, sizeof w->io);
    w->n_io = net.n_io;
    uint32_t *outputs = NULL;
    if (status == OASSL_STATUS_OK) {
        w->counts = oai_calloc(o->host, w->n_taps + 1u, sizeof *w->counts);
        w->buffers = oai_calloc(o->host, w->n_taps + 1u, sizeof *w->buffers);
        outputs = oai_calloc(o->host, w->n_taps + net.graph->n_outputs, sizeof *outputs);
        status = w->counts && w->buffers && outputs
                     ? make_plan(o, w, &net, outputs)
                     : oai_no_memory(w->n_taps * sizeof *w->buffers, "an observer's plan");
    }
    oai_free(o->host, outputs);
    oai_net_graph_free(&net);
    if (status == OASSL_STATUS_OK)
        memcpy(w->key, key, sizeof w->key);
    else
        forget(o->host, w);
    return status;
}

/* ---- taking notice ------------------------------------------------------------------------------------------ */

static oassl_status seen_for(oai_observer *o, const oai_tap *tap, oai_seen **out_seen) {
    for (uint32_t k = 0; k < o->n_seen; k++)
        if (strcmp(o->seen[k].tap.convolution, tap->convolution) == 0 && strcmp(o->seen[k].tap.place, tap->place) == 0)
            return *out_seen = &o->seen[k], OASSL_STATUS_OK;
    size_t bytes = o->n_seen * sizeof *o->seen;
    oai_seen *grown = oai_grow(o->host, o->seen, bytes, bytes + sizeof *grown);
    if (!grown) return oai_no_memory(bytes, "an observer's table");
    o->seen = grown;
    uint64_t *bins = oai_calloc(o->host, N_BINS, sizeof *bins);
    if (!bins) return oai_no_memory(N_BINS * sizeof *bins, "a histogram");
    o->seen[o->n_seen] =
        (oai_seen){.tap = *tap, .low = INFINITY, .high = -INFINITY, .limit = ldexpf(1, -20), .bins = bins};
    *out_seen = &o->seen[o->n_seen++];
    return OASSL_STATUS_OK;
}

static void double_limit(oai_seen *s) {
    uint64_t merged[N_BINS] = {0};
    for (uint32_t i = 0; i < N_BINS; i++) merged[N_BINS / 4 + i / 2] += s->bins[i];
    memcpy(s->bins, merged, sizeof merged);
    s->limit *= 2;
}

static oassl_status notice(oai_seen *s, const float *values, size_t n) {
    float low = s->low, high = s->high;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "the %s of convolution '%s' has element %zu = %g", s->tap.place,
                            s->tap.convolution, i, values[i]);
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
    }
    s->low = low;
    s->high = high;
    while (fmaxf(-low, high) >= s->limit && s->limit < ldexpf(1, 126)) double_limit(s);
    float scale = N_BINS / 2 / s->limit;
    for (size_t i = 0; i < n; i++) {
        int32_t bin = (int32_t)(values[i] * scale + N_BINS / 2);
        s->bins[bin < 0 ? 0 : bin >= N_BINS ? N_BINS - 1 : bin]++;
    }
    s->n += n;
    return OASSL_STATUS_OK;
}

oassl_status oai_observer_run(oai_observer *o, const int64_t key[4], void *const *addresses) {
    oai_watched *w = &o->watched[key[0] - 1];
    if (memcmp(w->key, key, sizeof w->key) != 0) {
        forget(o->host, w);
        OAI_TRY(watch(o, w, key));
    }
    for (uint32_t i = 0; i < w->n_io; i++) OAI_TRY(oai_exec_bind(w->exec, w->io[i], addresses[i]));
    OAI_TRY(oai_exec_run(w->exec));
    for (uint32_t k = 0; k < w->n_taps; k++) {
        const float *values = w->buffers[k];
        for (uint32_t i = 0; i < w->n_io && !values; i++)
            if (w->io[i] == w->taps[k].value) values = addresses[i];
        oai_seen *seen;
        OAI_TRY(seen_for(o, &w->taps[k], &seen));
        OAI_TRY(notice(seen, values, w->counts[k]));
    }
    return OASSL_STATUS_OK;
}

/* ---- ranges ------------------------------------------------------------------------------------------------- */

/* The two ends share what is left out; no end goes beyond what was seen, but 0, which convolutions pad with, is
 * inside. */
static void range_of(const oai_seen *s, double percentile, double *out_low, double *out_high) {
    double spare = (1 - percentile / 100) * (double)s->n / 2, width = 2 * (double)s->limit / N_BINS;
    uint32_t first = 0, last = N_BINS - 1;
    for (double sum = 0; first < N_BINS && (sum += (double)s->bins[first]) <= spare;) first++;
    for (double sum = 0; last > first && (sum += (double)s->bins[last]) <= spare;) last--;
    *out_low = fmin(0, fmax(s->low, first * width - s->limit));
    *out_high = fmax(0, fmin(s->high, (last + 1) * width - s->limit));
}

oassl_status oai_observer_text(const oai_observer *o, double percentile, uint64_t n_samples, char **out_text) {
    json_t *ranges = json_object();
    bool whole = ranges != NULL;
    for (uint32_t k = 0; k < o->n_seen && whole; k++) {
        const oai_seen *s = &o->seen[k];
        double low, high;
        range_of(s, percentile, &low, &high);
        json_t *places = json_object_get(ranges, s->tap.convolution);
        if (!places) {
            places = json_object();
            whole = json_object_set_new(ranges, s->tap.convolution, places) == 0;
        }
        whole = whole && json_object_set_new(places, s->tap.place, json_pack("[f, f]", low, high)) == 0;
    }
    json_t *object = whole ? json_pack("{s:I, s:f, s:O}", "samples", (json_int_t)n_samples, "percentile", percentile,
                                       "ranges", ranges)
                           : NULL;
    char *text = oai_json_text(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    *out_text = text ? oai_strdup(o->host, text) : NULL;
    free(text);
    json_decref(object);
    json_decref(ranges);
    return *out_text ? OASSL_STATUS_OK : oai_no_memory(65536, "the calibrated ranges");
}
