/* OASSL version.  The build parses these three numbers; nothing else states the version.
 *
 * Example:  if (oassl_version() < OASSL_VERSION_NUMBER) warn("built against a newer liboassl"); */
#ifndef OASSL_VERSION_H
#define OASSL_VERSION_H

#include <stdint.h>

#define OASSL_VERSION_MAJOR 0
#define OASSL_VERSION_MINOR 1
#define OASSL_VERSION_PATCH 0

#define OASSL_VERSION_NUMBER ((OASSL_VERSION_MAJOR * 1000 + OASSL_VERSION_MINOR) * 1000 + OASSL_VERSION_PATCH)

/* Marks what the shared library exports; everything else is hidden. */
#if defined(__GNUC__)
#define OASSL_API __attribute__((visibility("default")))
#else
#define OASSL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, as OASSL_VERSION_NUMBER.  Any thread. */
OASSL_API uint32_t oassl_version(void);

/* The same as text, "0.1.0".  Static storage.  Any thread. */
OASSL_API const char *oassl_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
