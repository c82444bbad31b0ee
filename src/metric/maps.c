#include "metric/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "base/npy.h"
#include "base/strmap.h"

struct oassl_maps {
    const oai_host *host;
    oai_arena arena; /* path and ids */
    const char *path;
    const char **ids; /* [n], NULL for a stack without */
    uint64_t n;
    oai_strmap index;
    bool is_folder;
    int fd;         /* of a .npy, read sample by sample: memory does not grow with the stack; -1 = none */
    size_t data_at; /* where its elements begin */
    oai_npy maps, counts, objects, confidence; /* of a stack */
};

static int32_t element_bytes(int32_t dtype) {
    switch (dtype) {
    case OASSL_DTYPE_F64:
    case OASSL_DTYPE_I64: return 8;
    case OASSL_DTYPE_F32:
    case OASSL_DTYPE_I32: return 4;
    case OASSL_DTYPE_F16: return 2;
    case OASSL_DTYPE_U8: return 1;
    default: return 0;
    }
}

static double element(const oai_npy *a, int64_t i) {
    switch (a->dtype) {
    case OASSL_DTYPE_F64: return ((const double *)a->data)[i];
    case OASSL_DTYPE_F32: return (double)((const float *)a->data)[i];
    case OASSL_DTYPE_I64: return (double)((const int64_t *)a->data)[i];
    case OASSL_DTYPE_I32: return (double)((const int32_t *)a->data)[i];
    case OASSL_DTYPE_F16: return (double)oai_f16_to_f32(((const uint16_t *)a->data)[i]);
    default: return (double)((const uint8_t *)a->data)[i];
    }
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* [n, h, w] or [n, k, h, w] of numbers; `stack` also knows its samples' number. */
static oassl_status check_stack(const oassl_maps *m, const oai_npy *a, const char *name, int32_t least, int32_t most) {
    if (a->rank < least || a->rank > most || !element_bytes(a->dtype))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: %s: expected numbers of %s, found rank %d, type %d", m->path, name,
                        most == 1 ? "[N]" : most == 3 ? "[N, h, w]" : "[N, h, w] or [N, K, h, w]", a->rank, a->dtype);
    for (int32_t i = 1; i < a->rank; i++)
        if (a->shape[i] < 1) return oai_fail(OASSL_STATUS_FORMAT, "%s: %s: side %d is %lld", m->path, name, i, (long long)a->shape[i]);
    if (a->rank == 4 && a->shape[1] > OASSL_METRIC_MAX_SOURCES)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: %s: %lld maps a sample, at most %d", m->path, name, (long long)a->shape[1],
                        OASSL_METRIC_MAX_SOURCES);
    if (a != &m->maps && (uint64_t)a->shape[0] != m->n)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: %s has %lld entries, expected %llu as there are maps", m->path, name,
                        (long long)a->shape[0], (unsigned long long)m->n);
    return OASSL_STATUS_OK;
}

static oassl_status open_npy(oassl_maps *m) {
    oai_file_map file;
    OAI_TRY(oai_file_map_open(m->path, &file));
    oassl_status status = oai_npy_parse(file.data, file.bytes, &m->maps, &m->data_at);
    oai_file_map_close(&file);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", m->path);
    m->fd = open(m->path, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0) return oai_fail(OASSL_STATUS_IO, "%s: %s", m->path, strerror(errno));
    OAI_TRY(check_stack(m, &m->maps, "the array", 3, 4));
    m->n = (uint64_t)m->maps.shape[0];
    return OASSL_STATUS_OK;
}

static oassl_status add_id(oassl_maps *m, uint64_t i, const char *id, size_t bytes) {
    uint32_t old;
    if (!(m->ids[i] = oai_arena_text(&m->arena, id, bytes))) return oai_no_memory(bytes, "ids");
    OAI_TRY(oai_strmap_put(&m->index, m->ids[i], bytes, (uint32_t)i, &old));
    return old == OAI_STRMAP_NONE ? OASSL_STATUS_OK : oai_fail(OASSL_STATUS_FORMAT, "%s: id '%s' twice", m->path, m->ids[i]);
}

static oassl_status read_ids(oassl_maps *m, const oai_npy *ids) {
    if ((ids->dtype != OAI_NPY_UNICODE && ids->dtype != OAI_NPY_BYTES) || ids->rank != 1 || (uint64_t)ids->shape[0] != m->n)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: ids: expected %llu texts, found rank %d, type %d, %lld entries", m->path,
                        (unsigned long long)m->n, ids->rank, ids->dtype, ids->rank ? (long long)ids->shape[0] : 1);
    m->ids = oai_calloc(m->host, m->n + 1, sizeof *m->ids);
    if (!m->ids) return oai_no_memory(m->n * sizeof *m->ids, "ids");
    for (uint64_t i = 0; i < m->n; i++) {
        char *text;
        OAI_TRY(oai_npy_text_at(m->host, ids, i, &text));
        oassl_status status = add_id(m, i, text, strlen(text));
        oai_free(m->host, text);
        OAI_TRY(status);
    }
    return OASSL_STATUS_OK;
}

static oassl_status read_members(oassl_maps *m, const oai_npz *file) {
    OAI_TRY(oai_npz_read(file, "maps", &m->maps));
    OAI_TRY(check_stack(m, &m->maps, "maps", 3, 4));
    m->n = (uint64_t)m->maps.shape[0];
    if (oai_npz_has(file, "ids")) {
        oai_npy ids;
        OAI_TRY(oai_npz_read(file, "ids", &ids));
        oassl_status status = read_ids(m, &ids);
        oai_npy_free(&ids);
        OAI_TRY(status);
    }
    const struct {
        const char *name;
        oai_npy *array;
        int32_t rank;
    } rest[] = {{"counts", &m->counts, 1}, {"objects", &m->objects, 3}, {"confidence", &m->confidence, 1}};
    for (int32_t i = 0; i < 3; i++) {
        if (!oai_npz_has(file, rest[i].name)) continue;
        OAI_TRY(oai_npz_read(file, rest[i].name, rest[i].array));
        OAI_TRY(check_stack(m, rest[i].array, rest[i].name, rest[i].rank, rest[i].rank));
    }
    return OASSL_STATUS_OK;
}

static oassl_status open_npz(oassl_maps *m) {
    oai_npz *file;
    OAI_TRY(oai_npz_open(m->host, m->path, &file));
    oassl_status status = read_members(m, file);
    oai_npz_close(file);
    return status;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int is_npy(const struct dirent *entry) { return ends_with(entry->d_name, ".npy"); }

static oassl_status open_folder(oassl_maps *m) {
    struct dirent **entries = NULL;
    int n = scandir(m->path, &entries, is_npy, NULL);
    if (n < 0) return oai_fail(OASSL_STATUS_IO, "%s: %s", m->path, strerror(errno));
    char **names = oai_calloc(m->host, (size_t)n + 1, sizeof *names);
    m->ids = oai_calloc(m->host, (size_t)n + 1, sizeof *m->ids);
    oassl_status status = names && m->ids ? OASSL_STATUS_OK : oai_no_memory((size_t)n * sizeof *names, "ids");
    for (int i = 0; names && i < n; i++) names[i] = entries[i]->d_name;
    if (names) qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 0; i < n && status == OASSL_STATUS_OK; i++) status = add_id(m, (uint64_t)i, names[i], strlen(names[i]) - 4);
    for (int i = 0; i < n; i++) free(entries[i]);
    free(entries);
    oai_free(m->host, names);
    m->n = (uint64_t)n, m->is_folder = true;
    if (status == OASSL_STATUS_OK && n == 0) status = oai_fail(OASSL_STATUS_NOT_FOUND, "%s: no .npy file", m->path);
    return status;
}

oassl_status oai_maps_open(const oai_host *host, const char *path, oassl_maps **out_maps) {
    struct stat info;
    *out_maps = NULL;
    if (stat(path, &info) != 0)
        return oai_fail(errno == ENOENT ? OASSL_STATUS_NOT_FOUND : OASSL_STATUS_IO, "%s: %s", path, strerror(errno));
    oassl_maps *m = oai_calloc(host, 1, sizeof *m);
    if (!m) return oai_no_memory(sizeof *m, "heat-maps");
    m->host = host, m->fd = -1;
    oai_arena_init(&m->arena, host);
    oai_strmap_init(&m->index, host);
    m->path = oai_arena_text(&m->arena, path, strlen(path));
    oassl_status status = m->path ? OASSL_STATUS_OK : oai_no_memory(strlen(path), "a path");
    if (status == OASSL_STATUS_OK)
        status = S_ISDIR(info.st_mode) ? open_folder(m)
                 : ends_with(path, ".npz") ? open_npz(m)
                 : ends_with(path, ".npy") ? open_npy(m)
                                           : oai_fail(OASSL_STATUS_FORMAT, "%s: expected a .npy or .npz file or a folder", path);
    if (status == OASSL_STATUS_OK) *out_maps = m;
    else oai_maps_close(m);
    return status;
}

void oai_maps_close(oassl_maps *m) {
    if (!m) return;
    oai_npy_free(&m->maps);
    oai_npy_free(&m->counts);
    oai_npy_free(&m->objects);
    oai_npy_free(&m->confidence);
    if (m->fd >= 0) close(m->fd);
    oai_free(m->host, m->ids);
    oai_strmap_free(&m->index);
    oai_arena_free(&m->arena);
    oai_free(m->host, m);
}

uint64_t oai_maps_count(const oassl_maps *m) { return m->n; }

const char *oai_maps_id(const oassl_maps *m, uint64_t index) { return m->ids && index < m->n ? m->ids[index] : NULL; }

oassl_status oai_maps_find(const oassl_maps *m, const char *id, uint64_t *out_index) {
    uint32_t at = m->ids ? oai_strmap_get(&m->index, id, strlen(id)) : OAI_STRMAP_NONE;
    *out_index = at;
    return at == OAI_STRMAP_NONE ? oai_fail(OASSL_STATUS_NOT_FOUND, "%s: no map of '%s'", m->path, id) : OASSL_STATUS_OK;
}

/* ---- one sample ------------------------------------------------------------------------------------------------- */

/* What one sample owns: a file of a folder, or maps turned into doubles. */
typedef struct owned {
    oai_npy file;
    double *values;
    void *read; /* of a .npy: the sample's elements as they are in the file */
} owned;

/* The map that begins at element `first`: in place when the metric can read it, else as doubles at `values`. */
static oassl_tensor map_at(const oai_npy *a, int64_t first, int64_t h, int64_t w, double *values) {
    oassl_tensor t = {.device = OASSL_DEVICE_CPU, .dtype = a->dtype, .rank = 2, .shape = {h, w}, .strides = {w, 1}};
    t.data = (uint8_t *)a->data + first * element_bytes(a->dtype);
    if (!values) return t;
    for (int64_t i = 0; i < h * w; i++) values[i] = element(a, first + i);
    t.data = values, t.dtype = OASSL_DTYPE_F64;
    return t;
}

static bool readable(const oai_npy *a) { return a->dtype == OASSL_DTYPE_F32 || a->dtype == OASSL_DTYPE_F64; }

/* Maps of `a` from element `first` on, k of them, and the object map. */
static oassl_status fill(const oassl_maps *m, const oai_npy *a, int64_t first, int64_t k, uint64_t index, oassl_map_set *set) {
    int64_t h = a->shape[a->rank - 2], w = a->shape[a->rank - 1], oh = 0, ow = 0;
    owned *own = set->owned;
    bool object = m->objects.data != NULL;
    if (object) oh = m->objects.shape[1], ow = m->objects.shape[2];
    size_t need = (readable(a) ? 0 : (size_t)(k * h * w)) + (!object || readable(&m->objects) ? 0 : (size_t)(oh * ow));
    if (need && !(own->values = oai_alloc(m->host, need * sizeof *own->values)))
        return oai_no_memory(need * sizeof *own->values, "heat-maps");
    double *next = own->values;
    for (int64_t i = 0; i < k; i++) {
        set->maps[i] = map_at(a, first + i * h * w, h, w, readable(a) ? NULL : next);
        if (!readable(a)) next += h * w;
    }
    set->n_maps = (uint32_t)k;
    if (object) set->object = map_at(&m->objects, (int64_t)index * oh * ow, oh, ow, readable(&m->objects) ? NULL : next);
    return OASSL_STATUS_OK;
}

static oassl_status get_from_folder(const oassl_maps *m, uint64_t index, oassl_map_set *set) {
    char path[4096];
    owned *own = set->owned;
    if (snprintf(path, sizeof path, "%s/%s.npy", m->path, m->ids[index]) >= (int)sizeof path)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: path too long", m->ids[index]);
    OAI_TRY(oai_npy_load(m->host, path, &own->file));
    const oai_npy *a = &own->file;
    int64_t k = a->rank == 3 ? a->shape[0] : 1;
    if (a->rank < 2 || a->rank > 3 || !element_bytes(a->dtype) || k > OASSL_METRIC_MAX_SOURCES || a->shape[a->rank - 1] < 1 ||
        a->shape[a->rank - 2] < 1)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: expected numbers of [h, w] or [K, h, w], K at most %d; found rank %d, type %d", path,
                        OASSL_METRIC_MAX_SOURCES, a->rank, a->dtype);
    return fill(m, a, 0, k, index, set);
}

static oassl_status read_sample(const oassl_maps *m, uint64_t index, size_t bytes, owned *own) {
    if (!(own->read = oai_alloc(m->host, bytes))) return oai_no_memory(bytes, "heat-maps");
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(m->fd, (char *)own->read + done, bytes - done, (off_t)(m->data_at + index * bytes + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return oai_fail(OASSL_STATUS_IO, "%s: sample %llu: %s", m->path, (unsigned long long)index,
                            n < 0 ? strerror(errno) : "the file ends there now");
        done += (size_t)n;
    }
    return OASSL_STATUS_OK;
}

static oassl_status get_from_stack(const oassl_maps *m, uint64_t index, oassl_map_set *set) {
    const oai_npy *a = &m->maps;
    int64_t each = a->rank == 4 ? a->shape[1] : 1, k = each, size = a->shape[a->rank - 2] * a->shape[a->rank - 1];
    if (m->counts.data) {
        double count = element(&m->counts, (int64_t)index);
        if (!(count >= 0 && count <= (double)each) || count != (double)(int64_t)count)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: counts: %g at %llu, expected 0..%lld", m->path, count, (unsigned long long)index, (long long)each);
        k = (int64_t)count;
    }
    if (m->confidence.data) set->confidence = element(&m->confidence, (int64_t)index), set->has_confidence = 1;
    if (m->fd < 0) return fill(m, a, (int64_t)index * each * size, k, index, set);
    oai_npy one = *a;
    OAI_TRY(read_sample(m, index, (size_t)(each * size * element_bytes(a->dtype)), set->owned));
    one.data = ((owned *)set->owned)->read;
    return fill(m, &one, 0, k, index, set);
}

oassl_status oai_maps_get(const oassl_maps *m, uint64_t index, oassl_map_set *out_set) {
    *out_set = (oassl_map_set)OASSL_MAP_SET_INIT;
    if (index >= m->n)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: map %llu, there are %llu", m->path, (unsigned long long)index, (unsigned long long)m->n);
    if (!(out_set->owned = oai_calloc(m->host, 1, sizeof(owned)))) return oai_no_memory(sizeof(owned), "heat-maps");
    oassl_status status = m->is_folder ? get_from_folder(m, index, out_set) : get_from_stack(m, index, out_set);
    if (status != OASSL_STATUS_OK) oai_maps_release(m, out_set);
    return status;
}

void oai_maps_release(const oassl_maps *m, oassl_map_set *set) {
    owned *own = set->owned;
    if (own) {
        oai_free(m->host, own->read);
        oai_npy_free(&own->file);
        oai_free(m->host, own->values);
        oai_free(m->host, own);
    }
    *set = (oassl_map_set)OASSL_MAP_SET_INIT;
}
