/* MUSIC as T-VSL and mix-and-localize publish it (spec: datasets.md 4). */
#include <string.h>

#include "base/json.h"
#include "data/idlist.h"
#include "data/import.h"

/* ---- T-VSL: {"<frame path>": {"bbox": [{"box", "normbox", "category_id"}], "wdith", "height"}} -------------------
 */

/* A path's folders become part of the id: frames of different videos share their names. */
static oassl_status take_frame_path(oai_import *m, const char *path, oai_import_item *item) {
    char stem[512], *id = oai_import_text(m, "%s", path);
    if (!id) return oai_no_memory(strlen(path), item->file);
    item->image[0] = id;
    if (!*path || strlen(path) > 240 || strstr(path, "..") || path[0] == '/')
        return oai_fail(OASSL_STATUS_FORMAT, "expected a frame's path below its folder, found '%.60s'", path);
    oai_media_stem(path, stem, sizeof stem);
    const char *slash = strrchr(path, '/');
    item->id = id = oai_import_text(m, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, stem);
    if (!id) return oai_no_memory(strlen(path), item->file);
    item->audio[0] =
        slash ? oai_import_text(m, "%.*s.wav", (int)(slash - path), path) : oai_import_text(m, "%s.wav", stem);
    item->audio[1] = oai_import_text(m, "%s.wav", id);
    if (!item->audio[0] || !item->audio[1]) return oai_no_memory(strlen(path), item->file);
    for (char *c = id; *c; c++)
        if (*c == '/') *c = '_';
    return OASSL_STATUS_OK;
}

static oassl_status take_box(oai_import *m, const json_t *object, oai_import_item *item) {
    double pixels[4], box[4];
    int64_t category;
    if (!json_is_object(object))
        return oai_json_unexpected("bbox", "a list of objects with 'box' and 'normbox'", object);
    OAI_TRY(oai_json_numbers(object, "box", 4, pixels)); /* the same in pixels of a picture we may not have */
    OAI_TRY(oai_json_numbers(object, "normbox", 4, box));
    OAI_TRY(oai_json_integer(object, "category_id", 0, INT32_MAX, &category));
    char *label = oai_import_text(m, "category %lld", (long long)category); /* the file has no names */
    if (!label) return oai_no_memory(0, item->file);
    return oai_import_set_source(m, item, label, NULL, (const double(*)[4]) & box, 1);
}

static oassl_status take_frame(oai_import *m, const char *path, const json_t *object, oai_import_item *item) {
    json_t *list;
    int64_t side;
    OAI_TRY(take_frame_path(m, path, item));
    if (!json_is_object(object)) return oai_fail(OASSL_STATUS_FORMAT, "expected an object");
    OAI_TRY(oai_json_integer(object, oai_json_has(object, "wdith") ? "wdith" : "width", 1, 65536,
                             &side)); /* misspelt there */
    OAI_TRY(oai_json_integer(object, "height", 1, 65536, &side));
    OAI_TRY(oai_json_array(object, "bbox", &list));
    if (json_array_size(list) == 0 || json_array_size(list) > 8)
        return oai_json_unexpected("bbox", "one to eight boxes", list);
    item->coordinates = OAI_BOX_XYWH;
    for (size_t i = 0; i < json_array_size(list); i++) OAI_TRY(take_box(m, json_array_get(list, i), item));
    if (item->n_sources == 1) item->label = item->sources[0].label;
    return oai_import_add(m, item);
}

oassl_status oai_import_music_tvsl(oai_import *m, const char *path) {
    json_t *all, *object;
    const char *frame;
    OAI_TRY(oai_json_load(m->host, path, &all));
    oassl_status status = OASSL_STATUS_OK;
    if (!json_is_object(all)) status = oai_fail(OASSL_STATUS_FORMAT, "%s: expected an object of frames", path);
    uint64_t n = 0;
    if (status == OASSL_STATUS_OK) json_object_foreach(all, frame, object) {
            oai_import_item item = {.file = path, .record = ++n, .offset = -1};
            m->counts.n_entries++;
            status = oai_note_failure(&m->notes, take_frame(m, frame, object, &item), path, n, frame);
            if (status != OASSL_STATUS_OK) break;
        }
    json_decref(all);
    return status;
}

/* ---- mix-and-localize: lines MUSIC_raw/solo/<class>/<YouTube id> --------------------------------------------------
 */

static oassl_status take_video(oai_import *m, const oai_csv *csv, oai_import_item *item, void *user) {
    (void)user;
    m->counts.n_entries++;
    const char *line = csv->fields[0], *id = strrchr(line, '/');
    const char *label = id;
    if (csv->n_fields != 1)
        return oai_fail(OASSL_STATUS_FORMAT, "expected MUSIC_raw/solo/<class>/<YouTube id>, found %u columns",
                        csv->n_fields);
    while (label && label > line && label[-1] != '/') label--;
    if (!id || !id[1] || label == id || label == line)
        return oai_fail(OASSL_STATUS_FORMAT, "expected MUSIC_raw/solo/<class>/<YouTube id>, found '%.80s'", line);
    item->id = oai_import_text(m, "%s", id + 1), item->label = oai_import_text(m, "%.*s", (int)(id - label), label);
    if (!item->id || !item->label) return oai_no_memory(strlen(line), item->file);
    OAI_TRY(oai_import_set_media(m, item, item->id, item->id));
    OAI_TRY(oai_import_set_source(m, item, item->label, NULL, NULL, 0));
    return oai_import_add(m, item);
}

oassl_status oai_import_music_videos(oai_import *m, const char *path) {
    return oai_import_rows(m, path, take_video, NULL);
}
