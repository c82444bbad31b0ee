#include "model/features.h"

#include "model/net_graph.h"
#include "model/plan_pool.h"
#include "model/ranges.h"

#define MAX_PLANS 8

struct oai_features {
    oassl_context *context;
    const oai_host *host;
    oai_net_config config;
    const oai_store *store;
    int32_t precision;
    oai_plan_pool *pool;
    oai_observer *observer; /* NULL = none */
};

static void rest(void *user) { oai_store_rest(user); }

static oassl_status compile(const oai_features *features, const oai_net_graph *net, oai_plan **out_plan) {
    oassl_backend_param *params = NULL;
    oassl_backend_range *ranges = NULL;
    oai_plan_options options = {.precision = features->precision, .after_folding = rest, .user = (void *)features->store};
    uint32_t n_params = 0;
    OAI_TRY(oai_store_check_file(features->store));
    oassl_status status = oai_store_bind(features->store, &net->emitter, net->graph, &params, &n_params);
    if (status == OASSL_STATUS_OK && features->precision == OASSL_PRECISION_INT8)
        status = oai_ranges_bind(features->store, net->graph, &ranges, &options.n_ranges);
    options.ranges = ranges;
    if (status == OASSL_STATUS_OK)
        status = oai_plan_create(features->context, net->graph, params, n_params, &options, out_plan);
    oai_store_rest(features->store); /* what the plan wanted of the rest is in the plan */
    oai_free(features->host, ranges);
    oai_free(features->host, params);
    return status;
}

static oassl_status build(void *user, const int64_t key[OAI_POOL_KEY], oai_plan **out_plan, oai_value io[OAI_POOL_IO],
                          uint32_t *out_n_io) {
    const oai_features *features = user;
    oai_net_graph net;
    oassl_status status = oai_net_graph_create(features->host, &features->config, key, &net);
    if (status == OASSL_STATUS_OK) status = compile(features, &net, out_plan);
    *out_n_io = net.n_io;
    for (uint32_t i = 0; i < net.n_io; i++) io[i] = net.io[i];
    oai_net_graph_free(&net);
    return status;
}

oassl_status oai_features_create(oassl_context *context, const oai_net_config *config, const oai_store *store,
                                 int32_t precision, oai_features **out_features) {
    const oai_host *host = oai_context_host(context);
    *out_features = NULL;
    oai_features *features = oai_calloc(host, 1, sizeof *features);
    if (!features) return oai_no_memory(sizeof *features, "an encoder");
    *features = (oai_features){context, host, *config, store, precision, NULL, NULL};
    oassl_status status = oai_plan_pool_create(host, MAX_PLANS, build, features, &features->pool);
    if (status != OASSL_STATUS_OK) {
        oai_free(host, features);
        return status;
    }
    *out_features = features;
    return OASSL_STATUS_OK;
}

void oai_features_destroy(oai_features *features) {
    if (!features) return;
    oai_plan_pool_destroy(features->pool);
    oai_free(features->host, features);
}

void oai_features_observe(oai_features *features, oai_observer *observer) { features->observer = observer; }

static oassl_status run(oai_features *features, const int64_t key[OAI_POOL_KEY], void *const *addresses, uint32_t n_addresses) {
    if (features->observer) return oai_observer_run(features->observer, key, addresses);
    return oai_plan_pool_run(features->pool, key, addresses, n_addresses);
}

static oassl_status check_size(int64_t n, int64_t height, int64_t width, const char *what) {
    if (n >= 1 && n <= 65536 && height >= 1 && height <= 65536 && width >= 1 && width <= 65536) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: %lld of %lld x %lld; each must be 1..65536", what,
                    (long long)n, (long long)height, (long long)width);
}

oassl_status oai_features_visual(oai_features *features, int64_t n, int64_t height, int64_t width,
                                 const float *pictures, float *out_map, float *out_pooled) {
    OAI_TRY(check_size(n, height, width, "pictures"));
    const oai_resnet_config *trunk = &features->config.visual;
    int64_t channels = oai_net_channels(&features->config);
    int64_t cells = oai_resnet18_extent(trunk, height) * oai_resnet18_extent(trunk, width);
    /* The plan writes both; what is not wanted goes to scratch. */
    size_t bytes = (size_t)(n * channels * (out_map ? out_pooled ? 0 : 1 : cells)) * sizeof(float);
    float *scratch = bytes > 0 ? oai_alloc(features->host, bytes) : NULL;
    if (bytes > 0 && !scratch) return oai_no_memory(bytes, "features");
    void *addresses[3] = {(void *)pictures, out_map ? out_map : scratch, out_pooled ? out_pooled : scratch};
    oassl_status status = OASSL_STATUS_OK;
    if (out_map || out_pooled)
        status = run(features, (const int64_t[]){OAI_NET_VISUAL, n, height, width}, addresses, 3);
    oai_free(features->host, scratch);
    return status;
}

oassl_status oai_features_audio(oai_features *features, int64_t n, int64_t bins, int64_t frames,
                                const float *spectrograms, float *out_vectors) {
    OAI_TRY(check_size(n, bins, frames, "log-spectrograms"));
    if (features->config.kind != OAI_NET_PAIR)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "a classifier has no sound trunk");
    void *addresses[2] = {(void *)spectrograms, out_vectors};
    return run(features, (const int64_t[]){OAI_NET_AUDIO, n, bins, frames}, addresses, 2);
}

oassl_status oai_features_classify(oai_features *features, int64_t n, int64_t height, int64_t width,
                                   const float *pictures, float *out_logits) {
    OAI_TRY(check_size(n, height, width, "pictures"));
    if (features->config.kind != OAI_NET_CLASSIFIER)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "only a classifier gives class logits, this model is a pair");
    void *addresses[2] = {(void *)pictures, out_logits};
    return run(features, (const int64_t[]){OAI_NET_CLASSES, n, height, width}, addresses, 2);
}
