/* Cases of the Sinkhorn distance and of the optimiser. */
#include "conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int64_t n;
    cf_sinkhorn k;
} distances[] = {
    /*                       h, w, T, mass, indices, squared, envelope, eps, stop, spatial */
    {"2x2", 1, {2, 2, 100, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"1x1", 2, {1, 1, 10, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"1x7", 2, {1, 7, 20, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"3x5", 4, {3, 5, 100, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"3x5_tight", 3, {3, 5, 100, 0, 0, 0, 0, 0.1, 1e-4, 1}},
    {"3x5_one_iteration", 3, {3, 5, 1, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"4x4_indices", 2, {4, 4, 30, 0, 1, 0, 0, 0.5, 0.1, 1}},
    {"4x4_squared", 2, {4, 4, 30, 0, 0, 1, 0, 0.1, 0.1, 1}},
    {"4x4_weight", 2, {4, 4, 30, 0, 0, 0, 0, 0.1, 0.1, 0.25}},
    {"4x4_no_space", 2, {4, 4, 30, 0, 0, 0, 0, 0.1, 0.1, 0}},
    {"7x7", 6, {7, 7, 100, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"14x14", 3, {14, 14, 100, 0, 0, 0, 0, 0.1, 0.1, 1}},
    {"7x7_all_iterations", 2, {7, 7, 100, 0, 0, 0, 0, 0.1, 0, 1}},
    {"5x5_sharp", 2, {5, 5, 12, 0, 0, 0, 0, 0.02, 0, 1}},
    {"4x5_very_sharp", 2, {4, 5, 8, 0, 1, 0, 0, 0.004, 0, 1}}, /* costs of 1000 eps: exponentials underflow */
    {"5x5_sharp_no_space", 2, {5, 5, 8, 0, 0, 0, 0, 0.001, 0, 0}}, /* potentials jump by hundreds of eps */
    {"3x4_sharp_squared", 2, {3, 4, 8, 0, 1, 1, 0, 0.01, 0, 1}},
    {"mass_4x4_sharp", 2, {4, 4, 10, 1, 1, 0, 0, 0.01, 0, 1}},
    {"mass_2x3", 3, {2, 3, 100, 1, 0, 0, 0, 0.1, 0.1, 1}},
    {"mass_7x7", 4, {7, 7, 100, 1, 0, 0, 0, 0.1, 0.1, 1}},
    {"mass_4x4_squared", 2, {4, 4, 50, 1, 0, 1, 0, 0.1, 0.1, 1}},
};

enum { N_DISTANCES = sizeof distances / sizeof *distances };

static cf_value map_input(cf_graph *g, int k, cf_fill fill) {
    return cf_input(g, fill, CF_SHAPE(distances[k].n, distances[k].k.h * distances[k].k.w));
}

void cases_sinkhorn(cf_suite *s) {
    static const struct {
        const char *name;
        cf_fill s, t;
    } maps[] = {{"", {CF_UNIFORM, -0.3, 1}, {CF_UNIFORM, 0, 1.3}},
                {"_ties", {CF_TIES}, {CF_TIES}},
                {"_zeros", {CF_ZEROS}, {CF_UNIFORM, 0, 1}}};
    for (int k = 0; k < N_DISTANCES; k++)
        for (int m = 0; m < 3; m++) {
            cf_graph *g = cf_begin(s, "%s%s", distances[k].name, maps[m].name);
            if (!g) continue;
            const cf_value from = map_input(g, k, maps[m].s), to = map_input(g, k, maps[m].t);
            cf_outputs(g, cf_sinkhorn_of(g, from, to, &distances[k].k), 4);
            cf_check(g);
        }
}

/* The potentials a gradient needs come from the reference's own forward run.  Rows that were not executed become NaN:
 * nobody may read them. */
static int run_forward(cf_suite *s, cf_graph *g, int k, void **data, char *text) {
    const cf_value from = map_input(g, k, CF_RANGE(-0.3, 1)), to = map_input(g, k, CF_RANGE(0, 1.3));
    const cf_value distance = cf_sinkhorn_of(g, from, to, &distances[k].k);
    cf_outputs(g, distance, 4);
    for (cf_value v = 0; v < g->graph.n_values; v++) {
        data[v] = calloc(1, cf_bytes(&g->values[v]) + 8);
        if (!data[v]) return 0;
    }
    cf_fill_value(g, from, data[from]);
    cf_fill_value(g, to, data[to]);
    const cf_run_options options = {.no_fusion = 1, .threads = 1};
    if (cf_run(&s->reference, g, data, &options, text) != OASSL_STATUS_OK) return 0;
    const uint64_t row = cf_bytes(&g->values[distance + 1]) / (uint64_t)(distances[k].n * distances[k].k.iterations);
    for (int64_t n = 0; n < distances[k].n; n++)
        for (int64_t t = ((int32_t *)data[distance + 3])[n]; t < distances[k].k.iterations; t++)
            for (int which = 1; which <= 2; which++)
                memset((char *)data[distance + which] + row * (uint64_t)(n * distances[k].k.iterations + t), 0xFF,
                       row);
    return 1;
}

static void sinkhorn_grad_case(cf_suite *s, int k, int64_t envelope) {
    void *data[6] = {NULL}; /* s, t, D, u, v, iterations */
    char text[256] = "";
    cf_sinkhorn options = distances[k].k;
    options.envelope = envelope;
    cf_graph *g = cf_begin(s, "%s_%s", distances[k].name, envelope ? "envelope" : "unrolled");
    if (!g) return;
    const int ran = run_forward(s, g, k, data, text);
    g = cf_begin(s, "%s_%s", distances[k].name, envelope ? "envelope" : "unrolled");
    if (!ran) cf_report(s, g->name, CF_FAILED, text, 0, 0);
    if (ran) {
        const int64_t potentials[] = {distances[k].n, options.iterations, options.h * options.w};
        cf_value in[6] = {map_input(g, k, CF_FILL(CF_DATA, 0, 0, data[0])),
                          map_input(g, k, CF_FILL(CF_DATA, 0, 0, data[1])),
                          cf_input(g, CF_FILL(CF_DATA, 0, 0, data[3]), 3, potentials),
                          cf_input(g, CF_FILL(CF_DATA, 0, 0, data[4]), 3, potentials),
                          cf_index(g, 1, CF_SHAPE(distances[k].n)),
                          cf_input(g, CF_RANGE(0.5, 2), CF_SHAPE(distances[k].n))};
        g->fill[in[4]] = CF_FILL(CF_DATA, 0, 0, data[5]);
        cf_outputs(g, cf_sinkhorn_grad(g, in, &options), 2);
        cf_check(g);
    }
    for (int v = 0; v < 6; v++) free(data[v]);
}

void cases_sinkhorn_grad(cf_suite *s) {
    for (int k = 0; k < N_DISTANCES; k++)
        for (int64_t envelope = 0; envelope < 2; envelope++) sinkhorn_grad_case(s, k, envelope);
}

/* ---- Adam
 * ------------------------------------------------------------------------------------------------------------ */

void cases_adam(cf_suite *s) {
    static const int64_t counts[] = {1, 7, 64, 1000, 100003};
    static const double f[][4] = {{0.9, 0.999, 1e-8, 0}, {0.9, 0.999, 1e-8, 0.01}, {0, 0.9, 1e-3, 0}};
    for (int k = 0; k < 5; k++)
        for (int o = 0; o < 3; o++)
            for (int in_place = 0; in_place < 2; in_place++) {
                cf_graph *g = cf_begin(s, "%lld_options%d%s", (long long)counts[k], o, in_place ? "_in_place" : "");
                if (!g) continue;
                const cf_value in[] = {cf_input(g, CF_RANDOM, CF_SHAPE(counts[k])),
                                       cf_input(g, CF_RANDOM, CF_SHAPE(counts[k])),
                                       cf_input(g, CF_RANGE(-0.1, 0.1), CF_SHAPE(counts[k])),
                                       cf_input(g, CF_RANGE(0, 0.01), CF_SHAPE(counts[k])),
                                       cf_input(g, CF_RANGE(0.05, 0.2), CF_SHAPE(3))};
                const cf_value p = cf_adam(g, in, f[o][0], f[o][1], f[o][2], f[o][3]);
                for (uint32_t w = 0; in_place && w < 3; w++) g->alias[p + w] = in[w == 0 ? 0 : w + 1];
                cf_outputs(g, p, 3);
                cf_check(g);
            }
}
