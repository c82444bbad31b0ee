/* The public face of the two front ends. */
#include "front_helpers.h"

#include "oassl/audio.h"
#include "oassl/context.h"
#include "oassl/image.h"

static oassl_context *ctx;

static int start(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "reference";
    options.n_threads = 1;
    return oassl_context_create(&options, &ctx);
}

static int stop(void **state) {
    (void)state;
    oassl_context_destroy(ctx);
    return 0;
}

static void test_sound(void **state) {
    (void)state;
    const char *path = front_path("api.wav");
    float *x = front_memory(2 * 88200 * sizeof *x);
    for (int i = 0; i < 88200; i++) x[2 * i] = x[2 * i + 1] = 0.3f * sinf((float)i * 0.05f);
    oassl_audio sound = {.samples = x, .frames = 88200, .channels = 2, .rate = 44100}, file;
    assert_ok(oassl_audio_save_wav(ctx, path, &sound));
    assert_ok(oassl_audio_load(ctx, path, &file));
    uint64_t columns, n;
    assert_ok(oassl_audio_logspec_columns(NULL, 0, &columns));
    assert_int_equal(columns, 200);
    static float a[257 * 200], b[257 * 200];
    assert_ok(oassl_audio_logspec(ctx, NULL, &file, a, 257 * 200));
    assert_ok(oassl_audio_logspec(ctx, NULL, &sound, b, 257 * 200));
    for (int i = 0; i < 257 * 200; i++) assert_near(a[i], b[i], 0.02); /* 16-bit rounding */
    assert_fails(oassl_audio_logspec(ctx, NULL, &file, a, 257 * 200 - 1), OASSL_STATUS_INVALID_ARGUMENT, "51399");
    assert_ok(oassl_audio_excerpt(ctx, NULL, &file, NULL, 0, &n));
    assert_int_equal(n, 48000);
    double *excerpt = front_memory(n * sizeof *excerpt);
    assert_ok(oassl_audio_excerpt(ctx, NULL, &file, excerpt, n, &n));
    assert_near(excerpt[0], 0, 0.01); /* the resampled onset rings a little */
    assert_fails(oassl_audio_excerpt(ctx, NULL, &file, excerpt, n - 1, &n), OASSL_STATUS_INVALID_ARGUMENT, "47999");
    free(excerpt);
    oassl_audio_free(ctx, &file);
    oassl_audio_free(ctx, NULL);
    unlink(path);
    assert_fails(oassl_audio_load(ctx, path, &file), OASSL_STATUS_NOT_FOUND, path);
    assert_fails(oassl_audio_load(NULL, path, &file), OASSL_STATUS_INVALID_ARGUMENT, "context");
    assert_fails(oassl_audio_logspec(ctx, NULL, NULL, a, 1), OASSL_STATUS_INVALID_ARGUMENT, "audio");
    int32_t preset;
    assert_ok(oassl_audio_preset_find("noprior", &preset));
    assert_string_equal(oassl_audio_preset_name(preset), "noprior");
    free(x);
}

static void test_options_of_other_versions(void **state) {
    (void)state;
    struct {
        oassl_audio_options known;
        uint64_t later;
    } newer = {.known = OASSL_AUDIO_OPTIONS_INIT};
    uint64_t columns;
    newer.known.struct_size = sizeof newer;
    newer.known.preset = OASSL_AUDIO_PRESET_LVS;
    assert_ok(oassl_audio_logspec_columns(&newer.known, 0, &columns));
    assert_int_equal(columns, 671);
    newer.later = 1;
    assert_fails(oassl_audio_logspec_columns(&newer.known, 0, &columns), OASSL_STATUS_UNSUPPORTED,
                 "oassl_audio_options");
    assert_int_equal(columns, 0);
    oassl_audio_options older = {.struct_size = 8, .preset = OASSL_AUDIO_PRESET_LVS, .rate = 7}; /* knows no rate */
    assert_ok(oassl_audio_logspec_columns(&older, 0, &columns));
    assert_int_equal(columns, 671);
    older.struct_size = 0;
    assert_fails(oassl_audio_logspec_columns(&older, 0, &columns), OASSL_STATUS_INVALID_ARGUMENT, "struct_size");
    oassl_audio_options kept = OASSL_AUDIO_OPTIONS_INIT;
    kept.rate = OASSL_AUDIO_RATE_OF_SOURCE;
    assert_ok(oassl_audio_logspec_columns(&kept, 22050, &columns));
    assert_int_equal(columns, 276);
    assert_fails(oassl_audio_logspec_columns(&kept, 0, &columns), OASSL_STATUS_INVALID_ARGUMENT, "0 Hz");
    kept.rate = 0, kept.seconds = 0.01;
    assert_fails(oassl_audio_logspec_columns(&kept, 0, &columns), OASSL_STATUS_INVALID_ARGUMENT, "160 samples");
}

static void test_resample(void **state) {
    (void)state;
    double x[441] = {0}, y[160];
    assert_ok(oassl_audio_resample(x, 441, 44100, 16000, y, 160));
    assert_fails(oassl_audio_resample(x, 441, 44100, 16000, y, 159), OASSL_STATUS_INVALID_ARGUMENT, "expected 160");
    assert_fails(oassl_audio_resample(x, 441, 44100, 16, y, 160), OASSL_STATUS_INVALID_ARGUMENT, "16 Hz");
}

static void test_picture(void **state) {
    (void)state;
    enum { W = 64, H = 48, ROW = 200 };
    uint8_t pixels[ROW * H];
    float input[3 * 224 * 224], map[4] = {0, 1, 2, 3}, big[W * H];
    const char *path = front_path("api.png");
    front_noise(pixels, sizeof pixels);
    oassl_image view = {.rgb = pixels, .width = W, .height = H, .row_bytes = ROW}, file, drawing, small;
    assert_ok(oassl_image_save_png(ctx, path, &view));
    assert_ok(oassl_image_load(ctx, path, &file));
    for (int y = 0; y < H; y++) assert_memory_equal(file.rgb + y * file.row_bytes, pixels + y * ROW, 3 * W);
    size_t n;
    uint8_t *bytes = front_read(path, &n);
    assert_ok(oassl_image_decode(ctx, bytes, n, &small));
    oassl_image_free(ctx, &small);
    assert_fails(oassl_image_decode(ctx, bytes, n / 2, &small), OASSL_STATUS_FORMAT, "truncated");
    free(bytes);
    assert_ok(oassl_image_prepare(ctx, NULL, &file, input, 3 * 224 * 224));
    assert_fails(oassl_image_prepare(ctx, NULL, &file, input, 100), OASSL_STATUS_INVALID_ARGUMENT, "100 floats");
    assert_ok(oassl_image_resize(ctx, &file, 10, 20, OASSL_RESIZE_DEFAULT, &small));
    assert_true(small.width == 10 && small.height == 20);
    oassl_image_free(ctx, &small);
    assert_fails(oassl_image_resize(ctx, &file, 10, 20, OASSL_RESIZE_BICUBIC, &small), OASSL_STATUS_INVALID_ARGUMENT,
                 "kernel 3");
    assert_ok(oassl_image_map_to_picture(ctx, NULL, map, 2, 2, W, H, 0, big));
    assert_near(big[0], 0, 0);
    assert_near(big[W * H - 1], 3, 0);
    assert_ok(oassl_image_resize_map(ctx, map, 2, 2, W, H, OASSL_RESIZE_BILINEAR, big));
    oassl_overlay_mark mark = {OASSL_OVERLAY_MARK_PEAK, 10, 10, 0, 0, {255, 0, 0}, 0};
    assert_ok(oassl_image_overlay(ctx, NULL, &view, map, 2, 2, &mark, 1, &drawing));
    assert_true(drawing.width == W && memcmp(drawing.rgb, file.rgb, 3 * W * H) != 0);
    oassl_image_free(ctx, &drawing);
    oassl_overlay_options plain = OASSL_OVERLAY_OPTIONS_INIT;
    plain.strength = -1;
    assert_ok(oassl_image_overlay(ctx, &plain, &view, map, 2, 2, NULL, 0, &drawing));
    assert_memory_equal(drawing.rgb, file.rgb, 3 * W * H);
    oassl_image_free(ctx, &drawing);
    assert_fails(oassl_image_overlay(ctx, NULL, &view, map, 2, 2, NULL, 1, &drawing), OASSL_STATUS_INVALID_ARGUMENT,
                 "marks");
    oassl_image_free(ctx, &file);
    oassl_image_free(ctx, NULL);
    unlink(path);
    assert_fails(oassl_image_load(ctx, path, &file), OASSL_STATUS_NOT_FOUND, path);
}

static void test_placement(void **state) {
    (void)state;
    oassl_image_options options = OASSL_IMAGE_OPTIONS_INIT;
    oassl_image_placement p;
    options.preset = OASSL_IMAGE_PRESET_LVS;
    assert_ok(oassl_image_placement_of(&options, 448, 224, &p));
    double box[4] = {112, 0, 336, 224};
    oassl_image_box_to_input(&p, box, box);
    assert_true(box[0] == 0 && box[1] == 0 && box[2] == 224 && box[3] == 224);
    oassl_image_box_to_picture(&p, box, box);
    assert_true(box[0] == 112 && box[2] == 336);
    assert_fails(oassl_image_placement_of(&options, 0, 224, &p), OASSL_STATUS_INVALID_ARGUMENT, "0x224");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),     cmocka_unit_test(test_options_of_other_versions),
        cmocka_unit_test(test_resample),  cmocka_unit_test(test_picture),
        cmocka_unit_test(test_placement),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
