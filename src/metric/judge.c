#include "metric/judge.h"

#include <math.h>
#include <string.h>

#include "base/mapresize.h"

enum { MAX_SOURCES = OASSL_METRIC_MAX_SOURCES };

/* SLAVC and AVGN, who alone resize this way, mix (cos + 1)/2 with x/2.5; the others mix what is scaled to 0..1. */
static bool slavc_scale(const oai_rules *r) { return (r->resize & OAI_RESIZE_KERNEL) == OAI_MAP_BICUBIC_CORNERS; }

static oai_scoring scoring_of(const oai_variant *v, const oai_judging *j) {
    oai_scoring s = {v->rules->score, j->tau, j->bias, v->rules->resize > OAI_RESIZE_KERNEL};
    if (s.kind == OAI_SCORE_MINMAX && slavc_scale(v->rules) && v->system == OAI_SYSTEM_MAP)
        s.kind = OAI_SCORE_COSINE_MINMAX;
    if (s.kind == OAI_SCORE_NEGATED && v->system == OAI_SYSTEM_MIXED) s.kind = OAI_SCORE_MINMAX;
    if (s.kind == OAI_SCORE_COSINE && v->system != OAI_SYSTEM_MAP) s.kind = OAI_SCORE_RAW; /* scaled when mixed */
    if (s.kind == OAI_SCORE_INVERTED)
        s.kind = OAI_SCORE_RAW; /* the view is inverted, so that its rounding counts in AP too */
    if (s.kind == OAI_SCORE_SIGMOID && j->probabilities) s.kind = OAI_SCORE_RAW;
    return s;
}

static oassl_status view_of(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, int32_t from,
                            int32_t part, oai_view **out) {
    oai_view_key key = {.from = from,
                        .resize = v->resize,
                        .place = v->rules->place,
                        .part = part,
                        .inverted = v->rules->score == OAI_SCORE_INVERTED};
    bool slavc = slavc_scale(v->rules);
    if (v->system == OAI_SYSTEM_OBJECT) {
        key.from = OAI_FROM_OBJECT, key.resize = v->rules->resize;
        key.object_resize = v->rules->resize, key.mix = slavc ? OAI_MIX_SCALED : OAI_MIX_NONE;
    } else if (v->system == OAI_SYSTEM_MIXED) {
        key.mix = slavc ? OAI_MIX_SLAVC : v->rules->score == OAI_SCORE_NEGATED ? OAI_MIX_NEGATED : OAI_MIX_MINMAX;
        key.object_resize = v->rules->resize, key.alpha = j->alpha > 0 ? j->alpha : v->rules->alpha;
    }
    return oai_sample_cache_view(c, key, out);
}

static double half_threshold(oai_sample_cache *c, const oai_view *view, const oai_scoring *s) {
    return oai_score_of(view, s, oai_sample_cache_rank(c, view, view->n / 2));
}

static double adaptive_threshold(oai_sample_cache *c, const oai_view *view, const oai_scoring *s,
                                 const oai_truth *truth) {
    size_t area = truth->area ? truth->area : view->n / 2;
    return oai_score_of(view, s, oai_sample_cache_rank(c, view, view->n - (area ? area : 1)));
}

static double cutoff_of(oai_sample_cache *c, const oai_view *view, const oai_variant *v, const oai_scoring *s) {
    double t = v->cut == OAI_CUT_HALF ? half_threshold(c, view, s) : oai_threshold_of(view, s, v->at);
    return oai_view_cutoff(view, s, v->rules->predicate, t);
}

static double ciou(oai_sample_cache *c, const oai_view *view, double cutoff, const oai_truth *truth, double eps) {
    oai_counts n = oai_sample_cache_count(c, view, cutoff, truth);
    if (eps == 0) return oai_ciou(&n, truth);
    return 0.5 * (double)n.twice_hit / (0.5 * (double)truth->twice_sum + (double)n.outside + eps);
}

/* ---- NoPrior's procedure (5.2) -------------------------------------------------------------------------------- */

typedef struct composed {
    uint32_t n_parts, n_maps;
    oai_truth *truth[MAX_SOURCES];
    bool taken[MAX_SOURCES];
} composed;

static oassl_status binary_crop(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, int32_t from,
                                uint32_t part, const oai_truth *truth, oai_counts *out_counts) {
    oai_scoring scoring = scoring_of(v, j);
    oai_view *view;
    OAI_TRY(view_of(c, v, j, from, (int32_t)part, &view));
    *out_counts = oai_sample_cache_count(c, view, cutoff_of(c, view, v, &scoring), truth);
    return OASSL_STATUS_OK;
}

/* Pixels of one score: those of a crop that pass, which are 1, or more where a constant crop was left as it is. */
typedef struct level {
    double score;
    uint64_t hit, selected;
} level;

/* Average precision over all crops, levels by falling score and the rest last. */
static double levels_ap(level *levels, uint32_t n_levels, uint64_t sum, uint64_t n) {
    double ap = 0;
    uint64_t hit = 0, selected = 0;
    if (sum == 0) return 0;
    for (uint32_t i = 1; i < n_levels; i++)
        for (uint32_t k = i; k > 0 && levels[k - 1].score < levels[k].score; k--) {
            level swapped = levels[k];
            levels[k] = levels[k - 1], levels[k - 1] = swapped;
        }
    for (uint32_t i = 0, next; i < n_levels; i = next) {
        uint64_t before = hit;
        for (next = i; next < n_levels && levels[next].score == levels[i].score; next++)
            hit += levels[next].hit, selected += levels[next].selected;
        if (selected) ap += (double)(hit - before) / (double)sum * (0.5 * (double)hit / (double)selected);
    }
    return ap + (double)(sum - hit) / (double)sum * (0.5 * (double)sum / (double)n);
}

static oassl_status piap_of_sum(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, const composed *p,
                                double *out) {
    level levels[MAX_SOURCES];
    uint64_t sum = 0, n = 0;
    int32_t from = p->n_maps == 1 ? 0 : OAI_FROM_SUM;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        oai_counts counts;
        oai_view *view;
        OAI_TRY(view_of(c, v, j, from, (int32_t)i, &view));
        OAI_TRY(binary_crop(c, v, j, from, i, p->truth[i], &counts));
        levels[i] = (level){view->lo == view->hi && view->lo > 1 ? view->lo : 1, counts.clamped_hit, counts.selected};
        sum += p->truth[i]->clamped_sum, n += p->truth[i]->n;
    }
    *out = levels_ap(levels, p->n_parts, sum, n);
    return OASSL_STATUS_OK;
}

/* One map: its best composed picture, which later maps find empty. */
static oassl_status take_best(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, composed *p, uint32_t k,
                              double *out_row) {
    double best = -1;
    uint32_t at = 0;
    out_row[OAI_ROW_AP] = 0;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        oai_counts n;
        OAI_TRY(binary_crop(c, v, j, (int32_t)k, i, p->truth[i], &n));
        double value = p->taken[i] ? 0 : oai_ciou(&n, p->truth[i]);
        if (value <= best) continue;
        best = value, at = i;
        out_row[OAI_ROW_AP] =
            p->taken[i] ? 0 : oai_binary_ap(n.clamped_hit, n.selected, p->truth[i]->clamped_sum, p->truth[i]->n);
    }
    out_row[OAI_ROW_CIOU] = best;
    out_row[OAI_ROW_AREA] = 0.5 * (double)p->truth[at]->twice_sum;
    p->taken[at] = true;
    return OASSL_STATUS_OK;
}

static oassl_status judge_composed(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, double *head,
                                   double *rows) {
    composed p = {.n_parts = oai_sample_cache_n_parts(c), .n_maps = oai_sample_cache_sample(c)->n_maps};
    uint32_t n_rows = p.n_maps > p.n_parts ? p.n_maps : p.n_parts;
    if (oai_sample_cache_sample(c)->n_sources == 0) return OASSL_STATUS_OK;
    head[OAI_HEAD_COUNT] = p.n_maps == p.n_parts;
    if (p.n_maps == 0) return OASSL_STATUS_OK;
    for (uint32_t i = 0; i < p.n_parts; i++) {
        oai_truth_key key = {-1, v->rules->truth, v->rules->reading, OAI_PLACE_PART, (int32_t)i};
        OAI_TRY(oai_sample_cache_truth(c, key, &p.truth[i]));
    }
    OAI_TRY(piap_of_sum(c, v, j, &p, &head[OAI_HEAD_PIAP]));
    head[OAI_HEAD_N_ROWS] = n_rows;
    for (uint32_t k = 0; k < n_rows; k++) {
        double *row = rows + k * OAI_ROW_N;
        for (int32_t x = 0; x < OAI_ROW_N; x++) row[x] = 0;
        row[OAI_ROW_ADAPTIVE] = NAN;
        if (k < p.n_maps) OAI_TRY(take_best(c, v, j, &p, k, row));
    }
    return OASSL_STATUS_OK;
}

/* ---- maps against sources -------------------------------------------------------------------------------------- */

typedef struct crossing {
    uint32_t n_maps, n_sources;
    oai_view *view[MAX_SOURCES * MAX_SOURCES]; /* [map][source] */
    oai_truth *truth[MAX_SOURCES];
    double cutoff[MAX_SOURCES * MAX_SOURCES], ciou[MAX_SOURCES * MAX_SOURCES];
    int32_t map_of[MAX_SOURCES];
} crossing;

static oassl_status cross(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, crossing *x) {
    const oassl_metric_sample *s = oai_sample_cache_sample(c);
    oai_scoring scoring = scoring_of(v, j);
    int32_t unused[MAX_SOURCES];
    x->n_maps = v->system == OAI_SYSTEM_OBJECT ? 1 : s->n_maps, x->n_sources = s->n_sources;
    for (uint32_t i = 0; i < x->n_sources; i++) {
        oai_truth_key key = {(int32_t)i, v->rules->truth, v->rules->reading, v->rules->place, 0};
        OAI_TRY(oai_sample_cache_truth(c, key, &x->truth[i]));
        for (uint32_t k = 0; k < x->n_maps; k++) {
            uint32_t at = k * x->n_sources + i;
            OAI_TRY(view_of(c, v, j, (int32_t)k, (int32_t)oai_sample_cache_part_of(c, i), &x->view[at]));
        }
    }
    /* sort once what will be sorted anyway: ranks are then for nothing */
    bool sorts = (v->rules->figures & OAI_FIG_AP) && v->rules->truth != OAI_TRUTH_COUNT;
    for (uint32_t at = 0; at < x->n_maps * x->n_sources; at++) {
        if (sorts) OAI_TRY(oai_sample_cache_sort(c, x->view[at]));
        x->cutoff[at] = cutoff_of(c, x->view[at], v, &scoring);
        x->ciou[at] = ciou(c, x->view[at], x->cutoff[at], x->truth[at % x->n_sources], v->rules->eps);
    }
    if (v->rules->assign == OASSL_ASSIGN_BEST)
        oai_assign_best(x->ciou, x->n_maps, x->n_sources, x->map_of);
    else if (v->rules->assign == OASSL_ASSIGN_GREEDY)
        oai_assign_greedy(x->ciou, x->n_maps, x->n_sources, x->map_of, unused);
    else
        for (uint32_t i = 0; i < x->n_sources; i++) x->map_of[i] = i < x->n_maps ? (int32_t)i : -1;
    return OASSL_STATUS_OK;
}

static bool swaps_arguments(const oai_rules *r) {
    return r->truth == OAI_TRUTH_COUNT && r->score != OAI_SCORE_INVERTED;
} /* AVGN */

/* scikit-learn refuses labels above 1 and scores that are not numbers; T-VSL passes over the sample. */
static bool refused(const oai_rules *r, const oai_view *view, const oai_truth *truth) {
    return r->score == OAI_SCORE_INVERTED && (view->lo < 0 || truth->clamped_sum != truth->twice_sum);
}

static oassl_status judge_pairs(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, double *head,
                                double *rows) {
    crossing x;
    double ap[MAX_SOURCES * MAX_SOURCES];
    int32_t unused[MAX_SOURCES];
    oai_scoring scoring = scoring_of(v, j);
    uint32_t figures = v->figures;
    bool swapped = swaps_arguments(v->rules);
    OAI_TRY(cross(c, v, j, &x));
    head[OAI_HEAD_N_ROWS] = x.n_sources;
    for (uint32_t at = 0; (figures & OAI_FIG_AP) && at < x.n_maps * x.n_sources; at++) {
        if (refused(v->rules, x.view[at], x.truth[at % x.n_sources]))
            ap[at] = NAN;
        else if (swapped)
            ap[at] = oai_swapped_ap(x.view[at], x.cutoff[at], x.truth[at % x.n_sources]);
        else
            OAI_TRY(oai_sample_cache_ap(c, x.view[at], x.truth[at % x.n_sources], &ap[at]));
    }
    for (uint32_t i = 0; i < x.n_sources; i++) {
        double *row = rows + i * OAI_ROW_N;
        uint32_t at = x.map_of[i] >= 0 ? (uint32_t)x.map_of[i] * x.n_sources + i : 0;
        bool found = x.map_of[i] >= 0;
        row[OAI_ROW_CIOU] = found ? x.ciou[at] : 0;
        row[OAI_ROW_AP] = !(figures & OAI_FIG_AP) ? NAN : found ? ap[at] : 0;
        row[OAI_ROW_AREA] = 0.5 * (double)x.truth[i]->twice_sum;
        row[OAI_ROW_ADAPTIVE] = (figures & OAI_FIG_ADAPTIVE) ? 0 : NAN;
        if (!found || !(figures & OAI_FIG_ADAPTIVE)) continue;
        double t = adaptive_threshold(c, x.view[at], &scoring, x.truth[i]);
        row[OAI_ROW_ADAPTIVE] = ciou(c, x.view[at], oai_view_cutoff(x.view[at], &scoring, v->rules->predicate, t),
                                     x.truth[i], v->rules->eps);
    }
    if ((figures & OAI_FIG_PIAP) && x.n_sources) {
        head[OAI_HEAD_PIAP] = 0;
        if (swapped)
            for (uint32_t i = 0; i < x.n_sources; i++)
                head[OAI_HEAD_PIAP] += rows[i * OAI_ROW_N + OAI_ROW_AP] / x.n_sources;
        else
            head[OAI_HEAD_PIAP] = oai_assign_best(ap, x.n_maps, x.n_sources, unused) / x.n_sources;
        for (uint32_t at = 0; at < x.n_maps * x.n_sources; at++)
            if (isnan(ap[at])) head[OAI_HEAD_PIAP] = NAN;
    }
    return OASSL_STATUS_OK;
}

/* ---- confidence and masks -------------------------------------------------------------------------------------- */

static oassl_status judge_confidence(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, double *out) {
    const oassl_metric_sample *s = oai_sample_cache_sample(c);
    oai_scoring scoring = scoring_of(v, j);
    *out = -INFINITY; /* nothing was found */
    if (s->confidence) return *out = *s->confidence, OASSL_STATUS_OK;
    if (scoring.kind == OAI_SCORE_MINMAX || scoring.kind == OAI_SCORE_COSINE_MINMAX)
        scoring.kind = OAI_SCORE_RAW; /* of the map as it came */
    if (slavc_scale(v->rules) && v->system == OAI_SYSTEM_MAP) scoring.kind = OAI_SCORE_COSINE;
    for (uint32_t k = 0; k < (v->system == OAI_SYSTEM_OBJECT ? 1 : s->n_maps); k++) {
        oai_view *view;
        OAI_TRY(view_of(c, v, j, (int32_t)k, 0, &view));
        OAI_TRY(oai_sample_cache_sort(c, view));
        double f = oai_view_top_quarter(view, &scoring, oai_sample_cache_space(c));
        if (f > *out) *out = f;
    }
    return OASSL_STATUS_OK;
}

static bool has_mask(const oassl_metric_sample *s) {
    for (uint32_t i = 0; i < s->n_sources; i++)
        if (s->sources[i].mask) return true;
    return false;
}

/* All maps together, the largest at each pixel, against all sources together. */
static oassl_status judge_masks(oai_sample_cache *c, const oai_variant *v, const oai_judging *j, double *head,
                                double *curve) {
    const oassl_metric_sample *s = oai_sample_cache_sample(c);
    oai_scoring scoring = scoring_of(v, j);
    oai_truth_key key = {-1, OAI_TRUTH_UNION, OAI_READ_BOX, OAI_PLACE_SQUARE, 0};
    oai_truth *truth;
    oai_view *view;
    head[OAI_HEAD_HAS_MASK] = has_mask(s);
    if (s->n_sources && head[OAI_HEAD_HAS_MASK] == 0) return OASSL_STATUS_OK;
    OAI_TRY(oai_sample_cache_truth(c, key, &truth));
    OAI_TRY(view_of(c, v, j, s->n_maps == 1 ? 0 : OAI_FROM_LARGEST, 0, &view));
    double t = oai_threshold_of(view, &scoring, v->cut == OAI_CUT_FIXED ? v->at : 0.5);
    oai_counts n = oai_count(view, oai_view_cutoff(view, &scoring, OAI_PREDICATE_GT, t), truth);
    head[OAI_HEAD_IOU] = oai_mask_iou(&n, truth);
    if (head[OAI_HEAD_N_CURVE] == 0) return OASSL_STATUS_OK;
    OAI_TRY(oai_sample_cache_sort(c, view));
    oai_f_curve(view, &scoring, truth, oai_sample_cache_space(c), curve);
    return OASSL_STATUS_OK;
}

oassl_status oai_judge(oai_sample_cache *c, const oai_variant *v, const oai_judging *j,
                       double out_block[OAI_BLOCK_MAX]) {
    const oassl_metric_sample *s = oai_sample_cache_sample(c);
    int32_t n_curve = v->curve && has_mask(s) ? OAI_F_STEPS : 0;
    double *curve = out_block + OAI_HEAD_N, *rows = curve + n_curve;
    for (int32_t i = 0; i < OAI_HEAD_N + n_curve; i++) out_block[i] = NAN;
    out_block[OAI_HEAD_N_ROWS] = 0, out_block[OAI_HEAD_N_CURVE] = n_curve;
    if (v->system != OAI_SYSTEM_MAP && !s->object) return OASSL_STATUS_OK;
    if (v->rules->assign == OASSL_ASSIGN_GREEDY) return judge_composed(c, v, j, out_block, rows);
    if (v->rules->figures & ~(uint32_t)(OAI_FIG_MASKS | OAI_FIG_MASKS_OFFICIAL))
        OAI_TRY(judge_pairs(c, v, j, out_block, rows));
    if (v->figures & OAI_FIG_CONFIDENCE) OAI_TRY(judge_confidence(c, v, j, &out_block[OAI_HEAD_CONFIDENCE]));
    if (v->figures & (OAI_FIG_MASKS | OAI_FIG_MASKS_OFFICIAL)) OAI_TRY(judge_masks(c, v, j, out_block, curve));
    return OASSL_STATUS_OK;
}
