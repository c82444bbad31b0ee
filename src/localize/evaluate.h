/* Every sample of a manifest's split through the networks and into the metric. */
#ifndef OAI_LOCALIZE_EVALUATE_H
#define OAI_LOCALIZE_EVALUATE_H

#include "localize/scene.h"
#include "oassl/evaluate.h"

typedef struct oai_evaluation_input {
    const oai_host *host;
    oai_features *features;
    const oai_net_config *config;
    oai_hearing hearing;
    const char *manifest_path;
} oai_evaluation_input;

oassl_status oai_evaluate(const oai_evaluation_input *input, const oassl_evaluate_options *options, oassl_evaluation *out_result);

#endif
