/* The objectives as graphs: each function adds nodes to a builder and returns value ids (losses.md 1 and 8).
 *
 * Scalars come out with rank 0.  Everything is written so that f32 survives similarities of -1 and masks of 1e-24:
 * soft means are softmaxes of log-weights, masks are divided by their largest value before pooling. */
#ifndef OAI_LOSS_LOSS_H
#define OAI_LOSS_LOSS_H

#include "graph/emit.h"
#include "oassl/loss.h"

/* Zeros replaced by the documented defaults, contradictions and values out of range refused by name. */
oassl_status oai_loss_options_resolve(const oassl_loss_options *options, oassl_loss_options *out_options);
/* Which inputs the resolved options ask for. */
int oai_loss_needs_audio(const oassl_loss_options *options);
int oai_loss_needs_captions(const oassl_loss_options *options);

typedef struct oai_loss_inputs {
    oai_value visual;            /* [B, d, h, w] */
    oai_value audio;             /* [B, d] */
    oai_value foreground;        /* [B, K, d] */
    oai_value background;        /* [B, d] */
    oai_value background_weight; /* [B] of 0 or 1, only read with allow_empty_background */
    oai_value similarity;        /* [B, B, h, w], LVS_MAPS */
    oai_value maps;              /* [B, K+1, h, w], ORI_MAPS */
    oai_value unit_visual;       /* [B, d, P], visual normalised over d: oai_loss_emit makes it once for all parts */
} oai_loss_inputs;

/* OAI_NO_VALUE where a part is off. */
typedef struct oai_loss_parts {
    oai_value total, base, oca, foreground, background, ori;
} oai_loss_parts;

/* Options resolved; any kind.  Inputs the kind does not use may be OAI_NO_VALUE. */
oai_loss_parts oai_loss_emit(oai_builder *builder, const oassl_loss_options *options, const oai_loss_inputs *inputs);
/* The total of OA-SSL, for the trainer: the same with kind OASSL_LOSS_OASSL. */
oai_loss_parts oai_loss_oassl_emit(oai_builder *builder, const oassl_loss_options *options, oai_value visual,
                                   oai_value audio, oai_value foreground, oai_value background,
                                   oai_value background_weight);

int32_t oai_loss_last_axis(const oai_builder *builder, oai_value x);
/* x / max(|x|, 1e-12) along a non-negative axis, with gradient 0 at x = 0. */
oai_value oai_loss_unit(oai_builder *builder, oai_value x, int32_t axis);
/* ln sigmoid((x - threshold) / width); negative width: ln(1 - sigmoid((x - threshold) / |width|)) */
oai_value oai_loss_log_mask(oai_builder *builder, oai_value x, double threshold, double width);
/* [n, n] with `on` in the blocks of group x group along the diagonal (group 1: on the diagonal), `off` elsewhere. */
oai_value oai_loss_diagonal(oai_builder *builder, int32_t dtype, int64_t n, int64_t group, double on, double off);
/* Rows n * (batch + 1) of pairs [batch * batch, ...]: each picture with its own sound. */
oai_value oai_loss_own_pairs(oai_builder *builder, oai_value pairs, int64_t batch);
#define OAI_LOSS_MAX_BATCH 4096
oai_value oai_loss_unit_visual(oai_builder *builder, oai_value visual); /* [B, d, h, w] -> [B, d, P] */

/* similarity [B, B, P] -> scalar; *out_logits (may be NULL) gets the logits [B, 1 + B + 1]. */
oai_value oai_loss_lvs_emit(oai_builder *builder, const oassl_loss_options *options, oai_value similarity,
                            oai_value *out_logits);
/* S[n, k, p], cosine of position p of picture n with sound k, from unit_visual and audio -> [B, B, P] */
oai_value oai_loss_similarity(oai_builder *builder, const oai_loss_inputs *inputs);
/* exp(log_mask) [B, P] over its largest value, as [B, 1, P]; and over its largest value along the last of three axes. */
oai_value oai_loss_scaled_mask(oai_builder *builder, oai_value log_mask);
/* S_a [B, P]: cosine of every position with its own sound. */
oai_value oai_loss_own_map(oai_builder *builder, const oai_loss_inputs *inputs);
/* OCA with one region a source instead of one for all (option oca_per_source). */
oai_loss_parts oai_loss_oca_sources_emit(oai_builder *builder, const oassl_loss_options *options,
                                         const oai_loss_inputs *inputs);
/* Fills oca, foreground, background. */
oai_loss_parts oai_loss_oca_emit(oai_builder *builder, const oassl_loss_options *options,
                                 const oai_loss_inputs *inputs);
/* S_r [B, K+1, h, w] from features. */
oai_value oai_loss_reference_maps(oai_builder *builder, const oai_loss_inputs *inputs);
/* maps [B, K+1, h, w] -> scalar */
oai_value oai_loss_ori_emit(oai_builder *builder, const oassl_loss_options *options, oai_value maps,
                            oai_value background_weight);

#endif
