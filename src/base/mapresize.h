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

/* The same kernels in the very arithmetic of the libraries that published evaluators call, so that ties stay ties and break
 * where theirs do: bit for bit PyTorch's F.interpolate on a CPU with FMA (AVX2 and AVX512 agree; builds without FMA, and GPUs,
 * differ in the last bits), and OpenCV's own cv2.resize (4.5 to 5.0, with and without SIMD; on x86 the wheels of PyPI hand
 * resizing to Intel's IPP instead, whose last bits depend on its version: cv2.ipp.setUseIPP(False) for OpenCV's own). */
enum { OAI_RESIZE_TORCH, OAI_RESIZE_OPENCV };
oassl_status oai_map_resize_published(const oai_host *host, int32_t library, int32_t how, const float *map, int64_t in_h,
                                      int64_t in_w, float *out_map, int64_t out_h, int64_t out_w);

#endif
