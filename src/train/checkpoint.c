#include "train/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/safetensors.h"

/* ---- saving ------------------------------------------------------------------------------------------------- */

enum { NAME_BYTES = 160 };

static oai_stored_tensor stored(char *name, const char *prefix, const oai_store_tensor *tensor, const float *data) {
    snprintf(name, NAME_BYTES, "%s%s", prefix, tensor->name);
    oai_stored_tensor out = {.name = name, .dtype = OASSL_DTYPE_F32, .rank = tensor->rank, .data = data};
    memcpy(out.shape, tensor->shape, sizeof out.shape);
    return out;
}

static void progress_text(const oai_progress_state *state, char *out_text, size_t bytes) {
    snprintf(out_text, bytes, "{\"step\": %llu, \"log_bytes\": %llu, \"val_score\": %.17g, \"best_score\": %.17g}",
             (unsigned long long)state->step, (unsigned long long)state->log_bytes, state->val_score, state->best_score);
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
        char progress[256];
        progress_text(state, progress, sizeof progress);
        const char *config = oai_store_metadata(store, OAI_CONFIG_KEY);
        const oai_metadata metadata[] = {{OAI_CONFIG_KEY, config ? config : "{}"}, {OAI_TRAINING_KEY, training},
                                         {OAI_PROGRESS_KEY, progress}};
        status = oai_safetensors_write(host, path, tensors, n_tensors, metadata, 3);
    }
    oai_free(host, names);
    oai_free(host, tensors);
    return status;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

/* Names the first option whose value differs. */
static oassl_status compare_options(const char *path, const json_t *saved, const json_t *wanted) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)wanted, key, value) {
        json_t *other = json_object_get(saved, key);
        if (other && json_equal(other, value)) continue;
        char *was = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL, *is = json_dumps(value, JSON_ENCODE_ANY);
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
    int64_t step = 0, log_bytes = 0;
    oassl_status status = oai_json_integer(object, "step", 0, INT64_MAX, &step);
    if (status == OASSL_STATUS_OK) status = oai_json_integer(object, "log_bytes", 0, INT64_MAX, &log_bytes);
    if (status == OASSL_STATUS_OK) status = oai_json_number(object, "val_score", &out_state->val_score);
    if (status == OASSL_STATUS_OK) status = oai_json_number(object, "best_score", &out_state->best_score);
    out_state->step = (uint64_t)step;
    out_state->log_bytes = (uint64_t)log_bytes;
    json_decref(object);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s: metadata %s", path, OAI_PROGRESS_KEY);
}

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
    memcpy(out_data, found->data, found->bytes);
    return OASSL_STATUS_OK;
}

static oassl_status read_tensors(const oai_safetensors *file, oai_store *store, oai_step *step) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *tensor = oai_store_at(store, i);
        OAI_TRY(read_tensor(file, "model.", tensor, tensor->data));
    }
    for (uint32_t i = 0; i < oai_step_n_moments(step); i++) {
        oai_moment moment = oai_step_moment(step, i);
        OAI_TRY(read_tensor(file, "optimizer.m.", moment.tensor, moment.m));
        OAI_TRY(read_tensor(file, "optimizer.v.", moment.tensor, moment.v));
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
    if (status == OASSL_STATUS_OK) status = read_progress(path, progress, out_state);
    if (status == OASSL_STATUS_OK) status = read_tensors(file, store, step);
    oai_safetensors_close(file);
    return status;
}
