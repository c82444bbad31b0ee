#include "data/manifest_record.h"

#include <math.h>
#include <string.h>

static oassl_status no_memory(void) { return oai_no_memory(0, "a manifest record"); }

static oassl_status copy_text(oai_arena *arena, const char *text, const char **out_text) {
    *out_text = oai_arena_text(arena, text, strlen(text));
    return *out_text ? OASSL_STATUS_OK : no_memory();
}

/* Optional text; `absent` when the field is not there. */
static oassl_status take_text(oai_arena *arena, const json_t *object, const char *key, const char *absent,
                              const char **out_text) {
    *out_text = absent;
    if (!oai_json_has(object, key)) return OASSL_STATUS_OK;
    const char *text;
    OAI_TRY(oai_json_string(object, key, &text));
    return copy_text(arena, text, out_text);
}

static oassl_status take_path(oai_arena *arena, const char *folder, const json_t *object, const char *key,
                              const char **out_path) {
    const char *text;
    *out_path = NULL;
    if (!oai_json_has(object, key)) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_string(object, key, &text));
    if (!*text) return oai_json_unexpected(key, "a path", json_object_get(object, key));
    size_t before = *text == '/' ? 0 : strlen(folder), n = strlen(text);
    char *path = oai_arena_alloc(arena, before + n + 1);
    if (!path) return no_memory();
    memcpy(path, folder, before);
    memcpy(path + before, text, n + 1);
    *out_path = path;
    return OASSL_STATUS_OK;
}

/* Four finite numbers with x0 < x1, y0 < y1, not wholly left of or above the picture. */
static oassl_status read_box(const char *key, const json_t *value, float *out_box) {
    static const char *const expected = "a box [x0, y0, x1, y1] in pixels with x0 < x1, y0 < y1, x1 > 0, y1 > 0";
    if (!json_is_array(value) || json_array_size(value) != 4) return oai_json_unexpected(key, expected, value);
    for (size_t i = 0; i < 4; i++) {
        const json_t *number = json_array_get(value, i);
        out_box[i] = (float)json_number_value(number);
        if (!json_is_number(number) || !isfinite(out_box[i])) return oai_json_unexpected(key, expected, value);
    }
    if (!(out_box[0] < out_box[2] && out_box[1] < out_box[3] && out_box[2] > 0 && out_box[3] > 0))
        return oai_json_unexpected(key, expected, value);
    return OASSL_STATUS_OK;
}

/* "box" or "boxes" of an object, both optional. */
static oassl_status read_boxes(oai_arena *arena, const json_t *object, oassl_record_source *source) {
    json_t *list = NULL;
    bool one = oai_json_has(object, "box");
    if (one && oai_json_has(object, "boxes"))
        return oai_fail(OASSL_STATUS_FORMAT, "fields 'box' and 'boxes' exclude each other");
    if (!one) {
        if (!oai_json_has(object, "boxes")) return OASSL_STATUS_OK;
        OAI_TRY(oai_json_array(object, "boxes", &list));
        if (json_array_size(list) == 0) return oai_json_unexpected("boxes", "at least one box", list);
    }
    size_t n = one ? 1 : json_array_size(list);
    float(*boxes)[4] = oai_arena_alloc(arena, n * sizeof *boxes);
    if (!boxes) return no_memory();
    for (size_t i = 0; i < n; i++)
        OAI_TRY(
            read_box(one ? "box" : "boxes", one ? json_object_get(object, "box") : json_array_get(list, i), boxes[i]));
    source->boxes = (const float(*)[4])boxes, source->n_boxes = (uint32_t)n;
    return OASSL_STATUS_OK;
}

/* "raw_box" or "raw_boxes": any numbers. */
static oassl_status read_numbers(oai_arena *arena, const json_t *object, oassl_record_source *source) {
    const char *key = oai_json_has(object, "raw_box") ? "raw_box" : "raw_boxes";
    json_t *value = json_object_get(object, key);
    if (!oai_json_has(object, key)) return OASSL_STATUS_OK;
    bool one = strcmp(key, "raw_box") == 0;
    size_t n = one ? 1 : json_array_size(value);
    if (!json_is_array(value) || n == 0) return oai_json_unexpected(key, "a list of boxes", value);
    double(*numbers)[4] = oai_arena_alloc(arena, n * sizeof *numbers);
    if (!numbers) return no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *box = one ? value : json_array_get(value, i);
        if (json_array_size(box) != 4) return oai_json_unexpected(key, "four numbers a box", value);
        for (size_t k = 0; k < 4; k++) {
            if (!json_is_number(json_array_get(box, k))) return oai_json_unexpected(key, "four numbers a box", value);
            numbers[i][k] = json_number_value(json_array_get(box, k));
        }
    }
    source->numbers = (const double(*)[4])numbers, source->n_numbers = (uint32_t)n;
    return OASSL_STATUS_OK;
}

/* What the numbers are: the place in the list is OASSL_BOX_* of metric.h. */
static oassl_status read_coordinates(const json_t *object, oassl_record *r) {
    static const char *const names[] = {"", "xyxy 0..1", "xywh 0..1", "xyxy 256", "xyxy 224"};
    const char *name;
    if (!oai_json_has(object, "coordinates")) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_string(object, "coordinates", &name));
    for (int32_t k = 1; k < 5; k++)
        if (strcmp(name, names[k]) == 0) r->numbers_are = k;
    return r->numbers_are ? OASSL_STATUS_OK
                          : oai_json_unexpected("coordinates", "one of xyxy 0..1, xywh 0..1, xyxy 256, xyxy 224",
                                                json_object_get(object, "coordinates"));
}

static oassl_status read_source(oai_arena *arena, const char *folder, const json_t *object,
                                oassl_record_source *out_source) {
    bool twin = false;
    *out_source = (oassl_record_source){0};
    OAI_TRY(take_text(arena, object, "label", "", &out_source->label));
    OAI_TRY(take_path(arena, folder, object, "mask", &out_source->mask));
    if (oai_json_has(object, "twin")) OAI_TRY(oai_json_boolean(object, "twin", &twin));
    out_source->twin = twin;
    OAI_TRY(read_numbers(arena, object, out_source));
    return read_boxes(arena, object, out_source);
}

static oassl_status read_sources(oai_arena *arena, const char *folder, const json_t *object, const char *key,
                                 const oassl_record_source **out_sources, uint32_t *out_n) {
    if (!oai_json_has(object, key)) return OASSL_STATUS_OK;
    json_t *list;
    OAI_TRY(oai_json_array(object, key, &list));
    size_t n = json_array_size(list);
    oassl_record_source *sources = oai_arena_alloc(arena, (n + !n) * sizeof *sources);
    if (!sources) return no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_object(item)) return oai_json_unexpected(key, "a list of objects", item);
        oassl_status status = read_source(arena, folder, item, &sources[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "field '%s', item %zu", key, i);
    }
    *out_sources = sources, *out_n = (uint32_t)n;
    return OASSL_STATUS_OK;
}

static oassl_status read_mix(oai_arena *arena, const json_t *object, oai_manifest_entry *out_entry) {
    json_t *list;
    OAI_TRY(oai_json_array(object, "mix", &list));
    size_t n = json_array_size(list);
    if (n < 2 || n > OAI_MANIFEST_MAX_MIX) return oai_json_unexpected("mix", "a list of 2 to 8 ids", list);
    out_entry->mix_ids = oai_arena_alloc(arena, n * sizeof *out_entry->mix_ids);
    if (!out_entry->mix_ids) return no_memory();
    for (size_t i = 0; i < n; i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (!id) return oai_json_unexpected("mix", "a list of ids", list);
        OAI_TRY(copy_text(arena, id, &out_entry->mix_ids[i]));
    }
    out_entry->record.n_mix = (uint32_t)n;
    if (!oai_json_has(object, "axis")) return OASSL_STATUS_OK;
    const char *axis;
    OAI_TRY(oai_json_string(object, "axis", &axis));
    out_entry->record.axis = strcmp(axis, "height") == 0;
    return strcmp(axis, "height") && strcmp(axis, "width")
               ? oai_json_unexpected("axis", "\"width\" or \"height\"", json_object_get(object, "axis"))
               : OASSL_STATUS_OK;
}

const char *oai_manifest_id(const json_t *object) {
    static const char *const keys[] = {"id", "image", "audio"};
    for (int32_t i = 0; i < 3; i++)
        if (oai_json_has(object, keys[i])) return json_string_value(json_object_get(object, keys[i]));
    return NULL;
}

/* A list of labelled pictures may give its boxes directly: they are the one source. */
static oassl_status read_plain_boxes(oai_arena *arena, const json_t *object, oassl_record *r) {
    oassl_record_source *source = oai_arena_alloc(arena, sizeof *source);
    if (!source) return no_memory();
    *source = (oassl_record_source){.label = r->label ? r->label : ""};
    OAI_TRY(read_boxes(arena, object, source));
    r->sources = source, r->n_sources = 1;
    return OASSL_STATUS_OK;
}

/* "frame": [width, height], whole pixels. */
static oassl_status read_frame(const json_t *object, oassl_record *r) {
    double sides[2];
    if (!oai_json_has(object, "frame")) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_numbers(object, "frame", 2, sides));
    for (int32_t k = 0; k < 2; k++)
        if (!(sides[k] >= 1 && sides[k] <= 1e6 && sides[k] == floor(sides[k])))
            return oai_json_unexpected("frame", "[width, height] in pixels", json_object_get(object, "frame"));
    r->frame_width = (int32_t)sides[0], r->frame_height = (int32_t)sides[1];
    return OASSL_STATUS_OK;
}

static oassl_status read_ground_truth(const json_t *object, oassl_record *r) {
    const char *rule;
    if (!oai_json_has(object, "ground_truth")) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_string(object, "ground_truth", &rule));
    r->consensus = strcmp(rule, "consensus") == 0;
    return r->consensus || strcmp(rule, "union") == 0
               ? OASSL_STATUS_OK
               : oai_json_unexpected("ground_truth", "\"union\" or \"consensus\"",
                                     json_object_get(object, "ground_truth"));
}

oassl_status oai_manifest_parse(oai_arena *arena, const char *folder, const json_t *object, uint64_t line,
                                oai_manifest_entry *out_entry) {
    *out_entry = (oai_manifest_entry){.record = OASSL_RECORD_INIT};
    oassl_record *r = &out_entry->record;
    r->line = line, r->playing = -1;
    const char *id = oai_manifest_id(object);
    if (!id && oai_json_has(object, "id")) return oai_json_unexpected("id", "a string", json_object_get(object, "id"));
    if (!id || !*id)
        return oai_fail(OASSL_STATUS_FORMAT,
                        "field 'id': missing, expected a name (or an 'image' or 'audio' to name the record by)");
    OAI_TRY(copy_text(arena, id, &r->id));
    OAI_TRY(take_path(arena, folder, object, "image", &r->image));
    OAI_TRY(take_path(arena, folder, object, "audio", &r->audio));
    OAI_TRY(take_text(arena, object, "label", NULL, &r->label));
    OAI_TRY(take_text(arena, object, "split", "", &r->split));
    OAI_TRY(read_sources(arena, folder, object, "sources", &r->sources, &r->n_sources));
    OAI_TRY(read_sources(arena, folder, object, "silent", &r->silent, &r->n_silent));
    if (!r->sources && (oai_json_has(object, "boxes") || oai_json_has(object, "box")))
        OAI_TRY(read_plain_boxes(arena, object, r));
    OAI_TRY(take_text(arena, object, "group", NULL, &r->group));
    OAI_TRY(read_frame(object, r));
    OAI_TRY(read_ground_truth(object, r));
    OAI_TRY(read_coordinates(object, r));
    if (oai_json_has(object, "playing")) {
        bool playing;
        OAI_TRY(oai_json_boolean(object, "playing", &playing));
        r->playing = playing;
    }
    if (oai_json_has(object, "mix")) OAI_TRY(read_mix(arena, object, out_entry));
    if (r->n_mix && (r->image || r->audio || r->n_sources))
        return oai_fail(OASSL_STATUS_FORMAT,
                        "field 'mix': a mixture takes pictures, sounds and sources from its parts, found its own too");
    if (!r->n_mix && !r->image && !r->audio)
        return oai_fail(OASSL_STATUS_FORMAT, "fields 'image', 'audio', 'mix': expected at least one of them");
    return OASSL_STATUS_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *source_json(const oassl_record_source *s, bool silent) {
    json_t *object = json_object(), *boxes = json_array();
    for (uint32_t i = 0; i < s->n_boxes; i++) {
        json_t *box = json_array();
        for (int32_t k = 0; k < 4; k++) {
            double v = s->boxes[i][k];
            oai_json_append(&box, v == floor(v) && fabs(v) < 1e9 ? json_integer((json_int_t)v) : json_real(v));
        }
        oai_json_append(&boxes, box);
    }
    if (s->label) oai_json_put(&object, "label", json_string(s->label));
    if (s->n_boxes == 1) oai_json_put(&object, "box", json_incref(json_array_get(boxes, 0)));
    if (s->n_boxes > 1) oai_json_put(&object, "boxes", json_incref(boxes));
    json_decref(boxes);
    if (s->mask) oai_json_put(&object, "mask", json_string(s->mask));
    if (silent) oai_json_put(&object, "twin", json_boolean(s->twin));
    return object;
}

static void set_sources(json_t **object, const char *key, const oassl_record_source *sources, uint32_t n, bool silent) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) oai_json_append(&list, source_json(&sources[i], silent));
    oai_json_put(object, key, list);
}

oassl_status oai_manifest_line(const oai_host *host, const oassl_record *r, const char *const *mix_ids,
                               char **out_line) {
    *out_line = NULL;
    json_t *object = json_object();
    oai_json_put(&object, "id", text_or_null(r->id));
    if (r->image) oai_json_put(&object, "image", json_string(r->image));
    if (r->audio) oai_json_put(&object, "audio", json_string(r->audio));
    if (r->label) oai_json_put(&object, "label", json_string(r->label));
    if (r->playing >= 0) oai_json_put(&object, "playing", json_boolean(r->playing));
    if (r->n_mix) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < r->n_mix; i++) oai_json_append(&list, text_or_null(mix_ids[i]));
        oai_json_put(&object, "mix", list);
        oai_json_put(&object, "axis", json_string(r->axis ? "height" : "width"));
    } else {
        set_sources(&object, "sources", r->sources, r->n_sources, false);
        if (r->n_silent) set_sources(&object, "silent", r->silent, r->n_silent, true);
    }
    if (r->split && *r->split) oai_json_put(&object, "split", json_string(r->split));
    char *text = oai_json_text(object, JSON_REAL_PRECISION(9));
    json_decref(object);
    size_t n = text ? strlen(text) : 0;
    *out_line = text ? oai_alloc(host, n + 2) : NULL;
    if (*out_line) memcpy(*out_line, text, n), memcpy(*out_line + n, "\n", 2);
    free(text);
    return *out_line ? OASSL_STATUS_OK : no_memory();
}
