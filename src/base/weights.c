#include "base/weights.h"

#include <string.h>

#include "base/half.h"
#include "base/strmap.h"

struct oai_weights {
    const oai_host *host;
    oai_safetensors *file;
    oai_stored_tensor *tensors; /* renamed copies: names point into the file's */
    uint32_t n_tensors;
    oai_strmap by_name;
};

static bool starts_with(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

/* What training scripts keep beside `model` in a checkpoint.  Without this list a network that simply has a child
 * called `model` next to others would lose the others. */
static bool is_training_state(const char *name) {
    static const char *const prefixes[] = {"optim", "epoch",       "best_",  "scheduler", "lr_scheduler", "scaler",
                                           "step",  "global_step", "config", "args",      "cfg"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (starts_with(name, prefixes[i])) return true;
    return false;
}

/* The wrapper whose contents are the network: "" when the names are bare. */
static const char *find_wrapper(const oai_safetensors *file) {
    static const char *const wrappers[] = {"model_state_dict.", "state_dict."};
    uint32_t n = oai_safetensors_count(file), n_model = 0, n_state = 0;
    for (size_t w = 0; w < 2; w++)
        for (uint32_t i = 0; i < n; i++)
            if (starts_with(oai_safetensors_at(file, i)->name, wrappers[w])) return wrappers[w];
    for (uint32_t i = 0; i < n; i++) {
        const char *name = oai_safetensors_at(file, i)->name;
        if (starts_with(name, "model."))
            n_model++;
        else if (is_training_state(name))
            n_state++;
    }
    return n_model > 0 && n_model + n_state == n ? "model." : "";
}

static oassl_status rename_all(oai_weights *weights) {
    const oai_safetensors *file = weights->file;
    uint32_t n = oai_safetensors_count(file), n_model = 0;
    weights->tensors = oai_calloc(weights->host, (size_t)n + 1, sizeof *weights->tensors);
    if (!weights->tensors) return oai_no_memory(n * sizeof *weights->tensors, oai_safetensors_path(file));
    const char *wrapper = find_wrapper(file);
    for (uint32_t i = 0; i < n; i++) {
        oai_stored_tensor tensor = *oai_safetensors_at(file, i);
        if (!starts_with(tensor.name, wrapper)) continue;
        tensor.name += strlen(wrapper);
        while (starts_with(tensor.name, "module.")) tensor.name += strlen("module.");
        n_model += starts_with(tensor.name, "model.");
        weights->tensors[weights->n_tensors++] = tensor;
    }
    /* A shared `model.` goes once; the one that find_wrapper took was that one. */
    bool shared = n_model == weights->n_tensors && strcmp(wrapper, "model.") != 0;
    for (uint32_t i = 0; i < weights->n_tensors; i++) {
        oai_stored_tensor *tensor = &weights->tensors[i];
        if (shared) tensor->name += strlen("model.");
        uint32_t old;
        OAI_TRY(oai_strmap_put(&weights->by_name, tensor->name, strlen(tensor->name), i, &old));
        if (old != OAI_STRMAP_NONE)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: tensor '%s' is there twice once wrapper prefixes are removed",
                            oai_safetensors_path(file), tensor->name);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_weights_open(const oai_host *host, const char *path, oai_weights **out_weights) {
    *out_weights = NULL;
    oai_weights *weights = oai_calloc(host, 1, sizeof *weights);
    if (!weights) return oai_no_memory(sizeof *weights, path);
    weights->host = host;
    oai_strmap_init(&weights->by_name, host);
    oassl_status status = oai_safetensors_open(host, path, &weights->file);
    if (status == OASSL_STATUS_OK) status = rename_all(weights);
    if (status != OASSL_STATUS_OK) {
        oai_weights_close(weights);
        return status;
    }
    *out_weights = weights;
    return OASSL_STATUS_OK;
}

void oai_weights_close(oai_weights *weights) {
    if (!weights) return;
    oai_strmap_free(&weights->by_name);
    oai_free(weights->host, weights->tensors);
    oai_safetensors_close(weights->file);
    oai_free(weights->host, weights);
}

const char *oai_weights_path(const oai_weights *weights) { return oai_safetensors_path(weights->file); }

const oai_safetensors *oai_weights_file(const oai_weights *weights) { return weights->file; }

uint32_t oai_weights_count(const oai_weights *weights) { return weights->n_tensors; }

const oai_stored_tensor *oai_weights_at(const oai_weights *weights, uint32_t index) {
    return &weights->tensors[index];
}

const oai_stored_tensor *oai_weights_find(const oai_weights *weights, const char *name) {
    uint32_t i = oai_strmap_get(&weights->by_name, name, strlen(name));
    return i == OAI_STRMAP_NONE ? NULL : &weights->tensors[i];
}

oassl_status oai_weights_read(const oai_weights *weights, const char *name, int32_t rank, const int64_t *shape,
                              float *out_values) {
    const char *path = oai_weights_path(weights);
    const oai_stored_tensor *tensor = oai_weights_find(weights, name);
    if (!tensor) return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing", path, name);
    if (tensor->rank != rank || (rank && memcmp(tensor->shape, shape, (size_t)rank * sizeof *shape) != 0))
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: tensor '%s': expected shape %s, found %s", path, name,
                        oai_shape_to_text(rank, shape).text, oai_shape_to_text(tensor->rank, tensor->shape).text);
    size_t element = oai_stored_dtype_bytes(tensor->dtype);
    if (!element || !oai_to_f32(tensor->dtype, tensor->data, tensor->bytes / element, out_values))
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: tensor '%s': expected a float type, found %s", path, name,
                        oai_stored_dtype_name(tensor->dtype));
    return OASSL_STATUS_OK;
}

static bool ends_with(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

bool oai_weights_ignorable(const oai_stored_tensor *tensor) {
    return tensor->bytes == 0 || ends_with(tensor->name, "num_batches_tracked") ||
           ends_with(tensor->name, "position_ids");
}
