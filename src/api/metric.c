#include "oassl/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/tensor_view.h"
#include "base/json.h"
#include "metric/maps.h"
#include "metric/metric.h"
#include "metric/retrieval.h"
#include "runtime/context.h"

static oassl_status null_argument(const char *function, const char *what) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: %s is NULL", function, what);
}

static oassl_status bad_size(const char *function, const char *what, uint32_t size) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: %s->struct_size is %u; use the _INIT macro", function, what,
                    size);
}

oassl_status oassl_metric_create(const oassl_context *context, const oassl_metric_options *options,
                                 oassl_metric **out_metric) {
    if (!out_metric) return null_argument(__func__, "out_metric");
    *out_metric = NULL;
    if (!context) return null_argument(__func__, "context");
    return oai_metric_create(oai_context_host(context), options, out_metric);
}

void oassl_metric_destroy(oassl_metric *metric) { oai_metric_free(metric); }

oassl_status oassl_metric_add(oassl_metric *metric, const oassl_metric_sample *sample) {
    if (!metric) return null_argument(__func__, "metric");
    if (!sample) return null_argument(__func__, "sample");
    if (!sample->id) return null_argument(__func__, "sample->id");
    return oai_metric_add(metric, sample);
}

oassl_status oassl_metric_merge(oassl_metric *metric, const oassl_metric *from) {
    if (!metric) return null_argument(__func__, "metric");
    if (!from) return null_argument(__func__, "from");
    return oai_metric_merge(metric, from);
}

oassl_status oassl_metric_compute(const oassl_metric *metric, oassl_metric_result *out_result) {
    if (!metric) return null_argument(__func__, "metric");
    if (!out_result) return null_argument(__func__, "out_result");
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    uint32_t size = out_result->struct_size;
    if (size < sizeof size) return bad_size(__func__, "out_result", size);
    OAI_TRY(oai_metric_compute(metric, &result));
    memcpy(out_result, &result, size < sizeof result ? size : sizeof result);
    out_result->struct_size = size;
    return OASSL_STATUS_OK;
}

oassl_status oassl_metric_get_pair(oassl_metric *metric, uint64_t index, oassl_metric_pair *out_pair) {
    if (!metric) return null_argument(__func__, "metric");
    if (!out_pair) return null_argument(__func__, "out_pair");
    oassl_metric_pair pair = OASSL_METRIC_PAIR_INIT;
    uint32_t size = out_pair->struct_size;
    if (size < sizeof size) return bad_size(__func__, "out_pair", size);
    OAI_TRY(oai_metric_pair_at(metric, index, &pair));
    memcpy(out_pair, &pair, size < sizeof pair ? size : sizeof pair);
    out_pair->struct_size = size;
    return OASSL_STATUS_OK;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------- */

static json_t *scores_json(const oassl_metric_scores *s) {
    const struct {
        const char *name;
        double value;
    } fields[] = {{"success_30", s->success_30},
                  {"success_50", s->success_50},
                  {"auc", s->auc},
                  {"mean_ciou", s->mean_ciou},
                  {"adaptive_success_30", s->adaptive_success_30},
                  {"adaptive_success_50", s->adaptive_success_50},
                  {"adaptive_auc", s->adaptive_auc},
                  {"adaptive_mean_ciou", s->adaptive_mean_ciou},
                  {"ap", s->ap},
                  {"piap", s->piap},
                  {"pointing", s->pointing},
                  {"twin", s->twin}};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        oai_json_put(&object, fields[i].name, json_real(fields[i].value));
    return object;
}

/* {"canonical": {"rules": "...", "notes": "...", "figures": {"success_50": {"value": .., "low": .., "high": .., "n": ..}}}} */
static json_t *protocols_json(const oassl_metric *metric, const oai_figures *figures) {
    json_t *all = json_object();
    for (const char *name = oai_metric_options(metric)->protocols; *name;) {
        size_t bytes = strcspn(name, ",");
        const oai_rules *rules = oai_rules_find(name, bytes);
        char text[512];
        oai_rules_text(rules, text, sizeof text);
        json_t *own = json_object();
        for (uint64_t i = 0; i < figures->n; i++) {
            const oassl_metric_value *v = &figures->values[i];
            if (strcmp(v->protocol, rules->name) != 0) continue;
            json_t *one = json_pack("{s:f, s:I}", "value", v->value, "n", (json_int_t)v->n);
            if (oai_metric_options(metric)->bootstrap) {
                oai_json_put(&one, "low", json_real(v->low));
                oai_json_put(&one, "high", json_real(v->high));
            }
            oai_json_put(&own, v->name, one);
        }
        oai_json_put(&all, rules->name, json_pack("{s:s, s:s, s:o}", "rules", text, "notes", rules->note, "figures", own));
        name += bytes + (name[bytes] == ',');
    }
    return all;
}

static json_t *settings_json(const oassl_metric_options *o) {
    static const char *const resizes[] = {"bilinear_half_pixel", "bilinear_corners", "bicubic_half_pixel",
                                          "bicubic_corners"};
    static const char *const predicates[] = {"ge", "gt", "gt_or_one"}, *const truths[] = {"union", "consensus"};
    static const char *const assigns[] = {"best", "in_order", "greedy"};
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:b, s:i, s:i, s:I}", "size", (int)o->size, "resize", resizes[o->resize],
                     "predicate", predicates[o->predicate], "truth", truths[o->truth], "assign", assigns[o->assign], "tau", o->tau,
                     "bias", o->bias, "alpha", o->alpha, "probabilities", o->probabilities, "batch", (int)o->batch, "bootstrap",
                     (int)o->bootstrap, "seed", (json_int_t)o->seed);
}

static char *result_text(const oassl_metric *metric, const oassl_metric_result *r, const oai_figures *figures) {
    char hash[24];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->list_hash);
    json_t *object =
        json_pack("{s:s, s:o, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "oassl", oassl_version_string(), "protocol",
                  settings_json(oai_metric_options(metric)), "n_samples", (json_int_t)r->n_samples, "n_pairs", (json_int_t)r->n_pairs,
                  "n_twin", (json_int_t)r->n_twin, "list_hash", hash, "model", scores_json(&r->model), "centre",
                  scores_json(&r->centre), "whole", scores_json(&r->whole), "protocols", protocols_json(metric, figures));
    char *text = oai_json_text(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

/* What fits of a text, and how long it is. */
static void give_text(const char *text, char *out_text, uint64_t capacity, uint64_t *out_bytes) {
    *out_bytes = strlen(text) + 1;
    if (!capacity) return;
    uint64_t n = *out_bytes <= capacity ? *out_bytes : capacity;
    memcpy(out_text, text, n);
    out_text[n - 1] = 0;
}

oassl_status oassl_metric_json(oassl_metric *metric, char *out_text, uint64_t capacity, uint64_t *out_bytes) {
    if (out_bytes) *out_bytes = 0;
    if (!metric) return null_argument(__func__, "metric");
    if (!out_bytes) return null_argument(__func__, "out_bytes");
    if (capacity && !out_text) return null_argument(__func__, "out_text");
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    const oai_figures *figures;
    OAI_TRY(oai_metric_compute(metric, &result));
    OAI_TRY(oai_metric_figures(metric, &figures));
    char *text = result_text(metric, &result, figures);
    if (!text) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "oassl_metric_json: no memory for the text");
    give_text(text, out_text, capacity, out_bytes);
    free(text);
    return OASSL_STATUS_OK;
}

/* ---- protocols ------------------------------------------------------------------------------------------------ */

const char *oassl_metric_protocol(uint32_t index) { return index < oai_n_rules() ? oai_rules_at(index)->name : NULL; }

oassl_status oassl_metric_protocol_rules(const char *protocol, char *out_text, uint64_t capacity, uint64_t *out_bytes) {
    if (out_bytes) *out_bytes = 0;
    if (!protocol) return null_argument(__func__, "protocol");
    if (!out_bytes) return null_argument(__func__, "out_bytes");
    if (capacity && !out_text) return null_argument(__func__, "out_text");
    const oai_rules *rules = oai_rules_find(protocol, strlen(protocol));
    if (!rules) return oai_fail(OASSL_STATUS_NOT_FOUND, "no protocol '%s'", protocol);
    char line[512], text[1024];
    oai_rules_text(rules, line, sizeof line);
    snprintf(text, sizeof text, "%s\n%s", line, rules->note);
    give_text(text, out_text, capacity, out_bytes);
    return OASSL_STATUS_OK;
}

oassl_status oassl_metric_n_values(oassl_metric *metric, uint64_t *out_n) {
    if (!out_n) return null_argument(__func__, "out_n");
    *out_n = 0;
    if (!metric) return null_argument(__func__, "metric");
    const oai_figures *figures;
    OAI_TRY(oai_metric_figures(metric, &figures));
    *out_n = figures->n;
    return OASSL_STATUS_OK;
}

oassl_status oassl_metric_get_value(oassl_metric *metric, uint64_t index, oassl_metric_value *out_value) {
    if (!metric) return null_argument(__func__, "metric");
    if (!out_value) return null_argument(__func__, "out_value");
    if (out_value->struct_size < sizeof(uint32_t)) return bad_size(__func__, "out_value", out_value->struct_size);
    const oai_figures *figures;
    OAI_TRY(oai_metric_figures(metric, &figures));
    if (index >= figures->n)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric value %llu, there are %llu", (unsigned long long)index,
                        (unsigned long long)figures->n);
    oassl_metric_value value = figures->values[index];
    OAI_GIVE(value, out_value);
    return OASSL_STATUS_OK;
}

oassl_status oassl_metric_find_value(oassl_metric *metric, const char *protocol, const char *name, oassl_metric_value *out_value) {
    if (!metric) return null_argument(__func__, "metric");
    if (!protocol) return null_argument(__func__, "protocol");
    if (!name) return null_argument(__func__, "name");
    const oai_figures *figures;
    OAI_TRY(oai_metric_figures(metric, &figures));
    for (uint64_t i = 0; i < figures->n; i++)
        if (strcmp(figures->values[i].protocol, protocol) == 0 && strcmp(figures->values[i].name, name) == 0)
            return oassl_metric_get_value(metric, i, out_value);
    return oai_fail(OASSL_STATUS_NOT_FOUND, "no figure '%s' of protocol '%s'", name, protocol);
}

/* ---- retrieval ------------------------------------------------------------------------------------------------ */

static oassl_status read_features(const oai_host *host, const oassl_tensor *t, const char *name, double **out_rows) {
    bool wide = t->dtype == OASSL_DTYPE_F64;
    if (!t->data || t->device != OASSL_DEVICE_CPU || (!wide && t->dtype != OASSL_DTYPE_F32) || t->rank != 2 || t->shape[0] < 1 ||
        t->shape[1] < 1)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: expected F32 or F64 on the CPU of shape [n, d], found dtype %d, rank %d", name,
                        t->dtype, t->rank);
    int64_t n = t->shape[0], d = t->shape[1], dy = t->strides[0], dx = t->strides[1];
    if (dy == 0 && dx == 0) dy = d, dx = 1;
    double *rows = *out_rows = oai_alloc(host, (size_t)(n * d) * sizeof *rows);
    if (!rows) return oai_no_memory((size_t)(n * d) * sizeof *rows, name);
    for (int64_t i = 0; i < n * d; i++) {
        int64_t at = i / d * dy + i % d * dx;
        rows[i] = wide ? ((const double *)t->data)[at] : (double)((const float *)t->data)[at];
    }
    return OASSL_STATUS_OK;
}

oassl_status oassl_metric_retrieval(const oassl_context *context, const oassl_tensor *pictures, const oassl_tensor *sounds,
                                    const int64_t *labels, oassl_retrieval *out_result) {
    if (!context) return null_argument(__func__, "context");
    if (!pictures) return null_argument(__func__, "pictures");
    if (!sounds) return null_argument(__func__, "sounds");
    if (!out_result) return null_argument(__func__, "out_result");
    if (out_result->struct_size < sizeof(uint32_t)) return bad_size(__func__, "out_result", out_result->struct_size);
    const oai_host *host = oai_context_host(context);
    double *v = NULL, *a = NULL;
    oassl_retrieval result = OASSL_RETRIEVAL_INIT;
    oassl_status status = read_features(host, pictures, "pictures", &v);
    if (status == OASSL_STATUS_OK) status = read_features(host, sounds, "sounds", &a);
    if (status == OASSL_STATUS_OK && (pictures->shape[0] != sounds->shape[0] || pictures->shape[1] != sounds->shape[1]))
        status = oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "pictures are [%lld, %lld], sounds [%lld, %lld]; expected the same",
                          (long long)pictures->shape[0], (long long)pictures->shape[1], (long long)sounds->shape[0],
                          (long long)sounds->shape[1]);
    if (status == OASSL_STATUS_OK)
        status = oai_retrieval(host, v, a, (uint64_t)sounds->shape[0], (uint64_t)sounds->shape[1], labels, &result);
    oai_free(host, v);
    oai_free(host, a);
    if (status == OASSL_STATUS_OK) OAI_GIVE(result, out_result);
    return status;
}

/* ---- many at once, and maps made elsewhere ------------------------------------------------------------------------ */

oassl_status oassl_metric_add_all(const oassl_context *context, oassl_metric *metric, uint64_t n, const oassl_metric_feed *feed) {
    if (!context) return null_argument(__func__, "context");
    if (!metric) return null_argument(__func__, "metric");
    if (!feed || !feed->sample) return null_argument(__func__, "feed->sample");
    return oai_metric_add_all(oai_context_host(context), metric, n, feed);
}

oassl_status oassl_maps_open(const oassl_context *context, const char *path, oassl_maps **out_maps) {
    if (!out_maps) return null_argument(__func__, "out_maps");
    *out_maps = NULL;
    if (!context) return null_argument(__func__, "context");
    if (!path) return null_argument(__func__, "path");
    return oai_maps_open(oai_context_host(context), path, out_maps);
}

void oassl_maps_close(oassl_maps *maps) { oai_maps_close(maps); }
uint64_t oassl_maps_count(const oassl_maps *maps) { return maps ? oai_maps_count(maps) : 0; }
const char *oassl_maps_id(const oassl_maps *maps, uint64_t index) { return maps ? oai_maps_id(maps, index) : NULL; }

oassl_status oassl_maps_find(const oassl_maps *maps, const char *id, uint64_t *out_index) {
    if (!maps) return null_argument(__func__, "maps");
    if (!id) return null_argument(__func__, "id");
    if (!out_index) return null_argument(__func__, "out_index");
    return oai_maps_find(maps, id, out_index);
}

oassl_status oassl_maps_get(const oassl_maps *maps, uint64_t index, oassl_map_set *out_set) {
    if (!maps) return null_argument(__func__, "maps");
    if (!out_set) return null_argument(__func__, "out_set");
    if (out_set->struct_size != sizeof *out_set) return bad_size(__func__, "out_set", out_set->struct_size);
    return oai_maps_get(maps, index, out_set);
}

void oassl_maps_release(const oassl_maps *maps, oassl_map_set *set) {
    if (maps && set) oai_maps_release(maps, set);
}

oassl_status oassl_retrieval_load(const oassl_context *context, const char *path, oassl_retrieval_features *out_features) {
    if (!context) return null_argument(__func__, "context");
    if (!path) return null_argument(__func__, "path");
    if (!out_features) return null_argument(__func__, "out_features");
    if (out_features->struct_size != sizeof *out_features) return bad_size(__func__, "out_features", out_features->struct_size);
    return oai_retrieval_load(oai_context_host(context), path, out_features);
}

void oassl_retrieval_free(const oassl_context *context, oassl_retrieval_features *features) {
    if (context && features) oai_retrieval_free(oai_context_host(context), features);
}
