/* WordPiece against Hugging Face's BertTokenizer (text/wordpiece.json, made by gen_wordpiece.py) and its edges. */
#define TEST_NAME "wordpiece"
#include "hostile.h"

#include "base/json.h"
#include "text/wordpiece.h"

static const oai_host *host = &oai_default_host;

static void test_hugging_face(void **state) {
    (void)state;
    json_t *file, *one;
    assert_ok(oai_json_load(host, DATA("text/wordpiece.json"), &file));
    const char *vocab = json_string_value(json_object_get(file, "vocab"));
    oai_wordpiece *tokenizers[2];
    for (int cased = 0; cased < 2; cased++)
        assert_ok(oai_wordpiece_create(host, vocab, strlen(vocab), "vocab", cased, &tokenizers[cased]));
    size_t i, n_known = 0;
    json_array_foreach(json_object_get(file, "cases"), i, one) {
        const char *text = json_string_value(json_array_get(one, 0));
        int32_t max_length = (int32_t)json_integer_value(json_array_get(one, 2)), ids[512], n;
        const json_t *expected = json_array_get(one, 3);
        const oai_wordpiece *tokenizer = tokenizers[json_is_true(json_array_get(one, 1))];
        assert_ok(oai_wordpiece_encode(tokenizer, text, max_length, ids, &n, NULL));
        bool same = n == (int32_t)json_array_size(expected);
        for (int32_t j = 0; same && j < n; j++) {
            same = ids[j] == json_integer_value(json_array_get(expected, (size_t)j));
            n_known += ids[j] > 7;
        }
        if (!same) fail_msg("case %zu: \"%s\"", i, text);
    }
    assert_true(i > 400 && n_known > 900);
    for (int cased = 0; cased < 2; cased++) oai_wordpiece_destroy(tokenizers[cased]);
    json_decref(file);
}

static const char small[] = "x\r\n[UNK]\r\n[SEP]\r\n[CLS]\r\nab\r\n##c\r\n[PAD]\r\n##\r\nab";

static void test_small_vocabulary(void **state) {
    (void)state;
    oai_wordpiece *tokenizer;
    assert_ok(oai_wordpiece_create(host, small, strlen(small), "small", false, &tokenizer));
    assert_int_equal(oai_wordpiece_size(tokenizer), 9);
    assert_int_equal(oai_wordpiece_pad(tokenizer), 6);
    assert_string_equal(oai_wordpiece_token(tokenizer, 4), "ab");
    assert_null(oai_wordpiece_token(tokenizer, 9));
    assert_null(oai_wordpiece_token(tokenizer, -1));
    int32_t ids[24], n, cut, lengths[3];
    assert_ok(oai_wordpiece_encode(tokenizer, "ABC abd  [MASK]", 24, ids, &n, &cut));
    assert_int_equal(n, 8);                                                           /* no [MASK] here: three words */
    assert_memory_equal(ids, ((int32_t[]){3, 8, 5, 1, 1, 1, 1, 2}), 8 * sizeof *ids); /* the last "ab" counts */
    assert_int_equal(cut, 0);
    assert_ok(oai_wordpiece_encode(tokenizer, "abccc x", 4, ids, &n, &cut));
    assert_memory_equal(ids, ((int32_t[]){3, 8, 5, 2}), 4 * sizeof *ids);
    assert_int_equal(cut, 3);
    assert_ok(oai_wordpiece_encode_batch(tokenizer, (const char *[]){"x", "", "abc x"}, 3, 8, ids, lengths));
    assert_memory_equal(lengths, ((int32_t[]){3, 2, 5}), sizeof lengths);
    assert_memory_equal(ids, ((int32_t[]){3, 0, 2, 6, 6, 6, 6, 6, 3, 2, 6}), 11 * sizeof *ids);
    assert_fails(oai_wordpiece_encode(tokenizer, "x", 1, ids, &n, NULL), OASSL_STATUS_INVALID_ARGUMENT, "at least 2");
    static const char *const bad[] = {"ab\xff", "ab\xC3", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xC0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(oai_wordpiece_encode(tokenizer, bad[i], 8, ids, &n, NULL), OASSL_STATUS_FORMAT, "at byte 2");
    assert_fails(oai_wordpiece_encode(tokenizer, "[SEP]a\xff", 8, ids, &n, NULL), OASSL_STATUS_FORMAT, "at byte 6");
    assert_fails(oai_wordpiece_encode_batch(tokenizer, (const char *[]){"x", "\xff"}, 2, 8, ids, lengths),
                 OASSL_STATUS_FORMAT, "text 1");
    oai_wordpiece_destroy(tokenizer);
}

static oassl_status load(const oai_host *h, const char *path) {
    oai_wordpiece *tokenizer;
    oassl_status status = oai_wordpiece_load(h, path, false, &tokenizer);
    int32_t ids[8], n;
    if (status == OASSL_STATUS_OK) status = oai_wordpiece_encode(tokenizer, "some text", 8, ids, &n, NULL);
    oai_wordpiece_destroy(tokenizer);
    return status;
}

/* A folder with tokenizer.json alone gives the same tokens, cased or not as it says. */
static void test_tokenizer_json(void **state) {
    (void)state;
    static const char vocab[] = "\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"ab\": 4, \"Ab\": 6";
    const char *folder = TMP("json"), *path = TMP("json/tokenizer.json");
    oai_wordpiece *tokenizer;
    int32_t ids[8], n;
    char text[512];
    assert_ok(oai_make_directories(folder));
    for (int cased = 0; cased < 2; cased++) {
        snprintf(text, sizeof text, "{\"normalizer\": {\"lowercase\": %s}, \"model\": {\"type\": \"WordPiece\", \"vocab\": {%s}}}",
                 cased ? "false" : "true", vocab);
        put_file(path, text, strlen(text));
        assert_ok(oai_wordpiece_load_folder(host, folder, &tokenizer));
        assert_int_equal(oai_wordpiece_size(tokenizer), 7);
        assert_ok(oai_wordpiece_encode(tokenizer, "Ab", 8, ids, &n, NULL));
        assert_int_equal(n, 3);
        assert_int_equal(ids[1], cased ? 6 : 4);
        oai_wordpiece_destroy(tokenizer);
    }
    static const char other[] = "{\"model\": {\"type\": \"BPE\"}}", negative[] = "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": -1}}}";
    put_file(path, other, strlen(other));
    assert_fails(oai_wordpiece_load_folder(host, folder, &tokenizer), OASSL_STATUS_UNSUPPORTED, "tokenizer.json");
    put_file(path, negative, strlen(negative));
    assert_fails(oai_wordpiece_load_folder(host, folder, &tokenizer), OASSL_STATUS_FORMAT, "token 'a'");
    assert_null(tokenizer);
}

static void test_files(void **state) {
    (void)state;
    assert_fails(load(host, TMP("none")), OASSL_STATUS_NOT_FOUND, "none");
    assert_ok(oai_make_directories(TMP("bert")));
    put_file(TMP("bert/vocab.txt"), small, strlen(small));
    fail_every_allocation(TMP("bert/vocab.txt"), load);
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
    for (int i = 0; i < 4; i++) {
        char text[sizeof small];
        memcpy(text, small, sizeof small);
        strstr(text, specials[i])[1] = '?';
        put_file(TMP("vocab"), text, strlen(text));
        assert_fails(load(host, TMP("vocab")), OASSL_STATUS_FORMAT, specials[i]);
        assert_non_null(strstr(oassl_last_error(), TMP("vocab")));
    }
    put_file(TMP("vocab"), "", 0);
    assert_fails(load(host, TMP("vocab")), OASSL_STATUS_FORMAT, "0 lines has no token [PAD]");
    unlink(TMP("vocab"));

    oai_wordpiece *tokenizer;
    int32_t ids[8], n;
    for (int cased = 0; cased < 2; cased++) {
        const char *config = cased ? "{\"do_lower_case\": false}" : "{\"do_lower_case\": true, \"x\": 1}";
        put_file(TMP("bert/tokenizer_config.json"), config, strlen(config));
        assert_ok(oai_wordpiece_load_folder(host, TMP("bert"), &tokenizer));
        assert_ok(oai_wordpiece_encode(tokenizer, "X", 8, ids, &n, NULL));
        assert_int_equal(ids[1], cased ? 1 : 0);
        oai_wordpiece_destroy(tokenizer);
    }
    put_file(TMP("bert/tokenizer_config.json"), "{\"do_lower_case\": 3}", 20);
    assert_fails(oai_wordpiece_load_folder(host, TMP("bert"), &tokenizer), OASSL_STATUS_FORMAT,
                 "tokenizer_config.json");
    unlink(TMP("bert/tokenizer_config.json"));
    assert_ok(oai_wordpiece_load_folder(host, TMP("bert"), &tokenizer));
    oai_wordpiece_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hugging_face), cmocka_unit_test(test_small_vocabulary),
                                       cmocka_unit_test(test_tokenizer_json), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
