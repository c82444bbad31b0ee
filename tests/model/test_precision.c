/* What reduced precision costs: heat-maps against f32, and scores of a briefly trained model on the built-in data.  A
 * precision is skipped only where the processor lacks its instructions, with the backend's reason. */
#include "support/tiny_set.h"

#include <math.h>

enum { BASE = 16, SIDE = 96, FRAMES = 100, N = 4, CHANNELS = 8 * BASE, GRID = 6 * 6 };

static const struct {
    int32_t precision;
    const char *name;
    double map_difference; /* largest of any similarity in -1..1 */
    double ciou_points;    /* issue: bf16 0.5, int8 1 */
} rows[] = {
    {OASSL_PRECISION_F32_FAST, "f32-fast", 1e-4, 0.05},
    {OASSL_PRECISION_BF16, "bf16", 0.01, 0.5},
    {OASSL_PRECISION_INT8, "int8", 0.03, 1},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static oassl_context *context;

static int open_all(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "onednn";
    options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = 1; /* no waiting for each other where other work runs */
    if (oassl_context_create(&options, &context) != OASSL_STATUS_OK)
        print_message("no oneDNN backend: %s\n", oassl_last_error());
    return 0;
}

static int close_all(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
}

static int cpu_has(int32_t precision) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (precision == OASSL_PRECISION_BF16) return __builtin_cpu_supports("avx512bf16");
    if (precision == OASSL_PRECISION_INT8)
        return __builtin_cpu_supports("avx512vnni") || __builtin_cpu_supports("avxvnni");
#endif
    return precision == OASSL_PRECISION_F32_FAST;
}

/* True when the precision is to be left out; any other failure ends the test. */
static int lacking(oassl_status status, int32_t precision, const char *name) {
    if (status == OASSL_STATUS_OK) return 0;
    if (status != OASSL_STATUS_UNSUPPORTED || cpu_has(precision)) fail_msg("%s: %s", name, oassl_last_error());
    print_message("SKIPPED %s: %s\n", name, oassl_last_error());
    return 1;
}

/* ---- heat-maps ----------------------------------------------------------------------------------------------- */

typedef struct inputs {
    float pictures[N * 3 * SIDE * SIDE], sounds[N * OASSL_LOGSPEC_ROWS * FRAMES];
} inputs;

/* Smooth pictures and sounds that differ from each other. */
static void fill(inputs *in) {
    for (int i = 0; i < N; i++) {
        for (int p = 0; p < 3 * SIDE * SIDE; p++) {
            int c = p / (SIDE * SIDE), y = p / SIDE % SIDE, x = p % SIDE;
            in->pictures[i * 3 * SIDE * SIDE + p] =
                (float)(1.5 * sin(0.05 * (i + 1) * x + c) * cos(0.08 * (4 - i) * y - c) + 0.3 * sin(x * y * 0.01));
        }
        for (int p = 0; p < OASSL_LOGSPEC_ROWS * FRAMES; p++) {
            int f = p / FRAMES, t = p % FRAMES;
            in->sounds[i * OASSL_LOGSPEC_ROWS * FRAMES + p] =
                (float)(-1 + 0.5 * sin(0.06 * (i + 1) * f) * sin(0.1 * t * (2 + i % 2)));
        }
    }
}

static oassl_tensor view4(float *data, int64_t n, int64_t c, int64_t h, int64_t w) {
    return (oassl_tensor){.data = data,
                          .device = OASSL_DEVICE_CPU,
                          .dtype = OASSL_DTYPE_F32,
                          .rank = 4,
                          .shape = {n, c, h, w},
                          .strides = {c * h * w, h * w, w, 1}};
}

static oassl_model *make(int32_t precision, inputs *in) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *model, *quantized;
    oassl_quantizer *quantizer;
    options.base_width = BASE;
    options.visual_stride = 16;
    options.text_dim = -1;
    options.seed = 11;
    options.precision = precision == OASSL_PRECISION_INT8 ? OASSL_PRECISION_F32 : precision;
    MUST(oassl_model_create(context, &options, &model));
    if (precision != OASSL_PRECISION_INT8) return model;
    oassl_tensor pictures = view4(in->pictures, N, 3, SIDE, SIDE),
                 sounds = view4(in->sounds, N, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    MUST(oassl_quantizer_create(model, NULL, &quantizer));
    MUST(oassl_quantizer_add_pictures(quantizer, &pictures));
    MUST(oassl_quantizer_add_sounds(quantizer, &sounds));
    MUST(oassl_quantizer_finish(quantizer, &quantized));
    oassl_quantizer_destroy(quantizer);
    oassl_model_destroy(model);
    return quantized;
}

static double dot(const float *a, size_t step, const float *b) {
    double sum = 0;
    for (size_t c = 0; c < CHANNELS; c++) sum += (double)a[c * step] * b[c];
    return sum;
}

/* Cosine of every sound with every position of every picture: [N, N, GRID]. */
static oassl_status heat_maps(const oassl_model *model, inputs *in, float *out) {
    float *map = calloc(N * CHANNELS * GRID, sizeof *map), *vectors = calloc(N * CHANNELS, sizeof *vectors);
    oassl_tensor pictures = view4(in->pictures, N, 3, SIDE, SIDE),
                 sounds = view4(in->sounds, N, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    oassl_tensor map_view = view4(map, N, CHANNELS, 6, 6);
    oassl_tensor vector_view = {.data = vectors,
                                .device = OASSL_DEVICE_CPU,
                                .dtype = OASSL_DTYPE_F32,
                                .rank = 2,
                                .shape = {N, CHANNELS},
                                .strides = {CHANNELS, 1}};
    oassl_encoder *encoder;
    MUST(oassl_encoder_create(model, &encoder));
    oassl_status status = oassl_encoder_pictures(encoder, &pictures, &map_view, NULL);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_sounds(encoder, &sounds, &vector_view);
    for (int s = 0; s < N; s++)
        for (int p = 0; p < N * GRID; p++) {
            const float *v = map + p / GRID * CHANNELS * GRID + p % GRID, *a = vectors + s * CHANNELS;
            double square = 0;
            for (int c = 0; c < CHANNELS; c++) square += (double)v[c * GRID] * v[c * GRID];
            out[s * N * GRID + p] = (float)(dot(v, GRID, a) / (sqrt(square * dot(a, 1, a)) + 1e-12));
        }
    oassl_encoder_destroy(encoder);
    free(map);
    free(vectors);
    return status;
}

static void test_heat_maps(void **state) {
    (void)state;
    if (!context) skip();
    static float exact[N * N * GRID], found[N * N * GRID];
    inputs *in = malloc(sizeof *in);
    fill(in);
    oassl_model *model = make(OASSL_PRECISION_F32, in);
    MUST(heat_maps(model, in, exact));
    oassl_model_destroy(model);
    float low = 1, high = -1;
    for (int i = 0; i < N * N * GRID; i++) low = fminf(low, exact[i]), high = fmaxf(high, exact[i]);
    assert_true(high - low > 0.05); /* not flat */
    for (int r = 0; r < N_ROWS; r++) {
        model = make(rows[r].precision, in);
        oassl_status status = heat_maps(model, in, found);
        oassl_model_destroy(model);
        if (lacking(status, rows[r].precision, rows[r].name)) continue;
        double worst = 0;
        for (int i = 0; i < N * N * GRID; i++) worst = fmax(worst, fabs((double)found[i] - exact[i]));
        print_message("%s: similarities of %.3f to %.3f move by at most %.2e\n", rows[r].name, low, high, worst);
        assert_true(worst <= rows[r].map_difference);
        if (rows[r].precision != OASSL_PRECISION_F32_FAST) assert_true(worst > 0); /* something else was computed */
    }
    free(in);
}

/* ---- scores -------------------------------------------------------------------------------------------------- */

static void test_scores(void **state) {
    (void)state;
    if (!context) skip();
    enum { CLIPS = 96, STEPS = 24 };
    tiny_write(context, TMP("precision-scores"), OASSL_SYNTH_SOLO, CLIPS, 64, 0.5, 0);
    oassl_trainer_options options = tiny_options();
    options.base_width = 8;
    options.visual_stride = 16;
    options.batch_size = 8;
    options.n_steps = STEPS;
    options.val_every = STEPS;
    options.max_val = 4;
    options.audio_frames = 64;
    oassl_trainer *trainer;
    MUST(oassl_trainer_options_set(&options, "loss.lambda_oca", "0"));
    MUST(oassl_trainer_options_set(&options, "loss.lambda_ori", "0"));
    MUST(oassl_trainer_create(context, &options, TMP("precision-scores/manifest.jsonl"), NULL,
                              TMP("precision-scores/run"), &trainer));
    MUST(oassl_trainer_run(trainer));
    oassl_trainer_destroy(trainer);

    oassl_model *model, *quantized;
    oassl_quantizer *quantizer;
    MUST(oassl_model_load(context, TMP("precision-scores/run/last.safetensors"), NULL, &model));
    MUST(oassl_quantizer_create(model, NULL, &quantizer));
    MUST(oassl_quantizer_add_manifest(quantizer, TMP("precision-scores/manifest.jsonl")));
    MUST(oassl_quantizer_finish(quantizer, &quantized));
    MUST(oassl_model_save(quantized, TMP("precision-scores/int8.safetensors")));
    oassl_quantizer_destroy(quantizer);
    oassl_model_destroy(quantized);

    oassl_evaluate_options how = OASSL_EVALUATE_OPTIONS_INIT;
    how.split = "val";
    oassl_evaluation exact = OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, TMP("precision-scores/manifest.jsonl"), &how, &exact));
    oassl_model_destroy(model);
    assert_true(exact.metric.n_samples >= 40);
    for (int r = 0; r < N_ROWS; r++) {
        oassl_model_options reduced = OASSL_MODEL_OPTIONS_INIT;
        oassl_evaluation found = OASSL_EVALUATION_INIT;
        reduced.precision = rows[r].precision;
        MUST(oassl_model_load(context, TMP("precision-scores/int8.safetensors"), &reduced, &model));
        oassl_status status = oassl_evaluate(model, TMP("precision-scores/manifest.jsonl"), &how, &found);
        oassl_model_destroy(model);
        if (lacking(status, rows[r].precision, rows[r].name)) continue;
        const oassl_metric_scores *a = &exact.metric.model, *b = &found.metric.model;
        double moved =
            100 * fmax(fabs(a->mean_ciou - b->mean_ciou), fabs(a->adaptive_mean_ciou - b->adaptive_mean_ciou));
        print_message("%s: mean cIoU %.2f -> %.2f, adaptive %.2f -> %.2f points over %d samples\n", rows[r].name,
                      100 * a->mean_ciou, 100 * b->mean_ciou, 100 * a->adaptive_mean_ciou, 100 * b->adaptive_mean_ciou,
                      (int)exact.metric.n_samples);
        assert_true(moved < rows[r].ciou_points);
    }
}

/* ---- training ------------------------------------------------------------------------------------------------ */

static double last_loss(int32_t precision, const inputs *in, oassl_status *out_status) {
    oassl_trainer_options options = tiny_options();
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIDE, .width = SIDE, .frames = FRAMES};
    oassl_tensor pictures = view4((float *)in->pictures, N, 3, SIDE, SIDE),
                 sounds = view4((float *)in->sounds, N, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    oassl_trainer_batch batch = {.struct_size = sizeof batch, .pictures = &pictures, .spectrograms = &sounds};
    oassl_trainer_state now = {.struct_size = sizeof now};
    oassl_trainer *trainer;
    options.base_width = 8;
    options.batch_size = N;
    options.precision = precision;
    MUST(oassl_trainer_options_set(&options, "loss.lambda_oca", "0"));
    MUST(oassl_trainer_options_set(&options, "loss.lambda_ori", "0"));
    *out_status = oassl_trainer_create_fed(context, &options, &shape, NULL, &trainer);
    if (*out_status != OASSL_STATUS_OK) return 0;
    double first = 0;
    for (int i = 0; i < 30; i++) {
        MUST(oassl_trainer_step_batch(trainer, &batch));
        MUST(oassl_trainer_get_state(trainer, &now));
        if (i == 0) first = now.loss;
    }
    oassl_trainer_destroy(trainer);
    assert_true(now.loss < 0.7 * first); /* it learns the four pairs */
    return now.loss;
}

/* Thirty steps on one batch; tests/bench/bf16_training.sh compares 500 on real batches. */
static void test_training(void **state) {
    (void)state;
    if (!context) skip();
    inputs *in = malloc(sizeof *in);
    oassl_status status;
    fill(in);
    double exact = last_loss(OASSL_PRECISION_F32, in, &status);
    MUST(status);
    double reduced = last_loss(OASSL_PRECISION_BF16, in, &status);
    if (!lacking(status, OASSL_PRECISION_BF16, "bf16 training")) {
        print_message("loss after 30 steps: f32 %.4f, bf16 %.4f\n", exact, reduced);
        assert_true(fabs(exact - reduced) < 0.1 * fmax(exact, 0.5));
    }
    free(in);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heat_maps), cmocka_unit_test(test_scores),
                                       cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
