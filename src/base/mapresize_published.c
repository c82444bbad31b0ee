#include <math.h>
#include <stdbool.h>

#include "base/mapresize.h"

/* Every product, sum and fused sum below is the libraries' own, in their order: the compiler must not fuse others. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

/* fmaf is one instruction in the clone, a function call elsewhere: slow, with the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__FMA__)
#define HAS_CLONE 1
#endif
#define INLINE static inline __attribute__((always_inline))

typedef struct tap {
    int64_t at[4];
    float w[4];
} tap;

static int64_t clamp_index(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* ---- where output pixels lie ------------------------------------------------------------------------------------ */

/* Keys' cubic, a = -0.75, up to 1 away and from 1 to 2. */
static float torch_near(float x) {
    const float a = -0.75f;
    return fmaf(a + 2, x, -(a + 3)) * x * x + 1;
}

static float torch_far(float x) {
    const float a = -0.75f;
    return fmaf(fmaf(a, x, -5 * a), x, 8 * a) * x - 4 * a;
}

static void torch_taps(int32_t how, int64_t in, int64_t out, tap *taps) {
    bool corners = how & 1, bicubic = how & 2;
    float scale = corners ? (out > 1 ? (float)(in - 1) / (float)(out - 1) : 0) : (float)in / (float)out;
    for (int64_t o = 0; o < out; o++) {
        float x = corners   ? scale * (float)o
                  : bicubic ? fmaf(scale, (float)o + 0.5f, -0.5f)
                            : scale * ((float)o + 0.5f) - 0.5f;
        if (!bicubic && x < 0) x = 0;
        int64_t first = (int64_t)floorf(x);
        if (first > in - 1) first = in - 1;
        float t = x - (float)first;
        t = t < 0 ? 0 : t > 1 ? 1 : t;
        for (int64_t k = 0; k < 4; k++) taps[o].at[k] = clamp_index(first + k - (bicubic ? 1 : 0), in);
        taps[o].w[0] = bicubic ? torch_far(t + 1) : 1 - t;
        taps[o].w[1] = bicubic ? torch_near(t) : t;
        taps[o].w[2] = bicubic ? torch_near(1 - t) : 0;
        taps[o].w[3] = bicubic ? torch_far(1 - t + 1) : 0;
    }
}

/* OpenCV zeroes the fraction at the border of a row, but not of a column. */
static void opencv_taps(int32_t how, bool row, int64_t in, int64_t out, tap *taps) {
    const float a = -0.75f;
    bool bicubic = how & 2;
    double scale = 1 / ((double)out / (double)in);
    for (int64_t o = 0; o < out; o++) {
        float x = (float)(((double)o + 0.5) * scale - 0.5), f;
        int64_t first = (int64_t)floorf(x);
        f = x - (float)first;
        if (!bicubic && row && (first < 0 || first >= in - 1)) f = 0, first = clamp_index(first, in);
        for (int64_t k = 0; k < 4; k++) taps[o].at[k] = clamp_index(first + k - (bicubic ? 1 : 0), in);
        float *w = taps[o].w;
        w[0] = bicubic ? ((a * (f + 1) - 5 * a) * (f + 1) + 8 * a) * (f + 1) - 4 * a : 1 - f;
        w[1] = bicubic ? ((a + 2) * f - (a + 3)) * f * f + 1 : f;
        w[2] = bicubic ? ((a + 2) * (1 - f) - (a + 3)) * (1 - f) * (1 - f) + 1 : 0;
        w[3] = bicubic ? 1 - w[0] - w[1] - w[2] : 0;
    }
}

/* ---- sums --------------------------------------------------------------------------------------------------------
 */

enum { TORCH_LINEAR, TORCH_CUBIC, OPENCV_LINEAR, OPENCV_CUBIC };

/* Two taps or four; OpenCV adds up columns from the far end. */
INLINE float combine(int32_t kind, bool vertical, const float *w, float a, float b, float c, float d) {
    switch (kind) {
    case TORCH_LINEAR: return fmaf(a, w[0], b * w[1]);
    case TORCH_CUBIC: return fmaf(d, w[3], fmaf(c, w[2], fmaf(a, w[0], b * w[1])));
    case OPENCV_LINEAR: return a * w[0] + b * w[1];
    default:
        if (vertical) return a * w[0] + (b * w[1] + (c * w[2] + d * w[3]));
        return a * w[0] + b * w[1] + c * w[2] + d * w[3];
    }
}

/* All rows first, then columns of them: the order of both libraries. */
INLINE void resize(int32_t kind, const tap *rows, const tap *columns, const float *map, int64_t in_h, int64_t in_w,
                   float *wide, float *out, int64_t out_h, int64_t out_w) {
    for (int64_t y = 0; y < in_h; y++) {
        const float *line = map + y * in_w;
        for (int64_t x = 0; x < out_w; x++) {
            const int64_t *at = columns[x].at;
            wide[y * out_w + x] =
                combine(kind, false, columns[x].w, line[at[0]], line[at[1]], line[at[2]], line[at[3]]);
        }
    }
    for (int64_t y = 0; y < out_h; y++) {
        const float *r[4];
        for (int64_t k = 0; k < 4; k++) r[k] = wide + rows[y].at[k] * out_w;
        for (int64_t x = 0; x < out_w; x++)
            out[y * out_w + x] = combine(kind, true, rows[y].w, r[0][x], r[1][x], r[2][x], r[3][x]);
    }
}

#define ARGUMENTS                                                                                                     \
    int32_t kind, const tap *rows, const tap *columns, const float *map, int64_t in_h, int64_t in_w, float *wide,     \
        float *out, int64_t out_h, int64_t out_w

INLINE void resize_of(ARGUMENTS) {
    switch (kind) {
    case TORCH_LINEAR: resize(TORCH_LINEAR, rows, columns, map, in_h, in_w, wide, out, out_h, out_w); return;
    case TORCH_CUBIC: resize(TORCH_CUBIC, rows, columns, map, in_h, in_w, wide, out, out_h, out_w); return;
    case OPENCV_LINEAR: resize(OPENCV_LINEAR, rows, columns, map, in_h, in_w, wide, out, out_h, out_w); return;
    default: resize(OPENCV_CUBIC, rows, columns, map, in_h, in_w, wide, out, out_h, out_w); return;
    }
}

static void resize_plain(ARGUMENTS) { resize_of(kind, rows, columns, map, in_h, in_w, wide, out, out_h, out_w); }

#if HAS_CLONE
__attribute__((target("avx2,fma"))) static void resize_fused(ARGUMENTS) {
    resize_of(kind, rows, columns, map, in_h, in_w, wide, out, out_h, out_w);
}
#endif

oassl_status oai_map_resize_published(const oai_host *host, int32_t library, int32_t how, const float *map,
                                      int64_t in_h, int64_t in_w, float *out_map, int64_t out_h, int64_t out_w) {
    if (how < 0 || how > 3 || in_h < 1 || in_w < 1 || out_h < 1 || out_w < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "map resize: kernel %d, %lld x %lld to %lld x %lld", how,
                        (long long)in_h, (long long)in_w, (long long)out_h, (long long)out_w);
    tap *rows = oai_calloc(host, (size_t)out_h, sizeof *rows),
        *columns = oai_calloc(host, (size_t)out_w, sizeof *columns);
    float *wide = oai_calloc(host, (size_t)in_h * (size_t)out_w, sizeof *wide);
    oassl_status status = OASSL_STATUS_OK;
    if (rows && columns && wide) {
        bool torch = library == OAI_RESIZE_TORCH;
        int32_t kind = (torch ? TORCH_LINEAR : OPENCV_LINEAR) + (how & 2 ? 1 : 0);
        if (torch)
            torch_taps(how, in_h, out_h, rows), torch_taps(how, in_w, out_w, columns);
        else
            opencv_taps(how, false, in_h, out_h, rows), opencv_taps(how, true, in_w, out_w, columns);
#if HAS_CLONE
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            resize_fused(kind, rows, columns, map, in_h, in_w, wide, out_map, out_h, out_w);
        else
#endif
            resize_plain(kind, rows, columns, map, in_h, in_w, wide, out_map, out_h, out_w);
    } else {
        status = oai_no_memory((size_t)(out_h + out_w) * sizeof *rows, "a map's resizing");
    }
    oai_free(host, rows);
    oai_free(host, columns);
    oai_free(host, wide);
    return status;
}
