#include "model/oassl_net.h"

#include <math.h>
#include <string.h>

static const char *visual_prefix(const oai_net_config *config) {
    return config->kind == OAI_NET_PAIR ? "imgnet." : "";
}

oai_value oai_net_visual(oai_emitter *emitter, const oai_net_config *config, oai_value pictures) {
    return oai_resnet18_emit(emitter, &config->visual, visual_prefix(config), pictures);
}

oai_value oai_net_audio(oai_emitter *emitter, const oai_net_config *config, oai_value spectrograms) {
    oai_value features = oai_resnet18_emit(emitter, &config->audio, "audnet.", spectrograms);
    return oai_reduce(emitter->builder, OASSL_OP_REDUCE_MAX, features, OAI_AXIS(2) | OAI_AXIS(3), 0);
}

oai_value oai_net_text(oai_emitter *emitter, const oai_net_config *config, oai_value references) {
    int64_t in = config->text_dim, out = oai_net_channels(config);
    if (in == 0) return references;
    oai_init init = oai_init_uniform(1 / sqrt((double)in));
    oai_value weight = oai_weight(emitter, init, 2, OAI_SHAPE(out, in), "text_proj.weight");
    oai_value bias = oai_weight(emitter, init, 1, &out, "text_proj.bias");
    return oai_linear(emitter->builder, references, weight, bias);
}

oai_value oai_net_map(oai_emitter *emitter, oai_value visual, oai_value audio) {
    oai_builder *b = emitter->builder;
    int64_t n = oai_dim(b, visual, 0), channels = oai_dim(b, visual, 1);
    int64_t height = oai_dim(b, visual, 2), width = oai_dim(b, visual, 3);
    oai_value columns = oai_reshape(b, oai_normalize(b, visual, 1), 3, OAI_SHAPE(n, channels, height * width));
    oai_value row = oai_reshape(b, oai_normalize(b, audio, 1), 3, OAI_SHAPE(n, 1, channels));
    return oai_reshape(b, oai_matmul(b, row, columns, 0, 0), 3, OAI_SHAPE(n, height, width));
}

oai_value oai_net_classify(oai_emitter *emitter, const oai_net_config *config, oai_value visual) {
    return oai_resnet18_classify(emitter, &config->visual, visual_prefix(config), config->n_classes, visual);
}

/* Emits the whole network once for its parameter table: sizes of the inputs do not matter to it. */
static void emit_all(oai_emitter *emitter, const oai_net_config *config) {
    oai_builder *b = emitter->builder;
    oai_value picture = oai_input(b, "picture", OASSL_DTYPE_F32, 4, OAI_SHAPE(1, config->visual.in_channels, 32, 32));
    oai_value visual = oai_net_visual(emitter, config, picture);
    if (config->kind == OAI_NET_CLASSIFIER) {
        oai_net_classify(emitter, config, visual);
        return;
    }
    oai_net_audio(emitter, config,
                  oai_input(b, "sound", OASSL_DTYPE_F32, 4, OAI_SHAPE(1, config->audio.in_channels, 32, 32)));
    if (config->text_dim > 0)
        oai_net_text(emitter, config, oai_input(b, "text", OASSL_DTYPE_F32, 2, OAI_SHAPE(1, config->text_dim)));
}

static oassl_status set_config(const oai_host *host, oai_store *store, const oai_net_config *config) {
    char *text;
    OAI_TRY(oai_net_config_to_json(host, config, &text));
    oassl_status status = oai_store_set_metadata(store, OAI_CONFIG_KEY, text);
    oai_free(host, text);
    return status;
}

/* With `file`, which is to fill it, without memory for the tensors. */
static oassl_status create_store(const oai_host *host, const oai_net_config *config, const oai_weights *file,
                                 oai_store **out_store) {
    *out_store = NULL;
    oai_builder *builder;
    oai_emitter emitter;
    oai_store *store = NULL;
    OAI_TRY(oai_net_config_check(config));
    OAI_TRY(oai_builder_create(host, &builder));
    oai_emitter_init(&emitter, host, builder, false);
    emit_all(&emitter, config);
    oassl_status status = oai_builder_status(builder);
    if (status == OASSL_STATUS_OK) status = oai_store_check_declared(file, emitter.params, emitter.n_params);
    if (status == OASSL_STATUS_OK)
        status = (file ? oai_store_create_empty : oai_store_create)(host, emitter.params, emitter.n_params, &store);
    if (status == OASSL_STATUS_OK) status = set_config(host, store, config);
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    *out_store = store;
    return OASSL_STATUS_OK;
}

oassl_status oai_net_store_create(const oai_host *host, const oai_net_config *config, oai_store **out_store) {
    return create_store(host, config, NULL, out_store);
}

oassl_status oai_net_load(const oai_host *host, const char *path, const char *const *metadata_keys,
                          int32_t visual_layer4_stride, int32_t audio_layer4_stride, oai_net_config *out_config,
                          oai_store **out_store) {
    oai_weights *file;
    oai_store *store = NULL;
    *out_store = NULL;
    OAI_TRY(oai_weights_open(host, path, &file));
    oassl_status status = oai_net_config_from_file(file, out_config);
    if (status == OASSL_STATUS_OK && !oai_safetensors_metadata(oai_weights_file(file), OAI_CONFIG_KEY)) {
        if (visual_layer4_stride) out_config->visual.layer4_stride = visual_layer4_stride;
        if (audio_layer4_stride) out_config->audio.layer4_stride = audio_layer4_stride;
    }
    if (status == OASSL_STATUS_OK) status = create_store(host, out_config, file, &store);
    if (status == OASSL_STATUS_OK) status = oai_store_take_metadata(store, file, metadata_keys);
    if (status == OASSL_STATUS_OK) status = oai_store_map(store, file);
    else oai_weights_close(file);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    *out_store = store;
    return OASSL_STATUS_OK;
}

static bool has_prefix(const oai_weights *file, const char *prefix) {
    for (uint32_t i = 0; i < oai_weights_count(file); i++)
        if (strncmp(oai_weights_at(file, i)->name, prefix, strlen(prefix)) == 0) return true;
    return false;
}

oassl_status oai_net_initialize_from(oai_store *store, const oai_net_config *config, const char *path) {
    oai_weights *file;
    OAI_TRY(oai_weights_open(oai_store_host(store), path, &file));
    const char *visual = visual_prefix(config);
    bool found = false;
    oassl_status status = OASSL_STATUS_OK;
    /* A classifier's head has its own number of classes: only the trunk is taken, whatever the head looks like. */
    bool bare = oai_weights_find(file, "conv1.weight") != NULL;
    if (bare || has_prefix(file, "imgnet.")) {
        status = oai_store_load(store, file, visual, bare ? "" : "imgnet.", OAI_LOAD_NO_HEAD);
        found = true;
    }
    if (status == OASSL_STATUS_OK && config->kind == OAI_NET_PAIR && has_prefix(file, "audnet.")) {
        status = oai_store_load(store, file, "audnet.", "audnet.", 0);
        found = true;
    }
    if (status == OASSL_STATUS_OK && config->kind == OAI_NET_PAIR && config->text_dim > 0 &&
        has_prefix(file, "text_proj.")) {
        status = oai_store_load(store, file, "text_proj.", "text_proj.", 0);
        found = true;
    }
    if (status == OASSL_STATUS_OK && !found)
        status = oai_fail(OASSL_STATUS_NOT_FOUND,
                          "%s: expected tensors of a ResNet-18 (conv1.weight, ...) or of a pair "
                          "(imgnet.*, audnet.*, text_proj.*), found none",
                          path);
    oai_weights_close(file);
    return status;
}
