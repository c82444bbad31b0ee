#include "metric/scores.h"

#include <math.h>
#include <string.h>

/* ---- maps ----------------------------------------------------------------------------------------------------- */

oassl_status oai_scored_map_create(const oai_host *host, size_t n, oai_scored_map *out_map) {
    *out_map = (oai_scored_map){.n = n};
    out_map->raw = oai_calloc(host, n, sizeof *out_map->raw);
    out_map->scaled = oai_calloc(host, n, sizeof *out_map->scaled);
    out_map->order = oai_calloc(host, n, sizeof *out_map->order);
    if (out_map->raw && out_map->scaled && out_map->order) return OASSL_STATUS_OK;
    oai_scored_map_free(host, out_map);
    return oai_no_memory(20 * n, "a heat-map to score");
}

void oai_scored_map_free(const oai_host *host, oai_scored_map *map) {
    oai_free(host, map->raw);
    oai_free(host, map->scaled);
    oai_free(host, map->order);
    *map = (oai_scored_map){0};
}

void oai_minmax(double *map, size_t n) {
    double lo = map[0], hi = map[0];
    for (size_t i = 1; i < n; i++) lo = map[i] < lo ? map[i] : lo, hi = map[i] > hi ? map[i] : hi;
    if (hi == lo) return;
    for (size_t i = 0; i < n; i++) map[i] = (map[i] - lo) / (hi - lo);
}

/* Unsigned integers in the order of the doubles; adding 0 makes the two zeros one. */
static uint64_t sortable(double v) {
    uint64_t bits;
    v += 0.0;
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* Stable radix sort of pixel numbers by key, 11 bits a pass; passes in which all keys agree are skipped. */
static void sort_pixels(const uint64_t *keys, size_t n, uint32_t *order, uint32_t *spare) {
    enum { BITS = 11, BUCKETS = 1 << BITS };
    uint32_t *from = order, *to = spare;
    for (size_t i = 0; i < n; i++) from[i] = (uint32_t)i;
    for (int32_t shift = 0; shift < 64; shift += BITS) {
        uint32_t start[BUCKETS] = {0}, total = 0;
        for (size_t i = 0; i < n; i++) start[keys[i] >> shift & (BUCKETS - 1)]++;
        if (start[keys[0] >> shift & (BUCKETS - 1)] == n) continue;
        for (int32_t b = 0; b < BUCKETS; b++) {
            uint32_t count = start[b];
            start[b] = total, total += count;
        }
        for (size_t i = 0; i < n; i++) to[start[keys[from[i]] >> shift & (BUCKETS - 1)]++] = from[i];
        uint32_t *swap = from;
        from = to, to = swap;
    }
    if (from != order) memcpy(order, from, n * sizeof *order);
}

void oai_scored_map_prepare(oai_scored_map *map, uint64_t *keys, uint32_t *spare) {
    for (size_t i = 0; i < map->n; i++) keys[i] = sortable(map->raw[i]);
    sort_pixels(keys, map->n, map->order, spare);
    memcpy(map->scaled, map->raw, map->n * sizeof *map->raw);
    oai_minmax(map->scaled, map->n);
}

/* ---- truth ---------------------------------------------------------------------------------------------------- */

static int32_t to_pixel(double v, double side, int32_t size) {
    double clamped = v > 0 ? (v < side ? v : side) : 0; /* NaN becomes 0 */
    return (int32_t)(clamped * size / side);
}

void oai_box_to_pixels(const float box[4], double width, double height, int32_t size, int32_t out_box[4]) {
    for (int32_t i = 0; i < 4; i++) out_box[i] = to_pixel(box[i], i & 1 ? height : width, size);
}

static void measure(oai_truth *truth, size_t n) {
    truth->sum = 0, truth->area = 0;
    for (size_t i = 0; i < n; i++) truth->sum += truth->weight[i], truth->area += truth->weight[i] != 0;
}

void oai_truth_from_boxes(const int32_t (*boxes)[4], uint32_t n_boxes, int32_t rule, int32_t size, oai_truth *truth) {
    size_t n = (size_t)size * (size_t)size;
    memset(truth->weight, 0, n * sizeof *truth->weight);
    for (uint32_t b = 0; b < n_boxes; b++)
        for (int32_t y = boxes[b][1]; y < boxes[b][3]; y++)
            for (int32_t x = boxes[b][0]; x < boxes[b][2]; x++) truth->weight[(size_t)y * size + x] += 1;
    for (size_t i = 0; i < n && rule != OAI_TRUTH_COUNT; i++) {
        double w = rule == OAI_TRUTH_CONSENSUS ? truth->weight[i] / 2 : truth->weight[i];
        truth->weight[i] = w > 1 ? 1 : w;
    }
    measure(truth, n);
}

void oai_truth_from_mask(const uint8_t *mask, int32_t width, int32_t height, int32_t size, oai_truth *truth) {
    for (int32_t y = 0; y < size; y++) {
        const uint8_t *row = mask + (int64_t)((2 * (int64_t)y + 1) * height / (2 * size)) * width;
        for (int32_t x = 0; x < size; x++)
            truth->weight[(size_t)y * size + x] = row[(2 * (int64_t)x + 1) * width / (2 * size)] != 0;
    }
    measure(truth, (size_t)size * (size_t)size);
}

/* ---- scores of one map ---------------------------------------------------------------------------------------- */

double oai_threshold_half(const oai_scored_map *map) { return map->scaled[map->order[map->n / 2]]; }

double oai_threshold_adaptive(const oai_scored_map *map, const oai_truth *truth) {
    size_t area = truth->area ? truth->area : map->n / 2;
    return map->scaled[map->order[map->n - (area ? area : 1)]];
}

bool oai_selected(double v, double threshold, int32_t predicate) {
    return predicate == OAI_PREDICATE_GE ? v >= threshold
                                         : v > threshold || (predicate == OAI_PREDICATE_GT_OR_ONE && v >= 1);
}

double oai_ciou(const oai_scored_map *map, double threshold, int32_t predicate, const oai_truth *truth) {
    double hit = 0, outside = 0;
    for (size_t i = 0; i < map->n; i++) {
        if (!oai_selected(map->scaled[i], threshold, predicate)) continue;
        hit += truth->weight[i];
        outside += truth->weight[i] == 0;
    }
    double whole = truth->sum + outside;
    return whole > 0 ? hit / whole : 0;
}

double oai_pixel_ap(const oai_scored_map *map, const oai_truth *truth) {
    double ap = 0, found = 0, taken = 0;
    if (truth->sum == 0) return 0;
    for (size_t i = map->n; i > 0;) {
        double value = map->raw[map->order[i - 1]], step = 0;
        for (; i > 0 && map->raw[map->order[i - 1]] == value; i--) step += truth->weight[map->order[i - 1]], taken++;
        found += step;
        ap += step / truth->sum * (found / taken);
    }
    return ap;
}

double oai_pointing(const oai_scored_map *map, const oai_truth *truth, size_t *out_peak) {
    double top = map->raw[map->order[map->n - 1]], on = 0, all = 0;
    for (size_t i = map->n; i > 0 && map->raw[map->order[i - 1]] == top; i--) {
        on += truth->weight[map->order[i - 1]] != 0, all++;
        *out_peak = map->order[i - 1]; /* the sort is stable: the last seen is the first in the picture */
    }
    return on / all;
}

double oai_max_within(const oai_scored_map *map, const oai_truth *truth) {
    double top = -INFINITY;
    for (size_t i = 0; i < map->n; i++)
        if (truth->weight[i] != 0 && map->raw[i] > top) top = map->raw[i];
    return top;
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
