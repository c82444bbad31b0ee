/* Watching a network compute: every value that ranges.h names, over all inputs given, until its range is known. */
#ifndef OAI_MODEL_OBSERVE_H
#define OAI_MODEL_OBSERVE_H

#include "model/oassl_net.h"
#include "oassl/context.h"
#include "runtime/session.h"

typedef struct oai_observer oai_observer;

/* config is copied, the store outlives the observer.  One thread at a time. */
oassl_status oai_observer_create(oassl_context *context, const oai_net_config *config, const oai_store *store,
                                 oai_observer **out_observer);
void oai_observer_destroy(oai_observer *observer); /* NULL legal */

/* Computes in f32 what key and addresses mean in net_graph.h, and takes notice.  NON_FINITE names a value. */
oassl_status oai_observer_run(oai_observer *observer, const int64_t key[4], void *const *addresses);

/* The metadata of ranges.h: ranges that hold all but 1 - percentile / 100 of the elements seen; 100: all of them. */
oassl_status oai_observer_text(const oai_observer *observer, double percentile, uint64_t n_samples, char **out_text);

#endif
