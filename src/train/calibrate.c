#include "train/calibrate.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "localize/evaluate.h"

enum { LEAST_PAIRS = 4, MAX_ITERATIONS = 100 };

/* ---- the curve ---------------------------------------------------------------------------------------------- */

/* Smoothed targets keep the curve finite when similarity separates the pairs; the ridge when it is nearly constant. */
static const double RIDGE = 1e-3;

typedef struct oai_fit {
    const oai_pairs *pairs;
    double mean, deviation; /* of all similarities */
    double slope, offset;   /* on standardised similarities */
} oai_fit;

static uint64_t n_pairs(const oai_pairs *p) { return p->n_matched + p->n_mismatched; }

static double pair_at(const oai_pairs *p, uint64_t i) {
    return i < p->n_matched ? p->matched[i] : p->mismatched[i - p->n_matched];
}

static double target_at(const oai_pairs *p, uint64_t i) {
    return i < p->n_matched ? (double)(p->n_matched + 1) / (double)(p->n_matched + 2)
                            : 1.0 / (double)(p->n_mismatched + 2);
}

static void standardize(oai_fit *fit) {
    uint64_t n = n_pairs(fit->pairs);
    double sum = 0, square = 0;
    for (uint64_t i = 0; i < n; i++) sum += pair_at(fit->pairs, i);
    fit->mean = sum / (double)n;
    for (uint64_t i = 0; i < n; i++) square += pow(pair_at(fit->pairs, i) - fit->mean, 2);
    fit->deviation = sqrt(square / (double)n);
}

/* Mean cross-entropy with the ridge; convex. */
static double cost(const oai_fit *fit, double slope, double offset) {
    uint64_t n = n_pairs(fit->pairs);
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        double u = slope * (pair_at(fit->pairs, i) - fit->mean) / fit->deviation + offset;
        sum += fmax(u, 0) + log1p(exp(-fabs(u))) - target_at(fit->pairs, i) * u;
    }
    return sum / (double)n + 0.5 * RIDGE * slope * slope;
}

/* One Newton step, halved until it does not climb.  False when nothing is left to gain. */
static bool improve(oai_fit *fit) {
    uint64_t n = n_pairs(fit->pairs);
    double g0 = RIDGE * fit->slope, g1 = 0, h00 = RIDGE, h01 = 0, h11 = 1e-12;
    for (uint64_t i = 0; i < n; i++) {
        double z = (pair_at(fit->pairs, i) - fit->mean) / fit->deviation;
        double p = 1 / (1 + exp(-(fit->slope * z + fit->offset)));
        double error = (p - target_at(fit->pairs, i)) / (double)n, weight = p * (1 - p) / (double)n;
        g0 += error * z, g1 += error;
        h00 += weight * z * z, h01 += weight * z, h11 += weight;
    }
    double det = h00 * h11 - h01 * h01;
    double d0 = (h11 * g0 - h01 * g1) / det, d1 = (h00 * g1 - h01 * g0) / det,
           before = cost(fit, fit->slope, fit->offset);
    for (double step = 1; step > 1e-6; step /= 2) {
        double slope = fit->slope - step * d0, offset = fit->offset - step * d1;
        if (cost(fit, slope, offset) > before) continue;
        fit->slope = slope;
        fit->offset = offset;
        return fabs(step * d0) + fabs(step * d1) > 1e-10;
    }
    return false;
}

oai_calibration oai_fit_calibration(const oai_pairs *pairs) {
    oai_fit fit = {.pairs = pairs};
    standardize(&fit);
    for (int i = 0; fit.deviation > 0 && i < MAX_ITERATIONS && improve(&fit);) i++;
    if (fit.slope > 0)
        return (oai_calibration){fit.slope / fit.deviation, fit.offset - fit.slope * fit.mean / fit.deviation};
    return (oai_calibration){0, log((double)(pairs->n_matched + 1) / (double)(pairs->n_mismatched + 1))};
}

/* ---- the pairs ---------------------------------------------------------------------------------------------- */

typedef struct oai_similarities {
    const oai_host *host;
    double *values; /* [n] */
    uint64_t n, capacity;
} oai_similarities;

static oassl_status keep_similarity(void *user, const oassl_evaluated_sample *sample) {
    oai_similarities *kept = user;
    if (kept->n == kept->capacity) {
        uint64_t capacity = 2 * kept->capacity + 64;
        double *values = oai_grow(kept->host, kept->values, kept->n * sizeof *values, capacity * sizeof *values);
        if (!values) return oai_no_memory(capacity * sizeof *values, "the calibration's similarities");
        kept->values = values;
        kept->capacity = capacity;
    }
    const oassl_localized_source *sources = sample->found->sources;
    double best = sources[0].similarity;
    for (uint32_t k = 1; k < sample->found->n_sources; k++) best = fmax(best, sources[k].similarity);
    kept->values[kept->n++] = best;
    return OASSL_STATUS_OK;
}

static oassl_status collect(const oai_evaluation_input *input, uint64_t most, bool mismatched, oai_similarities *out) {
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    options.split = "val";
    options.max_samples = most;
    options.mismatched = mismatched;
    options.on_sample = keep_similarity;
    options.user = out;
    oassl_evaluation unused = OASSL_EVALUATION_INIT;
    return oai_evaluate(input, &options, &unused);
}

static oassl_status keep_calibration(oai_store *store, const oai_pairs *pairs) {
    oai_calibration c = oai_fit_calibration(pairs);
    json_t *object = json_pack("{s:f, s:f, s:I, s:I}", "scale", c.scale, "offset", c.offset, "matched",
                               (json_int_t)pairs->n_matched, "mismatched", (json_int_t)pairs->n_mismatched);
    char *text = oai_json_text(object, 0);
    oassl_status status =
        text ? oai_store_set_metadata(store, OAI_CALIBRATION_KEY, text) : oai_no_memory(256, "the calibration");
    free(text);
    json_decref(object);
    return status;
}

oassl_status oai_calibrate(const oai_validation *v, oai_store *store) {
    if (v->options->task != OASSL_TASK_LOCALIZE || !v->scorable) return OASSL_STATUS_OK;
    const oai_host *host = oai_context_host(v->context);
    uint64_t most = v->options->max_val;
    oai_similarities matched = {.host = host}, mismatched = {.host = host};
    oai_evaluation_input input = {host, NULL, v->config, {{0}}, v->manifest_path};
    oassl_status status = oai_hearing_of(v->store, &input.hearing);
    if (status == OASSL_STATUS_OK) status = oai_features_create(v->context, v->config, v->store, OASSL_PRECISION_F32, &input.features);
    if (status == OASSL_STATUS_OK) status = collect(&input, most, false, &matched);
    if (status == OASSL_STATUS_OK && matched.n >= LEAST_PAIRS) status = collect(&input, most, true, &mismatched);
    oai_pairs pairs = {matched.values, mismatched.values, matched.n, mismatched.n};
    if (status == OASSL_STATUS_OK && mismatched.n >= LEAST_PAIRS) status = keep_calibration(store, &pairs);
    oai_features_destroy(input.features);
    oai_free(host, matched.values);
    oai_free(host, mismatched.values);
    return status;
}
