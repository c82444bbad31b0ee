#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/manifest.h"
#include "support/scarce.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

static char folder[256];

/* Each test program run has a folder of its own. */
static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/manifest-%d", OASSL_TEST_TMP, (int)getpid());
    return oai_make_directories(folder) == OASSL_STATUS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const names[] = {"m.jsonl", "a.jsonl", "b.jsonl", "p.png", "s.wav"};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *at(const char *name) {
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void write_text(const char *name, const char *text) {
    assert_ok(oai_file_write(&oai_default_host, at(name), text, strlen(text)));
}

static oassl_manifest *load(const char *paths, int32_t missing) {
    oassl_manifest *m;
    assert_ok(oai_manifest_load(&oai_default_host, paths, missing, &m));
    return m;
}

static void test_fields(void **state) {
    (void)state;
    write_text("m.jsonl",
               "\xEF\xBB\xBF{\"id\": \"a\", \"image\": \"p.png\", \"audio\": \"/abs/s.wav\", \"split\": \"train\", "
               "\"size\": [3, 4],"
               " \"sources\": [{\"label\": \"bell\", \"box\": [1, 2.5, 3, 4], \"mask\": \"k.png\"}, {\"label\": "
               "\"drum\", \"boxes\": [[0, 0, 1, 1], [2, 2, 5, 6]]}],"
               " \"silent\": [{\"label\": \"bell\", \"box\": [5, 5, 9, 9], \"twin\": true}]}\r\n"
               "\n"
               "{\"image\": \"q.png\", \"label\": \"dog\", \"boxes\": [[0.0, 20.0, 27.0, 57.0]], \"playing\": false}\n"
               "{\"audio\": \"t.wav\", \"label\": \"dog\", \"split\": \"test\"}");
    oassl_manifest *m = load(at("m.jsonl"), OASSL_MISSING_KEEP);
    assert_int_equal(oai_manifest_count(m), 3);
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_string_equal(r->id, "a");
    assert_string_equal(r->image, at("p.png"));
    assert_string_equal(r->audio, "/abs/s.wav");
    assert_string_equal(r->split, "train");
    assert_int_equal(r->n_sources, 2);
    assert_true(r->sources[0].boxes[0][1] == 2.5f);
    assert_string_equal(r->sources[0].mask, at("k.png"));
    assert_int_equal(r->sources[1].n_boxes, 2);
    assert_true(r->sources[1].boxes[1][3] == 6);
    assert_int_equal(r->silent[0].twin, 1);
    assert_int_equal(r->playing, -1);
    assert_null(r->label);
    r = oai_manifest_at(m, 1);
    assert_string_equal(r->id, "q.png");
    assert_string_equal(r->label, "dog");
    assert_string_equal(r->sources[0].label, "dog");
    assert_true(r->sources[0].boxes[0][2] == 27);
    assert_int_equal(r->line, 3);
    assert_int_equal(r->playing, 0);
    assert_null(oai_manifest_at(m, 2)->image);
    uint64_t number, some[1];
    assert_ok(oai_manifest_find(m, "t.wav", &number));
    assert_int_equal(number, 2);
    assert_int_equal(oai_manifest_find(m, "nobody", &number), OASSL_STATUS_NOT_FOUND);
    assert_int_equal(oai_manifest_split(m, "test", some, 1), 1);
    assert_int_equal(some[0], 2);
    assert_int_equal(oai_manifest_split(m, "", NULL, 0), 3);
    assert_int_equal(oai_manifest_split(m, "val", NULL, 0), 0);
    oai_manifest_free(m);
}

static void test_errors_name_line_and_field(void **state) {
    (void)state;
    static const char ok[] = "{\"id\": \"first\", \"image\": \"p.png\"}\n";
    static const struct {
        const char *line, *field;
    } cases[] = {
        {"{\"id\": 3, \"image\": \"p.png\"}", "'id'"},
        {"{\"split\": \"train\"}", "'id'"},
        {"{\"id\": \"x\"}", "'image'"},
        {"{\"id\": \"first\", \"image\": \"p.png\"}", "'first'"},
        {"{\"id\": \"x\", \"image\": 7}", "'image'"},
        {"{\"id\": \"x\", \"image\": \"\"}", "'image'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"split\": []}", "'split'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": {}}", "'sources'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [3]}", "'sources'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [1, 2, 3]}]}", "'box'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [3, 2, 3, 4]}]}", "item 0"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [0, 0, 1, 1]}, {\"box\": [0, 5, 3, 4]}]}",
         "item 1"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [-9, -9, -1, -1]}]}", "'box'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [0, 0, 1e300, 1]}]}", "'box'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"box\": [0, 0, 1, \"1\"]}]}", "'box'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"boxes\": []}]}", "'boxes'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"sources\": [{\"label\": 1}]}", "'label'"},
        {"{\"id\": \"x\", \"image\": \"p.png\", \"silent\": [{\"twin\": 1}]}", "'twin'"},
        {"{\"id\": \"x\", \"mix\": [\"first\"]}", "'mix'"},
        {"{\"id\": \"x\", \"mix\": [\"first\", 2]}", "'mix'"},
        {"{\"id\": \"x\", \"mix\": [\"first\", \"gone\"]}", "'gone'"},
        {"{\"id\": \"x\", \"mix\": [\"first\", \"x\"]}", "'x'"},
        {"{\"id\": \"x\", \"mix\": [\"first\", \"first\"], \"axis\": \"depth\"}", "'axis'"},
        {"{\"id\": \"x\", \"mix\": [\"first\", \"first\"], \"image\": \"p.png\"}", "'mix'"},
        {"{\"id\": \"x\", \"id\": \"y\", \"image\": \"p.png\"}", "JSON"},
        {"{\"id\": \"x\", \"image\": \"p.png\"", "JSON"},
        {"[1]", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        oassl_manifest *m;
        snprintf(text, sizeof text, "%s%s\n", ok, cases[i].line);
        write_text("m.jsonl", text);
        oassl_status status = oai_manifest_load(&oai_default_host, at("m.jsonl"), OASSL_MISSING_KEEP, &m);
        const char *error = oassl_last_error();
        if (status != OASSL_STATUS_FORMAT || m || !strstr(error, "m.jsonl:2") || !strstr(error, cases[i].field))
            fail_msg("%s: status %d, \"%s\"", cases[i].line, status, error);
    }
    oassl_manifest *m;
    write_text("m.jsonl", "\n");
    assert_int_equal(oai_manifest_load(&oai_default_host, at("m.jsonl"), OASSL_MISSING_KEEP, &m), OASSL_STATUS_FORMAT);
    assert_int_equal(oai_manifest_load(&oai_default_host, at("none.jsonl"), OASSL_MISSING_KEEP, &m),
                     OASSL_STATUS_NOT_FOUND);
}

static void test_mixtures(void **state) {
    (void)state;
    char both[1100];
    write_text("a.jsonl", "{\"id\": \"p1\", \"image\": \"p.png\"}\n{\"id\": \"p2\", \"image\": \"p.png\"}\n{\"id\": "
                          "\"p3\", \"image\": \"p.png\"}\n");
    write_text("b.jsonl", "not JSON at all\n{\"id\": \"p2\", \"image\": \"other.png\"}\n{\"id\": \"p9\", \"image\": "
                          "\"p.png\", \"sources\": 3}\n");
    write_text("m.jsonl", "{\"id\": \"d\", \"mix\": [\"p3\", \"p2\"], \"axis\": \"height\"}\n{\"id\": \"own\", "
                          "\"image\": \"p.png\"}\n{\"id\": \"e\", \"mix\": [\"own\", \"p2\", \"p2\"]}\n");
    oassl_manifest *m = load(at("m.jsonl"), OASSL_MISSING_KEEP); /* finds a.jsonl; b.jsonl's faults do not matter */
    assert_int_equal(oai_manifest_count(m), 3);
    assert_int_equal(oai_manifest_count_all(m), 5);
    const oassl_record *d = oai_manifest_at(m, 0), *e = oai_manifest_at(m, 2);
    assert_int_equal(d->n_mix, 2);
    assert_int_equal(d->axis, 1);
    assert_string_equal(oai_manifest_at(m, d->mix[0])->id, "p3");
    assert_string_equal(oai_manifest_at(m, d->mix[1])->id, "p2");
    assert_int_equal(e->axis, 0);
    assert_int_equal(e->mix[0], 1);
    assert_int_equal(e->mix[1], e->mix[2]);
    oai_manifest_free(m);
    write_text("b.jsonl", "{\"id\": \"p2\", \"image\": \"other.png\"}\n{\"id\": \"p3\", \"image\": \"third.png\"}\n");
    snprintf(both, sizeof both, "%s,%s", at("m.jsonl"), at("b.jsonl")); /* named: goes before its neighbours */
    m = load(both, OASSL_MISSING_KEEP);
    assert_non_null(strstr(oai_manifest_at(m, oai_manifest_at(m, 0)->mix[0])->image, "third.png"));
    oai_manifest_free(m);
}

static void test_missing_media(void **state) {
    (void)state;
    write_text("p.png", "x");
    write_text("s.wav", "x");
    write_text("m.jsonl", "{\"id\": \"lost\", \"image\": \"gone.png\", \"audio\": \"s.wav\"}\n"
                          "{\"id\": \"ok\", \"image\": \"p.png\", \"audio\": \"s.wav\"}\n"
                          "{\"id\": \"bad mix\", \"mix\": [\"ok\", \"lost\"]}\n"
                          "{\"id\": \"ok2\", \"image\": \"p.png\"}\n"
                          "{\"id\": \"good mix\", \"mix\": [\"ok2\", \"ok\"]}\n"
                          "{\"id\": \"mask\", \"image\": \"p.png\", \"sources\": [{\"mask\": \"k.png\"}]}\n");
    oassl_manifest *m;
    assert_int_equal(oai_manifest_load(&oai_default_host, at("m.jsonl"), OASSL_MISSING_ERROR, &m),
                     OASSL_STATUS_NOT_FOUND);
    assert_non_null(strstr(oassl_last_error(), "m.jsonl:1: record 'lost'"));
    assert_non_null(strstr(oassl_last_error(), "gone.png"));
    assert_non_null(strstr(oassl_last_error(), "3 of 6"));
    m = load(at("m.jsonl"), OASSL_MISSING_SKIP);
    assert_int_equal(oai_manifest_count(m), 3);
    assert_int_equal(oai_manifest_n_missing(m), 3);
    assert_non_null(strstr(oai_manifest_missing(m, 1), "bad mix: "));
    assert_non_null(strstr(oai_manifest_missing(m, 2), "k.png"));
    assert_null(oai_manifest_missing(m, 3));
    uint64_t number;
    assert_ok(oai_manifest_find(m, "good mix", &number));
    const oassl_record *r = oai_manifest_at(m, number);
    assert_string_equal(oai_manifest_at(m, r->mix[0])->id, "ok2");
    assert_string_equal(oai_manifest_at(m, r->mix[1])->id, "ok");
    assert_int_equal(oai_manifest_find(m, "lost", &number), OASSL_STATUS_NOT_FOUND);
    oai_manifest_free(m);
}

static void test_lines_read_back(void **state) {
    (void)state;
    static const float box[1][4] = {{1, 2.25f, 30, 40}}, two[2][4] = {{0, 0, 1, 1}, {2, 2, 3, 3}};
    const oassl_record_source sources[2] = {{.label = "bell \"x\"", .mask = "k.png", .boxes = box, .n_boxes = 1},
                                            {.label = "drum", .boxes = two, .n_boxes = 2}};
    const oassl_record_source silent = {.label = "bell", .boxes = box, .n_boxes = 1, .twin = 1};
    const oassl_record single = {.id = "a/\xC3\xA4",
                                 .image = "p.png",
                                 .audio = "s.wav",
                                 .label = "bell",
                                 .split = "val",
                                 .sources = sources,
                                 .n_sources = 2,
                                 .silent = &silent,
                                 .n_silent = 1,
                                 .playing = 1};
    const oassl_record mixture = {.id = "m", .n_mix = 2, .axis = 1, .playing = -1};
    const char *const ids[2] = {"a/\xC3\xA4", "a/\xC3\xA4"};
    char *lines[2], text[2048];
    assert_ok(oai_manifest_line(&oai_default_host, &single, NULL, &lines[0]));
    assert_ok(oai_manifest_line(&oai_default_host, &mixture, ids, &lines[1]));
    snprintf(text, sizeof text, "%s%s", lines[0], lines[1]);
    write_text("m.jsonl", text);
    oassl_manifest *m = load(at("m.jsonl"), OASSL_MISSING_KEEP);
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_string_equal(r->id, single.id);
    assert_string_equal(r->label, "bell");
    assert_string_equal(r->split, "val");
    assert_int_equal(r->playing, 1);
    assert_string_equal(r->sources[0].label, sources[0].label);
    assert_memory_equal(r->sources[0].boxes, box, sizeof box);
    assert_memory_equal(r->sources[1].boxes, two, sizeof two);
    assert_int_equal(r->silent[0].twin, 1);
    assert_int_equal(oai_manifest_at(m, 1)->axis, 1);
    assert_int_equal(oai_manifest_at(m, 1)->mix[1], 0);
    oai_manifest_free(m);
    oai_free(&oai_default_host, lines[0]);
    oai_free(&oai_default_host, lines[1]);
}

/* ---- out of memory at every allocation ---- */

static void test_out_of_memory(void **state) {
    (void)state;
    write_text("a.jsonl", "{\"id\": \"p1\", \"image\": \"p.png\"}\n");
    write_text("b.jsonl", "");
    write_text("m.jsonl", "{\"id\": \"lost\", \"image\": \"gone.png\"}\n{\"id\": \"ok\", \"image\": "
                          "\"p.png\"}\n{\"id\": \"d\", \"mix\": [\"ok\", \"p1\"]}\n");
    for (int64_t n = 0;; n++) {
        scarce b = {.left = n};
        oai_host host = scarce_host(&b);
        oassl_manifest *m;
        oassl_status status = oai_manifest_load(&host, at("m.jsonl"), OASSL_MISSING_SKIP, &m);
        oai_manifest_free(m);
        assert_int_equal(b.live, 0);
        if (status == OASSL_STATUS_OK) break;
        assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        assert_true(n < 200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),          cmocka_unit_test(test_errors_name_line_and_field),
        cmocka_unit_test(test_mixtures),        cmocka_unit_test(test_missing_media),
        cmocka_unit_test(test_lines_read_back), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
