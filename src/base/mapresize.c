#include "base/mapresize.h"

#include <math.h>
#include <stdbool.h>

typedef struct tap {
    int64_t at[4];
    double weight[4];
} tap;

static int64_t clamp_index(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* Keys' cubic with a = -0.75. */
static double cubic(double d) {
    const double a = -0.75;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static void make_taps(int32_t how, int64_t in, int64_t out, tap *taps) {
    bool corners = how & 1, bicubic = how & 2;
    for (int64_t o = 0; o < out; o++) {
        double x = corners ? (out > 1 ? (double)o * (double)(in - 1) / (double)(out - 1) : 0.0)
                           : ((double)o + 0.5) * (double)in / (double)out - 0.5;
        if (!bicubic && x < 0) x = 0;
        int64_t first = (int64_t)floor(x);
        double frac = x - (double)first;
        for (int64_t k = 0; k < 4; k++) { /* at distance k-1 from the first; bilinear's outer two weigh nothing */
            taps[o].at[k] = clamp_index(first + k - 1, in);
            taps[o].weight[k] = bicubic ? cubic(fabs(frac - (double)(k - 1))) : k == 1 ? 1 - frac : k == 2 ? frac : 0;
        }
    }
}

/* The weighted sum of a tap's four values.  Weights add up to 1, so it is written as differences from the second: a
 * flat region stays exactly flat and its ties stay ties. */
static inline double combine(const double *w, double a, double b, double c, double d) {
    return b + w[0] * (a - b) + w[2] * (c - b) + w[3] * (d - b);
}

/* Row by row: the four rows under a tap are combined first, then columns. */
static void resize(const tap *rows, const tap *columns, const double *map, int64_t in_w, double *line, double *out_map,
                   int64_t out_h, int64_t out_w) {
    for (int64_t y = 0; y < out_h; y++) {
        const tap *t = &rows[y];
        const double *r[4];
        for (int64_t k = 0; k < 4; k++) r[k] = map + t->at[k] * in_w;
        for (int64_t x = 0; x < in_w; x++) line[x] = combine(t->weight, r[0][x], r[1][x], r[2][x], r[3][x]);
        for (int64_t x = 0; x < out_w; x++) {
            const tap *c = &columns[x];
            out_map[y * out_w + x] =
                combine(c->weight, line[c->at[0]], line[c->at[1]], line[c->at[2]], line[c->at[3]]);
        }
    }
}

oassl_status oai_map_resize(const oai_host *host, int32_t how, const double *map, int64_t in_h, int64_t in_w,
                            double *out_map, int64_t out_h, int64_t out_w) {
    if (how < 0 || how > 3 || in_h < 1 || in_w < 1 || out_h < 1 || out_w < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "map resize: kernel %d, %lld x %lld to %lld x %lld", how,
                        (long long)in_h, (long long)in_w, (long long)out_h, (long long)out_w);
    tap *rows = oai_calloc(host, (size_t)out_h, sizeof *rows),
        *columns = oai_calloc(host, (size_t)out_w, sizeof *columns);
    double *line = oai_calloc(host, (size_t)in_w, sizeof *line);
    oassl_status status = OASSL_STATUS_OK;
    if (rows && columns && line) {
        make_taps(how, in_h, out_h, rows);
        make_taps(how, in_w, out_w, columns);
        resize(rows, columns, map, in_w, line, out_map, out_h, out_w);
    } else {
        status = oai_no_memory((size_t)(out_h + out_w) * sizeof *rows, "a map's resizing");
    }
    oai_free(host, rows);
    oai_free(host, columns);
    oai_free(host, line);
    return status;
}

oassl_status oai_map_resize_f32(const oai_host *host, int32_t how, const float *map, int64_t in_h, int64_t in_w,
                                float *out_map, int64_t out_h, int64_t out_w) {
    if (in_h < 1 || in_w < 1 || out_h < 1 || out_w < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "map resize: a side below 1");
    size_t n_in = (size_t)(in_h * in_w), n_out = (size_t)(out_h * out_w);
    double *in = oai_calloc(host, n_in, sizeof *in), *out = oai_calloc(host, n_out, sizeof *out);
    oassl_status status = in && out ? OASSL_STATUS_OK : oai_no_memory((n_in + n_out) * sizeof *in, "a map's resizing");
    for (size_t i = 0; status == OASSL_STATUS_OK && i < n_in; i++) in[i] = map[i];
    if (status == OASSL_STATUS_OK) status = oai_map_resize(host, how, in, in_h, in_w, out, out_h, out_w);
    for (size_t i = 0; status == OASSL_STATUS_OK && i < n_out; i++) out_map[i] = (float)out[i];
    oai_free(host, in);
    oai_free(host, out);
    return status;
}
