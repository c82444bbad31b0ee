/* Maps at the size they are compared at, sorted when asked, and the scores that thresholds are compared with
 * (metrics.md 2.1). */
#ifndef OAI_METRIC_VIEW_H
#define OAI_METRIC_VIEW_H

#include <stdbool.h>

#include "base/host.h"

/* Values as in oassl/metric.h. */
enum { OAI_PREDICATE_GE = 0, OAI_PREDICATE_GT = 1, OAI_PREDICATE_GT_OR_ONE = 2 };

/* What is compared with a threshold, from a map's value v. */
enum {
    OAI_SCORE_MINMAX = 0,   /* (v - min) / (max - min); v itself when the map is constant */
    OAI_SCORE_NEGATED = 1,  /* 1 - minmax(-M): the same up to rounding; 1 + v when the map is constant */
    OAI_SCORE_INVERTED = 2, /* 1 - minmax(M): falls with v, so a view of it is made and taken as it is */
    OAI_SCORE_RAW = 3,
    OAI_SCORE_COSINE = 4,       /* (v + 1/tau) / (2/tau) */
    OAI_SCORE_SIGMOID = 5,      /* 1 / (1 + exp(-(v + bias))) */
    OAI_SCORE_COSINE_MINMAX = 6 /* minmax of the cosines */
};
typedef struct oai_scoring {
    int32_t kind;
    double tau, bias;
    bool published; /* of an F32 map in single precision, as NumPy and PyTorch compute it, to the last bit */
} oai_scoring;

typedef struct oai_view {
    size_t n;
    bool single;     /* the map came as F32: values are `f`, else `d` */
    const float *f;  /* [n] */
    const double *d; /* [n] */
    void *own;       /* the memory of either; NULL when it is the caller's */
    double lo, hi;   /* of the values */
    uint32_t *order; /* [n] pixels by ascending value, once sorted; NULL before */
    void *sorted;    /* [n] their values, float or double */
    bool is_sorted, has_ties;
    int32_t rings; /* side of a picture whose values fall ring by ring from the middle; 0 = none */
} oai_view;

/* Memory that sorting and ranking need, for maps of up to n pixels. */
typedef struct oai_sort_space {
    size_t n;
    void *items, *spare; /* [n] of 16 bytes */
} oai_sort_space;

oassl_status oai_sort_space_create(const oai_host *host, size_t n, oai_sort_space *out_space);
void oai_sort_space_free(const oai_host *host, oai_sort_space *space);

/* Memory for n values of its own, float or double. */
oassl_status oai_view_create(const oai_host *host, size_t n, bool single, oai_view *out_view);
void oai_view_free(const oai_host *host, oai_view *view);
/* Call after writing the values. */
void oai_view_ready(oai_view *view);
/* Extremes of n values; false when one is not finite. */
bool oai_extent_f32(const float *values, size_t n, double *out_lo, double *out_hi);
bool oai_extent_f64(const double *values, size_t n, double *out_lo, double *out_hi);

static inline double oai_view_at(const oai_view *view, size_t i) {
    return view->single ? (double)view->f[i] : view->d[i];
}
static inline double oai_view_sorted_at(const oai_view *view, size_t i) {
    return view->single ? (double)((const float *)view->sorted)[i] : ((const double *)view->sorted)[i];
}

/* Fills `order` and `sorted`; pixels of equal value stay in the picture's order. */
oassl_status oai_view_sort(const oai_host *host, oai_view *view, oai_sort_space *space);
/* sorted_ascending(v)[rank], also without having sorted. */
double oai_view_rank(const oai_view *view, size_t rank, oai_sort_space *space);
/* Mean of the largest n div 4 scores (at least one) of a sorted view. */
double oai_view_top_quarter(const oai_view *view, const oai_scoring *scoring, oai_sort_space *space);
/* How many values are below the cutoff, of a sorted view. */
size_t oai_view_below(const oai_view *view, double cutoff);

double oai_score_of(const oai_view *view, const oai_scoring *scoring, double v);
/* A threshold as the evaluators compare with it: in single precision where scores are. */
double oai_threshold_of(const oai_view *view, const oai_scoring *scoring, double t);
/* The smallest v that passes: score >= t, > t, or > t or >= 1.  INFINITY when nothing can.  Scores rise with v, so
 * that a pixel passes exactly when its value is at least this. */
double oai_view_cutoff(const oai_view *view, const oai_scoring *scoring, int32_t predicate, double threshold);

#endif
