#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

oassl_status oab_onednn_fail(const oassl_backend_host *host, oassl_status status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return host->fail(host->user, status, text);
}

void *oab_onednn_alloc_raw(const oassl_backend_host *host, uint64_t bytes) {
    void *memory = host->alloc(host->user, bytes ? bytes : 1, OAB_ALIGNMENT);
    if (!memory)
        oab_onednn_fail(host, OASSL_STATUS_OUT_OF_MEMORY, "oneDNN backend: no memory for %llu bytes",
                        (unsigned long long)bytes);
    return memory;
}

void *oab_onednn_alloc(const oassl_backend_host *host, uint64_t bytes) {
    void *memory = oab_onednn_alloc_raw(host, bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void oab_onednn_free(const oassl_backend_host *host, void *memory) {
    if (memory) host->free(host->user, memory);
}

int64_t oab_onednn_count(const oassl_graph_value *value) {
    int64_t count = 1;
    for (int32_t k = 0; k < value->rank; k++) count *= value->shape[k];
    return count;
}
