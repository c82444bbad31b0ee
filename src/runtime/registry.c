/* Opening backends: a table is believed only after its size, version and every slot have been checked. */
#include "runtime/registry.h"

#include <stdio.h>
#include <string.h>

/* ---- services lent to a backend; `user` is the host -------------------------------------------------------- */

enum { MOST_ALIGNMENT = 1 << 21 }; /* a huge page */

static void *lend_alloc(void *user, uint64_t bytes, uint64_t alignment) {
    const oai_host *host = user;
    if (bytes > SIZE_MAX || alignment > MOST_ALIGNMENT || (alignment & (alignment - 1)) != 0) return NULL;
    return host->alloc(host->memory_user, (size_t)bytes, alignment < 64 ? 64 : (size_t)alignment);
}

static void lend_free(void *user, void *memory) { oai_free(user, memory); }

static void lend_log(void *user, int32_t level, const char *text) { oai_log(user, level, "%s", text ? text : ""); }

static oassl_status lend_fail(void *user, oassl_status status, const char *text) {
    (void)user;
    return oai_fail(status, "%s", text ? text : "");
}

/* A run that updates weights in place must not stop half-way: set around such runs on the running thread. */
static _Thread_local int uninterrupted;

void oai_registry_uninterrupted(int on) { uninterrupted = on; }

static int32_t lend_cancelled(void *user) {
    const oai_host *host = user;
    return !uninterrupted && host->progress && host->progress(host->progress_user, "run", 0, 0) != 0;
}

/* ---- one backend ------------------------------------------------------------------------------------------- */

/* The table of minor 0: what later minors append must be looked for with struct_size before it is called. */
enum { LEAST_TABLE = offsetof(oassl_backend_api, exec_run) + sizeof(void *) };

/* The slots a table must fill; a table may be longer than ours. */
static oassl_status check_table(const oassl_backend_api *api) {
    if (!api) return oai_fail(OASSL_STATUS_UNSUPPORTED, "the query gave no table");
    if (api->struct_size < LEAST_TABLE)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "table of %u bytes, expected at least %d", api->struct_size,
                        LEAST_TABLE);
    if (api->abi_major != OASSL_BACKEND_ABI_MAJOR)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "interface version %u.%u, expected %u.x", api->abi_major,
                        api->abi_minor, OASSL_BACKEND_ABI_MAJOR);
    if (!api->name || !*api->name) return oai_fail(OASSL_STATUS_UNSUPPORTED, "the table has no name");
#define SLOT(slot)                                                                                                    \
    if (!api->slot) return oai_fail(OASSL_STATUS_UNSUPPORTED, "slot '" #slot "' is missing")
    SLOT(open);
    SLOT(close);
    SLOT(device_count);
    SLOT(device_info);
    SLOT(memory_alloc);
    SLOT(memory_free);
    SLOT(memory_copy);
    SLOT(node_supported);
    SLOT(plan_create);
    SLOT(plan_destroy);
    SLOT(plan_info);
    SLOT(exec_create);
    SLOT(exec_destroy);
    SLOT(exec_bind);
    SLOT(exec_run);
#undef SLOT
    return OASSL_STATUS_OK;
}

static oassl_status describe(oai_backend *backend) {
    oassl_backend_device_info info = {.struct_size = sizeof info};
    OAI_TRY(backend->api->device_count(backend->instance, &backend->n_devices));
    if (backend->n_devices == 0) return oai_fail(OASSL_STATUS_UNAVAILABLE, "no device");
    OAI_TRY(backend->api->device_info(backend->instance, 0, &info));
    snprintf(backend->device, sizeof backend->device, "%.*s", (int)sizeof info.name - 1, info.name);
    snprintf(backend->library, sizeof backend->library, "%.*s", (int)sizeof info.library - 1, info.library);
    return OASSL_STATUS_OK;
}

static oassl_status open_backend(oai_registry *r, oai_backend *backend, oassl_backend_query_fn query) {
    const oassl_backend_api *api = NULL;
    oai_fail(OASSL_STATUS_OK, "%s", ""); /* so that an old text is not taken for the reason */
    oassl_status status = query(OASSL_BACKEND_ABI_MAJOR, OASSL_BACKEND_ABI_MINOR, &api);
    if (status != OASSL_STATUS_OK)
        return oai_fail(status, "it does not offer interface version %u.x", OASSL_BACKEND_ABI_MAJOR);
    OAI_TRY(check_table(api));
    snprintf(backend->name, sizeof backend->name, "%s", api->name);
    snprintf(backend->description, sizeof backend->description, "%s", api->description ? api->description : "");
    if (oai_registry_find(r, backend->name))
        return oai_fail(OASSL_STATUS_UNAVAILABLE, "a backend of this name is already loaded");
    status = api->open(&r->services, &backend->instance);
    if (status != OASSL_STATUS_OK) {
        if (!*oassl_last_error()) oai_fail(status, "open answered %s", oassl_status_name(status));
        return status;
    }
    backend->api = api;
    status = describe(backend);
    if (status != OASSL_STATUS_OK) {
        api->close(backend->instance);
        backend->instance = NULL;
        backend->api = NULL;
    }
    return status;
}

/* ---- the list ---------------------------------------------------------------------------------------------- */

static oai_backend *append(oai_registry *r, const char *name, const char *path) {
    size_t bytes = r->n_backends * sizeof *r->backends;
    oai_backend *backends = oai_grow(r->host, r->backends, bytes, bytes + sizeof *backends);
    if (!backends) {
        oai_no_memory(bytes + sizeof *backends, "the list of backends");
        return NULL;
    }
    r->backends = backends;
    oai_backend *backend = &backends[r->n_backends++];
    memset(backend, 0, sizeof *backend);
    snprintf(backend->name, sizeof backend->name, "%s", name);
    snprintf(backend->path, sizeof backend->path, "%s", path);
    return backend;
}

static void note_refusal(oai_registry *r, oai_backend *backend, const char *reason) {
    snprintf(backend->reason, sizeof backend->reason, "%s", reason);
    oai_log(r->host, OAI_LOG_WARN, "backend %s (%s) is not available: %s", backend->name, backend->path, reason);
    size_t used = strlen(r->tried);
    snprintf(r->tried + used, sizeof r->tried - used, "%s%s: %s", used ? "; " : "", backend->path, reason);
}

/* "onednn" of ".../liboassl-backend-onednn.so": the name until the table tells its own. */
static void name_of_path(const char *path, char *name, size_t bytes) {
    const char *file = strrchr(path, '/');
    file = file ? file + 1 : path;
    if (strncmp(file, "liboassl-backend-", 17) == 0) file += 17;
    snprintf(name, bytes, "%s", file);
    name[strcspn(name, ".")] = 0;
}

oassl_status oai_registry_refuse(oai_registry *r, const char *path, const char *reason) {
    char name[32];
    name_of_path(path, name, sizeof name);
    oai_backend *backend = append(r, name, path);
    if (!backend) return OASSL_STATUS_OUT_OF_MEMORY;
    note_refusal(r, backend, reason);
    return OASSL_STATUS_OK;
}

oassl_status oai_registry_add(oai_registry *r, oassl_backend_query_fn query, const char *path) {
    char name[32];
    name_of_path(path, name, sizeof name);
    oai_backend opened = {0};
    oassl_status status = open_backend(r, &opened, query);
    /* no reason to take another backend: the caller would compute with it ever after */
    if (status == OASSL_STATUS_OUT_OF_MEMORY) return oai_fail_within(status, "backend %s", *path ? path : opened.name);
    oai_backend *backend = append(r, opened.name[0] ? opened.name : name, path);
    if (!backend) {
        if (opened.api) opened.api->close(opened.instance);
        return OASSL_STATUS_OUT_OF_MEMORY;
    }
    if (status == OASSL_STATUS_OK) {
        memcpy(opened.path, backend->path, sizeof opened.path);
        *backend = opened;
        oai_log(r->host, OAI_LOG_INFO, "backend %s: %s, %s %s", backend->name, backend->device, backend->library,
                backend->path);
        return OASSL_STATUS_OK;
    }
    memcpy(backend->description, opened.description, sizeof backend->description);
    note_refusal(r, backend, oassl_last_error());
    return OASSL_STATUS_OK;
}

/* Order of preference: oneDNN, any other plug-in as found, the reference last. */
static int rank(const oai_backend *backend) {
    if (strcmp(backend->name, "onednn") == 0) return 2;
    return strcmp(backend->name, "reference") != 0;
}

oai_backend *oai_registry_find(const oai_registry *r, const char *name) {
    oai_backend *best = NULL;
    for (uint32_t k = 0; k < r->n_backends; k++) {
        oai_backend *backend = &r->backends[k];
        if (!backend->api || (name && strcmp(backend->name, name) != 0)) continue;
        if (!best || rank(backend) > rank(best)) best = backend;
    }
    return best;
}

oassl_status oai_registry_open(const oai_host *host, const char *explicit_path, oai_registry *r) {
    memset(r, 0, sizeof *r);
    r->host = host;
    r->services = (oassl_backend_host){.struct_size = sizeof r->services,
                                       .user = (void *)host,
                                       .alloc = lend_alloc,
                                       .free = lend_free,
                                       .log = lend_log,
                                       .fail = lend_fail,
                                       .cancelled = lend_cancelled};
    oassl_status status = oai_registry_add(r, oab_reference_query, "");
    if (status == OASSL_STATUS_OK) status = oai_load_plugins(r, explicit_path);
    for (uint32_t k = 0; status == OASSL_STATUS_OK && oai_linked_backends[k]; k++)
        status = oai_registry_add(r, oai_linked_backends[k], "");
    if (status != OASSL_STATUS_OK) oai_registry_close(r);
    return status;
}

void oai_registry_close(oai_registry *r) {
    for (uint32_t k = r->n_backends; k-- > 0;)
        if (r->backends[k].api) r->backends[k].api->close(r->backends[k].instance);
    oai_free(r->host, r->backends);
    r->backends = NULL;
    r->n_backends = 0;
}
