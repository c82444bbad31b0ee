/* Models: networks with their weights, from a safetensors file or freshly initialised.
 *
 *   OASSL_MODEL_PAIR        the OA-SSL / LVS pair: a picture trunk `imgnet.*`, a sound trunk `audnet.*` (ResNet-18)
 * and the caption projection `text_proj.*` OASSL_MODEL_CLASSIFIER  one picture trunk with `fc.*`, torchvision's
 * ResNet-18 names: pre-trains a pair's imgnet
 *
 * Published checkpoints converted to safetensors load as they are: the wrappers `model.`, `state_dict.`,
 * `model_state_dict.` and `module.` are removed; LVS files with their three stems are recognised.
 *
 * Precision: encoders, localizers and evaluations compute as their model was told to; the weights kept, saved and shown
 * are f32 whatever it is.  F32_FAST may use algorithms that round more than plain sums (Winograd); BF16 and INT8 want
 * processor instructions.  INT8 wants calibrated ranges in the file besides, which `oassl quantize` or quantize.h puts
 * there: NOT_FOUND without them, FORMAT when they are damaged.  What the backend cannot do on this machine is UNSUPPORTED
 * with its reason at the first use of each input size, and is never replaced by another precision.
 *
 * Threads: a model is immutable after creation and may be shared.  It must be destroyed before its context and after
 * what was created from it.
 *
 * Example:
 *   oassl_model *model;
 *   if (oassl_model_load(ctx, "duet.safetensors", NULL, &model) == OASSL_STATUS_OK) {
 *       oassl_model_info info = {sizeof info};
 *       oassl_model_get_info(model, &info);
 *       printf("%d channels, %u tensors\n", (int)info.channels, info.n_tensors);
 *   }
 *   oassl_model_destroy(model); */
#ifndef OASSL_MODEL_H
#define OASSL_MODEL_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_model oassl_model;

enum { OASSL_MODEL_PAIR = 1, OASSL_MODEL_CLASSIFIER = 2 };

/* Zero means the default in [brackets]. */
typedef struct oassl_model_options {
    uint32_t struct_size;
    int32_t kind;           /* OASSL_MODEL_* [PAIR] */
    uint32_t base_width;    /* channels of the first stage; the last has 8 times as many [64] */
    uint32_t visual_stride; /* output stride of the picture trunk, 32 or 16 [32] */
    uint32_t audio_stride;  /* the same for the sound trunk [32] */
    int32_t text_dim;       /* width of caption features; negative = no text_proj [768] */
    uint32_t n_classes;     /* of a classifier, required there */
    int32_t precision;      /* OASSL_PRECISION_* of types.h, of everything that infers with the model [F32] */
    uint64_t seed; /* of the initialisation */
} oassl_model_options;

#define OASSL_MODEL_OPTIONS_INIT                                                                                      \
    { sizeof(oassl_model_options) }

/* Fresh weights (models.md 2): the same seed gives the same model everywhere.  `options` may be NULL.  Precision INT8 is
 * refused: fresh weights have no calibrated ranges. */
OASSL_API oassl_status oassl_model_create(oassl_context *context, const oassl_model_options *options,
                                          oassl_model **out_model);

/* Reads a file.  What the network looks like comes from the file; of `options` (may be NULL) only the precision is used
 * and the strides, for files that do not tell them.  Errors name file and tensor: NOT_FOUND (no file; tensors missing),
 * SHAPE_MISMATCH (expected and found), FORMAT (damaged).  Unknown tensors are logged as a warning.
 *
 * f32 weights of convolutions are not copied: they lie in the file, mapped, as long as the model lives, and leave the
 * process's memory when a plan has what it needs of them.  Deleting the file or renaming another over it does no harm.  Who writes into it is
 * found out, by its time and size, when weights are needed again: IO from then on, for what has no plan yet. */
OASSL_API oassl_status oassl_model_load(oassl_context *context, const char *path, const oassl_model_options *options,
                                        oassl_model **out_model);
OASSL_API void oassl_model_destroy(oassl_model *model);

/* Writes weights and configuration; the old file stays until the new one is complete. */
OASSL_API oassl_status oassl_model_save(const oassl_model *model, const char *path);

typedef struct oassl_model_info {
    uint32_t struct_size;
    int32_t kind; /* OASSL_MODEL_* */
    uint32_t base_width;
    uint32_t visual_stride, audio_stride;
    uint32_t channels;  /* d, of picture, sound and projected caption features */
    uint32_t text_dim;  /* 0 = no text_proj */
    uint32_t n_classes; /* classifier */
    uint32_t n_tensors;
    int32_t precision; /* OASSL_PRECISION_* */
    uint64_t n_parameters; /* learned scalars */
} oassl_model_info;

/* `out_info->struct_size` set by the caller. */
OASSL_API oassl_status oassl_model_get_info(const oassl_model *model, oassl_model_info *out_info);

/* One tensor: its name, which lives as long as the model, and a read-only f32 view of its values.  Either may be NULL.
 * INVALID_ARGUMENT for an index out of range; IO when somebody wrote into the file that the values lie in. */
OASSL_API oassl_status oassl_model_tensor(const oassl_model *model, uint32_t index, const char **out_name,
                                          oassl_tensor *out_view);

/* Text the file carries under a key ("oassl_config", "oassl_training", "oassl_int8"), NULL if there is none. */
OASSL_API const char *oassl_model_metadata(const oassl_model *model, const char *key);

#ifdef __cplusplus
}
#endif
#endif
