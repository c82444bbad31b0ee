#include "oassl/encoder.h"

#include "base/options.h"
#include "api/model_handle.h"
#include "api/tensor_view.h"
#include "model/features.h"
#include "api/text_encoder.h"
#include "runtime/context.h"

struct oassl_encoder {
    const oai_host *host;
    /* of a model */
    const oai_net_config *config;
    oai_features *features;
    /* of text */
    oai_text_encoder *text;
    oai_tokenizer tokenizer;
};

static oassl_encoder *new_encoder(oassl_context *context) {
    const oai_host *host = oai_context_host(context);
    oassl_encoder *encoder = oai_calloc(host, 1, sizeof *encoder);
    if (encoder) encoder->host = host;
    return encoder;
}

/* Hands the finished encoder out, or destroys it. */
static oassl_status finish(oassl_status status, oassl_encoder *encoder, oassl_encoder **out_encoder) {
    if (status != OASSL_STATUS_OK)
        oassl_encoder_destroy(encoder);
    else
        *out_encoder = encoder;
    return status;
}

oassl_status oassl_encoder_create(const oassl_model *model, oassl_encoder **out_encoder) {
    OAI_REQUIRE(out_encoder);
    *out_encoder = NULL;
    OAI_REQUIRE(model);
    oassl_encoder *encoder = new_encoder(model->context);
    if (!encoder) return oai_no_memory(sizeof *encoder, "an encoder");
    encoder->config = &model->config;
    return finish(oai_features_create(model->context, &model->config, model->store, model->precision, &encoder->features), encoder,
                  out_encoder);
}

oassl_status oassl_encoder_create_text(oassl_context *context, const char *folder, oassl_encoder **out_encoder) {
    OAI_REQUIRE(out_encoder);
    *out_encoder = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(folder);
    oassl_encoder *encoder = new_encoder(context);
    if (!encoder) return oai_no_memory(sizeof *encoder, "an encoder");
    oassl_status status = oai_text_encoder_open(context, folder, &encoder->text);
    if (status == OASSL_STATUS_OK) status = oai_text_encoder_tokenizer(encoder->host, encoder->text, &encoder->tokenizer);
    return finish(status, encoder, out_encoder);
}

void oassl_encoder_destroy(oassl_encoder *encoder) {
    if (!encoder) return;
    oai_features_destroy(encoder->features);
    oai_text_encoder_close(encoder->text);
    oai_tokenizer_close(&encoder->tokenizer);
    oai_free(encoder->host, encoder);
}

static oassl_status need_model(const oassl_encoder *encoder) {
    if (encoder->features) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "this is a text encoder: it takes neither pictures nor sounds");
}

static oassl_status need_text(const oassl_encoder *encoder) {
    if (encoder->text) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "this encoder takes pictures and sounds; open text encoders with "
                                              "oassl_encoder_create_text");
}

oassl_status oassl_encoder_picture_shape(const oassl_encoder *encoder, uint32_t height, uint32_t width,
                                         oassl_encoder_shape *out_shape) {
    OAI_REQUIRE(out_shape);
    oassl_encoder_shape shape = {0};
    OAI_GIVE(shape, out_shape);
    OAI_REQUIRE(encoder);
    OAI_TRY(need_model(encoder));
    if (height == 0 || width == 0 || height > 65536 || width > 65536)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "picture size: %u x %u; both must be 1..65536", width, height);
    shape.channels = (uint32_t)oai_net_channels(encoder->config);
    shape.height = (uint32_t)oai_resnet18_extent(&encoder->config->visual, height);
    shape.width = (uint32_t)oai_resnet18_extent(&encoder->config->visual, width);
    OAI_GIVE(shape, out_shape);
    return OASSL_STATUS_OK;
}

/* A dense finite f32 input [N, channels, any, any] with N, H, W >= 1. */
static oassl_status check_input(const oassl_tensor *view, const char *name, int64_t channels) {
    OAI_TRY(oai_view_check(view, name, OASSL_DTYPE_F32, 4, (const int64_t[]){-1, channels, -1, -1}));
    OAI_TRY(oai_view_require_contiguous(view, name));
    if (oai_view_count(view) == 0) return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s: the tensor is empty", name);
    return oai_view_check_finite(view, name);
}

static oassl_status check_output(const oassl_tensor *view, const char *name, int32_t rank, const int64_t *shape) {
    OAI_TRY(oai_view_check(view, name, OASSL_DTYPE_F32, rank, shape));
    return oai_view_require_contiguous(view, name);
}

oassl_status oassl_encoder_pictures(const oassl_encoder *encoder, const oassl_tensor *pictures,
                                    const oassl_tensor *out_map, const oassl_tensor *out_pooled) {
    OAI_REQUIRE(encoder);
    OAI_REQUIRE(pictures);
    OAI_TRY(need_model(encoder));
    const oai_resnet_config *trunk = &encoder->config->visual;
    OAI_TRY(check_input(pictures, "pictures", trunk->in_channels));
    const int64_t *s = pictures->shape;
    int64_t d = oai_net_channels(encoder->config);
    int64_t map[4] = {s[0], d, oai_resnet18_extent(trunk, s[2]), oai_resnet18_extent(trunk, s[3])};
    if (out_map) OAI_TRY(check_output(out_map, "out_map", 4, map));
    if (out_pooled) OAI_TRY(check_output(out_pooled, "out_pooled", 2, map));
    return oai_features_visual(encoder->features, s[0], s[2], s[3], pictures->data, out_map ? out_map->data : NULL,
                               out_pooled ? out_pooled->data : NULL);
}

oassl_status oassl_encoder_sounds(const oassl_encoder *encoder, const oassl_tensor *spectrograms,
                                  const oassl_tensor *out_vectors) {
    OAI_REQUIRE(encoder);
    OAI_REQUIRE(spectrograms);
    OAI_REQUIRE(out_vectors);
    OAI_TRY(need_model(encoder));
    if (encoder->config->kind != OAI_NET_PAIR)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "a classifier has no sound trunk");
    OAI_TRY(check_input(spectrograms, "spectrograms", encoder->config->audio.in_channels));
    const int64_t *s = spectrograms->shape;
    int64_t vectors[2] = {s[0], oai_net_channels(encoder->config)};
    OAI_TRY(check_output(out_vectors, "out_vectors", 2, vectors));
    return oai_features_audio(encoder->features, s[0], s[2], s[3], spectrograms->data, out_vectors->data);
}

oassl_status oassl_encoder_classify(const oassl_encoder *encoder, const oassl_tensor *pictures,
                                    const oassl_tensor *out_logits) {
    OAI_REQUIRE(encoder);
    OAI_REQUIRE(pictures);
    OAI_REQUIRE(out_logits);
    OAI_TRY(need_model(encoder));
    if (encoder->config->kind != OAI_NET_CLASSIFIER)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "only a classifier gives class logits, this model is a pair");
    OAI_TRY(check_input(pictures, "pictures", encoder->config->visual.in_channels));
    const int64_t *s = pictures->shape;
    int64_t logits[2] = {s[0], encoder->config->n_classes};
    OAI_TRY(check_output(out_logits, "out_logits", 2, logits));
    return oai_features_classify(encoder->features, s[0], s[2], s[3], pictures->data, out_logits->data);
}

oassl_status oassl_encoder_tokens(const oassl_encoder *encoder, const oassl_tensor *ids, const oassl_tensor *lengths,
                                  int32_t pooling, const oassl_tensor *out_vectors) {
    OAI_REQUIRE(encoder);
    OAI_REQUIRE(ids);
    OAI_REQUIRE(lengths);
    OAI_REQUIRE(out_vectors);
    OAI_TRY(need_text(encoder));
    OAI_TRY(oai_view_check(ids, "ids", OASSL_DTYPE_I32, 2, (const int64_t[]){-1, -1}));
    OAI_TRY(oai_view_require_contiguous(ids, "ids"));
    OAI_TRY(oai_view_check(lengths, "lengths", OASSL_DTYPE_I32, 1, ids->shape));
    OAI_TRY(oai_view_require_contiguous(lengths, "lengths"));
    int64_t vectors[2] = {ids->shape[0], oai_text_encoder_dim(encoder->text)};
    OAI_TRY(check_output(out_vectors, "out_vectors", 2, vectors));
    return oai_text_encoder_encode(encoder->text, ids->data, lengths->data, ids->shape[0], ids->shape[1], pooling,
                                   out_vectors->data);
}

oassl_status oassl_encoder_texts(const oassl_encoder *encoder, const char *const *texts, uint32_t n_texts,
                                 int32_t pooling, const oassl_tensor *out_vectors) {
    OAI_REQUIRE(encoder);
    OAI_REQUIRE(out_vectors);
    OAI_TRY(need_text(encoder));
    if (n_texts > 0) OAI_REQUIRE(texts);
    for (uint32_t i = 0; i < n_texts; i++)
        if (!texts[i]) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "text %u is NULL", i);
    int64_t vectors[2] = {n_texts, oai_text_encoder_dim(encoder->text)};
    OAI_TRY(check_output(out_vectors, "out_vectors", 2, vectors));
    if (n_texts == 0) return OASSL_STATUS_OK;
    int32_t longest = (int32_t)oai_text_encoder_max_tokens(encoder->text);
    int32_t *ids = oai_calloc(encoder->host, (size_t)n_texts * ((size_t)longest + 1), sizeof *ids);
    if (!ids) return oai_no_memory((size_t)n_texts * ((size_t)longest + 1) * sizeof *ids, "tokens");
    int32_t *lengths = ids + (size_t)n_texts * (size_t)longest;
    oassl_status status = oai_tokenizer_encode_batch(&encoder->tokenizer, texts, n_texts, longest, ids, lengths);
    if (status == OASSL_STATUS_OK)
        status = oai_text_encoder_encode(encoder->text, ids, lengths, n_texts, longest, pooling, out_vectors->data);
    oai_free(encoder->host, ids);
    return status;
}

oassl_status oassl_encoder_text_dim(const oassl_encoder *encoder, uint32_t *out_dim) {
    OAI_REQUIRE(out_dim);
    *out_dim = 0;
    OAI_REQUIRE(encoder);
    OAI_TRY(need_text(encoder));
    *out_dim = (uint32_t)oai_text_encoder_dim(encoder->text);
    return OASSL_STATUS_OK;
}
