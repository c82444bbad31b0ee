#include "base/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"

static const struct descr_row {
    const char *descr;
    int32_t dtype;
    size_t bytes;
} descrs[] = {
    /* the first row of a type is the one written */
    {"<f4", OASSL_DTYPE_F32, 4}, {"<f8", OASSL_DTYPE_F64, 8}, {"<f2", OASSL_DTYPE_F16, 2}, {"<i4", OASSL_DTYPE_I32, 4},
    {"<i8", OASSL_DTYPE_I64, 8}, {"|u1", OASSL_DTYPE_U8, 1},  {"|b1", OASSL_DTYPE_U8, 1},
};
#define N_DESCRS (sizeof descrs / sizeof *descrs)

static size_t element_bytes(const oai_npy *array) {
    if (array->dtype == OAI_NPY_UNICODE) return (size_t)array->width * 4;
    if (array->dtype == OAI_NPY_BYTES) return array->width;
    for (size_t i = 0; i < N_DESCRS; i++)
        if (descrs[i].dtype == array->dtype) return descrs[i].bytes;
    return 0;
}

int64_t oai_npy_count(const oai_npy *array) {
    int64_t n = 1;
    for (int32_t i = 0; i < array->rank; i++) n *= array->shape[i];
    return n;
}

void oai_npy_free(oai_npy *array) {
    if (array->host) oai_free(array->host, array->data);
    *array = (oai_npy){0};
}

oai_npy oai_npy_of(int32_t dtype, int32_t rank, const int64_t *shape, const void *data) {
    oai_npy array = {.dtype = dtype, .rank = rank, .data = (void *)data};
    for (int32_t i = 0; i < rank; i++) array.shape[i] = shape[i];
    array.bytes = (size_t)oai_npy_count(&array) * element_bytes(&array);
    return array;
}

/* ---- the header --------------------------------------------------------------------------------------------- */

/* A Python dictionary of three known keys in any order; the little of its grammar that NumPy writes. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n')) c->at++;
}

static bool take(cursor *c, const char *token) {
    skip_blanks(c);
    size_t n = strlen(token);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, token, n) != 0) return false;
    c->at += n;
    return true;
}

static bool take_quoted(cursor *c, char *out, size_t out_bytes) {
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    char quote = *c->at++;
    size_t n = 0;
    while (c->at < c->end && *c->at != quote && *c->at != '\\' && n + 1 < out_bytes) out[n++] = *c->at++;
    out[n] = 0;
    return take(c, quote == '"' ? "\"" : "'");
}

static bool take_integer(cursor *c, int64_t *out_value) {
    skip_blanks(c);
    const char *start = c->at;
    int64_t value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)(*c->at - '0'), &value))
            return false;
    *out_value = value;
    return c->at > start;
}

static oassl_status take_shape(cursor *c, oai_npy *array) {
    if (!take(c, "(")) return oai_fail(OASSL_STATUS_FORMAT, "npy header: 'shape' is not a tuple");
    array->rank = 0;
    while (!take(c, ")")) {
        int64_t extent;
        if (!take_integer(c, &extent)) return oai_fail(OASSL_STATUS_FORMAT, "npy header: bad number in 'shape'");
        if (array->rank == OASSL_MAX_RANK)
            return oai_fail(OASSL_STATUS_UNSUPPORTED, "npy header: more than %d dimensions", OASSL_MAX_RANK);
        array->shape[array->rank++] = extent;
        if (take(c, ",")) continue;
        if (array->rank == 1 || !take(c, ")")) return oai_fail(OASSL_STATUS_FORMAT, "npy header: bad 'shape'");
        break;
    }
    return OASSL_STATUS_OK;
}

static oassl_status set_dtype(const char *descr, oai_npy *array) {
    for (size_t i = 0; i < N_DESCRS; i++) {
        bool order_free = descrs[i].bytes == 1 && descr[0] != 0;
        if (strcmp(descrs[i].descr + order_free, descr + order_free) != 0) continue;
        array->dtype = descrs[i].dtype;
        return OASSL_STATUS_OK;
    }
    bool unicode = strncmp(descr, "<U", 2) == 0;
    int64_t width;
    cursor c = {descr + 2, descr + strlen(descr)};
    if ((unicode || strncmp(descr, "|S", 2) == 0) && take_integer(&c, &width) && c.at == c.end && width <= INT32_MAX) {
        array->dtype = unicode ? OAI_NPY_UNICODE : OAI_NPY_BYTES;
        array->width = (uint32_t)width;
        return OASSL_STATUS_OK;
    }
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "npy header: dtype '%s' is not one of <f4 <f8 <f2 <i4 <i8 |u1 |b1 <U |S",
                    descr);
}

static oassl_status take_entries(cursor *c, oai_npy *array, bool *out_fortran) {
    bool seen[3] = {false, false, false};
    char key[32], descr[64];
    if (!take(c, "{")) return oai_fail(OASSL_STATUS_FORMAT, "npy header: not a dictionary");
    while (!take(c, "}")) {
        if (!take_quoted(c, key, sizeof key) || !take(c, ":"))
            return oai_fail(OASSL_STATUS_FORMAT, "npy header: expected a key");
        int which = strcmp(key, "descr") == 0 ? 0 : strcmp(key, "fortran_order") == 0 ? 1 : 2;
        if ((which == 2 && strcmp(key, "shape") != 0) || seen[which])
            return oai_fail(OASSL_STATUS_FORMAT, "npy header: unexpected key '%s'", key);
        seen[which] = true;
        if (which == 2) {
            OAI_TRY(take_shape(c, array));
        } else if (which == 1) {
            *out_fortran = take(c, "True");
            if (!*out_fortran && !take(c, "False"))
                return oai_fail(OASSL_STATUS_FORMAT, "npy header: 'fortran_order' is neither True nor False");
        } else {
            if (!take_quoted(c, descr, sizeof descr))
                return oai_fail(OASSL_STATUS_UNSUPPORTED, "npy header: 'descr' is not a plain type");
            OAI_TRY(set_dtype(descr, array));
        }
        if (!take(c, ",") && (c->at == c->end || *c->at != '}'))
            return oai_fail(OASSL_STATUS_FORMAT, "npy header: expected ',' or '}'");
    }
    for (int i = 0; i < 3; i++)
        if (!seen[i])
            return oai_fail(OASSL_STATUS_FORMAT, "npy header: key '%s' is missing",
                            (const char *[]){"descr", "fortran_order", "shape"}[i]);
    return OASSL_STATUS_OK;
}

oassl_status oai_npy_parse(const uint8_t *text, size_t bytes, oai_npy *out_array, size_t *out_header) {
    *out_array = (oai_npy){0};
    if (bytes < 10 || memcmp(text, "\x93NUMPY", 6) != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "not npy: no '\\x93NUMPY' in front");
    bool old = text[6] == 1;
    if (text[6] < 1 || text[6] > 3 || (!old && bytes < 12))
        return oai_fail(OASSL_STATUS_FORMAT, "npy format version %d, expected 1 to 3", text[6]);
    size_t start = old ? 10 : 12, n = text[8] | (size_t)text[9] << 8;
    if (!old) n |= (size_t)text[10] << 16 | (size_t)text[11] << 24;
    if (n > bytes - start)
        return oai_fail(OASSL_STATUS_FORMAT, "npy header: %zu bytes long, of %zu left (truncated?)", n, bytes - start);

    cursor c = {(const char *)text + start, (const char *)text + start + n};
    bool fortran = false;
    OAI_TRY(take_entries(&c, out_array, &fortran));
    skip_blanks(&c);
    if (c.at != c.end) return oai_fail(OASSL_STATUS_FORMAT, "npy header: text behind the dictionary");
    if (fortran && out_array->rank > 1)
        return oai_fail(OASSL_STATUS_UNSUPPORTED,
                        "the array is in Fortran order: save numpy.ascontiguousarray(array) instead");
    uint64_t expected = element_bytes(out_array);
    double places = 1; /* an array of no bytes may still have sides: whoever counts along one must come to an end */
    for (int32_t i = 0; i < out_array->rank; i++) places *= out_array->shape[i] > 1 ? (double)out_array->shape[i] : 1;
    for (int32_t i = 0; i < out_array->rank; i++)
        if (__builtin_mul_overflow(expected, (uint64_t)out_array->shape[i], &expected) || expected > INT64_MAX)
            return oai_fail(OASSL_STATUS_FORMAT, "npy header: shape %s overflows",
                            oai_shape_to_text(out_array->rank, out_array->shape).text);
    if (expected == 0 && places > 1 << 20)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "shape %s of an array without data",
                        oai_shape_to_text(out_array->rank, out_array->shape).text);
    if (expected != bytes - start - n)
        return oai_fail(OASSL_STATUS_FORMAT, "shape %s needs %" PRIu64 " bytes of data, found %zu (truncated?)",
                        oai_shape_to_text(out_array->rank, out_array->shape).text, expected, bytes - start - n);
    out_array->bytes = (size_t)expected;
    *out_header = start + n;
    return OASSL_STATUS_OK;
}

oassl_status oai_npy_format(const oai_npy *array, uint8_t out_header[OAI_NPY_HEADER_MAX], size_t *out_bytes) {
    char descr[32] = "";
    if (array->dtype == OAI_NPY_UNICODE || array->dtype == OAI_NPY_BYTES)
        snprintf(descr, sizeof descr, "%s%u", array->dtype == OAI_NPY_UNICODE ? "<U" : "|S", array->width);
    for (size_t i = N_DESCRS; i-- > 0;)
        if (descrs[i].dtype == array->dtype) snprintf(descr, sizeof descr, "%s", descrs[i].descr);
    if (!descr[0] || array->rank < 0 || array->rank > OASSL_MAX_RANK)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "npy: dtype %d, rank %d cannot be written", array->dtype,
                        array->rank);
    char *text = (char *)out_header + 10;
    size_t room = OAI_NPY_HEADER_MAX - 10;
    int n = snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int32_t i = 0; i < array->rank; i++)
        n += snprintf(text + n, room - (size_t)n, "%" PRId64 "%s", array->shape[i],
                      i + 1 < array->rank ? ", "
                      : array->rank == 1  ? ","
                                          : "");
    n += snprintf(text + n, room - (size_t)n, "), }");
    size_t total = ((size_t)n + 11 + 63) / 64 * 64; /* NumPy aligns the data to 64 bytes and ends with a newline */
    memset(text + n, ' ', total - 10 - (size_t)n);
    out_header[total - 1] = '\n';
    memcpy(out_header, "\x93NUMPY\x01\x00", 8);
    out_header[8] = (uint8_t)(total - 10);
    out_header[9] = (uint8_t)((total - 10) >> 8);
    *out_bytes = total;
    return OASSL_STATUS_OK;
}

/* ---- text elements ------------------------------------------------------------------------------------------ */

/* One code point of valid UTF-8; 0 bytes on anything else. */
static size_t decode(const uint8_t *text, uint32_t *out_code) {
    static const uint8_t masks[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80    ? 1
               : text[0] >= 0xF8 ? 0
               : text[0] >= 0xF0 ? 4
               : text[0] >= 0xE0 ? 3
               : text[0] >= 0xC0 ? 2
                                 : 0;
    uint32_t code = text[0] & masks[n];
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (text[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
    *out_code = code;
    return n;
}

static size_t encode(uint32_t code, char *out) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xC0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 63));
    out[2] = (char)(0x80 | (code >> 6 & 63));
    out[3] = (char)(0x80 | (code & 63));
    return 4;
}

oassl_status oai_npy_from_texts(const oai_host *host, const char *const *texts, size_t n, bool scalar,
                                oai_npy *out_array) {
    *out_array = (oai_npy){0};
    size_t width = 1;
    uint32_t code;
    for (size_t i = 0; i < n; i++) {
        size_t length = 0, step;
        for (const uint8_t *at = (const uint8_t *)texts[i]; *at; at += step, length++)
            if ((step = decode(at, &code)) == 0)
                return oai_fail(OASSL_STATUS_FORMAT, "text %zu is not valid UTF-8", i);
        if (length > width) width = length;
    }
    if (width > INT32_MAX / 4 || n > SIZE_MAX / 4 / width)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "text of %zu characters is too long for an array", width);
    uint32_t *data = oai_calloc(host, n * width, sizeof *data);
    if (!data) return oai_no_memory(n * width * sizeof *data, "an array of texts");
    for (size_t i = 0; i < n; i++) {
        uint32_t *out = data + i * width;
        for (const uint8_t *at = (const uint8_t *)texts[i]; *at; out++) at += decode(at, out);
    }
    *out_array = (oai_npy){.dtype = OAI_NPY_UNICODE,
                           .width = (uint32_t)width,
                           .rank = scalar ? 0 : 1,
                           .shape = {scalar ? 0 : (int64_t)n},
                           .data = data,
                           .bytes = n * width * sizeof *data,
                           .host = host};
    return OASSL_STATUS_OK;
}

oassl_status oai_npy_text_at(const oai_host *host, const oai_npy *array, size_t index, char **out_text) {
    *out_text = NULL;
    size_t width = array->width, n = 0;
    bool unicode = array->dtype == OAI_NPY_UNICODE;
    if (!unicode && array->dtype != OAI_NPY_BYTES)
        return oai_fail(OASSL_STATUS_FORMAT, "expected an array of texts (<U or |S), found numbers");
    const uint8_t *element = (const uint8_t *)array->data + index * element_bytes(array);
    char *text = oai_alloc(host, width * 4 + 1);
    if (!text) return oai_no_memory(width * 4 + 1, "a text");
    for (size_t i = 0; i < width; i++) {
        uint32_t code = element[i];
        if (unicode) memcpy(&code, element + 4 * i, 4);
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            oai_free(host, text);
            return oai_fail(OASSL_STATUS_FORMAT, "text %zu: character U+%X is not Unicode", index, code);
        }
        if (unicode)
            n += encode(code, text + n);
        else
            text[n++] = (char)code;
    }
    while (n > 0 && text[n - 1] == 0) n--;
    text[n] = 0;
    bool good = strlen(text) == n;
    uint32_t code;
    for (size_t at = 0, step; good && at < n; at += step)
        good = (step = decode((const uint8_t *)text + at, &code)) != 0;
    if (!good) {
        oai_free(host, text);
        return oai_fail(OASSL_STATUS_FORMAT, "text %zu: not valid UTF-8, or a NUL inside", index);
    }
    *out_text = text;
    return OASSL_STATUS_OK;
}

/* ---- files -------------------------------------------------------------------------------------------------- */

oassl_status oai_npy_load(const oai_host *host, const char *path, oai_npy *out_array) {
    *out_array = (oai_npy){0};
    oai_file_map map;
    OAI_TRY(oai_file_map_open(path, &map));
    size_t header;
    oai_npy array;
    oassl_status status = oai_npy_parse(map.data, map.bytes, &array, &header);
    if (status != OASSL_STATUS_OK)
        status = oai_fail_within(status, "%s", path);
    else if (!(array.data = oai_alloc(host, array.bytes)))
        status = oai_no_memory(array.bytes, path);
    if (status == OASSL_STATUS_OK) {
        memcpy(array.data, map.data + header, array.bytes);
        array.host = host;
        *out_array = array;
    }
    oai_file_map_close(&map);
    return status;
}

oassl_status oai_npy_save(const oai_host *host, const char *path, const oai_npy *array) {
    uint8_t header[OAI_NPY_HEADER_MAX];
    size_t header_bytes;
    oassl_status status = oai_npy_format(array, header, &header_bytes);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", path);
    oai_writer *writer;
    OAI_TRY(oai_writer_open(host, path, &writer));
    status = oai_writer_write(writer, header, header_bytes);
    if (status == OASSL_STATUS_OK) status = oai_writer_write(writer, array->data, array->bytes);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(writer);
    oai_writer_abort(writer);
    return status;
}
