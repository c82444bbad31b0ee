/* CLIP's text transformer (models.md 5.3), any depth and width, with OpenAI's or Hugging Face's key names. */
#ifndef OAI_MODEL_CLIP_TEXT_H
#define OAI_MODEL_CLIP_TEXT_H

#include "model/params.h"

typedef struct oai_clip_text_config {
    int64_t vocab_size, width, n_layers, n_heads, ffn_width, max_positions;
    int64_t projection; /* width of the output; 0: none, the output is the last layer's */
    double eps;         /* of LayerNorm */
    uint32_t act;       /* OASSL_OP_QUICK_GELU or OASSL_OP_GELU */
} oai_clip_text_config;

/* Fields of config.json, of its text_config if it has one; missing ones are ViT-B/16's. */
oassl_status oai_clip_text_config_read(const oai_host *host, const char *path, oai_clip_text_config *out_config);
/* Sizes from the tensors of an OpenAI state dict; heads are width / 64, the activation is quick GELU. */
oassl_status oai_clip_text_config_infer(const oai_host *host, const char *path, oai_clip_text_config *out_config);

/* ids i32 [B, L], pick [B, 1, L] with one 1 a row: at the end token -> [B, projection], or [B, width] without one. */
oai_value oai_clip_text_emit(oai_emitter *emitter, const oai_clip_text_config *config, oai_value ids, oai_value pick);
oassl_status oai_clip_text_store_create(const oai_host *host, const oai_clip_text_config *config,
                                        oai_store **out_store);
/* Takes away the projection from *config if the file has none (Hugging Face's CLIPTextModel). */
oassl_status oai_clip_text_load(const oai_host *host, oai_clip_text_config *config, const char *path,
                                oai_store **out_store);

#endif
