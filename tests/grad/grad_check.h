/* Central differences: the gradient that autodiff builds against the one the loss itself shows, in f64 on the
 * reference backend. */
#ifndef GRAD_CHECK_H
#define GRAD_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "graph/emit.h"
#include "runtime/session.h"

#define MAX_INPUTS 6
#define F64 OASSL_DTYPE_F64

typedef oai_value (*build_fn)(oai_builder *b, const oai_value *in);

typedef struct grad_case {
    const char *name;
    build_fn build;
    double low, high; /* range of the input values */
    uint32_t n_wrt;   /* the first n_wrt inputs are differentiated by */
    uint32_t n_inputs;
    struct {
        int32_t rank;
        int64_t shape[OASSL_MAX_RANK];
    } in[MAX_INPUTS];
} grad_case;

static oassl_context *context;
static uint8_t seen_ops[OASSL_OP_LIMIT]; /* operations whose gradient some case has taken */

static int make_context(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "reference";
    return oassl_context_create(&options, &context);
}

static int drop_context(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
}

#define CHECK(expr)                                                                                                   \
    do {                                                                                                              \
        if ((expr) != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                 \
    } while (0)

typedef struct grad_run {
    oai_value in[MAX_INPUTS], grads[MAX_INPUTS], loss;
    double *x[MAX_INPUTS], *g[MAX_INPUTS];
    int64_t n[MAX_INPUTS];
    double value;
    oai_exec *full, *loss_only;
} grad_run;

/* loss = sum of the result times fixed random weights, so that every element of the result matters differently. */
static oai_value weighted_sum(oai_builder *b, oai_value y) {
    oassl_graph_value type = *oai_info(b, y);
    int64_t n = oai_value_count(&type);
    double *weights = malloc((size_t)n * sizeof *weights);
    oai_rng rng = oai_rng_stream(7, (uint64_t)n);
    for (int64_t k = 0; k < n; k++) weights[k] = 0.2 + oai_rng_uniform(&rng);
    oai_value w = oai_constant(b, F64, type.rank, type.shape, weights);
    free(weights);
    oai_value product = oai_mul(b, y, w);
    return type.rank == 0 ? product : oai_reduce(b, OASSL_OP_REDUCE_SUM, product, (1u << type.rank) - 1, 0);
}

static oai_exec *compile(const oassl_graph *graph) {
    oai_plan *plan;
    oai_exec *exec;
    CHECK(oai_plan_create(context, graph, NULL, 0, NULL, &plan));
    CHECK(oai_exec_create(plan, &exec));
    oai_plan_destroy(plan);
    return exec;
}

static void grad_open(const grad_case *c, grad_run *r) {
    oai_builder *b;
    oassl_graph *graph;
    memset(r, 0, sizeof *r);
    CHECK(oai_builder_create(&oai_default_host, &b));
    for (uint32_t k = 0; k < c->n_inputs; k++) {
        r->in[k] = oai_input(b, "x", F64, c->in[k].rank, c->in[k].shape);
        r->n[k] = oai_value_count(oai_info(b, r->in[k]));
        r->x[k] = malloc((size_t)r->n[k] * sizeof(double));
        r->g[k] = calloc((size_t)r->n[k], sizeof(double));
        oai_rng rng = oai_rng_stream(1, k);
        for (int64_t j = 0; j < r->n[k]; j++) r->x[k][j] = c->low + (c->high - c->low) * oai_rng_uniform(&rng);
    }
    r->loss = weighted_sum(b, c->build(b, r->in));
    oai_output(b, r->loss);
    CHECK(oai_builder_finish(b, &graph));
    for (uint32_t k = 0; k < graph->n_nodes; k++) seen_ops[graph->nodes[k].op] = 1;
    r->loss_only = compile(graph);
    oai_graph_destroy(&oai_default_host, graph);
    CHECK(oai_gradient(b, r->loss, r->in, c->n_wrt, r->grads));
    for (uint32_t k = 0; k < c->n_wrt; k++) {
        assert_int_not_equal(r->grads[k], OAI_NO_VALUE);
        assert_int_equal(oai_value_count(oai_info(b, r->grads[k])), r->n[k]);
        oai_output(b, r->grads[k]);
    }
    CHECK(oai_builder_finish(b, &graph));
    r->full = compile(graph);
    oai_graph_destroy(&oai_default_host, graph);
    oai_builder_destroy(b);
    for (uint32_t k = 0; k < c->n_inputs; k++) {
        CHECK(oai_exec_bind(r->full, r->in[k], r->x[k]));
        CHECK(oai_exec_bind(r->loss_only, r->in[k], r->x[k]));
        if (k < c->n_wrt) CHECK(oai_exec_bind(r->full, r->grads[k], r->g[k]));
    }
    CHECK(oai_exec_bind(r->full, r->loss, &r->value));
    CHECK(oai_exec_bind(r->loss_only, r->loss, &r->value));
}

static void grad_close(grad_run *r) {
    oai_exec_destroy(r->full);
    oai_exec_destroy(r->loss_only);
    for (uint32_t k = 0; k < MAX_INPUTS; k++) {
        free(r->x[k]);
        free(r->g[k]);
    }
}

static double loss_at(grad_run *r, uint32_t k, int64_t j, double x) {
    double old = r->x[k][j];
    r->x[k][j] = x;
    CHECK(oai_exec_run(r->loss_only));
    r->x[k][j] = old;
    return r->value;
}

/* Largest |autodiff - differences| / max(1, |differences|) over all elements; fourth-order differences. */
static double grad_error(const grad_case *c) {
    grad_run r;
    double worst = 0, h = 1e-4;
    grad_open(c, &r);
    CHECK(oai_exec_run(r.full));
    for (uint32_t k = 0; k < c->n_wrt; k++)
        for (int64_t j = 0; j < r.n[k]; j++) {
            double x = r.x[k][j];
            double near = loss_at(&r, k, j, x + h) - loss_at(&r, k, j, x - h);
            double far = loss_at(&r, k, j, x + 2 * h) - loss_at(&r, k, j, x - 2 * h);
            double expected = (8 * near - far) / (12 * h);
            double error = fabs(r.g[k][j] - expected) / fmax(1, fabs(expected));
            if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
            if (!(error < 1e-6))
                print_message("%s: d/dx%u[%d]: autodiff %.12g, differences %.12g\n", c->name, k, (int)j, r.g[k][j],
                              expected);
        }
    grad_close(&r);
    return worst;
}

#endif
