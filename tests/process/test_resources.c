/* What the library takes of the machine: exactly the threads it was given, no processor time when idle, nothing in a forked
 * child.  Everything is measured from /proc and the process's clocks. */
#include "process/scene.h"

#include <dirent.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 96, WIDTH = 8 };

static scene picture_and_sound;

/* ---- measuring ---------------------------------------------------------------------------------------------- */

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_for(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0) {
    }
}

static int n_tasks(void) {
    DIR *directory = opendir("/proc/self/task");
    int n = 0;
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory));) n += entry->d_name[0] != '.';
    closedir(directory);
    return n;
}

/* Tasks that end do so a little after what ended them. */
static int settled_tasks(int expected) {
    for (int k = 0; k < 200 && n_tasks() != expected; k++) sleep_for(0.005);
    return n_tasks();
}

typedef struct usage {
    double wall, all, caller; /* seconds; processor time of the process, of the calling thread */
} usage;

static usage measure(void (*work)(void *), void *user) {
    usage u = {-seconds_of(CLOCK_MONOTONIC), -seconds_of(CLOCK_PROCESS_CPUTIME_ID), -seconds_of(CLOCK_THREAD_CPUTIME_ID)};
    work(user);
    u.caller += seconds_of(CLOCK_THREAD_CPUTIME_ID);
    u.all += seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    u.wall += seconds_of(CLOCK_MONOTONIC);
    return u;
}

/* ---- work --------------------------------------------------------------------------------------------------- */

static void localize_often(void *user) {
    float maps[2 * SCENE_PIXELS];
    double end = seconds_of(CLOCK_MONOTONIC) + 0.4;
    while (seconds_of(CLOCK_MONOTONIC) < end) MUST(scene_localize(user, &picture_and_sound, SIZE, maps));
}

enum { BATCH = 8, FRAMES = 64 };

static void step_often(void *user) {
    static float pictures[BATCH * 3 * SIZE * SIZE], sounds[BATCH * 257 * FRAMES];
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) pictures[i] = (float)(i * 7919 % 1000) / 500 - 1;
    for (size_t i = 0; i < sizeof sounds / sizeof *sounds; i++) sounds[i] = (float)(i * 104729 % 1000) / 500 - 1;
    oassl_tensor p = {.data = pictures, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 4,
                      .shape = {BATCH, 3, SIZE, SIZE}, .strides = {3 * SIZE * SIZE, SIZE * SIZE, SIZE, 1}};
    oassl_tensor s = {.data = sounds, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 4,
                      .shape = {BATCH, 1, 257, FRAMES}, .strides = {257 * FRAMES, 257 * FRAMES, FRAMES, 1}};
    oassl_trainer_batch batch = {.struct_size = sizeof batch, .pictures = &p, .spectrograms = &s};
    double end = seconds_of(CLOCK_MONOTONIC) + 0.4;
    while (seconds_of(CLOCK_MONOTONIC) < end) MUST(oassl_trainer_step_batch(user, &batch));
}

static oassl_trainer *fed_trainer(oassl_context *context) {
    oassl_trainer_options options = tiny_options();
    options.base_width = WIDTH;
    options.image_size = SIZE;
    options.batch_size = BATCH;
    options.loss.lambda_oca = options.loss.lambda_ori = 0;
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = SIZE, .width = SIZE, .frames = FRAMES};
    oassl_trainer *trainer;
    MUST(oassl_trainer_create_fed(context, &options, &shape, NULL, &trainer));
    return trainer;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

/* One compute thread is the caller's own: no other task, and no more processor time than time. */
static void check_one(const char *what, usage u, int tasks) {
    print_message("%s, 1 thread: %.3f s of processor in %.3f s (ratio %.3f), %d tasks\n", what, u.all, u.wall, u.all / u.wall, tasks);
    assert_true(u.all / u.wall <= 1.05);
    assert_true(u.all - u.caller <= 0.05 * u.all);
}

/* Two: one more task, which does its share.  The share is compared with the processor time, not with the clock, so that
 * the test holds on a busy machine. */
static void check_two(const char *what, usage u, int tasks, int before) {
    double share = (u.all - u.caller) / u.all;
    print_message("%s, 2 threads: %.3f s of processor in %.3f s (ratio %.3f), second thread %.2f of it, %d tasks\n", what, u.all, u.wall,
                  u.all / u.wall, share, tasks);
    assert_int_equal(tasks, before + 1);
    assert_true(u.all / u.wall <= 2.05);
    assert_true(share >= 0.25 && share <= 0.6);
}

static void test_one_thread_is_one(void **state) {
    (void)state;
    int before = n_tasks();
    for (int k = 0; k < 1 + scene_has_onednn(); k++) {
        oassl_context *context = scene_context(k ? "onednn" : "reference", 1);
        oassl_model *model = scene_model(context, WIDTH);
        oassl_trainer *trainer = fed_trainer(context);
        assert_int_equal(oassl_context_n_threads(context), 1);
        usage u = measure(localize_often, model);
        check_one(k ? "onednn, localising" : "reference, localising", u, n_tasks());
        u = measure(step_often, trainer);
        check_one(k ? "onednn, training" : "reference, training", u, n_tasks());
        assert_int_equal(n_tasks(), before);
        oassl_trainer_destroy(trainer);
        oassl_model_destroy(model);
        oassl_context_destroy(context);
    }
}

static void test_two_threads_are_two(void **state) {
    (void)state;
    if (!scene_has_onednn() || scene_threads() < 2) skip(); /* the reference backend computes on the caller's thread */
    int before = n_tasks();
    oassl_context *context = scene_context("onednn", 2), *narrow = scene_context("onednn", 1);
    oassl_model *model = scene_model(context, 4 * WIDTH), *other = scene_model(narrow, WIDTH);
    oassl_trainer *trainer = fed_trainer(context);
    measure(step_often, trainer); /* compiles, starts the thread */
    usage u = measure(step_often, trainer);
    check_two("onednn, training", u, n_tasks(), before);
    measure(localize_often, model);
    u = measure(localize_often, model);
    check_two("onednn, localising", u, n_tasks(), before);
    /* a context of one thread keeps to it beside the other */
    sleep_for(0.1);
    u = measure(localize_often, other);
    check_one("onednn, localising beside a context of two", u, n_tasks());
    oassl_trainer_destroy(trainer);
    oassl_model_destroy(other);
    oassl_model_destroy(model);
    oassl_context_destroy(narrow);
    oassl_context_destroy(context);
}

static void localize_once(scene_thread *me) {
    float maps[2 * SCENE_PIXELS];
    if (scene_localize(me->user, &picture_and_sound, SIZE, maps) != OASSL_STATUS_OK) WRONG(me, "localizer: %s", oassl_last_error());
}

/* OpenMP keeps helpers for every thread that computes: they go when it does. */
static void test_helpers_end_with_the_threads_that_needed_them(void **state) {
    (void)state;
    if (!scene_has_onednn()) skip();
    oassl_context *context = scene_context("onednn", scene_threads());
    oassl_model *model = scene_model(context, WIDTH);
    MUST_RUN(4, localize_once, model);
    sleep_for(0.2); /* a helper may still be on its way out */
    int before = n_tasks();
    for (int round = 0; round < 5; round++) MUST_RUN(4, localize_once, model);
    assert_true(settled_tasks(before) <= before); /* not the 20 that came */
    oassl_model_destroy(model);
    oassl_context_destroy(context);
}

/* ---- idle --------------------------------------------------------------------------------------------------- */

/* OpenMP's threads look for work for some milliseconds before they sleep.  What else runs on the machine only adds to what
 * is measured, so the least of three counts. */
static void check_idle(const char *backend, uint32_t n_threads) {
    oassl_context *context = scene_context(backend, n_threads);
    oassl_model *model = scene_model(context, WIDTH);
    oassl_trainer *trainer = fed_trainer(context);
    double least = 1, later = 1;
    measure(step_often, trainer);
    for (int k = 0; k < 3 && (least >= 0.005 || later >= 0.001); k++) {
        measure(localize_often, model);
        double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        sleep_for(1);
        double first = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        sleep_for(0.5);
        least = fmin(least, first - start);
        later = fmin(later, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - first);
    }
    print_message("%s, %u threads: %.2f ms of processor in the second after a localisation, %.2f ms in the half second after that\n", backend,
                  n_threads, 1e3 * least, 1e3 * later);
    assert_true(least < 0.01);
    assert_true(later < 0.001);
    oassl_trainer_destroy(trainer);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
}

static void test_idle_costs_nothing(void **state) {
    (void)state;
    check_idle("reference", 1);
    if (!scene_has_onednn()) return;
    check_idle("onednn", 1);
    check_idle("onednn", scene_threads());
}

/* ---- fork --------------------------------------------------------------------------------------------------- */

typedef struct forked {
    oassl_context *context;
    oassl_model *model;
    oassl_localizer *localizer;
    oassl_trainer *trainer;
} forked;

/* Every way to compute with the parent's objects is refused in words that say what to do; destroying them does no harm; a
 * context of the child's own works. */
static int is_refused(oassl_status status, const char *what) {
    if (status == OASSL_STATUS_UNSUPPORTED && strstr(oassl_last_error(), "fork")) return 1;
    print_error("%s in a forked child: %s: %s\n", what, oassl_status_name(status), oassl_last_error());
    return 0;
}

/* A context of the child's own. */
static oassl_status compute_anew(const char *backend, uint32_t n_threads) {
    oassl_context *context = scene_context(backend, n_threads);
    oassl_model *model = scene_model(context, WIDTH);
    float maps[2 * SCENE_PIXELS];
    oassl_status status = scene_localize(model, &picture_and_sound, SIZE, maps);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return status;
}

static void compute_on_two(scene_thread *me) {
    if (compute_anew(me->user, 2) != OASSL_STATUS_OK) WRONG(me, "%s", oassl_last_error());
}

static int in_child(const forked *f, const char *backend, uint32_t n_threads) {
    const oassl_localization *found;
    float maps[2 * SCENE_PIXELS];
    int fine = is_refused(oassl_localizer_run(f->localizer, &picture_and_sound.picture, &picture_and_sound.sound, &found), "localizer_run");
    fine &= is_refused(scene_localize(f->model, &picture_and_sound, SIZE + 32, maps), "a new localizer");
    fine &= is_refused(oassl_trainer_step(f->trainer), "trainer_step");
    fine &= is_refused(oassl_trainer_run(f->trainer), "trainer_run");
    fine &= is_refused(oassl_evaluate(f->model, TMP("process_fork") "/manifest.jsonl", NULL, &(oassl_evaluation)OASSL_EVALUATION_INIT), "evaluate");
    oassl_localizer_destroy(f->localizer);
    oassl_trainer_destroy(f->trainer);
    oassl_model_destroy(f->model);
    oassl_context_destroy(f->context);
    /* OpenMP: not on this thread, but on another */
    if (n_threads > 1) {
        fine &= is_refused(compute_anew(backend, n_threads), "two threads, on the thread that forked");
        const char *wrong = scene_run_threads(1, compute_on_two, (void *)(uintptr_t)backend);
        if (*wrong) print_error("two threads, on a new thread: %s\n", wrong);
        fine &= !*wrong;
    }
    int alone = compute_anew(backend, 1) == OASSL_STATUS_OK;
    if (!alone) print_error("one thread, in a context of the child: %s\n", oassl_last_error());
    return fine && alone;
}

static void check_fork(const char *backend, uint32_t n_threads) {
    forked f = {.context = scene_context(backend, n_threads)};
    f.model = scene_model(f.context, WIDTH);
    tiny_write(f.context, TMP("process_fork"), OASSL_SYNTH_SOLO, 12, 32, 0, 0);
    oassl_trainer_options options = tiny_options();
    options.base_width = 2;
    options.image_size = 32;
    options.loss.lambda_oca = options.loss.lambda_ori = 0;
    options.n_steps = 100;
    MUST(oassl_trainer_create(f.context, &options, TMP("process_fork") "/manifest.jsonl", NULL, TMP("process_fork_run"), &f.trainer));
    MUST(oassl_trainer_step(f.trainer));
    oassl_localizer_options localizer_options = scene_localizer_options(SIZE);
    MUST(oassl_localizer_create(f.model, &localizer_options, &f.localizer));
    const oassl_localization *found;
    MUST(oassl_localizer_run(f.localizer, &picture_and_sound.picture, &picture_and_sound.sound, &found));
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* a child that waits for the parent's threads never ends */
        _exit(in_child(&f, backend, n_threads) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) fail_msg("the child ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    /* the parent goes on */
    MUST(oassl_localizer_run(f.localizer, &picture_and_sound.picture, &picture_and_sound.sound, &found));
    MUST(oassl_trainer_step(f.trainer));
    oassl_localizer_destroy(f.localizer);
    oassl_trainer_destroy(f.trainer);
    oassl_model_destroy(f.model);
    oassl_context_destroy(f.context);
}

static void test_fork_is_refused(void **state) {
    (void)state;
    check_fork("reference", 1);
    if (scene_has_onednn()) check_fork("onednn", 1);
    if (scene_has_onednn() && scene_threads() > 1) check_fork("onednn", 2);
}

static int fill(void **state) {
    (void)state;
    scene_fill(&picture_and_sound, 1);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_is_one),
        cmocka_unit_test(test_two_threads_are_two),
        cmocka_unit_test(test_helpers_end_with_the_threads_that_needed_them),
        cmocka_unit_test(test_idle_costs_nothing),
        cmocka_unit_test(test_fork_is_refused),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
