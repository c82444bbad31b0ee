/* ResNet-18 (models.md 2): torchvision's layout and names, any width, input size and channel count. */
#ifndef OAI_MODEL_RESNET18_H
#define OAI_MODEL_RESNET18_H

#include "model/params.h"

/* Name of the first convolution: LVS trunks own one for each modality and use the one that fits. */
enum { OAI_STEM_CONV1 = 0, OAI_STEM_CONV1_A = 1, OAI_STEM_CONV1_FLOW = 2 };

typedef struct oai_resnet_config {
    int64_t in_channels;
    int64_t width;         /* channels of the stem and layer1; layer4 has 8 times as many. 64 = ResNet-18 */
    int32_t stem;          /* OAI_STEM_* */
    int32_t layer4_stride; /* 2 -> output stride 32, 1 (LVS) -> 16 */
} oai_resnet_config;

/* x [N, in_channels, H, W] -> [N, 8 width, h, w]; `prefix` is "imgnet.", "" ... */
oai_value oai_resnet18_emit(oai_emitter *emitter, const oai_resnet_config *config, const char *prefix, oai_value x);
/* features -> logits [N, n_classes] by spatial mean and `prefix`fc. */
oai_value oai_resnet18_classify(oai_emitter *emitter, const oai_resnet_config *config, const char *prefix,
                                int64_t n_classes, oai_value features);
/* Output extent for an input extent. */
int64_t oai_resnet18_extent(const oai_resnet_config *config, int64_t input);

#endif
