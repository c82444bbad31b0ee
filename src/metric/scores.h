/* The parts metrics are made of (metrics.md 1 and 2): a map, what truly sounds, and the counts between them.  Double
 * precision; counts are integers, so that sums have no order. */
#ifndef OAI_METRIC_SCORES_H
#define OAI_METRIC_SCORES_H

#include <stdbool.h>

#include "base/host.h"

/* Values as in oassl/metric.h. */
enum { OAI_PREDICATE_GE = 0, OAI_PREDICATE_GT = 1, OAI_PREDICATE_GT_OR_ONE = 2 };
enum { OAI_TRUTH_UNION = 0, OAI_TRUTH_CONSENSUS = 1, OAI_TRUTH_COUNT = 2 };

/* What is compared with a threshold, from a map's value v. */
enum {
    OAI_SCORE_MINMAX = 0,  /* (v - min) / (max - min); v itself when the map is constant */
    OAI_SCORE_NEGATED = 1, /* 1 - minmax(-M): the same up to rounding */
    OAI_SCORE_INVERTED = 2, /* 1 - minmax(M): falls with v, so a view of it is made and taken as it is */
    OAI_SCORE_RAW = 3,
    OAI_SCORE_COSINE = 4, /* (v + 1/tau) / (2/tau) */
    OAI_SCORE_SIGMOID = 5 /* 1 / (1 + exp(-(v + bias))) */
};
typedef struct oai_scoring {
    int32_t kind;
    double tau, bias;
} oai_scoring;

/* ---- maps ----------------------------------------------------------------------------------------------------- */

/* A map at the size it is compared at. */
typedef struct oai_view {
    size_t n;
    double *v;       /* [n] */
    double lo, hi;   /* of v */
    uint32_t *order; /* [n] pixels by ascending value, once sorted; NULL before */
    double *sorted;  /* [n] their values */
    bool is_sorted;
} oai_view;

/* Memory that sorting and ranking need, for maps of up to n pixels. */
typedef struct oai_sort_space {
    size_t n;
    uint64_t *keys, *spare; /* [n] */
    double *some;           /* [n] */
} oai_sort_space;

oassl_status oai_sort_space_create(const oai_host *host, size_t n, oai_sort_space *out_space);
void oai_sort_space_free(const oai_host *host, oai_sort_space *space);

oassl_status oai_view_create(const oai_host *host, size_t n, oai_view *out_view);
void oai_view_free(const oai_host *host, oai_view *view);
void oai_view_ready(oai_view *view); /* call after writing v */
/* Needs `order`; pixels of equal value stay in the picture's order. */
oassl_status oai_view_sort(const oai_host *host, oai_view *view, oai_sort_space *space);
/* sorted_ascending(v)[rank], without sorting. */
double oai_view_rank(const oai_view *view, size_t rank, oai_sort_space *space);
/* Mean of the largest n div 4 scores (at least one). */
double oai_view_top_quarter(const oai_view *view, const oai_scoring *scoring, oai_sort_space *space);

double oai_score_of(const oai_view *view, const oai_scoring *scoring, double v);
/* The smallest v that passes: score >= t, > t, or > t or >= 1.  INFINITY when nothing can.  Scores rise with v, so that a
 * pixel passes exactly when its value is at least this. */
double oai_view_cutoff(const oai_view *view, const oai_scoring *scoring, int32_t predicate, double threshold);

/* ---- truth ---------------------------------------------------------------------------------------------------- */

/* Weights doubled, so that a half is an integer: 0, 1 (a half), 2 (one), 4, 6 (counts). */
typedef struct oai_truth {
    size_t n;
    uint8_t *twice;       /* [n] */
    uint64_t twice_sum;   /* of them */
    uint64_t area;        /* pixels that are not 0 */
    uint64_t clamped_sum; /* of min(twice, 2) */
    bool is_count;        /* some may be above 2 */
} oai_truth;

oassl_status oai_truth_create(const oai_host *host, size_t n, oai_truth *out_truth);
void oai_truth_free(const oai_host *host, oai_truth *truth);
void oai_truth_clear(oai_truth *truth);
/* Adds 2 to the pixels of a box [x0, x1) x [y0, y1) on a canvas of this width; an empty or inverted box adds nothing. */
void oai_truth_paint(oai_truth *truth, int32_t width, const int32_t box[4]);
/* After painting: union clamps to one, consensus halves and clamps to one, count keeps; then fills the sums. */
void oai_truth_finish(oai_truth *truth, int32_t rule);

/* trunc(clamp(v, 0, side) * size / side) of each. */
void oai_box_to_pixels(const double box[4], double width, double height, int32_t size, int32_t out_box[4]);

typedef struct oai_counts {
    uint64_t selected, inside, outside; /* pixels: passing, passing with a truth that is not 0, passing with 0 */
    uint64_t twice_hit, clamped_hit;    /* sums of weights under the passing ones */
} oai_counts;

/* For a sorted view and a truth of whole weights (0 and 1): in[i] is how many of the pixels order[i..n) are in the truth.
 * With it every threshold's counts cost a search, and precision a pass. */
bool oai_truth_is_whole(const oai_truth *truth);
void oai_profile(const oai_view *view, const oai_truth *truth, uint32_t *out_in); /* [n + 1] */
oai_counts oai_profile_count(const oai_view *view, double cutoff, const uint32_t *in);
double oai_profile_ap(const oai_view *view, const uint32_t *in, uint32_t *scratch); /* [n] */

/* ---- one map against one truth -------------------------------------------------------------------------------- */


oai_counts oai_count(const oai_view *view, double cutoff, const oai_truth *truth);
/* sum(b G) / (sum(G) + sum(b [G = 0])), 0/0 = 0. */
double oai_ciou(const oai_counts *counts, const oai_truth *truth);
/* Average precision of a sorted view over distinct values, ties one step; 0 without positives.  Weights count as at most
 * one. */
double oai_pixel_ap(const oai_view *view, const oai_truth *truth);
/* The same of the binary map, from counts summed over any number of crops of n pixels in all. */
double oai_binary_ap(uint64_t clamped_hit, uint64_t selected, uint64_t clamped_sum, uint64_t n);
/* Arguments swapped, AVGN's flaw: labels are the passing pixels, scores the truth. */
double oai_swapped_ap(const oai_view *view, double cutoff, const oai_truth *truth);
/* Share of the pixels of highest value that are in the truth; *out_peak is the first of them.  The view is sorted. */
double oai_pointing(const oai_view *view, const oai_truth *truth, size_t *out_peak);
/* Highest value within the truth; -INFINITY when it is empty. */
double oai_max_within(const oai_view *view, const oai_truth *truth);

/* ---- AVSBench (metrics.md 7) ---------------------------------------------------------------------------------- */
enum { OAI_F_STEPS = 255 };
/* |b and G| / (|b or G| + 1e-7); of an empty truth the share of pixels that do not pass. */
double oai_mask_iou(const oai_counts *counts, const oai_truth *truth);
/* F-score at thresholds i/254 of predictions in 0..1; false, and nothing written, when the truth is empty. */
bool oai_f_curve(const oai_view *view, const oai_scoring *scoring, const oai_truth *truth, double out_curve[OAI_F_STEPS]);

/* ---- aggregates over n values --------------------------------------------------------------------------------- */
double oai_success(const double *values, size_t n, double threshold); /* mean(v >= t); 0 for none */
double oai_auc(const double *values, size_t n);                       /* trapezoid over t = 0.05 i, i = 0..20 */
double oai_auc_of_one(double value);                                  /* what one value adds to n * AUC */
/* The values must be sorted: equal sets give equal sums to the last bit. */
double oai_mean_sorted(const double *values, size_t n);

/* ---- assignment: score [n_maps, n_sources], out_map_of [n_sources] the map of each source or -1 ---- */
enum { OAI_ASSIGN_MAX = 8 };
/* Largest total; returns it.  Both counts at most OAI_ASSIGN_MAX. */
double oai_assign_best(const double *score, uint32_t n_maps, uint32_t n_sources, int32_t *out_map_of);
/* Maps in turn take their best source, sources already taken counting 0; returns how many maps hit a taken one. */
uint32_t oai_assign_greedy(const double *score, uint32_t n_maps, uint32_t n_sources, int32_t *out_map_of,
                           int32_t *out_source_of);

#endif
