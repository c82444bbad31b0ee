/* Buffers, layouts and steps of a plan. */
#include <string.h>

#include "internal.h"

static void *link_block(oab_lower *l, oab_block *block) {
    if (!block) return NULL;
    block->next = l->plan->blocks;
    l->plan->blocks = block;
    return block + 1;
}

void *oab_onednn_keep(oab_lower *l, uint64_t bytes) {
    return link_block(l, oab_onednn_alloc(l->host, sizeof(oab_block) + bytes));
}

/* Every run reads all packed parameters.  Those of a large network lie side by side in blocks that the system can back
 * with huge pages, without which a run takes one or two per cent more to look up every 4 KiB of them. */
#define SLAB (8u << 20)

void *oab_onednn_keep_packed(oab_lower *l, uint64_t bytes) {
    oassl_backend_plan *plan = l->plan;
    const uint64_t need = oab_aligned(bytes);
    if (need > SLAB / 2 || plan->prepacked_bytes < SLAB / 32)
        return link_block(l, oab_onednn_alloc_raw(l->host, sizeof(oab_block) + need));
    if (need > plan->slab_left) {
        plan->slab = link_block(l, oab_onednn_alloc_raw(l->host, SLAB));
        plan->slab_left = plan->slab ? SLAB - sizeof(oab_block) : 0;
        if (!plan->slab) return NULL;
    }
    void *memory = plan->slab;
    plan->slab += need;
    plan->slab_left -= need;
    return memory;
}

static oassl_status grow(oab_lower *l, void **array, uint32_t count, uint32_t *capacity, size_t element) {
    if (count < *capacity) return OASSL_STATUS_OK;
    const uint32_t larger = *capacity ? *capacity * 2 : 256;
    void *moved = oab_onednn_alloc(l->host, (uint64_t)larger * element);
    if (!moved) return OASSL_STATUS_OUT_OF_MEMORY;
    if (*array) memcpy(moved, *array, count * element);
    oab_onednn_free(l->host, *array);
    *array = moved;
    *capacity = larger;
    return OASSL_STATUS_OK;
}

static oassl_status new_buffer(oab_lower *l, oab_home home, uint64_t bytes, uint32_t *out_buffer) {
    oassl_backend_plan *plan = l->plan;
    OAB_TRY(grow(l, (void **)&plan->buffers, plan->n_buffers, &plan->cap_buffers, sizeof *plan->buffers));
    *out_buffer = plan->n_buffers++;
    plan->buffers[*out_buffer] = (oab_buffer){.home = home, .bytes = bytes, .value = OAB_NONE, .root = *out_buffer};
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_buffer(oab_lower *l, uint64_t bytes, uint32_t *out_buffer) {
    return new_buffer(l, OAB_ARENA, bytes, out_buffer);
}

oassl_status oab_onednn_fixed_buffer(oab_lower *l, const void *address, uint64_t bytes, uint32_t *out_buffer) {
    OAB_TRY(new_buffer(l, OAB_FIXED, bytes, out_buffer));
    l->plan->buffers[*out_buffer].address = address;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_bound_buffer(oab_lower *l, uint32_t value, uint32_t *out_buffer) {
    OAB_TRY(new_buffer(l, OAB_BOUND, 4 * (uint64_t)oab_onednn_count(&l->graph->values[value]), out_buffer));
    l->plan->buffers[*out_buffer].value = value;
    l->plan->bound[value] = *out_buffer;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_dnnl_error(const oab_lower *l, dnnl_status_t status, const char *what) {
    const oassl_graph_node *node = &l->graph->nodes[l->current];
    const char *name = l->graph->names ? l->graph->names + node->name : "";
    const oassl_status code = status == dnnl_out_of_memory   ? OASSL_STATUS_OUT_OF_MEMORY
                              : status == dnnl_unimplemented ? OASSL_STATUS_UNSUPPORTED
                                                             : OASSL_STATUS_INTERNAL;
    return oab_onednn_fail(l->host, code, "oneDNN cannot make the %s of node %u (op %u, \"%s\"): status %d", what,
                           l->current, node->op, name, (int)status);
}

/* ---- layouts ------------------------------------------------------------------------------------------------- */

static oassl_status new_layout(oab_lower *l, int32_t rank, const int64_t *dims, oab_layout **out_layout) {
    oab_layout *layout = oab_onednn_keep(l, sizeof *layout);
    if (!layout) return OASSL_STATUS_OUT_OF_MEMORY;
    layout->rank = rank;
    for (int32_t k = 0; k < rank; k++) layout->dims[k] = dims[k];
    *out_layout = layout;
    return OASSL_STATUS_OK;
}

static void own_layout(oab_lower *l, oab_layout *layout) {
    layout->next = l->plan->layouts;
    l->plan->layouts = layout;
}

oassl_status oab_onednn_strided_layout(oab_lower *l, int32_t rank, const int64_t *dims, const int64_t *strides,
                                       dnnl_data_type_t type, const oab_layout **out_layout) {
    oab_layout *layout;
    OAB_TRY(new_layout(l, rank, dims, &layout));
    layout->type = type;
    dnnl_dims_t steps = {0};
    for (int32_t k = 0; k < rank; k++) steps[k] = strides[k];
    const dnnl_status_t status = oab_md_strided(&layout->md, rank, layout->dims, type, steps);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "memory descriptor");
    own_layout(l, layout);
    *out_layout = layout;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_plain_layout(oab_lower *l, int32_t rank, const int64_t *dims, const oab_layout **out_layout) {
    int64_t strides[DNNL_MAX_NDIMS], step = 1;
    for (int32_t k = rank; k-- > 0;) {
        strides[k] = step;
        step *= dims[k];
    }
    return oab_onednn_strided_layout(l, rank, dims, strides, dnnl_f32, out_layout);
}

oassl_status oab_onednn_innermost_layout(oab_lower *l, const int64_t dims[4], dnnl_data_type_t type,
                                         const oab_layout **out_layout) {
    dnnl_dims_t strides;
    oab_channels_last(dims, strides);
    return oab_onednn_strided_layout(l, 4, dims, strides, type, out_layout);
}

oassl_status oab_onednn_layout_of(oab_lower *l, dnnl_primitive_desc_t pd, dnnl_query_t what, int32_t rank,
                                  const int64_t *dims, const oab_layout **out_layout) {
    oab_layout *layout;
    OAB_TRY(new_layout(l, rank, dims, &layout));
    const dnnl_status_t status = oab_md_of(pd, what, &layout->md);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "layout");
    layout->type = oab_md_type(&layout->md);
    own_layout(l, layout);
    *out_layout = layout;
    return OASSL_STATUS_OK;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static oassl_status new_step(oab_lower *l, const uint32_t *args, uint32_t n_args, uint32_t n_written,
                             uint64_t scratch_bytes, oab_step **out_step) {
    oassl_backend_plan *plan = l->plan;
    uint32_t scratch = OAB_NONE;
    if (scratch_bytes) OAB_TRY(oab_onednn_buffer(l, scratch_bytes, &scratch));
    OAB_TRY(grow(l, (void **)&plan->steps, plan->n_steps, &plan->cap_steps, sizeof *plan->steps));
    uint32_t *kept = oab_onednn_keep(l, n_args * sizeof *kept);
    if (!kept) return OASSL_STATUS_OUT_OF_MEMORY;
    memcpy(kept, args, n_args * sizeof *kept);
    oab_step *step = &plan->steps[plan->n_steps++];
    *step =
        (oab_step){.n_args = n_args, .n_written = n_written, .args = kept, .scratch = scratch, .in_place = OAB_NONE};
    *out_step = step;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_emit_kernel(oab_lower *l, oab_kernel kernel, const oab_node *node, const uint32_t *args,
                                    uint32_t n_args, uint32_t n_written, uint32_t in_place, uint64_t scratch_bytes) {
    oab_step *step;
    OAB_TRY(new_step(l, args, n_args, n_written, scratch_bytes, &step));
    step->kernel = kernel;
    step->node = node;
    step->in_place = in_place;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_make_node(oab_lower *l, uint32_t index, oab_node **out_node) {
    const oassl_graph *graph = l->graph;
    const oassl_graph_node *from = &graph->nodes[index];
    const char *name = graph->names ? graph->names + from->name : "";
    const uint64_t name_bytes = strlen(name) + 1;
    const uint32_t n_values = from->n_inputs + from->n_outputs;
    oab_node *node = oab_onednn_keep(l, sizeof *node + n_values * sizeof(oassl_graph_value) + name_bytes);
    if (!node) return OASSL_STATUS_OUT_OF_MEMORY;
    oassl_graph_value *values = (oassl_graph_value *)(node + 1);
    for (uint32_t k = 0; k < from->n_inputs; k++) values[k] = graph->values[oab_onednn_operand(l, index, k)];
    for (uint32_t k = 0; k < from->n_outputs; k++) values[from->n_inputs + k] = graph->values[from->first_output + k];
    *node = (oab_node){.op = from->op,
                       .n_inputs = from->n_inputs,
                       .n_outputs = from->n_outputs,
                       .index = index,
                       .attrs = from->attrs,
                       .in = values,
                       .out = values + from->n_inputs,
                       .name = memcpy(values + n_values, name, name_bytes),
                       .count = oab_onednn_count(&values[from->n_inputs])};
    *out_node = node;
    return OASSL_STATUS_OK;
}

static oassl_status scratch_layout(oab_lower *l, dnnl_primitive_desc_t pd, const oab_layout **out_layout,
                                   uint64_t *out_bytes) {
    const int64_t none = 0;
    OAB_TRY(oab_onednn_layout_of(l, pd, dnnl_query_scratchpad_md, 0, &none, out_layout));
    *out_bytes = oab_md_bytes(&(*out_layout)->md);
    return OASSL_STATUS_OK;
}

/* n_lots: runs at once, each with scratch memory of its own. */
static oassl_status emit_primitive(oab_lower *l, dnnl_primitive_desc_t pd, const oab_arg *args, uint32_t n_args,
                                   uint32_t n_written, uint32_t n_lots) {
    const oab_layout *scratch;
    uint64_t scratch_bytes;
    OAB_TRY(scratch_layout(l, pd, &scratch, &scratch_bytes));
    uint32_t buffers[OAB_MAX_ARGS], n = 0, written = 0;
    int32_t *ids = oab_onednn_keep(l, n_args * sizeof *ids);
    const oab_md **mds = oab_onednn_keep(l, n_args * sizeof *mds);
    if (!ids || !mds) return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < n_args; k++) {
        if (args[k].buffer == OAB_NONE) continue;
        buffers[n] = args[k].buffer;
        ids[n] = args[k].id;
        mds[n] = &args[k].layout->md;
        written += k < n_written;
        n++;
    }
    dnnl_primitive_t primitive;
    const dnnl_status_t status = dnnl_primitive_create(&primitive, pd);
    if (status != dnnl_success) return oab_onednn_dnnl_error(l, status, "primitive");
    oab_step *step;
    const oassl_status added = new_step(l, buffers, n, written, oab_aligned(scratch_bytes) * n_lots, &step);
    if (added != OASSL_STATUS_OK) {
        dnnl_primitive_destroy(primitive);
        return added;
    }
    step->primitive = primitive;
    step->dnnl_args = ids;
    step->mds = mds;
    step->scratch_md = &scratch->md;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_emit_primitive(oab_lower *l, dnnl_primitive_desc_t pd, const oab_arg *args, uint32_t n_args,
                                       uint32_t n_written) {
    return emit_primitive(l, pd, args, n_args, n_written, 1);
}

oassl_status oab_onednn_emit_parts(oab_lower *l, dnnl_primitive_desc_t pd, const oab_arg *args,
                                   const uint64_t *part_bytes, uint32_t n_args, uint32_t n_written, uint32_t n_parts) {
    uint64_t *kept = oab_onednn_keep(l, n_args * sizeof *kept);
    if (!kept) return OASSL_STATUS_OUT_OF_MEMORY;
    memcpy(kept, part_bytes, n_args * sizeof *kept);
    OAB_TRY(emit_primitive(l, pd, args, n_args, n_written, l->plan->n_threads));
    oab_step *step = &l->plan->steps[l->plan->n_steps - 1];
    step->n_parts = n_parts;
    step->part_bytes = kept;
    return OASSL_STATUS_OK;
}

oassl_status oab_onednn_copy(oab_lower *l, uint32_t from, uint32_t to, uint64_t bytes) {
    oab_node *node = oab_onednn_keep(l, sizeof *node);
    if (!node) return OASSL_STATUS_OUT_OF_MEMORY;
    node->count = (int64_t)bytes;
    return oab_onednn_emit_kernel(l, oab_onednn_copy_kernel, node, (uint32_t[]){to, from}, 2, 1, 1, 0);
}
