#include "oassl/version.h"

#define TEXT(x) #x
#define DOTTED(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

uint32_t oassl_version(void) { return OASSL_VERSION_NUMBER; }

const char *oassl_version_string(void) {
    return DOTTED(OASSL_VERSION_MAJOR, OASSL_VERSION_MINOR, OASSL_VERSION_PATCH);
}
