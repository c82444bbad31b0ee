/* Threads that share what may be shared: many localizers on one model, contexts that come and go, plug-ins loaded by several
 * threads at once, training beside localising.  The results are those computed alone; `./dev tsan` watches the same tests. */
#include "process/scene.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define SET TMP("process_threads")
#define MODEL TMP("process_threads.safetensors")

enum { N_SCENES = 3 };

/* Under valgrind, which runs one thread at a time fifty times slower, the same with fewer of them. */
static int light(void) { return getenv("OASSL_TEST_LIGHT") != NULL; }
static int crowd(void) { return light() ? 3 : 6; }
static int rounds(int n) { return light() ? 1 : n; }

static const uint32_t sizes[] = {32, 48, 64}; /* more than one, so that plans are compiled while others run */
static scene scenes[N_SCENES];

/* ---- plug-ins ----------------------------------------------------------------------------------------------- */

/* A context, a model of its own, one localisation; the backends are loaded by whoever comes first. */
static void live_and_die(scene_thread *me) {
    const char *backend = me->user;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = 1;
    for (int round = 0; round < rounds(3) && !me->wrong[0]; round++) {
        oassl_context *context;
        oassl_model *model = NULL;
        float maps[2 * SCENE_PIXELS];
        if (oassl_context_create(&options, &context) != OASSL_STATUS_OK) {
            WRONG(me, "context: %s", oassl_last_error());
            return;
        }
        if (oassl_model_load(context, MODEL, NULL, &model) != OASSL_STATUS_OK) WRONG(me, "model: %s", oassl_last_error());
        else if (scene_localize(model, &scenes[me->number % N_SCENES], 32, maps) != OASSL_STATUS_OK)
            WRONG(me, "localizer: %s", oassl_last_error());
        oassl_model_destroy(model);
        oassl_context_destroy(context);
    }
}

/* Children, because a plug-in is loaded once in the life of a process. */
static void test_plugins_are_loaded_by_many_threads_at_once(void **state) {
    (void)state;
    int n_children = scene_has_onednn() && !light() ? 8 : 2;
    for (int k = 0; k < n_children; k++) {
        pid_t child = fork();
        if (child == 0) {
            const char *wrong = scene_run_threads(crowd(), live_and_die, scene_has_onednn() ? "onednn" : "reference");
            if (*wrong) print_error("%s\n", wrong);
            fflush(NULL);
            exit(*wrong != 0); /* not _exit: a sanitizer reports at the end, and so does the library's own clean-up */
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void test_contexts_come_and_go(void **state) {
    (void)state;
    MUST_RUN(crowd(), live_and_die, "reference");
    if (scene_has_onednn()) MUST_RUN(crowd(), live_and_die, "onednn");
}

/* ---- one model ---------------------------------------------------------------------------------------------- */

typedef struct shared {
    const oassl_model *model;
    oassl_encoder *encoder;
    float maps[sizeof sizes / sizeof sizes[0]][N_SCENES][2 * SCENE_PIXELS]; /* computed alone */
    float vector[64];
    double pointing;
} shared;

static oassl_status hear(const oassl_encoder *encoder, float *out_vector) {
    static float spectrogram[257 * 40];
    oassl_tensor in = {.data = spectrogram, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 4,
                       .shape = {1, 1, 257, 40}, .strides = {257 * 40, 257 * 40, 40, 1}};
    oassl_tensor out = {.data = out_vector, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {1, 32},
                        .strides = {32, 1}};
    return oassl_encoder_sounds(encoder, &in, &out);
}

static void compare_maps(scene_thread *me, const shared *s, size_t i, int k) {
    float maps[2 * SCENE_PIXELS];
    if (scene_localize(s->model, &scenes[k], sizes[i], maps) != OASSL_STATUS_OK) WRONG(me, "localizer: %s", oassl_last_error());
    else if (memcmp(maps, s->maps[i][k], sizeof maps) != 0) WRONG(me, "scene %d at %u pixels differs from the one computed alone", k, sizes[i]);
}

static void use_model(scene_thread *me) {
    shared *s = me->user;
    for (int round = 0; round < rounds(4) && !me->wrong[0]; round++) {
        float vector[64];
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) compare_maps(me, s, (i + (size_t)me->number) % 3, (round + me->number) % N_SCENES);
        if (hear(s->encoder, vector) != OASSL_STATUS_OK) WRONG(me, "encoder: %s", oassl_last_error());
        else if (memcmp(vector, s->vector, 32 * sizeof(float)) != 0) WRONG(me, "a vector differs from the one computed alone");
    }
}

static oassl_status evaluate(const oassl_model *model, double *out_pointing) {
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    options.split = "val";
    options.image_size = 32;
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    oassl_status status = oassl_evaluate(model, SET "/manifest.jsonl", &options, &result);
    *out_pointing = result.metric.model.pointing + result.similarity;
    return status;
}

static void evaluate_too(scene_thread *me) {
    shared *s = me->user;
    double pointing = 0;
    if (evaluate(s->model, &pointing) != OASSL_STATUS_OK) WRONG(me, "evaluate: %s", oassl_last_error());
    else if (pointing != s->pointing) WRONG(me, "evaluation: %.17g, alone %.17g", pointing, s->pointing);
}

static void check_sharing(const char *backend, uint32_t n_threads) {
    oassl_context *context = scene_context(backend, n_threads);
    oassl_model *model, *alone = scene_model(context, 4);
    shared *s = calloc(1, sizeof *s);
    oassl_encoder *encoder;
    /* what is expected comes from another model, so that the threads compile the plans of theirs */
    MUST(oassl_encoder_create(alone, &encoder));
    MUST(hear(encoder, s->vector));
    oassl_encoder_destroy(encoder);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int k = 0; k < N_SCENES; k++) MUST(scene_localize(alone, &scenes[k], sizes[i], s->maps[i][k]));
    MUST(evaluate(alone, &s->pointing));
    oassl_model_destroy(alone);
    s->model = model = scene_model(context, 4);
    MUST(oassl_encoder_create(model, &s->encoder));
    MUST_RUN(crowd(), use_model, s);
    MUST_RUN(3, evaluate_too, s);
    oassl_encoder_destroy(s->encoder);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    free(s);
}

static void test_many_localizers_on_one_model(void **state) {
    (void)state;
    check_sharing("reference", 1);
    if (scene_has_onednn()) check_sharing("onednn", 1);
    if (scene_has_onednn() && scene_threads() > 1) check_sharing("onednn", scene_threads());
}

/* ---- training beside localising ----------------------------------------------------------------------------- */

typedef struct busy {
    oassl_context *context;
    shared *shared;
    const char *run;
} busy;

static oassl_status train(oassl_context *context, const char *run) {
    oassl_trainer_options options = tiny_options();
    options.base_width = 2;
    options.image_size = 32;
    options.n_workers = 3;
    options.n_steps = 8;
    options.save_every = 2;
    oassl_trainer *trainer;
    oassl_status status = oassl_trainer_create(context, &options, SET "/manifest.jsonl", SET "/captions.npz", run, &trainer);
    if (status == OASSL_STATUS_OK) status = oassl_trainer_run(trainer);
    if (status == OASSL_STATUS_OK) oassl_trainer_destroy(trainer);
    return status;
}

static void train_or_localize(scene_thread *me) {
    busy *b = me->user;
    if (me->number == 0) {
        if (train(b->context, b->run) != OASSL_STATUS_OK) WRONG(me, "trainer: %s", oassl_last_error());
    } else if (me->number == 1) {
        /* another trainer, on a context of its own */
        oassl_context *context = scene_context("reference", 1);
        if (train(context, TMP("process_train_other")) != OASSL_STATUS_OK) WRONG(me, "trainer: %s", oassl_last_error());
        oassl_context_destroy(context);
    } else {
        for (int round = 0; round < rounds(6) && !me->wrong[0]; round++) compare_maps(me, b->shared, 0, round % N_SCENES);
    }
}

static void check_training_beside(const char *backend, uint32_t n_threads) {
    busy b = {.context = scene_context(backend, n_threads), .shared = calloc(1, sizeof *b.shared), .run = TMP("process_train_beside")};
    oassl_model *model = scene_model(b.context, 4);
    b.shared->model = model;
    for (int k = 0; k < N_SCENES; k++) MUST(scene_localize(model, &scenes[k], sizes[0], b.shared->maps[0][k]));
    MUST(train(b.context, TMP("process_train_alone")));
    MUST_RUN(4, train_or_localize, &b);
    assert_files_equal(TMP("process_train_alone") "/best.safetensors", TMP("process_train_beside") "/best.safetensors");
    oassl_model_destroy(model);
    oassl_context_destroy(b.context);
    free(b.shared);
}

static void test_training_beside_localising(void **state) {
    (void)state;
    check_training_beside("reference", 1);
    if (scene_has_onednn()) check_training_beside("onednn", scene_threads());
}

/* ---- errors and cancelling ---------------------------------------------------------------------------------- */

static void fail_in_own_words(scene_thread *me) {
    oassl_context *context = me->user;
    for (int round = 0; round < rounds(200) && !me->wrong[0]; round++) {
        char path[64];
        oassl_model *model;
        snprintf(path, sizeof path, "nothing-%d-%d.safetensors", me->number, round);
        if (oassl_model_load(context, path, NULL, &model) != OASSL_STATUS_NOT_FOUND || !strstr(oassl_last_error(), path))
            WRONG(me, "expected %s, found %s", path, oassl_last_error());
    }
}

static void test_every_thread_has_its_own_error(void **state) {
    (void)state;
    oassl_context *context = scene_context("reference", 1);
    MUST_RUN(crowd(), fail_in_own_words, context);
    oassl_context_destroy(context);
}

static atomic_int stopped;

static int32_t poll(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user, (void)task, (void)done, (void)total;
    return atomic_load(&stopped);
}

/* Thread 0 cancels the others, whose localizers go on working afterwards. */
static void run_until_cancelled(scene_thread *me) {
    const oassl_model *model = me->user;
    float maps[2 * SCENE_PIXELS];
    if (me->number == 0) {
        usleep(20000);
        atomic_store(&stopped, 1);
        return;
    }
    oassl_status status = OASSL_STATUS_OK;
    for (int round = 0; round < 100000 && status == OASSL_STATUS_OK; round++) status = scene_localize(model, &scenes[0], 32, maps);
    if (status != OASSL_STATUS_CANCELLED) WRONG(me, "expected CANCELLED, found %s: %s", oassl_status_name(status), oassl_last_error());
}

static void test_cancelling_from_another_thread(void **state) {
    (void)state;
    for (int k = 0; k < 1 + scene_has_onednn(); k++) {
        oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
        options.backend = k ? "onednn" : "reference";
        options.backend_path = OASSL_TEST_BACKENDS;
        options.n_threads = 1;
        options.progress = poll;
        oassl_context *context;
        MUST(oassl_context_create(&options, &context));
        oassl_model *model = scene_model(context, 4);
        float maps[2 * SCENE_PIXELS];
        atomic_store(&stopped, 0);
        MUST_RUN(4, run_until_cancelled, model);
        atomic_store(&stopped, 0);
        MUST(scene_localize(model, &scenes[0], 32, maps));
        oassl_model_destroy(model);
        oassl_context_destroy(context);
    }
}

/* In a child, so that the plug-in is not loaded yet when its test begins. */
static int write_files(void **state) {
    (void)state;
    for (int k = 0; k < N_SCENES; k++) scene_fill(&scenes[k], k);
    pid_t child = fork();
    if (child == 0) {
        oassl_context *context = scene_context("reference", 1);
        oassl_model *model = scene_model(context, 4);
        int failed = oassl_model_save(model, MODEL) != OASSL_STATUS_OK;
        tiny_write(context, SET, OASSL_SYNTH_SOLO, 12, 32, 0.34, 32);
        oassl_model_destroy(model);
        oassl_context_destroy(context);
        exit(failed);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugins_are_loaded_by_many_threads_at_once),
        cmocka_unit_test(test_contexts_come_and_go),
        cmocka_unit_test(test_many_localizers_on_one_model),
        cmocka_unit_test(test_training_beside_localising),
        cmocka_unit_test(test_every_thread_has_its_own_error),
        cmocka_unit_test(test_cancelling_from_another_thread),
    };
    return cmocka_run_group_tests(tests, write_files, NULL);
}
