/* The inside of oassl_model, for the API files that are created from one (encoder, localizer, trainer). */
#ifndef OAI_API_MODEL_HANDLE_H
#define OAI_API_MODEL_HANDLE_H

#include "model/oassl_net.h"
#include "oassl/model.h"

struct oassl_model {
    oassl_context *context;
    oai_net_config config;
    oai_store *store;
    int32_t precision; /* OASSL_PRECISION_* */
};

/* Takes the store over (also on failure).  INT8 without whole calibrated ranges in the store is refused. */
oassl_status oai_model_wrap(oassl_context *context, const oai_net_config *config, oai_store *store, int32_t precision,
                            oassl_model **out_model);

#endif
