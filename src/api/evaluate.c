#include "oassl/evaluate.h"

#include "base/options.h"
#include "api/model_handle.h"
#include "api/tensor_view.h"
#include "localize/evaluate.h"
#include "runtime/context.h"

oassl_status oassl_evaluate(const oassl_model *model, const char *manifest_path, const oassl_evaluate_options *options,
                            oassl_evaluation *out_result) {
    OAI_REQUIRE(model);
    OAI_REQUIRE(manifest_path);
    OAI_REQUIRE(out_result);
    oassl_evaluate_options own;
    OAI_TRY(oai_options_read("oassl_evaluate_options", options, &own, sizeof own));
    oai_evaluation_input input = {oai_context_host(model->context), NULL, &model->config, {{0}}, manifest_path};
    OAI_TRY(oai_hearing_of(model->store, &input.hearing));
    if (own.image_size && (own.image_size < 32 || own.image_size > 4096))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_evaluate_options: image_size: expected 32 to 4096, found %u", own.image_size);
    if (own.image_size) input.hearing.image.size = (int32_t)own.image_size;
    OAI_TRY(oai_features_create(model->context, &model->config, model->store, model->precision, &input.features));
    oassl_evaluation result = OASSL_EVALUATION_INIT;
    oassl_status status = oai_evaluate(&input, &own, &result);
    oai_features_destroy(input.features);
    if (status == OASSL_STATUS_OK) OAI_GIVE(result, out_result);
    return status;
}
