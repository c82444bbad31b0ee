/* A manifest's pictures and sounds through the networks, whatever becomes of it: what calibration listens to. */
#ifndef OAI_LOCALIZE_MEDIA_H
#define OAI_LOCALIZE_MEDIA_H

#include "localize/evaluate.h"

typedef struct oai_media_choice {
    const char *split;    /* NULL: "train", or all records if there are none of it; "" = all */
    int32_t missing;      /* OASSL_MISSING_* */
    uint64_t max_samples; /* evenly spread */
} oai_media_choice;

/* Needs no boxes; a mixture without them counts as its parts.  NOT_FOUND: no record with picture (and, for a pair,
 * sound). */
oassl_status oai_run_media(const oai_evaluation_input *input, const oai_media_choice *choice, uint64_t *out_n_samples);

#endif
