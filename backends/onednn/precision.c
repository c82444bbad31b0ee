/* Precisions below strict f32: what they need, which steps compute in them, and how values between those are kept.
 *
 * BF16: convolutions, matrix products (dnnl_matmul.c) and what works on the memory they leave (batch normalisation,
 * pooling, sums, RELU).  INT8: convolutions whose source has a calibrated range and whose parameters are known now;
 * sources from 0 up as u8, others as s8 around 0, weights as s8 with a scale for every output channel.  All other
 * steps read row-major f32: reorders between the two come by themselves (forms.c). */
#include <math.h>

#include "internal.h"

/* ---- what the machine and the options allow ------------------------------------------------------------------ */

static int cpu_has(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

static uint32_t n_ranges(const oassl_backend_plan_options *options) {
    const size_t end = offsetof(oassl_backend_plan_options, ranges) + sizeof options->ranges;
    return options->struct_size >= end && options->ranges ? options->n_ranges : 0;
}

oassl_status oab_onednn_check_precision(const oassl_backend_host *host, const oassl_backend_plan_options *options) {
    const char *lacks = NULL;
    switch (options->precision) {
    case OASSL_PRECISION_F32:
    case OASSL_PRECISION_F32_FAST: return OASSL_STATUS_OK;
    case OASSL_PRECISION_BF16:
        if (!cpu_has(dnnl_cpu_isa_avx512_core_bf16)) lacks = "bf16 needs a CPU with avx512_core_bf16";
        break;
    case OASSL_PRECISION_INT8:
        if (!cpu_has(dnnl_cpu_isa_avx512_core_vnni) && !cpu_has(dnnl_cpu_isa_avx2_vnni))
            lacks = "int8 needs a CPU with avx512_core_vnni or avx2_vnni";
        else if (!n_ranges(options))
            lacks = "int8 needs ranges of the values that convolutions read; the plan's options have none";
        break;
    default: lacks = "the plan's options ask for a precision that is not known";
    }
    if (!lacks) return OASSL_STATUS_OK;
    return oab_onednn_fail(host, OASSL_STATUS_UNSUPPORTED, "oneDNN backend: %s", lacks);
}

/* ---- types --------------------------------------------------------------------------------------------------- */

static void take_ranges(oab_lower *l) {
    for (uint32_t k = 0; k < n_ranges(l->options); k++) {
        const oassl_backend_range *r = &l->options->ranges[k];
        if (r->value >= l->graph->n_values || !isfinite(r->low) || !isfinite(r->high) || r->low > r->high) continue;
        const float largest = fabsf(r->low) > fabsf(r->high) ? fabsf(r->low) : fabsf(r->high);
        oab_value *v = &l->values[r->value];
        v->quant = r->low >= 0 ? dnnl_u8 : dnnl_s8;
        v->scale = largest / (r->low >= 0 ? 255.0f : 127.0f);
        if (v->scale < 1e-30f) v->scale = 1e-30f; /* nothing but zeros was seen */
    }
    /* A maximum keeps the steps of what it chose from. */
    for (uint32_t n = 0; n < l->graph->n_nodes; n++) {
        if (l->graph->nodes[n].op != OASSL_OP_MAX_POOL) continue;
        const oab_value *from = &l->values[oab_onednn_operand(l, n, 0)];
        oab_value *to = &l->values[l->graph->nodes[n].first_output];
        to->quant = from->quant;
        to->scale = from->scale;
    }
}

dnnl_data_type_t oab_onednn_conv_type(const oab_lower *l, uint32_t node) {
    const int biased = l->graph->nodes[node].n_inputs > 2;
    if (l->options->precision == OASSL_PRECISION_BF16) return dnnl_bf16;
    if (l->options->precision != OASSL_PRECISION_INT8) return dnnl_f32;
    const oab_value *src = &l->values[oab_onednn_operand(l, node, 0)];
    const int known = oab_onednn_contents(l, oab_onednn_operand(l, node, 1)) &&
                      (!biased || oab_onednn_contents(l, oab_onednn_operand(l, node, 2)));
    return src->quant != dnnl_data_type_undef && known ? src->quant : dnnl_f32;
}

/* What the caller reads is not rounded on the way. */
dnnl_data_type_t oab_onednn_conv_result_type(const oab_lower *l, uint32_t node) {
    const oab_fusion *fusion = &l->fusions[node];
    const oab_value *result = &l->values[fusion->result];
    const dnnl_data_type_t type = oab_onednn_conv_type(l, node);
    if (type == dnnl_f32 || !result->in_reduced || result->is_output) return dnnl_f32;
    if (type == dnnl_bf16) return dnnl_bf16;
    const int summand_known = fusion->sum == OAB_NONE || l->values[fusion->sum].quant != dnnl_data_type_undef;
    return result->quant != dnnl_data_type_undef && summand_known ? result->quant : dnnl_f32;
}

/* Operand k of the node is read as the plan's reduced precision keeps it. */
static int reads_reduced(const oab_lower *l, uint32_t n, uint32_t k) {
    const oassl_graph_node *node = &l->graph->nodes[n];
    if (l->options->precision == OASSL_PRECISION_INT8) {
        if (node->op == OASSL_OP_MAX_POOL) return l->values[node->first_output].in_reduced;
        return node->op == OASSL_OP_CONV2D && k == 0 && oab_onednn_conv_type(l, n) != dnnl_f32;
    }
    switch (node->op) {
    case OASSL_OP_CONV2D:
    case OASSL_OP_CONV2D_GRAD_INPUT:
    case OASSL_OP_CONV2D_GRAD_WEIGHT:
    case OASSL_OP_MAX_POOL:
    case OASSL_OP_MAX_POOL_GRAD:
    case OASSL_OP_ADD:
    case OASSL_OP_RELU:
    case OASSL_OP_RELU_GRAD: return 1;
    case OASSL_OP_BATCH_NORM:
    case OASSL_OP_BATCH_NORM_INFER: return k == 0;
    case OASSL_OP_BATCH_NORM_GRAD:
    case OASSL_OP_BATCH_NORM_INFER_GRAD: return k == 0 || k == 4;
    default: return 0;
    }
}

/* From the last node to the first: whether a result is kept in 8 bits depends on who reads it. */
oassl_status oab_onednn_assign_types(oab_lower *l) {
    if (l->options->precision == OASSL_PRECISION_INT8) take_ranges(l);
    if (l->options->precision != OASSL_PRECISION_INT8 && l->options->precision != OASSL_PRECISION_BF16)
        return OASSL_STATUS_OK;
    for (uint32_t n = l->graph->n_nodes; n-- > 0;) {
        const oab_fusion *fusion = &l->fusions[n];
        for (uint32_t k = 0; k < l->graph->nodes[n].n_inputs; k++)
            if (reads_reduced(l, n, k)) l->values[oab_onednn_operand(l, n, k)].in_reduced = 1;
        if (fusion->sum != OAB_NONE && !fusion->absorbed && oab_onednn_conv_result_type(l, n) != dnnl_f32)
            l->values[fusion->sum].in_reduced = 1;
    }
    return OASSL_STATUS_OK;
}

/* ---- 8-bit weights ------------------------------------------------------------------------------------------- */

static float quantize_channel(const float *w, int64_t n, int8_t *q) {
    float largest = 0;
    for (int64_t k = 0; k < n; k++) largest = fabsf(w[k]) > largest ? fabsf(w[k]) : largest;
    const float scale = largest > 1e-30f ? largest / 127.0f : 1e-30f;
    for (int64_t k = 0; k < n; k++) q[k] = (int8_t)lrintf(w[k] / scale);
    return scale;
}

/* Of the current CONV2D, for these scales of its source and result. */
oassl_status oab_onednn_quantize(oab_lower *l, float src_scale, float dst_scale, oab_quantized *out) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const uint32_t weight = oab_onednn_operand(l, l->current, 1);
    const float *w = oab_onednn_contents(l, weight);
    const float *bias = node->n_inputs > 2 ? oab_onednn_contents(l, oab_onednn_operand(l, l->current, 2)) : NULL;
    const int64_t count = oab_onednn_count(&l->graph->values[weight]), channels = l->graph->values[weight].shape[0];
    float *numbers = oab_onednn_keep(l, (uint64_t)(3 * channels + 2) * sizeof *numbers);
    int8_t *q = numbers ? oab_onednn_alloc(l->host, (uint64_t)count) : NULL;
    if (!q) return OASSL_STATUS_OUT_OF_MEMORY;
    float *scales = numbers, *products = scales + channels, *scaled_bias = products + channels;
    for (int64_t c = 0; c < channels; c++) {
        const int64_t n = count / channels;
        scales[c] = quantize_channel(w + c * n, n, q + c * n);
        products[c] = src_scale * scales[c] / dst_scale;
        /* oneDNN 2 adds it before it scales, 3 afterwards. */
        scaled_bias[c] = !bias ? 0 : OAB_SCALES_ARE_ARGUMENTS ? bias[c] : bias[c] / (src_scale * scales[c]);
    }
    float *ends = numbers + 3 * channels;
    ends[0] = src_scale;
    ends[1] = dst_scale;
    *out = (oab_quantized){channels, q, scales, products, scaled_bias, ends};
    return OASSL_STATUS_OK;
}
