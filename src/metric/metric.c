#include "metric/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/options.h"
#include "base/strmap.h"
#include "metric/figures.h"

enum { MODEL, CENTRE, WHOLE, N_SYSTEMS };
enum { CIOU, ADAPTIVE, AP, POINTING, TWIN, N_VALUES };
enum { MAX_SOURCES = OASSL_METRIC_MAX_SOURCES };

typedef struct pair {
    double value[N_SYSTEMS][N_VALUES];
    uint32_t source; /* UINT32_MAX: a surplus map, which the baselines do not have */
    int32_t map, peak;
    bool has_twin;
} pair;

typedef struct sample {
    const char *id, *group;
    double piap[N_SYSTEMS];
    uint64_t first_pair, first_number;
    uint32_t n_pairs, n_numbers;
} sample;

struct oassl_metric {
    const oai_host *host;
    oassl_metric_options options; /* protocols: the arena's */
    oai_variant variants[OAI_MAX_VARIANTS];
    uint32_t n_variants;
    oai_arena arena; /* ids and groups */
    oai_strmap ids;
    sample *samples;
    pair *pairs;
    double *numbers; /* blocks of judge.h, variant by variant, sample by sample */
    uint64_t n_samples, sample_room, n_pairs, pair_room, n_numbers, number_room;
    uint32_t *by_id; /* [n_pairs][2] sample and pair number in the order of ids; NULL until asked for */
    oai_figures figures;
    bool has_figures;
    oai_sample_cache *cache;
    double *block; /* [n_variants, OAI_BLOCK_MAX] of the sample being added */
};

_Static_assert((int)MAX_SOURCES <= (int)OAI_ASSIGN_MAX, "assignment tables are too small");

/* ---- creation ------------------------------------------------------------------------------------------------- */

static oassl_status check_options(const oassl_metric_options *o) {
    const struct {
        const char *name;
        int32_t value, most;
    } choices[] = {
        {"resize", o->resize, 3}, {"predicate", o->predicate, 2}, {"truth", o->truth, 1}, {"assign", o->assign, 2},
        {"probabilities", o->probabilities, 1}};
    if (o->size < 8 || o->size > 2048)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: size is %u, expected 8..2048", o->size);
    for (int32_t i = 0; i < 5; i++)
        if (choices[i].value < 0 || choices[i].value > choices[i].most)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: %s is %d, expected 0..%d", choices[i].name,
                            choices[i].value, choices[i].most);
    if (!(o->tau > 0 && isfinite(o->tau)))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: tau is %g, expected more than 0", o->tau);
    if (!isfinite(o->bias)) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: bias is %g", o->bias);
    if (!(o->alpha >= 0 && o->alpha <= 1))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: alpha is %g, expected 0..1", o->alpha);
    if (o->bootstrap > 1000000)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: bootstrap is %u, at most 1000000", o->bootstrap);
    return OASSL_STATUS_OK;
}

/* "canonical,noprior": each once. */
static oassl_status choose_protocols(oassl_metric *m, const char *list) {
    m->options.protocols = oai_arena_text(&m->arena, list ? list : "", list ? strlen(list) : 0);
    if (!m->options.protocols) return oai_no_memory(strlen(list ? list : ""), "a metric's protocols");
    for (const char *name = m->options.protocols; *name;) {
        size_t bytes = strcspn(name, ",");
        const oai_rules *rules = oai_rules_find(name, bytes);
        if (!rules) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: no protocol '%.*s'", (int)bytes, name);
        for (uint32_t i = 0; i < m->n_variants; i++)
            if (m->variants[i].rules == rules)
                return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: protocol '%s' twice", rules->name);
        if (!oai_rules_expand(rules, m->variants, &m->n_variants))
            return oai_fail(OASSL_STATUS_UNSUPPORTED, "metric options: too many protocols at '%s'", rules->name);
        name += bytes + (name[bytes] == ',');
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_metric_create(const oai_host *host, const oassl_metric_options *options, oassl_metric **out_metric) {
    oassl_metric_options o;
    *out_metric = NULL;
    OAI_TRY(oai_options_read("metric options", options, &o, sizeof o));
    if (o.size == 0) o.size = 224;
    if (o.tau == 0) o.tau = 1;
    if (o.batch == 0) o.batch = 5;
    OAI_TRY(check_options(&o));
    oassl_metric *m = oai_calloc(host, 1, sizeof *m);
    if (!m) return oai_no_memory(sizeof *m, "a metric");
    m->host = host, m->options = o;
    oai_arena_init(&m->arena, host);
    oai_arena_init(&m->figures.names, host);
    oai_strmap_init(&m->ids, host);
    oassl_status status = choose_protocols(m, o.protocols);
    if (status == OASSL_STATUS_OK) status = oai_sample_cache_create(host, (int32_t)o.size, o.tau, &m->cache);
    if (status == OASSL_STATUS_OK && !(m->block = oai_alloc(host, (m->n_variants + 1) * OAI_BLOCK_MAX * sizeof *m->block)))
        status = oai_no_memory((m->n_variants + 1) * OAI_BLOCK_MAX * sizeof *m->block, "a metric");
    if (status == OASSL_STATUS_OK) *out_metric = m;
    else oai_metric_free(m);
    return status;
}

void oai_metric_free(oassl_metric *m) {
    if (!m) return;
    oai_sample_cache_destroy(m->cache);
    oai_figures_free(m->host, &m->figures);
    oai_free(m->host, m->block);
    oai_free(m->host, m->by_id);
    oai_free(m->host, m->samples);
    oai_free(m->host, m->pairs);
    oai_free(m->host, m->numbers);
    oai_strmap_free(&m->ids);
    oai_arena_free(&m->arena);
    oai_free(m->host, m);
}

const oassl_metric_options *oai_metric_options(const oassl_metric *m) { return &m->options; }

/* ---- a sample's canonical scores ------------------------------------------------------------------------------ */

typedef struct scores_of_sample {
    pair pairs[2 * MAX_SOURCES];
    uint32_t n_pairs;
    double piap[N_SYSTEMS];
} scores_of_sample;

static const oai_scoring MINMAX = {OAI_SCORE_MINMAX, 1, 0, false};

static oassl_status score_source(oassl_metric *m, oai_view *view, const oai_truth *truth, double *out_values, size_t *out_peak) {
    OAI_TRY(oai_sample_cache_ap(m->cache, view, truth, &out_values[AP])); /* sorts */
    size_t area = truth->area ? truth->area : view->n / 2, ranks[2] = {view->n / 2, view->n - (area ? area : 1)};
    for (int32_t i = 0; i < 2; i++) {
        double t = oai_score_of(view, &MINMAX, oai_sample_cache_rank(m->cache, view, ranks[i]));
        oai_counts counts = oai_sample_cache_count(m->cache, view, oai_view_cutoff(view, &MINMAX, m->options.predicate, t), truth);
        out_values[i ? ADAPTIVE : CIOU] = oai_ciou(&counts, truth);
    }
    out_values[POINTING] = oai_pointing(view, truth, out_peak);
    return OASSL_STATUS_OK;
}

static oassl_status map_view(oassl_metric *m, int32_t from, oai_view **out_view) {
    return oai_sample_cache_view(m->cache, (oai_view_key){.from = from, .resize = m->options.resize}, out_view);
}

static oassl_status source_truth(oassl_metric *m, uint32_t source, oai_truth **out_truth) {
    oai_truth_key key = {(int32_t)source, OAI_TRUTH_UNION, OAI_READ_BOX, OAI_PLACE_SQUARE, 0};
    return oai_sample_cache_truth(m->cache, key, out_truth);
}

/* The source's twins together: above the highest value on any of them 1, equal 0.5, below 0. */
static oassl_status score_twins(oassl_metric *m, const oassl_metric_sample *s, uint32_t source, pair *p) {
    const char *label = s->sources[source].label;
    double top[N_SYSTEMS] = {-INFINITY, -INFINITY, -INFINITY};
    oai_view *views[N_SYSTEMS] = {NULL};
    oai_truth *truth, *twin;
    if (p->map >= 0) OAI_TRY(map_view(m, p->map, &views[MODEL]));
    OAI_TRY(map_view(m, OAI_FROM_CENTRE, &views[CENTRE]));
    OAI_TRY(map_view(m, OAI_FROM_WHOLE, &views[WHOLE]));
    for (uint32_t i = 0; i < s->n_silent; i++) {
        const oassl_metric_truth *t = &s->silent[i];
        if (!t->twin || (label && t->label && strcmp(label, t->label) != 0)) continue;
        OAI_TRY(oai_sample_cache_silent(m->cache, i, &twin));
        if (twin->area == 0) continue;
        p->has_twin = true;
        for (int32_t k = 0; k < N_SYSTEMS; k++)
            if (views[k]) top[k] = fmax(top[k], oai_max_within(views[k], twin));
    }
    if (!p->has_twin) return OASSL_STATUS_OK;
    OAI_TRY(source_truth(m, source, &truth));
    for (int32_t k = 0; k < N_SYSTEMS; k++) {
        double own = views[k] ? oai_max_within(views[k], truth) : 0;
        p->value[k][TWIN] = !views[k] ? 0 : own > top[k] ? 1 : own == top[k] ? 0.5 : 0;
    }
    return OASSL_STATUS_OK;
}

static void assign_maps(const oassl_metric *m, const oassl_metric_sample *s, const double *ciou, int32_t *out_map_of) {
    int32_t source_of[MAX_SOURCES];
    if (m->options.assign == OASSL_ASSIGN_BEST) {
        oai_assign_best(ciou, s->n_maps, s->n_sources, out_map_of);
    } else if (m->options.assign == OASSL_ASSIGN_GREEDY) {
        oai_assign_greedy(ciou, s->n_maps, s->n_sources, out_map_of, source_of);
    } else {
        for (uint32_t i = 0; i < s->n_sources; i++) out_map_of[i] = i < s->n_maps ? (int32_t)i : -1;
    }
}

static oassl_status score_pair(oassl_metric *m, const oassl_metric_sample *s, pair *p, double *piap) {
    oai_truth *truth;
    oai_view *view;
    size_t unused;
    OAI_TRY(source_truth(m, p->source, &truth));
    for (int32_t k = CENTRE; k < N_SYSTEMS; k++) {
        OAI_TRY(map_view(m, k == CENTRE ? OAI_FROM_CENTRE : OAI_FROM_WHOLE, &view));
        OAI_TRY(score_source(m, view, truth, p->value[k], &unused));
        piap[k] += p->value[k][AP] / s->n_sources;
    }
    return score_twins(m, s, p->source, p);
}

static oassl_status score_sample(oassl_metric *m, const oassl_metric_sample *s, scores_of_sample *out) {
    double value[MAX_SOURCES * MAX_SOURCES][N_VALUES] = {{0}}, ciou[MAX_SOURCES * MAX_SOURCES],
                               ap[MAX_SOURCES * MAX_SOURCES];
    size_t peak[MAX_SOURCES * MAX_SOURCES] = {0};
    int32_t map_of[MAX_SOURCES];
    for (uint32_t k = 0; k < s->n_maps; k++) {
        for (uint32_t i = 0; i < s->n_sources; i++) {
            uint32_t at = k * s->n_sources + i;
            oai_view *view;
            oai_truth *truth;
            OAI_TRY(map_view(m, (int32_t)k, &view));
            OAI_TRY(source_truth(m, i, &truth));
            OAI_TRY(score_source(m, view, truth, value[at], &peak[at]));
            ciou[at] = value[at][CIOU], ap[at] = value[at][AP];
        }
    }
    out->piap[MODEL] = s->n_sources ? oai_assign_best(ap, s->n_maps, s->n_sources, map_of) / s->n_sources : NAN;
    for (int32_t k = CENTRE; k < N_SYSTEMS && s->n_sources == 0; k++) out->piap[k] = NAN;
    assign_maps(m, s, ciou, map_of);
    for (uint32_t i = 0; i < s->n_sources; i++) {
        pair *p = &out->pairs[out->n_pairs++];
        *p = (pair){.source = i, .map = map_of[i], .peak = -1};
        if (p->map >= 0) {
            uint32_t at = (uint32_t)p->map * s->n_sources + i;
            memcpy(p->value[MODEL], value[at], sizeof value[at]);
            p->peak = (int32_t)peak[at];
        }
        OAI_TRY(score_pair(m, s, p, out->piap));
    }
    for (uint32_t i = s->n_sources; i < s->n_maps && s->n_sources && m->options.assign == OASSL_ASSIGN_GREEDY; i++)
        out->pairs[out->n_pairs++] = (pair){.source = UINT32_MAX, .map = -1, .peak = -1};
    return OASSL_STATUS_OK;
}

/* What every variant of every protocol makes of it, one block after the other in m->block. */
static oassl_status judge_sample(oassl_metric *m, uint32_t *out_n_numbers) {
    oai_judging judging = {m->options.tau, m->options.bias, m->options.alpha, m->options.probabilities};
    size_t n = 0;
    for (uint32_t v = 0; v < m->n_variants; v++) {
        OAI_TRY(oai_judge(m->cache, &m->variants[v], &judging, m->block + n));
        n += oai_block_size(m->block + n);
    }
    *out_n_numbers = (uint32_t)n;
    return OASSL_STATUS_OK;
}

/* ---- collecting ----------------------------------------------------------------------------------------------- */

static oassl_status reserve(const oai_host *host, void **memory, uint64_t *room, uint64_t needed, size_t size) {
    uint64_t more = *room ? *room : 64;
    if (needed <= *room) return OASSL_STATUS_OK;
    while (more < needed) more *= 2;
    void *grown = oai_grow(host, *memory, *room * size, more * size);
    if (!grown) return oai_no_memory(more * size, "a metric's samples");
    *memory = grown, *room = more;
    return OASSL_STATUS_OK;
}

static void forget_results(oassl_metric *m) {
    oai_free(m->host, m->by_id);
    m->by_id = NULL;
    oai_figures_free(m->host, &m->figures);
    m->has_figures = false;
}

static oassl_status append(oassl_metric *m, const sample *from, const pair *pairs, const double *numbers) {
    OAI_TRY(reserve(m->host, (void **)&m->samples, &m->sample_room, m->n_samples + 1, sizeof *m->samples));
    OAI_TRY(reserve(m->host, (void **)&m->pairs, &m->pair_room, m->n_pairs + from->n_pairs, sizeof *m->pairs));
    OAI_TRY(reserve(m->host, (void **)&m->numbers, &m->number_room, m->n_numbers + from->n_numbers, sizeof *m->numbers));
    sample *s = &m->samples[m->n_samples];
    *s = *from;
    s->first_pair = m->n_pairs, s->first_number = m->n_numbers;
    s->id = oai_arena_text(&m->arena, from->id, strlen(from->id));
    s->group = from->group ? oai_arena_text(&m->arena, from->group, strlen(from->group)) : s->id;
    if (!s->id || !s->group) return oai_no_memory(strlen(from->id), "a metric's samples");
    OAI_TRY(oai_strmap_put(&m->ids, s->id, strlen(s->id), (uint32_t)m->n_samples, NULL));
    if (from->n_pairs) memcpy(m->pairs + m->n_pairs, pairs, from->n_pairs * sizeof *pairs);
    if (from->n_numbers) memcpy(m->numbers + m->n_numbers, numbers, from->n_numbers * sizeof *numbers);
    m->n_samples++, m->n_pairs += from->n_pairs, m->n_numbers += from->n_numbers;
    forget_results(m);
    return OASSL_STATUS_OK;
}

static oassl_status add_sample(oassl_metric *m, const oassl_metric_sample *s) {
    scores_of_sample scores = {.n_pairs = 0};
    sample one = {.id = s->id, .group = s->group};
    if (oai_strmap_get(&m->ids, s->id, strlen(s->id)) != OAI_STRMAP_NONE)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "was added before");
    OAI_TRY(oai_sample_cache_load(m->cache, s, m->options.truth));
    OAI_TRY(score_sample(m, s, &scores));
    OAI_TRY(judge_sample(m, &one.n_numbers));
    one.n_pairs = scores.n_pairs;
    memcpy(one.piap, scores.piap, sizeof one.piap);
    return append(m, &one, scores.pairs, m->block);
}

oassl_status oai_metric_add(oassl_metric *m, const oassl_metric_sample *s) {
    oassl_status status = add_sample(m, s);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "sample '%s'", s->id);
}

static bool same_options(const oassl_metric_options *a, const oassl_metric_options *b) {
    return a->size == b->size && a->resize == b->resize && a->predicate == b->predicate && a->truth == b->truth && a->assign == b->assign &&
           strcmp(a->protocols, b->protocols) == 0 && a->tau == b->tau && a->bias == b->bias && a->alpha == b->alpha &&
           a->probabilities == b->probabilities && a->batch == b->batch && a->bootstrap == b->bootstrap && a->seed == b->seed;
}

oassl_status oai_metric_merge(oassl_metric *m, const oassl_metric *from) {
    if (!same_options(&m->options, &from->options))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metrics of different options cannot be merged");
    for (uint64_t i = 0; i < from->n_samples; i++) {
        const char *id = from->samples[i].id;
        if (oai_strmap_get(&m->ids, id, strlen(id)) != OAI_STRMAP_NONE)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "sample '%s' is in both metrics", id);
    }
    for (uint64_t i = 0; i < from->n_samples; i++) {
        const sample *s = &from->samples[i];
        OAI_TRY(append(m, s, from->pairs + s->first_pair, from->numbers + s->first_number));
    }
    return OASSL_STATUS_OK;
}

/* ---- the protocols' figures ----------------------------------------------------------------------------------- */

static int by_sample_id(const void *a, const void *b, void *user) {
    const oassl_metric *m = user;
    return strcmp(m->samples[*(const uint32_t *)a].id, m->samples[*(const uint32_t *)b].id);
}

static void fill_ledger(const oassl_metric *m, const uint32_t *order, const double **blocks, const char **groups) {
    for (uint64_t i = 0; i < m->n_samples; i++) {
        const sample *s = &m->samples[order[i]];
        const double *block = m->numbers + s->first_number;
        groups[i] = s->group;
        for (uint32_t v = 0; v < m->n_variants; block += oai_block_size(block), v++) blocks[i * m->n_variants + v] = block;
    }
}

oassl_status oai_metric_figures(oassl_metric *m, const oai_figures **out_figures) {
    *out_figures = &m->figures;
    if (m->has_figures) return OASSL_STATUS_OK;
    uint64_t n = m->n_samples;
    uint32_t *order = oai_calloc(m->host, n + 1, sizeof *order);
    const double **blocks = oai_calloc(m->host, n * m->n_variants + 1, sizeof *blocks);
    const char **groups = oai_calloc(m->host, n + 1, sizeof *groups);
    oassl_status status = order && blocks && groups ? OASSL_STATUS_OK : oai_no_memory(n * m->n_variants * sizeof *blocks, "figures");
    for (uint64_t i = 0; status == OASSL_STATUS_OK && i < n; i++) order[i] = (uint32_t)i;
    if (status == OASSL_STATUS_OK) {
        qsort_r(order, n, sizeof *order, by_sample_id, m);
        fill_ledger(m, order, blocks, groups);
        oai_ledger ledger = {m->host, n, blocks, groups, m->variants, m->n_variants, m->options.batch, m->options.bootstrap, m->options.seed};
        status = oai_figures_make(&ledger, &m->figures);
    }
    oai_free(m->host, order);
    oai_free(m->host, blocks);
    oai_free(m->host, groups);
    m->has_figures = status == OASSL_STATUS_OK;
    return status;
}

/* ---- results -------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One quantity of one system, ascending; returns how many there are. */
static size_t gather(const oassl_metric *m, int32_t system, int32_t value, double *out) {
    size_t n = 0;
    for (uint64_t i = 0; i < m->n_pairs; i++) {
        const pair *p = &m->pairs[i];
        if ((p->source == UINT32_MAX && system != MODEL) || (value == TWIN && !p->has_twin)) continue;
        out[n++] = p->value[system][value];
    }
    qsort(out, n, sizeof *out, by_value);
    return n;
}

static void summarise(const oassl_metric *m, int32_t system, double *v, oassl_metric_scores *out) {
    size_t n = gather(m, system, CIOU, v);
    out->success_30 = oai_success(v, n, 0.3), out->success_50 = oai_success(v, n, 0.5);
    out->auc = oai_auc(v, n), out->mean_ciou = oai_mean_sorted(v, n);
    n = gather(m, system, ADAPTIVE, v);
    out->adaptive_success_30 = oai_success(v, n, 0.3), out->adaptive_success_50 = oai_success(v, n, 0.5);
    out->adaptive_auc = oai_auc(v, n), out->adaptive_mean_ciou = oai_mean_sorted(v, n);
    n = gather(m, system, AP, v), out->ap = oai_mean_sorted(v, n);
    n = gather(m, system, POINTING, v), out->pointing = oai_mean_sorted(v, n);
    n = gather(m, system, TWIN, v), out->twin = oai_mean_sorted(v, n);
    n = 0;
    for (uint64_t i = 0; i < m->n_samples; i++)
        if (!isnan(m->samples[i].piap[system])) v[n++] = m->samples[i].piap[system];
    qsort(v, n, sizeof *v, by_value);
    out->piap = oai_mean_sorted(v, n);
}

/* FNV-1a of each id, added up: the same for every order. */
static uint64_t hash_list(const oassl_metric *m) {
    uint64_t sum = m->n_samples;
    for (uint64_t i = 0; i < m->n_samples; i++) {
        uint64_t h = 0xCBF29CE484222325u;
        for (const char *c = m->samples[i].id; *c; c++) h = (h ^ (unsigned char)*c) * 0x100000001B3u;
        h ^= h >> 32;
        sum += h * 0x9E3779B97F4A7C15u;
    }
    return sum;
}

oassl_status oai_metric_compute(const oassl_metric *m, oassl_metric_result *out) {
    oassl_metric_scores *const systems[N_SYSTEMS] = {&out->model, &out->centre, &out->whole};
    uint64_t most = m->n_pairs > m->n_samples ? m->n_pairs : m->n_samples;
    double *values = oai_calloc(m->host, most + 1, sizeof *values);
    if (!values) return oai_no_memory((most + 1) * sizeof *values, "a metric's result");
    out->n_samples = m->n_samples, out->n_pairs = m->n_pairs, out->n_twin = 0;
    for (uint64_t i = 0; i < m->n_pairs; i++) out->n_twin += m->pairs[i].has_twin;
    out->list_hash = hash_list(m);
    for (int32_t k = 0; k < N_SYSTEMS; k++) summarise(m, k, values, systems[k]);
    oai_free(m->host, values);
    return OASSL_STATUS_OK;
}

static oassl_status index_by_id(oassl_metric *m) {
    uint32_t *samples = oai_calloc(m->host, m->n_samples + 1, sizeof *samples),
             *pairs = oai_calloc(m->host, 2 * m->n_pairs + 1, sizeof *pairs);
    if (!samples || !pairs) {
        oai_free(m->host, samples);
        oai_free(m->host, pairs);
        return oai_no_memory(m->n_pairs * 8, "a metric's pairs");
    }
    for (uint64_t i = 0; i < m->n_samples; i++) samples[i] = (uint32_t)i;
    qsort_r(samples, m->n_samples, sizeof *samples, by_sample_id, m);
    uint64_t n = 0;
    for (uint64_t i = 0; i < m->n_samples; i++) {
        const sample *s = &m->samples[samples[i]];
        for (uint32_t k = 0; k < s->n_pairs; k++, n++)
            pairs[2 * n] = samples[i], pairs[2 * n + 1] = (uint32_t)s->first_pair + k;
    }
    oai_free(m->host, samples);
    m->by_id = pairs;
    return OASSL_STATUS_OK;
}

oassl_status oai_metric_pair_at(oassl_metric *m, uint64_t index, oassl_metric_pair *out) {
    if (index >= m->n_pairs)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric pair %llu, there are %llu", (unsigned long long)index,
                        (unsigned long long)m->n_pairs);
    if (!m->by_id) OAI_TRY(index_by_id(m));
    const pair *p = &m->pairs[m->by_id[2 * index + 1]];
    const double *v = p->value[MODEL];
    int32_t size = (int32_t)m->options.size;
    *out = (oassl_metric_pair){.struct_size = sizeof *out,
                               .source = p->source,
                               .map = p->map,
                               .has_twin = p->has_twin,
                               .id = m->samples[m->by_id[2 * index]].id,
                               .ciou = v[CIOU],
                               .adaptive_ciou = v[ADAPTIVE],
                               .ap = v[AP],
                               .pointing = v[POINTING],
                               .twin = v[TWIN],
                               .peak_x = p->peak < 0 ? -1 : p->peak % size,
                               .peak_y = p->peak < 0 ? -1 : p->peak / size};
    return OASSL_STATUS_OK;
}
