/* Status codes and the error text behind them.
 *
 * Every function that can fail returns an oassl_status: 0 on success, a negative code otherwise.  The cause
 * (which file, tensor, record or field; what was expected and what was found) is in oassl_last_error() of the
 * thread that made the call, until that thread's next failing call.  On failure out parameters are NULL or 0.
 *
 * Example:
 *   oassl_model *model;
 *   if (oassl_model_load(ctx, "duet.safetensors", NULL, &model) != OASSL_STATUS_OK)
 *       fprintf(stderr, "%s\n", oassl_last_error()); */
#ifndef OASSL_STATUS_H
#define OASSL_STATUS_H

#include <stdint.h>

#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t oassl_status;

/* Values are part of the ABI: never renumbered, never reused. */
enum {
    OASSL_STATUS_OK = 0,
    /* the caller's arguments */
    OASSL_STATUS_INVALID_ARGUMENT = -1, /* NULL, negative size, contradictory options */
    OASSL_STATUS_SHAPE_MISMATCH = -2,   /* a tensor's rank, shape or dtype is not the one required */
    OASSL_STATUS_UNSUPPORTED = -3,      /* valid, but this build, version or backend cannot do it */
    /* resources */
    OASSL_STATUS_OUT_OF_MEMORY = -10,
    OASSL_STATUS_UNAVAILABLE = -11, /* a backend, driver or device is not there; the text says why */
    OASSL_STATUS_CANCELLED = -12,   /* the progress callback asked to stop */
    /* files and data */
    OASSL_STATUS_IO = -20,        /* the operating system failed to read or write */
    OASSL_STATUS_NOT_FOUND = -21, /* no such file, id, tensor or key */
    OASSL_STATUS_FORMAT = -22,    /* malformed, truncated or corrupted contents */
    /* numbers */
    OASSL_STATUS_NON_FINITE = -30, /* NaN or infinity in an input or a result */
    /* a defect in this library */
    OASSL_STATUS_INTERNAL = -40
};

/* Short name of a code, "OUT_OF_MEMORY"; "UNKNOWN" for a code this version does not have.  Static.  Any thread. */
OASSL_API const char *oassl_status_name(oassl_status status);

/* Text of this thread's last failure; "" if there was none.  Valid until the thread's next failing call. */
OASSL_API const char *oassl_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
