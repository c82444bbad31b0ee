/* Softmax along any axis, and layer normalisation over the last. */
#include <omp.h>

#include "internal.h"
#include "native_math.h"

#define TILE 64
#define RUN 256 /* elements summed in float */

typedef struct along { /* x seen as [outer, n, inner], the axis in the middle */
    int64_t outer, n, inner;
} along;

static along axis_of(const oassl_graph_value *x, int64_t axis) {
    along a = {1, x->shape[axis], 1};
    for (int32_t k = 0; k < x->rank; k++) {
        if (k < axis) a.outer *= x->shape[k];
        if (k > axis) a.inner *= x->shape[k];
    }
    return a;
}

/* ---- contiguous axis ----------------------------------------------------------------------------------------- */

OAB_CLONES static void softmax_row(float *y, const float *x, int64_t n, int logarithm) {
    float max = x[0];
    double total = 0;
#pragma omp simd reduction(max : max)
    for (int64_t k = 1; k < n; k++) max = x[k] > max ? x[k] : max;
    for (int64_t start = 0; start < n; start += RUN) {
        const int64_t end = start + RUN < n ? start + RUN : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = start; k < end; k++) {
            const float shifted = x[k] - max, e = oab_exp(shifted);
            sum += e;
            y[k] = logarithm ? shifted : e;
        }
        total += sum;
    }
    const float scale = logarithm ? 1.0f : (float)(1.0 / total), shift = logarithm ? -(float)log(total) : 0.0f;
    for (int64_t k = 0; k < n; k++) y[k] = y[k] * scale + shift;
}

OAB_CLONES static void softmax_grad_row(float *dx, const float *y, const float *dy, int64_t n, int logarithm) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < n; k++) sum += logarithm ? dy[k] : y[k] * dy[k];
#pragma GCC ivdep
    for (int64_t k = 0; k < n; k++) dx[k] = logarithm ? dy[k] - oab_exp(y[k]) * sum : y[k] * (dy[k] - sum);
}

/* ---- strided axis: a tile of columns -------------------------------------------------------------------------- */

OAB_CLONES static void softmax_tile(float *y, const float *x, int64_t n, int64_t stride, int64_t width,
                                    int logarithm) {
    float max[TILE], sum[TILE];
    for (int64_t j = 0; j < width; j++) {
        max[j] = x[j];
        sum[j] = 0;
    }
    for (int64_t k = 1; k < n; k++)
        for (int64_t j = 0; j < width; j++) max[j] = x[k * stride + j] > max[j] ? x[k * stride + j] : max[j];
    for (int64_t k = 0; k < n; k++) {
#pragma GCC ivdep
        for (int64_t j = 0; j < width; j++) {
            const float shifted = x[k * stride + j] - max[j], e = oab_exp(shifted);
            sum[j] += e;
            y[k * stride + j] = logarithm ? shifted : e;
        }
    }
    for (int64_t j = 0; j < width; j++) sum[j] = logarithm ? oab_log(sum[j]) : 1.0f / sum[j];
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < width; j++)
            y[k * stride + j] = logarithm ? y[k * stride + j] - sum[j] : y[k * stride + j] * sum[j];
}

OAB_CLONES static void softmax_grad_tile(float *dx, const float *y, const float *dy, int64_t n, int64_t stride,
                                         int64_t width, int logarithm) {
    float sum[TILE] = {0};
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < width; j++)
            sum[j] += logarithm ? dy[k * stride + j] : y[k * stride + j] * dy[k * stride + j];
    for (int64_t k = 0; k < n; k++) {
#pragma GCC ivdep
        for (int64_t j = 0; j < width; j++) {
            const float p = y[k * stride + j], g = dy[k * stride + j];
            dx[k * stride + j] = logarithm ? g - oab_exp(p) * sum[j] : p * (g - sum[j]);
        }
    }
}

OAB_KERNEL(softmax) {
    const int logarithm = call->node->op == OASSL_OP_LOG_SOFTMAX;
    const along a = axis_of(&call->node->in[0], call->node->attrs.i[0]);
    const float *x = call->in[0];
    float *y = call->out[0];
    const int64_t tiles = a.inner == 1 ? 1 : (a.inner + TILE - 1) / TILE, work = a.outer * a.n * a.inner;
    if (!work) return OASSL_STATUS_OK;
#pragma omp parallel for schedule(static) if (work >= 8192)
    for (int64_t item = 0; item < a.outer * tiles; item++) {
        const int64_t start = item % tiles * TILE, at = item / tiles * a.n * a.inner + start;
        const int64_t width = a.inner - start < TILE ? a.inner - start : TILE;
        if (a.inner == 1)
            softmax_row(y + at, x + at, a.n, logarithm);
        else
            softmax_tile(y + at, x + at, a.n, a.inner, width, logarithm);
    }
    return OASSL_STATUS_OK;
}

OAB_KERNEL(softmax_grad) {
    const int logarithm = call->node->op == OASSL_OP_LOG_SOFTMAX_GRAD;
    const along a = axis_of(&call->node->in[0], call->node->attrs.i[0]);
    const float *y = call->in[0], *dy = call->in[1];
    float *dx = call->out[0];
    const int64_t tiles = a.inner == 1 ? 1 : (a.inner + TILE - 1) / TILE, work = a.outer * a.n * a.inner;
#pragma omp parallel for schedule(static) if (work >= 8192)
    for (int64_t item = 0; item < a.outer * tiles; item++) {
        const int64_t start = item % tiles * TILE, at = item / tiles * a.n * a.inner + start;
        const int64_t width = a.inner - start < TILE ? a.inner - start : TILE;
        if (a.inner == 1)
            softmax_grad_row(dx + at, y + at, dy + at, a.n, logarithm);
        else
            softmax_grad_tile(dx + at, y + at, dy + at, a.n, a.inner, width, logarithm);
    }
    return OASSL_STATUS_OK;
}

/* ---- layer normalisation -------------------------------------------------------------------------------------- */

OAB_CLONES static void norm_row(float *y, const float *x, const float *gamma, const float *beta, int64_t n, float eps,
                                float *out_mean, float *out_rstd) {
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < n; k++) sum += x[k];
    const float mean = sum / (float)n;
#pragma omp simd reduction(+ : squares)
    for (int64_t k = 0; k < n; k++) squares += (x[k] - mean) * (x[k] - mean);
    const float rstd = (float)(1.0 / sqrt((double)squares / (double)n + eps));
    for (int64_t k = 0; k < n; k++) y[k] = (x[k] - mean) * rstd * gamma[k] + beta[k];
    *out_mean = mean;
    *out_rstd = rstd;
}

OAB_KERNEL(layer_norm) {
    const oassl_graph_value *v = &call->node->in[0];
    const int64_t n = v->shape[v->rank - 1], rows = n ? oab_onednn_count(v) / n : 0;
    const float eps = (float)call->node->attrs.f[0];
    float *const *out = call->out, *const *in = call->in;
#pragma omp parallel for schedule(static) if (rows * n >= 8192)
    for (int64_t row = 0; row < rows; row++) {
        float mean, rstd;
        norm_row(out[0] + row * n, in[0] + row * n, in[1], in[2], n, eps, &mean, &rstd);
        if (out[1]) out[1][row] = mean;
        if (out[2]) out[2][row] = rstd;
    }
    return OASSL_STATUS_OK;
}

typedef struct norm_sums { /* of one thread */
    double *gamma, *beta;
} norm_sums;

OAB_CLONES static void norm_grad_row(float *restrict dx, const float *restrict x, const float *restrict gamma,
                                     float mean, float rstd, const float *restrict dy, int64_t n,
                                     const norm_sums *sums) {
    double *restrict dgamma = sums->gamma, *restrict dbeta = sums->beta;
    float g_sum = 0, gx_sum = 0;
#pragma omp simd reduction(+ : g_sum, gx_sum)
    for (int64_t k = 0; k < n; k++) {
        const float g = dy[k] * gamma[k];
        g_sum += g;
        gx_sum += g * ((x[k] - mean) * rstd);
    }
    const float g_mean = g_sum / (float)n, gx_mean = gx_sum / (float)n;
    for (int64_t k = 0; k < n; k++) {
        const float normalised = (x[k] - mean) * rstd;
        dx[k] = rstd * (dy[k] * gamma[k] - g_mean - normalised * gx_mean);
        dgamma[k] += dy[k] * normalised;
        dbeta[k] += dy[k];
    }
}

/* (x, gamma, mean, rstd, dy) -> dx, dgamma, dbeta; scratch holds two sums of doubles a thread */
OAB_KERNEL(layer_norm_grad) {
    const oassl_graph_value *v = &call->node->in[0];
    const int64_t n = v->shape[v->rank - 1], rows = n ? oab_onednn_count(v) / n : 0;
    float *const *out = call->out, *const *in = call->in;
    double *scratch = call->scratch;
    int used = 1;
#pragma omp parallel
    {
        const int me = omp_get_thread_num();
#pragma omp single
        used = omp_get_num_threads();
        const norm_sums sums = {scratch + 2 * me * n, scratch + (2 * me + 1) * n};
        memset(sums.gamma, 0, 2 * (size_t)n * sizeof(double));
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++)
            norm_grad_row(out[0] + row * n, in[0] + row * n, in[1], in[2][row], in[3][row], in[4] + row * n, n, &sums);
    }
    for (int64_t k = 0; k < n; k++) {
        double dgamma = 0, dbeta = 0;
        for (int t = 0; t < used; t++) {
            dgamma += scratch[2 * t * n + k];
            dbeta += scratch[(2 * t + 1) * n + k];
        }
        if (out[1]) out[1][k] = (float)dgamma;
        if (out[2]) out[2][k] = (float)dbeta;
    }
    return OASSL_STATUS_OK;
}
