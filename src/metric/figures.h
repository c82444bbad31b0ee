/* From blocks of numbers to named figures with confidence intervals. */
#ifndef OAI_METRIC_FIGURES_H
#define OAI_METRIC_FIGURES_H

#include "base/arena.h"
#include "metric/judge.h"

typedef struct oai_ledger {
    const oai_host *host;
    uint64_t n_samples;       /* in the order of their ids: sums are then the same for every history */
    const double *const *blocks; /* [n_samples, n_variants] */
    const char *const *groups;   /* [n_samples] */
    const oai_variant *variants;
    uint32_t n_variants, batch, bootstrap;
    uint64_t seed;
} oai_ledger;

typedef struct oai_figures {
    oassl_metric_value *values;
    uint64_t n, room;
    oai_arena names;
} oai_figures;

oassl_status oai_figures_make(const oai_ledger *ledger, oai_figures *out_figures);
void oai_figures_free(const oai_host *host, oai_figures *figures);

#endif
