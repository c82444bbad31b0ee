/* The protocols against plain re-implementations of the published evaluators (tests/data/gen_metric_protocols.py), on maps
 * with ties, constants, single peaks and ones, of 7 x 7 to 352 x 352, one to three composed pictures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/metric/protocol_results.h"
#include "metric/metric.h"
#include "support/formula.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

enum { N = 36, N_MASKS = 12, MAX_MAPS = 4, MAX_BOXES = 3 };

typedef struct made {
    char id[16];
    double *maps[MAX_MAPS], object[196], boxes[3][MAX_BOXES][4];
    oassl_tensor views[MAX_MAPS], object_view;
    oassl_metric_truth sources[3];
    oassl_metric_sample s;
} made;

static oassl_tensor view(double *data, int64_t h, int64_t w) {
    return (oassl_tensor){.data = data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F64, .rank = 2, .shape = {h, w}, .strides = {w, 1}};
}

static uint64_t named(const char *format, int a, int b, int c) {
    char name[32];
    snprintf(name, sizeof name, format, a, b, c);
    return formula_hash(name);
}

static double *make_map(int i, int k, int n) {
    double *u = malloc((size_t)n * sizeof *u);
    uint64_t hash = named("m%d_%d", i, k, 0);
    int kind = (i + k) % 5;
    for (int j = 0; j < n; j++) {
        double v = formula_uniform(hash, (uint64_t)j);
        if (kind == 1) v = floor((v + 1) * 2.5);
        if (kind == 2) v = j == i * 37 % n ? 1 : 0.3;
        if (kind == 3) v = v > 0.2 ? 1 : v;
        if (kind == 4 && i % 2) v = i % 4 == 1 ? 1 : -2;
        u[j] = v;
    }
    return u;
}

static void make_source(int i, int p, int n, made *m) {
    static const int32_t formats[] = {OASSL_BOX_NORMALISED, OASSL_BOX_XYWH, OASSL_BOX_OF_256, OASSL_BOX_OF_224};
    int format = n == 1 ? i % 4 : i % 2, n_boxes = n == 1 ? 1 + i % 3 : 1;
    for (int b = 0; b < n_boxes; b++) {
        double a[4], *out = m->boxes[p][b];
        uint64_t hash = named("b%d_%d_%d", i, p, b);
        for (int k = 0; k < 4; k++) a[k] = (formula_uniform(hash, (uint64_t)k) + 1) / 2;
        out[0] = fmin(a[0], a[1]), out[1] = fmin(a[2], a[3]), out[2] = fmax(a[0], a[1]), out[3] = fmax(a[2], a[3]);
        if (format == 1) out[2] -= out[0], out[3] -= out[1];
        for (int k = 0; k < 4 && format >= 2; k++) out[k] = floor(out[k] * (format == 2 ? 256 : 224));
    }
    m->sources[p] = (oassl_metric_truth){.numbers = (const double(*)[4])m->boxes[p], .n_boxes = (uint32_t)n_boxes, .numbers_are = formats[format],
                                         .part = (uint32_t)p, .consensus = format == 2};
}

static void make_sample(int i, made *m) {
    static const int sides[] = {7, 14, 28, 224, 352};
    int n = i < 24 ? 1 : i < 30 ? 2 : 3, axis = i / 3 % 2, side = n == 1 ? sides[i / 2 % 5] : sides[i % 3];
    int h = axis ? side * n : side, w = axis ? side : side * n, n_maps = n == 1 ? 1 : n + (i % 3 == 1 ? -1 : i % 3 == 2);
    memset(m, 0, sizeof *m);
    snprintf(m->id, sizeof m->id, "%02d", i);
    for (int k = 0; k < n_maps; k++) m->maps[k] = make_map(i, k, h * w), m->views[k] = view(m->maps[k], h, w);
    m->s = (oassl_metric_sample){.id = m->id, .maps = m->views, .n_maps = (uint32_t)n_maps, .sources = m->sources, .width = w, .height = h,
                                 .n_parts = (uint32_t)n, .axis = axis};
    if (i % 9 == 8 && n == 1) return; /* nothing sounds */
    for (int p = 0; p < n; p++) make_source(i, p, n, m);
    m->s.n_sources = (uint32_t)n;
    if (n > 1 || i % 2) return;
    for (int j = 0; j < 196; j++) m->object[j] = formula_uniform(named("o%d", i, 0, 0), (uint64_t)j);
    m->object_view = view(m->object, 14, 14);
    m->s.object = &m->object_view;
}

static void add_maps(oassl_metric *metric) {
    made *m = malloc(sizeof *m);
    for (int i = 0; i < N; i++) {
        make_sample(i, m);
        assert_ok(oai_metric_add(metric, &m->s));
        for (int k = 0; k < MAX_MAPS; k++) free(m->maps[k]);
    }
    free(m);
}

static void add_masks(oassl_metric *metric) {
    for (int i = 0; i < N_MASKS; i++) {
        char id[16];
        uint8_t mask[49];
        double logits[196];
        snprintf(id, sizeof id, "%02d", i);
        for (int j = 0; j < 49; j++) mask[j] = i % 5 && formula_uniform(named("c%d", i, 0, 0), (uint64_t)j) > 0.3;
        for (int j = 0; j < 196; j++) logits[j] = 4 * formula_uniform(named("l%d", i, 0, 0), (uint64_t)j);
        oassl_tensor map = view(logits, 14, 14);
        oassl_metric_truth source = {.mask = mask};
        oassl_metric_sample s = {.id = id, .maps = &map, .n_maps = 1, .sources = &source, .n_sources = 1, .width = 7, .height = 7};
        assert_ok(oai_metric_add(metric, &s));
    }
}

static oassl_metric *metric_of(const char *protocols) {
    oassl_metric *m;
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.protocols = protocols;
    assert_ok(oai_metric_create(&oai_default_host, &o, &m));
    return m;
}

/* Compares every figure the list has of this metric's protocols; returns how many there were. */
static int compare(oassl_metric *metric) {
    const oai_figures *f;
    int n = 0, wrong = 0;
    assert_ok(oai_metric_figures(metric, &f));
    for (size_t r = 0; r < sizeof PROTOCOL_RESULTS / sizeof *PROTOCOL_RESULTS; r++)
        for (uint64_t i = 0; i < f->n; i++) {
            if (strcmp(f->values[i].protocol, PROTOCOL_RESULTS[r].protocol) || strcmp(f->values[i].name, PROTOCOL_RESULTS[r].name)) continue;
            n++;
            if (fabs(f->values[i].value - PROTOCOL_RESULTS[r].value) <= 1e-9) continue;
            print_error("%s %s: expected %.12f, found %.12f\n", f->values[i].protocol, f->values[i].name, PROTOCOL_RESULTS[r].value, f->values[i].value);
            wrong++;
        }
    assert_int_equal(wrong, 0);
    return n;
}

static void test_every_protocol_equals_its_evaluator(void **state) {
    (void)state;
    oassl_metric *maps = metric_of("canonical,lvs,ezvsl,ezvsl_trainval,fnac,slavc,slavc_relative,avgn,avgn_relative,noprior,sslalignment,"
                                   "sslalignment_lvs,acl,acl_extended,tvsl"),
                 *masks = metric_of("avsbench,avsbench_official");
    add_maps(maps);
    add_masks(masks);
    assert_int_equal(compare(maps) + compare(masks), (int)(sizeof PROTOCOL_RESULTS / sizeof *PROTOCOL_RESULTS));
    oai_metric_free(maps), oai_metric_free(masks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_protocol_equals_its_evaluator)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
