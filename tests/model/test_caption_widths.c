/* Training takes the reference features of any text encoder: MiniLM's 384, CLIP's 512 and 1024, BERT's 768. */
#include "support/tiny_set.h"

#include <math.h>

#include "support/formula.h"
#include "text/caption_features.h"

#define SOLOS TMP("widths_solos")

/* The set's captions with vectors of another width. */
static void widen(int64_t width, const char *path) {
    const oai_host *host = &oai_default_host;
    oai_caption_features *from, *to;
    uint32_t k[64];
    MUST(oai_caption_features_load(host, SOLOS "/captions.npz", &from));
    assert_true(from->n_samples <= 64);
    for (int64_t i = 0; i < from->n_samples; i++) k[i] = oai_caption_features_k(from, i);
    MUST(oai_caption_features_create(host, from->ids, k, from->n_samples, width, "wide", "0", &to));
    formula_fill("foreground", 0, 1, to->offsets[to->n_samples] * width, to->foreground);
    formula_fill("background", 0, 1, to->n_samples * width, to->background);
    MUST(oai_caption_features_save(to, path));
    oai_caption_features_destroy(from);
    oai_caption_features_destroy(to);
}

static void every_width(void **state) {
    (void)state;
    static const uint32_t widths[] = {384, 512, 768, 1024};
    oassl_context *context = tiny_context(NULL, NULL);
    tiny_write(context, SOLOS, OASSL_SYNTH_SOLO, 8, 64, 0, 32);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char run[256];
        snprintf(run, sizeof run, "%s/widths_run_%u", OASSL_TEST_TMP, widths[i]);
        widen(widths[i], SOLOS "/wide.npz");
        oassl_trainer_options options = tiny_options();
        options.n_steps = 3;
        oassl_trainer *trainer;
        MUST(oassl_trainer_create(context, &options, SOLOS "/manifest.jsonl", SOLOS "/wide.npz", run, &trainer));
        oassl_trainer_state now = {.struct_size = sizeof now};
        for (int step = 0; step < 3; step++) MUST(oassl_trainer_step(trainer));
        MUST(oassl_trainer_get_state(trainer, &now));
        assert_true(isfinite(now.loss) && now.loss_oca != 0);
        char path[300];
        snprintf(path, sizeof path, "%s.safetensors", run);
        MUST(oassl_trainer_save_model(trainer, path));
        oassl_trainer_destroy(trainer);
        oassl_model *model;
        oassl_model_info info = {.struct_size = sizeof info};
        MUST(oassl_model_load(context, path, NULL, &model));
        MUST(oassl_model_get_info(model, &info));
        assert_int_equal(info.text_dim, widths[i]);
        oassl_model_destroy(model);
    }
    oassl_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_width)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
