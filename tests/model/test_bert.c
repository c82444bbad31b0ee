/* BERT against transformers on formula weights, the naming rules of published files, the seeded encoder, and the block
 * known answers of the specification. */
#include "support/two_backends.h"

#include "base/file.h"
#include "data/net_parity.h"
#include "model/bert.h"
#include "model/text_encoder.h"
#include "oassl/encoder.h"

enum { NAMES_PLAIN, NAMES_BERT_PREFIX, NAMES_GAMMA };

/* A Hugging Face folder with formula weights under one of the namings found in published files. */
static void write_folder(const parity_bert *p, const char *folder, int naming) {
    oai_bert_config config = {p->vocab, p->width, p->layers, p->heads, p->ffn, p->positions, 2, 1e-12};
    oai_store *store;
    char path[512], names[512][128];
    oai_stored_tensor tensors[512];
    MUST(oai_make_directories(folder));
    snprintf(path, sizeof path, "%s/config.json", folder);
    MUST(oai_bert_config_write(&oai_default_host, path, &config));
    MUST(oai_bert_store_create(&oai_default_host, &config, &store));
    fill_store(store, 0);
    uint32_t n = oai_store_count(store);
    assert_true(n < 510);
    for (uint32_t i = 0; i < n; i++) {
        const oai_store_tensor *t = oai_store_at(store, i);
        const char *norm = strstr(t->name, "LayerNorm.");
        if (naming == NAMES_GAMMA && norm)
            snprintf(names[i], sizeof names[i], "bert.%.*sLayerNorm.%s", (int)(norm - t->name), t->name,
                     strcmp(norm, "LayerNorm.weight") == 0 ? "gamma" : "beta");
        else
            snprintf(names[i], sizeof names[i], "%s%s", naming == NAMES_PLAIN ? "" : "bert.", t->name);
        tensors[i] = (oai_stored_tensor){.name = names[i],
                                         .dtype = OASSL_DTYPE_F32,
                                         .rank = t->rank,
                                         .data = t->data,
                                         .bytes = (size_t)t->count * sizeof(float)};
        memcpy(tensors[i].shape, t->shape, sizeof t->shape);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    MUST(oai_safetensors_write(&oai_default_host, path, tensors, n, NULL, 0));
    oai_store_destroy(store);
}

static void fill_ids(const parity_bert *p, int32_t *ids, int32_t *lengths) {
    for (int i = 0; i < p->batch * p->length; i++)
        ids[i] = (int32_t)(formula_bits(formula_hash("ids"), (uint64_t)i) % (uint64_t)p->vocab);
    for (int i = 0; i < p->batch; i++) lengths[i] = p->length - 5 * i;
}

static double compare(const parity_bert *p, const char *name, const float *found, const double *expected) {
    double worst = 0;
    for (int k = 0; k < PARITY_SAMPLES; k++)
        worst = fmax(worst, fabs(found[formula_sample(name, (int64_t)p->batch * p->width, k)] - expected[k]));
    return worst / p->largest;
}

static void check_bert(oassl_context *context, const char *backend, const parity_bert *p, int naming) {
    static int32_t ids[4096], lengths[16];
    static float cls[8192], mean[8192];
    char folder[256];
    snprintf(folder, sizeof folder, "%s/bert_%d_%d", OASSL_TEST_TMP, p->width, naming);
    write_folder(p, folder, naming);
    fill_ids(p, ids, lengths);
    oai_text_encoder *encoder;
    MUST(oai_text_encoder_open(context, folder, &encoder));
    assert_int_equal(oai_text_encoder_dim(encoder), p->width);
    double start = seconds();
    MUST(oai_text_encoder_encode(encoder, ids, lengths, p->batch, p->length, OAI_POOLING_CLS, cls));
    MUST(oai_text_encoder_encode(encoder, ids, lengths, p->batch, p->length, OAI_POOLING_MEAN, mean));
    double error = fmax(compare(p, "cls", cls, p->cls), compare(p, "mean", mean, p->mean));
    print_message("%s: %d layers of %d: largest difference %.1e of the largest output (%.2f s)\n", backend, p->layers,
                  p->width, error, seconds() - start);
    assert_true(error <= 1e-4);
    /* what lies behind a length does not matter, nor who else is in the batch */
    for (int k = lengths[1]; k < p->length; k++) ids[p->length + k] = 0;
    MUST(oai_text_encoder_encode(encoder, ids + p->length, lengths + 1, 1, p->length, OAI_POOLING_CLS, mean));
    for (int k = 0; k < p->width; k++) assert_true(fabs(mean[k] - cls[p->width + k]) <= 1e-4 * p->largest);
    oai_text_encoder_close(encoder);
}

static void against_transformers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof parity_berts / sizeof *parity_berts; i++) {
        check_bert(reference, "reference", &parity_berts[i], NAMES_PLAIN);
        if (fast) check_bert(fast, "onednn", &parity_berts[i], NAMES_PLAIN);
    }
}

static void published_names(void **state) {
    (void)state;
    check_bert(reference, "bert. prefix", &parity_berts[2], NAMES_BERT_PREFIX);
    check_bert(reference, "gamma, beta", &parity_berts[2], NAMES_GAMMA);
}

/* ---- errors ------------------------------------------------------------------------------------------------------
 */

static void expect_error(oassl_status found, oassl_status expected, const char *part) {
    if (found != expected) fail_msg("expected status %d, found %d: %s", expected, found, oassl_last_error());
    if (!strstr(oassl_last_error(), part)) fail_msg("'%s' does not name '%s'", oassl_last_error(), part);
}

static void bad_folders(void **state) {
    (void)state;
    const char *folder = OASSL_TEST_TMP "/bert_bad", *path = OASSL_TEST_TMP "/bert_bad/config.json";
    oai_text_encoder *encoder;
    write_folder(&parity_berts[2], folder, NAMES_PLAIN);
    const char *text = "{\"hidden_size\": 30, \"num_attention_heads\": 4}";
    MUST(oai_file_write(&oai_default_host, path, text, strlen(text)));
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_FORMAT, "num_attention_heads");
    text = "{\"hidden_act\": \"silu\"}";
    MUST(oai_file_write(&oai_default_host, path, text, strlen(text)));
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_UNSUPPORTED, "hidden_act");
    text = "{\"hidden_size\": 64, \"num_attention_heads\": 4, \"num_hidden_layers\": 2, \"vocab_size\": 50}";
    MUST(oai_file_write(&oai_default_host, path, text, strlen(text)));
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_SHAPE_MISMATCH, "word_embeddings");
    text = "{\"hidden_size\": 32, \"num_attention_heads\": 4, \"num_hidden_layers\": 3, \"intermediate_size\": 80, "
           "\"vocab_size\": 50, \"max_position_embeddings\": 40}";
    MUST(oai_file_write(&oai_default_host, path, text, strlen(text)));
    expect_error(oai_text_encoder_open(reference, folder, &encoder), OASSL_STATUS_NOT_FOUND, "encoder.layer.2.");
    assert_null(encoder);
    expect_error(oai_text_encoder_open(reference, OASSL_TEST_TMP "/nowhere", &encoder), OASSL_STATUS_NOT_FOUND,
                 "config.json");
}

/* ---- the seeded encoder ------------------------------------------------------------------------------------------
 */

static void seeded_encoder(void **state) {
    (void)state;
    static const char *const vocab[] = {"[PAD]", "[UNK]",   "[CLS]",  "[SEP]", "[MASK]", "a",    "man",
                                        "dog",   "playing", "guitar", "drum",  "wall",   "with", "the"};
    static const char *const texts[] = {"a man playing guitar", "a dog with the drum", "the wall"};
    const char *folder = OASSL_TEST_TMP "/bert_seeded";
    oassl_encoder *encoder;
    float out[3][64], again[64];
    MUST(oai_text_encoder_write_seeded(&oai_default_host, folder, vocab, 14, 2, 64, 4, 7));
    MUST(oassl_encoder_create_text(reference, folder, &encoder));
    oassl_tensor view = {.data = out,
                         .device = OASSL_DEVICE_CPU,
                         .dtype = OASSL_DTYPE_F32,
                         .rank = 2,
                         .shape = {3, 64},
                         .strides = {64, 1}};
    MUST(oassl_encoder_texts(encoder, texts, 3, OASSL_POOLING_MEAN, &view));
    /* different sentences, clearly different vectors */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++) {
            double dot = 0, a = 0, b = 0;
            for (int k = 0; k < 64; k++)
                dot += out[i][k] * out[j][k], a += out[i][k] * out[i][k], b += out[j][k] * out[j][k];
            print_message("cosine of '%s' and '%s': %.2f\n", texts[i], texts[j], dot / sqrt(a * b));
            assert_true(dot / sqrt(a * b) < 0.9);
        }
    view.data = again;
    view.shape[0] = 1;
    MUST(oassl_encoder_texts(encoder, texts + 1, 1, OASSL_POOLING_MEAN, &view));
    for (int k = 0; k < 64; k++) assert_true(fabs(again[k] - out[1][k]) < 1e-4);
    oassl_encoder_destroy(encoder);
}

/* ---- block known answers (kat/models.json)
 * -------------------------------------------------------------------------- */

typedef oai_value (*block_fn)(oai_builder *b, oai_value x);
static oai_value gelu(oai_builder *b, oai_value x) { return oai_unary(b, OASSL_OP_GELU, x); }
static oai_value quick_gelu(oai_builder *b, oai_value x) { return oai_unary(b, OASSL_OP_QUICK_GELU, x); }
static oai_value norm(oai_builder *b, oai_value x, double eps) {
    static const double ones[4] = {1, 1, 1, 1}, zeros[4];
    int64_t n = oai_dim(b, x, 0);
    return oai_layer_norm(b, x, oai_constant(b, OASSL_DTYPE_F64, 1, &n, ones),
                          oai_constant(b, OASSL_DTYPE_F64, 1, &n, zeros), eps);
}
static oai_value norm5(oai_builder *b, oai_value x) { return norm(b, x, 1e-5); }
static oai_value norm12(oai_builder *b, oai_value x) { return norm(b, x, 1e-12); }

static void check_block(block_fn block, int64_t n, const double *x, const double *expected) {
    oai_builder *b;
    double y[8];
    MUST(oai_builder_create(&oai_default_host, &b));
    oai_value in = oai_input(b, "x", OASSL_DTYPE_F64, 1, &n), out = block(b, in);
    oai_output(b, out);
    run_builder(reference, b, (binding[]){{in, (void *)x}, {out, y}}, 2);
    for (int64_t i = 0; i < n; i++) assert_true(fabs(y[i] - expected[i]) <= 1e-11 * (1 + fabs(expected[i])));
    oai_builder_destroy(b);
}

static void block_known_answers(void **state) {
    (void)state;
    static const double x[6] = {-3, -1, -0.1, 0, 0.5, 2}, h[4] = {0.884, 0.73, 0.631, 0.587};
    check_block(
        gelu, 6, x,
        (const double[]){-0.00404969409489, -0.158655253931, -0.0460172162723, 0, 0.345731230637, 1.9544997361});
    check_block(
        quick_gelu, 6, x,
        (const double[]){-0.0180713097078, -0.154204234067, -0.0457552419164, 0, 0.350388436606, 1.93565862314});
    check_block(norm5, 4, h, (const double[]){1.54258418535, 0.192823023169, -0.67488058109, -1.06052662743});
    check_block(norm12, 4, h, (const double[]){1.54317703089, 0.192897128861, -0.675139951013, -1.06093420873});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_transformers), cmocka_unit_test(published_names),
                                       cmocka_unit_test(bad_folders), cmocka_unit_test(seeded_encoder),
                                       cmocka_unit_test(block_known_answers)};
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
