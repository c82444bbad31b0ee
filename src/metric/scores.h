/* The parts metrics are made of (metrics.md 1 and 2), on maps of n pixels in double precision. */
#ifndef OAI_METRIC_SCORES_H
#define OAI_METRIC_SCORES_H

#include <stdbool.h>

#include "base/host.h"

/* Values as in oassl/metric.h. */
enum { OAI_PREDICATE_GE = 0, OAI_PREDICATE_GT = 1, OAI_PREDICATE_GT_OR_ONE = 2 };
enum { OAI_TRUTH_UNION = 0, OAI_TRUTH_CONSENSUS = 1, OAI_TRUTH_COUNT = 2 };

/* A map with what every score of it needs. */
typedef struct oai_scored_map {
    size_t n;
    double *raw;     /* [n] as given */
    double *scaled;  /* [n] minmax of it */
    uint32_t *order; /* [n] pixels by ascending value */
} oai_scored_map;

oassl_status oai_scored_map_create(const oai_host *host, size_t n, oai_scored_map *out_map);
void oai_scored_map_free(const oai_host *host, oai_scored_map *map);
/* Fills `scaled` and `order` from `raw`; `keys` and `spare` are [2n] and [n] of scratch. */
void oai_scored_map_prepare(oai_scored_map *map, uint64_t *keys, uint32_t *spare);

/* (M - min) / (max - min) in place; unchanged when all values are equal. */
void oai_minmax(double *map, size_t n);

/* Weighted truth [n]; sum(G) and the number of its non-zero pixels. */
typedef struct oai_truth {
    double *weight;
    double sum;
    size_t area;
} oai_truth;

/* Box in pixels of a width x height picture -> x0 y0 x1 y1 at size x size, each trunc(clamp * size). */
void oai_box_to_pixels(const float box[4], double width, double height, int32_t size, int32_t out_box[4]);
/* Adds boxes to a size x size truth by the rule.  Boxes that are empty after rounding add nothing. */
void oai_truth_from_boxes(const int32_t (*boxes)[4], uint32_t n_boxes, int32_t rule, int32_t size, oai_truth *truth);
/* Non-zero pixels of a mask of the picture, sampled at pixel centres. */
void oai_truth_from_mask(const uint8_t *mask, int32_t width, int32_t height, int32_t size, oai_truth *truth);

/* sorted[floor(n/2)], and sorted[n - A] with A the truth's area, floor(n/2) if it is empty; of the scaled map. */
double oai_threshold_half(const oai_scored_map *map);
double oai_threshold_adaptive(const oai_scored_map *map, const oai_truth *truth);
bool oai_selected(double value, double threshold, int32_t predicate);

/* sum(b G) / (sum(G) + sum(b [G = 0])), 0/0 = 0, with b the pixels of the scaled map that pass. */
double oai_ciou(const oai_scored_map *map, double threshold, int32_t predicate, const oai_truth *truth);
/* Average precision over distinct values, ties one step; 0 without positives. */
double oai_pixel_ap(const oai_scored_map *map, const oai_truth *truth);
/* Share of the pixels of highest value that are in the truth; *out_peak is the first of them. */
double oai_pointing(const oai_scored_map *map, const oai_truth *truth, size_t *out_peak);
/* Highest raw value within the truth; -INFINITY when it is empty. */
double oai_max_within(const oai_scored_map *map, const oai_truth *truth);

/* ---- aggregates over n values ---- */
double oai_success(const double *values, size_t n, double threshold); /* mean(v >= t); 0 for none */
double oai_auc(const double *values, size_t n);                       /* trapezoid over t = 0.05 i, i = 0..20 */
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
