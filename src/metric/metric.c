#include "metric/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mapresize.h"
#include "base/options.h"
#include "base/strmap.h"
#include "metric/scores.h"

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
    const char *id;
    double piap[N_SYSTEMS];
    uint64_t first_pair;
    uint32_t n_pairs;
} sample;

struct oassl_metric {
    const oai_host *host;
    oassl_metric_options options;
    oai_arena arena; /* ids */
    oai_strmap ids;
    sample *samples;
    pair *pairs;
    uint64_t n_samples, sample_room, n_pairs, pair_room;
    uint32_t *by_id; /* [n_pairs][2] sample and pair number in the order of ids; NULL until asked for */
    /* scratch of one add */
    oai_scored_map maps[MAX_SOURCES], baseline[N_SYSTEMS]; /* baseline[MODEL] is not used */
    oai_truth truths[MAX_SOURCES], twin;
    uint64_t *keys;
    uint32_t *spare;
};

_Static_assert((int)MAX_SOURCES <= (int)OAI_ASSIGN_MAX, "assignment tables are too small");

/* ---- creation ------------------------------------------------------------------------------------------------- */

static size_t n_pixels(const oassl_metric *m) { return (size_t)m->options.size * m->options.size; }

static oassl_status need_truth(oassl_metric *m, oai_truth *truth) {
    if (!truth->weight) truth->weight = oai_calloc(m->host, n_pixels(m), sizeof *truth->weight);
    return truth->weight ? OASSL_STATUS_OK : oai_no_memory(n_pixels(m) * sizeof *truth->weight, "a metric's truth");
}

static oassl_status need_map(oassl_metric *m, oai_scored_map *map) {
    return map->raw ? OASSL_STATUS_OK : oai_scored_map_create(m->host, n_pixels(m), map);
}

/* The centre box is a pyramid: whatever area a threshold leaves of it is a box in the middle. */
static oassl_status make_baselines(oassl_metric *m) {
    int32_t size = (int32_t)m->options.size;
    OAI_TRY(need_map(m, &m->baseline[CENTRE]));
    OAI_TRY(need_map(m, &m->baseline[WHOLE]));
    for (int32_t y = 0; y < size; y++) {
        for (int32_t x = 0; x < size; x++) {
            int32_t dx = abs(2 * x + 1 - size), dy = abs(2 * y + 1 - size);
            m->baseline[CENTRE].raw[(size_t)y * size + x] = 1.0 - (double)(dx > dy ? dx : dy) / size;
            m->baseline[WHOLE].raw[(size_t)y * size + x] = 0.5;
        }
    }
    oai_scored_map_prepare(&m->baseline[CENTRE], m->keys, m->spare);
    oai_scored_map_prepare(&m->baseline[WHOLE], m->keys, m->spare);
    return OASSL_STATUS_OK;
}

static oassl_status check_options(const oassl_metric_options *o) {
    const struct {
        const char *name;
        int32_t value, most;
    } choices[] = {
        {"resize", o->resize, 3}, {"predicate", o->predicate, 2}, {"truth", o->truth, 1}, {"assign", o->assign, 2}};
    if (o->size < 8 || o->size > 2048)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: size is %u, expected 8..2048", o->size);
    for (int32_t i = 0; i < 4; i++)
        if (choices[i].value < 0 || choices[i].value > choices[i].most)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metric options: %s is %d, expected 0..%d", choices[i].name,
                            choices[i].value, choices[i].most);
    return OASSL_STATUS_OK;
}

oassl_status oai_metric_create(const oai_host *host, const oassl_metric_options *options, oassl_metric **out_metric) {
    oassl_metric_options o;
    *out_metric = NULL;
    OAI_TRY(oai_options_read("metric options", options, &o, sizeof o));
    if (o.size == 0) o.size = 224;
    OAI_TRY(check_options(&o));
    oassl_metric *m = oai_calloc(host, 1, sizeof *m);
    if (!m) return oai_no_memory(sizeof *m, "a metric");
    m->host = host, m->options = o;
    oai_arena_init(&m->arena, host);
    oai_strmap_init(&m->ids, host);
    m->keys = oai_calloc(host, n_pixels(m), sizeof *m->keys);
    m->spare = oai_calloc(host, n_pixels(m), sizeof *m->spare);
    oassl_status status = m->keys && m->spare ? make_baselines(m) : oai_no_memory(12 * n_pixels(m), "a metric");
    if (status == OASSL_STATUS_OK)
        *out_metric = m;
    else
        oai_metric_free(m);
    return status;
}

void oai_metric_free(oassl_metric *m) {
    if (!m) return;
    for (int32_t i = 0; i < MAX_SOURCES; i++) {
        oai_scored_map_free(m->host, &m->maps[i]);
        oai_free(m->host, m->truths[i].weight);
    }
    for (int32_t i = 0; i < N_SYSTEMS; i++) oai_scored_map_free(m->host, &m->baseline[i]);
    oai_free(m->host, m->twin.weight);
    oai_free(m->host, m->keys);
    oai_free(m->host, m->spare);
    oai_free(m->host, m->by_id);
    oai_free(m->host, m->samples);
    oai_free(m->host, m->pairs);
    oai_strmap_free(&m->ids);
    oai_arena_free(&m->arena);
    oai_free(m->host, m);
}

const oassl_metric_options *oai_metric_options(const oassl_metric *m) { return &m->options; }

/* ---- a sample's inputs ---------------------------------------------------------------------------------------- */

static oassl_status read_map(oassl_metric *m, const oassl_tensor *t, oai_scored_map *out_map) {
    bool wide = t->dtype == OASSL_DTYPE_F64;
    if (!t->data || t->device != OASSL_DEVICE_CPU || (!wide && t->dtype != OASSL_DTYPE_F32) || t->rank != 2 ||
        t->shape[0] < 1 || t->shape[1] < 1)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH,
                        "expected F32 or F64 on the CPU of shape [h, w], found dtype %d, device %d, rank %d", t->dtype,
                        t->device, t->rank);
    int64_t h = t->shape[0], w = t->shape[1], dy = t->strides[0], dx = t->strides[1];
    if (dy == 0 && dx == 0) dy = w, dx = 1;
    if (h > 65536 || w > 65536)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "a map of %lld x %lld, at most 65536 a side", (long long)h,
                        (long long)w);
    OAI_TRY(need_map(m, out_map));
    double *values = oai_alloc(m->host, (size_t)(h * w) * sizeof *values);
    if (!values) return oai_no_memory((size_t)(h * w) * sizeof *values, "a heat-map");
    oassl_status status = OASSL_STATUS_OK;
    for (int64_t i = 0; i < h * w && status == OASSL_STATUS_OK; i++) {
        int64_t at = i / w * dy + i % w * dx;
        values[i] = wide ? ((const double *)t->data)[at] : (double)((const float *)t->data)[at];
        if (!isfinite(values[i]))
            status = oai_fail(OASSL_STATUS_NON_FINITE, "%g at row %lld, column %lld", values[i], (long long)(i / w),
                              (long long)(i % w));
    }
    int64_t size = m->options.size;
    if (status == OASSL_STATUS_OK)
        status = oai_map_resize(m->host, m->options.resize, values, h, w, out_map->raw, size, size);
    oai_free(m->host, values);
    if (status == OASSL_STATUS_OK) oai_scored_map_prepare(out_map, m->keys, m->spare);
    return status;
}

static oassl_status read_truth(oassl_metric *m, const oassl_metric_sample *s, const oassl_metric_truth *t,
                               oai_truth *out_truth) {
    enum { MAX_BOXES = 64 };
    int32_t boxes[MAX_BOXES][4], size = (int32_t)m->options.size;
    OAI_TRY(need_truth(m, out_truth));
    if (t->mask) {
        oai_truth_from_mask(t->mask, s->width, s->height, size, out_truth);
        return OASSL_STATUS_OK;
    }
    if (!t->boxes || t->n_boxes == 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "neither box nor mask");
    if (t->n_boxes > MAX_BOXES)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%u boxes, at most %d", t->n_boxes, MAX_BOXES);
    for (uint32_t i = 0; i < t->n_boxes; i++) {
        const float *b = t->boxes[i];
        if (!(isfinite(b[0]) && isfinite(b[1]) && isfinite(b[2]) && isfinite(b[3]) && b[0] < b[2] && b[1] < b[3]))
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "box %u is [%g, %g, %g, %g], expected x0 < x1 and y0 < y1",
                            i, b[0], b[1], b[2], b[3]);
        oai_box_to_pixels(b, s->width, s->height, size, boxes[i]);
    }
    oai_truth_from_boxes((const int32_t(*)[4])boxes, t->n_boxes, m->options.truth, size, out_truth);
    return OASSL_STATUS_OK;
}

static oassl_status check_sample(const oassl_metric *m, const oassl_metric_sample *s) {
    if (s->n_maps > MAX_SOURCES || (s->n_maps && !s->maps))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u maps, expected 0..%d of them", s->n_maps, MAX_SOURCES);
    if (s->n_sources < 1 || s->n_sources > MAX_SOURCES || !s->sources)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u sources, expected 1..%d of them", s->n_sources,
                        MAX_SOURCES);
    if (s->n_silent && !s->silent)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "n_silent is %u, silent is NULL", s->n_silent);
    if (s->width < 1 || s->height < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "picture of %d x %d", s->width, s->height);
    if (oai_strmap_get(&m->ids, s->id, strlen(s->id)) != OAI_STRMAP_NONE)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "was added before");
    return OASSL_STATUS_OK;
}

static oassl_status read_inputs(oassl_metric *m, const oassl_metric_sample *s) {
    for (uint32_t i = 0; i < s->n_maps; i++) {
        oassl_status status = read_map(m, &s->maps[i], &m->maps[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "map %u", i);
    }
    for (uint32_t i = 0; i < s->n_sources; i++) {
        oassl_status status = read_truth(m, s, &s->sources[i], &m->truths[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "source %u", i);
    }
    return OASSL_STATUS_OK;
}

/* ---- a sample's scores ---------------------------------------------------------------------------------------- */

typedef struct scores_of_sample {
    pair pairs[2 * MAX_SOURCES];
    uint32_t n_pairs;
    double piap[N_SYSTEMS];
} scores_of_sample;

static void score_source(const oassl_metric *m, const oai_scored_map *map, const oai_truth *truth, double *out_values,
                         size_t *out_peak) {
    int32_t rule = m->options.predicate;
    out_values[CIOU] = oai_ciou(map, oai_threshold_half(map), rule, truth);
    out_values[ADAPTIVE] = oai_ciou(map, oai_threshold_adaptive(map, truth), rule, truth);
    out_values[AP] = oai_pixel_ap(map, truth);
    out_values[POINTING] = oai_pointing(map, truth, out_peak);
}

/* The source's twins together: above the highest value on any of them 1, equal 0.5, below 0. */
static oassl_status score_twins(oassl_metric *m, const oassl_metric_sample *s, uint32_t source, pair *p) {
    const oai_scored_map *maps[N_SYSTEMS] = {p->map >= 0 ? &m->maps[p->map] : NULL, &m->baseline[CENTRE],
                                             &m->baseline[WHOLE]};
    const char *label = s->sources[source].label;
    double top[N_SYSTEMS] = {-INFINITY, -INFINITY, -INFINITY};
    for (uint32_t i = 0; i < s->n_silent; i++) {
        const oassl_metric_truth *t = &s->silent[i];
        if (!t->twin || (label && t->label && strcmp(label, t->label) != 0)) continue;
        oassl_status status = read_truth(m, s, t, &m->twin);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "silent %u", i);
        if (m->twin.area == 0) continue;
        p->has_twin = true;
        for (int32_t k = 0; k < N_SYSTEMS; k++)
            if (maps[k]) top[k] = fmax(top[k], oai_max_within(maps[k], &m->twin));
    }
    for (int32_t k = 0; k < N_SYSTEMS && p->has_twin; k++) {
        double own = maps[k] ? oai_max_within(maps[k], &m->truths[source]) : 0;
        p->value[k][TWIN] = !maps[k] ? 0 : own > top[k] ? 1 : own == top[k] ? 0.5 : 0;
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

static oassl_status score_sample(oassl_metric *m, const oassl_metric_sample *s, scores_of_sample *out) {
    double value[MAX_SOURCES * MAX_SOURCES][N_VALUES] = {{0}}, ciou[MAX_SOURCES * MAX_SOURCES],
                               ap[MAX_SOURCES * MAX_SOURCES];
    size_t peak[MAX_SOURCES * MAX_SOURCES] = {0}, unused;
    int32_t map_of[MAX_SOURCES];
    for (uint32_t k = 0; k < s->n_maps; k++) {
        for (uint32_t i = 0; i < s->n_sources; i++) {
            uint32_t at = k * s->n_sources + i;
            score_source(m, &m->maps[k], &m->truths[i], value[at], &peak[at]);
            ciou[at] = value[at][CIOU], ap[at] = value[at][AP];
        }
    }
    out->piap[MODEL] = oai_assign_best(ap, s->n_maps, s->n_sources, map_of) / s->n_sources;
    assign_maps(m, s, ciou, map_of);
    for (uint32_t i = 0; i < s->n_sources; i++) {
        pair *p = &out->pairs[out->n_pairs++];
        *p = (pair){.source = i, .map = map_of[i], .peak = -1};
        if (p->map >= 0) {
            uint32_t at = (uint32_t)p->map * s->n_sources + i;
            memcpy(p->value[MODEL], value[at], sizeof value[at]);
            p->peak = (int32_t)peak[at];
        }
        for (int32_t k = CENTRE; k < N_SYSTEMS; k++) {
            score_source(m, &m->baseline[k], &m->truths[i], p->value[k], &unused);
            out->piap[k] += p->value[k][AP] / s->n_sources;
        }
        OAI_TRY(score_twins(m, s, i, p));
    }
    for (uint32_t i = s->n_sources; i < s->n_maps && m->options.assign == OASSL_ASSIGN_GREEDY; i++)
        out->pairs[out->n_pairs++] = (pair){.source = UINT32_MAX, .map = -1, .peak = -1};
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

static oassl_status append(oassl_metric *m, const char *id, const double *piap, const pair *pairs, uint32_t n_pairs) {
    OAI_TRY(reserve(m->host, (void **)&m->samples, &m->sample_room, m->n_samples + 1, sizeof *m->samples));
    OAI_TRY(reserve(m->host, (void **)&m->pairs, &m->pair_room, m->n_pairs + n_pairs, sizeof *m->pairs));
    sample *s = &m->samples[m->n_samples];
    *s = (sample){.id = oai_arena_text(&m->arena, id, strlen(id)), .first_pair = m->n_pairs, .n_pairs = n_pairs};
    if (!s->id) return oai_no_memory(strlen(id), "a metric's samples");
    OAI_TRY(oai_strmap_put(&m->ids, s->id, strlen(id), (uint32_t)m->n_samples, NULL));
    memcpy(s->piap, piap, sizeof s->piap);
    memcpy(m->pairs + m->n_pairs, pairs, n_pairs * sizeof *pairs);
    m->n_samples++, m->n_pairs += n_pairs;
    oai_free(m->host, m->by_id);
    m->by_id = NULL;
    return OASSL_STATUS_OK;
}

oassl_status oai_metric_add(oassl_metric *m, const oassl_metric_sample *s) {
    scores_of_sample scores = {.n_pairs = 0};
    oassl_status status = check_sample(m, s);
    if (status == OASSL_STATUS_OK) status = read_inputs(m, s);
    if (status == OASSL_STATUS_OK) status = score_sample(m, s, &scores);
    if (status == OASSL_STATUS_OK) status = append(m, s->id, scores.piap, scores.pairs, scores.n_pairs);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "sample '%s'", s->id);
}

oassl_status oai_metric_merge(oassl_metric *m, const oassl_metric *from) {
    const oassl_metric_options *a = &m->options, *b = &from->options;
    if (a->size != b->size || a->resize != b->resize || a->predicate != b->predicate || a->truth != b->truth ||
        a->assign != b->assign)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "metrics of different options cannot be merged");
    for (uint64_t i = 0; i < from->n_samples; i++) {
        const char *id = from->samples[i].id;
        if (oai_strmap_get(&m->ids, id, strlen(id)) != OAI_STRMAP_NONE)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "sample '%s' is in both metrics", id);
    }
    for (uint64_t i = 0; i < from->n_samples; i++) {
        const sample *s = &from->samples[i];
        OAI_TRY(append(m, s->id, s->piap, from->pairs + s->first_pair, s->n_pairs));
    }
    return OASSL_STATUS_OK;
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
    for (n = 0; n < m->n_samples; n++) v[n] = m->samples[n].piap[system];
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

static int by_sample_id(const void *a, const void *b, void *user) {
    const oassl_metric *m = user;
    return strcmp(m->samples[*(const uint32_t *)a].id, m->samples[*(const uint32_t *)b].id);
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
