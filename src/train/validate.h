/* How good the weights are by now: accuracy of a classifier or of matching pictures with captions, pointing game of a localisation model. */
#ifndef OAI_TRAIN_VALIDATE_H
#define OAI_TRAIN_VALIDATE_H

#include "train/dataset.h"

typedef struct oai_validation {
    oassl_context *context;
    const oassl_trainer_options *options;
    const oai_net_config *config;
    const oai_store *store;
    const char *manifest_path;
    bool scorable;        /* localize: there are records to validate on */
    oai_dataset *classes; /* classify and align: the validation split, else NULL */
} oai_validation;

/* At most options->max_val samples of the 'val' split; -1 when there are none. */
oassl_status oai_validate(const oai_validation *validation, double *out_score);

#endif
