/* Every published annotation format, with lists, masks, silent records and mixtures beside it.
 *
 * Input: a line with the format's name and options as words, then parts with "====" lines between them: annotations,
 * list, segments, silent, mix.  A part that is missing or empty is not given. */
#include <stdio.h>
#include <string.h>

#include "data/check.h"
#include "data/import.h"
#include "data/manifest.h"
#include "fuzz.h"

static void report(void *user, int32_t severity, const char *file, uint64_t record, const char *id, const char *text) {
    (void)severity, (void)record;
    *(size_t *)user += strlen(file) + strlen(id) + strlen(text);
}

static const char *format_of(const char *line) {
    char word[32] = "";
    sscanf(line, "%31s", word);
    uint32_t n = 0;
    for (; oai_import_format_at(n); n++)
        if (strcmp(oai_import_format_at(n)->name, word) == 0) return oai_import_format_at(n)->name;
    return oai_import_format_at((uint8_t)line[0] % n)->name;
}

static const char *given(fuzz_part *parts, size_t n, size_t which, const char *name) {
    return which < n && parts[which].bytes > 0 ? fuzz_put(name, parts[which].data, parts[which].bytes) : NULL;
}

/* Flickr-SoundNet's is a folder of files: here of one. */
static const char *annotations_of(const char *format, fuzz_part *parts) {
    static char path[512];
    bool flickr = strcmp(format, "flickr") == 0;
    const char *name = flickr ? "xml/12345.xml" : memchr("[{", parts[0].bytes ? parts[0].data[0] : 0, 2) ? "a.json" : "a.csv";
    snprintf(path, sizeof path, "%s", fuzz_put(name, parts[0].data, parts[0].bytes));
    if (flickr) *strrchr(path, '/') = 0;
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char line[128], out[512], list[512];
    const uint8_t *newline = bytes ? memchr(data, '\n', bytes) : NULL;
    if (!newline || (size_t)(newline - data) >= sizeof line) return 0;
    size_t first = (size_t)(newline - data);
    memcpy(line, data, first);
    line[first] = 0;
    fuzz_part parts[5];
    size_t n = fuzz_split(data + first + 1, bytes - first - 1, parts, 5);
    oassl_import_options o = OASSL_IMPORT_OPTIONS_INIT;
    size_t told = 0;
    o.format = format_of(line);
    o.annotations = annotations_of(o.format, parts);
    o.list = given(parts, n, 1, "list.csv");
    o.segments = given(parts, n, 2, "segments.json");
    o.silent = given(parts, n, 3, "silent.csv");
    o.mix = given(parts, n, 4, "mix.csv");
    o.strict = strstr(line, "strict") != NULL;
    o.mix_sources = strstr(line, "mix3") ? 3 : strstr(line, "mix2") ? 2 : 0;
    if (o.mix_sources) o.mix = NULL;
    o.axis = strstr(line, "height") != NULL;
    o.frame_224 = strstr(line, "frame") != NULL;
    o.flat_labels = strstr(line, "flat") != NULL;
    o.images = o.masks = strstr(line, "media") ? fuzz_folder() : NULL;
    o.keep_missing = strstr(line, "keep") != NULL;
    o.report = report, o.report_user = &told;
    snprintf(out, sizeof out, "%s/out.jsonl", fuzz_folder());
    fuzz_remove("out.jsonl");
    /* The table of records grows from 1024 entries; mixtures take up to eight records each. */
    const oai_host *host = fuzz_begin(((uint64_t)4 << 20) + 4096 * (uint64_t)bytes);
    oassl_import_counts counts = OASSL_IMPORT_COUNTS_INIT;
    oassl_status status = oai_import_run(host, &o, out, &counts);
    fuzz_check(status, "oai_import_run");
    if (status == OASSL_STATUS_OK) { /* what was written must be a manifest */
        oassl_manifest *m;
        status = oai_manifest_load(host, out, OASSL_MISSING_KEEP, &m);
        if (status != OASSL_STATUS_OK) fuzz_fail("the manifest written is none: %s", oassl_last_error());
        if (oai_manifest_count(m) != counts.n_records)
            fuzz_fail("%llu records written, %llu read", (unsigned long long)counts.n_records, (unsigned long long)oai_manifest_count(m));
        oai_manifest_free(m);
    }
    snprintf(list, sizeof list, "%s", o.annotations); /* the same as a plain list of ids */
    oassl_check_options check = {sizeof check, .skip_media = 1, .against = o.list, .report = report, .report_user = &told};
    oassl_check_counts found = OASSL_CHECK_COUNTS_INIT;
    fuzz_check(oai_data_check(host, list, &check, &found), "oai_data_check");
    fuzz_end();
    return 0;
}
