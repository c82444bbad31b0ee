/* What the host program lends us: memory, a log, progress/cancel, a number of threads.  Fixed at context
 * creation, shared read-only by everything made from that context.  Constructors below the API take a
 * `const oai_host *` first and keep the pointer; the context outlives them. */
#ifndef OAI_BASE_HOST_H
#define OAI_BASE_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { OAI_LOG_ERROR = 1, OAI_LOG_WARN = 2, OAI_LOG_INFO = 3, OAI_LOG_DEBUG = 4 };

typedef struct oai_host {
    void *(*alloc)(void *user, size_t bytes, size_t alignment); /* NULL when out of memory */
    void (*free)(void *user, void *memory);
    void *memory_user;
    void (*log)(void *user, int32_t level, const char *text);
    void *log_user;
    int32_t log_level; /* highest level passed on */
    /* Returns non-zero to cancel.  total 0 = unknown. */
    int32_t (*progress)(void *user, const char *task, uint64_t done, uint64_t total);
    void *progress_user;
    uint32_t n_threads; /* exactly this many are used */
} oai_host;

/* malloc/free, no log, no progress, one thread: what tests and NULL options use. */
extern const oai_host oai_default_host;

/* All return 64-byte aligned memory, NULL when out of memory or when n*size overflows.  Free with oai_free. */
void *oai_alloc(const oai_host *host, size_t bytes);
void *oai_calloc(const oai_host *host, size_t n, size_t size);
/* New block with the old contents (old_bytes of them); the old block is freed only on success. */
void *oai_grow(const oai_host *host, void *memory, size_t old_bytes, size_t new_bytes);
char *oai_strdup(const oai_host *host, const char *text);
void oai_free(const oai_host *host, void *memory);

/* The failure to return after an allocation came back NULL. */
oassl_status oai_no_memory(size_t bytes, const char *what);

void oai_log(const oai_host *host, int32_t level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* OASSL_STATUS_OK, or OASSL_STATUS_CANCELLED with the text set. */
oassl_status oai_progress(const oai_host *host, const char *task, uint64_t done, uint64_t total);

#endif
