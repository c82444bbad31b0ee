/* One OA-SSL step of the full-size pair (forward, losses, backward) against the same step written in PyTorch from the
 * specification: the loss and its parts, the gradient of every parameter, the new running statistics. */
#include "support/net_run.h"

#include "data/net_parity.h"
#include "loss/loss.h"

enum { MOST = 512 };

typedef struct step {
    oai_builder *builder;
    oai_emitter emitter;
    oai_loss_parts parts;
    binding bindings[MOST];
    uint32_t n;
} step;

static oai_net_config config;
static oai_store *store;

static void bind(step *s, oai_value value, void *memory) {
    assert_true(s->n < MOST);
    assert_true(value != OAI_NO_VALUE);
    s->bindings[s->n++] = (binding){value, memory};
}

static oai_value input(step *s, const char *name, double scale, int32_t rank, const int64_t *shape) {
    int64_t count = 1;
    for (int32_t k = 0; k < rank; k++) count *= shape[k];
    oai_value value = oai_input(s->builder, name, OASSL_DTYPE_F32, rank, shape);
    bind(s, value, formula_input(name, scale, count));
    return value;
}

static void emit(step *s) {
    oai_emitter *e = &s->emitter;
    oassl_loss_options options = OASSL_LOSS_OPTIONS_INIT;
    MUST(oai_loss_options_resolve(&options, &options));
    MUST(oai_builder_create(&oai_default_host, &s->builder));
    oai_emitter_init(e, &oai_default_host, s->builder, true);
    e->bn_train = true;
    oai_value picture = input(s, "picture", 1.7, 4, OAI_SHAPE(STEP_BATCH, 3, 224, 224));
    oai_value sound = input(s, "sound", 1.7, 4, OAI_SHAPE(STEP_BATCH, 1, 257, 200));
    oai_value foreground = input(s, "foreground", 1, 3, OAI_SHAPE(STEP_BATCH, STEP_CAPTIONS, STEP_TEXT));
    oai_value background = input(s, "background", 1, 2, OAI_SHAPE(STEP_BATCH, STEP_TEXT));
    oai_value visual = oai_net_visual(e, &config, picture), audio = oai_net_audio(e, &config, sound);
    foreground = oai_net_text(e, &config, foreground);
    background = oai_net_text(e, &config, background);
    s->parts = oai_loss_oassl_emit(s->builder, &options, visual, audio, foreground, background, OAI_NO_VALUE);
    MUST(oai_emitter_gradients(e, s->parts.total));
}

/* The parameter or statistic against its committed norm, largest magnitude and samples. */
static double compare(const parity_gradient *expected, const float *found, int64_t count) {
    double squares = 0, largest = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        squares += (double)found[i] * found[i];
        largest = fmax(largest, fabs((double)found[i]));
    }
    for (int k = 0; k < GRADIENT_SAMPLES; k++)
        worst = fmax(worst, fabs((double)found[formula_sample(expected->name, count, k)] - expected->values[k]));
    worst = fmax(worst, fabs(largest - expected->largest)) / expected->largest;
    return fmax(worst, fabs(sqrt(squares) - expected->norm) / expected->norm);
}

static void check_all(const step *s, const parity_gradient *expected, size_t n, float *const *found, const char *what) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const oai_net_param *param = oai_emitter_find(&s->emitter, expected[i].name);
        if (!param) fail_msg("%s is not a parameter of the pair", expected[i].name);
        const oai_store_tensor *tensor = oai_store_find(store, expected[i].name);
        double error = compare(&expected[i], found[param - s->emitter.params], tensor->count);
        worst = fmax(worst, error);
        if (!(error <= 1e-4)) fail_msg("%s of %s: relative difference %.2e", what, expected[i].name, error);
    }
    print_message("%zu %ss, largest relative difference %.1e\n", n, what, worst);
}

static void run_step(const char *backend) {
    oassl_context *context = open_context(backend);
    if (!context) {
        print_message("no %s\n", backend);
        skip();
    }
    static step s;
    static float *found[MOST];
    s = (step){0};
    emit(&s);
    float parts[4];
    const oai_value values[4] = {s.parts.total, s.parts.base, s.parts.oca, s.parts.ori};
    for (int k = 0; k < 4; k++) {
        oai_output(s.builder, values[k]);
        bind(&s, values[k], &parts[k]);
    }
    for (uint32_t i = 0; i < s.emitter.n_params; i++) {
        const oai_net_param *param = &s.emitter.params[i];
        const oai_store_tensor *tensor = oai_store_find(store, param->name);
        oai_value result = param->role == OAI_ROLE_WEIGHT ? param->gradient : param->new_state;
        found[i] = calloc((size_t)tensor->count, sizeof(float));
        oai_output(s.builder, result);
        bind(&s, param->value, tensor->data);
        bind(&s, result, found[i]);
    }
    double start = seconds();
    run_builder(context, s.builder, s.bindings, s.n);
    print_message("%s: step in %.1f s; total %.6f = base %.6f + oca %.6f + 0.1 ori %.6f\n", backend, seconds() - start,
                  parts[0], parts[1], parts[2], parts[3]);
    for (int k = 0; k < 4; k++) assert_true(fabs(parts[k] - step_parts[k]) <= 1e-4 * fabs(step_parts[k]));
    size_t n_gradients = sizeof parity_gradients / sizeof *parity_gradients;
    size_t n_states = sizeof parity_states / sizeof *parity_states;
    assert_int_equal(n_gradients + n_states, s.emitter.n_params);
    check_all(&s, parity_gradients, n_gradients, found, "gradient");
    check_all(&s, parity_states, n_states, found, "running statistic");
    for (uint32_t i = 0; i < s.emitter.n_params; i++) free(found[i]);
    for (uint32_t i = 0; i < 4; i++) free(s.bindings[i].memory); /* the four inputs */
    oai_emitter_free(&s.emitter);
    oai_builder_destroy(s.builder);
    oassl_context_destroy(context);
}

static void on_reference(void **state) {
    (void)state;
    run_step("reference");
}

static void on_onednn(void **state) {
    (void)state;
    run_step("onednn");
}

static int create_store(void **state) {
    (void)state;
    config = oai_net_config_default(OAI_NET_PAIR);
    config.text_dim = STEP_TEXT;
    if (oai_net_store_create(&oai_default_host, &config, &store) != OASSL_STATUS_OK) return -1;
    fill_store(store);
    return 0;
}

static int destroy_store(void **state) {
    (void)state;
    oai_store_destroy(store);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_reference), cmocka_unit_test(on_onednn)};
    return cmocka_run_group_tests(tests, create_store, destroy_store);
}
