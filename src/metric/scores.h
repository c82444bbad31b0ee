/* The figures metrics are made of (metrics.md 2, 5 and 7): one map against one truth, aggregates, assignments. */
#ifndef OAI_METRIC_SCORES_H
#define OAI_METRIC_SCORES_H

#include "metric/profile.h"

/* ---- one map against one truth -------------------------------------------------------------------------------- */

/* sum(b G) / (sum(G) + sum(b [G = 0])), 0/0 = 0. */
double oai_ciou(const oai_counts *counts, const oai_truth *truth);
/* Average precision of a sorted view over distinct values, ties one step; 0 without positives.  Weights count as at
 * most one. */
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
/* F-score at thresholds i/254 of a sorted view's scores; false, and nothing written, when the truth is empty. */
bool oai_f_curve(const oai_view *view, const oai_scoring *scoring, const oai_truth *truth, oai_sort_space *space,
                 double out_curve[OAI_F_STEPS]);

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
