/* Reference features of captions: for each sample K foreground vectors (one a source) and one background vector.
 *
 * File (.npz, readable by NumPy): ids [N] text, offsets [N+1] i64, foreground [sum K, d] f32, background [N, d] f32,
 * encoder and encoder_hash (one text each), and, absent in files of other makers, tokenizer_hash and pooling.  Rows
 * offsets[i] .. offsets[i+1]-1 of foreground belong to sample i.  A background of zeros means the sample has none.
 * Immutable once filled, any thread. */
#ifndef OAI_TEXT_CAPTION_FEATURES_H
#define OAI_TEXT_CAPTION_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/host.h"
#include "base/strmap.h"

typedef struct oai_caption_features {
    const oai_host *host;
    int64_t n_samples, width;
    const char **ids;
    int64_t *offsets;                     /* [N+1] */
    float *foreground;                    /* [sum K, width] */
    float *background;                    /* [N, width] */
    const char *encoder, *encoder_hash;   /* name; SHA-256 of the weights file */
    const char *tokenizer_hash, *pooling; /* SHA-256 of the vocabulary files; "cls", "mean", "end"; "" not known */
    oai_strmap by_id;
    oai_arena arena; /* owns the texts */
} oai_caption_features;

/* Zeroed features for the given samples; n_foreground[i] >= 1.  Ids must differ.  Texts are copied. */
oassl_status oai_caption_features_create(const oai_host *host, const char *const *ids, const uint32_t *n_foreground,
                                         int64_t n_samples, int64_t width, const char *encoder,
                                         const char *encoder_hash, oai_caption_features **out_features);
/* Records how they were made (NULL: not known).  Texts are copied. */
oassl_status oai_caption_features_describe(oai_caption_features *features, const char *tokenizer_hash,
                                           const char *pooling);
void oai_caption_features_destroy(oai_caption_features *features); /* NULL legal */

/* Every member's type, shape and contents are checked; errors name file and member. */
oassl_status oai_caption_features_load(const oai_host *host, const char *path, oai_caption_features **out_features);
oassl_status oai_caption_features_save(const oai_caption_features *features, const char *path);

int64_t oai_caption_features_find(const oai_caption_features *features, const char *id); /* -1 if not there */
static inline uint32_t oai_caption_features_k(const oai_caption_features *features, int64_t sample) {
    return (uint32_t)(features->offsets[sample + 1] - features->offsets[sample]);
}
static inline const float *oai_caption_features_foreground(const oai_caption_features *features, int64_t sample) {
    return features->foreground + features->offsets[sample] * features->width;
}
/* NULL when the sample has none. */
const float *oai_caption_features_background(const oai_caption_features *features, int64_t sample);

/* A composite of n samples (datasets.md section 9.5): their foregrounds one after another, the mean of their
 * backgrounds (of those that have one; *out_has_background false and zeros if none has).  out_foreground has room for
 * `room` rows of `width`; more is OASSL_STATUS_SHAPE_MISMATCH.  *out_k is the number of rows written. */
oassl_status oai_caption_features_compose(const oai_caption_features *features, const int64_t *samples, uint32_t n,
                                          uint32_t room, float *out_foreground, uint32_t *out_k, float *out_background,
                                          bool *out_has_background);

#endif
