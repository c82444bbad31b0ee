/* Sentences of a caption file to reference features, through any text encoder. */
#ifndef OAI_TEXT_CAPTION_ENCODE_H
#define OAI_TEXT_CAPTION_ENCODE_H

#include "text/caption_features.h"
#include "text/caption_file.h"
#include "text/encode_journal.h"
#include "text/tokenizer.h"

/* Encodes n token sequences: ids [n, row_length] padded with [PAD], lengths [n] (padding not counted), into
 * out_vectors [n, width] (the [CLS] position of the last layer). */
typedef oassl_status (*oai_encode_fn)(void *user, const int32_t *ids, const int32_t *lengths, uint32_t n,
                                      uint32_t row_length, float *out_vectors);

typedef struct oai_text_encoding {
    const oai_tokenizer *tokenizer;
    int32_t max_length; /* tokens; longer sentences are cut, with a warning in the set */
    int64_t width;
    uint32_t batch;                                                /* sentences a call; 0 = 32 */
    const char *encoder, *encoder_hash, *tokenizer_hash, *pooling; /* recorded in the features */
    const char *journal; /* file that keeps finished sentences until the caller is done with them; NULL: none */
    oai_encode_fn encode;
    void *user;
} oai_text_encoding;

/* Each distinct sentence is encoded once, in order of length, with progress "encode captions".  A set with errors is
 * refused.  NaN or infinity from the encoder is OASSL_STATUS_NON_FINITE naming the sentence.  With a journal,
 * sentences that an interrupted run finished are taken from it; *out_journal (NULL without one) is to be closed, as
 * done once the features are safe. */
oassl_status oai_caption_encode(const oai_host *host, oai_caption_set *set, const oai_text_encoding *encoding,
                                oai_caption_features **out_features, oai_encode_journal **out_journal);

#endif
