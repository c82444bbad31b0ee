/* What a trainer is fed: mixtures of pictures, sounds and captions, batches of the caller's own, and data that does
 * not fit. */
#include "support/tiny_set.h"

#include <math.h>

#include "data/manifest.h"
#include "train/dataset.h"
#include "train/options.h"

#define SOLOS TMP("data_solos")
enum { SIDE = 64, DIM = 32, N_CLIPS = 10, FRAMES = 200 };

static int write_set(void **state) {
    (void)state;
    oassl_context *context = tiny_context("reference", NULL);
    tiny_write(context, SOLOS, OASSL_SYNTH_SOLO, N_CLIPS, SIDE, 0, DIM);
    oassl_context_destroy(context);
    return 0;
}

/* ---- mixtures ----------------------------------------------------------------------------------------------- */

typedef struct sample {
    oai_batch_shape shape;
    oai_batch batch; /* one sample */
} sample;

static sample take(oai_dataset *dataset, uint64_t index) {
    sample s = {.shape = oai_dataset_shape(dataset, 1)};
    s.batch.pictures = calloc((size_t)(3 * s.shape.height * s.shape.width), sizeof(float));
    s.batch.spectrograms = calloc((size_t)(s.shape.bins * s.shape.frames), sizeof(float));
    s.batch.foreground = calloc((size_t)(s.shape.n_foreground * s.shape.text_dim), sizeof(float));
    s.batch.background = calloc((size_t)s.shape.text_dim, sizeof(float));
    s.batch.background_weight = calloc(1, sizeof(float));
    MUST(oai_dataset_fill_plain(dataset, index, &s.batch, 0));
    return s;
}

static void drop(sample *s) {
    free(s->batch.pictures);
    free(s->batch.spectrograms);
    free(s->batch.foreground);
    free(s->batch.background);
    free(s->batch.background_weight);
}

static oai_dataset *open_dataset(const char *manifest, const oassl_trainer_options *options) {
    oassl_trainer_options resolved;
    oai_dataset *dataset;
    MUST(oai_options_resolve(options, &resolved));
    MUST(oai_dataset_open(&oai_default_host, &resolved, manifest, SOLOS "/captions.npz", "train", &dataset));
    return dataset;
}

static oassl_trainer_options plain_options(uint32_t n_sources, int32_t axis, int32_t mode) {
    oassl_trainer_options options = tiny_options();
    options.image_size = SIDE;
    options.no_crop = 1;
    options.n_sources = n_sources;
    options.mix_axis = axis;
    options.mix_mode = mode;
    return options;
}

/* The single sample whose picture stands in place k of the mixture's; the test fails when there is none. */
static int part_at(const sample *mixture, const sample *singles, int32_t axis, uint32_t k) {
    for (int i = 0; i < N_CLIPS; i++) {
        int same = 1;
        for (int c = 0; c < 3 && same; c++)
            for (int y = 0; y < SIDE && same; y++) {
                int64_t row = axis == OASSL_AXIS_WIDTH ? y : y + (int64_t)k * SIDE,
                        column = axis == OASSL_AXIS_WIDTH ? (int64_t)k * SIDE : 0;
                const float *from =
                    mixture->batch.pictures + (c * mixture->shape.height + row) * mixture->shape.width + column;
                same = memcmp(from, singles[i].batch.pictures + (c * SIDE + y) * SIDE, SIDE * sizeof(float)) == 0;
            }
        if (same) return i;
    }
    fail_msg("place %u of the mixture shows none of the records", k);
    return -1;
}

/* The excerpt of record i, by the public front end. */
static double *excerpt_of(oassl_context *context, int i, uint64_t *out_n) {
    char path[512];
    oassl_audio sound;
    snprintf(path, sizeof path, SOLOS "/audio/solo_%05d.wav", i);
    MUST(oassl_audio_load(context, path, &sound));
    MUST(oassl_audio_excerpt(context, NULL, &sound, NULL, 0, out_n));
    double *samples = calloc(*out_n, sizeof *samples);
    MUST(oassl_audio_excerpt(context, NULL, &sound, samples, *out_n, out_n));
    oassl_audio_free(context, &sound);
    return samples;
}

/* Log-spectrogram of the sum or mean of waveforms, or the mean of the log-spectrograms. */
static void expect_sound(oassl_context *context, const int *parts, uint32_t n, int32_t mode, float *out) {
    enum { COUNT = OASSL_LOGSPEC_ROWS * FRAMES };
    static float one[COUNT];
    uint64_t n_samples = 0;
    double *sum = NULL;
    memset(out, 0, COUNT * sizeof *out);
    for (uint32_t k = 0; k < n; k++) {
        double *excerpt = excerpt_of(context, parts[k], &n_samples);
        if (mode == OASSL_MIX_LOGSPEC_MEAN) {
            float *samples = calloc(n_samples, sizeof *samples);
            for (uint64_t i = 0; i < n_samples; i++) samples[i] = (float)excerpt[i];
            oassl_audio sound = {.samples = samples, .frames = (int64_t)n_samples, .channels = 1, .rate = 16000};
            MUST(oassl_audio_logspec(context, NULL, &sound, one, COUNT));
            for (int i = 0; i < COUNT; i++) out[i] += one[i] / (float)n;
            free(samples);
        }
        if (!sum) sum = calloc(n_samples, sizeof *sum);
        for (uint64_t i = 0; i < n_samples; i++) sum[i] += excerpt[i];
        free(excerpt);
    }
    if (mode != OASSL_MIX_LOGSPEC_MEAN) {
        float *samples = calloc(n_samples, sizeof *samples);
        for (uint64_t i = 0; i < n_samples; i++)
            samples[i] = (float)(mode == OASSL_MIX_WAVEFORM_MEAN ? sum[i] / n : sum[i]);
        oassl_audio sound = {.samples = samples, .frames = (int64_t)n_samples, .channels = 1, .rate = 16000};
        MUST(oassl_audio_logspec(context, NULL, &sound, out, COUNT));
        free(samples);
    }
    free(sum);
}

static void check_captions(const sample *mixture, const sample *singles, const int *parts, uint32_t n) {
    for (uint32_t k = 0; k < n; k++)
        assert_memory_equal(mixture->batch.foreground + k * DIM, singles[parts[k]].batch.foreground,
                            DIM * sizeof(float));
    for (int c = 0; c < DIM; c++) {
        double mean = 0;
        for (uint32_t k = 0; k < n; k++) mean += singles[parts[k]].batch.background[c] / n;
        assert_true(fabs(mixture->batch.background[c] - mean) < 1e-6);
    }
}

static void check_mixtures(oassl_context *context, const sample *singles, uint32_t n, int32_t axis, int32_t mode) {
    oassl_trainer_options options = plain_options(n, axis, mode);
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    oai_batch_shape shape = oai_dataset_shape(dataset, 1);
    assert_int_equal(shape.width, axis == OASSL_AXIS_WIDTH ? SIDE * n : SIDE);
    assert_int_equal(shape.height, axis == OASSL_AXIS_WIDTH ? SIDE : SIDE * n);
    assert_int_equal(shape.frames, FRAMES);
    assert_int_equal(shape.n_foreground, n);
    assert_int_equal(shape.text_dim, DIM);
    float *expected = calloc(OASSL_LOGSPEC_ROWS * FRAMES, sizeof *expected);
    for (uint64_t index = 0; index < 3; index++) {
        sample mixture = take(dataset, index);
        int parts[3];
        for (uint32_t k = 0; k < n; k++) {
            parts[k] = part_at(&mixture, singles, axis, k);
            for (uint32_t j = 0; j < k; j++) assert_int_not_equal(parts[j], parts[k]);
        }
        assert_int_equal(parts[0], index);
        expect_sound(context, parts, n, mode, expected);
        float largest = 0;
        for (int i = 0; i < OASSL_LOGSPEC_ROWS * FRAMES; i++)
            largest = fmaxf(largest, fabsf(mixture.batch.spectrograms[i] - expected[i]));
        if (largest > 1e-3f) fail_msg("%u sources, mode %d: the sound is off by %g", n, mode, largest);
        check_captions(&mixture, singles, parts, n);
        drop(&mixture);
    }
    free(expected);
    oai_dataset_close(dataset);
}

static void test_mixtures(void **state) {
    (void)state;
    oassl_context *context = tiny_context("reference", NULL);
    oassl_trainer_options options = plain_options(1, 0, 0);
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    assert_int_equal(oai_dataset_count(dataset), N_CLIPS);
    sample singles[N_CLIPS];
    for (uint64_t i = 0; i < N_CLIPS; i++) singles[i] = take(dataset, i);
    oai_dataset_close(dataset);
    for (uint32_t n = 2; n <= 3; n++)
        for (int32_t axis = 0; axis < 2; axis++)
            for (int32_t mode = 0; mode < 3; mode++) check_mixtures(context, singles, n, axis, mode);
    for (int i = 0; i < N_CLIPS; i++) drop(&singles[i]);
    oassl_context_destroy(context);
}

static void test_mixtures_of_the_manifest(void **state) {
    (void)state;
    char *solos = tiny_read(SOLOS "/manifest.jsonl", NULL), *manifest = malloc(strlen(solos) + 1024);
    for (char *split = strstr(solos, "\"train\""); split; split = strstr(split, "\"train\""))
        memcpy(split, "\"other\"", 7);
    sprintf(
        manifest,
        "%s{\"id\": \"m\", \"mix\": [\"solo_00003\", \"solo_00001\"], \"axis\": \"height\", \"split\": \"train\"}\n"
        "{\"id\": \"n\", \"mix\": [\"solo_00000\", \"solo_00002\"], \"axis\": \"height\", \"split\": \"train\"}\n",
        solos);
    tiny_write_file(SOLOS "/mixed.jsonl", manifest, strlen(manifest));
    oassl_trainer_options options = plain_options(1, 0, 0), resolved;
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    sample singles[N_CLIPS];
    for (uint64_t i = 0; i < N_CLIPS; i++) singles[i] = take(dataset, i);
    oai_dataset_close(dataset);
    options = plain_options(2, OASSL_AXIS_HEIGHT, 0);
    dataset = open_dataset(SOLOS "/mixed.jsonl", &options);
    assert_int_equal(oai_dataset_count(dataset), 2);
    sample mixture = take(dataset, 0);
    assert_int_equal(part_at(&mixture, singles, OASSL_AXIS_HEIGHT, 0), 3);
    assert_int_equal(part_at(&mixture, singles, OASSL_AXIS_HEIGHT, 1), 1);
    check_captions(&mixture, singles, (const int[]){3, 1}, 2);
    drop(&mixture);
    oai_dataset_close(dataset);
    for (int i = 0; i < N_CLIPS; i++) drop(&singles[i]);

    options = plain_options(2, OASSL_AXIS_WIDTH, 0);
    MUST(oai_options_resolve(&options, &resolved));
    must_name(
        oai_dataset_open(&oai_default_host, &resolved, SOLOS "/mixed.jsonl", SOLOS "/captions.npz", "train", &dataset),
        OASSL_STATUS_INVALID_ARGUMENT, "'m'", "mix_axis");
    options = plain_options(3, OASSL_AXIS_HEIGHT, 0);
    MUST(oai_options_resolve(&options, &resolved));
    must_name(
        oai_dataset_open(&oai_default_host, &resolved, SOLOS "/mixed.jsonl", SOLOS "/captions.npz", "train", &dataset),
        OASSL_STATUS_INVALID_ARGUMENT, "'m'", "n_sources is 3");
    free(solos);
    free(manifest);
}

/* Only captions count what sounds in a picture. */
static void test_pictures_with_several_sources(void **state) {
    (void)state;
    static const char text[] = "{\"id\": \"solo_00000\", \"image\": \"images/solo_00000.png\", \"audio\": "
                               "\"audio/solo_00000.wav\", \"split\": \"train\", \"sources\": "
                               "[{\"label\": \"bird\", \"box\": [1, 1, 9, 9]}, {\"label\": \"bird\", \"box\": [11, 1, "
                               "19, 9]}, {\"label\": \"bird\", \"box\": [21, 1, 29, 9]}]}\n"
                               "{\"id\": \"solo_00001\", \"image\": \"images/solo_00001.png\", \"audio\": "
                               "\"audio/solo_00001.wav\", \"split\": \"train\", \"sources\": "
                               "[{\"label\": \"dog\", \"box\": [1, 1, 9, 9]}]}\n"
                               "{\"id\": \"solo_00002\", \"image\": \"images/solo_00002.png\", \"audio\": "
                               "\"audio/solo_00002.wav\", \"split\": \"train\", \"sources\": []}\n";
    tiny_write_file(SOLOS "/several.jsonl", text, sizeof text - 1);
    for (uint32_t n = 1; n <= 2; n++) {
        oassl_trainer_options options = plain_options(n, OASSL_AXIS_WIDTH, 0), resolved;
        oai_dataset *dataset;
        MUST(oai_options_resolve(&options, &resolved));
        must_name(oai_dataset_open(&oai_default_host, &resolved, SOLOS "/several.jsonl", SOLOS "/captions.npz",
                                   "train", &dataset),
                  OASSL_STATUS_INVALID_ARGUMENT, "'solo_00000'", "3 sources");
        options.loss.lambda_oca = options.loss.lambda_ori = 0;
        dataset = open_dataset(SOLOS "/several.jsonl", &options);
        assert_int_equal(oai_dataset_shape(dataset, 1).width, n * SIDE);
        assert_int_equal(oai_dataset_shape(dataset, 1).n_foreground, 0);
        sample s = take(dataset, 0);
        drop(&s);
        oai_dataset_close(dataset);
    }
}

/* A training sample is determined by seed and number: by nothing that was drawn before. */
static void test_samples_do_not_depend_on_history(void **state) {
    (void)state;
    oassl_trainer_options options = plain_options(2, 0, 0);
    options.no_crop = 0;
    options.flip = 1;
    oai_dataset *a = open_dataset(SOLOS "/manifest.jsonl", &options),
                *b = open_dataset(SOLOS "/manifest.jsonl", &options);
    sample x = take(a, 0), y = take(b, 5);
    int n_differ = 0;
    size_t bytes = 3 * SIDE * 2 * SIDE * sizeof(float);
    float *earlier = calloc(1, bytes);
    for (uint64_t number = 0; number < 12; number++) {
        MUST(oai_dataset_fill(a, number, &x.batch, 0));
        MUST(oai_dataset_fill(b, 30 - number, &y.batch, 0));
        MUST(oai_dataset_fill(b, number, &y.batch, 0));
        assert_memory_equal(x.batch.pictures, y.batch.pictures, bytes);
        assert_memory_equal(x.batch.spectrograms, y.batch.spectrograms, OASSL_LOGSPEC_ROWS * FRAMES * sizeof(float));
        n_differ += memcmp(earlier, x.batch.pictures, bytes) != 0;
        memcpy(earlier, x.batch.pictures, bytes);
    }
    assert_int_equal(n_differ, 12);
    free(earlier);
    drop(&x);
    drop(&y);
    oai_dataset_close(a);
    oai_dataset_close(b);
}

/* ---- batches of the caller's own ---------------------------------------------------------------------------- */

enum { B = 4 };

static oassl_tensor view(float *data, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    oassl_tensor t = {
        .data = data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank, .shape = {a, b, c, d}};
    for (int32_t k = rank - 1, stride = 1; k >= 0; stride *= (int32_t)t.shape[k], k--) t.strides[k] = stride;
    return t;
}

typedef struct fed {
    oassl_trainer *trainer;
    float *pictures, *sounds, *foreground, *background;
    oassl_tensor p, s, f, b;
    oassl_trainer_batch batch;
} fed;

static void open_fed(oassl_context *context, const oassl_trainer_options *options, const char *run, fed *out) {
    oassl_trainer_shape shape = {.struct_size = sizeof shape,
                                 .height = SIDE,
                                 .width = SIDE,
                                 .frames = FRAMES,
                                 .n_foreground = 1,
                                 .text_dim = DIM};
    MUST(oassl_trainer_create_fed(context, options, &shape, run, &out->trainer));
    out->pictures = calloc(B * 3 * SIDE * SIDE, sizeof(float));
    out->sounds = calloc(B * OASSL_LOGSPEC_ROWS * FRAMES, sizeof(float));
    out->foreground = calloc(B * DIM, sizeof(float));
    out->background = calloc(B * DIM, sizeof(float));
    out->p = view(out->pictures, 4, B, 3, SIDE, SIDE);
    out->s = view(out->sounds, 4, B, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    out->f = view(out->foreground, 3, B, 1, DIM, 0);
    out->b = view(out->background, 2, B, DIM, 0, 0);
}

static void relink(fed *f) {
    f->batch = (oassl_trainer_batch){.struct_size = sizeof f->batch,
                                     .pictures = &f->p,
                                     .spectrograms = &f->s,
                                     .foreground = &f->f,
                                     .background = &f->b};
}

static void close_fed(fed *f) {
    oassl_trainer_destroy(f->trainer);
    free(f->pictures);
    free(f->sounds);
    free(f->foreground);
    free(f->background);
}

static void fill_fed(oai_dataset *dataset, uint64_t first, fed *f) {
    oai_batch batch = {
        .pictures = f->pictures, .spectrograms = f->sounds, .foreground = f->foreground, .background = f->background};
    for (uint32_t k = 0; k < B; k++) MUST(oai_dataset_fill(dataset, first + k, &batch, k));
}

static void test_fed_batches_train_as_the_manifest_does(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.image_size = SIDE;
    options.n_steps = 2; /* ten clips: two batches of the first epoch */
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", SOLOS "/captions.npz", TMP("run_manifest"),
                              &trainer));
    MUST(oassl_trainer_run(trainer));
    MUST(oassl_trainer_save_model(trainer, TMP("by_manifest.safetensors")));
    oassl_trainer_destroy(trainer);

    fed f;
    open_fed(context, &options, NULL, &f);
    relink(&f);
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    for (uint64_t step = 0; step < 2; step++) {
        fill_fed(dataset, step * B, &f);
        MUST(oassl_trainer_step_batch(f.trainer, &f.batch));
    }
    MUST(oassl_trainer_save_model(f.trainer, TMP("by_hand.safetensors")));
    assert_files_equal(TMP("by_manifest.safetensors"), TMP("by_hand.safetensors"));
    assert_int_equal(oassl_trainer_run(f.trainer), OASSL_STATUS_INVALID_ARGUMENT);
    assert_int_equal(oassl_trainer_step(f.trainer), OASSL_STATUS_INVALID_ARGUMENT);
    must_name(oassl_trainer_resume(f.trainer), OASSL_STATUS_INVALID_ARGUMENT, "run folder", "");
    close_fed(&f);
    oai_dataset_close(dataset);
    oassl_context_destroy(context);
}

static void test_a_fed_trainer_keeps_its_state(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.image_size = SIDE;
    options.save_every = 2;
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    fed f;
    open_fed(context, &options, TMP("run_fed"), &f);
    relink(&f);
    for (uint64_t step = 0; step < 3; step++) {
        fill_fed(dataset, step * B, &f);
        MUST(oassl_trainer_step_batch(f.trainer, &f.batch));
    }
    MUST(oassl_trainer_save_model(f.trainer, TMP("fed_straight.safetensors")));
    close_fed(&f);
    open_fed(context, &options, TMP("run_fed"), &f);
    relink(&f);
    MUST(oassl_trainer_resume(f.trainer));
    fill_fed(dataset, 2 * B, &f);
    MUST(oassl_trainer_step_batch(f.trainer, &f.batch));
    MUST(oassl_trainer_save_model(f.trainer, TMP("fed_resumed.safetensors")));
    assert_files_equal(TMP("fed_straight.safetensors"), TMP("fed_resumed.safetensors"));
    close_fed(&f);
    oai_dataset_close(dataset);
    oassl_context_destroy(context);
}

static void test_a_batch_that_does_not_fit(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.image_size = SIDE;
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    fed f;
    open_fed(context, &options, NULL, &f);
    fill_fed(dataset, 0, &f);
    relink(&f);
    f.batch.spectrograms = NULL;
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_INVALID_ARGUMENT, "'spectrograms'",
              "missing");
    relink(&f);
    f.batch.targets = &f.b;
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_INVALID_ARGUMENT, "'targets'", "not used");
    relink(&f);
    f.batch.background_weight = &f.b;
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_INVALID_ARGUMENT, "'background_weight'",
              "not used");
    relink(&f);
    f.f = view(f.foreground, 3, B, 2, DIM / 2, 0); /* K = 2 */
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_SHAPE_MISMATCH, "foreground", "2");
    f.f = view(f.foreground, 3, B, 1, DIM, 0);
    f.p.strides[1] = 1;
    assert_int_not_equal(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_OK);
    f.p = view(f.pictures, 4, B, 3, SIDE, SIDE);
    f.p.dtype = OASSL_DTYPE_F64;
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_SHAPE_MISMATCH, "pictures", "");
    f.p.dtype = OASSL_DTYPE_F32;
    MUST(oassl_trainer_step_batch(f.trainer, &f.batch)); /* none of it did harm */
    close_fed(&f);

    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIDE, .width = SIDE, .frames = FRAMES};
    must_name(oassl_trainer_create_fed(context, &options, &shape, NULL, &f.trainer), OASSL_STATUS_INVALID_ARGUMENT,
              "captions", "n_foreground");
    options.loss.allow_empty_background = 1;
    open_fed(context, &options, NULL, &f);
    relink(&f);
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_INVALID_ARGUMENT, "'background_weight'",
              "missing");
    close_fed(&f);
    oai_dataset_close(dataset);
    oassl_context_destroy(context);
}

/* Names the step and a tensor of the first network the poison reaches; the spoilt weights are not given away. */
static void check_poison(oassl_context *context, int which, float value, double lr_visual, const char *tensor) {
    oassl_trainer_options options = tiny_options();
    options.image_size = SIDE;
    options.lr_visual = lr_visual;
    options.save_every = 1;
    oai_dataset *dataset = open_dataset(SOLOS "/manifest.jsonl", &options);
    fed f;
    open_fed(context, &options, TMP("run_poison"), &f);
    relink(&f);
    fill_fed(dataset, 0, &f);
    MUST(oassl_trainer_step_batch(f.trainer, &f.batch));
    fill_fed(dataset, B, &f);
    (which == 0 ? f.pictures : which == 1 ? f.sounds : f.foreground)[17] = value;
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_NON_FINITE, "step 2", tensor);
    fill_fed(dataset, B, &f);
    must_name(oassl_trainer_step_batch(f.trainer, &f.batch), OASSL_STATUS_NON_FINITE, "spoilt", "step 1");
    remove(TMP("poison.safetensors"));
    must_name(oassl_trainer_save_model(f.trainer, TMP("poison.safetensors")), OASSL_STATUS_NON_FINITE, "spoilt", "");
    assert_false(tiny_exists(TMP("poison.safetensors")));
    close_fed(&f);
    open_fed(context, &options, TMP("run_poison"), &f); /* the last checkpoint is good */
    relink(&f);
    MUST(oassl_trainer_resume(f.trainer));
    fill_fed(dataset, B, &f);
    MUST(oassl_trainer_step_batch(f.trainer, &f.batch));
    close_fed(&f);
    oai_dataset_close(dataset);
}

static void test_nan_stops_training(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    check_poison(context, 0, NAN, 1, "'imgnet.");
    check_poison(context, 1, NAN, -1, "'audnet.");
    check_poison(context, 2, INFINITY, 1, "gradient of '");
    oassl_context_destroy(context);
    context = tiny_context("reference", NULL);
    check_poison(context, 0, INFINITY, 1, "'imgnet.");
    oassl_context_destroy(context);
}

/* ---- data that does not fit --------------------------------------------------------------------------------- */

static oassl_status create(oassl_context *context, const oassl_trainer_options *options, const char *manifest,
                           const char *captions, const char *run) {
    oassl_trainer *trainer;
    oassl_status status = oassl_trainer_create(context, options, manifest, captions, run, &trainer);
    oassl_trainer_destroy(trainer);
    return status;
}

/* captions.jsonl with its first line changed, encoded. */
static void encode_changed(oassl_context *context, const char *path, const char *line) {
    char *captions = tiny_read(SOLOS "/captions.jsonl", NULL), *rest = strchr(captions, '\n');
    FILE *file = fopen(TMP("changed.jsonl"), "w");
    assert_non_null(file);
    fprintf(file, "%s%s", line, line[0] ? rest : rest + 1);
    fclose(file);
    free(captions);
    oassl_caption_encode_options options = OASSL_CAPTION_ENCODE_OPTIONS_INIT;
    options.allow_empty_background = 1;
    MUST(oassl_captions_encode(context, TMP("changed.jsonl"), SOLOS "/encoder", &options, path, NULL));
}

static void test_captions_that_do_not_fit(void **state) {
    (void)state;
    tiny_host host = {{0}, 0};
    oassl_context *context = tiny_context(NULL, &host);
    oassl_trainer_options options = tiny_options();
    const char *manifest = SOLOS "/manifest.jsonl", *run = TMP("run_captions");
    must_name(create(context, &options, manifest, NULL, run), OASSL_STATUS_INVALID_ARGUMENT, "captions", "lambda_oca");
    must_name(create(context, &options, manifest, TMP("no.npz"), run), OASSL_STATUS_NOT_FOUND, "no.npz", "");
    must_name(create(context, &options, manifest, manifest, run), OASSL_STATUS_FORMAT, "manifest.jsonl", "");
    encode_changed(context, TMP("two.npz"),
                   "{\"id\": \"solo_00000\", \"foreground\": [\"an image of a drum\", \"an image of a bell\"], "
                   "\"background\": \"an image of a wall\"}");
    must_name(create(context, &options, manifest, TMP("two.npz"), run), OASSL_STATUS_SHAPE_MISMATCH, "solo_00000",
              "2 foreground");
    encode_changed(context, TMP("none.npz"),
                   "{\"id\": \"solo_00000\", \"foreground\": [\"an image of a drum\"], \"background\": \"\"}");
    must_name(create(context, &options, manifest, TMP("none.npz"), run), OASSL_STATUS_FORMAT, "solo_00000",
              "allow_empty_background");
    options.loss.allow_empty_background = 1;
    options.n_steps = 4;
    options.n_sources = 2;
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, manifest, TMP("none.npz"), run, &trainer));
    MUST(oassl_trainer_run(trainer)); /* and no NaN from the caption that is not there */
    oassl_trainer_destroy(trainer);
    options = tiny_options();
    assert_null(strstr(host.log, "caption"));
    encode_changed(context, TMP("fewer.npz"), "");
    MUST(create(context, &options, manifest, TMP("fewer.npz"), run));
    if (!strstr(host.log, "1 of 10 records") || !strstr(host.log, "solo_00000"))
        fail_msg("expected a warning, found: %s", host.log);
    oassl_context_destroy(context);
}

static void test_manifests_and_folders_that_do_not_fit(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    const char *manifest = SOLOS "/manifest.jsonl", *captions = SOLOS "/captions.npz", *run = TMP("run_manifests");
    must_name(create(context, &options, TMP("no.jsonl"), captions, run), OASSL_STATUS_NOT_FOUND, "no.jsonl", "");
    options.batch_size = 11;
    must_name(create(context, &options, manifest, captions, run), OASSL_STATUS_INVALID_ARGUMENT, "10 usable records",
              "11");
    options.batch_size = 4;
    char *whole = tiny_read(manifest, NULL);
    for (char *split = strstr(whole, "\"split\""); split; split = strstr(split, "\"split\"")) memcpy(split, "\"share\"", 7);
    tiny_write_file(SOLOS "/whole.jsonl", whole, strlen(whole));
    free(whole);
    MUST(create(context, &options, SOLOS "/whole.jsonl", captions, run)); /* no splits: all is for training */
    options.audio_preset = OASSL_AUDIO_PRESET_NOPRIOR; /* T = 276: fine */
    MUST(create(context, &options, manifest, captions, run));
    options.audio_preset = 0;
    must_name(create(context, &options, manifest, captions, SOLOS "/manifest.jsonl/run"), OASSL_STATUS_IO,
              "manifest.jsonl/run", "");
    options.task = OASSL_TASK_CLASSIFY;
    char *text = tiny_read(manifest, NULL), *label = strstr(text, "\"label\"");
    assert_non_null(label);
    memcpy(label, "\"labex\"", 7);
    tiny_write_file(SOLOS "/unlabelled.jsonl", text, strlen(text));
    must_name(create(context, &options, SOLOS "/unlabelled.jsonl", NULL, run), OASSL_STATUS_FORMAT, "unlabelled.jsonl",
              "solo_00000");
    free(text);
    options.task = OASSL_TASK_LOCALIZE;
    text = tiny_read(manifest, NULL);
    char *image = strstr(text, "solo_00003.png");
    memcpy(image, "solo_gone3", 10);
    tiny_write_file(SOLOS "/gone.jsonl", text, strlen(text));
    must_name(create(context, &options, SOLOS "/gone.jsonl", captions, run), OASSL_STATUS_NOT_FOUND, "solo_gone3.png",
              "");
    free(text);
    oassl_context_destroy(context);
}

/* A picture that breaks while training is on: the step that needs it names it. */
static void test_media_damaged_in_the_middle(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.n_steps = 20;
    oassl_trainer *trainer;
    size_t bytes;
    char *picture = tiny_read(SOLOS "/images/solo_00004.png", &bytes);
    MUST(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", SOLOS "/captions.npz", TMP("run_damaged"),
                              &trainer));
    tiny_write_file(SOLOS "/images/solo_00004.png", picture, bytes / 2);
    must_name(oassl_trainer_run(trainer), OASSL_STATUS_FORMAT, "solo_00004", "images/solo_00004.png");
    tiny_write_file(SOLOS "/images/solo_00004.png", picture, bytes);
    free(picture);
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_mixtures_of_the_manifest),
        cmocka_unit_test(test_pictures_with_several_sources),
        cmocka_unit_test(test_samples_do_not_depend_on_history),
        cmocka_unit_test(test_fed_batches_train_as_the_manifest_does),
        cmocka_unit_test(test_a_fed_trainer_keeps_its_state),
        cmocka_unit_test(test_a_batch_that_does_not_fit),
        cmocka_unit_test(test_nan_stops_training),
        cmocka_unit_test(test_captions_that_do_not_fit),
        cmocka_unit_test(test_manifests_and_folders_that_do_not_fit),
        cmocka_unit_test(test_media_damaged_in_the_middle),
    };
    return cmocka_run_group_tests(tests, write_set, NULL);
}
