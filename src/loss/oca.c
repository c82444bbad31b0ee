/* Object-aware contrastive alignment (losses.md 8.1). */
#include "loss/loss.h"

/* Sum of the rows' products: cosine of unit vectors [B, d] -> [B, 1]. */
static oai_value dot(oai_builder *b, oai_value x, oai_value y) {
    return oai_reduce(b, OASSL_OP_REDUCE_SUM, oai_mul(b, x, y), OAI_AXIS(1), 1);
}

/* Only cosines of what a mask pools follow, so its scale is free, and without this the pooled vector would leave the
 * range of f32. */
oai_value oai_loss_scaled_mask(oai_builder *b, oai_value log_mask) {
    if (oai_info(b, log_mask)->rank == 2)
        log_mask = oai_reshape(b, log_mask, 3, OAI_SHAPE(oai_dim(b, log_mask, 0), 1, oai_dim(b, log_mask, 1)));
    oai_value top = oai_reduce(b, OASSL_OP_REDUCE_MAX, log_mask, OAI_AXIS(2), 1);
    top = oai_unary(b, OASSL_OP_STOP_GRADIENT, top);
    return oai_unary(b, OASSL_OP_EXP, oai_sub(b, log_mask, top));
}

oai_value oai_loss_own_map(oai_builder *b, const oai_loss_inputs *in) {
    int64_t batch = oai_dim(b, in->unit_visual, 0), channels = oai_dim(b, in->unit_visual, 1);
    oai_value sound = oai_reshape(b, oai_loss_unit(b, in->audio, 1), 3, OAI_SHAPE(batch, 1, channels));
    return oai_reshape(b, oai_matmul(b, sound, in->unit_visual, 0, 0), 2, OAI_SHAPE(batch, -1));
}

typedef struct pooled {
    oai_value positive, negative; /* unit l^p and l^n, [B, d] */
} pooled;

static pooled pool_regions(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *in) {
    int64_t batch = oai_dim(b, in->unit_visual, 0), channels = oai_dim(b, in->unit_visual, 1);
    int64_t positions = oai_dim(b, in->unit_visual, 2);
    oai_value map = oai_loss_own_map(b, in);
    oai_value masks[2] = {oai_loss_scaled_mask(b, oai_loss_log_mask(b, map, o->oca_positive, o->oca_width)),
                          oai_loss_scaled_mask(b, oai_loss_log_mask(b, map, o->oca_negative, -o->oca_width))};
    oai_value features = oai_reshape(b, in->visual, 3, OAI_SHAPE(batch, channels, positions));
    oai_value both = oai_loss_unit(b, oai_matmul(b, oai_concat(b, masks, 2, 1), features, 0, 1), 2); /* [B, 2, d] */
    pooled out = {oai_reshape(b, oai_slice(b, both, 1, 0, 1), 2, OAI_SHAPE(batch, channels)),
                  oai_reshape(b, oai_slice(b, both, 1, 1, 1), 2, OAI_SHAPE(batch, channels))};
    return out;
}

/* lse(x_i, h_i, {y_ji allowed}) - x_i, mean over i */
static oai_value foreground_loss(oai_builder *b, const oassl_loss_options *o, pooled l, oai_value reference) {
    int32_t dtype = oai_info(b, reference)->dtype;
    int64_t batch = oai_dim(b, reference, 0);
    oai_value similar = oai_matmul(b, reference, l.positive, 0, 1); /* row i: Sim(l^p_j, r^p_i) over j */
    oai_value judged = o->oca_rule == OASSL_OCA_REF_REF ? oai_matmul(b, reference, reference, 0, 1) : similar;
    oai_value allowed = oai_less_equal(b, judged, oai_scalar(b, dtype, o->oca_tau));
    oai_value kept = oai_maximum(b, allowed, oai_loss_diagonal(b, dtype, batch, 1, 1, 0));
    oai_value logits = oai_affine(b, similar, 1.0 / o->oca_temperature, 0.0);
    oai_value hard = oai_affine(b, dot(b, reference, l.negative), 1.0 / o->oca_temperature, 0.0);
    oai_value columns[2] = {oai_add(b, logits, oai_affine(b, kept, 1e9, -1e9)), hard};
    oai_value all = oai_reduce(b, OASSL_OP_REDUCE_LSE, oai_concat(b, columns, 2, 1), OAI_AXIS(1), 1);
    oai_value own = oai_loss_own_pairs(b, oai_reshape(b, logits, 2, OAI_SHAPE(batch * batch, 1)), batch);
    return oai_reduce(b, OASSL_OP_REDUCE_MEAN, oai_sub(b, all, own), OAI_AXIS(0) | OAI_AXIS(1), 0);
}

/* lse(p, n) - p = softplus(n - p), mean over the samples that have a background */
static oai_value background_loss(oai_builder *b, const oassl_loss_options *o, pooled l, oai_value reference,
                                 oai_value weight) {
    oai_value wrong = oai_sub(b, dot(b, reference, l.positive), dot(b, reference, l.negative));
    oai_value terms = oai_unary(b, OASSL_OP_SOFTPLUS, oai_affine(b, wrong, 1.0 / o->oca_temperature, 0.0));
    uint32_t both = OAI_AXIS(0) | OAI_AXIS(1);
    if (!o->allow_empty_background) return oai_reduce(b, OASSL_OP_REDUCE_MEAN, terms, both, 0);
    weight = oai_reshape(b, weight, 2, OAI_SHAPE(-1, 1));
    oai_value sum = oai_reduce(b, OASSL_OP_REDUCE_SUM, oai_mul(b, terms, weight), both, 0);
    oai_value count = oai_reduce(b, OASSL_OP_REDUCE_SUM, weight, both, 0);
    return oai_div(b, sum, oai_maximum(b, count, oai_scalar(b, oai_info(b, terms)->dtype, 1.0)));
}

oai_loss_parts oai_loss_oca_emit(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *in) {
    oai_loss_parts parts = {OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE};
    if (o->oca_per_source) return oai_loss_oca_sources_emit(b, o, in);
    oai_scope(b, "oca");
    pooled l = pool_regions(b, o, in);
    oai_value mean = oai_reduce(b, OASSL_OP_REDUCE_MEAN, in->foreground, OAI_AXIS(1), 0); /* over the K captions */
    parts.foreground = foreground_loss(b, o, l, oai_loss_unit(b, mean, 1));
    parts.background = background_loss(b, o, l, oai_loss_unit(b, in->background, 1), in->background_weight);
    parts.oca = oai_affine(b, oai_add(b, parts.foreground, parts.background), 0.5, 0.0);
    oai_scope(b, "%s", "");
    return parts;
}
