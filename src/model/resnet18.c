#include "model/resnet18.h"

#include <math.h>
#include <stdio.h>

static oai_value convolution(oai_emitter *e, oai_value x, const char *name, int64_t out, int64_t kernel,
                             int64_t stride) {
    int64_t shape[4] = {out, oai_dim(e->builder, x, 1), kernel, kernel};
    oai_value weight = oai_weight(e, oai_init_kaiming_fan_out(shape), 4, shape, "%s.weight", name);
    return oai_conv2d(e->builder, x, weight, OAI_NO_VALUE, stride, kernel / 2);
}

/* relu(bn2(conv2(relu(bn1(conv1 x)))) + id), id through a strided 1x1 where shapes differ */
static oai_value basic_block(oai_emitter *e, oai_value x, const char *prefix, int64_t out, int64_t stride) {
    oai_builder *b = e->builder;
    char name[160];
    oai_scope(b, "%s", prefix);
#define NAMED(part) (snprintf(name, sizeof name, "%s." part, prefix), name)
    int64_t in = oai_dim(b, x, 1);
    oai_value y = convolution(e, x, NAMED("conv1"), out, 3, stride);
    y = oai_unary(b, OASSL_OP_RELU, oai_batch_norm(e, y, NAMED("bn1")));
    y = convolution(e, y, NAMED("conv2"), out, 3, 1);
    y = oai_batch_norm(e, y, NAMED("bn2"));
    if (stride != 1 || in != out) {
        x = convolution(e, x, NAMED("downsample.0"), out, 1, stride);
        x = oai_batch_norm(e, x, NAMED("downsample.1"));
    }
#undef NAMED
    return oai_unary(b, OASSL_OP_RELU, oai_add(b, y, x));
}

oai_value oai_resnet18_emit(oai_emitter *e, const oai_resnet_config *config, const char *prefix, oai_value x) {
    static const char *const stems[] = {"conv1", "conv1_a", "conv1_flow"};
    oai_builder *b = e->builder;
    char name[128];
    if (oai_builder_status(b) != OASSL_STATUS_OK) return OAI_NO_VALUE;
    if (oai_info(b, x)->rank != 4 || oai_dim(b, x, 1) != config->in_channels)
        return oai_builder_fail(b, OASSL_STATUS_SHAPE_MISMATCH, "%sconv1: expected an input [N, %lld, H, W]", prefix,
                                (long long)config->in_channels);
    oai_scope(b, "%sstem", prefix);
    snprintf(name, sizeof name, "%s%s", prefix, stems[config->stem]);
    x = convolution(e, x, name, config->width, 7, 2);
    snprintf(name, sizeof name, "%sbn1", prefix);
    x = oai_unary(b, OASSL_OP_RELU, oai_batch_norm(e, x, name));
    x = oai_max_pool(b, x, 3, 2, 1);
    for (int layer = 1; layer <= 4; layer++)
        for (int block = 0; block < 2; block++) {
            int64_t stride = layer == 1 || block == 1 ? 1 : layer == 4 ? config->layer4_stride : 2;
            snprintf(name, sizeof name, "%slayer%d.%d", prefix, layer, block);
            x = basic_block(e, x, name, config->width << (layer - 1), stride);
        }
    oai_scope(b, "%s", "");
    return x;
}

oai_value oai_resnet18_classify(oai_emitter *e, const oai_resnet_config *config, const char *prefix, int64_t n_classes,
                                oai_value features) {
    int64_t channels = 8 * config->width;
    oai_init init = oai_init_uniform(1 / sqrt((double)channels));
    oai_value weight = oai_weight(e, init, 2, OAI_SHAPE(n_classes, channels), "%sfc.weight", prefix);
    oai_value bias = oai_weight(e, init, 1, &n_classes, "%sfc.bias", prefix);
    oai_value mean = oai_reduce(e->builder, OASSL_OP_REDUCE_MEAN, features, OAI_AXIS(2) | OAI_AXIS(3), 0);
    return oai_linear(e->builder, mean, weight, bias);
}

int64_t oai_resnet18_extent(const oai_resnet_config *config, int64_t input) {
    for (int halving = 0; halving < 4 + (config->layer4_stride == 2); halving++) input = (input - 1) / 2 + 1;
    return input;
}
