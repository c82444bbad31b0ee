/* SHA-256 (FIPS 180-4), for provenance: the digest `sha256sum` gives. */
#ifndef OAI_BASE_SHA256_H
#define OAI_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

#define OAI_SHA256_TEXT 65 /* 64 hexadecimal digits and a NUL */

typedef struct oai_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} oai_sha256;

void oai_sha256_init(oai_sha256 *hash);
void oai_sha256_add(oai_sha256 *hash, const void *data, size_t bytes);
void oai_sha256_finish(oai_sha256 *hash, uint8_t out_digest[32]);
void oai_sha256_finish_text(oai_sha256 *hash, char out_text[OAI_SHA256_TEXT]);
/* Adds a whole file's bytes. */
oassl_status oai_sha256_add_file(oai_sha256 *hash, const char *path);

#endif
