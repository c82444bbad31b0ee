/* last.safetensors: all it takes to go on training as if it had never stopped.
 *
 *   model.<name>                     weights and BN state: oassl_model_load() reads them as a model
 *   optimizer.m.<name>, optimizer.v.<name>   Adam's moments
 *   metadata oassl_config, oassl_training, oassl_progress, at the end oassl_calibration
 *
 * What a sample contains depends on seed and sample number only, so the step number is the whole state of the RNG. */
#ifndef OAI_TRAIN_CHECKPOINT_H
#define OAI_TRAIN_CHECKPOINT_H

#include "train/step.h"

typedef struct oai_progress_state {
    uint64_t step;         /* steps done */
    uint64_t log_bytes;    /* length of log.jsonl when this was written */
    uint64_t validated;    /* step of the last validation */
    uint64_t best_step;    /* whose weights best.safetensors holds */
    uint64_t calibrated;   /* step at which the confidence was fitted: the last one, or 0 */
    double val_score, best_score;
} oai_progress_state;

#define OAI_TRAINING_KEY "oassl_training"
#define OAI_PROGRESS_KEY "oassl_progress"

/* `training` is the JSON text of the options.  Atomic. */
oassl_status oai_checkpoint_save(const oai_host *host, const char *path, const oai_store *store, const oai_step *step,
                                 const char *training, const oai_progress_state *state);
/* Fills store and moments, or on failure leaves them as they were.  Refused when `training` is not what the file was trained with, naming the first option. */
oassl_status oai_checkpoint_load(const oai_host *host, const char *path, oai_store *store, oai_step *step,
                                 const char *training, oai_progress_state *out_state);

/* Removes what writers of checkpoints that were killed have left in the folder. */
void oai_checkpoint_sweep(const char *run_dir);

#endif
