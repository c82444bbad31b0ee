/* CLIP's text transformer and a sentence encoder against transformers on formula weights, on both backends; OpenAI's
 * key names; what a folder says about pooling and length. */
#include "support/two_backends.h"

#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "data/clip_parity.h"
#include "model/bert.h"
#include "model/clip_text.h"
#include "model/text_encoder.h"

enum { HUGGING_FACE, HUGGING_FACE_PREFIXED, OPENAI };

static void put_text(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    MUST(oai_file_write(&oai_default_host, path, text, strlen(text)));
}

static void put_config(const parity_text *p, const char *folder) {
    char text[1024];
    const char *sizes =
        "\"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d, "
        "\"intermediate_size\": %d, \"max_position_embeddings\": %d";
    int n = snprintf(text, sizeof text,
                     p->clip ? "{\"model_type\": \"clip_text_model\", \"hidden_act\": \"quick_gelu\", "
                             : "{\"model_type\": \"bert\", ");
    n += snprintf(text + n, sizeof text - (size_t)n, sizes, p->vocab, p->width, p->layers, p->heads, p->ffn,
                  p->positions);
    if (p->projection) n += snprintf(text + n, sizeof text - (size_t)n, ", \"projection_dim\": %d", p->projection);
    snprintf(text + n, sizeof text - (size_t)n, "}");
    put_text(folder, "config.json", text);
}

static oai_store *make_store(const parity_text *p) {
    oai_store *store;
    oai_bert_config bert = {p->vocab, p->width, p->layers, p->heads, p->ffn, p->positions, 2, 1e-12};
    oai_clip_text_config clip = {p->vocab,     p->width,      p->layers, p->heads,           p->ffn,
                                 p->positions, p->projection, 1e-5,      OASSL_OP_QUICK_GELU};
    MUST(p->clip ? oai_clip_text_store_create(&oai_default_host, &clip, &store)
                 : oai_bert_store_create(&oai_default_host, &bert, &store));
    fill_store(store, 0);
    return store;
}

/* ---- writing the tensors under their published names ------------------------------------------------------------ */

typedef struct named {
    char names[256][192];
    float *own[256]; /* to be freed */
    oai_stored_tensor tensors[256];
    uint32_t n;
} named;

static void add(named *all, const char *name, int32_t rank, int64_t rows, int64_t columns, const float *data,
                float *own) {
    snprintf(all->names[all->n], sizeof all->names[0], "%s", name);
    all->own[all->n] = own;
    all->tensors[all->n] = (oai_stored_tensor){.name = all->names[all->n],
                                               .dtype = OASSL_DTYPE_F32,
                                               .rank = rank,
                                               .shape = {rows, columns},
                                               .data = data,
                                               .bytes = (size_t)(rows * (rank == 2 ? columns : 1)) * sizeof(float)};
    all->n++;
}

static const oai_store_tensor *get(const oai_store *store, const char *format, int layer, const char *tail) {
    char name[128];
    snprintf(name, sizeof name, format, layer, tail);
    const oai_store_tensor *t = oai_store_find(store, name);
    assert_non_null(t);
    return t;
}

static void add_openai_layer(named *all, const oai_store *store, const parity_text *p, int layer) {
    static const char *const names[][2] = {{"layer_norm1", "ln_1"},
                                           {"layer_norm2", "ln_2"},
                                           {"mlp.fc1", "mlp.c_fc"},
                                           {"mlp.fc2", "mlp.c_proj"},
                                           {"self_attn.out_proj", "attn.out_proj"}};
    static const char *const tails[2] = {"weight", "bias"};
    char name[128];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "encoder.layers.%d.%s.%s", layer, names[i / 2][0], tails[i % 2]);
        const oai_store_tensor *t = oai_store_find(store, name);
        assert_non_null(t);
        snprintf(name, sizeof name, "transformer.resblocks.%d.%s.%s", layer, names[i / 2][1], tails[i % 2]);
        add(all, name, t->rank, t->shape[0], t->shape[1], t->data, NULL);
    }
    for (int i = 0; i < 2; i++) { /* q, k and v stacked */
        int64_t part = (int64_t)p->width * (i ? 1 : p->width);
        float *whole = malloc(3 * (size_t)part * sizeof *whole);
        assert_non_null(whole);
        for (int role = 0; role < 3; role++) {
            snprintf(name, sizeof name, "encoder.layers.%d.self_attn.%c_proj.%s", layer, "qkv"[role], tails[i]);
            memcpy(whole + role * part, oai_store_find(store, name)->data, (size_t)part * sizeof *whole);
        }
        snprintf(name, sizeof name, "transformer.resblocks.%d.attn.in_proj_%s", layer, tails[i]);
        add(all, name, i ? 1 : 2, 3 * p->width, p->width, whole, whole);
    }
}

static void add_openai(named *all, const oai_store *store, const parity_text *p) {
    const oai_store_tensor *t = get(store, "embeddings.token_embedding.weight", 0, "");
    add(all, "token_embedding.weight", 2, t->shape[0], t->shape[1], t->data, NULL);
    t = get(store, "embeddings.position_embedding.weight", 0, "");
    add(all, "positional_embedding", 2, t->shape[0], t->shape[1], t->data, NULL);
    add(all, "ln_final.weight", 1, p->width, 0, get(store, "final_layer_norm.weight", 0, "")->data, NULL);
    add(all, "ln_final.bias", 1, p->width, 0, get(store, "final_layer_norm.bias", 0, "")->data, NULL);
    t = get(store, "text_projection.weight", 0, "");
    float *turned = malloc((size_t)t->count * sizeof *turned);
    assert_non_null(turned);
    for (int64_t i = 0; i < t->shape[0]; i++)
        for (int64_t j = 0; j < t->shape[1]; j++) turned[j * t->shape[0] + i] = t->data[i * t->shape[1] + j];
    add(all, "text_projection", 2, t->shape[1], t->shape[0], turned, turned);
    for (int i = 0; i < p->layers; i++) add_openai_layer(all, store, p, i);
    add(all, "logit_scale", 1, 1, 0, t->data, NULL); /* and others that are no part of the text encoder */
    add(all, "visual.proj", 2, t->shape[0], t->shape[1], t->data, NULL);
}

static void write_folder(const parity_text *p, const char *folder, int naming) {
    static named all;
    char path[512], name[192];
    all.n = 0;
    MUST(oai_make_directories(folder));
    oai_store *store = make_store(p);
    if (naming == OPENAI) add_openai(&all, store, p);
    for (uint32_t i = 0; naming != OPENAI && i < oai_store_count(store); i++) {
        const oai_store_tensor *t = oai_store_at(store, i);
        bool inside = strncmp(t->name, "text_projection", 15) != 0;
        snprintf(name, sizeof name, "%s%s", naming == HUGGING_FACE_PREFIXED && inside ? "text_model." : "", t->name);
        add(&all, name, t->rank, t->shape[0], t->shape[1], t->data, NULL);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    MUST(oai_safetensors_write(&oai_default_host, path, all.tensors, all.n, NULL, 0));
    for (uint32_t i = 0; i < all.n; i++) free(all.own[i]);
    oai_store_destroy(store);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    if (naming != OPENAI) put_config(p, folder);
}

/* ---- comparing ---------------------------------------------------------------------------------------------------
 */

static void fill_ids(const parity_text *p, int32_t *ids, int32_t *lengths) {
    for (int i = 0; i < p->batch * p->length; i++)
        ids[i] = (int32_t)(formula_bits(formula_hash("ids"), (uint64_t)i) % (uint64_t)(p->vocab - 1));
    for (int i = 0; i < p->batch; i++) {
        lengths[i] = p->length - 5 * i > 1 ? p->length - 5 * i : 1;
        ids[i * p->length + lengths[i] - 1] = p->vocab - 1;
    }
}

static void check_text(oassl_context *context, const char *backend, const parity_text *p, int naming) {
    static int32_t ids[1024], lengths[8];
    static float out[8192], one[1024];
    char folder[256];
    int64_t d = p->projection ? p->projection : p->width;
    snprintf(folder, sizeof folder, "%s/text_%d_%d_%d", OASSL_TEST_TMP, p->width, p->projection, naming);
    write_folder(p, folder, naming);
    fill_ids(p, ids, lengths);
    oai_text_encoder *encoder;
    MUST(oai_text_encoder_open(context, folder, &encoder));
    assert_int_equal(oai_text_encoder_dim(encoder), d);
    assert_int_equal(oai_text_encoder_max_tokens(encoder), p->positions);
    int32_t pooling = p->clip ? OAI_POOLING_FOLDER : OAI_POOLING_MEAN;
    MUST(oai_text_encoder_encode(encoder, ids, lengths, p->batch, p->length, pooling, out));
    double worst = 0;
    for (int k = 0; k < CLIP_SAMPLES; k++)
        worst = fmax(worst, fabs(out[formula_sample("out", p->batch * d, k)] - p->values[k]));
    print_message("%s: %s, %d layers of %d -> %d: largest difference %.1e of the largest output\n", backend,
                  p->clip ? "CLIP" : "BERT", p->layers, p->width, (int)d, worst / p->largest);
    assert_true(worst <= 1e-4 * p->largest);
    /* alone and unpadded it is the same */
    for (int i = 0; i < p->batch; i++) {
        MUST(oai_text_encoder_encode(encoder, ids + i * p->length, lengths + i, 1, lengths[i], pooling, one));
        for (int64_t k = 0; k < d; k++) assert_true(fabs(one[k] - out[i * d + k]) <= 1e-4 * p->largest);
    }
    oai_text_encoder_close(encoder);
}

static void against_transformers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof parity_texts / sizeof *parity_texts; i++) {
        bool large = parity_texts[i].width >= 384;
        if (!large || !fast)
            check_text(reference, "reference", &parity_texts[i], HUGGING_FACE_PREFIXED * parity_texts[i].clip);
        if (fast) check_text(fast, "onednn", &parity_texts[i], HUGGING_FACE);
    }
    check_text(reference, "reference", &parity_texts[1], HUGGING_FACE);
    check_text(reference, "reference, OpenAI", &parity_texts[1], OPENAI);
}

/* Each length from one to the longest, with the end token anywhere. */
static void every_length(void **state) {
    (void)state;
    const parity_text *p = &parity_texts[2];
    const char *folder = OASSL_TEST_TMP "/text_lengths";
    static int32_t ids[20 * 20], lengths[20];
    static float batch[20 * 48], one[48];
    write_folder(p, folder, HUGGING_FACE);
    for (int i = 0; i < 20; i++) {
        lengths[i] = i + 1;
        for (int k = 0; k < 20; k++) ids[i * 20 + k] = (7 * i + 3 * k) % 48;
        ids[i * 20 + i / 2] = 49; /* the first largest counts, */
        ids[i * 20 + i] = 49;     /* not this one */
    }
    oassl_context *contexts[2] = {reference, fast};
    for (int c = 0; c < 2 && contexts[c]; c++) {
        oai_text_encoder *encoder;
        MUST(oai_text_encoder_open(contexts[c], folder, &encoder));
        MUST(oai_text_encoder_encode(encoder, ids, lengths, 20, 20, OAI_POOLING_FOLDER, batch));
        for (int i = 0; i < 20; i++) {
            int32_t until = i / 2 + 1; /* what follows the end token is not seen */
            MUST(oai_text_encoder_encode(encoder, ids + i * 20, &until, 1, 20, OAI_POOLING_FOLDER, one));
            for (int k = 0; k < 48; k++) assert_true(fabs(one[k] - batch[i * 48 + k]) <= 1e-4 * p->largest);
        }
        oai_text_encoder_close(encoder);
    }
}

/* ---- folders -----------------------------------------------------------------------------------------------------
 */

static void expect_error(oassl_status found, oassl_status expected, const char *part) {
    if (found != expected) fail_msg("expected status %d, found %d: %s", expected, found, oassl_last_error());
    if (!strstr(oassl_last_error(), part)) fail_msg("'%s' does not name '%s'", oassl_last_error(), part);
}

static void sentence_folder(void **state) {
    (void)state;
    const parity_text small = {0, 2, 32, 4, 64, 50, 40, 0, 1, 9, 0, {0}};
    const char *folder = OASSL_TEST_TMP "/text_sentence";
    int32_t ids[9], length[1];
    float cls[32], mean[32], own[32];
    const char *name;
    oai_text_encoder *encoder;
    write_folder(&small, folder, HUGGING_FACE);
    MUST(oai_make_directories(OASSL_TEST_TMP "/text_sentence/1_Pooling"));
    put_text(folder, "1_Pooling/config.json",
             "{\"pooling_mode_cls_token\": false, \"pooling_mode_mean_tokens\": true}");
    put_text(folder, "sentence_bert_config.json", "{\"max_seq_length\": 16}");
    fill_ids(&small, ids, length);
    MUST(oai_text_encoder_open(reference, folder, &encoder));
    assert_int_equal(oai_text_encoder_max_tokens(encoder), 16);
    MUST(oai_text_encoder_pooling(encoder, OAI_POOLING_FOLDER, &name));
    assert_string_equal(name, "mean");
    MUST(oai_text_encoder_encode(encoder, ids, length, 1, 9, OAI_POOLING_FOLDER, own));
    MUST(oai_text_encoder_encode(encoder, ids, length, 1, 9, OAI_POOLING_MEAN, mean));
    MUST(oai_text_encoder_encode(encoder, ids, length, 1, 9, OAI_POOLING_CLS, cls));
    assert_memory_equal(own, mean, sizeof own);
    assert_memory_not_equal(own, cls, sizeof own);
    oai_text_encoder_close(encoder);
    put_text(folder, "1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}");
    MUST(oai_text_encoder_open(reference, folder, &encoder));
    MUST(oai_text_encoder_encode(encoder, ids, length, 1, 9, OAI_POOLING_FOLDER, own));
    assert_memory_equal(own, cls, sizeof own);
    oai_text_encoder_close(encoder);
    put_text(folder, "1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}");
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_UNSUPPORTED, "1_Pooling");
    assert_null(encoder);
}

static void bad_folders(void **state) {
    (void)state;
    const char *folder = OASSL_TEST_TMP "/text_bad";
    oai_text_encoder *encoder;
    float out[64];
    const char *name;
    int32_t ids[2] = {1, 49}, length[1] = {2};
    write_folder(&parity_texts[2], folder, HUGGING_FACE);
    MUST(oai_text_encoder_open(reference, folder, &encoder));
    expect_error(oai_text_encoder_encode(encoder, ids, length, 1, 2, OAI_POOLING_MEAN, out), OASSL_STATUS_UNSUPPORTED,
                 "end token");
    expect_error(oai_text_encoder_encode(encoder, ids, length, 1, 2, 7, out), OASSL_STATUS_INVALID_ARGUMENT,
                 "pooling 7");
    MUST(oai_text_encoder_pooling(encoder, OAI_POOLING_CLS, &name));
    assert_string_equal(name, "end");
    oai_text_encoder_close(encoder);
    put_text(folder, "config.json", "{\"model_type\": \"clip\", \"text_config\": {\"hidden_act\": \"relu\"}}");
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_UNSUPPORTED, "hidden_act");
    put_text(folder, "config.json", "{\"model_type\": \"clip\", \"text_config\": {\"hidden_size\": 64}}");
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_SHAPE_MISMATCH, "token_embedding");
    put_text(folder, "config.json", "{\"model_type\": \"t5\"}");
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_UNSUPPORTED, "model_type");
    write_folder(&(parity_text){0, 2, 32, 4, 64, 50, 40, 0, 1, 9, 0, {0}}, folder, HUGGING_FACE);
    unlink(OASSL_TEST_TMP "/text_bad/config.json");
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_FORMAT, "token_embedding.weight");
    assert_null(encoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_transformers), cmocka_unit_test(every_length),
                                       cmocka_unit_test(sentence_folder), cmocka_unit_test(bad_folders)};
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
