#include "train/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { ERROR_BYTES = 1024 };

typedef struct oai_slot {
    uint32_t n_filled;
    oassl_status status; /* of the first sample that failed */
    char error[ERROR_BYTES];
} oai_slot;

struct oai_prefetch {
    const oai_host *host;
    oai_prefetch_fill fill;
    void *user;
    uint32_t n_slots, batch_size, n_workers;
    pthread_mutex_t lock;
    pthread_cond_t filled; /* a slot became complete */
    pthread_cond_t freed;  /* a slot was released, or stop */
    bool stop;
    uint64_t first_batch;   /* of this run */
    uint64_t next_number;   /* next sample a worker takes */
    uint64_t next_batch;    /* next batch the consumer takes; its slot and those behind it are in use */
    oai_slot *slots;
    pthread_t *threads;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static oai_slot *slot_of(oai_prefetch *p, uint64_t batch) { return &p->slots[batch % p->n_slots]; }

/* The next sample whose slot is free; false when stopping.  Called with the lock held. */
static bool take(oai_prefetch *p, uint64_t *out_number) {
    while (!p->stop && p->next_number / p->batch_size >= p->next_batch + p->n_slots)
        pthread_cond_wait(&p->freed, &p->lock);
    if (p->stop) return false;
    *out_number = p->next_number++;
    return true;
}

static void *work(void *argument) {
    oai_prefetch *p = argument;
    uint64_t number;
    pthread_mutex_lock(&p->lock);
    while (take(p, &number)) {
        pthread_mutex_unlock(&p->lock);
        uint64_t batch = number / p->batch_size;
        oassl_status status = p->fill(p->user, number, (uint32_t)(batch % p->n_slots), (uint32_t)(number % p->batch_size));
        pthread_mutex_lock(&p->lock);
        oai_slot *slot = slot_of(p, batch);
        if (status != OASSL_STATUS_OK && slot->status == OASSL_STATUS_OK) {
            slot->status = status;
            strncpy(slot->error, oassl_last_error(), ERROR_BYTES - 1);
        }
        if (++slot->n_filled == p->batch_size) pthread_cond_signal(&p->filled);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* The host's signal handlers must not run on our threads. */
static int start_worker(oai_prefetch *p, pthread_t *out_thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out_thread, NULL, work, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

oassl_status oai_prefetch_create(const oai_host *host, uint32_t n_slots, uint32_t batch_size, uint32_t n_workers,
                                 uint64_t first_number, oai_prefetch_fill fill, void *user, oai_prefetch **out_prefetch) {
    *out_prefetch = NULL;
    if (n_workers == 0) n_workers = 1;
    oai_prefetch *p = oai_calloc(host, 1, sizeof *p);
    if (!p) return oai_no_memory(sizeof *p, "the loader");
    p->host = host;
    p->fill = fill;
    p->user = user;
    p->n_slots = n_slots;
    p->batch_size = batch_size;
    p->first_batch = p->next_batch = first_number / batch_size;
    p->next_number = p->next_batch * batch_size;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->filled, NULL);
    pthread_cond_init(&p->freed, NULL);
    p->slots = oai_calloc(host, n_slots, sizeof *p->slots);
    p->threads = oai_calloc(host, n_workers, sizeof *p->threads);
    if (!p->slots || !p->threads) {
        oai_prefetch_destroy(p);
        return oai_no_memory(n_slots * sizeof *p->slots, "the loader's ring");
    }
    for (; p->n_workers < n_workers; p->n_workers++)
        if (start_worker(p, &p->threads[p->n_workers]) != 0) {
            oai_prefetch_destroy(p);
            return oai_fail(OASSL_STATUS_UNAVAILABLE, "the loader: thread %u of %u could not be started", p->n_workers + 1,
                            n_workers);
        }
    *out_prefetch = p;
    return OASSL_STATUS_OK;
}

void oai_prefetch_destroy(oai_prefetch *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->n_workers; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->freed);
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->lock);
    oai_free(p->host, p->threads);
    oai_free(p->host, p->slots);
    oai_free(p->host, p);
}

oassl_status oai_prefetch_acquire(oai_prefetch *p, uint32_t *out_slot, double *out_wait_seconds) {
    double start = now();
    pthread_mutex_lock(&p->lock);
    oai_slot *slot = slot_of(p, p->next_batch);
    while (slot->n_filled < p->batch_size) pthread_cond_wait(&p->filled, &p->lock);
    pthread_mutex_unlock(&p->lock);
    *out_wait_seconds = now() - start;
    *out_slot = (uint32_t)(p->next_batch % p->n_slots);
    return slot->status == OASSL_STATUS_OK ? OASSL_STATUS_OK : oai_fail(slot->status, "%s", slot->error);
}

void oai_prefetch_release(oai_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    *slot_of(p, p->next_batch) = (oai_slot){0};
    p->next_batch++;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
}
