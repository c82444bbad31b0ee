#include "model/bert.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "model/attention.h"

/* ---- config.json --------------------------------------------------------------------------------------------- */

static oassl_status optional_integer(const json_t *object, const char *key, int64_t most, int64_t *field) {
    return oai_json_has(object, key) ? oai_json_integer(object, key, 1, most, field) : OASSL_STATUS_OK;
}

static oassl_status expect_text(const json_t *object, const char *key, const char *expected) {
    const char *text;
    if (!oai_json_has(object, key)) return OASSL_STATUS_OK;
    OAI_TRY(oai_json_string(object, key, &text));
    if (strcmp(text, expected) == 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_UNSUPPORTED, "field '%s': expected \"%s\", found \"%s\"", key, expected, text);
}

static oassl_status read_fields(const json_t *object, oai_bert_config *c) {
    OAI_TRY(expect_text(object, "model_type", "bert"));
    OAI_TRY(expect_text(object, "hidden_act", "gelu"));
    OAI_TRY(expect_text(object, "position_embedding_type", "absolute"));
    OAI_TRY(optional_integer(object, "vocab_size", 1 << 24, &c->vocab_size));
    OAI_TRY(optional_integer(object, "hidden_size", 65536, &c->width));
    OAI_TRY(optional_integer(object, "num_hidden_layers", 1000, &c->n_layers));
    OAI_TRY(optional_integer(object, "num_attention_heads", 65536, &c->n_heads));
    c->ffn_width = 4 * c->width;
    OAI_TRY(optional_integer(object, "intermediate_size", 1 << 20, &c->ffn_width));
    OAI_TRY(optional_integer(object, "max_position_embeddings", 1 << 20, &c->max_positions));
    OAI_TRY(optional_integer(object, "type_vocab_size", 1 << 16, &c->n_types));
    return oai_json_has(object, "layer_norm_eps") ? oai_json_number(object, "layer_norm_eps", &c->eps)
                                                  : OASSL_STATUS_OK;
}

oassl_status oai_bert_config_check(const oai_bert_config *c, const char *source) {
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"vocab_size", c->vocab_size},       {"hidden_size", c->width},
                  {"num_hidden_layers", c->n_layers},  {"num_attention_heads", c->n_heads},
                  {"intermediate_size", c->ffn_width}, {"max_position_embeddings", c->max_positions},
                  {"type_vocab_size", c->n_types}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < 1)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: field '%s' must be positive, found %lld", source, fields[i].name,
                            (long long)fields[i].value);
    if (c->width % c->n_heads != 0)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: hidden_size %lld is no multiple of num_attention_heads %lld", source,
                        (long long)c->width, (long long)c->n_heads);
    if (!(c->eps > 0 && c->eps < 1))
        return oai_fail(OASSL_STATUS_FORMAT, "%s: field 'layer_norm_eps' must be in (0, 1), found %g", source, c->eps);
    return OASSL_STATUS_OK;
}

oassl_status oai_bert_config_read(const oai_host *host, const char *path, oai_bert_config *out_config) {
    json_t *object = NULL;
    *out_config = (oai_bert_config){30522, 768, 12, 12, 3072, 512, 2, 1e-12};
    OAI_TRY(oai_json_load(host, path, &object));
    oassl_status status = read_fields(object, out_config);
    json_decref(object);
    if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", path);
    return oai_bert_config_check(out_config, path);
}

oassl_status oai_bert_config_write(const oai_host *host, const char *path, const oai_bert_config *c) {
    json_t *object =
        json_pack("{s:[s], s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:i}", "architectures", "BertModel",
                  "model_type", "bert", "hidden_act", "gelu", "position_embedding_type", "absolute", "vocab_size",
                  (json_int_t)c->vocab_size, "hidden_size", (json_int_t)c->width, "num_hidden_layers",
                  (json_int_t)c->n_layers, "num_attention_heads", (json_int_t)c->n_heads, "intermediate_size",
                  (json_int_t)c->ffn_width, "max_position_embeddings", (json_int_t)c->max_positions, "type_vocab_size",
                  (json_int_t)c->n_types, "layer_norm_eps", c->eps, "pad_token_id", 0);
    if (!object) return oai_no_memory(1024, path);
    oassl_status status = oai_json_save(host, path, object);
    json_decref(object);
    return status;
}

/* ---- the graph ----------------------------------------------------------------------------------------------- */

static oai_value embeddings(oai_emitter *e, const oai_bert_config *c, oai_value ids) {
    oai_builder *b = e->builder;
    int64_t length = oai_dim(b, ids, 1), width = c->width;
    oai_init init = oai_init_normal(0, 0.02);
    oai_value words = oai_weight(e, init, 2, OAI_SHAPE(c->vocab_size, width), "embeddings.word_embeddings.weight");
    oai_value places =
        oai_weight(e, init, 2, OAI_SHAPE(c->max_positions, width), "embeddings.position_embeddings.weight");
    oai_value types = oai_weight(e, init, 2, OAI_SHAPE(c->n_types, width), "embeddings.token_type_embeddings.weight");
    oai_value at = oai_add(b, oai_slice(b, places, 0, 0, length), oai_slice(b, types, 0, 0, 1));
    return oai_named_norm(e, oai_add(b, oai_gather(b, words, ids), at), c->eps, "embeddings.LayerNorm");
}

static oai_value attention(oai_emitter *e, const oai_bert_config *c, oai_value x, oai_value mask, const char *prefix) {
    char name[128];
    oai_value parts[3];
    static const char *const roles[3] = {"query", "key", "value"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.attention.self.%s", prefix, roles[i]);
        parts[i] = oai_named_linear(e, x, c->width, name);
    }
    oai_value mixed = oai_attention(e->builder, parts[0], parts[1], parts[2], c->n_heads, mask);
    snprintf(name, sizeof name, "%s.attention.output.dense", prefix);
    return oai_named_linear(e, mixed, c->width, name);
}

/* post-norm: h = LN(h + attention(h)), h = LN(h + ffn(h)) */
static oai_value layer(oai_emitter *e, const oai_bert_config *c, oai_value h, oai_value mask, int64_t index) {
    oai_builder *b = e->builder;
    char prefix[64], name[128];
    snprintf(prefix, sizeof prefix, "encoder.layer.%lld", (long long)index);
    oai_scope(b, "%s", prefix);
    h = oai_add(b, h, attention(e, c, h, mask, prefix));
    snprintf(name, sizeof name, "%s.attention.output.LayerNorm", prefix);
    h = oai_named_norm(e, h, c->eps, name);
    snprintf(name, sizeof name, "%s.intermediate.dense", prefix);
    oai_value inner = oai_unary(b, OASSL_OP_GELU, oai_named_linear(e, h, c->ffn_width, name));
    snprintf(name, sizeof name, "%s.output.dense", prefix);
    h = oai_add(b, h, oai_named_linear(e, inner, c->width, name));
    snprintf(name, sizeof name, "%s.output.LayerNorm", prefix);
    return oai_named_norm(e, h, c->eps, name);
}

oai_value oai_bert_emit(oai_emitter *emitter, const oai_bert_config *config, oai_value ids, oai_value mask) {
    oai_builder *b = emitter->builder;
    if (oai_dim(b, ids, 1) > config->max_positions)
        return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "BERT: %lld tokens, at most %lld",
                                (long long)oai_dim(b, ids, 1), (long long)config->max_positions);
    oai_value h = embeddings(emitter, config, ids);
    for (int64_t i = 0; i < config->n_layers; i++) h = layer(emitter, config, h, mask, i);
    oai_scope(b, "%s", "");
    return h;
}

/* ---- weights ------------------------------------------------------------------------------------------------- */

/* `file`, or NULL: what is to fill it. */
static oassl_status create_store(const oai_host *host, const oai_bert_config *config, const oai_weights *file,
                                 oai_store **out_store) {
    oai_builder *builder;
    oai_emitter emitter;
    *out_store = NULL;
    OAI_TRY(oai_builder_create(host, &builder));
    oai_emitter_init(&emitter, host, builder, false);
    oai_value ids = oai_input(builder, "ids", OASSL_DTYPE_I32, 2, OAI_SHAPE(1, 1));
    oai_value mask = oai_input(builder, "mask", OASSL_DTYPE_F32, 4, OAI_SHAPE(1, 1, 1, 1));
    oai_bert_emit(&emitter, config, ids, mask);
    oassl_status status = oai_builder_status(builder);
    if (status == OASSL_STATUS_OK) status = oai_store_check_declared(file, emitter.params, emitter.n_params);
    if (status == OASSL_STATUS_OK) status = oai_store_create(host, emitter.params, emitter.n_params, out_store);
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
    return status;
}

oassl_status oai_bert_store_create(const oai_host *host, const oai_bert_config *config, oai_store **out_store) {
    return create_store(host, config, NULL, out_store);
}

/* `name` as this file calls it: with or without `bert.`, LayerNorm.gamma/beta in old files.  False: not there. */
static bool stored_name(const oai_weights *file, const char *name, char *out, size_t bytes) {
    const char *tail = strstr(name, "LayerNorm.");
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        const char *prefix = prefixed ? "bert." : "";
        snprintf(out, bytes, "%s%s", prefix, name);
        if (oai_weights_find(file, out)) return true;
        if (!tail) continue;
        snprintf(out, bytes, "%s%.*sLayerNorm.%s", prefix, (int)(tail - name), name,
                 strcmp(tail, "LayerNorm.weight") == 0 ? "gamma" : "beta");
        if (oai_weights_find(file, out)) return true;
    }
    return false;
}

static oassl_status read_all(const oai_store *store, const oai_weights *file) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *tensor = oai_store_at(store, i);
        char name[256];
        if (!stored_name(file, tensor->name, name, sizeof name))
            return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: tensor '%s' is missing", oai_weights_path(file),
                            tensor->name);
        OAI_TRY(oai_weights_read(file, name, tensor->rank, tensor->shape, tensor->data));
    }
    return OASSL_STATUS_OK;
}

/* Heads of pre-training (pooler.*, cls.*) are expected; anything else that is not read deserves a word. */
static void warn_unknown(const oai_host *host, const oai_store *store, const oai_weights *file) {
    for (uint32_t i = 0; i < oai_weights_count(file); i++) {
        const oai_stored_tensor *tensor = oai_weights_at(file, i);
        const char *name = tensor->name;
        if (strncmp(name, "bert.", 5) == 0) name += 5;
        const char *tail = strstr(name, "LayerNorm.");
        if (tail && (strcmp(tail, "LayerNorm.gamma") == 0 || strcmp(tail, "LayerNorm.beta") == 0)) continue;
        if (oai_weights_ignorable(tensor) || strncmp(name, "pooler.", 7) == 0 || strncmp(name, "cls.", 4) == 0)
            continue;
        if (oai_store_find(store, name)) continue;
        oai_log(host, OAI_LOG_WARN, "%s: tensor '%s' is not part of this BERT encoder", oai_weights_path(file),
                tensor->name);
        return;
    }
}

oassl_status oai_bert_load(const oai_host *host, const oai_bert_config *config, const char *path,
                           oai_store **out_store) {
    oai_weights *file;
    oai_store *store = NULL;
    *out_store = NULL;
    OAI_TRY(oai_weights_open(host, path, &file));
    oassl_status status = create_store(host, config, file, &store);
    if (status == OASSL_STATUS_OK) status = read_all(store, file);
    if (status == OASSL_STATUS_OK) warn_unknown(host, store, file);
    oai_weights_close(file);
    if (status != OASSL_STATUS_OK) {
        oai_store_destroy(store);
        return status;
    }
    *out_store = store;
    return OASSL_STATUS_OK;
}
