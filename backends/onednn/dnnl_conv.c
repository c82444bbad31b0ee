/* CONV2D and its gradients.  oneDNN chooses the layouts; what follows in the graph takes them over. */
#include <omp.h>

#include "internal.h"

typedef struct conv {
    oab_conv_geometry geometry;
    dnnl_dims_t src, weight, dst, bias;
    int32_t weight_rank;                              /* 5 with groups */
    dnnl_data_type_t src_type, weight_type, dst_type; /* or of their gradients */
    oab_md src_md, weight_md, dst_md, bias_md;
    const oab_layout *src_in, *dst_in; /* layouts of more pictures to be read in; NULL: oneDNN's choice */
    oab_quantized quantized;           /* of an 8-bit one; weights owned */
    float *folded;                     /* weights of another one after fold_stride, owned */
    int is_folded;
    float sum_scale;
} conv;

static void shape_of(const oab_lower *l, uint32_t value, dnnl_dims_t dims) {
    const oassl_graph_value *v = &l->graph->values[value];
    for (int32_t k = 0; k < v->rank; k++) dims[k] = v->shape[k];
}

static int is_8bit(dnnl_data_type_t type) { return type == dnnl_u8 || type == dnnl_s8; }

static dnnl_status_t make_descriptors(conv *c) {
    const dnnl_dims_t one = {1};
    dnnl_dims_t src_strides, dst_strides;
    dnnl_status_t status;
    oab_channels_last(c->src, src_strides);
    oab_channels_last(c->dst, dst_strides);
    if (is_8bit(c->src_type)) {
        status = oab_md_strided(&c->src_md, 4, c->src, c->src_type, src_strides);
        if (status == dnnl_success) status = oab_md_strided(&c->dst_md, 4, c->dst, c->dst_type, dst_strides);
    } else if (c->src_in) {
        status = oab_md_part(&c->src_md, &c->src_in->md, c->src);
        if (status == dnnl_success) status = oab_md_part(&c->dst_md, &c->dst_in->md, c->dst);
    } else {
        status = c->is_folded ? oab_md_strided(&c->src_md, 4, c->src, c->src_type, src_strides)
                              : oab_md_any(&c->src_md, 4, c->src, c->src_type);
        if (status == dnnl_success) status = oab_md_any(&c->dst_md, 4, c->dst, c->dst_type);
    }
    if (status == dnnl_success) status = oab_md_any(&c->weight_md, c->weight_rank, c->weight, c->weight_type);
    if (status == dnnl_success) status = oab_md_strided(&c->bias_md, 1, c->bias, dnnl_f32, one);
    return status;
}

static void release(conv *c) {
    oab_md_destroy(&c->src_md);
    oab_md_destroy(&c->weight_md);
    oab_md_destroy(&c->dst_md);
    oab_md_destroy(&c->bias_md);
}

static void set_types(conv *c, dnnl_data_type_t src, dnnl_data_type_t weight, dnnl_data_type_t dst) {
    c->src_type = src;
    c->weight_type = weight;
    c->dst_type = dst;
}

/* src, weight, dst: the values with these shapes, whichever of them the node makes. */
static void describe(const oab_lower *l, uint32_t src, uint32_t weight, uint32_t dst, conv *c) {
    const int64_t *a = l->graph->nodes[l->current].attrs.i;
    dnnl_dims_t flat = {0};
    *c = (conv){.weight_rank = 4, .sum_scale = 1};
    for (int k = 0; k < 2; k++) {
        c->geometry.stride[k] = a[k];
        c->geometry.pad[k] = c->geometry.pad_end[k] = a[2 + k];
        c->geometry.dilation[k] = a[4 + k] - 1;
    }
    shape_of(l, src, c->src);
    shape_of(l, dst, c->dst);
    shape_of(l, weight, flat);
    const int64_t groups = a[6];
    for (int k = 0; k < 4; k++) c->weight[k] = flat[k];
    if (groups > 1) {
        c->weight_rank = 5;
        c->weight[0] = groups;
        c->weight[1] = flat[0] / groups;
        for (int k = 1; k < 4; k++) c->weight[k + 1] = flat[k];
    }
    c->bias[0] = flat[0];
    set_types(c, dnnl_f32, dnnl_f32, dnnl_f32);
}

/* ---- forward ------------------------------------------------------------------------------------------------- */

static dnnl_data_type_t summand_type(const oab_lower *l, const conv *c) {
    const uint32_t sum = l->fusions[l->current].sum;
    return sum != OAB_NONE && is_8bit(c->dst_type) ? l->values[sum].quant : c->dst_type;
}

/* Scales, then sum + relu as operations on the result before it is written. */
static dnnl_status_t fused_attr(const oab_lower *l, const conv *c, dnnl_primitive_attr_t *out_attr) {
    const oab_fusion *fusion = &l->fusions[l->current];
    const oab_quantized *q = &c->quantized;
    const dnnl_data_type_t summand = summand_type(l, c);
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_clone(out_attr, l->attr);
    if (status != dnnl_success) return status;
    if (q->weights) status = oab_attr_conv(*out_attr, q->channels, q->products, c->weight_rank == 5);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && fusion->sum != OAB_NONE)
        status = oab_post_sum(ops, c->sum_scale, q->weights ? q->ends[1] : 1.0f,
                              summand == c->dst_type ? dnnl_data_type_undef : summand);
    if (status == dnnl_success && fusion->relu) status = oab_post_relu(ops);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out_attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    return status;
}

/* Winograd's rounding is for those who ask for it. */
static int may_be_winograd(const oab_lower *l, const conv *c) {
    return l->options->precision == OASSL_PRECISION_F32_FAST && c->src_type == dnnl_f32 && c->weight_rank == 4 &&
           c->weight[2] == 3 && c->weight[3] == 3 && c->geometry.stride[0] == 1 && c->geometry.stride[1] == 1 &&
           !c->geometry.dilation[0] && !c->geometry.dilation[1];
}

/* The larger tiles' weights, four times the plain ones, must be shared by enough pixels to be worth reading. */
static int pays_off(const conv *c, dnnl_primitive_desc_t pd) {
    uint64_t plain = sizeof(float), packed = UINT64_MAX;
    oab_md md;
    for (int k = 0; k < 4; k++) plain *= (uint64_t)c->weight[k];
    if (oab_md_of(pd, dnnl_query_weights_md, &md) == dnnl_success) {
        packed = oab_md_bytes(&md);
        oab_md_destroy(&md);
    }
    return packed <= 2 * plain || c->dst[0] * c->dst[2] * c->dst[3] >= 512;
}

static dnnl_status_t forward_descriptor(const oab_lower *l, const conv *c, const oab_md *bias,
                                        dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out_pd) {
    /* Told so, oneDNN chooses layouts that the gradients like too. */
    const int training = l->values[oab_onednn_operand(l, l->current, 0)].in_gradient ||
                         l->values[oab_onednn_operand(l, l->current, 1)].in_gradient;
    const dnnl_prop_kind_t prop = training ? dnnl_forward_training : dnnl_forward_inference;
    if (may_be_winograd(l, c) && oab_pd_conv_forward(out_pd, l->engine, prop, OAB_WINOGRAD, &c->src_md, &c->weight_md,
                                                     bias, &c->dst_md, &c->geometry, attr) == dnnl_success) {
        if (pays_off(c, *out_pd)) return dnnl_success;
        dnnl_primitive_desc_destroy(*out_pd);
    }
    return oab_pd_conv_forward(out_pd, l->engine, prop, dnnl_convolution_direct, &c->src_md, &c->weight_md, bias,
                               &c->dst_md, &c->geometry, attr);
}

static oassl_status weight_buffer(oab_lower *l, const conv *c, const oab_layout *layout, uint32_t *out_buffer) {
    const void *own = c->quantized.weights ? (const void *)c->quantized.weights : c->folded;
    if (!own) return oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), layout, out_buffer);
    const oab_layout *from;
    int64_t strides[5], step = 1;
    for (int32_t k = c->weight_rank; k-- > 0; step *= c->weight[k]) strides[k] = step;
    OAB_TRY(oab_onednn_strided_layout(l, c->weight_rank, c->weight, strides, c->quantized.weights ? dnnl_s8 : dnnl_f32,
                                      &from));
    return oab_onednn_pack(l, own, from, layout, out_buffer);
}

static oassl_status bias_arg(oab_lower *l, const conv *c, oab_arg *out_arg) {
    *out_arg = (oab_arg){.id = DNNL_ARG_BIAS, .buffer = OAB_NONE};
    if (l->graph->nodes[l->current].n_inputs <= 2) return OASSL_STATUS_OK;
    OAB_TRY(oab_onednn_plain_layout(l, 1, c->bias, &out_arg->layout));
    if (!c->quantized.weights) return oab_onednn_plain(l, oab_onednn_operand(l, l->current, 2), &out_arg->buffer);
    return oab_onednn_fixed_buffer(l, c->quantized.scaled_bias, 4 * (uint64_t)c->bias[0], &out_arg->buffer);
}

/* The three scales as arguments, where oneDNN wants them so. */
static oassl_status scale_args(oab_lower *l, const conv *c, oab_arg out_args[3]) {
    const oab_quantized *q = &c->quantized;
    const int32_t ids[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    const float *scales[3] = {q->ends, q->scales, q->ends + 1};
    for (int k = 0; k < 3; k++) {
        const int64_t count = k == 1 ? q->channels : 1;
        out_args[k] = (oab_arg){.id = OAB_ARG_SCALES(ids[k]), .buffer = OAB_NONE};
        if (!OAB_SCALES_ARE_ARGUMENTS || !q->weights) continue;
        OAB_TRY(oab_onednn_plain_layout(l, 1, &count, &out_args[k].layout));
        OAB_TRY(oab_onednn_fixed_buffer(l, scales[k], 4 * (uint64_t)count, &out_args[k].buffer));
    }
    return OASSL_STATUS_OK;
}

/* The sum accumulates into the result's memory; the copy vanishes when it can take over the summand's. */
static oassl_status emit_summand(oab_lower *l, const conv *c, const oab_layout *dst, uint32_t dst_buffer) {
    const uint32_t value = l->fusions[l->current].sum;
    const dnnl_data_type_t type = summand_type(l, c);
    const oab_layout *layout = dst;
    uint32_t other;
    if (value == OAB_NONE) return OASSL_STATUS_OK;
    if (type != dst->type) OAB_TRY(oab_onednn_innermost_layout(l, c->dst, type, &layout));
    OAB_TRY(oab_onednn_form(l, value, layout, &other));
    return oab_onednn_copy(l, other, dst_buffer, oab_md_bytes(&dst->md));
}

/* A folded source is the same memory, seen with other extents. */
static oassl_status src_buffer_of(oab_lower *l, const conv *c, const oab_layout *layout, uint32_t *out_buffer) {
    const uint32_t value = oab_onednn_operand(l, l->current, 0);
    if (c->is_folded) OAB_TRY(oab_onednn_innermost_layout(l, l->graph->values[value].shape, c->src_type, &layout));
    return oab_onednn_form(l, value, layout, out_buffer);
}

static oassl_status emit_forward(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    const oab_layout *src, *weight, *dst;
    oab_arg args[7];
    uint32_t src_buffer, weights, dst_buffer;
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_src_md, 4, c->src, &src));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_weights_md, c->weight_rank, c->weight, &weight));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_dst_md, 4, c->dst, &dst));
    OAB_TRY(src_buffer_of(l, c, src, &src_buffer));
    OAB_TRY(weight_buffer(l, c, weight, &weights));
    OAB_TRY(bias_arg(l, c, &args[3]));
    OAB_TRY(scale_args(l, c, &args[4]));
    OAB_TRY(oab_onednn_form_result(l, l->fusions[l->current].result, dst, &dst_buffer));
    OAB_TRY(emit_summand(l, c, dst, dst_buffer));
    args[0] = (oab_arg){DNNL_ARG_DST, dst_buffer, dst};
    args[1] = (oab_arg){DNNL_ARG_SRC, src_buffer, src};
    args[2] = (oab_arg){DNNL_ARG_WEIGHTS, weights, weight};
    return oab_onednn_emit_primitive(l, pd, args, 7, 1);
}

/* Tap x of a row becomes channel group x mod s of tap x / s, after `before` zeros. */
static oassl_status fold_weights(const oab_lower *l, conv *c, int64_t s, int64_t before, int64_t folded_width) {
    const int64_t kernels = c->weight[0], channels = c->weight[1], rows = c->weight[2], width = c->weight[3];
    const int8_t *quantized = c->quantized.weights;
    const float *plain = oab_onednn_contents(l, oab_onednn_operand(l, l->current, 1));
    const uint64_t bytes = (uint64_t)(kernels * s * channels * rows * folded_width) * (quantized ? 1 : sizeof(float));
    void *to = oab_onednn_alloc(l->host, bytes);
    if (!to) return OASSL_STATUS_OUT_OF_MEMORY;
    for (int64_t k = 0; k < kernels; k++)
        for (int64_t i = 0; i < channels; i++)
            for (int64_t y = 0; y < rows; y++)
                for (int64_t x = 0; x < width; x++) {
                    const int64_t folded_x = before + x, channel = folded_x % s * channels + i;
                    const int64_t from = ((k * channels + i) * rows + y) * width + x;
                    const int64_t at = ((k * s * channels + channel) * rows + y) * folded_width + folded_x / s;
                    if (quantized)
                        ((int8_t *)to)[at] = quantized[from];
                    else
                        ((float *)to)[at] = plain[from];
                }
    if (quantized) {
        oab_onednn_free(l->host, (void *)(uintptr_t)quantized);
        c->quantized.weights = to;
    } else {
        c->folded = to;
    }
    return OASSL_STATUS_OK;
}

/* Channels that products come in: the last group is filled with zeros. */
static int64_t in_groups(const conv *c, int64_t channels) {
    const int64_t group = is_8bit(c->src_type) ? 4 : 2;
    return (channels + group - 1) / group * group;
}

/* In reduced precision most of a first layer's products may be of zeros: three of four in 8 bits and a picture of one
 * channel.  Where the stride is s, s neighbours in a row with channels innermost are one pixel of s times the channels
 * in a row of stride 1; the kernel, begun with zeros to fit, is folded in the same way. */
static oassl_status fold_stride(const oab_lower *l, conv *c) {
    oab_conv_geometry *g = &c->geometry;
    const int64_t s = g->stride[1], width = c->weight[3], in = c->src[3] / s;
    const int64_t pad = (g->pad[1] + s - 1) / s, before = pad * s - g->pad[1];
    const int64_t folded_width = (before + width + s - 1) / s, pad_end = c->dst[3] - 1 + folded_width - pad - in;
    const int fits = s > 1 && c->src[1] <= 4 && c->src[3] % s == 0 && !g->dilation[1] && c->weight_rank == 4;
    if (!fits || pad_end < 0) return OASSL_STATUS_OK;
    if (folded_width * in_groups(c, s * c->src[1]) >= width * in_groups(c, c->src[1])) return OASSL_STATUS_OK;
    OAB_TRY(fold_weights(l, c, s, before, folded_width));
    c->is_folded = 1;
    c->src[1] = c->weight[1] = s * c->src[1];
    c->src[3] = in;
    c->weight[3] = folded_width;
    g->stride[1] = 1;
    g->pad[1] = pad;
    g->pad_end[1] = pad_end;
    return OASSL_STATUS_OK;
}

static oassl_status quantize(oab_lower *l, conv *c) {
    const oab_fusion *fusion = &l->fusions[l->current];
    const float dst_scale = is_8bit(c->dst_type) ? l->values[fusion->result].scale : 1.0f;
    if (fusion->sum != OAB_NONE && is_8bit(c->dst_type)) c->sum_scale = l->values[fusion->sum].scale;
    return oab_onednn_quantize(l, l->values[oab_onednn_operand(l, l->current, 0)].scale, dst_scale, &c->quantized);
}

/* Weights known now, and of no interest to a gradient. */
static int may_be_folded(const oab_lower *l, const conv *c) {
    const uint32_t src = oab_onednn_operand(l, l->current, 0), weight = oab_onednn_operand(l, l->current, 1);
    return c->src_type != dnnl_f32 && oab_onednn_contents(l, weight) && !l->values[src].in_gradient &&
           !l->values[weight].in_gradient;
}

static oassl_status lower_conv_with(oab_lower *l, conv *c, dnnl_status_t *out_status) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    oassl_status result = is_8bit(c->src_type) ? quantize(l, c) : OASSL_STATUS_OK;
    if (result == OASSL_STATUS_OK && may_be_folded(l, c)) result = fold_stride(l, c);
    *out_status = result == OASSL_STATUS_OK ? make_descriptors(c) : dnnl_out_of_memory;
    if (*out_status == dnnl_success) *out_status = fused_attr(l, c, &attr);
    if (*out_status == dnnl_success)
        *out_status =
            forward_descriptor(l, c, l->graph->nodes[l->current].n_inputs > 2 ? &c->bias_md : NULL, attr, &pd);
    if (*out_status == dnnl_success) result = emit_forward(l, c, pd);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    oab_onednn_free(l->host, (void *)(uintptr_t)c->quantized.weights);
    oab_onednn_free(l->host, c->folded);
    release(c);
    return result;
}

oassl_status oab_onednn_lower_conv(oab_lower *l) {
    const uint32_t src = oab_onednn_operand(l, l->current, 0), weight = oab_onednn_operand(l, l->current, 1);
    const dnnl_data_type_t type = oab_onednn_conv_type(l, l->current);
    dnnl_status_t status = dnnl_success;
    conv c;
    describe(l, src, weight, l->graph->nodes[l->current].first_output, &c);
    set_types(&c, type, is_8bit(type) ? dnnl_s8 : type, oab_onednn_conv_result_type(l, l->current));
    OAB_TRY(lower_conv_with(l, &c, &status));
    if (status == dnnl_unimplemented && type != dnnl_f32) { /* a shape oneDNN has in f32 only */
        describe(l, src, weight, l->graph->nodes[l->current].first_output, &c);
        OAB_TRY(lower_conv_with(l, &c, &status));
    }
    return status == dnnl_success ? OASSL_STATUS_OK : oab_onednn_dnnl_error(l, status, "convolution");
}

/* ---- gradient of the source ---------------------------------------------------------------------------------- */

static oassl_status emit_grad_input(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    const oab_layout *diff_src, *weight, *diff_dst;
    uint32_t result, weight_buffer, dy;
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_diff_src_md, 4, c->src, &diff_src));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_weights_md, c->weight_rank, c->weight, &weight));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_diff_dst_md, 4, c->dst, &diff_dst));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 0), weight, &weight_buffer));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), diff_dst, &dy));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, diff_src, &result));
    const oab_arg args[] = {{DNNL_ARG_DIFF_SRC, result, diff_src},
                            {DNNL_ARG_WEIGHTS, weight_buffer, weight},
                            {DNNL_ARG_DIFF_DST, dy, diff_dst}};
    return oab_onednn_emit_primitive(l, pd, args, 3, 1);
}

/* Makes the descriptor of a gradient: of the weights, or of the source. */
static dnnl_status_t grad_descriptor_by(const oab_lower *l, conv *c, int of_weight, dnnl_alg_kind_t algorithm,
                                        dnnl_primitive_desc_t *out_pd) {
    dnnl_primitive_desc_t hint = NULL;
    conv forward = *c;
    if (of_weight) forward.weight_type = c->src_type;
    if (!of_weight) forward.src_type = c->weight_type;
    forward.dst_type = forward.src_type;
    dnnl_status_t status = make_descriptors(c);
    if (status == dnnl_success) status = make_descriptors(&forward);
    if (status == dnnl_success)
        status = oab_pd_conv_forward(&hint, l->engine, dnnl_forward_training, algorithm, &forward.src_md,
                                     &forward.weight_md, NULL, &forward.dst_md, &c->geometry, l->attr);
    if (status == dnnl_success)
        status = of_weight ? oab_pd_conv_grad_weight(out_pd, l->engine, algorithm, &c->src_md, &c->weight_md,
                                                     &c->dst_md, &c->geometry, hint, l->attr)
                           : oab_pd_conv_grad_input(out_pd, l->engine, algorithm, &c->src_md, &c->weight_md,
                                                    &c->dst_md, &c->geometry, hint, l->attr);
    if (hint) dnnl_primitive_desc_destroy(hint);
    release(&forward);
    release(c);
    return status;
}

static dnnl_status_t grad_descriptor(const oab_lower *l, conv *c, int of_weight, dnnl_primitive_desc_t *out_pd) {
    if (may_be_winograd(l, c) && grad_descriptor_by(l, c, of_weight, OAB_WINOGRAD, out_pd) == dnnl_success)
        return dnnl_success;
    return grad_descriptor_by(l, c, of_weight, dnnl_convolution_direct, out_pd);
}

oassl_status oab_onednn_lower_conv_grad_input(oab_lower *l) {
    const uint32_t dx = l->graph->nodes[l->current].first_output;
    const int reduced = l->options->precision == OASSL_PRECISION_BF16;
    dnnl_primitive_desc_t pd = NULL;
    conv c;
    describe(l, dx, oab_onednn_operand(l, l->current, 0), oab_onednn_operand(l, l->current, 1), &c);
    if (reduced) set_types(&c, l->values[dx].in_reduced ? dnnl_bf16 : dnnl_f32, dnnl_bf16, dnnl_bf16);
    dnnl_status_t status = grad_descriptor(l, &c, 0, &pd);
    if (status == dnnl_unimplemented && reduced) {
        set_types(&c, dnnl_f32, dnnl_f32, dnnl_f32);
        status = grad_descriptor(l, &c, 0, &pd);
    }
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "convolution's input gradient");
    const oassl_status result = emit_grad_input(l, &c, pd);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

/* ---- gradient of the weights --------------------------------------------------------------------------------- */

/* oneDNN gives every thread a share of the batch where the weights are few, so that the order in which their gradient
 * is summed follows the number of threads.  The first layer's, of an input whose mean is far from zero, is a small
 * rest of large terms and shows it in the fourth digit.  Such gradients are summed in parts of the batch that are the
 * same for any number of threads. */
#define MAX_PARTS 16

typedef struct grad_layouts {
    const oab_layout *src, *diff_weight, *diff_dst;
} grad_layouts;

static oassl_status find_layouts(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd, grad_layouts *out) {
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_src_md, 4, c->src, &out->src));
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_diff_weights_md, c->weight_rank, c->weight, &out->diff_weight));
    return oab_onednn_layout_of(l, pd, dnnl_query_diff_dst_md, 4, c->dst, &out->diff_dst);
}

/* Of n pictures; 0 = a layout we cannot read. */
static uint64_t batch_bytes(const oab_layout *layout, int64_t n) {
    const dnnl_dim_t *strides = NULL;
    oab_md_strides(&layout->md, &strides);
    return strides ? (uint64_t)(n * strides[0]) * dnnl_data_type_size(layout->type) : 0;
}

/* The parts worth making, each with its `pd`; 0 = the batch as a whole. */
static uint32_t split(const oab_lower *l, const conv *whole, const grad_layouts *g, conv *part,
                      dnnl_primitive_desc_t *out_pd) {
    const uint64_t data = oab_md_bytes(&g->src->md) + oab_md_bytes(&g->diff_dst->md);
    uint32_t n = MAX_PARTS;
    while (whole->src[0] % n) n--;
    if (n == 1 || may_be_winograd(l, whole) || 8 * n * oab_md_bytes(&g->diff_weight->md) > data) return 0;
    if (!batch_bytes(g->src, 1) || !batch_bytes(g->diff_dst, 1)) return 0;
    *part = *whole;
    part->src[0] = part->dst[0] = whole->src[0] / n;
    part->src_in = g->src;
    part->dst_in = g->diff_dst;
    omp_set_num_threads(1);
    const dnnl_status_t status = grad_descriptor_by(l, part, 1, dnnl_convolution_direct, out_pd);
    omp_set_num_threads((int)l->plan->n_threads);
    return status == dnnl_success ? n : 0;
}

static oassl_status emit_in_parts(oab_lower *l, const conv *part, uint32_t n, uint32_t x, uint32_t dy,
                                  dnnl_primitive_desc_t pd) {
    grad_layouts g;
    oab_node *node;
    uint32_t result, sums, *kept = oab_onednn_keep(l, sizeof *kept);
    if (!kept) return OASSL_STATUS_OUT_OF_MEMORY;
    *kept = n;
    OAB_TRY(find_layouts(l, part, pd, &g));
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, g.diff_weight, &result));
    const uint64_t bytes = oab_md_bytes(&g.diff_weight->md);
    OAB_TRY(oab_onednn_buffer(l, n * bytes, &sums));
    OAB_TRY(oab_onednn_make_node(l, l->current, &node));
    node->count = (int64_t)(bytes / sizeof(float));
    node->extra = kept;
    const oab_arg args[] = {
        {DNNL_ARG_DIFF_WEIGHTS, sums, g.diff_weight}, {DNNL_ARG_SRC, x, g.src}, {DNNL_ARG_DIFF_DST, dy, g.diff_dst}};
    const uint64_t part_bytes[] = {bytes, batch_bytes(g.src, part->src[0]), batch_bytes(g.diff_dst, part->dst[0])};
    OAB_TRY(oab_onednn_emit_parts(l, pd, args, part_bytes, 3, 1, n));
    return oab_onednn_emit_kernel(l, oab_onednn_add_parts, node, (uint32_t[]){result, sums}, 2, 1, OAB_NONE, 0);
}

static oassl_status emit_grad_weight(oab_lower *l, const conv *c, dnnl_primitive_desc_t pd) {
    grad_layouts g;
    conv part;
    uint32_t x, dy, result;
    dnnl_primitive_desc_t part_pd = NULL;
    OAB_TRY(find_layouts(l, c, pd, &g));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 0), g.src, &x));
    OAB_TRY(oab_onednn_form(l, oab_onednn_operand(l, l->current, 1), g.diff_dst, &dy));
    const uint32_t n = split(l, c, &g, &part, &part_pd);
    if (n) {
        omp_set_num_threads(1);
        const oassl_status status = emit_in_parts(l, &part, n, x, dy, part_pd);
        omp_set_num_threads((int)l->plan->n_threads);
        dnnl_primitive_desc_destroy(part_pd);
        return status;
    }
    OAB_TRY(oab_onednn_form_result(l, l->graph->nodes[l->current].first_output, g.diff_weight, &result));
    const oab_arg args[] = {
        {DNNL_ARG_DIFF_WEIGHTS, result, g.diff_weight}, {DNNL_ARG_SRC, x, g.src}, {DNNL_ARG_DIFF_DST, dy, g.diff_dst}};
    return oab_onednn_emit_primitive(l, pd, args, 3, 1);
}

oassl_status oab_onednn_lower_conv_grad_weight(oab_lower *l) {
    const int reduced = l->options->precision == OASSL_PRECISION_BF16;
    dnnl_primitive_desc_t pd = NULL;
    conv c;
    describe(l, oab_onednn_operand(l, l->current, 0), l->graph->nodes[l->current].first_output,
             oab_onednn_operand(l, l->current, 1), &c);
    if (reduced) set_types(&c, dnnl_bf16, dnnl_f32, dnnl_bf16);
    dnnl_status_t status = grad_descriptor(l, &c, 1, &pd);
    if (status == dnnl_unimplemented && reduced) {
        set_types(&c, dnnl_f32, dnnl_f32, dnnl_f32);
        status = grad_descriptor(l, &c, 1, &pd);
    }
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "convolution's weight gradient");
    const oassl_status result = emit_grad_weight(l, &c, pd);
    dnnl_primitive_desc_destroy(pd);
    return result;
}
