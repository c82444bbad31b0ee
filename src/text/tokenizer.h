/* The tokenizer of a text encoder's folder: WordPiece for BERT, byte pairs for CLIP. */
#ifndef OAI_TEXT_TOKENIZER_H
#define OAI_TEXT_TOKENIZER_H

#include "base/sha256.h"
#include "text/bpe.h"
#include "text/wordpiece.h"

/* Exactly one of the two is there. */
typedef struct oai_tokenizer {
    oai_wordpiece *words;
    oai_bpe *pairs;
    char hash[OAI_SHA256_TEXT]; /* of the vocabulary's files */
} oai_tokenizer;

/* On failure *out_tokenizer is zeroed; a zeroed one may be closed. */
oassl_status oai_tokenizer_load(const oai_host *host, const char *folder, bool clip, oai_tokenizer *out_tokenizer);
void oai_tokenizer_close(oai_tokenizer *tokenizer);
int32_t oai_tokenizer_size(const oai_tokenizer *tokenizer);
int32_t oai_tokenizer_pad(const oai_tokenizer *tokenizer);
/* As oai_wordpiece_encode and oai_bpe_encode. */
oassl_status oai_tokenizer_encode(const oai_tokenizer *tokenizer, const char *text, int32_t max_length,
                                  int32_t *out_ids, int32_t *out_length, int32_t *out_cut);
/* n texts into out_ids[n * max_length], each row filled up with padding. */
oassl_status oai_tokenizer_encode_batch(const oai_tokenizer *tokenizer, const char *const *texts, size_t n,
                                        int32_t max_length, int32_t *out_ids, int32_t *out_lengths);

#endif
