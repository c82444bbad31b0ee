#include "oassl/localizer.h"

#include "base/options.h"
#include "api/model_handle.h"
#include "localize/session.h"
#include "runtime/context.h"

struct oassl_localizer {
    const oai_host *host;
    oai_features *features;
    oai_session *session;
};

static oassl_status open_session(const oassl_model *model, const oassl_localizer_options *options, oassl_localizer *localizer) {
    oai_hearing hearing;
    OAI_TRY(oai_hearing_of(model->store, &hearing));
    OAI_TRY(oai_features_create(model->context, &model->config, model->store, model->precision, &localizer->features));
    return oai_session_create(localizer->host, localizer->features, &model->config, &hearing, options, &localizer->session);
}

oassl_status oassl_localizer_create(const oassl_model *model, const oassl_localizer_options *options, oassl_localizer **out_localizer) {
    OAI_REQUIRE(out_localizer);
    *out_localizer = NULL;
    OAI_REQUIRE(model);
    oassl_localizer_options own;
    OAI_TRY(oai_options_read("oassl_localizer_options", options, &own, sizeof own));
    const oai_host *host = oai_context_host(model->context);
    oassl_localizer *localizer = oai_calloc(host, 1, sizeof *localizer);
    if (!localizer) return oai_no_memory(sizeof *localizer, "a localizer");
    localizer->host = host;
    oassl_status status = open_session(model, &own, localizer);
    if (status == OASSL_STATUS_OK) *out_localizer = localizer;
    else oassl_localizer_destroy(localizer);
    return status;
}

void oassl_localizer_destroy(oassl_localizer *localizer) {
    if (!localizer) return;
    oai_session_destroy(localizer->session);
    oai_features_destroy(localizer->features);
    oai_free(localizer->host, localizer);
}

oassl_status oassl_localizer_run(oassl_localizer *localizer, const oassl_image *picture, const oassl_audio *sound,
                                 const oassl_localization **out_found) {
    OAI_REQUIRE(out_found);
    *out_found = NULL;
    OAI_REQUIRE(localizer);
    OAI_REQUIRE(picture);
    OAI_REQUIRE(sound);
    return oai_session_run(localizer->session, picture, sound, out_found);
}
