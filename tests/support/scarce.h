/* A host whose memory ends after so many requests and which knows what was not given back.
 *
 *   scarce memory = {.left = n};
 *   oai_host host = scarce_host(&memory);
 *   ...; assert_int_equal(memory.live, 0); */
#ifndef SCARCE_H
#define SCARCE_H

#include <stdint.h>
#include <stdlib.h>

#include "base/host.h"

typedef struct scarce {
    int64_t left, live; /* requests still granted; blocks not given back */
} scarce;

static inline void *scarce_alloc(void *user, size_t bytes, size_t alignment) {
    scarce *s = user;
    void *memory = NULL;
    if (s->left-- <= 0 || posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return NULL;
    s->live++;
    return memory;
}

static inline void scarce_free(void *user, void *memory) {
    if (memory) ((scarce *)user)->live--;
    free(memory);
}

static inline oai_host scarce_host(scarce *s) {
    oai_host host = oai_default_host;
    host.alloc = scarce_alloc, host.free = scarce_free, host.memory_user = s;
    return host;
}

#endif
