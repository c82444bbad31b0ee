/* The .npy header, shared by .npy files and the members of a .npz. */
#ifndef OAI_BASE_NPY_H
#define OAI_BASE_NPY_H

#include "base/npz.h"

#define OAI_NPY_HEADER_MAX 512 /* of what we write */

/* Parses the header in front of `bytes` bytes of .npy: fills dtype, width, rank, shape and bytes (not data).
 * *out_header is the header's length.  Checks that the data behind it has exactly the right size. */
oassl_status oai_npy_parse(const uint8_t *text, size_t bytes, oai_npy *out_array, size_t *out_header);
/* Formats the header; `array->bytes` is not used. */
oassl_status oai_npy_format(const oai_npy *array, uint8_t out_header[OAI_NPY_HEADER_MAX], size_t *out_bytes);

#endif
