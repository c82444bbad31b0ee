/* VGG-SS, VGGSound, plain lists, SLAVC's extended sets (spec: datasets.md 2, 6). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/idlist.h"
#include "data/import.h"

enum { MAX_BOXES = 64 };

/* "bbox": one or more lists of four numbers. */
static oassl_status read_boxes(const json_t *object, double (*out_boxes)[4], uint32_t *out_n) {
    static const char *const expected = "a list of boxes [x0, y0, x1, y1]";
    json_t *list;
    OAI_TRY(oai_json_array(object, "bbox", &list));
    size_t n = json_array_size(list);
    if (n == 0 || n > MAX_BOXES) return oai_json_unexpected("bbox", expected, list);
    for (size_t i = 0; i < n; i++) {
        const json_t *box = json_array_get(list, i);
        if (!json_is_array(box) || json_array_size(box) != 4) return oai_json_unexpected("bbox", expected, box);
        for (size_t k = 0; k < 4; k++) {
            if (!json_is_number(json_array_get(box, k))) return oai_json_unexpected("bbox", expected, box);
            out_boxes[i][k] = json_number_value(json_array_get(box, k));
        }
    }
    *out_n = (uint32_t)n;
    return OASSL_STATUS_OK;
}

static oassl_status take_vggss(oai_import *m, const json_t *object, oai_import_item *item) {
    double boxes[MAX_BOXES][4];
    uint32_t n = 0;
    const char *id, *label;
    OAI_TRY(oai_json_string(object, "file", &id));
    OAI_TRY(oai_json_string(object, "class", &label));
    if (!*label) return oai_json_unexpected("class", "a label", json_object_get(object, "class"));
    OAI_TRY(read_boxes(object, boxes, &n));
    item->id = oai_import_text(m, "%s", id), item->label = oai_import_text(m, "%s", label);
    if (!item->id || !item->label) return oai_no_memory(0, item->file);
    item->coordinates = OAI_BOX_XYXY;
    OAI_TRY(oai_import_set_source(m, item, label, NULL, (const double(*)[4])boxes, n));
    OAI_TRY(oai_import_set_media(m, item, id, id));
    return oai_import_add(m, item);
}

oassl_status oai_import_vggss(oai_import *m, const char *path) { return oai_import_entries(m, path, take_vggss); }

/* ---- csv files ------------------------------------------------------------------------------------------------ */

static oassl_status set_label(oai_import *m, oai_import_item *item, const char *label) {
    if (!(item->label = oai_import_text(m, "%s", label))) return oai_no_memory(0, item->file);
    return oai_import_set_source(m, item, label, NULL, NULL, 0);
}

/* youtube_id,start_second,label,split */
static oassl_status take_vggsound(oai_import *m, const oai_csv *csv, oai_import_item *item, void *user) {
    (void)user;
    m->counts.n_entries++;
    if (csv->n_fields != 4)
        return oai_fail(OASSL_STATUS_FORMAT, "expected youtube_id,start_second,label,split, found %u columns",
                        csv->n_fields);
    const char *start = csv->fields[1], *split = csv->fields[3];
    if (!*csv->fields[0] || strlen(csv->fields[0]) > 64)
        return oai_fail(OASSL_STATUS_FORMAT, "column 1: expected a YouTube id, found '%.80s'", csv->fields[0]);
    if (!oai_text_is_number(start) || strlen(start) > 6)
        return oai_fail(OASSL_STATUS_FORMAT, "column 2: expected whole seconds, found '%.40s'", start);
    if (!*csv->fields[2]) return oai_fail(OASSL_STATUS_FORMAT, "column 3: expected a label, found nothing");
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "column 4: expected train or test, found '%.40s'", split);
    if (m->options->split && strcmp(split, m->options->split) != 0) return OASSL_STATUS_OK;
    item->split = strcmp(split, "test") == 0 ? "test" : "train";
    item->id = oai_import_text(m, "%s_%06ld", csv->fields[0], strtol(start, NULL, 10));
    if (!item->id) return oai_no_memory(0, item->file);
    OAI_TRY(set_label(m, item, csv->fields[2]));
    OAI_TRY(oai_import_set_media(m, item, item->id, item->id));
    return oai_import_add(m, item);
}

oassl_status oai_import_vggsound(oai_import *m, const char *path) {
    return oai_import_rows(m, path, take_vggsound, NULL);
}

/* video,audio,label; label is always "non-sounding". */
static oassl_status take_silent(oai_import *m, const oai_csv *csv, oai_import_item *item, void *user) {
    (void)user;
    if (csv->n_fields != 3)
        return oai_fail(OASSL_STATUS_FORMAT, "expected video,audio,label, found %u columns", csv->n_fields);
    const char *video = csv->fields[0], *audio = csv->fields[1];
    if (strcmp(video, "video") == 0 && strcmp(audio, "audio") == 0) return OASSL_STATUS_OK; /* the header */
    m->counts.n_entries++;
    if (!*video || !*audio)
        return oai_fail(OASSL_STATUS_FORMAT, "expected ids of video and audio, found '%.60s' and '%.60s'", video,
                        audio);
    if (strchr(video, '/') || strchr(audio, '/')) return oai_fail(OASSL_STATUS_FORMAT, "expected ids, found a '/'");
    if (strcmp(csv->fields[2], "non-sounding") != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "column 3: expected non-sounding, found '%.60s'", csv->fields[2]);
    item->id = oai_import_text(m, "%s+%s", video, audio);
    if (!item->id) return oai_no_memory(0, item->file);
    item->silent = true;
    OAI_TRY(oai_import_set_media(m, item, video, audio));
    return oai_import_add(m, item);
}

oassl_status oai_import_extended(oai_import *m, const char *path) {
    return oai_import_rows(m, path, take_silent, NULL);
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

static oassl_status add_row(oai_import *m, const oai_idlist_row *row, bool music, oai_import_item *item) {
    item->id = oai_import_text(m, "%s", row->id);
    if (!item->id) return oai_no_memory(0, item->file);
    OAI_TRY(oai_import_set_media(m, item, row->id, row->id));
    if (row->folder_name) {
        item->image[0] = oai_import_text(m, "%s/image_050.jpg", row->name),
        item->audio[0] = oai_import_text(m, "%s.wav", row->name);
        item->image[1] = item->audio[1] = NULL;
        if (!item->image[0] || !item->audio[0]) return oai_no_memory(0, item->file);
    }
    if (music) OAI_TRY(oai_import_music_media(m, item));
    for (uint32_t k = 0; k < row->n_labels; k++) /* Flickr's numbers mean nothing */
        if (!oai_text_is_number(row->labels[k])) OAI_TRY(set_label(m, item, row->labels[k]));
    if (item->n_sources > 1) item->label = NULL; /* no one class */
    return oai_import_add(m, item);
}

static oassl_status read_list(oai_import *m, const char *path, bool music) {
    oai_idlist list;
    oassl_status status = oai_idlist_load(m->host, path, &m->notes, &list);
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < list.n; i++) {
        oai_import_item item = {.file = path, .record = list.rows[i].line, .offset = -1};
        status = oai_note_failure(&m->notes, add_row(m, &list.rows[i], music, &item), path, list.rows[i].line,
                                  list.rows[i].id);
    }
    m->counts.n_entries += list.n;
    oai_idlist_free(&list);
    return status;
}

oassl_status oai_import_list(oai_import *m, const char *path) { return read_list(m, path, false); }
oassl_status oai_import_music_list(oai_import *m, const char *path) { return read_list(m, path, true); }
