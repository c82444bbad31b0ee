/* Running graphs on the context's backend.
 *
 *   oai_plan  a compiled graph, immutable, shared, reference-counted through the context's plan cache
 *   oai_exec  one instance of it with its workspace; one thread at a time
 *
 * Plan creation evaluates everything that depends only on params and constants once (on the reference backend), so
 * folded weights cost nothing per run.  A plan is therefore only as new as its params: who changes their contents
 * destroys every plan and exec made from them first, or the cache gives the old plan back. */
#ifndef OAI_RUNTIME_SESSION_H
#define OAI_RUNTIME_SESSION_H

#include "graph/graph.h"
#include "runtime/context.h"

typedef struct oai_plan oai_plan;
typedef struct oai_exec oai_exec;

typedef struct oai_plan_options {
    const char *backend;   /* NULL = the context's; "reference" for checks */
    uint32_t n_threads;    /* 0 = the context's */
    int32_t precision;     /* OASSL_PRECISION_* */
    int32_t deterministic;
    int32_t no_fusion;
    const oassl_backend_range *ranges; /* [n_ranges] of an INT8 plan, by value id; copied */
    uint32_t n_ranges;
    /* Called when all folding is done: params that only folding reads are not read again.  NULL = nobody to tell. */
    void (*after_folding)(void *user);
    void *user;
} oai_plan_options;

/* `params` as in backend.h: one entry a PARAM value, host memory that outlives the plan.  options may be NULL.
 * f64 graphs always run on the reference backend (others compute f32).  A backend that lacks BF16 or INT8 is UNSUPPORTED
 * with its reason, whatever the context's allow_fallback: nobody who asks for a precision gets another one.  F32_FAST is
 * a permission, so a backend without it computes F32.  The graph may be destroyed afterwards. */
oassl_status oai_plan_create(oassl_context *context, const oassl_graph *graph, const oassl_backend_param *params,
                             uint32_t n_params, const oai_plan_options *options, oai_plan **out_plan);
void oai_plan_destroy(oai_plan *plan);
const char *oai_plan_backend(const oai_plan *plan); /* name of the backend it runs on */
oassl_status oai_plan_info(const oai_plan *plan, oassl_backend_plan_info *out_info);

/* An exec keeps its plan alive.  Binding an input that the outputs do not depend on is accepted and does nothing;
 * running with an input or output unbound is an error that names it.  The backend's rules of aliasing hold. */
oassl_status oai_exec_create(oai_plan *plan, oai_exec **out_exec);
void oai_exec_destroy(oai_exec *exec);
oassl_status oai_exec_bind(oai_exec *exec, oai_value value, void *address);
oassl_status oai_exec_run(oai_exec *exec);
/* The same without being cancelled on the way: for graphs that update their inputs in place. */
oassl_status oai_exec_run_whole(oai_exec *exec);

#endif
