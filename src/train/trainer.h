/* The training loop: loader, step, validation, checkpoints, log. */
#ifndef OAI_TRAIN_TRAINER_H
#define OAI_TRAIN_TRAINER_H

#include "oassl/trainer.h"
#include "runtime/context.h"
#include "train/step.h"

oassl_status oai_trainer_create(oassl_context *context, const oassl_trainer_options *options, const char *manifest_path,
                                const char *captions_path, const char *run_dir, oassl_trainer **out_trainer);
/* Fed by the caller: no manifest.  `run_dir` may be NULL. */
oassl_status oai_trainer_create_fed(oassl_context *context, const oassl_trainer_options *options, const oai_batch_shape *shape,
                                    const char *run_dir, oassl_trainer **out_trainer);
const oai_batch_shape *oai_trainer_shape(const oassl_trainer *trainer);
const oassl_trainer_options *oai_trainer_options(const oassl_trainer *trainer); /* resolved */
oassl_status oai_trainer_step_batch(oassl_trainer *trainer, const oai_batch *batch);
void oai_trainer_destroy(oassl_trainer *trainer);
oassl_status oai_trainer_resume(oassl_trainer *trainer);
oassl_status oai_trainer_step(oassl_trainer *trainer);
oassl_status oai_trainer_run(oassl_trainer *trainer);
oassl_status oai_trainer_save_model(const oassl_trainer *trainer, const char *path);
void oai_trainer_state(const oassl_trainer *trainer, oassl_trainer_state *out_state);

#endif
