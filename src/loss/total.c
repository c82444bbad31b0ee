/* The weighted sum of the parts (losses.md 8.3), and options. */
#include <math.h>

#include "base/error.h"
#include "loss/loss.h"

static void set_default(double *field, double value) {
    if (*field == 0) *field = value;
}

static oassl_status check_choice(const char *name, int32_t value, int32_t last) {
    if (value >= 0 && value <= last) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "loss option '%s': expected 0..%d, found %d", name, last, value);
}

static oassl_status check_choices(const oassl_loss_options *o) {
    OAI_TRY(check_choice("kind", o->kind, OASSL_LOSS_ORI_MAPS));
    OAI_TRY(check_choice("preset", o->preset, OASSL_LOSS_PRESET_EQ8));
    OAI_TRY(check_choice("allow_empty_background", o->allow_empty_background, 1));
    OAI_TRY(check_choice("lvs_exclude_diagonal", o->lvs_exclude_diagonal, 1));
    OAI_TRY(check_choice("lvs_no_trimap", o->lvs_no_trimap, 1));
    OAI_TRY(check_choice("lvs_no_hard_negatives", o->lvs_no_hard_negatives, 1));
    OAI_TRY(check_choice("oca_rule", o->oca_rule, OASSL_OCA_REF_REF));
    OAI_TRY(check_choice("ori_cost", o->ori_cost, OASSL_ORI_MASS));
    OAI_TRY(check_choice("ori_gradient", o->ori_gradient, OASSL_ORI_ENVELOPE));
    OAI_TRY(check_choice("ori_reduction", o->ori_reduction, OASSL_ORI_BATCH_MEAN));
    OAI_TRY(check_choice("ori_transform", o->ori_transform, OASSL_ORI_MINMAX));
    OAI_TRY(check_choice("ori_coordinates", o->ori_coordinates, OASSL_ORI_GRID));
    OAI_TRY(check_choice("ori_squared", o->ori_squared, 1));
    return check_choice("oca_per_source", o->oca_per_source, 1);
}

static oassl_status check_numbers(const oassl_loss_options *o) {
    const struct {
        const char *name;
        double value, least;
        int strict;
    } numbers[] = {{"lambda_base", o->lambda_base, 0, 0},
                   {"lambda_oca", o->lambda_oca, 0, 0},
                   {"lambda_ori", o->lambda_ori, 0, 0},
                   {"lvs_positive", o->lvs_positive, -1, 0},
                   {"lvs_negative", o->lvs_negative, -1, 0},
                   {"lvs_width", o->lvs_width, 0, 1},
                   {"lvs_temperature", o->lvs_temperature, 0, 1},
                   {"oca_positive", o->oca_positive, -1, 0},
                   {"oca_negative", o->oca_negative, -1, 0},
                   {"oca_width", o->oca_width, 0, 1},
                   {"oca_tau", o->oca_tau, -2, 0},
                   {"oca_temperature", o->oca_temperature, 0, 1},
                   {"ori_epsilon", o->ori_epsilon, 0, 1},
                   {"ori_stop", o->ori_stop, -HUGE_VAL, 0},
                   {"ori_spatial_weight", o->ori_spatial_weight, -HUGE_VAL, 0}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double value = numbers[i].value;
        if (isfinite(value) && value >= numbers[i].least && !(numbers[i].strict && value == numbers[i].least))
            continue;
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "loss option '%s': expected a number %s %g, found %g",
                        numbers[i].name, numbers[i].strict ? "above" : "of at least", numbers[i].least, value);
    }
    if (o->ori_iterations > 10000)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "loss option 'ori_iterations': expected at most 10000, found %u", o->ori_iterations);
    return OASSL_STATUS_OK;
}

oassl_status oai_loss_options_resolve(const oassl_loss_options *options, oassl_loss_options *out) {
    oassl_loss_options o = *options;
    OAI_TRY(check_choices(&o));
    if (o.preset == OASSL_LOSS_PRESET_EQ8) o.lambda_base = 0;
    set_default(&o.lvs_positive, 0.65);
    set_default(&o.lvs_negative, 0.4);
    set_default(&o.lvs_width, 0.03);
    set_default(&o.lvs_temperature, 0.07);
    set_default(&o.oca_positive, 0.65);
    set_default(&o.oca_negative, 0.4);
    set_default(&o.oca_width, 0.03);
    set_default(&o.oca_tau, 0.7);
    set_default(&o.oca_temperature, 1.0);
    set_default(&o.ori_epsilon, 0.1);
    set_default(&o.ori_stop, 0.1);
    set_default(&o.ori_spatial_weight, 1.0);
    if (o.ori_iterations == 0) o.ori_iterations = 100;
    OAI_TRY(check_numbers(&o));
    if (o.kind == OASSL_LOSS_OASSL && o.lambda_base == 0 && o.lambda_oca == 0 && o.lambda_ori == 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "loss options: all of lambda_base, lambda_oca, lambda_ori are 0");
    *out = o;
    return OASSL_STATUS_OK;
}

static int has_oca(const oassl_loss_options *o) {
    return o->kind == OASSL_LOSS_OCA || (o->kind == OASSL_LOSS_OASSL && o->lambda_oca != 0);
}
static int has_ori(const oassl_loss_options *o) {
    return o->kind == OASSL_LOSS_ORI || (o->kind == OASSL_LOSS_OASSL && o->lambda_ori != 0);
}
static int has_lvs(const oassl_loss_options *o) {
    return o->kind == OASSL_LOSS_LVS || (o->kind == OASSL_LOSS_OASSL && o->lambda_base != 0);
}

int oai_loss_needs_audio(const oassl_loss_options *o) { return has_lvs(o) || has_oca(o); }
int oai_loss_needs_captions(const oassl_loss_options *o) { return has_oca(o) || has_ori(o); }

/* sum += lambda * part; a missing part or sum counts as zero.  Always a value of its own: callers bind total and parts
 * to different memory. */
static oai_value accumulate(oai_builder *b, oai_value sum, double lambda, oai_value part) {
    if (part == OAI_NO_VALUE || lambda == 0) return sum;
    oai_value scaled = oai_affine(b, part, lambda, 0.0);
    return sum == OAI_NO_VALUE ? scaled : oai_add(b, sum, scaled);
}

static oai_loss_parts emit_from_maps(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *in) {
    oai_loss_parts parts = {OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE};
    if (o->kind == OASSL_LOSS_ORI_MAPS) {
        parts.ori = oai_loss_ori_emit(b, o, in->maps, in->background_weight);
        parts.total = accumulate(b, OAI_NO_VALUE, 1, parts.ori);
        return parts;
    }
    int64_t batch = oai_dim(b, in->similarity, 0);
    oai_value similarity = oai_reshape(b, in->similarity, 3, OAI_SHAPE(batch, batch, -1));
    parts.base = oai_loss_lvs_emit(b, o, similarity, NULL);
    parts.total = accumulate(b, OAI_NO_VALUE, 1, parts.base);
    return parts;
}

oai_loss_parts oai_loss_emit(oai_builder *b, const oassl_loss_options *o, const oai_loss_inputs *inputs) {
    oai_loss_inputs in = *inputs;
    oai_loss_parts parts = {OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE};
    oai_value first = o->kind == OASSL_LOSS_LVS_MAPS   ? in.similarity
                      : o->kind == OASSL_LOSS_ORI_MAPS ? in.maps
                                                       : in.visual;
    if (oai_dim(b, first, 0) > OAI_LOSS_MAX_BATCH) {
        oai_builder_fail(b, OASSL_STATUS_UNSUPPORTED, "loss: a batch of %lld, at most %d",
                         (long long)oai_dim(b, first, 0), OAI_LOSS_MAX_BATCH);
        return parts;
    }
    if (o->kind == OASSL_LOSS_LVS_MAPS || o->kind == OASSL_LOSS_ORI_MAPS) return emit_from_maps(b, o, &in);
    in.unit_visual = oai_loss_unit_visual(b, in.visual);
    if (has_oca(o) && o->oca_per_source && oai_dim(b, in.foreground, 0) * oai_dim(b, in.foreground, 1) > OAI_LOSS_MAX_BATCH) {
        oai_builder_fail(b, OASSL_STATUS_UNSUPPORTED, "loss: oca_per_source takes at most %d references in a batch", OAI_LOSS_MAX_BATCH);
        return parts;
    }
    if (has_oca(o)) parts = oai_loss_oca_emit(b, o, &in);
    if (has_lvs(o)) parts.base = oai_loss_lvs_emit(b, o, oai_loss_similarity(b, &in), NULL);
    if (has_ori(o)) parts.ori = oai_loss_ori_emit(b, o, oai_loss_reference_maps(b, &in), in.background_weight);
    int whole = o->kind == OASSL_LOSS_OASSL;
    parts.total = accumulate(b, parts.total, whole ? o->lambda_base : 1, parts.base);
    parts.total = accumulate(b, parts.total, whole ? o->lambda_oca : 1, parts.oca);
    parts.total = accumulate(b, parts.total, whole ? o->lambda_ori : 1, parts.ori);
    return parts;
}

oai_loss_parts oai_loss_oassl_emit(oai_builder *b, const oassl_loss_options *options, oai_value visual,
                                   oai_value audio, oai_value foreground, oai_value background,
                                   oai_value background_weight) {
    oassl_loss_options o = *options;
    oai_loss_inputs in = {visual,       audio,        foreground,  background, background_weight,
                          OAI_NO_VALUE, OAI_NO_VALUE, OAI_NO_VALUE};
    o.kind = OASSL_LOSS_OASSL;
    return oai_loss_emit(b, &o, &in);
}
