/* SINKHORN and SINKHORN_GRAD of the reference in f64 against known answers: the ORI sums over ordered pairs of maps of
 * losses.md 8.2, gradients by complex step (spec/kat/losses.json, cases ori_*). */
#include "conform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_MAPS = 3, MOST_P = 6 };

typedef struct answer {
    const char *name;
    int64_t maps, h, w, mass, envelope;
    double stop;
    const double *m;
    double loss, gradient[MOST_MAPS * MOST_P];
    int32_t iterations[MOST_MAPS * (MOST_MAPS - 1)]; /* pairs (0,1), (0,2), (1,0), ... */
} answer;

static const double maps_a[] = {0.91, 0.23, 0.12, 0.02, 0.15, 0.74, 0.65, 0.33};
static const double maps_b[] = {0.83,  0.31,   -0.12, 0.06,   0.22,  -0.19, 0.145, 0.255, 0.925,
                                0.435, -0.285, 0.035, -0.213, 0.522, 0.112, 0.344, 0.633, 0.717};

static const answer answers[] = {
    {"ori_a",
     2,
     2,
     2,
     0,
     0,
     0.1,
     maps_a,
     0.486316723779,
     {0.499821147874, -0.498022283049, -0.499360838825, -0.502795810252, 0.499994360322, -0.491831700367,
      -0.496996679658, -0.511523764549},
     {2, 2}},
    {"ori_a envelope",
     2,
     2,
     2,
     0,
     1,
     0.1,
     maps_a,
     0.486316723779,
     {0.500000019951, -0.499323893907, -0.499725146586, -0.500951019556, 0.499988378453, -0.499908283097,
      -0.499973282596, -0.500106852859},
     {2, 2}},
    {"ori_a_tight",
     2,
     2,
     2,
     0,
     0,
     1e-9,
     maps_a,
     0.485886862185,
     {0.499837400784, -0.498490665619, -0.499499082046, -0.50217293155, 0.499994859814, -0.496937442442,
      -0.498595861281, -0.504786834522},
     {100, 100}},
    {"ori_a_mass",
     2,
     2,
     2,
     1,
     0,
     0.1,
     maps_a,
     0.590603374583,
     {1.73325565367, 0.130538009921, -1.15062940596, -1.47410109132, 1.45152498298, 0.419567931268, -0.216234603581,
      -1.64776895313},
     {8, 10}},
    {"ori_b",
     3,
     2,
     3,
     0,
     0,
     0.1,
     maps_b,
     3.03687821087,
     {-0.656034524239, -0.665679574011, -0.71469930294, -0.65966942501, -0.667792113691, -0.731367770554,
      -0.76840428843, -0.710021379523, 0.107264320364, -0.608536068482, -0.648541135718, -0.736542696985,
      -0.670444722923, -0.574543645418, -0.137275305699, -0.705556056763, -0.555323660362, -0.650032506967},
     {3, 2, 2, 3, 3, 3}},
    {"ori_b envelope",
     3,
     2,
     3,
     0,
     1,
     0.1,
     maps_b,
     3.03687821087,
     {-0.625472391485, -0.633895137897, -0.671200892163, -0.654135456417, -0.682718903695, -0.677951960571,
      -0.672864874203, -0.617686030725, -0.0109269154349, -0.61576905037, -0.637100327744, -0.690774452962,
      -0.662539454009, -0.647843625975, -0.0415145176527, -0.643998982599, -0.615786171937, -0.681795956993},
     {3, 2, 2, 3, 3, 3}},
    {"ori_b_tight",
     3,
     2,
     3,
     0,
     0,
     1e-9,
     maps_b,
     2.89108852137,
     {-0.674194017728, -0.661817542917, -0.665155744875, -0.668274565598, -0.669568353117, -0.667996108501,
      -0.664895130432, -0.672961963327, 0.00135304420352, -0.67509718528, -0.666646314484, -0.667024456363,
      -0.668354969174, -0.672205956273, 0.000362580013226, -0.666216917356, -0.671612092005, -0.666066588369},
     {100, 100, 100, 100, 100, 100}},
    {"ori_b_mass",
     3,
     2,
     3,
     1,
     0,
     0.1,
     maps_b,
     1.87797698131,
     {0.522315802967, -0.164372029132, -0.0522873436741, -0.997056479843, -1.16334005832, -0.00188092529262,
      -0.274474997978, -0.202539117415, 0.315024794626, -0.209071414823, -0.0920617351325, -0.56903538907,
      0.0275598985045, -0.470109813204, -0.439829386864, 0.0106209670751, 0.0480925097536, 0.0965678145104},
     {7, 9, 7, 7, 10, 10}},
};

static int failures;

static void expect(const answer *a, const char *what, int64_t at, double want, double have) {
    if (fabs(want - have) <= 1e-10 * fmax(1, fabs(want))) return;
    printf("FAIL %s %s[%lld]: expected %.12g, got %.12g\n", a->name, what, (long long)at, want, have);
    failures++;
}

static void check(cf_suite *suite, const answer *a) {
    const int64_t p = a->h * a->w, pairs = a->maps * (a->maps - 1);
    double s[MOST_MAPS * (MOST_MAPS - 1) * MOST_P], t[sizeof s / sizeof *s], ones[MOST_MAPS * (MOST_MAPS - 1)];
    double gradient[MOST_MAPS * MOST_P] = {0}, loss = 0;
    int64_t pair = 0;
    for (int64_t n = 0; n < a->maps; n++)
        for (int64_t m = 0; m < a->maps; m++) {
            if (n == m) continue;
            for (int64_t k = 0; k < p; k++) s[pair * p + k] = a->m[n * p + k], t[pair * p + k] = 1 - a->m[m * p + k];
            ones[pair++] = 1;
        }
    const cf_sinkhorn options = {a->h, a->w, 100, a->mass, 0, 0, a->envelope, 0.1, a->stop, 1};
    cf_graph *g = cf_begin(suite, "%s", a->name);
    const cf_value vs = cf_input(g, CF_RANDOM, CF_SHAPE(pairs, p)), vt = cf_input(g, CF_RANDOM, CF_SHAPE(pairs, p));
    const cf_value seed = cf_input(g, CF_RANDOM, CF_SHAPE(pairs)), d = cf_sinkhorn_of(g, vs, vt, &options);
    const cf_value back = cf_sinkhorn_grad(g, (const cf_value[]){vs, vt, d + 1, d + 2, d + 3, seed}, &options);
    cf_output(g, d);
    cf_output(g, d + 3);
    cf_outputs(g, back, 2);
    double distances[MOST_MAPS * (MOST_MAPS - 1)], ds[sizeof s / sizeof *s], dt[sizeof s / sizeof *s];
    int32_t iterations[MOST_MAPS * (MOST_MAPS - 1)];
    void *data[CF_MAX_VALUES] = {[0] = s, [1] = t, [2] = ones};
    data[d] = distances;
    data[d + 3] = iterations;
    data[back] = ds;
    data[back + 1] = dt;
    char text[256] = "";
    const cf_run_options run = {.no_fusion = 1, .threads = 1};
    if (cf_run(&suite->reference, g, data, &run, text) != OASSL_STATUS_OK) {
        printf("FAIL %s: %s\n", a->name, text);
        failures++;
        return;
    }
    pair = 0;
    for (int64_t n = 0; n < a->maps; n++)
        for (int64_t m = 0; m < a->maps; m++) {
            if (n == m) continue;
            loss += distances[pair];
            expect(a, "iterations", pair, a->iterations[pair], iterations[pair]);
            for (int64_t k = 0; k < p; k++) {
                gradient[n * p + k] += ds[pair * p + k];
                gradient[m * p + k] -= dt[pair * p + k]; /* t = 1 - map m */
            }
            pair++;
        }
    expect(a, "loss", 0, a->loss, loss);
    for (int64_t k = 0; k < a->maps * p; k++) expect(a, "gradient", k, a->gradient[k], gradient[k]);
}

int main(void) {
    static cf_graph graph;
    static cf_suite suite = {.op = "sinkhorn", .dtype = OASSL_DTYPE_F64};
    suite.graph = &graph;
    if (cf_load_backend(NULL, &suite.reference) != OASSL_STATUS_OK) return 1;
    for (size_t k = 0; k < sizeof answers / sizeof *answers; k++) check(&suite, &answers[k]);
    cf_unload_backend(&suite.reference);
    printf("%zu known answers, %d differences\n", sizeof answers / sizeof *answers, failures);
    return failures > 0;
}
