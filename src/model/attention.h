/* What transformers are made of: attention, and layers whose weights have a name. */
#ifndef OAI_MODEL_ATTENTION_H
#define OAI_MODEL_ATTENTION_H

#include "graph/emit.h"
#include "model/params.h"

/* q, k, v [B, L, width]; mask broadcasts to the scores [B, heads, L, L], 0 where a position is seen and a large
 * negative where not -> [B, L, width].  Scores are scaled by 1 / sqrt(width / heads). */
oai_value oai_attention(oai_builder *builder, oai_value q, oai_value k, oai_value v, int64_t n_heads, oai_value mask);

/* x W^T + bias, with the weights "<name>.weight" [out, last axis of x] and "<name>.bias". */
oai_value oai_named_linear(oai_emitter *emitter, oai_value x, int64_t out, const char *name);
/* Normalised over the last axis, times "<name>.weight" plus "<name>.bias". */
oai_value oai_named_norm(oai_emitter *emitter, oai_value x, double eps, const char *name);

#endif
