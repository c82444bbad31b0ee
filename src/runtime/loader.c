/* Finding plug-ins: an explicit path, OASSL_BACKEND_PATH, then the folder beside the library.  The current directory
 * is searched only if one of the first two names it. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/registry.h"

#ifndef OASSL_BACKEND_DIR
#define OASSL_BACKEND_DIR "oassl/backends-1"
#endif

#define PREFIX "liboassl-backend-"

static int already_tried(const oai_registry *r, const char *path) {
    for (uint32_t k = 0; k < r->n_backends; k++)
        if (strcmp(r->backends[k].path, path) == 0) return 1;
    return 0;
}

/* `path` is absolute.  A plug-in stays mapped once opened: its worker threads may outlive the last context. */
static oassl_status load_file(oai_registry *r, const char *path) {
    if (already_tried(r, path)) return OASSL_STATUS_OK;
    oai_log(r->host, OAI_LOG_DEBUG, "loading backend %s", path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        return oai_registry_refuse(r, path, reason ? reason : "dlopen failed");
    }
    oassl_backend_query_fn query;
    *(void **)&query = dlsym(library, "oassl_backend_query");
    oassl_status status = query ? oai_registry_add(r, query, path)
                                : oai_registry_refuse(r, path, "it does not export oassl_backend_query");
    int used = status == OASSL_STATUS_OK && r->backends[r->n_backends - 1].api;
    if (used) dlopen(path, RTLD_NOW | RTLD_NODELETE);
    dlclose(library);
    return status;
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_plugin(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

static oassl_status load_folder(oai_registry *r, const char *folder) {
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_plugin, compare_names);
    if (n < 0 && errno == ENOMEM) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "%s: no memory to list it", folder);
    oai_log(r->host, OAI_LOG_DEBUG, "backends in %s: %d", folder, n < 0 ? 0 : n);
    oassl_status status = OASSL_STATUS_OK;
    for (int k = 0; k < n; k++) {
        char path[PATH_MAX];
        if (status == OASSL_STATUS_OK &&
            snprintf(path, sizeof path, "%s/%s", folder, entries[k]->d_name) < (int)sizeof path)
            status = load_file(r, path);
        free(entries[k]);
    }
    free(entries);
    return status;
}

static void note_missing(oai_registry *r, const char *path, const char *reason) {
    oai_log(r->host, OAI_LOG_DEBUG, "backend path %s: %s", path, reason);
    size_t used = strlen(r->tried);
    snprintf(r->tried + used, sizeof r->tried - used, "%s%s: %s", used ? "; " : "", path, reason);
}

/* A file or a folder.  *out_found is 0 if there is nothing at the path. */
static oassl_status load_path(oai_registry *r, const char *path, int *out_found) {
    char absolute[PATH_MAX];
    struct stat info;
    *out_found = 0;
    if (!realpath(path, absolute) || stat(absolute, &info) != 0) {
        char reason[128];
        note_missing(r, path, strerror_r(errno, reason, sizeof reason));
        return OASSL_STATUS_OK;
    }
    *out_found = 1;
    if (!S_ISDIR(info.st_mode)) return load_file(r, absolute);
    uint32_t before = r->n_backends;
    OAI_TRY(load_folder(r, absolute));
    if (r->n_backends == before) note_missing(r, absolute, "no " PREFIX "*.so");
    return OASSL_STATUS_OK;
}

/* Colon-separated; an empty entry means nothing (and not, as in PATH, the current directory). */
static oassl_status load_list(oai_registry *r, const char *list) {
    while (*list) {
        size_t n = strcspn(list, ":");
        char path[PATH_MAX];
        int found;
        if (n > 0 && n < sizeof path) {
            memcpy(path, list, n);
            path[n] = 0;
            OAI_TRY(load_path(r, path, &found));
        }
        list += n + (list[n] == ':');
    }
    return OASSL_STATUS_OK;
}

/* The folder of the file this code is in: liboassl.so, or the program it was linked into. */
static int own_folder(char *folder) {
    Dl_info info;
    char path[PATH_MAX];
    if (dladdr((void *)(uintptr_t)own_folder, &info) && info.dli_fname && info.dli_fname[0] == '/' &&
        realpath(info.dli_fname, path)) {
        snprintf(folder, PATH_MAX, "%s", path);
    } else {
        /* A program is known to dladdr by what it was called as, which may be relative to somewhere else. */
        ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
        if (n <= 0) return 0;
        folder[n] = 0;
    }
    char *slash = strrchr(folder, '/');
    if (!slash) return 0;
    *slash = 0;
    return 1;
}

oassl_status oai_load_plugins(oai_registry *r, const char *explicit_path) {
    int found;
    if (explicit_path && *explicit_path) {
        OAI_TRY(load_path(r, explicit_path, &found));
        if (!found) return oai_fail(OASSL_STATUS_UNAVAILABLE, "backend path %s", r->tried);
    }
    const char *list = secure_getenv("OASSL_BACKEND_PATH");
    if (list) OAI_TRY(load_list(r, list));
    char folder[PATH_MAX], path[PATH_MAX + sizeof OASSL_BACKEND_DIR + 1];
    if (OASSL_BACKEND_DIR[0] == '/')
        snprintf(path, sizeof path, "%s", OASSL_BACKEND_DIR);
    else if (own_folder(folder))
        snprintf(path, sizeof path, "%s/%s", folder, OASSL_BACKEND_DIR);
    else
        return OASSL_STATUS_OK;
    return load_path(r, path, &found);
}
