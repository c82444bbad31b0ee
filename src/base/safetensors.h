/* safetensors: a strict mmap'ed reader and an atomic, streaming writer.
 *
 * File: u64 header length (little endian), JSON header, tensor data.  The reader refuses duplicate keys, offsets that
 * overlap, leave holes, leave the file or do not fit dtype and shape; the text names file and tensor.  Data pointers
 * go into the map and may be unaligned (the header's length is the writer's choice): copy, or use base/weights.h.
 * As with every map, the file must not be shortened while it is open: our own writers replace files, they never do. */
#ifndef OAI_BASE_SAFETENSORS_H
#define OAI_BASE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/host.h"
#include "oassl/types.h"

typedef struct oai_stored_tensor {
    const char *name;
    int32_t dtype; /* OASSL_DTYPE_*; 0 for types of the format that we have no use for (BOOL, I8, F8_E4M3, ...) */
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
    const void *data; /* row-major, little endian */
    size_t bytes;
} oai_stored_tensor;

/* "[3, 4]" for error texts. */
typedef struct oai_shape_text {
    char text[160];
} oai_shape_text;
oai_shape_text oai_shape_to_text(int32_t rank, const int64_t *shape);
size_t oai_stored_dtype_bytes(int32_t dtype);     /* 0 for an unknown one */
const char *oai_stored_dtype_name(int32_t dtype); /* "F32"; "?" */

typedef struct oai_safetensors oai_safetensors;

oassl_status oai_safetensors_open(const oai_host *host, const char *path, oai_safetensors **out_file);
void oai_safetensors_close(oai_safetensors *file); /* NULL legal; tensors' pointers die here */
const char *oai_safetensors_path(const oai_safetensors *file);
uint32_t oai_safetensors_count(const oai_safetensors *file);
/* In order of their data in the file. */
const oai_stored_tensor *oai_safetensors_at(const oai_safetensors *file, uint32_t index);
const oai_stored_tensor *oai_safetensors_find(const oai_safetensors *file, const char *name); /* NULL if not there */
const char *oai_safetensors_metadata(const oai_safetensors *file, const char *key);           /* NULL if not there */

typedef struct oai_metadata {
    const char *key, *value; /* UTF-8 */
} oai_metadata;

/* Data is written straight from the pointers.  `bytes` of each tensor is computed from dtype and shape. */
oassl_status oai_safetensors_write(const oai_host *host, const char *path, const oai_stored_tensor *tensors,
                                   uint32_t n_tensors, const oai_metadata *metadata, uint32_t n_metadata);

#endif
