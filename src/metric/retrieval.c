#include "metric/retrieval.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static const uint32_t KS[3] = {1, 5, 10};

/* One stripe of queries against all items of the other kind. */
typedef struct stripe {
    const double *queries, *items;
    uint64_t n, d, first, last;
    const int64_t *labels;
    uint32_t *rank, *class_rank; /* [n]; 0 in class_rank without labels */
    double *similar;             /* [n] */
} stripe;

static double dot(const double *a, const double *b, uint64_t d) {
    double sum[8] = {0};
    uint64_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int32_t k = 0; k < 8; k++) sum[k] += a[i + (uint64_t)k] * b[i + (uint64_t)k];
    double rest = 0;
    for (; i < d; i++) rest += a[i] * b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])) + rest;
}

static uint32_t rank_of(const double *similar, uint64_t n, uint64_t match) {
    uint64_t before = 0;
    for (uint64_t j = 0; j < n; j++) before += similar[j] > similar[match] || (similar[j] == similar[match] && j < match);
    return (uint32_t)before + 1;
}

static void *run_stripe(void *argument) {
    stripe *s = argument;
    for (uint64_t i = s->first; i < s->last; i++) {
        uint64_t match = i;
        for (uint64_t j = 0; j < s->n; j++) s->similar[j] = dot(s->queries + i * s->d, s->items + j * s->d, s->d);
        s->rank[i] = rank_of(s->similar, s->n, i);
        if (!s->labels) continue;
        for (uint64_t j = 0; j < s->n; j++) /* the best of the class; of equals the first */
            if (s->labels[j] == s->labels[i] &&
                (s->similar[j] > s->similar[match] || (s->similar[j] == s->similar[match] && j < match)))
                match = j;
        s->class_rank[i] = rank_of(s->similar, s->n, match);
    }
    return NULL;
}

enum { MAX_STRIPES = 64 };

static oassl_status search(const oai_host *host, const stripe *whole) {
    pthread_t threads[MAX_STRIPES];
    stripe stripes[MAX_STRIPES];
    bool started[MAX_STRIPES] = {false};
    uint32_t n = host->n_threads ? host->n_threads : 1;
    if (n > MAX_STRIPES) n = MAX_STRIPES;
    if (n > whole->n) n = (uint32_t)whole->n;
    double *similar = oai_alloc(host, n * whole->n * sizeof *similar);
    if (!similar) return oai_no_memory(n * whole->n * sizeof *similar, "retrieval");
    for (uint32_t t = 0; t < n; t++) {
        stripes[t] = *whole;
        stripes[t].first = whole->n * t / n, stripes[t].last = whole->n * (t + 1) / n;
        stripes[t].similar = similar + t * whole->n;
        started[t] = t + 1 < n && pthread_create(&threads[t], NULL, run_stripe, &stripes[t]) == 0;
        if (!started[t]) run_stripe(&stripes[t]); /* the last one, and where no thread was to be had */
    }
    for (uint32_t t = 0; t < n; t++)
        if (started[t]) pthread_join(threads[t], NULL);
    oai_free(host, similar);
    return OASSL_STATUS_OK;
}

static void recalls(const uint32_t *rank, uint64_t n, double out[3]) {
    for (int32_t k = 0; k < 3; k++) {
        uint64_t hits = 0;
        for (uint64_t i = 0; i < n; i++) hits += rank[i] <= KS[k];
        out[k] = (double)hits / (double)n;
    }
}

static oassl_status normalise(double *rows, uint64_t n, uint64_t d, const char *what) {
    for (uint64_t i = 0; i < n; i++) {
        double *row = rows + i * d, length = sqrt(dot(row, row, d));
        if (!isfinite(length)) return oai_fail(OASSL_STATUS_NON_FINITE, "retrieval: row %llu of the %s", (unsigned long long)i, what);
        for (uint64_t k = 0; k < d && length > 0; k++) row[k] /= length;
    }
    return OASSL_STATUS_OK;
}

static double distance(const double *a, const double *b, uint64_t d) {
    double sum = 0;
    for (uint64_t k = 0; k < d; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sqrt(sum);
}

static void measure_gap(const double *v, const double *a, uint64_t n, uint64_t d, oassl_retrieval *out) {
    double total = 0, squares = 0, gap = 0;
    for (uint64_t i = 0; i < n; i++) {
        out->alignment += dot(v + i * d, a + i * d, d) / (double)n;
        total += distance(v + i * d, a + i * d, d);
    }
    out->magnitude = total / (double)n;
    for (uint64_t i = 0; i < n; i++) {
        double off = distance(v + i * d, a + i * d, d) - out->magnitude;
        squares += off * off;
    }
    out->magnitude_std = sqrt(squares / (double)n);
    for (uint64_t k = 0; k < d; k++) {
        double sum = 0;
        for (uint64_t i = 0; i < n; i++) sum += v[i * d + k] - a[i * d + k];
        gap += sum / (double)n * (sum / (double)n);
    }
    out->centroid = sqrt(gap);
}

oassl_status oai_retrieval(const oai_host *host, double *pictures, double *sounds, uint64_t n, uint64_t d, const int64_t *labels,
                           oassl_retrieval *out) {
    OAI_TRY(normalise(pictures, n, d, "pictures"));
    OAI_TRY(normalise(sounds, n, d, "sounds"));
    uint32_t *ranks = oai_calloc(host, 2 * n, sizeof *ranks);
    if (!ranks) return oai_no_memory(2 * n * sizeof *ranks, "retrieval");
    oassl_status status = OASSL_STATUS_OK;
    out->n = n, out->has_labels = labels != NULL;
    for (int32_t way = 0; way < 2 && status == OASSL_STATUS_OK; way++) {
        stripe s = {.queries = way ? pictures : sounds, .items = way ? sounds : pictures, .n = n, .d = d, .labels = labels,
                    .rank = ranks, .class_rank = ranks + n};
        status = search(host, &s);
        recalls(ranks, n, way ? out->picture_to_sound : out->sound_to_picture);
        if (labels) recalls(ranks + n, n, way ? out->class_picture_to_sound : out->class_sound_to_picture);
    }
    if (status == OASSL_STATUS_OK) measure_gap(pictures, sounds, n, d, out);
    oai_free(host, ranks);
    return status;
}
