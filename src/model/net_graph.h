/* One network as an inference graph for one input size, batch normalisation folded: what plans are made from. */
#ifndef OAI_MODEL_NET_GRAPH_H
#define OAI_MODEL_NET_GRAPH_H

#include "model/oassl_net.h"

enum { OAI_NET_VISUAL = 1, OAI_NET_AUDIO = 2, OAI_NET_CLASSES = 3 };

typedef struct oai_net_graph {
    const oai_host *host;
    oai_builder *builder;
    oai_emitter emitter;
    oassl_graph *graph;
    oai_value io[3]; /* the input, then the outputs: visual: map [n, d, h, w], its mean [n, d]; audio: vectors [n, d];
                        classes: logits [n, n_classes] */
    uint32_t n_io;
} oai_net_graph;

/* `key` is one of the above, n, height, width (of spectrograms: bins, frames).  Freed by oai_net_graph_free, also on
 * failure. */
oassl_status oai_net_graph_create(const oai_host *host, const oai_net_config *config, const int64_t key[4],
                                  oai_net_graph *out_net);
void oai_net_graph_free(oai_net_graph *net);

#endif
