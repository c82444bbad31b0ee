#include "base/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20)

/* Blocks of megabytes (weights, workspaces) are soon written from end to end: by huge pages, where the system has
 * them, the kernel is asked for them 512 times less often, which is most of the time of making a plan. */
static void *default_alloc(void *user, size_t bytes, size_t alignment) {
    (void)user;
    void *memory = NULL;
    int large = bytes >= HUGE_PAGE;
    if (large && alignment < HUGE_PAGE) alignment = HUGE_PAGE;
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return NULL;
    if (large) madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void default_free(void *user, void *memory) {
    (void)user;
    free(memory);
}

const oai_host oai_default_host = {.alloc = default_alloc, .free = default_free, .n_threads = 1};

void *oai_alloc(const oai_host *host, size_t bytes) { return host->alloc(host->memory_user, bytes, ALIGNMENT); }

void *oai_calloc(const oai_host *host, size_t n, size_t size) {
    if (size != 0 && n > SIZE_MAX / size) return NULL;
    void *memory = oai_alloc(host, n * size);
    if (memory) memset(memory, 0, n * size);
    return memory;
}

void *oai_grow(const oai_host *host, void *memory, size_t old_bytes, size_t new_bytes) {
    void *larger = oai_alloc(host, new_bytes);
    if (!larger) return NULL;
    if (memory) {
        memcpy(larger, memory, old_bytes < new_bytes ? old_bytes : new_bytes);
        oai_free(host, memory);
    }
    return larger;
}

char *oai_strdup(const oai_host *host, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = oai_alloc(host, bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void oai_free(const oai_host *host, void *memory) {
    if (memory) host->free(host->memory_user, memory);
}

oassl_status oai_no_memory(size_t bytes, const char *what) {
    return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

void oai_log(const oai_host *host, int32_t level, const char *format, ...) {
    if (!host->log || level > host->log_level) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    host->log(host->log_user, level, text);
}

oassl_status oai_progress(const oai_host *host, const char *task, uint64_t done, uint64_t total) {
    if (!host->progress || host->progress(host->progress_user, task, done, total) == 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_CANCELLED, "%s: cancelled at %llu of %llu", task, (unsigned long long)done,
                    (unsigned long long)total);
}
