/* From features to source maps on the feature grid: cosine similarity, then identification when there are several. */
#ifndef OAI_LOCALIZE_LOCATE_H
#define OAI_LOCALIZE_LOCATE_H

#include "base/host.h"

typedef struct oai_features_view {
    const float *visual; /* F_v [channels, height, width], not normalised */
    const float *audio;  /* l_a [channels] */
    int64_t channels, height, width;
} oai_features_view;

/* `rule` is one of identify.h.  out_maps [K, height, width]: with K = 1 the similarity S (or -d1 when `distance`), with more the identification's
 * maps.  out_picks [K]: the position each source was found at; out_similarity [K]: S there. */
oassl_status oai_locate(const oai_host *host, const oai_features_view *features, uint32_t n_sources, int distance, int rule,
                        float *out_maps, uint32_t *out_picks, float *out_similarity);

#endif
