/* Many small pieces of memory that die together. */
#ifndef OAI_BASE_ARENA_H
#define OAI_BASE_ARENA_H

#include <stddef.h>

#include "base/host.h"

typedef struct oai_arena {
    const oai_host *host;
    struct oai_arena_block *blocks;
} oai_arena;

void oai_arena_init(oai_arena *arena, const oai_host *host);
void oai_arena_free(oai_arena *arena);
void *oai_arena_alloc(oai_arena *arena, size_t bytes);                  /* 16-byte aligned; NULL: no memory */
char *oai_arena_text(oai_arena *arena, const char *text, size_t bytes); /* copy, NUL added */

#endif
