/* A folder of small annotation files, and an import from it whose report is kept. */
#ifndef IMPORT_FILES_H
#define IMPORT_FILES_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/import.h"
#include "data/manifest.h"
#include "dsp/picture_file.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

static char folder[256];
static char report[1 << 16]; /* of the last import or check: one line a defect */
static oassl_import_counts counts;

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static inline int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/import-%d", OASSL_TEST_TMP, (int)getpid());
    return oai_make_directories(folder) == OASSL_STATUS_OK ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *at(const char *name) {
    static char paths[64][512];
    static int next;
    next = (next + 1) % 64;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

/* Folders in `name` are made. */
static inline void write_text(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s", at(name));
    *strrchr(path, '/') = 0;
    assert_ok(oai_make_directories(path));
    assert_ok(oai_file_write(&oai_default_host, at(name), text, strlen(text)));
}

static inline void write_picture(const char *name, int32_t width, int32_t height) {
    uint8_t *grey = calloc((size_t)width, (size_t)height);
    write_text(name, ""); /* the folder */
    assert_ok(oai_picture_write_png(&oai_default_host, at(name), grey, width, height, 0, 1));
    free(grey);
}

static inline void keep_report(void *user, int32_t severity, const char *file, uint64_t record, const char *id,
                               const char *text) {
    (void)user;
    const char *slash = strrchr(file, '/');
    size_t n = strlen(report);
    snprintf(report + n, sizeof report - n, "%s %s:%llu %s: %s\n", severity == OASSL_DATA_ERROR ? "error" : "warning",
             slash ? slash + 1 : file, (unsigned long long)record, id, text);
}

/* Imports into m.jsonl of the folder. */
static inline oassl_status import(oassl_import_options *options) {
    report[0] = 0;
    options->report = keep_report;
    counts = (oassl_import_counts)OASSL_IMPORT_COUNTS_INIT;
    unlink(at("m.jsonl"));
    return oai_import_run(&oai_default_host, options, at("m.jsonl"), &counts);
}

static inline oassl_manifest *imported(oassl_import_options *options) {
    oassl_manifest *m;
    assert_ok(import(options));
    assert_ok(oai_manifest_load(&oai_default_host, at("m.jsonl"), OASSL_MISSING_KEEP, &m));
    assert_int_equal(oai_manifest_count(m), counts.n_records);
    return m;
}

static inline const oassl_record *record(const oassl_manifest *m, const char *id) {
    uint64_t number;
    assert_ok(oai_manifest_find(m, id, &number));
    return oai_manifest_at(m, number);
}

static inline void assert_box(const oassl_record_source *source, uint32_t i, float x0, float y0, float x1, float y1) {
    assert_true(i < source->n_boxes);
    const float *box = source->boxes[i], expected[4] = {x0, y0, x1, y1};
    for (int k = 0; k < 4; k++)
        if (box[k] != expected[k])
            fail_msg("box (%g, %g, %g, %g), expected (%g, %g, %g, %g)", box[0], box[1], box[2], box[3], x0, y0, x1,
                     y1);
}

static inline void assert_report(const char *text) {
    if (!strstr(report, text)) fail_msg("expected '%s' in the report:\n%s", text, report);
}

static inline char *manifest_text(void) {
    char *text;
    size_t bytes;
    assert_ok(oai_file_read(&oai_default_host, at("m.jsonl"), 1 << 20, &text, &bytes));
    return text;
}

#endif
