/* Flickr-SoundNet: a folder of <id>.xml, one element an annotator, boxes by position (spec: datasets.md 5). */
#include <dirent.h>
#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/import.h"

enum { MAX_BOXES = 64, MAX_XML_BYTES = 1 << 20 };

/* Depths: 1 the root, 2 an annotator, 3 "bbox" or something without a box, 4 a number of it. */
typedef struct xml_state {
    XML_Parser parser;
    int depth;
    bool in_box;
    uint32_t n_children; /* of this bbox */
    double (*boxes)[4];
    uint32_t n_boxes, n_others, n_extra;
    char other[40]; /* the first tag that is no bbox */
    char text[64];  /* of the number being read */
    size_t n_text;
    char problem[160];
} xml_state;

static void stop(xml_state *x, const char *format, const char *what) {
    if (!x->problem[0]) snprintf(x->problem, sizeof x->problem, format, what);
    XML_StopParser(x->parser, XML_FALSE);
}

static void on_start(void *user, const char *name, const char **attributes) {
    (void)attributes;
    static const char *const order[] = {"xmin", "ymin", "xmax", "ymax"};
    xml_state *x = user;
    x->depth++;
    if (x->depth == 3) {
        x->in_box = strcmp(name, "bbox") == 0;
        x->n_children = 0;
        if (!x->in_box && x->n_others++ == 0) snprintf(x->other, sizeof x->other, "%.39s", name);
        if (x->in_box && x->n_boxes == MAX_BOXES) stop(x, "expected at most 64 boxes%s", "");
    }
    if (x->depth == 4 && x->in_box) {
        x->n_text = 0;
        for (uint32_t k = 0; k < 4; k++) /* where the names mean something they must fit the places */
            if (strcmp(name, order[k]) == 0 && x->n_children != k + 1)
                stop(x, "element '%s' is not in its place in 'bbox'", name);
    }
    if (x->depth > 64) stop(x, "elements are nested deeper than 64%s", "");
}

static void on_text(void *user, const char *text, int n) {
    xml_state *x = user;
    if (x->depth != 4 || !x->in_box) return;
    for (int i = 0; i < n && x->n_text + 1 < sizeof x->text; i++) x->text[x->n_text++] = text[i];
}

static void take_number(xml_state *x, uint32_t at) {
    x->text[x->n_text] = 0;
    char *end, *text = x->text;
    long value = strtol(text, &end, 10);
    if (end == text || end[strspn(end, " \t\r\n")] || value < -1000000 || value > 1000000) {
        stop(x, "'bbox': expected whole numbers, found '%s'", text);
        return;
    }
    x->boxes[x->n_boxes][at] = (double)value;
}

static void on_end(void *user, const char *name) {
    (void)name;
    xml_state *x = user;
    if (x->depth == 4 && x->in_box) {
        if (x->n_children >= 1 && x->n_children <= 4) take_number(x, x->n_children - 1); /* the first is skipped */
        x->n_children++;
    }
    if (x->depth == 3 && x->in_box) {
        if (x->n_children < 5) stop(x, "'bbox': expected five elements or more%s", "");
        x->n_extra += x->n_children > 5;
        x->n_boxes++;
        x->in_box = false;
    }
    x->depth--;
}

/* Nothing we read needs them, and they are how small files become large. */
static void on_entity(void *user, const char *name, int parameter, const char *value, int n, const char *base,
                      const char *system, const char *public, const char *notation) {
    (void)parameter, (void)value, (void)n, (void)base, (void)system, (void)public, (void)notation;
    stop(user, "entity declarations are refused, found '%s'", name);
}

static oassl_status parse(const char *text, size_t bytes, xml_state *x) {
    x->parser = XML_ParserCreate(NULL);
    if (!x->parser) return oai_no_memory(0, "an XML parser");
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetEntityDeclHandler(x->parser, on_entity);
    oassl_status status = OASSL_STATUS_OK;
    if (XML_Parse(x->parser, text, (int)bytes, 1) != XML_STATUS_OK) {
        unsigned long line = XML_GetCurrentLineNumber(x->parser);
        enum XML_Error code = XML_GetErrorCode(x->parser);
        if (code == XML_ERROR_NO_MEMORY)
            status = oai_no_memory(bytes, "an XML file");
        else if (x->problem[0])
            status = oai_fail(OASSL_STATUS_FORMAT, "line %lu: %s", line, x->problem);
        else
            status = oai_fail(OASSL_STATUS_FORMAT, "line %lu: not valid XML: %s", line, XML_ErrorString(code));
    }
    XML_ParserFree(x->parser);
    return status;
}

static oassl_status read_annotation(oai_import *m, const char *path, const char *id) {
    double boxes[MAX_BOXES][4];
    char *text;
    size_t bytes;
    xml_state x = {.boxes = boxes};
    OAI_TRY(oai_file_read(m->host, path, MAX_XML_BYTES, &text, &bytes));
    oassl_status status = parse(text, bytes, &x);
    oai_free(m->host, text);
    OAI_TRY(status);
    if (x.n_boxes == 0) return oai_fail(OASSL_STATUS_FORMAT, "expected annotators with elements 'bbox', found none");
    if (x.n_others)
        oai_note(&m->notes, OASSL_DATA_ERROR, path, 0, id, "%u children of annotators are no 'bbox' but '%s': ignored",
                 x.n_others, x.other);
    if (x.n_extra)
        oai_note(&m->notes, OASSL_DATA_ERROR, path, 0, id,
                 "%u elements 'bbox' have more than five children: the rest is ignored", x.n_extra);
    oai_import_item item = {.file = path, .offset = -1, .coordinates = OAI_BOX_IN256, .consensus = true};
    if (!(item.id = oai_import_text(m, "%s", id))) return oai_no_memory(0, path);
    OAI_TRY(oai_import_set_source(m, &item, NULL, NULL, (const double(*)[4])boxes, x.n_boxes));
    OAI_TRY(oai_import_set_media(m, &item, id, id));
    return oai_import_add(m, &item);
}

static int is_xml(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 4 && n < 256 && strcmp(entry->d_name + n - 4, ".xml") == 0;
}

oassl_status oai_import_flickr(oai_import *m, const char *folder) {
    struct dirent **names;
    int n = scandir(folder, &names, is_xml, alphasort);
    if (n < 0 && errno == ENOMEM) return oai_no_memory(0, folder);
    if (n < 0) return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: expected a folder of XML files", folder);
    oassl_status status = OASSL_STATUS_OK;
    for (int i = 0; i < n; i++) {
        char *id = names[i]->d_name;
        char *path = status == OASSL_STATUS_OK ? oai_import_text(m, "%s/%s", folder, id) : NULL;
        if (status == OASSL_STATUS_OK && !path) status = oai_no_memory(0, folder);
        id[strlen(id) - 4] = 0;
        if (status == OASSL_STATUS_OK) {
            m->counts.n_entries++;
            status = oai_note_failure(&m->notes, read_annotation(m, path, id), path, 0, id);
        }
        free(names[i]);
    }
    free(names);
    return status;
}
