#include "oassl/context.h"

#include <stddef.h>
#include <string.h>

#include "base/options.h"
#include "runtime/context.h"

oassl_status oassl_context_create(const oassl_context_options *options, oassl_context **out_context) {
    if (!out_context) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "context: out_context is NULL");
    *out_context = NULL;
    oassl_context_options copy;
    OAI_TRY(oai_options_read("context options", options, &copy, sizeof copy));
    if (copy.log_level < OASSL_LOG_NONE || copy.log_level > OASSL_LOG_DEBUG)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "context options: log_level is %d, expected 0..4",
                        copy.log_level);
    return oai_context_open(&copy, out_context);
}

void oassl_context_destroy(oassl_context *context) { oai_context_close(context); }

uint32_t oassl_context_n_backends(const oassl_context *context) {
    return context ? oai_context_n_backends(context) : 0;
}

uint32_t oassl_context_n_threads(const oassl_context *context) {
    return context ? oai_context_host(context)->n_threads : 0;
}

oassl_status oassl_context_backend(const oassl_context *context, uint32_t index, oassl_backend_info *out_info) {
    if (!context || !out_info) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "backend info: NULL argument");
    uint32_t bytes = out_info->struct_size; /* an older caller has room for less */
    if (bytes < sizeof bytes)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "backend info: struct_size is %u: set it first", bytes);
    if (index >= oai_context_n_backends(context))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "backend info: index %u of %u", index,
                        oai_context_n_backends(context));
    oassl_backend_info info = {.struct_size = bytes};
    oai_context_describe(context, index, &info);
    if (bytes > sizeof info) memset((char *)out_info + sizeof info, 0, bytes - sizeof info);
    memcpy(out_info, &info, bytes < sizeof info ? bytes : sizeof info);
    return OASSL_STATUS_OK;
}
