/* Options of the two front ends: a NULL pointer, an older (shorter) and a newer (longer) caller. */
#ifndef OAI_API_FRONT_OPTIONS_H
#define OAI_API_FRONT_OPTIONS_H

#include <string.h>

#include "base/error.h"

/* Copies what both sides know into the zeroed `own`.  A caller's tail that this version does not know must be zero. */
static inline oassl_status oai_take_options(const void *given, uint32_t own_bytes, const char *what, void *own) {
    memset(own, 0, own_bytes);
    uint32_t bytes = 0;
    if (!given) {
        memcpy(own, &own_bytes, sizeof own_bytes);
        return OASSL_STATUS_OK;
    }
    memcpy(&bytes, given, sizeof bytes);
    if (bytes < sizeof bytes)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: struct_size is %u; start from the INIT macro", what, bytes);
    for (uint32_t i = own_bytes; i < bytes; i++)
        if (((const unsigned char *)given)[i] != 0)
            return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: byte %u is set, which this version does not know", what, i);
    memcpy(own, given, bytes < own_bytes ? bytes : own_bytes);
    return OASSL_STATUS_OK;
}

#define OAI_REQUIRE(pointer)                                                                                          \
    do {                                                                                                              \
        if (!(pointer)) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: " #pointer " is NULL", __func__);         \
    } while (0)

#endif
