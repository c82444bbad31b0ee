/* Training options as text: one table of names serves the tool, the configuration file and the checkpoint. */
#ifndef OAI_TRAIN_OPTIONS_H
#define OAI_TRAIN_OPTIONS_H

#include <jansson.h>

#include "oassl/trainer.h"

oassl_status oai_options_set(oassl_trainer_options *options, const char *key, const char *value);
/* Every member of a JSON object; `source` is named in errors. */
oassl_status oai_options_from_json(oassl_trainer_options *options, const json_t *object, const char *source);
/* All fields but `init`, for config.json and the checkpoint.  NULL when out of memory. */
json_t *oai_options_to_json(const oassl_trainer_options *options);
/* Zeros replaced by the documented defaults; contradictions and values out of range refused by name. */
oassl_status oai_options_resolve(const oassl_trainer_options *options, oassl_trainer_options *out_options);

#endif
