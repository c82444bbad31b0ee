/* The HTML report: well-formed whatever the names, complete in itself, its pictures whole, its figures the metric's. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "report.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)
#define PATH(name) OASSL_TEST_TMP "/report_" name

static const char HOSTILE[] = "\"><script>alert('x')</script>&amp;&#0;<!--\x01\xff\xc3\x28</style>";

static char *slurp(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is not there", path);
    fseek(file, 0, SEEK_END);
    long n = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)n + 1);
    assert_int_equal(fread(text, 1, (size_t)n, file), n);
    fclose(file);
    assert_int_equal(strlen(text), n);
    return text;
}

static void spit(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- is it HTML? ---------------------------------------------------------------------------------------------- */

/* Tags nest and close, attributes are quoted, '<', '>', '&' stand only where they belong, nothing refers outside. */
static void assert_well_formed(const char *page) {
    char stack[64][16];
    int depth = 0;
    const char *at = page;
    assert_memory_equal(at, "<!DOCTYPE html>\n", 16);
    for (at += 16; *at;) {
        if (*at == '&') {
            size_t n = strcspn(at, ";");
            if (n > 6) fail_msg("a bare & at: %.60s", at);
            at += n;
        } else if (*at == '>') fail_msg("a bare > at: %.60s", at);
        else if (*at != '<') assert_true((unsigned char)*at >= 0x20 || isspace((unsigned char)*at));
        if (*at != '<') {
            at++;
            continue;
        }
        int closing = at[1] == '/';
        at += 1 + closing;
        size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (n == 0 || n > 15) fail_msg("no tag at: %.60s", at - 1);
        char name[16] = "";
        memcpy(name, at, n);
        at += n;
        while (*at != '>' && *at != '/') {
            at += strspn(at, " \n");
            at += strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
            if (at[0] != '=' || at[1] != '"') fail_msg("an unquoted attribute in <%s at: %.60s", name, at);
            if (strncmp(at - 3, "src", 3) == 0) assert_memory_equal(at + 2, "data:image/jpeg;base64,", 23);
            if (strncmp(at - 4, "href", 4) == 0) fail_msg("a link at %.60s", at);
            const char *end = strchr(at + 2, '"');
            assert_non_null(end);
            if (memchr(at, '<', (size_t)(end - at))) fail_msg("< in an attribute: %.60s", at);
            at = end + 1;
        }
        if (*at == '/') {
            assert_true(at[1] == '>' && !closing);
            at += 2;
            continue;
        }
        at++;
        if (closing) {
            if (depth == 0 || strcmp(stack[depth - 1], name) != 0) fail_msg("</%s> closes <%s>", name, depth ? stack[depth - 1] : "nothing");
            depth--;
        } else {
            assert_true(depth < 64);
            strcpy(stack[depth++], name);
            if (strcmp(name, "style") == 0 || strcmp(name, "script") == 0) at += strcspn(at, "<"); /* raw text */
        }
    }
    if (depth) fail_msg("<%s> is not closed", stack[depth - 1]);
    assert_null(strstr(page, "alert('x')</script>"));
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "nan<"));
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) n++;
    return n;
}

static size_t from_base64(const char *text, uint8_t *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, n_bits = 0;
    size_t n = 0;
    for (const char *d; *text && (d = strchr(digits, *text)); text++) {
        bits = bits << 6 | (uint32_t)(d - digits);
        if ((n_bits += 6) >= 8) out[n++] = (uint8_t)(bits >> (n_bits -= 8));
    }
    return n;
}

/* Decodes every picture of the page; returns how many there are. */
static size_t assert_pictures_whole(const oassl_context *context, const char *page) {
    static const char mark[] = "src=\"data:image/jpeg;base64,";
    uint8_t *bytes = malloc(strlen(page));
    size_t n = 0;
    for (const char *at = page; (at = strstr(at, mark)); n++) {
        at += strlen(mark);
        oassl_image image;
        assert_ok(oassl_image_decode(context, bytes, from_base64(at, bytes), &image));
        assert_true(image.width <= 400 && image.height <= 256);
        oassl_image_free(context, &image);
    }
    free(bytes);
    return n;
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

enum { WIDTH = 96, HEIGHT = 64, GRID = 6, RATE = 16000 };

typedef struct scene {
    uint8_t rgb[HEIGHT * WIDTH * 3], mask[HEIGHT * WIDTH];
    float sound[RATE], grid[2][GRID * GRID], boxes[2][1][4];
    double numbers[1][4];
    char id[96];
    oassl_tensor maps[2];
    oassl_metric_truth sources[2], silent[1];
    oassl_image picture;
    oassl_audio audio;
    oassl_metric_sample sample;
} scene;

/* Scenes of one or two sources, boxes, masks and annotation numbers in turn; map k points to source k, more or less. */
static void make_scene(uint32_t i, scene *s) {
    memset(s, 0, sizeof *s);
    uint32_t seed = i * 7919 + 1;
    for (size_t p = 0; p < sizeof s->rgb; p++) s->rgb[p] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 25);
    for (int t = 0; t < RATE; t++) s->sound[t] = 0.4f * sinf((float)t * (0.05f + 0.01f * (float)i));
    snprintf(s->id, sizeof s->id, "%02u %s", i, i % 3 ? "plain" : "\"><b>bold</b>&'\xc3\xa9");
    for (int k = 0; k < 2; k++) {
        float x = (float)((i * 13 + (uint32_t)k * 41) % 60), y = (float)((i * 7 + (uint32_t)k * 23) % 30);
        memcpy(s->boxes[k][0], (float[4]){x, y, x + 20 + (float)(i % 10), y + 18}, sizeof(float[4]));
        for (int p = 0; p < GRID * GRID; p++) {
            float dx = (float)(p % GRID) * 16 + 8 - x - 12, dy = (float)(p / GRID) * 10.7f + 5 - y - 9;
            s->grid[k][p] = expf(-(dx * dx + dy * dy) / (float)(200 + 90 * (i % 9))) + 0.1f * sinf((float)(i * 3 + (uint32_t)p));
        }
        s->maps[k] = (oassl_tensor){.data = s->grid[k], .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {GRID, GRID},
                                    .strides = {GRID, 1}};
        s->sources[k] = (oassl_metric_truth){.boxes = (const float(*)[4])s->boxes[k], .n_boxes = 1, .label = k ? HOSTILE : i % 2 ? "guitar" : "drum"};
    }
    if (i % 4 == 1) {
        for (int y = 10; y < 40; y++) memset(s->mask + y * WIDTH + 20, 1, 25);
        s->sources[0].mask = s->mask;
    }
    if (i % 4 == 2) {
        memcpy(s->numbers[0], (double[4]){0.1, 0.2, 0.5, 0.6}, sizeof s->numbers[0]);
        s->sources[0].boxes = NULL;
        s->sources[0].numbers = (const double(*)[4])s->numbers;
        s->sources[0].numbers_are = OASSL_BOX_XYWH;
    }
    s->silent[0] = (oassl_metric_truth){.boxes = (const float(*)[4])s->boxes[1], .n_boxes = 1, .label = s->sources[0].label, .twin = 1};
    s->picture = (oassl_image){s->rgb, WIDTH, HEIGHT, 0};
    s->audio = (oassl_audio){.samples = s->sound, .frames = RATE, .channels = 1, .rate = RATE};
    s->sample = (oassl_metric_sample){.id = s->id, .maps = s->maps, .sources = s->sources, .silent = s->silent, .n_maps = 1 + i % 5 / 4,
                                      .n_sources = 1 + i % 5 / 4, .n_silent = i % 5 / 4 ? 0 : 1, .width = WIDTH, .height = HEIGHT};
}

static json_t *scores_json(const oassl_metric_scores *s) {
    return json_pack("{s:f, s:f, s:f, s:f}", "success_50", s->success_50, "auc", s->auc, "ap", s->ap, "pointing", s->pointing);
}

static oassl_context *open_context(void) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    oassl_context *context;
    options.n_threads = 1;
    options.backend = "reference";
    assert_ok(oassl_context_create(&options, &context));
    return context;
}

static double number(const json_t *object, const char *key) {
    assert_true(json_is_number(json_object_get(object, key)));
    return json_number_value(json_object_get(object, key));
}

/* The breakdown says what one metric of all samples says. */
static void assert_adds_up(const json_t *breakdown, const oassl_metric_result *whole) {
    static const char *const groups[] = {"classes", "sizes"};
    const json_t *curves = json_object_get(breakdown, "curves");
    const oassl_metric_scores *const scores[] = {&whole->model, &whole->centre, &whole->whole};
    static const char *const names[] = {"model", "centre_box", "whole_image"};
    for (int c = 0; c < 3; c++) {
        const json_t *half = json_object_get(json_object_get(curves, names[c]), "half");
        const json_t *adaptive = json_object_get(json_object_get(curves, names[c]), "adaptive");
        assert_int_equal(json_array_size(half), 21);
        assert_true(fabs(json_number_value(json_array_get(half, 10)) - scores[c]->success_50) < 1e-12);
        assert_true(fabs(json_number_value(json_array_get(adaptive, 10)) - scores[c]->adaptive_success_50) < 1e-12);
    }
    assert_non_null(json_object_get(curves, "mismatched"));
    for (int g = 0; g < 2; g++) {
        const json_t *list = json_object_get(breakdown, groups[g]);
        double n = 0, ap = 0, pointing = 0, success = 0, auc = 0, ciou = 0;
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *group = json_array_get(list, i);
            double own = number(group, "n_pairs");
            n += own;
            ap += own * number(group, "ap");
            pointing += own * number(group, "pointing");
            success += own * number(group, "success_30");
            auc += own * number(group, "adaptive_auc");
            ciou += own * number(group, "mean_ciou");
        }
        assert_true(n == (double)whole->n_pairs);
        assert_true(fabs(ap / n - whole->model.ap) < 1e-9);
        assert_true(fabs(pointing / n - whole->model.pointing) < 1e-9);
        assert_true(fabs(success / n - whole->model.success_30) < 1e-9);
        assert_true(fabs(auc / n - whole->model.adaptive_auc) < 1e-9);
        assert_true(fabs(ciou / n - whole->model.mean_ciou) < 1e-9);
    }
}

/* Scores `n` scenes into a page; `pictures` as `oassl eval` does, else as `oassl metrics`. */
static json_t *write_page(oassl_context *context, const char *path, uint32_t n, bool pictures) {
    report *page = report_create(context);
    oassl_metric *metric;
    scene *s = malloc(sizeof *s);
    assert_non_null(page);
    assert_ok(oassl_metric_create(context, NULL, &metric));
    for (uint32_t i = 0; i < n; i++) {
        make_scene(i, s);
        assert_ok(oassl_metric_add(metric, &s->sample));
        assert_ok(report_add(page, &s->sample, pictures ? &s->picture : NULL, pictures ? &s->audio : NULL));
        assert_ok(report_add_mismatched(page, &s->sample));
    }
    oassl_metric_result whole = OASSL_METRIC_RESULT_INIT;
    assert_ok(oassl_metric_compute(metric, &whole));
    json_t *result = json_pack("{s:o, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:o}", "model", json_clean_string(HOSTILE), "data", "d/manifest.jsonl",
                               "split", "<test>", "n_samples", (json_int_t)n, "n_pairs", (json_int_t)whole.n_pairs, "list_hash", "12ab", "scores",
                               scores_json(&whole.model), "centre_box", scores_json(&whole.centre), "whole_image", scores_json(&whole.whole));
    assert_int_equal(report_finish(page, path, result), 0);
    assert_adds_up(json_object_get(result, "breakdown"), &whole);
    oassl_metric_destroy(metric);
    report_destroy(page);
    free(s);
    return result;
}

static void test_page_of_an_evaluation(void **state) {
    (void)state;
    oassl_context *context = open_context();
    json_t *result = write_page(context, PATH("eval.html"), 40, true);
    char *page = slurp(PATH("eval.html"));
    assert_well_formed(page);
    assert_true(strlen(page) < 2 << 20);
    assert_int_equal(count(page, "<article class=\"card\">"), 16);
    assert_true(assert_pictures_whole(context, page) >= 16 * 3); /* truth, heat-map, spectrogram */
    assert_int_equal(count(page, "alt=\"log-spectrogram"), 16);
    assert_non_null(strstr(page, "&quot;&gt;&lt;b&gt;bold&lt;/b&gt;&amp;&#39;\xc3\xa9"));
    assert_null(strstr(page, "<b>bold"));
    assert_non_null(strstr(page, "<polyline"));
    free(page);
    json_decref(result);
    oassl_context_destroy(context);
}

static void test_page_without_pictures(void **state) {
    (void)state;
    oassl_context *context = open_context();
    json_t *result = write_page(context, PATH("maps.html"), 3, false);
    char *page = slurp(PATH("maps.html"));
    assert_well_formed(page);
    assert_int_equal(count(page, "<article class=\"card\">"), 3); /* each once, though best and worst */
    assert_true(assert_pictures_whole(context, page) >= 6);
    assert_int_equal(count(page, "log-spectrogram"), 0);
    free(page);
    json_decref(result);
    oassl_context_destroy(context);
}

static void test_media_are_looked_up(void **state) {
    (void)state;
    oassl_context *context = open_context();
    report *page = report_create(context);
    scene *s = malloc(sizeof *s);
    make_scene(0, s);
    assert_ok(oassl_image_save_png(context, PATH("look.png"), &s->picture));
    assert_ok(oassl_audio_save_wav(context, PATH("look.wav"), &s->audio));
    spit(PATH("look.jsonl"), "{\"id\": \"here\", \"image\": \"report_look.png\", \"audio\": \"report_look.wav\"}\n"
                             "{\"id\": \"gone\", \"image\": \"report_gone.png\", \"audio\": \"report_gone.wav\"}\n");
    assert_ok(report_look_up(page, PATH("look.jsonl")));
    static const char *const ids[] = {"here", "gone", "unknown"};
    for (int i = 0; i < 3; i++) {
        s->sample.id = ids[i];
        assert_ok(report_add(page, &s->sample, NULL, NULL));
    }
    json_t *samples = report_samples(page), *best = json_object_get(samples, "best");
    assert_int_equal(json_array_size(best), 3);
    const char *pictures[3];
    for (size_t i = 0; i < 3; i++) {
        json_t *card = json_array_get(best, i);
        assert_int_equal(json_object_get(card, "sound") != NULL, i == 0);
        pictures[i] = json_string_value(json_object_get(json_array_get(json_object_get(card, "images"), 0), "src"));
    }
    assert_string_not_equal(pictures[0], pictures[1]);
    assert_string_equal(pictures[1], pictures[2]); /* both on grey */
    json_decref(samples);
    report_destroy(page);
    free(s);
    oassl_context_destroy(context);
}

/* ---- side by side ---------------------------------------------------------------------------------------------- */

static int run(int n, const char **words) {
    char *argv[16];
    for (int i = 0; i < n; i++) argv[i] = (char *)words[i];
    argv[n] = NULL;
    return cmd_report(n, argv);
}
#define RUN(...) run((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)), (const char *[]){__VA_ARGS__})

static void test_side_by_side(void **state) {
    (void)state;
    oassl_context *context = open_context();
    json_t *result = write_page(context, PATH("a.html"), 10, true);
    assert_int_equal(json_dump_file(result, PATH("a.json"), JSON_INDENT(2)), 0);
    spit(PATH("b.json"),
         "{\"oassl\": \"1\", \"maps\": \"m<aps>.npz\", \"protocol\": {\"size\": 224}, \"n_samples\": 3, \"list_hash\": \"other\","
         " \"model\": {\"success_50\": 0.25, \"auc\": 0.5, \"novel\": 0.125, \"bootstrap\": {\"auc\": [0.41, 0.59]}}, \"centre\": {\"auc\": 0.3},"
         " \"protocols\": {\"lvs\": {\"rules\": \"a > b\", \"notes\": \"flaw & all\", \"figures\": {\"success_50\": {\"value\": 0.375, \"n\": 3,"
         " \"low\": 0.31, \"high\": 0.44}}}, \"odd\": 7},"
         " \"skipped\": [\"<i>x</i>\", null, 3], \"deep\": {\"a\": {\"b\": {\"c\": [{\"d\": [[1]]}]}}}, \"list\": [{\"file\": \"f\", \"record\": 3}],"
         " \"breakdown\": {\"curves\": 3, \"classes\": [{\"name\": 5}, {\"name\": \"only here\", \"ap\": 0.5}], \"sizes\": {}}}");
    assert_int_equal(RUN("report", "--out", PATH("ab.html"), PATH("a.json"), PATH("b.json"), PATH("a.html"), "--title", "A & <B>"), 0);
    char *page = slurp(PATH("ab.html"));
    assert_well_formed(page);
    assert_non_null(strstr(page, "<h1>A &amp; &lt;B&gt;</h1>"));
    assert_non_null(strstr(page, "report_a (2)")); /* the JSON file and the page carry one name */
    assert_non_null(strstr(page, "do not compare"));
    assert_non_null(strstr(page, "novel"));
    assert_non_null(strstr(page, "0.410\342\200\2230.590"));
    assert_non_null(strstr(page, "0.310\342\200\2230.440"));
    assert_non_null(strstr(page, "flaw &amp; all"));
    assert_non_null(strstr(page, "only here"));
    assert_non_null(strstr(page, "m&lt;aps&gt;.npz"));
    assert_null(strstr(page, "<i>"));
    free(page);
    /* A page of several results is read back whole. */
    assert_int_equal(RUN("report", PATH("ab.html"), "--out", PATH("again.html")), 0);
    page = slurp(PATH("again.html"));
    assert_well_formed(page);
    assert_int_equal(count(page, "class=\"oassl-result\""), 3);
    free(page);
    json_decref(result);
    oassl_context_destroy(context);
}

static void test_the_metric_s_own_json(void **state) {
    (void)state;
    oassl_context *context = open_context();
    oassl_metric *metric;
    scene *s = malloc(sizeof *s);
    assert_ok(oassl_metric_create(context, NULL, &metric));
    for (uint32_t i = 0; i < 4; i++) {
        make_scene(i, s);
        assert_ok(oassl_metric_add(metric, &s->sample));
    }
    uint64_t n = 0;
    assert_ok(oassl_metric_json(metric, NULL, 0, &n));
    char *text = malloc(n);
    assert_ok(oassl_metric_json(metric, text, n, &n));
    spit(PATH("metric.json"), text);
    assert_int_equal(RUN("report", "--out", PATH("metric.html"), PATH("metric.json")), 0);
    char *page = slurp(PATH("metric.html"));
    assert_well_formed(page);
    assert_non_null(strstr(page, "centre box"));
    assert_non_null(strstr(page, "pointing"));
    free(page);
    free(text);
    free(s);
    oassl_metric_destroy(metric);
    oassl_context_destroy(context);
}

static void test_many_classes(void **state) {
    (void)state;
    json_t *classes = json_array();
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "class %d", i);
        json_array_append_new(classes, json_pack("{s:s, s:i, s:f}", "name", name, "n_pairs", i, "ap", i / 500.0));
    }
    json_t *result = json_pack("{s:{s:f}, s:{s:o}}", "scores", "ap", 0.5, "breakdown", "classes", classes);
    assert_int_equal(json_dump_file(result, PATH("many.json"), 0), 0);
    assert_int_equal(RUN("report", "--out", PATH("many.html"), PATH("many.json")), 0);
    char *page = slurp(PATH("many.html"));
    assert_well_formed(page);
    assert_true(strlen(page) < 256 << 10);
    assert_non_null(strstr(page, "<summary>All 500</summary>"));
    assert_true(strstr(page, "class 499") < strstr(page, "class 498"));
    free(page);
    json_decref(result);
}

static void test_wrong_files(void **state) {
    (void)state;
    unlink(PATH("no.html"));
    spit(PATH("array.json"), "[1, 2]");
    spit(PATH("broken.json"), "{\"scores\": {\"ap\": 0.5}");
    spit(PATH("foreign.html"), "<!DOCTYPE html><title>x</title>");
    spit(PATH("hurt.html"), "<html><script type=\"application/json\" class=\"oassl-result\">{\"name\": 3</script>");
    spit(PATH("fine.json"), "{}");
    assert_int_equal(RUN("report", "--out", PATH("no.html")), 2);
    assert_int_equal(RUN("report", PATH("fine.json")), 2);
    static const char *const wrong[] = {PATH("array.json"), PATH("broken.json"), PATH("foreign.html"), PATH("hurt.html"), PATH("absent.json"), OASSL_TEST_TMP};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) assert_int_equal(RUN("report", "--out", PATH("no.html"), PATH("fine.json"), wrong[i]), 2);
    assert_int_not_equal(RUN("report", "--out", PATH("no/such/folder.html"), PATH("fine.json")), 0);
    assert_int_not_equal(access(PATH("no.html"), F_OK), 0);
    assert_int_equal(RUN("report", "--out", PATH("no.html"), PATH("fine.json")), 0); /* a result that says nothing */
    char *page = slurp(PATH("no.html"));
    assert_well_formed(page);
    free(page);
    unlink(PATH("no.html"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page_of_an_evaluation), cmocka_unit_test(test_page_without_pictures),
                                       cmocka_unit_test(test_media_are_looked_up),
                                       cmocka_unit_test(test_side_by_side),          cmocka_unit_test(test_the_metric_s_own_json),
                                       cmocka_unit_test(test_many_classes),          cmocka_unit_test(test_wrong_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
