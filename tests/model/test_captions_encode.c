/* oassl_captions_*: a caption file through a small Hugging Face BERT, against transformers (gen_caption_bert.py). */
#define TEST_NAME "captions_encode"
#include "unit/hostile.h"

#include <math.h>

#include "base/json.h"
#include "oassl/caption.h"

static oassl_context *context;

static int setup(void **state) {
    (void)state;
    const oassl_context_options options = {.struct_size = sizeof options, .backend = "reference", .n_threads = 1};
    return oassl_context_create(&options, &context);
}

static int teardown(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
}

static void check_vector(const float *found, const json_t *expected, const char *id) {
    assert_non_null(found);
    for (size_t i = 0; i < json_array_size(expected); i++) {
        double want = json_number_value(json_array_get(expected, i));
        if (fabs(found[i] - want) > 2e-5) fail_msg("%s: number %zu is %.7g, expected %.7g", id, i, found[i], want);
    }
}

static void count_report(void *user, int32_t severity, uint64_t line, const char *id, const char *text) {
    assert_int_equal(severity, OASSL_CAPTION_WARNING);
    assert_int_equal(line, 3);
    assert_string_equal(id, "long");
    assert_non_null(strstr(text, "cut to 12 tokens, 5 dropped"));
    ++*(int *)user;
}

static void test_transformers(void **state) {
    (void)state;
    const char *out = TMP("captions.npz");
    int n_reports = 0;
    oassl_caption_encode_options options = OASSL_CAPTION_ENCODE_OPTIONS_INIT;
    options.report = count_report;
    options.report_user = &n_reports;
    options.batch = 2;
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    assert_ok(
        oassl_captions_encode(context, DATA("text/bert/captions.jsonl"), DATA("text/bert"), &options, out, &counts));
    assert_int_equal(n_reports, 1);
    assert_int_equal(counts.n_captions, 3);
    assert_int_equal(counts.n_sentences, 7);
    assert_int_equal(counts.n_warnings, 1);

    oassl_captions *captions;
    assert_ok(oassl_captions_open(context, out, &captions));
    assert_int_equal(oassl_captions_count(captions), 3);
    assert_int_equal(oassl_captions_dim(captions), 8);
    assert_string_equal(oassl_captions_encoder(captions), "bert");
    assert_true(strlen(oassl_captions_encoder_hash(captions)) >= 16);
    json_t *expected, *one;
    assert_ok(oai_json_load(&oai_default_host, DATA("text/bert/expected.json"), &expected));
    size_t i, k;
    uint64_t index;
    json_array_foreach(expected, i, one) {
        const char *id = json_string_value(json_object_get(one, "id"));
        oassl_caption_sample sample = OASSL_CAPTION_SAMPLE_INIT;
        assert_ok(oassl_captions_find(captions, id, &index));
        assert_ok(oassl_captions_sample(captions, index, &sample));
        assert_string_equal(sample.id, id);
        json_t *foreground = json_object_get(one, "foreground"), *vector;
        assert_int_equal(sample.n_foreground, json_array_size(foreground));
        json_array_foreach(foreground, k, vector) check_vector(sample.foreground + 8 * k, vector, id);
        check_vector(sample.background, json_object_get(one, "background"), id);
    }
    json_decref(expected);

    float foreground[3 * 8], background[8];
    uint32_t n;
    int32_t has;
    assert_ok(oassl_captions_compose(captions, (uint64_t[]){0, 1}, 2, 3, foreground, &n, background, &has));
    assert_true(n == 3 && has == 1);
    assert_fails(oassl_captions_compose(captions, (uint64_t[]){UINT64_MAX}, 1, 3, foreground, &n, background, &has),
                 OASSL_STATUS_INVALID_ARGUMENT, "of 3");
    assert_fails(oassl_captions_compose(captions, NULL, 1, 3, foreground, &n, background, &has),
                 OASSL_STATUS_INVALID_ARGUMENT, "indices is NULL");
    oassl_caption_sample sample = OASSL_CAPTION_SAMPLE_INIT;
    assert_fails(oassl_captions_find(captions, "nobody", &index), OASSL_STATUS_NOT_FOUND, "'nobody'");
    assert_fails(oassl_captions_sample(captions, 3, &sample), OASSL_STATUS_INVALID_ARGUMENT, "index 3 of 3");
    assert_null(sample.foreground);
    sample.struct_size = 0;
    assert_fails(oassl_captions_sample(captions, 0, &sample), OASSL_STATUS_INVALID_ARGUMENT, "struct_size is 0");
    oassl_captions_destroy(captions);
    oassl_captions_destroy(NULL);
    unlink(out);
}

static void copy_file(const char *from, const char *to) {
    size_t bytes;
    char *text = get_file(from, &bytes);
    put_file(to, text, bytes);
    oai_free(&oai_default_host, text);
}

static void test_refusals(void **state) {
    (void)state;
    const char *good = DATA("text/bert/captions.jsonl"), *bert = DATA("text/bert"), *out = TMP("refused.npz");
    assert_fails(oassl_captions_encode(context, TMP("none"), bert, NULL, out, NULL), OASSL_STATUS_NOT_FOUND, "none");
    assert_fails(oassl_captions_encode(context, good, TMP("none"), NULL, out, NULL), OASSL_STATUS_NOT_FOUND, "none");
    assert_fails(oassl_captions_encode(context, good, bert, NULL, TMP("no/folder/x.npz"), NULL), OASSL_STATUS_IO,
                 "no/folder");
    assert_fails(oassl_captions_encode(context, good, bert, NULL, NULL, NULL), OASSL_STATUS_INVALID_ARGUMENT,
                 "out_path");
    oassl_caption_encode_options options = OASSL_CAPTION_ENCODE_OPTIONS_INIT;
    options.n_sources = 2;
    assert_fails(oassl_captions_encode(context, good, bert, &options, out, NULL), OASSL_STATUS_FORMAT,
                 "id 'solo': field 'foreground' has 1 sentence, expected 2");
    options.n_sources = 0;
    options.max_tokens = 1;
    assert_fails(oassl_captions_encode(context, good, bert, &options, out, NULL), OASSL_STATUS_INVALID_ARGUMENT,
                 "max_tokens");
    options.max_tokens = 0;
    options.struct_size = 2;
    assert_fails(oassl_captions_encode(context, good, bert, &options, out, NULL), OASSL_STATUS_INVALID_ARGUMENT,
                 "struct_size");

    /* A vocabulary that is not that of the weights, or lacks a special token. */
    assert_ok(oai_make_directories(TMP("bert")));
    copy_file(DATA("text/bert/config.json"), TMP("bert/config.json"));
    copy_file(DATA("text/bert/model.safetensors"), TMP("bert/model.safetensors"));
    copy_file(DATA("text/bert/vocab.txt"), TMP("bert/vocab.txt"));
    assert_ok(oassl_captions_encode(context, good, TMP("bert"), NULL, out, NULL));
    unlink(out);
    static const char longer[] =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n";
    put_file(TMP("bert/vocab.txt"), longer, strlen(longer));
    assert_fails(oassl_captions_encode(context, good, TMP("bert"), NULL, out, NULL), OASSL_STATUS_FORMAT,
                 "vocab.txt has 21 tokens");
    put_file(TMP("bert/vocab.txt"), "[PAD]\n[UNK]\n[SEP]\n", 18);
    assert_fails(oassl_captions_encode(context, good, TMP("bert"), NULL, out, NULL), OASSL_STATUS_FORMAT, "[CLS]");
    unlink(TMP("bert/vocab.txt"));
    assert_fails(oassl_captions_encode(context, good, TMP("bert"), NULL, out, NULL), OASSL_STATUS_NOT_FOUND,
                 "vocab.txt");
    assert_int_equal(access(out, F_OK), -1);
    oassl_captions *captions;
    assert_fails(oassl_captions_open(context, good, &captions), OASSL_STATUS_FORMAT, "captions.jsonl");
    assert_null(captions);
    assert_int_equal(oassl_captions_count(NULL), 0);
}

static void test_check(void **state) {
    (void)state;
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    oassl_caption_check_options options = OASSL_CAPTION_CHECK_OPTIONS_INIT;
    options.n_sources = 1;
    assert_ok(oassl_captions_check(context, DATA("text/bert/captions.jsonl"), &options, &counts));
    assert_int_equal(counts.n_captions, 2);
    assert_int_equal(counts.n_errors, 1);
    assert_ok(oassl_captions_check(context, DATA("text/bert/captions.jsonl"), NULL, &counts));
    assert_int_equal(counts.n_captions, 3);
    assert_int_equal(counts.n_sentences, 7);
    assert_int_equal(counts.n_errors, 0);
    assert_fails(oassl_captions_check(context, TMP("none"), NULL, &counts), OASSL_STATUS_NOT_FOUND, "none");
    assert_int_equal(counts.n_captions, 0);
    assert_fails(oassl_captions_check(context, TMP("none"), NULL, NULL), OASSL_STATUS_INVALID_ARGUMENT, "out_counts");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transformers), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_check)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
