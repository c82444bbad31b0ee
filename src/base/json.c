#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/file.h"
#include "base/json_scan.h"

#define SHOWN_BYTES 60 /* of a wrong value in an error text */

/* What jansson reads of a sound text: the list ["xx..", text].  The string is as long as the longest token of the text,
 * so that jansson's token buffer has its final size when the text begins; the string shows whether it could grow. */
typedef struct padded_text {
    const char *text;
    size_t bytes, padding, at; /* at: of the whole */
} padded_text;

static size_t read_padded(void *buffer, size_t room, void *user) {
    padded_text *p = user;
    const size_t begin = p->padding + 5; /* ["",\n */
    if (p->at >= begin && p->at < begin + p->bytes) {
        size_t n = begin + p->bytes - p->at < room ? begin + p->bytes - p->at : room;
        memcpy(buffer, p->text + (p->at - begin), n);
        p->at += n;
        return n;
    }
    size_t i = p->at++;
    if (i > begin + p->bytes) return 0;
    *(char *)buffer = i == 0 ? '[' : i == 1 || i == p->padding + 2 ? '"' : i == p->padding + 3 ? ',' : i == begin - 1 ? '\n' : i < begin ? 'x' : ']';
    return 1;
}

/* NULL with the text set, or when memory ran out. */
static json_t *load_padded(const char *text, size_t bytes, size_t longest, json_error_t *error) {
    padded_text whole = {text, bytes, longest, 0};
    json_t *list = json_load_callback(read_padded, &whole, JSON_REJECT_DUPLICATES, error);
    json_t *value = json_string_length(json_array_get(list, 0)) == longest ? json_incref(json_array_get(list, 1)) : NULL;
    if (!value && list) error->text[0] = '\0', error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    json_decref(list);
    error->line--;
    return value;
}

static oassl_status not_json(const json_error_t *error, const char *name, uint64_t first_line) {
    uint64_t line = first_line + (error->line > 0 ? (uint64_t)error->line - 1 : 0);
    return oai_fail(OASSL_STATUS_FORMAT, "%s:%llu:%d: not valid JSON: %s", name, (unsigned long long)line,
                    error->column > 0 ? error->column : 1, error->text);
}

oassl_status oai_json_parse(const char *text, size_t bytes, const char *name, uint64_t first_line,
                            json_t **out_value) {
    json_error_t error = {0};
    size_t longest;
    *out_value = NULL;
    if (!oai_json_scan(text, bytes, &longest)) { /* jansson can tell better what is wrong */
        json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
        if (!value && error.text[0]) return not_json(&error, name, first_line);
        json_decref(value);
        return value ? oai_fail(OASSL_STATUS_FORMAT, "%s: not valid JSON", name) : oai_no_memory(bytes, name);
    }
    *out_value = load_padded(text, bytes, longest, &error);
    if (*out_value) return OASSL_STATUS_OK;
    enum json_error_code code = json_error_code(&error);
    bool defect = code == json_error_duplicate_key || code == json_error_stack_overflow || code == json_error_numeric_overflow;
    return defect ? not_json(&error, name, first_line) : oai_no_memory(bytes, name);
}

static size_t bom_bytes(const char *text, size_t bytes) {
    return bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

oassl_status oai_json_load(const oai_host *host, const char *path, json_t **out_value) {
    *out_value = NULL;
    char *text;
    size_t bytes;
    OAI_TRY(oai_file_read(host, path, OAI_JSON_MAX_BYTES, &text, &bytes));
    size_t bom = bom_bytes(text, bytes);
    oassl_status status = oai_json_parse(text + bom, bytes - bom, path, 1, out_value);
    oai_free(host, text);
    return status;
}

oassl_status oai_json_save(const oai_host *host, const char *path, const json_t *value) {
    char *text = oai_json_text(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (!text) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "%s: cannot format as JSON", path);
    size_t bytes = strlen(text);
    text[bytes] = '\n'; /* over the terminator: the length goes along */
    oassl_status status = oai_file_write(host, path, text, bytes + 1);
    free(text);
    return status;
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

oassl_status oai_json_unexpected(const char *key, const char *expected, const json_t *found) {
    if (!found) return oai_fail(OASSL_STATUS_FORMAT, "field '%s': missing, expected %s", key, expected);
    char *text = oai_json_text(found, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text) return oai_fail(OASSL_STATUS_FORMAT, "field '%s': expected %s", key, expected);
    int n = (int)strlen(text), shown = n;
    if (n > SHOWN_BYTES) { /* cut at a whole UTF-8 character */
        shown = SHOWN_BYTES;
        while (((unsigned char)text[shown] & 0xC0) == 0x80) shown--;
    }
    oassl_status status = oai_fail(OASSL_STATUS_FORMAT, "field '%s': expected %s, found %.*s%s", key, expected, shown,
                                   text, shown < n ? "..." : "");
    free(text);
    return status;
}

bool oai_json_has(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

oassl_status oai_json_string(const json_t *object, const char *key, const char **out_text) {
    const json_t *value = json_object_get(object, key);
    *out_text = json_string_value(value);
    return *out_text ? OASSL_STATUS_OK : oai_json_unexpected(key, "a string", value);
}

oassl_status oai_json_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out_value) {
    const json_t *value = json_object_get(object, key);
    *out_value = 0;
    if (json_is_integer(value) && json_integer_value(value) >= min && json_integer_value(value) <= max) {
        *out_value = json_integer_value(value);
        return OASSL_STATUS_OK;
    }
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min, (long long)max);
    return oai_json_unexpected(key, expected, value);
}

oassl_status oai_json_number(const json_t *object, const char *key, double *out_value) {
    const json_t *value = json_object_get(object, key);
    *out_value = json_number_value(value);
    return json_is_number(value) ? OASSL_STATUS_OK : oai_json_unexpected(key, "a number", value);
}

oassl_status oai_json_boolean(const json_t *object, const char *key, bool *out_value) {
    const json_t *value = json_object_get(object, key);
    *out_value = json_is_true(value);
    return json_is_boolean(value) ? OASSL_STATUS_OK : oai_json_unexpected(key, "true or false", value);
}

oassl_status oai_json_array(const json_t *object, const char *key, json_t **out_array) {
    json_t *value = json_object_get(object, key);
    *out_array = json_is_array(value) ? value : NULL;
    return *out_array ? OASSL_STATUS_OK : oai_json_unexpected(key, "a list", value);
}

oassl_status oai_json_object(const json_t *object, const char *key, json_t **out_object) {
    json_t *value = json_object_get(object, key);
    *out_object = json_is_object(value) ? value : NULL;
    return *out_object ? OASSL_STATUS_OK : oai_json_unexpected(key, "an object", value);
}

oassl_status oai_json_numbers(const json_t *object, const char *key, size_t n, double *out_values) {
    const json_t *value = json_object_get(object, key);
    bool fits = json_is_array(value) && json_array_size(value) == n;
    for (size_t i = 0; fits && i < n; i++) {
        const json_t *item = json_array_get(value, i);
        fits = json_is_number(item);
        out_values[i] = json_number_value(item);
    }
    if (fits) return OASSL_STATUS_OK;
    char expected[48];
    snprintf(expected, sizeof expected, "a list of %zu numbers", n);
    return oai_json_unexpected(key, expected, value);
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static void spoil_unless(bool added, json_t **whole) {
    if (added) return;
    json_decref(*whole);
    *whole = NULL;
}

void oai_json_put(json_t **object, const char *key, json_t *value) {
    spoil_unless(json_object_set_new(*object, key, value) == 0, object);
}

void oai_json_append(json_t **array, json_t *value) { spoil_unless(json_array_append_new(*array, value) == 0, array); }

typedef struct growing_text {
    char *text;
    size_t bytes, room;
    bool starved;
} growing_text;

static int append_text(const char *part, size_t bytes, void *user) {
    growing_text *t = user;
    if (t->starved) return -1; /* jansson does not always look at what it is answered */
    if (t->room - t->bytes <= bytes) {
        size_t room = 2 * t->room + bytes + 256;
        char *larger = realloc(t->text, room);
        t->starved = !larger;
        if (t->starved) return -1;
        t->text = larger;
        t->room = room;
    }
    memcpy(t->text + t->bytes, part, bytes);
    t->bytes += bytes;
    return 0;
}

char *oai_json_text(const json_t *value, size_t flags) {
    growing_text t = {0};
    bool whole = value && json_dump_callback(value, append_text, &t, flags) == 0 && !t.starved;
    if (whole && append_text("", 1, &t) == 0) return t.text;
    free(t.text);
    return NULL;
}

oassl_status oai_json_text_failure(const char *text, const char *what) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t letter;
    while (*at) {
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &letter);
        if (n <= 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s is not UTF-8", what);
        at += n;
    }
    return oai_no_memory(strlen(text), what);
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

struct oai_jsonl {
    const oai_host *host;
    char *path, *text;
    size_t bytes, position;
    uint64_t line;
};

oassl_status oai_jsonl_open(const oai_host *host, const char *path, oai_jsonl **out_lines) {
    *out_lines = NULL;
    oai_jsonl *lines = oai_calloc(host, 1, sizeof *lines);
    if (!lines) return oai_no_memory(sizeof *lines, path);
    lines->host = host;
    lines->path = oai_strdup(host, path);
    oassl_status status = lines->path ? oai_file_read(host, path, OAI_JSON_MAX_BYTES, &lines->text, &lines->bytes)
                                      : oai_no_memory(strlen(path) + 1, path);
    if (status != OASSL_STATUS_OK) {
        oai_jsonl_close(lines);
        return status;
    }
    lines->position = bom_bytes(lines->text, lines->bytes);
    *out_lines = lines;
    return OASSL_STATUS_OK;
}

static bool is_blank(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    return true;
}

oassl_status oai_jsonl_next(oai_jsonl *lines, json_t **out_object) {
    *out_object = NULL;
    while (lines->position < lines->bytes) {
        const char *start = lines->text + lines->position;
        size_t left = lines->bytes - lines->position;
        const char *newline = memchr(start, '\n', left);
        size_t n = newline ? (size_t)(newline - start) : left;
        lines->position += n + (newline != NULL);
        lines->line++;
        if (is_blank(start, n)) continue;
        json_t *value;
        OAI_TRY(oai_json_parse(start, n, lines->path, lines->line, &value));
        if (!json_is_object(value)) {
            json_decref(value);
            return oai_fail(OASSL_STATUS_FORMAT, "%s:%llu: expected one JSON object a line, found a list", lines->path,
                            (unsigned long long)lines->line);
        }
        *out_object = value;
        return OASSL_STATUS_OK;
    }
    return OASSL_STATUS_OK;
}

uint64_t oai_jsonl_line(const oai_jsonl *lines) { return lines->line; }

void oai_jsonl_close(oai_jsonl *lines) {
    if (!lines) return;
    oai_free(lines->host, lines->text);
    oai_free(lines->host, lines->path);
    oai_free(lines->host, lines);
}
