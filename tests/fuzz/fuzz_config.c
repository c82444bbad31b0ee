/* Configurations: of networks, of training, of text encoders, and what the weights' metadata say about inputs,
 * confidence and calibrated ranges. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "localize/session.h"
#include "model/bert.h"
#include "model/clip_text.h"
#include "model/oassl_net.h"
#include "model/ranges.h"
#include "oassl/oassl.h"
#include "train/options.h"

/* A network of this configuration must be describable, without its memory. */
static void emit(const oai_host *host, const oai_net_config *config) {
    oai_builder *builder;
    oai_emitter emitter;
    if (oai_builder_create(host, &builder) != OASSL_STATUS_OK) fuzz_fail("no builder");
    oai_emitter_init(&emitter, host, builder, false);
    const int64_t shape[4] = {1, config->visual.in_channels, 64, 64};
    oai_net_visual(&emitter, config, oai_input(builder, "picture", OASSL_DTYPE_F32, 4, shape));
    fuzz_check(oai_builder_status(builder), "oai_net_visual");
    if (oai_builder_status(builder) != OASSL_STATUS_OK) fuzz_fail("a checked configuration is refused: %s", oassl_last_error());
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
}

static void network(const oai_host *host, const char *text) {
    oai_net_config config, again;
    char *copy;
    oassl_status status = oai_net_config_from_json(text, "fuzz", &config);
    fuzz_check(status, "oai_net_config_from_json");
    if (status != OASSL_STATUS_OK) return;
    emit(host, &config);
    if (oai_net_config_to_json(host, &config, &copy) != OASSL_STATUS_OK || oai_net_config_from_json(copy, "again", &again) != OASSL_STATUS_OK)
        fuzz_fail("a configuration does not come back: %s", oassl_last_error());
    oai_free(host, copy);
}

static void training(const char *path, const char *text) {
    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT, complete;
    oassl_status status = oassl_trainer_options_read(&options, path);
    fuzz_check(status, "oassl_trainer_options_read");
    if (status == OASSL_STATUS_OK) {
        status = oai_options_resolve(&options, &complete);
        fuzz_check(status, "oai_options_resolve");
        json_t *object = oai_options_to_json(&options);
        if (!object) fuzz_fail("options cannot be written");
        oassl_trainer_options again = OASSL_TRAINER_OPTIONS_INIT;
        if (oai_options_from_json(&again, object, "again") != OASSL_STATUS_OK) fuzz_fail("options do not come back: %s", oassl_last_error());
        json_decref(object);
    }
    char key[64]; /* "key=value", as the tool's --set gives them */
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof key) return;
    memcpy(key, text, (size_t)(equals - text));
    key[equals - text] = 0;
    fuzz_check(oassl_trainer_options_set(&options, key, equals + 1), "oassl_trainer_options_set");
}

static void metadata(const char *text) {
    static oai_store *store;
    oai_hearing found;
    oai_net_param convolution = {.name = (char[]){"a.weight"}, .rank = 4, .shape = {1, 1, 1, 1}};
    if (!store && oai_store_create(&oai_default_host, &convolution, 1, &store) != OASSL_STATUS_OK) fuzz_fail("no store");
    fuzz_check(oai_store_set_metadata(store, OAI_RANGES_KEY, text), "oai_store_set_metadata");
    fuzz_check(oai_ranges_check(store), "oai_ranges_check");
    for (int k = 1; k < 4; k++) { /* either, both */
        fuzz_check(oai_store_set_metadata(store, "oassl_training", k & 1 ? text : "{}"), "oai_store_set_metadata");
        fuzz_check(oai_store_set_metadata(store, OAI_CALIBRATION_KEY, k & 2 ? text : "{\"scale\": 1, \"offset\": 0}"), "metadata");
        oassl_status status = oai_hearing_of(store, &found);
        fuzz_check(status, "oai_hearing_of");
        if (status != OASSL_STATUS_OK) continue;
        double confidence = oai_confidence(&found, 0.5);
        if (!(confidence >= 0 && confidence <= 1)) fuzz_fail("confidence %g (scale %g, offset %g)", confidence, found.scale, found.offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *path = fuzz_put("config.json", data, bytes);
    char *text = malloc(bytes + 1);
    if (!text) fuzz_fail("no memory");
    if (bytes > 0) memcpy(text, data, bytes);
    text[bytes] = 0;
    const oai_host *host = fuzz_begin(((uint64_t)2 << 20) + 64 * (uint64_t)bytes);
    network(host, text);
    training(path, text);
    metadata(text);
    oai_bert_config bert;
    oai_clip_text_config clip;
    fuzz_check(oai_bert_config_read(host, path, &bert), "oai_bert_config_read");
    fuzz_check(oai_clip_text_config_read(host, path, &clip), "oai_clip_text_config_read");
    fuzz_end();
    free(text);
    return 0;
}
