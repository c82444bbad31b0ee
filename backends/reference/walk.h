/* Walking tensors: strides, the odometer, and ranges around one axis. */
#ifndef OAB_REFERENCE_WALK_H
#define OAB_REFERENCE_WALK_H

#include "reference.h"

/* Element strides of `t` seen from a tensor of the given rank that it is broadcast to (0 where it repeats). */
static inline void broadcast_strides(const oab_tensor *t, int32_t rank, int64_t *strides) {
    int64_t step = 1;
    for (int32_t k = rank - 1; k >= 0; k--) {
        const int32_t axis = k - (rank - t->rank);
        strides[k] = axis >= 0 && t->shape[axis] != 1 ? step : 0;
        if (axis >= 0) step *= t->shape[axis];
    }
}

/* Position number `index` of `shape`, row-major, as an offset under `strides`. */
static inline int64_t strided_offset(int64_t index, int32_t rank, const int64_t *shape, const int64_t *strides) {
    int64_t offset = 0;
    for (int32_t k = rank - 1; k >= 0; k--) {
        offset += index % shape[k] * strides[k];
        index /= shape[k];
    }
    return offset;
}

/* Visits the positions of a shape in row-major order, keeping the offset under some other strides. */
typedef struct walk {
    int32_t rank;
    const int64_t *shape, *strides;
    int64_t position[OASSL_MAX_RANK], offset;
} walk;

static inline walk walk_begin(int32_t rank, const int64_t *shape, const int64_t *strides) {
    return (walk){.rank = rank, .shape = shape, .strides = strides};
}

static inline void walk_next(walk *w) {
    for (int32_t k = w->rank - 1; k >= 0; k--) {
        w->offset += w->strides[k];
        if (++w->position[k] < w->shape[k]) return;
        w->offset -= w->strides[k] * w->shape[k];
        w->position[k] = 0;
    }
}

static inline int64_t extent_product(const oab_tensor *t, int32_t from, int32_t to) {
    int64_t product = 1;
    for (int32_t k = from; k < to; k++) product *= t->shape[k];
    return product;
}

/* A tensor as [outer, n, inner] around one axis. */
typedef struct axis_view {
    int64_t outer, n, inner;
} axis_view;

static inline axis_view around_axis(const oab_tensor *t, int64_t axis) {
    const int32_t a = (int32_t)axis;
    return (axis_view){extent_product(t, 0, a), t->shape[a], extent_product(t, a + 1, t->rank)};
}

#endif
