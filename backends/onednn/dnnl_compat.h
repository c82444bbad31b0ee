/* The one file that knows which major version of oneDNN is underneath.
 *
 * oneDNN 2 describes memory by value and makes a primitive descriptor from an operation descriptor; oneDNN 3 has
 * opaque memory descriptors and no operation descriptors.  Here both look like 3, with padding_l == padding_r and
 * memory descriptors that are released with oab_md_destroy().  Scales of 8-bit numbers are part of a primitive in 2
 * and arguments of its runs in 3. */
#ifndef OAB_ONEDNN_COMPAT_H
#define OAB_ONEDNN_COMPAT_H

#include <dnnl.h>
#include <string.h>

typedef dnnl_memory_desc_t oab_md;

typedef struct oab_conv_geometry {
    dnnl_dims_t stride, dilation, pad, pad_end; /* dilation 0 = dense, as oneDNN counts it */
} oab_conv_geometry;

typedef struct oab_pool_geometry {
    dnnl_dims_t kernel, stride, pad;
} oab_pool_geometry;

#if DNNL_VERSION_MAJOR >= 3

#define OAB_MD(md) (md)
#define OAB_ARG_SCALES(arg) (DNNL_ARG_ATTR_SCALES | (arg))
enum { OAB_SCALES_ARE_ARGUMENTS = 1 };
/* 3 has none for x86: direct ones are made instead. */
#define OAB_WINOGRAD dnnl_convolution_direct
static inline dnnl_status_t oab_md_strided(oab_md *md, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                           const dnnl_dims_t strides) {
    return dnnl_memory_desc_create_with_strides(md, rank, dims, type, strides);
}
static inline dnnl_status_t oab_md_any(oab_md *md, int rank, const dnnl_dims_t dims, dnnl_data_type_t type) {
    return dnnl_memory_desc_create_with_tag(md, rank, dims, type, dnnl_format_tag_any);
}
static inline dnnl_status_t oab_md_of(dnnl_primitive_desc_t pd, dnnl_query_t what, oab_md *md) {
    const_dnnl_memory_desc_t found = dnnl_primitive_desc_query_md(pd, what, 0);
    return found ? dnnl_memory_desc_clone(md, found) : dnnl_invalid_arguments;
}
static inline dnnl_data_type_t oab_md_type(const oab_md *md) {
    dnnl_data_type_t type = dnnl_data_type_undef;
    dnnl_memory_desc_query(*md, dnnl_query_data_type, &type);
    return type;
}
/* The first pictures of `whole`, as many as dims says. */
static inline dnnl_status_t oab_md_part(oab_md *md, const oab_md *whole, const dnnl_dims_t dims) {
    const dnnl_dims_t none = {0};
    return dnnl_memory_desc_create_submemory(md, *whole, dims, none);
}
/* Strides, and how many neighbours along the channels (axis 1) lie side by side: 1, or the block of a blocked layout.
 * 0 when the layout is neither. */
static inline dnnl_dim_t oab_md_strides(const oab_md *md, const dnnl_dim_t **out_strides) {
    const dnnl_dims_t *strides = NULL, *blocks = NULL, *axes = NULL;
    int n = -1;
    dnnl_memory_desc_query(*md, dnnl_query_strides, (void *)&strides);
    dnnl_memory_desc_query(*md, dnnl_query_inner_nblks_s32, &n);
    dnnl_memory_desc_query(*md, dnnl_query_inner_blks, (void *)&blocks);
    dnnl_memory_desc_query(*md, dnnl_query_inner_idxs, (void *)&axes);
    if (!strides || n < 0 || n > 1 || (n == 1 && (*axes)[0] != 1)) return 0;
    *out_strides = *strides;
    return n ? (*blocks)[0] : 1;
}
static inline void oab_md_destroy(oab_md *md) {
    if (*md) dnnl_memory_desc_destroy(*md);
    *md = NULL;
}
/* Numbers times `from_scale` are what they stand for; `to_scale` likewise. */
static inline dnnl_status_t oab_attr_reorder(dnnl_primitive_attr_t attr, float from_scale, float to_scale) {
    dnnl_status_t status = dnnl_success;
    if (from_scale != 1.0f) status = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_FROM, 0);
    if (to_scale != 1.0f && status == dnnl_success) status = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_TO, 0);
    return status;
}
/* `products`: of source and weights' scale by the result's, [channels]. */
static inline dnnl_status_t oab_attr_conv(dnnl_primitive_attr_t attr, int64_t channels, const float *products,
                                          int grouped) {
    (void)channels, (void)products;
    dnnl_status_t status = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_SRC, 0);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS, grouped ? 3 : 1);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_DST, 0);
    return status;
}
/* The summand is stored as `type` with `scale`; `dst_scale` is that of the result. */
static inline dnnl_status_t oab_post_sum(dnnl_post_ops_t ops, float scale, float dst_scale, dnnl_data_type_t type) {
    (void)dst_scale; /* the result is divided by it at the very end */
    return dnnl_post_ops_append_sum(ops, scale, 0, type);
}
static inline dnnl_status_t oab_post_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
}
static inline dnnl_status_t oab_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                                dnnl_alg_kind_t algorithm, const oab_md *src, const oab_md *weight,
                                                const oab_md *bias, const oab_md *dst, const oab_conv_geometry *g,
                                                const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, prop, algorithm, *src, *weight,
                                                          bias ? *bias : NULL, *dst, g->stride, g->dilation, g->pad,
                                                          g->pad_end, attr);
}
static inline dnnl_status_t oab_pd_conv_grad_input(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                   dnnl_alg_kind_t algorithm, const oab_md *diff_src,
                                                   const oab_md *weight, const oab_md *diff_dst,
                                                   const oab_conv_geometry *g, dnnl_primitive_desc_t hint,
                                                   const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, algorithm, *diff_src, *weight, *diff_dst, g->stride, g->dilation, g->pad, g->pad_end, hint, attr);
}
static inline dnnl_status_t oab_pd_conv_grad_weight(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                    dnnl_alg_kind_t algorithm, const oab_md *src,
                                                    const oab_md *diff_weight, const oab_md *diff_dst,
                                                    const oab_conv_geometry *g, dnnl_primitive_desc_t hint,
                                                    const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, algorithm, *src, *diff_weight, NULL,
                                                                   *diff_dst, g->stride, g->dilation, g->pad,
                                                                   g->pad_end, hint, attr);
}
static inline dnnl_status_t oab_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oab_md *src,
                                          const oab_md *weight, const oab_md *bias, const oab_md *dst,
                                          const_dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(pd, engine, *src, *weight, bias ? *bias : NULL, *dst, attr);
}
static inline dnnl_status_t oab_pd_pool_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                                dnnl_alg_kind_t alg, const oab_md *src, const oab_md *dst,
                                                const oab_pool_geometry *g, const_dnnl_primitive_attr_t attr) {
    dnnl_dims_t dense = {0};
    return dnnl_pooling_forward_primitive_desc_create(pd, engine, prop, alg, *src, *dst, g->stride, g->kernel, dense,
                                                      g->pad, g->pad, attr);
}
static inline dnnl_status_t oab_pd_pool_grad(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
                                             const oab_md *diff_src, const oab_md *diff_dst,
                                             const oab_pool_geometry *g, dnnl_primitive_desc_t hint,
                                             const_dnnl_primitive_attr_t attr) {
    dnnl_dims_t dense = {0};
    return dnnl_pooling_backward_primitive_desc_create(pd, engine, alg, *diff_src, *diff_dst, g->stride, g->kernel,
                                                       dense, g->pad, g->pad, hint, attr);
}

#else /* oneDNN 2.x */

#define OAB_MD(md) (&(md))
#define OAB_ARG_SCALES(arg) (arg)
enum { OAB_SCALES_ARE_ARGUMENTS = 0 };
#define OAB_WINOGRAD dnnl_convolution_winograd
static inline dnnl_status_t oab_md_strided(oab_md *md, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                           const dnnl_dims_t strides) {
    return dnnl_memory_desc_init_by_strides(md, rank, dims, type, strides);
}
static inline dnnl_status_t oab_md_any(oab_md *md, int rank, const dnnl_dims_t dims, dnnl_data_type_t type) {
    return dnnl_memory_desc_init_by_tag(md, rank, dims, type, dnnl_format_tag_any);
}
static inline dnnl_status_t oab_md_of(dnnl_primitive_desc_t pd, dnnl_query_t what, oab_md *md) {
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, what, 0);
    if (!found) return dnnl_invalid_arguments;
    *md = *found;
    return dnnl_success;
}
static inline dnnl_data_type_t oab_md_type(const oab_md *md) { return md->data_type; }
static inline dnnl_status_t oab_md_part(oab_md *md, const oab_md *whole, const dnnl_dims_t dims) {
    const dnnl_dims_t none = {0};
    return dnnl_memory_desc_init_submemory(md, whole, dims, none);
}
static inline dnnl_dim_t oab_md_strides(const oab_md *md, const dnnl_dim_t **out_strides) {
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    if (md->format_kind != dnnl_blocked || b->inner_nblks > 1 || (b->inner_nblks && b->inner_idxs[0] != 1)) return 0;
    *out_strides = b->strides;
    return b->inner_nblks ? b->inner_blks[0] : 1;
}
static inline void oab_md_destroy(oab_md *md) { memset(md, 0, sizeof *md); }
/* Numbers times `from_scale` are what they stand for; `to_scale` likewise. */
static inline dnnl_status_t oab_attr_reorder(dnnl_primitive_attr_t attr, float from_scale, float to_scale) {
    const float ratio = from_scale / to_scale;
    return ratio == 1.0f ? dnnl_success : dnnl_primitive_attr_set_output_scales(attr, 1, 0, &ratio);
}
/* `products`: of source and weights' scale by the result's, [channels]. */
static inline dnnl_status_t oab_attr_conv(dnnl_primitive_attr_t attr, int64_t channels, const float *products,
                                          int grouped) {
    (void)grouped;
    return dnnl_primitive_attr_set_output_scales(attr, channels, 1 << 1, products);
}
static inline dnnl_status_t oab_post_sum(dnnl_post_ops_t ops, float scale, float dst_scale, dnnl_data_type_t type) {
    return dnnl_post_ops_append_sum_v2(ops, scale / dst_scale, type);
}
static inline dnnl_status_t oab_post_relu(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
}
static inline dnnl_status_t oab_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                                dnnl_alg_kind_t algorithm, const oab_md *src, const oab_md *weight,
                                                const oab_md *bias, const oab_md *dst, const oab_conv_geometry *g,
                                                const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(&op, prop, algorithm, src, weight, bias, dst,
                                                                      g->stride, g->dilation, g->pad, g->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, NULL) : status;
}
static inline dnnl_status_t oab_pd_conv_grad_input(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                   dnnl_alg_kind_t algorithm, const oab_md *diff_src,
                                                   const oab_md *weight, const oab_md *diff_dst,
                                                   const oab_conv_geometry *g, dnnl_primitive_desc_t hint,
                                                   const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &op, algorithm, diff_src, weight, diff_dst, g->stride, g->dilation, g->pad, g->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, hint) : status;
}
static inline dnnl_status_t oab_pd_conv_grad_weight(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                    dnnl_alg_kind_t algorithm, const oab_md *src,
                                                    const oab_md *diff_weight, const oab_md *diff_dst,
                                                    const oab_conv_geometry *g, dnnl_primitive_desc_t hint,
                                                    const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &op, algorithm, src, diff_weight, NULL, diff_dst, g->stride, g->dilation, g->pad, g->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, hint) : status;
}
static inline dnnl_status_t oab_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oab_md *src,
                                          const oab_md *weight, const oab_md *bias, const oab_md *dst,
                                          const_dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t op;
    dnnl_status_t status = dnnl_matmul_desc_init(&op, src, weight, bias, dst);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, NULL) : status;
}
static inline dnnl_status_t oab_pd_pool_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t prop,
                                                dnnl_alg_kind_t alg, const oab_md *src, const oab_md *dst,
                                                const oab_pool_geometry *g, const_dnnl_primitive_attr_t attr) {
    dnnl_pooling_desc_t op;
    dnnl_status_t status =
        dnnl_pooling_forward_desc_init(&op, prop, alg, src, dst, g->stride, g->kernel, g->pad, g->pad);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, NULL) : status;
}
static inline dnnl_status_t oab_pd_pool_grad(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t alg,
                                             const oab_md *diff_src, const oab_md *diff_dst,
                                             const oab_pool_geometry *g, dnnl_primitive_desc_t hint,
                                             const_dnnl_primitive_attr_t attr) {
    dnnl_pooling_desc_t op;
    dnnl_status_t status =
        dnnl_pooling_backward_desc_init(&op, alg, diff_src, diff_dst, g->stride, g->kernel, g->pad, g->pad);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, hint) : status;
}

#endif

static inline int oab_md_equal(const oab_md *a, const oab_md *b) {
    return dnnl_memory_desc_equal(OAB_MD(*a), OAB_MD(*b));
}
static inline uint64_t oab_md_bytes(const oab_md *md) { return dnnl_memory_desc_get_size(OAB_MD(*md)); }
static inline dnnl_status_t oab_memory(dnnl_memory_t *memory, const oab_md *md, dnnl_engine_t engine, void *handle) {
    return dnnl_memory_create(memory, OAB_MD(*md), engine, handle);
}
static inline dnnl_status_t oab_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oab_md *from,
                                           const oab_md *to, const_dnnl_primitive_attr_t attr) {
    return dnnl_reorder_primitive_desc_create(pd, OAB_MD(*from), engine, OAB_MD(*to), engine, attr);
}

#endif
