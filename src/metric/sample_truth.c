#include <math.h>

#include "metric/sample_parts.h"

static double clamp01(double v) { return v > 0 ? (v < 1 ? v : 1) : 0; }

/* Published numbers as fractions of the picture they are of: x0 y0 x1 y1. */
static void as_fractions(const oai_sample_cache *c, const oassl_metric_truth *t, const double *b, int32_t reading,
                         double out[4]) {
    const oassl_metric_sample *s = c->sample;
    double width = (double)s->width / (s->axis ? 1 : c->n_parts),
           height = (double)s->height / (s->axis ? c->n_parts : 1);
    for (int32_t i = 0; i < 4; i++) {
        static const double sides[] = {0, 1, 1, 256, 224};
        double side = t->numbers_are == OASSL_BOX_PIXELS ? (i & 1 ? height : width) : sides[t->numbers_are];
        double v = t->numbers_are >= OASSL_BOX_OF_256 ? trunc(b[i]) : b[i];
        if (t->numbers_are == OASSL_BOX_XYWH && reading != OAI_READ_AS_XYXY && i >= 2) v += b[i - 2];
        out[i] = clamp01(v / side);
    }
}

/* The same in pixels of a size x size picture: multiplied before divided, as the references do. */
static void as_pixels(const oai_sample_cache *c, const oassl_metric_truth *t, const double *b, int32_t reading,
                      int32_t out[4]) {
    const oassl_metric_sample *s = c->sample;
    double sum[4] = {b[0], b[1], b[0] + b[2], b[1] + b[3]},
           whole[4] = {trunc(b[0]), trunc(b[1]), trunc(b[2]), trunc(b[3])};
    switch (t->numbers_are) {
    case OASSL_BOX_NORMALISED: oai_box_to_pixels(b, 1, 1, c->size, out); return;
    case OASSL_BOX_OF_256: oai_box_to_pixels(whole, 256, 256, c->size, out); return;
    case OASSL_BOX_OF_224: oai_box_to_pixels(whole, 224, 224, c->size, out); return;
    case OASSL_BOX_PIXELS:
        oai_box_to_pixels(b, (double)s->width / (s->axis ? 1 : c->n_parts),
                          (double)s->height / (s->axis ? c->n_parts : 1), c->size, out);
        return;
    default: break;
    }
    oai_box_to_pixels(reading == OAI_READ_BOX ? sum : b, 1, 1, c->size, out);
    if (reading == OAI_READ_EACH) out[2] += out[0], out[3] += out[1];
}

/* Box i of a truth in pixels of the place. */
static void place_box(const oai_sample_cache *c, const oassl_metric_truth *t, uint32_t i, uint32_t part,
                      const oai_truth_key *key, int32_t out[4]) {
    const oassl_metric_sample *s = c->sample;
    int32_t size = c->size, along = s->axis ? 1 : 0;
    bool square = key->place == OAI_PLACE_SQUARE;
    if (t->numbers && square && c->n_parts > 1) {
        double f[4];
        as_fractions(c, t, t->numbers[i], key->reading, f);
        for (int32_t k = along; k < 4; k += 2) f[k] = (f[k] + part) / c->n_parts;
        oai_box_to_pixels(f, 1, 1, size, out);
        return;
    }
    if (t->numbers) {
        as_pixels(c, t, t->numbers[i], key->reading, out);
    } else {
        double b[4] = {t->boxes[i][0], t->boxes[i][1], t->boxes[i][2], t->boxes[i][3]};
        double sides[2] = {s->width, s->height};
        if (!square) {
            sides[along] /= c->n_parts;
            for (int32_t k = along; k < 4; k += 2) b[k] -= part * sides[along];
        }
        oai_box_to_pixels(b, sides[0], sides[1], size, out);
    }
    if (key->place == OAI_PLACE_CANVAS) out[along] += (int32_t)part * size, out[along + 2] += (int32_t)part * size;
}

/* Mask pixels at the place's pixel centres. */
static void paint_mask(const oai_sample_cache *c, const uint8_t *mask, const oai_truth_key *key, oai_truth *out) {
    const oassl_metric_sample *s = c->sample;
    int64_t h, w, whole_h, whole_w, y0 = 0, x0 = 0;
    oai_place_size(c, key->place, &h, &w);
    oai_place_size(c, key->place == OAI_PLACE_PART ? OAI_PLACE_CANVAS : key->place, &whole_h, &whole_w);
    if (key->place == OAI_PLACE_PART) *(s->axis ? &y0 : &x0) = (int64_t)key->part * c->size;
    for (int64_t y = 0; y < h; y++) {
        const uint8_t *row = mask + (2 * (y0 + y) + 1) * s->height / (2 * whole_h) * s->width;
        for (int64_t x = 0; x < w; x++)
            if (row[(2 * (x0 + x) + 1) * s->width / (2 * whole_w)]) out->twice[y * w + x] = 2;
    }
}

static void paint(const oai_sample_cache *c, const oassl_metric_truth *t, uint32_t part, const oai_truth_key *key,
                  oai_truth *out) {
    int64_t h, w;
    oai_place_size(c, key->place, &h, &w);
    if (t->mask) {
        paint_mask(c, t->mask, key, out);
        return;
    }
    for (uint32_t i = 0; i < t->n_boxes; i++) {
        int32_t box[4];
        place_box(c, t, i, part, key, box);
        oai_truth_paint(out, (int32_t)w, box);
    }
}

static oassl_status truth_room(const oai_host *host, size_t n, size_t *room, oai_truth *truth) {
    if (*room < n) {
        oai_truth_free(host, truth);
        *room = 0;
        OAI_TRY(oai_truth_create(host, n, truth));
        *room = n;
    }
    truth->n = n;
    oai_truth_clear(truth);
    return OASSL_STATUS_OK;
}

static bool is_consensus(const oai_sample_cache *c, const oassl_metric_truth *t) {
    return !t->mask && (t->consensus || c->truth_rule == OASSL_TRUTH_CONSENSUS);
}

oassl_status oai_sample_cache_truth(oai_sample_cache *c, oai_truth_key key, oai_truth **out_truth) {
    /* one spelling for each truth */
    if (c->n_parts == 1) key.place = OAI_PLACE_SQUARE;
    if (c->n_parts == 1 && c->sample->n_sources == 1) key.source = 0;
    if (!c->has_xywh) key.reading = OAI_READ_BOX;
    if (key.source >= 0) key.part = (int32_t)c->part_of[key.source];
    if (c->n_parts == 1 || (key.source < 0 && key.place != OAI_PLACE_PART)) key.part = 0;
    for (uint32_t i = 0; i < c->n_truths; i++) {
        const oai_truth_key *k = &c->truths[i]->key;
        if (k->source == key.source && k->rule == key.rule && k->reading == key.reading && k->place == key.place &&
            k->part == key.part)
            return *out_truth = &c->truths[i]->truth, OASSL_STATUS_OK;
    }
    if (c->n_truths == c->n_kept_truths) {
        kept_truth **truths =
            oai_grow(c->host, c->truths, c->n_truths * sizeof *truths, (c->n_truths + 1) * sizeof *truths);
        if (!truths) return oai_no_memory(c->n_truths * sizeof *truths, "a metric's truth");
        c->truths = truths;
        c->truths[c->n_truths] = oai_calloc(c->host, 1, sizeof **truths);
        if (!c->truths[c->n_truths]) return oai_no_memory(sizeof **truths, "a metric's truth");
        c->n_kept_truths++;
    }
    kept_truth *e = c->truths[c->n_truths];
    int64_t h, w;
    bool consensus = false;
    oai_place_size(c, key.place, &h, &w);
    OAI_TRY(truth_room(c->host, (size_t)(h * w), &e->room, &e->truth));
    for (uint32_t i = 0; i < c->sample->n_sources; i++) {
        if (key.source >= 0 ? (int32_t)i != key.source
                            : key.place == OAI_PLACE_PART && c->part_of[i] != (uint32_t)key.part)
            continue;
        paint(c, &c->sample->sources[i], c->part_of[i], &key, &e->truth);
        consensus = consensus || is_consensus(c, &c->sample->sources[i]);
    }
    oai_truth_finish(&e->truth, consensus ? OAI_TRUTH_CONSENSUS : key.rule);
    e->key = key;
    c->n_truths++;
    *out_truth = &e->truth;
    return OASSL_STATUS_OK;
}

oassl_status oai_sample_cache_silent(oai_sample_cache *c, uint32_t index, oai_truth **out_truth) {
    const oassl_metric_truth *t = &c->sample->silent[index];
    size_t n = (size_t)c->size * (size_t)c->size, room = c->silent.twice ? n : 0;
    oai_truth_key key = {-1, OAI_TRUTH_UNION, OAI_READ_BOX, OAI_PLACE_SQUARE, 0};
    OAI_TRY(truth_room(c->host, n, &room, &c->silent));
    paint(c, t, oai_part_of_truth(c, t), &key, &c->silent);
    oai_truth_finish(&c->silent, OAI_TRUTH_UNION);
    *out_truth = &c->silent;
    return OASSL_STATUS_OK;
}
