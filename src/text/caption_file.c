#include "text/caption_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "text/caption_rules.h"

/* ---- the set ------------------------------------------------------------------------------------------------ */

oassl_status oai_caption_report(oai_caption_set *set, int32_t severity, uint64_t line, const char *id,
                                const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (set->n_defects == set->defects_room) {
        size_t room = set->defects_room ? 2 * set->defects_room : 64;
        oai_caption_defect *larger =
            oai_grow(set->host, set->defects, set->n_defects * sizeof *larger, room * sizeof *larger);
        if (!larger) return oai_no_memory(room * sizeof *larger, "caption defects");
        set->defects = larger;
        set->defects_room = room;
    }
    const char *copy = oai_arena_text(&set->arena, text, strlen(text));
    const char *id_copy = id ? oai_arena_text(&set->arena, id, strlen(id)) : NULL;
    if (!copy || (id && !id_copy)) return oai_no_memory(strlen(text), "a caption defect");
    set->defects[set->n_defects++] = (oai_caption_defect){severity, line, id_copy, copy};
    set->n_errors += severity == OAI_CAPTION_ERROR;
    set->n_warnings += severity == OAI_CAPTION_WARNING;
    return OASSL_STATUS_OK;
}

void oai_caption_set_destroy(oai_caption_set *set) {
    if (!set) return;
    const oai_host *host = set->host;
    oai_strmap_free(&set->by_id);
    oai_arena_free(&set->arena);
    oai_free(host, set->captions);
    oai_free(host, set->defects);
    oai_free(host, set->path);
    oai_free(host, set);
}

const oai_caption *oai_caption_set_find(const oai_caption_set *set, const char *id) {
    uint32_t i = oai_strmap_get(&set->by_id, id, strlen(id));
    return i == OAI_STRMAP_NONE ? NULL : &set->captions[i];
}

oassl_status oai_caption_set_require_valid(const oai_caption_set *set) {
    for (size_t i = 0; i < set->n_defects; i++) {
        const oai_caption_defect *defect = &set->defects[i];
        if (defect->severity != OAI_CAPTION_ERROR) continue;
        return oai_fail(OASSL_STATUS_FORMAT, "%s:%llu:%s%s%s %s (%zu error%s in the file)", set->path,
                        (unsigned long long)defect->line, defect->id ? " id '" : "", defect->id ? defect->id : "",
                        defect->id ? "':" : "", defect->text, set->n_errors, set->n_errors == 1 ? "" : "s");
    }
    return OASSL_STATUS_OK;
}

/* ---- scanning JSON text ------------------------------------------------------------------------------------- */

typedef struct span {
    const char *at, *end;
} span;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static span trimmed(span text) {
    while (text.at < text.end && is_blank(*text.at)) text.at++;
    while (text.end > text.at && is_blank(text.end[-1])) text.end--;
    return text;
}

/* The end of the value that begins at `at`: a string, a bracketed value, or a bare word.  NULL if it has no end.
 * It balances brackets outside of strings; that they match is the JSON parser's business. */
static const char *value_end(const char *at, const char *end) {
    size_t depth = 0;
    bool quoted = false;
    for (; at < end; at++) {
        if (quoted) {
            if (*at == '\\' && at + 1 < end)
                at++;
            else if (*at == '"')
                quoted = false;
            if (!quoted && depth == 0) return at + 1;
            continue;
        }
        if (*at == '"') {
            quoted = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) return at; /* the bracket of the bare word's surroundings */
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (*at == ',' || is_blank(*at))) {
            return at;
        }
    }
    return NULL;
}

/* The one object inside other text, "```json {...} ```"; false when there is none or a second one. */
static bool cut_object(span text, span *out_object) {
    const char *start = memchr(text.at, '{', (size_t)(text.end - text.at));
    const char *stop = start ? value_end(start, text.end) : NULL;
    if (!stop || memchr(stop, '{', (size_t)(text.end - stop))) return false;
    *out_object = (span){start, stop};
    return true;
}

static uint64_t lines_between(const char *from, const char *to) {
    uint64_t n = 0;
    for (; from < to; from++) n += *from == '\n';
    return n;
}

/* ---- the two forms ------------------------------------------------------------------------------------------ */

typedef struct loader {
    oai_caption_set *set;
    const oai_caption_options *options;
} loader;

/* The parser's text without the file and line that the defect carries anyway. */
static const char *cause_of_failure(void) {
    const char *cause = strstr(oassl_last_error(), "not valid JSON");
    return cause ? cause : oassl_last_error();
}

/* Parses one object; with the repair option, one cut out of the text.  A defect is reported and *out NULL. */
static oassl_status parse_object(const loader *l, span text, uint64_t line, const char *id, json_t **out_object) {
    oai_caption_set *set = l->set;
    oassl_status status = oai_json_parse(text.at, (size_t)(text.end - text.at), set->path, line, out_object);
    if (status == OASSL_STATUS_FORMAT && l->options->repair) {
        char cause[512];
        snprintf(cause, sizeof cause, "%s", cause_of_failure());
        span object;
        bool cut = cut_object(text, &object);
        if (cut) status = oai_json_parse(object.at, (size_t)(object.end - object.at), set->path, line, out_object);
        if (status == OASSL_STATUS_OK)
            OAI_TRY(oai_caption_report(set, OAI_CAPTION_WARNING, line, id, "JSON was cut out of surrounding text"));
        else if (status == OASSL_STATUS_FORMAT)
            return oai_caption_report(set, OAI_CAPTION_ERROR, line, id, "%s", cause);
    }
    if (status == OASSL_STATUS_FORMAT)
        return oai_caption_report(set, OAI_CAPTION_ERROR, line, id, "%s", cause_of_failure());
    OAI_TRY(status);
    if (json_is_object(*out_object)) return OASSL_STATUS_OK;
    json_decref(*out_object);
    *out_object = NULL;
    return oai_caption_report(set, OAI_CAPTION_ERROR, line, id, "expected a JSON object, found a list");
}

static oassl_status read_lines(const loader *l, span text) {
    uint64_t line = 0;
    while (text.at < text.end) {
        const char *newline = memchr(text.at, '\n', (size_t)(text.end - text.at));
        span record = trimmed((span){text.at, newline ? newline : text.end});
        text.at = newline ? newline + 1 : text.end;
        line++;
        if (record.at == record.end) continue;
        json_t *object = NULL;
        OAI_TRY(parse_object(l, record, line, NULL, &object));
        oassl_status status = object ? oai_caption_add(l->set, l->options, line, NULL, object) : OASSL_STATUS_OK;
        json_decref(object);
        OAI_TRY(status);
    }
    return OASSL_STATUS_OK;
}

/* A string alone: as a list of one, because the parser takes only lists and objects. */
static oassl_status parse_string(const loader *l, span text, uint64_t line, json_t **out_list) {
    size_t bytes = (size_t)(text.end - text.at);
    char *list = oai_alloc(l->set->host, bytes + 2);
    if (!list) return oai_no_memory(bytes + 2, "an id");
    list[0] = '[';
    memcpy(list + 1, text.at, bytes);
    list[bytes + 1] = ']';
    oassl_status status = oai_json_parse(list, bytes + 2, l->set->path, line, out_list);
    oai_free(l->set->host, list);
    return status;
}

/* One entry "id": {...} of the object form. */
static oassl_status read_entry(const loader *l, span key, span value, uint64_t line) {
    json_t *id, *object = NULL;
    OAI_TRY(parse_string(l, key, line, &id)); /* its syntax was checked with the whole */
    oassl_status status = OASSL_STATUS_OK;
    const char *text = json_string_value(json_array_get(id, 0));
    if (*value.at == '{')
        status = parse_object(l, value, line, text, &object);
    else
        status = oai_caption_report(l->set, OAI_CAPTION_ERROR, line, text,
                                    "expected a caption object with 'foreground' and 'background'");
    if (object) status = oai_caption_add(l->set, l->options, line, text, object);
    json_decref(object);
    json_decref(id);
    return status;
}

/* The entries are taken one by one from the text, because a parsed object has lost lines and repeated ids. */
static oassl_status read_mapping(const loader *l, span text, uint64_t line) {
    size_t longest;
    if (!oai_json_scan(text.at, (size_t)(text.end - text.at), &longest)) {
        json_error_t error = {0};
        json_decref(json_loadb(text.at, (size_t)(text.end - text.at), 0, &error)); /* for what is wrong, and where */
        if (!error.text[0]) return oai_no_memory(0, l->set->path);
        return oai_caption_report(l->set, OAI_CAPTION_ERROR, line + (error.line > 0 ? (uint64_t)error.line - 1 : 0),
                                  NULL, "not valid JSON: %s", error.text);
    }
    if (*text.at != '{')
        return oai_caption_report(l->set, OAI_CAPTION_ERROR, line, NULL, "expected a JSON object, found a list");
    const char *at = text.at + 1, *counted = text.at;
    for (;;) {
        while (at < text.end && (is_blank(*at) || *at == ',')) at++;
        if (at >= text.end || *at == '}') return OASSL_STATUS_OK;
        span key = {at, value_end(at, text.end)};
        if (!key.end) break;
        line += lines_between(counted, key.at);
        counted = key.at;
        for (at = key.end; at < text.end && (is_blank(*at) || *at == ':');) at++;
        span value = {at, at < text.end ? value_end(at, text.end) : NULL};
        if (!value.end) break;
        OAI_TRY(read_entry(l, key, value, line));
        at = value.end;
    }
    return oai_caption_report(l->set, OAI_CAPTION_ERROR, line, NULL, "not valid JSON: nested too deep"); /* else its end was found */
}

/* A line that is a whole object with one of a caption's own fields tells JSON Lines from the mapping form. */
static oassl_status is_caption_line(span line, bool *out_is) {
    json_error_t error;
    size_t bytes = (size_t)(line.end - line.at), longest;
    json_t *object = json_loadb(line.at, bytes, 0, &error);
    if (!object) {
        enum json_error_code code = json_error_code(&error);
        if (code != json_error_numeric_overflow && code != json_error_stack_overflow &&
            oai_json_scan(line.at, bytes, &longest))
            return oai_no_memory(bytes, "a caption");
        *out_is = bytes > 0 && *line.at == '{' && line.end[-1] == '}';
        return OASSL_STATUS_OK;
    }
    *out_is = json_is_string(json_object_get(object, "id")) || json_is_string(json_object_get(object, "file")) ||
              (json_object_get(object, "foreground") && !json_is_object(json_object_get(object, "foreground")));
    json_decref(object);
    return OASSL_STATUS_OK;
}

static oassl_status read_text(const loader *l, span whole) {
    span text = trimmed(whole);
    if (text.at == text.end) return oai_caption_report(l->set, OAI_CAPTION_ERROR, 0, NULL, "the file has no captions");
    const char *nul = memchr(text.at, 0, (size_t)(text.end - text.at));
    if (nul)
        return oai_caption_report(l->set, OAI_CAPTION_ERROR, 1 + lines_between(whole.at, nul), NULL,
                                  "not text: there is a NUL byte");
    const char *newline = memchr(text.at, '\n', (size_t)(text.end - text.at));
    span first = trimmed((span){text.at, newline ? newline : text.end}), object = {0};
    bool caption;
    OAI_TRY(is_caption_line(first, &caption));
    if (caption) return read_lines(l, whole);
    if (*text.at == '{') {
        const char *end = value_end(text.at, text.end);
        /* Several objects: lines whose first lacks the fields that would show it. */
        if (end && end < text.end && first.end == end) return read_lines(l, whole);
        return read_mapping(l, text, 1 + lines_between(whole.at, text.at));
    }
    /* Fences around a mapping, or lines of prose with one caption each. */
    if (!l->options->repair || !cut_object(text, &object)) return read_lines(l, whole);
    OAI_TRY(is_caption_line(object, &caption));
    if (caption) return read_lines(l, whole);
    uint64_t line = 1 + lines_between(whole.at, object.at);
    OAI_TRY(oai_caption_report(l->set, OAI_CAPTION_WARNING, line, NULL, "JSON was cut out of surrounding text"));
    return read_mapping(l, object, line);
}

oassl_status oai_caption_set_load(const oai_host *host, const char *path, const oai_caption_options *options,
                                  oai_caption_set **out_set) {
    static const oai_caption_options defaults;
    *out_set = NULL;
    oai_caption_set *set = oai_calloc(host, 1, sizeof *set);
    if (!set) return oai_no_memory(sizeof *set, path);
    set->host = host;
    oai_arena_init(&set->arena, host);
    oai_strmap_init(&set->by_id, host);
    char *text = NULL;
    size_t bytes = 0;
    oassl_status status = OASSL_STATUS_OK;
    if (!(set->path = oai_strdup(host, path))) status = oai_no_memory(strlen(path) + 1, path);
    if (status == OASSL_STATUS_OK) status = oai_file_read(host, path, OAI_JSON_MAX_BYTES, &text, &bytes);
    if (status == OASSL_STATUS_OK) {
        size_t bom = bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        loader l = {set, options ? options : &defaults};
        status = read_text(&l, (span){text + bom, text + bytes});
    }
    oai_free(host, text);
    if (status != OASSL_STATUS_OK) {
        oai_caption_set_destroy(set);
        return status;
    }
    *out_set = set;
    return OASSL_STATUS_OK;
}
