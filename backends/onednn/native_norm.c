/* Batch normalisation, with the statistics of the batch or with given ones, and its gradient, in the layout that a
 * convolution left, with the RELU after it where pattern.c found one.
 *
 * oneDNN groups its sums by the number of threads.  Activations then differ in their last places between one thread
 * and two, a RELU whose operand is next to zero changes sides, and gradients jump.  Here a thread sums whole pictures,
 * in short runs of float that are added up in double, and the pictures are added in their order: the same bits from
 * any number of threads.  Both moments are taken in one reading of the data, about a number of the channel, which is
 * near enough to the mean for squares not to cancel; and the RELU's gradient works out again where its operand was
 * positive. */
#include "internal.h"
#include "native_math.h"

#define ROWS 8     /* of a tile that are summed in float */
#define PLACES 128 /* the same of a channel on its own */

/* What a pass over the data reads and writes; the numbers of each channel, 0 in the padding of a blocked layout. */
typedef struct pass {
    const oab_norm *n;
    const void *x, *dy;
    void *out;
    /* normalised = (x - mean) * scale + shift; the moments are taken about `mean`, whatever it is then */
    const float *mean, *scale, *shift;
    /* dx = scale * dy - level - (x - mean) * slope */
    const float *level, *slope;
} pass;

#define GET_f32(data, at) (((const float *)(data))[at])
#define PUT_f32(data, at, value) (((float *)(data))[at] = (value))
#define GET_bf16(data, at) oab_from_bf16(((const uint16_t *)(data))[at])
#define PUT_bf16(data, at, value) (((uint16_t *)(data))[at] = oab_to_bf16(value))

/* ---- one channel after the other ----------------------------------------------------------------------------- */

#define NORMALISED(v) ((v)*scale + shift)

#define LINES(type)                                                                                                   \
    OAB_INLINE void moments_line_##type(const pass *p, int64_t c, int64_t at, int64_t stride, double *sums) {         \
        const float centre = p->mean[c];                                                                              \
        sums[0] = sums[1] = 0;                                                                                        \
        for (int64_t start = 0; start < p->n->area; start += PLACES) {                                                \
            const int64_t end = start + PLACES < p->n->area ? start + PLACES : p->n->area;                            \
            float sum = 0, product = 0;                                                                               \
            _Pragma("omp simd reduction(+ : sum, product)") for (int64_t k = start; k < end; k++) {                   \
                const float v = GET_##type(p->x, at + k * stride) - centre;                                           \
                sum += v;                                                                                             \
                product += v * v;                                                                                     \
            }                                                                                                         \
            sums[0] += sum, sums[1] += product;                                                                       \
        }                                                                                                             \
    }                                                                                                                 \
    OAB_INLINE void apply_line_##type(const pass *p, int64_t c, int64_t at, int64_t stride, double *sums) {           \
        (void)sums;                                                                                                   \
        const float mean = p->mean[c], scale = p->scale[c], shift = p->shift[c];                                      \
        const int relu = p->n->relu;                                                                                  \
        _Pragma("omp simd") for (int64_t k = 0; k < p->n->area; k++) {                                                \
            const float y = NORMALISED(GET_##type(p->x, at + k * stride) - mean);                                     \
            PUT_##type(p->out, at + k * stride, relu && y <= 0.0f ? 0.0f : y);                                        \
        }                                                                                                             \
    }                                                                                                                 \
    OAB_INLINE void grad_sums_line_##type(const pass *p, int64_t c, int64_t at, int64_t stride, double *sums) {       \
        const float mean = p->mean[c], scale = p->scale[c], shift = p->shift[c];                                      \
        const int relu = p->n->relu;                                                                                  \
        sums[0] = sums[1] = 0;                                                                                        \
        for (int64_t start = 0; start < p->n->area; start += PLACES) {                                                \
            const int64_t end = start + PLACES < p->n->area ? start + PLACES : p->n->area;                            \
            float sum = 0, product = 0;                                                                               \
            _Pragma("omp simd reduction(+ : sum, product)") for (int64_t k = start; k < end; k++) {                   \
                const float v = GET_##type(p->x, at + k * stride) - mean, g = GET_##type(p->dy, at + k * stride);     \
                const float dy = relu && !(NORMALISED(v) > 0.0f) ? 0.0f : g;                                          \
                sum += dy;                                                                                            \
                product += dy * v;                                                                                    \
            }                                                                                                         \
            sums[0] += sum, sums[1] += product;                                                                       \
        }                                                                                                             \
    }                                                                                                                 \
    OAB_INLINE void grad_line_##type(const pass *p, int64_t c, int64_t at, int64_t stride, double *sums) {            \
        (void)sums;                                                                                                   \
        const float mean = p->mean[c], scale = p->scale[c], shift = p->shift[c];                                      \
        const float level = p->level[c], slope = p->slope[c];                                                         \
        const int relu = p->n->relu;                                                                                  \
        _Pragma("omp simd") for (int64_t k = 0; k < p->n->area; k++) {                                                \
            const float v = GET_##type(p->x, at + k * stride) - mean, g = GET_##type(p->dy, at + k * stride);         \
            const float dy = relu && !(NORMALISED(v) > 0.0f) ? 0.0f : g;                                              \
            PUT_##type(p->out, at + k * stride, scale * dy - level - v * slope);                                      \
        }                                                                                                             \
    }

/* With a stride of 1 that the compiler knows. */
#define BY_STRIDE(name, type)                                                                                         \
    OAB_CLONES static void name##_##type##_1(const pass *p, int64_t c, int64_t at, double *sums) {                    \
        if (p->n->area_stride == 1)                                                                                   \
            name##_line_##type(p, c, at, 1, sums);                                                                    \
        else                                                                                                          \
            name##_line_##type(p, c, at, p->n->area_stride, sums);                                                    \
    }
#define ALL_BY_STRIDE(type)                                                                                           \
    BY_STRIDE(moments, type)                                                                                          \
    BY_STRIDE(apply, type)                                                                                            \
    BY_STRIDE(grad_sums, type)                                                                                        \
    BY_STRIDE(grad, type)

LINES(f32)
LINES(bf16)
ALL_BY_STRIDE(f32)
ALL_BY_STRIDE(bf16)

/* ---- channels side by side ----------------------------------------------------------------------------------- */

#define VECTORS(lanes)                                                                                                \
    typedef float float##lanes __attribute__((vector_size(lanes * sizeof(float))));                                   \
    typedef int32_t int##lanes __attribute__((vector_size(lanes * sizeof(float))));                                   \
    typedef double double##lanes __attribute__((vector_size(lanes * sizeof(double))));                                \
    typedef uint16_t half##lanes __attribute__((vector_size(lanes * sizeof(uint16_t))));
VECTORS(8)
VECTORS(16)

#define LOAD(to, from) memcpy(&(to), (from), sizeof(to))
#define LOAD_f32(lanes, to, data, at) LOAD(to, (const float *)(data) + (at))
#define LOAD_bf16(lanes, to, data, at)                                                                                \
    do {                                                                                                              \
        half##lanes halves;                                                                                           \
        LOAD(halves, (const uint16_t *)(data) + (at));                                                                \
        to = (float##lanes)(__builtin_convertvector(halves, int##lanes) << 16);                                       \
    } while (0)
#define STORE_f32(lanes, data, at, v) memcpy((float *)(data) + (at), &(v), sizeof(v))
#define STORE_bf16(lanes, data, at, v)                                                                                \
    do { /* to nearest even; NaN stays NaN */                                                                         \
        const int##lanes bits = (int##lanes)v, nan = (int##lanes)(v != v), up = 0x7FFF + (bits >> 16 & 1);            \
        const half##lanes halves = __builtin_convertvector((bits + (up & ~nan)) >> 16 | (nan & 0x40), half##lanes);   \
        memcpy((uint16_t *)(data) + (at), &halves, sizeof halves);                                                    \
    } while (0)
#define KEEP(lanes, v, mask) ((float##lanes)((int##lanes)(v) & (int##lanes)(mask)))

#define TILES(type, lanes)                                                                                            \
    OAB_CLONES static void moments_##type##_##lanes(const pass *p, int64_t c, int64_t at, double *sums) {             \
        float##lanes centre, x;                                                                                       \
        double##lanes total = {0}, total_product = {0};                                                               \
        LOAD(centre, p->mean + c);                                                                                    \
        for (int64_t start = 0; start < p->n->area; start += ROWS) {                                                  \
            const int64_t rows = p->n->area - start < ROWS ? p->n->area - start : ROWS;                               \
            float##lanes sum = {0}, product = {0};                                                                    \
            for (int64_t k = 0; k < rows; k++, at += p->n->area_stride) {                                             \
                LOAD_##type(lanes, x, p->x, at);                                                                      \
                x -= centre;                                                                                          \
                sum += x;                                                                                             \
                product += x * x;                                                                                     \
            }                                                                                                         \
            total += __builtin_convertvector(sum, double##lanes);                                                     \
            total_product += __builtin_convertvector(product, double##lanes);                                         \
        }                                                                                                             \
        memcpy(sums, &total, sizeof total), memcpy(sums + lanes, &total_product, sizeof total_product);               \
    }                                                                                                                 \
    OAB_CLONES static void apply_##type##_##lanes(const pass *p, int64_t c, int64_t at, double *sums) {               \
        float##lanes mean, scale, shift, x;                                                                           \
        LOAD(mean, p->mean + c), LOAD(scale, p->scale + c), LOAD(shift, p->shift + c);                                \
        const int relu = p->n->relu;                                                                                  \
        (void)sums;                                                                                                   \
        for (int64_t k = 0; k < p->n->area; k++, at += p->n->area_stride) {                                           \
            LOAD_##type(lanes, x, p->x, at);                                                                          \
            float##lanes y = NORMALISED(x - mean);                                                                    \
            if (relu) y = KEEP(lanes, y, ~(y <= 0.0f));                                                               \
            STORE_##type(lanes, p->out, at, y);                                                                       \
        }                                                                                                             \
    }                                                                                                                 \
    OAB_CLONES static void grad_sums_##type##_##lanes(const pass *p, int64_t c, int64_t at, double *sums) {           \
        float##lanes mean, scale, shift, x, dy;                                                                       \
        double##lanes total = {0}, total_product = {0};                                                               \
        LOAD(mean, p->mean + c), LOAD(scale, p->scale + c), LOAD(shift, p->shift + c);                                \
        const int relu = p->n->relu;                                                                                  \
        for (int64_t start = 0; start < p->n->area; start += ROWS) {                                                  \
            const int64_t rows = p->n->area - start < ROWS ? p->n->area - start : ROWS;                               \
            float##lanes sum = {0}, product = {0};                                                                    \
            for (int64_t k = 0; k < rows; k++, at += p->n->area_stride) {                                             \
                LOAD_##type(lanes, x, p->x, at);                                                                      \
                LOAD_##type(lanes, dy, p->dy, at);                                                                    \
                x -= mean;                                                                                            \
                if (relu) dy = KEEP(lanes, dy, NORMALISED(x) > 0.0f);                                                 \
                sum += dy;                                                                                            \
                product += dy * x;                                                                                    \
            }                                                                                                         \
            total += __builtin_convertvector(sum, double##lanes);                                                     \
            total_product += __builtin_convertvector(product, double##lanes);                                         \
        }                                                                                                             \
        memcpy(sums, &total, sizeof total), memcpy(sums + lanes, &total_product, sizeof total_product);               \
    }                                                                                                                 \
    OAB_CLONES static void grad_##type##_##lanes(const pass *p, int64_t c, int64_t at, double *sums) {                \
        float##lanes mean, scale, shift, level, slope, x, dy;                                                         \
        LOAD(mean, p->mean + c), LOAD(scale, p->scale + c), LOAD(shift, p->shift + c);                                \
        LOAD(level, p->level + c), LOAD(slope, p->slope + c);                                                         \
        const int relu = p->n->relu;                                                                                  \
        (void)sums;                                                                                                   \
        for (int64_t k = 0; k < p->n->area; k++, at += p->n->area_stride) {                                           \
            LOAD_##type(lanes, x, p->x, at);                                                                          \
            LOAD_##type(lanes, dy, p->dy, at);                                                                        \
            x -= mean;                                                                                                \
            if (relu) dy = KEEP(lanes, dy, NORMALISED(x) > 0.0f);                                                     \
            dy = scale * dy - level - x * slope;                                                                      \
            STORE_##type(lanes, p->out, at, dy);                                                                      \
        }                                                                                                             \
    }

TILES(f32, 8)
TILES(f32, 16)
TILES(bf16, 8)
TILES(bf16, 16)

/* ---- passes over the batch ----------------------------------------------------------------------------------- */

/* `tile` channels from c on, of the picture at `at`; sums: of each of them, then of their products */
typedef void (*tile_fn)(const pass *p, int64_t c, int64_t at, double *sums);
typedef struct tile_fns {
    tile_fn by[2][3]; /* f32, bf16; 1, 8, 16 channels */
} tile_fns;
#define TILE_FNS(name)                                                                                                \
    static const tile_fns name = {                                                                                    \
        {{name##_f32_1, name##_f32_8, name##_f32_16}, {name##_bf16_1, name##_bf16_8, name##_bf16_16}}}
TILE_FNS(moments);
TILE_FNS(apply);
TILE_FNS(grad_sums);
TILE_FNS(grad);

/* From the middle of the first picture: near its edges a convolution's results are unlike the others. */
static float a_number_of(const oab_norm *n, const void *x, int64_t c) {
    const int64_t at = c / n->tile * n->tile_stride + c % n->tile + n->area / 2 * n->area_stride;
    return n->is_bf16 ? GET_bf16(x, at) : GET_f32(x, at);
}

static int64_t tiles_of(const oab_norm *n) { return (n->channels + n->tile - 1) / n->tile; }
static int64_t padded_channels(const oab_norm *n) { return tiles_of(n) * n->tile; }

/* parts: the sums of every tile of every picture, or NULL */
static void run(const pass *p, const tile_fns *fns, double *parts) {
    const oab_norm *n = p->n;
    const tile_fn fn = fns->by[n->is_bf16][n->tile == 1 ? 0 : n->tile == 8 ? 1 : 2];
    const int64_t tiles = tiles_of(n), items = tiles * n->batch;
#pragma omp parallel for schedule(static) if (items * n->area >= 1024)
    for (int64_t item = 0; item < items; item++) {
        const int64_t tile = item % tiles, at = item / tiles * n->batch_stride + tile * n->tile_stride;
        fn(p, tile * n->tile, at, parts ? parts + item * 2 * n->tile : NULL);
    }
}

static void add_pictures(const oab_norm *n, const double *parts, int64_t c, double *out_sum, double *out_product) {
    const int64_t tiles = tiles_of(n);
    *out_sum = *out_product = 0;
    for (int64_t k = 0; k < n->batch; k++) {
        const double *sums = parts + (k * tiles + c / n->tile) * 2 * n->tile + c % n->tile;
        *out_sum += sums[0];
        *out_product += sums[n->tile];
    }
}

static int64_t count_sums(const oab_norm *n) { return padded_channels(n) * n->batch * 2; }

uint64_t oab_onednn_norm_scratch(const oab_norm *n) {
    return (uint64_t)count_sums(n) * sizeof(double) + (uint64_t)padded_channels(n) * 5 * sizeof(float);
}

/* A number for each channel: the k-th of five rows behind the sums. */
static float *channel_row(const oab_norm *n, double *scratch, int k) {
    return (float *)(void *)(scratch + count_sums(n)) + k * padded_channels(n);
}

/* rows: mean, scale, shift, level, slope */
static pass pass_with(const oab_call *call, float *rows[5]) {
    const oab_norm *n = call->node->extra;
    for (int k = 0; k < 5; k++) rows[k] = channel_row(n, call->scratch, k);
    memset(rows[0], 0, (size_t)padded_channels(n) * 5 * sizeof *rows[0]);
    return (pass){.n = n,
                  .x = call->in[0],
                  .out = call->out[0],
                  .mean = rows[0],
                  .scale = rows[1],
                  .shift = rows[2],
                  .level = rows[3],
                  .slope = rows[4]};
}

static float rstd_of(float variance, const oab_node *node) { return 1.0f / sqrtf(variance + (float)node->attrs.f[0]); }

/* x, gamma, beta, running mean and variance -> y, mean, rstd, new running mean and (unbiased) variance */
OAB_KERNEL(batch_norm) {
    float *rows[5];
    const pass p = pass_with(call, rows);
    const oab_norm *n = p.n;
    const double fresh = call->node->attrs.f[1], count = (double)(n->batch * n->area);
    for (int64_t c = 0; c < n->channels; c++) rows[0][c] = a_number_of(n, p.x, c);
    run(&p, &moments, call->scratch);
    for (int64_t c = 0; c < n->channels; c++) {
        double sum, square;
        add_pictures(n, call->scratch, c, &sum, &square);
        const double off = sum / count, mean = rows[0][c] + off, spread = square / count - off * off;
        const double var = spread < 0 ? 0 : spread, unbiased = count > 1 ? var * count / (count - 1) : var;
        const float rstd = rstd_of((float)var, call->node);
        rows[0][c] = (float)mean;
        rows[1][c] = call->in[1][c] * rstd;
        rows[2][c] = call->in[2][c];
        if (call->out[1]) call->out[1][c] = (float)mean;
        if (call->out[2]) call->out[2][c] = rstd;
        if (call->out[3]) call->out[3][c] = (float)((1 - fresh) * (double)call->in[3][c] + fresh * mean);
        if (call->out[4]) call->out[4][c] = (float)((1 - fresh) * (double)call->in[4][c] + fresh * unbiased);
    }
    run(&p, &apply, NULL);
    return OASSL_STATUS_OK;
}

/* x, gamma, beta, mean, variance -> y */
OAB_KERNEL(batch_norm_infer) {
    float *rows[5];
    const pass p = pass_with(call, rows);
    for (int64_t c = 0; c < p.n->channels; c++) {
        rows[0][c] = call->in[3][c];
        rows[1][c] = call->in[1][c] * rstd_of(call->in[4][c], call->node);
        rows[2][c] = call->in[2][c];
    }
    run(&p, &apply, NULL);
    return OASSL_STATUS_OK;
}

/* x, gamma, mean, rstd (or variance, if given), dy, beta (with the RELU) -> dx, dgamma, dbeta */
static oassl_status gradient(const oab_call *call, int given) {
    float *rows[5];
    pass p = pass_with(call, rows);
    const oab_norm *n = p.n;
    const double count = (double)(n->batch * n->area);
    p.dy = call->in[4];
    for (int64_t c = 0; c < n->channels; c++) {
        rows[0][c] = call->in[2][c];
        rows[1][c] = call->in[1][c] * (given ? rstd_of(call->in[3][c], call->node) : call->in[3][c]);
        rows[2][c] = n->relu ? call->in[5][c] : 0;
    }
    run(&p, &grad_sums, call->scratch);
    for (int64_t c = 0; c < n->channels; c++) {
        const double rstd = given ? rstd_of(call->in[3][c], call->node) : call->in[3][c], scale = rows[1][c];
        double sum, product;
        add_pictures(n, call->scratch, c, &sum, &product);
        rows[3][c] = given ? 0 : (float)(scale * sum / count);
        rows[4][c] = given ? 0 : (float)(scale * rstd * rstd * product / count);
        if (call->out[1]) call->out[1][c] = (float)(product * rstd);
        if (call->out[2]) call->out[2][c] = (float)sum;
    }
    if (call->out[0]) run(&p, &grad, NULL);
    return OASSL_STATUS_OK;
}

OAB_KERNEL(batch_norm_grad) { return gradient(call, 0); }
OAB_KERNEL(batch_norm_infer_grad) { return gradient(call, 1); }
