/* A text encoder in a folder: config.json and model.safetensors as Hugging Face ships BERT (models.md 8), sentence
 * encoders and CLIP's text transformer (5.3), or an OpenAI CLIP state dict as model.safetensors alone.
 *
 * Immutable after opening; encode may be called from any threads at once.  Tokens come from text/tokenizer.h. */
#ifndef OAI_MODEL_TEXT_ENCODER_H
#define OAI_MODEL_TEXT_ENCODER_H

#include <stdbool.h>

#include "base/host.h"
#include "base/sha256.h"
#include "oassl/context.h"
#include "oassl/encoder.h"

/* The folder's own way is that of its 1_Pooling/config.json; without one [CLS], or CLIP's end token. */
enum {
    OAI_POOLING_FOLDER = OASSL_POOLING_FOLDER,
    OAI_POOLING_MEAN = OASSL_POOLING_MEAN,
    OAI_POOLING_CLS = OASSL_POOLING_CLS
};

typedef struct oai_text_encoder oai_text_encoder;

oassl_status oai_text_encoder_open(oassl_context *context, const char *folder, oai_text_encoder **out_encoder);
void oai_text_encoder_close(oai_text_encoder *encoder);               /* NULL legal */
int64_t oai_text_encoder_dim(const oai_text_encoder *encoder);        /* d */
int64_t oai_text_encoder_max_tokens(const oai_text_encoder *encoder); /* longest sequence a text is cut to */
int64_t oai_text_encoder_vocab_size(const oai_text_encoder *encoder);
const char *oai_text_encoder_folder(const oai_text_encoder *encoder);
/* Before it is shared: thousands of texts are to come, which pays for plans that fit their lengths closely. */
void oai_text_encoder_expect_many(oai_text_encoder *encoder);
bool oai_text_encoder_is_clip(const oai_text_encoder *encoder);
/* SHA-256 of the whole weights file: what caption files record to tell which encoder made them.  Reads the file. */
oassl_status oai_text_encoder_hash(const oai_text_encoder *encoder, char out_hash[OAI_SHA256_TEXT]);
/* "cls", "mean" or "end": what `pooling` means here.  UNSUPPORTED for the mean of CLIP. */
oassl_status oai_text_encoder_pooling(const oai_text_encoder *encoder, int32_t pooling, const char **out_name);

/* ids [n, max_length] i32 with [CLS] first, lengths [n] with 1 <= lengths[i] <= max_length; what lies behind a length
 * is ignored.  out [n, d] is the last layer at position 0 (OAI_POOLING_CLS) or its mean over the tokens; with CLIP the
 * projected vector at the end token, the first largest id.
 * INVALID_ARGUMENT names the sequence: bad length, id outside the vocabulary, longer than max_tokens. */
oassl_status oai_text_encoder_encode(oai_text_encoder *encoder, const int32_t *ids, const int32_t *lengths, int64_t n,
                                     int64_t max_length, int32_t pooling, float *out);

/* Makes a folder with a random encoder for the built-in demo: config.json, vocab.txt with the given tokens ([PAD] must
 * be token 0), model.safetensors.  Equal arguments give equal files.  The folder is created. */
oassl_status oai_text_encoder_write_seeded(const oai_host *host, const char *folder, const char *const *vocab,
                                           uint32_t n_vocab, uint32_t n_layers, uint32_t width, uint32_t n_heads,
                                           uint64_t seed);

#endif
