#include "metric/sample_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapresize.h"

enum { MAX_SOURCES = OASSL_METRIC_MAX_SOURCES, MAX_BOXES = 64 };

typedef struct kept_view {
    oai_view_key key;
    oai_view view;
    size_t room;
    bool fixed; /* a baseline: the same for every sample */
} kept_view;

typedef struct kept_truth {
    oai_truth_key key;
    oai_truth truth;
    size_t room;
} kept_truth;

/* An answer given before; views and truths are told apart by address. */
typedef struct memo {
    const oai_view *view;
    const oai_truth *truth;
    double at;
    oai_counts counts;
    double ap;
} memo;

typedef struct kept_profile {
    const oai_view *view;
    const oai_truth *truth;
    uint32_t *in;
    size_t room;
} kept_profile;
enum { N_PROFILES = 16 }; /* beyond that, pixels are counted */
enum { N_MEMOS = 256 };

typedef struct dense_map {
    double *v;
    size_t room;
    int64_t h, w;
} dense_map;

struct oai_sample_cache {
    const oai_host *host;
    int32_t size;
    double tau;
    const oassl_metric_sample *sample;
    int32_t truth_rule;
    uint32_t n_parts, part_of[MAX_SOURCES];
    dense_map maps[MAX_SOURCES], object;
    kept_view **views; /* pointers: entries stay where they are when more are added */
    kept_truth **truths;
    uint32_t n_views, n_kept_views, n_truths, n_kept_truths;
    oai_truth silent;
    oai_sort_space space;
    memo counts[N_MEMOS], aps[N_MEMOS], ranks[N_MEMOS];
    uint32_t n_counts, n_aps, n_ranks, n_profiles;
    kept_profile profiles[N_PROFILES];
};

oassl_status oai_sample_cache_create(const oai_host *host, int32_t size, double tau, oai_sample_cache **out_cache) {
    oai_sample_cache *c = oai_calloc(host, 1, sizeof *c);
    *out_cache = NULL;
    if (!c) return oai_no_memory(sizeof *c, "a metric");
    c->host = host, c->size = size, c->tau = tau;
    oassl_status status = oai_sort_space_create(host, (size_t)size * (size_t)size, &c->space);
    if (status == OASSL_STATUS_OK) *out_cache = c;
    else oai_sample_cache_destroy(c);
    return status;
}

void oai_sample_cache_destroy(oai_sample_cache *c) {
    if (!c) return;
    for (uint32_t i = 0; i < c->n_kept_views; i++) {
        oai_view_free(c->host, &c->views[i]->view);
        oai_free(c->host, c->views[i]);
    }
    for (uint32_t i = 0; i < c->n_kept_truths; i++) {
        oai_truth_free(c->host, &c->truths[i]->truth);
        oai_free(c->host, c->truths[i]);
    }
    for (uint32_t i = 0; i < MAX_SOURCES; i++) oai_free(c->host, c->maps[i].v);
    for (uint32_t i = 0; i < N_PROFILES; i++) oai_free(c->host, c->profiles[i].in);
    oai_free(c->host, c->object.v);
    oai_free(c->host, c->views);
    oai_free(c->host, c->truths);
    oai_truth_free(c->host, &c->silent);
    oai_sort_space_free(c->host, &c->space);
    oai_free(c->host, c);
}

const oassl_metric_sample *oai_sample_cache_sample(const oai_sample_cache *c) { return c->sample; }
uint32_t oai_sample_cache_n_parts(const oai_sample_cache *c) { return c->n_parts; }
uint32_t oai_sample_cache_part_of(const oai_sample_cache *c, uint32_t source) { return c->part_of[source]; }
oai_sort_space *oai_sample_cache_space(oai_sample_cache *c) { return &c->space; }

/* ---- a sample's inputs ---------------------------------------------------------------------------------------- */

static oassl_status read_map(oai_sample_cache *c, const oassl_tensor *t, dense_map *out_map) {
    bool wide = t->dtype == OASSL_DTYPE_F64;
    if (!t->data || t->device != OASSL_DEVICE_CPU || (!wide && t->dtype != OASSL_DTYPE_F32) || t->rank != 2 ||
        t->shape[0] < 1 || t->shape[1] < 1)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH,
                        "expected F32 or F64 on the CPU of shape [h, w], found dtype %d, device %d, rank %d", t->dtype,
                        t->device, t->rank);
    int64_t h = t->shape[0], w = t->shape[1], dy = t->strides[0], dx = t->strides[1];
    if (dy == 0 && dx == 0) dy = w, dx = 1;
    if (h > 65536 || w > 65536)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "a map of %lld x %lld, at most 65536 a side", (long long)h, (long long)w);
    size_t n = (size_t)(h * w);
    if (n > out_map->room) {
        oai_free(c->host, out_map->v);
        out_map->room = 0;
        out_map->v = oai_alloc(c->host, n * sizeof *out_map->v);
        if (!out_map->v) return oai_no_memory(n * sizeof *out_map->v, "a heat-map");
        out_map->room = n;
    }
    bool fine = true;
    for (int64_t y = 0; y < h; y++) {
        double *row = out_map->v + y * w;
        const float *narrow = (const float *)t->data + (wide ? 0 : y * dy);
        if (wide) for (int64_t x = 0; x < w; x++) row[x] = ((const double *)t->data)[y * dy + x * dx];
        else if (dx == 1) for (int64_t x = 0; x < w; x++) row[x] = (double)narrow[x];
        else for (int64_t x = 0; x < w; x++) row[x] = (double)narrow[x * dx];
        for (int64_t x = 0; x < w; x++) fine &= row[x] - row[x] == 0;
    }
    out_map->h = h, out_map->w = w;
    for (int64_t i = 0; !fine && i < h * w; i++)
        if (!isfinite(out_map->v[i]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "%g at row %lld, column %lld", out_map->v[i], (long long)(i / w), (long long)(i % w));
    return OASSL_STATUS_OK;
}

static oassl_status check_truth(const oai_sample_cache *c, const oassl_metric_truth *t) {
    if (t->mask) return OASSL_STATUS_OK;
    if ((!t->boxes && !t->numbers) || t->n_boxes == 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "neither box nor mask");
    if (t->n_boxes > MAX_BOXES) return oai_fail(OASSL_STATUS_UNSUPPORTED, "%u boxes, at most %d", t->n_boxes, MAX_BOXES);
    if (t->numbers && (t->numbers_are < OASSL_BOX_PIXELS || t->numbers_are > OASSL_BOX_OF_224))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "numbers_are is %d, expected 0..4", t->numbers_are);
    if (t->numbers && t->part >= c->n_parts)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "part is %u, the picture has %u", t->part, c->n_parts);
    for (uint32_t i = 0; i < t->n_boxes && !t->numbers; i++) {
        const float *b = t->boxes[i];
        if (!(isfinite(b[0]) && isfinite(b[1]) && isfinite(b[2]) && isfinite(b[3]) && b[0] < b[2] && b[1] < b[3]))
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "box %u is [%g, %g, %g, %g], expected x0 < x1 and y0 < y1", i,
                            b[0], b[1], b[2], b[3]);
    }
    return OASSL_STATUS_OK;
}

/* The composed picture a truth lies in: that of its first box's middle, or of its mask's first pixel. */
static uint32_t find_part(const oai_sample_cache *c, const oassl_metric_truth *t) {
    const oassl_metric_sample *s = c->sample;
    double side = s->axis ? s->height : s->width, at = 0;
    if (c->n_parts == 1) return 0;
    if (t->numbers) return t->part;
    if (t->mask) {
        for (int64_t i = 0, n = (int64_t)s->width * s->height; i < n; i++)
            if (t->mask[i]) {
                at = (double)(s->axis ? i / s->width : i % s->width);
                break;
            }
    } else {
        at = 0.5 * ((double)t->boxes[0][s->axis ? 1 : 0] + (double)t->boxes[0][s->axis ? 3 : 2]);
    }
    double part = at * c->n_parts / side;
    return part <= 0 ? 0 : part >= c->n_parts ? c->n_parts - 1 : (uint32_t)part;
}

static oassl_status check_sample(const oassl_metric_sample *s) {
    if (s->n_maps > MAX_SOURCES || (s->n_maps && !s->maps))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u maps, expected 0..%d of them", s->n_maps, MAX_SOURCES);
    if (s->n_sources > MAX_SOURCES || (s->n_sources && !s->sources))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u sources, expected 0..%d of them", s->n_sources, MAX_SOURCES);
    if (s->n_silent && !s->silent)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "n_silent is %u, silent is NULL", s->n_silent);
    if (s->width < 1 || s->height < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "picture of %d x %d", s->width, s->height);
    if (s->n_parts > MAX_SOURCES) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u composed pictures, at most %d", s->n_parts, MAX_SOURCES);
    if (s->axis < 0 || s->axis > 1) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "axis is %d, expected 0 or 1", s->axis);
    if (s->confidence && !isfinite(*s->confidence))
        return oai_fail(OASSL_STATUS_NON_FINITE, "confidence is %g", *s->confidence);
    return OASSL_STATUS_OK;
}

static oassl_status grow_space(oai_sample_cache *c) {
    size_t n = (size_t)c->size * (size_t)c->size * c->n_parts;
    if (n <= c->space.n) return OASSL_STATUS_OK;
    oai_sort_space larger;
    OAI_TRY(oai_sort_space_create(c->host, n, &larger));
    oai_sort_space_free(c->host, &c->space);
    c->space = larger;
    return OASSL_STATUS_OK;
}

oassl_status oai_sample_cache_load(oai_sample_cache *c, const oassl_metric_sample *s, int32_t truth_rule) {
    uint32_t fixed = 0; /* baselines come first and stay */
    while (fixed < c->n_views && c->views[fixed]->fixed) fixed++;
    c->n_views = fixed, c->n_truths = c->n_counts = c->n_aps = c->n_ranks = c->n_profiles = 0;
    OAI_TRY(check_sample(s));
    c->sample = s, c->truth_rule = truth_rule, c->n_parts = s->n_parts ? s->n_parts : 1;
    OAI_TRY(grow_space(c));
    for (int32_t from = OAI_FROM_CENTRE; fixed == 0 && from >= OAI_FROM_WHOLE; from--) {
        oai_view *view;
        OAI_TRY(oai_sample_cache_view(c, (oai_view_key){.from = from}, &view));
        OAI_TRY(oai_view_sort(c->host, view, &c->space));
    }
    for (uint32_t i = 0; i < s->n_maps; i++) {
        oassl_status status = read_map(c, &s->maps[i], &c->maps[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "map %u", i);
    }
    if (s->object) {
        oassl_status status = read_map(c, s->object, &c->object);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "object map");
    }
    for (uint32_t i = 0; i < s->n_sources; i++) {
        oassl_status status = check_truth(c, &s->sources[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "source %u", i);
        c->part_of[i] = find_part(c, &s->sources[i]);
    }
    for (uint32_t i = 0; i < s->n_silent; i++) {
        oassl_status status = s->silent[i].twin ? check_truth(c, &s->silent[i]) : OASSL_STATUS_OK;
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "silent %u", i);
    }
    return OASSL_STATUS_OK;
}

/* ---- views ---------------------------------------------------------------------------------------------------- */

static bool same_key(const oai_view_key *a, const oai_view_key *b) {
    return a->from == b->from && a->resize == b->resize && a->object_resize == b->object_resize && a->place == b->place &&
           a->part == b->part && a->mix == b->mix && a->inverted == b->inverted && a->alpha == b->alpha;
}

static void canvas_of(const oai_sample_cache *c, int32_t place, int64_t *out_h, int64_t *out_w) {
    int64_t n = place == OAI_PLACE_CANVAS ? c->n_parts : 1;
    *out_h = c->size * (c->sample->axis ? n : 1);
    *out_w = c->size * (c->sample->axis ? 1 : n);
}

/* One spelling for each view: places agree without composition, kernels when nothing is resized. */
static oai_view_key plain_key(const oai_sample_cache *c, oai_view_key key) {
    int64_t h, w;
    if (c->n_parts == 1) key.place = OAI_PLACE_SQUARE;
    if (key.place != OAI_PLACE_PART) key.part = 0;
    if (key.mix != OAI_MIX_MINMAX && key.mix != OAI_MIX_SLAVC) key.alpha = 0, key.object_resize = 0;
    if (key.from <= OAI_FROM_CENTRE) key = (oai_view_key){.from = key.from};
    canvas_of(c, key.place == OAI_PLACE_SQUARE ? key.place : OAI_PLACE_CANVAS, &h, &w);
    const dense_map *map = key.from >= 0 ? &c->maps[key.from] : key.from == OAI_FROM_OBJECT ? &c->object : NULL;
    if (map && map->h == h && map->w == w) key.resize = 0;
    return key;
}

static oassl_status new_entry(oai_sample_cache *c, const oai_view_key *key, size_t n, kept_view **out_entry) {
    if (c->n_views == c->n_kept_views) {
        uint32_t room = c->n_kept_views + 1;
        kept_view **views = oai_grow(c->host, c->views, c->n_kept_views * sizeof *views, room * sizeof *views);
        if (!views) return oai_no_memory(room * sizeof *views, "a metric's maps");
        c->views = views;
        c->views[c->n_kept_views] = oai_calloc(c->host, 1, sizeof **views);
        if (!c->views[c->n_kept_views]) return oai_no_memory(sizeof **views, "a metric's maps");
        c->n_kept_views++;
    }
    kept_view *e = c->views[c->n_views];
    if (e->room < n) {
        oai_view_free(c->host, &e->view);
        e->room = 0;
        OAI_TRY(oai_view_create(c->host, n, &e->view));
        e->room = n;
    } else if (e->view.n != n) { /* `order` is as long as the view it was made for */
        oai_free(c->host, e->view.order);
        oai_free(c->host, e->view.sorted);
        e->view.order = NULL, e->view.sorted = NULL;
        e->view.n = n;
    }
    e->key = *key, e->fixed = false;
    e->view.is_sorted = false;
    *out_entry = e;
    return OASSL_STATUS_OK;
}

/* The part of a canvas that one composed picture fills. */
static void crop(const oai_sample_cache *c, const oai_view *canvas, int32_t part, double *out) {
    size_t size = (size_t)c->size, n = size * size;
    if (c->sample->axis) {
        memcpy(out, canvas->v + (size_t)part * n, n * sizeof *out);
        return;
    }
    for (size_t y = 0; y < size; y++)
        memcpy(out + y * size, canvas->v + y * size * c->n_parts + (size_t)part * size, size * sizeof *out);
}

/* Sum and largest value of all maps, pixel by pixel. */
static oassl_status combine(oai_sample_cache *c, const oai_view_key *key, oai_view *out) {
    for (uint32_t k = 0; k < c->sample->n_maps; k++) {
        oai_view_key one = *key;
        oai_view *map;
        one.from = (int32_t)k;
        OAI_TRY(oai_sample_cache_view(c, one, &map));
        for (size_t i = 0; i < out->n; i++) {
            double v = map->v[i];
            out->v[i] = k == 0 ? v : key->from == OAI_FROM_SUM ? out->v[i] + v : v > out->v[i] ? v : out->v[i];
        }
    }
    for (size_t i = 0; c->sample->n_maps == 0 && i < out->n; i++) out->v[i] = 0;
    return OASSL_STATUS_OK;
}

static oassl_status mix(oai_sample_cache *c, const oai_view_key *key, oai_view *out) {
    oai_view_key av_key = *key, object_key = *key;
    oai_view *av, *object;
    av_key.mix = object_key.mix = OAI_MIX_NONE;
    object_key.from = OAI_FROM_OBJECT, object_key.resize = key->object_resize;
    OAI_TRY(oai_sample_cache_view(c, object_key, &object));
    if (key->mix == OAI_MIX_SCALED) {
        for (size_t i = 0; i < out->n; i++) out->v[i] = object->v[i] / 2.5;
        return OASSL_STATUS_OK;
    }
    OAI_TRY(oai_sample_cache_view(c, av_key, &av));
    oai_scoring minmax = {OAI_SCORE_MINMAX, 0, 0}, cosine = {OAI_SCORE_COSINE, c->tau, 0};
    bool slavc = key->mix == OAI_MIX_SLAVC;
    for (size_t i = 0; i < out->n; i++) {
        double a = oai_score_of(av, slavc ? &cosine : &minmax, av->v[i]);
        double o = slavc ? object->v[i] / 2.5 : oai_score_of(object, &minmax, object->v[i]);
        out->v[i] = key->alpha * a + (1 - key->alpha) * o;
    }
    return OASSL_STATUS_OK;
}

/* The centre box is a pyramid: whatever area a threshold leaves of it is a box in the middle. */
static void baseline(const oai_sample_cache *c, int32_t from, double *out) {
    int32_t size = c->size;
    for (int32_t y = 0; y < size; y++)
        for (int32_t x = 0; x < size; x++) {
            int32_t dx = abs(2 * x + 1 - size), dy = abs(2 * y + 1 - size);
            out[(size_t)y * (size_t)size + (size_t)x] = from == OAI_FROM_CENTRE ? 1.0 - (double)(dx > dy ? dx : dy) / size : 0.5;
        }
}

static oassl_status fill_view(oai_sample_cache *c, const oai_view_key *key, kept_view *e) {
    int64_t h, w;
    canvas_of(c, key->place, &h, &w);
    if (key->from <= OAI_FROM_CENTRE) {
        baseline(c, key->from, e->view.v);
    } else if (key->mix != OAI_MIX_NONE) {
        OAI_TRY(mix(c, key, &e->view));
    } else if (key->inverted || key->place == OAI_PLACE_PART) {
        oai_view_key base = *key;
        oai_view *from;
        if (key->inverted) base.inverted = 0;
        else base.place = OAI_PLACE_CANVAS;
        OAI_TRY(oai_sample_cache_view(c, base, &from));
        if (!key->inverted) crop(c, from, key->part, e->view.v);
        oai_scoring minmax = {OAI_SCORE_MINMAX, 0, 0};
        for (size_t i = 0; key->inverted && i < from->n; i++) e->view.v[i] = 1 - oai_score_of(from, &minmax, from->v[i]);
    } else if (key->from == OAI_FROM_SUM || key->from == OAI_FROM_LARGEST) {
        OAI_TRY(combine(c, key, &e->view));
    } else {
        const dense_map *map = key->from == OAI_FROM_OBJECT ? &c->object : &c->maps[key->from];
        if (map->h == h && map->w == w) memcpy(e->view.v, map->v, (size_t)(h * w) * sizeof *map->v);
        else OAI_TRY(oai_map_resize(c->host, key->resize, map->v, map->h, map->w, e->view.v, h, w));
    }
    oai_view_ready(&e->view);
    if (isfinite(e->view.lo) && isfinite(e->view.hi)) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NON_FINITE, "values so large that resizing overflows");
}

oassl_status oai_sample_cache_view(oai_sample_cache *c, oai_view_key wanted, oai_view **out_view) {
    oai_view_key key = plain_key(c, wanted);
    int64_t h, w;
    for (uint32_t i = 0; i < c->n_views; i++)
        if (same_key(&c->views[i]->key, &key)) return *out_view = &c->views[i]->view, OASSL_STATUS_OK;
    canvas_of(c, key.place, &h, &w);
    kept_view *e;
    OAI_TRY(new_entry(c, &key, (size_t)(h * w), &e));
    c->n_views++; /* before filling: that may add others */
    e->key.from = INT32_MIN;
    oassl_status status = fill_view(c, &key, e);
    if (status != OASSL_STATUS_OK) return status;
    e->key = key;
    e->fixed = key.from <= OAI_FROM_CENTRE;
    *out_view = &e->view;
    return OASSL_STATUS_OK;
}

/* ---- truth ---------------------------------------------------------------------------------------------------- */

static double clamp01(double v) { return v > 0 ? (v < 1 ? v : 1) : 0; }

/* Published numbers as fractions of the picture they are of: x0 y0 x1 y1. */
static void as_fractions(const oai_sample_cache *c, const oassl_metric_truth *t, const double *b, int32_t reading, double out[4]) {
    const oassl_metric_sample *s = c->sample;
    double width = (double)s->width / (s->axis ? 1 : c->n_parts), height = (double)s->height / (s->axis ? c->n_parts : 1);
    for (int32_t i = 0; i < 4; i++) {
        static const double sides[] = {0, 1, 1, 256, 224};
        double side = t->numbers_are == OASSL_BOX_PIXELS ? (i & 1 ? height : width) : sides[t->numbers_are];
        double v = t->numbers_are >= OASSL_BOX_OF_256 ? trunc(b[i]) : b[i];
        if (t->numbers_are == OASSL_BOX_XYWH && reading != OAI_READ_AS_XYXY && i >= 2) v += b[i - 2];
        out[i] = clamp01(v / side);
    }
}

/* The same in pixels of a size x size picture: multiplied before divided, as the references do. */
static void as_pixels(const oai_sample_cache *c, const oassl_metric_truth *t, const double *b, int32_t reading, int32_t out[4]) {
    const oassl_metric_sample *s = c->sample;
    double sum[4] = {b[0], b[1], b[0] + b[2], b[1] + b[3]}, whole[4] = {trunc(b[0]), trunc(b[1]), trunc(b[2]), trunc(b[3])};
    switch (t->numbers_are) {
    case OASSL_BOX_NORMALISED: oai_box_to_pixels(b, 1, 1, c->size, out); return;
    case OASSL_BOX_OF_256: oai_box_to_pixels(whole, 256, 256, c->size, out); return;
    case OASSL_BOX_OF_224: oai_box_to_pixels(whole, 224, 224, c->size, out); return;
    case OASSL_BOX_PIXELS:
        oai_box_to_pixels(b, (double)s->width / (s->axis ? 1 : c->n_parts), (double)s->height / (s->axis ? c->n_parts : 1), c->size, out);
        return;
    default: break;
    }
    oai_box_to_pixels(reading == OAI_READ_BOX ? sum : b, 1, 1, c->size, out);
    if (reading == OAI_READ_EACH) out[2] += out[0], out[3] += out[1];
}

/* Box i of a truth in pixels of the place. */
static void place_box(const oai_sample_cache *c, const oassl_metric_truth *t, uint32_t i, uint32_t part, const oai_truth_key *key,
                      int32_t out[4]) {
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
    canvas_of(c, key->place, &h, &w);
    canvas_of(c, key->place == OAI_PLACE_PART ? OAI_PLACE_CANVAS : key->place, &whole_h, &whole_w);
    if (key->place == OAI_PLACE_PART) *(s->axis ? &y0 : &x0) = (int64_t)key->part * c->size;
    for (int64_t y = 0; y < h; y++) {
        const uint8_t *row = mask + (2 * (y0 + y) + 1) * s->height / (2 * whole_h) * s->width;
        for (int64_t x = 0; x < w; x++)
            if (row[(2 * (x0 + x) + 1) * s->width / (2 * whole_w)]) out->twice[y * w + x] = 2;
    }
}

static void paint(const oai_sample_cache *c, const oassl_metric_truth *t, uint32_t part, const oai_truth_key *key, oai_truth *out) {
    int64_t h, w;
    canvas_of(c, key->place, &h, &w);
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
    if (c->n_parts == 1) key.place = OAI_PLACE_SQUARE;
    if (key.source >= 0) key.part = (int32_t)c->part_of[key.source];
    if (c->n_parts == 1 || (key.source < 0 && key.place != OAI_PLACE_PART)) key.part = 0;
    for (uint32_t i = 0; i < c->n_truths; i++) {
        const oai_truth_key *k = &c->truths[i]->key;
        if (k->source == key.source && k->rule == key.rule && k->reading == key.reading && k->place == key.place && k->part == key.part)
            return *out_truth = &c->truths[i]->truth, OASSL_STATUS_OK;
    }
    if (c->n_truths == c->n_kept_truths) {
        kept_truth **truths = oai_grow(c->host, c->truths, c->n_truths * sizeof *truths, (c->n_truths + 1) * sizeof *truths);
        if (!truths) return oai_no_memory(c->n_truths * sizeof *truths, "a metric's truth");
        c->truths = truths;
        c->truths[c->n_truths] = oai_calloc(c->host, 1, sizeof **truths);
        if (!c->truths[c->n_truths]) return oai_no_memory(sizeof **truths, "a metric's truth");
        c->n_kept_truths++;
    }
    kept_truth *e = c->truths[c->n_truths];
    int64_t h, w;
    bool consensus = false;
    canvas_of(c, key.place, &h, &w);
    OAI_TRY(truth_room(c->host, (size_t)(h * w), &e->room, &e->truth));
    for (uint32_t i = 0; i < c->sample->n_sources; i++) {
        if (key.source >= 0 ? (int32_t)i != key.source : key.place == OAI_PLACE_PART && c->part_of[i] != (uint32_t)key.part) continue;
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
    paint(c, t, find_part(c, t), &key, &c->silent);
    oai_truth_finish(&c->silent, OAI_TRUTH_UNION);
    *out_truth = &c->silent;
    return OASSL_STATUS_OK;
}

/* ---- answers kept --------------------------------------------------------------------------------------------- */

static memo *recall(memo *memos, uint32_t *n, const oai_view *view, const oai_truth *truth, double at, bool *out_known) {
    for (uint32_t i = 0; i < *n; i++)
        if (memos[i].view == view && memos[i].truth == truth && memos[i].at == at) return *out_known = true, &memos[i];
    memo *m = &memos[*n < N_MEMOS ? (*n)++ : N_MEMOS - 1];
    *m = (memo){.view = view, .truth = truth, .at = at};
    *out_known = false;
    return m;
}

/* NULL where there is none to be had: view not sorted, weights other than 0 and 1, no room. */
static const uint32_t *profile_of(oai_sample_cache *c, const oai_view *view, const oai_truth *truth) {
    if (!view->is_sorted || !oai_truth_is_whole(truth)) return NULL;
    for (uint32_t i = 0; i < c->n_profiles; i++)
        if (c->profiles[i].view == view && c->profiles[i].truth == truth) return c->profiles[i].in;
    if (c->n_profiles == N_PROFILES) return NULL;
    kept_profile *p = &c->profiles[c->n_profiles];
    if (p->room < view->n + 1) {
        oai_free(c->host, p->in);
        p->in = oai_alloc(c->host, (view->n + 1) * sizeof *p->in);
        p->room = p->in ? view->n + 1 : 0;
        if (!p->in) return NULL;
    }
    oai_profile(view, truth, p->in);
    p->view = view, p->truth = truth;
    c->n_profiles++;
    return p->in;
}

oai_counts oai_sample_cache_count(oai_sample_cache *c, const oai_view *view, double cutoff, const oai_truth *truth) {
    bool known;
    const uint32_t *in = profile_of(c, view, truth);
    if (in) return oai_profile_count(view, cutoff, in);
    memo *m = recall(c->counts, &c->n_counts, view, truth, cutoff, &known);
    if (!known) m->counts = oai_count(view, cutoff, truth);
    return m->counts;
}

oassl_status oai_sample_cache_ap(oai_sample_cache *c, oai_view *view, const oai_truth *truth, double *out_ap) {
    bool known;
    OAI_TRY(oai_view_sort(c->host, view, &c->space));
    const uint32_t *in = profile_of(c, view, truth);
    memo *m = recall(c->aps, &c->n_aps, view, truth, 0, &known);
    if (!known) m->ap = in ? oai_profile_ap(view, in, (uint32_t *)c->space.keys) : oai_pixel_ap(view, truth);
    *out_ap = m->ap;
    return OASSL_STATUS_OK;
}

oassl_status oai_sample_cache_sort(oai_sample_cache *c, oai_view *view) { return oai_view_sort(c->host, view, &c->space); }

double oai_sample_cache_rank(oai_sample_cache *c, const oai_view *view, size_t rank) {
    bool known;
    if (view->is_sorted) return oai_view_rank(view, rank, &c->space);
    memo *m = recall(c->ranks, &c->n_ranks, view, NULL, (double)rank, &known);
    if (!known) m->ap = oai_view_rank(view, rank, &c->space);
    return m->ap;
}
