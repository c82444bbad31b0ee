/* Encoders: features of pictures, sounds and text.
 *
 * An encoder of a model gives what localisation and the losses start from: the feature map F_v of a picture and the
 * vector l_a of a sound (models.md 3.6).  A text encoder (BERT, CLIP; models.md 8, 5.3) gives the vectors of captions.
 *
 * Tensors are f32 on the CPU, row-major contiguous.  Plans are compiled for each input size when first seen and kept.
 * Threads: an encoder is immutable and may be used from any threads at once.
 *
 * Example:
 *   oassl_encoder *encoder;
 *   oassl_encoder_create(model, &encoder);
 *   oassl_encoder_shape shape = {sizeof shape};
 *   oassl_encoder_picture_shape(encoder, 224, 224, &shape);            // 512 x 7 x 7
 *   oassl_encoder_pictures(encoder, &pictures, &features, NULL);       // [N, 3, 224, 224] -> [N, 512, 7, 7]
 *   oassl_encoder_sounds(encoder, &spectrograms, &vectors);            // [N, 1, 257, 276] -> [N, 512]
 *   oassl_encoder_destroy(encoder); */
#ifndef OASSL_ENCODER_H
#define OASSL_ENCODER_H

#include "context.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_encoder oassl_encoder;

/* `model` must outlive the encoder. */
OASSL_API oassl_status oassl_encoder_create(const oassl_model *model, oassl_encoder **out_encoder);
/* A text encoder from a folder:
 *   BERT and sentence-transformers, as Hugging Face lays them out: config.json, model.safetensors, vocab.txt or
 *     tokenizer.json
 *   CLIP's text transformer: config.json (model_type clip or clip_text_model), model.safetensors, and the tokenizer as
 *     vocab.json with merges.txt, tokenizer.json, or OpenAI's bpe_simple_vocab_16e6.txt or .txt.gz
 *   OpenAI's CLIP state dict as model.safetensors, without config.json, and one of the same tokenizers */
OASSL_API oassl_status oassl_encoder_create_text(oassl_context *context, const char *folder,
                                                 oassl_encoder **out_encoder);
OASSL_API void oassl_encoder_destroy(oassl_encoder *encoder);

typedef struct oassl_encoder_shape {
    uint32_t struct_size;
    uint32_t channels;      /* d */
    uint32_t height, width; /* of the feature map; 1, 1 for vectors */
} oassl_encoder_shape;

/* Shape of F_v for pictures of height x width pixels.  `out_shape->struct_size` set by the caller. */
OASSL_API oassl_status oassl_encoder_picture_shape(const oassl_encoder *encoder, uint32_t height, uint32_t width,
                                                   oassl_encoder_shape *out_shape);

/* pictures [N, 3, H, W], normalised as image.h makes them -> out_map [N, d, h, w] and out_pooled [N, d], its mean over
 * the positions; either may be NULL.  SHAPE_MISMATCH: expected and found; NON_FINITE names the first bad element. */
OASSL_API oassl_status oassl_encoder_pictures(const oassl_encoder *encoder, const oassl_tensor *pictures,
                                              const oassl_tensor *out_map, const oassl_tensor *out_pooled);
/* log-spectrograms [N, 1, F, T] as audio.h makes them -> out_vectors [N, d], the maximum over the positions. */
OASSL_API oassl_status oassl_encoder_sounds(const oassl_encoder *encoder, const oassl_tensor *spectrograms,
                                            const oassl_tensor *out_vectors);
/* pictures -> class logits [N, n_classes]; classifiers only. */
OASSL_API oassl_status oassl_encoder_classify(const oassl_encoder *encoder, const oassl_tensor *pictures,
                                              const oassl_tensor *out_logits);

/* FOLDER: what 1_Pooling/config.json of a sentence-transformers folder says, without one as CLS.
 * CLS: the last layer at [CLS]; with CLIP the projected vector at the end token, the only one it has. */
enum { OASSL_POOLING_FOLDER = 0, OASSL_POOLING_MEAN = 1, OASSL_POOLING_CLS = 2 };

/* Token ids i32 [N, L] with lengths i32 [N] (ids behind a length are ignored) -> out_vectors [N, d]. */
OASSL_API oassl_status oassl_encoder_tokens(const oassl_encoder *encoder, const oassl_tensor *ids,
                                            const oassl_tensor *lengths, int32_t pooling,
                                            const oassl_tensor *out_vectors);
/* n texts, NUL-terminated UTF-8, split by the folder's vocabulary -> out_vectors [n, d]. */
OASSL_API oassl_status oassl_encoder_texts(const oassl_encoder *encoder, const char *const *texts, uint32_t n_texts,
                                           int32_t pooling, const oassl_tensor *out_vectors);
/* d of a text encoder. */
OASSL_API oassl_status oassl_encoder_text_dim(const oassl_encoder *encoder, uint32_t *out_dim);

/* Zero means the default in [brackets]. */
typedef struct oassl_text_encoder_options {
    uint32_t struct_size;
    uint32_t n_layers; /* [2] */
    uint32_t width;    /* [128] */
    uint32_t n_heads;  /* [4] */
    uint64_t seed;
} oassl_text_encoder_options;

#define OASSL_TEXT_ENCODER_OPTIONS_INIT {sizeof(oassl_text_encoder_options)}

/* Makes a folder with a random BERT over the words of `vocab_path` (one token a line, [PAD] first): enough to tell
 * captions apart where no trained encoder is at hand, as in the built-in demo.  Equal arguments give equal files. */
OASSL_API oassl_status oassl_encoder_make_text(const oassl_context *context, const char *folder, const char *vocab_path,
                                               const oassl_text_encoder_options *options);

#ifdef __cplusplus
}
#endif
#endif
