/* Where the elements of each value are, and the reorders between places. */
#include <string.h>

#include "internal.h"

/* ---- reorders ------------------------------------------------------------------------------------------------ */

static oassl_status is_plain(oab_lower *l, const oab_layout *layout, int *out_plain,
                             const oab_layout **out_row_major) {
    OAB_TRY(oab_onednn_plain_layout(l, layout->rank, layout->dims, out_row_major));
    *out_plain = oab_md_equal(&layout->md, &(*out_row_major)->md);
    return OASSL_STATUS_OK;
}

static int is_8bit(const oab_layout *layout) { return layout->type == dnnl_u8 || layout->type == dnnl_s8; }

/* What a stored number of `value` times this is. */
static float scale_of(const oab_lower *l, uint32_t value, const oab_layout *layout) {
    return is_8bit(layout) ? l->values[value].scale : 1.0f;
}

/* A scale as an argument of a run, where oneDNN wants it so; left out when it is 1. */
static oassl_status scale_arg(oab_lower *l, int32_t id, float scale, oab_arg *out_arg) {
    const int64_t one = 1;
    *out_arg = (oab_arg){.id = OAB_ARG_SCALES(id), .buffer = OAB_NONE};
    if (!OAB_SCALES_ARE_ARGUMENTS || scale == 1.0f) return OASSL_STATUS_OK;
    float *kept = oab_onednn_keep(l, sizeof *kept);
    if (!kept) return OASSL_STATUS_OUT_OF_MEMORY;
    *kept = scale;
    OAB_TRY(oab_onednn_plain_layout(l, 1, &one, &out_arg->layout));
    return oab_onednn_fixed_buffer(l, kept, sizeof *kept, &out_arg->buffer);
}

static oassl_status emit_reorder(oab_lower *l, uint32_t value, uint32_t from_buffer, const oab_layout *from,
                                 uint32_t to_buffer, const oab_layout *to, dnnl_primitive_attr_t attr) {
    const float from_scale = scale_of(l, value, from), to_scale = scale_of(l, value, to);
    oab_arg args[4] = {{DNNL_ARG_TO, to_buffer, to}, {DNNL_ARG_FROM, from_buffer, from}};
    OAB_TRY(scale_arg(l, DNNL_ARG_FROM, from_scale, &args[2]));
    OAB_TRY(scale_arg(l, DNNL_ARG_TO, to_scale, &args[3]));
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = oab_attr_reorder(attr, from_scale, to_scale);
    if (status == dnnl_success) status = oab_pd_reorder(&pd, l->engine, &from->md, &to->md, attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "reorder");
    const oassl_status result = oab_onednn_emit_primitive(l, pd, args, 4, 1);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

static oassl_status reorder(oab_lower *l, uint32_t value, uint32_t from_buffer, const oab_layout *from,
                            uint32_t to_buffer, const oab_layout *to) {
    dnnl_primitive_attr_t attr;
    const dnnl_status_t status = dnnl_primitive_attr_clone(&attr, l->attr);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "reorder");
    const oassl_status result = emit_reorder(l, value, from_buffer, from, to_buffer, to, attr);
    dnnl_primitive_attr_destroy(attr);
    return result;
}

static dnnl_status_t run_reorder(oab_lower *l, dnnl_primitive_desc_t pd, const oab_layout *from, const void *data,
                                 const oab_layout *to, void *packed) {
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t source = NULL, target = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_primitive_create(&primitive, pd);
    if (status == dnnl_success) status = oab_memory(&source, &from->md, l->engine, (void *)(uintptr_t)data);
    if (status == dnnl_success) status = oab_memory(&target, &to->md, l->engine, packed);
    if (status == dnnl_success) status = dnnl_stream_create(&stream, l->engine, dnnl_stream_default_flags);
    if (status == dnnl_success) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
        status = dnnl_primitive_execute(primitive, stream, 2, args);
    }
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    if (stream) dnnl_stream_destroy(stream);
    if (source) dnnl_memory_destroy(source);
    if (target) dnnl_memory_destroy(target);
    if (primitive) dnnl_primitive_destroy(primitive);
    return status;
}

/* Contents known now are brought into the layout the primitive wants once, now. */
oassl_status oab_onednn_pack(oab_lower *l, const void *data, const oab_layout *from, const oab_layout *to,
                             uint32_t *out_buffer) {
    const uint64_t bytes = oab_md_bytes(&to->md);
    void *packed = oab_onednn_keep_packed(l, bytes);
    if (!packed) return OASSL_STATUS_OUT_OF_MEMORY;
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = oab_pd_reorder(&pd, l->engine, &from->md, &to->md, NULL);
    if (status == dnnl_success) {
        status = run_reorder(l, pd, from, data, to, packed);
        dnnl_primitive_desc_destroy(pd);
    }
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "prepacked parameter");
    l->plan->prepacked_bytes += bytes;
    return oab_onednn_fixed_buffer(l, packed, bytes, out_buffer);
}

oassl_status oab_onednn_prepack_from(oab_lower *l, uint32_t value, const oab_layout *from, const oab_layout *to,
                                     uint32_t *out_buffer) {
    uint32_t plain;
    OAB_TRY(oab_onednn_plain(l, value, &plain));
    return oab_onednn_pack(l, l->plan->buffers[plain].address, from, to, out_buffer);
}

const float *oab_onednn_contents(const oab_lower *l, uint32_t value) {
    const oassl_graph_value *v = &l->graph->values[value];
    if (v->kind == OASSL_VALUE_PARAM) return l->params[value];
    if (v->kind == OASSL_VALUE_CONSTANT)
        return (const float *)(const void *)((const char *)l->graph->constants + v->constant_offset);
    return NULL;
}

/* ---- values -------------------------------------------------------------------------------------------------- */

oassl_status oab_onednn_plain_result(oab_lower *l, uint32_t value, uint32_t *out_buffer) {
    const oassl_graph_value *v = &l->graph->values[value];
    /* A fused step may run before the node whose result it makes; the caller's memory must not be touched that early.
     */
    const int made_now = v->kind != OASSL_VALUE_RESULT || v->producer <= l->current;
    if (l->values[value].is_output && l->plan->bound[value] == OAB_NONE && made_now)
        OAB_TRY(oab_onednn_bound_buffer(l, value, out_buffer));
    else
        OAB_TRY(oab_onednn_buffer(l, 4 * (uint64_t)oab_onednn_count(v), out_buffer));
    l->values[value].plain = *out_buffer;
    return OASSL_STATUS_OK;
}

static void remember(oab_value *value, uint32_t buffer, const oab_layout *layout) {
    const uint32_t slot = value->n_forms < OAB_FORMS ? value->n_forms++ : OAB_FORMS - 1;
    value->forms[slot].buffer = buffer;
    value->forms[slot].layout = layout;
}

oassl_status oab_onednn_form_result(oab_lower *l, uint32_t value, const oab_layout *layout, uint32_t *out_buffer) {
    const oab_layout *row_major;
    int plain;
    OAB_TRY(is_plain(l, layout, &plain, &row_major));
    if (plain) return oab_onednn_plain_result(l, value, out_buffer);
    OAB_TRY(oab_onednn_buffer(l, oab_md_bytes(&layout->md), out_buffer));
    remember(&l->values[value], *out_buffer, layout);
    return OASSL_STATUS_OK;
}

/* The most precise of the forms. */
static uint32_t best_form(const oab_value *place) {
    uint32_t best = 0;
    for (uint32_t k = 1; k < place->n_forms; k++) {
        const oab_layout *a = place->forms[k].layout, *b = place->forms[best].layout;
        if (dnnl_data_type_size(a->type) > dnnl_data_type_size(b->type)) best = k;
    }
    return best;
}

oassl_status oab_onednn_plain(oab_lower *l, uint32_t value, uint32_t *out_buffer) {
    const oassl_graph_value *v = &l->graph->values[value];
    oab_value *place = &l->values[value];
    if (place->plain == OAB_NONE && v->kind == OASSL_VALUE_INPUT) {
        OAB_TRY(oab_onednn_bound_buffer(l, value, &place->plain));
    } else if (place->plain == OAB_NONE && v->kind == OASSL_VALUE_PARAM) {
        OAB_TRY(oab_onednn_fixed_buffer(l, l->params[value], 4 * (uint64_t)oab_onednn_count(v), &place->plain));
    } else if (place->plain == OAB_NONE && v->kind == OASSL_VALUE_CONSTANT) {
        const uint64_t bytes = 4 * (uint64_t)oab_onednn_count(v);
        void *copy = oab_onednn_keep(l, bytes);
        if (!copy) return OASSL_STATUS_OUT_OF_MEMORY;
        memcpy(copy, oab_onednn_contents(l, value), bytes);
        OAB_TRY(oab_onednn_fixed_buffer(l, copy, bytes, &place->plain));
    } else if (place->plain == OAB_NONE && place->n_forms) {
        const uint32_t best = best_form(place);
        const oab_layout *from = place->forms[best].layout, *to;
        OAB_TRY(oab_onednn_plain_layout(l, from->rank, from->dims, &to));
        uint32_t buffer;
        OAB_TRY(oab_onednn_plain_result(l, value, &buffer));
        OAB_TRY(reorder(l, value, place->forms[best].buffer, from, buffer, to));
    } else if (place->plain == OAB_NONE) {
        return oab_onednn_fail(l->host, OASSL_STATUS_INTERNAL,
                               "oneDNN backend: node %u reads value %u before it is made", l->current, value);
    }
    *out_buffer = place->plain;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_form(oab_lower *l, uint32_t value, const oab_layout *layout, uint32_t *out_buffer) {
    oab_value *place = &l->values[value];
    const oab_layout *row_major;
    int plain;
    OAB_TRY(is_plain(l, layout, &plain, &row_major));
    if (plain) return oab_onednn_plain(l, value, out_buffer);
    for (uint32_t k = 0; k < place->n_forms; k++) {
        if (!oab_md_equal(&place->forms[k].layout->md, &layout->md)) continue;
        *out_buffer = place->forms[k].buffer;
        return OASSL_STATUS_OK;
    }
    const uint32_t kind = l->graph->values[value].kind;
    if (kind == OASSL_VALUE_PARAM || kind == OASSL_VALUE_CONSTANT) {
        OAB_TRY(oab_onednn_prepack_from(l, value, row_major, layout, out_buffer));
    } else {
        uint32_t from;
        const oab_layout *from_layout = row_major;
        const uint32_t best = best_form(place);
        if (place->plain == OAB_NONE && place->n_forms && place->forms[best].layout->rank == layout->rank) {
            from = place->forms[best].buffer;
            from_layout = place->forms[best].layout;
        } else {
            OAB_TRY(oab_onednn_plain(l, value, &from));
        }
        OAB_TRY(oab_onednn_buffer(l, oab_md_bytes(&layout->md), out_buffer));
        OAB_TRY(reorder(l, value, from, from_layout, *out_buffer, layout));
    }
    remember(place, *out_buffer, layout);
    return OASSL_STATUS_OK;
}

const oab_layout *oab_onednn_known_form(const oab_lower *l, uint32_t value) {
    return l->values[value].n_forms ? l->values[value].forms[0].layout : NULL;
}

oassl_status oab_onednn_plain_bf16(oab_lower *l, uint32_t value, uint32_t *out_buffer) {
    const int64_t count = oab_onednn_count(&l->graph->values[value]), step = 1;
    uint32_t *place = &l->values[value].bf16;
    if (*place == OAB_NONE) {
        const oab_layout *from, *to;
        uint32_t plain;
        OAB_TRY(oab_onednn_plain_layout(l, 1, &count, &from));
        OAB_TRY(oab_onednn_strided_layout(l, 1, &count, &step, dnnl_bf16, &to));
        if (oab_onednn_contents(l, value)) {
            OAB_TRY(oab_onednn_prepack_from(l, value, from, to, place));
        } else {
            OAB_TRY(oab_onednn_plain(l, value, &plain));
            OAB_TRY(oab_onednn_buffer(l, oab_md_bytes(&to->md), place));
            OAB_TRY(reorder(l, value, plain, from, *place, to));
        }
    }
    *out_buffer = *place;
    return OASSL_STATUS_OK;
}
