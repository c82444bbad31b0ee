/* The context: what the host program lends the library, and which backend computes.
 *
 * Everything else is created from a context and must be destroyed before it.  A context is immutable after creation
 * and may be shared between threads.
 *
 * After fork() the child must not use objects of the parent: calls that compute or train answer OASSL_STATUS_UNSUPPORTED
 * there, destroying does nothing.  It may make its own.  OpenMP, which the onednn backend computes with, does not survive
 * a fork on the thread that called it: with n_threads > 1 that thread gets UNSUPPORTED in the child; threads made after
 * the fork may compute.
 *
 * Example:
 *   oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
 *   options.n_threads = 2;
 *   oassl_context *ctx;
 *   oassl_status status = oassl_context_create(&options, &ctx);
 *   ...
 *   oassl_context_destroy(ctx); */
#ifndef OASSL_CONTEXT_H
#define OASSL_CONTEXT_H

#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_context oassl_context;

/* Log levels. */
enum { OASSL_LOG_NONE = 0, OASSL_LOG_ERROR = 1, OASSL_LOG_WARN = 2, OASSL_LOG_INFO = 3, OASSL_LOG_DEBUG = 4 };

typedef struct oassl_context_options {
    uint32_t struct_size;
    uint32_t n_threads;       /* compute threads; 0 = number of processors this process may use */
    const char *backend;      /* "onednn", "reference", ...; NULL = the best one available */
    const char *backend_path; /* a plug-in file or a folder searched first; NULL = OASSL_BACKEND_PATH, then the
                                 folder oassl/backends-1 beside the library */
    int32_t allow_fallback;   /* 1: nodes the backend cannot run go to the reference backend (logged); 0: an error */
    int32_t log_level;        /* OASSL_LOG_*; 0 = warnings and errors, if `log` is set */
    /* Memory.  NULL = malloc/free.  Both or neither.  Must be callable from any thread. */
    void *(*alloc)(void *user, size_t bytes, size_t alignment);
    void (*free)(void *user, void *memory);
    void *memory_user;
    /* Gets whole lines without newline, from any thread. */
    void (*log)(void *user, int32_t level, const char *text);
    void *log_user;
    /* Polled inside long work; returning non-zero cancels it (OASSL_STATUS_CANCELLED).  total 0 = not known. */
    int32_t (*progress)(void *user, const char *task, uint64_t done, uint64_t total);
    void *progress_user;
} oassl_context_options;

#define OASSL_CONTEXT_OPTIONS_INIT {sizeof(oassl_context_options)}

/* `options` may be NULL.  UNAVAILABLE: the backend asked for could not be loaded; the text lists every path tried. */
OASSL_API oassl_status oassl_context_create(const oassl_context_options *options, oassl_context **out_context);
OASSL_API void oassl_context_destroy(oassl_context *context);

/* One backend the context found, usable or not. */
typedef struct oassl_backend_info {
    uint32_t struct_size;
    int32_t available;      /* 1: can be used */
    int32_t active;         /* 1: the one this context computes with */
    uint32_t n_devices;
    char name[32];
    char description[128];
    char path[512];         /* file it was loaded from; "" = built in */
    char device[96];        /* first device */
    char library[96];       /* underlying library and its version */
    char reason[256];       /* why it is not available */
} oassl_backend_info;

OASSL_API uint32_t oassl_context_n_backends(const oassl_context *context);
/* `out_info->struct_size` must be set by the caller.  INVALID_ARGUMENT for an index out of range. */
OASSL_API oassl_status oassl_context_backend(const oassl_context *context, uint32_t index, oassl_backend_info *out_info);
OASSL_API uint32_t oassl_context_n_threads(const oassl_context *context);

#ifdef __cplusplus
}
#endif
#endif
