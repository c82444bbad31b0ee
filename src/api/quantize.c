#include "oassl/quantize.h"

#include <math.h>

#include "api/model_handle.h"
#include "api/tensor_view.h"
#include "base/options.h"
#include "localize/media.h"
#include "model/ranges.h"
#include "runtime/context.h"

struct oassl_quantizer {
    const oai_host *host;
    const oassl_model *model;
    oassl_quantize_options options;
    char *split;
    oai_observer *observer;
    oai_features *features; /* watched by the observer */
    uint64_t n_pictures, n_sounds;
};

static oassl_status open(const oassl_model *model, oassl_quantizer *q) {
    double percentile = q->options.percentile;
    if (percentile == 0)
        q->options.percentile = 99.99;
    else if (!(percentile >= 90 && percentile <= 100))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "oassl_quantize_options: percentile: expected 90 to 100, found %g", percentile);
    if (q->options.max_samples == 0) q->options.max_samples = 128;
    if (q->options.split && !(q->split = oai_strdup(q->host, q->options.split)))
        return oai_no_memory(strlen(q->options.split), "a quantizer");
    OAI_TRY(oai_features_create(model->context, &model->config, model->store, OASSL_PRECISION_F32, &q->features));
    OAI_TRY(oai_observer_create(model->context, &model->config, model->store, &q->observer));
    oai_features_observe(q->features, q->observer);
    return OASSL_STATUS_OK;
}

oassl_status oassl_quantizer_create(const oassl_model *model, const oassl_quantize_options *options,
                                    oassl_quantizer **out_quantizer) {
    OAI_REQUIRE(out_quantizer);
    *out_quantizer = NULL;
    OAI_REQUIRE(model);
    oassl_quantize_options own;
    OAI_TRY(oai_options_read("oassl_quantize_options", options, &own, sizeof own));
    const oai_host *host = oai_context_host(model->context);
    oassl_quantizer *q = oai_calloc(host, 1, sizeof *q);
    if (!q) return oai_no_memory(sizeof *q, "a quantizer");
    *q = (oassl_quantizer){.host = host, .model = model, .options = own};
    oassl_status status = open(model, q);
    if (status == OASSL_STATUS_OK)
        *out_quantizer = q;
    else
        oassl_quantizer_destroy(q);
    return status;
}

void oassl_quantizer_destroy(oassl_quantizer *q) {
    if (!q) return;
    oai_features_destroy(q->features);
    oai_observer_destroy(q->observer);
    oai_free(q->host, q->split);
    oai_free(q->host, q);
}

oassl_status oassl_quantizer_add_manifest(oassl_quantizer *q, const char *manifest_path) {
    OAI_REQUIRE(q);
    OAI_REQUIRE(manifest_path);
    oai_evaluation_input input = {q->host, q->features, &q->model->config, {{0}}, manifest_path};
    OAI_TRY(oai_hearing_of(q->model->store, &input.hearing));
    oai_media_choice choice = {q->split, q->options.missing, q->options.max_samples};
    uint64_t n;
    oassl_status status = oai_run_media(&input, &choice, &n);
    q->n_pictures += n;
    q->n_sounds += n;
    return status;
}

static oassl_status check(const oassl_tensor *view, const char *name, int64_t channels) {
    OAI_TRY(oai_view_check(view, name, OASSL_DTYPE_F32, 4, (const int64_t[]){-1, channels, -1, -1}));
    OAI_TRY(oai_view_require_contiguous(view, name));
    if (oai_view_count(view) == 0) return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: the tensor is empty", name);
    return oai_view_check_finite(view, name);
}

/* Room for a result nobody reads: [n, d]. */
static oassl_status make_vectors(const oassl_quantizer *q, int64_t n, float **out_vectors) {
    size_t count = (size_t)(n * oai_net_channels(&q->model->config));
    *out_vectors = oai_calloc(q->host, count, sizeof **out_vectors);
    return *out_vectors ? OASSL_STATUS_OK : oai_no_memory(count * sizeof **out_vectors, "features");
}

oassl_status oassl_quantizer_add_pictures(oassl_quantizer *q, const oassl_tensor *pictures) {
    OAI_REQUIRE(q);
    OAI_REQUIRE(pictures);
    OAI_TRY(check(pictures, "pictures", q->model->config.visual.in_channels));
    const int64_t *s = pictures->shape;
    float *vectors;
    OAI_TRY(make_vectors(q, s[0], &vectors));
    oassl_status status = oai_features_visual(q->features, s[0], s[2], s[3], pictures->data, NULL, vectors);
    oai_free(q->host, vectors);
    if (status == OASSL_STATUS_OK) q->n_pictures += (uint64_t)s[0];
    return status;
}

oassl_status oassl_quantizer_add_sounds(oassl_quantizer *q, const oassl_tensor *spectrograms) {
    OAI_REQUIRE(q);
    OAI_REQUIRE(spectrograms);
    if (q->model->config.kind != OAI_NET_PAIR)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "a classifier has no sound trunk");
    OAI_TRY(check(spectrograms, "spectrograms", q->model->config.audio.in_channels));
    const int64_t *s = spectrograms->shape;
    float *vectors;
    OAI_TRY(make_vectors(q, s[0], &vectors));
    oassl_status status = oai_features_audio(q->features, s[0], s[2], s[3], spectrograms->data, vectors);
    oai_free(q->host, vectors);
    if (status == OASSL_STATUS_OK) q->n_sounds += (uint64_t)s[0];
    return status;
}

uint64_t oassl_quantizer_n_samples(const oassl_quantizer *q) {
    if (!q) return 0;
    return q->n_pictures > q->n_sounds ? q->n_pictures : q->n_sounds;
}

oassl_status oassl_quantizer_finish(const oassl_quantizer *q, oassl_model **out_model) {
    OAI_REQUIRE(out_model);
    *out_model = NULL;
    OAI_REQUIRE(q);
    bool pair = q->model->config.kind == OAI_NET_PAIR;
    if (q->n_pictures == 0 || (pair && q->n_sounds == 0))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "calibration needs %s first; seen so far: %llu pictures, %llu sounds",
                        pair ? "pictures and sounds" : "pictures", (unsigned long long)q->n_pictures,
                        (unsigned long long)q->n_sounds);
    char *text;
    oai_store *store = NULL;
    OAI_TRY(oai_observer_text(q->observer, q->options.percentile, oassl_quantizer_n_samples(q), &text));
    oassl_status status = oai_store_copy(q->model->store, &store);
    if (status == OASSL_STATUS_OK) status = oai_store_set_metadata(store, OAI_RANGES_KEY, text);
    oai_free(q->host, text);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    return oai_model_wrap(q->model->context, &q->model->config, store, OASSL_PRECISION_INT8, out_model);
}
