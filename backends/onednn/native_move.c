/* Kernels that only move elements (f32 or i32: four bytes either way). */
#include <string.h>

#include "internal.h"
#include "native_math.h"

#define PARALLEL_FROM 16384 /* elements */

static int64_t product(const int64_t *shape, int32_t begin, int32_t end) {
    int64_t n = 1;
    for (int32_t k = begin; k < end; k++) n *= shape[k];
    return n;
}

/* ---- transpose ----------------------------------------------------------------------------------------------- */

typedef struct permuted { /* output axes, neighbours that stay neighbours merged, with their strides in x */
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK], stride[OASSL_MAX_RANK];
} permuted;

static permuted merge(const oab_node *node) {
    const oassl_graph_value *x = &node->in[0], *y = &node->out[0];
    permuted p = {.rank = 0};
    for (int32_t k = 0; k < y->rank; k++) {
        const int32_t from = (int32_t)node->attrs.i[k];
        const int64_t stride = product(x->shape, from + 1, x->rank), n = y->shape[k];
        if (n == 1) continue;
        if (p.rank && p.stride[p.rank - 1] == stride * n) {
            p.shape[p.rank - 1] *= n;
            p.stride[p.rank - 1] = stride;
        } else {
            p.shape[p.rank] = n;
            p.stride[p.rank++] = stride;
        }
    }
    if (!p.rank) p = (permuted){.rank = 1, .shape = {1}, .stride = {1}};
    return p;
}

static int64_t source_of(const permuted *p, int32_t axes, int64_t index) {
    int64_t at = 0;
    for (int32_t k = axes; k-- > 0;) {
        at += index % p->shape[k] * p->stride[k];
        index /= p->shape[k];
    }
    return at;
}

/* y [rows, columns] from x where columns are `stride` apart and rows adjacent: 16 x 16 blocks stay in the cache. */
OAB_CLONES static void transpose_block(float *restrict y, const float *restrict x, int64_t rows, int64_t columns,
                                       int64_t width, int64_t stride) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++) y[i * width + j] = x[j * stride + i];
}

static void transpose_plane(float *y, const float *x, int64_t columns, int64_t stride, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += 16)
        for (int64_t j = 0; j < columns; j += 16)
            transpose_block(y + i * columns + j, x + j * stride + i, last - i < 16 ? last - i : 16,
                            columns - j < 16 ? columns - j : 16, columns, stride);
}

OAB_KERNEL(transpose) {
    const permuted p = merge(call->node);
    const float *x = call->in[0];
    float *y = call->out[0];
    const int32_t last = p.rank - 1;
    const int64_t n = p.shape[last], count = call->node->count;
    const int parallel = count >= PARALLEL_FROM;
    if (!count) return OASSL_STATUS_OK;
    if (p.stride[last] == 1) {
#pragma omp parallel for schedule(static) if (parallel)
        for (int64_t row = 0; row < count / n; row++)
            memcpy(y + row * n, x + source_of(&p, last, row), (size_t)n * sizeof *y);
    } else if (last >= 1 && p.stride[last - 1] == 1) { /* the two innermost axes change places */
        const int64_t rows = p.shape[last - 1], strips = (rows + 63) / 64;
#pragma omp parallel for schedule(static) if (parallel)
        for (int64_t item = 0; item < count / n / rows * strips; item++) {
            const int64_t plane = item / strips, first = item % strips * 64;
            transpose_plane(y + plane * rows * n, x + source_of(&p, last - 1, plane), n, p.stride[last], first,
                            first + 64 < rows ? first + 64 : rows);
        }
    } else {
#pragma omp parallel for schedule(static) if (parallel)
        for (int64_t row = 0; row < count / n; row++) {
            const float *from = x + source_of(&p, last, row);
            for (int64_t j = 0; j < n; j++) y[row * n + j] = from[j * p.stride[last]];
        }
    }
    return OASSL_STATUS_OK;
}

/* ---- along one axis: [outer, axis, inner] --------------------------------------------------------------------- */

OAB_KERNEL(concat) {
    const oab_node *node = call->node;
    const oassl_graph_value *y = &node->out[0];
    const int32_t axis = (int32_t)node->attrs.i[0];
    const int64_t outer = product(y->shape, 0, axis), inner = product(y->shape, axis + 1, y->rank);
    const int64_t row = y->shape[axis] * inner;
    int64_t start = 0;
    for (uint32_t k = 0; k < node->n_inputs; k++) {
        const int64_t n = node->in[k].shape[axis] * inner;
        const float *from = call->in[k];
        float *to = call->out[0] + start;
#pragma omp parallel for schedule(static) if (outer * n >= PARALLEL_FROM)
        for (int64_t j = 0; j < outer; j++) memcpy(to + j * row, from + j * n, (size_t)n * sizeof *to);
        start += n;
    }
    return OASSL_STATUS_OK;
}

OAB_KERNEL(slice) {
    const oab_node *node = call->node;
    const oassl_graph_value *x = &node->in[0], *y = &node->out[0];
    const int32_t axis = (int32_t)node->attrs.i[0];
    const int64_t outer = product(x->shape, 0, axis), inner = product(x->shape, axis + 1, x->rank);
    const int64_t row = x->shape[axis] * inner, n = y->shape[axis] * inner;
    const float *from = call->in[0] + node->attrs.i[1] * inner;
    float *to = call->out[0];
#pragma omp parallel for schedule(static) if (outer * n >= PARALLEL_FROM)
    for (int64_t j = 0; j < outer; j++) memcpy(to + j * n, from + j * row, (size_t)n * sizeof *to);
    return OASSL_STATUS_OK;
}

OAB_KERNEL(pad) {
    const oab_node *node = call->node;
    const oassl_graph_value *x = &node->in[0], *y = &node->out[0];
    const int32_t axis = (int32_t)node->attrs.i[0];
    const int64_t outer = product(x->shape, 0, axis), inner = product(x->shape, axis + 1, x->rank);
    const int64_t before = node->attrs.i[1] * inner, n = x->shape[axis] * inner, row = y->shape[axis] * inner;
    const float *from = call->in[0];
    float *to = call->out[0];
#pragma omp parallel for schedule(static) if (outer * row >= PARALLEL_FROM)
    for (int64_t j = 0; j < outer; j++) {
        memset(to + j * row, 0, (size_t)before * sizeof *to);
        memcpy(to + j * row + before, from + j * n, (size_t)n * sizeof *to);
        memset(to + j * row + before + n, 0, (size_t)(row - before - n) * sizeof *to);
    }
    return OASSL_STATUS_OK;
}

/* ---- broadcast ----------------------------------------------------------------------------------------------- */

OAB_KERNEL(broadcast) {
    const oassl_graph_value *x = &call->node->in[0], *y = &call->node->out[0];
    permuted p = {.rank = 0};
    for (int32_t k = 0; k < y->rank; k++) {
        const int32_t from = k - (y->rank - x->rank);
        const int64_t n = y->shape[k], extent = from >= 0 ? x->shape[from] : 1;
        const int64_t stride = extent == 1 ? 0 : product(x->shape, from + 1, x->rank);
        if (n == 1) continue;
        if (p.rank && p.stride[p.rank - 1] == stride * n) {
            p.shape[p.rank - 1] *= n;
            p.stride[p.rank - 1] = stride;
        } else {
            p.shape[p.rank] = n;
            p.stride[p.rank++] = stride;
        }
    }
    if (!p.rank) p = (permuted){.rank = 1, .shape = {1}, .stride = {1}};
    const int64_t count = call->node->count, n = p.shape[p.rank - 1], stride = p.stride[p.rank - 1];
    if (!count) return OASSL_STATUS_OK;
#pragma omp parallel for schedule(static) if (count >= PARALLEL_FROM)
    for (int64_t row = 0; row < count / n; row++) {
        const float *from = call->in[0] + source_of(&p, p.rank - 1, row);
        float *to = call->out[0] + row * n;
        if (stride)
            memcpy(to, from, (size_t)n * sizeof *to);
        else
            for (int64_t j = 0; j < n; j++) to[j] = *from;
    }
    return OASSL_STATUS_OK;
}

/* ---- rows by index ------------------------------------------------------------------------------------------- */

static oassl_status check_index(const oab_call *call, const int32_t *index, int64_t count, int64_t rows) {
    for (int64_t k = 0; k < count; k++)
        if (index[k] < 0 || index[k] >= rows)
            return oab_onednn_fail(call->host, OASSL_STATUS_INVALID_ARGUMENT,
                                   "node %u \"%s\": index %d at position %lld is outside 0..%lld", call->node->index,
                                   call->node->name, index[k], (long long)k, (long long)rows - 1);
    return OASSL_STATUS_OK;
}

OAB_KERNEL(gather) {
    const oassl_graph_value *table = &call->node->in[0];
    const int64_t width = product(table->shape, 1, table->rank), count = oab_onednn_count(&call->node->in[1]);
    const int32_t *index = (const int32_t *)(const void *)call->in[1];
    OAB_TRY(check_index(call, index, count, table->shape[0]));
#pragma omp parallel for schedule(static) if (count * width >= PARALLEL_FROM)
    for (int64_t k = 0; k < count; k++)
        memcpy(call->out[0] + k * width, call->in[0] + index[k] * width, (size_t)width * sizeof(float));
    return OASSL_STATUS_OK;
}

OAB_CLONES static void add_row(float *restrict to, const float *restrict from, int64_t n) {
    for (int64_t k = 0; k < n; k++) to[k] += from[k];
}

/* Every thread adds to its own rows, in the order of the indices: the sum does not depend on timing. */
OAB_KERNEL(scatter_add) {
    const oassl_graph_value *y = &call->node->out[0];
    const int64_t rows = y->shape[0], width = product(y->shape, 1, y->rank);
    const int64_t count = oab_onednn_count(&call->node->in[0]);
    const int32_t *index = (const int32_t *)(const void *)call->in[0];
    OAB_TRY(check_index(call, index, count, rows));
    const int64_t parts = 64;
#pragma omp parallel for schedule(static) if (rows * width >= PARALLEL_FROM)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t first = rows * part / parts, last = rows * (part + 1) / parts;
        if (first == last) continue;
        memset(call->out[0] + first * width, 0, (size_t)((last - first) * width) * sizeof(float));
        for (int64_t k = 0; k < count; k++)
            if (index[k] >= first && index[k] < last)
                add_row(call->out[0] + index[k] * width, call->in[1] + k * width, width);
    }
    return OASSL_STATUS_OK;
}
