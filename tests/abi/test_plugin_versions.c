/* Plug-ins with an older and a newer minor version are taken and compute (version_plugin.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "graph/emit.h"
#include "runtime/runtime.h"

#define CHECK(expr)                                                                                                   \
    do {                                                                                                              \
        if ((expr) != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                 \
    } while (0)

/* y = relu(x w) with the matrix w a param, without fallback: the plug-in must do it. */
static void compute(oassl_context *context, const char *backend) {
    oai_builder *b;
    CHECK(oai_builder_create(&oai_default_host, &b));
    oai_value x = oai_input(b, "x", OASSL_DTYPE_F32, 2, OAI_SHAPE(1, 2));
    oai_value w = oai_param(b, "w", OASSL_DTYPE_F32, 2, OAI_SHAPE(2, 2));
    oai_value y = oai_unary(b, OASSL_OP_RELU, oai_matmul(b, x, w, 0, 0));
    oai_output(b, y);
    oassl_graph *graph;
    CHECK(oai_builder_finish(b, &graph));
    oai_builder_destroy(b);

    const float weights[] = {1, 2, 3, -4};
    float in[] = {1, 10}, out[2] = {0};
    const oassl_backend_param param = {.value = w, .data = weights};
    oai_plan *plan;
    oai_exec *exec;
    CHECK(oai_plan_create(context, graph, &param, 1, NULL, &plan));
    assert_string_equal(oai_plan_backend(plan), backend);
    CHECK(oai_exec_create(plan, &exec));
    CHECK(oai_exec_bind(exec, x, in));
    CHECK(oai_exec_bind(exec, y, out));
    CHECK(oai_exec_run(exec));
    assert_true(out[0] == 31 && out[1] == 0);
    oai_exec_destroy(exec);
    oai_plan_destroy(plan);
    oai_graph_destroy(&oai_default_host, graph);
}

static void test_minor(void **state) {
    const char *name = *state;
    char path[512];
    snprintf(path, sizeof path, "%s/liboassl-backend-%s.so", OASSL_TEST_VERSIONS, name);
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = name;
    options.backend_path = path;
    options.n_threads = 1;
    oassl_context *context;
    CHECK(oassl_context_create(&options, &context));
    oassl_backend_info info = {.struct_size = sizeof info};
    for (uint32_t k = 0; strcmp(info.name, name) != 0; k++) CHECK(oassl_context_backend(context, k, &info));
    assert_true(info.available && info.active);
    assert_string_equal(info.library, "backend_example.c");
    compute(context, name);
    oassl_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        {"test_older", test_minor, NULL, NULL, "older"},
        {"test_newer", test_minor, NULL, NULL, "newer"},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
