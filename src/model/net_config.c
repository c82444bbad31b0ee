/* The configuration of oassl_net.h: defaults, checks, JSON, and reading it off a file without one. */
#include <string.h>

#include "base/json.h"
#include "model/oassl_net.h"

oai_net_config oai_net_config_default(int32_t kind) {
    oai_net_config config = {.kind = kind, .visual = {3, 64, OAI_STEM_CONV1, 2}};
    if (kind == OAI_NET_PAIR) {
        config.audio = (oai_resnet_config){1, 64, OAI_STEM_CONV1, 2};
        config.text_dim = 768;
    }
    return config;
}

static oassl_status check_trunk(const char *name, const oai_resnet_config *c) {
    const struct {
        const char *field;
        int64_t value, least, most;
    } fields[] = {{"in_channels", c->in_channels, 1, 64},
                  {"width", c->width, 1, 1024},
                  {"stem", c->stem, 0, OAI_STEM_CONV1_FLOW},
                  {"layer4_stride", c->layer4_stride, 1, 2}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].least || fields[i].value > fields[i].most)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s trunk: '%s' must be %lld..%lld, found %lld", name,
                            fields[i].field, (long long)fields[i].least, (long long)fields[i].most,
                            (long long)fields[i].value);
    return OASSL_STATUS_OK;
}

oassl_status oai_net_config_check(const oai_net_config *c) {
    if (c->kind != OAI_NET_PAIR && c->kind != OAI_NET_CLASSIFIER)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "network kind %d is not known", c->kind);
    OAI_TRY(check_trunk("visual", &c->visual));
    if (c->kind == OAI_NET_CLASSIFIER) {
        if (c->n_classes >= 1 && c->n_classes <= 1000000) return OASSL_STATUS_OK;
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "a classifier needs 1..1000000 classes, found %lld",
                        (long long)c->n_classes);
    }
    OAI_TRY(check_trunk("audio", &c->audio));
    if (c->audio.width != c->visual.width)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "visual and audio trunk must be equally wide, found %lld and %lld", (long long)c->visual.width,
                        (long long)c->audio.width);
    if (c->text_dim < 0 || c->text_dim > 65536)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "text_dim must be 0..65536, found %lld",
                        (long long)c->text_dim);
    return OASSL_STATUS_OK;
}

int64_t oai_net_channels(const oai_net_config *config) { return 8 * config->visual.width; }

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static const char *const stem_names[] = {"conv1", "conv1_a", "conv1_flow"};

static json_t *trunk_to_json(const oai_resnet_config *c) {
    return json_pack("{s:s, s:I, s:I, s:s, s:i}", "network", "resnet18", "in_channels", (json_int_t)c->in_channels,
                     "width", (json_int_t)c->width, "stem", stem_names[c->stem], "layer4_stride", c->layer4_stride);
}

oassl_status oai_net_config_to_json(const oai_host *host, const oai_net_config *c, char **out_text) {
    *out_text = NULL;
    json_t *object = c->kind == OAI_NET_PAIR
                         ? json_pack("{s:s, s:o, s:o, s:I}", "kind", "pair", "visual", trunk_to_json(&c->visual),
                                     "audio", trunk_to_json(&c->audio), "text_dim", (json_int_t)c->text_dim)
                         : json_pack("{s:s, s:o, s:I}", "kind", "classifier", "visual", trunk_to_json(&c->visual),
                                     "n_classes", (json_int_t)c->n_classes);
    char *text = oai_json_text(object, JSON_COMPACT);
    json_decref(object);
    if (text) *out_text = oai_strdup(host, text);
    free(text);
    return *out_text ? OASSL_STATUS_OK : oai_no_memory(256, "a network configuration");
}

static oassl_status trunk_from_json(const json_t *object, const char *key, oai_resnet_config *c) {
    json_t *trunk;
    const char *text;
    int64_t stride;
    OAI_TRY(oai_json_object(object, key, &trunk));
    OAI_TRY(oai_json_string(trunk, "network", &text));
    if (strcmp(text, "resnet18") != 0)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s.network: expected \"resnet18\", found \"%s\"", key, text);
    OAI_TRY(oai_json_integer(trunk, "in_channels", 1, 64, &c->in_channels));
    OAI_TRY(oai_json_integer(trunk, "width", 1, 1024, &c->width));
    OAI_TRY(oai_json_integer(trunk, "layer4_stride", 1, 2, &stride));
    OAI_TRY(oai_json_string(trunk, "stem", &text));
    c->layer4_stride = (int32_t)stride;
    for (c->stem = 0; c->stem < 3; c->stem++)
        if (strcmp(text, stem_names[c->stem]) == 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_FORMAT, "%s.stem: expected \"conv1\", \"conv1_a\" or \"conv1_flow\", found \"%s\"",
                    key, text);
}

static oassl_status config_from_json(const json_t *object, oai_net_config *c) {
    const char *kind;
    OAI_TRY(oai_json_string(object, "kind", &kind));
    OAI_TRY(trunk_from_json(object, "visual", &c->visual));
    if (strcmp(kind, "pair") == 0) {
        c->kind = OAI_NET_PAIR;
        OAI_TRY(trunk_from_json(object, "audio", &c->audio));
        OAI_TRY(oai_json_integer(object, "text_dim", 0, 65536, &c->text_dim));
    } else if (strcmp(kind, "classifier") == 0) {
        c->kind = OAI_NET_CLASSIFIER;
        OAI_TRY(oai_json_integer(object, "n_classes", 1, 1000000, &c->n_classes));
    } else {
        return oai_fail(OASSL_STATUS_FORMAT, "field 'kind': expected \"pair\" or \"classifier\", found \"%s\"", kind);
    }
    return oai_net_config_check(c);
}

oassl_status oai_net_config_from_json(const char *text, const char *source, oai_net_config *out_config) {
    json_t *object = NULL;
    *out_config = (oai_net_config){0};
    OAI_TRY(oai_json_parse(text, strlen(text), source, 1, &object));
    oassl_status status = config_from_json(object, out_config);
    json_decref(object);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s: %s", source, OAI_CONFIG_KEY);
    return OASSL_STATUS_OK;
}

/* ---- published checkpoints ----------------------------------------------------------------------------------- */

static oassl_status find_matrix(const oai_weights *file, const char *name, int32_t rank,
                                const oai_stored_tensor **out) {
    *out = oai_weights_find(file, name);
    if (!*out)
        return oai_fail(OASSL_STATUS_NOT_FOUND,
                        "%s: tensor '%s' is missing: neither a pair (imgnet.*, audnet.*) nor a "
                        "ResNet-18",
                        oai_weights_path(file), name);
    if ((*out)->rank != rank)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: tensor '%s': expected %d dimensions, found %s",
                        oai_weights_path(file), name, rank, oai_shape_to_text((*out)->rank, (*out)->shape).text);
    return OASSL_STATUS_OK;
}

static oassl_status trunk_from_stem(const oai_weights *file, const char *name, int32_t stem, int32_t layer4_stride,
                                    oai_resnet_config *out) {
    const oai_stored_tensor *tensor;
    OAI_TRY(find_matrix(file, name, 4, &tensor));
    *out = (oai_resnet_config){tensor->shape[1], tensor->shape[0], stem, layer4_stride};
    return OASSL_STATUS_OK;
}

oassl_status oai_net_config_from_file(const oai_weights *file, oai_net_config *out) {
    const char *json = oai_safetensors_metadata(oai_weights_file(file), OAI_CONFIG_KEY);
    if (json) return oai_net_config_from_json(json, oai_weights_path(file), out);
    *out = (oai_net_config){.kind = OAI_NET_PAIR};
    if (!oai_weights_find(file, "imgnet.conv1.weight") && oai_weights_find(file, "conv1.weight")) {
        const oai_stored_tensor *head;
        out->kind = OAI_NET_CLASSIFIER;
        OAI_TRY(trunk_from_stem(file, "conv1.weight", OAI_STEM_CONV1, 2, &out->visual));
        OAI_TRY(find_matrix(file, "fc.weight", 2, &head));
        out->n_classes = head->shape[0];
    } else {
        /* LVS trunks own a stem for each modality and keep the stride of layer4 at 1. */
        bool lvs = oai_weights_find(file, "audnet.conv1_a.weight") != NULL;
        OAI_TRY(trunk_from_stem(file, "imgnet.conv1.weight", OAI_STEM_CONV1, lvs ? 1 : 2, &out->visual));
        OAI_TRY(trunk_from_stem(file, lvs ? "audnet.conv1_a.weight" : "audnet.conv1.weight",
                                lvs ? OAI_STEM_CONV1_A : OAI_STEM_CONV1, lvs ? 1 : 2, &out->audio));
        const oai_stored_tensor *projection = oai_weights_find(file, "text_proj.weight");
        if (projection && projection->rank == 2) out->text_dim = projection->shape[1];
    }
    oassl_status status = oai_net_config_check(out);
    return status == OASSL_STATUS_OK ? status
                                     : oai_fail_within(OASSL_STATUS_SHAPE_MISMATCH, "%s", oai_weights_path(file));
}
