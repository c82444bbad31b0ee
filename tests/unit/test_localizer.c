/* Localisation of pictures and sounds of any shape, by a model that knows nothing: the geometry must hold all the
 * same. */
#include "support/tiny_set.h"

#include <math.h>

static oassl_context *context;
static oassl_model *model;

static int open_all(void **state) {
    (void)state;
    context = tiny_context(NULL, NULL);
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = 4;
    options.text_dim = -1;
    options.seed = 3;
    MUST(oassl_model_create(context, &options, &model));
    return 0;
}

static int close_all(void **state) {
    (void)state;
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}

/* Blobs on noise, so that maps are not flat; `padding` bytes behind every row, of another value. */
static oassl_image picture_of(int32_t width, int32_t height, int32_t padding, uint8_t behind) {
    int64_t row = 3 * (int64_t)width + padding;
    uint8_t *rgb = malloc((size_t)(row * height));
    memset(rgb, behind, (size_t)(row * height));
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                rgb[y * row + 3 * x + c] = (uint8_t)((x * 5 / (c + 1) + y * 3 + (x / 17 + y / 13) % 2 * 90) & 255);
    return (oassl_image){.rgb = rgb, .width = width, .height = height, .row_bytes = padding ? row : 0};
}

/* A chirp; every channel the same. */
static oassl_audio sound_of(double seconds, int32_t channels, uint32_t rate) {
    int64_t frames = (int64_t)(seconds * rate);
    float *samples = malloc((size_t)(frames * channels) * sizeof *samples);
    for (int64_t i = 0; i < frames; i++)
        for (int32_t c = 0; c < channels; c++) {
            double t = (double)i / rate;
            samples[i * channels + c] = 0.4f * (float)sin(6.283 * (300 + 200 * t) * t);
        }
    return (oassl_audio){.samples = samples, .frames = frames, .channels = channels, .rate = rate};
}

static oassl_localizer *open_localizer(uint32_t n_sources, uint32_t width, uint32_t height, int32_t known_distance) {
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.n_sources = n_sources;
    options.input_width = width;
    options.input_height = height;
    options.known_distance = known_distance;
    oassl_localizer *localizer;
    MUST(oassl_localizer_create(model, &options, &localizer));
    return localizer;
}

static void check_source(const oassl_localization *found, const oassl_localized_source *s, int similarity_map) {
    size_t n = (size_t)found->width * found->height, best = 0;
    for (size_t p = 0; p < n; p++) {
        assert_true(isfinite(s->map[p]));
        if (s->map[p] > s->map[best]) best = p;
    }
    assert_int_equal((size_t)s->peak_y * found->width + (size_t)s->peak_x, best);
    assert_true(s->peak == s->map[best]);
    assert_true(s->confidence >= 0 && s->confidence <= 1);
    assert_true(s->similarity >= -1.000001f && s->similarity <= 1.000001f);
    assert_true(s->box[0] >= 0 && s->box[1] >= 0 && s->box[2] <= (int32_t)found->width &&
                s->box[3] <= (int32_t)found->height);
    assert_true(s->box[0] <= s->peak_x && s->peak_x < s->box[2] && s->box[1] <= s->peak_y && s->peak_y < s->box[3]);
    float top = s->grid[0];
    for (uint32_t p = 1; p < found->grid_width * found->grid_height; p++) top = fmaxf(top, s->grid[p]);
    assert_true(s->peak <= top + 1e-5f); /* bilinear enlargement does not overshoot */
    if (similarity_map) assert_true(fabsf(top - s->similarity) < 1e-5f);
}

static void test_any_picture_and_any_sound(void **state) {
    (void)state;
    static const struct {
        int32_t width, height, padding, channels;
        double seconds;
        uint32_t rate, n_sources;
    } cases[] = {{64, 64, 0, 1, 3, 16000, 1},     {1, 1, 0, 1, 3, 16000, 1},      {500, 3, 0, 1, 0.1, 8000, 2},
                 {97, 131, 5, 2, 5, 44100, 2},    {640, 359, 64, 6, 2, 48000, 3}, {32, 300, 1, 1, 11, 22050, 3},
                 {224, 224, 0, 2, 0.01, 96000, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        oassl_localizer *localizer = open_localizer(cases[k].n_sources, 64, 64, 0);
        oassl_image picture = picture_of(cases[k].width, cases[k].height, cases[k].padding, 77);
        oassl_audio sound = sound_of(cases[k].seconds, cases[k].channels, cases[k].rate);
        const oassl_localization *found;
        MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
        assert_int_equal(found->width, cases[k].width);
        assert_int_equal(found->height, cases[k].height);
        assert_int_equal(found->n_sources, cases[k].n_sources);
        assert_int_equal(found->grid_width, 2);
        assert_int_equal(found->calibrated, 0);
        float most = 0;
        for (uint32_t i = 0; i < found->n_sources; i++) {
            check_source(found, &found->sources[i], cases[k].n_sources == 1);
            most = fmaxf(most, found->sources[i].confidence);
        }
        assert_true(found->confidence == most);
        oassl_localizer_destroy(localizer);
        free(picture.rgb);
        free(sound.samples);
    }
}

/* Padding between rows, a second channel like the first, 16-bit samples: the same result. */
static void test_layout_makes_no_difference(void **state) {
    (void)state;
    oassl_localizer *a = open_localizer(1, 0, 0, 0), *b = open_localizer(1, 0, 0, 0);
    oassl_image plain = picture_of(90, 70, 0, 0), padded = picture_of(90, 70, 13, 255);
    oassl_audio mono = sound_of(3, 1, 16000), stereo = sound_of(3, 2, 16000);
    const oassl_localization *x, *y;
    MUST(oassl_localizer_run(a, &plain, &mono, &x));
    MUST(oassl_localizer_run(b, &padded, &stereo, &y));
    assert_int_equal(x->grid_width, 7); /* 224 / 32: the size models are trained at unless they say otherwise */
    assert_memory_equal(x->sources[0].map, y->sources[0].map, 90 * 70 * sizeof(float));
    int16_t *shorts = malloc((size_t)mono.frames * sizeof *shorts);
    for (int64_t i = 0; i < mono.frames; i++) shorts[i] = (int16_t)lrintf(((float *)mono.samples)[i] * 32767);
    oassl_audio integer = mono;
    integer.samples = shorts;
    integer.format = OASSL_AUDIO_FORMAT_I16;
    MUST(oassl_localizer_run(b, &plain, &integer, &y));
    for (int p = 0; p < 90 * 70; p++) assert_true(fabsf(x->sources[0].map[p] - y->sources[0].map[p]) < 1e-2f);
    oassl_localizer_destroy(a);
    oassl_localizer_destroy(b);
    free(shorts);
    free(plain.rgb);
    free(padded.rgb);
    free(mono.samples);
    free(stereo.samples);
}

/* The result is the localizer's until its next run; another session's run leaves it alone. */
static void test_results_stay_until_the_next_run(void **state) {
    (void)state;
    oassl_localizer *a = open_localizer(2, 64, 64, 0), *b = open_localizer(2, 64, 64, 0);
    oassl_image small = picture_of(40, 30, 0, 0), large = picture_of(300, 200, 0, 0);
    oassl_audio sound = sound_of(1, 1, 16000), other = sound_of(3, 1, 32000);
    const oassl_localization *x, *y;
    MUST(oassl_localizer_run(a, &small, &sound, &x));
    float *before = malloc(2 * 40 * 30 * sizeof *before);
    memcpy(before, x->sources[0].map, 40 * 30 * sizeof *before);
    memcpy(before + 40 * 30, x->sources[1].map, 40 * 30 * sizeof *before);
    MUST(oassl_localizer_run(b, &large, &other, &y));
    free(small.rgb);
    assert_memory_equal(before, x->sources[0].map, 40 * 30 * sizeof *before);
    assert_memory_equal(before + 40 * 30, x->sources[1].map, 40 * 30 * sizeof *before);
    small = picture_of(40, 30, 0, 0);
    MUST(oassl_localizer_run(a, &large, &other, &x));
    assert_int_equal(x->width, 300);
    assert_memory_equal(x->sources[1].map, y->sources[1].map, 300 * 200 * sizeof *before);
    MUST(oassl_localizer_run(a, &small, &sound, &x)); /* and back: nothing of the large one is left */
    assert_int_equal(x->width, 40);
    assert_memory_equal(before + 40 * 30, x->sources[1].map, 40 * 30 * sizeof *before);
    free(before);
    free(small.rgb);
    free(large.rgb);
    free(sound.samples);
    free(other.samples);
    oassl_localizer_destroy(a);
    oassl_localizer_destroy(b);
}

/* A wide input sees the whole picture; known_distance turns the map into a distance with its zero at the peak. */
static void test_inputs_and_kinds_of_maps(void **state) {
    (void)state;
    oassl_image picture = picture_of(128, 64, 0, 0);
    oassl_audio sound = sound_of(3, 1, 16000);
    const oassl_localization *found;
    oassl_localizer *localizer = open_localizer(1, 128, 64, 0);
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
    assert_int_equal(found->grid_width, 4);
    assert_int_equal(found->grid_height, 2);
    check_source(found, &found->sources[0], 1);
    oassl_localizer_destroy(localizer);
    localizer = open_localizer(1, 128, 64, 1);
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
    float top = -1e9f;
    for (int p = 0; p < 8; p++) {
        assert_true(found->sources[0].grid[p] <= 0);
        top = fmaxf(top, found->sources[0].grid[p]);
    }
    assert_true(top > -1e-4f);
    oassl_localizer_destroy(localizer);
    localizer = open_localizer(8, 64, 64, 0); /* more sources than positions */
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
    for (uint32_t k = 0; k < 8; k++) check_source(found, &found->sources[k], 0);
    oassl_localizer_destroy(localizer);
    free(picture.rgb);
    free(sound.samples);
}

/* Silence is a sound: no NaN comes of it. */
static void test_silence_and_black(void **state) {
    (void)state;
    oassl_image picture = picture_of(50, 50, 0, 0);
    memset(picture.rgb, 0, 50 * 50 * 3);
    oassl_audio sound = sound_of(3, 1, 16000);
    memset(sound.samples, 0, (size_t)sound.frames * sizeof(float));
    oassl_localizer *localizer = open_localizer(2, 64, 64, 0);
    const oassl_localization *found;
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
    for (uint32_t k = 0; k < 2; k++) check_source(found, &found->sources[k], 0);
    oassl_localizer_destroy(localizer);
    free(picture.rgb);
    free(sound.samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_picture_and_any_sound),
        cmocka_unit_test(test_layout_makes_no_difference),
        cmocka_unit_test(test_results_stay_until_the_next_run),
        cmocka_unit_test(test_inputs_and_kinds_of_maps),
        cmocka_unit_test(test_silence_and_black),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
