/* Shared by the files of the oneDNN backend.
 *
 * plan_create lowers the graph (lower.c, dnnl_*.c, table.c) to a list of steps over buffers; memory.c places the
 * buffers in one arena; exec.c runs the steps.  A step is either a oneDNN primitive or a kernel of our own
 * (native_*.c), used for what oneDNN does not do or does badly. */
#ifndef OAB_ONEDNN_INTERNAL_H
#define OAB_ONEDNN_INTERNAL_H

#include <oassl/backend.h>

#include "dnnl_compat.h"

#define OAB_TRY(call)                                                                                                 \
    do {                                                                                                              \
        oassl_status oab_status_ = (call);                                                                            \
        if (oab_status_ != OASSL_STATUS_OK) return oab_status_;                                                       \
    } while (0)

#define OAB_NONE UINT32_MAX
#define OAB_ALIGNMENT 64
#define OAB_MAX_ARGS 16 /* of a primitive, without scratch memory */

static inline uint64_t oab_aligned(uint64_t bytes) {
    return (bytes + OAB_ALIGNMENT - 1) / OAB_ALIGNMENT * OAB_ALIGNMENT;
}

struct oassl_backend_instance {
    const oassl_backend_host *host;
    dnnl_engine_t engine;
    long process; /* OpenMP's threads do not survive fork() */
};

/* ---- plan ---------------------------------------------------------------------------------------------------- */

typedef enum oab_home {
    OAB_ARENA, /* exec workspace, placed by memory.c */
    OAB_BOUND, /* the caller's memory of graph value `value` */
    OAB_FIXED  /* constant for the plan's life: `address` */
} oab_home;

typedef struct oab_buffer {
    uint64_t bytes, offset; /* offset into the arena */
    const void *address;
    oab_home home;
    uint32_t value;
    uint32_t first, last; /* steps that touch it; first > last when none does */
    uint32_t root;        /* ARENA: the buffer whose memory this one takes over, itself when none */
} oab_buffer;

/* What a native kernel knows about the node it computes; copied from the graph. */
typedef struct oab_node {
    uint32_t op, n_inputs, n_outputs, index;
    oassl_node_attrs attrs;
    const oassl_graph_value *in, *out; /* shapes, n_inputs and n_outputs of them */
    const char *name;
    int64_t count;     /* elements of memory of output 0: more than its shape says in a padded layout */
    const void *extra; /* prepared at lowering, what it is the op's kernel knows */
} oab_node;

/* One run of a native kernel.  out[k] is NULL when nobody needs output k. */
typedef struct oab_call {
    const oab_node *node;
    float *const *out;
    float *const *in;
    void *scratch;
    const oassl_backend_host *host;
} oab_call;

typedef oassl_status (*oab_kernel)(const oab_call *call);

typedef struct oab_step {
    uint32_t n_args, n_written; /* the written ones come first; OAB_NONE = absent */
    uint32_t *args;             /* buffers */
    uint32_t scratch;           /* buffer or OAB_NONE */
    uint32_t in_place;          /* argument whose memory args[0] may take over, or OAB_NONE */
    oab_kernel kernel;          /* NULL for a primitive */
    const oab_node *node;
    dnnl_primitive_t primitive;
    const int32_t *dnnl_args; /* DNNL_ARG_* of each argument */
    const oab_md *const *mds; /* of each argument */
    const oab_md *scratch_md;
    uint32_t n_parts;           /* of a primitive that runs so often, each time on one thread; 0 = once, on all threads */
    const uint64_t *part_bytes; /* from one part to the next in each argument */
} oab_step;

typedef struct oab_block { /* header of memory that lives as long as the plan */
    struct oab_block *next;
    void *pad[7];
} oab_block;

typedef struct oab_layout { /* a memory descriptor with its logical extents */
    int32_t rank;
    dnnl_data_type_t type;
    dnnl_dims_t dims;
    oab_md md;
    struct oab_layout *next; /* of the plan, for release */
} oab_layout;

struct oassl_backend_plan {
    oassl_backend_instance *instance;
    uint32_t n_threads;
    oab_block *blocks;
    oab_layout *layouts;
    oab_buffer *buffers;
    uint32_t n_buffers, cap_buffers;
    oab_step *steps;
    uint32_t n_steps, cap_steps;
    uint32_t n_values;
    uint32_t *bound; /* [n_values] buffer bound by the caller or OAB_NONE */
    char *slab; /* of packed parameters: what is left of the last one */
    uint64_t slab_left;
    uint64_t arena_bytes, prepacked_bytes;
};

/* ---- lowering ------------------------------------------------------------------------------------------------ */

#define OAB_FORMS 4

/* Where the elements of a graph value are: row-major in f32 (i32), and in oneDNN layouts of any type. */
typedef struct oab_value {
    uint32_t plain; /* buffer or OAB_NONE */
    uint32_t bf16;  /* the same row-major in bf16, for matrix products */
    uint32_t n_forms;
    struct {
        uint32_t buffer;
        const oab_layout *layout;
    } forms[OAB_FORMS];
    uint32_t uses; /* by nodes and as an output of the graph */
    uint8_t is_output;
    uint8_t views_input; /* shares the caller's memory of an INPUT */
    uint8_t in_gradient; /* read by a gradient of CONV2D too */
    uint8_t in_reduced;  /* read by a step that computes in the plan's reduced precision */
    dnnl_data_type_t quant; /* INT8: u8 or s8 if the value's range is known, else undef */
    float scale;            /* of one step of `quant` */
} oab_value;

typedef struct oab_fusion { /* what pattern.c found out about a node */
    uint8_t absorbed;       /* computed by another node's step */
    uint8_t relu;           /* followed by a RELU that becomes part of it */
    uint32_t sum;           /* CONV2D: value added to the result, or OAB_NONE */
    uint32_t result;        /* value that the fused step produces */
    uint32_t partner;       /* BATCH_NORM <-> BATCH_NORM_GRAD, MAX_POOL <-> MAX_POOL_GRAD, or OAB_NONE */
    uint32_t dy;            /* BATCH_NORM_GRAD with relu: the gradient that enters the RELU */
    uint32_t workspace;     /* buffer kept from forward to backward */
    const oab_layout *form; /* its data layout */
    dnnl_primitive_desc_t hint;
} oab_fusion;

typedef struct oab_lower {
    oassl_backend_plan *plan;
    const oassl_backend_host *host;
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; /* user scratchpad */
    const oassl_graph *graph;
    const oassl_backend_plan_options *options;
    const void **params; /* [n_values] */
    uint32_t *operands;  /* graph->operands, some rewritten by pattern.c */
    uint32_t *readers;   /* [n_values] a node that reads the value */
    oab_value *values;
    oab_fusion *fusions; /* [n_nodes] */
    uint32_t current;    /* node being lowered */
} oab_lower;

/* lower.c */
oassl_status oab_onednn_lower(oab_lower *l);
uint32_t oab_onednn_operand(const oab_lower *l, uint32_t node, uint32_t k); /* value id */
oassl_status oab_onednn_native(oab_lower *l, oab_kernel kernel, uint32_t in_place, uint64_t scratch_bytes,
                               const void *extra);

/* steps.c: buffers, layouts and steps; forms.c: places of values */
void *oab_onednn_keep(oab_lower *l, uint64_t bytes); /* zeroed, freed with the plan; NULL after setting the error */
void *oab_onednn_keep_packed(oab_lower *l, uint64_t bytes); /* not zeroed */
oassl_status oab_onednn_buffer(oab_lower *l, uint64_t bytes, uint32_t *out_buffer);
oassl_status oab_onednn_plain_layout(oab_lower *l, int32_t rank, const int64_t *dims, const oab_layout **out_layout);
oassl_status oab_onednn_strided_layout(oab_lower *l, int32_t rank, const int64_t *dims, const int64_t *strides,
                                       dnnl_data_type_t type, const oab_layout **out_layout);
/* 8-bit convolutions are fastest, and summands of two types fit together, with channels innermost. */
static inline void oab_channels_last(const int64_t dims[4], dnnl_dims_t strides) {
    strides[1] = 1;
    strides[3] = dims[1];
    strides[2] = dims[1] * dims[3];
    strides[0] = dims[1] * dims[3] * dims[2];
}
oassl_status oab_onednn_innermost_layout(oab_lower *l, const int64_t dims[4], dnnl_data_type_t type,
                                    const oab_layout **out_layout);
oassl_status oab_onednn_layout_of(oab_lower *l, dnnl_primitive_desc_t pd, dnnl_query_t what, int32_t rank,
                                  const int64_t *dims, const oab_layout **out_layout);
/* The value row-major, or as `layout` (extents of the layout may regroup those of the value); reorders when needed. */
oassl_status oab_onednn_plain(oab_lower *l, uint32_t value, uint32_t *out_buffer);
oassl_status oab_onednn_form(oab_lower *l, uint32_t value, const oab_layout *layout, uint32_t *out_buffer);
/* The value row-major in bf16. */
oassl_status oab_onednn_plain_bf16(oab_lower *l, uint32_t value, uint32_t *out_buffer);
/* A parameter, described by `from`, as `to`: reordered now. */
oassl_status oab_onednn_prepack_from(oab_lower *l, uint32_t value, const oab_layout *from, const oab_layout *to,
                                     uint32_t *out_buffer);
oassl_status oab_onednn_pack(oab_lower *l, const void *data, const oab_layout *from, const oab_layout *to,
                             uint32_t *out_buffer);
/* Memory of the plan (oab_onednn_keep) as a buffer; the caller's memory of a value as one. */
oassl_status oab_onednn_fixed_buffer(oab_lower *l, const void *address, uint64_t bytes, uint32_t *out_buffer);
oassl_status oab_onednn_bound_buffer(oab_lower *l, uint32_t value, uint32_t *out_buffer);
/* Contents of a PARAM or CONSTANT, NULL for other values. */
const float *oab_onednn_contents(const oab_lower *l, uint32_t value);
/* Memory for a node's result. */
oassl_status oab_onednn_plain_result(oab_lower *l, uint32_t value, uint32_t *out_buffer);
oassl_status oab_onednn_form_result(oab_lower *l, uint32_t value, const oab_layout *layout, uint32_t *out_buffer);
/* The layout a value already has besides row-major, or NULL. */
const oab_layout *oab_onednn_known_form(const oab_lower *l, uint32_t value);
oassl_status oab_onednn_emit_kernel(oab_lower *l, oab_kernel kernel, const oab_node *node, const uint32_t *args,
                                    uint32_t n_args, uint32_t n_written, uint32_t in_place, uint64_t scratch_bytes);
typedef struct oab_arg {
    int32_t id; /* DNNL_ARG_* */
    uint32_t buffer;
    const oab_layout *layout;
} oab_arg;
/* Makes the primitive of `pd`, which stays the caller's, a step; arguments with buffer OAB_NONE are left out. */
oassl_status oab_onednn_emit_primitive(oab_lower *l, dnnl_primitive_desc_t pd, const oab_arg *args, uint32_t n_args,
                                       uint32_t n_written);
/* The same for one part of the batch, of n_parts: parts are computed at once, each by one thread.  To be called with OpenMP
 * set to one thread, as `pd` was made. */
oassl_status oab_onednn_emit_parts(oab_lower *l, dnnl_primitive_desc_t pd, const oab_arg *args,
                                   const uint64_t *part_bytes, uint32_t n_args, uint32_t n_written, uint32_t n_parts);
oassl_status oab_onednn_copy(oab_lower *l, uint32_t from, uint32_t to, uint64_t bytes);
oassl_status oab_onednn_dnnl_error(const oab_lower *l, dnnl_status_t status, const char *what);
oassl_status oab_onednn_make_node(oab_lower *l, uint32_t node, oab_node **out_node);

int oab_onednn_knows(uint32_t op); /* whether the op can be lowered */

/* pattern.c */
oassl_status oab_onednn_find_patterns(oab_lower *l);

/* precision.c */
oassl_status oab_onednn_check_precision(const oassl_backend_host *host, const oassl_backend_plan_options *options);
oassl_status oab_onednn_assign_types(oab_lower *l); /* after find_patterns */
/* What CONV2D `node` reads its source as: f32, bf16, u8 or s8. */
dnnl_data_type_t oab_onednn_conv_type(const oab_lower *l, uint32_t node);
/* What CONV2D `node` writes its fused result as. */
dnnl_data_type_t oab_onednn_conv_result_type(const oab_lower *l, uint32_t node);
typedef struct oab_quantized { /* one convolution in 8 bits */
    int64_t channels;
    const int8_t *weights; /* row-major; freed by the caller, all else is the plan's */
    /* [channels]: of the weights; source's times weights' by the result's; bias as oneDNN wants it */
    const float *scales, *products, *scaled_bias;
    const float *ends; /* of source and result */
} oab_quantized;
oassl_status oab_onednn_quantize(oab_lower *l, float src_scale, float dst_scale, oab_quantized *out);

/* memory.c */
oassl_status oab_onednn_place(oassl_backend_plan *plan);

/* dnnl_conv.c, dnnl_matmul.c, dnnl_pool.c, norm.c */
oassl_status oab_onednn_lower_conv(oab_lower *l);
oassl_status oab_onednn_lower_conv_grad_input(oab_lower *l);
oassl_status oab_onednn_lower_conv_grad_weight(oab_lower *l);
oassl_status oab_onednn_lower_matmul(oab_lower *l);
oassl_status oab_onednn_lower_pool(oab_lower *l);
oassl_status oab_onednn_lower_pool_grad(oab_lower *l);
oassl_status oab_onednn_lower_norm(oab_lower *l);
oassl_status oab_onednn_lower_norm_grad(oab_lower *l);

/* native_*.c */
#define OAB_KERNEL(name) oassl_status oab_onednn_##name(const oab_call *call)
OAB_KERNEL(copy_kernel);
OAB_KERNEL(add_parts);
OAB_KERNEL(add_relu);
OAB_KERNEL(bf16_add);
OAB_KERNEL(bf16_add_relu);
OAB_KERNEL(bf16_relu);
OAB_KERNEL(bf16_relu_grad);
OAB_KERNEL(binary);
OAB_KERNEL(unary);
OAB_KERNEL(unary_grad);
OAB_KERNEL(adam);
OAB_KERNEL(count_non_finite);
OAB_KERNEL(max_pool_u8);
OAB_KERNEL(reduce);
OAB_KERNEL(reduce_max_grad);
OAB_KERNEL(softmax);
OAB_KERNEL(softmax_grad);
OAB_KERNEL(layer_norm);
OAB_KERNEL(layer_norm_grad);
OAB_KERNEL(transpose);
OAB_KERNEL(concat);
OAB_KERNEL(slice);
OAB_KERNEL(pad);
OAB_KERNEL(broadcast);
OAB_KERNEL(gather);
OAB_KERNEL(scatter_add);
OAB_KERNEL(sinkhorn);
OAB_KERNEL(sinkhorn_grad);
OAB_KERNEL(batch_norm);
OAB_KERNEL(batch_norm_infer);
OAB_KERNEL(batch_norm_grad);
OAB_KERNEL(batch_norm_infer_grad);
typedef struct oab_norm { /* how the operand of a batch normalisation lies in memory; strides in elements */
    int64_t batch, channels, area;
    int64_t tile; /* channels that lie side by side and are computed together: 16, 8 or 1 */
    int64_t batch_stride, tile_stride, area_stride;
    int is_bf16, relu;
} oab_norm;
uint64_t oab_onednn_norm_scratch(const oab_norm *n);
uint64_t oab_onednn_max_pool_scratch(const oassl_backend_plan *plan, const oassl_graph_value *x);
uint64_t oab_onednn_sinkhorn_scratch(const oassl_backend_plan *plan, const oassl_graph_value *s);
oassl_status oab_onednn_sinkhorn_extra(oab_lower *l, uint32_t node, const void **out_extra);

/* util.c */
oassl_status oab_onednn_fail(const oassl_backend_host *host, oassl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *oab_onednn_alloc(const oassl_backend_host *host, uint64_t bytes); /* zeroed; NULL after setting the error */
void *oab_onednn_alloc_raw(const oassl_backend_host *host, uint64_t bytes); /* not zeroed */
void oab_onednn_free(const oassl_backend_host *host, void *memory);
int64_t oab_onednn_count(const oassl_graph_value *value);

/* exec.c */
typedef struct oab_environment {
    int32_t threads;
    uint32_t float_mode;
} oab_environment;
oassl_status oab_onednn_check_fork(const oassl_backend_host *host, uint32_t n_threads);
void oab_onednn_enter(uint32_t n_threads, oab_environment *saved); /* thread count, denormals flushed */
void oab_onednn_leave(const oab_environment *saved);

#endif
