/* MUSIC-Solo and MUSIC-Duet (spec: datasets.md 4).  Boxes are x y width height. */
#include <string.h>

#include "base/json.h"
#include "data/import.h"

/* "<YouTube id>_ddd_ddddd" */
static bool is_frame_id(const char *id, size_t n) {
    static const char form[] = "_ddd_ddddd";
    if (n <= 10) return false;
    for (size_t k = 0; k < 10; k++) {
        char c = id[n - 10 + k];
        if (form[k] == '_' ? c != '_' : c < '0' || c > '9') return false;
    }
    return true;
}

oassl_status oai_import_music_media(oai_import *m, oai_import_item *item) {
    size_t n = strlen(item->id);
    if (!is_frame_id(item->id, n))
        return oai_fail(OASSL_STATUS_FORMAT, "field 'file': expected <YouTube id>_ddd_ddddd, found '%.60s'", item->id);
    char *video = oai_import_text(m, "%.*s", (int)(n - 10), item->id),
         *audio = oai_import_text(m, "%.*s.wav", (int)(n - 10), item->id);
    if (!video || !audio) return oai_no_memory(0, item->file);
    item->audio[1] = audio, item->group = video;
    return OASSL_STATUS_OK;
}

static oassl_status begin(oai_import *m, const json_t *object, oai_import_item *item) {
    const char *id;
    OAI_TRY(oai_json_string(object, "file", &id));
    if (!(item->id = oai_import_text(m, "%s", id))) return oai_no_memory(0, item->file);
    item->coordinates = OAI_BOX_XYWH;
    OAI_TRY(oai_import_set_media(m, item, id, id));
    return oai_import_music_media(m, item);
}

static oassl_status add_source(oai_import *m, const json_t *object, const char *class_key, const char *box_key,
                               oai_import_item *item) {
    const char *label;
    double box[4];
    OAI_TRY(oai_json_string(object, class_key, &label));
    if (!*label) return oai_json_unexpected(class_key, "a label", json_object_get(object, class_key));
    OAI_TRY(oai_json_numbers(object, box_key, 4, box));
    return oai_import_set_source(m, item, label, NULL, (const double(*)[4]) & box, 1);
}

static oassl_status take_solo(oai_import *m, const json_t *object, oai_import_item *item) {
    OAI_TRY(begin(m, object, item));
    OAI_TRY(add_source(m, object, "class", "bbox", item));
    item->label = item->sources[0].label;
    return oai_import_add(m, item);
}

static oassl_status take_duet(oai_import *m, const json_t *object, oai_import_item *item) {
    OAI_TRY(begin(m, object, item));
    OAI_TRY(add_source(m, object, "class_src1", "bbox_src1", item));
    OAI_TRY(add_source(m, object, "class_src2", "bbox_src2", item));
    return oai_import_add(m, item);
}

oassl_status oai_import_music_solo(oai_import *m, const char *path) { return oai_import_entries(m, path, take_solo); }
oassl_status oai_import_music_duet(oai_import *m, const char *path) { return oai_import_entries(m, path, take_duet); }
