/* Compiled plans of one network for the input sizes seen so far, each with the execs made for it.  Safe to use from
 * any threads at once; the least recently used plan goes when there are too many. */
#ifndef OAI_MODEL_PLAN_POOL_H
#define OAI_MODEL_PLAN_POOL_H

#include "runtime/session.h"

#define OAI_POOL_KEY 4
#define OAI_POOL_IO 6

typedef struct oai_plan_pool oai_plan_pool;
/* Compiles the plan of a key and names the values to bind, in the order of oai_plan_pool_run's addresses. */
typedef oassl_status (*oai_pool_build_fn)(void *user, const int64_t key[OAI_POOL_KEY], oai_plan **out_plan,
                                          oai_value io[OAI_POOL_IO], uint32_t *out_n_io);

oassl_status oai_plan_pool_create(const oai_host *host, uint32_t max_plans, oai_pool_build_fn build, void *user,
                                  oai_plan_pool **out_pool);
void oai_plan_pool_destroy(oai_plan_pool *pool); /* NULL legal */
oassl_status oai_plan_pool_run(oai_plan_pool *pool, const int64_t key[OAI_POOL_KEY], void *const *addresses,
                               uint32_t n_addresses);

#endif
