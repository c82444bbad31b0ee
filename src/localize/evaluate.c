#include "localize/evaluate.h"

#include <string.h>
#include <time.h>

enum { MAX_SESSIONS = 16 };

/* One session for each number of sources, shape of mixture and kind of sound met. */
typedef struct oai_session_slot {
    uint32_t n_sources, n_parts;
    int32_t axis;
    bool excerpt;
    oai_session *session;
} oai_session_slot;

typedef struct oai_evaluation {
    const oai_evaluation_input *input;
    const oassl_evaluate_options *options;
    oassl_manifest *manifest;
    uint64_t n, *numbers; /* usable records of the split */
    oassl_metric *metric;
    oai_session_slot slots[MAX_SESSIONS];
    uint32_t n_slots;
    double confidence, similarity, seconds;
} oai_evaluation;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static oassl_status session_for(oai_evaluation *e, const oai_scene *scene, oai_session **out_session) {
    for (uint32_t i = 0; i < e->n_slots; i++) {
        oai_session_slot *slot = &e->slots[i];
        if (slot->n_sources != scene->n_sources || slot->n_parts != scene->n_parts || slot->axis != scene->axis ||
            slot->excerpt != scene->excerpt)
            continue;
        *out_session = slot->session;
        return OASSL_STATUS_OK;
    }
    if (e->n_slots == MAX_SESSIONS)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "more than %d kinds of mixtures in one manifest", MAX_SESSIONS);
    uint32_t side = (uint32_t)e->input->hearing.image.size;
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    options.n_sources = scene->n_sources;
    options.identify = e->options->identify;
    options.input_width = scene->axis == 0 ? side * scene->n_parts : side;
    options.input_height = scene->axis == 0 ? side : side * scene->n_parts;
    oai_hearing hearing = e->input->hearing;
    if (scene->excerpt) hearing.audio.window = OASSL_AUDIO_WINDOW_FIRST; /* all of it, as it is */
    oai_session_slot *slot = &e->slots[e->n_slots];
    OAI_TRY(oai_session_create(e->input->host, e->input->features, e->input->config, &hearing, &options, &slot->session));
    slot->n_sources = scene->n_sources;
    slot->n_parts = scene->n_parts;
    slot->axis = scene->axis;
    slot->excerpt = scene->excerpt;
    e->n_slots++;
    *out_session = slot->session;
    return OASSL_STATUS_OK;
}

/* The record whose sound is played to record i: itself, or the first half-way on whose classes differ. */
static const oassl_record *sounding(const oai_evaluation *e, uint64_t i) {
    const oassl_record *record = oai_manifest_at(e->manifest, e->numbers[i]);
    if (!e->options->mismatched) return record;
    for (uint64_t k = 0; k < e->n; k++) {
        const oassl_record *other = oai_manifest_at(e->manifest, e->numbers[(i + e->n / 2 + k) % e->n]);
        if (other != record && oai_scene_labels_differ(e->manifest, record, other)) return other;
    }
    return NULL;
}

static oassl_status score(oai_evaluation *e, const char *id, const oai_scene *scene, uint64_t index) {
    oai_session *session;
    const oassl_localization *found;
    double start = now();
    OAI_TRY(session_for(e, scene, &session));
    OAI_TRY(oai_session_run(session, &scene->picture, &scene->sound, &found));
    e->seconds += now() - start;
    oassl_tensor maps[OAI_MAX_SOURCES];
    double similarity = -1;
    for (uint32_t k = 0; k < found->n_sources; k++) {
        maps[k] = (oassl_tensor){.data = (void *)found->sources[k].grid, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2,
                                 .shape = {found->grid_height, found->grid_width}, .strides = {found->grid_width, 1}};
        if (found->sources[k].similarity > similarity) similarity = found->sources[k].similarity;
    }
    oassl_metric_sample sample = {.id = id, .maps = maps, .sources = scene->sources, .silent = scene->silent, .n_maps = found->n_sources,
                                  .n_sources = scene->n_sources, .n_silent = scene->n_silent, .width = scene->picture.width,
                                  .height = scene->picture.height, .n_parts = scene->n_parts, .axis = scene->axis,
                                  .group = scene->group};
    OAI_TRY(oai_metric_add(e->metric, &sample));
    if (e->options->collect) OAI_TRY(oai_metric_add(e->options->collect, &sample));
    e->confidence += found->confidence;
    e->similarity += similarity;
    if (!e->options->on_sample) return OASSL_STATUS_OK;
    oassl_evaluated_sample told = {sizeof told, (uint32_t)index, id, &scene->picture, &scene->sound, found, &sample};
    return e->options->on_sample(e->options->user, &told);
}

static oassl_status evaluate_record(oai_evaluation *e, uint64_t i, uint64_t *n_scored) {
    const oassl_record *record = oai_manifest_at(e->manifest, e->numbers[i]), *heard = sounding(e, i);
    if (!heard) return OASSL_STATUS_OK; /* no record of other classes: counted as skipped */
    oai_scene scene;
    oassl_status status = oai_scene_load(e->input->host, e->manifest, &e->input->hearing, record, heard, &scene);
    if (status == OASSL_STATUS_OK) status = score(e, record->id, &scene, (*n_scored)++);
    oai_scene_free(&scene);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "record '%s'", record->id);
}

static oassl_status choose_records(oai_evaluation *e, uint64_t *out_n_skipped) {
    const char *split = e->options->split ? e->options->split : "";
    uint64_t n = oai_manifest_split(e->manifest, split, NULL, 0);
    e->numbers = oai_alloc(e->input->host, (n + 1) * sizeof *e->numbers);
    if (!e->numbers) return oai_no_memory((n + 1) * sizeof *e->numbers, "a split");
    oai_manifest_split(e->manifest, split, e->numbers, n);
    for (uint64_t i = 0; i < n; i++)
        if (oai_scene_usable(e->manifest, oai_manifest_at(e->manifest, e->numbers[i]))) e->numbers[e->n++] = e->numbers[i];
    *out_n_skipped = n - e->n + oai_manifest_n_missing(e->manifest);
    if (e->options->max_samples && e->n > e->options->max_samples) e->n = e->options->max_samples;
    if (e->n > 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: split '%s' has no record with picture, sound and boxes (%llu records looked at)",
                    e->input->manifest_path, split, (unsigned long long)n);
}

static oassl_status run(oai_evaluation *e, oassl_evaluation *out) {
    uint64_t n_skipped, n_scored = 0;
    OAI_TRY(oai_manifest_load(e->input->host, e->input->manifest_path, e->options->missing, &e->manifest));
    OAI_TRY(choose_records(e, &n_skipped));
    OAI_TRY(oai_metric_create(e->input->host, e->options->metric, &e->metric));
    for (uint64_t i = 0; i < e->n; i++) {
        OAI_TRY(oai_progress(e->input->host, "evaluate", i, e->n));
        OAI_TRY(evaluate_record(e, i, &n_scored));
    }
    OAI_TRY(oai_progress(e->input->host, "evaluate", e->n, e->n));
    OAI_TRY(oai_metric_compute(e->metric, &out->metric));
    out->n_skipped = n_skipped + e->n - n_scored;
    out->confidence = n_scored ? e->confidence / (double)n_scored : 0;
    out->similarity = n_scored ? e->similarity / (double)n_scored : 0;
    out->seconds = e->seconds;
    return OASSL_STATUS_OK;
}

oassl_status oai_evaluate(const oai_evaluation_input *input, const oassl_evaluate_options *options, oassl_evaluation *out_result) {
    oai_evaluation e = {.input = input, .options = options};
    oassl_status status = run(&e, out_result);
    for (uint32_t i = 0; i < e.n_slots; i++) oai_session_destroy(e.slots[i].session);
    oai_metric_free(e.metric);
    oai_free(input->host, e.numbers);
    oai_manifest_free(e.manifest);
    return status;
}
