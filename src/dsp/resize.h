/* Resizing, by the kernels of oassl/image.h (OASSL_RESIZE_*). */
#ifndef OAI_DSP_RESIZE_H
#define OAI_DSP_RESIZE_H

#include "base/host.h"
#include "oassl/image.h"

enum { OAI_RESIZE_MAX_SIDE = 1 << 16 };

/* 8-bit, interleaved channels (1 to 4), PILLOW_* kernels: horizontal pass, rounding to 8 bits, vertical pass. */
oassl_status oai_resize_u8(const oai_host *host, const uint8_t *in, int32_t in_width, int32_t in_height,
                           int64_t in_row_bytes, int32_t channels, int32_t kernel, uint8_t *out, int32_t out_width,
                           int32_t out_height, int64_t out_row_bytes);

/* One float plane, the other kernels; strides in elements.  Sums are formed in double. */
oassl_status oai_resize_f32(const oai_host *host, const float *in, int32_t in_width, int32_t in_height,
                            int64_t in_stride, int32_t kernel, float *out, int32_t out_width, int32_t out_height,
                            int64_t out_stride);

static inline int oai_resize_is_u8(int32_t kernel) {
    return kernel == OASSL_RESIZE_PILLOW_BICUBIC || kernel == OASSL_RESIZE_PILLOW_BILINEAR;
}

#endif
