/* The BERT encoder (models.md 8), any depth and width, as Hugging Face names and configures it. */
#ifndef OAI_MODEL_BERT_H
#define OAI_MODEL_BERT_H

#include "model/params.h"

typedef struct oai_bert_config {
    int64_t vocab_size, width, n_layers, n_heads, ffn_width, max_positions, n_types;
    double eps; /* of LayerNorm */
} oai_bert_config;

/* Fields of config.json; missing ones are BERT-base's.  UNSUPPORTED: another activation or position embedding. */
oassl_status oai_bert_config_read(const oai_host *host, const char *path, oai_bert_config *out_config);
oassl_status oai_bert_config_write(const oai_host *host, const char *path, const oai_bert_config *config);
oassl_status oai_bert_config_check(const oai_bert_config *config, const char *source);

/* ids i32 [B, L], mask [B, 1, 1, L]: 0 for tokens, a large negative for padding -> last layer [B, L, width]. */
oai_value oai_bert_emit(oai_emitter *emitter, const oai_bert_config *config, oai_value ids, oai_value mask);
/* Reads the weights with or without the prefix `bert.`, LayerNorm as weight/bias or gamma/beta. */
oassl_status oai_bert_load(const oai_host *host, const oai_bert_config *config, const char *path,
                           oai_store **out_store);
oassl_status oai_bert_store_create(const oai_host *host, const oai_bert_config *config, oai_store **out_store);

#endif
