#include "metric/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- maps ----------------------------------------------------------------------------------------------------- */

/* Values are sorted by where they lie between the extremes, in 2^22 steps, then put right. */
enum { DIGIT = 11, RADIX = 1 << DIGIT, STEPS = 1 << 2 * DIGIT, FEW = 24 };

oassl_status oai_sort_space_create(const oai_host *host, size_t n, oai_sort_space *out_space) {
    *out_space = (oai_sort_space){.n = n};
    out_space->keys = oai_alloc(host, n * sizeof *out_space->keys);
    out_space->spare = oai_alloc(host, n * sizeof *out_space->spare);
    out_space->some = oai_alloc(host, n * sizeof *out_space->some);
    if (out_space->keys && out_space->spare && out_space->some) return OASSL_STATUS_OK;
    oai_sort_space_free(host, out_space);
    return oai_no_memory(24 * n, "sorting heat-maps");
}

void oai_sort_space_free(const oai_host *host, oai_sort_space *space) {
    oai_free(host, space->keys);
    oai_free(host, space->spare);
    oai_free(host, space->some);
    *space = (oai_sort_space){0};
}

oassl_status oai_view_create(const oai_host *host, size_t n, oai_view *out_view) {
    *out_view = (oai_view){.n = n};
    out_view->v = oai_alloc(host, n * sizeof *out_view->v);
    return out_view->v ? OASSL_STATUS_OK : oai_no_memory(n * sizeof *out_view->v, "a heat-map to score");
}

void oai_view_free(const oai_host *host, oai_view *view) {
    oai_free(host, view->v);
    oai_free(host, view->order);
    oai_free(host, view->sorted);
    *view = (oai_view){0};
}

/* Eight extremes side by side: one would wait for itself at every pixel. */
void oai_view_ready(oai_view *view) {
    enum { WIDE = 8 };
    double lo[WIDE], hi[WIDE];
    size_t whole = view->n / WIDE * WIDE;
    for (int32_t k = 0; k < WIDE; k++) lo[k] = hi[k] = view->v[0];
    for (size_t i = 0; i < whole; i += WIDE)
        for (int32_t k = 0; k < WIDE; k++) {
            double x = view->v[i + (size_t)k];
            lo[k] = x < lo[k] ? x : lo[k], hi[k] = x > hi[k] ? x : hi[k];
        }
    for (size_t i = whole; i < view->n; i++) lo[0] = view->v[i] < lo[0] ? view->v[i] : lo[0], hi[0] = view->v[i] > hi[0] ? view->v[i] : hi[0];
    for (int32_t k = 1; k < WIDE; k++) lo[0] = lo[k] < lo[0] ? lo[k] : lo[0], hi[0] = hi[k] > hi[0] ? hi[k] : hi[0];
    view->lo = lo[0], view->hi = hi[0];
    view->is_sorted = false;
}

/* Steps of equal width between the extremes: a value's step never falls when the value rises, rounding included. */
static double step_scale(const oai_view *view, int32_t steps) {
    double range = view->hi - view->lo, scale = (steps - 1) / range;
    return range > 0 && isfinite(range) && isfinite(scale) ? scale : 0;
}

static uint32_t step_of(const oai_view *view, double scale, double v) { return (uint32_t)(int32_t)((v - view->lo) * scale); }

typedef struct keyed {
    double value;
    uint32_t pixel;
} keyed;

static int by_value_then_pixel(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->pixel > y->pixel) - (x->pixel < y->pixel);
}

/* A crowded step, whose pixels are in the picture's order. */
static oassl_status sort_step(const oai_host *host, double *values, uint32_t *pixels, size_t n) {
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = values[i - 1] <= values[i];
    if (sorted) return OASSL_STATUS_OK;
    keyed *keys = oai_alloc(host, n * sizeof *keys);
    if (!keys) return oai_no_memory(n * sizeof *keys, "sorting a heat-map");
    for (size_t i = 0; i < n; i++) keys[i] = (keyed){values[i], pixels[i]};
    qsort(keys, n, sizeof *keys, by_value_then_pixel);
    for (size_t i = 0; i < n; i++) values[i] = keys[i].value, pixels[i] = keys[i].pixel;
    oai_free(host, keys);
    return OASSL_STATUS_OK;
}

/* By insertion: values are in their steps already, so none moves far. */
static void insert_all(double *values, uint32_t *pixels, size_t n) {
    for (size_t i = 1; i < n; i++) {
        double v = values[i];
        uint32_t p = pixels[i];
        size_t k = i;
        for (; k > 0 && values[k - 1] > v; k--) values[k] = values[k - 1], pixels[k] = pixels[k - 1];
        values[k] = v, pixels[k] = p;
    }
}

static oassl_status need_order(const oai_host *host, oai_view *view) {
    if (!view->order) view->order = oai_alloc(host, view->n * sizeof *view->order);
    if (!view->sorted) view->sorted = oai_alloc(host, view->n * sizeof *view->sorted);
    return view->order && view->sorted ? OASSL_STATUS_OK : oai_no_memory(view->n * 12, "a heat-map's order");
}

/* One pass of a radix sort: stable, so that equal values stay in the picture's order. */
static void pass(const uint64_t *from, uint64_t *to, size_t n, int32_t shift, uint32_t count[RADIX]) {
    uint32_t total = 0;
    for (int32_t b = 0; b < RADIX; b++) {
        uint32_t here = count[b];
        count[b] = total, total += here;
    }
    for (size_t i = 0; i < n; i++) to[count[from[i] >> shift & (RADIX - 1)]++] = from[i];
}

/* Puts values right that share a step; most are alone in theirs. */
static oassl_status sort_within_steps(const oai_host *host, oai_view *view, const uint64_t *keys) {
    for (size_t i = 1; i < view->n; i++) {
        if (view->sorted[i - 1] <= view->sorted[i]) continue;
        size_t first = i - 1, last = i + 1;
        while (first > 0 && keys[first - 1] >> 32 == keys[i] >> 32) first--;
        while (last < view->n && keys[last] >> 32 == keys[i] >> 32) last++;
        if (last - first > FEW) OAI_TRY(sort_step(host, view->sorted + first, view->order + first, last - first));
        else insert_all(view->sorted + first, view->order + first, last - first);
        i = last - 1;
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_view_sort(const oai_host *host, oai_view *view, oai_sort_space *space) {
    if (view->is_sorted) return OASSL_STATUS_OK;
    OAI_TRY(need_order(host, view));
    uint64_t *keys = space->keys;
    uint32_t low[RADIX] = {0}, high[RADIX] = {0};
    double scale = step_scale(view, STEPS);
    size_t n = view->n;
    for (size_t i = 0; i < n; i++) {
        uint32_t step = step_of(view, scale, view->v[i]);
        keys[i] = (uint64_t)step << 32 | i;
        low[step & (RADIX - 1)]++, high[step >> DIGIT]++;
    }
    pass(keys, space->spare, n, 32, low);
    pass(space->spare, keys, n, 32 + DIGIT, high);
    for (size_t i = 0; i < n; i++) view->order[i] = (uint32_t)keys[i], view->sorted[i] = view->v[(uint32_t)keys[i]];
    OAI_TRY(sort_within_steps(host, view, keys));
    view->is_sorted = true;
    return OASSL_STATUS_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double oai_view_rank(const oai_view *view, size_t rank, oai_sort_space *space) {
    if (view->is_sorted) return view->sorted[rank];
    if (view->lo == view->hi) return view->lo;
    uint32_t counts[RADIX] = {0}, b = 0, *steps = (uint32_t *)space->keys;
    double scale = step_scale(view, RADIX);
    size_t before = 0, n = 0;
    for (size_t i = 0; i < view->n; i++) steps[i] = step_of(view, scale, view->v[i]);
    for (size_t i = 0; i < view->n; i++) counts[steps[i]]++;
    while (before + counts[b] <= rank) before += counts[b++];
    for (size_t i = 0; i < view->n; i++)
        if (steps[i] == b) space->some[n++] = view->v[i];
    qsort(space->some, n, sizeof *space->some, by_value);
    return space->some[rank - before];
}

double oai_score_of(const oai_view *view, const oai_scoring *scoring, double v) {
    double range = view->hi - view->lo;
    switch (scoring->kind) {
    case OAI_SCORE_MINMAX: return range == 0 ? v : (v - view->lo) / range;
    case OAI_SCORE_NEGATED: return range == 0 ? v : 1 - (view->hi - v) / range;
    case OAI_SCORE_COSINE: return (v + 1 / scoring->tau) / (2 / scoring->tau);
    case OAI_SCORE_SIGMOID: return 1 / (1 + exp(-(v + scoring->bias)));
    default: return v;
    }
}

double oai_view_top_quarter(const oai_view *view, const oai_scoring *scoring, oai_sort_space *space) {
    size_t top = view->n / 4 ? view->n / 4 : 1, above = 0;
    double t = oai_view_rank(view, view->n - top, space), sum = 0;
    for (size_t i = 0; i < view->n; i++)
        if (view->v[i] > t) sum += oai_score_of(view, scoring, view->v[i]), above++;
    return (sum + (double)(top - above) * oai_score_of(view, scoring, t)) / (double)top;
}

/* Integers in the order of the doubles, and back. */
static uint64_t sortable(double v) {
    uint64_t bits;
    v += 0.0; /* one zero */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double from_sortable(uint64_t key) {
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static bool passes(double score, int32_t predicate, double t) {
    if (predicate == OAI_PREDICATE_GE) return score >= t;
    return score > t || (predicate == OAI_PREDICATE_GT_OR_ONE && score >= 1);
}

double oai_view_cutoff(const oai_view *view, const oai_scoring *scoring, int32_t predicate, double threshold) {
    uint64_t fails = sortable(view->lo), good = sortable(view->hi);
    if (passes(oai_score_of(view, scoring, view->lo), predicate, threshold)) return view->lo;
    if (!passes(oai_score_of(view, scoring, view->hi), predicate, threshold)) return INFINITY;
    while (good - fails > 1) {
        uint64_t middle = fails + (good - fails) / 2;
        if (passes(oai_score_of(view, scoring, from_sortable(middle)), predicate, threshold)) good = middle;
        else fails = middle;
    }
    return from_sortable(good);
}

/* ---- truth ---------------------------------------------------------------------------------------------------- */

oassl_status oai_truth_create(const oai_host *host, size_t n, oai_truth *out_truth) {
    *out_truth = (oai_truth){.n = n, .twice = oai_calloc(host, n, 1)};
    return out_truth->twice ? OASSL_STATUS_OK : oai_no_memory(n, "a metric's truth");
}

void oai_truth_free(const oai_host *host, oai_truth *truth) {
    oai_free(host, truth->twice);
    *truth = (oai_truth){0};
}

void oai_truth_clear(oai_truth *truth) {
    memset(truth->twice, 0, truth->n);
    truth->twice_sum = truth->area = truth->clamped_sum = 0;
}

static int32_t to_pixel(double v, double side, int32_t size) {
    double clamped = v > 0 ? (v < side ? v : side) : 0; /* NaN becomes 0 */
    return (int32_t)(clamped * size / side);
}

void oai_box_to_pixels(const double box[4], double width, double height, int32_t size, int32_t out_box[4]) {
    for (int32_t i = 0; i < 4; i++) out_box[i] = to_pixel(box[i], i & 1 ? height : width, size);
}

void oai_truth_paint(oai_truth *truth, int32_t width, const int32_t box[4]) {
    int32_t height = (int32_t)(truth->n / (size_t)width);
    int32_t x0 = box[0] < 0 ? 0 : box[0], x1 = box[2] > width ? width : box[2];
    int32_t y0 = box[1] < 0 ? 0 : box[1], y1 = box[3] > height ? height : box[3];
    for (int32_t y = y0; y < y1; y++)
        for (int32_t x = x0; x < x1; x++) {
            uint8_t *w = &truth->twice[(size_t)y * (size_t)width + (size_t)x];
            if (*w < 254) *w = (uint8_t)(*w + 2);
        }
}

/* Eight bytes at a time; sums in 16-bit lanes, which 128 words cannot overflow. */
enum { WORDS = 128 };
#define LANES 0x00FF00FF00FF00FFu
#define ONES 0x0101010101010101u

static uint64_t fold(uint64_t lanes) {
    lanes = (lanes & 0x0000FFFF0000FFFFu) + (lanes >> 16 & 0x0000FFFF0000FFFFu);
    return (lanes & 0xFFFFFFFFu) + (lanes >> 32);
}

static uint64_t pairs(uint64_t bytes) { return (bytes & LANES) + (bytes >> 8 & LANES); }

/* 1 in each byte that is not 0. */
static uint64_t flags(uint64_t bytes) { return ((((bytes & 0x7F7F7F7F7F7F7F7Fu) + 0x7F7F7F7F7F7F7F7Fu) | bytes) >> 7) & ONES; }

static uint64_t word_at(const uint8_t *bytes, size_t n) { /* n < 8 at the end: zeros follow */
    uint64_t word = 0;
    if (n >= 8) memcpy(&word, bytes, 8);
    else memcpy(&word, bytes, n);
    return word;
}

void oai_truth_finish(oai_truth *truth, int32_t rule) {
    uint8_t *w = truth->twice;
    if (rule == OAI_TRUTH_CONSENSUS)
        for (size_t i = 0; i < truth->n; i++) w[i] /= 2;
    if (rule != OAI_TRUTH_COUNT)
        for (size_t i = 0; i < truth->n; i++) w[i] = w[i] > 2 ? 2 : w[i];
    truth->twice_sum = truth->area = truth->clamped_sum = 0;
    for (size_t first = 0; first < truth->n; first += 8 * WORDS) {
        size_t n = truth->n - first < 8 * WORDS ? truth->n - first : 8 * WORDS;
        uint64_t words[WORDS] = {0}, sum = 0, area = 0, above = 0;
        memcpy(words, w + first, n);
        for (size_t i = 0; i < WORDS; i++) sum += pairs(words[i]);
        for (size_t i = 0; rule != OAI_TRUTH_UNION && i < WORDS; i++) area += pairs(flags(words[i]));
        for (size_t i = first; rule == OAI_TRUTH_COUNT && i < first + n; i++) above += w[i] > 2 ? w[i] - 2 : 0;
        truth->twice_sum += fold(sum), truth->area += rule == OAI_TRUTH_UNION ? fold(sum) / 2 : fold(area);
        truth->clamped_sum += fold(sum) - above;
    }
    truth->is_count = rule == OAI_TRUTH_COUNT;
}

/* ---- one map against one truth -------------------------------------------------------------------------------- */

/* In blocks: which pixels pass as bytes, then sums over words of them. */
oai_counts oai_count(const oai_view *view, double cutoff, const oai_truth *truth) {
    uint8_t passing[8 * WORDS];
    oai_counts c = {0};
    if (cutoff > view->hi) return c;
    if (cutoff <= view->lo)
        return (oai_counts){view->n, truth->area, view->n - truth->area, truth->twice_sum, truth->clamped_sum};
    for (size_t first = 0; first < view->n; first += 8 * WORDS) {
        size_t n = view->n - first < 8 * WORDS ? view->n - first : 8 * WORDS;
        const double *v = view->v + first;
        const uint8_t *w = truth->twice + first;
        uint64_t selected = 0, inside = 0, twice = 0, above = 0;
        memset(passing + n / 8 * 8, 0, sizeof passing - n / 8 * 8);
        for (size_t i = 0; i < n; i++) passing[i] = (uint8_t)-(v[i] >= cutoff);
        for (size_t i = 0; i < n; i += 8) {
            uint64_t p, hit;
            memcpy(&p, passing + i, 8);
            hit = p & word_at(w + i, n - i);
            selected += pairs(p & ONES), inside += pairs(flags(hit)), twice += pairs(hit);
        }
        for (size_t i = 0; truth->is_count && i < n; i++) above += passing[i] && w[i] > 2 ? w[i] - 2 : 0;
        c.selected += fold(selected), c.inside += fold(inside), c.twice_hit += fold(twice), c.clamped_hit += fold(twice) - above;
    }
    c.outside = c.selected - c.inside;
    return c;
}

double oai_ciou(const oai_counts *c, const oai_truth *truth) {
    uint64_t whole = truth->twice_sum + 2 * c->outside;
    return whole ? (double)c->twice_hit / (double)whole : 0;
}

double oai_pixel_ap(const oai_view *view, const oai_truth *truth) {
    double ap = 0, found = 0, total = 0.5 * (double)truth->clamped_sum;
    if (truth->clamped_sum == 0) return 0;
    if (view->lo == view->hi) return total / (double)view->n;
    for (size_t i = view->n; i > 0;) {
        double value = view->sorted[i - 1];
        uint32_t step = 0;
        for (; i > 0 && view->sorted[i - 1] == value; i--) {
            uint8_t w = truth->twice[view->order[i - 1]];
            step += w > 2 ? 2 : w;
        }
        if (step == 0) continue;
        found += 0.5 * step;
        ap += 0.5 * step / total * (found / (double)(view->n - i));
    }
    return ap;
}

bool oai_truth_is_whole(const oai_truth *truth) { return !truth->is_count && truth->twice_sum == 2 * truth->area; }

void oai_profile(const oai_view *view, const oai_truth *truth, uint32_t *out_in) {
    uint32_t in = 0;
    out_in[view->n] = 0;
    for (size_t i = view->n; i-- > 0;) out_in[i] = in += truth->twice[view->order[i]] >> 1;
}

oai_counts oai_profile_count(const oai_view *view, double cutoff, const uint32_t *in) {
    size_t low = 0, high = view->n; /* the first that passes lies in low..high */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->sorted[middle] >= cutoff) high = middle;
        else low = middle + 1;
    }
    uint64_t selected = view->n - low;
    return (oai_counts){selected, in[low], selected - in[low], 2 * (uint64_t)in[low], 2 * (uint64_t)in[low]};
}

/* Only values that pixels of the truth have make steps: those are listed first, without a branch to guess. */
double oai_profile_ap(const oai_view *view, const uint32_t *in, uint32_t *scratch) {
    double ap = 0;
    size_t n = view->n, n_steps = 0;
    if (in[0] == 0) return 0;
    if (view->lo == view->hi) return (double)in[0] / (double)n;
    for (size_t i = n; i-- > 0;) scratch[n_steps] = (uint32_t)i, n_steps += in[i] != in[i + 1];
    for (size_t k = 0; k < n_steps;) {
        size_t i = scratch[k];
        double value = view->sorted[i];
        uint32_t above = in[i] - 1;
        while (i > 0 && view->sorted[i - 1] == value) i--; /* down to the last of equals, whatever it is */
        for (k++; k < n_steps && scratch[k] >= i;) k++;
        ap += (double)(in[i] - above) * ((double)in[i] / (double)(n - i));
    }
    return ap / (double)in[0];
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
    for (size_t i = 0; i < view->n; i++) taken[truth->twice[i]]++, hit[truth->twice[i]] += view->v[i] >= cutoff;
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
    for (size_t i = view->n; i-- > 0 && view->sorted[i] == view->hi;)
        on += truth->twice[view->order[i]] != 0, all++, *out_peak = view->order[i]; /* the first in the picture is the last seen */
    return (double)on / (double)all;
}

double oai_max_within(const oai_view *view, const oai_truth *truth) {
    double top = -INFINITY;
    for (size_t i = 0; i < view->n; i++)
        if (truth->twice[i] && view->v[i] > top) top = view->v[i];
    return top;
}

/* ---- AVSBench ------------------------------------------------------------------------------------------------- */

double oai_mask_iou(const oai_counts *c, const oai_truth *truth) {
    const double eps = 1e-7;
    if (truth->area == 0) return (double)(truth->n - c->selected) / ((double)truth->n + eps);
    return (double)c->inside / ((double)(truth->area + c->outside) + eps);
}

bool oai_f_curve(const oai_view *view, const oai_scoring *scoring, const oai_truth *truth, double out_curve[OAI_F_STEPS]) {
    enum { LAST = OAI_F_STEPS - 1 };
    uint64_t taken[OAI_F_STEPS] = {0}, hits[OAI_F_STEPS] = {0}, n = 0, tp = 0;
    if (truth->area == 0) return false;
    for (size_t i = 0; i < view->n; i++) { /* each pixel passes thresholds 0..k */
        double p = oai_score_of(view, scoring, view->v[i]);
        if (!(p >= 0)) continue;
        int32_t k = p >= 1 ? LAST : (int32_t)(p * LAST);
        while (k < LAST && p >= (double)(k + 1) / LAST) k++;
        while (k > 0 && p < (double)k / LAST) k--;
        taken[k]++, hits[k] += truth->twice[i] != 0;
    }
    for (int32_t k = LAST; k >= 0; k--) {
        n += taken[k], tp += hits[k];
        double precision = (double)tp / ((double)n + 1e-20), recall = (double)tp / ((double)truth->area + 1e-20);
        double below = 0.3 * precision + recall;
        out_curve[k] = below > 0 ? 1.3 * precision * recall / below : 0;
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
