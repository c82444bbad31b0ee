#include "dsp/spectrogram.h"

#include <math.h>
#include <string.h>

/* Four segments are transformed side by side, one in each lane of a vector, and the four values of a row are
 * neighbours in the output.  The 512 real samples are packed into a 256-point complex transform. */
enum { LANES = 4, POINTS = OAI_SEGMENT / 2 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)))); /* GCC and Clang, any processor */

/* The clones use no fused multiply-add, so every machine gives the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&              \
    !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

struct tables {
    double window[OAI_SEGMENT];
    double cosine[OAI_SEGMENT], sine[OAI_SEGMENT]; /* exp(-2 pi i k / 512) */
    uint8_t reversed[POINTS];                      /* base-4 digits of the index, reversed */
};

struct block {
    lanes re[POINTS], im[POINTS];
};

void oai_tukey_window(double *out_window) {
    const double alpha = 0.25;
    for (int k = 0; k < OAI_SEGMENT; k++) {
        double x = 2.0 * k / (alpha * OAI_SEGMENT); /* 1 where the flat part starts */
        double fall = x - 2 / alpha + 1;            /* 0 where it ends */
        if (x < 1)
            out_window[k] = 0.5 * (1 + cos(M_PI * (x - 1)));
        else if (fall > 0)
            out_window[k] = 0.5 * (1 + cos(M_PI * fall));
        else
            out_window[k] = 1;
    }
}

static void make_tables(struct tables *t) {
    oai_tukey_window(t->window);
    for (int k = 0; k < OAI_SEGMENT; k++) {
        t->cosine[k] = cos(2 * M_PI * k / OAI_SEGMENT);
        t->sine[k] = -sin(2 * M_PI * k / OAI_SEGMENT);
    }
    for (int i = 0; i < POINTS; i++)
        t->reversed[i] = (uint8_t)((i & 3) << 6 | (i & 12) << 2 | (i & 48) >> 2 | (i & 192) >> 6);
}

int64_t oai_spectrogram_columns(int64_t n, int32_t overlap) {
    return n < OAI_SEGMENT ? 0 : (n - overlap) / (OAI_SEGMENT - overlap);
}

static double mean_of(const double *x) {
    lanes sum = {0}, other = {0}, part;
    for (int k = 0; k < OAI_SEGMENT; k += 2 * LANES) {
        memcpy(&part, x + k, sizeof part);
        sum += part;
        memcpy(&part, x + k + LANES, sizeof part);
        other += part;
    }
    sum += other;
    return (sum[0] + sum[1] + sum[2] + sum[3]) / OAI_SEGMENT;
}

/* Four windowed segments without their means, in the order the transform wants. */
WIDE static void load(const struct tables *t, const double *const *segment, struct block *b) {
    const double *x0 = segment[0], *x1 = segment[1], *x2 = segment[2], *x3 = segment[3];
    const lanes mean = {mean_of(x0), mean_of(x1), mean_of(x2), mean_of(x3)};
    for (int i = 0; i < POINTS; i++) {
        lanes even = {x0[2 * i], x1[2 * i], x2[2 * i], x3[2 * i]};
        lanes odd = {x0[2 * i + 1], x1[2 * i + 1], x2[2 * i + 1], x3[2 * i + 1]};
        b->re[t->reversed[i]] = (even - mean) * t->window[2 * i];
        b->im[t->reversed[i]] = (odd - mean) * t->window[2 * i + 1];
    }
}

/* Radix-4 decimation in time on digit-reversed input, in place. */
WIDE static void transform(const struct tables *t, struct block *b) {
    for (int span = 1; span < POINTS; span *= 4) {
        for (int j = 0; j < span; j++) {
            int step = j * (OAI_SEGMENT / (4 * span));
            double c1 = t->cosine[step], s1 = t->sine[step], c2 = t->cosine[2 * step], s2 = t->sine[2 * step];
            double c3 = t->cosine[3 * step], s3 = t->sine[3 * step];
            for (int i = j; i < POINTS; i += 4 * span) {
                lanes *re = b->re + i, *im = b->im + i;
                lanes xr = re[span], xi = im[span], yr = re[2 * span], yi = im[2 * span];
                lanes zr = re[3 * span], zi = im[3 * span];
                lanes ar = re[0], ai = im[0], br = xr * c1 - xi * s1, bi = xr * s1 + xi * c1;
                lanes cr = yr * c2 - yi * s2, ci = yr * s2 + yi * c2, dr = zr * c3 - zi * s3, di = zr * s3 + zi * c3;
                lanes er = ar + cr, ei = ai + ci, fr = ar - cr, fi = ai - ci;
                lanes gr = br + dr, gi = bi + di, hr = br - dr, hi = bi - di;
                re[0] = er + gr, im[0] = ei + gi;
                re[span] = fr + hi, im[span] = fi - hr;
                re[2 * span] = er - gr, im[2 * span] = ei - gi;
                re[3 * span] = fr - hi, im[3 * span] = fi + hr;
            }
        }
    }
}

/* Untangles the packed transform into |X[f]|^2 for the 257 rows. */
WIDE static void power(const struct tables *t, const struct block *b, double scale, lanes *out) {
    lanes dc = b->re[0] + b->im[0], nyquist = b->re[0] - b->im[0];
    out[0] = dc * dc * scale;
    out[POINTS] = nyquist * nyquist * scale;
    for (int k = 1; k < POINTS; k++) {
        double c = t->cosine[k], s = t->sine[k];
        lanes zr = b->re[k], zi = b->im[k], yr = b->re[POINTS - k], yi = b->im[POINTS - k];
        lanes even_re = zr + yr, even_im = zi - yi, odd_re = zi + yi, odd_im = yr - zr;
        lanes xr = even_re + odd_re * c - odd_im * s, xi = even_im + odd_re * s + odd_im * c;
        out[k] = (xr * xr + xi * xi) * (0.5 * scale); /* a quarter from the halves, twice for one side */
    }
}

/* ln(x + 1e-7) / 12 in place.  The library's log() is a call per value; x + 1e-7 is always a positive normal number,
 * so mantissa and exponent can be split by integer arithmetic and the whole loop becomes vector code.  The series
 * 2 atanh(s) with |s| <= 0.172 is exact to 2e-11, far below the float it becomes. */
WIDE static void log_scale(double *x, int n) {
    for (int i = 0; i < n; i++) {
        double value = x[i] + 1e-7, exponent, m;
        uint64_t bits;
        memcpy(&bits, &value, 8);
        uint64_t above = bits - 0x3FE6A09E667F3BCDu;  /* against sqrt(1/2): the mantissa part lands in [.707, 1.414) */
        uint64_t e = ((above >> 52) + 0x800) & 0xFFF; /* exponent + 2048, free of sign */
        uint64_t rest = bits - ((e - 0x800) << 52);
        uint64_t as_double = e | 0x4330000000000000u; /* 2^52 + e */
        memcpy(&m, &rest, 8);
        memcpy(&exponent, &as_double, 8);
        exponent -= 4503599627370496.0 + 2048;
        double s = (m - 1) / (m + 1), q = s * s;
        double series = 2.0 / 11;
        series = series * q + 2.0 / 9;
        series = series * q + 2.0 / 7;
        series = series * q + 2.0 / 5;
        series = series * q + 2.0 / 3;
        series = series * q + 2.0;
        x[i] = (exponent * M_LN2 + series * s) * (1.0 / 12);
    }
}

oassl_status oai_logspec(const double *samples, int64_t n, uint32_t rate, int32_t overlap, float *out_logspec) {
    if (overlap < 0 || overlap >= OAI_SEGMENT || rate == 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "log-spectrogram: overlap %d is not in 0..511 or rate %u is 0",
                        overlap, rate);
    if (n < OAI_SEGMENT)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "log-spectrogram: %lld samples, at least %d are needed",
                        (long long)n, OAI_SEGMENT);
    struct tables t;
    struct block b;
    lanes rows[OAI_SPECTROGRAM_ROWS];
    double energy = 0;
    make_tables(&t);
    for (int k = 0; k < OAI_SEGMENT; k++) energy += t.window[k] * t.window[k];
    const double scale = 1 / (rate * energy);
    const int64_t columns = oai_spectrogram_columns(n, overlap), hop = OAI_SEGMENT - overlap;
    for (int64_t first = 0; first < columns; first += LANES) {
        int64_t left = columns - first;
        int used = left < LANES ? (int)left : LANES;
        const double *segment[LANES]; /* lanes beyond the end repeat the last segment and are not stored */
        for (int l = 0; l < LANES; l++) segment[l] = samples + (first + (l < used ? l : used - 1)) * hop;
        load(&t, segment, &b);
        transform(&t, &b);
        power(&t, &b, scale, rows);
        log_scale((double *)rows, OAI_SPECTROGRAM_ROWS * LANES);
        for (int f = 0; f < OAI_SPECTROGRAM_ROWS; f++)
            for (int l = 0; l < used; l++) out_logspec[f * columns + first + l] = (float)rows[f][l];
    }
    return OASSL_STATUS_OK;
}

int64_t oai_centre_offset(int64_t size, int64_t crop) {
    int64_t twice = size - crop, half = twice / 2;
    return twice % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

void oai_logspec_fit(const float *logspec, int32_t rows, int64_t columns, float *out_logspec, int64_t wanted) {
    for (int32_t r = 0; r < rows; r++) {
        const float *in = logspec + r * columns;
        float *out = out_logspec + r * wanted;
        if (columns >= wanted) {
            memcpy(out, in + oai_centre_offset(columns, wanted), (size_t)wanted * sizeof *out);
        } else {
            int64_t left = (wanted - columns) / 2;
            memset(out, 0, (size_t)wanted * sizeof *out);
            memcpy(out + left, in, (size_t)columns * sizeof *out);
        }
    }
}
