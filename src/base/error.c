#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 1024

static _Thread_local char text[TEXT_BYTES];

oassl_status oai_failv(oassl_status status, const char *format, va_list args) {
    vsnprintf(text, sizeof text, format, args);
    return status;
}

oassl_status oai_fail(oassl_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    oai_failv(status, format, args);
    va_end(args);
    return status;
}

oassl_status oai_fail_within(oassl_status status, const char *format, ...) {
    char cause[TEXT_BYTES];
    memcpy(cause, text, sizeof cause);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    strncat(text + used, ": ", sizeof text - 1 - used);
    strncat(text, cause, sizeof text - 1 - strlen(text));
    return status;
}

const char *oassl_last_error(void) { return text; }

const char *oassl_status_name(oassl_status status) {
    switch (status) {
    case OASSL_STATUS_OK: return "OK";
    case OASSL_STATUS_INVALID_ARGUMENT: return "INVALID_ARGUMENT";
    case OASSL_STATUS_SHAPE_MISMATCH: return "SHAPE_MISMATCH";
    case OASSL_STATUS_UNSUPPORTED: return "UNSUPPORTED";
    case OASSL_STATUS_OUT_OF_MEMORY: return "OUT_OF_MEMORY";
    case OASSL_STATUS_UNAVAILABLE: return "UNAVAILABLE";
    case OASSL_STATUS_CANCELLED: return "CANCELLED";
    case OASSL_STATUS_IO: return "IO";
    case OASSL_STATUS_NOT_FOUND: return "NOT_FOUND";
    case OASSL_STATUS_FORMAT: return "FORMAT";
    case OASSL_STATUS_NON_FINITE: return "NON_FINITE";
    case OASSL_STATUS_INTERNAL: return "INTERNAL";
    default: return "UNKNOWN";
    }
}
