/* Graphs from anywhere: shape rules, gradients, verification, plans and runs on the reference backend.
 *
 * Input, all in single bytes: a small program for the builder -- inputs, then nodes whose operands and attributes are
 * anything; nodes that the shape rules refuse are left out -- and then changes to single words of the finished arrays,
 * which is what oai_graph_verify() must stand.  Whatever it accepts is pruned, compiled and, if it is small, run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "graph/builder.h"
#include "oassl/oassl.h"
#include "runtime/session.h"

enum { MOST_VALUES = 64, MOST_NODES = 24, MOST_ELEMENTS = 2048, BUFFER = MOST_ELEMENTS * 8 };

static int64_t number(fuzz_bytes *in) {
    static const int64_t extremes[] = {-1,        INT64_MIN,       INT64_MAX,       INT32_MAX,         (int64_t)INT32_MAX + 1, INT32_MIN,     65536, 1000,
                                       (int64_t)1 << 47, (int64_t)1 << 48, (int64_t)1 << 62, (int64_t)1 << 40, -2, UINT32_MAX, 4096, 255};
    uint8_t b = fuzz_byte(in);
    return b < 240 ? b : extremes[b - 240];
}

static double real(fuzz_bytes *in) {
    static const double values[] = {0, 1, 0.5, 0.1, 1e-5, -1, 2, 1e-12, 1e300, -1e300, 1e-300, 0.9, 0.999, 10, 1e9, 1e-38};
    uint8_t b = fuzz_byte(in);
    return b == 255 ? (double)NAN : b == 254 ? (double)INFINITY : values[b % 16] * (1 + b / 16);
}

/* ---- the program ---------------------------------------------------------------------------------------------- */

static void add_input(oai_builder *b, fuzz_bytes *in, uint32_t index) {
    static const float zeros[1024];
    uint8_t how = fuzz_byte(in);
    static const int32_t dtypes[8] = {OASSL_DTYPE_F32, OASSL_DTYPE_F32, OASSL_DTYPE_F32, OASSL_DTYPE_F32, OASSL_DTYPE_F64, OASSL_DTYPE_I32, OASSL_DTYPE_I64, OASSL_DTYPE_U8};
    int32_t dtype = dtypes[how / 3 % 8], rank = fuzz_byte(in) % (OASSL_MAX_RANK + 2);
    int64_t shape[OASSL_MAX_RANK + 1] = {0}, count = 1;
    for (int32_t k = 0; k < rank; k++) {
        shape[k] = number(in);
        count = shape[k] > 0 && count <= 1024 && shape[k] <= 1024 ? count * shape[k] : 1 << 20;
    }
    char name[16] = {(char)('a' + index), 0};
    if (oai_type_check(dtype, rank, shape) != OASSL_STATUS_OK) return;
    if (how % 3 == 2 && count * (int64_t)oai_dtype_bytes(dtype) <= (int64_t)sizeof zeros) oai_constant(b, dtype, rank, shape, zeros);
    else if (how % 3 == 1) oai_param(b, name, dtype, rank, shape);
    else oai_input(b, name, dtype, rank, shape);
}

static void add_node(oai_builder *b, fuzz_bytes *in, uint32_t op) {
    uint32_t inputs[8], n = fuzz_byte(in) % 8;
    oassl_node_attrs attrs = {0};
    for (uint32_t k = 0; k < n; k++) inputs[k] = fuzz_byte(in) % (uint32_t)b->values.n;
    for (uint32_t k = fuzz_byte(in) % (OASSL_NODE_INTS + 1), i = 0; i < k; i++) attrs.i[i] = number(in);
    for (uint32_t k = fuzz_byte(in) % (OASSL_NODE_FLOATS + 1), i = 0; i < k; i++) attrs.f[i] = real(in);
    oai_type types[OAI_MAX_OUTPUTS];
    oassl_status status = oai_op_n_outputs(op) ? oai_infer(b->values.data, inputs, n, op, &attrs, types) : OASSL_STATUS_UNSUPPORTED;
    if (status != OASSL_STATUS_OK) return;
    oai_node(b, op, inputs, n, &attrs);
    if (oai_builder_status(b) != OASSL_STATUS_OK) fuzz_fail("node refused after its shapes were found: %s", oassl_last_error());
}

static void differentiate(oai_builder *b, fuzz_bytes *in) {
    oai_value loss = fuzz_byte(in) % (uint32_t)b->values.n, wrt[2] = {0, 1}, gradients[2];
    const oassl_graph_value *v = oai_info(b, loss);
    if (v->kind != OASSL_VALUE_RESULT || (v->dtype != OASSL_DTYPE_F32 && v->dtype != OASSL_DTYPE_F64)) return;
    if (v->rank > 0) {
        oassl_node_attrs attrs = {.i = {((int64_t)1 << v->rank) - 1}};
        loss = oai_node(b, OASSL_OP_REDUCE_SUM, &loss, 1, &attrs);
    }
    oassl_status status = oai_gradient(b, loss, wrt, b->values.n > 1 ? 2 : 1, gradients);
    fuzz_check(status, "oai_gradient");
    for (int k = 0; status == OASSL_STATUS_OK && k < 2 && (size_t)k < b->values.n; k++)
        if (gradients[k] != OAI_NO_VALUE) oai_output(b, gradients[k]);
}

/* NULL when there is nothing to compute. */
static oassl_graph *program(const oai_host *host, fuzz_bytes *in) {
    oai_builder *b;
    oassl_graph *graph = NULL;
    if (oai_builder_create(host, &b) != OASSL_STATUS_OK) fuzz_fail("no builder");
    uint8_t flags = fuzz_byte(in);
    for (uint32_t k = 0, n = 1 + fuzz_byte(in) % 6; k < n; k++) add_input(b, in, k);
    for (uint32_t op, k = 0; b->values.n > 0 && b->values.n < MOST_VALUES && k < MOST_NODES && (op = fuzz_byte(in)) != 0; k++) add_node(b, in, op);
    if (b->values.n > 0) {
        oai_output(b, (uint32_t)b->values.n - 1);
        for (uint32_t k = 0, n = fuzz_byte(in) % 4; k < n; k++) oai_output(b, fuzz_byte(in) % (uint32_t)b->values.n);
        if (flags & 1) differentiate(b, in);
        if (flags & 2) oai_fold_batch_norm(b);
        oassl_status status = oai_builder_finish(b, &graph);
        fuzz_check(status, "oai_builder_finish");
        if (status != OASSL_STATUS_OK) graph = NULL;
    }
    oai_builder_destroy(b);
    return graph;
}

/* ---- the arrays ----------------------------------------------------------------------------------------------- */

static void *copy_of(const void *data, size_t bytes) {
    void *copy = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!copy) fuzz_fail("no memory");
    if (bytes > 0) memcpy(copy, data, bytes);
    return copy;
}

/* Blocks of their own, so that reading outside of one shows. */
static oassl_graph take_apart(const oassl_graph *g) {
    oassl_graph out = *g;
    out.nodes = copy_of(g->nodes, g->n_nodes * sizeof *g->nodes);
    out.values = copy_of(g->values, g->n_values * sizeof *g->values);
    out.operands = copy_of(g->operands, g->n_operands * sizeof *g->operands);
    out.outputs = copy_of(g->outputs, g->n_outputs * sizeof *g->outputs);
    out.names = copy_of(g->names, g->names_bytes);
    out.constants = copy_of(g->constants, g->constants_bytes);
    return out;
}

static void free_parts(oassl_graph *g) {
    free((void *)g->nodes), free((void *)g->values), free((void *)g->operands);
    free((void *)g->outputs), free((void *)g->names), free((void *)g->constants);
}

/* Words of the arrays, or a smaller count: arrays are never longer than they say. */
static void change(oassl_graph *g, fuzz_bytes *in) {
    struct {
        void *data;
        size_t bytes, word;
    } arrays[] = {{(void *)g->values, g->n_values * sizeof *g->values, 4},   {(void *)g->nodes, g->n_nodes * sizeof *g->nodes, 4},
                  {(void *)g->operands, g->n_operands * sizeof(uint32_t), 4}, {(void *)g->outputs, g->n_outputs * sizeof(uint32_t), 4},
                  {(void *)g->values, g->n_values * sizeof *g->values, 8},    {(void *)g->nodes, g->n_nodes * sizeof *g->nodes, 8}};
    uint32_t *counts[] = {&g->n_nodes, &g->n_values, &g->n_operands, &g->n_outputs};
    for (int k = 0; k < 8 && in->at < in->end; k++) {
        uint8_t which = fuzz_byte(in) % 8;
        size_t at = (size_t)fuzz_byte(in) << 8;
        at |= fuzz_byte(in);
        int64_t value = number(in);
        if (which == 6) {
            uint32_t *count = counts[at % 4];
            if (value >= 0 && (uint64_t)value < *count) *count = (uint32_t)value;
        } else if (which == 7) {
            if (value >= 0 && (uint64_t)value < g->constants_bytes) g->constants_bytes = (uint64_t)value;
        } else if (arrays[which].bytes >= arrays[which].word) {
            size_t word = arrays[which].word;
            memcpy((uint8_t *)arrays[which].data + at % (arrays[which].bytes / word) * word, &value, word);
        }
    }
}

/* ---- plans ---------------------------------------------------------------------------------------------------- */

static bool is_small(const oassl_graph *g) {
    int64_t n = 0;
    for (uint32_t id = 0; id < g->n_values; id++) {
        if (g->values[id].kind == OASSL_VALUE_UNUSED) continue;
        int64_t count = oai_value_count(&g->values[id]);
        if (count > MOST_ELEMENTS || (n += count) > 4 * MOST_ELEMENTS) return false;
    }
    return true;
}

/* Numbers that make no operation's sums overflow; indices within small tables. */
static const void *some_data(int32_t dtype) {
    static double f64[MOST_ELEMENTS];
    static float f32[MOST_ELEMENTS];
    static int32_t i32[MOST_ELEMENTS * 2];
    for (int k = 0; k < MOST_ELEMENTS && f64[1] == 0; k++) f64[k] = (k % 17 - 6) * 0.25, f32[k] = (float)f64[k], i32[k] = k % 3;
    return dtype == OASSL_DTYPE_F64 ? (const void *)f64 : dtype == OASSL_DTYPE_F32 ? (const void *)f32 : (const void *)i32;
}

static void run(oai_plan *plan, const oassl_graph *g) {
    static uint8_t buffers[MOST_VALUES * 4][BUFFER];
    oai_exec *exec;
    oassl_status status = oai_exec_create(plan, &exec);
    fuzz_check(status, "oai_exec_create");
    if (status != OASSL_STATUS_OK) return;
    bool bound[MOST_VALUES * 4] = {false};
    uint32_t n_values = g->n_values < MOST_VALUES * 4 ? g->n_values : MOST_VALUES * 4;
    for (uint32_t id = 0; id < n_values; id++) {
        if (g->values[id].kind != OASSL_VALUE_INPUT) continue;
        memcpy(buffers[id], some_data(g->values[id].dtype), BUFFER / 2);
        fuzz_check(oai_exec_bind(exec, id, buffers[id]), "oai_exec_bind");
        bound[id] = true;
    }
    for (uint32_t k = 0; k < g->n_outputs; k++) {
        uint32_t id = g->outputs[k];
        if (id < n_values && !bound[id]) fuzz_check(oai_exec_bind(exec, id, buffers[id]), "oai_exec_bind");
    }
    fuzz_check(oai_exec_run(exec), "oai_exec_run");
    oai_exec_destroy(exec);
}

static oassl_context *context(void) {
    static oassl_context *made;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    const oai_host *host = fuzz_host();
    options.backend = "reference", options.n_threads = 1;
    options.alloc = host->alloc, options.free = host->free;
    if (!made && oassl_context_create(&options, &made) != OASSL_STATUS_OK) fuzz_fail("no context: %s", oassl_last_error());
    return made;
}

static void compile(const oassl_graph *g) {
    oassl_backend_param params[MOST_VALUES * 4];
    uint32_t n = 0;
    for (uint32_t id = 0; id < g->n_values && n < MOST_VALUES * 4; id++)
        if (g->values[id].kind == OASSL_VALUE_PARAM)
            params[n++] = (oassl_backend_param){.value = id, .data = some_data(g->values[id].dtype)};
    oai_plan *plan;
    oassl_status status = oai_plan_create(context(), g, params, n, NULL, &plan);
    fuzz_check(status, "oai_plan_create");
    if (status != OASSL_STATUS_OK) return;
    run(plan, g);
    oai_plan_destroy(plan);
}

/* What verification has accepted everything else must stand. */
static void use(const oai_host *host, const oassl_graph *g) {
    oassl_graph *copy, *pruned;
    if (oai_graph_copy(host, g, &copy) != OASSL_STATUS_OK || !oai_graph_equal(g, copy) || oai_graph_hash(g) != oai_graph_hash(copy))
        fuzz_fail("a copy differs");
    oai_graph_destroy(host, copy);
    oassl_status status = oai_graph_prune(host, g, &pruned);
    fuzz_check(status, "oai_graph_prune");
    if (status != OASSL_STATUS_OK) fuzz_fail("a verified graph is refused: %s", oassl_last_error());
    oai_graph_find(g, "a");
    if (is_small(g)) compile(g);
    oai_graph_destroy(host, pruned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_bytes in = {data, data + bytes};
    context();
    const oai_host *host = fuzz_begin((uint64_t)16 << 20);
    oassl_graph *made = program(host, &in);
    if (made) {
        if (oai_graph_verify(made) != OASSL_STATUS_OK) fuzz_fail("the builder's graph is refused: %s", oassl_last_error());
        use(host, made);
        oassl_graph parts = take_apart(made);
        oassl_graph owned = parts;
        change(&parts, &in);
        oassl_status status = oai_graph_verify(&parts);
        fuzz_check(status, "oai_graph_verify");
        if (status == OASSL_STATUS_OK) use(host, &parts);
        free_parts(&owned);
        oai_graph_destroy(host, made);
    }
    fuzz_end();
    return 0;
}
