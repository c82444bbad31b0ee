/* The inside of oai_bpe: ids of bytes and special tokens, and the merges by the pair they join. */
#ifndef OAI_TEXT_BPE_VOCABULARY_H
#define OAI_TEXT_BPE_VOCABULARY_H

#include "text/bpe.h"

enum { OAI_BPE_START, OAI_BPE_END };

typedef struct oai_bpe_merge {
    int32_t left, right, merged, rank; /* rank -1: a free slot */
} oai_bpe_merge;

struct oai_bpe {
    const oai_host *host;
    bool openai;           /* whose rules of cleaning */
    int32_t bytes[2][256]; /* id of a byte; [1] as the last of a word */
    int32_t special[2], size;
    oai_bpe_merge *merges; /* hash table, n_slots a power of two, at most half used */
    size_t n_slots;
};

/* The merge of two neighbours, NULL if there is none. */
const oai_bpe_merge *oai_bpe_merge_find(const oai_bpe *tokenizer, int32_t left, int32_t right);

#endif
