/* JSON by jansson, with errors that name file, line and column, and getters that name the field.
 *
 * Parsing refuses duplicate keys, invalid UTF-8, NUL, trailing text and nesting beyond jansson's limit (2048).
 * Values are jansson's (json_decref when done); those from getters are borrowed from the object. */
#ifndef OAI_BASE_JSON_H
#define OAI_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

/* Largest JSON file read whole. */
#define OAI_JSON_MAX_BYTES ((size_t)1 << 30)

/* `name` is what error texts begin with, usually a path; `first_line` the line number of the text's first line.
 * The top level must be an object or an array. */
oassl_status oai_json_parse(const char *text, size_t bytes, const char *name, uint64_t first_line, json_t **out_value);
oassl_status oai_json_load(const oai_host *host, const char *path, json_t **out_value);
/* Atomic, indented, with a final newline. */
oassl_status oai_json_save(const oai_host *host, const char *path, const json_t *value);

/* Required fields: missing or of another type is OASSL_STATUS_FORMAT, "field 'id': expected a string, found 3".
 * Put the file and record before it with oai_fail_within. */
oassl_status oai_json_string(const json_t *object, const char *key, const char **out_text);
oassl_status oai_json_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out_value);
oassl_status oai_json_number(const json_t *object, const char *key, double *out_value); /* integers too */
oassl_status oai_json_boolean(const json_t *object, const char *key, bool *out_value);
oassl_status oai_json_array(const json_t *object, const char *key, json_t **out_array);
oassl_status oai_json_object(const json_t *object, const char *key, json_t **out_object);
/* Array of exactly n numbers. */
oassl_status oai_json_numbers(const json_t *object, const char *key, size_t n, double *out_values);

/* Building.  The value is taken.  What could not be made or added makes the whole NULL, and what is added to NULL leaves
 * it so: no text ever lacks a part because memory ran out, and one look at the end is enough. */
void oai_json_put(json_t **object, const char *key, json_t *value);
void oai_json_append(json_t **array, json_t *value);
/* The text of a value, to be freed with free(); flags are jansson's JSON_INDENT, JSON_SORT_KEYS, ...  NULL when value is
 * NULL or memory runs out, where json_dumps may leave out parts of the text. */
char *oai_json_text(const json_t *value, size_t flags);
/* Why a text could not become JSON: OASSL_STATUS_INVALID_ARGUMENT if it is not UTF-8, else memory. */
oassl_status oai_json_text_failure(const char *text, const char *what);

/* True when the field is there and not null: `if (oai_json_has(o, "mask")) OAI_TRY(oai_json_string(...))`. */
bool oai_json_has(const json_t *object, const char *key);

/* The failure for a field of the wrong type or value: says what was expected and shows what was found. */
oassl_status oai_json_unexpected(const char *key, const char *expected, const json_t *found);

/* JSON Lines: one object a line; BOM, CRLF, blank lines and a missing last newline are accepted. */
typedef struct oai_jsonl oai_jsonl;
oassl_status oai_jsonl_open(const oai_host *host, const char *path, oai_jsonl **out_lines);
/* *out_object is NULL at the end.  After a FORMAT failure the next call goes on with the next line. */
oassl_status oai_jsonl_next(oai_jsonl *lines, json_t **out_object);
uint64_t oai_jsonl_line(const oai_jsonl *lines); /* number of the line last returned, from 1 */
void oai_jsonl_close(oai_jsonl *lines);

#endif
