/* Inside the reference backend: what a kernel sees, and the table of kernels.
 *
 * The reference backend is the truth the others are compared with: one thread, one kernel an operation, arithmetic and
 * sums in double whatever the tensors' dtype.  It includes oassl/backend.h and the standard headers only. */
#ifndef OAB_REFERENCE_H
#define OAB_REFERENCE_H

#include "oassl/backend.h"

typedef struct oab_tensor {
    int32_t dtype, rank;
    int64_t shape[OASSL_MAX_RANK];
    int64_t count; /* elements */
    void *data;
} oab_tensor;

typedef struct oab_call {
    const oassl_backend_host *host;
    const char *op, *node; /* names, for error texts */
    const oassl_node_attrs *attrs;
    const oab_tensor *in, *out; /* inputs and outputs never overlap: the exec sees to it */
    uint32_t n_in, n_out;
} oab_call;

typedef oassl_status (*oab_kernel)(const oab_call *call);

/* Kernel of an operation on f32 or f64 tensors; i32 too where it only moves elements.  NULL if there is none. */
oab_kernel oab_reference_kernel(uint32_t op, int32_t dtype);
const char *oab_reference_op_name(uint32_t op);

/* Fills in everything but `data`. */
oab_tensor oab_reference_tensor(const oassl_graph_value *value);
uint64_t oab_reference_dtype_bytes(int32_t dtype); /* 0 for a dtype no operation takes */
/* The dtype that selects a node's kernel: that of its float tensors, else of its first input. */
int32_t oab_reference_node_dtype(const oassl_graph *graph, const oassl_graph_node *node);

oassl_status oab_reference_fail(const oassl_backend_host *host, oassl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Zeroed doubles for one kernel call, NULL (and the error text set) when out of memory. */
double *oab_reference_scratch(const oab_call *call, int64_t count);

struct oassl_backend_instance {
    const oassl_backend_host *host;
};

oassl_status oab_reference_node_supported(oassl_backend_instance *instance, const oassl_graph *graph, uint32_t node,
                                          const oassl_backend_plan_options *options);
oassl_status oab_reference_plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                       const oassl_backend_param *params, uint32_t n_params,
                                       const oassl_backend_plan_options *options, oassl_backend_plan **out_plan);
void oab_reference_plan_destroy(oassl_backend_plan *plan);
oassl_status oab_reference_plan_info(const oassl_backend_plan *plan, oassl_backend_plan_info *out_info);
oassl_status oab_reference_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec);
void oab_reference_exec_destroy(oassl_backend_exec *exec);
oassl_status oab_reference_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address);
oassl_status oab_reference_exec_run(oassl_backend_exec *exec);

/* The backend itself: what a plug-in calls oassl_backend_query, under a name of its own because it is linked in. */
oassl_status oab_reference_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api);

#endif
