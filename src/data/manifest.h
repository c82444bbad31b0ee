/* The manifest reader and writer behind oassl/data.h. */
#ifndef OAI_DATA_MANIFEST_H
#define OAI_DATA_MANIFEST_H

#include "base/host.h"
#include "oassl/data.h"

/* `missing` is OASSL_MISSING_*.  The rest of the API is oassl/data.h's with oai_ names. */
oassl_status oai_manifest_load(const oai_host *host, const char *paths, int32_t missing,
                               oassl_manifest **out_manifest);
void oai_manifest_free(oassl_manifest *manifest);

uint64_t oai_manifest_count(const oassl_manifest *manifest);     /* records of the data file */
uint64_t oai_manifest_count_all(const oassl_manifest *manifest); /* and those lent to mixtures */
/* Borrowed; number < oai_manifest_count_all. */
const oassl_record *oai_manifest_at(const oassl_manifest *manifest, uint64_t number);
oassl_status oai_manifest_find(const oassl_manifest *manifest, const char *id, uint64_t *out_number);
uint64_t oai_manifest_split(const oassl_manifest *manifest, const char *split, uint64_t *out_numbers,
                            uint64_t capacity);
uint64_t oai_manifest_n_missing(const oassl_manifest *manifest);
const char *oai_manifest_missing(const oassl_manifest *manifest, uint64_t index);
const char *oai_manifest_path(const oassl_manifest *manifest); /* of the data file */

/* One line of a manifest with its newline, to be freed with oai_free.  Paths are written as they are; the ids of a
 * mixture are given in `mix_ids`. */
oassl_status oai_manifest_line(const oai_host *host, const oassl_record *record, const char *const *mix_ids,
                               char **out_line);

#endif
