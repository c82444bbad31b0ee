#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- defects ------------------------------------------------------------------------------------------------ */

/* On the terminal the first ones of each severity, in JSON all of them. */
typedef struct defects {
    json_t *list;
    uint64_t shown[3], limit;
} defects;

static void on_defect(void *user, int32_t severity, const char *file, uint64_t record, const char *id,
                      const char *text) {
    defects *d = user;
    const char *name = severity == OASSL_DATA_ERROR ? "error" : "warning";
    if (common.json) {
        json_array_append_new(d->list, json_pack("{s:s, s:s, s:I, s:s, s:s}", "severity", name, "file", file, "record",
                                                 (json_int_t)record, "id", id, "text", text));
        return;
    }
    cli_progress_end();
    if (++d->shown[severity] <= d->limit)
        fprintf(stderr, "%s:%llu: %s%s%s: %s\n", file, (unsigned long long)record, name, id[0] ? ": " : "", id, text);
    else if (d->shown[severity] == d->limit + 1)
        fprintf(stderr, "more %ss are only counted; --list-all shows them\n", name);
}

static void begin(defects *d, bool all) { *d = (defects){.list = json_array(), .limit = all ? UINT64_MAX : 20}; }

static void print_count(const char *what, uint64_t n) {
    if (n) printf("  %-14s %llu\n", what, (unsigned long long)n);
}

/* ---- import ------------------------------------------------------------------------------------------------- */

static const cli_command import_command = {
    "data import", "published annotation files -> manifest", "--format F --annotations A --out M.jsonl [options]",
    "Formats: vggss, vggsound, list, music-list, music-solo, music-duet, flickr, extended, avsbench-s4, avsbench-ms3, "
    "is3,\n"
    "vpo-ss, vpo-ms ('oassl data formats' says what each reads).  With --images and --audio files are looked for: "
    "records\n"
    "without them are listed and left out, --strict makes them and every malformed annotation a failure.  Boxes are "
    "in the\n"
    "picture's pixels when it was found, else in a frame of 224 x 224; the published numbers are kept beside them.\n\n"
    "example:\n"
    "  oassl data import --format vggss --annotations vggss.json --list vggss_heard_test.csv --images frames --audio "
    "wav \\\n"
    "                    --out heard.jsonl\n"
    "  oassl data import --format vggss --annotations vggss.json --mix vggsound_duet_test.csv --out duet.jsonl\n"
    "  oassl data import --format vggss --annotations vggss.json --mix-sources 3 --out trio.jsonl\n"};

static json_t *import_json(const oassl_import_counts *c, const char *out, json_t *list) {
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"entries", c->n_entries},     {"records", c->n_records}, {"mixtures", c->n_mixtures},
                  {"silent", c->n_silent},       {"boxes", c->n_boxes},     {"empty_boxes", c->n_empty_boxes},
                  {"sentinels", c->n_sentinels}, {"masks", c->n_masks},     {"classes", c->n_classes},
                  {"groups", c->n_groups},       {"missing", c->n_missing}, {"duplicates", c->n_duplicates},
                  {"unknown", c->n_unknown},     {"errors", c->n_errors},   {"warnings", c->n_warnings}};
    json_t *object = json_pack("{s:s}", "file", out);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_object_set_new(object, counts[i].name, json_integer((json_int_t)counts[i].n));
    json_object_set_new(object, "defects", list);
    return object;
}

static void print_import(const oassl_import_counts *c, const char *out) {
    printf("%s: %llu records of %llu entries\n", out, (unsigned long long)c->n_records,
           (unsigned long long)c->n_entries);
    print_count("mixtures", c->n_mixtures);
    print_count("non-sounding", c->n_silent);
    print_count("classes", c->n_classes);
    print_count("groups", c->n_groups);
    print_count("boxes", c->n_boxes);
    print_count("empty boxes", c->n_empty_boxes);
    print_count("sentinels", c->n_sentinels);
    print_count("masks", c->n_masks);
    print_count("missing media", c->n_missing);
    print_count("duplicate ids", c->n_duplicates);
    print_count("unknown ids", c->n_unknown);
    print_count("errors", c->n_errors);
    print_count("warnings", c->n_warnings);
}

static int import(int argc, char **argv) {
    oassl_import_options o = OASSL_IMPORT_OPTIONS_INIT;
    const char *out = NULL, *axis = "width";
    uint64_t sources = 0;
    bool strict = false, keep = false, frame = false, flat = false, all = false;
    const cli_option table[] = {
        {"--format", CLI_TEXT, &o.format, "F", "of the annotations, see below", true},
        {"--annotations", CLI_TEXT, &o.annotations, "A", "file; for flickr the folder of XML files", true},
        {"--out", CLI_TEXT, &out, "M.jsonl", "manifest to write", true},
        {"--list", CLI_TEXT, &o.list, "F", "ids to take; default all", false},
        {"--images", CLI_TEXT, &o.images, "D", "folder of the pictures; not given: nothing is looked for", false},
        {"--audio", CLI_TEXT, &o.audio, "D", "folder of the sounds", false},
        {"--masks", CLI_TEXT, &o.masks, "D", "folder of the masks", false},
        {"--segments", CLI_TEXT, &o.segments, "F", "*_seg.json: masks beside the boxes", false},
        {"--silent", CLI_TEXT, &o.silent, "F", "*_plus_silent.csv: non-sounding records too", false},
        {"--silent-images", CLI_TEXT, &o.silent_images, "D", "folder of their pictures; default --images", false},
        {"--silent-audio", CLI_TEXT, &o.silent_audio, "D", "folder of their sounds; default --audio", false},
        {"--mix", CLI_TEXT, &o.mix, "F", "csv of mixtures: id,class,mix_id,mix_class or more", false},
        {"--mix-sources", CLI_UINT, &sources, "N", "mixtures of N records by the index rule", false},
        {"--axis", CLI_TEXT, &axis, "A", "of mixtures: width (default) or height", false},
        {"--split", CLI_TEXT, &o.split, "S", "of the records; default test, of plain lists train", false},
        {"--strict", CLI_FLAG, &strict, NULL, "malformed annotations and missing media are a failure", false},
        {"--keep-missing", CLI_FLAG, &keep, NULL, "keep records without media", false},
        {"--frame-224", CLI_FLAG, &frame, NULL, "boxes in a frame of 224 x 224 even if pictures are found", false},
        {"--flat-labels", CLI_FLAG, &flat, NULL, "labels with underscores", false},
        {"--list-all", CLI_FLAG, &all, NULL, "print every defect, not only the first 20", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&import_command, table, argc, argv);
    if (code >= 0) return code;
    if (strcmp(axis, "width") != 0 && strcmp(axis, "height") != 0)
        return cli_wrong(&import_command, "--axis: expected width or height, found '%s'", axis);
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    defects d;
    begin(&d, all);
    o.strict = strict, o.keep_missing = keep, o.frame_224 = frame, o.flat_labels = flat;
    o.mix_sources = (uint32_t)sources, o.axis = strcmp(axis, "height") == 0;
    o.report = on_defect, o.report_user = &d;
    oassl_import_counts counts = OASSL_IMPORT_COUNTS_INIT;
    oassl_status status = oassl_data_import(context, &o, out, &counts);
    cli_progress_end();
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    if (common.json) {
        json_t *result = import_json(&counts, out, d.list);
        json_object_set_new(result, "status", json_string(oassl_status_name(status)));
        cli_print_json(result);
    } else {
        json_decref(d.list);
        if (code == 0) print_import(&counts, out);
    }
    oassl_context_destroy(context);
    return code;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

static const cli_command check_command = {
    "data check", "missing media, bad boxes and masks, repeated ids, leakage", "--data M [--against T] [options]",
    "M and T are manifests (.jsonl), annotation files (.json) or lists (.csv, .txt); of the latter two only ids are "
    "looked\n"
    "at.  --against names what M must share no id with, say a training list.  Exit code 2 if there are errors.\n\n"
    "example:\n  oassl data check --data vggss_test.csv --against vggss_144k.txt\n"};

static int check(int argc, char **argv) {
    oassl_check_options o = OASSL_CHECK_OPTIONS_INIT;
    const char *data = NULL;
    bool skip = false, all = false;
    const cli_option table[] = {
        {"--data", CLI_TEXT, &data, "M", "manifest, annotations or list", true},
        {"--against", CLI_TEXT, &o.against, "T", "what it must share no id with", false},
        {"--no-media", CLI_FLAG, &skip, NULL, "do not look for pictures and sounds", false},
        {"--list-all", CLI_FLAG, &all, NULL, "print every defect, not only the first 20", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&check_command, table, argc, argv);
    if (code >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    defects d;
    begin(&d, all);
    o.skip_media = skip, o.report = on_defect, o.report_user = &d;
    oassl_check_counts c = OASSL_CHECK_COUNTS_INIT;
    oassl_status status = oassl_data_check(context, data, &o, &c);
    cli_progress_end();
    if (status != OASSL_STATUS_OK) {
        json_decref(d.list);
        code = cli_failed(status);
    } else if (common.json) {
        cli_print_json(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "file", data,
                                 "records", (json_int_t)c.n_records, "malformed", (json_int_t)c.n_malformed,
                                 "duplicates", (json_int_t)c.n_duplicates, "missing", (json_int_t)c.n_missing,
                                 "bad_masks", (json_int_t)c.n_bad_masks, "outside", (json_int_t)c.n_outside,
                                 "empty_boxes", (json_int_t)c.n_empty_boxes, "shared", (json_int_t)c.n_shared,
                                 "across_splits", (json_int_t)c.n_across, "errors", (json_int_t)c.n_errors, "warnings",
                                 (json_int_t)c.n_warnings, "defects", d.list));
    } else {
        json_decref(d.list);
        printf("%s: %llu records, %llu errors, %llu warnings\n", data, (unsigned long long)c.n_records,
               (unsigned long long)c.n_errors, (unsigned long long)c.n_warnings);
        print_count("malformed", c.n_malformed);
        print_count("duplicate ids", c.n_duplicates);
        print_count("missing media", c.n_missing);
        print_count("bad masks", c.n_bad_masks);
        print_count("boxes outside", c.n_outside);
        print_count("empty boxes", c.n_empty_boxes);
        print_count("across splits", c.n_across);
        if (o.against)
            printf("  %-14s %llu ids are in %s too\n", "leakage", (unsigned long long)c.n_shared, o.against);
    }
    oassl_context_destroy(context);
    if (code < 0) code = c.n_errors ? 2 : 0;
    return code;
}

/* ---- stats -------------------------------------------------------------------------------------------------- */

static const cli_command stats_command = {"data stats", "what is in a manifest", "--data M.jsonl",
                                          "Records, splits, classes, boxes and their sizes.\n\n"
                                          "example:\n  oassl data stats --data heard.jsonl\n"};

static void print_table(const char *title, json_t *counts) {
    const char *key;
    json_t *value;
    if (json_object_size(counts) == 0) return;
    printf("\n%s\n", title);
    json_object_foreach(counts, key, value)
        printf("  %-40s %lld\n", key[0] ? key : "(none)", (long long)json_integer_value(value));
}

/* From small to large; the alphabet would have it otherwise. */
static void print_sizes(const json_t *counts) {
    static const char *const sizes[] = {"0-1", "1-5", "5-10", "10-25", "25-50", "50-75", "75-100"};
    if (json_object_size(counts) == 0) return;
    puts("\nboxes by their share of the picture, in percent");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        printf("  %-40s %lld\n", sizes[i], (long long)json_integer_value(json_object_get(counts, sizes[i])));
}

static void print_stats(json_t *s) {
    static const char *const numbers[] = {"records", "mixtures", "silent", "n_classes", "n_groups", "boxes", "masks"};
    printf("%s\n", json_string_value(json_object_get(s, "file")));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("  %-40s %lld\n", numbers[i] + (strncmp(numbers[i], "n_", 2) == 0 ? 2 : 0),
               (long long)json_integer_value(json_object_get(s, numbers[i])));
    print_table("splits", json_object_get(s, "splits"));
    print_table("boxes a record", json_object_get(s, "boxes_a_record"));
    print_sizes(json_object_get(s, "box_percent_of_frame"));
    print_table("sources a record", json_object_get(s, "sources_a_record"));
    print_table("records a group", json_object_get(s, "group_sizes"));
    print_table("sources a mixture", json_object_get(s, "mixture_sizes"));
    print_table("classes", json_object_get(s, "classes"));
}

static int stats(int argc, char **argv) {
    const char *data = NULL;
    const cli_option table[] = {
        {"--data", CLI_TEXT, &data, "M", "manifest (JSON Lines)", true}, CLI_COMMON_OPTIONS, CLI_END};
    int code = cli_parse(&stats_command, table, argc, argv);
    if (code >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    uint64_t bytes = 0;
    char *text = NULL;
    oassl_status status = oassl_data_stats(context, data, NULL, 0, &bytes);
    if (status == OASSL_STATUS_OK && !(text = malloc(bytes))) status = OASSL_STATUS_OUT_OF_MEMORY;
    if (status == OASSL_STATUS_OK) status = oassl_data_stats(context, data, text, bytes, &bytes);
    json_t *value = status == OASSL_STATUS_OK ? json_loads(text, 0, NULL) : NULL;
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    if (value && common.json)
        cli_print_json(value);
    else if (value)
        print_stats(value), json_decref(value);
    free(text);
    oassl_context_destroy(context);
    return code;
}

/* ---- dispatch ----------------------------------------------------------------------------------------------- */

static int formats(void) {
    const char *summary;
    for (uint32_t i = 0; oassl_import_format(i, &summary); i++)
        printf("  %-13s %s\n", oassl_import_format(i, NULL), summary);
    return 0;
}

int cmd_data(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "import") == 0) return import(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "check") == 0) return check(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "stats") == 0) return stats(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "formats") == 0) return formats();
    bool help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    fprintf(help ? stdout : stderr, "usage: oassl data import|check|stats|formats [options]\n\n"
                                    "  import   published annotation files -> manifest\n"
                                    "  check    missing media, bad boxes and masks, repeated ids, leakage\n"
                                    "  stats    what is in a manifest\n"
                                    "  formats  what import can read\n\n"
                                    "example:\n  oassl data check --data vggss_test.csv --against vggss_144k.txt\n");
    return help ? 0 : 2;
}
