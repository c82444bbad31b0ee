/* The inside of oassl_model, for the API files that are created from one (encoder, localizer, trainer). */
#ifndef OAI_API_MODEL_HANDLE_H
#define OAI_API_MODEL_HANDLE_H

#include "model/oassl_net.h"
#include "oassl/model.h"

struct oassl_model {
    oassl_context *context;
    oai_net_config config;
    oai_store *store;
};

/* Takes the store over (also on failure). */
oassl_status oai_model_wrap(oassl_context *context, const oai_net_config *config, oai_store *store,
                            oassl_model **out_model);

#endif
