/* Equal bits from equal runs, and figures that do not depend on how many threads computed them: localisation maps, one
 * training step's gradients and weights, whole trainings, evaluations. */
#include "process/scene.h"

#include "base/host.h"
#include "base/safetensors.h"

#define SET TMP("process_determinism")

static scene scenes[2];

/* `bn` is OASSL_BN_* of both trunks; the loss of the last step. */
static double train(oassl_context *context, const char *run, uint32_t width, uint32_t n_steps, uint32_t n_workers, int32_t bn) {
    oassl_trainer_options options = tiny_options();
    options.base_width = width;
    options.n_steps = n_steps;
    options.n_workers = n_workers;
    options.flip = 1;
    options.visual_bn = bn;
    options.audio_bn_eval = bn == OASSL_BN_EVAL;
    oassl_trainer_state state = {.struct_size = sizeof state};
    oassl_trainer *trainer;
    MUST(oassl_trainer_create(context, &options, SET "/manifest.jsonl", SET "/captions.npz", run, &trainer));
    MUST(oassl_trainer_run(trainer));
    MUST(oassl_trainer_get_state(trainer, &state));
    oassl_trainer_destroy(trainer);
    return state.loss;
}

static void evaluate(oassl_context *context, const char *path, oassl_evaluation *out_result) {
    oassl_model *model;
    MUST(oassl_model_load(context, path, NULL, &model));
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    options.split = "val";
    options.mismatched = 1;
    *out_result = (oassl_evaluation)OASSL_EVALUATION_INIT;
    MUST(oassl_evaluate(model, SET "/manifest.jsonl", &options, out_result));
    out_result->seconds = 0;
    oassl_model_destroy(model);
}

/* ---- equal bits --------------------------------------------------------------------------------------------- */

/* Only the numbers: the files tell how many loaders there were. */
static void assert_weights_equal(const char *first, const char *second) {
    oai_safetensors *a, *b;
    MUST(oai_safetensors_open(&oai_default_host, first, &a));
    MUST(oai_safetensors_open(&oai_default_host, second, &b));
    assert_int_equal(oai_safetensors_count(a), oai_safetensors_count(b));
    for (uint32_t i = 0; i < oai_safetensors_count(a); i++) {
        const oai_stored_tensor *x = oai_safetensors_at(a, i), *y = oai_safetensors_find(b, x->name);
        assert_non_null(y);
        if (x->bytes != y->bytes || memcmp(x->data, y->data, x->bytes) != 0) fail_msg("%s and %s: %s differs", first, second, x->name);
    }
    oai_safetensors_close(a);
    oai_safetensors_close(b);
}

/* Nothing is shared between the runs; the third has other loader threads. */
static void check_runs(const char *backend, uint32_t n_threads, uint32_t n_steps) {
    static float maps[3][2 * SCENE_PIXELS];
    oassl_evaluation results[3];
    static const char *const runs[] = {TMP("process_first"), TMP("process_second"), TMP("process_third")};
    char paths[3][512];
    for (int k = 0; k < 3; k++) {
        oassl_context *context = scene_context(backend, n_threads);
        oassl_model *model;
        train(context, runs[k], 4, n_steps, k == 2 ? 3 : 1, OASSL_BN_DEFAULT);
        snprintf(paths[k], sizeof paths[k], "%s/best.safetensors", runs[k]);
        MUST(oassl_model_load(context, paths[k], NULL, &model));
        MUST(scene_localize(model, &scenes[0], 64, maps[k]));
        oassl_model_destroy(model);
        evaluate(context, paths[k], &results[k]);
        oassl_context_destroy(context);
    }
    assert_files_equal(paths[0], paths[1]);
    for (int k = 1; k < 3; k++) {
        assert_weights_equal(paths[0], paths[k]);
        assert_memory_equal(maps[0], maps[k], sizeof maps[0]);
        assert_memory_equal(&results[0], &results[k], sizeof results[0]);
    }
}

static void test_two_runs_have_equal_bits(void **state) {
    (void)state;
    check_runs("reference", 1, 3);
    if (!scene_has_onednn()) return;
    check_runs("onednn", 1, 6);
    check_runs("onednn", scene_threads(), 6);
}

/* ---- 1 and 2 threads ---------------------------------------------------------------------------------------- */

static double worst; /* of the differences that were compared */

static void check_close(const float *a, const float *b, size_t n, double scale, double tolerance, const char *what) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - b[i]));
    worst = fmax(worst, most / scale);
    if (!(most <= tolerance * scale)) fail_msg("%s: 1 and 2 threads differ by %.3g, scale %.3g", what, most, scale);
}

static void test_maps_of_one_and_two_threads(void **state) {
    (void)state;
    if (!scene_has_onednn() || scene_threads() < 2) skip();
    static const uint32_t sizes[] = {64, 96, 224}, widths[] = {4, 16, 64};
    worst = 0;
    for (size_t i = 0; i < 3; i++) {
        static float maps[2][2 * SCENE_PIXELS];
        for (uint32_t n = 1; n <= 2; n++) {
            oassl_context *context = scene_context("onednn", n);
            oassl_model *model = scene_model(context, widths[i]);
            MUST(scene_localize(model, &scenes[i % 2], sizes[i], maps[n - 1]));
            oassl_model_destroy(model);
            oassl_context_destroy(context);
        }
        check_close(maps[0], maps[1], 2 * SCENE_PIXELS, 1, 1e-5, "a map");
    }
    print_message("maps: largest difference %.3g\n", worst);
}

static double largest(const float *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i]));
    return most;
}

/* Tensors of the two checkpoints with `part` in their names.  What differs is compared with the tensor's largest element, as
 * sums of numbers of that size were made, or with `least_scale` if that is more.  With `whose_gradient_counts`, elements whose
 * gradient is next to nothing are left out: Adam's first step takes its sign only. */
static void compare_tensors(const char *part, double least_scale, double tolerance, int whose_gradient_counts) {
    oai_safetensors *files[2];
    MUST(oai_safetensors_open(&oai_default_host, TMP("process_one") "/last.safetensors", &files[0]));
    MUST(oai_safetensors_open(&oai_default_host, TMP("process_two") "/last.safetensors", &files[1]));
    uint32_t n = 0;
    worst = 0;
    for (uint32_t i = 0; i < oai_safetensors_count(files[0]); i++) {
        const oai_stored_tensor *a = oai_safetensors_at(files[0], i), *b = oai_safetensors_find(files[1], a->name);
        if (!strstr(a->name, part)) continue;
        assert_non_null(b);
        assert_int_equal(a->bytes, b->bytes);
        size_t count = a->bytes / sizeof(float);
        float *x = malloc(a->bytes), *y = malloc(a->bytes); /* the file's may be unaligned */
        memcpy(x, a->data, a->bytes);
        memcpy(y, b->data, a->bytes);
        char name[256];
        snprintf(name, sizeof name, "optimizer.m.%s", a->name + strcspn(a->name, ".") + 1);
        const oai_stored_tensor *m = whose_gradient_counts ? oai_safetensors_find(files[0], name) : NULL;
        if (m) {
            float *g = malloc(m->bytes);
            memcpy(g, m->data, m->bytes);
            double top = largest(g, count);
            for (size_t k = 0; k < count; k++)
                if (fabs((double)g[k]) <= 1e-4 * top) y[k] = x[k];
            free(g);
        }
        n++;
        check_close(x, y, count, fmax(largest(x, count), least_scale), tolerance, a->name);
        free(x);
        free(y);
    }
    assert_true(n > 20);
    print_message("%s: %u tensors, largest difference %.3g\n", part, n, worst);
    oai_safetensors_close(files[0]);
    oai_safetensors_close(files[1]);
}

static void step_both(int32_t bn, double tolerance) {
    double losses[2];
    for (uint32_t n = 1; n <= 2; n++) {
        oassl_context *context = scene_context("onednn", n);
        losses[n - 1] = train(context, n == 1 ? TMP("process_one") : TMP("process_two"), 8, 1, 1, bn);
        oassl_context_destroy(context);
    }
    print_message("loss: %.9g and %.9g\n", losses[0], losses[1]);
    assert_true(fabs(losses[0] - losses[1]) <= tolerance * fabs(losses[0]));
}

/* After one step Adam's first moment is a tenth of the gradient. */
static void check_step(int32_t bn) {
    if (!scene_has_onednn() || scene_threads() < 2) skip();
    step_both(bn, 1e-5);
    compare_tensors("optimizer.m.", 1e-12, 1e-5, 0);
    compare_tensors("model.", 1e-12, 1e-5, 1);
}

static void test_a_step_of_one_and_two_threads(void **state) {
    (void)state;
    check_step(OASSL_BN_EVAL);
}

/* Activations must have equal bits for this: one that crosses zero changes its RELU's gradient altogether. */
static void test_a_step_with_batch_statistics(void **state) {
    (void)state;
    check_step(OASSL_BN_TRAIN);
}

static void compare_scores(const oassl_metric_scores *a, const oassl_metric_scores *b) {
    const double *x = (const double *)(const void *)a, *y = (const double *)(const void *)b;
    for (size_t i = 0; i < sizeof *a / sizeof *x; i++)
        if (!(fabs(x[i] - y[i]) <= 1e-5)) fail_msg("score %zu: %.9g with 1 thread, %.9g with 2", i, x[i], y[i]);
}

static void test_evaluations_of_one_and_two_threads(void **state) {
    (void)state;
    if (!scene_has_onednn() || scene_threads() < 2) skip();
    oassl_evaluation results[2];
    oassl_context *context = scene_context("onednn", 1);
    train(context, TMP("process_scored"), 8, 8, 1, OASSL_BN_DEFAULT);
    evaluate(context, TMP("process_scored") "/best.safetensors", &results[0]);
    oassl_context_destroy(context);
    context = scene_context("onednn", 2);
    evaluate(context, TMP("process_scored") "/best.safetensors", &results[1]);
    oassl_context_destroy(context);
    assert_int_equal(results[0].metric.n_pairs, results[1].metric.n_pairs);
    assert_true(results[0].metric.n_pairs > 5);
    assert_true(fabs(results[0].confidence - results[1].confidence) <= 1e-5);
    assert_true(fabs(results[0].similarity - results[1].similarity) <= 1e-5);
    compare_scores(&results[0].metric.model, &results[1].metric.model);
    compare_scores(&results[0].metric.centre, &results[1].metric.centre);
    print_message("evaluation: similarity differs by %.3g, confidence by %.3g\n", fabs(results[0].similarity - results[1].similarity),
                  fabs(results[0].confidence - results[1].confidence));
}

static int write_set(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) scene_fill(&scenes[k], k);
    oassl_context *context = scene_context("reference", 1);
    tiny_write(context, SET, OASSL_SYNTH_SOLO, 24, 64, 0.5, 32);
    oassl_context_destroy(context);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_runs_have_equal_bits),
        cmocka_unit_test(test_maps_of_one_and_two_threads),
        cmocka_unit_test(test_a_step_of_one_and_two_threads),
        cmocka_unit_test(test_a_step_with_batch_statistics),
        cmocka_unit_test(test_evaluations_of_one_and_two_threads),
    };
    return cmocka_run_group_tests(tests, write_set, NULL);
}
