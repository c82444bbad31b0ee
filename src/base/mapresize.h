/* Resizing heat-maps (metrics.md 2.3): separable, border clamped, no antialias. */
#ifndef OAI_BASE_MAPRESIZE_H
#define OAI_BASE_MAPRESIZE_H

#include "base/host.h"

/* Values are OASSL_MAP_* of oassl/metric.h. */
enum {
    OAI_MAP_BILINEAR_HALF_PIXEL = 0,
    OAI_MAP_BILINEAR_CORNERS = 1,
    OAI_MAP_BICUBIC_HALF_PIXEL = 2,
    OAI_MAP_BICUBIC_CORNERS = 3
};

/* [in_h, in_w] -> [out_h, out_w], row major, different memory.  All sides >= 1.  Weights and sums are double. */
oassl_status oai_map_resize(const oai_host *host, int32_t how, const double *map, int64_t in_h, int64_t in_w,
                            double *out_map, int64_t out_h, int64_t out_w);
oassl_status oai_map_resize_f32(const oai_host *host, int32_t how, const float *map, int64_t in_h, int64_t in_w,
                                float *out_map, int64_t out_h, int64_t out_w);

#endif
