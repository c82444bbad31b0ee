#include "metric/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one map against one truth -------------------------------------------------------------------------------- */

double oai_ciou(const oai_counts *c, const oai_truth *truth) {
    uint64_t whole = truth->twice_sum + 2 * c->outside;
    return whole ? (double)c->twice_hit / (double)whole : 0;
}

double oai_pixel_ap(const oai_view *view, const oai_truth *truth) {
    double ap = 0, found = 0, total = 0.5 * (double)truth->clamped_sum;
    if (truth->clamped_sum == 0) return 0;
    if (view->lo == view->hi) return total / (double)view->n;
    for (size_t i = view->n; i > 0;) {
        double value = oai_view_sorted_at(view, i - 1);
        uint32_t step = 0;
        for (; i > 0 && oai_view_sorted_at(view, i - 1) == value; i--) {
            uint8_t w = truth->twice[view->order[i - 1]];
            step += w > 2 ? 2 : w;
        }
        if (step == 0) continue;
        found += 0.5 * step;
        ap += 0.5 * step / total * (found / (double)(view->n - i));
    }
    return ap;
}

double oai_binary_ap(uint64_t clamped_hit, uint64_t selected, uint64_t clamped_sum, uint64_t n) {
    if (clamped_sum == 0) return 0;
    double recall = (double)clamped_hit / (double)clamped_sum;
    double precision = selected ? 0.5 * (double)clamped_hit / (double)selected : 0;
    return recall * precision + (1 - recall) * (0.5 * (double)clamped_sum / (double)n);
}

double oai_swapped_ap(const oai_view *view, double cutoff, const oai_truth *truth) {
    uint64_t taken[256] = {0}, hit[256] = {0}, positives = 0, n_taken = 0, n_hit = 0;
    double ap = 0;
    for (size_t i = 0; i < view->n; i++)
        taken[truth->twice[i]]++, hit[truth->twice[i]] += oai_view_at(view, i) >= cutoff;
    for (int32_t w = 0; w < 256; w++) positives += hit[w];
    for (int32_t w = 255; w >= 0 && positives; w--) {
        n_taken += taken[w], n_hit += hit[w];
        if (hit[w]) ap += (double)hit[w] / (double)positives * ((double)n_hit / (double)n_taken);
    }
    return ap;
}

double oai_pointing(const oai_view *view, const oai_truth *truth, size_t *out_peak) {
    uint64_t on = 0, all = 0;
    *out_peak = 0;
    if (view->lo == view->hi) return (double)truth->area / (double)view->n;
    for (size_t i = view->n; i-- > 0 && oai_view_sorted_at(view, i) == view->hi;)
        on += truth->twice[view->order[i]] != 0, all++,
            *out_peak = view->order[i]; /* the first in the picture is the last seen */
    return (double)on / (double)all;
}

double oai_max_within(const oai_view *view, const oai_truth *truth) {
    double top = -INFINITY;
    for (size_t i = 0; i < view->n; i++)
        if (truth->twice[i] && oai_view_at(view, i) > top) top = oai_view_at(view, i);
    return top;
}

/* ---- AVSBench ------------------------------------------------------------------------------------------------- */

double oai_mask_iou(const oai_counts *c, const oai_truth *truth) {
    const double eps = 1e-7;
    if (truth->area == 0) return (double)(truth->n - c->selected) / ((double)truth->n + eps);
    return (double)c->inside / ((double)(truth->area + c->outside) + eps);
}

/* torch.linspace(0, 1 - 1e-10, 255) in single precision, whose end rounds to 1; in double precision i/254. */
static double f_threshold(const oai_view *view, const oai_scoring *scoring, int32_t i) {
    const float step = 1.0f / 254;
    if (!(scoring->published && view->single)) return (double)i / (OAI_F_STEPS - 1);
    return (double)(i < 127 ? step * (float)i : fmaf(-step, (float)(OAI_F_STEPS - 1 - i), 1));
}

bool oai_f_curve(const oai_view *view, const oai_scoring *scoring, const oai_truth *truth, oai_sort_space *space,
                 double out_curve[OAI_F_STEPS]) {
    uint64_t tp = 0;
    uint32_t *in = space->items; /* of pixels order[i..n), as a profile has it, of any truth */
    if (truth->area == 0) return false;
    for (size_t i = view->n; i-- > 0;) in[i] = (uint32_t)(tp += truth->twice[view->order[i]] != 0);
    for (int32_t k = 0; k < OAI_F_STEPS; k++) {
        size_t below =
            oai_view_below(view, oai_view_cutoff(view, scoring, OAI_PREDICATE_GE, f_threshold(view, scoring, k)));
        double hits = below < view->n ? in[below] : 0;
        double precision = hits / ((double)(view->n - below) + 1e-20), recall = hits / ((double)truth->area + 1e-20);
        double lower = 0.3 * precision + recall;
        out_curve[k] = lower > 0 ? 1.3 * precision * recall / lower : 0;
    }
    return true;
}

/* ---- aggregates ----------------------------------------------------------------------------------------------- */

double oai_success(const double *values, size_t n, double threshold) {
    size_t passed = 0;
    for (size_t i = 0; i < n; i++) passed += values[i] >= threshold;
    return n ? (double)passed / (double)n : 0;
}

double oai_auc(const double *values, size_t n) {
    double area = 0, x = 0, y = oai_success(values, n, 0);
    for (int32_t i = 1; i <= 20; i++) {
        double next_x = 0.05 * i, next_y = oai_success(values, n, next_x);
        area += (next_x - x) * (next_y + y) / 2;
        x = next_x, y = next_y;
    }
    return area;
}

double oai_auc_of_one(double value) { return oai_auc(&value, 1); }

double oai_mean_sorted(const double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return n ? sum / (double)n : 0;
}

/* ---- assignment ----------------------------------------------------------------------------------------------- */

double oai_assign_best(const double *score, uint32_t n_maps, uint32_t n_sources, int32_t *out_map_of) {
    /* best[k][taken]: the most that maps 0..k-1 can make of the sources `taken` */
    double best[OAI_ASSIGN_MAX + 1][1 << OAI_ASSIGN_MAX];
    int8_t choice[OAI_ASSIGN_MAX + 1][1 << OAI_ASSIGN_MAX];
    uint32_t all = 1u << n_sources, last = 0;
    for (uint32_t t = 0; t < all; t++) best[0][t] = t ? -1 : 0;
    for (uint32_t k = 1; k <= n_maps; k++) {
        for (uint32_t t = 0; t < all; t++) {
            best[k][t] = best[k - 1][t], choice[k][t] = -1;
            for (uint32_t s = 0; s < n_sources; s++) {
                if (!(t >> s & 1) || best[k - 1][t & ~(1u << s)] < 0) continue;
                double total = best[k - 1][t & ~(1u << s)] + score[(k - 1) * n_sources + s];
                if (total > best[k][t]) best[k][t] = total, choice[k][t] = (int8_t)s;
            }
        }
    }
    for (uint32_t t = 1; t < all; t++)
        if (best[n_maps][t] > best[n_maps][last] ||
            (best[n_maps][t] == best[n_maps][last] && __builtin_popcount(t) > __builtin_popcount(last)))
            last = t;
    double total = best[n_maps][last];
    for (uint32_t s = 0; s < n_sources; s++) out_map_of[s] = -1;
    for (uint32_t k = n_maps; k > 0; k--) {
        int32_t s = choice[k][last];
        if (s < 0) continue;
        out_map_of[s] = (int32_t)k - 1;
        last &= ~(1u << s);
    }
    return total;
}

uint32_t oai_assign_greedy(const double *score, uint32_t n_maps, uint32_t n_sources, int32_t *out_map_of,
                           int32_t *out_source_of) {
    uint32_t surplus = 0;
    for (uint32_t s = 0; s < n_sources; s++) out_map_of[s] = -1;
    for (uint32_t k = 0; k < n_maps; k++) {
        uint32_t best = 0;
        double top = -1;
        for (uint32_t s = 0; s < n_sources; s++) {
            double v = out_map_of[s] < 0 ? score[k * n_sources + s] : 0;
            if (v > top) top = v, best = s;
        }
        bool is_free = out_map_of[best] < 0;
        out_source_of[k] = is_free ? (int32_t)best : -1;
        if (is_free) out_map_of[best] = (int32_t)k;
        surplus += !is_free;
    }
    return surplus;
}
