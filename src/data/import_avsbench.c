/* AVSBench object level, S4 and MS3: the official csv, ACL-SSL's frame lists, SSLalignment's JSON (spec: datasets.md
 * 7). */
#include <string.h>

#include "data/import.h"

enum { N_FRAMES = 5 };

typedef struct columns {
    bool ms3, known, official; /* official: a row is a clip; else a frame and its label */
    int32_t name, category, split;
    uint32_t n;
} columns;

static bool is_split(const char *text) {
    return !strcmp(text, "train") || !strcmp(text, "val") || !strcmp(text, "test");
}

/* By the header where there is one, else by what the first row looks like.  True: the row is a header. */
static bool learn_columns(const oai_csv *csv, columns *c) {
    bool header = false;
    *c = (columns){.ms3 = c->ms3, .known = true, .name = -1, .category = -1, .split = -1, .n = csv->n_fields};
    for (uint32_t k = 0; k < csv->n_fields; k++) {
        const char *field = csv->fields[k];
        if (strcmp(field, "name") == 0) header = true, c->name = (int32_t)k;
        if (strcmp(field, "category") == 0) c->category = (int32_t)k;
        if (strcmp(field, "split") == 0) c->split = (int32_t)k;
    }
    c->official = header;
    if (header) return true;
    c->name = 0, c->category = c->split = -1;
    if (c->ms3 && csv->n_fields >= 2 && is_split(csv->fields[1]))
        c->official = true, c->split = 1;
    else if (!c->ms3 && csv->n_fields == 4 && is_split(csv->fields[3])) /* name,start,category,split */
        c->official = true, c->category = 2, c->split = 3;
    return false;
}

static oassl_status no_memory(const oai_import_item *item) { return oai_no_memory(0, item->file); }

static bool plain_name(const char *text) {
    return *text && !strchr(text, '/') && !strstr(text, "..") && strlen(text) <= 200;
}

/* Frame k of a clip; the train clips of S4 have a mask of the first frame only. */
static oassl_status add_frame(oai_import *m, const columns *c, const char *name, const char *category,
                              const char *split, int32_t k, oai_import_item item) {
    char *mask = NULL;
    item.id = oai_import_text(m, "%s_%d", name, k), item.group = oai_import_text(m, "%s", name);
    item.label = c->category >= 0 ? oai_import_text(m, "%s", category) : NULL;
    item.split = !strcmp(split, "train") ? "train" : !strcmp(split, "val") ? "val" : "test";
    item.quiet_empty = true;
    if (c->ms3) {
        item.image[0] = oai_import_text(m, "%s/%s.mp4_%d.png", name, name, k);
        item.audio[0] = oai_import_text(m, "%s/%s.wav", split, name);
        mask = oai_import_text(m, "%s/%s/%s_%d.png", split, name, name, k);
    } else {
        item.image[0] = oai_import_text(m, "%s/%s/%s/%s_%d.png", split, category, name, name, k);
        item.audio[0] = oai_import_text(m, "%s/%s/%s.wav", split, category, name);
        mask = oai_import_text(m, "%s/%s/%s/%s_%d.png", split, category, name, name, k);
    }
    if (!item.id || !item.group || !item.image[0] || !item.audio[0] || !mask) return no_memory(&item);
    bool masked = c->ms3 || k == 1 || strcmp(split, "train") != 0;
    OAI_TRY(oai_import_set_source(m, &item, item.label, masked ? mask : NULL, NULL, 0));
    return oai_import_add(m, &item);
}

static oassl_status take_clip(oai_import *m, const oai_csv *csv, const columns *c, oai_import_item *item) {
    if (csv->n_fields != c->n)
        return oai_fail(OASSL_STATUS_FORMAT, "expected %u columns as in the first line, found %u", c->n,
                        csv->n_fields);
    if (c->name < 0 || c->split < 0 || (!c->ms3 && c->category < 0))
        return oai_fail(OASSL_STATUS_FORMAT, "expected columns name, %ssplit", c->ms3 ? "" : "category, ");
    const char *name = csv->fields[c->name], *split = csv->fields[c->split];
    const char *category = c->category >= 0 ? csv->fields[c->category] : "";
    if (!plain_name(name))
        return oai_fail(OASSL_STATUS_FORMAT, "column 'name': expected a clip's name, found '%.60s'", name);
    if (!is_split(split))
        return oai_fail(OASSL_STATUS_FORMAT, "column 'split': expected train, val or test, found '%.40s'", split);
    if (!c->ms3 && !plain_name(category))
        return oai_fail(OASSL_STATUS_FORMAT, "column 'category': expected a name, found '%.60s'", category);
    if (m->options->split && strcmp(split, m->options->split) != 0) return OASSL_STATUS_OK;
    for (int32_t k = 1; k <= N_FRAMES; k++) OAI_TRY(add_frame(m, c, name, category, split, k, *item));
    return OASSL_STATUS_OK;
}

/* ACL-SSL: "<name>_<k>,label", everything flat below the three folders. */
static oassl_status take_frame(oai_import *m, const oai_csv *csv, oai_import_item *item) {
    if (csv->n_fields != 2)
        return oai_fail(OASSL_STATUS_FORMAT, "expected frame_id,label, found %u columns", csv->n_fields);
    const char *id = csv->fields[0];
    size_t n = strlen(id);
    if (!plain_name(id) || n < 3 || id[n - 2] != '_' || id[n - 1] < '1' || id[n - 1] > '0' + N_FRAMES)
        return oai_fail(OASSL_STATUS_FORMAT, "column 1: expected <name>_<1..5>, found '%.60s'", id);
    if (!*csv->fields[1]) return oai_fail(OASSL_STATUS_FORMAT, "column 2: expected a label, found nothing");
    char *png = oai_import_text(m, "%s.png", id);
    item->id = oai_import_text(m, "%s", id), item->group = oai_import_text(m, "%.*s", (int)(n - 2), id);
    item->label = oai_import_text(m, "%s", csv->fields[1]);
    item->audio[0] = oai_import_text(m, "%.*s.wav", (int)(n - 2), id), item->image[0] = png;
    item->quiet_empty = true;
    if (!png || !item->id || !item->group || !item->label || !item->audio[0]) return no_memory(item);
    OAI_TRY(oai_import_set_source(m, item, item->label, png, NULL, 0));
    return oai_import_add(m, item);
}

static oassl_status take_row(oai_import *m, const oai_csv *csv, oai_import_item *item, void *user) {
    columns *c = user;
    if (!c->known && learn_columns(csv, c)) return OASSL_STATUS_OK;
    m->counts.n_entries++;
    return c->official ? take_clip(m, csv, c, item) : take_frame(m, csv, item);
}

static oassl_status read(oai_import *m, const char *path, bool ms3) {
    size_t n = strlen(path);
    columns c = {.ms3 = ms3};
    if (n > 5 && strcmp(path + n - 5, ".json") == 0) return oai_import_avsbench_json(m, path);
    return oai_import_rows(m, path, take_row, &c);
}

oassl_status oai_import_avsbench_s4(oai_import *m, const char *path) { return read(m, path, false); }
oassl_status oai_import_avsbench_ms3(oai_import *m, const char *path) { return read(m, path, true); }
