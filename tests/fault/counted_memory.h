/* An allocator for contexts under test that counts the blocks not yet freed. */
#ifndef TEST_FAULT_COUNTED_MEMORY_H
#define TEST_FAULT_COUNTED_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

static long counted_blocks;

static inline void *counted_alloc(void *user, size_t bytes, size_t alignment) {
    (void)user;
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes ? bytes : 1) != 0) return NULL;
    __atomic_add_fetch(&counted_blocks, 1, __ATOMIC_RELAXED);
    return block;
}

static inline void counted_free(void *user, void *block) {
    (void)user;
    if (block) __atomic_sub_fetch(&counted_blocks, 1, __ATOMIC_RELAXED);
    free(block);
}

static inline long count_blocks(void) { return __atomic_load_n(&counted_blocks, __ATOMIC_RELAXED); }

#endif
