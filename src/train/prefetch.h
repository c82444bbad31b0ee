/* Batches filled ahead of the training step by worker threads.
 *
 * Sample number s belongs to batch s / batch_size; each is filled by one call of `fill`, on any worker, in any order
 * within the ring: what a sample contains must depend on its number only.  Idle workers sleep. */
#ifndef OAI_TRAIN_PREFETCH_H
#define OAI_TRAIN_PREFETCH_H

#include "base/host.h"

typedef struct oai_prefetch oai_prefetch;

/* Fills position `position` of ring slot `slot` with sample `number`.  Called from worker threads. */
typedef oassl_status (*oai_prefetch_fill)(void *user, uint64_t number, uint32_t slot, uint32_t position);

/* Starts n_workers threads (at least 1) filling from sample `first_number`, which must start a batch. */
oassl_status oai_prefetch_create(const oai_host *host, uint32_t n_slots, uint32_t batch_size, uint32_t n_workers,
                                 uint64_t first_number, oai_prefetch_fill fill, void *user, oai_prefetch **out_prefetch);
/* Stops and joins the workers.  NULL legal. */
void oai_prefetch_destroy(oai_prefetch *prefetch);

/* Waits for the next batch and gives its slot, which stays untouched until oai_prefetch_release.  A sample that could
 * not be filled fails here, with that sample's status and text. */
oassl_status oai_prefetch_acquire(oai_prefetch *prefetch, uint32_t *out_slot, double *out_wait_seconds);
void oai_prefetch_release(oai_prefetch *prefetch);

#endif
