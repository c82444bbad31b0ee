#include "text/caption_rules.h"

#include <string.h>
#include <strings.h>

#define SENTENCE_START "an image of"

/* What a rule function found: go on, or drop the sample (the defect is reported), or no memory. */
typedef struct sample {
    oai_caption_set *set;
    const oai_caption_options *options;
    oai_caption caption;
    bool dropped;
} sample;

#define ERROR(s, ...)                                                                                                 \
    ((s)->dropped = true,                                                                                             \
     oai_caption_report((s)->set, OAI_CAPTION_ERROR, (s)->caption.line, (s)->caption.id, __VA_ARGS__))
#define WARN(s, ...) oai_caption_report((s)->set, OAI_CAPTION_WARNING, (s)->caption.line, (s)->caption.id, __VA_ARGS__)

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Copies with outer blanks trimmed and runs of blanks made one; NULL without memory. */
static char *tidy(oai_caption_set *set, const char *text) {
    char *copy = oai_arena_text(&set->arena, text, strlen(text)), *out = copy;
    if (!copy) return NULL;
    for (const char *at = copy; *at; at++) {
        if (!is_blank(*at))
            *out++ = *at;
        else if (out > copy && out[-1] != ' ')
            *out++ = ' ';
    }
    if (out > copy && out[-1] == ' ') out--;
    *out = 0;
    return copy;
}

static oassl_status no_memory(const sample *s) { return oai_no_memory(0, s->set->path); }

static oassl_status check_start(sample *s, const char *field, const char *text) {
    if (strncasecmp(text, SENTENCE_START, strlen(SENTENCE_START)) == 0) return OASSL_STATUS_OK;
    return WARN(s, "%s does not begin with \"" SENTENCE_START "\": \"%.60s\"", field, text);
}

/* A list of strings (or one string) to tidy texts.  An empty text is left to the caller. */
static oassl_status take_texts(sample *s, const char *field, const json_t *value, const char ***out, uint32_t *out_n) {
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    const char **texts = oai_arena_alloc(&s->set->arena, (n + 1) * sizeof *texts);
    if (!texts) return no_memory(s);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(item)) {
            oai_json_unexpected(field, json_is_array(value) ? "a list of strings" : "a string or a list of strings",
                                value);
            return ERROR(s, "%s", oassl_last_error());
        }
        if (!(texts[i] = tidy(s->set, json_string_value(item)))) return no_memory(s);
    }
    *out = texts;
    *out_n = (uint32_t)n;
    return OASSL_STATUS_OK;
}

static oassl_status take_labels(sample *s, const json_t *object) {
    const json_t *labels = json_object_get(object, "labels");
    if (!labels || json_is_null(labels)) return OASSL_STATUS_OK;
    if (json_is_array(labels)) return take_texts(s, "labels", labels, &s->caption.labels, &s->caption.n_labels);
    oai_json_unexpected("labels", "a list of strings", labels);
    return ERROR(s, "%s", oassl_last_error());
}

static oassl_status take_foreground(sample *s, const json_t *object) {
    const json_t *value = json_object_get(object, "foreground");
    if (!value || json_is_null(value)) return ERROR(s, "field 'foreground' is missing");
    OAI_TRY(take_texts(s, "foreground", value, &s->caption.foreground, &s->caption.n_foreground));
    if (s->dropped) return OASSL_STATUS_OK;
    uint32_t n = s->caption.n_foreground;
    if (n == 0) return ERROR(s, "field 'foreground' is an empty list");
    for (uint32_t i = 0; i < n; i++)
        if (!s->caption.foreground[i][0]) return ERROR(s, "field 'foreground': sentence %u is empty", i + 1);
    uint32_t n_known = s->options->n_sources ? s->options->n_sources : s->caption.n_labels;
    if (n_known && n != n_known)
        return ERROR(s, "field 'foreground' has %u sentence%s, expected %u (%s)", n, n == 1 ? "" : "s", n_known,
                     s->options->n_sources ? "the number of sources" : "one for each label");
    for (uint32_t i = 0; i < n; i++) OAI_TRY(check_start(s, "foreground", s->caption.foreground[i]));
    return OASSL_STATUS_OK;
}

/* "a", "b" -> "a, b". */
static oassl_status join(sample *s, const char **texts, uint32_t n, const char **out_text) {
    size_t bytes = 1;
    for (uint32_t i = 0; i < n; i++) bytes += strlen(texts[i]) + 2;
    char *joined = oai_arena_alloc(&s->set->arena, bytes), *at = joined;
    if (!joined) return no_memory(s);
    *at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!texts[i][0]) continue;
        if (at > joined) at = stpcpy(at, ", ");
        at = stpcpy(at, texts[i]);
    }
    *out_text = joined;
    return OASSL_STATUS_OK;
}

static oassl_status take_background(sample *s, const json_t *object) {
    const json_t *value = json_object_get(object, "background");
    const char *text = "";
    if (value && !json_is_null(value)) {
        const char **texts;
        uint32_t n;
        OAI_TRY(take_texts(s, "background", value, &texts, &n));
        if (s->dropped) return OASSL_STATUS_OK;
        OAI_TRY(join(s, texts, n, &text));
        if (json_is_array(value)) OAI_TRY(WARN(s, "field 'background' is a list: joined with \", \""));
    }
    if (text[0]) {
        s->caption.background = text;
        return check_start(s, "background", text);
    }
    if (s->options->allow_empty_background) return OASSL_STATUS_OK;
    return ERROR(s, "field 'background' is %s", value && !json_is_null(value) ? "empty" : "missing");
}

static oassl_status take_id(sample *s, const char *given, const json_t *object) {
    const json_t *id = json_object_get(object, "id"), *file = json_object_get(object, "file");
    const char *field = id ? "id" : "file", *text = given;
    if (!given) {
        text = json_string_value(id ? id : file);
        if (!text || !text[0]) {
            oai_json_unexpected(field, "a non-empty string", id ? id : file);
            return ERROR(s, "%s", id || file ? oassl_last_error() : "field 'id' is missing");
        }
    }
    if (!(s->caption.id = oai_arena_text(&s->set->arena, text, strlen(text)))) return no_memory(s);
    if (!text[0]) return ERROR(s, "the id is empty");
    if (!given && id && file && !json_equal(id, file)) return ERROR(s, "fields 'id' and 'file' differ");
    return OASSL_STATUS_OK;
}

static oassl_status note_unknown_keys(sample *s, const json_t *object) {
    static const char *const known[] = {"id",         "file",     "labels",    "foreground",  "background",
                                        "model",      "revision", "prompt",    "prompt_hash", "image",
                                        "image_hash", "split",    "provenance"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0, n = sizeof known / sizeof *known;
        while (i < n && strcmp(known[i], key) != 0) i++;
        if (i < n || s->set->unknown_key_seen) continue;
        s->set->unknown_key_seen = true;
        OAI_TRY(WARN(s, "unknown field '%.60s' is ignored (said once a file)", key));
    }
    return OASSL_STATUS_OK;
}

static oassl_status keep(sample *s) {
    oai_caption_set *set = s->set;
    const char *id = s->caption.id;
    uint32_t old = oai_strmap_get(&set->by_id, id, strlen(id));
    if (old != OAI_STRMAP_NONE) {
        OAI_TRY(WARN(s, "the id was already on line %llu: the later caption is used",
                     (unsigned long long)set->captions[old].line));
        s->caption.id = set->captions[old].id; /* the map borrows that text */
        set->captions[old] = s->caption;
        return OASSL_STATUS_OK;
    }
    if (set->n_captions == set->captions_room) {
        size_t room = set->captions_room ? 2 * set->captions_room : 256;
        oai_caption *larger =
            oai_grow(set->host, set->captions, set->n_captions * sizeof *larger, room * sizeof *larger);
        if (!larger) return oai_no_memory(room * sizeof *larger, "captions");
        set->captions = larger;
        set->captions_room = room;
    }
    OAI_TRY(oai_strmap_put(&set->by_id, id, strlen(id), (uint32_t)set->n_captions, NULL));
    set->captions[set->n_captions++] = s->caption;
    return OASSL_STATUS_OK;
}

oassl_status oai_caption_add(oai_caption_set *set, const oai_caption_options *options, uint64_t line, const char *id,
                             const json_t *object) {
    sample s = {.set = set, .options = options, .caption = {.line = line}};
    OAI_TRY(take_id(&s, id, object));
    OAI_TRY(note_unknown_keys(&s, object));
    OAI_TRY(take_labels(&s, object));
    OAI_TRY(take_foreground(&s, object));
    OAI_TRY(take_background(&s, object)); /* even if dropped: every defect is reported */
    return s.dropped ? OASSL_STATUS_OK : keep(&s);
}
