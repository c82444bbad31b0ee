/* Multi-head attention between projected queries, keys and values. */
#ifndef OAI_MODEL_ATTENTION_H
#define OAI_MODEL_ATTENTION_H

#include "graph/emit.h"

/* q, k, v [B, L, width]; mask broadcasts to the scores [B, heads, L, L], 0 where a position is seen and a large
 * negative where not -> [B, L, width].  Scores are scaled by 1 / sqrt(width / heads). */
oai_value oai_attention(oai_builder *builder, oai_value q, oai_value k, oai_value v, int64_t n_heads, oai_value mask);

#endif
