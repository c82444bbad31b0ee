#include <string.h>

#include "base/npz.h"
#include "base/strmap.h"
#include "metric/retrieval.h"

/* The array's memory becomes the tensor's. */
static oassl_status take_rows(const oai_host *host, const oai_npz *file, const char *name, oassl_tensor *out) {
    oai_npy a;
    OAI_TRY(oai_npz_read(file, name, &a));
    oassl_status status = OASSL_STATUS_OK;
    if (a.rank != 2 || (a.dtype != OASSL_DTYPE_F32 && a.dtype != OASSL_DTYPE_F64))
        status = oai_fail(OASSL_STATUS_FORMAT, "%s: %s: expected f4 or f8 of [n, d], found rank %d, type %d", oai_npz_path(file), name,
                          a.rank, a.dtype);
    else if (!(out->data = oai_alloc(host, a.bytes + 1)))
        status = oai_no_memory(a.bytes, name);
    if (status == OASSL_STATUS_OK) {
        memcpy(out->data, a.data, a.bytes);
        out->device = OASSL_DEVICE_CPU, out->dtype = a.dtype, out->rank = 2;
        for (int32_t i = 0; i < 2; i++) out->shape[i] = a.shape[i];
        out->strides[0] = a.shape[1], out->strides[1] = 1;
    }
    oai_npy_free(&a);
    return status;
}

/* Texts get numbers in the order of their first use. */
static oassl_status number_texts(const oai_host *host, const oai_npy *a, int64_t *out) {
    oai_strmap seen;
    int64_t n = a->shape[0], kept = 0;
    oassl_status status = OASSL_STATUS_OK;
    char **texts = oai_calloc(host, (size_t)n + 1, sizeof *texts);
    if (!texts) return oai_no_memory((size_t)n * sizeof *texts, "labels");
    oai_strmap_init(&seen, host);
    for (int64_t i = 0; i < n && status == OASSL_STATUS_OK; i++) {
        status = oai_npy_text_at(host, a, (size_t)i, &texts[kept]);
        if (status != OASSL_STATUS_OK) break;
        size_t bytes = strlen(texts[kept]);
        uint32_t known = oai_strmap_get(&seen, texts[kept], bytes);
        out[i] = known == OAI_STRMAP_NONE ? kept : (int64_t)known;
        if (known == OAI_STRMAP_NONE) status = oai_strmap_put(&seen, texts[kept], bytes, (uint32_t)kept, NULL), kept++;
        else oai_free(host, texts[kept]), texts[kept] = NULL;
    }
    for (int64_t i = 0; i < n; i++) oai_free(host, texts[i]);
    oai_strmap_free(&seen);
    oai_free(host, texts);
    return status;
}

static oassl_status take_labels(const oai_host *host, const oai_npz *file, int64_t n, int64_t **out) {
    oai_npy a;
    OAI_TRY(oai_npz_read(file, "labels", &a));
    oassl_status status = OASSL_STATUS_OK;
    bool text = a.dtype == OAI_NPY_UNICODE || a.dtype == OAI_NPY_BYTES;
    if (a.rank != 1 || a.shape[0] != n || (!text && a.dtype != OASSL_DTYPE_I64 && a.dtype != OASSL_DTYPE_I32))
        status = oai_fail(OASSL_STATUS_FORMAT, "%s: labels: expected %lld texts or integers, found rank %d, type %d", oai_npz_path(file),
                          (long long)n, a.rank, a.dtype);
    else if (!(*out = oai_calloc(host, (size_t)n + 1, sizeof **out)))
        status = oai_no_memory((size_t)n * sizeof **out, "labels");
    else if (text)
        status = number_texts(host, &a, *out);
    for (int64_t i = 0; status == OASSL_STATUS_OK && !text && i < n; i++)
        (*out)[i] = a.dtype == OASSL_DTYPE_I64 ? ((const int64_t *)a.data)[i] : ((const int32_t *)a.data)[i];
    oai_npy_free(&a);
    return status;
}

oassl_status oai_retrieval_load(const oai_host *host, const char *path, oassl_retrieval_features *out) {
    oai_npz *file;
    *out = (oassl_retrieval_features)OASSL_RETRIEVAL_FEATURES_INIT;
    OAI_TRY(oai_npz_open(host, path, &file));
    oassl_status status = take_rows(host, file, "pictures", &out->pictures);
    if (status == OASSL_STATUS_OK) status = take_rows(host, file, "sounds", &out->sounds);
    if (status == OASSL_STATUS_OK && oai_npz_has(file, "labels")) status = take_labels(host, file, out->sounds.shape[0], &out->labels);
    oai_npz_close(file);
    if (status != OASSL_STATUS_OK) oai_retrieval_free(host, out);
    return status;
}

void oai_retrieval_free(const oai_host *host, oassl_retrieval_features *f) {
    oai_free(host, f->pictures.data);
    oai_free(host, f->sounds.data);
    oai_free(host, f->labels);
    *f = (oassl_retrieval_features)OASSL_RETRIEVAL_FEATURES_INIT;
}
