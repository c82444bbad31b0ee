#include "localize/media.h"

#include "dsp/audio_file.h"
#include "dsp/picture_file.h"

typedef struct oai_media {
    const oai_evaluation_input *input;
    oassl_manifest *manifest;
    uint64_t n, *numbers; /* records with what the networks take */
} oai_media;

static bool is_pair(const oai_media *m) { return m->input->config->kind == OAI_NET_PAIR; }

static bool has_media(const oai_media *m, const oassl_record *record) {
    bool whole = record->image && (record->audio || !is_pair(m));
    for (uint32_t k = 0; k < record->n_mix; k++) {
        const oassl_record *part = oai_manifest_at(m->manifest, record->mix[k]);
        if (!part->image || (!part->audio && is_pair(m))) return false;
    }
    return record->n_mix > 0 ? is_pair(m) : whole;
}

/* ---- one sample --------------------------------------------------------------------------------------------- */

static oassl_status run_classifier(const oai_media *m, const oassl_image *picture) {
    const oai_host *host = m->input->host;
    const oai_image_rules *rules = &m->input->hearing.image;
    int64_t side = rules->size, channels = oai_net_channels(m->input->config);
    oai_image_plan plan;
    OAI_TRY(oai_image_plan_test(rules, picture->width, picture->height, &plan));
    float *values = oai_alloc(host, (size_t)(3 * side * side + channels) * sizeof *values);
    if (!values) return oai_no_memory((size_t)(3 * side * side + channels) * sizeof *values, "a network input");
    oassl_status status = oai_image_apply(host, &plan, picture, values, side * side, side);
    if (status == OASSL_STATUS_OK)
        status = oai_features_visual(m->input->features, 1, side, side, values, NULL, values + 3 * side * side);
    oai_free(host, values);
    return status;
}

static oassl_status run_pair(const oai_media *m, const oassl_image *picture, const oassl_audio *sound,
                             const oai_scene *scene) {
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    oai_hearing hearing = m->input->hearing;
    uint32_t side = (uint32_t)hearing.image.size, n_parts = scene ? scene->n_parts : 1;
    options.input_width = scene && scene->axis == 0 ? n_parts * side : side;
    options.input_height = scene && scene->axis != 0 ? n_parts * side : side;
    if (scene && scene->excerpt) hearing.audio.window = OASSL_AUDIO_WINDOW_FIRST; /* all of it, as it is */
    oai_session *session;
    const oassl_localization *unused;
    OAI_TRY(oai_session_create(m->input->host, m->input->features, m->input->config, &hearing, &options, &session));
    oassl_status status = oai_session_run(session, picture, sound, &unused);
    oai_session_destroy(session);
    return status;
}

static oassl_status run_single(const oai_media *m, const oassl_record *record) {
    const oai_host *host = m->input->host;
    oassl_image picture = {0};
    oassl_audio sound = {0};
    oassl_status status = oai_picture_read(host, record->image, &picture);
    if (status == OASSL_STATUS_OK && !is_pair(m))
        status = run_classifier(m, &picture);
    else if (status == OASSL_STATUS_OK) {
        status = oai_audio_file_read(host, record->audio, &sound);
        if (status == OASSL_STATUS_OK) status = run_pair(m, &picture, &sound, NULL);
    }
    oai_audio_release(host, &sound);
    oai_picture_release(host, &picture);
    return status;
}

static oassl_status run_mixture(const oai_media *m, const oassl_record *record) {
    oai_scene scene;
    oassl_status status = OASSL_STATUS_OK;
    if (!oai_scene_usable(m->manifest, record)) {
        for (uint32_t k = 0; k < record->n_mix && status == OASSL_STATUS_OK; k++)
            status = run_single(m, oai_manifest_at(m->manifest, record->mix[k]));
        return status;
    }
    status = oai_scene_load(m->input->host, m->manifest, &m->input->hearing, record, record, &scene);
    if (status == OASSL_STATUS_OK) status = run_pair(m, &scene.picture, &scene.sound, &scene);
    oai_scene_free(&scene);
    return status;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static oassl_status choose(oai_media *m, const char *split) {
    uint64_t n = oai_manifest_split(m->manifest, split, NULL, 0);
    oai_free(m->input->host, m->numbers);
    m->numbers = oai_alloc(m->input->host, (n + 1) * sizeof *m->numbers);
    if (!m->numbers) return oai_no_memory((n + 1) * sizeof *m->numbers, "a split");
    oai_manifest_split(m->manifest, split, m->numbers, n);
    m->n = 0;
    for (uint64_t i = 0; i < n; i++)
        if (has_media(m, oai_manifest_at(m->manifest, m->numbers[i]))) m->numbers[m->n++] = m->numbers[i];
    return OASSL_STATUS_OK;
}

static oassl_status run(oai_media *m, const oai_media_choice *choice, uint64_t *out_n) {
    OAI_TRY(oai_manifest_load(m->input->host, m->input->manifest_path, choice->missing, &m->manifest));
    const char *split = choice->split ? choice->split : "train";
    OAI_TRY(choose(m, split));
    if (m->n == 0 && !choice->split) OAI_TRY(choose(m, split = ""));
    if (m->n == 0)
        return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: split '%s' has no record with %s", m->input->manifest_path, split,
                        is_pair(m) ? "picture and sound" : "a picture");
    uint64_t n = choice->max_samples && choice->max_samples < m->n ? choice->max_samples : m->n;
    for (uint64_t i = 0; i < n; i++) {
        OAI_TRY(oai_progress(m->input->host, "quantize", i, n));
        const oassl_record *record = oai_manifest_at(m->manifest, m->numbers[i * m->n / n]);
        oassl_status status = record->n_mix > 0 ? run_mixture(m, record) : run_single(m, record);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "record '%s'", record->id);
        (*out_n)++;
    }
    return oai_progress(m->input->host, "quantize", n, n);
}

oassl_status oai_run_media(const oai_evaluation_input *input, const oai_media_choice *choice,
                           uint64_t *out_n_samples) {
    oai_media m = {.input = input};
    *out_n_samples = 0;
    oassl_status status = run(&m, choice, out_n_samples);
    oai_free(input->host, m.numbers);
    oai_manifest_free(m.manifest);
    return status;
}
