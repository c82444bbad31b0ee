/* Data types, devices and the tensor view that crosses the API.
 *
 * A view carries the same information as DLPack and owns nothing: the memory stays the caller's and must outlive
 * the call (or, where a header says so, the object it was given to).
 *
 * Example: a 3x4 row-major float matrix
 *   oassl_tensor t = {.data = m, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32,
 *                     .rank = 2, .shape = {3, 4}, .strides = {4, 1}}; */
#ifndef OASSL_TYPES_H
#define OASSL_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OASSL_MAX_RANK 6

/* Element types (oassl_tensor.dtype). */
enum {
    OASSL_DTYPE_F32 = 1,
    OASSL_DTYPE_F64 = 2,
    OASSL_DTYPE_I32 = 3,
    OASSL_DTYPE_I64 = 4,
    OASSL_DTYPE_U8 = 5,
    OASSL_DTYPE_BF16 = 6,
    OASSL_DTYPE_F16 = 7
};

/* Where memory lives (oassl_tensor.device). */
enum { OASSL_DEVICE_CPU = 1, OASSL_DEVICE_CUDA = 2 };

/* What convolutions and matrix products are computed in; which of them a backend can do on this machine is
 * answered when a plan is made (UNSUPPORTED with the reason). */
enum {
    OASSL_PRECISION_F32 = 0,     /* strict: plain sums in f32 */
    OASSL_PRECISION_BF16 = 1,    /* bf16 operands, f32 sums and master weights */
    OASSL_PRECISION_INT8 = 2,    /* inference: 8-bit convolutions of a calibrated model */
    OASSL_PRECISION_F32_FAST = 3 /* f32, but algorithms may round more than plain sums do (Winograd) */
};

typedef struct oassl_tensor {
    void *data;
    int32_t device;                  /* OASSL_DEVICE_* */
    int32_t device_index;            /* 0 for the CPU */
    int32_t dtype;                   /* OASSL_DTYPE_* */
    int32_t rank;                    /* 0..OASSL_MAX_RANK; 0 is a scalar */
    int64_t shape[OASSL_MAX_RANK];   /* extents, all >= 0 */
    int64_t strides[OASSL_MAX_RANK]; /* in elements; row-major contiguous unless a function says otherwise */
} oassl_tensor;

#ifdef __cplusplus
}
#endif
#endif
