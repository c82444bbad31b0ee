#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 << 10)

struct oai_arena_block {
    struct oai_arena_block *next;
    size_t used, bytes;
    _Alignas(16) uint8_t data[];
};

void oai_arena_init(oai_arena *arena, const oai_host *host) { *arena = (oai_arena){.host = host}; }

void oai_arena_free(oai_arena *arena) {
    for (struct oai_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        oai_free(arena->host, block);
    }
    arena->blocks = NULL;
}

void *oai_arena_alloc(oai_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    bytes = (bytes + 15) / 16 * 16;
    struct oai_arena_block *block = arena->blocks;
    if (!block || block->bytes - block->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = oai_alloc(arena->host, sizeof *block + room);
        if (!block) return NULL;
        *block = (struct oai_arena_block){.next = arena->blocks, .bytes = room};
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += bytes;
    return memory;
}

char *oai_arena_text(oai_arena *arena, const char *text, size_t bytes) {
    char *copy = oai_arena_alloc(arena, bytes + 1);
    if (!copy) return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return copy;
}
