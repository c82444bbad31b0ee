/* What one sample scores under one variant of a protocol: a block of numbers, all that is kept of it. */
#ifndef OAI_METRIC_JUDGE_H
#define OAI_METRIC_JUDGE_H

#include "metric/sample_cache.h"

/* A block: the head, the F-score curve of OAI_HEAD_N_CURVE points (samples with a mask, variants that keep one), then the
 * rows.  NaN: does not apply. */
enum { OAI_HEAD_N_ROWS, OAI_HEAD_N_CURVE, OAI_HEAD_PIAP, OAI_HEAD_CONFIDENCE, OAI_HEAD_COUNT, OAI_HEAD_IOU, OAI_HEAD_HAS_MASK, OAI_HEAD_N };
enum { OAI_ROW_CIOU, OAI_ROW_ADAPTIVE, OAI_ROW_AP, OAI_ROW_AREA, OAI_ROW_N };
enum { OAI_BLOCK_MAX = OAI_HEAD_N + OAI_F_STEPS + 2 * OASSL_METRIC_MAX_SOURCES * OAI_ROW_N };

typedef struct oai_judging {
    double tau, bias, alpha; /* alpha 0 = the protocol's */
    bool probabilities;
} oai_judging;

static inline const double *oai_block_curve(const double *block) { return block + OAI_HEAD_N; }
static inline const double *oai_block_rows(const double *block) { return block + OAI_HEAD_N + (size_t)block[OAI_HEAD_N_CURVE]; }
static inline size_t oai_block_size(const double *block) {
    return OAI_HEAD_N + (size_t)block[OAI_HEAD_N_CURVE] + (size_t)block[OAI_HEAD_N_ROWS] * OAI_ROW_N;
}

oassl_status oai_judge(oai_sample_cache *cache, const oai_variant *variant, const oai_judging *judging,
                       double out_block[OAI_BLOCK_MAX]);

#endif
