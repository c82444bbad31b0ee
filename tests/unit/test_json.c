/* JSON: errors that name file, line, column and field; JSON Lines. */
#define TEST_NAME "json"
#include "hostile.h"

#include "base/json.h"

static const oai_host *host = &oai_default_host;

static oassl_status load(const char *text, size_t bytes) {
    put_file(TMP("x.json"), text, bytes);
    json_t *value;
    oassl_status status = oai_json_load(host, TMP("x.json"), &value);
    assert_true((status == OASSL_STATUS_OK) == (value != NULL));
    json_decref(value);
    return status;
}

static void test_load(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"{\"a\": [1, 2.5, \"x\", null, true]}", NULL},
        {"\xEF\xBB\xBF{\"a\": 1}\r\n", NULL},
        {"", "x.json:1:"},
        {"{\"a\": 1,\n  \"b\": }", "x.json:2:8: not valid JSON"},
        {"{\"a\": 1}\n\n{\"b\": 2}", "x.json:3:1: not valid JSON"},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"{\"a\": \"\xC3\x28\"}", "not valid JSON: unable to decode byte 0xc3"},
        {"{\"a\": \"\xED\xA0\x80\"}", "unable to decode"},
        {"{\"a\": \"\\ud800\"}", "not valid JSON"},
        {"{\"a\": \"\\u0000\"}", "not valid JSON"},
        {"{\"a\": NaN}", "not valid JSON"},
        {"{\"a\": 1e999}", "not valid JSON"},
        {"{\"a\": 99999999999999999999}", "not valid JSON"},
        {"7", "x.json:1:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].words)
            assert_fails(load(cases[i].text, strlen(cases[i].text)), OASSL_STATUS_FORMAT, cases[i].words);
        else
            assert_ok(load(cases[i].text, strlen(cases[i].text)));
    assert_fails(load("{\"a\": \"b\0c\"}", 12), OASSL_STATUS_FORMAT, "not valid JSON");
    assert_fails(load("{}\0", 3), OASSL_STATUS_FORMAT, "not valid JSON");
    unlink(TMP("x.json"));
    assert_fails(oai_json_load(host, TMP("x.json"), &(json_t *){NULL}), OASSL_STATUS_NOT_FOUND, "x.json");
}

static void test_fields(void **state) {
    (void)state;
    static const char text[] =
        "{\"s\": \"x\", \"i\": 3, \"r\": 2.5, \"b\": true, \"l\": [1, 2.5], \"o\": {}, \"n\": null, "
        "\"long\": \"äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää\"}";
    json_t *object, *value;
    const char *s;
    int64_t i;
    double r, pair[3];
    bool b;
    assert_ok(oai_json_parse(text, strlen(text), "text", 1, &object));
    assert_ok(oai_json_string(object, "s", &s));
    assert_string_equal(s, "x");
    assert_ok(oai_json_integer(object, "i", 0, 3, &i));
    assert_int_equal(i, 3);
    assert_ok(oai_json_number(object, "i", &r));
    assert_true(r == 3);
    assert_ok(oai_json_number(object, "r", &r));
    assert_true(r == 2.5);
    assert_ok(oai_json_boolean(object, "b", &b));
    assert_true(b);
    assert_ok(oai_json_array(object, "l", &value));
    assert_ok(oai_json_object(object, "o", &value));
    assert_ok(oai_json_numbers(object, "l", 2, pair));
    assert_true(pair[0] == 1 && pair[1] == 2.5);
    assert_true(oai_json_has(object, "s") && !oai_json_has(object, "n") && !oai_json_has(object, "none"));

    const oassl_status F = OASSL_STATUS_FORMAT;
    assert_fails(oai_json_string(object, "i", &s), F, "field 'i': expected a string, found 3");
    assert_fails(oai_json_string(object, "none", &s), F, "field 'none': missing, expected a string");
    assert_fails(oai_json_string(object, "n", &s), F, "field 'n': expected a string, found null");
    assert_fails(oai_json_integer(object, "i", 4, 9, &i), F, "field 'i': expected an integer from 4 to 9, found 3");
    assert_fails(oai_json_integer(object, "r", 0, 9, &i), F, "found 2.5");
    assert_fails(oai_json_number(object, "s", &r), F, "field 's': expected a number, found \"x\"");
    assert_fails(oai_json_boolean(object, "i", &b), F, "expected true or false");
    assert_fails(oai_json_array(object, "o", &value), F, "expected a list, found {}");
    assert_fails(oai_json_object(object, "l", &value), F, "expected an object, found [1,2.5]");
    assert_fails(oai_json_numbers(object, "l", 3, pair), F, "expected a list of 3 numbers, found [1,2.5]");
    assert_fails(oai_json_number(object, "long", &r), F, "ä...");
    json_decref(object);
}

static void test_lines(void **state) {
    (void)state;
    static const char text[] = "\xEF\xBB\xBF{\"a\": 1}\r\n\n  \t\r\n{\"a\": 2}\n{broken\n[1]\n{\"a\": 3}";
    put_file(TMP("lines"), text, strlen(text));
    oai_jsonl *lines;
    json_t *object;
    int64_t a;
    assert_ok(oai_jsonl_open(host, TMP("lines"), &lines));
    static const int expected[][2] = {{1, 1}, {4, 2}};
    for (int k = 0; k < 2; k++) {
        assert_ok(oai_jsonl_next(lines, &object));
        assert_ok(oai_json_integer(object, "a", 0, 9, &a));
        assert_int_equal(oai_jsonl_line(lines), expected[k][0]);
        assert_int_equal(a, expected[k][1]);
        json_decref(object);
    }
    assert_fails(oai_jsonl_next(lines, &object), OASSL_STATUS_FORMAT, "lines:5:");
    assert_fails(oai_jsonl_next(lines, &object), OASSL_STATUS_FORMAT, "lines:6: expected one JSON object a line");
    assert_ok(oai_jsonl_next(lines, &object));
    assert_int_equal(oai_jsonl_line(lines), 7);
    json_decref(object);
    for (int k = 0; k < 2; k++) {
        assert_ok(oai_jsonl_next(lines, &object));
        assert_null(object);
    }
    oai_jsonl_close(lines);
    unlink(TMP("lines"));
    assert_fails(oai_jsonl_open(host, TMP("lines"), &lines), OASSL_STATUS_NOT_FOUND, "lines");
}

static oassl_status save(const oai_host *h, const char *path) {
    json_t *value = json_array();
    for (int i = 0; i < 1000; i++) json_array_append_new(value, json_string("some text"));
    oassl_status status = oai_json_save(h, path, value);
    json_decref(value);
    return status;
}

static void test_save(void **state) {
    (void)state;
    json_t *value = json_pack("{s:f, s:s}", "x", 0.1, "t", "ä"), *again;
    assert_ok(oai_json_save(host, TMP("saved"), value));
    assert_ok(oai_json_load(host, TMP("saved"), &again));
    assert_true(json_equal(value, again));
    size_t bytes;
    char *text = get_file(TMP("saved"), &bytes);
    assert_int_equal(text[bytes - 1], '\n');
    oai_free(host, text);
    json_decref(value);
    json_decref(again);
    unlink(TMP("saved"));
    refuse_unwritable(save, 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_load), cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_lines), cmocka_unit_test(test_save)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
