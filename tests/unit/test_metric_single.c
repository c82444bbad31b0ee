/* F32 maps: every published protocol equals the published evaluator's own code, which computes in single precision, to
 * the last pixel; and no order, batching, sharding or number of threads changes a bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mapresize.h"
#include "base/rng.h"
#include "data/metric/single_results.h"
#include "metric/metric.h"
#include "support/formula.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

#define PROTOCOLS                                                                                                     \
    "lvs,ezvsl,ezvsl_trainval,fnac,slavc,slavc_relative,avgn,avgn_relative,noprior,sslalignment,sslalignment_lvs,acl"

enum { N = 24, MAX_BOXES = 3 };

typedef struct made {
    char id[16];
    float *map, object[196];
    double boxes[MAX_BOXES][4];
    oassl_tensor view, object_view;
    oassl_metric_truth source;
    oassl_metric_sample s;
} made;

static uint64_t named(const char *format, int a, int b) {
    char name[32];
    snprintf(name, sizeof name, format, a, b);
    return formula_hash(name);
}

static oassl_tensor tensor(float *data, int64_t side) {
    return (oassl_tensor){.data = data,
                          .device = OASSL_DEVICE_CPU,
                          .dtype = OASSL_DTYPE_F32,
                          .rank = 2,
                          .shape = {side, side},
                          .strides = {side, 1}};
}

/* Random values, ties, a single pixel, many at the maximum, constants; 1 x 1 to 352 x 352. */
static float *make_map(int i, int side) {
    int n = side * side, kind = (i / 6 + i % 6) % 5;
    float *u = malloc((size_t)n * sizeof *u);
    uint64_t hash = named("s%d", i, 0);
    for (int j = 0; j < n; j++) {
        double v = formula_uniform(hash, (uint64_t)j);
        if (kind == 1) v = floor((v + 1) * 2.5);
        if (kind == 2) v = j == i * 37 % n ? 1 : 0.3;
        if (kind == 3) v = v > 0.2 ? 1 : v;
        if (kind == 4 && i % 2) v = i % 4 == 1 ? 1 : -2;
        u[j] = (float)v;
    }
    return u;
}

static void make_sample(int i, made *m) {
    static const int sides[] = {1, 7, 14, 28, 224, 352};
    int side = sides[i % 6];
    memset(m, 0, sizeof *m);
    snprintf(m->id, sizeof m->id, "%02d", i);
    m->map = make_map(i, side), m->view = tensor(m->map, side), m->object_view = tensor(m->object, 14);
    for (int j = 0; j < 196; j++) m->object[j] = (float)((formula_uniform(named("o%d", i, 0), (uint64_t)j) + 1) / 2);
    for (int b = 0; b < 1 + i % 3; b++) {
        double a[4], *out = m->boxes[b];
        for (int k = 0; k < 4; k++) a[k] = (formula_uniform(named("q%d_%d", i, b), (uint64_t)k) + 1) / 2;
        out[0] = fmin(a[0], a[1]), out[1] = fmin(a[2], a[3]), out[2] = fmax(a[0], a[1]), out[3] = fmax(a[2], a[3]);
    }
    m->source = (oassl_metric_truth){.numbers = (const double(*)[4])m->boxes,
                                     .n_boxes = (uint32_t)(1 + i % 3),
                                     .numbers_are = OASSL_BOX_NORMALISED};
    m->s = (oassl_metric_sample){.id = m->id,
                                 .maps = &m->view,
                                 .n_maps = 1,
                                 .sources = &m->source,
                                 .n_sources = 1,
                                 .width = 224,
                                 .height = 224,
                                 .object = &m->object_view};
}

static oassl_metric *new_metric(void) {
    oassl_metric *m;
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.protocols = "canonical," PROTOCOLS, o.tau = 0.03, o.bias = (double)(14.0f / 10.0f), o.bootstrap = 10, o.seed = 5;
    assert_ok(oai_metric_create(&oai_default_host, &o, &m));
    return m;
}

static void add(oassl_metric *metric, int i) {
    made *m = malloc(sizeof *m);
    make_sample(i, m);
    assert_ok(oai_metric_add(metric, &m->s));
    free(m->map);
    free(m);
}

static void test_f32_equals_the_published_code(void **state) {
    (void)state;
    const oai_figures *f;
    size_t n_results = sizeof SINGLE_RESULTS / sizeof *SINGLE_RESULTS, found = 0, wrong = 0;
    oassl_metric *metric = new_metric();
    for (int i = 0; i < N; i++) add(metric, i);
    assert_ok(oai_metric_figures(metric, &f));
    for (size_t r = 0; r < n_results; r++)
        for (uint64_t i = 0; i < f->n; i++) {
            if (strcmp(f->values[i].protocol, SINGLE_RESULTS[r].protocol) ||
                strcmp(f->values[i].name, SINGLE_RESULTS[r].name))
                continue;
            found++;
            if (fabs(f->values[i].value - SINGLE_RESULTS[r].value) <= 1e-12) continue;
            print_error("%s %s: expected %.15f, found %.15f\n", f->values[i].protocol, f->values[i].name,
                        SINGLE_RESULTS[r].value, f->values[i].value);
            wrong++;
        }
    assert_int_equal(wrong, 0);
    assert_int_equal(found, n_results);
    oai_metric_free(metric);
}

/* ---- whatever the order, shards and threads --------------------------------------------------------------------- */

static void assert_same(oassl_metric *a, oassl_metric *b) {
    const oai_figures *x, *y;
    oassl_metric_result p = OASSL_METRIC_RESULT_INIT, q = OASSL_METRIC_RESULT_INIT;
    assert_ok(oai_metric_figures(a, &x));
    assert_ok(oai_metric_figures(b, &y));
    assert_int_equal(x->n, y->n);
    for (uint64_t i = 0; i < x->n; i++) {
        assert_string_equal(x->values[i].name, y->values[i].name);
        assert_memory_equal(&x->values[i].value, &y->values[i].value, sizeof(double));
        assert_memory_equal(&x->values[i].low, &y->values[i].low, sizeof(double));
        assert_memory_equal(&x->values[i].high, &y->values[i].high, sizeof(double));
    }
    assert_ok(oai_metric_compute(a, &p));
    assert_ok(oai_metric_compute(b, &q));
    assert_memory_equal(&p, &q, sizeof p);
}

static void shuffle(oai_rng *rng, int *numbers) {
    for (int i = 0; i < N; i++) numbers[i] = i;
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t k = oai_rng_below(rng, i + 1);
        int old = numbers[i];
        numbers[i] = numbers[k], numbers[k] = old;
    }
}

static oassl_status feed_sample(void *user, uint64_t index, oassl_metric_sample *out, void **out_kept) {
    const int *numbers = user;
    made *m = malloc(sizeof *m);
    make_sample(numbers[index], m);
    *out = m->s, *out_kept = m;
    return OASSL_STATUS_OK;
}

static void release_sample(void *user, void *kept) {
    (void)user;
    free(((made *)kept)->map);
    free(kept);
}

static void test_order_shards_and_threads_change_no_bit(void **state) {
    (void)state;
    int numbers[N];
    oassl_metric *plain = new_metric();
    for (int i = 0; i < N; i++) add(plain, i);
    for (uint64_t round = 0; round < 4; round++) {
        oai_rng rng = oai_rng_stream(11, round);
        uint32_t n_shards = 1 + (uint32_t)round * 2;
        oassl_metric *shards[8], *fed = new_metric();
        shuffle(&rng, numbers);
        for (uint32_t k = 0; k < n_shards; k++) shards[k] = new_metric();
        for (int i = 0; i < N; i++) add(shards[oai_rng_below(&rng, n_shards)], numbers[i]);
        for (uint32_t k = 1; k < n_shards; k++) assert_ok(oai_metric_merge(shards[0], shards[n_shards - k]));
        assert_same(plain, shards[0]);
        for (uint32_t k = 0; k < n_shards; k++) oai_metric_free(shards[k]);
        oai_host host = oai_default_host;
        host.n_threads = 1 + (uint32_t)round;
        oassl_metric_feed feed = {feed_sample, release_sample, numbers};
        assert_ok(oai_metric_add_all(&host, fed, N, &feed));
        assert_same(plain, fed);
        oai_metric_free(fed);
    }
    oai_metric_free(plain);
}

/* A view of rows with gaps between them is the same map. */
static void test_strides(void **state) {
    (void)state;
    oassl_metric *a = new_metric(), *b = new_metric();
    made *m = malloc(sizeof *m);
    make_sample(4, m); /* 224 x 224 */
    assert_ok(oai_metric_add(a, &m->s));
    float *wide = calloc(224 * 300, sizeof *wide);
    for (int y = 0; y < 224; y++) memcpy(wide + y * 300, m->map + y * 224, 224 * sizeof *wide);
    m->view.data = wide, m->view.strides[0] = 300;
    assert_ok(oai_metric_add(b, &m->s));
    assert_same(a, b);
    free(wide), free(m->map), free(m);
    oai_metric_free(a), oai_metric_free(b);
}

static void test_resize_refuses_nothing(void **state) {
    (void)state;
    float in = 1, out[4];
    assert_int_equal(oai_map_resize_published(&oai_default_host, OAI_RESIZE_TORCH, 4, &in, 1, 1, out, 2, 2),
                     OASSL_STATUS_INVALID_ARGUMENT);
    assert_int_equal(oai_map_resize_published(&oai_default_host, OAI_RESIZE_OPENCV, 0, &in, 0, 1, out, 2, 2),
                     OASSL_STATUS_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f32_equals_the_published_code),
                                       cmocka_unit_test(test_order_shards_and_threads_change_no_bit),
                                       cmocka_unit_test(test_strides), cmocka_unit_test(test_resize_refuses_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
