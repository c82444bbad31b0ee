/* What truly sounds (metrics.md 1), and the counts between it and a map.  Counts are integers, so that sums have no
 * order. */
#ifndef OAI_METRIC_TRUTH_H
#define OAI_METRIC_TRUTH_H

#include "metric/view.h"

enum { OAI_TRUTH_UNION = 0, OAI_TRUTH_CONSENSUS = 1, OAI_TRUTH_COUNT = 2 };

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
/* Adds 2 to the pixels of a box [x0, x1) x [y0, y1) on a canvas of this width; an empty or inverted box adds nothing.
 */
void oai_truth_paint(oai_truth *truth, int32_t width, const int32_t box[4]);
/* After painting: union clamps to one, consensus halves and clamps to one, count keeps; then fills the sums. */
void oai_truth_finish(oai_truth *truth, int32_t rule);

/* trunc(clamp(v, 0, side) * size / side) of each. */
void oai_box_to_pixels(const double box[4], double width, double height, int32_t size, int32_t out_box[4]);

typedef struct oai_counts {
    uint64_t selected, inside, outside; /* pixels: passing, passing with a truth that is not 0, passing with 0 */
    uint64_t twice_hit, clamped_hit;    /* sums of weights under the passing ones */
} oai_counts;

oai_counts oai_count(const oai_view *view, double cutoff, const oai_truth *truth);

#endif
