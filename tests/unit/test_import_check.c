/* Checking and counting what was imported, through the public functions. */
#include "support/import_files.h"

#include <jansson.h>

#include "data/check.h"
#include "support/scarce.h"

static oassl_context *context;
static oassl_check_counts found;

static int open_context(void **state) {
    assert_ok(oassl_context_create(NULL, &context));
    return set_up(state);
}

static int close_context(void **state) {
    oassl_context_destroy(context);
    return tear_down(state);
}

static void check(const char *path, const char *against, int32_t skip_media) {
    oassl_check_options o = OASSL_CHECK_OPTIONS_INIT;
    o.against = against, o.skip_media = skip_media, o.report = keep_report;
    found = (oassl_check_counts)OASSL_CHECK_COUNTS_INIT;
    report[0] = 0;
    assert_ok(oassl_data_check(context, path, &o, &found));
}

static void test_leakage(void **state) {
    (void)state;
    write_text("test.csv", "aaaaaaaaaaa_000001\r\nbbbbbbbbbbb_000002\r\nccccccccccc_000003");
    write_text("train.txt", "ddddddddddd_000001\nccccccccccc_000003\naaaaaaaaaaa_000001\naaaaaaaaaaa_000001\n");
    check(at("test.csv"), at("train.txt"), 0);
    assert_int_equal(found.n_records, 3);
    assert_int_equal(found.n_shared, 2);
    assert_int_equal(found.n_errors, 2);
    assert_report("error test.csv:3 ccccccccccc_000003: the id is in ");
    write_text("ours.txt", "aaaaaaaaaaa_1000_11000\n"); /* another spelling of the same clip */
    check(at("ours.txt"), at("train.txt"), 0);
    assert_int_equal(found.n_shared, 1);
    write_text("a.json", "[{\"file\": \"ddddddddddd_000001\"}, {\"file\": 3}]");
    check(at("a.json"), at("test.csv"), 0);
    assert_int_equal(found.n_shared, 0);
    assert_int_equal(found.n_malformed, 1);
    check(at("train.txt"), NULL, 0);
    assert_int_equal(found.n_duplicates, 1);
    assert_int_equal(found.n_errors, 0);
}

static const char manifest[] =
    "{\"id\": \"a\", \"image\": \"a.png\", \"audio\": \"a.wav\", \"split\": \"train\", \"sources\": [{\"box\": [0, 0, "
    "8, 6]}]}\n"
    "not JSON\n"
    "{\"id\": \"b\", \"image\": \"a.png\", \"audio\": \"b.wav\", \"split\": \"test\", \"sources\": [{\"box\": [0, 0, "
    "9, 6]}]}\n"
    "{\"id\": \"a\", \"image\": \"c.png\", \"audio\": \"c.wav\", \"sources\": [{\"mask\": \"small.png\"}]}\n"
    "{\"id\": \"d\", \"image\": \"c.png\", \"audio\": \"missing.wav\", \"sources\": [{\"box\": [5, 5, 1, 1]}]}\n"
    "{\"id\": \"e\", \"image\": \"c.png\", \"audio\": \"missing.wav\", \"frame\": [224, 224], \"coordinates\": \"xyxy "
    "0..1\", "
    "\"sources\": [{\"box\": [0, 0, 224, 224], \"raw_boxes\": [[0, 0, 1, 1], [0.5, 0.5, -2.88e16, 1]]}]}\n"
    "{\"id\": \"m\", \"mix\": [\"a\", \"b\"]}\n";

static void test_manifest(void **state) {
    (void)state;
    write_text("m.jsonl", manifest);
    write_picture("a.png", 8, 6), write_picture("c.png", 8, 6), write_picture("small.png", 4, 3);
    write_text("a.wav", "x"), write_text("b.wav", "x"), write_text("c.wav", "x");
    write_text("train.txt", "e\nx\n");
    check(at("m.jsonl"), at("train.txt"), 0);
    assert_int_equal(found.n_records, 7);
    assert_int_equal(found.n_malformed, 2);
    assert_int_equal(found.n_duplicates, 1);
    assert_int_equal(found.n_missing, 1);
    assert_int_equal(found.n_bad_masks, 1);
    assert_int_equal(found.n_outside, 1);
    assert_int_equal(found.n_empty_boxes, 1);
    assert_int_equal(found.n_across, 1);
    assert_int_equal(found.n_shared, 1);
    assert_int_equal(found.n_errors, 7);
    assert_int_equal(found.n_warnings, 2);
    assert_report("error m.jsonl:2 : ");
    assert_report("error m.jsonl:3 b: box (0, 0, 9, 6) leaves its picture of 8 x 6");
    assert_report("warning m.jsonl:3 b: picture, sound or group is also in another split than 'test'");
    assert_report("error m.jsonl:4 a: the id is that of line 1 too");
    assert_report("error m.jsonl:4 a: mask '");
    assert_report("error m.jsonl:5 d: field 'sources'");
    assert_report("error m.jsonl:6 e: no sound '");
    assert_report("warning m.jsonl:6 e: published box (0.5, 0.5, -2.88e+16, 1) is a sentinel");
    assert_report("error m.jsonl:6 e: the id is in ");
    check(at("m.jsonl"), NULL, 1);
    assert_int_equal(found.n_missing, 0);
    assert_int_equal(found.n_bad_masks, 0);
}

static void test_memory_failures(void **state) {
    (void)state;
    scarce memory = {0};
    oai_host host = scarce_host(&memory);
    write_text("m.jsonl", manifest);
    write_text("train.txt", "e\nx\n");
    for (int kind = 0; kind < 2; kind++) {
        oassl_check_options o = {.against = at("train.txt"), .report = keep_report};
        oassl_status status = OASSL_STATUS_OUT_OF_MEMORY;
        for (int64_t n = 0; status == OASSL_STATUS_OUT_OF_MEMORY; n++) {
            assert_true(n < 1000);
            memory.left = n, report[0] = 0;
            status = oai_data_check(&host, at(kind ? "train.txt" : "m.jsonl"), &o, &found);
            assert_int_equal(memory.live, 0);
        }
        assert_ok(status);
        assert_int_equal(found.n_shared, kind ? 2 : 1);
    }
}

static json_int_t in(const json_t *object, const char *key, const char *inner) {
    const json_t *value = json_object_get(object, key);
    return json_integer_value(inner ? json_object_get(value, inner) : value);
}

static void test_stats(void **state) {
    (void)state;
    write_text("m.jsonl", "{\"id\": \"a\", \"image\": \"a.png\", \"audio\": \"a.wav\", \"split\": \"test\", "
                          "\"group\": \"g\", \"frame\": [100, 100], "
                          "\"sources\": [{\"label\": \"dog\", \"boxes\": [[0, 0, 100, 100], [0, 0, 10, 9]]}]}\n"
                          "{\"id\": \"b\", \"image\": \"b.png\", \"audio\": \"b.wav\", \"split\": \"test\", "
                          "\"group\": \"g\", \"playing\": false, "
                          "\"sources\": []}\n"
                          "{\"id\": \"m\", \"mix\": [\"a\", \"b\"], \"split\": \"duet\"}\n");
    uint64_t bytes, again;
    char small[16], *text;
    assert_ok(oassl_data_stats(context, at("m.jsonl"), NULL, 0, &bytes));
    assert_ok(oassl_data_stats(context, at("m.jsonl"), small, sizeof small, &again));
    assert_true(bytes == again && strlen(small) == sizeof small - 1);
    text = malloc(bytes);
    assert_ok(oassl_data_stats(context, at("m.jsonl"), text, bytes, &bytes));
    json_t *s = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(s);
    assert_int_equal(in(s, "records", NULL), 3);
    assert_int_equal(in(s, "mixtures", NULL), 1);
    assert_int_equal(in(s, "silent", NULL), 1);
    assert_int_equal(in(s, "boxes", NULL), 2);
    assert_int_equal(in(s, "splits", "test"), 2);
    assert_int_equal(in(s, "classes", "dog"), 1);
    assert_int_equal(in(s, "boxes_a_record", "2"), 1);
    assert_int_equal(in(s, "box_percent_of_frame", "0-1"), 1);
    assert_int_equal(in(s, "box_percent_of_frame", "75-100"), 1);
    assert_int_equal(in(s, "group_sizes", "2"), 1);
    assert_int_equal(in(s, "mixture_sizes", "2"), 1);
    json_decref(s);
}

static void test_public_import(void **state) {
    (void)state;
    write_text("l.txt", "a\nb\nc\n");
    oassl_import_options o = OASSL_IMPORT_OPTIONS_INIT;
    oassl_import_counts c = OASSL_IMPORT_COUNTS_INIT;
    assert_int_equal(oassl_data_import(context, &o, at("m.jsonl"), &c), OASSL_STATUS_INVALID_ARGUMENT);
    o.format = "list", o.annotations = at("l.txt");
    assert_ok(oassl_data_import(context, &o, at("m.jsonl"), &c));
    assert_int_equal(c.n_records, 3);
    assert_int_equal(c.struct_size, sizeof c);
    o.mix_sources = 1;
    assert_int_equal(oassl_data_import(context, &o, at("m.jsonl"), &c), OASSL_STATUS_INVALID_ARGUMENT);
    o.mix_sources = 0, o.axis = 2;
    assert_int_equal(oassl_data_import(context, &o, at("m.jsonl"), NULL), OASSL_STATUS_INVALID_ARGUMENT);
    o.axis = 0, o.format = "nonsense";
    assert_int_equal(oassl_data_import(context, &o, at("m.jsonl"), NULL), OASSL_STATUS_INVALID_ARGUMENT);
    const char *summary;
    uint32_t n = 0;
    for (; oassl_import_format(n, &summary); n++) assert_non_null(summary);
    assert_int_equal(n, 15);
}

/* Fields of a manifest that only an import writes. */
static void test_malformed_manifest(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "\"frame\": [0, 224]",
        "\"frame\": [224.5, 224]",
        "\"frame\": 224",
        "\"ground_truth\": \"any\"",
        "\"ground_truth\": 2",
        "\"group\": 7",
        "\"coordinates\": \"yxyx\"",
        "\"coordinates\": 1",
        "\"sources\": [{\"raw_box\": [1, 2, 3]}]",
        "\"sources\": [{\"raw_boxes\": [[1, 2, 3, \"4\"]]}]",
        "\"sources\": [{\"raw_boxes\": []}]",
        "\"sources\": [{\"raw_box\": 1}]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        const char *field = strstr(wrong[i], "raw") ? strstr(wrong[i], "raw") : wrong[i] + 1;
        oassl_manifest *m;
        snprintf(text, sizeof text, "{\"id\": \"a\", \"image\": \"a.png\", %s}\n", wrong[i]);
        write_text("m.jsonl", text);
        if (oai_manifest_load(&oai_default_host, at("m.jsonl"), OASSL_MISSING_KEEP, &m) != OASSL_STATUS_FORMAT)
            fail_msg("accepted: %s", text);
        snprintf(text, sizeof text, "field '%.*s'", (int)strcspn(field, "\""), field);
        if (!strstr(oassl_last_error(), text)) fail_msg("expected %s, got %s", text, oassl_last_error());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_leakage, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_manifest, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_malformed_manifest, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_memory_failures, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_stats, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_public_import, open_context, close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
