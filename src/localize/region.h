/* From a heat-map to what a program wants to know: its peak and a box around it. */
#ifndef OAI_LOCALIZE_REGION_H
#define OAI_LOCALIZE_REGION_H

#include "base/host.h"

typedef struct oai_region {
    int32_t peak_x, peak_y;
    float peak;
    int32_t box[4]; /* x0 y0 x1 y1, half open */
} oai_region;

/* The box bounds the connected region (4 neighbours) around the first maximum whose values are at least half-way
 * between the map's minimum and maximum. */
oassl_status oai_find_region(const oai_host *host, const float *map, int32_t width, int32_t height, oai_region *out_region);

#endif
