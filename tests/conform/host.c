/* What oassl-conform lends the backends, and loading them. */
#include "conform.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char error_text[1024];
static atomic_llong live, until_failure = -1;
static atomic_int cancelling;

/* Fresh memory is full of signalling rubbish, so that a backend counting on zeros is found out. */
static void *host_alloc(void *user, uint64_t bytes, uint64_t alignment) {
    (void)user;
    if (atomic_load(&until_failure) >= 0 && atomic_fetch_sub(&until_failure, 1) == 0) return NULL;
    if (alignment < 64) alignment = 64;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return NULL;
    memset(memory, 0xA5, bytes < (64u << 20) ? bytes : (64u << 20));
    atomic_fetch_add(&live, 1);
    return memory;
}

static void host_free(void *user, void *memory) {
    (void)user;
    if (memory) atomic_fetch_sub(&live, 1);
    free(memory);
}

static void host_log(void *user, int32_t level, const char *text) { (void)user, (void)level, (void)text; }

static oassl_status host_fail(void *user, oassl_status status, const char *text) {
    (void)user;
    snprintf(error_text, sizeof error_text, "%s", text ? text : "(no text)");
    return status;
}

static int32_t host_cancelled(void *user) {
    (void)user;
    return atomic_load(&cancelling);
}

const oassl_backend_host cf_host = {.struct_size = sizeof cf_host,
                                    .alloc = host_alloc,
                                    .free = host_free,
                                    .log = host_log,
                                    .fail = host_fail,
                                    .cancelled = host_cancelled};

const char *cf_host_error(void) { return error_text; }
void cf_host_cancel(int32_t on) { atomic_store(&cancelling, on); }
void cf_host_fail_alloc(int64_t at) { atomic_store(&until_failure, at); }
int64_t cf_host_live(void) { return atomic_load(&live); }

static oassl_status find_query(const char *path, cf_backend *backend, oassl_backend_query_fn *out_query) {
    if (!path) {
        *out_query = oab_reference_query;
        return OASSL_STATUS_OK;
    }
    backend->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!backend->library) return host_fail(NULL, OASSL_STATUS_UNAVAILABLE, dlerror());
    *(void **)out_query = dlsym(backend->library, "oassl_backend_query");
    return *out_query ? OASSL_STATUS_OK
                      : host_fail(NULL, OASSL_STATUS_NOT_FOUND, "the plug-in does not export oassl_backend_query");
}

oassl_status cf_load_backend(const char *path, cf_backend *out_backend) {
    oassl_backend_query_fn query = NULL;
    *out_backend = (cf_backend){.label = path ? path : "reference"};
    oassl_status status = find_query(path, out_backend, &query);
    if (status == OASSL_STATUS_OK) status = query(OASSL_BACKEND_ABI_MAJOR, OASSL_BACKEND_ABI_MINOR, &out_backend->api);
    if (status == OASSL_STATUS_OK && (!out_backend->api || out_backend->api->abi_major != OASSL_BACKEND_ABI_MAJOR))
        status = host_fail(NULL, OASSL_STATUS_UNSUPPORTED, "the plug-in's table has another major version");
    if (status == OASSL_STATUS_OK && out_backend->api->struct_size < sizeof(oassl_backend_api))
        status = host_fail(NULL, OASSL_STATUS_UNSUPPORTED, "the plug-in's table is shorter than that of version 1.0");
    if (status == OASSL_STATUS_OK) status = out_backend->api->open(&cf_host, &out_backend->instance);
    if (status == OASSL_STATUS_OK && path) out_backend->label = out_backend->api->name;
    return status;
}

void cf_unload_backend(cf_backend *backend) {
    if (backend->instance) backend->api->close(backend->instance);
    backend->instance = NULL;
    /* the library stays loaded: its threads may still be winding down, and leak checkers want its symbols */
}
