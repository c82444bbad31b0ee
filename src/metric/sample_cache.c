#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapresize.h"
#include "metric/sample_parts.h"

/* Mixtures of F32 maps are NumPy's to the last bit: no product may be fused with a sum. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

oassl_status oai_sample_cache_create(const oai_host *host, int32_t size, double tau, oai_sample_cache **out_cache) {
    oai_sample_cache *c = oai_calloc(host, 1, sizeof *c);
    *out_cache = NULL;
    if (!c) return oai_no_memory(sizeof *c, "a metric");
    c->host = host, c->size = size, c->tau = tau;
    oassl_status status = oai_sort_space_create(host, (size_t)size * (size_t)size, &c->space);
    if (status == OASSL_STATUS_OK)
        *out_cache = c;
    else
        oai_sample_cache_destroy(c);
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
    for (uint32_t i = 0; i < MAX_SOURCES; i++) oai_free(c->host, c->maps[i].own);
    for (uint32_t i = 0; i < N_PROFILES; i++) oai_free(c->host, c->profiles[i].profile.in);
    oai_free(c->host, c->object.own);
    oai_free(c->host, c->sum.own);
    oai_free(c->host, c->wide);
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
    c->has_sum = false;
    c->truth_rule = truth_rule;
    OAI_TRY(oai_sample_take(c, s));
    OAI_TRY(grow_space(c));
    for (int32_t from = OAI_FROM_CENTRE; fixed == 0 && from >= OAI_FROM_WHOLE; from--) {
        oai_view *view;
        OAI_TRY(oai_sample_cache_view(c, (oai_view_key){.from = from}, &view));
        OAI_TRY(oai_view_sort(c->host, view, &c->space));
    }
    return OASSL_STATUS_OK;
}

/* ---- views ---------------------------------------------------------------------------------------------------- */

static bool same_key(const oai_view_key *a, const oai_view_key *b) {
    return a->from == b->from && a->resize == b->resize && a->object_resize == b->object_resize &&
           a->place == b->place && a->part == b->part && a->mix == b->mix && a->inverted == b->inverted &&
           a->alpha == b->alpha;
}

void oai_place_size(const oai_sample_cache *c, int32_t place, int64_t *out_h, int64_t *out_w) {
    int64_t n = place == OAI_PLACE_CANVAS ? c->n_parts : 1;
    *out_h = c->size * (c->sample->axis ? n : 1);
    *out_w = c->size * (c->sample->axis ? 1 : n);
}

/* The map that a key is of; NULL when it is made of several. */
static const dense_map *map_of(const oai_sample_cache *c, const oai_view_key *key) {
    if (key->from >= 0) return &c->maps[key->from];
    if (key->from == OAI_FROM_OBJECT) return &c->object;
    return key->from == OAI_FROM_SUM && c->has_sum ? &c->sum : NULL;
}

/* Maps of one size are added up before they are resized, as NoPrior does. */
static oassl_status add_up_maps(oai_sample_cache *c) {
    const dense_map *first = &c->maps[0];
    uint32_t n = c->sample->n_maps;
    if (c->has_sum || n == 0) return OASSL_STATUS_OK;
    for (uint32_t k = 1; k < n; k++)
        if (c->maps[k].h != first->h || c->maps[k].w != first->w || c->maps[k].single != first->single)
            return OASSL_STATUS_OK;
    size_t size = (size_t)(first->h * first->w);
    OAI_TRY(oai_dense_room(c->host, &c->sum, size * (first->single ? sizeof(float) : sizeof(double))));
    memcpy(c->sum.own, first->values, size * (first->single ? sizeof(float) : sizeof(double)));
    c->sum.h = first->h, c->sum.w = first->w, c->sum.single = first->single;
    for (uint32_t k = 1; k < n; k++)
        for (size_t i = 0; i < size; i++) {
            if (first->single)
                ((float *)c->sum.own)[i] += ((const float *)c->maps[k].values)[i];
            else
                ((double *)c->sum.own)[i] += ((const double *)c->maps[k].values)[i];
        }
    bool finite = c->sum.single ? oai_extent_f32(c->sum.values, size, &c->sum.lo, &c->sum.hi)
                                : oai_extent_f64(c->sum.values, size, &c->sum.lo, &c->sum.hi);
    c->has_sum = true;
    return finite ? OASSL_STATUS_OK : oai_fail(OASSL_STATUS_NON_FINITE, "values so large that their sum overflows");
}

/* One spelling for each view: places agree without composition, kernels when nothing is resized, libraries when
 * nobody's arithmetic is asked for. */
static oai_view_key plain_key(const oai_sample_cache *c, oai_view_key key) {
    int64_t h, w;
    if (c->n_parts == 1) key.place = OAI_PLACE_SQUARE;
    if (key.place != OAI_PLACE_PART) key.part = 0;
    if (key.mix == OAI_MIX_NONE || key.mix == OAI_MIX_SCALED) key.alpha = 0, key.object_resize = 0;
    if (key.from <= OAI_FROM_CENTRE) key = (oai_view_key){.from = key.from};
    oai_place_size(c, key.place == OAI_PLACE_SQUARE ? key.place : OAI_PLACE_CANVAS, &h, &w);
    const dense_map *map = map_of(c, &key);
    if (map && !map->single) key.resize &= OAI_RESIZE_KERNEL;
    if (map && map->h == h && map->w == w) key.resize = 0;
    return key;
}

/* Memory for n values of an entry's own. */
static oassl_status own_values(oai_sample_cache *c, kept_view *e, bool single) {
    size_t bytes = e->view.n * (single ? sizeof(float) : sizeof(double));
    if (e->room < bytes) {
        oai_free(c->host, e->view.own);
        e->room = 0;
        if (!(e->view.own = oai_alloc(c->host, bytes))) return oai_no_memory(bytes, "a heat-map to score");
        e->room = bytes;
    }
    return OASSL_STATUS_OK;
}

/* Lets an entry's view be n values of one kind: `borrowed`, or its own. */
static oassl_status set_values(oai_sample_cache *c, kept_view *e, bool single, const void *borrowed) {
    oai_view *v = &e->view;
    if (!borrowed) OAI_TRY(own_values(c, e, single));
    if (v->single != single) { /* `sorted` was made for the other kind */
        oai_free(c->host, v->sorted);
        v->sorted = NULL;
    }
    v->single = single;
    v->f = single ? (borrowed ? borrowed : v->own) : NULL;
    v->d = single ? NULL : (borrowed ? borrowed : v->own);
    return OASSL_STATUS_OK;
}

static oassl_status new_entry(oai_sample_cache *c, size_t n, kept_view **out_entry) {
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
    if (e->view.n != n) { /* `order` is as long as the view it was made for */
        oai_free(c->host, e->view.order);
        oai_free(c->host, e->view.sorted);
        e->view.order = NULL, e->view.sorted = NULL;
        e->view.n = n;
    }
    e->fixed = false;
    e->view.is_sorted = false, e->view.rings = 0;
    *out_entry = e;
    return OASSL_STATUS_OK;
}

/* The part of a canvas that one composed picture fills. */
static void crop(const oai_sample_cache *c, const oai_view *canvas, int32_t part, oai_view *out) {
    size_t size = (size_t)c->size, each = canvas->single ? sizeof(float) : sizeof(double);
    const char *from = canvas->single ? (const char *)canvas->f : (const char *)canvas->d;
    char *to = out->own;
    if (c->sample->axis) {
        memcpy(to, from + (size_t)part * size * size * each, size * size * each);
        return;
    }
    for (size_t y = 0; y < size; y++)
        memcpy(to + y * size * each, from + (y * size * c->n_parts + (size_t)part * size) * each, size * each);
}

/* Sum or largest value of all maps, pixel by pixel. */
static oassl_status combine(oai_sample_cache *c, const oai_view_key *key, kept_view *e) {
    bool single = c->sample->n_maps > 0;
    for (int32_t pass = 0; pass < 2; pass++) { /* first what they are, then their values */
        for (uint32_t k = 0; k < c->sample->n_maps; k++) {
            oai_view_key one = *key;
            oai_view *map;
            one.from = (int32_t)k;
            OAI_TRY(oai_sample_cache_view(c, one, &map));
            if (pass == 0) single = single && map->single;
            for (size_t i = 0; pass == 1 && i < e->view.n; i++) {
                double v = oai_view_at(map, i), old = k ? oai_view_at(&e->view, i) : v;
                v = k == 0 ? v : key->from == OAI_FROM_SUM ? old + v : v > old ? v : old;
                if (single)
                    ((float *)e->view.own)[i] = (float)v;
                else
                    ((double *)e->view.own)[i] = v;
            }
        }
        if (pass == 0) OAI_TRY(set_values(c, e, single, NULL));
    }
    if (c->sample->n_maps == 0) memset(e->view.own, 0, e->view.n * sizeof(double));
    return OASSL_STATUS_OK;
}

/* As the evaluators mix: in single precision when both maps are, each operation rounded. */
static oassl_status mix(oai_sample_cache *c, const oai_view_key *key, kept_view *e) {
    oai_view_key av_key = *key, object_key = *key;
    oai_view *av = NULL, *object;
    av_key.mix = object_key.mix = OAI_MIX_NONE;
    object_key.from = OAI_FROM_OBJECT,
    object_key.resize = key->mix == OAI_MIX_SCALED ? key->resize : key->object_resize;
    OAI_TRY(oai_sample_cache_view(c, object_key, &object));
    if (key->mix != OAI_MIX_SCALED) OAI_TRY(oai_sample_cache_view(c, av_key, &av));
    bool single = object->single && (!av || av->single);
    oai_scoring scoring = {OAI_SCORE_MINMAX, c->tau, 0, single};
    bool slavc = key->mix == OAI_MIX_SLAVC;
    OAI_TRY(set_values(c, e, single, NULL));
    if (slavc) scoring.kind = OAI_SCORE_COSINE;
    if (key->mix == OAI_MIX_NEGATED) scoring.kind = OAI_SCORE_NEGATED;
    for (size_t i = 0; i < e->view.n; i++) {
        double o = oai_view_at(object, i);
        if (single) {
            float *out = e->view.own, weighed = (float)key->alpha, rest = (float)(1 - key->alpha);
            float of = slavc || !av ? (float)o / 2.5f : (float)oai_score_of(object, &scoring, o);
            out[i] = of;
            if (av) {
                float a = (float)oai_score_of(av, &scoring, oai_view_at(av, i)) * weighed, b = of * rest;
                out[i] = a + b;
            }
        } else {
            double *out = e->view.own, od = slavc || !av ? o / 2.5 : oai_score_of(object, &scoring, o);
            out[i] = av ? key->alpha * oai_score_of(av, &scoring, oai_view_at(av, i)) + (1 - key->alpha) * od : od;
        }
    }
    return OASSL_STATUS_OK;
}

/* T-VSL's scores, without a guard for constant maps: 0/0 passes no threshold, nor does -1. */
static void invert(const oai_view *from, kept_view *e) {
    oai_scoring minmax = {OAI_SCORE_MINMAX, 0, 0, true};
    bool constant = from->lo == from->hi;
    for (size_t i = 0; i < from->n; i++) {
        double v = constant ? -1 : 1 - oai_score_of(from, &minmax, oai_view_at(from, i));
        if (from->single)
            ((float *)e->view.own)[i] = (float)v;
        else
            ((double *)e->view.own)[i] = v;
    }
}

/* The centre box is a pyramid: whatever area a threshold leaves of it is a box in the middle. */
static void baseline(const oai_sample_cache *c, int32_t from, oai_view *view) {
    int32_t size = c->size;
    double *out = view->own;
    for (int32_t y = 0; y < size; y++)
        for (int32_t x = 0; x < size; x++) {
            int32_t dx = abs(2 * x + 1 - size), dy = abs(2 * y + 1 - size);
            out[(size_t)y * (size_t)size + (size_t)x] =
                from == OAI_FROM_CENTRE ? 1.0 - (double)(dx > dy ? dx : dy) / size : 0.5;
        }
    view->rings = from == OAI_FROM_CENTRE ? size : 0;
}

static oassl_status resize_map(oai_sample_cache *c, const dense_map *map, int32_t resize, int64_t h, int64_t w,
                               kept_view *e) {
    int32_t kernel = resize & OAI_RESIZE_KERNEL;
    const double *values = map->values;
    size_t n = (size_t)(map->h * map->w);
    if (map->single && resize > OAI_RESIZE_KERNEL) {
        int32_t library = resize & OAI_RESIZE_BY_OPENCV ? OAI_RESIZE_OPENCV : OAI_RESIZE_TORCH;
        OAI_TRY(set_values(c, e, true, NULL));
        return oai_map_resize_published(c->host, library, kernel, map->values, map->h, map->w, e->view.own, h, w);
    }
    OAI_TRY(set_values(c, e, false, NULL));
    if (map->single) {
        if (c->wide_room < n) {
            oai_free(c->host, c->wide);
            c->wide_room = 0;
            if (!(c->wide = oai_alloc(c->host, n * sizeof *c->wide)))
                return oai_no_memory(n * sizeof *c->wide, "a heat-map");
            c->wide_room = n;
        }
        for (size_t i = 0; i < n; i++) c->wide[i] = (double)((const float *)map->values)[i];
        values = c->wide;
    }
    return oai_map_resize(c->host, kernel, values, map->h, map->w, e->view.own, h, w);
}

static oassl_status fill_view(oai_sample_cache *c, const oai_view_key *key, kept_view *e) {
    int64_t h, w;
    oai_place_size(c, key->place, &h, &w);
    const dense_map *map = map_of(c, key);
    if (key->from <= OAI_FROM_CENTRE) {
        OAI_TRY(set_values(c, e, false, NULL));
        baseline(c, key->from, &e->view);
    } else if (key->mix != OAI_MIX_NONE) {
        OAI_TRY(mix(c, key, e));
    } else if (key->inverted || key->place == OAI_PLACE_PART) {
        oai_view_key base = *key;
        oai_view *from;
        if (key->inverted)
            base.inverted = 0;
        else
            base.place = OAI_PLACE_CANVAS;
        OAI_TRY(oai_sample_cache_view(c, base, &from));
        OAI_TRY(set_values(c, e, from->single, NULL));
        if (key->inverted)
            invert(from, e);
        else
            crop(c, from, key->part, &e->view);
    } else if (!map) {
        OAI_TRY(combine(c, key, e));
    } else if (map->h == h && map->w == w) {
        OAI_TRY(set_values(c, e, map->single, map->values));
        e->view.lo = map->lo, e->view.hi = map->hi;
        return OASSL_STATUS_OK;
    } else {
        OAI_TRY(resize_map(c, map, key->resize, h, w, e));
    }
    oai_view_ready(&e->view);
    if (isfinite(e->view.lo) && isfinite(e->view.hi)) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NON_FINITE, "values so large that resizing overflows");
}

oassl_status oai_sample_cache_view(oai_sample_cache *c, oai_view_key wanted, oai_view **out_view) {
    if (wanted.from == OAI_FROM_SUM) OAI_TRY(add_up_maps(c));
    oai_view_key key = plain_key(c, wanted);
    int64_t h, w;
    for (uint32_t i = 0; i < c->n_views; i++)
        if (same_key(&c->views[i]->key, &key)) return *out_view = &c->views[i]->view, OASSL_STATUS_OK;
    oai_place_size(c, key.place, &h, &w);
    kept_view *e;
    OAI_TRY(new_entry(c, (size_t)(h * w), &e));
    c->n_views++; /* before filling: that may add others */
    e->key = key;
    e->key.from = INT32_MIN;
    oassl_status status = fill_view(c, &key, e);
    if (status != OASSL_STATUS_OK) return status;
    e->key = key;
    e->fixed = key.from <= OAI_FROM_CENTRE;
    *out_view = &e->view;
    return OASSL_STATUS_OK;
}

/* ---- answers kept --------------------------------------------------------------------------------------------- */

static memo *recall(memo *memos, uint32_t *n, const oai_view *view, const oai_truth *truth, double at,
                    bool *out_known) {
    for (uint32_t i = 0; i < *n; i++)
        if (memos[i].view == view && memos[i].truth == truth && memos[i].at == at) return *out_known = true, &memos[i];
    memo *m = &memos[*n < N_MEMOS ? (*n)++ : N_MEMOS - 1];
    *m = (memo){.view = view, .truth = truth, .at = at};
    *out_known = false;
    return m;
}

/* NULL where there is none to be had: view not sorted, weights other than 0 and 1, no room. */
static const oai_profile *profile_of(oai_sample_cache *c, const oai_view *view, const oai_truth *truth) {
    if (!view->is_sorted || !oai_truth_is_whole(truth)) return NULL;
    for (uint32_t i = 0; i < c->n_profiles; i++)
        if (c->profiles[i].view == view && c->profiles[i].truth == truth) return &c->profiles[i].profile;
    if (c->n_profiles == N_PROFILES) return NULL;
    kept_profile *p = &c->profiles[c->n_profiles];
    if (p->room < view->n + 1) {
        oai_free(c->host, p->profile.in);
        p->profile.in = oai_alloc(c->host, (view->n + 1) * sizeof *p->profile.in);
        p->room = p->profile.in ? view->n + 1 : 0;
        if (!p->profile.in) return NULL;
    }
    oai_profile_fill(view, truth, &p->profile);
    p->view = view, p->truth = truth;
    c->n_profiles++;
    return &p->profile;
}

oai_counts oai_sample_cache_count(oai_sample_cache *c, const oai_view *view, double cutoff, const oai_truth *truth) {
    bool known;
    const oai_profile *profile = profile_of(c, view, truth);
    if (profile) return oai_profile_count(view, cutoff, profile);
    memo *m = recall(c->counts, &c->n_counts, view, truth, cutoff, &known);
    if (!known) m->counts = oai_count(view, cutoff, truth);
    return m->counts;
}

oassl_status oai_sample_cache_ap(oai_sample_cache *c, oai_view *view, const oai_truth *truth, double *out_ap) {
    bool known;
    OAI_TRY(oai_view_sort(c->host, view, &c->space));
    const oai_profile *profile = profile_of(c, view, truth);
    memo *m = recall(c->aps, &c->n_aps, view, truth, 0, &known);
    if (!known) m->ap = profile ? oai_profile_ap(view, profile, &c->space) : oai_pixel_ap(view, truth);
    *out_ap = m->ap;
    return OASSL_STATUS_OK;
}

oassl_status oai_sample_cache_sort(oai_sample_cache *c, oai_view *view) {
    return oai_view_sort(c->host, view, &c->space);
}

double oai_sample_cache_rank(oai_sample_cache *c, const oai_view *view, size_t rank) {
    bool known;
    if (view->is_sorted) return oai_view_rank(view, rank, &c->space);
    memo *m = recall(c->ranks, &c->n_ranks, view, NULL, (double)rank, &known);
    if (!known) m->ap = oai_view_rank(view, rank, &c->space);
    return m->ap;
}
