/* Builder, shape inference, verification, dead code, hash and folding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "graph/emit.h"
#include "support/growth.h"
#include "support/scarce.h"

#define F32 OASSL_DTYPE_F32
#define NONE OAI_NO_VALUE

static const oai_host *const host = &oai_default_host;

static oai_builder *new_builder(void) {
    oai_builder *b;
    assert_int_equal(oai_builder_create(host, &b), OASSL_STATUS_OK);
    return b;
}

static void expect_shape(const oai_builder *b, oai_value v, int32_t rank, const int64_t *shape) {
    if (oai_builder_status(b) != OASSL_STATUS_OK) fail_msg("%s", oassl_last_error());
    assert_int_equal(oai_info(b, v)->rank, rank);
    for (int32_t k = 0; k < rank; k++) assert_int_equal(oai_info(b, v)->shape[k], shape[k]);
}
#define EXPECT(b, v, ...) expect_shape(b, v, sizeof OAI_SHAPE(__VA_ARGS__) / 8, OAI_SHAPE(__VA_ARGS__))

static oai_value tensor(oai_builder *b, int32_t rank, const int64_t *shape) {
    return oai_input(b, "t", F32, rank, shape);
}
#define TENSOR(b, ...) tensor(b, sizeof OAI_SHAPE(__VA_ARGS__) / 8, OAI_SHAPE(__VA_ARGS__))

/* ---- shapes ------------------------------------------------------------------------------------------------ */

static void test_shapes(void **state) {
    (void)state;
    oai_builder *b = new_builder();
    oai_value x = TENSOR(b, 2, 3, 9, 8), w = TENSOR(b, 4, 3, 3, 3), v = TENSOR(b, 3);
    EXPECT(b, oai_add(b, TENSOR(b, 3, 1), TENSOR(b, 2, 1, 5)), 2, 3, 5);
    EXPECT(b, oai_conv2d(b, x, w, NONE, 2, 1), 2, 4, 5, 4);
    EXPECT(b, oai_max_pool(b, x, 3, 2, 1), 2, 3, 5, 4);
    EXPECT(b, oai_reduce(b, OASSL_OP_REDUCE_SUM, x, OAI_AXIS(0) | OAI_AXIS(3), 0), 3, 9);
    EXPECT(b, oai_reduce(b, OASSL_OP_REDUCE_MAX, x, OAI_AXIS(1), 1), 2, 1, 9, 8);
    EXPECT(b, oai_matmul(b, TENSOR(b, 5, 1, 2, 3), TENSOR(b, 4, 6, 3), 0, 1), 5, 4, 2, 6);
    EXPECT(b, oai_linear(b, TENSOR(b, 2, 7, 3), TENSOR(b, 5, 3), NONE), 2, 7, 5);
    EXPECT(b, oai_reshape(b, x, 3, OAI_SHAPE(2, -1, 4)), 2, 54, 4);
    EXPECT(b, oai_transpose(b, x, (int32_t[]){3, 1, 0, 2}), 8, 3, 2, 9);
    EXPECT(b, oai_concat(b, (oai_value[]){x, x, x}, 3, -1), 2, 3, 9, 24);
    EXPECT(b, oai_slice(b, x, -2, 3, 2), 2, 3, 2, 8);
    EXPECT(b, oai_normalize(b, x, 1), 2, 3, 9, 8);
    EXPECT(b, oai_cosine(b, TENSOR(b, 2, 1, 3, 4), TENSOR(b, 5, 3, 1), -2), 2, 5, 4);
    EXPECT(b, oai_cosine(b, TENSOR(b, 5, 3), TENSOR(b, 5, 3), 1), 5);
    oai_value norm = oai_node(b, OASSL_OP_BATCH_NORM, (oai_value[]){x, v, v, v, v}, 5, NULL);
    EXPECT(b, norm, 2, 3, 9, 8);
    EXPECT(b, norm + 4, 3);
    oai_value index = oai_input(b, "index", OASSL_DTYPE_I32, 2, OAI_SHAPE(2, 6));
    EXPECT(b, oai_gather(b, TENSOR(b, 10, 4), index), 2, 6, 4);
    assert_int_equal(oai_dim(b, x, -1), 8);
    oai_builder_destroy(b);
}

/* Every one of these must be refused with a text that names the node and its scope. */
typedef void (*bad_fn)(oai_builder *b, oai_value x);
#define BAD(name, expr)                                                                                               \
    static void name(oai_builder *b, oai_value x) {                                                                   \
        (void)x;                                                                                                      \
        (void)(expr);                                                                                                 \
    }
#define RAW(op, x, ...) oai_node(b, OASSL_OP_##op, (oai_value[]){x}, 1, &(oassl_node_attrs){.i = {__VA_ARGS__}})

BAD(bad_add, oai_add(b, x, TENSOR(b, 5)))
BAD(bad_dtype, oai_add(b, x, oai_scalar(b, OASSL_DTYPE_F64, 1)))
BAD(bad_integer, oai_unary(b, OASSL_OP_EXP, oai_input(b, "i", OASSL_DTYPE_I32, 1, OAI_SHAPE(3))))
BAD(bad_value, oai_add(b, x, 4711))
BAD(bad_op, oai_unary(b, 99, x))
BAD(bad_inputs, oai_unary(b, OASSL_OP_ADD, x))
BAD(bad_conv, oai_conv2d(b, x, TENSOR(b, 4, 5, 3, 3), NONE, 1, 1))
BAD(bad_stride, oai_conv2d(b, x, TENSOR(b, 4, 3, 3, 3), NONE, 0, 1))
BAD(bad_kernel, oai_conv2d(b, x, TENSOR(b, 4, 3, 30, 3), NONE, 1, 1))
BAD(bad_bias, oai_conv2d(b, x, TENSOR(b, 4, 3, 3, 3), TENSOR(b, 3), 1, 1))
BAD(bad_pool_pad, oai_max_pool(b, x, 2, 2, 2))
BAD(bad_axes, oai_reduce(b, OASSL_OP_REDUCE_SUM, x, OAI_AXIS(4), 0))
BAD(bad_no_axes, oai_reduce(b, OASSL_OP_REDUCE_SUM, x, 0, 0))
BAD(bad_matmul, oai_matmul(b, x, TENSOR(b, 7, 3), 0, 0))
BAD(bad_vector, oai_matmul(b, x, TENSOR(b, 8), 0, 0))
BAD(bad_softmax, oai_softmax(b, x, 4))
BAD(bad_reshape, oai_reshape(b, x, 2, OAI_SHAPE(5, -1)))
BAD(bad_reshape_zero, oai_reshape(b, x, 2, OAI_SHAPE(0, -1)))
BAD(bad_rank, RAW(RESHAPE, x, 7, 1, 1, 1, 1, 1, 1))
BAD(bad_negative_rank, RAW(RESHAPE, x, -1))
BAD(bad_transpose, oai_transpose(b, x, (int32_t[]){0, 1, 1, 2}))
BAD(bad_concat, oai_concat(b, (oai_value[]){x, TENSOR(b, 2, 3, 9, 7)}, 2, 1))
BAD(bad_slice, oai_slice(b, x, 1, 2, 2))
BAD(bad_slice_empty, oai_slice(b, x, 1, 1, 0))
BAD(bad_pad, RAW(PAD, x, 1, -1, 0))
BAD(bad_huge, RAW(PAD, x, 1, (int64_t)1 << 47, 0))
BAD(bad_broadcast, oai_broadcast(b, x, 4, OAI_SHAPE(2, 3, 9, 9)))
BAD(bad_gather, oai_gather(b, x, x))
BAD(bad_eps, oai_layer_norm(b, x, TENSOR(b, 8), TENSOR(b, 8), -1))
BAD(bad_nan_eps, oai_layer_norm(b, x, TENSOR(b, 8), TENSOR(b, 8), NAN))
BAD(bad_cosine, oai_cosine(b, x, TENSOR(b, 2, 4, 9, 8), 1))
BAD(bad_normalize, oai_normalize(b, x, 7))

static void test_bad_nodes_are_named(void **state) {
    (void)state;
    static const struct {
        bad_fn emit;
        const char *text; /* part of the message */
    } cases[] = {{bad_add, "[5] do not broadcast"},
                 {bad_dtype, "expected dtype F32, found F64"},
                 {bad_integer, "expected dtype F32 or F64"},
                 {bad_value, "no value 4711"},
                 {bad_op, "operation 99"},
                 {bad_inputs, "expected 2 to 2 inputs, found 1"},
                 {bad_conv, "[4, 5, 3, 3]"},
                 {bad_stride, "stride (i0)"},
                 {bad_kernel, "the window spans 30"},
                 {bad_bias, "expected [4], found [3]"},
                 {bad_pool_pad, "pad (i4)"},
                 {bad_axes, "axes (i0)"},
                 {bad_no_axes, "axes (i0)"},
                 {bad_matmul, "inner extents"},
                 {bad_vector, "expected matrices"},
                 {bad_softmax, "axis (i0)"},
                 {bad_reshape, "does not reshape"},
                 {bad_reshape_zero, "extent 0"},
                 {bad_rank, "rank (i0)"},
                 {bad_negative_rank, "rank (i0)"},
                 {bad_transpose, "axis 1 occurs twice"},
                 {bad_concat, "[2, 3, 9, 7]"},
                 {bad_slice, "length (i2)"},
                 {bad_slice_empty, "length (i2)"},
                 {bad_pad, "before (i1)"},
                 {bad_huge, "2^48"},
                 {bad_broadcast, "does not broadcast to"},
                 {bad_gather, "expected dtype I32"},
                 {bad_eps, "eps (f0)"},
                 {bad_nan_eps, "eps (f0)"},
                 {bad_cosine, "cosine: extents 3 and 4"},
                 {bad_normalize, "normalize: axis 7"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        oai_builder *b = new_builder();
        oai_value x = TENSOR(b, 2, 3, 9, 8);
        oai_scope(b, "tower.layer%d", 3);
        cases[k].emit(b, x);
        assert_int_not_equal(oai_builder_status(b), OASSL_STATUS_OK);
        const char *text = oassl_last_error();
        if (!strstr(text, cases[k].text)) fail_msg("case %zu: '%s' is not in '%s'", k, cases[k].text, text);
        if (cases[k].emit != bad_cosine && cases[k].emit != bad_normalize)
            assert_non_null(strstr(text, "(tower.layer3)"));
        oai_builder_destroy(b);
    }
}

static void test_first_failure_sticks(void **state) {
    (void)state;
    oai_builder *b = new_builder();
    oai_value x = oai_input(b, "picture", F32, 2, OAI_SHAPE(2, 0));
    assert_int_equal(x, NONE);
    assert_int_equal(oai_builder_status(b), OASSL_STATUS_SHAPE_MISMATCH);
    assert_non_null(strstr(oassl_last_error(), "input 'picture'"));
    assert_int_equal(oai_add(b, x, 99), NONE);
    assert_int_equal(oai_linear(b, x, x, x), NONE);
    assert_int_equal(oai_cosine(b, x, x, -1), NONE);
    assert_int_equal(oai_reshape(b, x, 2, OAI_SHAPE(-1, 2)), NONE);
    assert_int_equal(oai_concat(b, &x, 1, 0), NONE);
    oai_value gradient;
    assert_int_not_equal(oai_gradient(b, x, &x, 1, &gradient), OASSL_STATUS_OK);
    oai_fold_batch_norm(b);
    oai_output(b, x);
    assert_int_equal(oai_info(b, x)->rank, 0);
    assert_int_equal(oai_dim(b, x, 0), 0);
    oassl_graph *graph;
    assert_int_equal(oai_builder_finish(b, &graph), OASSL_STATUS_SHAPE_MISMATCH);
    assert_null(graph);
    assert_non_null(strstr(oassl_last_error(), "input 'picture'"));
    oai_builder_destroy(b);
}

/* ---- finishing
 * ------------------------------------------------------------------------------------------------------- */

static oassl_graph *finish(oai_builder *b) {
    oassl_graph *graph;
    if (oai_builder_finish(b, &graph) != OASSL_STATUS_OK) fail_msg("%s", oassl_last_error());
    return graph;
}

/* A small network with a constant, a multi-output node and names; `variant` changes one thing. */
static oassl_graph *sample(int variant) {
    oai_builder *b = new_builder();
    oai_scope(b, variant == 1 ? "other" : "net");
    oai_value x = oai_input(b, "x", F32, 2, OAI_SHAPE(3, variant == 2 ? 5 : 4));
    oai_value w = oai_param(b, "w", F32, 2, OAI_SHAPE(6, variant == 2 ? 5 : 4)),
              v = oai_param(b, "v", F32, 1, OAI_SHAPE(6));
    oai_value h = oai_linear(b, x, w, NONE);
    h = oai_layer_norm(b, h, v, v, variant == 3 ? 1e-6 : 1e-5);
    h = oai_mul(b, h, oai_scalar(b, F32, variant == 4 ? 3 : 2));
    h = oai_unary(b, variant == 5 ? OASSL_OP_TANH : OASSL_OP_RELU, h);
    oai_value y = oai_reduce(b, OASSL_OP_REDUCE_SUM, h, OAI_AXIS(1), 0);
    oai_output(b, y);
    if (variant == 6) oai_output(b, h);
    oai_name_value(b, y, "y");
    oassl_graph *graph = finish(b);
    oai_builder_destroy(b);
    return graph;
}

static void test_hash_and_equality(void **state) {
    (void)state;
    oassl_graph *base = sample(0), *same = sample(0), *renamed = sample(1);
    assert_true(base->hash == same->hash && oai_graph_equal(base, same));
    assert_true(base->hash == renamed->hash && oai_graph_equal(base, renamed)); /* names do not count */
    for (int variant = 2; variant <= 6; variant++) {
        oassl_graph *other = sample(variant);
        assert_true(base->hash != other->hash);
        other->hash = base->hash; /* equality does not rest on the hash */
        assert_false(oai_graph_equal(base, other));
        oai_graph_destroy(host, other);
    }
    oassl_graph *copy;
    assert_int_equal(oai_graph_copy(host, base, &copy), OASSL_STATUS_OK);
    assert_true(oai_graph_equal(base, copy) && oai_graph_verify(copy) == OASSL_STATUS_OK);
    oai_graph_destroy(host, copy);
    oai_graph_destroy(host, base);
    oai_graph_destroy(host, same);
    oai_graph_destroy(host, renamed);
}

static void test_dead_code_goes_and_ids_stay(void **state) {
    (void)state;
    oai_builder *b = new_builder();
    oai_value unused = oai_input(b, "unused", F32, 0, NULL), big = oai_scalar(b, F32, 7);
    oai_value x = oai_input(b, "x", F32, 0, NULL), w = oai_param(b, "w", F32, 0, NULL), two = oai_scalar(b, F32, 2);
    oai_value dead = oai_mul(b, oai_add(b, x, w), big), live = oai_mul(b, x, two);
    oai_output(b, live);
    oai_output(b, live); /* twice is once */
    oassl_graph *graph = finish(b);
    assert_int_equal(graph->n_nodes, 1);
    assert_int_equal(graph->n_outputs, 1);
    assert_int_equal(graph->outputs[0], live);
    assert_int_equal(graph->values[live].producer, 0);
    assert_int_equal(graph->values[dead].kind, OASSL_VALUE_UNUSED);
    assert_int_equal(graph->values[unused].kind, OASSL_VALUE_UNUSED);
    assert_int_equal(graph->values[w].kind, OASSL_VALUE_UNUSED);
    assert_int_equal(graph->constants_bytes, 64);
    assert_true(*(const float *)((const char *)graph->constants + graph->values[two].constant_offset) == 2);
    assert_int_equal(oai_graph_find(graph, "x"), x);
    assert_int_equal(oai_graph_find(graph, "unused"), unused);
    assert_int_equal(oai_graph_find(graph, "nothing"), NONE);
    oai_graph_destroy(host, graph);
    oai_output(b, dead); /* the builder stays usable */
    graph = finish(b);
    assert_int_equal(graph->n_nodes, 3);
    oai_graph_destroy(host, graph);
    oai_builder_destroy(b);
    b = new_builder();
    assert_int_equal(oai_builder_finish(b, &graph), OASSL_STATUS_INVALID_ARGUMENT); /* no outputs */
    oai_builder_destroy(b);
}

static void build_layers(int n) {
    oai_builder *b = new_builder();
    oai_value x = TENSOR(b, 8, 16), w[50], gradients[50], h = x;
    for (int k = 0; k < 50; k++) w[k] = oai_input(b, "w", F32, 2, OAI_SHAPE(16, 16));
    for (int k = 0; k < n; k++) {
        oai_scope(b, "layer%d", k);
        h = oai_unary(b, OASSL_OP_TANH, oai_linear(b, h, w[k % 50], NONE));
    }
    oai_value loss = oai_reduce(b, OASSL_OP_REDUCE_MEAN, h, 3, 0);
    assert_int_equal(oai_gradient(b, loss, w, 50, gradients), OASSL_STATUS_OK);
    for (int k = 0; k < 50; k++) oai_output(b, gradients[k]);
    oassl_graph *graph = finish(b);
    assert_true(graph->n_nodes > 5u * (uint32_t)n);
    oai_graph_destroy(host, graph);
    oai_builder_destroy(b);
}

static void test_time_grows_with_layers(void **state) {
    (void)state;
    const double times = growth(build_layers, 1000);
    print_message("eight times the layers: %.1f times the time\n", times);
    assert_true(times < 24);
}

/* ---- folding
 * --------------------------------------------------------------------------------------------------------- */

static uint32_t count_ops(const oassl_graph *graph, uint32_t op) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < graph->n_nodes; k++) n += graph->nodes[k].op == op;
    return n;
}

static void test_batch_norm_folds(void **state) {
    (void)state;
    oai_builder *b = new_builder();
    oai_value x = TENSOR(b, 1, 2, 5, 5), w = oai_param(b, "w", F32, 4, OAI_SHAPE(2, 2, 3, 3));
    oai_value v = oai_param(b, "v", F32, 1, OAI_SHAPE(2));
    oassl_node_attrs eps = {.f = {1e-5}};
    oai_value c1 = oai_conv2d(b, x, w, NONE, 1, 1);
    oai_value n1 = oai_node(b, OASSL_OP_BATCH_NORM_INFER, (oai_value[]){c1, v, v, v, v}, 5, &eps);
    oai_value c2 = oai_conv2d(b, oai_unary(b, OASSL_OP_RELU, n1), w, v, 1, 1);
    oai_value n2 = oai_node(b, OASSL_OP_BATCH_NORM_INFER, (oai_value[]){c2, v, v, v, v}, 5, &eps);
    oai_value c3 = oai_conv2d(b, n2, w, v, 1, 1); /* used twice: stays */
    oai_value n3 = oai_node(b, OASSL_OP_BATCH_NORM_INFER, (oai_value[]){c3, v, v, v, v}, 5, &eps);
    oai_output(b, oai_add(b, c3, n3));
    oai_fold_batch_norm(b);
    oassl_graph *graph = finish(b);
    assert_int_equal(count_ops(graph, OASSL_OP_BATCH_NORM_INFER), 1);
    assert_int_equal(count_ops(graph, OASSL_OP_CONV2D), 3);
    assert_int_equal(graph->values[n1].kind, OASSL_VALUE_RESULT);
    assert_int_equal(graph->values[c1].kind, OASSL_VALUE_UNUSED);
    oai_graph_destroy(host, graph);
    oai_builder_destroy(b);
}

/* ---- hostile graphs
 * -------------------------------------------------------------------------------------------------- */

/* The block oai_graph_copy made, as bytes: header, then arrays. */
static void test_corrupted_graphs_never_crash(void **state) {
    (void)state;
    oassl_graph *good = sample(0);
    oai_rng rng = oai_rng_stream(3, 1);
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      7,
                                      63,
                                      255,
                                      0x7fffffff,
                                      0x80000000u,
                                      0xffffffffu,
                                      (uint64_t)1 << 47,
                                      (uint64_t)1 << 62,
                                      INT64_MAX,
                                      (uint64_t)INT64_MIN,
                                      UINT64_MAX};
    uint32_t refused = 0;
    for (int k = 0; k < 60000; k++) {
        oassl_graph *g;
        assert_int_equal(oai_graph_copy(host, good, &g), OASSL_STATUS_OK);
        for (uint32_t n = 1 + oai_rng_below(&rng, 3); n > 0; n--) {
            uint64_t value =
                oai_rng_below(&rng, 3) ? values[oai_rng_below(&rng, sizeof values / 8)] : oai_rng_u64(&rng);
            void *at;
            size_t bytes;
            switch (oai_rng_below(&rng, 4)) {
            case 0: at = (void *)&g->nodes[oai_rng_below(&rng, g->n_nodes)], bytes = sizeof *g->nodes; break;
            case 1: at = (void *)&g->values[oai_rng_below(&rng, g->n_values)], bytes = sizeof *g->values; break;
            case 2: at = (void *)&g->operands[oai_rng_below(&rng, g->n_operands)], bytes = 4; break;
            default: at = (void *)&g->outputs[oai_rng_below(&rng, g->n_outputs)], bytes = 4; break;
            }
            size_t field = oai_rng_below(&rng, (uint32_t)bytes / 4) * 4,
                   width = field % 8 == 0 && bytes - field >= 8 ? 8 : 4;
            memcpy((char *)at + field, &value, width);
        }
        refused += oai_graph_verify(g) != OASSL_STATUS_OK;
        oai_graph_destroy(host, g);
    }
    assert_true(refused > 30000); /* the rest hit fields that are free: padding, names, attributes not read */
    oai_graph_destroy(host, good);
}

#define CORRUPT(field, value, part)                                                                                   \
    do {                                                                                                              \
        oassl_graph *g;                                                                                               \
        assert_int_equal(oai_graph_copy(host, good, &g), OASSL_STATUS_OK);                                            \
        oassl_graph_node *nodes = (oassl_graph_node *)g->nodes;                                                       \
        oassl_graph_value *vals = (oassl_graph_value *)g->values;                                                     \
        uint32_t *operands = (uint32_t *)g->operands, *outputs = (uint32_t *)g->outputs;                              \
        (void)nodes, (void)vals, (void)operands, (void)outputs;                                                       \
        field = value;                                                                                                \
        assert_int_not_equal(oai_graph_verify(g), OASSL_STATUS_OK);                                                   \
        if (!strstr(oassl_last_error(), part)) fail_msg("%s: '%s'", #field, oassl_last_error());                      \
        oai_graph_destroy(host, g);                                                                                   \
    } while (0)

static void test_each_field_is_checked(void **state) {
    (void)state;
    oassl_graph *good = sample(0);
    uint32_t last = good->n_nodes - 1, y = good->outputs[0], x = oai_graph_find(good, "x");
    uint32_t scalar = good->operands[good->nodes[2].first_input + 1];
    assert_int_equal(good->values[scalar].kind, OASSL_VALUE_CONSTANT);
    assert_int_equal(oai_graph_verify(NULL), OASSL_STATUS_INVALID_ARGUMENT);
    CORRUPT(g->struct_size, 8, "struct_size");
    CORRUPT(g->nodes, NULL, "NULL");
    CORRUPT(g->n_outputs, 0, "no outputs");
    CORRUPT(g->names_bytes, 0, "names");
    CORRUPT(g->n_operands, 1, "operands");
    CORRUPT(g->n_nodes, 1, "producer");
    CORRUPT(g->constants_bytes, 2, "constant of 4 bytes");
    CORRUPT(nodes[0].op, 9, "operation 9 is unknown");
    CORRUPT(nodes[0].op, 4000000000u, "is unknown");
    CORRUPT(nodes[0].n_inputs, 4000000000u, "operands");
    CORRUPT(nodes[0].n_inputs, 1, "expected 2 to 3 inputs");
    CORRUPT(nodes[0].first_input, UINT32_MAX, "operands");
    CORRUPT(nodes[0].n_outputs, 2, "expected 1 outputs");
    CORRUPT(nodes[0].first_output, 0, "does not produce it");
    CORRUPT(nodes[last].first_output, UINT32_MAX, "does not produce it");
    CORRUPT(nodes[0].name, UINT32_MAX, "name");
    CORRUPT(nodes[0].attrs.i[0], 2, "transpose_a");
    CORRUPT(nodes[0].attrs.i[1], 0, "inner extents differ");
    CORRUPT(nodes[last].attrs.i[0], 1, "output 0: expected F32 [6], found F32 [3]");
    CORRUPT(vals[x].kind, 77, "kind 77");
    CORRUPT(vals[x].kind, OASSL_VALUE_UNUSED, "there is no value");
    CORRUPT(vals[x].kind, OASSL_VALUE_RESULT, "producer");
    CORRUPT(vals[x].producer, 0, "is no result");
    CORRUPT(vals[x].dtype, 99, "dtype 99");
    CORRUPT(vals[x].dtype, OASSL_DTYPE_F64, "expected dtype F64, found F32");
    CORRUPT(vals[x].rank, 7, "rank 7");
    CORRUPT(vals[x].rank, -1, "rank -1");
    CORRUPT(vals[x].shape[0], -3, "extent -3");
    CORRUPT(vals[x].shape[0], INT64_MAX, "2^48");
    CORRUPT(vals[y].shape[0], 4, "expected F32 [3], found F32 [4]");
    CORRUPT(vals[y].producer, 0, "does not produce it");
    CORRUPT(vals[y].name, UINT32_MAX, "name offset");
    CORRUPT(vals[scalar].constant_offset, 3, "constant of");
    CORRUPT(vals[scalar].constant_offset, (uint64_t)1 << 63, "constant of");
    CORRUPT(operands[0], UINT32_MAX, "there is no value");
    CORRUPT(operands[0], y, "is produced later");
    CORRUPT(outputs[0], UINT32_MAX, "output 0");
    oai_graph_destroy(host, good);
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------------------ */

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    int finished = 0;
    for (int64_t fail_at = 0; !finished; fail_at++) {
        assert_true(fail_at < 1000);
        scarce f = {.left = fail_at};
        oai_host small = scarce_host(&f);
        oai_builder *b;
        oassl_status status = oai_builder_create(&small, &b);
        if (status == OASSL_STATUS_OK) {
            oassl_graph *graph = NULL;
            oai_scope(b, "block");
            oai_value x = TENSOR(b, 4, 3), w = oai_param(b, "w", F32, 2, OAI_SHAPE(3, 3)), gradient;
            oai_value loss = oai_reduce(b, OASSL_OP_REDUCE_MEAN, oai_normalize(b, oai_linear(b, x, w, NONE), 1), 3, 0);
            status = oai_gradient(b, loss, &x, 1, &gradient);
            if (status == OASSL_STATUS_OK) {
                oai_output(b, gradient);
                oai_fold_batch_norm(b);
                status = oai_builder_finish(b, &graph);
            }
            finished = status == OASSL_STATUS_OK;
            oai_graph_destroy(&small, graph);
            oai_builder_destroy(b);
        }
        if (!finished) assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        assert_int_equal(f.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_bad_nodes_are_named),
        cmocka_unit_test(test_first_failure_sticks),
        cmocka_unit_test(test_hash_and_equality),
        cmocka_unit_test(test_dead_code_goes_and_ids_stay),
        cmocka_unit_test(test_time_grows_with_layers),
        cmocka_unit_test(test_batch_norm_folds),
        cmocka_unit_test(test_corrupted_graphs_never_crash),
        cmocka_unit_test(test_each_field_is_checked),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
