/* Caption files, their rules (datasets.md 9.4), reference features and their encoding. */
#define TEST_NAME "captions"
#include "hostile.h"

#include <math.h>

#include "base/npz.h"
#include "text/caption_encode.h"

static const oai_host *host = &oai_default_host;
static const char *const path = TMP("captions.jsonl");

static oai_caption_set *load(const char *text, const oai_caption_options *options) {
    put_file(path, text, strlen(text));
    oai_caption_set *set;
    assert_ok(oai_caption_set_load(host, path, options, &set));
    return set;
}

/* The set must have these numbers, and a defect with these words on this line (line 0: any). */
static void expect(const char *text, const oai_caption_options *options, size_t n_captions, size_t n_errors,
                   size_t n_warnings, uint64_t line, const char *words) {
    oai_caption_set *set = load(text, options);
    bool found = !words;
    for (size_t i = 0; i < set->n_defects; i++)
        found |= words && strstr(set->defects[i].text, words) && (!line || set->defects[i].line == line);
    if (!found || set->n_captions != n_captions || set->n_errors != n_errors || set->n_warnings != n_warnings) {
        for (size_t i = 0; i < set->n_defects; i++)
            print_message("%d line %d id %s: %s\n", set->defects[i].severity, (int)set->defects[i].line,
                          set->defects[i].id ? set->defects[i].id : "-", set->defects[i].text);
        fail_msg("%s\n%zu captions, %zu errors, %zu warnings; expected %zu, %zu, %zu, line %d: %s", text,
                 set->n_captions, set->n_errors, set->n_warnings, n_captions, n_errors, n_warnings, (int)line,
                 words ? words : "");
    }
    oai_caption_set_destroy(set);
}

#define F "\"foreground\": \"an image of f\""
#define B "\"background\": \"an image of b\""
#define FB F ", " B

static void test_forms(void **state) {
    (void)state;
    oai_caption_set *set =
        load("\xEF\xBB\xBF{\"id\": \"a\", \"foreground\": [\"  An image\\tof  x \", \"an image of y\"], " B
             ", \"labels\": [\"x\", \"y\"], \"model\": \"m\", \"revision\": \"r\"}\r\n\r\n"
             "{\"file\": \"-b_1\", " FB "}",
             NULL);
    assert_int_equal(set->n_captions, 2);
    assert_int_equal(set->n_defects, 0);
    const oai_caption *a = oai_caption_set_find(set, "a");
    assert_int_equal(a->n_foreground, 2);
    assert_string_equal(a->foreground[0], "An image of x");
    assert_string_equal(a->foreground[1], "an image of y");
    assert_string_equal(a->background, "an image of b");
    assert_int_equal(a->n_labels, 2);
    assert_string_equal(a->labels[1], "y");
    assert_int_equal(oai_caption_set_find(set, "-b_1")->line, 3);
    assert_null(oai_caption_set_find(set, "c"));
    assert_ok(oai_caption_set_require_valid(set));
    oai_caption_set_destroy(set);

    /* The mapping form keeps lines; a repeated id is seen; brackets and escapes inside strings do no harm. */
    set = load("{\n  \"a\": {" FB "},\n\n  \"b}\\\"{\": {\"foreground\": \"an image of ]}\\\\\",\n    " B "}, \"a\": {"
               "\"foreground\": \"an image of late\", " B "}\n}\n",
               NULL);
    assert_int_equal(set->n_captions, 2);
    assert_int_equal(oai_caption_set_find(set, "b}\"{")->line, 4);
    assert_string_equal(oai_caption_set_find(set, "b}\"{")->foreground[0], "an image of ]}\\");
    assert_string_equal(oai_caption_set_find(set, "a")->foreground[0], "an image of late");
    assert_int_equal(set->n_warnings, 1);
    assert_int_equal(set->defects[0].line, 5);
    assert_non_null(strstr(set->defects[0].text, "line 2"));
    oai_caption_set_destroy(set);
    expect("{\"a\": {" FB "}, \"b\": {" FB "}}", NULL, 2, 0, 0, 0, NULL);
    /* A sample may be called "id" or "foreground". */
    expect("{\"id\": {" FB "}, \"foreground\": {" FB "}}", NULL, 2, 0, 0, 0, NULL);
}

static void test_rules(void **state) {
    (void)state;
    const oai_caption_options two = {.n_sources = 2}, one = {.n_sources = 1}, empty = {.allow_empty_background = true};
#define LINE(fields) "{\"id\": \"good\", " FB "}\n{\"id\": \"x\", " fields "}\n"
    /* foreground */
    expect(LINE(B), NULL, 1, 1, 0, 2, "field 'foreground' is missing");
    expect(LINE("\"foreground\": null, " B), NULL, 1, 1, 0, 2, "field 'foreground' is missing");
    expect(LINE("\"foreground\": 7, " B), NULL, 1, 1, 0, 2, "field 'foreground': expected a string or a list");
    expect(LINE("\"foreground\": [\"an image of x\", 7], " B), NULL, 1, 1, 0, 2, "expected a list of strings");
    expect(LINE("\"foreground\": \"  \", " B), NULL, 1, 1, 0, 2, "sentence 1 is empty");
    expect(LINE("\"foreground\": [\"an image of x\", \"\"], " B), NULL, 1, 1, 0, 2, "sentence 2 is empty");
    expect(LINE("\"foreground\": [], " B), NULL, 1, 1, 0, 2, "empty list");
    expect(LINE("\"foreground\": \"a picture of x\", " B), NULL, 2, 0, 1, 2, "does not begin");
    expect(LINE("\"foreground\": \"AN IMAGE OF x\", " B), NULL, 2, 0, 0, 0, NULL);
    /* K */
    expect(LINE("\"foreground\": [\"an image of x\", \"an image of y\"], " B), &two, 1, 1, 0, 1,
           "1 sentence, expected 2");
    expect(LINE("\"foreground\": [\"an image of x\", \"an image of y\"], " B), &one, 1, 1, 0, 2,
           "2 sentences, expected 1");
    expect(LINE("\"foreground\": [\"an image of x\"], " B), &one, 2, 0, 0, 0, NULL);
    expect(LINE(FB ", \"labels\": [\"a\", \"b\"]"), NULL, 1, 1, 0, 2, "expected 2 (one for each label)");
    expect(LINE(FB ", \"labels\": \"a\""), NULL, 1, 1, 0, 2, "field 'labels': expected a list of strings");
    expect(LINE(FB ", \"labels\": [1]"), NULL, 1, 1, 0, 2, "field 'labels': expected a list of strings");
    /* background */
    expect(LINE(F), NULL, 1, 1, 0, 2, "field 'background' is missing");
    expect(LINE(F ", \"background\": \" \""), NULL, 1, 1, 0, 2, "field 'background' is empty");
    expect(LINE(F ", \"background\": []"), NULL, 1, 1, 1, 2, "field 'background' is empty");
    expect(LINE(F ", \"background\": 7"), NULL, 1, 1, 0, 2, "field 'background': expected a string");
    expect(LINE(F), &empty, 2, 0, 0, 0, NULL);
    expect(LINE(F ", \"background\": 7"), &empty, 1, 1, 0, 2, "field 'background'");
    expect(LINE(F ", \"background\": [\"an image of a\", \" \", \"a b\"]"), NULL, 2, 0, 1, 2, "joined");
    oai_caption_set *set = load(LINE(F ", \"background\": [\"an image of a\", \" \", \"a  b\"]"), NULL);
    assert_string_equal(oai_caption_set_find(set, "x")->background, "an image of a, a b");
    oai_caption_set_destroy(set);
    set = load(LINE(F), &empty);
    assert_null(oai_caption_set_find(set, "x")->background);
    oai_caption_set_destroy(set);
    /* ids and the object */
    expect(LINE(FB) "{" FB "}\n", NULL, 2, 1, 0, 3, "field 'id' is missing");
    expect(LINE(FB) "{\"id\": 12, " FB "}\n", NULL, 2, 1, 0, 3, "field 'id': expected a non-empty string, found 12");
    expect(LINE(FB) "{\"id\": \"\", " FB "}\n", NULL, 2, 1, 0, 3, "field 'id': expected a non-empty string");
    expect(LINE(FB) "{\"id\": \"a\", \"file\": \"b\", " FB "}\n", NULL, 2, 1, 0, 3, "differ");
    expect(LINE(FB) "{\"id\": \"x\", " FB "}\n", NULL, 2, 0, 1, 3, "already on line 2");
    expect(LINE(FB ", \"odd\": 1, \"odder\": 2"), NULL, 2, 0, 1, 2, "unknown field 'odd'");
    expect(LINE(FB ", " F), NULL, 1, 1, 0, 2, "not valid JSON: duplicate");
    expect(LINE("\"foreground\": 7, \"background\": 7"), NULL, 1, 2, 0, 2, "'background'"); /* every defect */
    expect(LINE(FB) "[1]\n", NULL, 2, 1, 0, 3, "found a list");
    expect(LINE(FB) "nonsense\n{\"id\": \"z\", " FB "}\n", NULL, 3, 1, 0, 3, "not valid JSON");
    expect("{\"id\": \"a\", broken}\n{\"id\": \"z\", " FB "}\n", NULL, 1, 1, 0, 1, "not valid JSON");
    expect("{\"a\": {" FB "},\n \"b\": [1],\n \"c\": 7, \"d\": {" F "}}", NULL, 1, 3, 0, 2,
           "expected a caption object");
    expect("{\"a\": {" FB "},\n \"b\": }", NULL, 0, 1, 0, 2, "not valid JSON");
    expect("", NULL, 0, 1, 0, 0, "no captions");
    expect(" \n\n", NULL, 0, 1, 0, 0, "no captions");
    expect("[]", NULL, 0, 1, 0, 1, "found a list");

    set = load(LINE(B) "nonsense\n", NULL);
    assert_fails(oai_caption_set_require_valid(set), OASSL_STATUS_FORMAT,
                 "captions.jsonl:2: id 'x': field 'foreground' is missing (2 errors in the file)");
    oai_caption_set_destroy(set);
    put_file(path, "{\"id\": \"a\"\0}", 12);
    assert_ok(oai_caption_set_load(host, path, NULL, &set));
    assert_int_equal(set->n_errors, 1);
    oai_caption_set_destroy(set);
    assert_fails(oai_caption_set_load(host, TMP("none"), NULL, &set), OASSL_STATUS_NOT_FOUND, "none");
}

static void test_repair(void **state) {
    (void)state;
    const oai_caption_options repair = {.repair = true};
    static const char fenced[] = "```json {\"id\": \"a\", " FB "} ```\nSure! {\"id\": \"b\", " FB "}\n";
    expect(fenced, NULL, 0, 2, 0, 2, "not valid JSON");
    expect(fenced, &repair, 2, 0, 2, 2, "cut out");
    expect("```json\n{\"a\": {" FB "},\n\"b\": {" F "}}\n```\n", &repair, 1, 1, 1, 3, "field 'background' is missing");
    expect("{\"id\": \"a\", " FB "} {\"id\": \"b\", " FB "}\n{\"id\": \"c\", " FB "}", &repair, 1, 1, 0, 1,
           "not valid JSON");
    expect("nothing here\nnor {here\n", &repair, 0, 2, 0, 2, "not valid JSON");
}

/* No input may do more than give defects. */
static void test_damaged_files(void **state) {
    (void)state;
    static const char *const texts[] = {LINE(FB ", \"labels\": [\"x\"], \"\\u00e9\": \"\\\"\""),
                                        "{\n\"a\": {" FB "},\n \"b\\\"\": {" F ", \"background\": [\"x{\", \"]\"]}}\n",
                                        "```json\n{\"a\": {" FB "}}```"};
    const oai_caption_options repair = {.repair = true};
    oai_caption_set *set;
    for (size_t k = 0; k < 3; k++) {
        size_t bytes = strlen(texts[k]);
        char *text = malloc(bytes);
        for (size_t n = 0; n < bytes; n++)
            for (int d = 0; d < 5; d++) { /* a prefix; then one byte replaced */
                memcpy(text, texts[k], bytes);
                if (d) text[n] = "{]\"\xff"[d - 1];
                put_file(path, text, d ? bytes : n);
                assert_ok(oai_caption_set_load(host, path, d & 1 ? &repair : NULL, &set));
                oai_caption_set_destroy(set);
            }
        free(text);
    }
}

static oassl_status read_set(const oai_host *h, const char *file) {
    oai_caption_set *set;
    oassl_status status = oai_caption_set_load(h, file, NULL, &set);
    oai_caption_set_destroy(set);
    return status;
}

static oassl_status read_features(const oai_host *h, const char *file) {
    oai_caption_features *features;
    oassl_status status = oai_caption_features_load(h, file, &features);
    oai_caption_features_destroy(features);
    return status;
}

static void test_failing_memory(void **state) {
    (void)state;
    put_file(path, LINE(FB ", \"odd\": [1]"), strlen(LINE(FB ", \"odd\": [1]")));
    fail_every_allocation(path, read_set);
    fail_every_allocation(DATA("formats/captions_numpy.npz"), read_features);
}

/* ---- features ------------------------------------------------------------------------------------------------ */

static void test_numpy_features(void **state) {
    (void)state;
    oai_caption_features *f;
    assert_ok(oai_caption_features_load(host, DATA("formats/captions_numpy.npz"), &f));
    assert_int_equal(f->n_samples, 3);
    assert_int_equal(f->width, 4);
    assert_string_equal(f->encoder, "numpy");
    assert_string_equal(f->encoder_hash, "beef");
    int64_t b = oai_caption_features_find(f, "b"), c = oai_caption_features_find(f, "ç");
    assert_int_equal(b, 1);
    assert_int_equal(c, 2);
    assert_int_equal(oai_caption_features_find(f, "x"), -1);
    assert_int_equal(oai_caption_features_k(f, b), 2);
    assert_true(oai_caption_features_foreground(f, b)[0] == 5 && oai_caption_features_foreground(f, b)[7] == 12);
    assert_null(oai_caption_features_background(f, b));
    assert_true(oai_caption_features_background(f, c)[0] == 3);

    /* Composites: foregrounds in order, the mean of the backgrounds there are. */
    float foreground[4 * 4], background[4];
    uint32_t k;
    bool has;
    assert_ok(oai_caption_features_compose(f, (int64_t[]){2, 1, 0}, 3, 4, foreground, &k, background, &has));
    assert_int_equal(k, 4);
    assert_true(has && background[0] == 2 && background[1] == 2 && background[2] == 2 && background[3] == 2);
    assert_true(foreground[0] == 13 && foreground[4] == 5 && foreground[8] == 9 && foreground[12] == 1);
    assert_ok(oai_caption_features_compose(f, (int64_t[]){1}, 1, 2, foreground, &k, background, &has));
    assert_true(!has && background[0] == 0 && k == 2);
    assert_fails(oai_caption_features_compose(f, (int64_t[]){2, 1}, 2, 2, foreground, &k, background, &has),
                 OASSL_STATUS_SHAPE_MISMATCH, "'b'");
    assert_fails(oai_caption_features_compose(f, (int64_t[]){3}, 1, 2, foreground, &k, background, &has),
                 OASSL_STATUS_INVALID_ARGUMENT, "3 of 3");
    oai_caption_features_destroy(f);
    refuse_every_prefix(DATA("formats/captions_numpy.npz"), read_features);
    damage_every_byte(DATA("formats/captions_numpy.npz"), read_features);
}

/* Writes a feature file with one member replaced (or left out, for NULL). */
static void put_features(const char *changed, const oai_npy *replacement) {
    static const float rows[16] = {1, 2, 3, 4};
    oai_npy texts, name;
    assert_ok(oai_npy_from_texts(host, (const char *[]){"a", "b"}, 2, false, &texts));
    assert_ok(oai_npy_from_texts(host, (const char *[]){"e"}, 1, true, &name));
    const oai_npy arrays[] = {texts,
                              oai_npy_of(OASSL_DTYPE_I64, 1, (int64_t[]){3}, (int64_t[]){0, 1, 3}),
                              oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){3, 4}, rows),
                              oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){2, 4}, rows),
                              name,
                              name};
    static const char *const names[] = {"ids", "offsets", "foreground", "background", "encoder", "encoder_hash"};
    oai_npz_writer *writer;
    assert_ok(oai_npz_create(host, TMP("f.npz"), 0, &writer));
    for (int i = 5; i >= 0; i--) { /* in another order than usual */
        const oai_npy *array = changed && strcmp(changed, names[i]) == 0 ? replacement : &arrays[i];
        if (array) assert_ok(oai_npz_add(writer, names[i], array));
    }
    assert_ok(oai_npz_commit(writer));
    oai_npy_free(&texts);
    oai_npy_free(&name);
}

static void test_wrong_features(void **state) {
    (void)state;
    put_features(NULL, NULL);
    assert_ok(read_features(host, TMP("f.npz")));
    static const char *const names[] = {"ids", "offsets", "foreground", "background", "encoder", "encoder_hash"};
    for (int i = 0; i < 6; i++) {
        put_features(names[i], NULL);
        assert_fails(read_features(host, TMP("f.npz")), OASSL_STATUS_NOT_FOUND, names[i]);
    }
    oai_npy same, blank;
    assert_ok(oai_npy_from_texts(host, (const char *[]){"a", "a"}, 2, false, &same));
    assert_ok(oai_npy_from_texts(host, (const char *[]){"a", ""}, 2, false, &blank));
    static const float bad[12] = {[5] = NAN}, good[12];
#define OFFSETS(...)                                                                                                  \
    oai_npy_of(OASSL_DTYPE_I64, 1, (int64_t[]){sizeof(int64_t[]){__VA_ARGS__} / 8}, (int64_t[]){__VA_ARGS__})
    const struct {
        const char *member;
        oai_npy array;
        const char *words;
    } cases[] = {
        {"ids", same, "id 'a' is there twice"},
        {"ids", blank, "empty"},
        {"ids", oai_npy_of(OASSL_DTYPE_I64, 1, (int64_t[]){2}, (int64_t[]){1, 2}), "expected an array of texts"},
        {"offsets", OFFSETS(0, 1), "as many offsets as ids"},
        {"offsets", OFFSETS(1, 2, 3), "offset 0 is 1"},
        {"offsets", OFFSETS(0, 0, 3), "offset 1 is 0 after 0"},
        {"offsets", OFFSETS(0, 3, 1), "offset 2 is 1 after 3"},
        {"offsets", OFFSETS(0, 1, INT64_MAX), "offset 2"},
        {"offsets", OFFSETS(0, 1, 4), "'foreground': expected a matrix with one row a sentence"},
        {"offsets", oai_npy_of(OASSL_DTYPE_I32, 1, (int64_t[]){3}, (int32_t[]){0, 1, 3}), "<i8"},
        {"foreground", oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){3, 4}, bad), "row 1 has a NaN"},
        {"foreground", oai_npy_of(OASSL_DTYPE_F32, 1, (int64_t[]){12}, good), "expected a matrix"},
        {"foreground", oai_npy_of(OASSL_DTYPE_I32, 2, (int64_t[]){3, 4}, good), "<f4"},
        {"background", oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){2, 3}, good), "rows of 3 numbers, expected 4"},
        {"background", oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){3, 4}, good), "'background': expected a matrix"},
        {"encoder", same, "expected one text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_features(cases[i].member, &cases[i].array);
        oassl_status status = read_features(host, TMP("f.npz"));
        if (status == OASSL_STATUS_OK || !strstr(oassl_last_error(), cases[i].words) ||
            !strstr(oassl_last_error(), TMP("f.npz")))
            fail_msg("case %zu: expected \"%s\", got %s", i, cases[i].words, status ? oassl_last_error() : "OK");
    }
    oai_npy_free(&same);
    oai_npy_free(&blank);
    unlink(TMP("f.npz"));
}

static oassl_status save_features(const oai_host *h, const char *file) {
    enum { N = 2000 };
    static char names[N][12];
    static const char *ids[N];
    static uint32_t k[N];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        ids[i] = names[i];
        k[i] = 1;
    }
    oai_caption_features *features;
    assert_ok(oai_caption_features_create(h, ids, k, N, 16, "e", "h", &features));
    for (uint32_t i = 0; i < N * 16; i++) features->foreground[i] = (float)(i * 2654435761u);
    oassl_status status = oai_caption_features_save(features, file);
    oai_caption_features_destroy(features);
    return status;
}

static void test_unwritable(void **state) {
    (void)state;
    refuse_unwritable(save_features, 20000);
}

/* ---- encoding ------------------------------------------------------------------------------------------------ */

typedef struct fake_encoder {
    uint32_t n_calls, n_sentences;
    int32_t longest;
    float bad; /* added to every number */
} fake_encoder;

/* The vector of a sentence: its length and the sum of its ids. */
static oassl_status fake_encode(void *user, const int32_t *ids, const int32_t *lengths, uint32_t n,
                                uint32_t row_length, float *out_vectors) {
    fake_encoder *fake = user;
    fake->n_calls++;
    fake->n_sentences += n;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(lengths[i] >= fake->longest && lengths[i] <= (int32_t)row_length);
        fake->longest = lengths[i];
        float sum = 0;
        for (uint32_t j = 0; j < row_length; j++) {
            const int32_t id = ids[i * row_length + j];
            if (j >= (uint32_t)lengths[i])
                assert_int_equal(id, 0);
            else
                sum += (float)id;
        }
        out_vectors[2 * i] = (float)lengths[i] + fake->bad;
        out_vectors[2 * i + 1] = sum;
    }
    assert_int_equal(fake->longest, row_length);
    return OASSL_STATUS_OK;
}

static int32_t cancel_at_end(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user;
    return strcmp(task, "encode captions") == 0 && done == total;
}

static void test_encode(void **state) {
    (void)state;
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nan\nimage\nof\na\nb\nc";
    oai_wordpiece *tokenizer;
    assert_ok(oai_wordpiece_create(host, vocab, strlen(vocab), "vocab", false, &tokenizer));
    const oai_tokenizer words = {.words = tokenizer};
    oai_encode_journal *journal;
    fake_encoder fake = {0};
    oai_text_encoding encoding = {.tokenizer = &words,
                                  .max_length = 7,
                                  .width = 2,
                                  .batch = 2,
                                  .encoder = "fake",
                                  .encoder_hash = "0",
                                  .encode = fake_encode,
                                  .user = &fake};
    static const char text[] =
        "{\"id\": \"1\", \"foreground\": [\"an image of a b c\", \"an image of\"], \"background\": \"an image of "
        "b\"}\n"
        "{\"id\": \"2\", \"foreground\": \"an image of\"}\n"
        "{\"id\": \"3\", \"foreground\": \"an image of b\", \"background\": \"an  image of\"}\n";
    const oai_caption_options empty = {.allow_empty_background = true};
    oai_caption_set *set = load(text, &empty);
    oai_caption_features *f;
    assert_ok(oai_caption_encode(host, set, &encoding, &f, &journal));
    assert_int_equal(fake.n_sentences, 3); /* each distinct one once */
    assert_int_equal(fake.n_calls, 2);
    assert_int_equal(set->n_warnings, 1);
    assert_non_null(strstr(set->defects[0].text, "cut to 7 tokens, 1 dropped"));
    assert_string_equal(f->encoder, "fake");
    const float *first = oai_caption_features_foreground(f, oai_caption_features_find(f, "1"));
    assert_true(first[0] == 7 && first[1] == 2 + 4 + 5 + 6 + 7 + 8 + 3);
    assert_true(first[2] == 5 && first[3] == 2 + 4 + 5 + 6 + 3);
    assert_true(oai_caption_features_background(f, 0)[1] == 2 + 4 + 5 + 6 + 8 + 3);
    assert_null(oai_caption_features_background(f, 1));
    assert_true(oai_caption_features_background(f, 2)[1] == first[3]);
    oai_caption_features *again;
    assert_ok(oai_caption_features_save(f, TMP("e.npz")));
    assert_ok(oai_caption_features_load(host, TMP("e.npz"), &again));
    assert_memory_equal(again->foreground, f->foreground, 4 * 2 * sizeof(float));
    assert_memory_equal(again->background, f->background, 3 * 2 * sizeof(float));
    assert_memory_equal(again->offsets, f->offsets, 4 * sizeof(int64_t));
    assert_string_equal(again->ids[2], "3");
    assert_string_equal(again->encoder_hash, "0");
    oai_caption_features_destroy(again);
    oai_caption_features_destroy(f);
    unlink(TMP("e.npz"));

    fake = (fake_encoder){.bad = NAN};
    assert_fails(oai_caption_encode(host, set, &encoding, &f, &journal), OASSL_STATUS_NON_FINITE, "\"an image of");
    assert_null(f);
    fake = (fake_encoder){0};
    oai_host cancelling = oai_default_host;
    cancelling.progress = cancel_at_end;
    assert_fails(oai_caption_encode(&cancelling, set, &encoding, &f, &journal), OASSL_STATUS_CANCELLED, "3 of 3");
    oai_caption_set_destroy(set);
    set = load(text, NULL); /* sample 2 lacks a background */
    assert_fails(oai_caption_encode(host, set, &encoding, &f, &journal), OASSL_STATUS_FORMAT, "id '2'");
    oai_caption_set_destroy(set);
    oai_wordpiece_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_rules),
        cmocka_unit_test(test_repair),         cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_failing_memory), cmocka_unit_test(test_numpy_features),
        cmocka_unit_test(test_wrong_features), cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
