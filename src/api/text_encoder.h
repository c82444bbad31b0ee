/* A text encoder's network and its tokenizer brought together, for the API files that encode texts. */
#ifndef OAI_API_TEXT_ENCODER_H
#define OAI_API_TEXT_ENCODER_H

#include "model/text_encoder.h"
#include "text/tokenizer.h"

/* The tokenizer in the encoder's folder; FORMAT if it has more tokens than the weights have rows. */
oassl_status oai_text_encoder_tokenizer(const oai_host *host, const oai_text_encoder *encoder, oai_tokenizer *out_tokenizer);

#endif
