#include "oassl/trainer.h"

#include "oassl/audio.h"

#include "base/options.h"
#include "api/tensor_view.h"
#include "base/json.h"
#include "train/options.h"
#include "train/trainer.h"

oassl_status oassl_trainer_options_set(oassl_trainer_options *options, const char *key, const char *value) {
    OAI_REQUIRE(options);
    OAI_REQUIRE(key);
    OAI_REQUIRE(value);
    if (options->struct_size < sizeof *options)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_trainer_options: struct_size is %u; start from the INIT macro",
                        options->struct_size);
    return oai_options_set(options, key, value);
}

oassl_status oassl_trainer_options_read(oassl_trainer_options *options, const char *path) {
    OAI_REQUIRE(options);
    OAI_REQUIRE(path);
    if (options->struct_size < sizeof *options)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_trainer_options: struct_size is %u; start from the INIT macro",
                        options->struct_size);
    json_t *object;
    OAI_TRY(oai_json_load(&oai_default_host, path, &object));
    oassl_status status = json_is_object(object) ? oai_options_from_json(options, object, path)
                                                 : oai_fail(OASSL_STATUS_FORMAT, "%s: expected a JSON object", path);
    json_decref(object);
    return status;
}

static oassl_status take_options(const oassl_trainer_options *options, oassl_trainer_options *out_own) {
    OAI_TRY(oai_options_read("oassl_trainer_options", options, out_own, sizeof *out_own));
    if (out_own->loss.struct_size == 0) out_own->loss = (oassl_loss_options)OASSL_LOSS_OPTIONS_INIT;
    return OASSL_STATUS_OK;
}

oassl_status oassl_trainer_create(oassl_context *context, const oassl_trainer_options *options, const char *manifest_path,
                                  const char *captions_path, const char *run_dir, oassl_trainer **out_trainer) {
    OAI_REQUIRE(out_trainer);
    *out_trainer = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(manifest_path);
    OAI_REQUIRE(run_dir);
    oassl_trainer_options own;
    OAI_TRY(take_options(options, &own));
    return oai_trainer_create(context, &own, manifest_path, captions_path, run_dir, out_trainer);
}

oassl_status oassl_trainer_create_fed(oassl_context *context, const oassl_trainer_options *options, const oassl_trainer_shape *shape,
                                      const char *run_dir, oassl_trainer **out_trainer) {
    OAI_REQUIRE(out_trainer);
    *out_trainer = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(shape);
    oassl_trainer_options own;
    oassl_trainer_shape s;
    OAI_TRY(take_options(options, &own));
    OAI_TRY(oai_options_read("oassl_trainer_shape", shape, &s, sizeof s));
    if (s.height < 32 || s.width < 32 || s.height > 8192 || s.width > 8192)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_trainer_shape: expected pictures of 32 to 8192 pixels a side, found %u x %u",
                        s.width, s.height);
    bool classify = own.task != OASSL_TASK_LOCALIZE;
    if (classify ? s.n_classes < 2 : s.frames < 32)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, classify ? "oassl_trainer_shape: expected n_classes of at least 2, found %u"
                                                               : "oassl_trainer_shape: expected at least 32 frames, found %u",
                        classify ? s.n_classes : s.frames);
    if ((s.n_foreground == 0) != (s.text_dim == 0))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_trainer_shape: n_foreground %u and text_dim %u: give both or neither",
                        s.n_foreground, s.text_dim);
    if (own.task == OASSL_TASK_ALIGN && s.n_foreground != 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_trainer_shape: aligning takes one caption a picture, found n_foreground %u",
                        s.n_foreground);
    oai_batch_shape inner = {.height = s.height, .width = s.width, .bins = OASSL_LOGSPEC_ROWS, .frames = s.frames,
                             .n_foreground = s.n_foreground, .text_dim = s.text_dim, .n_classes = classify ? s.n_classes : 0};
    return oai_trainer_create_fed(context, &own, &inner, run_dir, out_trainer);
}

static oassl_status take_tensor(const oassl_tensor *tensor, const char *name, bool wanted, int32_t rank, const int64_t *shape, float **out) {
    *out = NULL;
    if (!wanted && !tensor) return OASSL_STATUS_OK;
    if (!wanted || !tensor)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "batch tensor '%s' is %s", name, wanted ? "missing" : "not used by this training");
    OAI_TRY(oai_view_check(tensor, name, OASSL_DTYPE_F32, rank, shape));
    OAI_TRY(oai_view_require_contiguous(tensor, name));
    *out = tensor->data;
    return OASSL_STATUS_OK;
}

oassl_status oassl_trainer_step_batch(oassl_trainer *trainer, const oassl_trainer_batch *batch) {
    OAI_REQUIRE(trainer);
    OAI_REQUIRE(batch);
    oassl_trainer_batch b;
    OAI_TRY(oai_options_read("oassl_trainer_batch", batch, &b, sizeof b));
    const oai_batch_shape *s = oai_trainer_shape(trainer);
    bool pair = s->n_classes == 0, captions = s->n_foreground > 0;
    bool weighted = pair && captions && oai_trainer_options(trainer)->loss.allow_empty_background;
    oai_batch inner;
    OAI_TRY(take_tensor(b.pictures, "pictures", true, 4, OAI_SHAPE(s->n, 3, s->height, s->width), &inner.pictures));
    OAI_TRY(take_tensor(b.spectrograms, "spectrograms", pair, 4, OAI_SHAPE(s->n, 1, s->bins, s->frames), &inner.spectrograms));
    OAI_TRY(take_tensor(b.foreground, "foreground", captions, 3, OAI_SHAPE(s->n, s->n_foreground, s->text_dim), &inner.foreground));
    OAI_TRY(take_tensor(b.background, "background", pair && captions, 2, OAI_SHAPE(s->n, s->text_dim), &inner.background));
    OAI_TRY(take_tensor(b.background_weight, "background_weight", weighted, 1, OAI_SHAPE(s->n),
                        &inner.background_weight));
    OAI_TRY(take_tensor(b.targets, "targets", !pair, 2, OAI_SHAPE(s->n, s->n_classes), &inner.targets));
    return oai_trainer_step_batch(trainer, &inner);
}

void oassl_trainer_destroy(oassl_trainer *trainer) { oai_trainer_destroy(trainer); }

oassl_status oassl_trainer_resume(oassl_trainer *trainer) {
    OAI_REQUIRE(trainer);
    return oai_trainer_resume(trainer);
}

oassl_status oassl_trainer_step(oassl_trainer *trainer) {
    OAI_REQUIRE(trainer);
    return oai_trainer_step(trainer);
}

oassl_status oassl_trainer_run(oassl_trainer *trainer) {
    OAI_REQUIRE(trainer);
    return oai_trainer_run(trainer);
}

oassl_status oassl_trainer_get_state(const oassl_trainer *trainer, oassl_trainer_state *out_state) {
    OAI_REQUIRE(trainer);
    OAI_REQUIRE(out_state);
    oassl_trainer_state state = {sizeof state};
    oai_trainer_state(trainer, &state);
    OAI_GIVE(state, out_state);
    return OASSL_STATUS_OK;
}

oassl_status oassl_trainer_save_model(const oassl_trainer *trainer, const char *path) {
    OAI_REQUIRE(trainer);
    OAI_REQUIRE(path);
    return oai_trainer_save_model(trainer, path);
}
