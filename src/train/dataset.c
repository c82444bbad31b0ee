#include "train/dataset.h"

#include <math.h>
#include <string.h>

#include "base/strmap.h"
#include "data/manifest.h"
#include "localize/scene.h"
#include "loss/loss.h"
#include "text/caption_features.h"
#include "train/media.h"
#include "train/order.h"

enum { MAX_PARTS = 8, MAX_TRIES = 64 };

struct oai_dataset {
    const oai_host *host;
    oassl_trainer_options options; /* resolved */
    oassl_manifest *manifest;
    oai_caption_features *captions; /* NULL when the loss needs none */
    oai_media *media;
    oai_image_rules image;
    oai_audio_rules audio;
    uint64_t n;         /* records of the split */
    uint64_t *numbers;  /* [n] their numbers in the manifest */
    uint32_t n_parts;   /* pictures in a training sample */
    int64_t columns;    /* of the log-spectrogram, */
    int64_t frames;     /* of which a sample gets so many */
    uint32_t n_classes;
    oai_strmap class_index;
    const char **classes; /* [n_classes], the manifest's strings */
};

/* The single records a sample is made of. */
typedef struct oai_parts {
    uint32_t n;
    uint64_t numbers[MAX_PARTS];
} oai_parts;

/* ---- opening ------------------------------------------------------------------------------------------------ */

static const char *label_of(const oassl_record *record) {
    if (record->label) return record->label;
    return record->n_sources > 0 ? record->sources[0].label : "";
}

/* Classes are all labels of the manifest, not only of one split, so that splits agree. */
static oassl_status collect_classes(oai_dataset *d) {
    uint64_t n = oai_manifest_count(d->manifest);
    d->classes = oai_calloc(d->host, n, sizeof *d->classes);
    if (!d->classes) return oai_no_memory(n * sizeof *d->classes, "the class list");
    for (uint64_t i = 0; i < n; i++) {
        const oassl_record *record = oai_manifest_at(d->manifest, i);
        const char *label = label_of(record);
        if (!label[0])
            return oai_fail(OASSL_STATUS_FORMAT, "%s: record '%s': expected a label to classify", oai_manifest_path(d->manifest), record->id);
        if (oai_strmap_get(&d->class_index, label, strlen(label)) != OAI_STRMAP_NONE) continue;
        OAI_TRY(oai_strmap_put(&d->class_index, label, strlen(label), d->n_classes, NULL));
        d->classes[d->n_classes++] = label;
    }
    return d->n_classes > 1 ? OASSL_STATUS_OK
                            : oai_fail(OASSL_STATUS_FORMAT, "%s: expected at least two classes, found %u",
                                       oai_manifest_path(d->manifest), d->n_classes);
}

static uint32_t sources_of(const oassl_record *record) {
    return record->n_sources > 0 ? record->n_sources : 1;
}

/* What a record that is a mixture has to be like. */
static oassl_status check_mixture(const oai_dataset *d, const oassl_record *record, uint32_t *out_sources) {
    if (record->n_mix > MAX_PARTS)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "record '%s': expected at most %d pictures in a mixture, found %u", record->id,
                        MAX_PARTS, record->n_mix);
    if (record->axis != d->options.mix_axis)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "record '%s' is composed along its %s; option mix_axis says the other", record->id,
                        record->axis == OASSL_AXIS_WIDTH ? "width" : "height");
    *out_sources = 0;
    for (uint32_t k = 0; k < record->n_mix; k++) *out_sources += sources_of(oai_manifest_at(d->manifest, record->mix[k]));
    return OASSL_STATUS_OK;
}

/* How many pictures a record needs for a sample of n_sources.  Only captions count what sounds in a picture: without
 * them a picture with more is as good as any. */
static oassl_status count_parts(const oai_dataset *d, const oassl_record *record, uint32_t *out_n_parts) {
    uint32_t sources = sources_of(record), wanted = d->options.n_sources;
    if (record->n_mix > 0) {
        OAI_TRY(check_mixture(d, record, &sources));
        if (!d->captions) sources = record->n_mix;
        if (wanted != sources)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "record '%s' is a mixture of %u sources, n_sources is %u", record->id, sources, wanted);
        *out_n_parts = record->n_mix;
        return OASSL_STATUS_OK;
    }
    if (d->captions && wanted % sources != 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "record '%s' has %u sources, which does not divide n_sources = %u", record->id, sources, wanted);
    *out_n_parts = sources < wanted ? wanted / sources : 1;
    return OASSL_STATUS_OK;
}

/* The same number for all, so that all pictures have the same size; without captions the most that one needs. */
static oassl_status check_parts(oai_dataset *d, const oassl_record *record) {
    uint32_t n_parts;
    OAI_TRY(count_parts(d, record, &n_parts));
    if (d->n_parts == 0 || (!d->captions && n_parts > d->n_parts)) d->n_parts = n_parts;
    if (d->n_parts == n_parts || !d->captions) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                    "record '%s' needs %u pictures for %u sources where earlier records need %u: samples of one training must be alike",
                    record->id, n_parts, d->options.n_sources, d->n_parts);
}

static oassl_status check_caption(const oai_dataset *d, const oassl_record *record) {
    int64_t sample = oai_caption_features_find(d->captions, record->id);
    uint32_t k = oai_caption_features_k(d->captions, sample);
    if (k != sources_of(record))
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "record '%s' has %u sources, its caption %u foreground sentences", record->id,
                        sources_of(record), k);
    if (d->options.task == OASSL_TASK_LOCALIZE && !oai_caption_features_background(d->captions, sample) &&
        !d->options.loss.allow_empty_background)
        return oai_fail(OASSL_STATUS_FORMAT, "record '%s' has no background caption; loss.allow_empty_background accepts that",
                        record->id);
    return OASSL_STATUS_OK;
}

static oassl_status check_single(const oai_dataset *d, const oassl_record *record) {
    if (!record->image) return oai_fail(OASSL_STATUS_FORMAT, "record '%s': expected an image", record->id);
    if (d->options.task == OASSL_TASK_LOCALIZE && !record->audio) return oai_fail(OASSL_STATUS_FORMAT, "record '%s': expected audio", record->id);
    return d->captions ? check_caption(d, record) : OASSL_STATUS_OK;
}

static oassl_status check_record(oai_dataset *d, const oassl_record *record) {
    if (d->options.task != OASSL_TASK_LOCALIZE) {
        d->n_parts = 1;
        return check_single(d, record);
    }
    OAI_TRY(check_parts(d, record));
    if (record->n_mix == 0) return check_single(d, record);
    for (uint32_t k = 0; k < record->n_mix; k++) OAI_TRY(check_single(d, oai_manifest_at(d->manifest, record->mix[k])));
    return OASSL_STATUS_OK;
}

/* A sample without a caption is left out of training, counted and reported (datasets.md 9.4). */
static bool has_captions(const oai_dataset *d, const oassl_record *record) {
    if (!d->captions) return true;
    if (record->n_mix == 0) return oai_caption_features_find(d->captions, record->id) >= 0;
    for (uint32_t k = 0; k < record->n_mix; k++)
        if (oai_caption_features_find(d->captions, oai_manifest_at(d->manifest, record->mix[k])->id) < 0) return false;
    return true;
}

static void drop_without_captions(oai_dataset *d, const char *split) {
    uint64_t n = 0;
    const char *first = NULL;
    for (uint64_t i = 0; i < d->n; i++) {
        const oassl_record *record = oai_manifest_at(d->manifest, d->numbers[i]);
        if (has_captions(d, record)) d->numbers[n++] = d->numbers[i];
        else if (!first) first = record->id;
    }
    if (first)
        oai_log(d->host, OAI_LOG_WARN, "%s: %llu of %llu records of split '%s' have no caption features and are left out, first '%s'",
                oai_manifest_path(d->manifest), (unsigned long long)(d->n - n), (unsigned long long)d->n, split, first);
    d->n = n;
}

static bool has_splits(const oassl_manifest *manifest) {
    for (uint64_t i = 0; i < oai_manifest_count(manifest); i++)
        if (oai_manifest_at(manifest, i)->split[0]) return true;
    return false;
}

static oassl_status take_split(oai_dataset *d, const char *split) {
    if (strcmp(split, "train") == 0 && !has_splits(d->manifest)) split = ""; /* all records */
    d->n = oai_manifest_split(d->manifest, split, NULL, 0);
    d->numbers = oai_alloc(d->host, d->n * sizeof *d->numbers);
    if (!d->numbers) return oai_no_memory(d->n * sizeof *d->numbers, "a split");
    oai_manifest_split(d->manifest, split, d->numbers, d->n);
    drop_without_captions(d, split);
    if (d->options.task != OASSL_TASK_LOCALIZE) OAI_TRY(collect_classes(d));
    for (uint64_t i = 0; i < d->n; i++) {
        oassl_status status = check_record(d, oai_manifest_at(d->manifest, d->numbers[i]));
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", oai_manifest_path(d->manifest));
    }
    if (d->n > 0 && d->n_parts > d->n)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: split '%s' has %llu records, a sample mixes %u",
                        oai_manifest_path(d->manifest), split, (unsigned long long)d->n, d->n_parts);
    return OASSL_STATUS_OK;
}

static oassl_status resolve_rules(oai_dataset *d) {
    oassl_image_options image = OASSL_IMAGE_OPTIONS_INIT;
    image.size = (int32_t)d->options.image_size;
    OAI_TRY(oai_image_resolve(&image, &d->image));
    d->image.flip = d->options.flip;
    oassl_audio_options audio = OASSL_AUDIO_OPTIONS_INIT;
    audio.preset = d->options.audio_preset;
    OAI_TRY(oai_audio_resolve(&audio, &d->audio));
    if (d->audio.rate == OASSL_AUDIO_RATE_OF_SOURCE)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "option audio_preset: sound at its file's rate makes no batches; take a preset with one rate");
    d->columns = oai_audio_columns(&d->audio, d->audio.rate);
    d->frames = d->options.audio_frames ? d->options.audio_frames : d->columns;
    if (d->frames > d->columns)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option audio_frames: expected at most %lld, the preset's columns, found %lld",
                        (long long)d->columns, (long long)d->frames);
    return OASSL_STATUS_OK;
}

/* Sentences made from few templates share most of their vectors: without the common part what tells them apart is what
 * text_proj sees first.  One mean a component over all sentences, one deviation over all components; rows of zeros mean
 * "no background" and stay. */
static oassl_status standardize(oai_caption_features *f) {
    size_t dim = (size_t)f->width, n = 0;
    double *mean = oai_calloc(f->host, dim, sizeof *mean), square = 0;
    if (!mean) return oai_no_memory(dim * sizeof *mean, "the captions' mean");
    float *blocks[] = {f->foreground, f->background};
    size_t rows[] = {(size_t)f->offsets[f->n_samples], (size_t)f->n_samples};
    for (int pass = 0; pass < 3; pass++) { /* mean, deviation, change */
        double scale = pass == 2 && square > 0 ? 1 / sqrt(square / (double)(n * dim)) : 1;
        for (int k = 0; k < 2; k++)
            for (size_t r = 0; r < rows[k]; r++) {
                float *row = blocks[k] + r * dim;
                if (k == 1 && !oai_caption_features_background(f, (int64_t)r)) continue;
                n += pass == 0;
                for (size_t i = 0; i < dim; i++) {
                    if (pass == 0) mean[i] += row[i];
                    else if (pass == 1) square += (row[i] - mean[i]) * (row[i] - mean[i]);
                    else row[i] = (float)((row[i] - mean[i]) * scale);
                }
            }
        for (size_t i = 0; pass == 0 && n > 0 && i < dim; i++) mean[i] /= (double)n;
    }
    oai_free(f->host, mean);
    return OASSL_STATUS_OK;
}

static oassl_status open_all(oai_dataset *d, const char *manifest_path, const char *captions_path, const char *split) {
    OAI_TRY(resolve_rules(d));
    OAI_TRY(oai_manifest_load(d->host, manifest_path, OASSL_MISSING_ERROR, &d->manifest));
    int pairs = d->options.task == OASSL_TASK_LOCALIZE && oai_loss_needs_captions(&d->options.loss);
    if (pairs || d->options.task == OASSL_TASK_ALIGN) {
        if (!captions_path)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                            pairs ? "the loss needs captions: give their features, or set loss.lambda_oca and loss.lambda_ori to 0"
                                  : "aligning pictures with captions needs the captions' features");
        OAI_TRY(oai_caption_features_load(d->host, captions_path, &d->captions));
        if (d->options.standardize_captions) OAI_TRY(standardize(d->captions));
    }
    OAI_TRY(take_split(d, split));
    return oai_media_create(d->host, &d->image, &d->audio, !d->options.no_crop, oai_manifest_count_all(d->manifest),
                            (size_t)d->options.cache_mb << 20, &d->media);
}

oassl_status oai_dataset_open(const oai_host *host, const oassl_trainer_options *options, const char *manifest_path,
                              const char *captions_path, const char *split, oai_dataset **out_dataset) {
    *out_dataset = NULL;
    oai_dataset *d = oai_calloc(host, 1, sizeof *d);
    if (!d) return oai_no_memory(sizeof *d, "the data set");
    d->host = host;
    d->options = *options;
    oai_strmap_init(&d->class_index, host);
    oassl_status status = open_all(d, manifest_path, captions_path, split);
    if (status != OASSL_STATUS_OK) {
        oai_dataset_close(d);
        return status;
    }
    *out_dataset = d;
    return OASSL_STATUS_OK;
}

void oai_dataset_close(oai_dataset *d) {
    if (!d) return;
    oai_media_destroy(d->media);
    oai_caption_features_destroy(d->captions);
    oai_manifest_free(d->manifest);
    oai_strmap_free(&d->class_index);
    oai_free(d->host, d->classes);
    oai_free(d->host, d->numbers);
    oai_free(d->host, d);
}

uint64_t oai_dataset_count(const oai_dataset *d) { return d->n; }

bool oai_dataset_can_score(const oai_dataset *d, const char *split) {
    for (uint64_t i = 0; i < oai_manifest_count(d->manifest); i++) {
        const oassl_record *record = oai_manifest_at(d->manifest, i);
        if (strcmp(record->split, split) == 0 && oai_scene_usable(d->manifest, record)) return true;
    }
    return false;
}

uint32_t oai_dataset_n_classes(const oai_dataset *d) { return d->n_classes; }
const char *oai_dataset_class(const oai_dataset *d, uint32_t index) { return d->classes[index]; }

oai_batch_shape oai_dataset_shape(const oai_dataset *d, int64_t n) {
    int64_t side = d->options.image_size, parts = d->n_parts > 0 ? d->n_parts : 1;
    bool wide = d->options.mix_axis == OASSL_AXIS_WIDTH;
    oai_batch_shape shape = {.n = n, .height = wide ? side : side * parts, .width = wide ? side * parts : side};
    shape.n_classes = d->n_classes;
    if (d->options.task == OASSL_TASK_LOCALIZE) {
        shape.bins = OASSL_LOGSPEC_ROWS;
        shape.frames = d->frames;
    }
    if (d->captions) {
        shape.n_foreground = d->options.n_sources;
        shape.text_dim = d->captions->width;
    }
    return shape;
}

/* ---- filling ------------------------------------------------------------------------------------------------ */

/* True when records a and b show different classes, or nobody knows. */
static bool distinct(const oai_dataset *d, uint64_t a, uint64_t b) {
    const char *x = label_of(oai_manifest_at(d->manifest, a)), *y = label_of(oai_manifest_at(d->manifest, b));
    return !x[0] || !y[0] || strcmp(x, y) != 0;
}

/* A record that is none of the parts yet and, if one is found in reasonable time, of another class than all of them. */
static uint64_t draw_partner(const oai_dataset *d, const oai_parts *parts, oai_rng *rng) {
    uint64_t candidate = parts->numbers[0];
    for (int try = 0; try < MAX_TRIES; try++) {
        candidate = d->numbers[oai_rng_below(rng, (uint32_t)d->n)];
        bool fits = true;
        for (uint32_t k = 0; fits && k < parts->n; k++)
            fits = candidate != parts->numbers[k] && (try >= MAX_TRIES / 2 || distinct(d, candidate, parts->numbers[k]));
        if (fits) break;
    }
    return candidate;
}

static oai_parts choose_parts(const oai_dataset *d, uint64_t index, oai_rng *rng) {
    const oassl_record *record = oai_manifest_at(d->manifest, d->numbers[index]);
    oai_parts parts = {0};
    if (record->n_mix > 0) {
        parts.n = record->n_mix;
        memcpy(parts.numbers, record->mix, record->n_mix * sizeof *record->mix);
        return parts;
    }
    parts.numbers[parts.n++] = d->numbers[index];
    while (parts.n < d->n_parts) {
        uint64_t partner = draw_partner(d, &parts, rng);
        parts.numbers[parts.n++] = partner;
    }
    return parts;
}

/* Writes part k's picture into its place of the composed one. rng NULL = no augmentation. */
static oassl_status place_picture(const oai_dataset *d, const oai_clip *clip, uint32_t k, oai_rng *rng, float *out_picture) {
    oai_batch_shape shape = oai_dataset_shape(d, 1);
    int64_t side = d->options.image_size;
    int64_t offset = d->options.mix_axis == OASSL_AXIS_WIDTH ? k * side : k * side * shape.width;
    oai_image_plan plan;
    if (rng && !d->options.no_crop)
        OAI_TRY(oai_image_plan_train(&d->image, clip->picture.width, clip->picture.height, rng, &plan));
    else OAI_TRY(oai_image_plan_test(&d->image, clip->picture.width, clip->picture.height, &plan));
    return oai_image_apply(d->host, &plan, &clip->picture, out_picture + offset, shape.height * shape.width, shape.width);
}

static oassl_status place_captions(const oai_dataset *d, const oai_parts *parts, const oai_batch *batch, uint32_t position) {
    size_t dim = (size_t)d->captions->width;
    int64_t samples[MAX_PARTS];
    for (uint32_t k = 0; k < parts->n; k++)
        samples[k] = oai_caption_features_find(d->captions, oai_manifest_at(d->manifest, parts->numbers[k])->id);
    float *background = batch->background + (size_t)position * dim;
    uint32_t n_written;
    bool has_background;
    OAI_TRY(oai_caption_features_compose(d->captions, samples, parts->n, d->options.n_sources,
                                         batch->foreground + (size_t)position * d->options.n_sources * dim, &n_written,
                                         background, &has_background));
    /* an all-zero reference has no direction: its terms are switched off, but the cosine must stay finite */
    if (!has_background) background[0] = 1;
    if (d->options.loss.allow_empty_background) batch->background_weight[position] = has_background;
    return OASSL_STATUS_OK;
}

/* Log-spectrogram [257, columns] of the parts' mixed sound. */
static oassl_status mix_sound(const oai_dataset *d, const oai_clip *const *clips, uint32_t n, float *out_logspec) {
    size_t samples = (size_t)clips[0]->n_sound;
    double *block = oai_alloc(d->host, n * samples * sizeof *block);
    if (!block) return oai_no_memory(n * samples * sizeof *block, "a mixture's waveforms");
    const double *excerpts[MAX_PARTS];
    for (uint32_t k = 0; k < n; k++) {
        excerpts[k] = block + k * samples;
        for (size_t i = 0; i < samples; i++) block[k * samples + i] = clips[k]->sound[i];
    }
    oassl_status status = oai_audio_mix_logspec(d->host, &d->audio, excerpts, (int32_t)n, (int64_t)samples, clips[0]->rate,
                                                d->options.mix_mode, out_logspec);
    oai_free(d->host, block);
    return status;
}

/* A stretch of it when a sample gets fewer frames: a random one, the middle without rng. */
static oassl_status place_sound(const oai_dataset *d, const oai_clip *const *clips, uint32_t n, oai_rng *rng, float *out_logspec) {
    if (d->frames == d->columns) return mix_sound(d, clips, n, out_logspec);
    size_t columns = (size_t)d->columns, frames = (size_t)d->frames;
    float *whole = oai_alloc(d->host, OASSL_LOGSPEC_ROWS * columns * sizeof *whole);
    if (!whole) return oai_no_memory(OASSL_LOGSPEC_ROWS * columns * sizeof *whole, "a log-spectrogram");
    size_t start = rng ? oai_rng_below(rng, (uint32_t)(columns - frames + 1)) : (columns - frames) / 2;
    oassl_status status = mix_sound(d, clips, n, whole);
    for (size_t row = 0; status == OASSL_STATUS_OK && row < OASSL_LOGSPEC_ROWS; row++)
        memcpy(out_logspec + row * frames, whole + row * columns + start, frames * sizeof *whole);
    oai_free(d->host, whole);
    return status;
}

static oassl_status place_clips(const oai_dataset *d, const oai_parts *parts, const oai_clip *const *clips, oai_rng *rng,
                                const oai_batch *batch, uint32_t position) {
    oai_batch_shape shape = oai_dataset_shape(d, 1);
    float *picture = batch->pictures + (size_t)position * 3 * (size_t)(shape.height * shape.width);
    for (uint32_t k = 0; k < parts->n; k++) OAI_TRY(place_picture(d, clips[k], k, rng, picture));
    if (d->options.task == OASSL_TASK_LOCALIZE)
        OAI_TRY(place_sound(d, clips, parts->n, rng, batch->spectrograms + (size_t)position * (size_t)(shape.bins * shape.frames)));
    else {
        const char *label = label_of(oai_manifest_at(d->manifest, parts->numbers[0]));
        float *target = batch->targets + (size_t)position * d->n_classes;
        memset(target, 0, d->n_classes * sizeof *target);
        target[oai_strmap_get(&d->class_index, label, strlen(label))] = 1;
    }
    return d->captions ? place_captions(d, parts, batch, position) : OASSL_STATUS_OK;
}

static oassl_status fill(oai_dataset *d, const oai_parts *parts, oai_rng *rng, const oai_batch *batch, uint32_t position) {
    const oai_clip *clips[MAX_PARTS] = {NULL};
    uint32_t n = 0;
    oassl_status status = OASSL_STATUS_OK;
    while (n < parts->n && status == OASSL_STATUS_OK) {
        status = oai_media_get(d->media, parts->numbers[n], oai_manifest_at(d->manifest, parts->numbers[n]), &clips[n]);
        if (status == OASSL_STATUS_OK) n++;
    }
    if (status == OASSL_STATUS_OK) status = place_clips(d, parts, clips, rng, batch, position);
    while (n > 0) {
        n--;
        oai_media_release(d->media, parts->numbers[n], clips[n]);
    }
    return status;
}

oassl_status oai_dataset_fill(oai_dataset *d, uint64_t number, const oai_batch *batch, uint32_t position) {
    oai_rng rng = oai_rng_stream(d->options.seed + 1, number);
    uint64_t index = oai_permuted(d->options.seed, number / d->n, number % d->n, d->n);
    oai_parts parts = choose_parts(d, index, &rng);
    return fill(d, &parts, &rng, batch, position);
}

oassl_status oai_dataset_fill_plain(oai_dataset *d, uint64_t index, const oai_batch *batch, uint32_t position) {
    oai_rng rng = oai_rng_stream(d->options.seed + 2, index);
    oai_parts parts = choose_parts(d, index, &rng);
    return fill(d, &parts, NULL, batch, position);
}
