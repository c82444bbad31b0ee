/* A BERT text encoder in a Hugging Face folder: config.json, vocab.txt, model.safetensors (models.md 8).
 *
 * Immutable after opening; encode may be called from any threads at once.  Tokens come from text/wordpiece.h. */
#ifndef OAI_MODEL_TEXT_ENCODER_H
#define OAI_MODEL_TEXT_ENCODER_H

#include "model/bert.h"
#include "oassl/context.h"

enum { OAI_POOLING_CLS = 0, OAI_POOLING_MEAN = 1 };

typedef struct oai_text_encoder oai_text_encoder;

oassl_status oai_text_encoder_open(oassl_context *context, const char *folder, oai_text_encoder **out_encoder);
void oai_text_encoder_close(oai_text_encoder *encoder);               /* NULL legal */
int64_t oai_text_encoder_dim(const oai_text_encoder *encoder);        /* d */
int64_t oai_text_encoder_max_tokens(const oai_text_encoder *encoder); /* longest sequence */
int64_t oai_text_encoder_vocab_size(const oai_text_encoder *encoder);
const char *oai_text_encoder_folder(const oai_text_encoder *encoder);
/* Hash of configuration and weights, 16 hex digits: what caption files record to tell which encoder made them. */
const char *oai_text_encoder_hash(const oai_text_encoder *encoder);

/* ids [n, max_length] i32 with [CLS] first, lengths [n] with 1 <= lengths[i] <= max_length; what lies behind a length
 * is ignored.  out [n, d] is the last layer at position 0 (OAI_POOLING_CLS) or its mean over the tokens.
 * INVALID_ARGUMENT names the sequence: bad length, id outside the vocabulary, longer than max_tokens. */
oassl_status oai_text_encoder_encode(oai_text_encoder *encoder, const int32_t *ids, const int32_t *lengths, int64_t n,
                                     int64_t max_length, int32_t pooling, float *out);

/* Makes a folder with a random encoder for the built-in demo: config.json, vocab.txt with the given tokens ([PAD] must
 * be token 0), model.safetensors.  Equal arguments give equal files.  The folder is created. */
oassl_status oai_text_encoder_write_seeded(const oai_host *host, const char *folder, const char *const *vocab,
                                           uint32_t n_vocab, uint32_t n_layers, uint32_t width, uint32_t n_heads,
                                           uint64_t seed);

#endif
