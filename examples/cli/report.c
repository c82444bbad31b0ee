/* What a report collects while samples are scored. */
#include "report.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report_parts.h"

enum { N_KEPT = 8, SIDE = 224 };

/* Sums over pairs; [0] with the half threshold, [1] with the adaptive one. */
typedef struct tally {
    uint64_t n, at[2][REPORT_STEPS], success_30[2];
    double ciou[2], ap, pointing;
} tally;

typedef struct group {
    char *name;
    tally sum;
} group;

typedef struct groups {
    group *items;
    size_t n;
} groups;

typedef struct kept {
    double score;
    uint64_t number;
    json_t *card;
} kept;

typedef struct listener {
    report *page;
    bool mismatched;
    oassl_evaluate_fn next;
    void *user;
} listener;

enum { MODEL, MISMATCHED, CENTRE, WHOLE, N_CURVES };
static const char *const curve_names[N_CURVES] = {"model", "mismatched", "centre_box", "whole_image"};

struct report {
    const oassl_context *context;
    oassl_manifest *manifest; /* where media are found; NULL = not */
    char folder[PATH_MAX]; /* for pictures on their way into the page */
    tally curves[N_CURVES];
    groups classes, sizes;
    kept best[N_KEPT], worst[N_KEPT];
    size_t n_best, n_worst;
    uint64_t n_samples;
    listener listeners[2];
};

report *report_create(const oassl_context *context) {
    report *r = calloc(1, sizeof *r);
    if (!r) return fputs("oassl: no memory for a report\n", stderr), NULL;
    const char *tmp = getenv("TMPDIR");
    r->context = context;
    if (snprintf(r->folder, sizeof r->folder, "%s/oassl-report-XXXXXX", tmp && *tmp ? tmp : "/tmp") < (int)sizeof r->folder &&
        mkdtemp(r->folder))
        return r;
    fprintf(stderr, "oassl: report: no temporary folder in %s\n", tmp && *tmp ? tmp : "/tmp");
    free(r);
    return NULL;
}

static void free_groups(groups *g) {
    for (size_t i = 0; i < g->n; i++) free(g->items[i].name);
    free(g->items);
}

void report_destroy(report *r) {
    if (!r) return;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/picture.jpg", r->folder);
    unlink(path);
    rmdir(r->folder);
    oassl_manifest_destroy(r->manifest);
    free_groups(&r->classes);
    free_groups(&r->sizes);
    for (size_t i = 0; i < r->n_best; i++) json_decref(r->best[i].card);
    for (size_t i = 0; i < r->n_worst; i++) json_decref(r->worst[i].card);
    free(r);
}

/* ---- sums ---------------------------------------------------------------------------------------------------- */

static void tally_add(tally *t, double ciou, double adaptive, double ap, double pointing) {
    const double v[2] = {ciou, adaptive};
    t->n++;
    t->ap += ap;
    t->pointing += pointing;
    for (int a = 0; a < 2; a++) {
        t->ciou[a] += v[a];
        t->success_30[a] += v[a] >= 0.3;
        for (int i = 0; i < REPORT_STEPS; i++) t->at[a][i] += v[a] >= 0.05 * i;
    }
}

static tally *group_of(groups *g, const char *name) {
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].name, name) == 0) return &g->items[i].sum;
    group *grown = realloc(g->items, (g->n + 1) * sizeof *grown);
    if (!grown) return NULL;
    g->items = grown;
    grown[g->n] = (group){.name = strdup(name)};
    return grown[g->n].name ? &grown[g->n++].sum : NULL;
}

/* The bands of the SLAVC and AVGN evaluators, in pixels of 224 x 224 (metrics.md 4). */
static const char *size_of(const oassl_metric_sample *sample, const oassl_metric_truth *truth) {
    uint8_t covered[SIDE][SIDE];
    double area = 0;
    if (truth->mask) {
        size_t n = (size_t)sample->width * (size_t)sample->height;
        for (size_t i = 0; i < n; i++) area += truth->mask[i] != 0;
        area *= (double)SIDE * SIDE / (double)n;
    } else {
        memset(covered, 0, sizeof covered);
        double box[4];
        for (uint32_t b = 0; b < truth->n_boxes; b++) {
            if (!truth_box(sample, truth, b, box)) continue;
            int edge[4];
            for (int e = 0; e < 4; e++) edge[e] = (int)(box[e] / (e % 2 ? sample->height : sample->width) * SIDE);
            for (int y = edge[1]; y < edge[3]; y++)
                for (int x = edge[0]; x < edge[2]; x++) covered[y][x] = 1;
        }
        for (int i = 0; i < SIDE * SIDE; i++) area += covered[i / SIDE][i % SIDE];
    }
    return area < 1024 ? "small" : area < 9216 ? "medium" : area < 20736 ? "large" : "huge";
}

/* ---- one sample ---------------------------------------------------------------------------------------------- */

/* Scores `sample` alone, by the canonical rules. */
static oassl_status score_alone(const oassl_context *context, const oassl_metric_sample *sample, oassl_metric_pair *out_pairs,
                                oassl_metric_result *out_result) {
    oassl_metric *metric = NULL;
    oassl_status status = oassl_metric_create(context, NULL, &metric);
    if (status == OASSL_STATUS_OK) status = oassl_metric_add(metric, sample);
    if (status == OASSL_STATUS_OK) status = oassl_metric_compute(metric, out_result);
    for (uint32_t k = 0; k < sample->n_sources && status == OASSL_STATUS_OK; k++) {
        out_pairs[k] = (oassl_metric_pair)OASSL_METRIC_PAIR_INIT;
        status = oassl_metric_get_pair(metric, k, &out_pairs[k]);
    }
    oassl_metric_destroy(metric);
    return status;
}

/* The baselines see the truth only; their cIoU of one pair is the mean of a metric that has just that pair. */
static oassl_status add_baselines(report *r, const oassl_metric_sample *sample, const oassl_metric_result *together) {
    for (uint32_t k = 0; k < sample->n_sources; k++) {
        oassl_metric_result result = *together;
        if (sample->n_sources > 1) {
            oassl_metric_sample alone = *sample;
            oassl_metric_pair pair;
            alone.sources = &sample->sources[k];
            alone.n_sources = 1;
            alone.n_silent = 0;
            alone.n_maps = sample->n_maps ? 1 : 0;
            oassl_status status = score_alone(r->context, &alone, &pair, &result);
            if (status != OASSL_STATUS_OK) return status;
        }
        tally_add(&r->curves[CENTRE], result.centre.mean_ciou, result.centre.adaptive_mean_ciou, result.centre.ap, result.centre.pointing);
        tally_add(&r->curves[WHOLE], result.whole.mean_ciou, result.whole.adaptive_mean_ciou, result.whole.ap, result.whole.pointing);
    }
    return OASSL_STATUS_OK;
}

/* Where a sample goes in a list sorted by `sign` times score, N_KEPT when nowhere. */
static size_t rank_in(const kept *list, size_t n, double sign, double score) {
    size_t at = n;
    while (at > 0 && sign * score > sign * list[at - 1].score) at--;
    return at;
}

static void keep(kept *list, size_t *n, size_t at, kept item) {
    if (*n == N_KEPT) json_decref(list[--*n].card);
    memmove(list + at + 1, list + at, (*n - at) * sizeof *list);
    list[at] = item;
    json_incref(item.card);
    ++*n;
}

oassl_status report_look_up(report *r, const char *manifest_path) {
    oassl_manifest_options options = OASSL_MANIFEST_OPTIONS_INIT;
    options.missing = OASSL_MISSING_KEEP;
    return oassl_manifest_load(r->context, manifest_path, &options, &r->manifest);
}

/* The card of a sample, with what the manifest knows of its media. */
static oassl_status make_card(const report *r, const oassl_metric_sample *sample, const oassl_image *picture, const oassl_audio *sound,
                              const oassl_metric_pair *pairs, double score, json_t **out_card) {
    oassl_image image = {0};
    oassl_audio audio = {0};
    oassl_record record = OASSL_RECORD_INIT;
    uint64_t number;
    if (!picture && !sound && r->manifest && oassl_manifest_find(r->manifest, sample->id, &number) == OASSL_STATUS_OK &&
        oassl_manifest_record(r->manifest, number, &record) == OASSL_STATUS_OK && record.n_mix == 0) {
        if (record.image && oassl_image_load(r->context, record.image, &image) == OASSL_STATUS_OK) picture = &image;
        if (record.audio && oassl_audio_load(r->context, record.audio, &audio) == OASSL_STATUS_OK) sound = &audio;
    }
    oassl_status status = sample_card(r->context, r->folder, sample, picture, sound, pairs, score, out_card);
    if (picture == &image) oassl_image_free(r->context, &image);
    if (sound == &audio) oassl_audio_free(r->context, &audio);
    return status;
}

oassl_status report_add(report *r, const oassl_metric_sample *sample, const oassl_image *picture, const oassl_audio *sound) {
    oassl_metric_pair pairs[OASSL_METRIC_MAX_SOURCES];
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    oassl_status status = score_alone(r->context, sample, pairs, &result);
    if (status == OASSL_STATUS_OK) status = add_baselines(r, sample, &result);
    if (status != OASSL_STATUS_OK) return status;
    if (sample->n_sources == 0) return OASSL_STATUS_OK; /* nothing to find */
    double score = 0;
    for (uint32_t k = 0; k < sample->n_sources; k++) {
        const oassl_metric_pair *p = &pairs[k];
        const char *label = sample->sources[k].label;
        tally *in_class = group_of(&r->classes, label && *label ? label : "(no label)");
        tally *in_size = group_of(&r->sizes, size_of(sample, &sample->sources[k]));
        if (!in_class || !in_size) return OASSL_STATUS_OUT_OF_MEMORY;
        tally_add(&r->curves[MODEL], p->ciou, p->adaptive_ciou, p->ap, p->pointing);
        tally_add(in_class, p->ciou, p->adaptive_ciou, p->ap, p->pointing);
        tally_add(in_size, p->ciou, p->adaptive_ciou, p->ap, p->pointing);
        score += p->ap / sample->n_sources;
    }
    uint64_t number = r->n_samples++;
    size_t best = rank_in(r->best, r->n_best, 1, score), worst = rank_in(r->worst, r->n_worst, -1, score);
    if (best == N_KEPT && worst == N_KEPT) return OASSL_STATUS_OK;
    kept item = {score, number, NULL};
    status = make_card(r, sample, picture, sound, pairs, score, &item.card);
    if (status != OASSL_STATUS_OK) return status;
    if (best < N_KEPT) keep(r->best, &r->n_best, best, item);
    if (worst < N_KEPT) keep(r->worst, &r->n_worst, worst, item);
    json_decref(item.card);
    return OASSL_STATUS_OK;
}

oassl_status report_add_mismatched(report *r, const oassl_metric_sample *sample) {
    oassl_metric_pair pairs[OASSL_METRIC_MAX_SOURCES];
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    oassl_status status = score_alone(r->context, sample, pairs, &result);
    for (uint32_t k = 0; k < sample->n_sources && status == OASSL_STATUS_OK; k++)
        tally_add(&r->curves[MISMATCHED], pairs[k].ciou, pairs[k].adaptive_ciou, pairs[k].ap, pairs[k].pointing);
    return status;
}

static oassl_status on_sample(void *user, const oassl_evaluated_sample *sample) {
    const listener *l = user;
    oassl_status status = l->next ? l->next(l->user, sample) : OASSL_STATUS_OK;
    if (status != OASSL_STATUS_OK) return status;
    return l->mismatched ? report_add_mismatched(l->page, sample->truth) : report_add(l->page, sample->truth, sample->picture, sample->sound);
}

void report_listen(report *r, oassl_evaluate_options *options, bool mismatched) {
    if (!r) return;
    listener *l = &r->listeners[mismatched];
    *l = (listener){r, mismatched, options->on_sample, options->user};
    options->on_sample = on_sample;
    options->user = l;
}

/* ---- as JSON ------------------------------------------------------------------------------------------------- */

static double share(double sum, uint64_t n) { return n ? sum / (double)n : 0; }

static json_t *curve_json(const tally *t, int adaptive) {
    json_t *curve = json_array();
    for (int i = 0; i < REPORT_STEPS; i++) json_array_append_new(curve, json_real(share((double)t->at[adaptive][i], t->n)));
    return curve;
}

static double curve_area(const tally *t, int adaptive) {
    double area = 0;
    for (int i = 0; i + 1 < REPORT_STEPS; i++) area += 0.025 * share((double)(t->at[adaptive][i] + t->at[adaptive][i + 1]), t->n);
    return area;
}

static json_t *group_json(const group *g) {
    const tally *t = &g->sum;
    json_t *object = json_pack("{s:o, s:I, s:f, s:f}", "name", json_clean_string(g->name), "n_pairs", (json_int_t)t->n, "pointing",
                               share(t->pointing, t->n), "ap", share(t->ap, t->n));
    static const char *const keys[2][4] = {{"success_30", "success_50", "auc", "mean_ciou"},
                                           {"adaptive_success_30", "adaptive_success_50", "adaptive_auc", "adaptive_mean_ciou"}};
    for (int a = 0; a < 2 && object; a++) {
        const double values[] = {share((double)t->success_30[a], t->n), share((double)t->at[a][10], t->n), curve_area(t, a),
                                 share(t->ciou[a], t->n)};
        for (int i = 0; i < 4; i++) json_object_set_new(object, keys[a][i], json_real(values[i]));
    }
    return object;
}

static json_t *groups_json(const groups *g, const char *const *order) {
    json_t *list = json_array();
    for (size_t i = 0; !order && i < g->n; i++) json_array_append_new(list, group_json(&g->items[i]));
    for (; order && *order; order++)
        for (size_t i = 0; i < g->n; i++)
            if (strcmp(g->items[i].name, *order) == 0) json_array_append_new(list, group_json(&g->items[i]));
    return list;
}

json_t *report_breakdown(const report *r) {
    static const char *const sizes[] = {"small", "medium", "large", "huge", NULL};
    json_t *curves = json_object();
    for (int c = 0; c < N_CURVES; c++)
        if (r->curves[c].n)
            json_object_set_new(curves, curve_names[c],
                                json_pack("{s:o, s:o}", "half", curve_json(&r->curves[c], 0), "adaptive", curve_json(&r->curves[c], 1)));
    return json_pack("{s:o, s:o, s:o}", "curves", curves, "classes", groups_json(&r->classes, NULL), "sizes", groups_json(&r->sizes, sizes));
}

json_t *report_samples(const report *r) {
    json_t *best = json_array(), *worst = json_array();
    for (size_t i = 0; i < r->n_best; i++) json_array_append(best, r->best[i].card);
    for (size_t i = 0; i < r->n_worst; i++) {
        bool shown = false; /* few samples: the worst are among the best */
        for (size_t k = 0; k < r->n_best; k++) shown = shown || r->best[k].number == r->worst[i].number;
        if (!shown) json_array_append(worst, r->worst[i].card);
    }
    return json_pack("{s:o, s:o, s:I}", "best", best, "worst", worst, "n", (json_int_t)r->n_samples);
}

int report_finish(report *r, const char *path, json_t *result) {
    char name[256];
    report_name(result, NULL, name, sizeof name);
    json_object_set_new(result, "breakdown", report_breakdown(r));
    json_t *entries = json_pack("[{s:o, s:O}]", "name", json_clean_string(name), "result", result), *samples = report_samples(r);
    int code = entries && samples ? report_save(path, name, entries, samples) : 1;
    if (!entries || !samples) fputs("oassl: no memory for the report\n", stderr);
    json_decref(entries);
    json_decref(samples);
    return code;
}
