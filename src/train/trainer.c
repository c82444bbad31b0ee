#include "train/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "loss/loss.h"
#include "train/calibrate.h"
#include "train/checkpoint.h"
#include "train/dataset.h"
#include "train/options.h"
#include "train/prefetch.h"
#include "train/validate.h"

enum { N_SLOTS = 3, PATH_BYTES = 1024 };

struct oassl_trainer {
    oassl_context *context;
    const oai_host *host;
    oassl_trainer_options options; /* resolved */
    char *init, *manifest_path, *training; /* training: the options as JSON */
    char run_dir[PATH_BYTES];
    oai_dataset *train; /* NULL when the caller feeds batches */
    oai_dataset *val;   /* classify: the validation split */
    oai_batch_shape shape;
    oai_net_config config;
    oai_store *store;
    oai_step *step;
    oai_batch slots[N_SLOTS];
    float *slot_block;
    oai_prefetch *prefetch; /* started by the first step */
    FILE *log;              /* opened by the first step */
    bool unlogged;          /* the last step was made, its line of the log could not be written */
    bool spoilt;            /* a step went wrong: the weights are not to be kept */
    uint64_t saved;         /* step that last.safetensors holds, as far as this trainer knows */
    uint64_t n_steps, steps_per_epoch;
    oai_progress_state progress;
    oai_step_result last;
    double lr, step_seconds, wait_seconds; /* of the last step */
    double all_step_seconds, all_wait_seconds;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void path_in_run(const oassl_trainer *t, const char *name, char *out_path) {
    snprintf(out_path, PATH_BYTES + 32, "%s/%s", t->run_dir, name);
}

/* ---- creation ----------------------------------------------------------------------------------------------- */

static void describe_network(oassl_trainer *t) {
    const oassl_trainer_options *o = &t->options;
    t->config = oai_net_config_default(o->task == OASSL_TASK_CLASSIFY ? OAI_NET_CLASSIFIER : OAI_NET_PAIR);
    t->config.visual.width = t->config.audio.width = o->base_width;
    t->config.visual.layer4_stride = o->visual_stride == 16 ? 1 : 2;
    t->config.audio.layer4_stride = o->audio_stride == 16 ? 1 : 2;
    t->config.text_dim = t->shape.text_dim;
    if (o->task == OASSL_TASK_CLASSIFY) t->config.n_classes = t->shape.n_classes;
}

/* What a reader of the weights must know to feed them. */
static oassl_status describe_training(oassl_trainer *t) {
    json_t *options = oai_options_to_json(&t->options), *classes = json_array();
    for (uint32_t i = 0; t->train && i < oai_dataset_n_classes(t->train); i++)
        oai_json_append(&classes, json_string(oai_dataset_class(t->train, i)));
    if (!classes || json_array_size(classes) > 0) oai_json_put(&options, "classes", json_incref(classes));
    char *text = oai_json_text(options, JSON_SORT_KEYS);
    json_decref(options);
    json_decref(classes);
    t->training = text ? oai_strdup(t->host, text) : NULL;
    free(text);
    if (!t->training) return oai_no_memory(4096, "the training options");
    return oai_store_set_metadata(t->store, OAI_TRAINING_KEY, t->training);
}

static oassl_status make_weights(oassl_trainer *t) {
    OAI_TRY(oai_net_config_check(&t->config));
    OAI_TRY(oai_net_store_create(t->host, &t->config, &t->store));
    oai_store_initialize(t->store, t->options.seed);
    if (t->init) OAI_TRY(oai_net_initialize_from(t->store, &t->config, t->init));
    return describe_training(t);
}

static oassl_status make_slots(oassl_trainer *t) {
    const oai_batch_shape *s = &t->shape;
    size_t sizes[] = {(size_t)(3 * s->height * s->width), (size_t)(s->bins * s->frames), (size_t)(s->n_foreground * s->text_dim),
                      (size_t)(s->n_foreground > 0 ? s->text_dim : 0), 1, (size_t)s->n_classes};
    enum { N_ARRAYS = sizeof sizes / sizeof sizes[0] };
    size_t total = 0;
    for (int k = 0; k < N_ARRAYS; k++) total += (sizes[k] * (size_t)s->n + 15) / 16 * 16; /* rows stay aligned */
    t->slot_block = oai_calloc(t->host, N_SLOTS * total, sizeof(float));
    if (!t->slot_block) return oai_no_memory(N_SLOTS * total * sizeof(float), "the loader's batches");
    float *next = t->slot_block;
    for (int i = 0; i < N_SLOTS; i++) {
        float **arrays[N_ARRAYS] = {&t->slots[i].pictures,   &t->slots[i].spectrograms,      &t->slots[i].foreground,
                                    &t->slots[i].background, &t->slots[i].background_weight, &t->slots[i].targets};
        for (int k = 0; k < N_ARRAYS; k++) {
            *arrays[k] = next;
            next += (sizes[k] * (size_t)s->n + 15) / 16 * 16;
        }
    }
    return OASSL_STATUS_OK;
}

static oassl_status open_data(oassl_trainer *t, const char *captions_path) {
    OAI_TRY(oai_dataset_open(t->host, &t->options, t->manifest_path, captions_path, "train", &t->train));
    uint64_t n = oai_dataset_count(t->train);
    if (n < t->options.batch_size)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: split 'train' has %llu usable records, a batch needs %u", t->manifest_path,
                        (unsigned long long)n, t->options.batch_size);
    if (t->options.task != OASSL_TASK_LOCALIZE) {
        oassl_trainer_options plain = t->options;
        plain.no_crop = 1; /* pictures are kept as testing sees them, not as cropping does */
        OAI_TRY(oai_dataset_open(t->host, &plain, t->manifest_path, captions_path, "val", &t->val));
    }
    t->shape = oai_dataset_shape(t->train, t->options.batch_size);
    t->steps_per_epoch = n / t->options.batch_size;
    t->n_steps = t->options.n_steps ? t->options.n_steps : t->steps_per_epoch * t->options.n_epochs;
    return OASSL_STATUS_OK;
}

static oassl_status save_config(const oassl_trainer *t) {
    char path[PATH_BYTES + 32];
    path_in_run(t, "config.json", path);
    json_t *options = oai_options_to_json(&t->options);
    if (!options) return oai_no_memory(4096, "config.json");
    oassl_status status = oai_json_save(t->host, path, options);
    json_decref(options);
    return status;
}

/* Weights, the compiled step and the run's folder, once the batches' shape is known. */
static oassl_status prepare(oassl_trainer *t, const char *run_dir) {
    describe_network(t);
    OAI_TRY(make_weights(t));
    OAI_TRY(oai_step_create(t->context, &t->options, &t->config, &t->shape, t->store, &t->step));
    if (!run_dir) return OASSL_STATUS_OK;
    if (strlen(run_dir) >= PATH_BYTES) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "run folder: the path is too long");
    strcpy(t->run_dir, run_dir);
    return oai_make_directories(t->run_dir);
}

static oassl_status create(oassl_context *context, const oassl_trainer_options *options, oassl_trainer **out_trainer) {
    const oai_host *host = oai_context_host(context);
    oassl_trainer *t = oai_calloc(host, 1, sizeof *t);
    if (!t) return oai_no_memory(sizeof *t, "the trainer");
    *out_trainer = t;
    t->context = context;
    t->host = host;
    t->progress.val_score = t->progress.best_score = -1;
    OAI_TRY(oai_options_resolve(options, &t->options));
    if (!options->init) return OASSL_STATUS_OK;
    t->options.init = t->init = oai_strdup(host, options->init);
    return t->init ? OASSL_STATUS_OK : oai_no_memory(strlen(options->init), "the path of the initial weights");
}

/* Ends both constructors: a trainer or nothing. */
static oassl_status finish(oassl_status status, oassl_trainer *t, oassl_trainer **out_trainer) {
    if (status != OASSL_STATUS_OK) {
        oai_trainer_destroy(t);
        t = NULL;
    }
    *out_trainer = t;
    return status;
}

oassl_status oai_trainer_create(oassl_context *context, const oassl_trainer_options *options, const char *manifest_path,
                                const char *captions_path, const char *run_dir, oassl_trainer **out_trainer) {
    oassl_trainer *t = NULL;
    oassl_status status = create(context, options, &t);
    if (status == OASSL_STATUS_OK) {
        t->manifest_path = oai_strdup(t->host, manifest_path);
        status = t->manifest_path ? open_data(t, captions_path) : oai_no_memory(strlen(manifest_path), "the manifest's path");
    }
    if (status == OASSL_STATUS_OK) status = make_slots(t);
    if (status == OASSL_STATUS_OK) status = prepare(t, run_dir);
    return finish(status, t, out_trainer);
}

oassl_status oai_trainer_create_fed(oassl_context *context, const oassl_trainer_options *options, const oai_batch_shape *shape,
                                    const char *run_dir, oassl_trainer **out_trainer) {
    oassl_trainer *t = NULL;
    oassl_status status = create(context, options, &t);
    if (status == OASSL_STATUS_OK && t->options.task == OASSL_TASK_LOCALIZE && shape->n_foreground == 0 &&
        oai_loss_needs_captions(&t->options.loss))
        status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                          "the loss needs captions, the shape has none: give n_foreground, or set loss.lambda_oca and loss.lambda_ori to 0");
    if (status == OASSL_STATUS_OK) {
        t->shape = *shape;
        t->shape.n = t->options.batch_size;
        t->n_steps = t->options.n_steps;
        t->steps_per_epoch = 1;
        status = prepare(t, run_dir);
    }
    return finish(status, t, out_trainer);
}

void oai_trainer_destroy(oassl_trainer *t) {
    if (!t) return;
    /* In a forked child the loader's threads are gone: waiting for them would never end. */
    if (oai_context_check_process(t->context) != OASSL_STATUS_OK) return;
    oai_prefetch_destroy(t->prefetch);
    if (t->log) fclose(t->log);
    oai_step_destroy(t->step);
    oai_store_destroy(t->store);
    oai_dataset_close(t->train);
    oai_dataset_close(t->val);
    oai_free(t->host, t->slot_block);
    oai_free(t->host, t->training);
    oai_free(t->host, t->manifest_path);
    oai_free(t->host, t->init);
    oai_free(t->host, t);
}

/* ---- log ---------------------------------------------------------------------------------------------------- */

static oassl_status log_failure(const oassl_trainer *t) {
    int cause = errno;
    return oai_fail(cause == ENOMEM ? OASSL_STATUS_OUT_OF_MEMORY : OASSL_STATUS_IO, "%s/log.jsonl: %s", t->run_dir, strerror(cause));
}

/* One JSON object a line; a resumed run continues where the checkpoint was written. */
static oassl_status open_log(oassl_trainer *t) {
    if (t->log) return OASSL_STATUS_OK;
    oai_checkpoint_sweep(t->run_dir);
    OAI_TRY(save_config(t));
    char path[PATH_BYTES + 32];
    path_in_run(t, "log.jsonl", path);
    FILE *log = t->progress.step > 0 ? fopen(path, "r+") : NULL;
    if (!log && (t->progress.step == 0 || errno == ENOENT)) log = fopen(path, "w");
    if (!log) return log_failure(t);
    setvbuf(log, NULL, _IONBF, 0); /* a line is one write: nothing of a failed one comes after */
    long bytes = fseek(log, 0, SEEK_END) == 0 ? ftell(log) : -1, kept = (long)t->progress.log_bytes;
    if (bytes < 0 || (bytes > kept && (ftruncate(fileno(log), kept) != 0 || fseek(log, 0, SEEK_END) != 0))) {
        oassl_status status = log_failure(t);
        fclose(log);
        return status;
    }
    t->log = log;
    return OASSL_STATUS_OK;
}

/* Takes the object.  By jansson, because printf would write the decimal comma of the program's locale. */
static oassl_status log_line(oassl_trainer *t, json_t *object) {
    char *text = oai_json_text(object, JSON_REAL_PRECISION(7));
    json_decref(object);
    if (!text) return oai_no_memory(256, "a line of the log");
    size_t bytes = strlen(text);
    long start = ftell(t->log);
    text[bytes] = '\n'; /* over the terminator */
    oassl_status status = fwrite(text, 1, bytes + 1, t->log) == bytes + 1 ? OASSL_STATUS_OK : log_failure(t);
    if (status != OASSL_STATUS_OK) { /* no half lines */
        clearerr(t->log);
        if (start >= 0 && ftruncate(fileno(t->log), start) == 0) fseek(t->log, start, SEEK_SET);
    }
    free(text);
    return status;
}

static oassl_status log_step(oassl_trainer *t) {
    t->unlogged = true;
    OAI_TRY(log_line(t, json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "step", (json_int_t)t->progress.step, "epoch",
                                 (json_int_t)((t->progress.step - 1) / t->steps_per_epoch), "loss", t->last.loss, "base", t->last.base,
                                 "oca", t->last.oca, "ori", t->last.ori, "lr", t->lr, "seconds", t->step_seconds, "wait", t->wait_seconds)));
    t->unlogged = false;
    return OASSL_STATUS_OK;
}

/* ---- steps -------------------------------------------------------------------------------------------------- */

static double learning_rate(const oassl_trainer *t, uint64_t step) {
    const oassl_trainer_options *o = &t->options;
    double lr = o->lr;
    if (step < o->warmup_steps) return lr * (double)(step + 1) / o->warmup_steps;
    if (o->schedule == OASSL_SCHEDULE_COSINE && t->n_steps > o->warmup_steps)
        lr *= 0.5 * (1 + cos(3.141592653589793 * fmin(1, (double)(step - o->warmup_steps) / (double)(t->n_steps - o->warmup_steps))));
    return lr;
}

static oassl_status fill_sample(void *user, uint64_t number, uint32_t slot, uint32_t position) {
    oassl_trainer *t = user;
    /* the incomplete last batch of an epoch is left out, so that epochs and batches begin together */
    uint64_t per_epoch = t->steps_per_epoch * t->options.batch_size;
    uint64_t sample = number / per_epoch * oai_dataset_count(t->train) + number % per_epoch;
    return oai_dataset_fill(t->train, sample, &t->slots[slot], position);
}

static oassl_status start_loader(oassl_trainer *t) {
    if (t->prefetch) return OASSL_STATUS_OK;
    return oai_prefetch_create(t->host, N_SLOTS, t->options.batch_size, t->options.n_workers,
                               t->progress.step * t->options.batch_size, fill_sample, t, &t->prefetch);
}

/* A forked child must not wait for the parent's loader, nor touch its run folder. */
static oassl_status check_usable(const oassl_trainer *t) {
    OAI_TRY(oai_context_check_process(t->context));
    if (!t->spoilt) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NON_FINITE, "this trainer's weights are spoilt by an earlier failure, after step %llu",
                    (unsigned long long)t->progress.step);
}

/* One optimiser step on a filled batch, timed from `start`. */
static oassl_status step_on(oassl_trainer *t, const oai_batch *batch, double start) {
    if (t->unlogged) return log_step(t); /* what was missing when this step failed */
    t->lr = learning_rate(t, t->progress.step);
    oassl_status status = oai_step_run(t->step, batch, t->progress.step + 1, t->lr, &t->last);
    t->spoilt = status != OASSL_STATUS_OK;
    OAI_TRY(status);
    t->progress.step++;
    t->step_seconds = now() - start;
    t->all_step_seconds += t->step_seconds;
    t->all_wait_seconds += t->wait_seconds;
    return t->log ? log_step(t) : OASSL_STATUS_OK;
}

oassl_status oai_trainer_step(oassl_trainer *t) {
    if (!t->train) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "this trainer has no manifest: give it batches");
    OAI_TRY(check_usable(t));
    OAI_TRY(oai_progress(t->host, "train", t->progress.step, t->n_steps));
    OAI_TRY(open_log(t));
    OAI_TRY(start_loader(t));
    double start = now();
    uint32_t slot;
    oassl_status status = oai_prefetch_acquire(t->prefetch, &slot, &t->wait_seconds);
    if (status != OASSL_STATUS_OK) { /* the next step asks for the same samples again */
        oai_prefetch_destroy(t->prefetch);
        t->prefetch = NULL;
        return status;
    }
    status = step_on(t, &t->slots[slot], start);
    if (status == OASSL_STATUS_OK) oai_prefetch_release(t->prefetch);
    return status;
}

const oai_batch_shape *oai_trainer_shape(const oassl_trainer *t) { return &t->shape; }
const oassl_trainer_options *oai_trainer_options(const oassl_trainer *t) { return &t->options; }

/* ---- validation and checkpoints ----------------------------------------------------------------------------- */

oassl_status oai_trainer_save_model(const oassl_trainer *t, const char *path) {
    OAI_TRY(check_usable(t));
    return oai_store_save(t->store, path);
}

static oassl_status save_last(oassl_trainer *t) {
    char path[PATH_BYTES + 32];
    path_in_run(t, "last.safetensors", path);
    if (fsync(fileno(t->log)) != 0) return log_failure(t);
    t->progress.log_bytes = (uint64_t)ftell(t->log);
    OAI_TRY(oai_checkpoint_save(t->host, path, t->store, t->step, t->training, &t->progress));
    t->saved = t->progress.step;
    return OASSL_STATUS_OK;
}

static oassl_status save_best(oassl_trainer *t) {
    char path[PATH_BYTES + 32];
    path_in_run(t, "best.safetensors", path);
    return oai_trainer_save_model(t, path);
}

static oai_validation validation_of(const oassl_trainer *t, const oai_store *store) {
    return (oai_validation){.context = t->context, .options = &t->options, .config = &t->config, .store = store,
                            .manifest_path = t->manifest_path, .scorable = oai_dataset_can_score(t->train, "val"), .classes = t->val};
}

/* Without a validation split the newest weights count as the best. */
static oassl_status validate(oassl_trainer *t) {
    oai_validation validation = validation_of(t, t->store);
    double score;
    OAI_TRY(oai_validate(&validation, &score));
    if (score < 0 || score > t->progress.best_score) {
        OAI_TRY(save_best(t));
        t->progress.best_score = score;
        t->progress.best_step = t->progress.step;
    }
    t->progress.val_score = score;
    if (score >= 0) OAI_TRY(log_line(t, json_pack("{s:I, s:f}", "step", (json_int_t)t->progress.step, "val_score", score)));
    t->progress.validated = t->progress.step;
    return OASSL_STATUS_OK;
}

/* Fits the confidence of the last weights and, where those are others, of the best. */
static oassl_status calibrate(oassl_trainer *t) {
    static const char *const keys[] = {OAI_TRAINING_KEY, NULL};
    oai_validation validation = validation_of(t, t->store);
    OAI_TRY(oai_calibrate(&validation, t->store));
    if (t->progress.best_step == t->progress.step) OAI_TRY(save_best(t));
    else {
        char path[PATH_BYTES + 32];
        oai_net_config config;
        oai_store *best;
        path_in_run(t, "best.safetensors", path);
        OAI_TRY(oai_net_load(t->host, path, keys, 0, 0, &config, &best));
        validation = validation_of(t, best);
        oassl_status status = oai_calibrate(&validation, best);
        if (status == OASSL_STATUS_OK) status = oai_store_save(best, path);
        oai_store_destroy(best);
        OAI_TRY(status);
    }
    t->progress.calibrated = t->progress.step;
    return OASSL_STATUS_OK;
}

oassl_status oai_trainer_resume(oassl_trainer *t) {
    if (!t->run_dir[0]) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "this trainer has no run folder to resume from");
    if (t->progress.step > 0 || t->log) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resume comes before the first step");
    char path[PATH_BYTES + 32];
    path_in_run(t, "last.safetensors", path);
    oassl_status status = oai_checkpoint_load(t->host, path, t->store, t->step, t->training, &t->progress);
    if (status == OASSL_STATUS_OK) t->saved = t->progress.step;
    return status;
}

static bool due(uint64_t step, uint64_t every, uint64_t last) { return step == last || (every > 0 && step % every == 0); }

/* What the last step asks for.  A resumed run, stopped in the middle of it, makes up for what is missing. */
static oassl_status settle(oassl_trainer *t) {
    uint64_t step = t->progress.step, val_every = t->options.val_every ? t->options.val_every : t->steps_per_epoch;
    if (step == 0) return OASSL_STATUS_OK;
    if (t->progress.validated < step && due(step, val_every, t->n_steps)) OAI_TRY(validate(t));
    if (t->progress.calibrated < step && step == t->n_steps) OAI_TRY(calibrate(t));
    if (t->saved < step && due(step, t->options.save_every ? t->options.save_every : val_every, t->n_steps)) return save_last(t);
    return OASSL_STATUS_OK;
}

static oassl_status run(oassl_trainer *t) {
    if (t->unlogged) OAI_TRY(oai_trainer_step(t));
    OAI_TRY(settle(t));
    while (t->progress.step < t->n_steps) {
        OAI_TRY(oai_trainer_step(t));
        OAI_TRY(settle(t));
    }
    return oai_progress(t->host, "train", t->n_steps, t->n_steps);
}

oassl_status oai_trainer_run(oassl_trainer *t) {
    if (!t->train) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "this trainer has no manifest: give it batches");
    OAI_TRY(check_usable(t));
    OAI_TRY(open_log(t));
    oassl_status status = run(t);
    if (status != OASSL_STATUS_CANCELLED) return status;
    char text[256];
    snprintf(text, sizeof text, "%s", oassl_last_error());
    OAI_TRY(save_last(t));
    return oai_fail(OASSL_STATUS_CANCELLED, "%s; %s/last.safetensors keeps step %llu", text, t->run_dir,
                    (unsigned long long)t->progress.step);
}

/* A fed trainer has nothing to validate on; it keeps its state every save_every steps. */
oassl_status oai_trainer_step_batch(oassl_trainer *t, const oai_batch *batch) {
    if (t->train) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "this trainer takes its batches from a manifest");
    OAI_TRY(check_usable(t));
    if (t->run_dir[0]) OAI_TRY(open_log(t));
    OAI_TRY(step_on(t, batch, now()));
    bool save = t->run_dir[0] && t->options.save_every > 0 && t->progress.step % t->options.save_every == 0;
    return save ? save_last(t) : OASSL_STATUS_OK;
}

void oai_trainer_state(const oassl_trainer *t, oassl_trainer_state *out) {
    out->n_classes = (uint32_t)t->shape.n_classes;
    out->step = t->progress.step;
    out->n_steps = t->n_steps;
    out->epoch = t->progress.step / t->steps_per_epoch;
    out->loss = t->last.loss;
    out->loss_base = t->last.base;
    out->loss_oca = t->last.oca;
    out->loss_ori = t->last.ori;
    out->step_seconds = t->step_seconds;
    out->wait_seconds = t->wait_seconds;
    out->val_score = t->progress.val_score;
    out->best_score = t->progress.best_score;
    out->n_parameters = (uint64_t)oai_store_n_learned(t->store);
    out->workspace_bytes = oai_step_workspace_bytes(t->step);
    out->wait_share = t->all_step_seconds > 0 ? t->all_wait_seconds / t->all_step_seconds : 0;
}
