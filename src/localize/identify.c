#include "localize/identify.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The constants of the published identification. */
static const double NEGATIVE_THRESHOLD = 0.4, NEGATIVE_TEMPERATURE = 0.03, DISTANCE_OFFSET = 1e-6;

typedef struct oai_scene {
    const float *similarity, *visual;
    uint32_t n_channels, n_positions;
} oai_scene;

/* Component c of Fh_p = S_p v_p. */
static double sounding(const oai_scene *scene, uint32_t c, uint32_t p) {
    return (double)scene->similarity[p] * scene->visual[(size_t)c * scene->n_positions + p];
}

/* neg = mean over positions of Fh_p weighted by 1 - sigmoid((S_p - 0.4) / 0.03). */
static void negative_object(const oai_scene *scene, double *out_negative) {
    for (uint32_t c = 0; c < scene->n_channels; c++) out_negative[c] = 0;
    for (uint32_t p = 0; p < scene->n_positions; p++) {
        double weight = 1 / (1 + exp((scene->similarity[p] - NEGATIVE_THRESHOLD) / NEGATIVE_TEMPERATURE));
        for (uint32_t c = 0; c < scene->n_channels; c++)
            out_negative[c] += sounding(scene, c, p) * weight / scene->n_positions;
    }
}

static double distance(const oai_scene *scene, uint32_t p, const double *object) {
    double sum = 0;
    for (uint32_t c = 0; c < scene->n_channels; c++) {
        double d = sounding(scene, c, p) - object[c] + DISTANCE_OFFSET;
        sum += d * d;
    }
    return sqrt(sum);
}

static double cosine(const oai_scene *scene, uint32_t p, uint32_t q) {
    double sum = 0;
    for (uint32_t c = 0; c < scene->n_channels; c++)
        sum += (double)scene->visual[(size_t)c * scene->n_positions + p] * scene->visual[(size_t)c * scene->n_positions + q];
    return sum;
}

static uint32_t first_argmax(const double *values, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

oassl_status oai_identify(const oai_host *host, const float *similarity, const float *visual, uint32_t n_channels,
                          uint32_t n_positions, uint32_t n_sources, int rule, float *out_maps, uint32_t *out_picks) {
    oai_scene scene = {similarity, visual, n_channels, n_positions};
    size_t n_work = 2 * (size_t)n_channels + n_positions;
    double *work = oai_alloc(host, n_work * sizeof *work);
    bool *taken = oai_calloc(host, n_positions, sizeof *taken);
    if (!work || !taken) {
        oai_free(host, work);
        oai_free(host, taken);
        return oai_no_memory(n_work * sizeof *work, "the identification of sources");
    }
    double *negative = work, *object = work + n_channels, *rest = object + n_channels;
    negative_object(&scene, negative);
    for (uint32_t p = 0; p < n_positions; p++) rest[p] = similarity[p];
    for (uint32_t k = 0; k < n_sources; k++) {
        uint32_t pick = first_argmax(rest, n_positions);
        for (uint32_t c = 0; c < n_channels; c++) object[c] = sounding(&scene, c, pick);
        for (uint32_t p = 0; p < n_positions; p++) {
            double to_object = distance(&scene, p, object);
            out_maps[(size_t)k * n_positions + p] = (float)-to_object;
            if (taken[p] || to_object >= distance(&scene, p, negative)) continue;
            taken[p] = true;
            rest[p] = 0;
        }
        if (rule == OAI_IDENTIFY_SUPPRESS)
            for (uint32_t p = 0; p < n_positions; p++) rest[p] *= 1 - fmin(1, fmax(0, cosine(&scene, p, pick)));
        out_picks[k] = pick;
    }
    oai_free(host, taken);
    oai_free(host, work);
    return OASSL_STATUS_OK;
}
