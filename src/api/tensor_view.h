/* Checks and copies of the tensor views that callers pass. */
#ifndef OAI_API_TENSOR_VIEW_H
#define OAI_API_TENSOR_VIEW_H

#include <stdbool.h>
#include <string.h>

#include "base/host.h"
#include "oassl/types.h"

/* SHAPE_MISMATCH, naming the view and what was found, unless it is a CPU tensor of this dtype and shape; an extent of
 * -1 in `shape` takes any.  Strides are not looked at. */
oassl_status oai_view_check(const oassl_tensor *view, const char *name, int32_t dtype, int32_t rank,
                            const int64_t *shape);
bool oai_view_contiguous(const oassl_tensor *view); /* row-major, no gaps */
oassl_status oai_view_require_contiguous(const oassl_tensor *view, const char *name);
/* NON_FINITE naming the index of the first NaN or infinity of an f32 or f64 view. */
oassl_status oai_view_check_finite(const oassl_tensor *view, const char *name);
/* Between a view with any strides and row-major memory. */
void oai_view_gather(const oassl_tensor *view, void *out_dense);
void oai_view_scatter(const void *dense, const oassl_tensor *out_view);
int64_t oai_view_count(const oassl_tensor *view);

/* Writes a result struct of at most the size its caller knows: both begin with struct_size. */
#define OAI_GIVE(own, out)                                                                                            \
    do {                                                                                                              \
        uint32_t given_ = (out)->struct_size < sizeof(own) ? (out)->struct_size : (uint32_t)sizeof(own);              \
        (own).struct_size = (out)->struct_size;                                                                       \
        memcpy((out), &(own), given_);                                                                                \
    } while (0)

#endif
