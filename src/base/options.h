/* Reading an options struct of the public API: the caller's may be older (shorter) or newer (longer) than ours. */
#ifndef OAI_BASE_OPTIONS_H
#define OAI_BASE_OPTIONS_H

#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* Copies `from` (NULL = all defaults) into the zeroed `to` of `known_bytes`.  Both begin with uint32_t struct_size.
 * A field that we do not know and that is not zero asks for something we cannot do: UNSUPPORTED. */
static inline oassl_status oai_options_read(const char *name, const void *from, void *to, uint32_t known_bytes) {
    memset(to, 0, known_bytes);
    if (from) {
        uint32_t bytes;
        memcpy(&bytes, from, sizeof bytes);
        if (bytes < sizeof bytes)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: struct_size is %u: use its _INIT macro", name, bytes);
        for (uint32_t k = known_bytes; k < bytes; k++)
            if (((const unsigned char *)from)[k] != 0)
                return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: byte %u of %u is set, this version knows %u", name, k,
                                bytes, known_bytes);
        memcpy(to, from, bytes < known_bytes ? bytes : known_bytes);
    }
    memcpy(to, &known_bytes, sizeof known_bytes);
    return OASSL_STATUS_OK;
}

/* The first line of an API function, for every pointer that must not be NULL. */
#define OAI_REQUIRE(pointer)                                                                                          \
    do {                                                                                                              \
        if (!(pointer)) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: " #pointer " is NULL", __func__);         \
    } while (0)

#endif
