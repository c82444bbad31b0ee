#include "oassl/data.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/options.h"
#include "data/check.h"
#include "data/import.h"
#include "data/manifest.h"
#include "data/synth.h"
#include "dsp/audio_file.h"
#include "dsp/picture_file.h"
#include "runtime/context.h"

/* ---- manifest ------------------------------------------------------------------------------------------------- */

static oassl_status null_argument(const char *function, const char *what) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: %s is NULL", function, what);
}

oassl_status oassl_manifest_load(const oassl_context *context, const char *path, const oassl_manifest_options *options,
                                 oassl_manifest **out_manifest) {
    if (!out_manifest) return null_argument(__func__, "out_manifest");
    *out_manifest = NULL;
    if (!context) return null_argument(__func__, "context");
    if (!path) return null_argument(__func__, "path");
    oassl_manifest_options o;
    OAI_TRY(oai_options_read("manifest options", options, &o, sizeof o));
    if (o.missing < OASSL_MISSING_ERROR || o.missing > OASSL_MISSING_KEEP)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_manifest_load: options.missing is %d, expected 0..2",
                        o.missing);
    return oai_manifest_load(oai_context_host(context), path, o.missing, out_manifest);
}

void oassl_manifest_destroy(oassl_manifest *manifest) { oai_manifest_free(manifest); }

uint64_t oassl_manifest_count(const oassl_manifest *manifest) { return manifest ? oai_manifest_count(manifest) : 0; }

oassl_status oassl_manifest_record(const oassl_manifest *manifest, uint64_t number, oassl_record *out_record) {
    if (!manifest) return null_argument(__func__, "manifest");
    if (!out_record) return null_argument(__func__, "out_record");
    uint32_t size = out_record->struct_size;
    if (size < sizeof size)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "oassl_manifest_record: out_record.struct_size is %u; use OASSL_RECORD_INIT", size);
    if (number >= oai_manifest_count_all(manifest))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "oassl_manifest_record: number %llu, the manifest has %llu records",
                        (unsigned long long)number, (unsigned long long)oai_manifest_count_all(manifest));
    memcpy(out_record, oai_manifest_at(manifest, number), size < sizeof *out_record ? size : sizeof *out_record);
    out_record->struct_size = size;
    return OASSL_STATUS_OK;
}

oassl_status oassl_manifest_find(const oassl_manifest *manifest, const char *id, uint64_t *out_number) {
    if (!manifest) return null_argument(__func__, "manifest");
    if (!id) return null_argument(__func__, "id");
    if (!out_number) return null_argument(__func__, "out_number");
    return oai_manifest_find(manifest, id, out_number);
}

oassl_status oassl_manifest_split(const oassl_manifest *manifest, const char *split, uint64_t *out_numbers,
                                  uint64_t capacity, uint64_t *out_count) {
    if (!manifest) return null_argument(__func__, "manifest");
    if (!out_count) return null_argument(__func__, "out_count");
    if (capacity && !out_numbers) return null_argument(__func__, "out_numbers");
    *out_count = oai_manifest_split(manifest, split, out_numbers, capacity);
    return OASSL_STATUS_OK;
}

uint64_t oassl_manifest_n_missing(const oassl_manifest *manifest) {
    return manifest ? oai_manifest_n_missing(manifest) : 0;
}

const char *oassl_manifest_missing(const oassl_manifest *manifest, uint64_t index) {
    return manifest ? oai_manifest_missing(manifest, index) : NULL;
}

/* ---- published annotation files ------------------------------------------------------------------------------- */

static oassl_status check_import(const oassl_import_options *o) {
    if (!o->format || !*o->format)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import options: format is not given");
    if (!o->annotations || !*o->annotations)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import options: annotations is not given");
    if (o->mix_sources && (o->mix_sources < 2 || o->mix_sources > OAI_IMPORT_MAX_MIX))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import options: mix_sources is %u, expected 2..%d",
                        o->mix_sources, OAI_IMPORT_MAX_MIX);
    if (o->mix && o->mix_sources)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import options: mix and mix_sources exclude each other");
    if (o->axis != 0 && o->axis != 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "import options: axis is %d, expected 0 or 1", o->axis);
    return OASSL_STATUS_OK;
}

/* As much of our struct as the caller's has room for. */
static void give_counts(void *out, const void *counts, size_t bytes) {
    uint32_t size;
    if (!out) return;
    memcpy(&size, out, sizeof size);
    memcpy(out, counts, size < bytes ? size : bytes);
    memcpy(out, &size, sizeof size);
}

oassl_status oassl_data_import(const oassl_context *context, const oassl_import_options *options, const char *out_path,
                               oassl_import_counts *out_counts) {
    if (!context) return null_argument(__func__, "context");
    if (!options) return null_argument(__func__, "options");
    if (!out_path || !*out_path) return null_argument(__func__, "out_path");
    oassl_import_options o;
    oassl_import_counts counts = OASSL_IMPORT_COUNTS_INIT;
    OAI_TRY(oai_options_read("import options", options, &o, sizeof o));
    if (out_counts && out_counts->struct_size < sizeof(uint32_t))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_data_import: out_counts: use OASSL_IMPORT_COUNTS_INIT");
    OAI_TRY(check_import(&o));
    oassl_status status = oai_import_run(oai_context_host(context), &o, out_path, &counts);
    give_counts(out_counts, &counts, sizeof counts);
    return status;
}

const char *oassl_import_format(uint32_t index, const char **out_summary) {
    const oai_import_format *format = oai_import_format_at(index);
    if (out_summary) *out_summary = format ? format->summary : NULL;
    return format ? format->name : NULL;
}

oassl_status oassl_data_check(const oassl_context *context, const char *path, const oassl_check_options *options,
                              oassl_check_counts *out_counts) {
    if (!context) return null_argument(__func__, "context");
    if (!path || !*path) return null_argument(__func__, "path");
    if (!out_counts) return null_argument(__func__, "out_counts");
    oassl_check_options o;
    oassl_check_counts counts = OASSL_CHECK_COUNTS_INIT;
    OAI_TRY(oai_options_read("check options", options, &o, sizeof o));
    if (out_counts->struct_size < sizeof(uint32_t))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_data_check: out_counts: use OASSL_CHECK_COUNTS_INIT");
    oassl_status status = oai_data_check(oai_context_host(context), path, &o, &counts);
    give_counts(out_counts, &counts, sizeof counts);
    return status;
}

oassl_status oassl_data_stats(const oassl_context *context, const char *path, char *out_text, uint64_t capacity,
                              uint64_t *out_bytes) {
    if (!context) return null_argument(__func__, "context");
    if (!path || !*path) return null_argument(__func__, "path");
    if (!out_bytes) return null_argument(__func__, "out_bytes");
    if (capacity && !out_text) return null_argument(__func__, "out_text");
    char *text;
    OAI_TRY(oai_data_stats(oai_context_host(context), path, &text));
    *out_bytes = strlen(text) + 1;
    if (capacity) snprintf(out_text, capacity, "%s", text);
    free(text);
    return OASSL_STATUS_OK;
}

/* ---- writing the built-in data -------------------------------------------------------------------------------- */

typedef struct synth_job {
    const oai_host *host;
    oai_synth_options options;
    const char *folder;
    uint64_t first, n_clips;
    double train, val; /* upper ends of the splits on 0..1 */
    bool masks, jpeg, label_playing;
    char **records, **captions; /* [n_clips] lines */
    atomic_uint_fast64_t next, done;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards the two below */
    oassl_status status;
    char failure[512];
} synth_job;

static const char *const KIND_NAMES[] = {"", "object", "solo", "twins", "duet"};

/* The golden ratio's multiples fill 0..1 evenly, so that every run of clips has the shares asked for. */
static const char *split_of(const synth_job *job, uint64_t index) {
    double u = (double)index * 0.6180339887498949 + (double)(job->options.seed % 1000) * 0.137;
    u -= floor(u);
    return u < job->train ? "train" : u < job->val ? "val" : "test";
}

static json_t *texts(const char (*lines)[OAI_SYNTH_TEXT_BYTES], int32_t n) {
    json_t *list = json_array();
    for (int32_t i = 0; i < n; i++) oai_json_append(&list, json_string(lines[i]));
    return list;
}

/* `n_described`: the sources; of a crop its one instrument, played or not. */
static oassl_status caption_line(const oai_synth_clip *clip, int32_t n_described, const char *id, char **out_line) {
    json_t *labels = json_array();
    for (int32_t i = 0; i < n_described; i++)
        oai_json_append(&labels, json_string(oai_synth_instrument_name(clip->objects[i].thing)));
    json_t *object = json_pack("{s:s, s:o, s:o, s:s}", "id", id, "labels", labels, "foreground",
                               texts(clip->foreground, n_described), "background", clip->background);
    char *text = oai_json_text(object, 0);
    json_decref(object);
    size_t n = text ? strlen(text) : 0;
    *out_line = text ? oai_alloc(clip->host, n + 2) : NULL;
    if (*out_line) memcpy(*out_line, text, n), memcpy(*out_line + n, "\n", 2);
    free(text);
    return *out_line ? OASSL_STATUS_OK : oai_no_memory(n, "a caption");
}

enum { PATH_BYTES = 64 };

typedef struct clip_record {
    oassl_record record;
    oassl_record_source sources[OAI_SYNTH_MAX_SOURCES], silent[OAI_SYNTH_MAX_OBJECTS];
    char id[PATH_BYTES], label[PATH_BYTES], image[PATH_BYTES + 16], audio[PATH_BYTES + 16],
        masks[OAI_SYNTH_MAX_SOURCES][PATH_BYTES + 24];
} clip_record;

static void fill_record(const synth_job *job, uint64_t index, const oai_synth_clip *clip, clip_record *r) {
    const oai_synth_object *first = &clip->objects[0];
    bool crop = job->options.kind == OAI_SYNTH_OBJECTS;
    memset(r, 0, sizeof *r);
    snprintf(r->id, sizeof r->id, "%s_%05llu", KIND_NAMES[job->options.kind], (unsigned long long)index);
    snprintf(r->image, sizeof r->image, "images/%s.%s", r->id, job->jpeg ? "jpg" : "png");
    snprintf(r->audio, sizeof r->audio, "audio/%s.wav", r->id);
    r->record = (oassl_record){.id = r->id,
                               .image = r->image,
                               .audio = clip->pcm ? r->audio : NULL,
                               .split = split_of(job, index),
                               .sources = r->sources,
                               .silent = r->silent,
                               .playing = -1};
    if (crop) {
        snprintf(r->label, sizeof r->label, "%s%s", oai_synth_instrument_name(first->thing),
                 job->label_playing && first->playing ? " played" : "");
        r->record.label = r->label;
        r->record.playing = first->playing;
    }
    for (int32_t i = 0; i < clip->n_objects; i++) {
        const oai_synth_object *o = &clip->objects[i];
        if (o->clutter) continue;
        bool source = o->playing || crop;
        oassl_record_source *s = source ? &r->sources[r->record.n_sources] : &r->silent[r->record.n_silent];
        *s = (oassl_record_source){
            .label = oai_synth_instrument_name(o->thing), .boxes = &o->box, .n_boxes = 1, .twin = o->twin};
        if (source && job->masks && o->mask) {
            char *path = r->masks[r->record.n_sources];
            snprintf(path, sizeof r->masks[0], "masks/%s_%u.png", r->id, r->record.n_sources);
            s->mask = path;
        }
        if (source)
            r->record.n_sources++;
        else
            r->record.n_silent++;
    }
}

static oassl_status write_media(const synth_job *job, const oai_synth_clip *clip, const clip_record *r) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", job->folder, r->image);
    if (job->jpeg) {
        oassl_image image = {.rgb = clip->rgb, .width = clip->width, .height = clip->height};
        OAI_TRY(oai_picture_write_jpeg(job->host, path, &image, 92));
    } else {
        OAI_TRY(oai_picture_write_png(job->host, path, clip->rgb, clip->width, clip->height, 0, 3));
    }
    for (uint32_t i = 0; i < r->record.n_sources; i++) {
        if (!r->sources[i].mask) continue;
        snprintf(path, sizeof path, "%s/%s", job->folder, r->sources[i].mask);
        OAI_TRY(oai_picture_write_png(job->host, path, clip->objects[i].mask, clip->width, clip->height, 0, 1));
    }
    if (!clip->pcm) return OASSL_STATUS_OK;
    snprintf(path, sizeof path, "%s/%s", job->folder, r->audio);
    oassl_audio audio = {.samples = clip->pcm,
                         .frames = clip->n_samples,
                         .channels = 1,
                         .rate = (uint32_t)job->options.rate,
                         .format = OASSL_AUDIO_FORMAT_F32};
    return oai_audio_file_write_wav(job->host, path, &audio);
}

static oassl_status write_clip(synth_job *job, uint64_t at) {
    oai_synth_clip clip;
    clip_record r;
    OAI_TRY(oai_synth_clip_make(job->host, &job->options, job->first + at, &clip));
    fill_record(job, job->first + at, &clip, &r);
    oassl_status status = write_media(job, &clip, &r);
    if (status == OASSL_STATUS_OK) status = oai_manifest_line(job->host, &r.record, NULL, &job->records[at]);
    int32_t n_described = job->options.kind == OAI_SYNTH_OBJECTS ? 1 : clip.n_sources;
    if (status == OASSL_STATUS_OK && n_described > 0)
        status = caption_line(&clip, n_described, r.id, &job->captions[at]);
    oai_synth_clip_free(&clip);
    return status;
}

static void stop_with(synth_job *job, oassl_status status) {
    pthread_mutex_lock(&job->lock);
    if (job->status == OASSL_STATUS_OK) {
        job->status = status;
        snprintf(job->failure, sizeof job->failure, "%s", oassl_last_error());
    }
    pthread_mutex_unlock(&job->lock);
    atomic_store(&job->stop, true);
}

static void write_clips(synth_job *job, bool reports) {
    oai_writer_in_bulk(1);
    while (!atomic_load(&job->stop)) {
        uint64_t at = atomic_fetch_add(&job->next, 1);
        if (at >= job->n_clips) break;
        oassl_status status = write_clip(job, at);
        uint64_t done = atomic_fetch_add(&job->done, 1) + 1;
        if (status == OASSL_STATUS_OK && reports) status = oai_progress(job->host, "synth", done, job->n_clips);
        if (status != OASSL_STATUS_OK) stop_with(job, status);
    }
    oai_writer_in_bulk(0);
}

static void *worker(void *user) {
    write_clips(user, false);
    return NULL;
}

/* The calling thread works too, and is the one that reports progress. */
static oassl_status run_job(synth_job *job) {
    enum { MAX_WORKERS = 64 };
    pthread_t threads[MAX_WORKERS];
    uint32_t wanted = job->host->n_threads > 1 ? job->host->n_threads - 1 : 0, n = 0;
    if (wanted > MAX_WORKERS) wanted = MAX_WORKERS;
    while (n < wanted && pthread_create(&threads[n], NULL, worker, job) == 0) n++;
    write_clips(job, true);
    for (uint32_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
    return job->status == OASSL_STATUS_OK ? OASSL_STATUS_OK : oai_fail(job->status, "%s", job->failure);
}

static oassl_status write_lines(const synth_job *job, const char *name, char **lines) {
    char path[4096];
    oai_writer *writer;
    snprintf(path, sizeof path, "%s/%s", job->folder, name);
    OAI_TRY(oai_writer_open(job->host, path, &writer));
    for (uint64_t i = 0; i < job->n_clips; i++) {
        if (!lines[i]) continue;
        oassl_status status = oai_writer_write(writer, lines[i], strlen(lines[i]));
        if (status != OASSL_STATUS_OK) {
            oai_writer_abort(writer);
            return status;
        }
    }
    return oai_writer_commit(writer);
}

static oassl_status write_vocabulary(const synth_job *job) {
    char path[4096], *text;
    snprintf(path, sizeof path, "%s/vocab.txt", job->folder);
    OAI_TRY(oai_synth_vocabulary(job->host, &text));
    oassl_status status = oai_file_write(job->host, path, text, strlen(text));
    oai_free(job->host, text);
    return status;
}

static oassl_status make_folders(const synth_job *job) {
    static const char *const names[] = {"images", "audio", "masks"};
    char path[4096];
    for (int32_t i = 0; i < 3; i++) {
        if (i == 2 && !job->masks) continue;
        if (i == 1 && job->options.kind == OAI_SYNTH_OBJECTS) continue;
        snprintf(path, sizeof path, "%s/%s", job->folder, names[i]);
        OAI_TRY(oai_make_directories(path));
    }
    return OASSL_STATUS_OK;
}

static oassl_status write_all(synth_job *job) {
    char path[4096];
    OAI_TRY(make_folders(job));
    /* an earlier run's manifest must not list pictures of this one */
    snprintf(path, sizeof path, "%s/manifest.jsonl", job->folder);
    unlink(path);
    OAI_TRY(run_job(job));
    OAI_TRY(oai_sync_directory(job->folder));
    OAI_TRY(write_lines(job, "captions.jsonl", job->captions));
    OAI_TRY(write_vocabulary(job));
    return write_lines(job, "manifest.jsonl", job->records);
}

/* 0 = the kind's, -1 = none. */
static void override_count(int32_t *field, int32_t given) {
    if (given) *field = given < 0 ? 0 : given;
}

static oassl_status plan_job(const oassl_synth_options *o, synth_job *job) {
    oai_synth_options *s = &job->options;
    double seconds = o->seconds > 0 ? o->seconds : 3.0, total = o->train + o->val + o->test;
    if (o->kind < 0 || o->kind > OASSL_SYNTH_DUET)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "synth options: kind is %d, known are 1..4", o->kind);
    if (!(o->seconds >= 0 && o->seconds <= 600))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "synth options: seconds is %g, expected up to 600", o->seconds);
    if (!(o->train >= 0 && o->val >= 0 && o->test >= 0))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "synth options: train %g, val %g, test %g: expected shares >= 0", o->train, o->val, o->test);
    *s = oai_synth_defaults(o->kind ? o->kind : OASSL_SYNTH_SOLO);
    s->seed = o->seed, s->off_screen = o->off_screen;
    if (o->width) s->width = o->width;
    if (o->height) s->height = o->height;
    if (o->rate) s->rate = o->rate;
    if (o->n_classes) s->n_classes = o->n_classes;
    s->n_samples = (int32_t)fmin(seconds * s->rate + 0.5, 1e9); /* oai_synth_check judges it */
    override_count(&s->min_sources, o->min_sources), override_count(&s->max_sources, o->max_sources);
    override_count(&s->n_twins, o->n_twins), override_count(&s->max_clutter, o->max_clutter);
    override_count(&s->min_others, o->min_others), override_count(&s->max_others, o->max_others);
    if (!o->max_sources && s->max_sources < s->min_sources) s->max_sources = s->min_sources;
    if (!o->min_sources && s->min_sources > s->max_sources) s->min_sources = s->max_sources;
    if (!o->max_others && s->max_others < s->min_others) s->max_others = s->min_others;
    if (!o->min_others && s->min_others > s->max_others) s->min_others = s->max_others;
    job->n_clips = o->n_clips ? o->n_clips : 100;
    job->first = o->first_index;
    job->masks = o->masks != 0, job->jpeg = o->jpeg != 0, job->label_playing = o->label_playing != 0;
    job->train = total > 0 ? o->train / total : 0.8;
    job->val = total > 0 ? (o->train + o->val) / total : 0.9;
    return oai_synth_check(s);
}

oassl_status oassl_synth_write(const oassl_context *context, const oassl_synth_options *options, const char *folder) {
    if (!context) return null_argument(__func__, "context");
    if (!folder || !*folder) return null_argument(__func__, "folder");
    if (strlen(folder) > 3900)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_synth_write: folder's path is longer than 3900 bytes");
    oassl_synth_options o;
    OAI_TRY(oai_options_read("synth options", options, &o, sizeof o));
    synth_job job = {.host = oai_context_host(context), .folder = folder, .lock = PTHREAD_MUTEX_INITIALIZER};
    OAI_TRY(plan_job(&o, &job));
    job.records = oai_calloc(job.host, job.n_clips, sizeof *job.records);
    job.captions = oai_calloc(job.host, job.n_clips, sizeof *job.captions);
    oassl_status status = job.records && job.captions
                              ? write_all(&job)
                              : oai_no_memory(16 * job.n_clips, "the manifest of the built-in data");
    for (uint64_t i = 0; i < job.n_clips; i++) {
        if (job.records) oai_free(job.host, job.records[i]);
        if (job.captions) oai_free(job.host, job.captions[i]);
    }
    oai_free(job.host, job.records);
    oai_free(job.host, job.captions);
    pthread_mutex_destroy(&job.lock);
    return status;
}

const char *oassl_synth_class_name(uint32_t index) {
    return index < OAI_N_INSTRUMENTS ? oai_synth_instrument_name((int32_t)index) : NULL;
}
