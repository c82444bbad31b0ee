/* .npy and .npz, readable and writable by NumPy without pickle.
 *
 * Arrays are row-major (C order) and little endian: f4 f8 f2 i4 i8 u1 (and bool, read as u1), fixed-width text <U and
 * |S.  Members of a .npz are stored or deflated; zip64 is read, and written where sizes need it.  Checksums, sizes
 * and headers are verified; error texts name file and member.  Writing is atomic and gives the same bytes for the same
 * arrays. */
#ifndef OAI_BASE_NPZ_H
#define OAI_BASE_NPZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/host.h"
#include "oassl/types.h"

/* Text element types, beside OASSL_DTYPE_*. */
enum { OAI_NPY_UNICODE = 100, OAI_NPY_BYTES = 101 };

typedef struct oai_npy {
    int32_t dtype;  /* OASSL_DTYPE_F32, F64, F16, I32, I64, U8, OAI_NPY_UNICODE, OAI_NPY_BYTES */
    uint32_t width; /* characters an element, for the text types */
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
    void *data;
    size_t bytes;
    const oai_host *host; /* owner of data; NULL when borrowed */
} oai_npy;

/* Frees data that is owned, and zeroes the array. */
void oai_npy_free(oai_npy *array);
int64_t oai_npy_count(const oai_npy *array); /* elements */

/* A borrowed numeric array to save. */
oai_npy oai_npy_of(int32_t dtype, int32_t rank, const int64_t *shape, const void *data);
/* A unicode array of n UTF-8 texts; rank 1, or 0 when `scalar` (then n is 1). */
oassl_status oai_npy_from_texts(const oai_host *host, const char *const *texts, size_t n, bool scalar,
                                oai_npy *out_array);
/* Element `index` of a text array as UTF-8, trailing NULs removed as NumPy does.  Free with oai_free. */
oassl_status oai_npy_text_at(const oai_host *host, const oai_npy *array, size_t index, char **out_text);

oassl_status oai_npy_load(const oai_host *host, const char *path, oai_npy *out_array);
oassl_status oai_npy_save(const oai_host *host, const char *path, const oai_npy *array);

typedef struct oai_npz oai_npz;
oassl_status oai_npz_open(const oai_host *host, const char *path, oai_npz **out_file);
void oai_npz_close(oai_npz *file); /* NULL legal; arrays that were read stay */
uint32_t oai_npz_count(const oai_npz *file);
const char *oai_npz_name(const oai_npz *file, uint32_t index); /* without ".npy" */
bool oai_npz_has(const oai_npz *file, const char *name);
/* Missing: OASSL_STATUS_NOT_FOUND.  The array owns its data. */
oassl_status oai_npz_read(const oai_npz *file, const char *name, oai_npy *out_array);
const char *oai_npz_path(const oai_npz *file);

typedef struct oai_npz_writer oai_npz_writer;
enum { OAI_NPZ_STORE = 0, OAI_NPZ_DEFLATE = 1, OAI_NPZ_ZIP64 = 2 /* zip64 records even if small: for tests */ };
oassl_status oai_npz_create(const oai_host *host, const char *path, int flags, oai_npz_writer **out_writer);
oassl_status oai_npz_add(oai_npz_writer *writer, const char *name, const oai_npy *array);
/* Both free the writer; abort(NULL) is legal. */
oassl_status oai_npz_commit(oai_npz_writer *writer);
void oai_npz_abort(oai_npz_writer *writer);

#endif
