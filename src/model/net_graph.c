#include "model/net_graph.h"

#include <string.h>

static void emit(oai_net_graph *net, const oai_net_config *config, const int64_t *key) {
    oai_builder *b = net->builder;
    oai_emitter *emitter = &net->emitter;
    oai_value *io = net->io;
    int64_t channels = key[0] == OAI_NET_AUDIO ? config->audio.in_channels : config->visual.in_channels;
    io[0] = oai_input(b, key[0] == OAI_NET_AUDIO ? "spectrogram" : "picture", OASSL_DTYPE_F32, 4,
                      OAI_SHAPE(key[1], channels, key[2], key[3]));
    net->n_io = 2;
    if (key[0] == OAI_NET_AUDIO) {
        io[1] = oai_net_audio(emitter, config, io[0]);
        return;
    }
    io[1] = oai_net_visual(emitter, config, io[0]);
    if (key[0] == OAI_NET_CLASSES) {
        io[1] = oai_net_classify(emitter, config, io[1]);
        return;
    }
    io[2] = oai_reduce(b, OASSL_OP_REDUCE_MEAN, io[1], OAI_AXIS(2) | OAI_AXIS(3), 0);
    net->n_io = 3;
}

oassl_status oai_net_graph_create(const oai_host *host, const oai_net_config *config, const int64_t key[4],
                                  oai_net_graph *out_net) {
    memset(out_net, 0, sizeof *out_net);
    OAI_TRY(oai_builder_create(host, &out_net->builder));
    out_net->host = host;
    oai_emitter_init(&out_net->emitter, host, out_net->builder, false);
    emit(out_net, config, key);
    for (uint32_t i = 1; i < out_net->n_io; i++) oai_output(out_net->builder, out_net->io[i]);
    oai_fold_batch_norm(out_net->builder);
    return oai_builder_finish(out_net->builder, &out_net->graph);
}

void oai_net_graph_free(oai_net_graph *net) {
    if (!net->host) return;
    oai_graph_destroy(net->host, net->graph);
    oai_emitter_free(&net->emitter);
    oai_builder_destroy(net->builder);
    memset(net, 0, sizeof *net);
}
