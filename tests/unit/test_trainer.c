/* Training on a handful of clips: it learns, resumes bit for bit, freezes what it is told to, and says what is wrong.
 */
#include "support/tiny_set.h"

#include <math.h>

#define DUETS TMP("trainer_duets")
#define SOLOS TMP("trainer_solos")
#define OBJECTS TMP("trainer_objects")

static int write_sets(void **state) {
    (void)state;
    oassl_context *context = tiny_context("reference", NULL);
    tiny_write(context, SOLOS, OASSL_SYNTH_SOLO, 12, 64, 0, 32);
    tiny_write(context, DUETS, OASSL_SYNTH_DUET, 40, 64, 0.5, 32);
    tiny_write(context, OBJECTS, OASSL_SYNTH_OBJECTS, 24, 32, 0, 32);
    oassl_context_destroy(context);
    return 0;
}

static oassl_trainer *open_solos(oassl_context *context, const oassl_trainer_options *options, const char *run) {
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, options, SOLOS "/manifest.jsonl", SOLOS "/captions.npz", run, &trainer));
    return trainer;
}

static oassl_trainer_state state_of(const oassl_trainer *trainer) {
    oassl_trainer_state state = {.struct_size = sizeof state};
    MUST(oassl_trainer_get_state(trainer, &state));
    return state;
}

/* Which of a model's tensors with this prefix and suffix differ between two files: 0 none, 1 all, -1 some. */
static int changed(oassl_context *context, const char *before, const char *after, const char *prefix, int statistics) {
    oassl_model *models[2];
    MUST(oassl_model_load(context, before, NULL, &models[0]));
    MUST(oassl_model_load(context, after, NULL, &models[1]));
    oassl_model_info info = {.struct_size = sizeof info};
    MUST(oassl_model_get_info(models[0], &info));
    int n = 0, differ = 0;
    for (uint32_t i = 0; i < info.n_tensors; i++) {
        const char *name;
        oassl_tensor a, b;
        MUST(oassl_model_tensor(models[0], i, &name, &a));
        MUST(oassl_model_tensor(models[1], i, NULL, &b));
        if (strncmp(name, prefix, strlen(prefix)) != 0 || (strstr(name, "running_") != NULL) != statistics) continue;
        size_t count = 1;
        for (int32_t k = 0; k < a.rank; k++) count *= (size_t)a.shape[k];
        n++;
        differ += memcmp(a.data, b.data, count * sizeof(float)) != 0;
    }
    oassl_model_destroy(models[0]);
    oassl_model_destroy(models[1]);
    assert_true(n > 0);
    return differ == 0 ? 0 : differ == n ? 1 : -1;
}

/* ---- learning ----------------------------------------------------------------------------------------------- */

static void test_the_loss_falls(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.n_steps = 60;
    options.flip = 1;
    oassl_trainer *trainer = open_solos(context, &options, TMP("run_falls"));
    double first = 0, last = 0, first_base = 0, last_base = 0;
    for (int i = 0; i < 60; i++) {
        MUST(oassl_trainer_step(trainer));
        oassl_trainer_state s = state_of(trainer);
        assert_true(fabs(s.loss - (s.loss_base + s.loss_oca + 0.1 * s.loss_ori)) < 1e-4 * fabs(s.loss));
        if (i < 10) first += s.loss, first_base += s.loss_base;
        if (i >= 50) last += s.loss, last_base += s.loss_base;
    }
    oassl_trainer_state s = state_of(trainer);
    assert_true(s.wait_share > 0 && s.wait_share < 1);
    print_message("loss %.3f -> %.3f, base %.3f -> %.3f\n", first / 10, last / 10, first_base / 10, last_base / 10);
    assert_true(last < 0.7 * first);
    assert_true(last_base < 0.9 * first_base);
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
}

/* Share of the training pictures that the classifier `path` gets right. */
static double training_accuracy(oassl_context *context, const char *path) {
    oassl_model *model;
    oassl_encoder *encoder;
    oassl_manifest *manifest;
    MUST(oassl_model_load(context, path, NULL, &model));
    MUST(oassl_encoder_create(model, &encoder));
    MUST(oassl_manifest_load(context, OBJECTS "/manifest.jsonl", NULL, &manifest));
    const char *training = oassl_model_metadata(model, "oassl_training"),
               *classes = strstr(training, "\"classes\": [");
    assert_non_null(classes);
    uint64_t n;
    MUST(oassl_manifest_split(manifest, "train", NULL, 0, &n));
    int hits = 0;
    for (uint64_t i = 0; i < n; i++) {
        oassl_record record = OASSL_RECORD_INIT;
        oassl_image picture;
        oassl_image_options options = OASSL_IMAGE_OPTIONS_INIT;
        options.size = 32;
        float input[3 * 32 * 32], logits[16];
        MUST(oassl_manifest_record(manifest, i, &record));
        MUST(oassl_image_load(context, record.image, &picture));
        MUST(oassl_image_prepare(context, &options, &picture, input, 3 * 32 * 32));
        oassl_model_info info = {.struct_size = sizeof info};
        MUST(oassl_model_get_info(model, &info));
        oassl_tensor in = {.data = input,
                           .device = OASSL_DEVICE_CPU,
                           .dtype = OASSL_DTYPE_F32,
                           .rank = 4,
                           .shape = {1, 3, 32, 32},
                           .strides = {3072, 1024, 32, 1}};
        oassl_tensor out = {.data = logits,
                            .device = OASSL_DEVICE_CPU,
                            .dtype = OASSL_DTYPE_F32,
                            .rank = 2,
                            .shape = {1, info.n_classes},
                            .strides = {info.n_classes, 1}};
        MUST(oassl_encoder_classify(encoder, &in, &out));
        uint32_t best = 0;
        for (uint32_t c = 1; c < info.n_classes; c++)
            if (logits[c] > logits[best]) best = c;
        const char *name = classes + strlen("\"classes\": ["); /* the opening quote of class 0 */
        for (uint32_t c = 0; c < 2 * best; c++) name = strchr(name + 1, '"');
        hits += record.label && strncmp(name + 1, record.label, strlen(record.label)) == 0 &&
                name[1 + strlen(record.label)] == '"';
        oassl_image_free(context, &picture);
    }
    oassl_manifest_destroy(manifest);
    oassl_encoder_destroy(encoder);
    oassl_model_destroy(model);
    return (double)hits / (double)n;
}

static oassl_trainer_options classifier_options(void) {
    oassl_trainer_options options = tiny_options();
    options.task = OASSL_TASK_CLASSIFY;
    options.image_size = 32;
    options.batch_size = 8;
    options.n_steps = 120;
    options.lr = 5e-3;
    options.no_crop = 1;
    return options;
}

static void test_a_classifier_learns_its_pictures(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = classifier_options();
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, OBJECTS "/manifest.jsonl", NULL, TMP("run_classify"), &trainer));
    assert_int_equal(state_of(trainer).n_classes, 4);
    MUST(oassl_trainer_run(trainer));
    oassl_trainer_destroy(trainer);
    double accuracy = training_accuracy(context, TMP("run_classify/best.safetensors"));
    print_message("training accuracy %.3f\n", accuracy);
    assert_true(accuracy >= 0.9);
    oassl_context_destroy(context);
}

/* Pictures and captions meet: the loss falls far below that of chance, and a pair starts from what was learned. */
static void test_a_trunk_learns_its_captions(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = classifier_options();
    options.task = OASSL_TASK_ALIGN;
    oassl_trainer *trainer;
    must_name(oassl_trainer_create(context, &options, OBJECTS "/manifest.jsonl", NULL, TMP("run_align"), &trainer),
              OASSL_STATUS_INVALID_ARGUMENT, "captions", "");
    MUST(oassl_trainer_create(context, &options, OBJECTS "/manifest.jsonl", OBJECTS "/captions.npz", TMP("run_align"),
                              &trainer));
    MUST(oassl_trainer_step(trainer));
    double first = state_of(trainer).loss;
    MUST(oassl_trainer_run(trainer));
    double last = state_of(trainer).loss;
    oassl_trainer_destroy(trainer);
    print_message("loss %.3f -> %.3f\n", first, last);
    assert_true(last < 0.6 * first);
    options = tiny_options();
    options.init = TMP("run_align/best.safetensors");
    trainer = open_solos(context, &options, TMP("run_aligned"));
    MUST(oassl_trainer_save_model(trainer, TMP("aligned.safetensors")));
    oassl_trainer_destroy(trainer);
    assert_int_equal(changed(context, options.init, TMP("aligned.safetensors"), "imgnet.", 0), 0);
    assert_int_equal(changed(context, options.init, TMP("aligned.safetensors"), "text_proj.", 0), 0);
    oassl_context_destroy(context);
}

static void test_a_picture_missing_at_validation(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.n_sources = 2;
    options.n_steps = 1;
    char *manifest = tiny_read(DUETS "/manifest.jsonl", NULL), *validation = strstr(manifest, "\"val\""), picture[512];
    assert_non_null(validation);
    while (strncmp(validation, "images/", 7) != 0) validation--; /* of the first record of the split */
    snprintf(picture, sizeof picture, DUETS "/%.*s", (int)strcspn(validation, "\""), validation);
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, DUETS "/manifest.jsonl", DUETS "/captions.npz", TMP("run_gone"),
                              &trainer));
    MUST(rename(picture, TMP("hidden.png")));
    must_name(oassl_trainer_run(trainer), OASSL_STATUS_NOT_FOUND, strrchr(picture, '/') + 1, "");
    MUST(rename(TMP("hidden.png"), picture));
    oassl_trainer_destroy(trainer);
    free(manifest);
    oassl_context_destroy(context);
}

/* ---- the same again ----------------------------------------------------------------------------------------- */

static int count_lines(const char *path, uint64_t n_steps) {
    char *log = tiny_read(path, NULL), wanted[32];
    int n = 0;
    for (uint64_t step = 1; step <= n_steps; step++) {
        snprintf(wanted, sizeof wanted, "{\"step\": %d, \"epoch\"", (int)step);
        char *found = strstr(log, wanted);
        assert_non_null(found);
        assert_null(strstr(found + 1, wanted));
    }
    for (const char *c = log; *c; c++) n += *c == '\n';
    free(log);
    return n;
}

static void check_resume(const char *backend) {
    oassl_trainer_options options = tiny_options();
    options.n_steps = 7;
    options.schedule = OASSL_SCHEDULE_COSINE;
    options.warmup_steps = 2;
    tiny_host host = {.cancel_at = 3};
    oassl_context *context = tiny_context(backend, &host);
    oassl_trainer *trainer = open_solos(context, &options, TMP("run_resumed"));
    must_name(oassl_trainer_run(trainer), OASSL_STATUS_CANCELLED, "last.safetensors", "3");
    oassl_trainer_destroy(trainer);
    oassl_model *model;
    MUST(oassl_model_load(context, TMP("run_resumed/last.safetensors"), NULL, &model));
    oassl_model_destroy(model);
    if (strstr(host.log, "not part of this network")) fail_msg("last.safetensors is no clean model: %s", host.log);

    host.cancel_at = 0;
    options.n_workers = 3; /* how fast samples come is nobody's business */
    trainer = open_solos(context, &options, TMP("run_resumed"));
    MUST(oassl_trainer_resume(trainer));
    assert_int_equal(state_of(trainer).step, 3);
    MUST(oassl_trainer_step(trainer)); /* beyond the checkpoint, and lost: as after a kill */
    oassl_trainer_destroy(trainer);
    options.n_workers = 1;
    trainer = open_solos(context, &options, TMP("run_resumed"));
    MUST(oassl_trainer_resume(trainer));
    MUST(oassl_trainer_run(trainer));
    MUST(oassl_trainer_save_model(trainer, TMP("resumed.safetensors")));
    oassl_trainer_destroy(trainer);

    trainer = open_solos(context, &options, TMP("run_straight"));
    MUST(oassl_trainer_run(trainer));
    assert_int_equal(state_of(trainer).step, 7);
    MUST(oassl_trainer_save_model(trainer, TMP("straight.safetensors")));
    oassl_trainer_destroy(trainer);
    assert_files_equal(TMP("resumed.safetensors"), TMP("straight.safetensors"));
    assert_files_equal(TMP("run_resumed/best.safetensors"), TMP("run_straight/best.safetensors"));
    assert_int_equal(count_lines(TMP("run_resumed/log.jsonl"), 7), count_lines(TMP("run_straight/log.jsonl"), 7));
    oassl_context_destroy(context);
}

static void test_resumed_is_straight(void **state) {
    (void)state;
    check_resume("reference");
    check_resume("onednn");
}

/* The seed, and nothing else, makes another model. */
static void test_the_seed_matters(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.n_steps = 1;
    char *weights[2];
    size_t bytes[2];
    for (int k = 0; k < 2; k++) {
        options.seed = 5 + (uint64_t)k;
        oassl_trainer *trainer = open_solos(context, &options, TMP("run_seed"));
        MUST(oassl_trainer_save_model(trainer, TMP("seed.safetensors")));
        weights[k] = tiny_read(TMP("seed.safetensors"), &bytes[k]);
        oassl_trainer_destroy(trainer);
    }
    assert_true(bytes[0] == bytes[1] &&
                memcmp(weights[0] + bytes[0] / 2, weights[1] + bytes[0] / 2, bytes[0] / 2) != 0);
    free(weights[0]);
    free(weights[1]);
    oassl_context_destroy(context);
}

/* A stop inside the last validation: what it would have left is made up for. */
static int32_t cancel_evaluation(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    return *(int *)user && strcmp(task, "evaluate") == 0;
}

static void test_a_stop_in_the_last_validation(void **state) {
    (void)state;
    int cancel = 1;
    oassl_context_options co = OASSL_CONTEXT_OPTIONS_INIT;
    co.backend_path = OASSL_TEST_BACKENDS;
    co.n_threads = 1;
    co.progress = cancel_evaluation;
    co.progress_user = &cancel;
    oassl_context *context;
    MUST(oassl_context_create(&co, &context));
    oassl_trainer_options options = tiny_options();
    options.n_sources = 2;
    options.n_steps = 2;
    oassl_trainer *trainer;
    remove(TMP("run_stopped/best.safetensors"));
    MUST(oassl_trainer_create(context, &options, DUETS "/manifest.jsonl", DUETS "/captions.npz", TMP("run_stopped"),
                              &trainer));
    assert_int_equal(oassl_trainer_run(trainer), OASSL_STATUS_CANCELLED);
    oassl_trainer_destroy(trainer);
    assert_false(tiny_exists(TMP("run_stopped/best.safetensors")));
    cancel = 0;
    MUST(oassl_trainer_create(context, &options, DUETS "/manifest.jsonl", DUETS "/captions.npz", TMP("run_stopped"),
                              &trainer));
    MUST(oassl_trainer_resume(trainer));
    MUST(oassl_trainer_run(trainer));
    assert_true(state_of(trainer).val_score >= 0);
    oassl_trainer_destroy(trainer);
    oassl_model *model;
    MUST(oassl_model_load(context, TMP("run_stopped/best.safetensors"), NULL, &model));
    assert_non_null(oassl_model_metadata(model, "oassl_calibration")); /* some twenty validation pairs suffice */
    oassl_model_destroy(model);
    oassl_context_destroy(context);
}

/* ---- what is frozen stays ----------------------------------------------------------------------------------- */

typedef struct frozen_case {
    double lr_visual;
    int32_t visual_bn, audio_bn_eval;
    int visual_weights, visual_statistics, audio_statistics;
} frozen_case;

static void test_frozen_networks_do_not_move(void **state) {
    (void)state;
    static const frozen_case cases[] = {{0, OASSL_BN_DEFAULT, 0, 1, 1, 1},
                                        {-1, OASSL_BN_EVAL, 0, 0, 0, 1},
                                        {-1, OASSL_BN_TRAIN, 1, 0, 1, 0},
                                        {0.5, OASSL_BN_EVAL, 1, 1, 0, 0}};
    oassl_context *context = tiny_context(NULL, NULL);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const frozen_case *c = &cases[k];
        oassl_trainer_options options = tiny_options();
        options.n_steps = 2;
        options.lr_visual = c->lr_visual;
        options.visual_bn = c->visual_bn;
        options.audio_bn_eval = c->audio_bn_eval;
        oassl_trainer *trainer = open_solos(context, &options, TMP("run_frozen"));
        MUST(oassl_trainer_save_model(trainer, TMP("before.safetensors")));
        MUST(oassl_trainer_step(trainer));
        MUST(oassl_trainer_step(trainer));
        MUST(oassl_trainer_save_model(trainer, TMP("after.safetensors")));
        oassl_trainer_destroy(trainer);
        print_message("case %zu\n", k);
        assert_int_equal(changed(context, TMP("before.safetensors"), TMP("after.safetensors"), "imgnet.", 0),
                         c->visual_weights);
        assert_int_equal(changed(context, TMP("before.safetensors"), TMP("after.safetensors"), "imgnet.", 1),
                         c->visual_statistics);
        assert_int_equal(changed(context, TMP("before.safetensors"), TMP("after.safetensors"), "audnet.", 0), 1);
        assert_int_equal(changed(context, TMP("before.safetensors"), TMP("after.safetensors"), "audnet.", 1),
                         c->audio_statistics);
        assert_int_equal(changed(context, TMP("before.safetensors"), TMP("after.safetensors"), "text_proj.", 0), 1);
    }
    oassl_context_destroy(context);
}

/* A classifier's trunk becomes the pair's: its tensors, and BN in eval mode. */
static void test_a_trunk_starts_a_pair(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = classifier_options();
    options.n_steps = 3;
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, OBJECTS "/manifest.jsonl", NULL, TMP("run_trunk"), &trainer));
    MUST(oassl_trainer_run(trainer));
    oassl_trainer_destroy(trainer);
    options = tiny_options();
    options.n_steps = 1;
    options.init = TMP("run_trunk/best.safetensors");
    trainer = open_solos(context, &options, TMP("run_pair"));
    MUST(oassl_trainer_save_model(trainer, TMP("pair0.safetensors")));
    MUST(oassl_trainer_run(trainer));
    oassl_trainer_destroy(trainer);
    oassl_model *trunk, *pair;
    MUST(oassl_model_load(context, options.init, NULL, &trunk));
    MUST(oassl_model_load(context, TMP("pair0.safetensors"), NULL, &pair));
    const char *name;
    oassl_tensor a, b;
    MUST(oassl_model_tensor(trunk, 0, &name, &a));
    assert_string_equal(name, "conv1.weight");
    MUST(oassl_model_tensor(pair, 0, &name, &b));
    assert_string_equal(name, "imgnet.conv1.weight");
    assert_memory_equal(a.data, b.data, 4 * 3 * 7 * 7 * sizeof(float));
    oassl_model_destroy(trunk);
    oassl_model_destroy(pair);
    assert_int_equal(changed(context, TMP("pair0.safetensors"), TMP("run_pair/best.safetensors"), "imgnet.", 1), 0);
    options.base_width = 8;
    must_name(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", SOLOS "/captions.npz", TMP("run_pair"),
                                   &trainer),
              OASSL_STATUS_SHAPE_MISMATCH, "run_trunk/best.safetensors", "conv1.weight");
    assert_null(trainer);
    options.init = TMP("no_such.safetensors");
    must_name(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", SOLOS "/captions.npz", TMP("run_pair"),
                                   &trainer),
              OASSL_STATUS_NOT_FOUND, "no_such.safetensors", "");
    oassl_context_destroy(context);
}

/* ---- resuming what cannot be resumed ------------------------------------------------------------------------ */

static void test_resume_says_why_not(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_trainer_options options = tiny_options();
    options.n_steps = 2;
    remove(TMP("run_other/last.safetensors"));
    oassl_trainer *trainer = open_solos(context, &options, TMP("run_other"));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_NOT_FOUND, "last.safetensors", "run_other");
    MUST(oassl_trainer_run(trainer));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_INVALID_ARGUMENT, "before the first step", "");
    oassl_trainer_destroy(trainer);
    char *config = tiny_read(TMP("run_other/config.json"), NULL);

    options.loss.oca_tau = 0.5;
    trainer = open_solos(context, &options, TMP("run_other"));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_INVALID_ARGUMENT, "loss.oca_tau", "0.5");
    oassl_trainer_destroy(trainer);
    char *config_after = tiny_read(TMP("run_other/config.json"), NULL);
    assert_string_equal(config, config_after); /* what was refused changed nothing */
    free(config);
    free(config_after);
    options.loss.oca_tau = 0;

    size_t bytes;
    char *last = tiny_read(TMP("run_other/last.safetensors"), &bytes);
    tiny_write_file(TMP("run_other/last.safetensors"), last, bytes - 100);
    trainer = open_solos(context, &options, TMP("run_other"));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_FORMAT, "last.safetensors", "");
    tiny_write_file(TMP("run_other/last.safetensors"), last, bytes);
    MUST(oassl_trainer_resume(trainer)); /* a failed attempt leaves the trainer as it was */
    assert_int_equal(state_of(trainer).step, 2);
    oassl_trainer_destroy(trainer);
    free(last);

    char *model = tiny_read(TMP("run_other/best.safetensors"), &bytes);
    tiny_write_file(TMP("run_other/last.safetensors"), model, bytes);
    free(model);
    trainer = open_solos(context, &options, TMP("run_other"));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_FORMAT, "last.safetensors", "checkpoint");
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
}

/* Captions of another encoder: the options are the same, a tensor is not. */
static void test_resume_with_other_captions(void **state) {
    (void)state;
    oassl_context *context = tiny_context(NULL, NULL);
    oassl_text_encoder_options text = OASSL_TEXT_ENCODER_OPTIONS_INIT;
    text.width = 64;
    text.n_layers = 1;
    MUST(oassl_encoder_make_text(context, TMP("encoder64"), SOLOS "/vocab.txt", &text));
    MUST(oassl_captions_encode(context, SOLOS "/captions.jsonl", TMP("encoder64"), NULL, TMP("captions64.npz"), NULL));
    oassl_trainer_options options = tiny_options();
    options.n_steps = 1;
    oassl_trainer *trainer = open_solos(context, &options, TMP("run_other_captions"));
    MUST(oassl_trainer_run(trainer));
    oassl_trainer_destroy(trainer);
    MUST(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", TMP("captions64.npz"),
                              TMP("run_other_captions"), &trainer));
    must_name(oassl_trainer_resume(trainer), OASSL_STATUS_SHAPE_MISMATCH, "text_proj.weight", "64");
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loss_falls),
        cmocka_unit_test(test_a_classifier_learns_its_pictures),
        cmocka_unit_test(test_a_trunk_learns_its_captions),
        cmocka_unit_test(test_a_picture_missing_at_validation),
        cmocka_unit_test(test_resumed_is_straight),
        cmocka_unit_test(test_the_seed_matters),
        cmocka_unit_test(test_a_stop_in_the_last_validation),
        cmocka_unit_test(test_frozen_networks_do_not_move),
        cmocka_unit_test(test_a_trunk_starts_a_pair),
        cmocka_unit_test(test_resume_says_why_not),
        cmocka_unit_test(test_resume_with_other_captions),
    };
    return cmocka_run_group_tests(tests, write_sets, NULL);
}
