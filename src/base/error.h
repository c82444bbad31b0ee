/* Failing: one thread-local text, one status.  OAI_TRY passes a failure up. */
#ifndef OAI_BASE_ERROR_H
#define OAI_BASE_ERROR_H

#include <stdarg.h>

#include "oassl/status.h"

/* Sets this thread's error text and returns `status`, so that `return oai_fail(...)` is one line. */
oassl_status oai_fail(oassl_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
oassl_status oai_failv(oassl_status status, const char *format, va_list args);

/* Puts "prefix: " before the text already set (a file name, a record number) and returns `status`. */
oassl_status oai_fail_within(oassl_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define OAI_TRY(expr)                                                                                                 \
    do {                                                                                                              \
        oassl_status oai_try_status_ = (expr);                                                                        \
        if (oai_try_status_ != OASSL_STATUS_OK) return oai_try_status_;                                               \
    } while (0)

/* The same for functions with a cleanup label: stores into `status` and jumps. */
#define OAI_TRY_GOTO(status, expr, label)                                                                             \
    do {                                                                                                              \
        (status) = (expr);                                                                                            \
        if ((status) != OASSL_STATUS_OK) goto label;                                                                  \
    } while (0)

#endif
