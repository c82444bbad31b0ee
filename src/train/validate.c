#include "train/validate.h"

#include <math.h>
#include <string.h>

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

/* ---- pictures and their captions ---------------------------------------------------------------------------- */

/* text_proj of one caption's features. */
static void project(const oai_store *store, const float *text, size_t text_dim, size_t d, float *out) {
    const oai_store_tensor *weight = oai_store_find(store, "text_proj.weight"), *bias = oai_store_find(store, "text_proj.bias");
    for (size_t i = 0; i < d; i++) {
        double sum = bias->data[i];
        for (size_t j = 0; j < text_dim; j++) sum += (double)weight->data[i * text_dim + j] * text[j];
        out[i] = (float)sum;
    }
}

static void make_unit(float *x, size_t n) {
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)x[i] * x[i];
    for (size_t i = 0; square > 0 && i < n; i++) x[i] = (float)(x[i] / sqrt(square));
}

/* Pictures whose most similar caption of all is one of their class. */
static uint64_t count_matches(const float *pictures, const float *captions, const float *targets, size_t n, size_t d, size_t classes) {
    uint64_t n_hits = 0;
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;
        double most = -2;
        for (size_t j = 0; j < n; j++) {
            double dot = 0;
            for (size_t k = 0; k < d; k++) dot += (double)pictures[i * d + k] * captions[j * d + k];
            if (dot > most) most = dot, best = j;
        }
        n_hits += memcmp(targets + i * classes, targets + best * classes, classes * sizeof *targets) == 0;
    }
    return n_hits;
}

static oassl_status matching(const oai_validation *v, oai_features *features, double *out_score) {
    const oai_host *host = oai_context_host(v->context);
    oai_batch_shape s = oai_dataset_shape(v->classes, 1);
    size_t n = (size_t)oai_dataset_count(v->classes), d = (size_t)oai_net_channels(v->config), classes = (size_t)s.n_classes;
    if (n > v->options->max_val) n = v->options->max_val;
    if (n == 0) return OASSL_STATUS_OK;
    size_t pixels = (size_t)(3 * s.height * s.width), dim = (size_t)s.text_dim, total = pixels + 2 * dim + 1 + n * (2 * d + classes);
    float *work = oai_alloc(host, total * sizeof *work);
    if (!work) return oai_no_memory(total * sizeof *work, "validation");
    oai_batch batch = {.pictures = work, .foreground = work + pixels, .background = work + pixels + dim,
                       .background_weight = work + pixels + 2 * dim};
    float *pictures = work + pixels + 2 * dim + 1, *captions = pictures + n * d, *targets = captions + n * d;
    oassl_status status = OASSL_STATUS_OK;
    for (size_t i = 0; i < n && status == OASSL_STATUS_OK; i++) {
        batch.targets = targets + i * classes;
        status = oai_dataset_fill_plain(v->classes, i, &batch, 0);
        if (status == OASSL_STATUS_OK)
            status = oai_features_visual(features, 1, s.height, s.width, batch.pictures, NULL, pictures + i * d);
        project(v->store, batch.foreground, dim, d, captions + i * d);
        make_unit(pictures + i * d, d);
        make_unit(captions + i * d, d);
    }
    if (status == OASSL_STATUS_OK) *out_score = (double)count_matches(pictures, captions, targets, n, d, classes) / (double)n;
    oai_free(host, work);
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
    if (status == OASSL_STATUS_OK) *out_score = result.metric.model.pointing;
    return status;
}

oassl_status oai_validate(const oai_validation *v, double *out_score) {
    *out_score = -1;
    if (v->options->task == OASSL_TASK_LOCALIZE && !v->scorable) return OASSL_STATUS_OK;
    oai_features *features;
    OAI_TRY(oai_features_create(v->context, v->config, v->store, v->options->precision, &features));
    oassl_status status;
    switch (v->options->task) {
    case OASSL_TASK_CLASSIFY: status = accuracy(v, features, out_score); break;
    case OASSL_TASK_ALIGN: status = matching(v, features, out_score); break;
    default: status = pointing(v, features, out_score);
    }
    oai_features_destroy(features);
    return status;
}
