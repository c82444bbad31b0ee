/* A heat-map and marks drawn over a picture. */
#ifndef OAI_DSP_OVERLAY_H
#define OAI_DSP_OVERLAY_H

#include "base/host.h"
#include "oassl/image.h"

/* Colour of v in [0, 1] (clipped). */
void oai_colormap(int32_t colormap, double v, uint8_t *out_rgb);

/* Blends the map (any resolution, over the whole picture) into `image` in place. */
oassl_status oai_overlay_map(const oai_host *host, const oassl_overlay_options *options, const float *map,
                             int32_t map_width, int32_t map_height, oassl_image *image);

/* Outlines with a dark rim, so that they show on any ground; thickness follows the picture's size. */
oassl_status oai_overlay_marks(const oassl_overlay_mark *marks, uint32_t n_marks, oassl_image *image);

#endif
