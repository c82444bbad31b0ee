/* Contexts, plug-ins, plans and runs. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "graph/emit.h"
#include "oassl/version.h"
#include "runtime/runtime.h"
#include "support/scarce.h"

#define F32 OASSL_DTYPE_F32
#define F64 OASSL_DTYPE_F64
#define FAKE(kind) OASSL_TEST_FAKES "/liboassl-backend-" kind ".so"

#define CHECK(expr)                                                                                                   \
    do {                                                                                                              \
        if ((expr) != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                 \
    } while (0)
#define REFUSED(expr, status, part)                                                                                   \
    do {                                                                                                              \
        assert_int_equal(expr, status);                                                                               \
        if (!strstr(oassl_last_error(), part)) fail_msg("%s: '%s' is not in '%s'", #expr, part, oassl_last_error());  \
    } while (0)

static oassl_context *make(const char *backend, const char *path, int32_t fallback) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    options.backend_path = path;
    options.allow_fallback = fallback;
    options.n_threads = 2;
    oassl_context *context;
    CHECK(oassl_context_create(&options, &context));
    return context;
}

/* ---- context
 * --------------------------------------------------------------------------------------------------------- */

static void ignore(void *user, void *memory) { (void)user, (void)memory; }

static void test_options(void **state) {
    (void)state;
    oassl_context *context = (oassl_context *)8;
    REFUSED(oassl_context_create(NULL, NULL), OASSL_STATUS_INVALID_ARGUMENT, "out_context");
    struct {
        oassl_context_options known;
        uint64_t future;
    } options = {{sizeof options}, 0};
    options.known.backend = "reference";
    CHECK(oassl_context_create(&options.known, &context)); /* a newer caller that asks for nothing new */
    assert_true(oassl_context_n_threads(context) >= 1);
    oassl_context_destroy(context);
    options.future = 1;
    REFUSED(oassl_context_create(&options.known, &context), OASSL_STATUS_UNSUPPORTED, "context options");
    assert_null(context);
    options.known.struct_size = offsetof(oassl_context_options, alloc); /* an older caller */
    options.known.free = ignore;
    CHECK(oassl_context_create(&options.known, &context));
    oassl_context_destroy(context);
    options.known.struct_size = sizeof options.known;
    REFUSED(oassl_context_create(&options.known, &context), OASSL_STATUS_INVALID_ARGUMENT, "alloc and free");
    options.known.struct_size = 0;
    REFUSED(oassl_context_create(&options.known, &context), OASSL_STATUS_INVALID_ARGUMENT, "struct_size");
    oassl_context_options loud = OASSL_CONTEXT_OPTIONS_INIT;
    loud.log_level = 9;
    REFUSED(oassl_context_create(&loud, &context), OASSL_STATUS_INVALID_ARGUMENT, "log_level");
    oassl_context_destroy(NULL);
    assert_int_equal(oassl_context_n_backends(NULL), 0);
}

static void test_version(void **state) {
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", OASSL_VERSION_MAJOR, OASSL_VERSION_MINOR, OASSL_VERSION_PATCH);
    assert_string_equal(oassl_version_string(), text);
    assert_int_equal(oassl_version(), OASSL_VERSION_NUMBER);
}

static oassl_backend_info info_of(const oassl_context *context, const char *path_part) {
    oassl_backend_info info = {.struct_size = sizeof info};
    for (uint32_t k = 0; k < oassl_context_n_backends(context); k++) {
        CHECK(oassl_context_backend(context, k, &info));
        if (strstr(info.path, path_part)) return info;
    }
    fail_msg("no backend from %s", path_part);
    return info;
}

static void test_backend_info(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    oassl_backend_info info = {.struct_size = sizeof info};
    CHECK(oassl_context_backend(context, 0, &info));
    assert_string_equal(info.name, "reference");
    assert_true(info.available && info.active && info.n_devices == 1 && !info.path[0] && info.device[0]);
    REFUSED(oassl_context_backend(context, 99, &info), OASSL_STATUS_INVALID_ARGUMENT, "index 99");
    info.struct_size = 0;
    REFUSED(oassl_context_backend(context, 0, &info), OASSL_STATUS_INVALID_ARGUMENT, "struct_size");
    memset(&info, 0x55, sizeof info);
    info.struct_size = offsetof(oassl_backend_info, name); /* an older caller: nothing behind is touched */
    CHECK(oassl_context_backend(context, 0, &info));
    assert_int_equal(info.available, 1);
    assert_int_equal(info.name[0], 0x55);
    oassl_context_destroy(context);
}

/* ---- plug-ins
 * ---------------------------------------------------------------------------------------------------------- */

static void test_bad_plugins_are_refused(void **state) {
    (void)state;
    static const char *const refused[][2] = {{"major", "interface version 2.0, expected 1.x"},
                                             {"short", "table of"},
                                             {"slot", "slot 'exec_bind' is missing"},
                                             {"unavailable", "the fake driver is not installed"},
                                             {"export", "oassl_backend_query"},
                                             {"old", "does not offer interface version"}};
    oassl_context *context = make(NULL, OASSL_TEST_FAKES, 0);
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++) {
        char file[64];
        snprintf(file, sizeof file, "backend-%s.so", refused[k][0]);
        oassl_backend_info info = info_of(context, file);
        assert_false(info.available || info.active);
        if (!strstr(info.reason, refused[k][1])) fail_msg("%s: '%s'", file, info.reason);
    }
    oassl_backend_info good = info_of(context, "backend-good.so");
    assert_true(good.available);
    assert_string_equal(good.name, "fake");
    assert_string_equal(good.device, "imaginary");
    assert_string_equal(good.library, "fake 1.0");
    oassl_context_destroy(context);
}

static void test_a_file_that_is_no_library(void **state) {
    (void)state;
    const char *path = OASSL_TEST_TMP "/liboassl-backend-text.so";
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("not a library\n", file);
    fclose(file);
    oassl_context *context = make(NULL, path, 0);
    oassl_backend_info info = info_of(context, "backend-text.so");
    assert_false(info.available);
    assert_string_equal(info.name, "text");
    assert_true(strlen(info.reason) > 0);
    oassl_context_destroy(context);
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "text";
    options.backend_path = path;
    REFUSED(oassl_context_create(&options, &context), OASSL_STATUS_UNAVAILABLE, path);
    unlink(path);
    options.backend = NULL;
    REFUSED(oassl_context_create(&options, &context), OASSL_STATUS_UNAVAILABLE, path);
}

static void test_search(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    oassl_context *context;
    options.backend = "fake";
    setenv("OASSL_BACKEND_PATH", "/nowhere::" FAKE("good"), 1);
    CHECK(oassl_context_create(&options, &context));
    assert_true(info_of(context, "backend-good.so").active);
    oassl_context_destroy(context);
    setenv("OASSL_BACKEND_PATH", "/nowhere", 1);
    REFUSED(oassl_context_create(&options, &context), OASSL_STATUS_UNAVAILABLE, "/nowhere");
    unsetenv("OASSL_BACKEND_PATH");
    /* Standing in a folder of plug-ins finds none. */
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(OASSL_TEST_FAKES), 0);
    REFUSED(oassl_context_create(&options, &context), OASSL_STATUS_UNAVAILABLE, "'fake' is not available");
    assert_int_equal(chdir(here), 0);
}

/* The best one: a plug-in before the reference. */
static void test_choice(void **state) {
    (void)state;
    oassl_context *context = make("fake", FAKE("good"), 0);
    assert_true(info_of(context, "backend-good.so").active);
    oassl_context_destroy(context);
    context = make("reference", FAKE("good"), 0);
    assert_false(info_of(context, "backend-good.so").active);
    oassl_context_destroy(context);
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "abacus";
    REFUSED(oassl_context_create(&options, &context), OASSL_STATUS_UNAVAILABLE, "'abacus'");
}

/* ---- plans
 * ------------------------------------------------------------------------------------------------------------- */

/* y = op(x * (2 w + 1)), with w a param */
typedef struct scaled {
    oassl_graph *graph;
    oai_value x, w, y;
} scaled;

static scaled make_scaled(int32_t dtype, uint32_t op) {
    scaled s;
    oai_builder *b;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_scope(b, "layer7");
    s.x = oai_input(b, "x", dtype, 1, OAI_SHAPE(3));
    s.w = oai_param(b, "w", dtype, 1, OAI_SHAPE(3));
    s.y = oai_unary(b, op, oai_mul(b, s.x, oai_affine(b, s.w, 2, 1)));
    oai_name_value(b, s.y, "y");
    oai_output(b, s.y);
    CHECK(oai_builder_finish(b, &s.graph));
    oai_builder_destroy(b);
    return s;
}

static void test_params_are_folded(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    float w[] = {1, 2, 3}, x[] = {1, -1, 2}, y[3];
    oassl_backend_param param = {.value = s.w, .data = w};
    oai_plan *plan;
    oai_exec *exec;
    CHECK(oai_plan_create(context, s.graph, &param, 1, NULL, &plan));
    assert_int_equal(plan->main->n_nodes, 2); /* 2 w + 1 is done */
    assert_int_equal(plan->main->values[s.w].kind, OASSL_VALUE_UNUSED);
    CHECK(oai_exec_create(plan, &exec));
    oai_plan_destroy(plan); /* the exec keeps it */
    CHECK(oai_exec_bind(exec, s.x, x));
    REFUSED(oai_exec_run(exec), OASSL_STATUS_INVALID_ARGUMENT, "'y' is not bound");
    CHECK(oai_exec_bind(exec, s.y, y));
    CHECK(oai_exec_run(exec));
    assert_true(y[0] == 3 && y[1] == 0 && y[2] == 14);
    REFUSED(oai_exec_bind(exec, s.w, w), OASSL_STATUS_INVALID_ARGUMENT, "'w' is neither");
    REFUSED(oai_exec_bind(exec, 4711, w), OASSL_STATUS_INVALID_ARGUMENT, "4711");
    REFUSED(oai_exec_bind(exec, s.x, NULL), OASSL_STATUS_INVALID_ARGUMENT, "'x'");
    oai_exec_destroy(exec);
    assert_null(context->plans);
    oai_plan_options separate = {.no_fusion = 1};
    CHECK(oai_plan_create(context, s.graph, &param, 1, &separate, &plan));
    assert_int_equal(plan->main->n_nodes, 3);
    oai_plan_destroy(plan);
    oai_graph_destroy(&oai_default_host, s.graph);
    oassl_context_destroy(context);
}

/* Weights times one factor a row are folded by a loop of their own, unless another folded node reads the product. */
static void test_rows_are_scaled(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    for (int read_again = 0; read_again < 2; read_again++) {
        oai_builder *b;
        oassl_graph *graph;
        oai_plan *plan;
        oai_exec *exec;
        CHECK(oai_builder_create(&oai_default_host, &b));
        oai_value x = oai_input(b, "x", F32, 2, OAI_SHAPE(3, 2)), w = oai_param(b, "w", F32, 2, OAI_SHAPE(3, 2));
        oai_value f = oai_param(b, "f", F32, 1, OAI_SHAPE(3));
        oai_value factor = oai_reshape(b, oai_affine(b, f, 2, 0), 2, OAI_SHAPE(3, 1)), product = oai_mul(b, w, factor);
        oai_value y = oai_add(b, x, product), z = oai_mul(b, x, read_again ? oai_unary(b, OASSL_OP_RELU, product) : factor);
        oai_output(b, y);
        oai_output(b, z);
        CHECK(oai_builder_finish(b, &graph));
        oai_builder_destroy(b);
        float in[] = {1, 1, 1, 1, 1, 1}, weights[] = {1, 2, -3, 4, 5, -6}, factors[] = {1, 10, -1}, sum[6], times[6];
        oassl_backend_param params[] = {{.value = w, .data = weights}, {.value = f, .data = factors}};
        CHECK(oai_plan_create(context, graph, params, 2, NULL, &plan));
        assert_int_equal(plan->main->n_nodes, 2);
        CHECK(oai_exec_create(plan, &exec));
        CHECK(oai_exec_bind(exec, x, in));
        CHECK(oai_exec_bind(exec, y, sum));
        CHECK(oai_exec_bind(exec, z, times));
        CHECK(oai_exec_run(exec));
        for (int k = 0; k < 6; k++) {
            float wanted = weights[k] * 2 * factors[k / 2];
            assert_true(sum[k] == 1 + wanted);
            assert_true(times[k] == (!read_again ? 2 * factors[k / 2] : wanted > 0 ? wanted : 0));
        }
        oai_exec_destroy(exec);
        oai_plan_destroy(plan);
        oai_graph_destroy(&oai_default_host, graph);
    }
    oassl_context_destroy(context);
}

static void test_params_are_checked(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    float w[3] = {0};
    oai_plan *plan;
    oassl_backend_param params[] = {{.value = s.w, .data = w}, {.value = s.w, .data = w}};
    REFUSED(oai_plan_create(context, s.graph, NULL, 0, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "'w'");
    assert_null(plan);
    REFUSED(oai_plan_create(context, s.graph, params, 2, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "twice");
    params[0].data = NULL;
    REFUSED(oai_plan_create(context, s.graph, params, 1, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "no data");
    params[0].value = s.x;
    REFUSED(oai_plan_create(context, s.graph, params, 1, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "no param");
    params[0].value = 99;
    REFUSED(oai_plan_create(context, s.graph, params, 1, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "value 99");
    oai_plan_options unknown = {.backend = "abacus"};
    REFUSED(oai_plan_create(context, s.graph, params, 1, &unknown, &plan), OASSL_STATUS_UNAVAILABLE, "abacus");
    s.graph->n_outputs = 0;
    REFUSED(oai_plan_create(context, s.graph, params, 1, NULL, &plan), OASSL_STATUS_INVALID_ARGUMENT, "no outputs");
    oai_graph_destroy(&oai_default_host, s.graph);
    oassl_context_destroy(context);
}

static void test_plans_are_shared(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    scaled s = make_scaled(F32, OASSL_OP_RELU), same = make_scaled(F32, OASSL_OP_RELU),
           other = make_scaled(F32, OASSL_OP_EXP);
    float w[3] = {0}, w2[3] = {0};
    oassl_backend_param param = {.value = s.w, .data = w}, param2 = {.value = s.w, .data = w2};
    oai_plan_options strict = {.deterministic = 1};
    oai_plan *a, *b, *c, *d, *e;
    CHECK(oai_plan_create(context, s.graph, &param, 1, NULL, &a));
    CHECK(oai_plan_create(context, same.graph, &param, 1, NULL, &b));
    CHECK(oai_plan_create(context, other.graph, &param, 1, NULL, &c));
    CHECK(oai_plan_create(context, s.graph, &param2, 1, NULL, &d));
    CHECK(oai_plan_create(context, s.graph, &param, 1, &strict, &e));
    assert_ptr_equal(a, b);
    assert_true(c != a && d != a && d != c && e != a);
    oai_plan_destroy(a);
    oai_graph_destroy(&oai_default_host, s.graph);
    assert_int_equal(b->n_references, 1); /* still alive */
    oai_plan_destroy(b);
    oai_plan_destroy(c);
    oai_plan_destroy(d);
    oai_plan_destroy(e);
    oai_plan_destroy(NULL);
    assert_null(context->plans);
    oai_graph_destroy(&oai_default_host, same.graph);
    oai_graph_destroy(&oai_default_host, other.graph);
    oassl_context_destroy(context);
}

/* Outputs that no node makes: a param, a constant, an input; and an input nothing depends on. */
static void test_outputs_without_nodes(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    oai_builder *b;
    oassl_graph *graph;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_value x = oai_input(b, "x", F32, 1, OAI_SHAPE(2)), w = oai_param(b, "w", F32, 1, OAI_SHAPE(2));
    oai_value c = oai_scalar(b, F32, 5), unused = oai_input(b, "unused", F32, 1, OAI_SHAPE(2));
    for (int with_node = 0; with_node < 2; with_node++) {
        oai_value y = OAI_NO_VALUE;
        float data_x[] = {1, 2}, data_w[] = {3, 4}, out_w[2] = {0}, out_c = 0, out_y[2] = {0};
        oai_output(b, w);
        oai_output(b, c);
        if (with_node) {
            y = oai_add(b, x, w);
            oai_output(b, y);
            oai_output(b, x);
        }
        CHECK(oai_builder_finish(b, &graph));
        oassl_backend_param param = {.value = w, .data = data_w};
        oai_plan *plan;
        oai_exec *exec;
        CHECK(oai_plan_create(context, graph, &param, 1, NULL, &plan));
        CHECK(oai_exec_create(plan, &exec));
        CHECK(oai_exec_bind(exec, x, data_x));
        CHECK(oai_exec_bind(exec, unused, data_x));
        CHECK(oai_exec_bind(exec, w, out_w));
        REFUSED(oai_exec_run(exec), OASSL_STATUS_INVALID_ARGUMENT, "is not bound");
        CHECK(oai_exec_bind(exec, c, &out_c));
        if (with_node) CHECK(oai_exec_bind(exec, y, out_y));
        CHECK(oai_exec_run(exec));
        assert_true(out_w[0] == 3 && out_w[1] == 4 && out_c == 5);
        if (with_node) assert_true(out_y[0] == 4 && out_y[1] == 6);
        oassl_backend_plan_info info;
        CHECK(oai_plan_info(plan, &info));
        oai_exec_destroy(exec);
        oai_plan_destroy(plan);
        oai_graph_destroy(&oai_default_host, graph);
    }
    oai_builder_destroy(b);
    oassl_context_destroy(context);
}

/* conv + batch norm + relu gives the same numbers folded and not. */
static void test_folded_batch_norm_computes_the_same(void **state) {
    (void)state;
    oassl_context *context = make("reference", NULL, 0);
    float results[2][2 * 3 * 3];
    for (int folded = 0; folded < 2; folded++) {
        oai_builder *b;
        oassl_graph *graph;
        CHECK(oai_builder_create(&oai_default_host, &b));
        float x[18], w[36], vectors[5][2] = {{.5f, 2}, {.1f, -.2f}, {.3f, .4f}, {.9f, 1.7f}, {-.3f, .6f}};
        for (int k = 0; k < 18; k++) x[k] = sinf((float)k);
        for (int k = 0; k < 36; k++) w[k] = cosf((float)k * 1.3f);
        oai_value in = oai_input(b, "x", F32, 4, OAI_SHAPE(1, 2, 3, 3)), v[5];
        oai_value weight = oai_param(b, "w", F32, 4, OAI_SHAPE(2, 2, 3, 3));
        oassl_backend_param params[6] = {{.value = weight, .data = w}};
        for (int k = 0; k < 5; k++) {
            v[k] = oai_param(b, "v", F32, 1, OAI_SHAPE(2));
            params[k + 1] = (oassl_backend_param){.value = v[k], .data = vectors[k]};
        }
        oai_value h = oai_conv2d(b, in, weight, v[4], 1, 1), norm[] = {h, v[0], v[1], v[2], v[3]};
        h = oai_node(b, OASSL_OP_BATCH_NORM_INFER, norm, 5, &(oassl_node_attrs){.f = {1e-5}});
        oai_output(b, h);
        if (folded) oai_fold_batch_norm(b);
        CHECK(oai_builder_finish(b, &graph));
        oai_plan *plan;
        oai_exec *exec;
        CHECK(oai_plan_create(context, graph, params, 6, NULL, &plan));
        assert_int_equal(plan->main->n_nodes, folded ? 1 : 2);
        CHECK(oai_exec_create(plan, &exec));
        CHECK(oai_exec_bind(exec, in, x));
        CHECK(oai_exec_bind(exec, h, results[folded]));
        CHECK(oai_exec_run(exec));
        oai_exec_destroy(exec);
        oai_plan_destroy(plan);
        oai_graph_destroy(&oai_default_host, graph);
        oai_builder_destroy(b);
    }
    for (int k = 0; k < 18; k++) assert_float_equal(results[0][k], results[1][k], 1e-5);
    oassl_context_destroy(context);
}

/* ---- where plans run
 * ----------------------------------------------------------------------------------------------------- */

static char log_text[4096];

static void keep_log(void *user, int32_t level, const char *text) {
    (void)user, (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", text);
}

static float run_scaled(oassl_context *context, const scaled *s, oassl_status expected, const char **out_backend) {
    float w[] = {1, 2, 3}, x[] = {1, -1, 2}, y[3] = {0};
    oassl_backend_param param = {.value = s->w, .data = w};
    oai_plan *plan;
    oai_exec *exec;
    CHECK(oai_plan_create(context, s->graph, &param, 1, NULL, &plan));
    *out_backend = oai_plan_backend(plan);
    CHECK(oai_exec_create(plan, &exec));
    CHECK(oai_exec_bind(exec, s->x, x));
    CHECK(oai_exec_bind(exec, s->y, y));
    assert_int_equal(oai_exec_run(exec), expected);
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
    return y[0];
}

static void test_unsupported_nodes(void **state) {
    (void)state;
    const char *backend;
    scaled good = make_scaled(F32, OASSL_OP_RELU), bad = make_scaled(F32, OASSL_OP_TANH);
    oassl_context *context = make("fake", FAKE("good"), 0);
    assert_true(run_scaled(context, &good, OASSL_STATUS_OK, &backend) == 42);
    assert_string_equal(backend, "fake");
    float w[3] = {0};
    oassl_backend_param param = {.value = bad.w, .data = w};
    oai_plan *plan;
    REFUSED(oai_plan_create(context, bad.graph, &param, 1, NULL, &plan), OASSL_STATUS_UNSUPPORTED,
            "backend fake: node 1 tanh (layer7): the fake backend has no tanh");
    oassl_context_destroy(context);
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "fake";
    options.backend_path = FAKE("good");
    options.allow_fallback = 1;
    options.log = keep_log;
    CHECK(oassl_context_create(&options, &context));
    log_text[0] = 0;
    assert_float_equal(run_scaled(context, &bad, OASSL_STATUS_OK, &backend), tanh(3), 1e-6);
    assert_string_equal(backend, "reference");
    assert_non_null(strstr(log_text, "tanh"));
    oassl_context_destroy(context);
    oai_graph_destroy(&oai_default_host, good.graph);
    oai_graph_destroy(&oai_default_host, bad.graph);
}

static void test_f64_runs_on_the_reference(void **state) {
    (void)state;
    scaled s = make_scaled(F64, OASSL_OP_RELU);
    oassl_context *context = make("fake", FAKE("good"), 0);
    double w[3] = {0};
    oassl_backend_param param = {.value = s.w, .data = w};
    oai_plan *plan;
    CHECK(oai_plan_create(context, s.graph, &param, 1, NULL, &plan));
    assert_string_equal(oai_plan_backend(plan), "reference");
    oai_plan_destroy(plan);
    oai_graph_destroy(&oai_default_host, s.graph);
    oassl_context_destroy(context);
}

static int32_t stop(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)task, (void)done, (void)total;
    return *(const int *)user;
}

static void test_runs_are_cancelled(void **state) {
    (void)state;
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    const char *backends[] = {"fake", "reference"}, *backend;
    for (int k = 0; k < 2; k++) {
        oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
        int cancel = 0;
        options.backend = backends[k];
        options.backend_path = FAKE("good");
        options.progress = stop;
        options.progress_user = &cancel;
        oassl_context *context;
        CHECK(oassl_context_create(&options, &context));
        float w[] = {1, 2, 3}, x[3] = {0}, y[3];
        oassl_backend_param param = {.value = s.w, .data = w};
        oai_plan *plan;
        oai_exec *exec;
        run_scaled(context, &s, OASSL_STATUS_OK, &backend);
        CHECK(oai_plan_create(context, s.graph, &param, 1, NULL, &plan));
        CHECK(oai_exec_create(plan, &exec));
        CHECK(oai_exec_bind(exec, s.x, x));
        CHECK(oai_exec_bind(exec, s.y, y));
        cancel = 1;
        assert_int_equal(oai_exec_run(exec), OASSL_STATUS_CANCELLED);
        cancel = 0;
        CHECK(oai_exec_run(exec));
        oai_exec_destroy(exec);
        oai_plan_destroy(plan);
        oassl_context_destroy(context);
    }
    oai_graph_destroy(&oai_default_host, s.graph);
}

static void test_fork_is_refused(void **state) {
    (void)state;
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    oassl_context *context = make("fake", FAKE("good"), 0);
    float w[] = {1, 2, 3}, x[3] = {0}, y[3];
    oassl_backend_param param = {.value = s.w, .data = w};
    oai_plan *plan;
    oai_exec *exec;
    CHECK(oai_plan_create(context, s.graph, &param, 1, NULL, &plan));
    CHECK(oai_exec_create(plan, &exec));
    CHECK(oai_exec_bind(exec, s.x, x));
    CHECK(oai_exec_bind(exec, s.y, y));
    pid_t child = fork();
    if (child == 0) {
        oai_exec *second;
        oai_plan *fresh;
        int ok = oai_exec_run(exec) == OASSL_STATUS_UNSUPPORTED && strstr(oassl_last_error(), "fork");
        ok = ok && oai_exec_create(plan, &second) == OASSL_STATUS_UNSUPPORTED;
        ok = ok && oai_plan_create(context, s.graph, &param, 1, NULL, &fresh) == OASSL_STATUS_UNSUPPORTED;
        oai_exec_destroy(exec); /* harmless */
        oai_plan_destroy(plan);
        oassl_context_destroy(context);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(oai_exec_run(exec));
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
    oai_graph_destroy(&oai_default_host, s.graph);
    oassl_context_destroy(context);
}

/* ---- threads and memory
 * -------------------------------------------------------------------------------------------------- */

typedef struct worker {
    oassl_context *context;
    const scaled *s;
    const oassl_backend_param *param;
    int ok;
} worker;

static void *work(void *user) {
    worker *w = user;
    w->ok = 1;
    for (int k = 0; k < 50; k++) {
        float x[] = {1, -1, 2}, y[3] = {0};
        oai_plan *plan = NULL;
        oai_exec *exec = NULL;
        w->ok &= oai_plan_create(w->context, w->s->graph, w->param, 1, NULL, &plan) == OASSL_STATUS_OK &&
                 oai_exec_create(plan, &exec) == OASSL_STATUS_OK &&
                 oai_exec_bind(exec, w->s->x, x) == OASSL_STATUS_OK &&
                 oai_exec_bind(exec, w->s->y, y) == OASSL_STATUS_OK && oai_exec_run(exec) == OASSL_STATUS_OK &&
                 y[0] == 3 && y[1] == 0 && y[2] == 14;
        oai_exec_destroy(exec);
        oai_plan_destroy(plan);
    }
    return NULL;
}

static void test_threads_share_a_context(void **state) {
    (void)state;
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    oassl_context *context = make("reference", NULL, 0);
    float w[] = {1, 2, 3};
    oassl_backend_param param = {.value = s.w, .data = w};
    pthread_t threads[4];
    worker workers[4];
    for (int k = 0; k < 4; k++) {
        workers[k] = (worker){context, &s, &param, 0};
        assert_int_equal(pthread_create(&threads[k], NULL, work, &workers[k]), 0);
    }
    for (int k = 0; k < 4; k++) {
        pthread_join(threads[k], NULL);
        assert_true(workers[k].ok);
    }
    assert_null(context->plans);
    oassl_context_destroy(context);
    oai_graph_destroy(&oai_default_host, s.graph);
}

static oassl_status whole_life(scarce *f, const scaled *s, const char *backend) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    options.backend_path = FAKE("good");
    options.alloc = scarce_alloc;
    options.free = scarce_free;
    options.memory_user = f;
    oassl_context *context;
    OAI_TRY(oassl_context_create(&options, &context));
    float w[] = {1, 2, 3}, x[] = {1, -1, 2}, y[3] = {0};
    oassl_backend_param param = {.value = s->w, .data = w};
    oai_plan *plan = NULL;
    oai_exec *exec = NULL;
    oassl_status status = oai_plan_create(context, s->graph, &param, 1, NULL, &plan);
    if (status == OASSL_STATUS_OK) status = oai_exec_create(plan, &exec);
    if (status == OASSL_STATUS_OK) status = oai_exec_bind(exec, s->x, x);
    if (status == OASSL_STATUS_OK) status = oai_exec_bind(exec, s->y, y);
    if (status == OASSL_STATUS_OK) status = oai_exec_run(exec);
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
    oassl_context_destroy(context);
    return status;
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    scaled s = make_scaled(F32, OASSL_OP_RELU);
    for (int k = 0; k < 2; k++) {
        oassl_status status = OASSL_STATUS_INTERNAL;
        for (int64_t fail_at = 0; status != OASSL_STATUS_OK; fail_at++) {
            assert_true(fail_at < 2000);
            scarce f = {.left = fail_at};
            status = whole_life(&f, &s, k ? "fake" : "reference");
            /* A plug-in that found no memory to open is not available. */
            if (status != OASSL_STATUS_OK && status != OASSL_STATUS_UNAVAILABLE)
                assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
            assert_int_equal(f.live, 0);
        }
    }
    oai_graph_destroy(&oai_default_host, s.graph);
}

int main(void) {
    unsetenv("OASSL_BACKEND_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_backend_info),
        cmocka_unit_test(test_bad_plugins_are_refused),
        cmocka_unit_test(test_a_file_that_is_no_library),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_params_are_folded),
        cmocka_unit_test(test_rows_are_scaled), cmocka_unit_test(test_params_are_checked),
        cmocka_unit_test(test_plans_are_shared),
        cmocka_unit_test(test_outputs_without_nodes),
        cmocka_unit_test(test_folded_batch_norm_computes_the_same),
        cmocka_unit_test(test_unsupported_nodes),
        cmocka_unit_test(test_f64_runs_on_the_reference),
        cmocka_unit_test(test_runs_are_cancelled),
        cmocka_unit_test(test_fork_is_refused),
        cmocka_unit_test(test_threads_share_a_context),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
