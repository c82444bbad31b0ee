#include "metric/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "metric/confidence.h"

/* A figure that is a ratio of sums over units (samples, pictures, batches); resampling draws units. */
typedef struct sums {
    double *over, *under; /* [n_units] */
    uint64_t n_units;
} sums;

typedef struct maker {
    const oai_ledger *l;
    oai_figures *out;
    uint32_t variant;
    sums s;
    double *resampled;     /* [bootstrap] */
    uint32_t *units;       /* [n_samples] one resample */
    uint32_t *by_group;    /* [n_samples] samples in the order of groups */
    oai_judgement *judged, *redrawn; /* [n_samples] */
    double best_auc, best_at; /* of a threshold grid */
    uint64_t best_first, best_n;
} maker;

enum { HOW_PASS, HOW_ABOVE, HOW_AUC, HOW_VALUE };

static double gain(int32_t how, double t, double v) {
    switch (how) {
    case HOW_PASS: return v >= t;
    case HOW_ABOVE: return v > t;
    case HOW_AUC: return oai_auc_of_one(v);
    default: return v;
    }
}

/* ---- writing a figure down ------------------------------------------------------------------------------------ */

static oassl_status write_value(maker *m, const char *name, double value, double low, double high, uint64_t n) {
    oai_figures *f = m->out;
    const oai_variant *v = &m->l->variants[m->variant];
    if (f->n == f->room) {
        uint64_t room = f->room ? 2 * f->room : 64;
        oassl_metric_value *values = oai_grow(m->l->host, f->values, f->room * sizeof *values, room * sizeof *values);
        if (!values) return oai_no_memory(room * sizeof *values, "figures");
        f->values = values, f->room = room;
    }
    char text[64];
    int bytes = snprintf(text, sizeof text, "%s%s", v->prefix, name);
    const char *kept = oai_arena_text(&f->names, text, (size_t)bytes);
    if (!kept) return oai_no_memory((size_t)bytes, "figures");
    f->values[f->n++] = (oassl_metric_value){.struct_size = sizeof *f->values, .protocol = v->rules->name, .name = kept, .value = value,
                                             .low = low, .high = high, .n = n};
    return OASSL_STATUS_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Writes a figure with the 2.5 % and 97.5 % points of its resamples, `n_resampled` of which could be computed. */
static oassl_status write_interval(maker *m, const char *name, double value, uint64_t n, uint32_t n_resampled) {
    double low = value, high = value;
    if (n_resampled) {
        qsort(m->resampled, n_resampled, sizeof *m->resampled, by_value);
        low = m->resampled[(uint32_t)(0.025 * n_resampled)];
        high = m->resampled[(uint32_t)fmin(0.975 * n_resampled, n_resampled - 1.0)];
    }
    return write_value(m, name, value, low, high, n);
}

static void draw(maker *m, uint32_t b, uint64_t n_units) {
    oai_rng rng = oai_rng_stream(m->l->seed, b);
    for (uint64_t i = 0; i < n_units; i++) m->units[i] = oai_rng_below(&rng, (uint32_t)n_units);
}

static oassl_status write_sums(maker *m, const char *name) {
    const sums *s = &m->s;
    double over = 0, under = 0;
    uint32_t n = 0;
    for (uint64_t i = 0; i < s->n_units; i++) over += s->over[i], under += s->under[i];
    if (under == 0) return OASSL_STATUS_OK;
    for (uint32_t b = 0; b < m->l->bootstrap; b++) {
        oai_rng rng = oai_rng_stream(m->l->seed, b);
        double o = 0, u = 0;
        for (uint64_t i = 0; i < s->n_units; i++) {
            uint32_t at = oai_rng_below(&rng, (uint32_t)s->n_units);
            o += s->over[at], u += s->under[at];
        }
        if (u > 0) m->resampled[n++] = o / u;
    }
    return write_interval(m, name, over / under, (uint64_t)under, n);
}

static const double *block_of(const maker *m, uint64_t sample) { return m->l->blocks[sample * m->l->n_variants + m->variant]; }

/* ---- ratios of sums over samples ------------------------------------------------------------------------------- */

typedef struct part { /* of the rows */
    const char *prefix;
    double least, below; /* area of the truth */
} part;

static oassl_status row_figure(maker *m, const char *name, int32_t column, int32_t how, double t, const part *only) {
    m->s.n_units = m->l->n_samples;
    for (uint64_t i = 0; i < m->l->n_samples; i++) {
        const double *block = block_of(m, i), *row = oai_block_rows(block);
        m->s.over[i] = m->s.under[i] = 0;
        for (uint32_t k = 0; k < (uint32_t)block[OAI_HEAD_N_ROWS]; k++, row += OAI_ROW_N) {
            if (isnan(row[column]) || (only && !(row[OAI_ROW_AREA] >= only->least && row[OAI_ROW_AREA] < only->below))) continue;
            m->s.over[i] += gain(how, t, row[column]);
            m->s.under[i] += 1;
        }
    }
    char text[48];
    snprintf(text, sizeof text, "%s%s", only ? only->prefix : "", name);
    return write_sums(m, text);
}

static oassl_status head_figure(maker *m, const char *name, int32_t column) {
    m->s.n_units = m->l->n_samples;
    for (uint64_t i = 0; i < m->l->n_samples; i++) {
        double value = block_of(m, i)[column];
        m->s.under[i] = !isnan(value);
        m->s.over[i] = isnan(value) ? 0 : value;
    }
    return write_sums(m, name);
}

static oassl_status row_figures(maker *m, uint32_t figures) {
    static const struct {
        uint32_t figure;
        const char *name;
        int32_t column, how;
        double t;
    } list[] = {
        {OAI_FIG_SUCCESS, "success_50", OAI_ROW_CIOU, HOW_PASS, 0.5},
        {OAI_FIG_AT_30, "success_30", OAI_ROW_CIOU, HOW_PASS, 0.3},
        {OAI_FIG_AT_75, "success_75", OAI_ROW_CIOU, HOW_PASS, 0.75},
        {OAI_FIG_SUCCESS, "auc", OAI_ROW_CIOU, HOW_AUC, 0},
        {OAI_FIG_SUCCESS, "mean_ciou", OAI_ROW_CIOU, HOW_VALUE, 0},
        {OAI_FIG_STRICT, "success_10_strict", OAI_ROW_CIOU, HOW_ABOVE, 0.1},
        {OAI_FIG_STRICT, "success_30_strict", OAI_ROW_CIOU, HOW_ABOVE, 0.3},
        {OAI_FIG_STRICT, "success_50_strict", OAI_ROW_CIOU, HOW_ABOVE, 0.5},
        {OAI_FIG_ADAPTIVE, "adaptive_success_50", OAI_ROW_ADAPTIVE, HOW_PASS, 0.5},
        {OAI_FIG_ADAPTIVE, "adaptive_success_30", OAI_ROW_ADAPTIVE, HOW_PASS, 0.3},
        {OAI_FIG_ADAPTIVE, "adaptive_auc", OAI_ROW_ADAPTIVE, HOW_AUC, 0},
        {OAI_FIG_ADAPTIVE, "adaptive_mean_ciou", OAI_ROW_ADAPTIVE, HOW_VALUE, 0},
        {OAI_FIG_AP, "ap", OAI_ROW_AP, HOW_VALUE, 0}, /* one source's name, */
        {OAI_FIG_AP, "cap", OAI_ROW_AP, HOW_VALUE, 0}, /* and several sources' */
    };
    static const part sizes[] = {{"small.", 0, 1024}, {"medium.", 1024, 9216}, {"large.", 9216, 20736}, {"huge.", 20736, 1e8}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (figures & list[i].figure) OAI_TRY(row_figure(m, list[i].name, list[i].column, list[i].how, list[i].t, NULL));
    for (size_t i = 0; i < 4 && (figures & OAI_FIG_SIZES); i++) {
        OAI_TRY(row_figure(m, "success_50", OAI_ROW_CIOU, HOW_PASS, 0.5, &sizes[i]));
        OAI_TRY(row_figure(m, "auc", OAI_ROW_CIOU, HOW_AUC, 0, &sizes[i]));
        OAI_TRY(row_figure(m, "mean_ciou", OAI_ROW_CIOU, HOW_VALUE, 0, &sizes[i]));
    }
    if (figures & OAI_FIG_PIAP) OAI_TRY(head_figure(m, "piap", OAI_HEAD_PIAP));
    if (figures & OAI_FIG_COUNT) OAI_TRY(head_figure(m, "count_accuracy", OAI_HEAD_COUNT));
    return OASSL_STATUS_OK;
}

/* ---- pictures with several samples (5.1) ------------------------------------------------------------------------ */

static oassl_status group_figure(maker *m, const char *name, int32_t column, int32_t how, double t) {
    uint64_t n = 0;
    for (uint64_t first = 0, next; first < m->l->n_samples; first = next) {
        const char *group = m->l->groups[m->by_group[first]];
        double least = INFINITY;
        for (next = first; next < m->l->n_samples && strcmp(m->l->groups[m->by_group[next]], group) == 0; next++) {
            const double *block = block_of(m, m->by_group[next]), *row = oai_block_rows(block);
            for (uint32_t k = 0; k < (uint32_t)block[OAI_HEAD_N_ROWS]; k++, row += OAI_ROW_N)
                if (row[column] < least) least = row[column];
        }
        if (isinf(least)) continue;
        m->s.over[n] = gain(how, t, least);
        m->s.under[n++] = 1;
    }
    m->s.n_units = n;
    return write_sums(m, name);
}

static oassl_status group_figures(maker *m, uint32_t figures) {
    if (!(figures & OAI_FIG_GROUPS)) return OASSL_STATUS_OK;
    OAI_TRY(group_figure(m, "iiou", OAI_ROW_CIOU, HOW_PASS, 0.5));
    OAI_TRY(group_figure(m, "iauc", OAI_ROW_CIOU, HOW_AUC, 0));
    OAI_TRY(group_figure(m, "adaptive_iiou", OAI_ROW_ADAPTIVE, HOW_PASS, 0.5));
    return group_figure(m, "adaptive_iauc", OAI_ROW_ADAPTIVE, HOW_AUC, 0);
}

/* ---- confidence (6) --------------------------------------------------------------------------------------------- */

/* A sample of several sources counts with their mean. */
static bool judgement_of(const maker *m, uint64_t sample, oai_judgement *out) {
    const double *block = block_of(m, sample), *row = oai_block_rows(block);
    uint32_t n = (uint32_t)block[OAI_HEAD_N_ROWS];
    *out = (oai_judgement){block[OAI_HEAD_CONFIDENCE], 0, n > 0, (uint32_t)sample};
    for (uint32_t k = 0; k < n; k++) out->ciou += row[k * OAI_ROW_N + OAI_ROW_CIOU] / n;
    return !isnan(out->confidence);
}

/* What a resample drew, in the order of confidence as the whole list is: no sorting again. */
static uint64_t redraw(maker *m, uint32_t b, uint64_t n) {
    uint64_t k = 0;
    oai_rng rng = oai_rng_stream(m->l->seed, b);
    memset(m->units, 0, m->l->n_samples * sizeof *m->units);
    for (uint64_t i = 0; i < m->l->n_samples; i++) m->units[oai_rng_below(&rng, (uint32_t)m->l->n_samples)]++;
    for (uint64_t i = 0; i < n; i++)
        for (uint32_t c = 0; c < m->units[m->judged[i].sample]; c++) m->redrawn[k++] = m->judged[i];
    return k;
}

static oassl_status ranking_figure(maker *m, const char *name, double (*figure)(const oai_judgement *, size_t, double)) {
    uint64_t n = 0;
    uint32_t n_resampled = 0;
    for (uint64_t i = 0; i < m->l->n_samples; i++) n += judgement_of(m, i, &m->judged[n]);
    if (n == 0) return OASSL_STATUS_OK;
    oai_judgements_sort(m->judged, n);
    double value = figure(m->judged, n, 0.5), printed = round(value * 1000) / 10;
    for (uint32_t b = 0; b < m->l->bootstrap; b++) {
        uint64_t k = redraw(m, b, n);
        if (k) m->resampled[n_resampled++] = figure(m->redrawn, k, 0.5);
    }
    OAI_TRY(write_interval(m, name, value, n, n_resampled));
    return figure == oai_max_f1 ? write_value(m, "max_f1_printed_percent", printed, printed, printed, n) : OASSL_STATUS_OK;
}

static oassl_status located_figure(maker *m, const char *name, int32_t how) {
    m->s.n_units = m->l->n_samples;
    for (uint64_t i = 0; i < m->l->n_samples; i++) {
        oai_judgement j;
        bool counts = judgement_of(m, i, &j) && j.sounding;
        m->s.under[i] = counts;
        m->s.over[i] = counts ? gain(how, 0.5, j.ciou) : 0;
    }
    return write_sums(m, name);
}

static oassl_status confidence_figures(maker *m, uint32_t figures) {
    if (!(figures & OAI_FIG_CONFIDENCE)) return OASSL_STATUS_OK;
    OAI_TRY(ranking_figure(m, "ap_conf", oai_confidence_ap));
    OAI_TRY(ranking_figure(m, "max_f1", oai_max_f1));
    OAI_TRY(located_figure(m, "loc_acc", HOW_PASS));
    return located_figure(m, "precision_50_strict", HOW_ABOVE);
}

/* ---- masks (7) -------------------------------------------------------------------------------------------------- */

static bool has_masks(const maker *m) {
    for (uint64_t i = 0; i < m->l->n_samples; i++)
        if (block_of(m, i)[OAI_HEAD_HAS_MASK] == 1) return true;
    return false;
}

/* The largest point of the mean curve of samples units[first..first+n), or of first.. without units; NaN: no object. */
static double best_f(const maker *m, const uint32_t *units, uint64_t first, uint64_t n, uint64_t *out_n) {
    double sum[OAI_F_STEPS] = {0}, most = 0;
    uint64_t counted = 0;
    for (uint64_t i = first; i < first + n; i++) {
        const double *block = block_of(m, units ? units[i] : i), *curve = oai_block_curve(block);
        if (block[OAI_HEAD_N_CURVE] == 0 || isnan(curve[0])) continue;
        for (int32_t k = 0; k < OAI_F_STEPS; k++) sum[k] += curve[k];
        counted++;
    }
    for (int32_t k = 0; k < OAI_F_STEPS; k++) most = sum[k] > most ? sum[k] : most;
    *out_n = counted;
    return counted ? most / (double)counted : NAN;
}

static oassl_status f_figure(maker *m) {
    uint64_t n, unused;
    double value = best_f(m, NULL, 0, m->l->n_samples, &n);
    uint32_t n_resampled = 0;
    if (isnan(value)) return OASSL_STATUS_OK;
    for (uint32_t b = 0; b < m->l->bootstrap; b++) {
        draw(m, b, m->l->n_samples);
        double again = best_f(m, m->units, 0, m->l->n_samples, &unused);
        if (!isnan(again)) m->resampled[n_resampled++] = again;
    }
    return write_interval(m, "f_score", value, n, n_resampled);
}

static oassl_status official_figures(maker *m) {
    uint64_t n_batches = (m->l->n_samples + m->l->batch - 1) / m->l->batch, unused;
    for (int32_t f = 0; f < 2; f++) {
        m->s.n_units = n_batches;
        for (uint64_t b = 0; b < n_batches; b++) {
            uint64_t first = b * m->l->batch, n = m->l->n_samples - first < m->l->batch ? m->l->n_samples - first : m->l->batch;
            double value = 0;
            if (f) value = best_f(m, NULL, first, n, &unused);
            for (uint64_t i = first; i < first + n && !f; i++) value += block_of(m, i)[OAI_HEAD_IOU] / (double)n;
            m->s.under[b] = !isnan(value);
            m->s.over[b] = isnan(value) ? 0 : value;
        }
        OAI_TRY(write_sums(m, f ? "f_score" : "miou"));
    }
    return OASSL_STATUS_OK;
}

static oassl_status mask_figures(maker *m, uint32_t figures) {
    if (!(figures & (OAI_FIG_MASKS | OAI_FIG_MASKS_OFFICIAL)) || !has_masks(m)) return OASSL_STATUS_OK;
    if (figures & OAI_FIG_MASKS_OFFICIAL) return official_figures(m);
    OAI_TRY(head_figure(m, "miou", OAI_HEAD_IOU));
    return m->l->variants[m->variant].curve ? f_figure(m) : OASSL_STATUS_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

/* A grid's best threshold is that of the largest AUC (the first of equals, rounding aside), as checkpoints are chosen; of masks, mIoU. */
static void note_best(maker *m, uint64_t first) {
    const oai_figures *f = m->out;
    const oai_variant *v = &m->l->variants[m->variant];
    if (v->rules->cut != OAI_CUT_GRID || v->cut != OAI_CUT_FIXED) return;
    for (uint64_t i = first; i < f->n; i++) {
        const char *name = f->values[i].name + strlen(v->prefix);
        if ((strcmp(name, "auc") != 0 && (strcmp(name, "miou") != 0 || !has_masks(m))) || f->values[i].value <= m->best_auc + 1e-12) continue;
        m->best_auc = f->values[i].value, m->best_at = v->at;
        m->best_first = first, m->best_n = f->n - first;
    }
}

static oassl_status write_best(maker *m) {
    const oai_variant *v = &m->l->variants[m->variant];
    bool last = m->variant + 1 == m->l->n_variants || m->l->variants[m->variant + 1].rules != v->rules;
    if (!last || m->best_n == 0) return OASSL_STATUS_OK;
    oai_variant best = *v;
    oai_ledger copy = *m->l;
    maker with = *m;
    snprintf(best.prefix, sizeof best.prefix, "best.");
    copy.variants = &best, with.l = &copy, with.variant = 0;
    OAI_TRY(write_value(&with, "threshold", m->best_at, m->best_at, m->best_at, 19));
    for (uint64_t i = 0; i < m->best_n; i++) {
        oassl_metric_value one = m->out->values[m->best_first + i];
        OAI_TRY(write_value(&with, strchr(strchr(one.name, '.') + 1, '.') + 1, one.value, one.low, one.high, one.n));
    }
    m->best_n = 0, m->best_auc = -1;
    return OASSL_STATUS_OK;
}

static oassl_status make_variant(maker *m) {
    uint32_t figures = m->l->variants[m->variant].figures;
    uint64_t first = m->out->n;
    OAI_TRY(row_figures(m, figures));
    OAI_TRY(group_figures(m, figures));
    OAI_TRY(confidence_figures(m, figures));
    OAI_TRY(mask_figures(m, figures));
    note_best(m, first);
    return write_best(m);
}

static int by_group_then_sample(const void *a, const void *b, void *user) {
    const oai_ledger *l = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = strcmp(l->groups[x], l->groups[y]);
    return order ? order : (x > y) - (x < y);
}

static void release(maker *m) {
    const oai_host *host = m->l->host;
    oai_free(host, m->s.over);
    oai_free(host, m->s.under);
    oai_free(host, m->resampled);
    oai_free(host, m->units);
    oai_free(host, m->by_group);
    oai_free(host, m->judged);
    oai_free(host, m->redrawn);
}

oassl_status oai_figures_make(const oai_ledger *l, oai_figures *out_figures) {
    maker m = {.l = l, .out = out_figures, .best_auc = -1};
    size_t n = l->n_samples + 1;
    oassl_status status = OASSL_STATUS_OK;
    *out_figures = (oai_figures){0};
    oai_arena_init(&out_figures->names, l->host);
    m.s.over = oai_calloc(l->host, n, sizeof(double));
    m.s.under = oai_calloc(l->host, n, sizeof(double));
    m.resampled = oai_calloc(l->host, l->bootstrap + 1, sizeof(double));
    m.units = oai_calloc(l->host, n, sizeof *m.units);
    m.by_group = oai_calloc(l->host, n, sizeof *m.by_group);
    m.judged = oai_calloc(l->host, n, sizeof *m.judged);
    m.redrawn = oai_calloc(l->host, n, sizeof *m.redrawn);
    if (!m.s.over || !m.s.under || !m.resampled || !m.units || !m.by_group || !m.judged || !m.redrawn)
        status = oai_no_memory(n * (2 * sizeof(double) + 2 * sizeof *m.units + sizeof *m.judged), "figures");
    for (uint32_t i = 0; status == OASSL_STATUS_OK && i < l->n_samples; i++) m.by_group[i] = i;
    if (status == OASSL_STATUS_OK) qsort_r(m.by_group, l->n_samples, sizeof *m.by_group, by_group_then_sample, (void *)l);
    for (; status == OASSL_STATUS_OK && m.variant < l->n_variants; m.variant++) status = make_variant(&m);
    release(&m);
    if (status != OASSL_STATUS_OK) oai_figures_free(l->host, out_figures);
    return status;
}

void oai_figures_free(const oai_host *host, oai_figures *figures) {
    oai_free(host, figures->values);
    oai_arena_free(&figures->names);
    *figures = (oai_figures){0};
}
