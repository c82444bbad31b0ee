#include "train/checkpoint.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/safetensors.h"
#include "localize/session.h"

/* ---- saving ------------------------------------------------------------------------------------------------- */

enum { NAME_BYTES = 160 };

static oai_stored_tensor stored(char *name, const char *prefix, const oai_store_tensor *tensor, const float *data) {
    snprintf(name, NAME_BYTES, "%s%s", prefix, tensor->name);
    oai_stored_tensor out = {.name = name, .dtype = OASSL_DTYPE_F32, .rank = tensor->rank, .data = data};
    memcpy(out.shape, tensor->shape, sizeof out.shape);
    return out;
}

/* By jansson: printf would write the decimal comma of the program's locale. */
static oassl_status progress_text(const oai_progress_state *s, char **out_text) {
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "step", (json_int_t)s->step, "log_bytes", (json_int_t)s->log_bytes,
                               "validated", (json_int_t)s->validated, "best_step", (json_int_t)s->best_step, "calibrated",
                               (json_int_t)s->calibrated, "val_score", s->val_score, "best_score", s->best_score);
    *out_text = oai_json_text(object, 0);
    json_decref(object);
    return *out_text ? OASSL_STATUS_OK : oai_no_memory(256, "a checkpoint's progress");
}

oassl_status oai_checkpoint_save(const oai_host *host, const char *path, const oai_store *store, const oai_step *step,
                                 const char *training, const oai_progress_state *state) {
    uint32_t n_weights = oai_store_count(store), n_moments = oai_step_n_moments(step), n = 0;
    uint32_t n_tensors = n_weights + 2 * n_moments;
    oai_stored_tensor *tensors = oai_calloc(host, n_tensors, sizeof *tensors);
    char *names = oai_calloc(host, n_tensors, NAME_BYTES);
    oassl_status status = tensors && names ? OASSL_STATUS_OK : oai_no_memory(n_tensors * NAME_BYTES, "a checkpoint's names");
    if (status == OASSL_STATUS_OK) {
        for (uint32_t i = 0; i < n_weights; i++, n++) {
            const oai_store_tensor *tensor = oai_store_at(store, i);
            tensors[n] = stored(names + (size_t)n * NAME_BYTES, "model.", tensor, tensor->data);
        }
        for (uint32_t i = 0; i < n_moments; i++) {
            oai_moment moment = oai_step_moment(step, i);
            tensors[n] = stored(names + (size_t)n * NAME_BYTES, "optimizer.m.", moment.tensor, moment.m);
            n++;
            tensors[n] = stored(names + (size_t)n * NAME_BYTES, "optimizer.v.", moment.tensor, moment.v);
            n++;
        }
        const char *config = oai_store_metadata(store, OAI_CONFIG_KEY), *calibration = oai_store_metadata(store, OAI_CALIBRATION_KEY);
        char *progress;
        status = progress_text(state, &progress);
        const oai_metadata metadata[] = {{OAI_CONFIG_KEY, config ? config : "{}"}, {OAI_TRAINING_KEY, training},
                                         {OAI_PROGRESS_KEY, progress}, {OAI_CALIBRATION_KEY, calibration}};
        if (status == OASSL_STATUS_OK) status = oai_safetensors_write(host, path, tensors, n_tensors, metadata, calibration ? 4 : 3);
        free(progress);
    }
    oai_free(host, names);
    oai_free(host, tensors);
    return status;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

/* Options that change how fast a run is, not what it learns. */
static bool may_differ(const char *key) {
    return strcmp(key, "n_workers") == 0 || strcmp(key, "cache_mb") == 0 || strcmp(key, "save_every") == 0;
}

/* Runs older than the option were made with its default. */
static bool is_newer(const char *key, const json_t *value) {
    const char *word = json_string_value(value);
    return strcmp(key, "precision") == 0 && word && strcmp(word, "f32") == 0;
}

/* Names the first option whose value differs. */
static oassl_status compare_options(const char *path, const json_t *saved, const json_t *wanted) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)wanted, key, value) {
        json_t *other = json_object_get(saved, key);
        if (may_differ(key) || (other ? json_equal(other, value) : is_newer(key, value))) continue;
        char *was = oai_json_text(other, JSON_ENCODE_ANY), *is = oai_json_text(value, JSON_ENCODE_ANY);
        oassl_status status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s was trained with option %s = %s, now it is %s; resume with the same options",
                                       path, key, was ? was : "(absent)", is ? is : "?");
        free(was);
        free(is);
        return status;
    }
    return OASSL_STATUS_OK;
}

static oassl_status check_options(const char *path, const char *saved_text, const char *training) {
    json_t *saved = NULL, *wanted = NULL;
    oassl_status status = oai_json_parse(saved_text, strlen(saved_text), path, 1, &saved);
    if (status == OASSL_STATUS_OK) status = oai_json_parse(training, strlen(training), "the training options", 1, &wanted);
    if (status == OASSL_STATUS_OK) status = compare_options(path, saved, wanted);
    json_decref(saved);
    json_decref(wanted);
    return status;
}

static oassl_status read_progress(const char *path, const char *text, oai_progress_state *out_state) {
    json_t *object;
    OAI_TRY(oai_json_parse(text, strlen(text), path, 1, &object));
    const struct {
        const char *name;
        uint64_t *target;
    } counts[] = {{"step", &out_state->step},           {"log_bytes", &out_state->log_bytes}, {"validated", &out_state->validated},
                  {"best_step", &out_state->best_step}, {"calibrated", &out_state->calibrated}};
    oassl_status status = OASSL_STATUS_OK;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && status == OASSL_STATUS_OK; i++) {
        int64_t value = 0;
        status = oai_json_integer(object, counts[i].name, 0, INT64_MAX, &value);
        *counts[i].target = (uint64_t)value;
    }
    if (status == OASSL_STATUS_OK) status = oai_json_number(object, "val_score", &out_state->val_score);
    if (status == OASSL_STATUS_OK) status = oai_json_number(object, "best_score", &out_state->best_score);
    json_decref(object);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s: metadata %s", path, OAI_PROGRESS_KEY);
}

/* out_data NULL: looks only. */
static oassl_status read_tensor(const oai_safetensors *file, const char *prefix, const oai_store_tensor *tensor, float *out_data) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
    const oai_stored_tensor *found = oai_safetensors_find(file, name);
    const char *path = oai_safetensors_path(file);
    if (!found) return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing", path, name);
    bool same = found->dtype == OASSL_DTYPE_F32 && found->rank == tensor->rank;
    for (int32_t k = 0; same && k < tensor->rank; k++) same = found->shape[k] == tensor->shape[k];
    if (!same)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: tensor '%s': expected F32 %s, found %s %s", path, name,
                        oai_shape_to_text(tensor->rank, tensor->shape).text, oai_stored_dtype_name(found->dtype),
                        oai_shape_to_text(found->rank, found->shape).text);
    if (out_data) memcpy(out_data, found->data, found->bytes);
    return OASSL_STATUS_OK;
}

static oassl_status read_tensors(const oai_safetensors *file, oai_store *store, oai_step *step, bool copy) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *tensor = oai_store_at(store, i);
        OAI_TRY(read_tensor(file, "model.", tensor, copy ? tensor->data : NULL));
    }
    for (uint32_t i = 0; i < oai_step_n_moments(step); i++) {
        oai_moment moment = oai_step_moment(step, i);
        OAI_TRY(read_tensor(file, "optimizer.m.", moment.tensor, copy ? moment.m : NULL));
        OAI_TRY(read_tensor(file, "optimizer.v.", moment.tensor, copy ? moment.v : NULL));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_checkpoint_load(const oai_host *host, const char *path, oai_store *store, oai_step *step,
                                 const char *training, oai_progress_state *out_state) {
    oai_safetensors *file;
    OAI_TRY(oai_safetensors_open(host, path, &file));
    const char *saved = oai_safetensors_metadata(file, OAI_TRAINING_KEY);
    const char *progress = oai_safetensors_metadata(file, OAI_PROGRESS_KEY);
    oassl_status status;
    if (!saved || !progress) status = oai_fail(OASSL_STATUS_FORMAT, "%s is no training checkpoint: metadata %s is missing", path,
                                               saved ? OAI_PROGRESS_KEY : OAI_TRAINING_KEY);
    else status = check_options(path, saved, training);
    oai_progress_state state;
    if (status == OASSL_STATUS_OK) status = read_progress(path, progress, &state);
    if (status == OASSL_STATUS_OK) status = read_tensors(file, store, step, false);
    if (status == OASSL_STATUS_OK) status = read_tensors(file, store, step, true);
    if (status == OASSL_STATUS_OK) *out_state = state;
    oai_safetensors_close(file);
    return status;
}

/* ---- leftovers ---------------------------------------------------------------------------------------------- */

void oai_checkpoint_sweep(const char *run_dir) {
    static const char *const prefixes[] = {"last.safetensors.tmp-", "best.safetensors.tmp-", "config.json.tmp-"};
    DIR *folder = opendir(run_dir);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(entry->d_name, prefixes[i], strlen(prefixes[i])) == 0) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}
