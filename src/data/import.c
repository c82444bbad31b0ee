#include "data/import.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "data/idlist.h"
#include "data/manifest_record.h"

static const oai_import_format formats[] = {
    {"vggss", "VGG-SS: vggss.json", oai_import_vggss, {"images", "audio", "masks"}, "test"},
    {"vggsound",
     "VGGSound: vggsound.csv (youtube_id,start,label,split)",
     oai_import_vggsound,
     {"images", "audio", "masks"},
     NULL},
    {"list",
     "id lists with or without labels: vggss_144k.txt, vggsound_single_test.csv, flickr_10k.txt",
     oai_import_list,
     {"images", "audio", "masks"},
     "train"},
    {"music-list",
     "MUSIC lists: music_solo_train.txt, music_duet_train.txt",
     oai_import_music_list,
     {"images", "audio", "masks"},
     "train"},
    {"music-solo", "MUSIC-Solo: music_solo.json", oai_import_music_solo, {"images", "audio", "masks"}, "test"},
    {"music-duet", "MUSIC-Duet: music_duet.json", oai_import_music_duet, {"images", "audio", "masks"}, "test"},
    {"music-solo-tvsl",
     "MUSIC-Solo as T-VSL has it: music_solo_real_ann.json",
     oai_import_music_tvsl,
     {"images", "audio", "masks"},
     "test"},
    {"music-videos",
     "mix-and-localize's split lists of videos: MUSIC_raw/solo/<class>/<YouTube id>",
     oai_import_music_videos,
     {"images", "audio", "masks"},
     "train"},
    {"flickr", "Flickr-SoundNet: folder of <id>.xml", oai_import_flickr, {"images", "audio", "masks"}, "test"},
    {"extended",
     "SLAVC's extended sets alone: *_plus_silent.csv",
     oai_import_extended,
     {"images", "audio", "masks"},
     "test"},
    {"avsbench-s4",
     "AVSBench S4: official csv, ACL-SSL's list, s4_box.json, s4_seg.json",
     oai_import_avsbench_s4,
     {"visual_frames", "audio_wav", "gt_masks"},
     "test"},
    {"avsbench-ms3",
     "AVSBench MS3: the same",
     oai_import_avsbench_ms3,
     {"visual_frames", "audio_wav", "gt_masks"},
     "test"},
    {"is3",
     "IS3: synthetic3240_bbox.json or _seg.json",
     oai_import_is3,
     {"images", "audio_wav", "gt_segmentation"},
     "test"},
    {"vpo-ss",
     "VPO-SS: vpo_ss_bbox.json or _seg.json",
     oai_import_vpo,
     {"visual_frames", "audio_wav", "gray_masks"},
     "test"},
    {"vpo-ms",
     "VPO-MS: vpo_ms_bbox.json or _seg.json",
     oai_import_vpo,
     {"visual_frames", "audio_wav", "gray_masks"},
     "test"},
};

const oai_import_format *oai_import_format_at(uint32_t index) {
    return index < sizeof formats / sizeof *formats ? &formats[index] : NULL;
}

/* ---- what readers use ----------------------------------------------------------------------------------------- */

char *oai_import_text(oai_import *import, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : oai_arena_alloc(&import->arena, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

/* Ids become file names and manifest ids: neither folders nor control characters. */
static oassl_status check_id(const char *id) {
    bool fine = *id && strlen(id) <= 250 && strcmp(id, ".") && strcmp(id, "..");
    for (const char *c = id; fine && *c; c++) fine = *c != '/' && (unsigned char)*c >= ' ' && *c != 0x7F;
    return fine ? OASSL_STATUS_OK
                : oai_fail(OASSL_STATUS_FORMAT, "field 'id': expected a name that can be a file's, found '%.60s'", id);
}

static oassl_status check_boxes(const oai_import_item *item) {
    for (uint32_t s = 0; s < item->n_sources; s++)
        for (uint32_t i = 0; i < item->sources[s].n_boxes; i++) {
            const double *raw = item->sources[s].boxes[i];
            if (oai_box_outside(item->coordinates, raw))
                return oai_fail(OASSL_STATUS_FORMAT, "box %u (%g, %g, %g, %g) leaves the picture (%s)", i + 1, raw[0],
                                raw[1], raw[2], raw[3], oai_box_coordinates_name(item->coordinates));
        }
    return OASSL_STATUS_OK;
}

oassl_status oai_import_add(oai_import *m, const oai_import_item *item) {
    OAI_TRY(check_id(item->id));
    OAI_TRY(check_boxes(item));
    if (m->n == m->room) {
        uint64_t room = m->room ? 2 * m->room : 1024;
        void *grown = oai_grow(m->host, m->items, m->room * sizeof *item, room * sizeof *item);
        if (!grown) return oai_no_memory(room * sizeof *item, "imported records");
        m->items = grown, m->room = room;
    }
    uint32_t first = oai_strmap_get(&m->ids, item->id, strlen(item->id));
    if (first != OAI_STRMAP_NONE) {
        m->counts.n_duplicates++;
        oai_note(&m->notes, OASSL_DATA_WARNING, item->file, item->record, item->id,
                 "the id is that of %s:%llu too; the first is kept", m->items[first].file,
                 (unsigned long long)m->items[first].record);
        return OASSL_STATUS_OK;
    }
    OAI_TRY(oai_strmap_put(&m->ids, item->id, strlen(item->id), (uint32_t)m->n, NULL));
    m->items[m->n++] = *item;
    return OASSL_STATUS_OK;
}

oassl_status oai_import_set_source(oai_import *m, oai_import_item *item, const char *label, const char *mask,
                                   const double (*boxes)[4], uint32_t n_boxes) {
    oai_import_source *sources = oai_arena_alloc(&m->arena, (item->n_sources + 1) * sizeof *sources);
    double(*own)[4] = n_boxes ? oai_arena_alloc(&m->arena, n_boxes * sizeof *own) : NULL;
    char *text = label ? oai_import_text(m, "%s", label) : NULL, *path = mask ? oai_import_text(m, "%s", mask) : NULL;
    if (!sources || (n_boxes && !own) || (label && !text) || (mask && !path))
        return oai_no_memory(0, "an imported record");
    if (item->n_sources) memcpy(sources, item->sources, item->n_sources * sizeof *sources);
    if (n_boxes) memcpy(own, boxes, n_boxes * sizeof *own);
    sources[item->n_sources++] = (oai_import_source){text, path, (const double(*)[4])own, n_boxes};
    item->sources = sources;
    return OASSL_STATUS_OK;
}

oassl_status oai_import_set_media(oai_import *m, oai_import_item *item, const char *image, const char *audio) {
    item->image[0] = oai_import_text(m, "%s.jpg", image), item->image[1] = oai_import_text(m, "%s.png", image);
    item->audio[0] = oai_import_text(m, "%s.wav", audio), item->audio[1] = oai_import_text(m, "%s.flac", audio);
    return item->image[0] && item->image[1] && item->audio[0] && item->audio[1]
               ? OASSL_STATUS_OK
               : oai_no_memory(0, "an imported record");
}

oassl_status oai_import_rows(oai_import *m, const char *path, oai_import_row take, void *user) {
    oai_csv csv;
    OAI_TRY(oai_csv_open(m->host, path, &csv));
    oassl_status status;
    for (;;) {
        status = oai_csv_next(&csv);
        if (status == OASSL_STATUS_OK && !csv.n_fields) break;
        oai_import_item item = {.file = path, .record = csv.line, .offset = -1};
        if (status == OASSL_STATUS_OK) status = take(m, &csv, &item, user);
        status = oai_note_failure(&m->notes, status, path, csv.line, csv.n_fields ? csv.fields[0] : NULL);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_csv_close(&csv);
    return status;
}

oassl_status oai_import_entries(oai_import *m, const char *path, oai_import_entry take) {
    json_t *list;
    OAI_TRY(oai_json_load(m->host, path, &list));
    oassl_status status = OASSL_STATUS_OK;
    if (!json_is_array(list)) status = oai_fail(OASSL_STATUS_FORMAT, "%s: expected an array of annotations", path);
    for (size_t i = 0; status == OASSL_STATUS_OK && i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        oai_import_item item = {.file = path, .record = i + 1, .offset = -1};
        m->counts.n_entries++;
        status = json_is_object(object) ? take(m, object, &item) : oai_fail(OASSL_STATUS_FORMAT, "expected an object");
        const char *id =
            item.id ? item.id
                    : json_string_value(json_object_get(object, json_object_get(object, "file") ? "file" : "image"));
        status = oai_note_failure(&m->notes, status, path, i + 1, id);
    }
    json_decref(list);
    return status;
}

/* ---- the list that chooses ------------------------------------------------------------------------------------ */

/* A label of the list that contradicts the annotations, whichever spelling it has. */
static void compare_label(oai_import *m, const oai_idlist *list, const oai_idlist_row *row,
                          const oai_import_item *item) {
    char theirs[256], ours[256];
    if (!row->n_labels || !item->label || oai_text_is_number(row->labels[0])) return;
    oai_flat_label(row->labels[0], theirs, sizeof theirs);
    oai_flat_label(item->label, ours, sizeof ours);
    if (strcmp(theirs, ours) != 0)
        oai_note(&m->notes, OASSL_DATA_WARNING, list->path, row->line, row->id, "label '%s', the annotations say '%s'",
                 row->labels[0], item->label);
}

static oassl_status choose(oai_import *m, const char *path) {
    oai_idlist list;
    oassl_status status = oai_idlist_load(m->host, path, &m->notes, &list);
    bool *wanted = oai_calloc(m->host, m->n + 1, sizeof *wanted);
    if (status == OASSL_STATUS_OK) oai_import_compare_published(m, path, list.n);
    if (status == OASSL_STATUS_OK && !wanted) status = oai_no_memory(m->n, path);
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < list.n; i++) {
        const oai_idlist_row *row = &list.rows[i];
        uint32_t at = oai_strmap_get(&m->ids, row->id, strlen(row->id));
        if (at == OAI_STRMAP_NONE) {
            m->counts.n_unknown++;
            oai_note(&m->notes, OASSL_DATA_ERROR, path, row->line, row->id, "the annotations have no such id");
            continue;
        }
        if (wanted[at]) {
            m->counts.n_duplicates++;
            oai_note(&m->notes, OASSL_DATA_WARNING, path, row->line, row->id, "the id is in the list twice");
        }
        wanted[at] = true;
        compare_label(m, &list, row, &m->items[at]);
        if (row->folder_name) { /* SSLalignment keeps several frames of a clip in a folder */
            oai_import_item *item = &m->items[at];
            char *image = oai_import_text(m, "%s/image_050.jpg", row->name),
                 *audio = oai_import_text(m, "%s.wav", row->name);
            if (!image || !audio) status = oai_no_memory(0, path);
            item->image[0] = image, item->audio[0] = audio, item->image[1] = item->audio[1] = NULL;
        }
    }
    uint64_t kept = 0;
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < m->n; i++)
        if (wanted[i]) m->items[kept++] = m->items[i];
    if (status == OASSL_STATUS_OK) m->n = kept;
    oai_free(m->host, wanted);
    oai_idlist_free(&list);
    return status;
}

/* ---- order ---------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    return strcmp(((const oai_import_item *)a)->id, ((const oai_import_item *)b)->id);
}

/* Bytewise by id. */
static void sort_items(oai_import *m) {
    if (m->n) qsort(m->items, m->n, sizeof *m->items, by_id);
}

/* After items went or moved. */
static oassl_status map_ids(oai_import *m) {
    oai_strmap_free(&m->ids);
    oai_strmap_init(&m->ids, m->host);
    for (uint64_t i = 0; i < m->n; i++)
        OAI_TRY(oai_strmap_put(&m->ids, m->items[i].id, strlen(m->items[i].id), (uint32_t)i, NULL));
    return OASSL_STATUS_OK;
}

static oassl_status mix(oai_import *m) {
    OAI_TRY(map_ids(m));
    OAI_TRY(oai_import_mixtures(m));
    sort_items(m);
    return OASSL_STATUS_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static oassl_status find_format(const char *name, const oai_import_format **out_format) {
    char known[512] = "";
    for (uint32_t i = 0; (*out_format = oai_import_format_at(i)); i++) {
        if (strcmp((*out_format)->name, name) == 0) return OASSL_STATUS_OK;
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", (*out_format)->name);
    }
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import: no format '%s'; known are %s", name, known);
}

static oassl_status strictly(const oai_import *m) {
    const oai_notes *notes = &m->notes;
    if (!m->options->strict) return OASSL_STATUS_OK;
    if (m->counts.n_missing)
        return oai_fail(OASSL_STATUS_NOT_FOUND,
                        "strict: %llu records lack a picture, sound or mask; the first error is %s",
                        (unsigned long long)m->counts.n_missing, notes->first_error);
    if (notes->n_errors)
        return oai_fail(OASSL_STATUS_FORMAT, "strict: %llu errors, the first is %s",
                        (unsigned long long)notes->n_errors, notes->first_error);
    return OASSL_STATUS_OK;
}

static oassl_status run(oai_import *m, const oai_import_format *format, const char *out_path) {
    const oassl_import_options *o = m->options;
    OAI_TRY(oai_import_folders(m, format, out_path));
    OAI_TRY(format->read(m, o->annotations));
    oai_import_compare_published(m, o->annotations, m->counts.n_entries);
    if (o->segments) OAI_TRY(oai_import_segments(m, o->segments));
    if (o->list) OAI_TRY(choose(m, o->list));
    uint64_t before = m->counts.n_entries;
    if (o->silent) OAI_TRY(oai_import_extended(m, o->silent));
    if (o->silent) oai_import_compare_published(m, o->silent, m->counts.n_entries - before);
    for (uint64_t i = 0; i < m->n; i++)
        if (!m->items[i].split) m->items[i].split = o->split ? o->split : format->split;
    OAI_TRY(oai_import_media(m));
    sort_items(m);
    if (o->mix || o->mix_sources) OAI_TRY(mix(m));
    OAI_TRY(strictly(m));
    if (!m->n)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: no records left (%llu read, %llu without media, %llu errors%s%s)",
                        o->annotations, (unsigned long long)m->counts.n_entries,
                        (unsigned long long)m->counts.n_missing, (unsigned long long)m->notes.n_errors,
                        m->notes.n_errors ? ", the first is " : "", m->notes.first_error);
    return oai_import_write(m, out_path);
}

oassl_status oai_import_run(const oai_host *host, const oassl_import_options *options, const char *out_path,
                            oassl_import_counts *out_counts) {
    oai_import m = {.host = host, .options = options};
    const oai_import_format *format;
    OAI_TRY(find_format(options->format, &format));
    oai_arena_init(&m.arena, host);
    oai_strmap_init(&m.ids, host);
    m.notes = (oai_notes){.host = host, .report = options->report, .user = options->report_user};
    oassl_status status = run(&m, format, out_path);
    uint32_t size = out_counts->struct_size;
    m.counts.n_errors = m.notes.n_errors, m.counts.n_warnings = m.notes.n_warnings;
    *out_counts = m.counts;
    out_counts->struct_size = size;
    oai_strmap_free(&m.ids);
    oai_free(host, m.items);
    oai_arena_free(&m.arena);
    return status;
}
