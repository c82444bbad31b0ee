/* Evaluation on small manifests of every shape: what is scored, what is skipped, where boxes of mixtures land, and the
 * curve that turns similarity into confidence. */
#include "support/tiny_set.h"

#include <math.h>

#include "train/calibrate.h"
#include "train/options.h"

#define DATA TMP("evaluate")
enum { N_PAIRS = 6, SIDE = 64 };

/* Pictures of different sizes and sounds of different lengths, so that each record can be told by either. */
static const struct {
    int width, height, frames;
    const char *label;
    float box[4];
} pairs[N_PAIRS] = {{64, 48, 17000, "dog", {0, 20, 27, 47}},   {48, 80, 18000, "cat", {10.5f, 9, 47, 64}},
                    {100, 64, 19000, "dog", {31, 30, 64, 64}}, {64, 64, 20000, "bird", {0, 23, 49, 61}},
                    {33, 57, 21000, "cat", {2, 3, 31, 50}},    {90, 40, 22000, "bird", {60, 5, 90, 40}}};

static oassl_context *context;
static oassl_model *model;

static void write_media(int i) {
    char path[512];
    size_t n = (size_t)pairs[i].width * (size_t)pairs[i].height * 3;
    uint8_t *rgb = malloc(n);
    for (size_t p = 0; p < n; p++) rgb[p] = (uint8_t)(p * 7919 / 13 + (size_t)i * 40);
    oassl_image picture = {.rgb = rgb, .width = pairs[i].width, .height = pairs[i].height};
    snprintf(path, sizeof path, DATA "/%d.png", i);
    MUST(oassl_image_save_png(context, path, &picture));
    free(rgb);
    float *samples = malloc((size_t)pairs[i].frames * sizeof *samples);
    for (int k = 0; k < pairs[i].frames; k++) samples[k] = 0.3f * (float)sin(k * 0.01 * (i + 2));
    oassl_audio sound = {.samples = samples, .frames = pairs[i].frames, .channels = 1, .rate = 16000};
    snprintf(path, sizeof path, DATA "/%d.wav", i);
    MUST(oassl_audio_save_wav(context, path, &sound));
    free(samples);
}

static int pair_line(char *out, int i, const char *split) {
    return sprintf(out,
                   "{\"id\": \"pair_%d\", \"image\": \"%d.png\", \"audio\": \"%d.wav\", \"split\": \"%s\", "
                   "\"sources\": [{\"label\": \"%s\", "
                   "\"box\": [%g, %g, %g, %g]}], \"kind\": \"lookalike\"}\n",
                   i, i, i, split, pairs[i].label, pairs[i].box[0], pairs[i].box[1], pairs[i].box[2], pairs[i].box[3]);
}

static void write_manifest(const char *path, const int *order, int n) {
    char text[8192], *end = text;
    for (int k = 0; k < n; k++) end += pair_line(end, order[k], order[k] < 4 ? "test" : "train");
    tiny_write_file(path, text, strlen(text));
}

static const int in_order[N_PAIRS] = {0, 1, 2, 3, 4, 5};

static int open_all(void **state) {
    (void)state;
    context = tiny_context("reference", NULL);
    mkdir(DATA, 0777);
    for (int i = 0; i < N_PAIRS; i++) write_media(i);
    write_manifest(DATA "/pairs.jsonl", in_order, N_PAIRS);
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = 4;
    options.text_dim = -1;
    MUST(oassl_model_create(context, &options, &model));
    return 0;
}

static int close_all(void **state) {
    (void)state;
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}

/* ---- what was scored ---------------------------------------------------------------------------------------- */

typedef struct seen {
    int n, fail_at;
    char ids[16][32];
    int32_t width[16], height[16];
    int64_t frames[16];
    uint32_t n_maps[16], n_sources[16];
    float boxes[16][4][4];
    int mask_pixels[16]; /* -1 = no mask */
} seen;

static oassl_status look(void *user, const oassl_evaluated_sample *sample) {
    seen *s = user;
    assert_int_equal(sample->index, s->n);
    assert_int_equal(sample->found->width, sample->picture->width);
    assert_int_equal(sample->found->height, sample->picture->height);
    assert_int_equal(sample->truth->width, sample->picture->width);
    assert_int_equal(sample->truth->height, sample->picture->height);
    int i = s->n++;
    if (s->fail_at && s->n == s->fail_at) return OASSL_STATUS_IO;
    snprintf(s->ids[i], sizeof s->ids[i], "%s", sample->id);
    s->width[i] = sample->picture->width;
    s->height[i] = sample->picture->height;
    s->frames[i] = sample->sound->frames;
    s->n_maps[i] = sample->found->n_sources;
    s->n_sources[i] = sample->truth->n_sources;
    for (uint32_t k = 0; k < sample->truth->n_sources; k++) {
        if (sample->truth->sources[k].n_boxes > 0)
            memcpy(s->boxes[i][k], sample->truth->sources[k].boxes[0], sizeof s->boxes[i][k]);
        const uint8_t *mask = sample->truth->sources[k].mask;
        s->mask_pixels[i] = mask ? 0 : -1;
        for (int p = 0; mask && p < sample->truth->width * sample->truth->height; p++)
            s->mask_pixels[i] += mask[p] != 0;
    }
    return OASSL_STATUS_OK;
}

static oassl_evaluate_options small_options(seen *user) {
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    options.image_size = SIDE;
    options.on_sample = look;
    options.user = user;
    return options;
}

static void test_splits_and_counts(void **state) {
    (void)state;
    static const struct {
        const char *split;
        uint64_t most;
        int n;
    } cases[] = {{"", 0, 6}, {NULL, 0, 6}, {"test", 0, 4}, {"train", 0, 2}, {"test", 3, 3}, {"train", 9, 2}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        seen s = {0};
        oassl_evaluate_options options = small_options(&s);
        options.split = cases[k].split;
        options.max_samples = cases[k].most;
        oassl_evaluation result = OASSL_EVALUATION_INIT;
        MUST(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result));
        assert_int_equal(s.n, cases[k].n);
        assert_int_equal(result.metric.n_samples, cases[k].n);
        assert_int_equal(result.metric.n_pairs, cases[k].n);
        assert_int_equal(result.n_skipped, 0);
        assert_true(result.confidence >= 0 && result.confidence <= 1 && fabs(result.similarity) <= 1);
        assert_true(fabs(result.confidence - (1 + result.similarity) / 2) < 1e-6); /* not calibrated */
    }
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    oassl_evaluate_options options = small_options(NULL);
    options.split = "val";
    must_name(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result), OASSL_STATUS_NOT_FOUND, "pairs.jsonl",
              "'val'");
    options.image_size = 5000;
    must_name(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result), OASSL_STATUS_INVALID_ARGUMENT,
              "image_size", "5000");
}

static void test_single_records_are_scored_as_they_are(void **state) {
    (void)state;
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result));
    for (int i = 0; i < N_PAIRS; i++) {
        assert_int_equal(s.width[i], pairs[i].width);
        assert_int_equal(s.height[i], pairs[i].height);
        assert_int_equal(s.frames[i], pairs[i].frames);
        assert_int_equal(s.n_maps[i], 1);
        assert_memory_equal(s.boxes[i][0], pairs[i].box, sizeof pairs[i].box);
    }
}

static void test_mixtures_have_their_boxes_in_place(void **state) {
    (void)state;
    static const char text[] =
        "{\"id\": \"wide\", \"mix\": [\"pair_2\", \"pair_1\"], \"axis\": \"width\", \"split\": \"test\"}\n"
        "{\"id\": \"tall\", \"mix\": [\"pair_0\", \"pair_3\", \"pair_5\"], \"axis\": \"height\", \"split\": "
        "\"test\"}\n"
        "{\"id\": \"again\", \"mix\": [\"pair_1\", \"pair_5\"], \"axis\": \"width\", \"split\": \"test\"}\n";
    static const int parts[3][3] = {{2, 1, -1}, {0, 3, 5}, {1, 5, -1}};
    tiny_write_file(DATA "/duets.jsonl", text, sizeof text - 1);
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    options.split = "test";
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/duets.jsonl", &options, &result));
    assert_int_equal(s.n, 3);
    assert_int_equal(result.metric.n_pairs, 7);
    for (int i = 0; i < 3; i++) {
        int n = i == 1 ? 3 : 2, tall = i == 1;
        assert_int_equal(s.n_maps[i], n);
        assert_int_equal(s.n_sources[i], n);
        assert_int_equal(s.width[i], tall ? SIDE : n * SIDE);
        assert_int_equal(s.height[i], tall ? n * SIDE : SIDE);
        assert_int_equal(s.frames[i], 48000); /* three seconds at 16 kHz */
        for (int k = 0; k < n; k++)
            for (int c = 0; c < 4; c++) {
                int p = parts[i][k], vertical = c % 2;
                double expected = pairs[p].box[c] * SIDE / (vertical ? pairs[p].height : pairs[p].width) +
                                  (vertical == tall ? k * SIDE : 0);
                if (fabs(s.boxes[i][k][c] - expected) > 1e-4)
                    fail_msg("sample %d, part %d, coordinate %d: expected %g, found %g", i, k, c, expected,
                             s.boxes[i][k][c]);
            }
    }
}

static void test_mismatched_sounds_are_of_other_classes(void **state) {
    (void)state;
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    options.mismatched = 1;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result));
    assert_int_equal(s.n, N_PAIRS);
    for (int i = 0; i < N_PAIRS; i++) {
        int heard = (int)(s.frames[i] - 17000) / 1000;
        assert_in_range(heard, 0, N_PAIRS - 1);
        assert_string_not_equal(pairs[heard].label, pairs[i].label);
        assert_int_equal(s.width[i], pairs[i].width); /* its own picture */
    }
    write_manifest(DATA "/dogs.jsonl", (const int[]){0, 2}, 2); /* nobody to borrow from */
    s.n = 0;
    MUST(oassl_evaluate(model, DATA "/dogs.jsonl", &options, &result));
    assert_int_equal(s.n, 0);
    assert_int_equal(result.metric.n_samples, 0);
    assert_int_equal(result.n_skipped, 2);
}

static void test_unlabelled_records_borrow_from_each_other(void **state) {
    (void)state;
    static const char text[] =
        "{\"id\": \"a\", \"image\": \"0.png\", \"audio\": \"0.wav\", \"sources\": [{\"box\": [1, 2, 30, 40]}]}\n"
        "{\"id\": \"b\", \"image\": \"1.png\", \"audio\": \"1.wav\", \"sources\": [{\"box\": [1, 2, 30, 40]}]}\n";
    tiny_write_file(DATA "/unlabelled.jsonl", text, sizeof text - 1);
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    options.mismatched = 1;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/unlabelled.jsonl", &options, &result));
    assert_int_equal(s.n, 2);
    assert_int_equal(s.frames[0], 18000);
    assert_int_equal(s.frames[1], 17000);
}

static void test_the_order_of_records_does_not_matter(void **state) {
    (void)state;
    write_manifest(DATA "/shuffled.jsonl", (const int[]){3, 5, 0, 4, 2, 1}, N_PAIRS);
    oassl_evaluate_options options = small_options(NULL);
    options.on_sample = NULL;
    oassl_evaluation a = OASSL_EVALUATION_INIT, b = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &a));
    MUST(oassl_evaluate(model, DATA "/shuffled.jsonl", &options, &b));
    assert_memory_equal(&a.metric, &b.metric, sizeof a.metric);
    assert_true(fabs(a.confidence - b.confidence) < 1e-12);
    assert_true(a.metric.whole.pointing > 0); /* and it is not all zeros */
}

/* ---- training and evaluation --------------------------------------------------------------------------------- */

/* An untrained model that says it was trained with these options. */
static oassl_model *model_with(const oassl_trainer_options *options, uint32_t frames) {
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIDE, .width = SIDE, .frames = frames};
    oassl_trainer *trainer;
    oassl_model *made;
    MUST(oassl_trainer_create_fed(context, options, &shape, NULL, &trainer));
    MUST(oassl_trainer_save_model(trainer, DATA "/made.safetensors"));
    oassl_trainer_destroy(trainer);
    MUST(oassl_model_load(context, DATA "/made.safetensors", NULL, &made));
    return made;
}

static oassl_tensor view(float *data, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    oassl_tensor t = {
        .data = data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank, .shape = {a, b, c, d}};
    for (int32_t k = rank - 1, stride = 1; k >= 0; stride *= (int32_t)t.shape[k], k--) t.strides[k] = stride;
    return t;
}

/* The largest cosine of a training sample's sound with its picture. */
static double largest_similarity(const oassl_model *made, const oai_batch_shape *shape, const oai_batch *batch) {
    oassl_encoder *encoder;
    oassl_encoder_shape out = {.struct_size = sizeof out};
    MUST(oassl_encoder_create(made, &encoder));
    MUST(oassl_encoder_picture_shape(encoder, (uint32_t)shape->height, (uint32_t)shape->width, &out));
    int64_t n = (int64_t)out.height * out.width;
    float *map = malloc((size_t)(out.channels * n) * sizeof *map), *vector = malloc(out.channels * sizeof *vector);
    oassl_tensor p = view(batch->pictures, 4, 1, 3, shape->height, shape->width),
                 m = view(map, 4, 1, out.channels, out.height, out.width);
    oassl_tensor s = view(batch->spectrograms, 4, 1, 1, shape->bins, shape->frames),
                 v = view(vector, 2, 1, out.channels, 0, 0);
    MUST(oassl_encoder_pictures(encoder, &p, &m, NULL));
    MUST(oassl_encoder_sounds(encoder, &s, &v));
    double best = -1;
    for (int64_t k = 0; k < n; k++) {
        double dot = 0, a = 0, b = 0;
        for (uint32_t c = 0; c < out.channels; c++) {
            double x = map[c * n + k], y = vector[c];
            dot += x * y, a += x * x, b += y * y;
        }
        best = fmax(best, dot / sqrt(a * b));
    }
    free(map);
    free(vector);
    oassl_encoder_destroy(encoder);
    return best;
}

typedef struct similarities {
    int n;
    double first[16];
} similarities;

static oassl_status keep(void *user, const oassl_evaluated_sample *sample) {
    similarities *s = user;
    s->first[s->n++] = sample->found->sources[0].similarity;
    return OASSL_STATUS_OK;
}

/* The same pictures and sounds, cropping aside: what a model was trained on is what it is tested on. */
static void check_parity(const char *manifest, uint32_t n_sources, int32_t preset, int32_t mode) {
    oassl_trainer_options options = tiny_options(), resolved;
    options.audio_preset = preset;
    options.n_sources = n_sources;
    options.mix_mode = mode;
    options.no_crop = 1;
    options.loss.lambda_oca = options.loss.lambda_ori = 0;
    oai_dataset *dataset;
    MUST(oai_options_resolve(&options, &resolved));
    MUST(oai_dataset_open(&oai_default_host, &resolved, manifest, NULL, "test", &dataset));
    oai_batch_shape shape = oai_dataset_shape(dataset, 1);
    oassl_model *made = model_with(&options, (uint32_t)shape.frames);
    oai_batch batch = {.pictures = calloc((size_t)(3 * shape.height * shape.width), sizeof(float)),
                       .spectrograms = calloc((size_t)(shape.bins * shape.frames), sizeof(float))};
    similarities found = {0};
    oassl_evaluate_options eo = OASSL_EVALUATE_OPTIONS_INIT;
    eo.split = "test";
    eo.on_sample = keep;
    eo.user = &found;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(made, manifest, &eo, &result));
    assert_int_equal(found.n, oai_dataset_count(dataset));
    for (int i = 0; i < found.n; i++) {
        MUST(oai_dataset_fill_plain(dataset, (uint64_t)i, &batch, 0));
        double expected = largest_similarity(made, &shape, &batch);
        if (fabs(found.first[i] - expected) > 1e-5)
            fail_msg("%s, preset %d, sample %d: training gives %.7f, evaluation %.7f", manifest, preset, i, expected,
                     found.first[i]);
    }
    free(batch.pictures);
    free(batch.spectrograms);
    oai_dataset_close(dataset);
    oassl_model_destroy(made);
}

static void test_evaluation_sees_what_training_sees(void **state) {
    (void)state;
    static const char text[] =
        "{\"id\": \"one\", \"mix\": [\"pair_2\", \"pair_1\"], \"axis\": \"width\", \"split\": \"test\"}\n"
        "{\"id\": \"two\", \"mix\": [\"pair_3\", \"pair_5\"], \"axis\": \"width\", \"split\": \"test\"}\n";
    tiny_write_file(DATA "/parity.jsonl", text, sizeof text - 1);
    static const int32_t presets[] = {OASSL_AUDIO_PRESET_OASSL, OASSL_AUDIO_PRESET_LVS, OASSL_AUDIO_PRESET_NOPRIOR,
                                      OASSL_AUDIO_PRESET_SSLALIGNMENT, OASSL_AUDIO_PRESET_SSLALIGNMENT_FOREIGN};
    for (size_t k = 0; k < sizeof presets / sizeof presets[0]; k++) {
        check_parity(DATA "/pairs.jsonl", 1, presets[k], 0);
        check_parity(DATA "/parity.jsonl", 2, presets[k], OASSL_MIX_WAVEFORM_SUM);
        check_parity(DATA "/parity.jsonl", 2, presets[k], OASSL_MIX_WAVEFORM_MEAN);
    }
}

/* ---- what is skipped, what fails ---------------------------------------------------------------------------- */

static void test_records_that_cannot_be_scored_are_counted(void **state) {
    (void)state;
    static const char text[] =
        "{\"id\": \"good\", \"image\": \"0.png\", \"audio\": \"0.wav\", \"sources\": [{\"label\": \"dog\", \"box\": "
        "[1, 2, 30, 40]}]}\n"
        "{\"id\": \"no box\", \"image\": \"1.png\", \"audio\": \"1.wav\", \"sources\": [{\"label\": \"cat\"}]}\n"
        "{\"id\": \"no sound\", \"image\": \"2.png\", \"sources\": [{\"label\": \"dog\", \"box\": [1, 2, 30, 40]}]}\n"
        "{\"id\": \"no source\", \"image\": \"3.png\", \"audio\": \"3.wav\", \"sources\": []}\n"
        "{\"id\": \"mask only\", \"image\": \"4.png\", \"audio\": \"4.wav\", \"sources\": [{\"label\": \"cat\", "
        "\"mask\": \"mask.png\"}]}\n"
        "{\"id\": \"mix of masks\", \"mix\": [\"good\", \"mask only\"]}\n"
        "{\"id\": \"mix of none\", \"mix\": [\"good\", \"no box\"]}\n";
    tiny_write_file(DATA "/parts.jsonl", text, sizeof text - 1);
    uint8_t rgb[33 * 57 * 3] = {0};
    for (int p = 0; p < 3 * 33 * 20; p++) rgb[p] = 1; /* data.h: non-zero where the thing is */
    oassl_image mask = {.rgb = rgb, .width = 33, .height = 57};
    MUST(oassl_image_save_png(context, DATA "/mask.png", &mask));
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/parts.jsonl", &options, &result));
    assert_int_equal(s.n, 2);
    assert_string_equal(s.ids[0], "good");
    assert_string_equal(s.ids[1], "mask only");
    assert_int_equal(s.mask_pixels[0], -1);
    assert_int_equal(s.mask_pixels[1], 33 * 20);
    assert_int_equal(result.n_skipped, 5);
    mask.width = 57, mask.height = 33;
    MUST(oassl_image_save_png(context, DATA "/mask.png", &mask));
    s.n = 0;
    must_name(oassl_evaluate(model, DATA "/parts.jsonl", &options, &result), OASSL_STATUS_SHAPE_MISMATCH, "mask.png",
              "mask only");
}

/* VGG-SS has boxes that are empty as published, SLAVC's lists have clips in which nothing sounds: both are scored. */
static void test_empty_truths_are_scored(void **state) {
    (void)state;
    static const char text[] =
        "{\"id\": \"all empty\", \"image\": \"0.png\", \"audio\": \"0.wav\", \"coordinates\": \"xyxy 0..1\", "
        "\"sources\": [{\"label\": \"dog\", \"raw_boxes\": [[0.2, 0.3, -2.88e16, 1]]}]}\n"
        "{\"id\": \"one empty\", \"image\": \"1.png\", \"audio\": \"1.wav\", \"coordinates\": \"xyxy 0..1\", "
        "\"sources\": [{\"label\": \"dog\", \"box\": [0, 0, 24, 40], "
        "\"raw_boxes\": [[0.2, 0.3, -2.88e16, 1], [0, 0, 0.5, 0.5]]}]}\n"
        "{\"id\": \"nothing sounds\", \"image\": \"2.png\", \"audio\": \"3.wav\", \"playing\": false, \"sources\": []}\n";
    tiny_write_file(DATA "/empty.jsonl", text, sizeof text - 1);
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, DATA "/empty.jsonl", &options, &result));
    assert_int_equal(s.n, 3);
    assert_int_equal(result.n_skipped, 0);
    assert_int_equal(result.metric.n_samples, 3);
    assert_int_equal(result.metric.n_pairs, 2);
    assert_int_equal(s.n_sources[2], 0);
    assert_int_equal(s.n_maps[2], 1);
    static const float box[4] = {0, 0, 24, 40};
    assert_memory_equal(s.boxes[1][0], box, sizeof box);
    assert_true(result.metric.model.mean_ciou > 0 && result.metric.model.mean_ciou <= 0.5);
    assert_true(result.metric.whole.pointing <= 0.5); /* nothing is inside an empty box */
}

static void test_missing_and_damaged_media(void **state) {
    (void)state;
    char text[4096], *end = text;
    end += pair_line(end, 0, "test");
    end += sprintf(end, "{\"id\": \"gone\", \"image\": \"0.png\", \"audio\": \"gone.wav\", \"split\": \"test\", "
                        "\"sources\": [{\"box\": [1, 1, 9, 9]}]}\n");
    end += pair_line(end, 1, "test");
    tiny_write_file(DATA "/gone.jsonl", text, strlen(text));
    seen s = {0};
    oassl_evaluate_options options = small_options(&s);
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    must_name(oassl_evaluate(model, DATA "/gone.jsonl", &options, &result), OASSL_STATUS_NOT_FOUND, "gone.wav",
              "gone");
    options.missing = OASSL_MISSING_SKIP;
    MUST(oassl_evaluate(model, DATA "/gone.jsonl", &options, &result));
    assert_int_equal(s.n, 2);
    assert_int_equal(result.n_skipped, 1);
    tiny_write_file(DATA "/gone.wav", "RIFF", 4);
    s.n = 0;
    must_name(oassl_evaluate(model, DATA "/gone.jsonl", &options, &result), OASSL_STATUS_FORMAT, "gone.wav", "'gone'");
    remove(DATA "/gone.wav");
    must_name(oassl_evaluate(model, DATA "/no.jsonl", &options, &result), OASSL_STATUS_NOT_FOUND, "no.jsonl", "");
}

static void test_a_callback_can_stop_it(void **state) {
    (void)state;
    seen s = {.fail_at = 3};
    oassl_evaluate_options options = small_options(&s);
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    assert_int_equal(oassl_evaluate(model, DATA "/pairs.jsonl", &options, &result), OASSL_STATUS_IO);
    assert_int_equal(s.n, 3);
    oassl_model_options mo = OASSL_MODEL_OPTIONS_INIT;
    mo.kind = OASSL_MODEL_CLASSIFIER;
    mo.base_width = 4;
    mo.n_classes = 3;
    oassl_model *classifier;
    MUST(oassl_model_create(context, &mo, &classifier));
    s.fail_at = s.n = 0;
    must_name(oassl_evaluate(classifier, DATA "/pairs.jsonl", &options, &result), OASSL_STATUS_UNSUPPORTED, "classif",
              "");
    oassl_model_destroy(classifier);
}

/* ---- confidence --------------------------------------------------------------------------------------------- */

static double curve(oai_calibration c, double x) { return 1 / (1 + exp(-(c.scale * x + c.offset))); }

/* Pairs drawn from a known logistic curve: P(matched | x) = 1 / (1 + exp(-(12 x - 6))), x uniform in [0, 1]. */
static void test_a_known_curve_is_found(void **state) {
    (void)state;
    enum { N = 4000 };
    static double matched[N], mismatched[N];
    oai_pairs p = {matched, mismatched, 0, 0};
    uint32_t random = 1;
    for (int i = 0; i < N; i++) {
        double x = (i + 0.5) / N;
        random = random * 1664525u + 1013904223u;
        if ((random >> 8) / 16777216.0 < 1 / (1 + exp(-(12 * x - 6))))
            matched[p.n_matched++] = x;
        else
            mismatched[p.n_mismatched++] = x;
    }
    oai_calibration c = oai_fit_calibration(&p);
    print_message("scale %.3f, offset %.3f\n", c.scale, c.offset);
    assert_true(fabs(c.scale - 12) < 1 && fabs(c.offset + 6) < 0.6);
    double sum = 0; /* what a fitted curve owes its data: as many matched pairs as there are */
    for (uint64_t i = 0; i < p.n_matched; i++) sum += curve(c, matched[i]);
    for (uint64_t i = 0; i < p.n_mismatched; i++) sum += curve(c, mismatched[i]);
    assert_true(fabs(sum - (double)p.n_matched) < 3);
}

static void test_separable_pairs_give_a_finite_curve(void **state) {
    (void)state;
    static const double high[] = {0.901, 0.902, 0.903, 0.9035, 0.904}, low[] = {0.899, 0.898, 0.8975, 0.897};
    oai_calibration c = oai_fit_calibration(&(oai_pairs){high, low, 5, 4});
    assert_true(isfinite(c.scale) && c.scale > 0 && isfinite(c.offset));
    assert_true(curve(c, 0.904) > 0.7 && curve(c, 0.897) < 0.3);
    assert_true(curve(c, 1) <= 1 && curve(c, -1) >= 0);
}

static void test_similarity_that_says_nothing(void **state) {
    (void)state;
    static const double high[] = {0.9, 0.8, 0.85, 0.95}, low[] = {0.1, 0.2, 0.15, 0.05}, same[] = {0.5, 0.5, 0.5, 0.5};
    oai_calibration contrary = oai_fit_calibration(&(oai_pairs){low, high, 4, 4});
    assert_true(contrary.scale == 0 && fabs(curve(contrary, 0.9) - 0.5) < 1e-12);
    oai_calibration constant = oai_fit_calibration(&(oai_pairs){same, same, 2, 4});
    assert_true(constant.scale == 0 && fabs(curve(constant, 0.5) - 3.0 / 8) < 1e-12);
}

/* What the metadata says is what a localizer uses. */
static void test_the_curve_in_the_metadata_is_used(void **state) {
    (void)state;
    size_t bytes;
    MUST(oassl_model_save(model, DATA "/plain.safetensors"));
    char *file = tiny_read(DATA "/plain.safetensors", &bytes);
    uint64_t header;
    memcpy(&header, file, 8);
    char *metadata = strstr(file + 8, "\"__metadata__\":{"), *joined = malloc(bytes + 512);
    assert_non_null(metadata);
    metadata += strlen("\"__metadata__\":{");
    static const char entry[] = "\"oassl_calibration\":\"{\\\"scale\\\": 3.5, \\\"offset\\\": -1.25}\",";
    uint64_t longer = header + sizeof entry - 1;
    size_t head = (size_t)(metadata - file);
    memcpy(joined, &longer, 8);
    memcpy(joined + 8, file + 8, head - 8);
    memcpy(joined + head, entry, sizeof entry - 1);
    memcpy(joined + head + sizeof entry - 1, metadata, bytes - head);
    tiny_write_file(DATA "/calibrated.safetensors", joined, bytes + sizeof entry - 1);
    free(file);
    free(joined);

    oassl_model *calibrated;
    oassl_localizer *localizer;
    oassl_image picture;
    oassl_audio sound;
    const oassl_localization *found;
    MUST(oassl_model_load(context, DATA "/calibrated.safetensors", NULL, &calibrated));
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.input_width = options.input_height = SIDE;
    MUST(oassl_localizer_create(calibrated, &options, &localizer));
    MUST(oassl_image_load(context, DATA "/0.png", &picture));
    MUST(oassl_audio_load(context, DATA "/0.wav", &sound));
    MUST(oassl_localizer_run(localizer, &picture, &sound, &found));
    assert_int_equal(found->calibrated, 1);
    assert_true(fabs(found->confidence - 1 / (1 + exp(1.25 - 3.5 * found->sources[0].similarity))) < 1e-6);
    oassl_audio_free(context, &sound);
    oassl_image_free(context, &picture);
    oassl_localizer_destroy(localizer);
    oassl_model_destroy(calibrated);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_and_counts),
        cmocka_unit_test(test_single_records_are_scored_as_they_are),
        cmocka_unit_test(test_mixtures_have_their_boxes_in_place),
        cmocka_unit_test(test_mismatched_sounds_are_of_other_classes),
        cmocka_unit_test(test_unlabelled_records_borrow_from_each_other),
        cmocka_unit_test(test_the_order_of_records_does_not_matter),
        cmocka_unit_test(test_evaluation_sees_what_training_sees),
        cmocka_unit_test(test_records_that_cannot_be_scored_are_counted),
        cmocka_unit_test(test_empty_truths_are_scored),
        cmocka_unit_test(test_missing_and_damaged_media),
        cmocka_unit_test(test_a_callback_can_stop_it),
        cmocka_unit_test(test_a_known_curve_is_found),
        cmocka_unit_test(test_separable_pairs_give_a_finite_curve),
        cmocka_unit_test(test_similarity_that_says_nothing),
        cmocka_unit_test(test_the_curve_in_the_metadata_is_used),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
