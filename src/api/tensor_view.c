#include "api/tensor_view.h"

#include <math.h>
#include <stdio.h>

#include "graph/graph.h"

int64_t oai_view_count(const oassl_tensor *view) {
    int64_t count = 1;
    for (int32_t k = 0; k < view->rank; k++) count *= view->shape[k];
    return count;
}

/* "[2, any, 7]" */
static void describe(int32_t rank, const int64_t *shape, char *out, size_t bytes) {
    size_t at = (size_t)snprintf(out, bytes, "[");
    for (int32_t k = 0; k < rank && at < bytes; k++) {
        char extent[24] = "any";
        if (shape[k] >= 0) snprintf(extent, sizeof extent, "%lld", (long long)shape[k]);
        at += (size_t)snprintf(out + at, bytes - at, "%s%s", k ? ", " : "", extent);
    }
    if (at < bytes) snprintf(out + at, bytes - at, "]");
}

oassl_status oai_view_check(const oassl_tensor *view, const char *name, int32_t dtype, int32_t rank,
                            const int64_t *shape) {
    if (view->device != OASSL_DEVICE_CPU)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: device %d; only CPU tensors (OASSL_DEVICE_CPU) are taken", name,
                        view->device);
    bool fits = view->dtype == dtype && view->rank == rank;
    for (int32_t k = 0; k < rank && fits; k++)
        fits = view->shape[k] >= 0 && (shape[k] < 0 || view->shape[k] == shape[k]);
    if (!fits) {
        char expected[160], found[160] = "rank out of range";
        describe(rank, shape, expected, sizeof expected);
        if (view->rank >= 0 && view->rank <= OASSL_MAX_RANK) describe(view->rank, view->shape, found, sizeof found);
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: expected %s %s, found %s %s", name, oai_dtype_name(dtype),
                        expected, oai_dtype_name(view->dtype), found);
    }
    if (!view->data && oai_view_count(view) > 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: data is NULL", name);
    for (int32_t k = 0; k < rank; k++)
        if (view->strides[k] < 0)
            return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: stride %lld of axis %d is negative", name,
                            (long long)view->strides[k], k);
    return OASSL_STATUS_OK;
}

bool oai_view_contiguous(const oassl_tensor *view) {
    int64_t expected = 1;
    for (int32_t k = view->rank - 1; k >= 0; k--) {
        if (view->shape[k] != 1 && view->strides[k] != expected) return false;
        expected *= view->shape[k];
    }
    return true;
}

oassl_status oai_view_require_contiguous(const oassl_tensor *view, const char *name) {
    if (oai_view_contiguous(view)) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: expected row-major contiguous strides", name);
}

/* Row-major walk over a strided view: the element offset after `index` has moved on by one. */
static int64_t advance(const oassl_tensor *view, int64_t *index, int64_t offset) {
    for (int32_t k = view->rank - 1; k >= 0; k--) {
        offset += view->strides[k];
        if (++index[k] < view->shape[k]) return offset;
        offset -= index[k] * view->strides[k];
        index[k] = 0;
    }
    return offset;
}

oassl_status oai_view_check_finite(const oassl_tensor *view, const char *name) {
    int64_t index[OASSL_MAX_RANK] = {0}, offset = 0, count = oai_view_count(view);
    for (int64_t i = 0; i < count; i++, offset = advance(view, index, offset)) {
        double value = view->dtype == OASSL_DTYPE_F64 ? ((const double *)view->data)[offset]
                                                      : (double)((const float *)view->data)[offset];
        if (isfinite(value)) continue;
        char where[160];
        describe(view->rank, index, where, sizeof where);
        return oai_fail(OASSL_STATUS_NON_FINITE, "%s: element %s is %s", name, where,
                        isnan(value) ? "NaN"
                        : value > 0  ? "infinity"
                                     : "-infinity");
    }
    return OASSL_STATUS_OK;
}

void oai_view_gather(const oassl_tensor *view, void *out_dense) {
    int64_t index[OASSL_MAX_RANK] = {0}, offset = 0, count = oai_view_count(view);
    size_t size = oai_dtype_bytes(view->dtype);
    for (int64_t i = 0; i < count; i++, offset = advance(view, index, offset))
        memcpy((char *)out_dense + (size_t)i * size, (const char *)view->data + (size_t)offset * size, size);
}

void oai_view_scatter(const void *dense, const oassl_tensor *out_view) {
    int64_t index[OASSL_MAX_RANK] = {0}, offset = 0, count = oai_view_count(out_view);
    size_t size = oai_dtype_bytes(out_view->dtype);
    for (int64_t i = 0; i < count; i++, offset = advance(out_view, index, offset))
        memcpy((char *)out_view->data + (size_t)offset * size, (const char *)dense + (size_t)i * size, size);
}
