#include "model/text_encoder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "model/bert.h"
#include "model/clip_text.h"
#include "model/plan_pool.h"

/* Sequences are run in groups of 32, of 16, or one by one, shortest first, padded to a multiple of a step: few plans
 * serve all.  Compiling one takes as long as encoding a dozen sentences, so only who has very many asks for fine
 * steps. Each plan may hold a reordered copy of the weights: of large ones few are kept. */
#define MAX_GROUP 32
#define SMALL_GROUP 16
#define LENGTH_STEP 16
#define FINE_STEP 4
#define MAX_PLANS 4
#define LARGE_WEIGHTS ((int64_t)32 << 20) /* scalars */

struct oai_text_encoder {
    oassl_context *context;
    const oai_host *host;
    bool clip;
    union {
        oai_bert_config bert;
        oai_clip_text_config clip_text;
    };
    int64_t width, vocab_size, max_positions; /* of the configuration */
    int64_t max_tokens;                       /* texts are cut to so many */
    int32_t pooling;                          /* what OAI_POOLING_FOLDER means */
    int64_t step;                             /* lengths are padded to a multiple of it */
    oai_store *store;
    oai_plan_pool *pool;
    char *folder;
};

/* key: sequences, padded length -> io: ids, mask (BERT's), share of each token in the result, result */
static uint32_t emit(oai_emitter *emitter, const oai_text_encoder *encoder, const int64_t *key, oai_value *io) {
    oai_builder *b = emitter->builder;
    uint32_t n = 0;
    oai_value ids = io[n++] = oai_input(b, "ids", OASSL_DTYPE_I32, 2, OAI_SHAPE(key[0], key[1]));
    oai_value share = io[n++] = oai_input(b, "share", OASSL_DTYPE_F32, 3, OAI_SHAPE(key[0], 1, key[1]));
    oai_value out;
    if (encoder->clip) {
        out = oai_clip_text_emit(emitter, &encoder->clip_text, ids, share);
    } else {
        oai_value mask = io[n++] = oai_input(b, "mask", OASSL_DTYPE_F32, 4, OAI_SHAPE(key[0], 1, 1, key[1]));
        oai_value pooled = oai_matmul(b, share, oai_bert_emit(emitter, &encoder->bert, ids, mask), 0, 0);
        out = oai_reshape(b, pooled, 2, OAI_SHAPE(key[0], encoder->width));
    }
    oai_output(b, out);
    io[n++] = out;
    return n;
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
    *out_n_io = emit(&emitter, encoder, key, io);
    oassl_status status = oai_builder_finish(builder, &graph);
    if (status == OASSL_STATUS_OK) status = oai_store_bind(encoder->store, &emitter, graph, &params, &n_params);
    if (status == OASSL_STATUS_OK) status = oai_plan_create(encoder->context, graph, params, n_params, NULL, out_plan);
    oai_free(encoder->host, params);
    oai_graph_destroy(encoder->host, graph);
    oai_emitter_free(&emitter);
    oai_builder_destroy(builder);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

/* The object in `folder`/`name`, NULL without such a file. */
static oassl_status load_optional(const oai_host *host, const char *folder, const char *name, json_t **out_object) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *out_object = NULL;
    return access(path, F_OK) == 0 ? oai_json_load(host, path, out_object) : OASSL_STATUS_OK;
}

/* 1_Pooling/config.json and sentence_bert_config.json of sentence-transformers; others have neither. */
static oassl_status read_sentence_files(oai_text_encoder *encoder, const char *folder) {
    json_t *pooling, *lengths;
    bool mean = false, cls = false;
    oassl_status status = OASSL_STATUS_OK;
    OAI_TRY(load_optional(encoder->host, folder, "1_Pooling/config.json", &pooling));
    if (pooling) {
        if (oai_json_has(pooling, "pooling_mode_mean_tokens"))
            status = oai_json_boolean(pooling, "pooling_mode_mean_tokens", &mean);
        if (status == OASSL_STATUS_OK && oai_json_has(pooling, "pooling_mode_cls_token"))
            status = oai_json_boolean(pooling, "pooling_mode_cls_token", &cls);
        json_decref(pooling);
        if (status == OASSL_STATUS_OK && mean == cls)
            status = oai_fail(OASSL_STATUS_UNSUPPORTED, "expected pooling_mode_cls_token or pooling_mode_mean_tokens");
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s/1_Pooling/config.json", folder);
        if (mean) encoder->pooling = OAI_POOLING_MEAN;
    }
    OAI_TRY(load_optional(encoder->host, folder, "sentence_bert_config.json", &lengths));
    if (lengths && oai_json_has(lengths, "max_seq_length")) {
        int64_t most;
        status = oai_json_integer(lengths, "max_seq_length", 2, 1 << 20, &most);
        if (status != OASSL_STATUS_OK)
            oai_fail_within(status, "%s/sentence_bert_config.json", folder);
        else if (most < encoder->max_tokens)
            encoder->max_tokens = most;
    }
    json_decref(lengths);
    return status;
}

static oassl_status read_clip(oai_text_encoder *encoder, const char *config_path, const char *weights_path) {
    const oai_host *host = encoder->host;
    oai_clip_text_config *c = &encoder->clip_text;
    encoder->clip = true;
    OAI_TRY(config_path ? oai_clip_text_config_read(host, config_path, c)
                        : oai_clip_text_config_infer(host, weights_path, c));
    OAI_TRY(oai_clip_text_load(host, c, weights_path, &encoder->store));
    encoder->width = c->projection ? c->projection : c->width;
    encoder->vocab_size = c->vocab_size;
    encoder->max_positions = encoder->max_tokens = c->max_positions;
    return OASSL_STATUS_OK;
}

static oassl_status read_bert(oai_text_encoder *encoder, const char *config_path, const char *weights_path) {
    oai_bert_config *c = &encoder->bert;
    OAI_TRY(oai_bert_config_read(encoder->host, config_path, c));
    OAI_TRY(oai_bert_load(encoder->host, c, weights_path, &encoder->store));
    encoder->width = c->width;
    encoder->vocab_size = c->vocab_size;
    encoder->max_positions = encoder->max_tokens = c->max_positions;
    return OASSL_STATUS_OK;
}

/* Whether config.json is CLIP's; one that names no type is taken for BERT's. */
static oassl_status is_clip(const oai_host *host, const char *path, bool *out_clip) {
    json_t *object;
    const char *type = "";
    OAI_TRY(oai_json_load(host, path, &object));
    oassl_status status = OASSL_STATUS_OK;
    if (oai_json_has(object, "model_type")) status = oai_json_string(object, "model_type", &type);
    *out_clip = status == OASSL_STATUS_OK && (strcmp(type, "clip") == 0 || strcmp(type, "clip_text_model") == 0);
    json_decref(object);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s", path);
}

static oassl_status open_into(oai_text_encoder *encoder, const char *folder) {
    char config[PATH_MAX], weights[PATH_MAX];
    const oai_host *host = encoder->host;
    if (strlen(folder) > sizeof config - 64)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "folder name of %zu bytes is too long", strlen(folder));
    snprintf(config, sizeof config, "%s/config.json", folder);
    snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    bool configured = access(config, F_OK) == 0 || access(weights, F_OK) != 0, clip = !configured;
    if (configured) OAI_TRY(is_clip(host, config, &clip));
    OAI_TRY(clip ? read_clip(encoder, configured ? config : NULL, weights) : read_bert(encoder, config, weights));
    encoder->pooling = OAI_POOLING_CLS;
    if (!clip) OAI_TRY(read_sentence_files(encoder, folder));
    encoder->step = LENGTH_STEP;
    uint32_t n_plans = oai_store_n_learned(encoder->store) < LARGE_WEIGHTS ? MAX_PLANS : 1;
    OAI_TRY(oai_plan_pool_create(host, n_plans, build, encoder, &encoder->pool));
    encoder->folder = oai_strdup(host, folder);
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

int64_t oai_text_encoder_dim(const oai_text_encoder *encoder) { return encoder->width; }
int64_t oai_text_encoder_max_tokens(const oai_text_encoder *encoder) { return encoder->max_tokens; }
int64_t oai_text_encoder_vocab_size(const oai_text_encoder *encoder) { return encoder->vocab_size; }
const char *oai_text_encoder_folder(const oai_text_encoder *encoder) { return encoder->folder; }
void oai_text_encoder_expect_many(oai_text_encoder *encoder) { encoder->step = FINE_STEP; }
bool oai_text_encoder_is_clip(const oai_text_encoder *encoder) { return encoder->clip; }

oassl_status oai_text_encoder_hash(const oai_text_encoder *encoder, char out_hash[OAI_SHA256_TEXT]) {
    char path[PATH_MAX];
    oai_sha256 hash;
    snprintf(path, sizeof path, "%s/model.safetensors", encoder->folder);
    oai_sha256_init(&hash);
    OAI_TRY(oai_sha256_add_file(&hash, path));
    oai_sha256_finish_text(&hash, out_hash);
    return OASSL_STATUS_OK;
}

/* Resolves OAI_POOLING_FOLDER. */
static oassl_status pooling_of(const oai_text_encoder *encoder, int32_t pooling, int32_t *out_pooling) {
    *out_pooling = pooling == OAI_POOLING_FOLDER ? encoder->pooling : pooling;
    if (encoder->clip && pooling == OAI_POOLING_MEAN)
        return oai_fail(OASSL_STATUS_UNSUPPORTED,
                        "pooling: a CLIP text encoder gives the vector at its end token only");
    if (*out_pooling == OAI_POOLING_CLS || *out_pooling == OAI_POOLING_MEAN) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "pooling %d is not known", pooling);
}

oassl_status oai_text_encoder_pooling(const oai_text_encoder *encoder, int32_t pooling, const char **out_name) {
    *out_name = "";
    OAI_TRY(pooling_of(encoder, pooling, &pooling));
    *out_name = encoder->clip ? "end" : pooling == OAI_POOLING_MEAN ? "mean" : "cls";
    return OASSL_STATUS_OK;
}

/* ---- encoding ------------------------------------------------------------------------------------------------ */

typedef struct sequences {
    const int32_t *ids, *lengths;
    int64_t n, max_length;
    int32_t pooling; /* OAI_POOLING_MEAN or _CLS */
    bool clip;
    const int32_t *order; /* of the sequences, shortest first */
} sequences;

static oassl_status check(const oai_text_encoder *encoder, const sequences *in) {
    for (int64_t i = 0; i < in->n; i++) {
        int64_t length = in->lengths[i], most = encoder->max_positions;
        if (length < 1 || length > in->max_length || length > most)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "token sequence %lld: length must be 1..%lld, found %lld",
                            (long long)i, (long long)(in->max_length < most ? in->max_length : most),
                            (long long)length);
        for (int64_t k = 0; k < length; k++) {
            int32_t id = in->ids[i * in->max_length + k];
            if (id < 0 || id >= encoder->vocab_size)
                return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "token sequence %lld: id %d at %lld is outside 0..%lld",
                                (long long)i, id, (long long)k, (long long)encoder->vocab_size - 1);
        }
    }
    return OASSL_STATUS_OK;
}

typedef struct group_buffers {
    int32_t *ids;        /* [MAX_GROUP, length] */
    float *mask, *share; /* [MAX_GROUP, length] */
    float *out;          /* [MAX_GROUP, width] */
} group_buffers;

/* CLIP's: the first largest id. */
static int64_t end_token(const int32_t *ids, int64_t length) {
    int64_t at = 0;
    for (int64_t i = 1; i < length; i++)
        if (ids[i] > ids[at]) at = i;
    return at;
}

/* Sequences order[first]..order[first+n-1], padded to `rows` sequences of `length` tokens; surplus rows repeat the
 * first one. */
static void fill_group(const sequences *in, int64_t first, int64_t n, int64_t rows, int64_t length, group_buffers *g) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t from = in->order[first + (row < n ? row : 0)], used = in->lengths[from];
        int64_t at = in->clip ? end_token(in->ids + from * in->max_length, used) : 0;
        for (int64_t k = 0; k < length; k++) {
            bool token = k < used;
            g->ids[row * length + k] = token ? in->ids[from * in->max_length + k] : 0;
            g->mask[row * length + k] = token ? 0.0f : -1e9f;
            g->share[row * length + k] =
                in->pooling == OAI_POOLING_MEAN ? (token ? 1.0f / (float)used : 0) : (float)(k == at);
        }
    }
}

static oassl_status run_group(oai_text_encoder *encoder, const sequences *in, int64_t first, int64_t n,
                              group_buffers *g, float *out) {
    int64_t rows = n == 1 ? 1 : n <= SMALL_GROUP ? SMALL_GROUP : MAX_GROUP;
    int64_t length = in->lengths[in->order[first + n - 1]]; /* the longest is the last */
    length = (length + encoder->step - 1) / encoder->step * encoder->step;
    if (length > encoder->max_positions) length = encoder->max_positions;
    fill_group(in, first, n, rows, length, g);
    void *bert[4] = {g->ids, g->share, g->mask, g->out}, *clip[3] = {g->ids, g->share, g->out};
    OAI_TRY(oai_plan_pool_run(encoder->pool, (const int64_t[OAI_POOL_KEY]){rows, length}, encoder->clip ? clip : bert,
                              encoder->clip ? 3 : 4));
    size_t width = (size_t)encoder->width;
    for (int64_t i = 0; i < n; i++)
        memcpy(out + (size_t)in->order[first + i] * width, g->out + (size_t)i * width, width * sizeof *out);
    return OASSL_STATUS_OK;
}

/* The sequences' numbers by length, equal ones in their order: a counting sort.  counts has room for most + 2. */
static void order_by_length(const sequences *in, int64_t most, int32_t *counts, int32_t *order) {
    memset(counts, 0, (size_t)(most + 2) * sizeof *counts);
    for (int64_t i = 0; i < in->n; i++) counts[in->lengths[i] + 1]++;
    for (int64_t length = 1; length <= most; length++) counts[length] += counts[length - 1];
    for (int64_t i = 0; i < in->n; i++) order[counts[in->lengths[i]]++] = (int32_t)i;
}

static oassl_status run_groups(oai_text_encoder *encoder, const sequences *in, group_buffers *g, float *out) {
    for (int64_t first = 0, count; first < in->n; first += count) {
        count = in->n - first < MAX_GROUP ? in->n - first : MAX_GROUP;
        OAI_TRY(run_group(encoder, in, first, count, g, out));
        if (in->n > MAX_GROUP)
            OAI_TRY(oai_progress(encoder->host, "encode texts", (uint64_t)(first + count), (uint64_t)in->n));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_text_encoder_encode(oai_text_encoder *encoder, const int32_t *ids, const int32_t *lengths, int64_t n,
                                     int64_t max_length, int32_t pooling, float *out) {
    sequences in = {ids, lengths, n, max_length, pooling, encoder->clip, NULL};
    OAI_TRY(pooling_of(encoder, pooling, &in.pooling));
    OAI_TRY(check(encoder, &in));
    int64_t most = (max_length < encoder->max_positions ? max_length : encoder->max_positions) + LENGTH_STEP;
    size_t cells = (size_t)(MAX_GROUP * most), result = (size_t)(MAX_GROUP * encoder->width);
    size_t numbers = 3 * cells + result + (size_t)n + (size_t)most + 2;
    float *memory = oai_alloc(encoder->host, numbers * sizeof(float));
    if (!memory) return oai_no_memory(numbers * sizeof(float), "token buffers");
    group_buffers g = {(int32_t *)memory, memory + cells, memory + 2 * cells, memory + 3 * cells};
    int32_t *order = (int32_t *)(memory + 3 * cells + result);
    order_by_length(&in, most, order + n, order);
    in.order = order;
    oassl_status status = run_groups(encoder, &in, &g, out);
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
