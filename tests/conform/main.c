/* The program: arguments, every operation of ops.inc on f32 and f64, then the graphs with many nodes. */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: oassl-conform --backend PATH [--op NAME] [--threads N] [--bench] [--json] [--verbose] [--list]\n"
    "Runs every operation, and graphs a backend may fuse, on the plug-in PATH and on the built-in reference, and\n"
    "compares.  Exit code 0: all equal within tolerance, 1: something differs, 2: wrong arguments or no such "
    "plug-in.\n"
    "  --op NAME     only cases whose name starts so: conv2d, conv2d/f32/3x3, chains, training, interface\n"
    "  --threads N   compute threads of the plug-in's plans (default 2)\n"
    "  --bench       time each case: median of the plug-in's and of the reference's runs\n"
    "  --json        one JSON object instead of lines\n"
    "  --list        names of the cases\n"
    "Example: oassl-conform --backend build/oassl/backends-1/liboassl-backend-onednn.so --op conv2d\n";

static const struct {
    const char *name;
    void (*cases)(cf_suite *);
} operations[] = {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) {#name, cases_##name},
#include <oassl/ops.inc>
#undef OASSL_OP
    {"chains", cases_chains},
    {"training", cases_training},
    {"traps", cases_traps},
    {"f32_fast", cases_f32_fast},
    {"bf16", cases_bf16},
    {"int8", cases_int8},
};

static int parse(int argc, char **argv, cf_suite *suite, const char **out_path) {
    for (int k = 1; k < argc; k++) {
        const char *value = k + 1 < argc ? argv[k + 1] : NULL;
        if (!strcmp(argv[k], "--bench"))
            suite->bench = 1;
        else if (!strcmp(argv[k], "--json"))
            suite->json = 1;
        else if (!strcmp(argv[k], "--list"))
            suite->list = 1;
        else if (!strcmp(argv[k], "--verbose"))
            suite->verbose = 1;
        else if (!strcmp(argv[k], "--backend") && value)
            *out_path = value, k++;
        else if (!strcmp(argv[k], "--op") && value)
            suite->only = value, k++;
        else if (!strcmp(argv[k], "--threads") && value && atoi(value) > 0)
            suite->threads = (uint32_t)atoi(value), k++;
        else
            return 0;
    }
    return *out_path || suite->list;
}

/* Whether a case of this operation can have a name that starts with suite->only. */
static int wanted(const cf_suite *suite, const char *op) {
    if (!suite->only) return 1;
    const size_t n = strcspn(suite->only, "/");
    return suite->only[n] ? strlen(op) == n && !strncmp(suite->only, op, n) : !strncmp(op, suite->only, n);
}

static void run_operations(cf_suite *suite) {
    static const int32_t dtypes[] = {OASSL_DTYPE_F32, OASSL_DTYPE_F64};
    for (size_t k = 0; k < sizeof operations / sizeof *operations; k++) {
        if (!wanted(suite, operations[k].name)) continue;
        suite->op = operations[k].name;
        for (size_t d = 0; d < 2; d++) {
            suite->dtype = dtypes[d];
            operations[k].cases(suite);
        }
    }
    suite->op = "interface";
    suite->dtype = OASSL_DTYPE_F32;
    if (wanted(suite, "interface") && !suite->bench) cases_interface(suite);
}

static void summary(const cf_suite *suite) {
    if (suite->json) {
        printf("\n ],\n \"backend\": \"%s\", \"passed\": %llu, \"failed\": %llu, \"skipped\": %llu}\n",
               suite->plugin.label, (unsigned long long)suite->passed, (unsigned long long)suite->failed,
               (unsigned long long)suite->skipped);
        return;
    }
    cf_print_skips();
    printf("%s: %llu passed, %llu failed, %llu skipped\n", suite->plugin.label, (unsigned long long)suite->passed,
           (unsigned long long)suite->failed, (unsigned long long)suite->skipped);
}

int main(int argc, char **argv) {
    static cf_suite suite = {.threads = 2};
    static cf_graph graph;
    const char *path = NULL;
    suite.graph = &graph;
    if (!parse(argc, argv, &suite, &path)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!suite.list && (cf_load_backend(NULL, &suite.reference) != OASSL_STATUS_OK ||
                        cf_load_backend(path, &suite.plugin) != OASSL_STATUS_OK)) {
        fprintf(stderr, "oassl-conform: %s: %s\n", path, cf_host_error());
        return 2;
    }
    if (suite.json && !suite.list) printf("{\"cases\": [\n");
    run_operations(&suite);
    if (suite.list) return 0;
    summary(&suite);
    cf_unload_backend(&suite.plugin);
    cf_unload_backend(&suite.reference);
    if (suite.passed + suite.failed == 0 && !suite.only) fprintf(stderr, "oassl-conform: nothing was compared\n");
    return suite.failed > 0 || (suite.passed == 0) ? 1 : 0;
}
