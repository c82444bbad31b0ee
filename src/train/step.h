/* One training step as one compiled graph: networks, losses, gradients, Adam.
 *
 * The graph reads and updates the store's tensors in place, and keeps Adam's moments.  What it reports for every learned
 * tensor is whether its gradient was finite, so that a bad step names its first bad tensor. */
#ifndef OAI_TRAIN_STEP_H
#define OAI_TRAIN_STEP_H

#include "model/oassl_net.h"
#include "oassl/trainer.h"
#include "runtime/session.h"

/* Extents of a batch; a batch is the arrays below, row-major f32. */
typedef struct oai_batch_shape {
    int64_t n;              /* samples */
    int64_t height, width;  /* of the composed picture */
    int64_t bins, frames;   /* of the log-spectrogram */
    int64_t n_foreground;   /* K captions; 0 = the loss needs none */
    int64_t text_dim;
    int64_t n_classes;      /* classify and align; 0 = localize */
} oai_batch_shape;

typedef struct oai_batch {
    float *pictures;          /* [n, 3, height, width] */
    float *spectrograms;      /* [n, 1, bins, frames], localize */
    float *foreground;        /* [n, K, text_dim] */
    float *background;        /* [n, text_dim] */
    float *background_weight; /* [n], with allow_empty_background */
    float *targets;           /* [n, n_classes] one-hot, classify and align */
} oai_batch;

typedef struct oai_step_result {
    double loss, base, oca, ori;
} oai_step_result;

/* Adam's state of one learned tensor, for checkpoints. */
typedef struct oai_moment {
    const oai_store_tensor *tensor;
    float *m, *v; /* [tensor->count] */
} oai_moment;

typedef struct oai_step oai_step;

/* options resolved; the store is the trainer's own and outlives the step. */
oassl_status oai_step_create(oassl_context *context, const oassl_trainer_options *options, const oai_net_config *config,
                             const oai_batch_shape *shape, oai_store *store, oai_step **out_step);
void oai_step_destroy(oai_step *step); /* NULL legal */

/* Step `number` (from 1) at learning rate `lr`.  NON_FINITE names loss or tensor; the weights are then not to be kept. */
oassl_status oai_step_run(oai_step *step, const oai_batch *batch, uint64_t number, double lr, oai_step_result *out_result);
uint32_t oai_step_n_moments(const oai_step *step);
oai_moment oai_step_moment(const oai_step *step, uint32_t index);
uint64_t oai_step_workspace_bytes(const oai_step *step);

#endif
