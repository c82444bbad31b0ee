#include "oassl/tensor.h"

#include <string.h>

#include "api/tensor_view.h"
#include "base/npz.h"
#include "runtime/context.h"

static oassl_status need(const void *pointer, const char *what) {
    return pointer ? OASSL_STATUS_OK : oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_tensor: %s is NULL", what);
}

oassl_status oassl_tensor_save_npy(const oassl_context *context, const char *path, const oassl_tensor *tensor) {
    OAI_TRY(need(context, "context"));
    OAI_TRY(need(path, "path"));
    OAI_TRY(need(tensor, "tensor"));
    OAI_TRY(oai_view_require_contiguous(tensor, "tensor"));
    oai_npy array = oai_npy_of(tensor->dtype, tensor->rank, tensor->shape, tensor->data);
    return oai_npy_save(oai_context_host(context), path, &array);
}

oassl_status oassl_tensor_load_npy(const oassl_context *context, const char *path, oassl_tensor *out_tensor) {
    OAI_TRY(need(out_tensor, "out_tensor"));
    memset(out_tensor, 0, sizeof *out_tensor);
    OAI_TRY(need(context, "context"));
    OAI_TRY(need(path, "path"));
    oai_npy array;
    OAI_TRY(oai_npy_load(oai_context_host(context), path, &array));
    if (array.dtype >= OAI_NPY_UNICODE) {
        oai_npy_free(&array);
        return oai_fail(OASSL_STATUS_FORMAT, "%s: expected an array of numbers, found text", path);
    }
    *out_tensor = (oassl_tensor){.data = array.data, .device = OASSL_DEVICE_CPU, .dtype = array.dtype, .rank = array.rank};
    memcpy(out_tensor->shape, array.shape, sizeof out_tensor->shape);
    int64_t stride = 1;
    for (int32_t axis = array.rank - 1; axis >= 0; axis--) {
        out_tensor->strides[axis] = stride;
        stride *= array.shape[axis];
    }
    return OASSL_STATUS_OK;
}

void oassl_tensor_free(const oassl_context *context, oassl_tensor *tensor) {
    if (!context || !tensor) return;
    oai_free(oai_context_host(context), tensor->data);
    memset(tensor, 0, sizeof *tensor);
}
