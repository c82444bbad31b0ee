/* The reference backend as a plug-in of its own. */
#include "reference.h"

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);

oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    return oab_reference_query(major, minor, out_api);
}
