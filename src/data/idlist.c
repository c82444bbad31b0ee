#include "data/idlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/csv.h"
#include "data/manifest_record.h"

void oai_media_stem(const char *path, char *out, size_t capacity) {
    static const char *const known[] = {".jpg", ".jpeg", ".png", ".wav", ".flac", ".mp4"};
    const char *slash = strrchr(path, '/');
    snprintf(out, capacity, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    for (size_t i = 0; dot && dot > out && i < sizeof known / sizeof *known; i++)
        if (strcmp(dot, known[i]) == 0) {
            *dot = 0;
            return;
        }
}

bool oai_text_is_number(const char *text) { return *text && !text[strspn(text, "0123456789")]; }

/* Cuts "_<digits>" off the end of text[0..*n). */
static bool cut_number(const char *text, size_t *n, uint64_t *out_number) {
    size_t from = *n;
    while (from > 0 && text[from - 1] >= '0' && text[from - 1] <= '9') from--;
    if (from == *n || *n - from > 12 || from < 1 || text[from - 1] != '_') return false;
    *out_number = strtoull(text + from, NULL, 10);
    *n = from - 1;
    return true;
}

bool oai_id_from_milliseconds(const char *name, char *out, size_t capacity) {
    size_t n = strlen(name);
    uint64_t start, end;
    if (!cut_number(name, &n, &end) || !cut_number(name, &n, &start)) return false;
    if (n != 11 || end != start + 10000 || start % 1000 != 0) return false;
    snprintf(out, capacity, "%.11s_%06llu", name, (unsigned long long)(start / 1000));
    return true;
}

void oai_flat_label(const char *label, char *out, size_t capacity) {
    size_t n = 0;
    bool gap = false;
    for (; *label && n + 2 < capacity; label++) {
        if (*label == ' ' || *label == ',') {
            gap = true;
            continue;
        }
        if (gap && n) out[n++] = '_';
        gap = false;
        out[n++] = *label;
    }
    out[n] = 0;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

static oassl_status append(oai_idlist *list, const char *text, char *const *labels, uint32_t n_labels, uint64_t line) {
    char stem[512], id[512];
    if (strlen(text) >= sizeof stem)
        return oai_fail(OASSL_STATUS_FORMAT, "column 1: expected an id, found %zu bytes", strlen(text));
    oai_media_stem(text, stem, sizeof stem);
    if (!*stem) return oai_fail(OASSL_STATUS_FORMAT, "column 1: expected an id, found '%s'", text);
    if (list->n == list->room) {
        uint64_t room = list->room ? 2 * list->room : 1024;
        void *grown =
            oai_grow(list->arena.host, list->rows, list->room * sizeof *list->rows, room * sizeof *list->rows);
        if (!grown) return oai_no_memory(room * sizeof *list->rows, list->path);
        list->rows = grown, list->room = room;
    }
    oai_idlist_row row = {.line = line, .n_labels = n_labels};
    row.folder_name = oai_id_from_milliseconds(stem, id, sizeof id);
    row.name = oai_arena_text(&list->arena, stem, strlen(stem));
    row.id = row.folder_name ? oai_arena_text(&list->arena, id, strlen(id)) : row.name;
    if (!row.name || !row.id) return oai_no_memory(0, list->path);
    for (uint32_t k = 0; k < n_labels; k++) {
        if (!*labels[k]) return oai_fail(OASSL_STATUS_FORMAT, "column %u: expected a label, found nothing", k + 2);
        if (!(row.labels[k] = oai_arena_text(&list->arena, labels[k], strlen(labels[k]))))
            return oai_no_memory(0, list->path);
    }
    list->rows[list->n++] = row;
    return OASSL_STATUS_OK;
}

static oassl_status load_text(oai_idlist *list, oai_notes *notes) {
    oai_csv csv;
    OAI_TRY(oai_csv_open(list->arena.host, list->path, &csv));
    uint32_t columns = 0;
    oassl_status status;
    for (;;) {
        status = oai_csv_next(&csv);
        if (status == OASSL_STATUS_OK && !csv.n_fields) break;
        if (status == OASSL_STATUS_OK && csv.n_fields > 1 + OAI_IDLIST_LABELS)
            status = oai_fail(OASSL_STATUS_FORMAT, "expected id, or id and one or two labels, found %u columns",
                              csv.n_fields);
        if (status == OASSL_STATUS_OK && columns && csv.n_fields != columns)
            status = oai_fail(OASSL_STATUS_FORMAT, "expected %u columns as in the lines before, found %u", columns,
                              csv.n_fields);
        if (status == OASSL_STATUS_OK) columns = csv.n_fields;
        if (status == OASSL_STATUS_OK)
            status = append(list, csv.fields[0], csv.fields + 1, csv.n_fields - 1, csv.line);
        status = oai_note_failure(notes, status, list->path, csv.line, csv.n_fields ? csv.fields[0] : NULL);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_csv_close(&csv);
    return status;
}

static oassl_status load_entries(oai_idlist *list, oai_notes *notes) {
    json_t *array;
    OAI_TRY(oai_json_load(list->arena.host, list->path, &array));
    oassl_status status = json_is_array(array)
                              ? OASSL_STATUS_OK
                              : oai_fail(OASSL_STATUS_FORMAT, "%s: expected an array of annotations", list->path);
    for (size_t i = 0; status == OASSL_STATUS_OK && i < json_array_size(array); i++) {
        const json_t *object = json_array_get(array, i);
        const char *id;
        status = oai_json_string(object, oai_json_has(object, "file") ? "file" : "image", &id);
        if (status == OASSL_STATUS_OK) status = append(list, id, NULL, 0, i + 1);
        status = oai_note_failure(notes, status, list->path, i + 1, NULL);
    }
    json_decref(array);
    return status;
}

static oassl_status load_manifest(oai_idlist *list, oai_notes *notes) {
    oai_jsonl *lines;
    OAI_TRY(oai_jsonl_open(list->arena.host, list->path, &lines));
    oassl_status status;
    for (;;) {
        json_t *object = NULL;
        status = oai_jsonl_next(lines, &object);
        if (status == OASSL_STATUS_OK && !object) break;
        uint64_t line = oai_jsonl_line(lines);
        if (status == OASSL_STATUS_OK) {
            const char *id = oai_manifest_id(object);
            if (!id)
                status = oai_fail(OASSL_STATUS_FORMAT, "field 'id': missing, expected a name");
            else if (!oai_json_has(object, "mix"))
                status = append(list, id, NULL, 0, line);
        }
        json_decref(object);
        status = oai_note_failure(notes, status, list->path, line, NULL);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_jsonl_close(lines);
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

oassl_status oai_idlist_load(const oai_host *host, const char *path, oai_notes *notes, oai_idlist *out_list) {
    *out_list = (oai_idlist){.path = path};
    oai_arena_init(&out_list->arena, host);
    if (ends_with(path, ".jsonl")) return load_manifest(out_list, notes);
    if (ends_with(path, ".json")) return load_entries(out_list, notes);
    return load_text(out_list, notes);
}

void oai_idlist_free(oai_idlist *list) {
    oai_free(list->arena.host, list->rows);
    oai_arena_free(&list->arena);
}
