/* The calls that faults are injected into, on data and networks so small that a call takes milliseconds.
 * The including file defines FAULT_DIR, its folder, and says what the context is made of in `fault_options`. */
#ifndef TEST_FAULT_OPERATIONS_H
#define TEST_FAULT_OPERATIONS_H

#include "fault/injection.h"

#include <ftw.h>

#include "oassl/encoder.h"
#include "oassl/evaluate.h"

#define AT(name) FAULT_DIR "/" name

enum { SIDE = 32, RATE = 16000, N_CLIPS = 6, TEXT_DIM = 8 };

static oassl_context_options fault_options = OASSL_CONTEXT_OPTIONS_INIT;
static oassl_context *context;
static oassl_model *model;
static oassl_localizer *localizer;
static oassl_encoder *encoder;
static oassl_trainer *trainer;
static uint8_t rgb[SIDE * SIDE * 3];
static float pcm[RATE];
static oassl_image picture = {.rgb = rgb, .width = SIDE, .height = SIDE};
static oassl_audio sound = {.samples = pcm, .frames = RATE, .channels = 1, .rate = RATE};

/* Releases what `*object` points to, and forgets it: operations are opened again and again. */
#define DROP(kind, object)                                                                                            \
    do {                                                                                                              \
        oassl_##kind##_destroy(object);                                                                               \
        (object) = NULL;                                                                                              \
    } while (0)

/* ---- data ------------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    remove(path);
    return 0; /* the root may be a mount */
}

static void write_inputs(void) {
    nftw(FAULT_DIR, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* of an earlier run */
    oassl_context *plain = tiny_context("reference", NULL);
    oai_rng rng = oai_rng_stream(1, 1);
    mkdir(FAULT_DIR, 0777);
    tiny_write(plain, AT("data"), OASSL_SYNTH_SOLO, N_CLIPS, SIDE, 0.34, TEXT_DIM);
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(oai_rng_u64(&rng) >> 40);
    for (int i = 0; i < RATE; i++) pcm[i] = (float)oai_rng_uniform(&rng) - 0.5f;
    MUST(oassl_image_save_png(plain, AT("in.png"), &picture));
    MUST(oassl_image_save_jpeg(plain, AT("in.jpg"), &picture, 90));
    MUST(oassl_audio_save_wav(plain, AT("in.wav"), &sound));
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = 2;
    options.text_dim = TEXT_DIM;
    MUST(oassl_model_create(plain, &options, &model));
    MUST(oassl_model_save(model, AT("in.safetensors")));
    DROP(model, model);
    oassl_context_destroy(plain);
    static const char vggss[] =
        "[{\"file\": \"a_000001\", \"class\": \"dog barking\", \"bbox\": [[0.1, 0.1, 0.5, 0.6]]},\n"
        " {\"file\": \"b_000002\", \"class\": \"cat, \\u00e9\", \"bbox\": [[0.3, 0.2, 0.9, 0.6], [0, 0, 0.5, 0.5]]}]\n";
    tiny_write_file(AT("vggss.json"), vggss, sizeof vggss - 1);
    static const char flickr[] = "<?xml version=\"1.0\"?><annotation><a><id>x</id><bbox><o>1</o><p>13</p><q>77</q><r>200</r>"
                                 "<s>256</s></bbox></a></annotation>";
    mkdir(AT("xml"), 0777);
    tiny_write_file(AT("xml/3908875350.xml"), flickr, sizeof flickr - 1);
    static const char mapping[] = "{\"a rather long identifier of a clip\": {\"foreground\": \"an image of a cat\",\n"
                                  " \"background\": \"an image of a mat\"}}";
    tiny_write_file(AT("mapping.json"), mapping, sizeof mapping - 1);
}

static void open_context(void) { MUST(oassl_context_create(&fault_options, &context)); }

/* For a program that stays with the reference backend. */
static inline int open_reference(void **state) {
    (void)state;
    write_inputs();
    fault_options.backend = "reference";
    fault_options.n_threads = 1;
    open_context();
    return 0;
}

static inline int close_reference(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
}

static oassl_status open_model(void) { return oassl_model_load(context, AT("in.safetensors"), NULL, &model); }

static void close_model(void) { DROP(model, model); }

/* ---- contexts and models ---------------------------------------------------------------------------------------- */

static oassl_status run_context(uint64_t *digest) {
    oassl_context *own;
    oassl_backend_info info = {.struct_size = sizeof info};
    *digest = 0;
    OAI_TRY(oassl_context_create(&fault_options, &own));
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t i = 0; i < oassl_context_n_backends(own) && status == OASSL_STATUS_OK; i++) {
        status = oassl_context_backend(own, i, &info);
        *digest = digest_bytes(*digest, info.name, strlen(info.name));
        *digest = digest_bytes(*digest, &info.active, sizeof info.active);
    }
    oassl_context_destroy(own);
    return status;
}

static uint64_t digest_model(const oassl_model *m) {
    uint64_t digest = 0;
    oassl_model_info info = {.struct_size = sizeof info};
    MUST(oassl_model_get_info(m, &info));
    for (uint32_t i = 0; i < info.n_tensors; i++) {
        oassl_tensor t;
        const char *name;
        MUST(oassl_model_tensor(m, i, &name, &t));
        size_t n = 1;
        for (int32_t k = 0; k < t.rank; k++) n *= (size_t)t.shape[k];
        digest = digest_bytes(digest_bytes(digest, name, strlen(name)), t.data, n * sizeof(float));
    }
    const char *config = oassl_model_metadata(m, "oassl_config");
    return config ? digest_bytes(digest, config, strlen(config)) : digest;
}

static oassl_status run_model_create(uint64_t *digest) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *own;
    options.base_width = 1;
    options.text_dim = 4;
    OAI_TRY(oassl_model_create(context, &options, &own));
    *digest = digest_model(own);
    oassl_model_destroy(own);
    return OASSL_STATUS_OK;
}

static oassl_status run_model_load(uint64_t *digest) {
    oassl_model *own;
    OAI_TRY(oassl_model_load(context, AT("in.safetensors"), NULL, &own));
    *digest = digest_model(own);
    oassl_model_destroy(own);
    return OASSL_STATUS_OK;
}

static oassl_status run_model_save(uint64_t *digest) {
    OAI_TRY(oassl_model_save(model, AT("out.safetensors")));
    *digest = digest_file(0, AT("out.safetensors"));
    return OASSL_STATUS_OK;
}

/* ---- localisation ----------------------------------------------------------------------------------------------- */

static oassl_status run_localizer(uint64_t *digest) {
    const oassl_localization *found;
    *digest = 0;
    OAI_TRY(oassl_localizer_run(localizer, &picture, &sound, &found));
    for (uint32_t k = 0; k < found->n_sources; k++) {
        *digest = digest_bytes(*digest, found->sources[k].map, (size_t)found->width * found->height * sizeof(float));
        *digest = digest_bytes(*digest, found->sources[k].box, sizeof found->sources[k].box);
    }
    return OASSL_STATUS_OK;
}

static oassl_status open_localizer(void) {
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.n_sources = 2;
    options.input_width = options.input_height = 64;
    if (!model) OAI_TRY(open_model());
    return oassl_localizer_create(model, &options, &localizer);
}

static void close_localizer(void) {
    DROP(localizer, localizer);
    close_model();
}

/* Creation, the first run, which compiles the plans, and another. */
static oassl_status run_cold_localizer(uint64_t *digest) {
    oassl_status status = open_localizer();
    if (status == OASSL_STATUS_OK) status = run_localizer(digest);
    DROP(localizer, localizer);
    return status;
}

static oassl_status open_encoder(void) {
    OAI_TRY(open_model());
    return oassl_encoder_create(model, &encoder);
}

static void close_encoder(void) {
    DROP(encoder, encoder);
    close_model();
}

static oassl_status run_encoder(uint64_t *digest) {
    static float x[32 * 32], y[16];
    for (int i = 0; i < 32 * 32; i++) x[i] = pcm[i];
    oassl_tensor in = {x, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 4, {1, 1, 32, 32}, {1024, 1024, 32, 1}};
    oassl_tensor out = {y, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 2, {1, 16}, {16, 1}};
    OAI_TRY(oassl_encoder_sounds(encoder, &in, &out));
    *digest = digest_bytes(0, y, sizeof y);
    return OASSL_STATUS_OK;
}

/* ---- training --------------------------------------------------------------------------------------------------- */

static oassl_trainer_options training_options(void) {
    oassl_trainer_options options = tiny_options();
    options.base_width = 1;
    options.image_size = SIDE;
    options.batch_size = 2;
    options.audio_frames = 32;
    options.n_steps = 3;
    options.val_every = 2;
    return options;
}

static oassl_status open_trainer(void) {
    oassl_trainer_options options = training_options();
    remove(AT("run/last.safetensors"));
    return oassl_trainer_create(context, &options, AT("data/manifest.jsonl"), AT("data/captions.npz"), AT("run"),
                                &trainer);
}

static void close_trainer(void) { DROP(trainer, trainer); }

/* Everything that a run keeps, the log's times left out. */
static oassl_status digest_trainer(uint64_t *digest) {
    oassl_trainer_state state = {.struct_size = sizeof state};
    OAI_TRY(oassl_trainer_get_state(trainer, &state));
    *digest = digest_bytes(0, &state.step, sizeof state.step);
    *digest = digest_bytes(*digest, &state.loss, sizeof state.loss);
    return OASSL_STATUS_OK;
}

static oassl_status run_trainer_create(uint64_t *digest) {
    oassl_status status = open_trainer();
    if (status == OASSL_STATUS_OK) status = digest_trainer(digest);
    close_trainer();
    return status;
}

static oassl_status run_trainer_step(uint64_t *digest) {
    OAI_TRY(oassl_trainer_step(trainer));
    return digest_trainer(digest);
}

/* Three steps with two validations, checkpoints and the fit of the confidence. */
static oassl_status run_trainer_run(uint64_t *digest) {
    OAI_TRY(oassl_trainer_run(trainer));
    *digest = digest_file(0, AT("run/best.safetensors"));
    OAI_TRY(oassl_trainer_save_model(trainer, AT("run/end.safetensors")));
    *digest = digest_file(*digest, AT("run/end.safetensors"));
    return OASSL_STATUS_OK;
}

/* ---- captions --------------------------------------------------------------------------------------------------- */

static oassl_status run_captions_encode(uint64_t *digest) {
    OAI_TRY(oassl_captions_encode(context, AT("data/captions.jsonl"), AT("data/encoder"), NULL, AT("out.npz"), NULL));
    *digest = digest_file(0, AT("out.npz"));
    return OASSL_STATUS_OK;
}

static oassl_status run_captions_open(uint64_t *digest) {
    oassl_captions *captions;
    oassl_caption_sample sample = OASSL_CAPTION_SAMPLE_INIT;
    OAI_TRY(oassl_captions_open(context, AT("data/captions.npz"), &captions));
    oassl_status status = oassl_captions_sample(captions, 1, &sample);
    if (status == OASSL_STATUS_OK) *digest = digest_bytes(0, sample.foreground, TEXT_DIM * sizeof(float));
    oassl_captions_destroy(captions);
    return status;
}

static oassl_status run_captions_check(uint64_t *digest) {
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    OAI_TRY(oassl_captions_check(context, AT("data/captions.jsonl"), NULL, &counts));
    *digest = digest_bytes(0, &counts.n_captions, sizeof counts.n_captions);
    *digest = digest_bytes(*digest, &counts.n_errors, sizeof counts.n_errors);
    return OASSL_STATUS_OK;
}

/* The other form of the file. */
static oassl_status run_captions_mapping(uint64_t *digest) {
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    OAI_TRY(oassl_captions_encode(context, AT("mapping.json"), AT("data/encoder"), NULL, AT("out2.npz"), &counts));
    *digest = digest_file(counts.n_captions, AT("out2.npz"));
    return OASSL_STATUS_OK;
}

static oassl_status run_make_text(uint64_t *digest) {
    oassl_text_encoder_options options = OASSL_TEXT_ENCODER_OPTIONS_INIT;
    options.width = 8;
    options.n_layers = 1;
    OAI_TRY(oassl_encoder_make_text(context, AT("out_encoder"), AT("data/vocab.txt"), &options));
    *digest = digest_file(0, AT("out_encoder/model.safetensors"));
    *digest = digest_file(*digest, AT("out_encoder/config.json"));
    return OASSL_STATUS_OK;
}

/* ---- evaluation ------------------------------------------------------------------------------------------------- */

static oassl_status run_evaluate(uint64_t *digest) {
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    oassl_metric_options metric = OASSL_METRIC_OPTIONS_INIT;
    metric.size = 16;
    options.metric = &metric;
    options.max_samples = 2;
    options.image_size = SIDE;
    OAI_TRY(oassl_evaluate(model, AT("data/manifest.jsonl"), &options, &result));
    *digest = digest_bytes(0, &result.metric.model, sizeof result.metric.model);
    *digest = digest_bytes(*digest, &result.confidence, sizeof result.confidence);
    return OASSL_STATUS_OK;
}

static oassl_status score_pictures(oassl_metric *metric, uint64_t *digest) {
    static float map[2][64];
    static const float box[1][4] = {{1, 1, 5, 5}};
    static const char *const ids[] = {"a", "b"};
    for (int i = 0; i < 128; i++) map[i / 64][i % 64] = pcm[i];
    for (int i = 0; i < 2; i++) {
        oassl_tensor tensor = {map[i], OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 2, {8, 8}, {8, 1}};
        oassl_metric_truth truth = {.boxes = box, .n_boxes = 1, .label = "guitar"};
        oassl_metric_sample sample = {
            .id = ids[i], .maps = &tensor, .sources = &truth, .n_maps = 1, .n_sources = 1, .width = 8, .height = 8};
        OAI_TRY(oassl_metric_add(metric, &sample));
    }
    uint64_t bytes;
    char text[65536];
    OAI_TRY(oassl_metric_json(metric, text, sizeof text, &bytes));
    *digest = digest_bytes(0, text, strlen(text));
    return OASSL_STATUS_OK;
}

static oassl_status run_metric(uint64_t *digest) {
    oassl_metric_options options = OASSL_METRIC_OPTIONS_INIT;
    oassl_metric *metric;
    options.size = 8;
    options.protocols = "canonical,noprior,slavc";
    options.bootstrap = 10;
    OAI_TRY(oassl_metric_create(context, &options, &metric));
    oassl_status status = score_pictures(metric, digest);
    oassl_metric_destroy(metric);
    return status;
}

/* ---- manifests and the built-in data ---------------------------------------------------------------------------- */

static oassl_status run_manifest(uint64_t *digest) {
    oassl_manifest *manifest;
    oassl_record record = OASSL_RECORD_INIT;
    *digest = 0;
    OAI_TRY(oassl_manifest_load(context, AT("data/manifest.jsonl"), NULL, &manifest));
    oassl_status status = OASSL_STATUS_OK;
    for (uint64_t i = 0; i < oassl_manifest_count(manifest) && status == OASSL_STATUS_OK; i++) {
        status = oassl_manifest_record(manifest, i, &record);
        *digest = digest_bytes(*digest, record.image, strlen(record.image));
        *digest = digest_bytes(*digest, record.sources[0].boxes, sizeof record.sources[0].boxes[0]);
    }
    oassl_manifest_destroy(manifest);
    return status;
}

static void say_nothing(void *user, int32_t severity, const char *file, uint64_t record, const char *id,
                        const char *text) {
    (void)user, (void)severity, (void)file, (void)record, (void)id, (void)text;
}

static oassl_status run_import(uint64_t *digest) {
    oassl_import_options options = OASSL_IMPORT_OPTIONS_INIT;
    oassl_import_counts counts = OASSL_IMPORT_COUNTS_INIT;
    options.format = "vggss";
    options.annotations = AT("vggss.json");
    options.mix_sources = 2;
    options.report = say_nothing;
    OAI_TRY(oassl_data_import(context, &options, AT("out.jsonl"), &counts));
    *digest = digest_file(0, AT("out.jsonl"));
    return OASSL_STATUS_OK;
}

static oassl_status run_import_xml(uint64_t *digest) {
    oassl_import_options options = OASSL_IMPORT_OPTIONS_INIT;
    options.format = "flickr";
    options.annotations = AT("xml");
    options.report = say_nothing;
    OAI_TRY(oassl_data_import(context, &options, AT("out_xml.jsonl"), NULL));
    *digest = digest_file(0, AT("out_xml.jsonl"));
    return OASSL_STATUS_OK;
}

static oassl_status run_check(uint64_t *digest) {
    oassl_check_options options = OASSL_CHECK_OPTIONS_INIT;
    oassl_check_counts counts = OASSL_CHECK_COUNTS_INIT;
    options.report = say_nothing;
    OAI_TRY(oassl_data_check(context, AT("data/manifest.jsonl"), &options, &counts));
    *digest = digest_bytes(0, &counts, sizeof counts);
    return OASSL_STATUS_OK;
}

static oassl_status run_stats(uint64_t *digest) {
    static char text[65536];
    uint64_t bytes;
    OAI_TRY(oassl_data_stats(context, AT("data/manifest.jsonl"), text, sizeof text, &bytes));
    *digest = digest_bytes(0, text, strlen(text));
    return OASSL_STATUS_OK;
}

static oassl_status run_synth(uint64_t *digest) {
    oassl_synth_options options = OASSL_SYNTH_OPTIONS_INIT;
    options.n_clips = 2;
    options.width = options.height = SIDE;
    options.seconds = 0.1;
    options.masks = 1;
    OAI_TRY(oassl_synth_write(context, &options, AT("out_synth")));
    *digest = digest_file(0, AT("out_synth/manifest.jsonl"));
    *digest = digest_file(*digest, AT("out_synth/captions.jsonl"));
    *digest = digest_file(*digest, AT("out_synth/vocab.txt"));
    return OASSL_STATUS_OK;
}

/* ---- media ------------------------------------------------------------------------------------------------------ */

static oassl_status digest_picture(const char *path, uint64_t *digest) {
    oassl_image image;
    OAI_TRY(oassl_image_load(context, path, &image));
    *digest = digest_bytes(0, image.rgb, (size_t)image.width * (size_t)image.height * 3);
    oassl_image_free(context, &image);
    return OASSL_STATUS_OK;
}

static oassl_status run_load_png(uint64_t *digest) { return digest_picture(AT("in.png"), digest); }
static oassl_status run_load_jpeg(uint64_t *digest) { return digest_picture(AT("in.jpg"), digest); }

static oassl_status run_load_sound(uint64_t *digest) {
    oassl_audio audio;
    OAI_TRY(oassl_audio_load(context, AT("in.wav"), &audio));
    *digest = digest_bytes(0, audio.samples, (size_t)audio.frames * (audio.format == 2 ? 2 : 4));
    oassl_audio_free(context, &audio);
    return OASSL_STATUS_OK;
}

static oassl_status run_logspec(uint64_t *digest) {
    static float out[257 * 400];
    oassl_audio half = sound;
    half.rate = 8000; /* resampled */
    half.frames = 4000;
    OAI_TRY(oassl_audio_logspec(context, NULL, &half, out, 257 * 400));
    *digest = digest_bytes(0, out, sizeof out);
    return OASSL_STATUS_OK;
}

static oassl_status run_save_png(uint64_t *digest) {
    OAI_TRY(oassl_image_save_png(context, AT("out.png"), &picture));
    *digest = digest_file(0, AT("out.png"));
    return OASSL_STATUS_OK;
}

/* Large enough for several buffers. */
static oassl_status run_save_jpeg(uint64_t *digest) {
    static uint8_t large[128 * 96 * 3];
    oassl_image image = {.rgb = large, .width = 128, .height = 96};
    for (size_t i = 0; i < sizeof large; i++) large[i] = rgb[i % sizeof rgb];
    OAI_TRY(oassl_image_save_jpeg(context, AT("out.jpg"), &image, 95));
    *digest = digest_file(0, AT("out.jpg"));
    return OASSL_STATUS_OK;
}

static oassl_status run_save_wav(uint64_t *digest) {
    OAI_TRY(oassl_audio_save_wav(context, AT("out.wav"), &sound));
    *digest = digest_file(0, AT("out.wav"));
    return OASSL_STATUS_OK;
}

static oassl_status run_save_npy(uint64_t *digest) {
    oassl_tensor t = {pcm, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 1, {RATE}, {1}};
    OAI_TRY(oassl_tensor_save_npy(context, AT("out.npy"), &t));
    *digest = digest_file(0, AT("out.npy"));
    return OASSL_STATUS_OK;
}

/* ---- the list --------------------------------------------------------------------------------------------------- */

#define SPOILT "spoilt"

/* Those the contract names. */
static const operation named_operations[] = {
    {"create a context", NULL, run_context, NULL},
    {"load a model", NULL, run_model_load, NULL},
    {"localise, plans included", open_model, run_cold_localizer, close_model, .each = true, .slow = true},
    {"localise", open_localizer, run_localizer, close_localizer},
    {"create a trainer", NULL, run_trainer_create, NULL, .slow = true},
    {"one training step", open_trainer, run_trainer_step, close_trainer, .each = true, .slow = true, .dead = SPOILT, .out = AT("run")},
    {"encode captions", NULL, run_captions_encode, NULL, .slow = true, .out = AT("out.npz")},
    {"evaluate", open_model, run_evaluate, close_model, .each = true, .slow = true},
};

static const operation writing_operations[] = {
    {"save a model", open_model, run_model_save, close_model, .slow = true, .out = AT("out.safetensors")},
    {"make a text encoder", NULL, run_make_text, NULL, .slow = true, .out = AT("out_encoder")},
    {"import annotations", NULL, run_import, NULL, .out = AT("out.jsonl")},
    {"write built-in data", NULL, run_synth, NULL, .slow = true, .out = AT("out_synth")},
    {"save a PNG", NULL, run_save_png, NULL, .out = AT("out.png")},
    {"save a JPEG", NULL, run_save_jpeg, NULL, .out = AT("out.jpg")},
    {"save a WAV", NULL, run_save_wav, NULL, .out = AT("out.wav")},
    {"save a .npy", NULL, run_save_npy, NULL, .out = AT("out.npy")},
};

static const operation other_operations[] = {
    {"create a model", NULL, run_model_create, NULL},
    {"encode a sound", open_encoder, run_encoder, close_encoder, .each = true},
    {"open caption features", NULL, run_captions_open, NULL},
    {"check captions", NULL, run_captions_check, NULL},
    {"encode captions, a mapping", NULL, run_captions_mapping, NULL},
    {"import XML", NULL, run_import_xml, NULL},
    {"score maps", NULL, run_metric, NULL},
    {"load a manifest", NULL, run_manifest, NULL},
    {"check a manifest", NULL, run_check, NULL},
    {"count a manifest", NULL, run_stats, NULL},
    {"load a PNG", NULL, run_load_png, NULL},
    {"load a JPEG", NULL, run_load_jpeg, NULL},
    {"load a sound", NULL, run_load_sound, NULL},
    {"log-spectrogram, resampled", NULL, run_logspec, NULL},
};

/* Validations and checkpoints included; for faults that need no thousands of repetitions. */
static const operation whole_training = {
    "train", open_trainer, run_trainer_run, close_trainer, .each = true, .slow = true, .dead = SPOILT, .out = AT("run")};

#endif
