/* oassl-conform: does a plug-in compute what the reference computes?  Public headers only.
 *
 * A case builds one small graph (cf_begin, cf_input, cf_node helpers, cf_output) and hands it to cf_check, which fills
 * the inputs, runs it on the reference and on the plug-in, and compares outputs, guard bands and inputs.  Cases of an
 * operation are in cases_<operation>(), one for every row of ops.inc; cases_chains() has the graphs with many nodes,
 * where a plug-in may fuse. */
#ifndef OASSL_CONFORM_H
#define OASSL_CONFORM_H

#include <oassl/backend.h>

enum {
    CF_MAX_NODES = 256,
    CF_MAX_VALUES = 768,
    CF_MAX_OPERANDS = 1024,
    CF_MAX_OUTPUTS = 96,
    CF_NAMES = 65536,
    CF_CONSTANTS = 32768
};

typedef uint32_t cf_value;

/* ---- values that inputs are filled with ------------------------------------------------------------------------- */

enum {
    CF_NORMAL,  /* bell-shaped, standard deviation `high` (0 = 1) */
    CF_UNIFORM, /* low..high */
    CF_TIES,    /* few distinct values: -1, 0, 0.5, 1 */
    CF_ZEROS,
    CF_LARGE,    /* magnitudes around `high` (0 = 1e18), both signs */
    CF_TINY,     /* subnormal numbers, zeros of both signs and the smallest normal ones */
    CF_SPECIAL,  /* ordinary numbers with infinities and NaN among them */
    CF_INFINITE, /* ordinary numbers with infinities among them */
    CF_INDEX,    /* i32 in 0..high-1 */
    CF_DATA      /* copied from `data`, in the value's dtype */
};

typedef struct cf_fill {
    int32_t kind;
    double low, high;
    const void *data;
} cf_fill;

#define CF_FILL(...) ((cf_fill){__VA_ARGS__})
#define CF_RANDOM CF_FILL(CF_NORMAL)
#define CF_RANGE(a, b) CF_FILL(CF_UNIFORM, a, b)

/* ---- the graph under construction --------------------------------------------------------------------------------
 */

struct cf_suite;

typedef struct cf_graph {
    struct cf_suite *suite;
    char name[160];    /* "conv2d/f32/3x3_s1": operation, dtype, case */
    int32_t dtype;     /* of cf_input, cf_param and results */
    oassl_graph graph; /* points to the arrays below */
    oassl_graph_node nodes[CF_MAX_NODES];
    oassl_graph_value values[CF_MAX_VALUES];
    cf_fill fill[CF_MAX_VALUES];
    cf_value alias[CF_MAX_VALUES]; /* an output bound to the memory of this input; OASSL_NO_VALUE = its own */
    cf_value
        rows_of[CF_MAX_VALUES]; /* [N,T,...] of which only the first rows_of[n] rows count; OASSL_NO_VALUE = all */
    uint32_t operands[CF_MAX_OPERANDS], outputs[CF_MAX_OUTPUTS];
    char names[CF_NAMES];
    _Alignas(64) uint8_t constants[CF_CONSTANTS];
    double looser; /* factor on the tolerance; 0 = 1 */
    int32_t fused; /* also run with fusion on */
    /* What the plug-in computes in, and how far its results may then be off, as a part of what was summed or of the
     * tensor's largest element.  INT8: the ranges of all values, as the reference sees them. */
    int32_t precision, by_norm; /* by_norm: the tensor of the differences by the tensor, both in the Euclidean norm */
    double tolerance;
    oassl_backend_range ranges[CF_MAX_VALUES];
    uint32_t n_ranges;
} cf_graph;

/* Starts a case; NULL if it is filtered out.  `what` is printf-like. */
cf_graph *cf_begin(struct cf_suite *suite, const char *what, ...) __attribute__((format(printf, 2, 3)));

#define CF_SHAPE(...)                                                                                                 \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define CF_SCALAR 0, NULL

cf_value cf_input(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape);
cf_value cf_param(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape);
cf_value cf_constant(cf_graph *g, cf_fill fill, int32_t rank, const int64_t *shape);
cf_value cf_index(cf_graph *g, int64_t limit, int32_t rank, const int64_t *shape); /* an i32 input */
const oassl_graph_value *cf_info(const cf_graph *g, cf_value v);
int64_t cf_count(const oassl_graph_value *value);

/* Adds a node without outputs; cf_result adds one output after the other.  The attributes are zero. */
oassl_node_attrs *cf_node(cf_graph *g, uint32_t op, const cf_value *inputs, uint32_t n_inputs);
cf_value cf_result(cf_graph *g, int32_t rank, const int64_t *shape);
cf_value cf_result_like(cf_graph *g, cf_value v);
#define CF_IN(...) (const cf_value[]){__VA_ARGS__}, (uint32_t)(sizeof((cf_value[]){__VA_ARGS__}) / sizeof(cf_value))

void cf_output(cf_graph *g, cf_value v);
void cf_outputs(cf_graph *g, cf_value first, uint32_t n);
/* Runs the case and counts it; the graph is gone afterwards. */
void cf_check(cf_graph *g);

/* ---- one helper a family of operations: they work out the shape of the result ----------------------------------- */

cf_value cf_unary(cf_graph *g, uint32_t op, cf_value x);
cf_value cf_affine(cf_graph *g, cf_value x, double scale, double shift);
cf_value cf_binary(cf_graph *g, uint32_t op, cf_value a, cf_value b);
cf_value cf_grad_of(cf_graph *g, uint32_t op, cf_value x, cf_value dy); /* shape of x */
cf_value cf_reduce(cf_graph *g, uint32_t op, cf_value x, int64_t axes, int64_t keep);
cf_value cf_softmax(cf_graph *g, uint32_t op, cf_value x, int64_t axis);
cf_value cf_matmul(cf_graph *g, cf_value a, cf_value b, cf_value bias, int64_t transpose_a, int64_t transpose_b);
#define CF_NONE OASSL_NO_VALUE

typedef struct cf_window { /* of a convolution or pooling; zero strides, dilations and groups mean 1 */
    int64_t kh, kw, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
} cf_window;
cf_window cf_square(int64_t kernel, int64_t stride, int64_t pad);
cf_value cf_conv(cf_graph *g, cf_value x, cf_value w, cf_value bias, cf_window k);
cf_value cf_conv_grad_input(cf_graph *g, cf_value w, cf_value dy, cf_window k, int64_t h, int64_t width);
cf_value cf_conv_grad_weight(cf_graph *g, cf_value x, cf_value dy, cf_window k);
cf_value cf_pool(cf_graph *g, uint32_t op, cf_value x, cf_window k);
cf_value cf_max_pool_grad(cf_graph *g, cf_value x, cf_value dy, cf_window k);
cf_value cf_avg_pool_grad(cf_graph *g, cf_value dy, cf_window k, int64_t h, int64_t width);
int64_t cf_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);

/* The first of the outputs; the others follow. */
cf_value cf_batch_norm(cf_graph *g, const cf_value in[5], double eps, double momentum);
cf_value cf_batch_norm_grad(cf_graph *g, const cf_value in[5]);
cf_value cf_batch_norm_infer(cf_graph *g, const cf_value in[5], double eps);
cf_value cf_batch_norm_infer_grad(cf_graph *g, const cf_value in[5], double eps);
cf_value cf_layer_norm(cf_graph *g, cf_value x, cf_value gamma, cf_value beta, double eps);
cf_value cf_layer_norm_grad(cf_graph *g, const cf_value in[5]);

cf_value cf_reshape(cf_graph *g, uint32_t op, cf_value x, int32_t rank, const int64_t *shape); /* or BROADCAST */
cf_value cf_transpose(cf_graph *g, cf_value x, const int64_t *permutation);
cf_value cf_concat(cf_graph *g, const cf_value *x, uint32_t n, int64_t axis);
cf_value cf_slice(cf_graph *g, cf_value x, int64_t axis, int64_t start, int64_t length);
cf_value cf_pad(cf_graph *g, cf_value x, int64_t axis, int64_t before, int64_t after);
cf_value cf_gather(cf_graph *g, cf_value table, cf_value index);
cf_value cf_scatter_add(cf_graph *g, cf_value index, cf_value dy, int64_t rows);

typedef struct cf_sinkhorn {
    int64_t h, w, iterations, mass, grid_indices, squared, envelope;
    double eps, stop, spatial;
} cf_sinkhorn;
cf_value cf_sinkhorn_of(cf_graph *g, cf_value s, cf_value t, const cf_sinkhorn *k);
cf_value cf_sinkhorn_grad(cf_graph *g, const cf_value in[6], const cf_sinkhorn *k);
cf_value cf_adam(cf_graph *g, const cf_value in[5], double beta1, double beta2, double eps, double decay);

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

typedef struct cf_backend {
    const char *label; /* "reference" or the plug-in's own name */
    const oassl_backend_api *api;
    oassl_backend_instance *instance;
    void *library;
} cf_backend;

typedef struct cf_suite {
    cf_backend reference, plugin;
    const char *op;   /* of the running cases; the first part of their names */
    const char *only; /* run cases whose name starts with this; NULL = all */
    int32_t dtype, list, bench, json, verbose;
    uint32_t threads;
    int32_t precision, by_norm; /* of the running cases, with their tolerance */
    double tolerance;
    uint64_t passed, failed, skipped, printed;
    cf_graph *graph; /* the one case under construction */
} cf_suite;

/* The host both backends get; cf_host_error is the text of the last failure. */
extern const oassl_backend_host cf_host;
const char *cf_host_error(void);
void cf_host_cancel(int32_t on);
void cf_host_fail_alloc(int64_t at); /* the at-th allocation from now on gives NULL; negative = none */
int64_t cf_host_live(void);          /* allocations not yet freed */

oassl_status cf_load_backend(const char *path, cf_backend *out_backend); /* NULL path: the reference */
void cf_unload_backend(cf_backend *backend);

enum { CF_PASSED, CF_FAILED, CF_SKIPPED };
void cf_print_skips(void);
/* Prints one result and counts it. */
void cf_report(cf_suite *suite, const char *name, int32_t result, const char *text, double plugin_ms,
               double reference_ms);

/* Bytes of a value; its contents as the fill of graph g says (deterministic: by the case's name and the value). */
uint64_t cf_bytes(const oassl_graph_value *value);
void cf_fill_value(const cf_graph *g, cf_value v, void *to);

/* What a plan or node_supported is asked for. */
oassl_backend_plan_options cf_plan_options(const cf_graph *g, int32_t precision, int32_t no_fusion, uint32_t threads);

/* Runs g on a backend.  data[v] is the host memory of each INPUT, PARAM and output: read before the run and, for what
 * is bound, written after it.  Guard bands are checked.  `text` (256 bytes) receives why on failure. */
typedef struct cf_run_options {
    int32_t no_fusion, misaligned, repeats; /* repeats > 0 measures */
    int32_t precision;
    uint32_t threads;
    double *out_ms;
} cf_run_options;
oassl_status cf_run(const cf_backend *backend, const cf_graph *g, void *const *data, const cf_run_options *options,
                    char *text);
/* Whether got equals expected within the tolerance of the graph's operation.  terms[v]: result of the same graph on
 * the magnitudes of its inputs, where the tolerance asks for it. */
int32_t cf_compare(const cf_graph *g, cf_value v, void *const *expected, void *const *got, void *const *terms,
                   char *text);

typedef struct cf_tolerance {
    double relative;   /* of the element, f32 */
    double of_largest; /* of the tensor's largest finite element, f32 */
    double absolute;   /* f32 */
    double of_terms;   /* of the element computed from the magnitudes of the inputs: what was summed; f32 */
    int32_t moves;     /* 1: elements are copied; otherwise subnormal results may be flushed to zero */
} cf_tolerance;
cf_tolerance cf_tolerance_of(const cf_graph *g);

#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) void cases_##name(cf_suite *s);
#include <oassl/ops.inc>
#undef OASSL_OP
void cases_chains(cf_suite *s);
void cases_training(cf_suite *s);
void cases_traps(cf_suite *s);
void cases_f32_fast(cf_suite *s);
void cases_bf16(cf_suite *s);
void cases_int8(cf_suite *s);
void cases_interface(cf_suite *s);

oassl_status oab_reference_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api);

#endif
