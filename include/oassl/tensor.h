/* Tensors in files: NumPy's .npy, one array a file.
 *
 * Example: keep a heat-map for a notebook
 *   oassl_tensor map = {.data = found->sources[0].map, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2,
 *                       .shape = {height, width}, .strides = {width, 1}};
 *   oassl_tensor_save_npy(ctx, "map.npy", &map); */
#ifndef OASSL_TENSOR_H
#define OASSL_TENSOR_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A row-major contiguous view on the CPU, dtype F32, F64, F16, I32, I64 or U8.  The file appears complete or not at
 * all.  Any thread. */
OASSL_API oassl_status oassl_tensor_save_npy(const oassl_context *context, const char *path, const oassl_tensor *tensor);

/* Reads such a file; *out_tensor is row-major and owns its data: free with oassl_tensor_free.  FORMAT: not a .npy of
 * numbers, truncated, or pickled objects. */
OASSL_API oassl_status oassl_tensor_load_npy(const oassl_context *context, const char *path, oassl_tensor *out_tensor);

/* Frees what oassl_tensor_load_npy allocated and zeroes the view.  NULL is legal. */
OASSL_API void oassl_tensor_free(const oassl_context *context, oassl_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
