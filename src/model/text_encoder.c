#include "model/text_encoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "model/plan_pool.h"

/* Sequences are run in groups of MAX_GROUP or one by one, padded to a multiple of LENGTH_STEP: few plans serve all.
 * Each plan may hold a reordered copy of the weights, so few are kept. */
#define MAX_GROUP 16
#define LENGTH_STEP 16
#define MAX_PLANS 3

struct oai_text_encoder {
    oassl_context *context;
    const oai_host *host;
    oai_bert_config config;
    oai_store *store;
    oai_plan_pool *pool;
    char hash[17];
    char *folder;
};

/* key: sequences, padded length */
static oai_value emit(oai_emitter *emitter, const oai_bert_config *config, const int64_t *key, oai_value *io) {
    oai_builder *b = emitter->builder;
    io[0] = oai_input(b, "ids", OASSL_DTYPE_I32, 2, OAI_SHAPE(key[0], key[1]));
    io[1] = oai_input(b, "mask", OASSL_DTYPE_F32, 4, OAI_SHAPE(key[0], 1, 1, key[1]));
    io[2] = oai_input(b, "share", OASSL_DTYPE_F32, 3, OAI_SHAPE(key[0], 1, key[1])); /* of each token in the mean */
    oai_value last = oai_bert_emit(emitter, config, io[0], io[1]);
    oai_value pooled = oai_matmul(b, io[2], last, 0, 0);
    return oai_reshape(b, pooled, 2, OAI_SHAPE(key[0], config->width));
}

static oassl_status build(void *user, const int64_t key[OAI_POOL_KEY], oai_plan **out_plan, oai_value io[OAI_POOL_IO],
                          uint32_t *out_n_io) {
    const oai_text_encoder *encoder = user;
    oai_builder *builder;
    oai_emitter emitter;
    oassl_graph *graph = NULL;
    oassl_backend_param *params = NULL;
    uint32_t n_params = 0;
    OAI_TRY(oai_builder_create(encoder->host, &builder));
    oai_emitter_init(&emitter, encoder->host, builder, false);
    io[3] = emit(&emitter, &encoder->config, key, io);
    oai_output(builder, io[3]);
    *out_n_io = 4;
    oassl_status status = oai_builder_finish(builder, &graph);
    if (status == OASSL_STATUS_OK) status = oai_store_bind(encoder->store, &emitter, graph, &params, &n_params);
    if (status == OASSL_STATUS_OK) status = oai_plan_create(encoder->context, graph, params, n_params, NULL, out_plan);
    oai_free(encoder->host, params);
    oai_graph_destroy(encoder->host, graph);
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
    return status;
}

/* FNV-1a over configuration and weights; every 64th weight is enough to tell encoders apart. */
static void hash_encoder(oai_text_encoder *encoder) {
    uint64_t hash = 0xCBF29CE484222325u;
    const oai_bert_config *c = &encoder->config;
    const int64_t sizes[] = {c->vocab_size, c->width,         c->n_layers, c->n_heads,
                             c->ffn_width,  c->max_positions, c->n_types};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) hash = (hash ^ (uint64_t)sizes[i]) * 0x100000001B3u;
    for (uint32_t i = 0; i < oai_store_count(encoder->store); i++) {
        const oai_store_tensor *tensor = oai_store_at(encoder->store, i);
        for (int64_t k = 0; k < tensor->count; k += 64) {
            uint32_t bits;
            memcpy(&bits, &tensor->data[k], sizeof bits);
            hash = (hash ^ bits) * 0x100000001B3u;
        }
    }
    snprintf(encoder->hash, sizeof encoder->hash, "%016llx", (unsigned long long)hash);
}

static oassl_status open_into(oai_text_encoder *encoder, const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", folder);
    OAI_TRY(oai_bert_config_read(encoder->host, path, &encoder->config));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    OAI_TRY(oai_bert_load(encoder->host, &encoder->config, path, &encoder->store));
    OAI_TRY(oai_plan_pool_create(encoder->host, MAX_PLANS, build, encoder, &encoder->pool));
    hash_encoder(encoder);
    encoder->folder = oai_strdup(encoder->host, folder);
    return encoder->folder ? OASSL_STATUS_OK : oai_no_memory(strlen(folder), "a path");
}

oassl_status oai_text_encoder_open(oassl_context *context, const char *folder, oai_text_encoder **out_encoder) {
    const oai_host *host = oai_context_host(context);
    *out_encoder = NULL;
    oai_text_encoder *encoder = oai_calloc(host, 1, sizeof *encoder);
    if (!encoder) return oai_no_memory(sizeof *encoder, "a text encoder");
    encoder->context = context;
    encoder->host = host;
    oassl_status status = open_into(encoder, folder);
    if (status != OASSL_STATUS_OK) {
        oai_text_encoder_close(encoder);
        return status;
    }
    *out_encoder = encoder;
    return OASSL_STATUS_OK;
}

void oai_text_encoder_close(oai_text_encoder *encoder) {
    if (!encoder) return;
    oai_plan_pool_destroy(encoder->pool);
    oai_store_destroy(encoder->store);
    oai_free(encoder->host, encoder->folder);
    oai_free(encoder->host, encoder);
}

int64_t oai_text_encoder_dim(const oai_text_encoder *encoder) { return encoder->config.width; }
int64_t oai_text_encoder_max_tokens(const oai_text_encoder *encoder) { return encoder->config.max_positions; }
int64_t oai_text_encoder_vocab_size(const oai_text_encoder *encoder) { return encoder->config.vocab_size; }
const char *oai_text_encoder_folder(const oai_text_encoder *encoder) { return encoder->folder; }
const char *oai_text_encoder_hash(const oai_text_encoder *encoder) { return encoder->hash; }

/* ---- encoding ------------------------------------------------------------------------------------------------ */

typedef struct sequences {
    const int32_t *ids, *lengths;
    int64_t n, max_length;
    int32_t pooling;
} sequences;

static oassl_status check(const oai_text_encoder *encoder, const sequences *in) {
    if (in->pooling != OAI_POOLING_CLS && in->pooling != OAI_POOLING_MEAN)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "pooling %d is not known", in->pooling);
    for (int64_t i = 0; i < in->n; i++) {
        int64_t length = in->lengths[i], most = encoder->config.max_positions;
        if (length < 1 || length > in->max_length || length > most)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "token sequence %lld: length must be 1..%lld, found %lld",
                            (long long)i, (long long)(in->max_length < most ? in->max_length : most),
                            (long long)length);
        for (int64_t k = 0; k < length; k++) {
            int32_t id = in->ids[i * in->max_length + k];
            if (id < 0 || id >= encoder->config.vocab_size)
                return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "token sequence %lld: id %d at %lld is outside 0..%lld",
                                (long long)i, id, (long long)k, (long long)encoder->config.vocab_size - 1);
        }
    }
    return OASSL_STATUS_OK;
}

typedef struct group_buffers {
    int32_t *ids;        /* [MAX_GROUP, length] */
    float *mask, *share; /* [MAX_GROUP, length] */
    float *out;          /* [MAX_GROUP, width] */
} group_buffers;

/* Sequences first..first+n-1, padded to `rows` sequences of `length` tokens; surplus rows repeat the first one. */
static void fill_group(const sequences *in, int64_t first, int64_t n, int64_t rows, int64_t length, group_buffers *g) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t from = first + (row < n ? row : 0), used = in->lengths[from];
        for (int64_t k = 0; k < length; k++) {
            bool token = k < used;
            g->ids[row * length + k] = token ? in->ids[from * in->max_length + k] : 0;
            g->mask[row * length + k] = token ? 0.0f : -1e9f;
            g->share[row * length + k] = in->pooling == OAI_POOLING_CLS ? (float)(k == 0)
                                         : token                        ? 1.0f / (float)used
                                                                        : 0;
        }
    }
}

static oassl_status run_group(oai_text_encoder *encoder, const sequences *in, int64_t first, int64_t n, int64_t rows,
                              group_buffers *g, float *out) {
    int64_t length = 0;
    for (int64_t i = 0; i < n; i++)
        if (in->lengths[first + i] > length) length = in->lengths[first + i];
    length = (length + LENGTH_STEP - 1) / LENGTH_STEP * LENGTH_STEP;
    if (length > encoder->config.max_positions) length = encoder->config.max_positions;
    fill_group(in, first, n, rows, length, g);
    void *addresses[4] = {g->ids, g->mask, g->share, g->out};
    OAI_TRY(oai_plan_pool_run(encoder->pool, (const int64_t[OAI_POOL_KEY]){rows, length}, addresses, 4));
    memcpy(out + first * encoder->config.width, g->out, (size_t)(n * encoder->config.width) * sizeof *out);
    return OASSL_STATUS_OK;
}

oassl_status oai_text_encoder_encode(oai_text_encoder *encoder, const int32_t *ids, const int32_t *lengths, int64_t n,
                                     int64_t max_length, int32_t pooling, float *out) {
    sequences in = {ids, lengths, n, max_length, pooling};
    OAI_TRY(check(encoder, &in));
    int64_t positions = max_length + LENGTH_STEP;
    if (positions > encoder->config.max_positions + LENGTH_STEP)
        positions = encoder->config.max_positions + LENGTH_STEP;
    size_t cells = (size_t)(MAX_GROUP * positions), result = (size_t)(MAX_GROUP * encoder->config.width);
    float *memory = oai_alloc(encoder->host, (3 * cells + result) * sizeof(float));
    if (!memory) return oai_no_memory((3 * cells + result) * sizeof(float), "token buffers");
    group_buffers g = {(int32_t *)memory, memory + cells, memory + 2 * cells, memory + 3 * cells};
    oassl_status status = OASSL_STATUS_OK;
    for (int64_t first = 0, count; first < n && status == OASSL_STATUS_OK; first += count) {
        count = n - first < MAX_GROUP ? n - first : MAX_GROUP;
        status = run_group(encoder, &in, first, count, n == 1 ? 1 : MAX_GROUP, &g, out);
        if (status == OASSL_STATUS_OK && n > MAX_GROUP)
            status = oai_progress(encoder->host, "encode captions", (uint64_t)(first + count), (uint64_t)n);
    }
    oai_free(encoder->host, memory);
    return status;
}

/* ---- the built-in random encoder ------------------------------------------------------------------------------ */

static oassl_status write_vocab(const oai_host *host, const char *path, const char *const *vocab, uint32_t n) {
    oai_writer *writer;
    OAI_TRY(oai_writer_open(host, path, &writer));
    for (uint32_t i = 0; i < n; i++) {
        oassl_status status = oai_writer_write(writer, vocab[i], strlen(vocab[i]));
        if (status == OASSL_STATUS_OK) status = oai_writer_write(writer, "\n", 1);
        if (status != OASSL_STATUS_OK) {
            oai_writer_abort(writer);
            return status;
        }
    }
    return oai_writer_commit(writer);
}

/* BERT's own initialisation (0.02) leaves every sentence with nearly the same vector, which training would cure.
 * Untrained features must differ by themselves: unit-variance words and layers that pass the words' mixture on. */
static void spread(oai_store *store) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *tensor = oai_store_at(store, i);
        double deviation = 0.02;
        if (strstr(tensor->name, "word_embeddings")) deviation = 1;
        if (tensor->rank == 2 && strncmp(tensor->name, "encoder.", 8) == 0)
            deviation = (strstr(tensor->name, "self.value") || strstr(tensor->name, "attention.output") ? 2 : 1) /
                        sqrt((double)tensor->shape[1]);
        if (tensor->rank != 2) continue;
        for (int64_t k = 0; k < tensor->count; k++) tensor->data[k] *= (float)(deviation / 0.02);
    }
}

oassl_status oai_text_encoder_write_seeded(const oai_host *host, const char *folder, const char *const *vocab,
                                           uint32_t n_vocab, uint32_t n_layers, uint32_t width, uint32_t n_heads,
                                           uint64_t seed) {
    char path[4096];
    oai_store *store;
    oai_bert_config config = {n_vocab, width, n_layers, n_heads, 4 * (int64_t)width, 512, 2, 1e-12};
    if (n_vocab == 0 || strcmp(vocab[0], "[PAD]") != 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "vocabulary: token 0 must be [PAD]");
    OAI_TRY(oai_bert_config_check(&config, "seeded text encoder"));
    OAI_TRY(oai_make_directories(folder));
    snprintf(path, sizeof path, "%s/config.json", folder);
    OAI_TRY(oai_bert_config_write(host, path, &config));
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    OAI_TRY(write_vocab(host, path, vocab, n_vocab));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    OAI_TRY(oai_bert_store_create(host, &config, &store));
    oai_store_initialize(store, seed);
    spread(store);
    oassl_status status = oai_store_save(store, path);
    oai_store_destroy(store);
    return status;
}
