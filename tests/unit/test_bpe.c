/* CLIP's byte-pair tokenizer against Hugging Face's and OpenAI's (text/bpe.json, made by gen_clip_bpe.py), and its
 * files. */
#define TEST_NAME "bpe"
#include "hostile.h"

#include <zlib.h>

#include "base/json.h"
#include "text/bpe.h"
#include "text/html_text.h"

static const oai_host *host = &oai_default_host;
static json_t *known;

static oai_bpe *open_openai(void) {
    const char *merges = json_string_value(json_object_get(known, "merges"));
    put_file(TMP("merges.txt"), merges, strlen(merges));
    oai_bpe *tokenizer;
    assert_ok(oai_bpe_load_merges(host, TMP("merges.txt"), &tokenizer));
    return tokenizer;
}

static void put_folder(const char *merges) {
    assert_ok(oai_make_directories(TMP("hf")));
    assert_ok(oai_json_save(host, TMP("hf/vocab.json"), json_object_get(known, "vocab")));
    put_file(TMP("hf/merges.txt"), merges, strlen(merges));
    unlink(TMP("hf/tokenizer.json"));
}

static void check_case(const oai_bpe *tokenizer, const json_t *one, size_t which) {
    static int32_t ids[4096];
    int32_t n, cut;
    const char *text = json_string_value(json_array_get(one, 0));
    const json_t *expected = json_array_get(one, which);
    assert_ok(oai_bpe_encode(tokenizer, text, 4096, ids, &n, &cut));
    bool same = n == (int32_t)json_array_size(expected) && cut == 0;
    for (int32_t i = 0; same && i < n; i++) same = ids[i] == json_integer_value(json_array_get(expected, (size_t)i));
    if (!same) fail_msg("%s: \"%s\"", which == 1 ? "OpenAI" : "Hugging Face", text);
}

static void known_answers(void **state) {
    (void)state;
    const char *merges = json_string_value(json_object_get(known, "merges"));
    oai_bpe *openai = open_openai(), *hugging_face, *whole;
    put_folder(merges);
    assert_ok(oai_bpe_load_folder(host, TMP("hf"), &hugging_face));
    assert_int_equal(oai_bpe_size(openai), oai_bpe_size(hugging_face));
    assert_int_equal(oai_bpe_end(openai), oai_bpe_size(openai) - 1);
    /* the same in one tokenizer.json */
    json_t *list = json_array();
    for (const char *line = strchr(merges, '\n') + 1, *end; (end = strchr(line, '\n')); line = end + 1)
        json_array_append_new(list, json_stringn(line, (size_t)(end - line)));
    json_t *object = json_pack("{s:{s:O, s:o}}", "model", "vocab", json_object_get(known, "vocab"), "merges", list);
    assert_ok(oai_json_save(host, TMP("hf/tokenizer.json"), object));
    unlink(TMP("hf/vocab.json"));
    assert_ok(oai_bpe_load_folder(host, TMP("hf"), &whole));
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(known, "cases"), i, one) {
        check_case(openai, one, 1);
        check_case(hugging_face, one, 2);
        check_case(whole, one, 2);
    }
    assert_true(i > 300);
    json_decref(object);
    oai_bpe_destroy(openai);
    oai_bpe_destroy(hugging_face);
    oai_bpe_destroy(whole);
}

static void truncation(void **state) {
    (void)state;
    oai_bpe *tokenizer = open_openai();
    int32_t ids[64], whole[64], n, n_whole, cut, end = oai_bpe_end(tokenizer);
    const char *text = "an image of a man playing guitar";
    assert_ok(oai_bpe_encode(tokenizer, text, 64, whole, &n_whole, &cut));
    for (int32_t most = 2; most < n_whole; most++) {
        assert_ok(oai_bpe_encode(tokenizer, text, most, ids, &n, &cut));
        assert_int_equal(n, most);
        assert_int_equal(cut, n_whole - most);
        assert_memory_equal(ids, whole, (size_t)(most - 1) * sizeof *ids);
        assert_int_equal(ids[most - 1], end);
    }
    assert_fails(oai_bpe_encode(tokenizer, text, 1, ids, &n, NULL), OASSL_STATUS_INVALID_ARGUMENT, "at least 2");
    assert_fails(oai_bpe_encode(tokenizer, "ab\xff", 64, ids, &n, NULL), OASSL_STATUS_FORMAT, "at byte 2");
    /* one word of 100,000 letters ends in reasonable time */
    char *word = malloc(100001);
    memset(word, 'a', 100000);
    word[100000] = 0;
    assert_ok(oai_bpe_encode(tokenizer, word, 64, ids, &n, &cut));
    assert_int_equal(n, 64);
    free(word);
    oai_bpe_destroy(tokenizer);
}

static void html(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"a &amp; b", "a & b"},
                                           {"&amp;lt;", "&lt;"},
                                           {"&ltx", "<x"},
                                           {"&#65;&#x42;&#67", "ABC"},
                                           {"&#x;&#;&", "&#x;&#;&"},
                                           {"&#0;", "\xEF\xBF\xBD"},
                                           {"&#128;", "\xE2\x82\xAC"},
                                           {"&#1;x", "x"},
                                           {"&#13;", "\r"},
                                           {"&#1114112;", "\xEF\xBF\xBD"},
                                           {"&nosuch;", "&nosuch;"},
                                           {"&notit;", "\xC2\xACit;"},
                                           {"&nGt", "&nGt"},
                                           {"&nGt;", "\xE2\x89\xAB\xE2\x83\x92"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char out[64];
        size_t n = oai_html_unescape(pairs[i][0], strlen(pairs[i][0]), out);
        out[n] = 0;
        assert_string_equal(out, pairs[i][1]);
    }
}

static oassl_status load(const oai_host *h, const char *path) {
    oai_bpe *tokenizer;
    oassl_status status = oai_bpe_load_merges(h, path, &tokenizer);
    int32_t ids[77], n;
    if (status == OASSL_STATUS_OK) status = oai_bpe_encode(tokenizer, "some text", 77, ids, &n, NULL);
    oai_bpe_destroy(tokenizer);
    return status;
}

static void files(void **state) {
    (void)state;
    oai_bpe *plain = open_openai(), *packed;
    const char *merges = json_string_value(json_object_get(known, "merges"));
    assert_ok(oai_make_directories(TMP("gz")));
    gzFile file = gzopen(TMP("gz/" OAI_BPE_MERGES_FILE ".gz"), "wb");
    assert_int_equal(gzwrite(file, merges, (unsigned)strlen(merges)), strlen(merges));
    gzclose(file);
    assert_ok(oai_bpe_load_folder(host, TMP("gz"), &packed));
    int32_t a[77], b[77], n, m;
    assert_ok(oai_bpe_encode(plain, "playing guitars", 77, a, &n, NULL));
    assert_ok(oai_bpe_encode(packed, "playing guitars", 77, b, &m, NULL));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    oai_bpe_destroy(plain);
    oai_bpe_destroy(packed);
    size_t bytes;
    char *gz = get_file(TMP("gz/" OAI_BPE_MERGES_FILE ".gz"), &bytes);
    put_file(TMP("torn.gz"), gz, bytes - 9);
    oai_free(host, gz);
    assert_fails(load(host, TMP("torn.gz")), OASSL_STATUS_FORMAT, "torn.gz");
    assert_fails(load(host, TMP("none")), OASSL_STATUS_NOT_FOUND, "none");
    put_file(TMP("bad.txt"), "#version\na b\na b c\n", 18);
    assert_fails(load(host, TMP("bad.txt")), OASSL_STATUS_FORMAT, "bad.txt:3");
    put_file(TMP("bad.txt"), "#version\nzz q\n", 14);
    assert_fails(load(host, TMP("bad.txt")), OASSL_STATUS_FORMAT, "no token 'zz'");
    put_file(TMP("bad.txt"), "#version\n", 9);
    assert_fails(load(host, TMP("bad.txt")), OASSL_STATUS_FORMAT, "no merges");
    assert_fails(oai_bpe_load_folder(host, TMP("nowhere"), &plain), OASSL_STATUS_NOT_FOUND, "merges.txt");
    put_folder("#version\nt h\n");
    put_file(TMP("hf/vocab.json"), "{\"a\": -1}", 9);
    assert_fails(oai_bpe_load_folder(host, TMP("hf"), &plain), OASSL_STATUS_FORMAT, "'a'");
    put_file(TMP("hf/vocab.json"), "{\"a\": 1}", 8);
    assert_fails(oai_bpe_load_folder(host, TMP("hf"), &plain), OASSL_STATUS_FORMAT, "no token '");
    assert_null(plain);
}

static oassl_status load_folder(const oai_host *h, const char *path) {
    oai_bpe *tokenizer;
    oassl_status status = oai_bpe_load_folder(h, path, &tokenizer);
    int32_t ids[77], n;
    if (status == OASSL_STATUS_OK) status = oai_bpe_encode(tokenizer, "some text", 77, ids, &n, NULL);
    oai_bpe_destroy(tokenizer);
    return status;
}

static void test_failing_memory(void **state) {
    (void)state;
    oai_bpe_destroy(open_openai());
    fail_every_allocation(TMP("merges.txt"), load);
    fail_every_allocation(TMP("gz/" OAI_BPE_MERGES_FILE ".gz"), load);
    put_folder(json_string_value(json_object_get(known, "merges")));
    fail_every_allocation(TMP("hf"), load_folder);
}

/* The published vocabulary, when there is one: OASSL_TEST_CLIP_MERGES names bpe_simple_vocab_16e6.txt.gz (it is in the
 * package open_clip_torch); the answers are the specification's. */
static void published_vocabulary(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t n, ids[16];
    } answers[] = {
        {"A photo of ", 5, {49406, 320, 1125, 539, 49407}},
        {"an image of a man playing guitar", 9, {49406, 550, 2867, 539, 320, 786, 1629, 5084, 49407}},
        {"an image of non-playing guitars, drum-set, and amp",
         16,
         {49406, 550, 2867, 539, 3353, 268, 1629, 15023, 267, 8698, 268, 1167, 267, 537, 6259, 49407}},
        {"an image of playing clarinet", 7, {49406, 550, 2867, 539, 1629, 41178, 49407}},
        {"horse_clip-clop 2024!", 13, {49406, 4558, 318, 9289, 268, 1194, 335, 273, 271, 273, 275, 256, 49407}}};
    const char *path = getenv("OASSL_TEST_CLIP_MERGES");
    if (!path) {
        print_message("skipped: OASSL_TEST_CLIP_MERGES does not name bpe_simple_vocab_16e6.txt.gz\n");
        skip();
    }
    oai_bpe *tokenizer;
    assert_ok(oai_bpe_load_merges(host, path, &tokenizer));
    assert_int_equal(oai_bpe_size(tokenizer), 49408);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        int32_t ids[77], n;
        assert_ok(oai_bpe_encode(tokenizer, answers[i].text, 77, ids, &n, NULL));
        assert_int_equal(n, answers[i].n);
        assert_memory_equal(ids, answers[i].ids, (size_t)n * sizeof *ids);
    }
    oai_bpe_destroy(tokenizer);
}

static int open_known(void **state) {
    (void)state;
    return oai_json_load(host, DATA("text/bpe.json"), &known) == OASSL_STATUS_OK ? 0 : -1;
}

static int close_known(void **state) {
    (void)state;
    json_decref(known);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_answers),
                                       cmocka_unit_test(truncation),
                                       cmocka_unit_test(html),
                                       cmocka_unit_test(files),
                                       cmocka_unit_test(test_failing_memory),
                                       cmocka_unit_test(published_vocabulary)};
    return cmocka_run_group_tests(tests, open_known, close_known);
}
