#include "localize/locate.h"

#include <math.h>
#include <string.h>

#include "localize/identify.h"

static const double LEAST_NORM = 1e-12;

/* Unit vectors of every position and their cosine with the sound. */
static void compare(const oai_features_view *f, size_t n, float *out_unit, float *out_similarity) {
    double sound_norm = 0;
    for (int64_t c = 0; c < f->channels; c++) sound_norm += (double)f->audio[c] * f->audio[c];
    sound_norm = fmax(sqrt(sound_norm), LEAST_NORM);
    for (size_t p = 0; p < n; p++) {
        double norm = 0, dot = 0;
        for (int64_t c = 0; c < f->channels; c++) norm += (double)f->visual[(size_t)c * n + p] * f->visual[(size_t)c * n + p];
        norm = fmax(sqrt(norm), LEAST_NORM);
        for (int64_t c = 0; c < f->channels; c++) {
            double v = f->visual[(size_t)c * n + p] / norm;
            out_unit[(size_t)c * n + p] = (float)v;
            dot += v * f->audio[c];
        }
        out_similarity[p] = (float)(dot / sound_norm);
    }
}

static uint32_t first_argmax(const float *values, size_t n) {
    size_t best = 0;
    for (size_t p = 1; p < n; p++)
        if (values[p] > values[best]) best = p;
    return (uint32_t)best;
}

oassl_status oai_locate(const oai_host *host, const oai_features_view *features, uint32_t n_sources, int distance, int rule,
                        float *out_maps, uint32_t *out_picks, float *out_similarity) {
    size_t n = (size_t)(features->height * features->width), channels = (size_t)features->channels;
    float *work = oai_alloc(host, (channels + 1) * n * sizeof *work);
    if (!work) return oai_no_memory((channels + 1) * n * sizeof *work, "the similarity map");
    float *unit = work, *similarity = work + channels * n;
    compare(features, n, unit, similarity);
    oassl_status status = OASSL_STATUS_OK;
    if (n_sources == 1 && !distance) {
        memcpy(out_maps, similarity, n * sizeof *out_maps);
        out_picks[0] = first_argmax(similarity, n);
    } else
        status = oai_identify(host, similarity, unit, (uint32_t)channels, (uint32_t)n, n_sources, rule, out_maps, out_picks);
    for (uint32_t k = 0; status == OASSL_STATUS_OK && k < n_sources; k++) out_similarity[k] = similarity[out_picks[k]];
    oai_free(host, work);
    return status;
}
