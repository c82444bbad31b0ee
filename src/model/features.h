/* Features of pictures and sounds from a network and its weights, with a plan for each input size. */
#ifndef OAI_MODEL_FEATURES_H
#define OAI_MODEL_FEATURES_H

#include "model/oassl_net.h"
#include "model/observe.h"
#include "oassl/context.h"

typedef struct oai_features oai_features;

/* config is copied; the store must outlive the object and stay unchanged.  `precision` is an OASSL_PRECISION_*; INT8
 * needs calibrated ranges in the store (ranges.h).  Any threads at once. */
oassl_status oai_features_create(oassl_context *context, const oai_net_config *config, const oai_store *store,
                                 int32_t precision, oai_features **out_features);
void oai_features_destroy(oai_features *features); /* NULL legal */
/* From now on everything is computed by the observer, on one thread at a time. */
void oai_features_observe(oai_features *features, oai_observer *observer);

/* pictures [n, 3, height, width] -> map [n, d, h, w], pooled [n, d] (spatial mean); either may be NULL. */
oassl_status oai_features_visual(oai_features *features, int64_t n, int64_t height, int64_t width,
                                 const float *pictures, float *out_map, float *out_pooled);
/* log-spectrograms [n, 1, bins, frames] -> [n, d]. */
oassl_status oai_features_audio(oai_features *features, int64_t n, int64_t bins, int64_t frames,
                                const float *spectrograms, float *out_vectors);
/* pictures -> logits [n, n_classes]; classifiers only. */
oassl_status oai_features_classify(oai_features *features, int64_t n, int64_t height, int64_t width,
                                   const float *pictures, float *out_logits);

#endif
