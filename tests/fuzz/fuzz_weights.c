/* Weights files: safetensors, the naming rules on top of it, whole models, initialisation from another model's file. */
#include <string.h>

#include "fuzz.h"
#include "localize/session.h"
#include "model/oassl_net.h"

/* Every byte that a tensor's description promises is read. */
static uint32_t read_all(const oai_safetensors *file) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < oai_safetensors_count(file); i++) {
        const oai_stored_tensor *t = oai_safetensors_at(file, i);
        for (size_t k = 0; k < t->bytes; k++) sum += ((const uint8_t *)t->data)[k];
        if (oai_safetensors_find(file, t->name) != t) fuzz_fail("'%s' is not found again", t->name);
        sum += (uint32_t)oai_shape_to_text(t->rank, t->shape).text[0];
    }
    return sum;
}

static void open_weights(const oai_host *host, const char *path) {
    oai_weights *weights;
    oassl_status status = oai_weights_open(host, path, &weights);
    fuzz_check(status, "oai_weights_open");
    if (status != OASSL_STATUS_OK) return;
    read_all(oai_weights_file(weights));
    float values[64];
    for (uint32_t i = 0; i < oai_weights_count(weights); i++) {
        const oai_stored_tensor *t = oai_weights_at(weights, i);
        oai_weights_ignorable(t);
        size_t element = oai_stored_dtype_bytes(t->dtype);
        if (element && t->bytes / element <= 64) fuzz_check(oai_weights_read(weights, t->name, t->rank, t->shape, values), "oai_weights_read");
    }
    oai_weights_close(weights);
}

static void load_model(const oai_host *host, const char *path) {
    static const char *const keys[] = {"oassl_training", OAI_CALIBRATION_KEY, NULL};
    oai_net_config config;
    oai_store *store;
    oai_hearing hearing;
    oassl_status status = oai_net_load(host, path, keys, 0, 0, &config, &store);
    fuzz_check(status, "oai_net_load");
    if (status != OASSL_STATUS_OK) return;
    fuzz_check(oai_hearing_of(store, &hearing), "oai_hearing_of");
    oai_store_destroy(store);
}

/* A narrow pair, in the same memory for all inputs: what is in it does not matter. */
static void initialize(const char *path) {
    static oai_store *store;
    static oai_net_config config;
    if (!store) {
        config = oai_net_config_default(OAI_NET_PAIR);
        config.visual.width = config.audio.width = 1;
        config.text_dim = 2;
        if (oai_net_store_create(&oai_default_host, &config, &store) != OASSL_STATUS_OK) fuzz_fail("no store");
    }
    fuzz_check(oai_net_initialize_from(store, &config, path), "oai_net_initialize_from");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *path = fuzz_put("weights.safetensors", data, bytes);
    /* Tensors are converted to f32, at most four bytes for one; the parameter table of a network takes some kilobytes. */
    const oai_host *host = fuzz_begin(((uint64_t)4 << 20) + 64 * (uint64_t)bytes);
    open_weights(host, path);
    load_model(host, path);
    initialize(path);
    fuzz_end();
    return 0;
}
