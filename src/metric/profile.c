#include "metric/profile.h"

#include <string.h>

bool oai_truth_is_whole(const oai_truth *truth) { return !truth->is_count && truth->twice_sum == 2 * truth->area; }

/* ---- rings -------------------------------------------------------------------------------------------------------
 */

static int32_t n_rings(int32_t side) { return (side + 1) / 2; }
static size_t pixels_to(int32_t ring, int32_t side) {
    size_t width = (size_t)(2 * ring + 2 - side % 2);
    return width * width;
}

/* Truth in each ring.  A row adds its middle part, up to its own distance, to one ring; the pixels further out belong
 * to the rings of their columns. */
static void count_rings(const oai_truth *truth, int32_t side, uint32_t *out_ring) {
    uint32_t columns[2048] = {0};
    int32_t left = (side - 1) / 2, right = side / 2;
    memset(out_ring, 0, (size_t)n_rings(side) * sizeof *out_ring);
    for (int32_t y = 0; y < side; y++) {
        const uint8_t *row = truth->twice + (size_t)y * (size_t)side;
        int32_t ring = y <= left ? left - y : y - right;
        uint32_t sum = 0;
        for (int32_t x = left - ring; x <= right + ring; x++) sum += row[x];
        out_ring[ring] += sum / 2;
        for (int32_t x = 0; x < left - ring; x++) columns[x] += row[x];
        for (int32_t x = right + ring + 1; x < side; x++) columns[x] += row[x];
    }
    for (int32_t x = 0; x < side; x++) out_ring[x <= left ? left - x : x - right] += columns[x] / 2;
}

static void fill_rings(const oai_view *view, const oai_truth *truth, oai_profile *profile) {
    uint32_t ring[1024], in = 0;
    count_rings(truth, view->rings, ring);
    profile->in[view->n] = 0;
    for (int32_t r = 0; r < n_rings(view->rings); r++)
        profile->in[view->n - pixels_to(r, view->rings)] = in += ring[r];
}

static double rings_ap(const oai_view *view, const oai_profile *profile) {
    double ap = 0;
    uint32_t before = 0;
    for (int32_t r = 0; r < n_rings(view->rings); r++) {
        size_t n = pixels_to(r, view->rings);
        uint32_t in = profile->in[view->n - n];
        ap += (double)(in - before) * ((double)in / (double)n);
        before = in;
    }
    return before ? ap / (double)before : 0;
}

/* ---- any view ----------------------------------------------------------------------------------------------------
 */

void oai_profile_fill(const oai_view *view, const oai_truth *truth, oai_profile *profile) {
    uint32_t in = 0, *out = profile->in;
    const uint32_t *order = view->order;
    const uint8_t *twice = truth->twice;
    out[view->n] = 0;
    if (view->lo == view->hi)
        out[0] = (uint32_t)truth->area; /* the only place a search can end at */
    else if (view->rings)
        fill_rings(view, truth, profile);
    else
        for (size_t i = view->n; i-- > 0;) out[i] = in += twice[order[i]] >> 1;
}

oai_counts oai_profile_count(const oai_view *view, double cutoff, const oai_profile *profile) {
    size_t low = oai_view_below(view, cutoff);
    uint64_t selected = view->n - low, in = profile->in[low];
    return (oai_counts){selected, in, selected - in, 2 * in, 2 * in};
}

/* Without ties the k-th pixel of the truth from the top adds k over its rank. */
static double distinct_ap(const uint32_t *in, size_t n, uint32_t *ranks) {
    double ap[4] = {0};
    size_t found = 0, whole;
    for (size_t i = n; i-- > 0;) ranks[found] = (uint32_t)(n - i), found += in[i] != in[i + 1];
    whole = found / 4 * 4;
    for (size_t k = 0; k < whole; k += 4)
        for (size_t j = 0; j < 4; j++) ap[j] += (double)(int32_t)(k + j + 1) / (double)(int32_t)ranks[k + j];
    for (size_t k = whole; k < found; k++) ap[0] += (double)(k + 1) / (double)ranks[k];
    return (ap[0] + ap[1]) + (ap[2] + ap[3]);
}

/* Only values that pixels of the truth have make steps: those are listed first, without a branch to guess. */
static double tied_ap(const oai_view *view, const uint32_t *in, uint32_t *places) {
    double ap = 0;
    size_t n = view->n, n_steps = 0;
    for (size_t i = n; i-- > 0;) places[n_steps] = (uint32_t)i, n_steps += in[i] != in[i + 1];
    for (size_t k = 0; k < n_steps;) {
        size_t i = places[k];
        double value = oai_view_sorted_at(view, i);
        uint32_t above = in[i] - 1;
        while (i > 0 && oai_view_sorted_at(view, i - 1) == value) i--; /* down to the last of equals, whatever it is */
        for (k++; k < n_steps && places[k] >= i;) k++;
        ap += (double)(in[i] - above) * ((double)in[i] / (double)(n - i));
    }
    return ap;
}

double oai_profile_ap(const oai_view *view, const oai_profile *profile, oai_sort_space *space) {
    const uint32_t *in = profile->in;
    if (in[0] == 0) return 0;
    if (view->lo == view->hi) return (double)in[0] / (double)view->n;
    if (view->rings) return rings_ap(view, profile);
    return (view->has_ties ? tied_ap(view, in, space->items) : distinct_ap(in, view->n, space->items)) / (double)in[0];
}
