#include "metric/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Scores of F32 maps are NumPy's and PyTorch's to the last bit: the compiler must not fuse what they do not. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&              \
    !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

enum { DIGIT = 11, RADIX = 1 << DIGIT, STEPS = 1 << 2 * DIGIT };

#define REAL float
#define NAME(x) x##_f32
#include "metric/view_typed.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "metric/view_typed.h"
#undef REAL
#undef NAME

/* ---- memory ----------------------------------------------------------------------------------------------------- */

oassl_status oai_sort_space_create(const oai_host *host, size_t n, oai_sort_space *out_space) {
    *out_space = (oai_sort_space){.n = n};
    out_space->items = oai_alloc(host, n * sizeof(item_f64));
    out_space->spare = oai_alloc(host, n * sizeof(item_f64));
    if (out_space->items && out_space->spare) return OASSL_STATUS_OK;
    oai_sort_space_free(host, out_space);
    return oai_no_memory(2 * n * sizeof(item_f64), "sorting heat-maps");
}

void oai_sort_space_free(const oai_host *host, oai_sort_space *space) {
    oai_free(host, space->items);
    oai_free(host, space->spare);
    *space = (oai_sort_space){0};
}

static size_t value_bytes(const oai_view *view) { return view->single ? sizeof(float) : sizeof(double); }

oassl_status oai_view_create(const oai_host *host, size_t n, bool single, oai_view *out_view) {
    *out_view = (oai_view){.n = n, .single = single};
    out_view->own = oai_alloc(host, n * value_bytes(out_view));
    if (!out_view->own) return oai_no_memory(n * value_bytes(out_view), "a heat-map to score");
    if (single)
        out_view->f = out_view->own;
    else
        out_view->d = out_view->own;
    return OASSL_STATUS_OK;
}

void oai_view_free(const oai_host *host, oai_view *view) {
    oai_free(host, view->own);
    oai_free(host, view->order);
    oai_free(host, view->sorted);
    *view = (oai_view){0};
}

bool oai_extent_f32(const float *values, size_t n, double *out_lo, double *out_hi) {
    return extent_f32(values, n, out_lo, out_hi);
}
bool oai_extent_f64(const double *values, size_t n, double *out_lo, double *out_hi) {
    return extent_f64(values, n, out_lo, out_hi);
}

void oai_view_ready(oai_view *view) {
    bool finite = view->single ? extent_f32(view->f, view->n, &view->lo, &view->hi)
                               : extent_f64(view->d, view->n, &view->lo, &view->hi);
    if (!finite) view->lo = view->hi = NAN;
    view->is_sorted = false;
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

oassl_status oai_view_sort(const oai_host *host, oai_view *view, oai_sort_space *space) {
    if (view->is_sorted) return OASSL_STATUS_OK;
    if (!view->order) view->order = oai_alloc(host, view->n * sizeof *view->order);
    if (!view->sorted) view->sorted = oai_alloc(host, view->n * value_bytes(view));
    if (!view->order || !view->sorted) return oai_no_memory(view->n * 12, "a heat-map's order");
    if (view->single)
        sort_f32(view, view->f, space->items, space->spare, view->order, view->sorted, &view->has_ties);
    else
        sort_f64(view, view->d, space->items, space->spare, view->order, view->sorted, &view->has_ties);
    view->is_sorted = true;
    return OASSL_STATUS_OK;
}

double oai_view_rank(const oai_view *view, size_t rank, oai_sort_space *space) {
    if (view->is_sorted) return oai_view_sorted_at(view, rank);
    if (view->lo == view->hi) return view->lo;
    return view->single ? (double)rank_f32(view, view->f, rank, space) : rank_f64(view, view->d, rank, space);
}

size_t oai_view_below(const oai_view *view, double cutoff) {
    return view->single ? below_f32(view->sorted, view->n, cutoff) : below_f64(view->sorted, view->n, cutoff);
}

double oai_view_top_quarter(const oai_view *view, const oai_scoring *scoring, oai_sort_space *space) {
    size_t top = view->n / 4 ? view->n / 4 : 1, first = view->n - top;
    if (scoring->published && view->single) {
        float *scores = space->items;
        for (size_t i = 0; i < top; i++)
            scores[i] = (float)oai_score_of(view, scoring, oai_view_sorted_at(view, first + i));
        return (double)(pairwise_sum_f32(scores, top) / (float)top);
    }
    double *scores = space->items;
    if (scoring->kind == OAI_SCORE_RAW)
        for (size_t i = 0; i < top; i++) scores[i] = oai_view_sorted_at(view, first + i);
    else
        for (size_t i = 0; i < top; i++) scores[i] = oai_score_of(view, scoring, oai_view_sorted_at(view, first + i));
    return pairwise_sum_f64(scores, top) / (double)top;
}

/* ---- scores ----------------------------------------------------------------------------------------------------- */

/* exp(x) as PyTorch's vector code (Sleef, 1 ulp) computes it on processors with FMA. */
static float torch_exp(float x) {
    static const float c[] = {0.00139304355252534151077271f, 0.00833336077630519866943359f,
                              0.0416664853692054748535156f, 0.166666671633720397949219f, 0.5f};
    if (!(x >= -104)) return 0;
    if (x > 100) return INFINITY;
    float q = rintf(x * 1.442695040888963407359924681001892137f), u = 0.000198527617612853646278381f;
    float s = fmaf(q, -1.428606765330187045e-06f, fmaf(q, -0.693145751953125f, x));
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) u = fmaf(u, s, c[i]);
    int half = (int)q >> 1;
    return (1 + fmaf(s * s, u, s)) * ldexpf(1, half) * ldexpf(1, (int)q - half);
}

/* Each operation rounded to single precision, in the evaluators' order. */
static float single_score(const oai_view *view, const oai_scoring *s, float v) {
    float lo = (float)view->lo, hi = (float)view->hi, range = hi - lo;
    double least = s->tau > 0 ? -1 / s->tau : 0; /* of a cosine over tau; other scores have none */
    float base = (float)least, width = (float)(-least - least);
    switch (s->kind) {
    case OAI_SCORE_MINMAX: return range == 0 ? v : (v - lo) / range;
    case OAI_SCORE_NEGATED: return range == 0 ? 1 + v : 1 - (hi - v) / range;
    case OAI_SCORE_COSINE: return (v - base) / width;
    case OAI_SCORE_COSINE_MINMAX:
        lo = (lo - base) / width, hi = (hi - base) / width, v = (v - base) / width;
        return hi - lo == 0 ? v : (v - lo) / (hi - lo);
    case OAI_SCORE_SIGMOID: return 1 / (1 + torch_exp(0 - (v + (float)s->bias)));
    default: return v;
    }
}

double oai_score_of(const oai_view *view, const oai_scoring *s, double v) {
    if (s->published && view->single) return (double)single_score(view, s, (float)v);
    double range = view->hi - view->lo;
    switch (s->kind) {
    case OAI_SCORE_COSINE_MINMAX:
    case OAI_SCORE_MINMAX: return range == 0 ? v : (v - view->lo) / range;
    case OAI_SCORE_NEGATED: return range == 0 ? 1 + v : 1 - (view->hi - v) / range;
    case OAI_SCORE_COSINE: return (v + 1 / s->tau) / (2 / s->tau);
    case OAI_SCORE_SIGMOID: return 1 / (1 + exp(-(v + s->bias)));
    default: return v;
    }
}

double oai_threshold_of(const oai_view *view, const oai_scoring *s, double t) {
    return s->published && view->single ? (double)(float)t : t;
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

static uint64_t sortable_single(double value) {
    float v = (float)value + 0.0f;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits >> 31 ? ~bits : bits | (uint32_t)1 << 31;
}

static double from_sortable_single(uint64_t key) {
    uint32_t low = (uint32_t)key, bits = low >> 31 ? low & ~((uint32_t)1 << 31) : ~low;
    float v;
    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static bool passes(double score, int32_t predicate, double t) {
    if (predicate == OAI_PREDICATE_GE) return score >= t;
    return score > t || (predicate == OAI_PREDICATE_GT_OR_ONE && score >= 1);
}

double oai_view_cutoff(const oai_view *view, const oai_scoring *scoring, int32_t predicate, double threshold) {
    bool single = view->single; /* only floats are asked about, so only they are looked at */
    uint64_t fails = single ? sortable_single(view->lo) : sortable(view->lo),
             good = single ? sortable_single(view->hi) : sortable(view->hi);
    if (passes(oai_score_of(view, scoring, view->lo), predicate, threshold)) return view->lo;
    if (!passes(oai_score_of(view, scoring, view->hi), predicate, threshold)) return INFINITY;
    while (good - fails > 1) {
        uint64_t middle = fails + (good - fails) / 2;
        double v = single ? from_sortable_single(middle) : from_sortable(middle);
        if (passes(oai_score_of(view, scoring, v), predicate, threshold))
            good = middle;
        else
            fails = middle;
    }
    return single ? from_sortable_single(good) : from_sortable(good);
}
