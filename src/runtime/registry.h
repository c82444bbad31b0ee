/* The backends a context has: the built-in reference and the plug-ins found. */
#ifndef OAI_RUNTIME_REGISTRY_H
#define OAI_RUNTIME_REGISTRY_H

#include "base/host.h"
#include "oassl/backend.h"

typedef struct oai_backend {
    const oassl_backend_api *api;     /* NULL when it is not available */
    oassl_backend_instance *instance; /* open while available */
    uint32_t n_devices;
    char name[32];
    char description[128];
    char path[512];
    char device[96];
    char library[96];
    char reason[256];
} oai_backend;

typedef struct oai_registry {
    const oai_host *host;
    oassl_backend_host services; /* what the plug-ins are given; user = host */
    oai_backend *backends;
    uint32_t n_backends;
    char tried[1024];            /* "path: reason" of everything that did not load, for error texts */
} oai_registry;

/* Opens the reference backend and every plug-in found on explicit_path (may be NULL), OASSL_BACKEND_PATH and beside the
 * library.  A plug-in that cannot be used is listed with the reason; UNAVAILABLE if explicit_path does not exist. */
oassl_status oai_registry_open(const oai_host *host, const char *explicit_path, oai_registry *registry);
void oai_registry_close(oai_registry *registry);

/* Opens a table from a plug-in or of our own and adds it to the list, usable or not.  Only memory can fail. */
oassl_status oai_registry_add(oai_registry *registry, oassl_backend_query_fn query, const char *path);
/* Adds an entry that cannot be used. */
oassl_status oai_registry_refuse(oai_registry *registry, const char *path, const char *reason);
/* The usable backend of this name; NULL name = the best.  NULL if there is none. */
oai_backend *oai_registry_find(const oai_registry *registry, const char *name);

/* loader.c: searches the places named above. */
oassl_status oai_load_plugins(oai_registry *registry, const char *explicit_path);

/* linked.c: backends in the same file as this code, ended by NULL.  A plug-in of the same name goes first. */
extern const oassl_backend_query_fn oai_linked_backends[];

/* In backends/reference. */
oassl_status oab_reference_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api);

/* While on, backends running on this thread are told that nobody cancelled. */
void oai_registry_uninterrupted(int on);

#endif
