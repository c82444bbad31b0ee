#include "oassl/model.h"

#include "api/model_handle.h"
#include "api/tensor_view.h"
#include "base/options.h"
#include "model/ranges.h"
#include "runtime/context.h"

/* What other programs may have stored beside the weights and this library reads back. */
static const char *const metadata_keys[] = {"oassl_training",    "oassl_front_end", "oassl_classes",
                                            "oassl_calibration", OAI_RANGES_KEY,    NULL};

oassl_status oai_model_wrap(oassl_context *context, const oai_net_config *config, oai_store *store, int32_t precision,
                            oassl_model **out_model) {
    *out_model = NULL;
    oassl_status status = precision == OASSL_PRECISION_INT8 ? oai_ranges_check(store) : OASSL_STATUS_OK;
    if (status == OASSL_STATUS_OK) {
        *out_model = oai_calloc(oai_context_host(context), 1, sizeof **out_model);
        if (!*out_model) status = oai_no_memory(sizeof **out_model, "a model");
    }
    if (status != OASSL_STATUS_OK)
        oai_store_destroy(store);
    else
        **out_model = (oassl_model){context, *config, store, precision};
    return status;
}

static oassl_status check_precision(int32_t precision) {
    if (precision >= OASSL_PRECISION_F32 && precision <= OASSL_PRECISION_F32_FAST) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "model option 'precision': expected an OASSL_PRECISION_*, found %d",
                    precision);
}

static oassl_status check_stride(const char *name, uint32_t stride, int32_t *out_layer4) {
    if (stride != 0 && stride != 16 && stride != 32)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "model option '%s': expected 16 or 32, found %u", name, stride);
    if (stride != 0) *out_layer4 = stride == 16 ? 1 : 2;
    return OASSL_STATUS_OK;
}

static oassl_status config_of_options(const oassl_model_options *o, oai_net_config *out_config) {
    oai_net_config config = oai_net_config_default(o->kind ? o->kind : OAI_NET_PAIR);
    OAI_TRY(check_stride("visual_stride", o->visual_stride, &config.visual.layer4_stride));
    OAI_TRY(check_stride("audio_stride", o->audio_stride, &config.audio.layer4_stride));
    if (o->base_width) config.visual.width = o->base_width;
    if (config.kind == OAI_NET_PAIR) {
        config.audio.width = config.visual.width;
        if (o->text_dim) config.text_dim = o->text_dim < 0 ? 0 : o->text_dim;
    }
    config.n_classes = o->n_classes;
    *out_config = config;
    return oai_net_config_check(&config);
}

oassl_status oassl_model_create(oassl_context *context, const oassl_model_options *options, oassl_model **out_model) {
    OAI_REQUIRE(out_model);
    *out_model = NULL;
    OAI_REQUIRE(context);
    oassl_model_options own;
    oai_net_config config;
    oai_store *store;
    OAI_TRY(oai_options_read("oassl_model_options", options, &own, sizeof own));
    OAI_TRY(config_of_options(&own, &config));
    OAI_TRY(check_precision(own.precision));
    OAI_TRY(oai_net_store_create(oai_context_host(context), &config, &store));
    oai_store_initialize(store, own.seed);
    return oai_model_wrap(context, &config, store, own.precision, out_model);
}

oassl_status oassl_model_load(oassl_context *context, const char *path, const oassl_model_options *options,
                              oassl_model **out_model) {
    OAI_REQUIRE(out_model);
    *out_model = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    oassl_model_options own;
    oai_net_config config;
    oai_store *store;
    int32_t visual = 0, audio = 0;
    OAI_TRY(oai_options_read("oassl_model_options", options, &own, sizeof own));
    OAI_TRY(check_stride("visual_stride", own.visual_stride, &visual));
    OAI_TRY(check_stride("audio_stride", own.audio_stride, &audio));
    OAI_TRY(check_precision(own.precision));
    OAI_TRY(oai_net_load(oai_context_host(context), path, metadata_keys, visual, audio, &config, &store));
    oassl_status status = oai_model_wrap(context, &config, store, own.precision, out_model);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s", path);
}

void oassl_model_destroy(oassl_model *model) {
    if (!model) return;
    oai_store_destroy(model->store);
    oai_free(oai_context_host(model->context), model);
}

oassl_status oassl_model_save(const oassl_model *model, const char *path) {
    OAI_REQUIRE(model);
    OAI_REQUIRE(path);
    return oai_store_save(model->store, path);
}

oassl_status oassl_model_get_info(const oassl_model *model, oassl_model_info *out_info) {
    OAI_REQUIRE(model);
    OAI_REQUIRE(out_info);
    const oai_net_config *c = &model->config;
    oassl_model_info info = {.kind = c->kind,
                             .base_width = (uint32_t)c->visual.width,
                             .visual_stride = c->visual.layer4_stride == 1 ? 16 : 32,
                             .audio_stride = c->kind != OAI_NET_PAIR       ? 0
                                             : c->audio.layer4_stride == 1 ? 16
                                                                           : 32,
                             .channels = (uint32_t)oai_net_channels(c),
                             .text_dim = (uint32_t)c->text_dim,
                             .n_classes = (uint32_t)c->n_classes,
                             .n_tensors = oai_store_count(model->store),
                             .precision = model->precision,
                             .n_parameters = (uint64_t)oai_store_n_learned(model->store)};
    OAI_GIVE(info, out_info);
    return OASSL_STATUS_OK;
}

oassl_status oassl_model_tensor(const oassl_model *model, uint32_t index, const char **out_name,
                                oassl_tensor *out_view) {
    if (out_name) *out_name = NULL;
    if (out_view) *out_view = (oassl_tensor){0};
    OAI_REQUIRE(model);
    if (index >= oai_store_count(model->store))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "tensor %u of %u", index, oai_store_count(model->store));
    const oai_store_tensor *tensor = oai_store_at(model->store, index);
    if (out_name) *out_name = tensor->name;
    if (!out_view) return OASSL_STATUS_OK;
    OAI_TRY(oai_store_check_file(model->store));
    *out_view = (oassl_tensor){
        .data = tensor->data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = tensor->rank};
    int64_t stride = 1;
    for (int32_t k = tensor->rank - 1; k >= 0; k--) {
        out_view->shape[k] = tensor->shape[k];
        out_view->strides[k] = stride;
        stride *= tensor->shape[k];
    }
    return OASSL_STATUS_OK;
}

const char *oassl_model_metadata(const oassl_model *model, const char *key) {
    return model && key ? oai_store_metadata(model->store, key) : NULL;
}
