/* Pictures -> network input: which part of the picture, at which size, by which kernel, normalised how.
 *
 * A plan fixes all of it for one picture (also the random choices of training), so that boxes, maps and the pixels
 * themselves go through the same geometry. */
#ifndef OAI_DSP_IMAGE_PRESET_H
#define OAI_DSP_IMAGE_PRESET_H

#include "base/host.h"
#include "base/rng.h"
#include "oassl/image.h"

typedef struct oai_image_rules {
    int32_t size;     /* side of the input */
    int32_t kernel;   /* OASSL_RESIZE_* */
    int32_t geometry; /* OASSL_IMAGE_GEOMETRY_*: STRETCH or CROP (test; training always crops at random) */
    int32_t flip;     /* training flips with probability 1/2 */
    float mean[3], std[3];
} oai_image_rules;

typedef struct oai_image_plan {
    oai_image_rules rules;
    int32_t picture_width, picture_height;
    int32_t resized_width, resized_height; /* the whole picture is resized to this, */
    int32_t crop_x, crop_y;                /* then size x size pixels from here are taken, */
    int32_t flip;                          /* and mirrored left to right */
} oai_image_plan;

/* `options` may be NULL; its struct_size has been dealt with. */
oassl_status oai_image_resolve(const oassl_image_options *options, oai_image_rules *out_rules);

/* Test geometry. */
oassl_status oai_image_plan_test(const oai_image_rules *rules, int32_t width, int32_t height,
                                 oai_image_plan *out_plan);
/* Training geometry: shorter side to trunc(1.1 size), random crop, random flip.  Always draws three numbers. */
oassl_status oai_image_plan_train(const oai_image_rules *rules, int32_t width, int32_t height, oai_rng *rng,
                                  oai_image_plan *out_plan);

/* Writes [3, size, size]; plane c starts at out + c * plane_stride, row y at + y * row_stride (elements), so that
 * mixtures can be written side by side into one wider or higher input. */
oassl_status oai_image_apply(const oai_host *host, const oai_image_plan *plan, const oassl_image *image, float *out,
                             int64_t plane_stride, int64_t row_stride);

void oai_image_plan_placement(const oai_image_plan *plan, oassl_image_placement *out_placement);
void oai_box_to_input(const oassl_image_placement *placement, const double *box, double *out_box);
void oai_box_to_picture(const oassl_image_placement *placement, const double *box, double *out_box);

/* A map over the input as a map over the picture; the minimum where the input does not reach. */
oassl_status oai_map_to_picture(const oai_host *host, const oai_image_plan *plan, const float *map, int32_t map_width,
                                int32_t map_height, int32_t kernel, float *out_map);

oassl_status oai_image_preset_find(const char *name, int32_t *out_preset);
const char *oai_image_preset_name(int32_t preset);

#endif
