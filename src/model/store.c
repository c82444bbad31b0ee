/* The second half of params.h: tensors by name in memory and in files. */
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "model/params.h"

typedef struct text_entry {
    char *key, *value;
} text_entry;

struct oai_store {
    const oai_host *host;
    oai_store_tensor *tensors;
    uint32_t n_tensors;
    oai_strmap by_name;
    text_entry *metadata;
    uint32_t n_metadata;
    /* of a store that lies in its file: tensors of which `mapped` is 1 point into it */
    oai_weights *file;
    uint8_t *mapped; /* [n_tensors], NULL = none */
    int fd;          /* to see whether somebody writes into the file */
    struct stat as_loaded;
};

static oassl_status add_tensor(oai_store *store, const oai_net_param *param) {
    oai_store_tensor *tensor = &store->tensors[store->n_tensors];
    *tensor = (oai_store_tensor){.rank = param->rank, .count = 1, .init = param->init, .role = param->role};
    memcpy(tensor->shape, param->shape, sizeof tensor->shape);
    for (int32_t k = 0; k < tensor->rank; k++) tensor->count *= tensor->shape[k];
    tensor->name = oai_strdup(store->host, param->name);
    if (!tensor->name) return oai_no_memory(strlen(param->name), "a tensor's name");
    store->n_tensors++;
    return oai_strmap_put(&store->by_name, tensor->name, strlen(tensor->name), store->n_tensors - 1, NULL);
}

oassl_status oai_store_create_empty(const oai_host *host, const oai_net_param *params, uint32_t n_params,
                                    oai_store **out_store) {
    *out_store = NULL;
    oai_store *store = oai_calloc(host, 1, sizeof *store);
    if (!store) return oai_no_memory(sizeof *store, "a weight store");
    store->host = host;
    store->fd = -1;
    oai_strmap_init(&store->by_name, host);
    store->tensors = oai_calloc(host, (size_t)n_params + 1, sizeof *store->tensors);
    oassl_status status =
        store->tensors ? OASSL_STATUS_OK : oai_no_memory(n_params * sizeof *store->tensors, "weights");
    for (uint32_t i = 0; i < n_params && status == OASSL_STATUS_OK; i++) status = add_tensor(store, &params[i]);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    *out_store = store;
    return OASSL_STATUS_OK;
}

/* A tensor too few, or of another shape, is for oai_store_load to say; a few words of configuration must not make us
 * take gigabytes. */
oassl_status oai_store_check_declared(const oai_weights *file, const oai_net_param *params, uint32_t n_params) {
    const double spare = 1 << 23;
    double declared = 0, held = 0;
    for (uint32_t i = 0; i < n_params; i++) {
        double count = 1;
        for (int32_t k = 0; k < params[i].rank; k++) count *= (double)params[i].shape[k];
        declared += count;
    }
    for (uint32_t i = 0; file && i < oai_weights_count(file); i++) {
        const oai_stored_tensor *tensor = oai_weights_at(file, i);
        size_t element = oai_stored_dtype_bytes(tensor->dtype);
        if (element) held += (double)(tensor->bytes / element);
    }
    if (file && declared > 4 * held + spare)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: the configuration declares %.0f weights, the file holds %.0f",
                        oai_weights_path(file), declared, held);
    return OASSL_STATUS_OK;
}

static oassl_status allocate(const oai_store *store, oai_store_tensor *tensor) {
    tensor->data = oai_alloc(store->host, (size_t)tensor->count * sizeof(float));
    return tensor->data ? OASSL_STATUS_OK : oai_no_memory((size_t)tensor->count * sizeof(float), tensor->name);
}

oassl_status oai_store_create(const oai_host *host, const oai_net_param *params, uint32_t n_params,
                              oai_store **out_store) {
    OAI_TRY(oai_store_create_empty(host, params, n_params, out_store));
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t i = 0; i < n_params && status == OASSL_STATUS_OK; i++) {
        oai_store_tensor *tensor = &(*out_store)->tensors[i];
        status = allocate(*out_store, tensor);
        if (status == OASSL_STATUS_OK) memset(tensor->data, 0, (size_t)tensor->count * sizeof(float));
    }
    if (status == OASSL_STATUS_OK) return status;
    oai_store_destroy(*out_store);
    *out_store = NULL;
    return status;
}

static bool is_mapped(const oai_store *store, uint32_t index) { return store->mapped && store->mapped[index]; }

void oai_store_destroy(oai_store *store) {
    if (!store) return;
    for (uint32_t i = 0; i < store->n_tensors; i++) {
        oai_free(store->host, store->tensors[i].name);
        if (!is_mapped(store, i)) oai_free(store->host, store->tensors[i].data);
    }
    oai_free(store->host, store->mapped);
    oai_weights_close(store->file);
    if (store->fd >= 0) close(store->fd);
    for (uint32_t i = 0; i < store->n_metadata; i++) {
        oai_free(store->host, store->metadata[i].key);
        oai_free(store->host, store->metadata[i].value);
    }
    oai_free(store->host, store->tensors);
    oai_free(store->host, store->metadata);
    oai_strmap_free(&store->by_name);
    oai_free(store->host, store);
}

oassl_status oai_store_copy(const oai_store *store, oai_store **out_copy) {
    oai_store *copy = NULL;
    *out_copy = NULL;
    oai_net_param *params = oai_calloc(store->host, (size_t)store->n_tensors + 1, sizeof *params);
    if (!params) return oai_no_memory(store->n_tensors * sizeof *params, "a copy of the weights");
    for (uint32_t i = 0; i < store->n_tensors; i++) {
        const oai_store_tensor *from = &store->tensors[i];
        params[i] = (oai_net_param){.name = from->name, .rank = from->rank, .init = from->init, .role = from->role};
        memcpy(params[i].shape, from->shape, sizeof from->shape);
    }
    oassl_status status = oai_store_check_file(store);
    if (status == OASSL_STATUS_OK) status = oai_store_create(store->host, params, store->n_tensors, &copy);
    oai_free(store->host, params);
    for (uint32_t i = 0; i < store->n_tensors && status == OASSL_STATUS_OK; i++)
        memcpy(copy->tensors[i].data, store->tensors[i].data, (size_t)store->tensors[i].count * sizeof(float));
    for (uint32_t i = 0; i < store->n_metadata && status == OASSL_STATUS_OK; i++)
        status = oai_store_set_metadata(copy, store->metadata[i].key, store->metadata[i].value);
    if (status != OASSL_STATUS_OK)
        oai_store_destroy(copy);
    else
        *out_copy = copy;
    return status;
}

const oai_host *oai_store_host(const oai_store *store) { return store->host; }
uint32_t oai_store_count(const oai_store *store) { return store->n_tensors; }
const oai_store_tensor *oai_store_at(const oai_store *store, uint32_t index) { return &store->tensors[index]; }

const oai_store_tensor *oai_store_find(const oai_store *store, const char *name) {
    uint32_t index = oai_strmap_get(&store->by_name, name, strlen(name));
    return index == OAI_STRMAP_NONE ? NULL : &store->tensors[index];
}

int64_t oai_store_n_learned(const oai_store *store) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < store->n_tensors; i++)
        if (store->tensors[i].role == OAI_ROLE_WEIGHT) sum += store->tensors[i].count;
    return sum;
}

/* FNV-1a: an independent random stream for each name. */
static uint64_t name_hash(const char *name) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 0x100000001B3u;
    return hash;
}

void oai_store_initialize(oai_store *store, uint64_t seed) {
    for (uint32_t i = 0; i < store->n_tensors; i++) {
        const oai_store_tensor *tensor = &store->tensors[i];
        oai_rng rng = oai_rng_stream(seed, name_hash(tensor->name));
        oai_init init = tensor->init;
        for (int64_t k = 0; k < tensor->count; k++) {
            double value = init.a;
            if (init.kind == OAI_INIT_NORMAL) value = init.a + init.b * oai_rng_normal(&rng);
            if (init.kind == OAI_INIT_UNIFORM) value = init.a * (2 * oai_rng_uniform(&rng) - 1);
            tensor->data[k] = (float)value;
        }
    }
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static bool begins(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

static bool ends(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* What LVS trunks carry and never use, and heads of networks used as trunks. */
static bool is_spare(const char *name) {
    static const char *const spare[] = {"conv1.weight", "conv1_a.weight", "conv1_flow.weight", "fc.weight", "fc.bias"};
    for (size_t i = 0; i < sizeof spare / sizeof *spare; i++) {
        size_t at = strlen(name) - (ends(name, spare[i]) ? strlen(spare[i]) : 0);
        /* the stem of a trunk is its direct child: not layer1.0.conv1.weight */
        if (ends(name, spare[i]) && (at == 0 || name[at - 1] == '.') && !strstr(name, "layer")) return true;
    }
    return false;
}

/* Counts names that nobody asked for; the first goes into the warning. */
static void warn_unknown(const oai_store *store, const oai_weights *file, const char *prefix,
                         const char *file_prefix) {
    const char *first = NULL;
    uint32_t n_unknown = 0;
    for (uint32_t i = 0; i < oai_weights_count(file); i++) {
        const oai_stored_tensor *tensor = oai_weights_at(file, i);
        if (!begins(tensor->name, file_prefix) || oai_weights_ignorable(tensor) || is_spare(tensor->name)) continue;
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name + strlen(file_prefix));
        if (oai_store_find(store, name)) continue;
        if (!first) first = tensor->name;
        n_unknown++;
    }
    if (n_unknown == 1)
        oai_log(store->host, OAI_LOG_WARN, "%s: tensor '%s' is not part of this network", oai_weights_path(file),
                first);
    else if (n_unknown > 1)
        oai_log(store->host, OAI_LOG_WARN, "%s: %u tensors are not part of this network, the first is '%s'",
                oai_weights_path(file), n_unknown, first);
}

/* The ReLUs of a network turn a NaN into a zero: what comes out of such weights would look like a result. */
static oassl_status check_finite(const oai_store_tensor *tensor, const char *path, const char *name) {
    const float *x = tensor->data;
    for (int64_t i = 0; i < tensor->count;) {
        int64_t end = i + 4096 < tensor->count ? i + 4096 : tensor->count;
        uint32_t bad = 0; /* a loop without an exit, which vectorises */
        for (int64_t k = i; k < end; k++) bad |= !(fabsf(x[k]) <= FLT_MAX);
        for (; bad && i < end; i++)
            if (!isfinite(x[i]))
                return oai_fail(OASSL_STATUS_NON_FINITE, "%s: tensor '%s': element %lld is %g", path, name,
                                (long long)i, x[i]);
        i = end;
    }
    return OASSL_STATUS_OK;
}

/* Takes a tensor of the file as it lies there, if it can be read like that.  Only convolutions' weights: with batch
 * normalisation folded into them, no plan refers to them once it is made, whatever happens to the file.  Checks of
 * shape and type are oai_weights_read()'s. */
static bool take_mapped(oai_store *store, uint32_t index, const oai_stored_tensor *stored) {
    oai_store_tensor *tensor = &store->tensors[index];
    bool same = tensor->rank == 4 && stored->rank == 4 && stored->dtype == OASSL_DTYPE_F32 &&
                (uintptr_t)stored->data % sizeof(float) == 0;
    for (int32_t k = 0; same && k < tensor->rank; k++) same = stored->shape[k] == tensor->shape[k];
    if (!same) return false;
    tensor->data = (float *)stored->data;
    store->mapped[index] = 1;
    return true;
}

static oassl_status load_tensor(oai_store *store, uint32_t index, const oai_weights *file, const char *name) {
    oai_store_tensor *tensor = &store->tensors[index];
    if (!store->mapped || !take_mapped(store, index, oai_weights_find(file, name))) {
        if (!tensor->data) OAI_TRY(allocate(store, tensor));
        OAI_TRY(oai_weights_read(file, name, tensor->rank, tensor->shape, tensor->data));
    }
    return check_finite(tensor, oai_weights_path(file), name);
}

oassl_status oai_store_load(oai_store *store, const oai_weights *file, const char *prefix, const char *file_prefix,
                            uint32_t flags) {
    char missing[512] = "";
    uint32_t n_missing = 0, n_read = 0;
    for (uint32_t i = 0; i < store->n_tensors; i++) {
        const oai_store_tensor *tensor = &store->tensors[i];
        if (!begins(tensor->name, prefix)) continue;
        const char *rest = tensor->name + strlen(prefix);
        if ((flags & OAI_LOAD_NO_HEAD) && begins(rest, "fc.")) continue;
        char name[512];
        snprintf(name, sizeof name, "%s%s", file_prefix, rest);
        if (!oai_weights_find(file, name)) {
            if (n_missing++ == 0) snprintf(missing, sizeof missing, "%s", name);
            continue;
        }
        OAI_TRY(load_tensor(store, i, file, name));
        n_read++;
    }
    if (n_missing > 0 && (!(flags & OAI_LOAD_PARTIAL) || n_read == 0)) {
        if (n_missing == 1)
            return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing", oai_weights_path(file), missing);
        return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing, and %u more", oai_weights_path(file),
                        missing, n_missing - 1);
    }
    warn_unknown(store, file, prefix, file_prefix);
    return OASSL_STATUS_OK;
}

/* ---- lying in the file --------------------------------------------------------------------------------------- */

/* Where the mapped tensors are, widened to whole pages. */
static bool mapped_pages(const oai_store *store, void **out_start, size_t *out_bytes) {
    uintptr_t first = UINTPTR_MAX, end = 0, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (uint32_t i = 0; i < store->n_tensors; i++) {
        if (!is_mapped(store, i)) continue;
        uintptr_t at = (uintptr_t)store->tensors[i].data, after = at + (size_t)store->tensors[i].count * sizeof(float);
        if (at < first) first = at;
        if (after > end) end = after;
    }
    if (end <= first) return false;
    *out_start = (void *)(first / page * page);
    *out_bytes = (end + page - 1) / page * page - (uintptr_t)*out_start;
    return true;
}

oassl_status oai_store_map(oai_store *store, oai_weights *file) {
    store->mapped = oai_calloc(store->host, (size_t)store->n_tensors + 1, 1);
    store->file = file;
    if (!store->mapped) return oai_no_memory(store->n_tensors, "a weight store");
    store->fd = open(oai_weights_path(file), O_RDONLY | O_CLOEXEC);
    if (store->fd >= 0 && fstat(store->fd, &store->as_loaded) != 0) {
        close(store->fd);
        store->fd = -1; /* gone already: nobody can write into it by its name */
    }
    return oai_store_load(store, file, "", "", 0);
}

oassl_status oai_store_check_file(const oai_store *store) {
    struct stat now;
    if (store->fd < 0 || fstat(store->fd, &now) != 0) return OASSL_STATUS_OK;
    const struct stat *then = &store->as_loaded;
    if (now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == then->st_mtim.tv_nsec)
        return OASSL_STATUS_OK;
    return oai_fail(
        OASSL_STATUS_IO,
        "%s was written into after it was loaded as a model: load it again (and replace such files, by renaming, "
        "instead of writing into them)",
        oai_weights_path(store->file));
}

void oai_store_rest(const oai_store *store) {
    void *start;
    size_t bytes;
    if (mapped_pages(store, &start, &bytes)) madvise(start, bytes, MADV_DONTNEED);
}

oassl_status oai_store_save(const oai_store *store, const char *path) {
    OAI_TRY(oai_store_check_file(store));
    oai_stored_tensor *tensors = oai_calloc(store->host, (size_t)store->n_tensors + 1, sizeof *tensors);
    oai_metadata *metadata = oai_calloc(store->host, (size_t)store->n_metadata + 1, sizeof *metadata);
    oassl_status status = OASSL_STATUS_OK;
    if (!tensors || !metadata) status = oai_no_memory(store->n_tensors * sizeof *tensors, path);
    for (uint32_t i = 0; i < store->n_tensors && status == OASSL_STATUS_OK; i++) {
        const oai_store_tensor *from = &store->tensors[i];
        tensors[i] = (oai_stored_tensor){.name = from->name,
                                         .dtype = OASSL_DTYPE_F32,
                                         .rank = from->rank,
                                         .data = from->data,
                                         .bytes = (size_t)from->count * sizeof(float)};
        memcpy(tensors[i].shape, from->shape, sizeof from->shape);
    }
    for (uint32_t i = 0; i < store->n_metadata && status == OASSL_STATUS_OK; i++)
        metadata[i] = (oai_metadata){store->metadata[i].key, store->metadata[i].value};
    if (status == OASSL_STATUS_OK)
        status = oai_safetensors_write(store->host, path, tensors, store->n_tensors, metadata, store->n_metadata);
    oai_free(store->host, tensors);
    oai_free(store->host, metadata);
    return status;
}

const char *oai_store_metadata(const oai_store *store, const char *key) {
    for (uint32_t i = 0; i < store->n_metadata; i++)
        if (strcmp(store->metadata[i].key, key) == 0) return store->metadata[i].value;
    return NULL;
}

oassl_status oai_store_set_metadata(oai_store *store, const char *key, const char *value) {
    char *copy = oai_strdup(store->host, value);
    if (!copy) return oai_no_memory(strlen(value), "metadata");
    for (uint32_t i = 0; i < store->n_metadata; i++)
        if (strcmp(store->metadata[i].key, key) == 0) {
            oai_free(store->host, store->metadata[i].value);
            store->metadata[i].value = copy;
            return OASSL_STATUS_OK;
        }
    size_t old = store->n_metadata * sizeof *store->metadata;
    text_entry *grown = oai_grow(store->host, store->metadata, old, old + sizeof *grown);
    if (grown) store->metadata = grown;
    char *name = grown ? oai_strdup(store->host, key) : NULL;
    if (!name) {
        oai_free(store->host, copy);
        return oai_no_memory(strlen(key), "metadata");
    }
    store->metadata[store->n_metadata++] = (text_entry){name, copy};
    return OASSL_STATUS_OK;
}

oassl_status oai_store_take_metadata(oai_store *store, const oai_weights *file, const char *const *keys) {
    for (; keys && *keys; keys++) {
        const char *value = oai_safetensors_metadata(oai_weights_file(file), *keys);
        if (value) OAI_TRY(oai_store_set_metadata(store, *keys, value));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_store_bind(const oai_store *store, const oai_emitter *emitter, const oassl_graph *graph,
                            oassl_backend_param **out_params, uint32_t *out_n_params) {
    *out_params = NULL;
    *out_n_params = 0;
    oassl_backend_param *params = oai_calloc(store->host, (size_t)emitter->n_params + 1, sizeof *params);
    if (!params) return oai_no_memory(emitter->n_params * sizeof *params, "parameters");
    uint32_t n = 0;
    for (uint32_t i = 0; i < emitter->n_params; i++) {
        const oai_net_param *param = &emitter->params[i];
        if (graph->values[param->value].kind != OASSL_VALUE_PARAM) continue;
        const oai_store_tensor *tensor = oai_store_find(store, param->name);
        if (!tensor) {
            oai_free(store->host, params);
            return oai_fail(OASSL_STATUS_INTERNAL, "the store has no tensor '%s'", param->name);
        }
        params[n++] = (oassl_backend_param){.value = param->value, .data = tensor->data};
    }
    *out_params = params;
    *out_n_params = n;
    return OASSL_STATUS_OK;
}
