#include "metric/truth.h"

#include <string.h>

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
static uint64_t flags(uint64_t bytes) {
    return ((((bytes & 0x7F7F7F7F7F7F7F7Fu) + 0x7F7F7F7F7F7F7F7Fu) | bytes) >> 7) & ONES;
}

static uint64_t word_at(const uint8_t *bytes, size_t n) { /* n < 8 at the end: zeros follow */
    uint64_t word = 0;
    if (n >= 8)
        memcpy(&word, bytes, 8);
    else
        memcpy(&word, bytes, n);
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

/* ---- counts ------------------------------------------------------------------------------------------------------
 */

/* In blocks: which pixels pass as bytes, then sums over words of them. */
static void count_block(const uint8_t *passing, const uint8_t *w, size_t n, bool is_count, oai_counts *c) {
    uint64_t selected = 0, inside = 0, twice = 0, above = 0;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t p, hit;
        memcpy(&p, passing + i, 8);
        hit = p & word_at(w + i, n - i);
        selected += pairs(p & ONES), inside += pairs(flags(hit)), twice += pairs(hit);
    }
    for (size_t i = 0; is_count && i < n; i++) above += passing[i] && w[i] > 2 ? w[i] - 2 : 0;
    c->selected += fold(selected), c->inside += fold(inside), c->twice_hit += fold(twice),
        c->clamped_hit += fold(twice) - above;
}

oai_counts oai_count(const oai_view *view, double cutoff, const oai_truth *truth) {
    uint8_t passing[8 * WORDS];
    oai_counts c = {0};
    if (cutoff > view->hi) return c;
    if (cutoff <= view->lo)
        return (oai_counts){view->n, truth->area, view->n - truth->area, truth->twice_sum, truth->clamped_sum};
    for (size_t first = 0; first < view->n; first += 8 * WORDS) {
        size_t n = view->n - first < 8 * WORDS ? view->n - first : 8 * WORDS;
        memset(passing + n / 8 * 8, 0, sizeof passing - n / 8 * 8);
        if (view->single) {
            float t = (float)cutoff; /* a cutoff of a single view is a float */
            for (size_t i = 0; i < n; i++) passing[i] = (uint8_t) - (view->f[first + i] >= t);
        } else {
            for (size_t i = 0; i < n; i++) passing[i] = (uint8_t) - (view->d[first + i] >= cutoff);
        }
        count_block(passing, truth->twice + first, n, truth->is_count, &c);
    }
    c.outside = c.selected - c.inside;
    return c;
}
