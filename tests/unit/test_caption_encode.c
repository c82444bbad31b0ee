/* Encoding captions around the encoder: resuming, composites, provenance; the prompt; SHA-256. */
#define TEST_NAME "caption_encode"
#include "hostile.h"

#include <sys/wait.h>

#include "base/sha256.h"
#include "oassl/caption.h"
#include "support/growth.h"
#include "text/caption_encode.h"
#include "text/caption_prompt.h"

static const oai_host *host = &oai_default_host;

/* ---- SHA-256 ------------------------------------------------------------------------------------------------- */

static void check_sha256(const void *data, size_t bytes, size_t step, const char *expected) {
    oai_sha256 hash;
    char text[OAI_SHA256_TEXT];
    oai_sha256_init(&hash);
    for (size_t at = 0; at < bytes; at += step)
        oai_sha256_add(&hash, (const char *)data + at, bytes - at < step ? bytes - at : step);
    oai_sha256_finish_text(&hash, text);
    assert_string_equal(text, expected);
}

static void test_sha256(void **state) {
    (void)state;
    check_sha256("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", 3, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    static char many[1000000];
    memset(many, 'a', sizeof many);
    static const size_t steps[] = {1, 63, 64, 65, 1000, sizeof many};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        check_sha256(many, sizeof many, steps[i], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* ---- the prompt ---------------------------------------------------------------------------------------------- */

static void test_prompt(void **state) {
    (void)state;
    static const char *const labels[] = {"female speech, woman speaking", "drum_kit"};
    uint64_t bytes, again;
    check_sha256(oai_caption_prompt, strlen(oai_caption_prompt), 4096, oassl_captions_prompt_hash());
    assert_ok(oassl_captions_prompt(labels, 2, NULL, 0, &bytes));
    char *text = malloc(bytes + 1);
    assert_ok(oassl_captions_prompt(labels, 2, text, bytes + 1, &again));
    assert_true(again == bytes && strlen(text) == bytes);
    static const char *const parts[] = {"Number of labels: 2\n",
                                        "Labels: female_speech_woman_speaking, drum_kit\n",
                                        "Example 1",
                                        "Example 2",
                                        "Example 3",
                                        "JSON",
                                        "an image of",
                                        "visible"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_non_null(strstr(text, parts[i]));
    assert_null(strstr(text, "{labels}"));
    assert_fails(oassl_captions_prompt(labels, 2, text, bytes, &again), OASSL_STATUS_INVALID_ARGUMENT, "capacity");
    assert_fails(oassl_captions_prompt(labels, 0, NULL, 0, &again), OASSL_STATUS_INVALID_ARGUMENT,
                 "at least one label");
    assert_fails(oassl_captions_prompt((const char *[]){"a", " , "}, 2, NULL, 0, &again),
                 OASSL_STATUS_INVALID_ARGUMENT, "label 1 is empty");
    free(text);
    /* the Python captioner sends the same */
    const char *python = DATA("../../bindings/python/oassl/prompt.txt");
    if (access(python, F_OK) != 0) return;
    size_t n;
    char *theirs = get_file(python, &n);
    assert_string_equal(theirs, oai_caption_prompt);
    oai_free(host, theirs);
}

/* ---- encoding with an encoder that counts ------------------------------------------------------------------------
 */

enum { WIDTH = 3 };

typedef struct counter {
    uint32_t n_sentences, n_calls, fail_at; /* fails in this call, from 1 */
} counter;

/* Each vector tells the sentence: sum and number of its tokens. */
static oassl_status count_encode(void *user, const int32_t *ids, const int32_t *lengths, uint32_t n, uint32_t row,
                                 float *out) {
    counter *c = user;
    if (++c->n_calls == c->fail_at) return oai_fail(OASSL_STATUS_CANCELLED, "stopped");
    for (uint32_t i = 0; i < n; i++) {
        float sum = 0;
        for (int32_t k = 0; k < lengths[i]; k++) sum += (float)ids[i * row + (uint32_t)k] * (float)(k + 1);
        out[i * WIDTH] = sum;
        out[i * WIDTH + 1] = (float)lengths[i];
        out[i * WIDTH + 2] = 1;
    }
    c->n_sentences += n;
    return OASSL_STATUS_OK;
}

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nan\nimage\nof\na\nb\nc\nd\n,\nand\n";
static const char captions[] =
    "{\"id\": \"1\", \"foreground\": \"an image of a\", \"background\": \"an image of b\"}\n"
    "{\"id\": \"2\", \"foreground\": [\"an image of c\", \"an image of d\"], \"background\": \"an image of b c\"}\n"
    "{\"id\": \"3\", \"foreground\": \"an image of a b c d\", \"background\": \"an image of d d\"}\n"
    "{\"id\": \"4\", \"foreground\": \"an image of c\"}\n";

typedef struct fixture {
    oai_tokenizer tokenizer;
    counter count;
    oai_text_encoding encoding;
    oai_caption_set *set;
} fixture;

static void open_fixture(fixture *f) {
    static const oai_caption_options options = {.allow_empty_background = true};
    *f = (fixture){0};
    assert_ok(oai_wordpiece_create(host, vocabulary, strlen(vocabulary), "v", false, &f->tokenizer.words));
    f->encoding = (oai_text_encoding){.tokenizer = &f->tokenizer,
                                      .max_length = 32,
                                      .width = WIDTH,
                                      .batch = 2,
                                      .encoder = "counter",
                                      .encoder_hash = "weights",
                                      .tokenizer_hash = "words",
                                      .pooling = "cls",
                                      .journal = TMP("journal"),
                                      .encode = count_encode,
                                      .user = &f->count};
    put_file(TMP("captions.jsonl"), captions, strlen(captions));
    assert_ok(oai_caption_set_load(host, TMP("captions.jsonl"), &options, &f->set));
}

static void close_fixture(fixture *f) {
    oai_tokenizer_close(&f->tokenizer);
    oai_caption_set_destroy(f->set);
}

static oai_caption_features *encode(fixture *f) {
    oai_caption_features *features;
    oai_encode_journal *journal;
    assert_ok(oai_caption_encode(host, f->set, &f->encoding, &features, &journal));
    oai_encode_journal_close(journal, 1);
    assert_int_equal(access(TMP("journal"), F_OK), -1);
    return features;
}

static void stop_in(fixture *f, uint32_t call) {
    oai_caption_features *features;
    oai_encode_journal *journal;
    f->count = (counter){.fail_at = call};
    assert_int_equal(oai_caption_encode(host, f->set, &f->encoding, &features, &journal), OASSL_STATUS_CANCELLED);
    assert_null(journal);
}

static void check_equal(const oai_caption_features *a, const oai_caption_features *b) {
    size_t n = (size_t)a->n_samples;
    assert_int_equal(a->n_samples, b->n_samples);
    assert_memory_equal(a->offsets, b->offsets, (n + 1) * sizeof *a->offsets);
    assert_memory_equal(a->foreground, b->foreground, (size_t)a->offsets[n] * WIDTH * sizeof(float));
    assert_memory_equal(a->background, b->background, n * WIDTH * sizeof(float));
}

static void test_resume(void **state) {
    (void)state;
    fixture f;
    unlink(TMP("journal"));
    open_fixture(&f);
    oai_caption_features *whole = encode(&f), *again;
    assert_int_equal(f.count.n_sentences, 7);
    assert_string_equal(whole->pooling, "cls");
    assert_string_equal(whole->tokenizer_hash, "words");
    for (uint32_t call = 1; call <= 4; call++) {
        stop_in(&f, call);
        assert_int_equal(f.count.n_sentences, 2 * (call - 1));
        assert_int_equal(access(TMP("journal"), F_OK), call == 1 ? -1 : 0); /* nothing done, nothing left */
        f.count = (counter){0};
        again = encode(&f);
        assert_int_equal(f.count.n_sentences, 7 - 2 * (call - 1));
        check_equal(again, whole);
        oai_caption_features_destroy(again);
    }
    oai_caption_features_destroy(whole);
    close_fixture(&f);
}

static oassl_status die_encode(void *user, const int32_t *ids, const int32_t *lengths, uint32_t n, uint32_t row,
                               float *out) {
    counter *c = user;
    if (c->n_calls == 2) kill(getpid(), SIGKILL);
    return count_encode(user, ids, lengths, n, row, out);
}

/* The process dies in the third batch: the next one takes the two that were finished. */
static void test_killed(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        oai_caption_features *features;
        oai_encode_journal *journal;
        f.encoding.encode = die_encode;
        oai_caption_encode(host, f.set, &f.encoding, &features, &journal);
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    oai_caption_features *resumed = encode(&f), *whole;
    assert_int_equal(f.count.n_sentences, 3);
    whole = encode(&f);
    check_equal(resumed, whole);
    oai_caption_features_destroy(resumed);
    oai_caption_features_destroy(whole);
    close_fixture(&f);
}

/* Whatever the side file looks like: what is whole is used, the rest encoded again. */
static void test_torn_journal(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f);
    oai_caption_features *whole = encode(&f), *again;
    stop_in(&f, 4);
    size_t bytes, record = 16 + WIDTH * sizeof(float) + 4;
    char *good = get_file(TMP("journal"), &bytes);
    assert_int_equal(bytes, 64 + 6 * record);
    for (size_t cut = 0; cut <= bytes; cut += 7) {
        put_file(TMP("journal"), good, cut);
        f.count = (counter){0};
        again = encode(&f);
        assert_int_equal(f.count.n_sentences, 7 - (cut < 64 ? 0 : (cut - 64) / record));
        check_equal(again, whole);
        oai_caption_features_destroy(again);
    }
    for (size_t at = 0; at < bytes; at += 5) { /* a flipped byte: nothing from there on is believed */
        good[at] ^= 0x10;
        put_file(TMP("journal"), good, bytes);
        good[at] ^= 0x10;
        f.count = (counter){0};
        again = encode(&f);
        assert_int_equal(f.count.n_sentences, 7 - (at < 64 ? 0 : (at - 64) / record));
        check_equal(again, whole);
        oai_caption_features_destroy(again);
    }
    put_file(TMP("journal"), good, bytes); /* another encoder's are not taken */
    f.encoding.encoder_hash = "other weights";
    f.count = (counter){0};
    again = encode(&f);
    assert_int_equal(f.count.n_sentences, 7);
    oai_caption_features_destroy(again);
    oai_free(host, good);
    oai_caption_features_destroy(whole);
    close_fixture(&f);
}

/* With the journal of an interrupted run and a composite; what fails is given back and leaves the journal usable. */
static oassl_status encode_from(const oai_host *h, const char *path) {
    static const oai_caption_options options = {.allow_empty_background = true};
    oai_tokenizer tokenizer = {0};
    oai_caption_set *set = NULL;
    oai_caption_features *features = NULL;
    oai_encode_journal *journal = NULL;
    counter count = {0};
    oai_text_encoding encoding = {.tokenizer = &tokenizer,
                                  .max_length = 32,
                                  .width = WIDTH,
                                  .batch = 2,
                                  .encoder = "counter",
                                  .encoder_hash = "weights",
                                  .tokenizer_hash = "words",
                                  .pooling = "cls",
                                  .journal = TMP("journal"),
                                  .encode = count_encode,
                                  .user = &count};
    oassl_status status = oai_wordpiece_create(h, vocabulary, strlen(vocabulary), "v", false, &tokenizer.words);
    if (status == OASSL_STATUS_OK) status = oai_caption_set_load(h, path, &options, &set);
    if (status == OASSL_STATUS_OK) status = oai_caption_set_add_composites(set, TMP("mix.jsonl"), true);
    if (status == OASSL_STATUS_OK) status = oai_caption_encode(h, set, &encoding, &features, &journal);
    oai_encode_journal_close(journal, 0); /* kept for the next */
    oai_caption_features_destroy(features);
    oai_caption_set_destroy(set);
    oai_tokenizer_close(&tokenizer);
    return status;
}

static void test_failing_memory(void **state) {
    (void)state;
    fixture f;
    static const char mix[] = "{\"id\": \"m\", \"parts\": [\"2\", \"1\"]}\n";
    put_file(TMP("mix.jsonl"), mix, strlen(mix));
    open_fixture(&f);
    stop_in(&f, 3);
    fail_every_allocation(TMP("captions.jsonl"), encode_from);
    unlink(TMP("journal"));
    close_fixture(&f);
}

static void test_locked_journal(void **state) {
    (void)state;
    oai_encode_journal *first, *second;
    assert_ok(oai_encode_journal_open(host, TMP("journal"), "k", 2, &first));
    assert_fails(oai_encode_journal_open(host, TMP("journal"), "k", 2, &second), OASSL_STATUS_IO, "another run");
    assert_null(second);
    oai_encode_journal_close(first, 0);
    assert_int_equal(access(TMP("journal"), F_OK), -1);
    assert_fails(oai_encode_journal_open(host, TMP("no/folder"), "k", 2, &second), OASSL_STATUS_IO, "no/folder");
    assert_fails(oai_encode_journal_open(host, OASSL_TEST_TMP, "k", 2, &second), OASSL_STATUS_IO, OASSL_TEST_TMP);
}

/* ---- composites --------------------------------------------------------------------------------------------------
 */

static const float *background(const oai_caption_features *features, const char *id) {
    return oai_caption_features_background(features, oai_caption_features_find(features, id));
}

static void test_composites(void **state) {
    (void)state;
    static const char mixes[] =
        "{\"id\": \"m\", \"parts\": [\"2\", \"1\"]}\n{\"id\": \"n\", \"parts\": [\"4\", \"3\"]}\n"
        "{\"id\": \"o\", \"parts\": [\"4\", \"4\"]}\n";
    put_file(TMP("mixes.jsonl"), mixes, strlen(mixes));
    for (int concat = 0; concat < 2; concat++) {
        fixture f;
        open_fixture(&f);
        assert_ok(oai_caption_set_add_composites(f.set, TMP("mixes.jsonl"), concat));
        assert_int_equal(f.set->n_errors, 0);
        oai_caption_features *c = encode(&f);
        assert_int_equal(c->n_samples, 7);
        assert_int_equal(f.count.n_sentences, 7 + concat);
        int64_t m = oai_caption_features_find(c, "m");
        assert_int_equal(oai_caption_features_k(c, m), 3);
        assert_memory_equal(oai_caption_features_foreground(c, m), oai_caption_features_foreground(c, 1),
                            2 * WIDTH * sizeof(float));
        assert_memory_equal(oai_caption_features_foreground(c, m) + 2 * WIDTH, oai_caption_features_foreground(c, 0),
                            WIDTH * sizeof(float));
        /* "an image of b c, and an image of b": 11 tokens and the two special ones */
        if (concat) assert_true(background(c, "m")[1] == 13);
        for (int k = 0; !concat && k < WIDTH; k++)
            assert_true(background(c, "m")[k] == (background(c, "1")[k] + background(c, "2")[k]) / 2);
        assert_memory_equal(background(c, "n"), background(c, "3"), WIDTH * sizeof(float)); /* "4" has none */
        assert_null(background(c, "o"));
        oai_caption_features_destroy(c);
        close_fixture(&f);
    }
}

static void test_bad_composites(void **state) {
    (void)state;
    static const struct {
        const char *line, *defect;
    } bad[] = {{"{\"id\": \"1\", \"parts\": [\"2\"]}", "already there"},
               {"{\"id\": \"m\", \"parts\": [\"1\", \"9\"]}", "no caption for part 9"},
               {"{\"id\": \"m\", \"parts\": []}", "no parts"},
               {"{\"id\": \"m\", \"parts\": [1]}", "list of ids"},
               {"{\"id\": \"\", \"parts\": [\"1\"]}", "id is empty"},
               {"{\"id\": \"m\"}", "'parts'"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture f;
        open_fixture(&f);
        put_file(TMP("mixes.jsonl"), bad[i].line, strlen(bad[i].line));
        assert_ok(oai_caption_set_add_composites(f.set, TMP("mixes.jsonl"), false));
        assert_fails(oai_caption_set_require_valid(f.set), OASSL_STATUS_FORMAT, bad[i].defect);
        close_fixture(&f);
    }
    fixture f;
    open_fixture(&f);
    assert_fails(oai_caption_set_add_composites(f.set, TMP("none"), false), OASSL_STATUS_NOT_FOUND, "none");
    close_fixture(&f);
}

/* ---- hostile and large files ---------------------------------------------------------------------------------------
 */

static char *repeat(const char *text, size_t n) {
    size_t bytes = strlen(text);
    char *out = malloc(n * bytes + 1);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) memcpy(out + i * bytes, text, bytes);
    out[n * bytes] = 0;
    return out;
}

/* One good line, then the bad one: a single error on line 2 that says what is wrong. */
static void check_line(const char *bad, size_t bytes, const char *words) {
    static const char good[] =
        "{\"id\": \"g\", \"foreground\": \"an image of a\", \"background\": \"an image of b\"}\n";
    char *text = malloc(sizeof good + bytes);
    memcpy(text, good, sizeof good - 1);
    memcpy(text + sizeof good - 1, bad, bytes);
    put_file(TMP("hostile.jsonl"), text, sizeof good - 1 + bytes);
    oai_caption_set *set;
    assert_ok(oai_caption_set_load(host, TMP("hostile.jsonl"), NULL, &set));
    assert_int_equal(set->n_errors, 1);
    assert_int_equal(set->defects[0].line, 2);
    if (!strstr(set->defects[0].text, words)) fail_msg("'%s' does not say '%s'", set->defects[0].text, words);
    oai_caption_set_destroy(set);
    free(text);
}

static void test_hostile(void **state) {
    (void)state;
    char *deep[] = {repeat("[", 1000000), repeat("{\"a\":", 300000), repeat("9", 1000000)};
    for (int i = 0; i < 2; i++) check_line(deep[i], strlen(deep[i]), "depth");
    char *number = malloc(strlen(deep[2]) + 16);
    sprintf(number, "{\"id\": %s}", deep[2]);
    check_line(number, strlen(number), "too big integer");
    free(number);
    for (int i = 0; i < 3; i++) free(deep[i]);
    static const char *const lines[][2] = {{"{\"id\": 1e99999}", "overflow"},
                                           {"{\"id\": \"a\xff\"}", "unable to decode byte 0xff"},
                                           {"{\"id\": \"\xC0\x80\"}", "unable to decode byte 0xc0"},
                                           {"{\"id\": \"a\\ud800\"}", "invalid Unicode"},
                                           {"{\"id\": \"a\\u0000b\"}", "\\u0000"},
                                           {"{\"id\": \"a\", \"id\": \"b\"}", "duplicate"},
                                           {"{\"id\": \"a", "premature end"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        check_line(lines[i][0], strlen(lines[i][0]), lines[i][1]);
    check_line("{\"id\": \"a\0\"}", 12, "NUL byte");
}

static void load_lines(int n) {
    static const char line[] = "{\"id\": \"clip%06d\", \"labels\": [\"guitar\"], \"foreground\": \"an image of a man "
                               "with a dark coat playing an "
                               "acoustic guitar on a chair\", \"background\": \"an image of a sofa, a lamp, two "
                               "violins and a closed piano\"}\n";
    FILE *file = fopen(TMP("many.jsonl"), "w");
    assert_non_null(file);
    for (int i = 0; i < n; i++) fprintf(file, line, i);
    assert_int_equal(fclose(file), 0);
    oai_caption_set *set;
    assert_ok(oai_caption_set_load(host, TMP("many.jsonl"), NULL, &set));
    assert_int_equal(set->n_captions, n);
    oai_caption_set_destroy(set);
    unlink(TMP("many.jsonl"));
}

static void test_time_grows_with_lines(void **state) {
    (void)state;
    const double times = growth(load_lines, 25000);
    print_message("eight times the lines: %.1f times the time\n", times);
    assert_true(times < 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sha256),         cmocka_unit_test(test_prompt),
                                       cmocka_unit_test(test_resume),         cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_torn_journal),   cmocka_unit_test(test_failing_memory),
                                       cmocka_unit_test(test_locked_journal), cmocka_unit_test(test_composites),
                                       cmocka_unit_test(test_bad_composites), cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_time_grows_with_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
