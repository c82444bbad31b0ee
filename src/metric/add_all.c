#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "metric/metric.h"

typedef struct job {
    const oai_host *host;
    const oassl_metric_feed *feed;
    uint64_t n;
    atomic_uint_fast64_t next, done;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards what follows */
    oassl_status status;
    uint64_t failed_at;
    char failure[1024];
} job;

typedef struct worker {
    job *j;
    oassl_metric *metric;
    pthread_t thread;
    bool started, reports; /* progress is told by the calling thread alone */
} worker;

/* Keeps the failure of the lowest sample; error texts belong to threads. */
static void note_failure(job *j, uint64_t index, oassl_status status) {
    pthread_mutex_lock(&j->lock);
    if (j->status == OASSL_STATUS_OK || index < j->failed_at) {
        j->status = status, j->failed_at = index;
        snprintf(j->failure, sizeof j->failure, "%s", oassl_last_error());
    }
    pthread_mutex_unlock(&j->lock);
    atomic_store(&j->stop, true);
}

static oassl_status add_one(worker *w, uint64_t index) {
    const oassl_metric_feed *feed = w->j->feed;
    oassl_metric_sample sample = {0};
    void *kept = NULL;
    OAI_TRY(feed->sample(feed->user, index, &sample, &kept));
    oassl_status status = sample.id ? oai_metric_add(w->metric, &sample)
                                    : oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "sample %llu has no id", (unsigned long long)index);
    if (feed->release) feed->release(feed->user, kept);
    return status;
}

static void *work(void *argument) {
    worker *w = argument;
    job *j = w->j;
    for (;;) {
        uint64_t i = atomic_fetch_add(&j->next, 1);
        if (i >= j->n || atomic_load(&j->stop)) return NULL;
        oassl_status status = w->reports ? oai_progress(j->host, "score", atomic_load(&j->done), j->n) : OASSL_STATUS_OK;
        if (status == OASSL_STATUS_OK) status = add_one(w, i);
        if (status != OASSL_STATUS_OK) return note_failure(j, i, status), NULL;
        atomic_fetch_add(&j->done, 1);
    }
}

oassl_status oai_metric_add_all(const oai_host *host, oassl_metric *metric, uint64_t n, const oassl_metric_feed *feed) {
    enum { MOST = 256 };
    worker workers[MOST] = {{0}};
    job j = {.host = host, .feed = feed, .n = n};
    uint32_t n_workers = host->n_threads ? host->n_threads : 1, made = 0;
    if (n_workers > MOST) n_workers = MOST;
    if (n_workers > n) n_workers = n ? (uint32_t)n : 1;
    pthread_mutex_init(&j.lock, NULL);
    oassl_status status = OASSL_STATUS_OK;
    for (; made < n_workers && status == OASSL_STATUS_OK; made++) {
        status = oai_metric_create(host, oai_metric_options(metric), &workers[made].metric);
        workers[made].j = &j, workers[made].reports = made == 0;
    }
    for (uint32_t i = 1; status == OASSL_STATUS_OK && i < made; i++)
        workers[i].started = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0; /* fewer also do it */
    if (status == OASSL_STATUS_OK) work(&workers[0]);
    for (uint32_t i = 1; i < made; i++)
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
    if (j.status != OASSL_STATUS_OK) status = oai_fail(j.status, "%s", j.failure);
    if (status == OASSL_STATUS_OK) status = oai_progress(host, "score", n, n);
    /* one metric of all, so that a sample that is there already leaves this one as it was */
    for (uint32_t i = 1; i < made && status == OASSL_STATUS_OK; i++) {
        status = oai_metric_merge(workers[0].metric, workers[i].metric);
        oai_metric_free(workers[i].metric);
        workers[i].metric = NULL;
    }
    if (status == OASSL_STATUS_OK) status = oai_metric_merge(metric, workers[0].metric);
    for (uint32_t i = 0; i < made; i++) oai_metric_free(workers[i].metric);
    pthread_mutex_destroy(&j.lock);
    return status;
}
