/* Wrong pictures, sounds and weights: a status, a text that names what is wrong, and a session that goes on. */
#include "support/tiny_set.h"

#include <math.h>

#define WEIGHTS TMP("wrong.safetensors")

static tiny_host host;
static oassl_context *context;
static oassl_model *model;
static oassl_localizer *localizer;
static uint8_t rgb[3 * 40 * 30];
static float pcm[2 * 16000];
static oassl_image picture;
static oassl_audio sound;

static int open_all(void **state) {
    (void)state;
    context = tiny_context(NULL, &host);
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = 4;
    options.text_dim = 32;
    MUST(oassl_model_create(context, &options, &model));
    oassl_localizer_options lo = OASSL_LOCALIZER_OPTIONS_INIT;
    lo.input_width = lo.input_height = 64;
    MUST(oassl_localizer_create(model, &lo, &localizer));
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 31);
    for (int i = 0; i < 16000; i++) pcm[2 * i] = pcm[2 * i + 1] = (float)sin(i * 0.1);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    oassl_localizer_destroy(localizer);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}

static int good_input(void **state) {
    (void)state;
    picture = (oassl_image){.rgb = rgb, .width = 40, .height = 30};
    sound = (oassl_audio){.samples = pcm, .frames = 16000, .channels = 2, .rate = 16000};
    return 0;
}

static void refused(oassl_status expected, const char *first, const char *second) {
    const oassl_localization *found = (const void *)&found;
    must_name(oassl_localizer_run(localizer, &picture, &sound, &found), expected, first, second);
    assert_null(found);
    good_input(NULL);
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found)); /* the session goes on */
}

static void test_wrong_sounds(void **state) {
    (void)state;
    pcm[2 * 123 + 1] = NAN;
    const oassl_localization *found;
    must_name(oassl_localizer_run(localizer, &picture, &sound, &found), OASSL_STATUS_NON_FINITE, "123", "");
    pcm[2 * 123 + 1] = INFINITY;
    must_name(oassl_localizer_run(localizer, &picture, &sound, &found), OASSL_STATUS_NON_FINITE, "123", "");
    pcm[2 * 123 + 1] = 0;
    sound.frames = 0;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "0");
    sound.frames = -5;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "-5");
    sound.samples = NULL;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "");
    sound.channels = 0;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "channels", "0");
    sound.channels = 257;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "channels", "257");
    sound.rate = 0;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "0");
    sound.rate = 2000000;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "2000000");
    sound.format = 9;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "format", "9");
}

static void test_wrong_pictures(void **state) {
    (void)state;
    picture.width = 0;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "0", "");
    picture.height = -1;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "-1", "");
    picture.rgb = NULL;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "", "");
    picture.row_bytes = 3 * 40 - 1;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "119", "");
    picture.width = 40000;
    picture.row_bytes = 0;
    refused(OASSL_STATUS_INVALID_ARGUMENT, "40000", "");
}

static void test_wrong_pointers_and_options(void **state) {
    (void)state;
    const oassl_localization *found;
    must_name(oassl_localizer_run(NULL, &picture, &sound, &found), OASSL_STATUS_INVALID_ARGUMENT, "localizer", "NULL");
    must_name(oassl_localizer_run(localizer, NULL, &sound, &found), OASSL_STATUS_INVALID_ARGUMENT, "picture", "NULL");
    must_name(oassl_localizer_run(localizer, &picture, NULL, &found), OASSL_STATUS_INVALID_ARGUMENT, "sound", "NULL");
    must_name(oassl_localizer_run(localizer, &picture, &sound, NULL), OASSL_STATUS_INVALID_ARGUMENT, "out_found",
              "NULL");
    oassl_localizer *none;
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.n_sources = 9;
    must_name(oassl_localizer_create(model, &options, &none), OASSL_STATUS_INVALID_ARGUMENT, "n_sources", "9");
    options.n_sources = 1;
    options.input_width = 64;
    must_name(oassl_localizer_create(model, &options, &none), OASSL_STATUS_INVALID_ARGUMENT, "input_height", "");
    options.input_height = 16;
    must_name(oassl_localizer_create(model, &options, &none), OASSL_STATUS_INVALID_ARGUMENT, "64 x 16", "");
    options.struct_size = 0;
    must_name(oassl_localizer_create(model, &options, &none), OASSL_STATUS_INVALID_ARGUMENT, "struct_size", "");
    assert_null(none);
    oassl_localizer_destroy(NULL);
}

static void test_models_that_do_not_localise(void **state) {
    (void)state;
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.kind = OASSL_MODEL_CLASSIFIER;
    options.base_width = 4;
    options.n_classes = 3;
    oassl_model *classifier;
    oassl_localizer *none;
    MUST(oassl_model_create(context, &options, &classifier));
    must_name(oassl_localizer_create(classifier, NULL, &none), OASSL_STATUS_UNSUPPORTED, "classifies", "");
    assert_null(none);
    oassl_model_destroy(classifier);
}

static oassl_status load(const char *path) {
    oassl_model *loaded;
    oassl_status status = oassl_model_load(context, path, NULL, &loaded);
    if (status != OASSL_STATUS_OK) assert_null(loaded);
    oassl_model_destroy(loaded);
    return status;
}

/* Replaces the first `from` of a file by `to`, of the same length. */
static void patched(const char *file, size_t bytes, const char *from, const char *to) {
    char *copy = malloc(bytes + 1), *at = NULL;
    memcpy(copy, file, bytes);
    for (size_t k = 0; k + strlen(from) <= bytes && !at; k++)
        if (memcmp(copy + k, from, strlen(from)) == 0) at = copy + k;
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    tiny_write_file(WEIGHTS, copy, bytes);
    free(copy);
}

static void test_damaged_weights(void **state) {
    (void)state;
    size_t bytes;
    MUST(oassl_model_save(model, WEIGHTS));
    MUST(load(WEIGHTS));
    char *file = tiny_read(WEIGHTS, &bytes);
    must_name(load(TMP("nothing.safetensors")), OASSL_STATUS_NOT_FOUND, "nothing.safetensors", "");
    static const double shares[] = {0, 0.00001, 0.001, 0.3, 0.999999};
    for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++) {
        tiny_write_file(WEIGHTS, file, (size_t)((double)bytes * shares[k]));
        must_name(load(WEIGHTS), OASSL_STATUS_FORMAT, "wrong.safetensors", "");
    }
    tiny_write_file(WEIGHTS, "\x89PNG\r\n\x1a\n and no weights at all", 30);
    must_name(load(WEIGHTS), OASSL_STATUS_FORMAT, "wrong.safetensors", "");
    patched(file, bytes, "\"imgnet.layer1.0.conv1.weight\"", "\"imgnet.layer1.0.conv9.weight\"");
    must_name(load(WEIGHTS), OASSL_STATUS_NOT_FOUND, "wrong.safetensors", "imgnet.layer1.0.conv1.weight");
    patched(file, bytes, "\"audnet.conv1.weight\":{\"dtype\":\"F32\",\"shape\":[4,1,7,7]",
            "\"audnet.conv1.weight\":{\"dtype\":\"F32\",\"shape\":[1,4,7,7]");
    must_name(load(WEIGHTS), OASSL_STATUS_SHAPE_MISMATCH, "audnet.conv1.weight", "[4, 1, 7, 7]");
    patched(file, bytes, "\\\"text_dim\\\":32", "\\\"text_dim\\\":64"); /* the weights of another network */
    must_name(load(WEIGHTS), OASSL_STATUS_SHAPE_MISMATCH, "text_proj.weight", "expected");
    free(file);
}

static void test_weights_that_are_not_finite(void **state) {
    (void)state;
    size_t bytes;
    MUST(oassl_model_save(model, WEIGHTS));
    char *file = tiny_read(WEIGHTS, &bytes);
    static const float infinite = INFINITY;
    memcpy(file + bytes - 8, &infinite, 4);
    tiny_write_file(WEIGHTS, file, bytes);
    free(file);
    must_name(load(WEIGHTS), OASSL_STATUS_NON_FINITE, "wrong.safetensors: tensor '", "inf");
}

static void test_damaged_media_files(void **state) {
    (void)state;
    oassl_image image;
    oassl_audio audio;
    size_t bytes;
    MUST(oassl_image_save_png(context, TMP("wrong.png"), &picture));
    char *file = tiny_read(TMP("wrong.png"), &bytes);
    tiny_write_file(TMP("wrong.png"), file, bytes / 2);
    free(file);
    must_name(oassl_image_load(context, TMP("wrong.png"), &image), OASSL_STATUS_FORMAT, "wrong.png", "");
    must_name(oassl_image_load(context, TMP("nothing.png"), &image), OASSL_STATUS_NOT_FOUND, "nothing.png", "");
    MUST(oassl_audio_save_wav(context, TMP("wrong.wav"), &sound));
    file = tiny_read(TMP("wrong.wav"), &bytes);
    tiny_write_file(TMP("wrong.wav"), file, 30);
    free(file);
    must_name(oassl_audio_load(context, TMP("wrong.wav"), &audio), OASSL_STATUS_FORMAT, "wrong.wav", "");
    must_name(oassl_audio_load(context, TMP("nothing.wav"), &audio), OASSL_STATUS_NOT_FOUND, "nothing.wav", "");
}

static void test_outputs_that_cannot_be_written(void **state) {
    (void)state;
    tiny_write_file(TMP("a_file"), "x", 1);
    must_name(oassl_model_save(model, TMP("a_file/model.safetensors")), OASSL_STATUS_IO, "a_file/model.safetensors",
              "");
    must_name(oassl_image_save_png(context, TMP("no_folder/x.png"), &picture), OASSL_STATUS_IO, "no_folder/x.png", "");
    oassl_tensor tensor = {
        .data = pcm, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 1, .shape = {10}, .strides = {1}};
    must_name(oassl_tensor_save_npy(context, TMP("a_file/x.npy"), &tensor), OASSL_STATUS_IO, "a_file/x.npy", "");
    tensor.strides[0] = 2;
    assert_int_not_equal(oassl_tensor_save_npy(context, TMP("strided.npy"), &tensor), OASSL_STATUS_OK);
    assert_false(tiny_exists(TMP("strided.npy")));
}

static void test_arrays_in_files(void **state) {
    (void)state;
    int32_t numbers[6] = {1, -2, 3, -4, 5, -6};
    oassl_tensor tensor = {.data = numbers,
                           .device = OASSL_DEVICE_CPU,
                           .dtype = OASSL_DTYPE_I32,
                           .rank = 2,
                           .shape = {2, 3},
                           .strides = {3, 1}},
                 back;
    MUST(oassl_tensor_save_npy(context, TMP("numbers.npy"), &tensor));
    MUST(oassl_tensor_load_npy(context, TMP("numbers.npy"), &back));
    assert_int_equal(back.dtype, OASSL_DTYPE_I32);
    assert_int_equal(back.rank, 2);
    assert_int_equal(back.shape[1], 3);
    assert_memory_equal(back.data, numbers, sizeof numbers);
    oassl_tensor_free(context, &back);
    assert_null(back.data);
    oassl_tensor_free(context, NULL);
    size_t bytes;
    char *file = tiny_read(TMP("numbers.npy"), &bytes);
    tiny_write_file(TMP("numbers.npy"), file, bytes - 5);
    free(file);
    must_name(oassl_tensor_load_npy(context, TMP("numbers.npy"), &back), OASSL_STATUS_FORMAT, "numbers.npy", "");
    assert_null(back.data);
    must_name(oassl_tensor_load_npy(context, TMP("nothing.npy"), &back), OASSL_STATUS_NOT_FOUND, "nothing.npy", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wrong_sounds, good_input),
        cmocka_unit_test_setup(test_wrong_pictures, good_input),
        cmocka_unit_test_setup(test_wrong_pointers_and_options, good_input),
        cmocka_unit_test_setup(test_models_that_do_not_localise, good_input),
        cmocka_unit_test_setup(test_damaged_weights, good_input),
        cmocka_unit_test_setup(test_weights_that_are_not_finite, good_input),
        cmocka_unit_test_setup(test_damaged_media_files, good_input),
        cmocka_unit_test_setup(test_outputs_that_cannot_be_written, good_input),
        cmocka_unit_test_setup(test_arrays_in_files, good_input),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
