#include "runtime/context.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/runtime.h"

static uint32_t usable_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (uint32_t)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more than 1024 processors */
    return n > 0 ? (uint32_t)n : 1;
}

static int32_t log_level(const oassl_context_options *options) {
    if (options->log_level > 0) return options->log_level;
    const char *text = secure_getenv("OASSL_LOG");
    return text && text[0] >= '1' && text[0] <= '4' && !text[1] ? text[0] - '0' : OASSL_LOG_WARN;
}

static oassl_status make_host(const oassl_context_options *options, oai_host *host) {
    if (!options->alloc != !options->free)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "context options: alloc and free go together");
    if (options->n_threads > 4096)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "context options: n_threads is %u, at most 4096 are possible",
                        options->n_threads);
    *host = oai_default_host;
    if (options->alloc) {
        host->alloc = options->alloc;
        host->free = options->free;
        host->memory_user = options->memory_user;
    }
    host->log = options->log;
    host->log_user = options->log_user;
    host->log_level = log_level(options);
    host->progress = options->progress;
    host->progress_user = options->progress_user;
    host->n_threads = options->n_threads ? options->n_threads : usable_processors();
    return OASSL_STATUS_OK;
}

oassl_status oai_context_open(const oassl_context_options *options, oassl_context **out_context) {
    *out_context = NULL;
    oai_host host;
    OAI_TRY(make_host(options, &host));
    oassl_context *context = oai_calloc(&host, 1, sizeof *context);
    if (!context) return oai_no_memory(sizeof *context, "a context");
    context->host = host;
    context->process = getpid();
    context->allow_fallback = options->allow_fallback;
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        oai_free(&host, context);
        return oai_fail(OASSL_STATUS_UNAVAILABLE, "context: cannot make a mutex");
    }
    oassl_status status = oai_registry_open(&context->host, options->backend_path, &context->registry);
    if (status == OASSL_STATUS_OK) {
        context->active = oai_registry_find(&context->registry, options->backend);
        if (context->active) {
            *out_context = context;
            return OASSL_STATUS_OK;
        }
        const char *tried = context->registry.tried;
        status = oai_fail(OASSL_STATUS_UNAVAILABLE, "backend '%s' is not available; tried %s",
                          options->backend ? options->backend : "", *tried ? tried : "nothing");
        oai_registry_close(&context->registry);
    }
    pthread_mutex_destroy(&context->lock);
    oai_free(&host, context);
    return status;
}

void oai_context_close(oassl_context *context) {
    if (!context) return;
    /* In a forked child the backends' threads are gone: waiting for them would never end. */
    if (context->process != getpid()) return;
    oai_registry_close(&context->registry);
    pthread_mutex_destroy(&context->lock);
    oai_host host = context->host;
    oai_free(&host, context);
}

const oai_host *oai_context_host(const oassl_context *context) { return &context->host; }

oassl_status oai_context_check_process(const oassl_context *context) {
    if (context->process == getpid()) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "this context was made before fork() by process %ld: make a new one",
                    (long)context->process);
}

uint32_t oai_context_n_backends(const oassl_context *context) { return context->registry.n_backends; }

void oai_context_describe(const oassl_context *context, uint32_t index, oassl_backend_info *out_info) {
    const oai_backend *backend = &context->registry.backends[index];
    out_info->available = backend->api != NULL;
    out_info->active = backend == context->active;
    out_info->n_devices = backend->n_devices;
#define COPY(field) snprintf(out_info->field, sizeof out_info->field, "%s", backend->field)
    COPY(name);
    COPY(description);
    COPY(path);
    COPY(device);
    COPY(library);
    COPY(reason);
#undef COPY
}
