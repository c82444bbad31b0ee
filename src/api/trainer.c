#include "oassl/trainer.h"

#include "api/front_options.h"
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

oassl_status oassl_trainer_create(oassl_context *context, const oassl_trainer_options *options, const char *manifest_path,
                                  const char *captions_path, const char *run_dir, oassl_trainer **out_trainer) {
    OAI_REQUIRE(out_trainer);
    *out_trainer = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(manifest_path);
    OAI_REQUIRE(run_dir);
    oassl_trainer_options own;
    OAI_TRY(oai_take_options(options, sizeof own, "oassl_trainer_options", &own));
    if (!options || own.loss.struct_size == 0) own.loss = (oassl_loss_options)OASSL_LOSS_OPTIONS_INIT;
    return oai_trainer_create(context, &own, manifest_path, captions_path, run_dir, out_trainer);
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
