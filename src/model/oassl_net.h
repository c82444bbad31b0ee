/* The networks that the library trains: the OA-SSL / LVS pair (models.md 3.1, 3.6) and the picture classifier that
 * pre-trains its visual trunk.
 *
 *   pair:        imgnet.* , audnet.* , text_proj.{weight, bias}
 *   classifier:  the bare names of torchvision's ResNet-18, fc.{weight, bias}
 *
 * The configuration travels in the weights file as JSON under the metadata key "oassl_config"; without it (published
 * checkpoints) it is read off the tensors' names and shapes. */
#ifndef OAI_MODEL_OASSL_NET_H
#define OAI_MODEL_OASSL_NET_H

#include "model/resnet18.h"

enum { OAI_NET_PAIR = 1, OAI_NET_CLASSIFIER = 2 };

typedef struct oai_net_config {
    int32_t kind; /* OAI_NET_* */
    oai_resnet_config visual;
    oai_resnet_config audio; /* pair; the same width as visual */
    int64_t text_dim;        /* pair: width of the caption features; 0 = no text_proj */
    int64_t n_classes;       /* classifier */
} oai_net_config;

/* 3 and 1 channels, width 64, output stride 32, text_dim 768. */
oai_net_config oai_net_config_default(int32_t kind);
oassl_status oai_net_config_check(const oai_net_config *config);
int64_t oai_net_channels(const oai_net_config *config); /* d = 8 width */

#define OAI_CONFIG_KEY "oassl_config"
oassl_status oai_net_config_to_json(const oai_host *host, const oai_net_config *config, char **out_text);
oassl_status oai_net_config_from_json(const char *text, const char *source, oai_net_config *out_config);
/* From the metadata, else from names and shapes. */
oassl_status oai_net_config_from_file(const oai_weights *file, oai_net_config *out_config);

/* F_v [N, d, h, w] of pictures [N, 3, H, W] (either kind). */
oai_value oai_net_visual(oai_emitter *emitter, const oai_net_config *config, oai_value pictures);
/* l_a [N, d]: maximum over time and frequency, of log-spectrograms [N, 1, F, T]. */
oai_value oai_net_audio(oai_emitter *emitter, const oai_net_config *config, oai_value spectrograms);
/* text_proj of caption features [..., text_dim] -> [..., d]; identity when text_dim is 0. */
oai_value oai_net_text(oai_emitter *emitter, const oai_net_config *config, oai_value references);
/* S [N, h, w]: cosine of each sound with every position of its picture. */
oai_value oai_net_map(oai_emitter *emitter, oai_value visual, oai_value audio);
/* Logits [N, n_classes] of F_v. */
oai_value oai_net_classify(oai_emitter *emitter, const oai_net_config *config, oai_value visual);

/* A store with every tensor of the network, zeroed, with OAI_CONFIG_KEY set. */
oassl_status oai_net_store_create(const oai_host *host, const oai_net_config *config, oai_store **out_store);
/* Configuration and weights of a file.  `metadata_keys`: see oai_store_take_metadata; may be NULL.  The layer4
 * strides, when not 0, are for files without OAI_CONFIG_KEY: shapes do not tell them. */
oassl_status oai_net_load(const oai_host *host, const char *path, const char *const *metadata_keys,
                          int32_t visual_layer4_stride, int32_t audio_layer4_stride, oai_net_config *out_config,
                          oai_store **out_store);
/* Initialises networks from another model's file: names without a network prefix go to the visual trunk (a classifier,
 * torchvision's ResNet-18), others to their own place.  Tensors of another shape are an error; fc is left out. */
oassl_status oai_net_initialize_from(oai_store *store, const oai_net_config *config, const char *path);

#endif
