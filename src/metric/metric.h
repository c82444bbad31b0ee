/* The accumulator behind oassl/metric.h. */
#ifndef OAI_METRIC_METRIC_H
#define OAI_METRIC_METRIC_H

#include "base/host.h"
#include "metric/figures.h"
#include "oassl/metric.h"

/* `options` may be NULL or of another version's size. */
oassl_status oai_metric_create(const oai_host *host, const oassl_metric_options *options, oassl_metric **out_metric);
void oai_metric_free(oassl_metric *metric);
oassl_status oai_metric_add(oassl_metric *metric, const oassl_metric_sample *sample);
/* On host->n_threads threads. */
oassl_status oai_metric_add_all(const oai_host *host, oassl_metric *metric, uint64_t n, const oassl_metric_feed *feed);
oassl_status oai_metric_merge(oassl_metric *metric, const oassl_metric *from);
oassl_status oai_metric_compute(const oassl_metric *metric, oassl_metric_result *out_result);
oassl_status oai_metric_pair_at(oassl_metric *metric, uint64_t index, oassl_metric_pair *out_pair);
/* The protocols' figures, computed at the first call after samples were added. */
oassl_status oai_metric_figures(oassl_metric *metric, const oai_figures **out_figures);
const oassl_metric_options *oai_metric_options(const oassl_metric *metric);

#endif
