#include "model/plan_pool.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define MAX_IDLE 16 /* execs kept for a plan; more are made when more threads run at once, and dropped */

typedef struct pool_entry {
    struct pool_entry *next;
    int64_t key[OAI_POOL_KEY];
    oai_plan *plan;
    oai_value io[OAI_POOL_IO];
    uint32_t n_io;
    oai_exec *idle[MAX_IDLE];
    uint32_t n_idle;
    uint32_t n_users; /* runs in progress: an entry in use stays */
    uint64_t last_used;
} pool_entry;

struct oai_plan_pool {
    const oai_host *host;
    oai_pool_build_fn build;
    void *user;
    uint32_t max_plans;
    pid_t process;
    pthread_mutex_t lock;
    pool_entry *entries;
    uint64_t clock;
};

oassl_status oai_plan_pool_create(const oai_host *host, uint32_t max_plans, oai_pool_build_fn build, void *user,
                                  oai_plan_pool **out_pool) {
    *out_pool = NULL;
    oai_plan_pool *pool = oai_calloc(host, 1, sizeof *pool);
    if (!pool) return oai_no_memory(sizeof *pool, "a plan pool");
    *pool = (oai_plan_pool){.host = host, .build = build, .user = user, .max_plans = max_plans, .process = getpid()};
    pthread_mutex_init(&pool->lock, NULL);
    *out_pool = pool;
    return OASSL_STATUS_OK;
}

static void entry_destroy(const oai_host *host, pool_entry *entry) {
    while (entry->n_idle > 0) oai_exec_destroy(entry->idle[--entry->n_idle]);
    oai_plan_destroy(entry->plan);
    oai_free(host, entry);
}

void oai_plan_pool_destroy(oai_plan_pool *pool) {
    if (!pool || pool->process != getpid()) return; /* in a forked child: the parent's */
    while (pool->entries) {
        pool_entry *entry = pool->entries;
        pool->entries = entry->next;
        entry_destroy(pool->host, entry);
    }
    pthread_mutex_destroy(&pool->lock);
    oai_free(pool->host, pool);
}

/* With the lock held: drops the plan used longest ago if there are too many. */
static void evict(oai_plan_pool *pool) {
    pool_entry **oldest = NULL;
    uint32_t n = 0;
    for (pool_entry **at = &pool->entries; *at; at = &(*at)->next, n++)
        if ((*at)->n_users == 0 && (!oldest || (*at)->last_used < (*oldest)->last_used)) oldest = at;
    if (n <= pool->max_plans || !oldest) return;
    pool_entry *entry = *oldest;
    *oldest = entry->next;
    entry_destroy(pool->host, entry);
}

/* With the lock held (so that one size is compiled once): the entry of a key, marked as used. */
static oassl_status acquire(oai_plan_pool *pool, const int64_t *key, pool_entry **out_entry) {
    pool_entry *entry = pool->entries;
    while (entry && memcmp(entry->key, key, sizeof entry->key) != 0) entry = entry->next;
    if (!entry) {
        entry = oai_calloc(pool->host, 1, sizeof *entry);
        if (!entry) return oai_no_memory(sizeof *entry, "a plan");
        oassl_status status = pool->build(pool->user, key, &entry->plan, entry->io, &entry->n_io);
        if (status != OASSL_STATUS_OK) {
            oai_free(pool->host, entry);
            return status;
        }
        memcpy(entry->key, key, sizeof entry->key);
        entry->next = pool->entries;
        pool->entries = entry;
    }
    entry->n_users++;
    entry->last_used = ++pool->clock;
    evict(pool);
    *out_entry = entry;
    return OASSL_STATUS_OK;
}

static oassl_status run(const pool_entry *entry, oai_exec *exec, void *const *addresses, uint32_t n_addresses) {
    if (n_addresses != entry->n_io)
        return oai_fail(OASSL_STATUS_INTERNAL, "%u addresses for %u values", n_addresses, entry->n_io);
    for (uint32_t i = 0; i < n_addresses; i++) OAI_TRY(oai_exec_bind(exec, entry->io[i], addresses[i]));
    return oai_exec_run(exec);
}

oassl_status oai_plan_pool_run(oai_plan_pool *pool, const int64_t key[OAI_POOL_KEY], void *const *addresses,
                               uint32_t n_addresses) {
    pool_entry *entry = NULL;
    oai_exec *exec = NULL;
    /* fork() may have happened while another thread held the lock: it would be held for ever. */
    if (pool->process != getpid())
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "this object was made before fork() by process %ld: make a new one", (long)pool->process);
    pthread_mutex_lock(&pool->lock);
    oassl_status status = acquire(pool, key, &entry);
    if (status == OASSL_STATUS_OK && entry->n_idle > 0) exec = entry->idle[--entry->n_idle];
    pthread_mutex_unlock(&pool->lock);
    if (status != OASSL_STATUS_OK) return status;

    if (!exec) status = oai_exec_create(entry->plan, &exec);
    if (status == OASSL_STATUS_OK) status = run(entry, exec, addresses, n_addresses);

    pthread_mutex_lock(&pool->lock);
    entry->n_users--;
    if (exec && entry->n_idle < MAX_IDLE) {
        entry->idle[entry->n_idle++] = exec;
        exec = NULL;
    }
    oai_exec_destroy(exec); /* within the lock: without users the plan may go any time after it */
    pthread_mutex_unlock(&pool->lock);
    return status;
}
