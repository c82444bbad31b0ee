#include "base/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strmap.h"

#define PREFIX_BYTES 8
#define MAX_HEADER_BYTES 100000000u /* the format's own limit */

struct oai_safetensors {
    const oai_host *host;
    char *path;
    oai_file_map map;
    json_t *header; /* owns the names and the metadata */
    oai_stored_tensor *tensors;
    uint32_t n_tensors;
    oai_strmap by_name;
};

static const struct dtype_row {
    const char *name;
    int32_t dtype;
    size_t bytes;
} dtypes[] = {
    {"F32", OASSL_DTYPE_F32, 4},
    {"F64", OASSL_DTYPE_F64, 8},
    {"I32", OASSL_DTYPE_I32, 4},
    {"I64", OASSL_DTYPE_I64, 8},
    {"U8", OASSL_DTYPE_U8, 1},
    {"BF16", OASSL_DTYPE_BF16, 2},
    {"F16", OASSL_DTYPE_F16, 2},
    {"BOOL", 0, 1},
    {"I8", 0, 1},
    {"F8_E5M2", 0, 1},
    {"F8_E4M3", 0, 1},
    {"F8_E8M0", 0, 1},
    {"I16", 0, 2},
    {"U16", 0, 2},
    {"U32", 0, 4},
    {"U64", 0, 8},
    {"C64", 0, 8},
};
#define N_DTYPES (sizeof dtypes / sizeof *dtypes)

size_t oai_stored_dtype_bytes(int32_t dtype) {
    for (size_t i = 0; dtype && i < N_DTYPES; i++)
        if (dtypes[i].dtype == dtype) return dtypes[i].bytes;
    return 0;
}

const char *oai_stored_dtype_name(int32_t dtype) {
    for (size_t i = 0; dtype && i < N_DTYPES; i++)
        if (dtypes[i].dtype == dtype) return dtypes[i].name;
    return "?";
}

oai_shape_text oai_shape_to_text(int32_t rank, const int64_t *shape) {
    oai_shape_text out = {"["};
    size_t n = 1;
    for (int32_t i = 0; i < rank && n < sizeof out.text - 24; i++)
        n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%s%" PRId64, i ? ", " : "", shape[i]);
    snprintf(out.text + n, sizeof out.text - n, "]");
    return out;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Bytes of a tensor, or false when they cannot be counted in 63 bits. */
static bool byte_count(int32_t rank, const int64_t *shape, size_t element_bytes, uint64_t *out_bytes) {
    uint64_t bytes = element_bytes;
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, (uint64_t)shape[i], &bytes) || bytes > INT64_MAX)
            return false;
    *out_bytes = bytes;
    return true;
}

static oassl_status parse_shape(const json_t *spec, oai_stored_tensor *tensor) {
    json_t *shape;
    OAI_TRY(oai_json_array(spec, "shape", &shape));
    size_t rank = json_array_size(shape);
    if (rank > OASSL_MAX_RANK)
        return oai_fail(OASSL_STATUS_FORMAT, "rank %zu, expected at most %d", rank, OASSL_MAX_RANK);
    tensor->rank = (int32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0)
            return oai_json_unexpected("shape", "a list of non-negative integers", shape);
        tensor->shape[i] = json_integer_value(extent);
    }
    return OASSL_STATUS_OK;
}

static oassl_status parse_tensor(const json_t *spec, const uint8_t *data, uint64_t data_bytes,
                                 oai_stored_tensor *tensor) {
    const char *type;
    OAI_TRY(oai_json_string(spec, "dtype", &type));
    size_t row = 0;
    while (row < N_DTYPES && strcmp(dtypes[row].name, type) != 0) row++;
    if (row == N_DTYPES) return oai_fail(OASSL_STATUS_FORMAT, "unknown dtype '%.32s'", type);
    tensor->dtype = dtypes[row].dtype;
    OAI_TRY(parse_shape(spec, tensor));

    json_t *offsets;
    OAI_TRY(oai_json_array(spec, "data_offsets", &offsets));
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return oai_json_unexpected("data_offsets", "two integers", offsets);
    int64_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes)
        return oai_fail(OASSL_STATUS_FORMAT,
                        "data_offsets [%" PRId64 ", %" PRId64 "] are not within the %" PRIu64
                        " bytes of data (a truncated file?)",
                        begin, end, data_bytes);
    uint64_t bytes;
    if (!byte_count(tensor->rank, tensor->shape, dtypes[row].bytes, &bytes) || bytes != (uint64_t)(end - begin))
        return oai_fail(OASSL_STATUS_FORMAT, "data_offsets span %" PRId64 " bytes, which is not %s of shape %s",
                        end - begin, type, oai_shape_to_text(tensor->rank, tensor->shape).text);
    tensor->data = data + begin;
    tensor->bytes = (size_t)bytes;
    return OASSL_STATUS_OK;
}

static int by_position(const void *a, const void *b) {
    const oai_stored_tensor *x = a, *y = b;
    if (x->data != y->data) return (const uint8_t *)x->data < (const uint8_t *)y->data ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* In order of position every tensor must begin where the one before it ended, and the last end with the file. */
static oassl_status check_layout(oai_safetensors *file, const uint8_t *data, uint64_t data_bytes) {
    qsort(file->tensors, file->n_tensors, sizeof *file->tensors, by_position);
    const uint8_t *expected = data;
    for (uint32_t i = 0; i < file->n_tensors; i++) {
        const oai_stored_tensor *tensor = &file->tensors[i];
        const uint8_t *begin = tensor->data;
        if (begin != expected)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: tensor '%s': data %s the tensor before it", file->path,
                            tensor->name, begin < expected ? "overlaps" : "leaves a hole after");
        expected = begin + tensor->bytes;
        OAI_TRY(oai_strmap_put(&file->by_name, tensor->name, strlen(tensor->name), i, NULL));
    }
    if (expected != data + data_bytes)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: %" PRIu64 " bytes behind the last tensor", file->path,
                        (uint64_t)(data + data_bytes - expected));
    return OASSL_STATUS_OK;
}

static oassl_status check_metadata(const oai_safetensors *file) {
    const json_t *metadata = json_object_get(file->header, "__metadata__");
    if (!metadata) return OASSL_STATUS_OK;
    if (!json_is_object(metadata)) return oai_json_unexpected("__metadata__", "an object of strings", metadata);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) if (!json_is_string(value)) return oai_json_unexpected(
        key, "a string in __metadata__", value);
    return OASSL_STATUS_OK;
}

static oassl_status parse_header(oai_safetensors *file) {
    const oai_file_map *map = &file->map;
    if (map->bytes < PREFIX_BYTES)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: not a safetensors file: %zu bytes", file->path, map->bytes);
    uint64_t header_bytes = 0;
    for (int i = PREFIX_BYTES - 1; i >= 0; i--) header_bytes = header_bytes << 8 | map->data[i];
    if (header_bytes > map->bytes - PREFIX_BYTES || header_bytes > MAX_HEADER_BYTES || header_bytes < 2)
        return oai_fail(OASSL_STATUS_FORMAT,
                        "%s: not a safetensors file, or truncated: header of %" PRIu64 " bytes in a file of %zu",
                        file->path, header_bytes, map->bytes);
    OAI_TRY(
        oai_json_parse((const char *)map->data + PREFIX_BYTES, (size_t)header_bytes, file->path, 1, &file->header));
    if (!json_is_object(file->header))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: header is a list, expected an object", file->path);
    oassl_status status = check_metadata(file);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", file->path);

    const uint8_t *data = map->data + PREFIX_BYTES + header_bytes;
    uint64_t data_bytes = map->bytes - PREFIX_BYTES - header_bytes;
    size_t n = json_object_size(file->header);
    file->tensors = oai_calloc(file->host, n + 1, sizeof *file->tensors);
    if (!file->tensors) return oai_no_memory((n + 1) * sizeof *file->tensors, file->path);
    const char *name;
    json_t *spec;
    json_object_foreach(file->header, name, spec) {
        if (strcmp(name, "__metadata__") == 0) continue;
        oai_stored_tensor *tensor = &file->tensors[file->n_tensors++];
        tensor->name = name;
        status = json_is_object(spec) ? parse_tensor(spec, data, data_bytes, tensor)
                                      : oai_fail(OASSL_STATUS_FORMAT, "expected an object");
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s: tensor '%.200s'", file->path, name);
    }
    return check_layout(file, data, data_bytes);
}

oassl_status oai_safetensors_open(const oai_host *host, const char *path, oai_safetensors **out_file) {
    *out_file = NULL;
    oai_safetensors *file = oai_calloc(host, 1, sizeof *file);
    if (!file) return oai_no_memory(sizeof *file, path);
    file->host = host;
    oai_strmap_init(&file->by_name, host);
    oassl_status status = OASSL_STATUS_OK;
    if (!(file->path = oai_strdup(host, path))) status = oai_no_memory(strlen(path) + 1, path);
    if (status == OASSL_STATUS_OK) status = oai_file_map_open(path, &file->map);
    if (status == OASSL_STATUS_OK) status = parse_header(file);
    if (status != OASSL_STATUS_OK) {
        oai_safetensors_close(file);
        return status;
    }
    *out_file = file;
    return OASSL_STATUS_OK;
}

void oai_safetensors_close(oai_safetensors *file) {
    if (!file) return;
    oai_strmap_free(&file->by_name);
    oai_free(file->host, file->tensors);
    json_decref(file->header);
    oai_file_map_close(&file->map);
    oai_free(file->host, file->path);
    oai_free(file->host, file);
}

const char *oai_safetensors_path(const oai_safetensors *file) { return file->path; }

uint32_t oai_safetensors_count(const oai_safetensors *file) { return file->n_tensors; }

const oai_stored_tensor *oai_safetensors_at(const oai_safetensors *file, uint32_t index) {
    return &file->tensors[index];
}

const oai_stored_tensor *oai_safetensors_find(const oai_safetensors *file, const char *name) {
    uint32_t i = oai_strmap_get(&file->by_name, name, strlen(name));
    return i == OAI_STRMAP_NONE ? NULL : &file->tensors[i];
}

const char *oai_safetensors_metadata(const oai_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static oassl_status header_entry(const oai_stored_tensor *tensor, uint64_t *offset, json_t *header) {
    uint64_t bytes;
    size_t element = oai_stored_dtype_bytes(tensor->dtype);
    if (!element || tensor->rank < 0 || tensor->rank > OASSL_MAX_RANK ||
        !byte_count(tensor->rank, tensor->shape, element, &bytes) || bytes > INT64_MAX - *offset)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "tensor '%s': bad dtype or shape", tensor->name);
    if (json_object_get(header, tensor->name))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "tensor '%s' is given twice", tensor->name);
    json_t *shape = json_array();
    for (int32_t i = 0; i < tensor->rank; i++) oai_json_append(&shape, json_integer(tensor->shape[i]));
    json_t *spec = json_pack("{s:s, s:o, s:[I, I]}", "dtype", oai_stored_dtype_name(tensor->dtype), "shape", shape,
                             "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + bytes));
    *offset += bytes;
    if (json_object_set_new(header, tensor->name, spec) == 0) return OASSL_STATUS_OK;
    return oai_fail_within(oai_json_text_failure(tensor->name, "its name"), "tensor '%s'", tensor->name);
}

static oassl_status make_header(const oai_stored_tensor *tensors, uint32_t n_tensors, const oai_metadata *metadata,
                                uint32_t n_metadata, char **out_text) {
    oassl_status status = OASSL_STATUS_OK;
    json_t *header = json_object(), *map = n_metadata ? json_object() : NULL;
    for (uint32_t i = 0; i < n_metadata && status == OASSL_STATUS_OK; i++)
        if (json_object_set_new(map, metadata[i].key, json_string(metadata[i].value)) != 0)
            status = oai_fail_within(oai_json_text_failure(metadata[i].value, "its text"), "metadata '%s'", metadata[i].key);
    if (n_metadata) oai_json_put(&header, "__metadata__", map);
    if (status == OASSL_STATUS_OK && !header) status = oai_no_memory(256, "a safetensors header");
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n_tensors && status == OASSL_STATUS_OK; i++)
        status = header_entry(&tensors[i], &offset, header);
    *out_text = status == OASSL_STATUS_OK ? oai_json_text(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (status == OASSL_STATUS_OK && !*out_text) status = oai_no_memory(0, "a safetensors header");
    return status;
}

static oassl_status write_all(oai_writer *writer, const char *header, const oai_stored_tensor *tensors, uint32_t n) {
    size_t text_bytes = strlen(header), header_bytes = (text_bytes + 7) / 8 * 8;
    uint8_t prefix[PREFIX_BYTES];
    for (int i = 0; i < PREFIX_BYTES; i++) prefix[i] = (uint8_t)((uint64_t)header_bytes >> 8 * i);
    OAI_TRY(oai_writer_write(writer, prefix, sizeof prefix));
    OAI_TRY(oai_writer_write(writer, header, text_bytes));
    OAI_TRY(oai_writer_write(writer, "        ", header_bytes - text_bytes));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bytes = 0;
        byte_count(tensors[i].rank, tensors[i].shape, oai_stored_dtype_bytes(tensors[i].dtype), &bytes);
        OAI_TRY(oai_writer_write(writer, tensors[i].data, (size_t)bytes));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_safetensors_write(const oai_host *host, const char *path, const oai_stored_tensor *tensors,
                                   uint32_t n_tensors, const oai_metadata *metadata, uint32_t n_metadata) {
    char *header;
    oassl_status status = make_header(tensors, n_tensors, metadata, n_metadata, &header);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", path);
    oai_writer *writer;
    status = oai_writer_open(host, path, &writer);
    if (status == OASSL_STATUS_OK) status = write_all(writer, header, tensors, n_tensors);
    free(header);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(writer);
    oai_writer_abort(writer);
    return status;
}
