/* One case: reference against plug-in, and the book-keeping of results. */
#include "conform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- results -------------------------------------------------------------------------------------------------------
 */

/* Skips are many and alike: counted by operation, dtype and reason. */
typedef struct skip {
    char what[80], reason[200];
    uint64_t count;
} skip;
enum { MOST_SKIPS = 256 };
static skip skips[MOST_SKIPS];
static uint32_t n_skips;

static void count_skip(const cf_suite *suite, const char *reason) {
    char what[80];
    snprintf(what, sizeof what, "%.60s/%s", suite->op, suite->dtype == OASSL_DTYPE_F64 ? "f64" : "f32");
    uint32_t k = 0;
    while (k < n_skips && (strcmp(skips[k].what, what) != 0 || strncmp(skips[k].reason, reason, 60) != 0)) k++;
    if (k == MOST_SKIPS) return;
    if (k == n_skips) {
        snprintf(skips[k].what, sizeof skips[k].what, "%s", what);
        snprintf(skips[k].reason, sizeof skips[k].reason, "%.199s", reason);
        n_skips++;
    }
    skips[k].count++;
}

/* Text in a JSON string: quotes and backslashes escaped, control characters as spaces. */
static void print_quoted(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static void print_json(cf_suite *suite, const char *name, int32_t result, const char *text, double plugin_ms,
                       double reference_ms) {
    static const char *const words[] = {"passed", "failed", "skipped"};
    printf("%s  {\"case\": ", suite->printed++ ? ",\n" : "");
    print_quoted(name);
    printf(", \"result\": \"%s\"", words[result]);
    if (text[0]) {
        printf(", \"text\": ");
        print_quoted(text);
    }
    if (plugin_ms > 0) printf(", \"ms\": %.6g, \"reference_ms\": %.6g", plugin_ms, reference_ms);
    printf("}");
}

void cf_report(cf_suite *suite, const char *name, int32_t result, const char *text, double plugin_ms,
               double reference_ms) {
    suite->passed += result == CF_PASSED;
    suite->failed += result == CF_FAILED;
    suite->skipped += result == CF_SKIPPED;
    if (result == CF_SKIPPED) count_skip(suite, text);
    if (suite->json)
        print_json(suite, name, result, text, plugin_ms, reference_ms);
    else if (result == CF_FAILED)
        printf("FAIL %s: %s\n", name, text);
    else if (suite->verbose && result == CF_SKIPPED)
        printf("skip %s: %s\n", name, text);
    else if (plugin_ms > 0)
        printf("%-64s %10.4f ms   reference %10.4f ms\n", name, plugin_ms, reference_ms);
    else if (suite->verbose)
        printf("pass %s\n", name);
}

void cf_print_skips(void) {
    for (uint32_t k = 0; k < n_skips; k++)
        printf("skipped %4llu  %s: %s\n", (unsigned long long)skips[k].count, skips[k].what, skips[k].reason);
}

/* ---- one case ------------------------------------------------------------------------------------------------------
 */

static uint64_t hash_bytes(uint64_t hash, const void *data, uint64_t bytes) {
    for (uint64_t k = 0; k < bytes; k++) hash = (hash ^ ((const uint8_t *)data)[k]) * 1099511628211u;
    return hash;
}

static uint64_t hash_of(const oassl_graph *graph) {
    uint64_t hash = 14695981039346656037u;
    hash = hash_bytes(hash, graph->nodes, graph->n_nodes * sizeof *graph->nodes);
    hash = hash_bytes(hash, graph->values, graph->n_values * sizeof *graph->values);
    hash = hash_bytes(hash, graph->operands, graph->n_operands * sizeof *graph->operands);
    hash = hash_bytes(hash, graph->outputs, graph->n_outputs * sizeof *graph->outputs);
    return hash_bytes(hash, graph->constants, graph->constants_bytes);
}

/* Host memory of the values that cross the interface, for the reference, for the plug-in, and for the reference on the
 * magnitudes of the inputs. */
typedef struct contents {
    void *expected[CF_MAX_VALUES], *got[CF_MAX_VALUES], *terms[CF_MAX_VALUES];
} contents;

static void take_magnitudes(const oassl_graph_value *value, void *data) {
    for (int64_t k = 0; k < cf_count(value); k++)
        if (value->dtype == OASSL_DTYPE_F32)
            ((float *)data)[k] = fabsf(((float *)data)[k]);
        else if (value->dtype == OASSL_DTYPE_F64)
            ((double *)data)[k] = fabs(((double *)data)[k]);
}

/* Inputs that bf16 holds exactly: what differs then comes from the plan. */
static void take_upper_halves(const oassl_graph_value *value, void *data) {
    for (int64_t k = 0; k < cf_count(value) && value->dtype == OASSL_DTYPE_F32; k++) ((uint32_t *)data)[k] &= 0xFFFF0000;
}

static int make_contents(const cf_graph *g, contents *c) {
    uint8_t is_output[CF_MAX_VALUES] = {0};
    for (uint32_t k = 0; k < g->graph.n_outputs; k++) is_output[g->outputs[k]] = 1;
    for (cf_value v = 0; v < g->graph.n_values; v++) {
        const oassl_graph_value *value = &g->values[v];
        const int given = value->kind == OASSL_VALUE_INPUT || value->kind == OASSL_VALUE_PARAM;
        if (!given && !is_output[v]) continue;
        /* calloc: a backend that writes nothing must not find the reference's result here */
        c->expected[v] = calloc(1, cf_bytes(value) + 64);
        c->got[v] = calloc(1, cf_bytes(value) + 64);
        c->terms[v] = calloc(1, cf_bytes(value) + 64);
        if (!c->expected[v] || !c->got[v] || !c->terms[v]) return 0;
        if (!given) continue;
        cf_fill_value(g, v, c->expected[v]);
        if (g->precision == OASSL_PRECISION_BF16) take_upper_halves(value, c->expected[v]);
        memcpy(c->got[v], c->expected[v], cf_bytes(value));
        memcpy(c->terms[v], c->expected[v], cf_bytes(value));
        take_magnitudes(value, c->terms[v]);
    }
    return 1;
}

static void free_contents(contents *c) {
    for (cf_value v = 0; v < CF_MAX_VALUES; v++) {
        free(c->expected[v]);
        free(c->got[v]);
        free(c->terms[v]);
    }
}

/* CF_PASSED when every node is supported. */
static int32_t check_support(const cf_suite *suite, const cf_graph *g, char *text) {
    const cf_backend *b = &suite->plugin;
    const oassl_backend_plan_options options = cf_plan_options(g, g->precision, 1, suite->threads);
    for (uint32_t n = 0; n < g->graph.n_nodes; n++) {
        const oassl_status status = b->api->node_supported(b->instance, &g->graph, n, &options);
        if (status == OASSL_STATUS_OK) continue;
        snprintf(text, 256, "%s%.230s", status == OASSL_STATUS_UNSUPPORTED ? "" : "node_supported: ", cf_host_error());
        return status == OASSL_STATUS_UNSUPPORTED ? CF_SKIPPED : CF_FAILED;
    }
    return CF_PASSED;
}

static int32_t compare_outputs(const cf_graph *g, const contents *c, const char *how, char *text) {
    for (uint32_t k = 0; k < g->graph.n_outputs; k++) {
        char what[256] = "";
        if (cf_compare(g, g->outputs[k], c->expected, c->got, c->terms, what)) continue;
        snprintf(text, 256, "%s%.230s", how, what);
        return CF_FAILED;
    }
    return CF_PASSED;
}

static void take_range(cf_graph *g, cf_value v, const void *data) {
    oassl_backend_range *r = &g->ranges[g->n_ranges++];
    *r = (oassl_backend_range){.value = v};
    for (int64_t k = 0; k < cf_count(&g->values[v]); k++) {
        const float x = ((const float *)data)[k];
        if (k == 0 || x < r->low) r->low = x;
        if (k == 0 || x > r->high) r->high = x;
    }
}

/* The ranges of all values of this very run: those of results by making all of them outputs. */
static int32_t calibrate(const cf_suite *suite, cf_graph *g, char *text) {
    static contents c;
    const cf_run_options once = {.no_fusion = 1, .threads = suite->threads};
    const oassl_graph graph = g->graph;
    uint32_t outputs[CF_MAX_OUTPUTS], n = 0;
    char why[256] = "";
    memcpy(outputs, g->outputs, sizeof outputs);
    memset(&c, 0, sizeof c);
    for (cf_value v = 0; v < graph.n_values && n < CF_MAX_OUTPUTS; v++)
        if (g->values[v].kind == OASSL_VALUE_RESULT) g->outputs[n++] = v;
    g->graph.n_outputs = n;
    const int ok = make_contents(g, &c) && cf_run(&suite->reference, g, c.expected, &once, why) == OASSL_STATUS_OK;
    for (cf_value v = 0; ok && v < graph.n_values; v++)
        if (c.expected[v] && g->values[v].dtype == OASSL_DTYPE_F32) take_range(g, v, c.expected[v]);
    free_contents(&c);
    memcpy(g->outputs, outputs, sizeof outputs);
    g->graph = graph;
    if (!ok) snprintf(text, 256, "the reference failed to calibrate: %.200s", why);
    return ok ? CF_PASSED : CF_FAILED;
}

static int32_t run_case(const cf_suite *suite, const cf_graph *g, contents *c, char *text, double *ms) {
    cf_run_options options = {
        .no_fusion = 1, .threads = suite->threads, .repeats = suite->bench ? 3 : 0, .out_ms = &ms[1]};
    char why[256] = "";
    if (cf_run(&suite->reference, g, c->expected, &options, why) != OASSL_STATUS_OK) {
        snprintf(text, 256, "the reference failed: %.200s", why);
        return CF_FAILED;
    }
    const cf_run_options once = {.no_fusion = 1, .threads = 1};
    if (cf_tolerance_of(g).of_terms > 0 && cf_run(&suite->reference, g, c->terms, &once, why) != OASSL_STATUS_OK) {
        snprintf(text, 256, "the reference failed on magnitudes: %.200s", why);
        return CF_FAILED;
    }
    options.precision = g->precision;
    options.repeats = suite->bench ? 15 : 0;
    options.out_ms = &ms[0];
    int32_t result = CF_PASSED;
    for (int fused = 0; fused <= g->fused && result == CF_PASSED; fused++) {
        const char *how = !g->fused ? "" : fused ? "with fusion: " : "without fusion: ";
        options.no_fusion = !fused;
        options.misaligned = !fused && g->name[strlen(g->name) - 1] % 2;
        if (cf_run(&suite->plugin, g, c->got, &options, why) != OASSL_STATUS_OK) {
            snprintf(text, 256, "%s%.230s", how, why);
            return CF_FAILED;
        }
        result = compare_outputs(g, c, how, text);
    }
    return result;
}

void cf_check(cf_graph *g) {
    static contents c; /* large; the program has one thread */
    cf_suite *suite = g->suite;
    char text[256] = "";
    double ms[2] = {0, 0};
    memset(&c, 0, sizeof c);
    g->graph.hash = hash_of(&g->graph);
    int32_t result = CF_PASSED;
    if (g->precision == OASSL_PRECISION_INT8) result = calibrate(suite, g, text);
    if (result == CF_PASSED) result = check_support(suite, g, text);
    if (result == CF_PASSED && !make_contents(g, &c)) {
        snprintf(text, sizeof text, "oassl-conform is out of memory");
        result = CF_FAILED;
    }
    if (result == CF_PASSED) result = run_case(suite, g, &c, text, ms);
    free_contents(&c);
    cf_report(suite, g->name, result, text, ms[0], ms[1]);
}
