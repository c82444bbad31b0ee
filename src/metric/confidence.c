#include "metric/confidence.h"

#include <stdlib.h>

static int by_confidence(const void *a, const void *b) {
    const oai_judgement *x = a, *y = b;
    return (x->confidence > y->confidence) - (x->confidence < y->confidence);
}

void oai_judgements_sort(oai_judgement *list, size_t n) { qsort(list, n, sizeof *list, by_confidence); }

typedef struct tally {
    size_t n, sounding, right;
} tally;

static void add(tally *t, const oai_judgement *j, double q) {
    t->n++, t->sounding += j->sounding, t->right += j->sounding && j->ciou >= q;
}

/* From what is detected and how many sound in all. */
static void rates(const tally *found, size_t sounding, double *out_precision, double *out_recall) {
    size_t missed = sounding - found->sounding;
    *out_precision = found->n ? (double)found->right / (double)found->n : 1;
    *out_recall = found->right + missed ? (double)found->right / (double)(found->right + missed) : 1;
}

static size_t count_sounding(const oai_judgement *list, size_t n) {
    size_t sounding = 0;
    for (size_t i = 0; i < n; i++) sounding += list[i].sounding;
    return sounding;
}

void oai_precision_recall(const oai_judgement *list, size_t n, double t, double q, double *out_precision, double *out_recall) {
    tally found = {0, 0, 0};
    for (size_t i = 0; i < n; i++)
        if (list[i].confidence >= t) add(&found, &list[i], q);
    rates(&found, count_sounding(list, n), out_precision, out_recall);
}

/* Takes in everything from list[i]'s confidence up, ties included; *next is the first not yet taken, from above. */
static void take_to(const oai_judgement *list, size_t i, double q, size_t *next, tally *found) {
    while (*next > 0 && list[*next - 1].confidence >= list[i].confidence) add(found, &list[--*next], q);
}

/* The published rule: thresholds are the confidences but the largest, downwards in strides; the precision's envelope
 * runs over what follows, so it is known only from the far end. */
double oai_confidence_ap(const oai_judgement *list, size_t n, double q) {
    size_t step = n / 200 ? n / 200 : 1, n_points = 0, next = n, sounding = count_sounding(list, n);
    enum { MOST = 402 };
    double p[MOST], r[MOST], ap = 0, top = 0;
    tally found = {0, 0, 0};
    if (n < 2) return 0;
    for (size_t i = n - 1; i > 0 && n_points < MOST; i = i > step ? i - step : 0) {
        take_to(list, i - 1, q, &next, &found);
        rates(&found, sounding, &p[n_points], &r[n_points]);
        n_points++;
    }
    for (size_t i = n_points; i-- > 0;) {
        if (p[i] > top) top = p[i];
        p[i] = top;
    }
    for (size_t i = 0; i + 1 < n_points; i++) ap += p[i] * (r[i + 1] - r[i]);
    return ap;
}

double oai_max_f1(const oai_judgement *list, size_t n, double q) {
    size_t step = n / 10 ? n / 10 : 1, next = n, sounding = count_sounding(list, n);
    double most = 0;
    tally found = {0, 0, 0};
    if (n == 0) return 0;
    for (size_t i = (n - 1) / step * step + step; i > 0;) {
        double p, r;
        i -= step;
        take_to(list, i, q, &next, &found);
        rates(&found, sounding, &p, &r);
        double f = p + r > 0 ? 2 * p * r / (p + r) : 0;
        if (f > most) most = f;
    }
    return most;
}
