#include "localize/scene.h"

#include <string.h>
#include <strings.h>

#include "dsp/audio_file.h"
#include "dsp/picture_file.h"
#include "dsp/resize.h"

/* ---- records ------------------------------------------------------------------------------------------------ */

static uint32_t n_parts(const oassl_record *record) { return record->n_mix > 0 ? record->n_mix : 1; }

static const oassl_record *part(const oassl_manifest *manifest, const oassl_record *record, uint32_t k) {
    return record->n_mix > 0 ? oai_manifest_at(manifest, record->mix[k]) : record;
}

/* Boxes may all be empty, as some published ones are.  Masks are not composed: a part of a mixture needs boxes. */
static bool has_place(const oassl_record_source *source, bool part_of_mixture) {
    return source->n_boxes > 0 || source->n_numbers > 0 || (source->mask && !part_of_mixture);
}

/* Without sources, a record is scored when it says that nothing sounds ("playing": false). */
static bool single_usable(const oassl_record *record, bool part_of_mixture) {
    if (!record->image || !record->audio) return false;
    for (uint32_t s = 0; s < record->n_sources; s++)
        if (!has_place(&record->sources[s], part_of_mixture)) return false;
    return record->n_sources > 0 || (!part_of_mixture && record->playing == 0);
}

bool oai_scene_usable(const oassl_manifest *manifest, const oassl_record *record) {
    uint32_t n_sources = 0;
    for (uint32_t k = 0; k < n_parts(record); k++) {
        const oassl_record *one = part(manifest, record, k);
        if (!single_usable(one, record->n_mix > 0)) return false;
        n_sources += one->n_sources;
    }
    return n_sources <= OASSL_METRIC_MAX_SOURCES;
}

static bool has_label(const oassl_manifest *manifest, const oassl_record *record, const char *label) {
    for (uint32_t k = 0; k < n_parts(record); k++) {
        const oassl_record *one = part(manifest, record, k);
        for (uint32_t s = 0; s < one->n_sources; s++)
            if (strcmp(one->sources[s].label, label) == 0) return true;
    }
    return false;
}

bool oai_scene_labels_differ(const oassl_manifest *manifest, const oassl_record *a, const oassl_record *b) {
    for (uint32_t k = 0; k < n_parts(a); k++) {
        const oassl_record *one = part(manifest, a, k);
        for (uint32_t s = 0; s < one->n_sources; s++)
            if (one->sources[s].label[0] && has_label(manifest, b, one->sources[s].label)) return false;
    }
    return true;
}

/* ---- picture and truth -------------------------------------------------------------------------------------- */

/* How the pixels a part's boxes are in become the scene's. */
typedef struct oai_place {
    double scale_x, scale_y, offset_x, offset_y;
    uint32_t part;
} oai_place;

/* The picture takes width x height of the scene at x, y; boxes may be in a frame of another size than the picture. */
static oai_place place_at(const oassl_record *one, const oassl_image *picture, double width, double height, double x, double y,
                          uint32_t k) {
    int32_t w = one->frame_width > 0 ? one->frame_width : picture->width, h = one->frame_height > 0 ? one->frame_height : picture->height;
    return (oai_place){width / w, height / h, x, y, k};
}

/* Pixels of a JPEG are never quite 0. */
static bool is_jpeg(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static oassl_status load_mask(oai_scene *scene, const char *path, uint32_t source) {
    oassl_image mask;
    OAI_TRY(oai_picture_read(scene->host, path, &mask));
    oassl_status status = OASSL_STATUS_OK;
    if (mask.width != scene->picture.width || mask.height != scene->picture.height)
        status = oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: expected a mask of %d x %d as its picture, found %d x %d", path,
                          scene->picture.width, scene->picture.height, mask.width, mask.height);
    size_t n = (size_t)mask.width * (size_t)mask.height;
    uint8_t least = is_jpeg(path) ? 128 : 1;
    if (status == OASSL_STATUS_OK && !(scene->masks[source] = oai_alloc(scene->host, n))) status = oai_no_memory(n, "a mask");
    for (size_t p = 0; status == OASSL_STATUS_OK && p < n; p++) scene->masks[source][p] = mask.rgb[3 * p] >= least;
    oai_picture_release(scene->host, &mask);
    return status;
}

/* The published numbers count empty boxes, which the record's boxes leave out. */
static uint32_t n_boxes_of(const oassl_record_source *source) {
    return source->n_numbers > source->n_boxes ? source->n_numbers : source->n_boxes;
}

/* Empty boxes come last, as zeros. */
static void place_boxes(const oassl_record_source *from, const oai_place *place, float (**next)[4], oassl_metric_truth *out) {
    float (*boxes)[4] = *next;
    *next += n_boxes_of(from);
    *out = (oassl_metric_truth){.boxes = (const float (*)[4])boxes, .n_boxes = n_boxes_of(from), .label = from->label, .twin = from->twin};
    for (uint32_t i = 0; i < from->n_boxes; i++)
        for (int c = 0; c < 4; c++)
            boxes[i][c] = (float)(from->boxes[i][c] * (c % 2 ? place->scale_y : place->scale_x) + (c % 2 ? place->offset_y : place->offset_x));
}

/* Metrics take the published numbers where there are some. */
static void add_numbers(const oassl_record *record, const oassl_record_source *from, uint32_t part, oassl_metric_truth *out) {
    out->consensus = record->consensus;
    if (record->numbers_are < OASSL_BOX_NORMALISED || record->numbers_are > OASSL_BOX_OF_224 || from->n_numbers < from->n_boxes) return;
    out->numbers = from->numbers, out->numbers_are = record->numbers_are, out->part = part;
}

static oassl_status add_truth(oai_scene *scene, const oassl_record *record, const oai_place *place, float (**next)[4]) {
    for (uint32_t s = 0; s < record->n_sources; s++) {
        const oassl_record_source *source = &record->sources[s];
        uint32_t k = scene->n_sources++;
        place_boxes(source, place, next, &scene->sources[k]);
        add_numbers(record, source, place->part, &scene->sources[k]);
        if (!source->mask || source->n_boxes > 0) continue;
        OAI_TRY(load_mask(scene, source->mask, k));
        scene->sources[k].mask = scene->masks[k];
    }
    for (uint32_t s = 0; s < record->n_silent && scene->n_silent < OAI_SCENE_MAX_SILENT; s++)
        if (record->silent[s].n_boxes > 0) place_boxes(&record->silent[s], place, next, &scene->silent[scene->n_silent++]);
    return OASSL_STATUS_OK;
}

static size_t count_boxes(const oassl_record *record) {
    size_t n = 0;
    for (uint32_t s = 0; s < record->n_sources; s++) n += n_boxes_of(&record->sources[s]);
    for (uint32_t s = 0; s < record->n_silent; s++) n += n_boxes_of(&record->silent[s]);
    return n;
}

/* Part k of a mixture, as the networks see a single picture, in its place of the canvas. */
static oassl_status compose_part(oai_scene *scene, const oassl_record *one, uint32_t k, int32_t side, float (**next)[4]) {
    oassl_image picture;
    OAI_TRY(oai_picture_read(scene->host, one->image, &picture));
    int32_t x = scene->axis == 0 ? (int32_t)k * side : 0, y = scene->axis == 0 ? 0 : (int32_t)k * side;
    int64_t row = oai_picture_row_bytes(&scene->picture);
    oassl_status status = oai_resize_u8(scene->host, picture.rgb, picture.width, picture.height, oai_picture_row_bytes(&picture), 3,
                                        OASSL_RESIZE_PILLOW_BICUBIC, scene->picture.rgb + y * row + 3 * x, side, side, row);
    oai_place place = place_at(one, &picture, side, side, x, y, k);
    oai_picture_release(scene->host, &picture);
    return status == OASSL_STATUS_OK ? add_truth(scene, one, &place, next) : status;
}

static oassl_status load_picture(oai_scene *scene, const oassl_manifest *manifest, const oai_hearing *hearing,
                                 const oassl_record *record) {
    size_t n_boxes = 1;
    for (uint32_t k = 0; k < scene->n_parts; k++) n_boxes += count_boxes(part(manifest, record, k));
    scene->boxes = oai_calloc(scene->host, n_boxes, sizeof *scene->boxes);
    if (!scene->boxes) return oai_no_memory(n_boxes * sizeof *scene->boxes, "boxes");
    float (*next)[4] = scene->boxes;
    if (record->n_mix == 0) {
        OAI_TRY(oai_picture_read(scene->host, record->image, &scene->picture));
        oai_place place = place_at(record, &scene->picture, scene->picture.width, scene->picture.height, 0, 0, 0);
        return add_truth(scene, record, &place, &next);
    }
    int32_t side = hearing->image.size, n = (int32_t)scene->n_parts;
    OAI_TRY(oai_picture_alloc(scene->host, scene->axis == 0 ? n * side : side, scene->axis == 0 ? side : n * side, &scene->picture));
    for (uint32_t k = 0; k < scene->n_parts; k++) OAI_TRY(compose_part(scene, part(manifest, record, k), k, side, &next));
    return OASSL_STATUS_OK;
}

/* ---- sound -------------------------------------------------------------------------------------------------- */

/* Adds one record's excerpt to the mixture. */
static oassl_status add_sound(oai_scene *scene, const oai_audio_rules *rules, const char *path, double *excerpt, double *sum) {
    oassl_audio audio;
    OAI_TRY(oai_audio_file_read(scene->host, path, &audio));
    oassl_status status = oai_audio_excerpt(scene->host, rules, &audio, NULL, excerpt);
    oai_audio_release(scene->host, &audio);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", path);
    int64_t n = oai_audio_need(rules, rules->rate);
    for (int64_t i = 0; i < n; i++) sum[i] += excerpt[i];
    return OASSL_STATUS_OK;
}

static oassl_status mix_sounds(oai_scene *scene, const oassl_manifest *manifest, const oai_hearing *hearing, const oassl_record *sounding) {
    size_t n = (size_t)oai_audio_need(&hearing->audio, hearing->audio.rate);
    double *work = oai_calloc(scene->host, 2 * n, sizeof *work);
    float *samples = oai_alloc(scene->host, n * sizeof *samples);
    oassl_status status = work && samples ? OASSL_STATUS_OK : oai_no_memory(2 * n * sizeof *work, "a mixture's sound");
    for (uint32_t k = 0; status == OASSL_STATUS_OK && k < sounding->n_mix; k++)
        status = add_sound(scene, &hearing->audio, part(manifest, sounding, k)->audio, work + n, work);
    double scale = hearing->mean_mix ? 1.0 / sounding->n_mix : 1;
    for (size_t i = 0; status == OASSL_STATUS_OK && i < n; i++) samples[i] = (float)(work[i] * scale);
    oai_free(scene->host, work);
    if (status != OASSL_STATUS_OK) {
        oai_free(scene->host, samples);
        return status;
    }
    scene->excerpt = true;
    scene->sound = (oassl_audio){.samples = samples, .frames = (int64_t)n, .channels = 1, .rate = hearing->audio.rate,
                                 .format = OASSL_AUDIO_FORMAT_F32};
    return OASSL_STATUS_OK;
}

oassl_status oai_scene_load(const oai_host *host, const oassl_manifest *manifest, const oai_hearing *hearing,
                            const oassl_record *record, const oassl_record *sounding, oai_scene *out_scene) {
    memset(out_scene, 0, sizeof *out_scene);
    out_scene->host = host;
    out_scene->n_parts = n_parts(record);
    out_scene->axis = record->axis;
    out_scene->group = record->group;
    OAI_TRY(load_picture(out_scene, manifest, hearing, record));
    return sounding->n_mix > 0 ? mix_sounds(out_scene, manifest, hearing, sounding)
                               : oai_audio_file_read(host, sounding->audio, &out_scene->sound);
}

void oai_scene_free(oai_scene *scene) {
    for (uint32_t k = 0; k < OASSL_METRIC_MAX_SOURCES; k++) oai_free(scene->host, scene->masks[k]);
    oai_free(scene->host, scene->boxes);
    oai_picture_release(scene->host, &scene->picture);
    oai_audio_release(scene->host, &scene->sound);
}
