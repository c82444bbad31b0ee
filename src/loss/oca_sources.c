/* OCA with one region for each of the K sources.  An extension: as printed, one region has to resemble the mean of K
 * references, which asks a position to look like several things at once (docs/ablation.md).  With K = 1 it is the printed
 * loss, losses.md 8.1. */
#include "loss/loss.h"

/* How softly positions choose among the references. */
static const double SHARE_TEMPERATURE = 0.07;

typedef struct regions {
    oai_value references; /* unit r^p, [B, K, d] */
    oai_value positive;   /* unit l^p of each source, [B, K, d] */
    oai_value negative;   /* unit l^n, [B, 1, d] */
} regions;

/* M^p_k = M^p times the share of source k among the references at every position, in the logarithm. */
static regions pool_regions(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *in) {
    int64_t batch = oai_dim(b, in->unit_visual, 0), channels = oai_dim(b, in->unit_visual, 1);
    oai_value map = oai_loss_own_map(b, in), references = oai_loss_unit(b, in->foreground, 2);
    oai_value likeness = oai_matmul(b, references, in->unit_visual, 0, 0); /* [B, K, P] */
    oai_value share = oai_log_softmax(b, oai_affine(b, likeness, 1.0 / SHARE_TEMPERATURE, 0.0), 1);
    oai_value sounding = oai_loss_log_mask(b, map, o->oca_positive, o->oca_width);
    sounding = oai_reshape(b, sounding, 3, OAI_SHAPE(batch, 1, -1));
    oai_value source_masks = oai_loss_scaled_mask(b, oai_add(b, share, sounding));
    oai_value silent_mask = oai_loss_scaled_mask(b, oai_loss_log_mask(b, map, o->oca_negative, -o->oca_width));
    oai_value features = oai_reshape(b, in->visual, 3, OAI_SHAPE(batch, channels, -1));
    regions out = {references, oai_loss_unit(b, oai_matmul(b, source_masks, features, 0, 1), 2),
                   oai_loss_unit(b, oai_matmul(b, silent_mask, features, 0, 1), 2)};
    return out;
}

/* Rows are the B K references; negatives are the own background, the regions of other pictures as far as tau allows, and
 * always the other sources of the same picture. */
static oai_value foreground_loss(oai_builder *b, const oassl_loss_options *o, const regions *r) {
    int32_t dtype = oai_info(b, r->references)->dtype;
    int64_t k = oai_dim(b, r->references, 1), rows = oai_dim(b, r->references, 0) * k;
    oai_value reference = oai_reshape(b, r->references, 2, OAI_SHAPE(rows, -1));
    oai_value region = oai_reshape(b, r->positive, 2, OAI_SHAPE(rows, -1));
    oai_value similar = oai_matmul(b, reference, region, 0, 1);
    oai_value judged = o->oca_rule == OASSL_OCA_REF_REF ? oai_matmul(b, reference, reference, 0, 1) : similar;
    oai_value allowed = oai_less_equal(b, judged, oai_scalar(b, dtype, o->oca_tau));
    oai_value kept = oai_maximum(b, allowed, oai_loss_diagonal(b, dtype, rows, k, 1, 0));
    oai_value logits = oai_affine(b, similar, 1.0 / o->oca_temperature, 0.0);
    oai_value hard = oai_reshape(b, oai_matmul(b, r->references, r->negative, 0, 1), 2, OAI_SHAPE(rows, 1));
    hard = oai_affine(b, hard, 1.0 / o->oca_temperature, 0.0);
    oai_value columns[2] = {oai_add(b, logits, oai_affine(b, kept, 1e9, -1e9)), hard};
    oai_value all = oai_reduce(b, OASSL_OP_REDUCE_LSE, oai_concat(b, columns, 2, 1), OAI_AXIS(1), 1);
    oai_value own = oai_loss_own_pairs(b, oai_reshape(b, logits, 2, OAI_SHAPE(rows * rows, 1)), rows);
    return oai_reduce(b, OASSL_OP_REDUCE_MEAN, oai_sub(b, all, own), OAI_AXIS(0) | OAI_AXIS(1), 0);
}

/* lse(p, n_1 .. n_K) - p */
static oai_value background_loss(oai_builder *b, const oassl_loss_options *o, const regions *r, oai_value background,
                                 oai_value weight) {
    int64_t batch = oai_dim(b, r->references, 0);
    oai_value reference = oai_reshape(b, oai_loss_unit(b, background, 1), 3, OAI_SHAPE(batch, 1, -1));
    oai_value columns[2] = {oai_matmul(b, reference, r->negative, 0, 1), oai_matmul(b, reference, r->positive, 0, 1)};
    oai_value logits = oai_affine(b, oai_concat(b, columns, 2, 2), 1.0 / o->oca_temperature, 0.0); /* [B, 1, 1 + K] */
    oai_value all = oai_reduce(b, OASSL_OP_REDUCE_LSE, logits, OAI_AXIS(2), 1);
    oai_value terms = oai_reshape(b, oai_sub(b, all, oai_slice(b, logits, 2, 0, 1)), 1, OAI_SHAPE(batch));
    if (!o->allow_empty_background) return oai_reduce(b, OASSL_OP_REDUCE_MEAN, terms, OAI_AXIS(0), 0);
    oai_value sum = oai_reduce(b, OASSL_OP_REDUCE_SUM, oai_mul(b, terms, weight), OAI_AXIS(0), 0);
    oai_value count = oai_reduce(b, OASSL_OP_REDUCE_SUM, weight, OAI_AXIS(0), 0);
    return oai_div(b, sum, oai_maximum(b, count, oai_scalar(b, oai_info(b, terms)->dtype, 1.0)));
}

oai_loss_parts oai_loss_oca_sources_emit(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *in) {
    oai_loss_parts parts = {OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE};
    oai_scope(b, "oca per source");
    regions r = pool_regions(b, o, in);
    parts.foreground = foreground_loss(b, o, &r);
    parts.background = background_loss(b, o, &r, in->background, in->background_weight);
    parts.oca = oai_affine(b, oai_add(b, parts.foreground, parts.background), 0.5, 0.0);
    oai_scope(b, "%s", "");
    return parts;
}
