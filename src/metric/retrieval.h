/* Retrieval between sounds and pictures, and the distance between the modalities (metrics.md 8). */
#ifndef OAI_METRIC_RETRIEVAL_H
#define OAI_METRIC_RETRIEVAL_H

#include "base/host.h"
#include "oassl/metric.h"

/* Features [n, d], row-major; normalised in place.  `labels` [n] may be NULL. */
oassl_status oai_retrieval(const oai_host *host, double *pictures, double *sounds, uint64_t n, uint64_t d, const int64_t *labels,
                           oassl_retrieval *out_result);

oassl_status oai_retrieval_load(const oai_host *host, const char *path, oassl_retrieval_features *out_features);
void oai_retrieval_free(const oai_host *host, oassl_retrieval_features *features);

#endif
