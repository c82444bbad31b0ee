/* Text -> index, for looking up tensors, tokens and ids.  Keys are borrowed and must outlive the map. */
#ifndef OAI_BASE_STRMAP_H
#define OAI_BASE_STRMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

typedef struct oai_strmap_slot {
    const char *key; /* NULL = free */
    size_t bytes;
    uint32_t value;
} oai_strmap_slot;

typedef struct oai_strmap {
    const oai_host *host;
    oai_strmap_slot *slots; /* power of two of them, at most half used */
    size_t n_slots, n_used;
} oai_strmap;

#define OAI_STRMAP_NONE UINT32_MAX

void oai_strmap_init(oai_strmap *map, const oai_host *host);
void oai_strmap_free(oai_strmap *map);
/* Stores key -> value, replacing an older value; *out_old (may be NULL) is that value or OAI_STRMAP_NONE. */
oassl_status oai_strmap_put(oai_strmap *map, const char *key, size_t bytes, uint32_t value, uint32_t *out_old);
uint32_t oai_strmap_get(const oai_strmap *map, const char *key, size_t bytes); /* OAI_STRMAP_NONE if not there */

#endif
