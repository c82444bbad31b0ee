/* The plug-in interface: one table between liboassl and whatever computes.
 *
 * A backend compiles whole graphs into plans and runs them; a single operation is a graph with one node.  It includes
 * this header and nothing else of ours, links nothing of ours, and exports one function, oassl_backend_query().
 * Everything it needs from the host (memory, log, error text, cancel) comes through oassl_backend_host.
 *
 *   graph  immutable POD arrays, ids not pointers, values in topological order of their nodes (made by liboassl)
 *   plan   the graph compiled for one device: layout, fusion, prepacked parameters, memory plan; immutable, shared
 *          by any number of execs on any threads
 *   exec   one run-time instance: workspace and bound addresses; one thread at a time
 *
 * Versions: the major must match, a backend may be older or newer in the minor: every struct starts with its size, a
 * reader never reads past it, and fields are only ever appended.
 *
 * Aliasing: an output may be bound to the memory of an input (parameter updates).  Nodes take effect in list order:
 * a backend may reorder as long as no node reads such memory after a later node has overwritten it.
 *
 * Example (a complete backend is tests/pkg/backend_example.c and backends/reference):
 *   OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
 *                                                         const oassl_backend_api **out_api) {
 *       if (major != OASSL_BACKEND_ABI_MAJOR) return OASSL_STATUS_UNSUPPORTED;
 *       *out_api = &my_api;
 *       return OASSL_STATUS_OK;
 *   } */
#ifndef OASSL_BACKEND_H
#define OASSL_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OASSL_BACKEND_ABI_MAJOR 1
#define OASSL_BACKEND_ABI_MINOR 1
#define OASSL_BACKEND_EXPORT OASSL_API

/* ---- operations ---------------------------------------------------------------------------------------------- */

enum {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) OASSL_OP_##NAME = number,
#include "ops.inc"
#undef OASSL_OP
    OASSL_OP_LIMIT = 128 /* numbers are below this */
};

/* ---- graphs -------------------------------------------------------------------------------------------------- */

#define OASSL_NO_VALUE UINT32_MAX
#define OASSL_NODE_INTS 12
#define OASSL_NODE_FLOATS 4

enum {
    OASSL_VALUE_INPUT = 1,    /* bound for every run; its contents may change between runs */
    OASSL_VALUE_PARAM = 2,    /* given at plan creation, constant for the plan's life: may be prepacked or folded */
    OASSL_VALUE_CONSTANT = 3, /* data inside the graph */
    OASSL_VALUE_RESULT = 4,   /* output of a node */
    OASSL_VALUE_UNUSED = 5    /* was removed; no node refers to it */
};

typedef struct oassl_graph_value {
    uint32_t kind;            /* OASSL_VALUE_* */
    int32_t dtype;            /* OASSL_DTYPE_* */
    int32_t rank;             /* 0..OASSL_MAX_RANK */
    uint32_t producer;        /* node index of a RESULT, else OASSL_NO_VALUE */
    int64_t shape[OASSL_MAX_RANK];
    uint64_t constant_offset; /* of a CONSTANT, into graph.constants, 64-byte aligned */
    uint32_t name;            /* offset into graph.names; 0 is "" */
    uint32_t reserved;
} oassl_graph_value;

typedef struct oassl_node_attrs {
    int64_t i[OASSL_NODE_INTS];
    double f[OASSL_NODE_FLOATS];
} oassl_node_attrs;

typedef struct oassl_graph_node {
    uint32_t op;           /* OASSL_OP_* */
    uint32_t n_inputs;
    uint32_t first_input;  /* index into graph.operands */
    uint32_t n_outputs;
    uint32_t first_output; /* value id; outputs have consecutive ids; outputs nobody uses may be left unwritten */
    uint32_t name;         /* offset into graph.names */
    oassl_node_attrs attrs; /* meaning in ops.inc */
} oassl_graph_node;

typedef struct oassl_graph {
    uint32_t struct_size;
    uint32_t n_nodes, n_values, n_operands, n_outputs;
    uint32_t reserved;
    const oassl_graph_node *nodes;   /* in execution order */
    const oassl_graph_value *values; /* indexed by value id */
    const uint32_t *operands;        /* value ids of the nodes' inputs */
    const uint32_t *outputs;         /* value ids the caller binds and reads */
    const char *names;
    uint64_t names_bytes;
    const void *constants;
    uint64_t constants_bytes;
    uint64_t hash;                   /* equal graphs have equal hashes */
} oassl_graph;

/* ---- what the host lends ------------------------------------------------------------------------------------- */

typedef struct oassl_backend_host {
    uint32_t struct_size;
    uint32_t reserved;
    void *user; /* first argument of every function below */
    void *(*alloc)(void *user, uint64_t bytes, uint64_t alignment); /* NULL when out of memory */
    void (*free)(void *user, void *memory);
    void (*log)(void *user, int32_t level, const char *text); /* level 1 error .. 4 debug */
    /* Sets the calling thread's error text and returns `status`. */
    oassl_status (*fail)(void *user, oassl_status status, const char *text);
    /* Non-zero when the run should stop; polled at least between segments of a plan. */
    int32_t (*cancelled)(void *user);
} oassl_backend_host;

/* ---- the table ----------------------------------------------------------------------------------------------- */

typedef struct oassl_backend_instance oassl_backend_instance;
typedef struct oassl_backend_plan oassl_backend_plan;
typedef struct oassl_backend_exec oassl_backend_exec;

typedef struct oassl_backend_device_info {
    uint32_t struct_size;
    int32_t device;         /* OASSL_DEVICE_* */
    uint64_t memory_bytes;  /* 0 = not known */
    char name[96];          /* "CPU avx512_core_bf16" */
    char library[96];       /* "oneDNN 2.6.3" */
} oassl_backend_device_info;

/* What a plan computes in (OASSL_PRECISION_* of types.h).  F32: strict.  F32_FAST: f32 with algorithms that round more
 * than a direct sum does (Winograd).  BF16: bf16 operands and results of convolutions and matrix products, f32
 * accumulation; the graph's inputs, parameters and outputs stay f32, so parameters that a graph updates are f32 master
 * weights.  INT8: convolutions whose input has a calibrated range, 8-bit per-channel weights, 32-bit accumulation; the
 * rest is f32. */

/* What a value was seen to hold while the network ran over calibration samples. */
typedef struct oassl_backend_range {
    uint32_t value; /* value id */
    float low, high;
} oassl_backend_range;

typedef struct oassl_backend_plan_options {
    uint32_t struct_size;
    uint32_t device_index;
    uint32_t n_threads;     /* exactly this many compute threads; 0 = 1 */
    int32_t precision;      /* OASSL_PRECISION_* */
    int32_t deterministic;  /* 1: same input, same bits, whatever the thread timing */
    int32_t no_fusion;      /* 1: node by node (conformance) */
    uint32_t n_ranges;      /* INT8; since minor 1, look at struct_size */
    uint32_t reserved;
    const oassl_backend_range *ranges; /* [n_ranges] */
} oassl_backend_plan_options;

/* Contents of one PARAM value: row-major host memory that stays valid as long as the plan, unless its plan_info says
 * params_copied. */
typedef struct oassl_backend_param {
    uint32_t value;
    uint32_t reserved;
    const void *data;
} oassl_backend_param;

typedef struct oassl_backend_plan_info {
    uint32_t struct_size;
    uint32_t n_steps;          /* after fusion */
    uint64_t workspace_bytes;  /* of one exec */
    uint64_t prepacked_bytes;  /* in the plan */
    uint32_t params_copied;    /* 1: the plan reads none of the memory given as params any more; since minor 1 */
    uint32_t reserved;
} oassl_backend_plan_info;

enum { OASSL_COPY_HOST_TO_DEVICE = 1, OASSL_COPY_DEVICE_TO_HOST = 2, OASSL_COPY_DEVICE_TO_DEVICE = 3 };

/* Every function returns a status and, on failure, sets the text through host->fail.  Thread rule: all functions of one
 * instance may be called from any threads at once, except that one exec is used by one thread at a time. */
typedef struct oassl_backend_api {
    uint32_t struct_size;
    uint32_t abi_major, abi_minor;
    uint32_t reserved;
    const char *name;        /* "onednn" */
    const char *description; /* one line for `oassl info` */

    /* Fails with UNAVAILABLE and the reason when the driver or device is missing.  `host` outlives the instance. */
    oassl_status (*open)(const oassl_backend_host *host, oassl_backend_instance **out_instance);
    void (*close)(oassl_backend_instance *instance);
    oassl_status (*device_count)(oassl_backend_instance *instance, uint32_t *out_count);
    oassl_status (*device_info)(oassl_backend_instance *instance, uint32_t index, oassl_backend_device_info *out_info);

    /* Device memory.  CPU backends hand out host memory; `address` is then an ordinary pointer. */
    oassl_status (*memory_alloc)(oassl_backend_instance *instance, uint32_t device_index, uint64_t bytes,
                                 void **out_address);
    void (*memory_free)(oassl_backend_instance *instance, uint32_t device_index, void *address);
    oassl_status (*memory_copy)(oassl_backend_instance *instance, uint32_t device_index, void *to, const void *from,
                                uint64_t bytes, int32_t direction);

    /* OK if the node can run under these options; UNSUPPORTED with the reason in the error text otherwise. */
    oassl_status (*node_supported)(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t node,
                                   const oassl_backend_plan_options *options);

    /* The graph is copied or fully digested: it may be freed afterwards.  Params must cover every PARAM value. */
    oassl_status (*plan_create)(oassl_backend_instance *instance, const oassl_graph *graph,
                                const oassl_backend_param *params, uint32_t n_params,
                                const oassl_backend_plan_options *options, oassl_backend_plan **out_plan);
    void (*plan_destroy)(oassl_backend_plan *plan);
    oassl_status (*plan_info)(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info);

    oassl_status (*exec_create)(const oassl_backend_plan *plan, oassl_backend_exec **out_exec);
    void (*exec_destroy)(oassl_backend_exec *exec);
    /* Binds an INPUT value or a graph output to memory of its row-major size; stays bound until bound again.
     * A value that is both input and output of the graph is bound once. */
    oassl_status (*exec_bind)(oassl_backend_exec *exec, uint32_t value, void *address);
    /* Runs to completion.  Every INPUT and output must be bound.  CANCELLED leaves outputs undefined. */
    oassl_status (*exec_run)(oassl_backend_exec *exec);
} oassl_backend_api;

/* The plug-in's only export.  `minor` is the host's; answer with a table whose abi_major equals `major`, or
 * OASSL_STATUS_UNSUPPORTED. */
typedef oassl_status (*oassl_backend_query_fn)(uint32_t major, uint32_t minor, const oassl_backend_api **out_api);

#ifdef __cplusplus
}
#endif
#endif
