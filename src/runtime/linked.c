/* The backends that the build put into this library beside the reference (option OASSL_STATIC_ONEDNN). */
#include "runtime/registry.h"

#ifdef OASSL_LINKED_ONEDNN
oassl_status oab_onednn_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api);
#endif

const oassl_backend_query_fn oai_linked_backends[] = {
#ifdef OASSL_LINKED_ONEDNN
    oab_onednn_query,
#endif
    NULL};
