#include "data/check.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/strmap.h"
#include "data/idlist.h"
#include "data/import_box.h"
#include "data/manifest_record.h"
#include "data/notes.h"
#include "data/picture_size.h"

typedef struct checker {
    const oai_host *host;
    const oassl_check_options *options;
    const char *path;
    oai_arena arena;
    oai_notes notes;
    oassl_check_counts counts;
    oai_strmap ids;    /* id -> line */
    oai_strmap owners; /* picture, sound or group -> number in `splits` */
    oai_strmap splits; /* split -> number */
} checker;

static void wrong(checker *c, uint64_t line, const char *id, uint64_t *count) {
    (*count)++;
    oai_note_failure(&c->notes, OASSL_STATUS_FORMAT, c->path, line, id);
}

/* ---- one record ----------------------------------------------------------------------------------------------- */

static bool is_missing(checker *c, const oassl_record *r, const char *what, const char *path) {
    if (!path || access(path, R_OK) == 0) return false;
    oai_note(&c->notes, OASSL_DATA_ERROR, c->path, r->line, r->id, "no %s '%s'", what, path);
    return true;
}

static void check_masks(checker *c, const oassl_record *r, int32_t width, int32_t height) {
    for (uint32_t s = 0; s < r->n_sources; s++) {
        const char *mask = r->sources[s].mask;
        int32_t w, h;
        if (!mask || access(mask, R_OK) != 0) continue;
        oassl_status status = oai_picture_size(mask, &w, &h);
        if (status == OASSL_STATUS_OK && width && (w != width || h != height))
            status = oai_fail(OASSL_STATUS_FORMAT, "mask '%s': expected %d x %d as its picture, found %d x %d", mask,
                              width, height, w, h);
        if (status != OASSL_STATUS_OK) wrong(c, r->line, r->id, &c->counts.n_bad_masks);
    }
}

static void check_boxes(checker *c, const oassl_record *r, int32_t width, int32_t height) {
    if (r->frame_width) width = r->frame_width, height = r->frame_height;
    for (uint32_t k = 0; width && k < r->n_sources + r->n_silent; k++) {
        const oassl_record_source *source = k < r->n_sources ? &r->sources[k] : &r->silent[k - r->n_sources];
        for (uint32_t i = 0; i < source->n_boxes; i++) {
            const float *box = source->boxes[i];
            if (box[0] >= -0.01f && box[1] >= -0.01f && box[2] <= (float)width + 0.01f &&
                box[3] <= (float)height + 0.01f)
                continue;
            c->counts.n_outside++;
            oai_note(&c->notes, OASSL_DATA_ERROR, c->path, r->line, r->id,
                     "box (%g, %g, %g, %g) leaves its picture of %d x %d", box[0], box[1], box[2], box[3], width,
                     height);
            return;
        }
    }
}

static void check_media(checker *c, const oassl_record *r) {
    int32_t width = 0, height = 0;
    bool picture = !is_missing(c, r, "picture", r->image), sound = !is_missing(c, r, "sound", r->audio), masks = true;
    for (uint32_t s = 0; s < r->n_sources; s++) masks = !is_missing(c, r, "mask", r->sources[s].mask) && masks;
    c->counts.n_missing += !(picture && sound && masks);
    if (picture && r->image && oai_picture_size(r->image, &width, &height) != OASSL_STATUS_OK)
        wrong(c, r->line, r->id, &c->counts.n_malformed);
    check_masks(c, r, width, height);
    check_boxes(c, r, width, height);
}

static int32_t coordinates_of(const json_t *object) {
    const char *name = json_string_value(json_object_get(object, "coordinates"));
    for (int32_t k = OAI_BOX_XYXY; name && k <= OAI_BOX_IN224; k++)
        if (strcmp(name, oai_box_coordinates_name(k)) == 0) return k;
    return -1;
}

static void check_raw_box(checker *c, const oassl_record *r, int32_t coordinates, const json_t *box) {
    double raw[4], pixels[4];
    if (json_array_size(box) != 4) return;
    for (size_t k = 0; k < 4; k++) raw[k] = json_number_value(json_array_get(box, k));
    if (oai_box_to_frame(coordinates, raw, OAI_BOX_FRAME, OAI_BOX_FRAME, pixels)) return;
    c->counts.n_empty_boxes++;
    oai_note(&c->notes, OASSL_DATA_WARNING, c->path, r->line, r->id,
             "published box (%g, %g, %g, %g) is %s: nothing is inside", raw[0], raw[1], raw[2], raw[3],
             oai_box_sentinel(raw) ? "a sentinel" : "empty");
}

/* What the import kept of the published numbers. */
static void check_raw(checker *c, const oassl_record *r, const json_t *object) {
    int32_t coordinates = coordinates_of(object);
    const json_t *sources = json_object_get(object, "sources");
    for (size_t s = 0; coordinates >= 0 && s < json_array_size(sources); s++) {
        const json_t *source = json_array_get(sources, s), *list = json_object_get(source, "raw_boxes");
        check_raw_box(c, r, coordinates, json_object_get(source, "raw_box"));
        for (size_t i = 0; i < json_array_size(list); i++) check_raw_box(c, r, coordinates, json_array_get(list, i));
    }
}

/* True when `key` (kept) is also that of a record of another split. */
static oassl_status seen_elsewhere(checker *c, const char *kind, const char *key, const char *split, bool *out_seen) {
    if (!key || !*split) return OASSL_STATUS_OK;
    uint32_t number = oai_strmap_get(&c->splits, split, strlen(split));
    if (number == OAI_STRMAP_NONE) {
        number = (uint32_t)c->splits.n_used;
        OAI_TRY(oai_strmap_put(&c->splits, split, strlen(split), number, NULL));
    }
    size_t n = strlen(kind) + strlen(key);
    char *name = oai_arena_alloc(&c->arena, n + 1);
    if (!name) return oai_no_memory(n, c->path);
    memcpy(name, kind, strlen(kind)), memcpy(name + strlen(kind), key, strlen(key) + 1);
    uint32_t owner = oai_strmap_get(&c->owners, name, n);
    if (owner == OAI_STRMAP_NONE) return oai_strmap_put(&c->owners, name, n, number, NULL);
    *out_seen = *out_seen || owner != number;
    return OASSL_STATUS_OK;
}

static oassl_status check_splits(checker *c, const oassl_record *r) {
    bool seen = false;
    OAI_TRY(seen_elsewhere(c, "i", r->image, r->split, &seen));
    OAI_TRY(seen_elsewhere(c, "a", r->audio, r->split, &seen));
    OAI_TRY(seen_elsewhere(c, "g", r->group, r->split, &seen));
    c->counts.n_across += seen;
    if (seen)
        oai_note(&c->notes, OASSL_DATA_WARNING, c->path, r->line, r->id,
                 "picture, sound or group is also in another split than '%s'", r->split);
    return OASSL_STATUS_OK;
}

static oassl_status check_record(checker *c, const char *folder, const json_t *object, uint64_t line) {
    oai_manifest_entry entry;
    oassl_status status = oai_manifest_parse(&c->arena, folder, object, line, &entry);
    if (status == OASSL_STATUS_FORMAT) wrong(c, line, oai_manifest_id(object), &c->counts.n_malformed);
    if (status != OASSL_STATUS_OK) return status == OASSL_STATUS_FORMAT ? OASSL_STATUS_OK : status;
    const oassl_record *r = &entry.record;
    uint32_t old;
    OAI_TRY(
        oai_strmap_put(&c->ids, r->id, strlen(r->id), line > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)line, &old));
    if (old != OAI_STRMAP_NONE) {
        c->counts.n_duplicates++;
        oai_note(&c->notes, OASSL_DATA_ERROR, c->path, line, r->id, "the id is that of line %u too", old);
    }
    check_raw(c, r, object);
    if (c->options->skip_media)
        check_boxes(c, r, 0, 0);
    else if (!r->n_mix)
        check_media(c, r);
    return r->n_mix ? OASSL_STATUS_OK : check_splits(c, r);
}

static oassl_status check_manifest(checker *c) {
    oai_jsonl *lines;
    const char *slash = strrchr(c->path, '/');
    const char *folder = oai_arena_text(&c->arena, c->path, slash ? (size_t)(slash - c->path) + 1 : 0);
    if (!folder) return oai_no_memory(0, c->path);
    OAI_TRY(oai_jsonl_open(c->host, c->path, &lines));
    oassl_status status;
    for (;;) {
        json_t *object = NULL;
        status = oai_jsonl_next(lines, &object);
        if (status == OASSL_STATUS_OK && !object) break;
        if (status == OASSL_STATUS_OK && c->counts.n_records % 256 == 0)
            status = oai_progress(c->host, "check", c->counts.n_records, 0);
        c->counts.n_records++;
        if (status == OASSL_STATUS_FORMAT) {
            wrong(c, oai_jsonl_line(lines), NULL, &c->counts.n_malformed);
            status = OASSL_STATUS_OK;
        } else if (status == OASSL_STATUS_OK) {
            status = check_record(c, folder, object, oai_jsonl_line(lines));
        }
        json_decref(object);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_jsonl_close(lines);
    return status;
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

static oassl_status check_list(checker *c, const oai_idlist *list) {
    c->counts.n_records = list->n + c->notes.n_errors;
    c->counts.n_malformed = c->notes.n_errors;
    for (uint64_t i = 0; i < list->n; i++) {
        const oai_idlist_row *row = &list->rows[i];
        uint32_t old;
        OAI_TRY(oai_strmap_put(&c->ids, row->id, strlen(row->id), (uint32_t)row->line, &old));
        if (old == OAI_STRMAP_NONE) continue;
        c->counts.n_duplicates++;
        oai_note(&c->notes, OASSL_DATA_WARNING, c->path, row->line, row->id, "the id is that of line %u too", old);
    }
    return OASSL_STATUS_OK;
}

/* Ids of `against` that we have: training data that is tested on. */
static oassl_status check_shared(checker *c) {
    oai_idlist list;
    oai_strmap told;
    oai_notes quiet = c->notes; /* what is wrong with the other file is not this one's */
    oai_strmap_init(&told, c->host);
    oassl_status status = oai_idlist_load(c->host, c->options->against, &quiet, &list);
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < list.n; i++) {
        const char *id = list.rows[i].id;
        uint32_t line = oai_strmap_get(&c->ids, id, strlen(id)), old;
        if (line == OAI_STRMAP_NONE) continue;
        status = oai_strmap_put(&told, id, strlen(id), 1, &old);
        if (status != OASSL_STATUS_OK || old != OAI_STRMAP_NONE) continue;
        c->counts.n_shared++;
        oai_note(&c->notes, OASSL_DATA_ERROR, c->path, line, id, "the id is in %s:%llu too", c->options->against,
                 (unsigned long long)list.rows[i].line);
    }
    oai_strmap_free(&told);
    oai_idlist_free(&list);
    return status;
}

static oassl_status check(checker *c) {
    size_t n = strlen(c->path);
    if (n > 6 && strcmp(c->path + n - 6, ".jsonl") == 0) {
        OAI_TRY(check_manifest(c));
        return c->options->against ? check_shared(c) : OASSL_STATUS_OK;
    }
    oai_idlist list; /* its ids are looked up until the end */
    oassl_status status = oai_idlist_load(c->host, c->path, &c->notes, &list);
    if (status == OASSL_STATUS_OK) status = check_list(c, &list);
    if (status == OASSL_STATUS_OK && c->options->against) status = check_shared(c);
    oai_idlist_free(&list);
    return status;
}

oassl_status oai_data_check(const oai_host *host, const char *path, const oassl_check_options *options,
                            oassl_check_counts *out_counts) {
    checker c = {.host = host, .options = options, .path = path};
    oai_arena_init(&c.arena, host);
    oai_strmap_init(&c.ids, host), oai_strmap_init(&c.owners, host), oai_strmap_init(&c.splits, host);
    c.notes = (oai_notes){.host = host, .report = options->report, .user = options->report_user};
    oassl_status status = check(&c);
    uint32_t size = out_counts->struct_size;
    c.counts.n_errors = c.notes.n_errors, c.counts.n_warnings = c.notes.n_warnings;
    *out_counts = c.counts;
    out_counts->struct_size = size;
    oai_strmap_free(&c.ids), oai_strmap_free(&c.owners), oai_strmap_free(&c.splits);
    oai_arena_free(&c.arena);
    return status;
}
