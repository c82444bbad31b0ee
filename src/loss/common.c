#include "loss/loss.h"

int32_t oai_loss_last_axis(const oai_builder *b, oai_value x) {
    int32_t rank = oai_info(b, x)->rank; /* 0 once the builder has failed */
    return rank > 0 ? rank - 1 : 0;
}

oai_value oai_loss_unit(oai_builder *b, oai_value x, int32_t axis) {
    int32_t dtype = oai_info(b, x)->dtype;
    oai_value squares = oai_reduce(b, OASSL_OP_REDUCE_SUM, oai_mul(b, x, x), OAI_AXIS(axis), 1);
    /* The bound goes under the root: above it, the root's derivative at a zero vector would be infinity times 0. */
    oai_value norm = oai_unary(b, OASSL_OP_SQRT, oai_maximum(b, squares, oai_scalar(b, dtype, 1e-24)));
    return oai_div(b, x, norm);
}

oai_value oai_loss_log_mask(oai_builder *b, oai_value x, double threshold, double width) {
    oai_value logit = oai_affine(b, x, -1.0 / width, threshold / width);
    return oai_affine(b, oai_unary(b, OASSL_OP_SOFTPLUS, logit), -1.0, 0.0);
}

oai_value oai_loss_diagonal(oai_builder *b, int32_t dtype, int64_t n, int64_t group, double on, double off) {
    union {
        float f32[OAI_LOSS_MAX_BATCH];
        double f64[OAI_LOSS_MAX_BATCH];
    } index;
    for (int64_t k = 0; k < n; k++) {
        if (dtype == OASSL_DTYPE_F64)
            index.f64[k] = (double)(k / group);
        else
            index.f32[k] = (float)(k / group);
    }
    oai_value column = oai_constant(b, dtype, 2, OAI_SHAPE(n, 1), &index);
    oai_value row = oai_constant(b, dtype, 2, OAI_SHAPE(1, n), &index);
    oai_value equal = oai_mul(b, oai_less_equal(b, column, row), oai_less_equal(b, row, column));
    return oai_affine(b, equal, on - off, off);
}

oai_value oai_loss_own_pairs(oai_builder *b, oai_value pairs, int64_t batch) {
    int32_t index[OAI_LOSS_MAX_BATCH];
    for (int64_t n = 0; n < batch; n++) index[n] = (int32_t)(n * (batch + 1));
    return oai_gather(b, pairs, oai_constant(b, OASSL_DTYPE_I32, 1, OAI_SHAPE(batch), index));
}

oai_value oai_loss_unit_visual(oai_builder *b, oai_value visual) {
    int64_t batch = oai_dim(b, visual, 0), channels = oai_dim(b, visual, 1);
    return oai_loss_unit(b, oai_reshape(b, visual, 3, OAI_SHAPE(batch, channels, -1)), 1);
}

oai_value oai_loss_similarity(oai_builder *b, const oai_loss_inputs *inputs) {
    return oai_matmul(b, oai_loss_unit(b, inputs->audio, 1), inputs->unit_visual, 0, 0);
}
