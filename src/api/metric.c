#include "oassl/metric.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "metric/metric.h"
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
        json_object_set_new(object, fields[i].name, json_real(fields[i].value));
    return object;
}

static char *result_text(const oassl_metric *metric, const oassl_metric_result *r) {
    static const char *const resizes[] = {"bilinear_half_pixel", "bilinear_corners", "bicubic_half_pixel",
                                          "bicubic_corners"};
    static const char *const predicates[] = {"ge", "gt", "gt_or_one"}, *const truths[] = {"union", "consensus"};
    static const char *const assigns[] = {"best", "in_order", "greedy"};
    const oassl_metric_options *o = oai_metric_options(metric);
    char hash[24];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->list_hash);
    json_t *protocol =
        json_pack("{s:i, s:s, s:s, s:s, s:s}", "size", (int)o->size, "resize", resizes[o->resize], "predicate",
                  predicates[o->predicate], "truth", truths[o->truth], "assign", assigns[o->assign]);
    json_t *object =
        json_pack("{s:s, s:o, s:I, s:I, s:I, s:s, s:o, s:o, s:o}", "oassl", oassl_version_string(), "protocol",
                  protocol, "n_samples", (json_int_t)r->n_samples, "n_pairs", (json_int_t)r->n_pairs, "n_twin",
                  (json_int_t)r->n_twin, "list_hash", hash, "model", scores_json(&r->model), "centre",
                  scores_json(&r->centre), "whole", scores_json(&r->whole));
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    return text;
}

oassl_status oassl_metric_json(const oassl_metric *metric, char *out_text, uint64_t capacity, uint64_t *out_bytes) {
    if (out_bytes) *out_bytes = 0;
    if (!metric) return null_argument(__func__, "metric");
    if (!out_bytes) return null_argument(__func__, "out_bytes");
    if (capacity && !out_text) return null_argument(__func__, "out_text");
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    OAI_TRY(oai_metric_compute(metric, &result));
    char *text = result_text(metric, &result);
    if (!text) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "oassl_metric_json: no memory for the text");
    *out_bytes = strlen(text) + 1;
    if (capacity) {
        uint64_t n = *out_bytes <= capacity ? *out_bytes : capacity;
        memcpy(out_text, text, n);
        out_text[n - 1] = 0;
    }
    free(text);
    return OASSL_STATUS_OK;
}
