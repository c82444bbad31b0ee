/* Precision from the options to the plan, and the calibrated ranges of int8: options, errors, files, hostile metadata.
 * What the figures are worth is model/test_precision.c's business. */
#include "support/tiny_set.h"

#include <math.h>

#include "base/json.h"
#include "model/net_graph.h"
#include "model/ranges.h"
#include "runtime/runtime.h"

enum { WIDTH = 4, SIDE = 64, FRAMES = 70, N_CONVOLUTIONS = 40 };

static oassl_context *context;
static oassl_model *fresh;
static float *pictures, *sounds;
static oassl_tensor picture_view, sound_view;

static float *noise(int64_t count, float scale, float offset) {
    float *x = malloc((size_t)count * sizeof *x);
    uint32_t state = 7;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = offset + scale * ((float)(state >> 8) / 8388608.0f - 1);
    }
    return x;
}

static oassl_tensor view_of(float *data, int64_t n, int64_t c, int64_t h, int64_t w) {
    return (oassl_tensor){.data = data,
                          .device = OASSL_DEVICE_CPU,
                          .dtype = OASSL_DTYPE_F32,
                          .rank = 4,
                          .shape = {n, c, h, w},
                          .strides = {c * h * w, h * w, w, 1}};
}

static oassl_status make_model(int32_t precision, oassl_model **out) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = WIDTH;
    options.text_dim = -1;
    options.seed = 3;
    options.precision = precision;
    return oassl_model_create(context, &options, out);
}

static oassl_status load(const char *path, int32_t precision, oassl_model **out) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.precision = precision;
    return oassl_model_load(context, path, &options, out);
}

static int open_all(void **state) {
    (void)state;
    context = tiny_context("reference", NULL);
    MUST(make_model(OASSL_PRECISION_F32, &fresh));
    pictures = noise(2 * 3 * SIDE * SIDE, 2, 0);
    sounds = noise(2 * OASSL_LOGSPEC_ROWS * FRAMES, 0.5f, -1); /* below zero throughout */
    picture_view = view_of(pictures, 2, 3, SIDE, SIDE);
    sound_view = view_of(sounds, 2, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    oassl_model_destroy(fresh);
    oassl_context_destroy(context);
    free(pictures);
    free(sounds);
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------------------- */

static void test_precision_is_checked(void **state) {
    (void)state;
    oassl_model *model;
    for (int32_t wrong = -1; wrong <= 4; wrong += 5) {
        must_name(make_model(wrong, &model), OASSL_STATUS_INVALID_ARGUMENT, "precision", wrong < 0 ? "-1" : "4");
        assert_null(model);
    }
    must_name(make_model(OASSL_PRECISION_INT8, &model), OASSL_STATUS_NOT_FOUND, "calibrated", "oassl quantize");
    assert_null(model);
    MUST(make_model(OASSL_PRECISION_BF16, &model));
    oassl_model_info info = {.struct_size = sizeof info};
    MUST(oassl_model_get_info(model, &info));
    assert_int_equal(info.precision, OASSL_PRECISION_BF16);
    oassl_model_destroy(model);
}

static oassl_status encode(const oassl_model *model, float *map) {
    oassl_encoder *encoder;
    oassl_encoder_shape shape = {.struct_size = sizeof shape};
    MUST(oassl_encoder_create(model, &encoder));
    MUST(oassl_encoder_picture_shape(encoder, SIDE, SIDE, &shape));
    oassl_tensor out = view_of(map, 2, shape.channels, shape.height, shape.width);
    oassl_status status = oassl_encoder_pictures(encoder, &picture_view, &out, NULL);
    oassl_encoder_destroy(encoder);
    return status;
}

/* The reference backend computes f32 only: bf16 is refused and f32-fast, a permission, is plain f32. */
static void test_nothing_is_replaced_silently(void **state) {
    (void)state;
    enum { COUNT = 2 * 8 * WIDTH * 2 * 2 };
    float plain[COUNT], fast[COUNT];
    oassl_context *before = context;
    for (int fallback = 0; fallback < 2; fallback++) {
        oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
        options.backend = "reference";
        options.allow_fallback = fallback;
        MUST(oassl_context_create(&options, &context));
        oassl_model *model;
        MUST(make_model(OASSL_PRECISION_BF16, &model));
        must_name(encode(model, plain), OASSL_STATUS_UNSUPPORTED, "reference", "imgnet.stem");
        oassl_model_destroy(model);
        MUST(make_model(OASSL_PRECISION_F32_FAST, &model));
        MUST(encode(model, fast));
        oassl_model_destroy(model);
        oassl_context_destroy(context);
    }
    context = before;
    MUST(encode(fresh, plain));
    assert_memory_equal(plain, fast, sizeof plain);
}

static void test_trainer_options(void **state) {
    (void)state;
    oassl_trainer_options options = tiny_options();
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIDE, .width = SIDE, .frames = FRAMES};
    oassl_trainer *trainer;
    options.loss.lambda_oca = options.loss.lambda_ori = 0;
    options.loss.lambda_base = 1;
    MUST(oassl_trainer_options_set(&options, "precision", "int8"));
    must_name(oassl_trainer_create_fed(context, &options, &shape, NULL, &trainer), OASSL_STATUS_INVALID_ARGUMENT,
              "precision", "bf16");
    must_name(oassl_trainer_options_set(&options, "precision", "f16"), OASSL_STATUS_INVALID_ARGUMENT, "precision",
              "f32_fast");
    MUST(oassl_trainer_options_set(&options, "precision", "bf16"));
    assert_int_equal(options.precision, OASSL_PRECISION_BF16);
    must_name(oassl_trainer_create_fed(context, &options, &shape, NULL, &trainer), OASSL_STATUS_UNSUPPORTED,
              "reference", "precision");
    assert_null(trainer);
}

/* Another precision is refused by name; files of versions without the option count as f32. */
static void test_resume_keeps_the_precision(void **state) {
    (void)state;
    oassl_trainer_options options = tiny_options();
    options.task = OASSL_TASK_CLASSIFY;
    options.batch_size = 2;
    options.save_every = 1;
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIDE, .width = SIDE, .n_classes = 2};
    float one_hot[4] = {1, 0, 0, 1};
    oassl_tensor targets = {.data = one_hot,
                            .device = OASSL_DEVICE_CPU,
                            .dtype = OASSL_DTYPE_F32,
                            .rank = 2,
                            .shape = {2, 2},
                            .strides = {2, 1}};
    oassl_trainer_batch batch = {.struct_size = sizeof batch, .pictures = &picture_view, .targets = &targets};
    oassl_trainer *trainer;
    MUST(oassl_trainer_create_fed(context, &options, &shape, TMP("precision-run"), &trainer));
    MUST(oassl_trainer_step_batch(trainer, &batch));
    oassl_trainer_destroy(trainer);
    char *config = tiny_read(TMP("precision-run/config.json"), NULL);
    assert_non_null(strstr(config, "\"precision\": \"f32\""));
    free(config);
    options.precision = OASSL_PRECISION_F32_FAST;
    MUST(oassl_trainer_create_fed(context, &options, &shape, TMP("precision-run"), &trainer));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_INVALID_ARGUMENT, "precision", "f32_fast");
    oassl_trainer_destroy(trainer);

    size_t bytes;
    char *file = tiny_read(TMP("precision-run/last.safetensors"), &bytes);
    char *key = memmem(file, bytes, "precision", strlen("precision"));
    assert_non_null(key);
    key[8] = 'm'; /* a name nobody asks for: the file of a version that did not know the option */
    tiny_write_file(TMP("precision-run/last.safetensors"), file, bytes);
    free(file);
    MUST(oassl_trainer_create_fed(context, &options, &shape, TMP("precision-run"), &trainer));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_INVALID_ARGUMENT, "precision", "(absent)");
    oassl_trainer_destroy(trainer);
    options.precision = OASSL_PRECISION_F32;
    MUST(oassl_trainer_create_fed(context, &options, &shape, TMP("precision-run"), &trainer));
    MUST(oassl_trainer_resume(trainer));
    oassl_trainer_destroy(trainer);
}

/* ---- calibration --------------------------------------------------------------------------------------------- */

static oassl_model *calibrated(double percentile, int halves) {
    oassl_quantize_options options = OASSL_QUANTIZE_OPTIONS_INIT;
    options.percentile = percentile;
    oassl_quantizer *quantizer;
    oassl_model *model;
    MUST(oassl_quantizer_create(fresh, &options, &quantizer));
    if (halves) { /* one picture after the other */
        for (int i = 0; i < 2; i++) {
            oassl_tensor one = view_of(pictures + i * 3 * SIDE * SIDE, 1, 3, SIDE, SIDE);
            MUST(oassl_quantizer_add_pictures(quantizer, &one));
        }
    } else
        MUST(oassl_quantizer_add_pictures(quantizer, &picture_view));
    MUST(oassl_quantizer_add_sounds(quantizer, &sound_view));
    assert_int_equal(oassl_quantizer_n_samples(quantizer), 2);
    MUST(oassl_quantizer_finish(quantizer, &model));
    oassl_quantizer_destroy(quantizer);
    return model;
}

static void range_in(const oassl_model *model, const char *convolution, const char *place, double out[2]) {
    const char *text = oassl_model_metadata(model, OAI_RANGES_KEY);
    json_t *object, *ranges, *places;
    assert_non_null(text);
    MUST(oai_json_parse(text, strlen(text), "ranges", 1, &object));
    MUST(oai_json_object(object, "ranges", &ranges));
    MUST(oai_json_object(ranges, convolution, &places));
    MUST(oai_json_numbers(places, place, 2, out));
    json_decref(object);
}

static void test_ranges_hold_what_was_seen(void **state) {
    (void)state;
    float low = 0, high = 0, quietest = 0;
    for (int64_t i = 0; i < 2 * 3 * SIDE * SIDE; i++) low = fminf(low, pictures[i]), high = fmaxf(high, pictures[i]);
    for (int64_t i = 0; i < 2 * OASSL_LOGSPEC_ROWS * FRAMES; i++) quietest = fminf(quietest, sounds[i]);
    oassl_model *all = calibrated(100, 0), *halves = calibrated(100, 1), *most = calibrated(0, 0);
    double found[2], part[2], relu[2], output[2];
    range_in(all, "imgnet.conv1", "input", found);
    assert_float_equal(found[0], low, 1e-6);
    assert_float_equal(found[1], high, 1e-6);
    range_in(all, "audnet.conv1", "input", found);
    assert_float_equal(found[0], quietest, 1e-6);
    assert_float_equal(found[1], 0, 0); /* the padding */
    range_in(all, "imgnet.layer2.0.conv1", "output", output);
    range_in(all, "imgnet.layer2.0.conv2", "input", relu);
    assert_true(output[0] < 0 && relu[0] == 0 && fabs(relu[1] - output[1]) <= 1e-6 * output[1]);
    range_in(halves, "imgnet.layer2.0.conv1", "output", part);
    assert_float_equal(part[0], output[0], 1e-5 * -output[0]);
    assert_float_equal(part[1], output[1], 1e-5 * output[1]);
    range_in(most, "imgnet.layer2.0.conv1", "output", part);
    assert_true(part[0] >= output[0] && part[1] <= output[1] && part[1] > 0.3 * output[1]);
    range_in(all, "imgnet.layer4.1.conv2", "relu", relu); /* the feature map, an output of the network */
    assert_true(relu[0] == 0 && relu[1] > 0);
    oassl_model_destroy(all);
    oassl_model_destroy(halves);
    oassl_model_destroy(most);
}

/* A fifth beyond the range that holds nine tenths of a value. */
static void test_percentiles(void **state) {
    (void)state;
    oassl_model *model = calibrated(90, 0);
    double found[2];
    int64_t n = 2 * 3 * SIDE * SIDE, outside = 0;
    range_in(model, "imgnet.conv1", "input", found);
    for (int64_t i = 0; i < n; i++) outside += pictures[i] < found[0] || pictures[i] > found[1];
    assert_true(outside > 0.08 * (double)n && outside <= 0.1 * (double)n);
    oassl_model_destroy(model);
}

static void test_calibrated_file(void **state) {
    (void)state;
    oassl_model *model = calibrated(0, 0), *loaded;
    oassl_model_info info = {.struct_size = sizeof info};
    MUST(oassl_model_get_info(model, &info));
    assert_int_equal(info.precision, OASSL_PRECISION_INT8);
    MUST(oassl_model_save(model, TMP("int8.safetensors")));
    MUST(oassl_model_save(fresh, TMP("plain.safetensors")));
    must_name(load(TMP("plain.safetensors"), OASSL_PRECISION_INT8, &loaded), OASSL_STATUS_NOT_FOUND,
              "plain.safetensors", "oassl quantize");
    MUST(load(TMP("int8.safetensors"), OASSL_PRECISION_INT8, &loaded));
    assert_string_equal(oassl_model_metadata(loaded, OAI_RANGES_KEY), oassl_model_metadata(model, OAI_RANGES_KEY));
    float map[2 * 8 * WIDTH * 2 * 2], same[2 * 8 * WIDTH * 2 * 2];
    must_name(encode(loaded, map), OASSL_STATUS_UNSUPPORTED, "reference", "precision");
    oassl_model_destroy(loaded);
    oassl_model_destroy(model);
    MUST(load(TMP("int8.safetensors"), OASSL_PRECISION_F32, &loaded)); /* for other precisions it is as before */
    MUST(encode(loaded, map));
    MUST(encode(fresh, same));
    assert_memory_equal(map, same, sizeof map);
    oassl_model_destroy(loaded);
}

/* Names survive other input sizes and batches, and every convolution has a range. */
static void test_ranges_reach_the_plan(void **state) {
    (void)state;
    oassl_model *model = calibrated(0, 0);
    MUST(oassl_model_save(model, TMP("bound.safetensors")));
    oassl_model_destroy(model);
    static const char *const keys[] = {OAI_RANGES_KEY, NULL};
    oai_net_config config;
    oai_store *store;
    MUST(oai_net_load(&oai_default_host, TMP("bound.safetensors"), keys, 0, 0, &config, &store));
    const int64_t sizes[][4] = {
        {OAI_NET_VISUAL, 1, 64, 64}, {OAI_NET_VISUAL, 3, 96, 160}, {OAI_NET_AUDIO, 2, 257, 301}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        oai_net_graph net;
        oassl_backend_range *ranges;
        uint32_t n, n_convolutions = 0;
        MUST(oai_net_graph_create(&oai_default_host, &config, sizes[i], &net));
        MUST(oai_ranges_bind(store, net.graph, &ranges, &n));
        for (uint32_t k = 0; k < net.graph->n_nodes; k++) {
            const oassl_graph_node *node = &net.graph->nodes[k];
            if (node->op != OASSL_OP_CONV2D) continue;
            int has = 0;
            n_convolutions++;
            for (uint32_t r = 0; r < n; r++) has += ranges[r].value == net.graph->operands[node->first_input];
            assert_int_equal(has, 1);
        }
        assert_int_equal(n_convolutions, N_CONVOLUTIONS / 2);
        assert_true(n > 3 * n_convolutions / 2);
        oai_free(&oai_default_host, ranges);
        oai_net_graph_free(&net);
    }
    oai_store_destroy(store);
}

static void test_quantizer_refuses(void **state) {
    (void)state;
    oassl_quantizer *quantizer;
    oassl_model *model;
    oassl_quantize_options options = OASSL_QUANTIZE_OPTIONS_INIT;
    for (int i = 0; i < 3; i++) {
        options.percentile = i == 0 ? 101 : i == 1 ? 5 : NAN;
        must_name(oassl_quantizer_create(fresh, &options, &quantizer), OASSL_STATUS_INVALID_ARGUMENT, "percentile",
                  "90 to 100");
        assert_null(quantizer);
    }
    must_name(oassl_quantizer_create(NULL, NULL, &quantizer), OASSL_STATUS_INVALID_ARGUMENT, "model", "NULL");
    MUST(oassl_quantizer_create(fresh, NULL, &quantizer));
    must_name(oassl_quantizer_finish(quantizer, &model), OASSL_STATUS_INVALID_ARGUMENT, "pictures and sounds",
              "0 pictures");
    MUST(oassl_quantizer_add_pictures(quantizer, &picture_view));
    must_name(oassl_quantizer_finish(quantizer, &model), OASSL_STATUS_INVALID_ARGUMENT, "2 pictures", "0 sounds");
    must_name(oassl_quantizer_add_pictures(quantizer, &sound_view), OASSL_STATUS_SHAPE_MISMATCH, "pictures", "3");
    float kept = sounds[5];
    sounds[5] = NAN;
    must_name(oassl_quantizer_add_sounds(quantizer, &sound_view), OASSL_STATUS_NON_FINITE, "spectrograms", "5");
    sounds[5] = kept;
    must_name(oassl_quantizer_add_manifest(quantizer, TMP("nothing.jsonl")), OASSL_STATUS_NOT_FOUND, "nothing.jsonl",
              "");
    oassl_quantizer_destroy(quantizer);
    oassl_quantizer_destroy(NULL);
    assert_int_equal(oassl_quantizer_n_samples(NULL), 0);
}

static void test_manifest(void **state) {
    (void)state;
    tiny_write(context, TMP("precision-set"), OASSL_SYNTH_DUET, 12, 64, 0.5, 0);
    oassl_quantize_options options = OASSL_QUANTIZE_OPTIONS_INIT;
    oassl_quantizer *quantizer;
    oassl_model *model;
    options.max_samples = 3;
    MUST(oassl_quantizer_create(fresh, &options, &quantizer));
    MUST(oassl_quantizer_add_manifest(quantizer, TMP("precision-set/manifest.jsonl")));
    assert_int_equal(oassl_quantizer_n_samples(quantizer), 3);
    MUST(oassl_quantizer_finish(quantizer, &model));
    double found[2];
    range_in(model, "audnet.conv1", "input", found);
    assert_true(found[0] < found[1]);
    oassl_model_destroy(model);
    oassl_quantizer_destroy(quantizer);
    options.split = "test";
    MUST(oassl_quantizer_create(fresh, &options, &quantizer));
    must_name(oassl_quantizer_add_manifest(quantizer, TMP("precision-set/manifest.jsonl")), OASSL_STATUS_NOT_FOUND,
              "test", "picture and sound");
    oassl_quantizer_destroy(quantizer);
    static const char broken[] =
        "{\"id\": \"solitude\", \"image\": \"images/none.png\", \"audio\": \"audio/none.wav\"}\n";
    tiny_write_file(TMP("precision-set/broken.jsonl"), broken, sizeof broken - 1);
    options.split = NULL;
    MUST(oassl_quantizer_create(fresh, &options, &quantizer));
    must_name(oassl_quantizer_add_manifest(quantizer, TMP("precision-set/broken.jsonl")), OASSL_STATUS_NOT_FOUND,
              "solitude", "none.");
    oassl_quantizer_destroy(quantizer);
}

static void test_classifier(void **state) {
    (void)state;
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.kind = OASSL_MODEL_CLASSIFIER;
    options.base_width = WIDTH;
    options.n_classes = 3;
    oassl_model *classifier, *quantized;
    oassl_quantizer *quantizer;
    MUST(oassl_model_create(context, &options, &classifier));
    MUST(oassl_quantizer_create(classifier, NULL, &quantizer));
    must_name(oassl_quantizer_add_sounds(quantizer, &sound_view), OASSL_STATUS_UNSUPPORTED, "classifier", "sound");
    MUST(oassl_quantizer_add_pictures(quantizer, &picture_view));
    MUST(oassl_quantizer_finish(quantizer, &quantized));
    assert_non_null(strstr(oassl_model_metadata(quantized, OAI_RANGES_KEY), "\"layer4.1.conv2\""));
    oassl_model_destroy(quantized);
    oassl_quantizer_destroy(quantizer);
    oassl_model_destroy(classifier);
}

/* ---- hostile metadata ---------------------------------------------------------------------------------------- */

static void try_metadata(const char *text, const char *first, const char *second) {
    static const char *const keys[] = {OAI_RANGES_KEY, NULL};
    oai_net_config config;
    oai_store *store;
    oassl_model *model;
    MUST(oai_net_load(&oai_default_host, TMP("int8.safetensors"), keys, 0, 0, &config, &store));
    MUST(oai_store_set_metadata(store, OAI_RANGES_KEY, text));
    MUST(oai_store_save(store, TMP("hostile.safetensors")));
    oai_store_destroy(store);
    must_name(load(TMP("hostile.safetensors"), OASSL_PRECISION_INT8, &model), OASSL_STATUS_FORMAT, first, second);
    assert_non_null(strstr(oassl_last_error(), "hostile.safetensors"));
    assert_null(model);
    MUST(load(TMP("hostile.safetensors"), OASSL_PRECISION_F32, &model)); /* nobody asks for the ranges */
    oassl_model_destroy(model);
}

static void test_hostile_metadata(void **state) {
    (void)state;
    try_metadata("", "oassl_int8", "");
    try_metadata("[]", "oassl_int8", "ranges");
    try_metadata("{\"ranges\": 5}", "ranges", "object");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": [0, 1]}}", "imgnet.conv1", "object");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": 7}}}", "imgnet.conv1", "input");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [0]}}}", "imgnet.conv1", "input");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [0, 1, 2]}}}", "imgnet.conv1", "input");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [\"0\", 1]}}}", "imgnet.conv1", "input");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [NaN, 1]}}}", "oassl_int8", "NaN");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [0, 1e999]}}}", "oassl_int8", "real number overflow");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [0, 1e39]}}}", "imgnet.conv1", "1e+39");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [2, 1]}}}", "imgnet.conv1", "[2, 1]");
    try_metadata("{\"ranges\": {\"imgnet.conv1\": {\"input\": [0, 1]}}}", "imgnet.layer1.0.conv1", "calibrate");
    try_metadata("{\"ranges\": {}}", "imgnet.conv1", "calibrate");
}

/* ---- plans --------------------------------------------------------------------------------------------------- */

static void test_ranges_are_part_of_a_plan(void **state) {
    (void)state;
    oai_builder *b;
    oassl_graph *graph;
    MUST(oai_builder_create(&oai_default_host, &b));
    oai_value x = oai_input(b, "x", OASSL_DTYPE_F32, 1, OAI_SHAPE(3));
    oai_output(b, oai_unary(b, OASSL_OP_RELU, x));
    MUST(oai_builder_finish(b, &graph));
    oai_builder_destroy(b);
    oassl_backend_range own = {x, -1, 1}, same = own, other = {x, -1, 2};
    oai_plan_options a = {.ranges = &own, .n_ranges = 1}, again = {.ranges = &same, .n_ranges = 1},
                     c = {.ranges = &other, .n_ranges = 1};
    oai_plan *plans[4];
    MUST(oai_plan_create(context, graph, NULL, 0, &a, &plans[0]));
    MUST(oai_plan_create(context, graph, NULL, 0, &again, &plans[1]));
    MUST(oai_plan_create(context, graph, NULL, 0, &c, &plans[2]));
    MUST(oai_plan_create(context, graph, NULL, 0, NULL, &plans[3]));
    assert_ptr_equal(plans[0], plans[1]);
    assert_true(plans[2] != plans[0] && plans[3] != plans[0] && plans[3] != plans[2]);
    assert_true(plans[0]->options.ranges != &own && plans[0]->options.ranges[0].high == 1);
    for (int i = 0; i < 4; i++) oai_plan_destroy(plans[i]);
    const oassl_backend_range wrong[] = {{99, 0, 1}, {x, 1, 0}, {x, NAN, 1}, {x, 0, INFINITY}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        a.ranges = &wrong[i];
        must_name(oai_plan_create(context, graph, NULL, 0, &a, &plans[0]), OASSL_STATUS_INVALID_ARGUMENT, "ranges[0]",
                  i == 0 ? "99" : "value 0");
        assert_null(plans[0]);
    }
    oai_graph_destroy(&oai_default_host, graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precision_is_checked),
        cmocka_unit_test(test_nothing_is_replaced_silently),
        cmocka_unit_test(test_trainer_options),
        cmocka_unit_test(test_resume_keeps_the_precision),
        cmocka_unit_test(test_ranges_hold_what_was_seen),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_calibrated_file),
        cmocka_unit_test(test_ranges_reach_the_plan),
        cmocka_unit_test(test_quantizer_refuses),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_hostile_metadata),
        cmocka_unit_test(test_ranges_are_part_of_a_plan),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
