#include "dsp/resize.h"

#include <math.h>
#include <string.h>

/* Everything here is a separable weighted sum, so a kernel is reduced to one table for each axis: output i is the sum
 * over k < count[i] of weight[i * most + k] * in[first[i] + k]. */
struct taps {
    int32_t most;
    int32_t *first, *count;
    double *weight;
    int32_t *fixed; /* weights times 2^22, for the 8-bit kernels */
    void *memory;
};

enum { FIXED_BITS = 22 };

static double cubic(double t, double a) {
    t = fabs(t);
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
    return 0;
}

static double triangle(double t) { return fabs(t) < 1 ? 1 - fabs(t) : 0; }

static int is_cubic(int32_t kernel) {
    return kernel == OASSL_RESIZE_PILLOW_BICUBIC || kernel == OASSL_RESIZE_BICUBIC ||
           kernel == OASSL_RESIZE_BICUBIC_ANTIALIAS || kernel == OASSL_RESIZE_BICUBIC_CORNERS;
}

static int is_antialiased(int32_t kernel) {
    return oai_resize_is_u8(kernel) || kernel == OASSL_RESIZE_BICUBIC_ANTIALIAS ||
           kernel == OASSL_RESIZE_BILINEAR_ANTIALIAS;
}

/* The kernel is widened by the reduction factor; taps outside are left out and the rest rescaled to sum 1.  The order
 * of operations is Pillow's, so that the fixed-point weights come out the same to the last bit. */
static void antialiased_taps(struct taps *t, int32_t in, int32_t out, int cubic_kernel) {
    double scale = (double)in / out, widen = scale < 1 ? 1 : scale, narrow = 1 / widen;
    double support = (cubic_kernel ? 2 : 1) * widen;
    for (int32_t i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0, *w = t->weight + (size_t)i * t->most;
        int32_t from = (int32_t)(centre - support + 0.5), to = (int32_t)(centre + support + 0.5);
        if (from < 0) from = 0;
        if (to > in) to = in;
        t->first[i] = from;
        t->count[i] = to - from;
        for (int32_t k = 0; k < to - from; k++) {
            double at = (k + from - centre + 0.5) * narrow;
            w[k] = cubic_kernel ? cubic(at, -0.5) : triangle(at);
            sum += w[k];
        }
        for (int32_t k = 0; k < to - from && sum != 0; k++) w[k] /= sum;
    }
}

/* Two or four taps around the source coordinate; taps beyond the border add their weight to the border's. */
static void interpolating_taps(struct taps *t, int32_t in, int32_t out, int32_t kernel) {
    const int cubic_kernel = is_cubic(kernel), before = cubic_kernel ? 1 : 0, reach = cubic_kernel ? 2 : 1;
    const int corners = kernel == OASSL_RESIZE_BICUBIC_CORNERS || kernel == OASSL_RESIZE_BILINEAR_CORNERS;
    for (int32_t i = 0; i < out; i++) {
        double x = corners ? (out > 1 ? (double)i * (in - 1) / (out - 1) : 0) : (i + 0.5) * in / out - 0.5;
        if (!cubic_kernel && x < 0) x = 0;
        int32_t base = (int32_t)floor(x);
        int32_t first = base - before < 0 ? 0 : base - before > in - 1 ? in - 1 : base - before;
        double *w = t->weight + (size_t)i * t->most;
        memset(w, 0, (size_t)t->most * sizeof *w);
        t->first[i] = first;
        for (int32_t k = base - before; k <= base + reach; k++) {
            int32_t clamped = k < 0 ? 0 : k > in - 1 ? in - 1 : k;
            w[clamped - first] += cubic_kernel ? cubic(x - k, -0.75) : triangle(x - k);
            t->count[i] = clamped - first + 1;
        }
    }
}

static oassl_status make_taps(const oai_host *host, int32_t in, int32_t out, int32_t kernel, struct taps *t) {
    int antialiased = is_antialiased(kernel);
    double widen = antialiased && in > out ? (double)in / out : 1;
    t->most = antialiased ? 2 * (int32_t)ceil((is_cubic(kernel) ? 2 : 1) * widen) + 1 : 4;
    size_t n = (size_t)out, weights = n * (size_t)t->most;
    size_t bytes = weights * (sizeof(double) + sizeof(int32_t)) + 2 * n * sizeof(int32_t);
    t->memory = oai_alloc(host, bytes);
    if (!t->memory) return oai_no_memory(bytes, "resizing weights");
    t->weight = t->memory;
    t->fixed = (int32_t *)(t->weight + weights);
    t->first = t->fixed + weights;
    t->count = t->first + n;
    if (!antialiased) {
        interpolating_taps(t, in, out, kernel);
        return OASSL_STATUS_OK;
    }
    antialiased_taps(t, in, out, is_cubic(kernel));
    if (!oai_resize_is_u8(kernel)) return OASSL_STATUS_OK;
    for (int32_t i = 0; i < out; i++)
        for (int32_t k = 0; k < t->count[i]; k++) {
            double w = t->weight[(size_t)i * t->most + k] * (1 << FIXED_BITS);
            t->fixed[(size_t)i * t->most + k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
    return OASSL_STATUS_OK;
}

static oassl_status check_sides(int32_t in_width, int32_t in_height, int32_t out_width, int32_t out_height) {
    const int32_t sides[] = {in_width, in_height, out_width, out_height};
    for (int i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > OAI_RESIZE_MAX_SIDE)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resize %dx%d to %dx%d: sides must be 1 to %d", in_width,
                            in_height, out_width, out_height, OAI_RESIZE_MAX_SIDE);
    return OASSL_STATUS_OK;
}

/* ---- 8 bits ---- */

static uint8_t round_fixed(int32_t sum) {
    int32_t v = sum >> FIXED_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_u8(const struct taps *t, const uint8_t *in, int32_t channels, uint8_t *out, int32_t out_width) {
    for (int32_t x = 0; x < out_width; x++) {
        const int32_t *w = t->fixed + (size_t)x * t->most, count = t->count[x];
        const uint8_t *from = in + (size_t)t->first[x] * channels;
        if (channels == 3) { /* one walk over the pixels instead of three */
            int32_t r = 1 << (FIXED_BITS - 1), g = r, b = r;
            for (int32_t k = 0; k < count; k++) {
                r += from[3 * k] * w[k];
                g += from[3 * k + 1] * w[k];
                b += from[3 * k + 2] * w[k];
            }
            out[3 * x] = round_fixed(r), out[3 * x + 1] = round_fixed(g), out[3 * x + 2] = round_fixed(b);
            continue;
        }
        for (int32_t c = 0; c < channels; c++) {
            int32_t sum = 1 << (FIXED_BITS - 1);
            for (int32_t k = 0; k < count; k++) sum += from[(size_t)k * channels + c] * w[k];
            out[x * channels + c] = round_fixed(sum);
        }
    }
}

static void column_u8(const struct taps *t, int32_t y, const uint8_t *in, int64_t stride, int32_t n, uint8_t *out) {
    enum { STRIP = 256 };
    int32_t sums[STRIP];
    for (int32_t at = 0; at < n; at += STRIP) {
        int32_t part = n - at < STRIP ? n - at : STRIP;
        for (int32_t j = 0; j < part; j++) sums[j] = 1 << (FIXED_BITS - 1);
        for (int32_t k = 0; k < t->count[y]; k++) {
            const uint8_t *row = in + (t->first[y] + k) * stride + at;
            int32_t w = t->fixed[(size_t)y * t->most + k];
            for (int32_t j = 0; j < part; j++) sums[j] += row[j] * w;
        }
        for (int32_t j = 0; j < part; j++) out[at + j] = round_fixed(sums[j]);
    }
}

oassl_status oai_resize_u8(const oai_host *host, const uint8_t *in, int32_t in_width, int32_t in_height,
                           int64_t in_row_bytes, int32_t channels, int32_t kernel, uint8_t *out, int32_t out_width,
                           int32_t out_height, int64_t out_row_bytes) {
    OAI_TRY(check_sides(in_width, in_height, out_width, out_height));
    if (channels < 1 || channels > 4 || !oai_resize_is_u8(kernel))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resize of %d 8-bit channels by kernel %d", channels, kernel);
    struct taps across = {0}, down = {0};
    const size_t row = (size_t)out_width * channels, bytes = row * (size_t)in_height;
    uint8_t *wide = NULL;
    const uint8_t *from = in;
    int64_t stride = in_row_bytes;
    oassl_status status = OASSL_STATUS_OK;
    if (out_width != in_width) { /* a pass that changes nothing is skipped, as in Pillow */
        OAI_TRY_GOTO(status, make_taps(host, in_width, out_width, kernel, &across), done);
        wide = oai_alloc(host, bytes);
        if (!wide) OAI_TRY_GOTO(status, oai_no_memory(bytes, "a resized picture"), done);
        for (int32_t y = 0; y < in_height; y++)
            row_u8(&across, in + y * in_row_bytes, channels, wide + (size_t)y * row, out_width);
        from = wide;
        stride = (int64_t)row;
    }
    if (out_height != in_height) OAI_TRY_GOTO(status, make_taps(host, in_height, out_height, kernel, &down), done);
    for (int32_t y = 0; y < out_height; y++) {
        if (down.memory)
            column_u8(&down, y, from, stride, (int32_t)row, out + y * out_row_bytes);
        else
            memcpy(out + y * out_row_bytes, from + y * stride, row);
    }
done:
    oai_free(host, across.memory);
    oai_free(host, down.memory);
    oai_free(host, wide);
    return status;
}

/* ---- float ---- */

static void row_f32(const struct taps *t, const float *in, float *out, int32_t out_width) {
    for (int32_t x = 0; x < out_width; x++) {
        const double *w = t->weight + (size_t)x * t->most;
        double sum = 0;
        for (int32_t k = 0; k < t->count[x]; k++) sum += w[k] * in[t->first[x] + k];
        out[x] = (float)sum;
    }
}

static void column_f32(const struct taps *t, int32_t y, const float *in, int32_t n, float *out) {
    enum { STRIP = 128 };
    double sums[STRIP];
    for (int32_t at = 0; at < n; at += STRIP) {
        int32_t part = n - at < STRIP ? n - at : STRIP;
        memset(sums, 0, sizeof sums);
        for (int32_t k = 0; k < t->count[y]; k++) {
            const float *row = in + (size_t)(t->first[y] + k) * n + at;
            double w = t->weight[(size_t)y * t->most + k];
            for (int32_t j = 0; j < part; j++) sums[j] += w * row[j];
        }
        for (int32_t j = 0; j < part; j++) out[at + j] = (float)sums[j];
    }
}

oassl_status oai_resize_f32(const oai_host *host, const float *in, int32_t in_width, int32_t in_height,
                            int64_t in_stride, int32_t kernel, float *out, int32_t out_width, int32_t out_height,
                            int64_t out_stride) {
    OAI_TRY(check_sides(in_width, in_height, out_width, out_height));
    if (kernel < OASSL_RESIZE_BICUBIC || kernel > OASSL_RESIZE_BILINEAR_CORNERS)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resize of floats by kernel %d, expected %d to %d", kernel,
                        OASSL_RESIZE_BICUBIC, OASSL_RESIZE_BILINEAR_CORNERS);
    struct taps across = {0}, down = {0};
    const size_t bytes = (size_t)out_width * (size_t)in_height * sizeof(float);
    float *wide = oai_alloc(host, bytes);
    oassl_status status = wide ? OASSL_STATUS_OK : oai_no_memory(bytes, "a resized map");
    if (status == OASSL_STATUS_OK) status = make_taps(host, in_width, out_width, kernel, &across);
    if (status == OASSL_STATUS_OK) status = make_taps(host, in_height, out_height, kernel, &down);
    if (status == OASSL_STATUS_OK) {
        for (int32_t y = 0; y < in_height; y++)
            row_f32(&across, in + y * in_stride, wide + (size_t)y * out_width, out_width);
        for (int32_t y = 0; y < out_height; y++) column_f32(&down, y, wide, out_width, out + y * out_stride);
    }
    oai_free(host, across.memory);
    oai_free(host, down.memory);
    oai_free(host, wide);
    return status;
}
