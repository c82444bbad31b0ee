#include "model/clip_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "model/attention.h"

#define HEAD_WIDTH 64 /* in all published CLIP models */

/* ---- config.json --------------------------------------------------------------------------------------------- */

static oassl_status optional_integer(const json_t *object, const char *key, int64_t most, int64_t *field) {
    return oai_json_has(object, key) ? oai_json_integer(object, key, 1, most, field) : OASSL_STATUS_OK;
}

static oassl_status read_fields(const json_t *object, oai_clip_text_config *c) {
    const char *act;
    OAI_TRY(optional_integer(object, "vocab_size", 1 << 24, &c->vocab_size));
    OAI_TRY(optional_integer(object, "hidden_size", 65536, &c->width));
    OAI_TRY(optional_integer(object, "num_hidden_layers", 1000, &c->n_layers));
    OAI_TRY(optional_integer(object, "num_attention_heads", 65536, &c->n_heads));
    OAI_TRY(optional_integer(object, "intermediate_size", 1 << 20, &c->ffn_width));
    OAI_TRY(optional_integer(object, "max_position_embeddings", 1 << 20, &c->max_positions));
    OAI_TRY(optional_integer(object, "projection_dim", 65536, &c->projection));
    if (oai_json_has(object, "layer_norm_eps")) OAI_TRY(oai_json_number(object, "layer_norm_eps", &c->eps));
    if (!oai_json_has(object, "hidden_act")) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_string(object, "hidden_act", &act));
    c->act = strcmp(act, "gelu") == 0 ? OASSL_OP_GELU : OASSL_OP_QUICK_GELU;
    if (strcmp(act, "gelu") == 0 || strcmp(act, "quick_gelu") == 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "field 'hidden_act': expected \"quick_gelu\" or \"gelu\", found \"%s\"",
                    act);
}

static oassl_status check(const oai_clip_text_config *c, const char *source) {
    if (c->width % c->n_heads != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: hidden_size %lld is no multiple of num_attention_heads %lld", source,
                        (long long)c->width, (long long)c->n_heads);
    if (!(c->eps > 0 && c->eps < 1))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: field 'layer_norm_eps' must be in (0, 1), found %g", source, c->eps);
    return OASSL_STATUS_OK;
}

oassl_status oai_clip_text_config_read(const oai_host *host, const char *path, oai_clip_text_config *out_config) {
    json_t *object, *text;
    *out_config = (oai_clip_text_config){49408, 512, 12, 8, 2048, 77, 512, 1e-5, OASSL_OP_QUICK_GELU};
    OAI_TRY(oai_json_load(host, path, &object));
    oassl_status status = OASSL_STATUS_OK;
    text = object;
    if (oai_json_has(object, "text_config")) status = oai_json_object(object, "text_config", &text);
    if (status == OASSL_STATUS_OK) status = read_fields(text, out_config);
    /* the outer one is what CLIPModel uses */
    if (status == OASSL_STATUS_OK) status = optional_integer(object, "projection_dim", 65536, &out_config->projection);
    json_decref(object);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", path);
    return check(out_config, path);
}

/* ---- an OpenAI state dict ------------------------------------------------------------------------------------ */

static oassl_status infer(const oai_weights *file, oai_clip_text_config *c) {
    static const char *const names[4] = {"token_embedding.weight", "positional_embedding", "text_projection",
                                         "transformer.resblocks.0.mlp.c_fc.weight"};
    const oai_stored_tensor *t[4];
    char name[128];
    for (int i = 0; i < 4; i++) {
        t[i] = oai_weights_find(file, names[i]);
        if (!t[i] || t[i]->rank != 2)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: no config.json beside it, and not OpenAI's CLIP: no matrix '%s'",
                            oai_weights_path(file), names[i]);
    }
    *c = (oai_clip_text_config){t[0]->shape[0], t[0]->shape[1], 0,    t[0]->shape[1] / HEAD_WIDTH, t[3]->shape[0],
                                t[1]->shape[0], t[2]->shape[1], 1e-5, OASSL_OP_QUICK_GELU};
    do snprintf(name, sizeof name, "transformer.resblocks.%lld.ln_1.weight", (long long)c->n_layers++);
    while (oai_weights_find(file, name));
    c->n_layers--;
    if (c->n_layers < 1 || c->n_heads < 1)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: %lld layers of %lld heads", oai_weights_path(file),
                        (long long)c->n_layers, (long long)c->n_heads);
    return check(c, oai_weights_path(file));
}

oassl_status oai_clip_text_config_infer(const oai_host *host, const char *path, oai_clip_text_config *out_config) {
    oai_weights *file;
    OAI_TRY(oai_weights_open(host, path, &file));
    oassl_status status = infer(file, out_config);
    oai_weights_close(file);
    return status;
}

/* ---- the graph ----------------------------------------------------------------------------------------------- */

/* [1, 1, L, L]: position i sees j <= i. */
static oai_value causal_mask(oai_emitter *e, int64_t length) {
    size_t bytes = (size_t)(length * length) * sizeof(float);
    float *mask = oai_alloc(e->host, bytes);
    if (!mask) return oai_builder_fail(e->builder, oai_no_memory(bytes, "a mask"), "%s", oassl_last_error());
    for (int64_t i = 0; i < length; i++)
        for (int64_t j = 0; j < length; j++) mask[i * length + j] = j <= i ? 0.0f : -1e9f;
    oai_value value = oai_constant(e->builder, OASSL_DTYPE_F32, 4, OAI_SHAPE(1, 1, length, length), mask);
    oai_free(e->host, mask);
    return value;
}

/* pre-norm: h += attention(LN(h)), h += ffn(LN(h)) */
static oai_value layer(oai_emitter *e, const oai_clip_text_config *c, oai_value h, oai_value mask, int64_t index) {
    static const char *const roles[3] = {"q_proj", "k_proj", "v_proj"};
    oai_builder *b = e->builder;
    oai_value parts[3];
    char prefix[64], name[128];
    snprintf(prefix, sizeof prefix, "encoder.layers.%lld", (long long)index);
    oai_scope(b, "%s", prefix);
    snprintf(name, sizeof name, "%s.layer_norm1", prefix);
    oai_value x = oai_named_norm(e, h, c->eps, name);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.self_attn.%s", prefix, roles[i]);
        parts[i] = oai_named_linear(e, x, c->width, name);
    }
    snprintf(name, sizeof name, "%s.self_attn.out_proj", prefix);
    x = oai_attention(b, parts[0], parts[1], parts[2], c->n_heads, mask);
    h = oai_add(b, h, oai_named_linear(e, x, c->width, name));
    snprintf(name, sizeof name, "%s.layer_norm2", prefix);
    x = oai_named_norm(e, h, c->eps, name);
    snprintf(name, sizeof name, "%s.mlp.fc1", prefix);
    x = oai_unary(b, c->act, oai_named_linear(e, x, c->ffn_width, name));
    snprintf(name, sizeof name, "%s.mlp.fc2", prefix);
    return oai_add(b, h, oai_named_linear(e, x, c->width, name));
}

oai_value oai_clip_text_emit(oai_emitter *e, const oai_clip_text_config *c, oai_value ids, oai_value pick) {
    oai_builder *b = e->builder;
    int64_t batch = oai_dim(b, ids, 0), length = oai_dim(b, ids, 1);
    if (length > c->max_positions)
        return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "CLIP: %lld tokens, at most %lld", (long long)length,
                                (long long)c->max_positions);
    oai_value words = oai_weight(e, oai_init_normal(0, 0.02), 2, OAI_SHAPE(c->vocab_size, c->width),
                                 "embeddings.token_embedding.weight");
    oai_value places = oai_weight(e, oai_init_normal(0, 0.01), 2, OAI_SHAPE(c->max_positions, c->width),
                                  "embeddings.position_embedding.weight");
    oai_value h = oai_add(b, oai_gather(b, words, ids), oai_slice(b, places, 0, 0, length));
    oai_value mask = causal_mask(e, length);
    for (int64_t i = 0; i < c->n_layers; i++) h = layer(e, c, h, mask, i);
    oai_scope(b, "%s", "");
    /* the norm is each row's own: norming the picked row is enough */
    h = oai_reshape(b, oai_matmul(b, pick, h, 0, 0), 2, OAI_SHAPE(batch, c->width));
    h = oai_named_norm(e, h, c->eps, "final_layer_norm");
    if (c->projection == 0) return h;
    oai_value projection = oai_weight(e, oai_init_normal(0, 1 / sqrt((double)c->width)), 2,
                                      OAI_SHAPE(c->projection, c->width), "text_projection.weight");
    return oai_linear(b, h, projection, OAI_NO_VALUE);
}

/* ---- weights ------------------------------------------------------------------------------------------------- */

/* `file`, or NULL: what is to fill it. */
static oassl_status create_store(const oai_host *host, const oai_clip_text_config *config, const oai_weights *file,
                                 oai_store **out_store) {
    oai_builder *builder;
    oai_emitter emitter;
    *out_store = NULL;
    OAI_TRY(oai_builder_create(host, &builder));
    oai_emitter_init(&emitter, host, builder, false);
    oai_value ids = oai_input(builder, "ids", OASSL_DTYPE_I32, 2, OAI_SHAPE(1, 1));
    oai_value pick = oai_input(builder, "pick", OASSL_DTYPE_F32, 3, OAI_SHAPE(1, 1, 1));
    oai_clip_text_emit(&emitter, config, ids, pick);
    oassl_status status = oai_builder_status(builder);
    if (status == OASSL_STATUS_OK) status = oai_store_check_declared(file, emitter.params, emitter.n_params);
    if (status == OASSL_STATUS_OK) status = oai_store_create(host, emitter.params, emitter.n_params, out_store);
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
    return status;
}

oassl_status oai_clip_text_store_create(const oai_host *host, const oai_clip_text_config *config,
                                        oai_store **out_store) {
    return create_store(host, config, NULL, out_store);
}

/* What OpenAI calls a tensor; rows `first`.. of it are ours for the three thirds of in_proj. */
static void openai_name(const char *name, int64_t width, char *out, size_t bytes, int64_t *out_first) {
    static const char *const pairs[][2] = {{"embeddings.token_embedding.weight", "token_embedding.weight"},
                                           {"embeddings.position_embedding.weight", "positional_embedding"},
                                           {"final_layer_norm.", "ln_final."},
                                           {"text_projection.weight", "text_projection"}};
    static const char *const inner[][2] = {{"layer_norm1.", "ln_1."},
                                           {"layer_norm2.", "ln_2."},
                                           {"self_attn.out_proj.", "attn.out_proj."},
                                           {"mlp.fc1.", "mlp.c_fc."},
                                           {"mlp.fc2.", "mlp.c_proj."},
                                           {"self_attn.q_proj.", "attn.in_proj_"},
                                           {"self_attn.k_proj.", "attn.in_proj_"},
                                           {"self_attn.v_proj.", "attn.in_proj_"}};
    *out_first = -1;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = strlen(pairs[i][0]);
        if (strncmp(name, pairs[i][0], n) == 0) snprintf(out, bytes, "%s%s", pairs[i][1], name + n);
    }
    if (strncmp(name, "encoder.layers.", 15) != 0) return;
    const char *dot = strchr(name + 15, '.');
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        size_t n = strlen(inner[i][0]);
        if (strncmp(dot + 1, inner[i][0], n) != 0) continue;
        snprintf(out, bytes, "transformer.resblocks.%.*s.%s%s", (int)(dot - name - 15), name + 15, inner[i][1],
                 dot + 1 + n);
        if (i >= 5) *out_first = (int64_t)(i - 5) * width;
    }
}

/* A third of in_proj, or the projection, which OpenAI stores the other way round. */
static oassl_status read_openai(const oai_host *host, const oai_weights *file, const oai_store_tensor *t,
                                int64_t width) {
    char name[192] = "";
    int64_t first, shape[2] = {t->shape[0], t->shape[1]};
    openai_name(t->name, width, name, sizeof name, &first);
    bool turned = strcmp(name, "text_projection") == 0;
    if (first < 0 && !turned) return oai_weights_read(file, name, t->rank, t->shape, t->data);
    if (turned) shape[0] = t->shape[1], shape[1] = t->shape[0];
    if (first >= 0) shape[0] *= 3;
    size_t count = (size_t)t->count * (first >= 0 ? 3 : 1);
    float *whole = oai_alloc(host, count * sizeof *whole);
    if (!whole) return oai_no_memory(count * sizeof *whole, name);
    oassl_status status = oai_weights_read(file, name, t->rank, shape, whole);
    int64_t row = t->rank == 2 ? t->shape[1] : 1;
    if (status == OASSL_STATUS_OK && first >= 0)
        memcpy(t->data, whole + first * row, (size_t)t->count * sizeof *whole);
    for (int64_t i = 0; status == OASSL_STATUS_OK && turned && i < t->count; i++)
        t->data[i] = whole[i % row * t->shape[0] + i / row];
    oai_free(host, whole);
    return status;
}

/* Hugging Face's name, with or without "text_model."; false if the file does not have it. */
static bool hugging_face_name(const oai_weights *file, const char *name, char *out, size_t bytes) {
    snprintf(out, bytes, "text_model.%s", name);
    if (oai_weights_find(file, out)) return true;
    snprintf(out, bytes, "%s", name);
    return oai_weights_find(file, out) != NULL;
}

static oassl_status read_all(const oai_host *host, const oai_store *store, const oai_weights *file, int64_t width) {
    bool openai = oai_weights_find(file, "token_embedding.weight") != NULL;
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *t = oai_store_at(store, i);
        char name[192];
        if (openai) {
            OAI_TRY(read_openai(host, file, t, width));
            continue;
        }
        if (!hugging_face_name(file, t->name, name, sizeof name))
            return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing", oai_weights_path(file), t->name);
        OAI_TRY(oai_weights_read(file, name, t->rank, t->shape, t->data));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_clip_text_load(const oai_host *host, oai_clip_text_config *config, const char *path,
                                oai_store **out_store) {
    oai_weights *file;
    oai_store *store = NULL;
    *out_store = NULL;
    OAI_TRY(oai_weights_open(host, path, &file));
    if (!oai_weights_find(file, "text_projection.weight") && !oai_weights_find(file, "text_projection"))
        config->projection = 0;
    oassl_status status = create_store(host, config, file, &store);
    if (status == OASSL_STATUS_OK) status = read_all(host, store, file, config->width);
    oai_weights_close(file);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    *out_store = store;
    return OASSL_STATUS_OK;
}
