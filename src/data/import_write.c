/* Imported records as lines of a manifest. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "data/idlist.h"
#include "data/import.h"

/* Text gathered up and written in large pieces.  After a failure the rest is swallowed; `status` says it. */
typedef struct oai_lines {
    oai_writer *writer;
    oassl_status status;
    size_t n;
    char text[1 << 16];
} oai_lines;

static void flush(oai_lines *l) {
    if (l->status == OASSL_STATUS_OK && l->n) l->status = oai_writer_write(l->writer, l->text, l->n);
    l->n = 0;
}

static void put(oai_lines *l, const char *text, size_t n) {
    for (size_t part; n; text += part, n -= part) {
        if (l->n == sizeof l->text) flush(l);
        part = sizeof l->text - l->n < n ? sizeof l->text - l->n : n;
        memcpy(l->text + l->n, text, part);
        l->n += part;
    }
}

static void say(oai_lines *l, const char *text) { put(l, text, strlen(text)); }

static void quote(oai_lines *l, const char *text) {
    say(l, "\"");
    for (const char *c = text; *c; c++) {
        size_t plain = 0;
        while ((unsigned char)c[plain] >= ' ' && c[plain] != '"' && c[plain] != '\\') plain++;
        put(l, c, plain);
        c += plain;
        if (!*c) break;
        char code[8];
        snprintf(code, sizeof code, (unsigned char)*c < ' ' ? "\\u%04x" : "\\%c", *c);
        say(l, code);
    }
    say(l, "\"");
}

static void field(oai_lines *l, const char *key, const char *value) {
    if (!value) return;
    if (strcmp(key, "id")) say(l, ", ");
    quote(l, key), say(l, ": "), quote(l, value);
}

/* The shortest text that is read back as the same number. */
static void number(oai_lines *l, double v) {
    char text[40];
    if (v == floor(v) && fabs(v) < 1e15)
        snprintf(text, sizeof text, "%.0f", v == 0 ? 0.0 : v);
    else
        for (int digits = 15; digits <= 17; digits++) {
            double back;
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (sscanf(text, "%lf", &back) == 1 && back == v) break;
        }
    say(l, text);
}

static void box(oai_lines *l, const double *values) {
    for (int32_t k = 0; k < 4; k++) say(l, k ? ", " : "["), number(l, values[k]);
    say(l, "]");
}

/* "box" or "boxes"; nothing for none. */
static void boxes(oai_lines *l, const char *one, const char *several, const double (*list)[4], uint32_t n) {
    if (n == 0) return;
    say(l, ", "), quote(l, n == 1 ? one : several), say(l, n == 1 ? ": " : ": [");
    for (uint32_t i = 0; i < n; i++) {
        if (i) say(l, ", ");
        box(l, list[i]);
    }
    if (n > 1) say(l, "]");
}

static const char *label_of(const oai_import *m, const char *label, char *flat, size_t capacity) {
    if (!label || !m->options->flat_labels) return label;
    oai_flat_label(label, flat, capacity);
    return flat;
}

enum { MAX_BOXES = 64 };

/* Pixels of what was published, without what is empty; defects are told here, where the frame is known. */
static uint32_t convert(oai_import *m, const oai_import_item *item, const oai_import_source *source, int32_t w,
                        int32_t h, double (*out_boxes)[4]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < source->n_boxes; i++) {
        const double *raw = source->boxes[i];
        double *pixels = out_boxes[n];
        bool inside = oai_box_to_frame(item->coordinates, raw, w, h, pixels);
        m->counts.n_boxes++;
        m->counts.n_empty_boxes += !inside;
        m->counts.n_sentinels += !inside && oai_box_sentinel(raw);
        n += inside;
        if (inside || item->quiet_empty) continue;
        oai_note(&m->notes, OASSL_DATA_WARNING, item->file, item->record, item->id,
                 "box %u (%g, %g, %g, %g) is %s: nothing is inside", i + 1, raw[0], raw[1], raw[2], raw[3],
                 oai_box_sentinel(raw) ? "a sentinel" : "empty");
    }
    return n;
}

static void write_sources(oai_lines *l, oai_import *m, const oai_import_item *item, int32_t w, int32_t h) {
    double pixels[MAX_BOXES][4];
    char flat[256];
    say(l, ", \"sources\": [");
    for (uint32_t s = 0; s < item->n_sources; s++) {
        const oai_import_source *source = &item->sources[s];
        const char *label = label_of(m, source->label, flat, sizeof flat);
        say(l, s ? ", {\"label\": " : "{\"label\": "), quote(l, label ? label : "");
        uint32_t n = convert(m, item, source, w, h, pixels);
        boxes(l, "box", "boxes", (const double(*)[4])pixels, n);
        boxes(l, "raw_box", "raw_boxes", source->boxes, source->n_boxes);
        field(l, "mask", source->mask);
        m->counts.n_masks += source->mask != NULL;
        say(l, "}");
    }
    say(l, "]");
}

static void write_mixture(oai_lines *l, const oai_import *m, const oai_import_item *item) {
    say(l, ", \"mix\": [");
    for (uint32_t i = 0; i < item->n_mix; i++) {
        if (i) say(l, ", ");
        quote(l, item->mix[i]);
    }
    say(l, "]");
    field(l, "axis", m->options->axis ? "height" : "width");
}

static void write_single(oai_lines *l, oai_import *m, const oai_import_item *item) {
    char text[96], flat[256];
    bool seen = item->width > 0 && !m->options->frame_224, boxed = false;
    int32_t w = seen ? item->width : OAI_BOX_FRAME, h = seen ? item->height : OAI_BOX_FRAME;
    for (uint32_t s = 0; s < item->n_sources; s++) boxed = boxed || item->sources[s].n_boxes;
    field(l, "image", item->image_path);
    field(l, "audio", item->audio_path);
    field(l, "label", label_of(m, item->label, flat, sizeof flat));
    if (item->silent) say(l, ", \"playing\": false");
    write_sources(l, m, item, w, h);
    if (boxed) {
        snprintf(text, sizeof text, ", \"frame\": [%d, %d]", w, h);
        say(l, text);
        field(l, "coordinates", oai_box_coordinates_name(item->coordinates));
    }
    if (item->consensus) field(l, "ground_truth", "consensus");
    field(l, "group", item->group);
    if (item->offset >= 0) snprintf(text, sizeof text, ", \"offset\": %lld", (long long)item->offset), say(l, text);
    m->counts.n_silent += item->silent;
}

/* Distinct labels and groups. */
static oassl_status count_names(oai_import *m) {
    oai_strmap labels, groups;
    oai_strmap_init(&labels, m->host), oai_strmap_init(&groups, m->host);
    oassl_status status = OASSL_STATUS_OK;
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < m->n; i++) {
        const oai_import_item *item = &m->items[i];
        if (item->group) status = oai_strmap_put(&groups, item->group, strlen(item->group), 1, NULL);
        for (uint32_t s = 0; status == OASSL_STATUS_OK && s < item->n_sources; s++) {
            const char *label = item->sources[s].label;
            if (label) status = oai_strmap_put(&labels, label, strlen(label), 1, NULL);
        }
    }
    m->counts.n_classes = (uint32_t)labels.n_used, m->counts.n_groups = groups.n_used;
    oai_strmap_free(&labels), oai_strmap_free(&groups);
    return status;
}

oassl_status oai_import_write(oai_import *m, const char *out_path) {
    OAI_TRY(count_names(m));
    oai_lines *l = oai_alloc(m->host, sizeof *l);
    if (!l) return oai_no_memory(sizeof *l, out_path);
    l->n = 0, l->writer = NULL;
    l->status = oai_writer_open(m->host, out_path, &l->writer);
    for (uint64_t i = 0; l->status == OASSL_STATUS_OK && i < m->n; i++) {
        const oai_import_item *item = &m->items[i];
        say(l, "{"), field(l, "id", item->id);
        if (item->n_mix)
            write_mixture(l, m, item);
        else
            write_single(l, m, item);
        field(l, "split", item->split);
        say(l, "}\n");
    }
    flush(l);
    oassl_status status = l->status;
    if (status == OASSL_STATUS_OK) {
        status = oai_writer_commit(l->writer);
        if (status == OASSL_STATUS_OK) m->counts.n_records = m->n;
    } else if (l->writer) {
        oai_writer_abort(l->writer);
    }
    oai_free(m->host, l);
    return status;
}
