/* What counts as JSON: our scan and jansson must agree, on texts of all kinds and on damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/rng.h"

static const char *const seeds[] = {
    "{\"id\": \"a\\u00e9\\ud83d\\ude00\\n\", \"n\": [0, -1, 12.5e+3, 1E9, true, false, null], \"o\": {\"\": {}}, \"e\": []}",
    "[[[[1.25, {\"a\": \"\\\\\\\"\\/\\b\\f\\r\\t\"}]]], \"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"]",
    "  {\"offsets\" : [ 0 , 4096 ]\t,\r\n \"dtype\" : \"F32\" }  ",
    "{\"a\": 1, \"b\": -0.0, \"c\": 1e-7, \"d\": \"\x7F\"}",
};
enum { N_SEEDS = sizeof seeds / sizeof *seeds };

/* Jansson's opinion, but for what the scan leaves to it. */
static bool is_json(const char *text, size_t bytes) {
    json_error_t error;
    json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    bool is = value != NULL;
    if (!is) {
        enum json_error_code code = json_error_code(&error);
        is = code == json_error_duplicate_key || code == json_error_numeric_overflow || code == json_error_stack_overflow;
    }
    json_decref(value);
    return is;
}

static void test_sound_texts(void **state) {
    (void)state;
    for (size_t i = 0; i < N_SEEDS; i++) {
        size_t longest;
        assert_true(oai_json_scan(seeds[i], strlen(seeds[i]), &longest));
        assert_true(longest > 0 && longest < strlen(seeds[i]));
    }
    size_t longest;
    assert_true(oai_json_scan("[\"12345678\", 123]", 17, &longest));
    assert_int_equal(longest, 10);
}

/* One to three bytes changed, taken out, or doubled; jansson stops at an overflow, so what comes after it does not
 * count there. */
static void test_damaged_texts(void **state) {
    (void)state;
    static const char letters[] = "{}[]\",:\\u0123456789abcdefEtrnls-+. \n\t\x01\xC3\xA9\xED\xA0\x80\xFF";
    oai_rng rng = oai_rng_stream(4, 2);
    int sound = 0, unsound = 0;
    for (int round = 0; round < 200000; round++) {
        char text[256];
        const char *seed = seeds[oai_rng_below(&rng, N_SEEDS)];
        size_t n = strlen(seed), longest;
        memcpy(text, seed, n);
        for (uint32_t k = 0; k < 1 + oai_rng_below(&rng, 3); k++) {
            size_t at = oai_rng_below(&rng, (uint32_t)n);
            uint32_t kind = oai_rng_below(&rng, 4);
            if (kind == 0)
                memmove(text + at, text + at + 1, --n - at);
            else if (kind == 1)
                memmove(text + at + 1, text + at, n++ - at);
            else
                text[at] = letters[oai_rng_below(&rng, sizeof letters - 1)];
        }
        bool scanned = oai_json_scan(text, n, &longest), judged = is_json(text, n);
        if (scanned != judged) {
            json_error_t error;
            json_decref(json_loadb(text, n, JSON_REJECT_DUPLICATES, &error));
            enum json_error_code code = json_error_code(&error);
            if (judged && (code == json_error_numeric_overflow || code == json_error_duplicate_key)) continue;
            fail_msg("scan says %d, jansson %d: %.*s", scanned, judged, (int)n, text);
        }
        sound += scanned, unsound += !scanned;
    }
    assert_true(sound > 1000 && unsound > 1000);
}

static void test_depth(void **state) {
    (void)state;
    char text[8192];
    size_t longest;
    memset(text, '[', 3000);
    memset(text + 3000, ']', 3000);
    assert_true(oai_json_scan(text, 6000, &longest)); /* jansson says that it is too deep */
    assert_false(oai_json_scan(text + 1001, 3999, &longest));
    json_t *value;
    assert_int_equal(oai_json_parse(text, 6000, "deep", 1, &value), OASSL_STATUS_FORMAT);
    assert_non_null(strstr(oassl_last_error(), "depth"));
}

/* Values come out as they went in, whatever the padding. */
static void test_values(void **state) {
    (void)state;
    for (size_t n = 0; n < 5000; n = 2 * n + 1) {
        char *text = malloc(n + 64);
        int bytes = sprintf(text, "{\"k\": \"%0*d\",\n \"n\": 123456789}", (int)n + 1, 7);
        json_t *value;
        assert_int_equal(oai_json_parse(text, (size_t)bytes, "values", 1, &value), OASSL_STATUS_OK);
        assert_int_equal(json_string_length(json_object_get(value, "k")), n + 1);
        assert_int_equal(json_integer_value(json_object_get(value, "n")), 123456789);
        json_decref(value);
        assert_int_equal(oai_json_parse("{\"a\": 1,\n \"a\": 2}", 18, "twice", 5, &value), OASSL_STATUS_FORMAT);
        assert_non_null(strstr(oassl_last_error(), "twice:6:4: "));
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sound_texts), cmocka_unit_test(test_damaged_texts),
                                       cmocka_unit_test(test_depth), cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
