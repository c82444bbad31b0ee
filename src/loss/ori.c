/* Object region isolation: Sinkhorn distances between the references' maps (losses.md 8.2). */
#include "loss/loss.h"

#define MAX_MAPS 32 /* K + 1 */

oai_value oai_loss_reference_maps(oai_builder *b, const oai_loss_inputs *in) {
    int64_t batch = oai_dim(b, in->visual, 0), channels = oai_dim(b, in->visual, 1);
    int64_t height = oai_dim(b, in->visual, 2), width = oai_dim(b, in->visual, 3);
    oai_value background = oai_reshape(b, in->background, 3, OAI_SHAPE(batch, 1, channels));
    oai_value references[2] = {in->foreground, background};
    oai_value unit = oai_loss_unit(b, oai_concat(b, references, 2, 1), 2);
    oai_value maps = oai_matmul(b, unit, in->unit_visual, 0, 0);
    return oai_reshape(b, maps, 4, OAI_SHAPE(batch, -1, height, width));
}

static oai_value transformed(oai_builder *b, int32_t transform, oai_value maps) {
    if (transform == OASSL_ORI_RELU) return oai_unary(b, OASSL_OP_RELU, maps);
    if (transform == OASSL_ORI_HALF) return oai_affine(b, maps, 0.5, 0.5);
    if (transform != OASSL_ORI_MINMAX) return maps;
    uint32_t last = OAI_AXIS(oai_loss_last_axis(b, maps));
    oai_value high = oai_reduce(b, OASSL_OP_REDUCE_MAX, maps, last, 1);
    oai_value low = oai_affine(b, oai_reduce(b, OASSL_OP_REDUCE_MAX, oai_affine(b, maps, -1, 0), last, 1), -1, 0);
    oai_value range = oai_maximum(b, oai_sub(b, high, low), oai_scalar(b, oai_info(b, maps)->dtype, 1e-6));
    return oai_div(b, oai_sub(b, maps, low), range);
}

/* Ordered pairs n != m of `n_maps` maps in each of `batch` samples, as row numbers of [batch * n_maps, P]. */
static oai_value pair_rows(oai_builder *b, oai_value maps, int64_t batch, int64_t n_maps, int second) {
    int32_t one[MAX_MAPS * MAX_MAPS];
    int64_t n_pairs = n_maps * (n_maps - 1), at = 0;
    for (int32_t n = 0; n < n_maps; n++)
        for (int32_t m = 0; m < n_maps; m++)
            if (n != m) one[at++] = second ? m : n;
    /* The pairs of one sample taken from [n_maps, batch, P], then sample after sample. */
    int64_t positions = oai_dim(b, maps, 2);
    oai_value by_map = oai_transpose(b, maps, (const int32_t[]){1, 0, 2});
    oai_value rows = oai_gather(b, by_map, oai_constant(b, OASSL_DTYPE_I32, 1, OAI_SHAPE(n_pairs), one));
    return oai_reshape(b, rows, 2, OAI_SHAPE(n_pairs * batch, positions));
}

/* 1, or the sample's background_weight for pairs with the background (the last map): [n_pairs * batch]. */
static oai_value pair_weights(oai_builder *b, oai_value background_weight, int64_t batch, int64_t n_maps) {
    oai_value with = oai_reshape(b, background_weight, 2, OAI_SHAPE(1, batch));
    oai_value without = oai_affine(b, with, 0.0, 1.0), rows[MAX_MAPS * MAX_MAPS];
    uint32_t at = 0;
    for (int64_t n = 0; n < n_maps; n++)
        for (int64_t m = 0; m < n_maps; m++)
            if (n != m) rows[at++] = n == n_maps - 1 || m == n_maps - 1 ? with : without;
    return oai_reshape(b, oai_concat(b, rows, at, 0), 1, OAI_SHAPE(-1));
}

oai_value oai_loss_ori_emit(oai_builder *b, const oassl_loss_options *o, oai_value maps, oai_value background_weight) {
    int64_t batch = oai_dim(b, maps, 0), n_maps = oai_dim(b, maps, 1);
    int64_t height = oai_dim(b, maps, 2), width = oai_dim(b, maps, 3);
    if (n_maps > MAX_MAPS)
        return oai_builder_fail(b, OASSL_STATUS_UNSUPPORTED, "ORI of %lld maps a sample: at most %d",
                                (long long)n_maps, MAX_MAPS);
    oai_scope(b, "ori");
    maps = transformed(b, o->ori_transform, oai_reshape(b, maps, 3, OAI_SHAPE(batch, n_maps, height * width)));
    oai_value source = pair_rows(b, maps, batch, n_maps, 0);
    oai_value target = oai_affine(b, pair_rows(b, maps, batch, n_maps, 1), -1.0, 1.0);
    oassl_node_attrs attrs = {
        .i = {height, width, o->ori_iterations, o->ori_cost, o->ori_coordinates, o->ori_squared, o->ori_gradient},
        .f = {o->ori_epsilon, o->ori_stop < 0 ? 0 : o->ori_stop,
              o->ori_spatial_weight < 0 ? 0 : o->ori_spatial_weight}};
    oai_value distances = oai_node(b, OASSL_OP_SINKHORN, (const oai_value[]){source, target}, 2, &attrs);
    if (o->allow_empty_background)
        distances = oai_mul(b, distances, pair_weights(b, background_weight, batch, n_maps));
    oai_value loss = oai_reduce(b, OASSL_OP_REDUCE_SUM, distances, OAI_AXIS(0), 0);
    if (o->ori_reduction == OASSL_ORI_BATCH_MEAN) loss = oai_affine(b, loss, 1.0 / (double)batch, 0.0);
    oai_scope(b, "%s", "");
    return loss;
}
