/* Localisation: a picture and about three seconds of sound in, heat-map, peaks, boxes and confidence out.
 *
 * A localizer is one session on a model: cheap to create, used by one thread at a time; any number of them share one
 * model.  The results belong to the localizer and stay valid until its next call or its destruction.
 *
 * The heat-map is the cosine similarity S of models.md 3.1 between the sound's vector and every position of the visual
 * feature map, brought to picture size by half-pixel bilinear interpolation: values in [-1, 1], higher is louder.
 * With K > 1 the sources are separated by the iterative identification of losses.md 7 with K known.
 *
 * Example:
 *   oassl_localizer *localizer;
 *   oassl_localizer_create(model, NULL, &localizer);
 *   oassl_image picture = {.rgb = rgb, .width = width, .height = height, .row_bytes = 3 * width};
 *   oassl_audio sound = {.samples = pcm, .frames = n_frames, .channels = 2, .rate = 44100};
 *   const oassl_localization *found;
 *   if (oassl_localizer_run(localizer, &picture, &sound, &found) == OASSL_STATUS_OK)
 *       printf("%d %d, confidence %.2f\n", found->sources[0].peak_x, found->sources[0].peak_y,
 *              found->sources[0].confidence);
 *   oassl_localizer_destroy(localizer); */
#ifndef OASSL_LOCALIZER_H
#define OASSL_LOCALIZER_H

#include "audio.h"
#include "context.h"
#include "image.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_localizer oassl_localizer;

/* How K sources are told apart: exactly as losses.md 7 (published); or with what resembles the source just found losing
 * its similarity too, which keeps the second pick off the first source's rim on fine grids. */
enum { OASSL_IDENTIFY_PUBLISHED = 0, OASSL_IDENTIFY_SUPPRESS = 1 };

typedef struct oassl_localizer_options {
    uint32_t struct_size;
    uint32_t n_sources;     /* K, 1..8; 0 = 1 */
    /* Network input in pixels; 0 = the square side the model was trained with.  A composed duet of two square
     * pictures side by side wants input_width = 2 * input_height. */
    uint32_t input_width, input_height;
    int32_t known_distance; /* 1: with K = 1 too, the map is the identification's negative distance, not S */
    int32_t identify;       /* OASSL_IDENTIFY_* */
} oassl_localizer_options;

#define OASSL_LOCALIZER_OPTIONS_INIT {sizeof(oassl_localizer_options)}

/* `model` must outlive the localizer.  `options` may be NULL. */
OASSL_API oassl_status oassl_localizer_create(const oassl_model *model, const oassl_localizer_options *options,
                                              oassl_localizer **out_localizer);
OASSL_API void oassl_localizer_destroy(oassl_localizer *localizer);

typedef struct oassl_localized_source {
    const float *map;    /* [height * width] of the picture */
    const float *grid;   /* [grid_height * grid_width], before interpolation */
    int32_t peak_x, peak_y; /* pixel of the maximum */
    float peak;          /* the map's value there */
    float similarity;    /* cosine between the sound and the picture at the peak, in [-1, 1] */
    float confidence;    /* probability that this picture shows what makes this sound, in [0, 1] */
    int32_t box[4];      /* x0 y0 x1 y1, half open: the region around the peak above the half-way value */
} oassl_localized_source;

typedef struct oassl_localization {
    uint32_t struct_size;
    uint32_t n_sources;
    uint32_t width, height;
    uint32_t grid_width, grid_height;
    float confidence;    /* the best of the sources' */
    int32_t calibrated;  /* 1: confidence was fitted on validation pairs; 0: (1 + similarity) / 2 */
    const oassl_localized_source *sources; /* [n_sources], in the order of identification */
} oassl_localization;

/* Picture and sound as image.h and audio.h describe them: any size and row stride, any rate and channel count.
 * NON_FINITE names the first NaN sample; INVALID_ARGUMENT an empty picture or sound. */
OASSL_API oassl_status oassl_localizer_run(oassl_localizer *localizer, const oassl_image *picture,
                                           const oassl_audio *sound, const oassl_localization **out_found);

#ifdef __cplusplus
}
#endif
#endif
