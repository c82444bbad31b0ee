#include "train/validate.h"

#include "localize/evaluate.h"

/* ---- accuracy ----------------------------------------------------------------------------------------------- */

static bool is_hit(const float *logits, const float *target, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t c = 1; c < n; c++)
        if (logits[c] > logits[best]) best = c;
    return target[best] == 1;
}

static oassl_status accuracy(const oai_validation *v, oai_features *features, double *out_score) {
    const oai_host *host = oai_context_host(v->context);
    oai_batch_shape shape = oai_dataset_shape(v->classes, 1);
    uint64_t n = oai_dataset_count(v->classes), n_hits = 0;
    if (n > v->options->max_val) n = v->options->max_val;
    if (n == 0) return OASSL_STATUS_OK;
    size_t pixels = (size_t)(3 * shape.height * shape.width), classes = (size_t)shape.n_classes;
    float *work = oai_alloc(host, (pixels + 2 * classes) * sizeof *work);
    if (!work) return oai_no_memory((pixels + 2 * classes) * sizeof *work, "validation");
    float *target = work + pixels, *logits = target + classes;
    oai_batch batch = {.pictures = work, .targets = target};
    oassl_status status = OASSL_STATUS_OK;
    for (uint64_t i = 0; i < n && status == OASSL_STATUS_OK; i++) {
        status = oai_dataset_fill_plain(v->classes, i, &batch, 0);
        if (status == OASSL_STATUS_OK) status = oai_features_classify(features, 1, shape.height, shape.width, work, logits);
        if (status == OASSL_STATUS_OK) n_hits += is_hit(logits, target, (uint32_t)classes);
    }
    oai_free(host, work);
    *out_score = (double)n_hits / (double)n;
    return status;
}

/* ---- pointing game ------------------------------------------------------------------------------------------ */

static oassl_status pointing(const oai_validation *v, oai_features *features, double *out_score) {
    oai_evaluation_input input = {oai_context_host(v->context), features, v->config, {{0}}, v->manifest_path};
    OAI_TRY(oai_hearing_of(v->store, &input.hearing));
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    options.split = "val";
    options.max_samples = v->options->max_val;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    oassl_status status = oai_evaluate(&input, &options, &result);
    if (status == OASSL_STATUS_NOT_FOUND) return OASSL_STATUS_OK; /* no validation split */
    *out_score = result.metric.model.pointing;
    return status;
}

oassl_status oai_validate(const oai_validation *v, double *out_score) {
    *out_score = -1;
    oai_features *features;
    OAI_TRY(oai_features_create(v->context, v->config, v->store, &features));
    oassl_status status = v->classes ? accuracy(v, features, out_score) : pointing(v, features, out_score);
    oai_features_destroy(features);
    return status;
}
