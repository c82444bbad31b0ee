/* ResNet-18 against torchvision on formula weights: every size, batch and mode of the specification, each backend. */
#include "support/two_backends.h"

#include "data/net_parity.h"

static oai_net_config config;
static oai_store *store;

/* In training mode: BN by batch statistics, weights as inputs. */
static void run_training(oassl_context *context, const parity_trunk *t, const float *x, float *y) {
    oai_builder *b;
    oai_emitter e;
    MUST(oai_builder_create(&oai_default_host, &b));
    oai_emitter_init(&e, &oai_default_host, b, true);
    e.bn_train = true;
    const oai_resnet_config *trunk = t->audio ? &config.audio : &config.visual;
    oai_value in = oai_input(b, "x", OASSL_DTYPE_F32, 4, OAI_SHAPE(t->batch, trunk->in_channels, t->height, t->width));
    oai_value out = oai_resnet18_emit(&e, trunk, t->audio ? "audnet." : "imgnet.", in);
    oai_output(b, out);
    binding bindings[256] = {{in, (void *)x}, {out, y}};
    uint32_t n = 2;
    for (uint32_t i = 0; i < e.n_params; i++)
        bindings[n++] = (binding){e.params[i].value, oai_store_find(store, e.params[i].name)->data};
    assert_true(n <= sizeof bindings / sizeof *bindings);
    run_builder(context, b, bindings, n);
    oai_emitter_free(&e);
    oai_builder_destroy(b);
}

/* In evaluation mode: folded BN, weights in the plan.  Sounds give the pooled vector only, so maps are emitted here.
 */
static void run_inference(oassl_context *context, const parity_trunk *t, const float *x, float *y) {
    oai_net_config one = config;
    oai_features *features;
    if (!t->audio) {
        MUST(oai_features_create(context, &one, store, OASSL_PRECISION_F32, &features));
        MUST(oai_features_visual(features, t->batch, t->height, t->width, x, y, NULL));
        oai_features_destroy(features);
        return;
    }
    oai_builder *b;
    oai_emitter e;
    oassl_graph *graph;
    oassl_backend_param *params;
    uint32_t n_params;
    oai_plan *plan;
    oai_exec *exec;
    MUST(oai_builder_create(&oai_default_host, &b));
    oai_emitter_init(&e, &oai_default_host, b, false);
    oai_value in = oai_input(b, "x", OASSL_DTYPE_F32, 4, OAI_SHAPE(t->batch, 1, t->height, t->width));
    oai_value out = oai_resnet18_emit(&e, &config.audio, "audnet.", in);
    oai_output(b, out);
    oai_fold_batch_norm(b);
    MUST(oai_builder_finish(b, &graph));
    MUST(oai_store_bind(store, &e, graph, &params, &n_params));
    MUST(oai_plan_create(context, graph, params, n_params, NULL, &plan));
    oai_free(&oai_default_host, params);
    oai_graph_destroy(&oai_default_host, graph);
    MUST(oai_exec_create(plan, &exec));
    MUST(oai_exec_bind(exec, in, (void *)x));
    MUST(oai_exec_bind(exec, out, y));
    MUST(oai_exec_run(exec));
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
    oai_emitter_free(&e);
    oai_builder_destroy(b);
}

static void check_trunk(const char *backend, oassl_context *context, const parity_trunk *t) {
    const oai_resnet_config *trunk = t->audio ? &config.audio : &config.visual;
    int64_t h = oai_resnet18_extent(trunk, t->height), w = oai_resnet18_extent(trunk, t->width);
    int64_t n_in = t->batch * trunk->in_channels * t->height * t->width, n_out = t->batch * 512 * h * w;
    float *x = formula_input(t->audio ? "sound" : "picture", 1.7, n_in), *y = calloc((size_t)n_out, sizeof *y);
    double start = seconds(), largest = 0, worst = 0;
    (t->train ? run_training : run_inference)(context, t, x, y);
    for (int64_t i = 0; i < n_out; i++) largest = fmax(largest, fabs((double)y[i]));
    for (int k = 0; k < PARITY_SAMPLES; k++)
        worst = fmax(worst, fabs((double)y[formula_sample("features", n_out, k)] - t->values[k]));
    print_message("%s %s %dx%d, batch %d, %s: largest difference %.1e of the largest activation (%.2f s)\n", backend,
                  t->audio ? "sound" : "picture", t->height, t->width, t->batch, t->train ? "train" : "eval",
                  worst / t->largest, seconds() - start);
    assert_true(fabs(largest - t->largest) <= 1e-4 * t->largest);
    assert_true(worst <= 1e-4 * t->largest);
    free(x);
    free(y);
}

static void on_onednn(void **state) {
    (void)state;
    if (!fast) {
        print_message("no onednn plug-in\n");
        skip();
    }
    for (size_t i = 0; i < sizeof parity_trunks / sizeof *parity_trunks; i++)
        check_trunk("onednn", fast, &parity_trunks[i]);
}

static void on_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof parity_trunks / sizeof *parity_trunks; i++)
        check_trunk("reference", reference, &parity_trunks[i]);
}

static int open_all(void **state) {
    config = oai_net_config_default(OAI_NET_PAIR);
    if (open_contexts(state) != 0) return -1;
    if (oai_net_store_create(&oai_default_host, &config, &store) != OASSL_STATUS_OK) return -1;
    fill_store(store, 0);
    return 0;
}

static int close_all(void **state) {
    oai_store_destroy(store);
    return close_contexts(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_reference), cmocka_unit_test(on_onednn)};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
