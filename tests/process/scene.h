/* What the process tests compute on: pictures and sounds from formulas, a small random model, threads that must succeed. */
#ifndef TEST_PROCESS_SCENE_H
#define TEST_PROCESS_SCENE_H

#include "support/tiny_set.h"

#include <math.h>
#include <pthread.h>

enum { SCENE_WIDTH = 48, SCENE_HEIGHT = 40, SCENE_PIXELS = SCENE_WIDTH * SCENE_HEIGHT, SCENE_FRAMES = 8000 };

typedef struct scene {
    uint8_t rgb[3 * SCENE_PIXELS];
    float samples[SCENE_FRAMES];
    oassl_image picture;
    oassl_audio sound;
} scene;

static inline void scene_fill(scene *s, int number) {
    for (int p = 0; p < SCENE_PIXELS; p++) {
        int x = p % SCENE_WIDTH, y = p / SCENE_WIDTH;
        for (int c = 0; c < 3; c++) s->rgb[3 * p + c] = (uint8_t)((x * (5 + number) / (c + 1) + y * 3 + (x / 9 + y / 7 + number) % 2 * 90) & 255);
    }
    for (int i = 0; i < SCENE_FRAMES; i++) {
        double t = (double)i / 16000;
        s->samples[i] = 0.4f * (float)sin(6.283 * (300 + 100 * number + 200 * t) * t);
    }
    s->picture = (oassl_image){.rgb = s->rgb, .width = SCENE_WIDTH, .height = SCENE_HEIGHT};
    s->sound = (oassl_audio){.samples = s->samples, .frames = SCENE_FRAMES, .channels = 1, .rate = 16000};
}

/* backend NULL = the best. */
static inline oassl_context *scene_context(const char *backend, uint32_t n_threads) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = n_threads;
    oassl_context *context;
    MUST(oassl_context_create(&options, &context));
    return context;
}

/* Whether this build has the plug-in, and the environment does not forbid it (valgrind does not know every instruction). */
static inline int scene_has_onednn(void) {
    return !getenv("OASSL_TEST_REFERENCE_ONLY") && tiny_exists(OASSL_TEST_BACKENDS "/liboassl-backend-onednn.so");
}

/* Compute threads of tests that take more than one: 2, unless the tool that watches the test cannot see into OpenMP. */
static inline uint32_t scene_threads(void) {
    const char *text = getenv("OASSL_TEST_COMPUTE_THREADS");
    return text ? (uint32_t)atoi(text) : 2;
}

static inline oassl_model *scene_model(oassl_context *context, uint32_t base_width) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.base_width = base_width;
    options.visual_stride = 16;
    options.text_dim = -1;
    options.seed = 3;
    oassl_model *model;
    MUST(oassl_model_create(context, &options, &model));
    return model;
}

static inline oassl_localizer_options scene_localizer_options(uint32_t size) {
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.n_sources = 2;
    options.input_width = options.input_height = size;
    return options;
}

/* The maps of both sources [2 * SCENE_PIXELS]; the library's answer, so that threads can report it. */
static inline oassl_status scene_localize(const oassl_model *model, const scene *s, uint32_t size, float *out_maps) {
    oassl_localizer_options options = scene_localizer_options(size);
    oassl_localizer *localizer;
    oassl_status status = oassl_localizer_create(model, &options, &localizer);
    if (status != OASSL_STATUS_OK) return status;
    const oassl_localization *found;
    status = oassl_localizer_run(localizer, &s->picture, &s->sound, &found);
    for (int k = 0; status == OASSL_STATUS_OK && k < 2; k++)
        memcpy(out_maps + k * SCENE_PIXELS, found->sources[k].map, SCENE_PIXELS * sizeof(float));
    oassl_localizer_destroy(localizer);
    return status;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

enum { SCENE_MAX_THREADS = 16 };

/* One thread's work: cmocka's assertions are for the main thread, so what went wrong is written into `wrong`. */
typedef struct scene_thread {
    pthread_t thread;
    pthread_barrier_t *together; /* all begin at once */
    void (*work)(struct scene_thread *);
    void *user;
    int number;
    char wrong[512];
} scene_thread;

#define WRONG(me, ...) snprintf((me)->wrong, sizeof(me)->wrong, __VA_ARGS__)

static inline void *scene_begin(void *argument) {
    scene_thread *me = argument;
    pthread_barrier_wait(me->together);
    me->work(me);
    return NULL;
}

/* What the first thread that failed says, "" if none did.  Valid until the next call. */
static inline const char *scene_run_threads(int n, void (*work)(scene_thread *), void *user) {
    static char wrong[512];
    scene_thread threads[SCENE_MAX_THREADS];
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, (unsigned)n);
    for (int k = 0; k < n; k++) {
        threads[k] = (scene_thread){.together = &together, .work = work, .user = user, .number = k};
        if (pthread_create(&threads[k].thread, NULL, scene_begin, &threads[k]) != 0) abort();
    }
    wrong[0] = 0;
    for (int k = 0; k < n; k++) {
        pthread_join(threads[k].thread, NULL);
        if (!wrong[0] && threads[k].wrong[0]) snprintf(wrong, sizeof wrong, "%.500s", threads[k].wrong);
    }
    pthread_barrier_destroy(&together);
    return wrong;
}

#define MUST_RUN(n, work, user)                                                                                       \
    do {                                                                                                              \
        const char *wrong_ = scene_run_threads(n, work, user);                                                        \
        if (*wrong_) fail_msg("%s", wrong_);                                                                          \
    } while (0)

#endif
