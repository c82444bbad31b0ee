/* The tri-map contrastive loss of LVS (losses.md 1). */
#include "loss/loss.h"

/* Mean of x over the last axis, weighted by exp(log_weight): a softmax, so that weights of e^-55 lose nothing. */
static oai_value soft_mean(oai_builder *b, oai_value x, oai_value log_weight) {
    int32_t last = oai_loss_last_axis(b, x);
    oai_value weighted = oai_mul(b, oai_softmax(b, log_weight, last), x);
    return oai_reduce(b, OASSL_OP_REDUCE_SUM, weighted, OAI_AXIS(last), 0);
}

oai_value oai_loss_lvs_emit(oai_builder *b, const oassl_loss_options *o, oai_value similarity, oai_value *out_logits) {
    int32_t dtype = oai_info(b, similarity)->dtype;
    int64_t batch = oai_dim(b, similarity, 0), positions = oai_dim(b, similarity, 2);
    oai_scope(b, "lvs");
    oai_value inside = oai_loss_log_mask(b, similarity, o->lvs_positive, o->lvs_width);
    oai_value means = soft_mean(b, similarity, inside); /* X[n, k] */
    oai_value own = oai_loss_own_pairs(b, oai_reshape(b, similarity, 2, OAI_SHAPE(batch * batch, positions)), batch);
    oai_value positive = oai_loss_own_pairs(b, oai_reshape(b, means, 2, OAI_SHAPE(batch * batch, 1)), batch);

    /* The published code multiplies the diagonal by 1 - 100 and leaves it in the row. */
    oai_value others = oai_mul(b, means, oai_loss_diagonal(b, dtype, batch, 1, o->lvs_exclude_diagonal ? 0 : -99, 1));
    if (o->lvs_exclude_diagonal) others = oai_add(b, others, oai_loss_diagonal(b, dtype, batch, 1, -1e9, 0));
    oai_value columns[3] = {positive, others, OAI_NO_VALUE};
    if (!o->lvs_no_hard_negatives) {
        double threshold = o->lvs_no_trimap ? o->lvs_positive : o->lvs_negative;
        oai_value hard = soft_mean(b, own, oai_loss_log_mask(b, own, threshold, -o->lvs_width));
        columns[2] = oai_reshape(b, hard, 2, OAI_SHAPE(batch, 1));
    }
    oai_value row = oai_concat(b, columns, o->lvs_no_hard_negatives ? 2 : 3, 1);
    oai_value logits = oai_affine(b, row, 1.0 / o->lvs_temperature, 0.0);
    if (out_logits) *out_logits = logits;

    oai_value all = oai_reduce(b, OASSL_OP_REDUCE_LSE, logits, OAI_AXIS(1), 1);
    oai_value target = oai_slice(b, logits, 1, 0, 1);
    oai_value loss = oai_reduce(b, OASSL_OP_REDUCE_MEAN, oai_sub(b, all, target), OAI_AXIS(0) | OAI_AXIS(1), 0);
    oai_scope(b, "%s", "");
    return loss;
}
