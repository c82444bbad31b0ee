/* Training: manifest + caption features in, weights out.
 *
 * One training step (forward, losses, backward, Adam) is one compiled graph on the context's backend.  Samples are
 * loaded and augmented by worker threads ahead of the step.  What is learned is written as safetensors checkpoints:
 * `last` (weights, optimiser, RNG, step, configuration: enough to resume bit-exactly) and `best` (weights only, by the
 * validation score).  A JSON Lines log records every step.
 *
 * Threads: a trainer is used by one thread at a time.  Errors: every function returns a status; a NaN or infinity in
 * the loss or a gradient stops training with NON_FINITE naming the first bad tensor and the step, and leaves the last
 * good checkpoint in place; the trainer then refuses to go on, a new one can resume.
 *
 * Sources: OCA, ORI and the total: spec losses.md 8 (OA-SSL eqs. 1-8); LVS: losses.md 1.
 *
 * Example:
 *   oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
 *   oassl_trainer_options_set(&options, "base_width", "16");
 *   oassl_trainer *trainer;
 *   oassl_trainer_create(ctx, &options, "data/manifest.jsonl", "data/captions.npz", "run", &trainer);
 *   oassl_status status = oassl_trainer_run(trainer);
 *   oassl_trainer_destroy(trainer); */
#ifndef OASSL_TRAINER_H
#define OASSL_TRAINER_H

#include "context.h"
#include "loss.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_trainer oassl_trainer;

enum {
    OASSL_TASK_LOCALIZE = 0, /* OA-SSL or, with lambda_oca = lambda_ori = 0, its LVS baseline */
    OASSL_TASK_CLASSIFY = 1, /* supervised pre-training of the visual trunk on labelled pictures */
    /* Pre-training of the visual trunk and text_proj on labelled pictures with captions: the pooled picture and the
     * projected caption of the same class are drawn together, of others apart (both directions, temperature 0.07).  It
     * stands in for encoders that share a space, such as CLIP's, and is what lets OCA tell a source from its twin. */
    OASSL_TASK_ALIGN = 2
};
enum { OASSL_MIX_WAVEFORM_SUM = 0, OASSL_MIX_WAVEFORM_MEAN = 1, OASSL_MIX_LOGSPEC_MEAN = 2 };
enum { OASSL_AXIS_WIDTH = 0, OASSL_AXIS_HEIGHT = 1 };
enum { OASSL_BN_DEFAULT = 0, OASSL_BN_EVAL = 1, OASSL_BN_TRAIN = 2 };
enum { OASSL_SCHEDULE_CONSTANT = 0, OASSL_SCHEDULE_COSINE = 1 };

/* The names oassl_trainer_options_set() and the configuration file use are the field names; enumerators are written in
 * lower case ("classify", "waveform_mean", "cosine").  Zero means the default given in [brackets]. */
typedef struct oassl_trainer_options {
    uint32_t struct_size;
    int32_t task;             /* OASSL_TASK_* */
    oassl_loss_options loss;  /* loss.h: kind, lambdas, temperatures, ORI options */
    /* network (models.md 2, 3.6) */
    uint32_t base_width;      /* channels of the first stage [64]; 16 suits small machines */
    uint32_t image_size;      /* side of the square input in pixels [224] */
    uint32_t visual_stride;   /* output stride of the visual trunk, 32 or 16 (LVS) [32] */
    uint32_t audio_stride;    /* the same for the audio trunk [32] */
    int32_t audio_preset;     /* OASSL_AUDIO_PRESET_* of audio.h [oassl] */
    /* data */
    uint32_t audio_frames;    /* columns of the log-spectrogram in training, a random stretch of it; 0 = all.  Halving
                                 them halves the sound trunk's cost; the vector is a maximum over time all the same */
    uint32_t batch_size;      /* [32] */
    uint32_t n_sources;       /* sources in a training sample; above 1 single-source records are mixed [1] */
    int32_t mix_axis;         /* OASSL_AXIS_* of the composed picture */
    int32_t mix_mode;         /* OASSL_MIX_* */
    int32_t flip;             /* 1: horizontal flips in training, with probability 0.5 */
    int32_t no_crop;          /* 1: the test transform instead of random crops */
    int32_t standardize_captions; /* 1: caption features minus their mean over the file, divided by their deviation */
    uint32_t n_workers;       /* loader threads [1] */
    uint32_t cache_mb;        /* decoded samples kept in memory, MiB [512] */
    uint64_t seed;            /* initialisation, order, augmentation, mixtures [0] */
    /* optimisation: Adam (0.9, 0.999) */
    uint32_t n_steps;         /* total optimiser steps; 0 = n_epochs */
    uint32_t n_epochs;        /* [100] */
    double lr;                /* [1e-4] */
    double lr_visual;         /* factor on lr for the visual trunk [1]; negative freezes it */
    double lr_audio;          /* factor for the audio trunk [1] */
    double lr_text;           /* factor for text_proj [1] */
    double weight_decay;      /* added to the gradient [0] */
    int32_t schedule;         /* OASSL_SCHEDULE_* */
    uint32_t warmup_steps;    /* linear from 0 [0] */
    int32_t visual_bn;        /* OASSL_BN_* of the visual trunk: [eval] when `init` is given, else train */
    int32_t audio_bn_eval;    /* 1: the audio trunk's BN in eval mode */
    /* run */
    uint32_t val_every;       /* steps between validations; 0 = once an epoch */
    uint32_t save_every;      /* steps between `last` checkpoints; 0 = at each validation */
    uint32_t max_val;         /* samples used by a validation during training [256] */
    int32_t deterministic;    /* 1: two runs are bit-identical */
    /* weights whose tensors initialise the networks, e.g. a classifier's or torchvision's ResNet-18; NULL = random.
     * Keys without a network prefix initialise the visual trunk. */
    const char *init;
    /* OASSL_PRECISION_* of the step and of validation: F32, F32_FAST, or BF16 with f32 master weights, f32 moments and f32
     * losses.  What the backend cannot do on this machine is refused, with its reason, when the trainer is made.  A run is
     * resumed with the precision it began with.  The confidence at the end is fitted in F32. */
    int32_t precision;
    int32_t reserved;
} oassl_trainer_options;

#define OASSL_TRAINER_OPTIONS_INIT {sizeof(oassl_trainer_options), OASSL_TASK_LOCALIZE, OASSL_LOSS_OPTIONS_INIT}

/* Sets one field from text; loss fields as "loss.<field>".  NOT_FOUND names an unknown key, INVALID_ARGUMENT a value
 * that does not fit.  "init" is kept by pointer. */
OASSL_API oassl_status oassl_trainer_options_set(oassl_trainer_options *options, const char *key, const char *value);
/* Sets fields from a JSON object in a file: {"lr": 1e-4, "loss.lambda_ori": 0.1}.  Strings are not kept: "init" in the
 * file is refused; pass it beside the file. */
OASSL_API oassl_status oassl_trainer_options_read(oassl_trainer_options *options, const char *path);

/* `captions_path` may be NULL when the loss needs no captions.  `run_dir` is created; it receives last.safetensors,
 * best.safetensors, log.jsonl and config.json.  It learns from the records of split "train" and validates on those of
 * "val"; a manifest without splits is for training.  Every record is checked before training starts. */
OASSL_API oassl_status oassl_trainer_create(oassl_context *context, const oassl_trainer_options *options,
                                            const char *manifest_path, const char *captions_path, const char *run_dir,
                                            oassl_trainer **out_trainer);
OASSL_API void oassl_trainer_destroy(oassl_trainer *trainer);

/* ---- batches of the caller's own ---- */

/* Extents of every batch; n_foreground and text_dim 0 when the loss needs no captions, n_classes 0 unless the task is
 * classify. */
typedef struct oassl_trainer_shape {
    uint32_t struct_size;
    uint32_t height, width;   /* of the pictures */
    uint32_t frames;          /* columns of the log-spectrograms */
    uint32_t n_foreground;    /* K */
    uint32_t text_dim;
    uint32_t n_classes;
} oassl_trainer_shape;

/* A trainer without a manifest, fed by oassl_trainer_step_batch(); options.batch_size samples a batch.  `run_dir`
 * receives log.jsonl, config.json and, every options.save_every steps (0 = never), last.safetensors.  It may be NULL:
 * then nothing is written but what oassl_trainer_save_model() is asked for. */
OASSL_API oassl_status oassl_trainer_create_fed(oassl_context *context, const oassl_trainer_options *options,
                                                const oassl_trainer_shape *shape, const char *run_dir,
                                                oassl_trainer **out_trainer);

/* One batch, f32 row-major on the CPU; what the task or loss does not use is NULL. */
typedef struct oassl_trainer_batch {
    uint32_t struct_size;
    uint32_t reserved;
    const oassl_tensor *pictures;          /* [B, 3, height, width] */
    const oassl_tensor *spectrograms;      /* [B, 1, 257, frames] */
    const oassl_tensor *foreground;        /* [B, K, text_dim] */
    const oassl_tensor *background;        /* [B, text_dim] */
    const oassl_tensor *background_weight; /* [B], with loss.allow_empty_background */
    const oassl_tensor *targets;           /* [B, n_classes], one-hot */
} oassl_trainer_batch;

/* SHAPE_MISMATCH or INVALID_ARGUMENT name the tensor and leave the trainer as it was, NON_FINITE the first bad gradient
 * or the loss. */
OASSL_API oassl_status oassl_trainer_step_batch(oassl_trainer *trainer, const oassl_trainer_batch *batch);

/* ---- running ---- */

/* Continues from <run_dir>/last.safetensors.  NOT_FOUND if there is none; FORMAT or SHAPE_MISMATCH if it is damaged or
 * belongs to another configuration, naming the tensor or option. */
OASSL_API oassl_status oassl_trainer_resume(oassl_trainer *trainer);

typedef struct oassl_trainer_state {
    uint32_t struct_size;
    uint32_t n_classes;     /* classify */
    uint64_t step, n_steps; /* done, planned */
    uint64_t epoch;
    double loss, loss_base, loss_oca, loss_ori; /* of the last step */
    double step_seconds;    /* the last step */
    double wait_seconds;    /* of it, waiting for the loader */
    double val_score;       /* last validation: pointing game (localize) or accuracy (classify); -1 = none yet */
    double best_score;      /* -1 = none yet */
    uint64_t n_parameters;
    uint64_t workspace_bytes;
    double wait_share;      /* of the time of all steps this trainer made, the part spent waiting for the loader */
} oassl_trainer_state;

/* One step.  CANCELLED, before it begins, when the progress callback says so. */
OASSL_API oassl_status oassl_trainer_step(oassl_trainer *trainer);
/* All remaining steps with validation, checkpoints and log; at the end the localizer's confidence is fitted on the val
 * split, if there is one, and kept in the weights.  On CANCELLED the last checkpoint has been written. */
OASSL_API oassl_status oassl_trainer_run(oassl_trainer *trainer);
/* `out_state->struct_size` set by the caller. */
OASSL_API oassl_status oassl_trainer_get_state(const oassl_trainer *trainer, oassl_trainer_state *out_state);
/* Writes the weights (no optimiser) as a model file that oassl_model_load() reads. */
OASSL_API oassl_status oassl_trainer_save_model(const oassl_trainer *trainer, const char *path);

#ifdef __cplusplus
}
#endif
#endif
