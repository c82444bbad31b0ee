/* Reductions.  Axes that are reduced or kept together are merged; then either the innermost axis is reduced (rows are
 * folded to numbers) or kept (rows are added up element by element, a tile of columns at a time).  Sums are carried in
 * double between short runs in float. */
#include "internal.h"
#include "native_math.h"

#define TILE 256
#define RUN 256  /* elements summed in float */
#define PARTS 16 /* of a long sum: the same for any number of threads, and so are the sum's bits */

typedef struct axes { /* merged axes of one kind with their strides in x */
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK], stride[OASSL_MAX_RANK], count;
} axes;

typedef struct reduction {
    axes kept, reduced; /* without the innermost axis */
    int64_t inner;      /* extent of the innermost axis */
    int inner_reduced;
} reduction;

static void append(axes *a, int64_t extent, int64_t stride) {
    a->shape[a->rank] = extent;
    a->stride[a->rank++] = stride;
    a->count *= extent;
}

static reduction analyse(const oassl_graph_value *x, int64_t mask) {
    reduction r = {.kept = {.count = 1}, .reduced = {.count = 1}};
    int64_t extent[OASSL_MAX_RANK];
    int kind[OASSL_MAX_RANK];
    int32_t n = 0;
    for (int32_t k = 0; k < x->rank; k++) {
        const int reduced = (int)(mask >> k & 1);
        if (x->shape[k] == 1) continue;
        if (n && kind[n - 1] == reduced) {
            extent[n - 1] *= x->shape[k];
        } else {
            extent[n] = x->shape[k];
            kind[n++] = reduced;
        }
    }
    r.inner = n ? extent[n - 1] : 1;
    r.inner_reduced = n ? kind[n - 1] : 1;
    int64_t stride[OASSL_MAX_RANK], step = 1;
    for (int32_t k = n; k-- > 0;) {
        stride[k] = step;
        step *= extent[k];
    }
    for (int32_t k = 0; k + 1 < n; k++) append(kind[k] ? &r.reduced : &r.kept, extent[k], stride[k]);
    return r;
}

static inline int64_t offset_of(const axes *a, int64_t index) {
    int64_t offset = 0;
    for (int32_t k = a->rank; k-- > 0;) {
        offset += index % a->shape[k] * a->stride[k];
        index /= a->shape[k];
    }
    return offset;
}

/* ---- rows to numbers ----------------------------------------------------------------------------------------- */

OAB_CLONES static double row_sum(const float *x, int64_t n) {
    double total = 0;
    for (int64_t start = 0; start < n; start += RUN) {
        const int64_t end = start + RUN < n ? start + RUN : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = start; k < end; k++) sum += x[k];
        total += sum;
    }
    return total;
}

OAB_CLONES static float row_max(const float *x, int64_t n) {
    float best = x[0];
#pragma omp simd reduction(max : best)
    for (int64_t k = 1; k < n; k++) best = x[k] > best ? x[k] : best;
    return best;
}

OAB_CLONES static double row_sum_exp(const float *x, int64_t n, float max) {
    double total = 0;
    for (int64_t start = 0; start < n; start += RUN) {
        const int64_t end = start + RUN < n ? start + RUN : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = start; k < end; k++) sum += oab_exp(x[k] - max);
        total += sum;
    }
    return total;
}

static float lse(float max, double sum) { return isinf(max) ? max : max + (float)log(sum); }

static float fold_rows(const reduction *r, const float *x, uint32_t op) {
    float max = -INFINITY;
    double sum = 0;
    if (op == OASSL_OP_REDUCE_MAX || op == OASSL_OP_REDUCE_LSE)
        for (int64_t k = 0; k < r->reduced.count; k++) {
            const float here = row_max(x + offset_of(&r->reduced, k), r->inner);
            max = k == 0 || here > max ? here : max;
        }
    if (op == OASSL_OP_REDUCE_MAX) return max;
    if (op == OASSL_OP_REDUCE_LSE && isinf(max)) return max;
    for (int64_t k = 0; k < r->reduced.count; k++) {
        const float *row = x + offset_of(&r->reduced, k);
        sum += op == OASSL_OP_REDUCE_LSE ? row_sum_exp(row, r->inner, max) : row_sum(row, r->inner);
    }
    if (op == OASSL_OP_REDUCE_LSE) return lse(max, sum);
    return (float)(op == OASSL_OP_REDUCE_MEAN ? sum / (double)(r->reduced.count * r->inner) : sum);
}

static double long_sum(const float *x, int64_t n) {
    double parts[PARTS], sum = 0;
#pragma omp parallel for schedule(static)
    for (int p = 0; p < PARTS; p++) parts[p] = row_sum(x + n * p / PARTS, n * (p + 1) / PARTS - n * p / PARTS);
    for (int p = 0; p < PARTS; p++) sum += parts[p];
    return sum;
}

static void reduce_rows(const reduction *r, const float *x, float *y, uint32_t op) {
    const int sum = op == OASSL_OP_REDUCE_SUM || op == OASSL_OP_REDUCE_MEAN;
    if (sum && r->kept.count == 1 && r->reduced.count == 1 && r->inner >= 65536) {
        const double total = long_sum(x, r->inner);
        y[0] = (float)(op == OASSL_OP_REDUCE_MEAN ? total / (double)r->inner : total);
        return;
    }
    const int64_t work = r->kept.count * r->reduced.count * r->inner;
#pragma omp parallel for schedule(static) if (work >= 16384)
    for (int64_t k = 0; k < r->kept.count; k++) y[k] = fold_rows(r, x + offset_of(&r->kept, k), op);
}

/* ---- rows to a row ------------------------------------------------------------------------------------------- */

OAB_CLONES static void tile_add(double *restrict sums, const float *restrict x, int64_t n) {
    for (int64_t k = 0; k < n; k++) sums[k] += x[k];
}
OAB_CLONES static void tile_add_exp(double *restrict sums, const float *restrict x, const float *restrict max,
                                    int64_t n) {
    for (int64_t k = 0; k < n; k++) sums[k] += oab_exp(x[k] - max[k]);
}
OAB_CLONES static void tile_max(float *restrict max, const float *restrict x, int64_t n) {
    for (int64_t k = 0; k < n; k++) max[k] = x[k] > max[k] ? x[k] : max[k];
}

static void fold_tile(const reduction *r, const float *x, float *y, int64_t n, uint32_t op) {
    double sums[TILE] = {0};
    float max[TILE];
    if (op == OASSL_OP_REDUCE_MAX || op == OASSL_OP_REDUCE_LSE) {
        for (int64_t k = 0; k < n; k++) max[k] = x[k];
        for (int64_t k = 1; k < r->reduced.count; k++) tile_max(max, x + offset_of(&r->reduced, k), n);
    }
    if (op == OASSL_OP_REDUCE_LSE)
        for (int64_t k = 0; k < r->reduced.count; k++) tile_add_exp(sums, x + offset_of(&r->reduced, k), max, n);
    else if (op != OASSL_OP_REDUCE_MAX)
        for (int64_t k = 0; k < r->reduced.count; k++) tile_add(sums, x + offset_of(&r->reduced, k), n);
    for (int64_t k = 0; k < n; k++) {
        switch (op) {
        case OASSL_OP_REDUCE_MAX: y[k] = max[k]; break;
        case OASSL_OP_REDUCE_LSE: y[k] = lse(max[k], sums[k]); break;
        case OASSL_OP_REDUCE_MEAN: y[k] = (float)(sums[k] / (double)r->reduced.count); break;
        default: y[k] = (float)sums[k];
        }
    }
}

static void reduce_columns(const reduction *r, const float *x, float *y, uint32_t op) {
    const int64_t tiles = (r->inner + TILE - 1) / TILE, work = r->kept.count * r->reduced.count * r->inner;
#pragma omp parallel for schedule(static) if (work >= 16384)
    for (int64_t item = 0; item < r->kept.count * tiles; item++) {
        const int64_t k = item / tiles, start = item % tiles * TILE;
        const int64_t n = r->inner - start < TILE ? r->inner - start : TILE;
        fold_tile(r, x + offset_of(&r->kept, k) + start, y + k * r->inner + start, n, op);
    }
}

/* Few columns under many rows (the gradient of a bias): parts of the rows at once. */
static void sum_tall(const reduction *r, const float *x, float *y, uint32_t op) {
    double parts[PARTS][TILE] = {{0}};
#pragma omp parallel for schedule(static)
    for (int p = 0; p < PARTS; p++) {
        const int64_t end = r->reduced.count * (p + 1) / PARTS;
        for (int64_t k = r->reduced.count * p / PARTS; k < end; k++)
            tile_add(parts[p], x + offset_of(&r->reduced, k), r->inner);
    }
    const double scale = op == OASSL_OP_REDUCE_MEAN ? 1.0 / (double)r->reduced.count : 1.0;
    for (int64_t k = 0; k < r->inner; k++) {
        double sum = 0;
        for (int p = 0; p < PARTS; p++) sum += parts[p][k];
        y[k] = (float)(sum * scale);
    }
}

static void reduce_nothing(float *y, int64_t count, uint32_t op) {
    for (int64_t k = 0; k < count; k++)
        y[k] = op == OASSL_OP_REDUCE_SUM ? 0.0f : op == OASSL_OP_REDUCE_MEAN ? NAN : -INFINITY;
}

OAB_KERNEL(reduce) {
    const oab_node *node = call->node;
    const reduction r = analyse(&node->in[0], node->attrs.i[0]);
    const uint32_t op = node->op;
    const int sum = op == OASSL_OP_REDUCE_SUM || op == OASSL_OP_REDUCE_MEAN;
    if (!oab_onednn_count(&node->in[0]))
        reduce_nothing(call->out[0], node->count, op);
    else if (r.inner_reduced)
        reduce_rows(&r, call->in[0], call->out[0], op);
    else if (sum && r.kept.count == 1 && r.inner <= TILE && r.reduced.count >= 1024)
        sum_tall(&r, call->in[0], call->out[0], op);
    else
        reduce_columns(&r, call->in[0], call->out[0], op);
    return OASSL_STATUS_OK;
}

/* The gradient goes to the first maximum in row-major order. */
static void scatter_to_max(const reduction *r, const float *x, float dy, float *dx, int64_t inner) {
    int64_t best = 0;
    for (int64_t k = 0; k < r->reduced.count; k++) {
        const int64_t row = offset_of(&r->reduced, k);
        for (int64_t j = 0; j < inner; j++)
            if (x[row + j] > x[best]) best = row + j;
    }
    dx[best] = dy;
}

OAB_KERNEL(reduce_max_grad) {
    const oab_node *node = call->node;
    const reduction r = analyse(&node->in[0], node->attrs.i[0]);
    const float *x = call->in[0], *dy = call->in[1];
    float *dx = call->out[0];
    const int64_t count = oab_onednn_count(&node->in[0]);
    memset(dx, 0, (size_t)count * sizeof *dx);
    if (!count) return OASSL_STATUS_OK;
    const int64_t columns = r.inner_reduced ? 1 : r.inner, inner = r.inner_reduced ? r.inner : 1;
#pragma omp parallel for schedule(static) if (count >= 16384)
    for (int64_t k = 0; k < r.kept.count * columns; k++) {
        const int64_t at = offset_of(&r.kept, k / columns) + k % columns;
        scatter_to_max(&r, x + at, dy[k], dx + at, inner);
    }
    return OASSL_STATUS_OK;
}

/* ---- parts of a batch ---------------------------------------------------------------------------------------- */

OAB_CLONES static void add_in_order(float *out, const float *parts, int64_t count, uint32_t n_parts, int64_t from,
                                    int64_t n) {
    double sums[TILE] = {0};
    for (uint32_t p = 0; p < n_parts; p++)
        for (int64_t k = 0; k < n; k++) sums[k] += parts[p * count + from + k];
    for (int64_t k = 0; k < n; k++) out[from + k] = (float)sums[k];
}

/* One sum of `count` elements from those that each part of a batch has left. */
OAB_KERNEL(add_parts) {
    const int64_t count = call->node->count;
    const uint32_t n_parts = *(const uint32_t *)call->node->extra;
#pragma omp parallel for schedule(static) if (count * n_parts >= 16384)
    for (int64_t from = 0; from < count; from += TILE)
        add_in_order(call->out[0], call->in[0], count, n_parts, from, count - from < TILE ? count - from : TILE);
    return OASSL_STATUS_OK;
}
