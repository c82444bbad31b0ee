/* Training options as text and JSON: every field of the two structs can be named, and nothing else. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/options.h"

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

static void must_fail(oassl_status status, oassl_status expected, const char *first, const char *second) {
    assert_int_equal(status, expected);
    if (!strstr(oassl_last_error(), first)) fail_msg("expected '%s' in: %s", first, oassl_last_error());
    if (!strstr(oassl_last_error(), second)) fail_msg("expected '%s' in: %s", second, oassl_last_error());
}

static oassl_trainer_options fresh(void) {
    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    return options;
}

/* Every key with a value that is not its default: the last word of a choice, 1 for a flag, else a number. */
static json_t *unusual_values(void) {
    oassl_trainer_options options = fresh();
    json_t *values = oai_options_to_json(&options);
    assert_non_null(values);
    const char *key;
    json_t *value;
    int n = 3;
    json_object_foreach(values, key, value) {
        if (json_is_string(value)) {
            assert_int_equal(oassl_trainer_options_set(&options, key, "?"), OASSL_STATUS_INVALID_ARGUMENT);
            char words[1024];
            snprintf(words, sizeof words, "%s", oassl_last_error());
            char *end = strstr(words, ", found '?'");
            assert_non_null(end);
            *end = '\0';
            json_string_set(value, strrchr(words, ' ') + 1);
        } else if (json_is_real(value))
            json_real_set(value, 0.125 * n++);
        else
            json_integer_set(value, oassl_trainer_options_set(&options, key, "2") == OASSL_STATUS_OK ? n++ : 1);
    }
    return values;
}

static void test_every_key_goes_round(void **state) {
    (void)state;
    json_t *values = unusual_values();
    oassl_trainer_options by_json = fresh(), by_text = fresh();
    MUST(oai_options_from_json(&by_json, values, "test"));
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value) {
        char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
        MUST(oassl_trainer_options_set(&by_text, key, text));
        free(text);
    }
    json_t *written = oai_options_to_json(&by_json);
    assert_true(json_equal(written, values));
    assert_memory_equal(&by_json, &by_text, sizeof by_json);
    json_decref(written);
    json_decref(values);
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define CAN_SEE_PADDING 1
#endif
#endif

/* 0xAA everywhere; keys write other bytes.  What is still 0xAA then is padding or a field that no key reaches. */
static void test_every_field_has_a_key(void **state) {
    (void)state;
#ifndef CAN_SEE_PADDING
    skip();
#else
    oassl_trainer_options options;
    memset(&options, 0xAA, sizeof options);
    __builtin_clear_padding(&options);
    options.struct_size = sizeof options;
    options.loss.struct_size = 0;
    options.init = NULL;
    options.reserved = 0;
    oassl_trainer_options initial = fresh();
    json_t *keys = oai_options_to_json(&initial), *value;
    const char *key;
    json_object_foreach(keys, key, value) {
        oassl_trainer_options before = options;
        MUST(oassl_trainer_options_set(&options, key, json_is_string(value) ? json_string_value(value) : "1"));
        if (memcmp(&before, &options, sizeof options) == 0)
            fail_msg("key %s writes where another key has written", key);
    }
    json_decref(keys);
    for (size_t k = 0; k < sizeof options; k++)
        if (((unsigned char *)&options)[k] == 0xAA) fail_msg("byte %zu of oassl_trainer_options belongs to no key", k);
#endif
}

static void test_unknown_keys_and_bad_values_are_named(void **state) {
    (void)state;
    oassl_trainer_options options = fresh(), before = options;
    must_fail(oassl_trainer_options_set(&options, "learning_rate", "1"), OASSL_STATUS_NOT_FOUND, "learning_rate",
              "option");
    must_fail(oassl_trainer_options_set(&options, "loss.", "1"), OASSL_STATUS_NOT_FOUND, "loss.", "option");
    must_fail(oassl_trainer_options_set(&options, "struct_size", "1"), OASSL_STATUS_NOT_FOUND, "struct_size",
              "option");
    static const char *const bad[][2] = {{"base_width", "-1"},
                                         {"base_width", "4294967296"},
                                         {"base_width", "16x"},
                                         {"base_width", ""},
                                         {"base_width", "1.5"},
                                         {"seed", "99999999999999999999"},
                                         {"flip", "2"},
                                         {"flip", "yes"},
                                         {"deterministic", "-1"},
                                         {"lr", "nan"},
                                         {"lr", "inf"},
                                         {"lr", "1e999"},
                                         {"lr", "1e-3 "},
                                         {"lr", ""},
                                         {"lr", "0,1"},
                                         {"task", "Localize"},
                                         {"task", "1"},
                                         {"schedule", ""},
                                         {"loss.ori_transform", "relu6"},
                                         {"loss.lambda_oca", "high"},
                                         {"mix_mode", "sum"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char found[64];
        snprintf(found, sizeof found, "found '%s'", bad[i][1]);
        must_fail(oassl_trainer_options_set(&options, bad[i][0], bad[i][1]), OASSL_STATUS_INVALID_ARGUMENT, bad[i][0],
                  found);
    }
    assert_memory_equal(&options, &before, sizeof options);
    options.struct_size = 8;
    must_fail(oassl_trainer_options_set(&options, "lr", "1"), OASSL_STATUS_INVALID_ARGUMENT, "struct_size", "8");
}

static void test_numbers_do_not_follow_the_locale(void **state) {
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) skip();
    oassl_trainer_options options = fresh();
    oassl_status status = oassl_trainer_options_set(&options, "lr", "0.25");
    setlocale(LC_NUMERIC, "C");
    MUST(status);
    assert_true(options.lr == 0.25);
}

static oassl_status read_text(oassl_trainer_options *options, const char *text) {
    const char *path = OASSL_TEST_TMP "/options.json";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return oassl_trainer_options_read(options, path);
}

static void test_configuration_files(void **state) {
    (void)state;
    oassl_trainer_options options = fresh();
    MUST(read_text(&options,
                   "{\"base_width\": 16, \"lr\": 1e-3, \"lr_visual\": 1, \"flip\": true, \"schedule\": \"cosine\","
                   " \"loss.lambda_ori\": 0, \"batch_size\": 8.0}"));
    assert_int_equal(options.base_width, 16);
    assert_int_equal(options.batch_size, 8);
    assert_int_equal(options.flip, 1);
    assert_int_equal(options.schedule, OASSL_SCHEDULE_COSINE);
    assert_true(options.lr == 1e-3 && options.lr_visual == 1 && options.loss.lambda_ori == 0);
    must_fail(read_text(&options, "{\"base_width\": 16.5}"), OASSL_STATUS_INVALID_ARGUMENT, "options.json",
              "base_width");
    must_fail(read_text(&options, "{\"base_width\": [16]}"), OASSL_STATUS_FORMAT, "options.json", "base_width");
    must_fail(read_text(&options, "{\"base_wide\": 16}"), OASSL_STATUS_NOT_FOUND, "options.json", "base_wide");
    must_fail(read_text(&options, "{\"init\": \"w.safetensors\"}"), OASSL_STATUS_INVALID_ARGUMENT, "options.json",
              "init");
    must_fail(read_text(&options, "[16]"), OASSL_STATUS_FORMAT, "options.json", "object");
    must_fail(read_text(&options, "{\"lr\": "), OASSL_STATUS_FORMAT, "options.json", "1");
    must_fail(oassl_trainer_options_read(&options, OASSL_TEST_TMP "/no_options.json"), OASSL_STATUS_NOT_FOUND,
              "no_options.json", "");
}

static void test_defaults_and_ranges(void **state) {
    (void)state;
    oassl_trainer_options options = fresh(), o;
    MUST(oai_options_resolve(&options, &o));
    assert_int_equal(o.base_width, 64);
    assert_int_equal(o.image_size, 224);
    assert_int_equal(o.visual_stride, 32);
    assert_int_equal(o.visual_bn, OASSL_BN_TRAIN);
    assert_true(o.lr == 1e-4 && o.lr_visual == 1 && o.loss.lvs_positive == 0.65);
    options.init = "weights.safetensors";
    MUST(oai_options_resolve(&options, &o));
    assert_int_equal(o.visual_bn, OASSL_BN_EVAL);
    static const char *const wrong[][2] = {
        {"image_size", "31"},   {"n_sources", "9"},     {"lr", "-1"},           {"lr", "2"},
        {"lr_audio", "-0.5"},   {"visual_stride", "8"}, {"audio_stride", "33"}, {"n_workers", "65"},
        {"batch_size", "5000"}, {"weight_decay", "-1"}, {"loss.kind", "lvs"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        oassl_trainer_options one = fresh();
        MUST(oassl_trainer_options_set(&one, wrong[i][0], wrong[i][1]));
        must_fail(oai_options_resolve(&one, &o), OASSL_STATUS_INVALID_ARGUMENT, wrong[i][0], "option");
    }
    oassl_trainer_options one = fresh();
    one.mix_mode = 3;
    must_fail(oai_options_resolve(&one, &o), OASSL_STATUS_INVALID_ARGUMENT, "mix_mode", "3");
    one = fresh();
    one.flip = 7;
    must_fail(oai_options_resolve(&one, &o), OASSL_STATUS_INVALID_ARGUMENT, "flip", "7");
    one = fresh();
    one.loss.lambda_base = one.loss.lambda_oca = one.loss.lambda_ori = 0;
    must_fail(oai_options_resolve(&one, &o), OASSL_STATUS_INVALID_ARGUMENT, "lambda", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_goes_round),
        cmocka_unit_test(test_every_field_has_a_key),
        cmocka_unit_test(test_unknown_keys_and_bad_values_are_named),
        cmocka_unit_test(test_numbers_do_not_follow_the_locale),
        cmocka_unit_test(test_configuration_files),
        cmocka_unit_test(test_defaults_and_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
