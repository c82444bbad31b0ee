/* Networks with formula weights on a named backend: what the comparisons with PyTorch share. */
#ifndef TEST_SUPPORT_NET_RUN_H
#define TEST_SUPPORT_NET_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "model/features.h"
#include "runtime/session.h"
#include "support/formula.h"

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

static oassl_context *open_context(const char *backend) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    if (strcmp(backend, "reference") != 0) options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = 2;
    oassl_context *context = NULL;
    return oassl_context_create(&options, &context) == OASSL_STATUS_OK ? context : NULL;
}

static inline void fill_store(oai_store *store, double shift) {
    for (uint32_t i = 0; i < oai_store_count(store); i++) {
        const oai_store_tensor *t = oai_store_at(store, i);
        formula_weight(t->name, shift, t->rank, t->shape, t->count, t->data);
    }
}

static inline float *formula_input(const char *name, double scale, int64_t count) {
    float *x = malloc((size_t)count * sizeof *x);
    assert_non_null(x);
    formula_fill(name, 0, scale, count, x);
    return x;
}

/* Inputs and outputs of a graph and the memory for them. */
typedef struct binding {
    oai_value value;
    void *memory;
} binding;

static inline void run_builder(oassl_context *context, oai_builder *builder, const binding *bindings, uint32_t n) {
    oassl_graph *graph;
    oai_plan *plan;
    oai_exec *exec;
    MUST(oai_builder_finish(builder, &graph));
    MUST(oai_plan_create(context, graph, NULL, 0, NULL, &plan));
    oai_graph_destroy(&oai_default_host, graph);
    MUST(oai_exec_create(plan, &exec));
    for (uint32_t i = 0; i < n; i++) MUST(oai_exec_bind(exec, bindings[i].value, bindings[i].memory));
    MUST(oai_exec_run(exec));
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
}

static inline double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
