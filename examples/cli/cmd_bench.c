#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"

static const cli_command command = {
    "bench", "time inference and training steps", "[--batch N] [--size PIXELS] [--width N] [--repeats N]",
    "Times a freshly initialised pair (no files needed): features of pictures and sounds, and whole training steps with the\n"
    "OA-SSL loss, on this machine's cores.  Medians with the quartiles; tests/bench compares the same with PyTorch.\n\n"
    "example:\n  oassl bench --batch 16 --threads 2 --json\n"};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct timing {
    double median, low, high; /* seconds; quartiles */
    uint32_t n;
} timing;

enum { MAX_REPEATS = 1000 };

/* One untimed call, then `n` timed ones. */
static oassl_status repeat(oassl_status (*call)(void *), void *user, uint64_t n, timing *out) {
    static double seconds[MAX_REPEATS];
    oassl_status status = call(user);
    for (uint64_t i = 0; i < n && status == OASSL_STATUS_OK; i++) {
        double start = now();
        status = call(user);
        seconds[i] = now() - start;
        if (cli_interrupted()) n = i + 1;
    }
    qsort(seconds, n, sizeof *seconds, ascending);
    *out = (timing){seconds[n / 2], seconds[n / 4], seconds[3 * n / 4], (uint32_t)n};
    return status;
}

static oassl_tensor tensor(int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    oassl_tensor t = {.device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank, .shape = {a, b, c, d}};
    int64_t count = 1;
    for (int32_t axis = rank - 1; axis >= 0; axis--) {
        t.strides[axis] = count;
        count *= t.shape[axis];
    }
    float *data = malloc((size_t)count * sizeof *data);
    uint32_t state = 1;
    for (int64_t i = 0; data && i < count; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (float)(state >> 8) / 8388608.0f - 1;
    }
    t.data = data;
    return t;
}

typedef struct work {
    oassl_encoder *encoder;
    oassl_trainer *trainer;
    oassl_tensor pictures, sounds, foreground, background, map, vectors;
} work;

static oassl_status infer(void *user) {
    work *w = user;
    oassl_status status = oassl_encoder_pictures(w->encoder, &w->pictures, &w->map, NULL);
    return status == OASSL_STATUS_OK ? oassl_encoder_sounds(w->encoder, &w->sounds, &w->vectors) : status;
}

static oassl_status train(void *user) {
    work *w = user;
    oassl_trainer_batch batch = {.struct_size = sizeof batch, .pictures = &w->pictures, .spectrograms = &w->sounds,
                                 .foreground = &w->foreground, .background = &w->background};
    return oassl_trainer_step_batch(w->trainer, &batch);
}

typedef struct setting {
    uint64_t batch, size, width;
    int32_t precision;
    bool training;
} setting;

/* Fresh weights have no ranges: they are calibrated on the inputs that are timed. */
static oassl_status calibrate(const work *w, oassl_model **model) {
    oassl_quantizer *quantizer = NULL;
    oassl_model *quantized = NULL;
    oassl_status status = oassl_quantizer_create(*model, NULL, &quantizer);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_add_pictures(quantizer, &w->pictures);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_add_sounds(quantizer, &w->sounds);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_finish(quantizer, &quantized);
    oassl_quantizer_destroy(quantizer);
    if (status != OASSL_STATUS_OK) return status;
    oassl_model_destroy(*model);
    *model = quantized;
    return status;
}

static oassl_status prepare(oassl_context *context, work *w, const setting *set, oassl_model **model) {
    enum { FRAMES = 200, TEXT_DIM = 768 };
    int64_t batch = (int64_t)set->batch, size = (int64_t)set->size;
    bool int8 = set->precision == OASSL_PRECISION_INT8;
    oassl_model_options mo = OASSL_MODEL_OPTIONS_INIT;
    mo.base_width = (uint32_t)set->width;
    mo.precision = int8 ? OASSL_PRECISION_F32 : set->precision;
    oassl_status status = oassl_model_create(context, &mo, model);
    w->pictures = tensor(4, batch, 3, size, size);
    w->sounds = tensor(4, batch, 1, OASSL_LOGSPEC_ROWS, FRAMES);
    w->foreground = tensor(3, batch, 1, TEXT_DIM, 0);
    w->background = tensor(2, batch, TEXT_DIM, 0, 0);
    if (status == OASSL_STATUS_OK && int8) status = calibrate(w, model);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_create(*model, &w->encoder);
    oassl_encoder_shape shape = {.struct_size = sizeof shape};
    if (status == OASSL_STATUS_OK) status = oassl_encoder_picture_shape(w->encoder, (uint32_t)size, (uint32_t)size, &shape);
    if (status != OASSL_STATUS_OK) return status;
    w->map = tensor(4, batch, shape.channels, shape.height, shape.width);
    w->vectors = tensor(2, batch, shape.channels, 0, 0);
    if (!set->training) return OASSL_STATUS_OK;
    oassl_trainer_options to = OASSL_TRAINER_OPTIONS_INIT;
    to.base_width = mo.base_width;
    to.batch_size = (uint32_t)batch;
    to.image_size = (uint32_t)size;
    to.precision = set->precision;
    oassl_trainer_shape ts = {.struct_size = sizeof ts, .height = (uint32_t)size, .width = (uint32_t)size, .frames = FRAMES,
                              .n_foreground = 1, .text_dim = TEXT_DIM};
    return oassl_trainer_create_fed(context, &to, &ts, NULL, &w->trainer);
}

static json_t *timing_json(const timing *t) {
    return json_pack("{s:f, s:f, s:f, s:i}", "median_seconds", t->median, "quartile_low", t->low, "quartile_high", t->high, "repeats", t->n);
}

int cmd_bench(int argc, char **argv) {
    setting set = {.batch = 1, .size = 224, .width = 64};
    uint64_t repeats = 10;
    bool no_training = false;
    const cli_option table[] = {
        {"--batch", CLI_UINT, &set.batch, "N", "samples at once; default 1", false},
        {"--size", CLI_UINT, &set.size, "PIXELS", "side of the pictures; default 224", false},
        {"--width", CLI_UINT, &set.width, "N", "channels of the first stage; default 64", false},
        {"--repeats", CLI_UINT, &repeats, "N", "timed calls; default 10", false},
        {"--no-training", CLI_FLAG, &no_training, NULL, "inference only", false},
        CLI_PRECISION_OPTION,
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    if ((code = cli_precision(&command, &set.precision)) >= 0) return code;
    set.training = !no_training && set.precision != OASSL_PRECISION_INT8; /* int8 is for inference */
    if (set.batch < 1 || set.batch > 1024 || set.size < 32 || set.size > 4096 || set.width < 1 || set.width > 1024 || repeats < 1 || repeats > MAX_REPEATS)
        return cli_wrong(&command, "expected batch 1 to 1024, size 32 to 4096, width 1 to 1024, repeats 1 to %d", MAX_REPEATS);
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    work w = {0};
    oassl_model *model = NULL;
    timing inference = {0}, training = {0};
    oassl_status status = prepare(context, &w, &set, &model);
    if (status == OASSL_STATUS_OK) status = repeat(infer, &w, repeats, &inference);
    if (status == OASSL_STATUS_OK && set.training) status = repeat(train, &w, repeats, &training);
    oassl_trainer_state state = {.struct_size = sizeof state};
    if (status == OASSL_STATUS_OK && set.training) status = oassl_trainer_get_state(w.trainer, &state);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    if (code == 0 && common.json)
        cli_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:I}", "version", oassl_version_string(), "precision",
                                 cli_precision_name(set.precision), "threads", (json_int_t)oassl_context_n_threads(context), "batch",
                                 (json_int_t)set.batch, "size", (json_int_t)set.size, "width", (json_int_t)set.width, "inference",
                                 timing_json(&inference), "training_step", timing_json(&training), "training_workspace_bytes",
                                 (json_int_t)state.workspace_bytes));
    else if (code == 0) {
        printf("batch %llu, %llu px, width %llu, %s, %u threads, %u repeats: median seconds (quartiles)\n", (unsigned long long)set.batch,
               (unsigned long long)set.size, (unsigned long long)set.width, cli_precision_name(set.precision),
               oassl_context_n_threads(context), inference.n);
        printf("  inference      %.4f (%.4f, %.4f)\n", inference.median, inference.low, inference.high);
        if (set.training)
            printf("  training step  %.4f (%.4f, %.4f), workspace %.0f MiB\n", training.median, training.low, training.high,
                   (double)state.workspace_bytes / 1048576);
    }
    oassl_tensor *tensors[] = {&w.pictures, &w.sounds, &w.foreground, &w.background, &w.map, &w.vectors};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) free(tensors[i]->data);
    oassl_trainer_destroy(w.trainer);
    oassl_encoder_destroy(w.encoder);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return code;
}
