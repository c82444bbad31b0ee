/* SSLalignment's arrays of {"image", "audio", "gt_box"[, "offset"]}: IS3, VPO and boxes or masks of AVSBench
 * (spec: datasets.md 7, 8).  Their paths are the authors': only the part below the media folders is kept. */
#include <string.h>

#include "base/json.h"
#include "data/idlist.h"
#include "data/import.h"

/* What follows the folder "<name>/" in a path; the base name when it is not there. */
static const char *below(const char *path, const char *name) {
    size_t n = strlen(name);
    for (const char *at = path; name[0] && (at = strstr(at, name)); at++)
        if ((at == path || at[-1] == '/') && at[n] == '/') return at + n + 1;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static oassl_status take_path(oai_import *m, const json_t *object, const char *key, const char *folder,
                              const char **out_path) {
    const char *text;
    OAI_TRY(oai_json_string(object, key, &text));
    const char *kept = below(text, folder);
    if (!*kept || strstr(kept, "..") || strlen(kept) > 400)
        return oai_json_unexpected(key, "a file's path", json_object_get(object, key));
    return (*out_path = oai_import_text(m, "%s", kept)) ? OASSL_STATUS_OK : oai_no_memory(0, key);
}

/* The item's name: the picture's, without folders and extensions ("x.mp4_1.png" -> "x_1"). */
static oassl_status take_id(oai_import *m, const char *image, const char **out_id) {
    char stem[512];
    oai_media_stem(image, stem, sizeof stem);
    char *inner = strstr(stem, ".mp4_");
    if (inner) memmove(inner, inner + 4, strlen(inner + 4) + 1);
    return (*out_id = oai_import_text(m, "%s", stem)) ? OASSL_STATUS_OK : oai_no_memory(0, image);
}

/* Up to the last `_` (IS3, AVSBench) or the first one (VPO). */
static oassl_status take_group(oai_import *m, const char *id, bool first, const char **out_group) {
    const char *cut = first ? strchr(id, '_') : strrchr(id, '_');
    if (!cut || cut == id)
        return oai_fail(OASSL_STATUS_FORMAT, "field 'image': expected a name with a '_', found '%.60s'", id);
    *out_group = oai_import_text(m, "%.*s", (int)(cut - id), id);
    return *out_group ? OASSL_STATUS_OK : oai_no_memory(0, id);
}

typedef struct layout {
    const char *images, *audio, *masks; /* folders below which paths are kept; "" = base names */
    bool vpo, empty_is_fine;
} layout;

static oassl_status take(oai_import *m, const json_t *object, oai_import_item *item, const layout *how) {
    double box[4];
    const char *mask = NULL;
    int64_t offset = -1;
    OAI_TRY(take_path(m, object, "image", how->images, &item->image[0]));
    OAI_TRY(take_path(m, object, "audio", how->audio, &item->audio[0]));
    OAI_TRY(take_id(m, item->image[0], &item->id));
    OAI_TRY(take_group(m, item->id, how->vpo, &item->group));
    bool segment = json_is_string(json_object_get(object, "gt_box"));
    if (segment)
        OAI_TRY(take_path(m, object, "gt_box", how->masks, &mask));
    else
        OAI_TRY(oai_json_numbers(object, "gt_box", 4, box));
    if (oai_json_has(object, "offset")) OAI_TRY(oai_json_integer(object, "offset", 0, 255, &offset));
    item->offset = offset, item->coordinates = OAI_BOX_IN224, item->quiet_empty = how->empty_is_fine;
    OAI_TRY(oai_import_set_source(m, item, NULL, mask, segment ? NULL : (const double(*)[4]) & box, !segment));
    return oai_import_add(m, item);
}

static oassl_status take_is3(oai_import *m, const json_t *object, oai_import_item *item) {
    return take(m, object, item, &(layout){"", "", "", false, false});
}
static oassl_status take_vpo(oai_import *m, const json_t *object, oai_import_item *item) {
    return take(m, object, item, &(layout){"", "", "", true, false});
}
static oassl_status take_avsbench(oai_import *m, const json_t *object, oai_import_item *item) {
    return take(m, object, item, &(layout){"visual_frames", "audio_wav", "gt_masks", false, true});
}

oassl_status oai_import_is3(oai_import *m, const char *path) { return oai_import_entries(m, path, take_is3); }
oassl_status oai_import_vpo(oai_import *m, const char *path) { return oai_import_entries(m, path, take_vpo); }
oassl_status oai_import_avsbench_json(oai_import *m, const char *path) {
    return oai_import_entries(m, path, take_avsbench);
}

/* ---- masks for items that have boxes -------------------------------------------------------------------------- */

static oassl_status take_segment(oai_import *m, const json_t *object, oai_import_item *read) {
    const char *image, *mask;
    int64_t offset = -1;
    OAI_TRY(take_path(m, object, "image", "visual_frames", &image));
    OAI_TRY(take_id(m, image, &read->id));
    OAI_TRY(take_path(m, object, "gt_box", "gt_masks", &mask));
    if (oai_json_has(object, "offset")) OAI_TRY(oai_json_integer(object, "offset", 0, 255, &offset));
    uint32_t at = oai_strmap_get(&m->ids, read->id, strlen(read->id));
    if (at != OAI_STRMAP_NONE && m->items[at].n_sources == 1) {
        oai_import_source *with = oai_arena_alloc(&m->arena, sizeof *with);
        if (!with) return oai_no_memory(sizeof *with, read->file);
        *with = m->items[at].sources[0];
        with->mask = mask;
        m->items[at].sources = with, m->items[at].offset = offset;
        return OASSL_STATUS_OK;
    }
    m->counts.n_unknown++;
    return oai_fail(OASSL_STATUS_FORMAT, "the annotations have no such id");
}

oassl_status oai_import_segments(oai_import *m, const char *path) {
    uint64_t n_entries = m->counts.n_entries; /* of the annotations proper */
    oassl_status status = oai_import_entries(m, path, take_segment);
    m->counts.n_entries = n_entries;
    return status;
}
