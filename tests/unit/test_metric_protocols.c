#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/npz.h"
#include "base/rng.h"
#include "data/metric/protocol_vectors.h"
#include "data/metric/vectors.h"
#include "metric/confidence.h"
#include "metric/maps.h"
#include "metric/metric.h"
#include "metric/retrieval.h"
#include "support/scarce.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))
#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

static const oai_host *const HOST = &oai_default_host;

static oassl_tensor view(const double *data, int64_t h, int64_t w) {
    return (oassl_tensor){.data = (void *)data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F64, .rank = 2, .shape = {h, w}, .strides = {w, 1}};
}

static const oai_rules *rules_of(const char *name) { return oai_rules_find(name, strlen(name)); }

/* ---- known answers --------------------------------------------------------------------------------------------- */

/* A ledger of blocks built here: one variant. */
enum { MAX_BLOCKS = 64 };
typedef struct book {
    oai_variant variant;
    double blocks[MAX_BLOCKS][OAI_BLOCK_MAX];
    const double *at[MAX_BLOCKS];
    const char *groups[MAX_BLOCKS];
    uint64_t n;
    uint32_t batch;
} book;

static double *new_block(book *b, const char *group) {
    double *block = b->blocks[b->n];
    for (int i = 0; i < OAI_BLOCK_MAX; i++) block[i] = NAN;
    block[OAI_HEAD_N_ROWS] = block[OAI_HEAD_N_CURVE] = 0;
    b->at[b->n] = block, b->groups[b->n] = group;
    b->n++;
    return block;
}

static void add_row(double *block, double ciou) {
    double *row = (double *)oai_block_rows(block) + (size_t)block[OAI_HEAD_N_ROWS] * OAI_ROW_N;
    row[OAI_ROW_CIOU] = ciou, row[OAI_ROW_ADAPTIVE] = ciou, row[OAI_ROW_AREA] = 100;
    block[OAI_HEAD_N_ROWS]++;
}

static double figure(const book *b, const char *name) {
    oai_ledger ledger = {HOST, b->n, b->at, b->groups, &b->variant, 1, b->batch, 0, 0};
    oai_figures figures;
    double value = NAN;
    assert_ok(oai_figures_make(&ledger, &figures));
    for (uint64_t i = 0; i < figures.n; i++)
        if (strcmp(figures.values[i].name, name) == 0) value = figures.values[i].value;
    oai_figures_free(HOST, &figures);
    if (isnan(value)) fail_msg("no figure %s", name);
    return value;
}

static book *new_book(const char *protocol, uint32_t figures) {
    book *b = calloc(1, sizeof *b);
    b->variant = (oai_variant){.rules = rules_of(protocol), .figures = figures};
    b->batch = 2;
    return b;
}

static void check_confidence(int n, const int *boxes, const double *ciou, const double *confidence, const double *expected) {
    book *b = new_book("slavc", OAI_FIG_SUCCESS | OAI_FIG_CONFIDENCE);
    oai_judgement list[32];
    double p, r, ignored;
    for (int i = 0; i < n; i++) {
        double *block = new_block(b, "");
        block[OAI_HEAD_CONFIDENCE] = confidence[i];
        if (boxes[i]) add_row(block, ciou[i]);
        list[i] = (oai_judgement){confidence[i], ciou[i], boxes[i] > 0, (uint32_t)i};
    }
    assert_near(figure(b, "ap_conf"), expected[0], 1e-11);
    assert_near(figure(b, "max_f1"), expected[1], 1e-11);
    assert_near(figure(b, "max_f1_printed_percent"), expected[2], 1e-11);
    assert_near(figure(b, "loc_acc"), expected[3], 1e-11);
    assert_near(figure(b, "precision_50_strict"), expected[4], 1e-11);
    assert_near(figure(b, "auc"), expected[5], 1e-11);
    oai_precision_recall(list, (size_t)n, 0.5, 0.5, &p, &r);
    assert_near(p, expected[6], 1e-11);
    assert_near(r, expected[7], 1e-11);
    oai_precision_recall(list, (size_t)n, -1000, 0.5, &p, &ignored);
    assert_near(p, expected[8], 1e-11);
    free(b);
}

static void test_known_confidence(void **state) {
    (void)state;
    check_confidence(6, CONF_A_BOXES, CONF_A_CIOU, CONF_A_CONF,
                     (double[]){0.366666666667, 0.75, 75, 0.75, 0.75, 0.5625, 0.6, 1, 0.5});
    check_confidence(24, CONF_B_BOXES, CONF_B_CIOU, CONF_B_CONF,
                     (double[]){0.359799360692, 0.451612903226, 45.2, 0.4375, 0.4375, 0.5125, 0.3125, 0.5, 0.291666666667});
}

static void test_known_interactive(void **state) {
    (void)state;
    static const struct {
        const char *group;
        double ciou;
    } a[] = {{"x_1", .6}, {"x_2", .8}, {"x_1", .7}, {"x_3", .5}, {"x_2", .2}, {"x_3", .5}},
      c[] = {{"q", .9}, {"p", .31}, {"q", .95}, {"r", 0}, {"q", .52}, {"r", 1}};
    static const double expected[2][4] = {{0.666666666667, 0.441666666667, 0.833333333333, 0.558333333333},
                                          {0.333333333333, 0.291666666667, 0.666666666667, 0.620833333333}};
    for (int k = 0; k < 2; k++) {
        book *b = new_book("sslalignment", OAI_FIG_SUCCESS | OAI_FIG_GROUPS);
        for (int i = 0; i < 6; i++) add_row(new_block(b, k ? c[i].group : a[i].group), k ? c[i].ciou : a[i].ciou);
        assert_near(figure(b, "iiou"), expected[k][0], 1e-11);
        assert_near(figure(b, "iauc"), expected[k][1], 1e-11);
        assert_near(figure(b, "success_50"), expected[k][2], 1e-11);
        assert_near(figure(b, "auc"), expected[k][3], 1e-11);
        free(b);
    }
}

/* Two pictures of 4 x 4 one above the other, maps already at that size. */
static void check_noprior(uint32_t n_maps, const double *data, const double *iou, const double *cap, double piap, double count) {
    static const double first[1][4] = {{1, 1, 3, 3}}, second[1][4] = {{0, 0, 3, 2}};
    oassl_metric_truth sources[2] = {{.numbers = first, .n_boxes = 1}, {.numbers = second, .n_boxes = 1, .part = 1}};
    oassl_tensor maps[3];
    for (uint32_t k = 0; k < n_maps; k++) maps[k] = view(data + 32 * k, 8, 4);
    oassl_metric_sample s = {.id = "s", .maps = maps, .n_maps = n_maps, .sources = sources, .n_sources = 2, .width = 4, .height = 8, .n_parts = 2, .axis = 1};
    oai_sample_cache *cache;
    oai_variant variants[OAI_MAX_VARIANTS];
    uint32_t n_variants = 0;
    double block[OAI_BLOCK_MAX];
    oai_judging judging = {1, 0, 0, false};
    assert_true(oai_rules_expand(rules_of("noprior"), variants, &n_variants));
    assert_ok(oai_sample_cache_create(HOST, 4, 1, &cache));
    assert_ok(oai_sample_cache_load(cache, &s, OASSL_TRUTH_UNION));
    assert_ok(oai_judge(cache, &variants[0], &judging, block));
    uint32_t n = n_maps > 2 ? n_maps : 2;
    assert_int_equal(block[OAI_HEAD_N_ROWS], n);
    for (uint32_t k = 0; k < n; k++) {
        const double *row = oai_block_rows(block) + k * OAI_ROW_N;
        assert_near(row[OAI_ROW_CIOU], iou[k], 1e-11);
        assert_near(row[OAI_ROW_AP], cap[k], 1e-11);
    }
    assert_near(block[OAI_HEAD_PIAP], piap, 1e-11);
    assert_near(block[OAI_HEAD_COUNT], count, 0);
    s.n_maps = 0; /* counts for the count accuracy only */
    assert_ok(oai_sample_cache_load(cache, &s, OASSL_TRUTH_UNION));
    assert_ok(oai_judge(cache, &variants[0], &judging, block));
    assert_true(block[OAI_HEAD_N_ROWS] == 0 && block[OAI_HEAD_COUNT] == 0 && isnan(block[OAI_HEAD_PIAP]));
    oai_sample_cache_destroy(cache);
}

static void test_known_noprior(void **state) {
    (void)state;
    check_noprior(2, NOPRIOR_A_MAPS, NOPRIOR_A_IOU, NOPRIOR_A_CAP, 0.382142857143, 1);
    check_noprior(1, NOPRIOR_B_MAPS, NOPRIOR_B_IOU, NOPRIOR_B_CAP, 0.348557692308, 0);
    check_noprior(3, NOPRIOR_C_MAPS, NOPRIOR_C_IOU, NOPRIOR_C_CAP, 0.382142857143, 0);
}

static void test_known_masks(void **state) {
    (void)state;
    static const struct {
        int n, size;
        const double *prediction, *iou, *each_f;
        const int *truth;
        double miou, f, official;
    } cases[2] = {{4, 2, AVS_A_PRED, AVS_A_IOU, AVS_A_F, AVS_A_TRUTH, 0.624999975, 0.894736842105, 0.921052631579},
                  {2, 4, AVS_B_PRED, AVS_B_IOU, AVS_B_F, AVS_B_TRUTH, 0.386904758893, 0.589567444839, 0.589567444839}};
    for (int k = 0; k < 2; k++) {
        int size = cases[k].size, pixels = size * size, with_object = 0;
        book *b = new_book("avsbench", OAI_FIG_MASKS);
        oai_sample_cache *cache;
        oai_judging judging = {1, 0, 0, true};
        b->variant.curve = true, b->variant.cut = OAI_CUT_FIXED, b->variant.at = 0.5;
        assert_ok(oai_sample_cache_create(HOST, size, 1, &cache));
        for (int i = 0; i < cases[k].n; i++) {
            uint8_t mask[16];
            for (int p = 0; p < pixels; p++) mask[p] = (uint8_t)cases[k].truth[i * pixels + p];
            oassl_metric_truth source = {.mask = mask};
            oassl_tensor map = view(cases[k].prediction + i * pixels, size, size);
            oassl_metric_sample s = {.id = "s", .maps = &map, .n_maps = 1, .sources = &source, .n_sources = 1, .width = size, .height = size};
            double *block = new_block(b, ""), top = 0;
            assert_ok(oai_sample_cache_load(cache, &s, OASSL_TRUTH_UNION));
            assert_ok(oai_judge(cache, &b->variant, &judging, block));
            assert_near(block[OAI_HEAD_IOU], cases[k].iou[i], 1e-11);
            const double *curve = oai_block_curve(block);
            if (isnan(curve[0])) continue; /* no object, no F-score */
            for (int t = 0; t < OAI_F_STEPS; t++) top = fmax(top, curve[t]);
            assert_near(top, cases[k].each_f[with_object++], 1e-11);
        }
        assert_near(figure(b, "miou"), cases[k].miou, 1e-11);
        assert_near(figure(b, "f_score"), cases[k].f, 1e-11);
        b->variant.figures = OAI_FIG_MASKS_OFFICIAL;
        assert_near(figure(b, "f_score"), cases[k].official, 1e-11);
        oai_sample_cache_destroy(cache);
        free(b);
    }
}

static void check_retrieval(uint32_t n, const double *pictures, const double *sounds, const double *expected) {
    double v[36], a[36];
    int64_t labels[12];
    oassl_retrieval r = OASSL_RETRIEVAL_INIT;
    memcpy(v, pictures, 3 * n * sizeof *v), memcpy(a, sounds, 3 * n * sizeof *a);
    for (uint32_t i = 0; i < n; i++) labels[i] = i / 2;
    oai_host threads = *HOST;
    threads.n_threads = 5;
    assert_ok(oai_retrieval(&threads, v, a, n, 3, labels, &r));
    for (int k = 0; k < 3; k++) {
        assert_near(r.sound_to_picture[k], expected[k], 1e-11);
        assert_near(r.picture_to_sound[k], expected[3 + k], 1e-11);
        assert_near(r.class_sound_to_picture[k], expected[6 + k], 1e-11);
    }
    assert_near(r.alignment, expected[9], 1e-11);
    assert_near(r.magnitude, expected[10], 1e-11);
    assert_near(r.magnitude_std, expected[11], 1e-11);
    assert_near(r.centroid, expected[12], 1e-11);
}

static void test_known_retrieval(void **state) {
    (void)state;
    check_retrieval(3, RETRIEVAL_A_V, RETRIEVAL_A_A,
                    (double[]){0.666666666667, 1, 1, 1, 1, 1, 1, 1, 1, 0.621300989629, 0.821127896452, 0.288352212427, 0.294766962494});
    check_retrieval(12, RETRIEVAL_B_V, RETRIEVAL_B_A,
                    (double[]){0.416666666667, 0.916666666667, 0.916666666667, 0.333333333333, 0.916666666667, 0.916666666667, 0.416666666667,
                               0.916666666667, 1, 0.690967861819, 0.641163724772, 0.454943243052, 0.151333721807});
}

/* A box as published becomes the pixels each evaluator makes of it: seen through the truth it paints. */
static void test_known_boxes(void **state) {
    (void)state;
    static const struct {
        int32_t are, reading;
        double numbers[4];
        int32_t pixels[4];
    } cases[] = {
        {OASSL_BOX_NORMALISED, OAI_READ_BOX, {.403125, .253125, .6, .75}, {90, 56, 134, 168}},
        {OASSL_BOX_NORMALISED, OAI_READ_BOX, {.2, .3, -2.88e16, 1}, {44, 67, 0, 224}},
        {OASSL_BOX_XYWH, OAI_READ_EACH, {0.14967105263157895, 0.30833333333333335, 0.20559210526315788, 0.5833333333333334}, {33, 69, 79, 199}},
        {OASSL_BOX_XYWH, OAI_READ_BOX, {0.14967105263157895, 0.30833333333333335, 0.20559210526315788, 0.5833333333333334}, {33, 69, 79, 199}},
        {OASSL_BOX_XYWH, OAI_READ_AS_XYXY, {0.14967105263157895, 0.30833333333333335, 0.20559210526315788, 0.5833333333333334}, {33, 69, 46, 130}},
        {OASSL_BOX_OF_256, OAI_READ_BOX, {13, 77, 200, 256}, {11, 67, 175, 224}},
        {OASSL_BOX_OF_224, OAI_READ_BOX, {13.9, 77, 200.5, 224}, {13, 77, 200, 224}},
    };
    oai_sample_cache *cache;
    assert_ok(oai_sample_cache_create(HOST, 224, 1, &cache));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oassl_metric_truth source = {.numbers = &cases[i].numbers, .n_boxes = 1, .numbers_are = cases[i].are};
        oassl_metric_sample s = {.id = "s", .sources = &source, .n_sources = 1, .width = 640, .height = 480};
        oai_truth *truth;
        assert_ok(oai_sample_cache_load(cache, &s, OASSL_TRUTH_UNION));
        assert_ok(oai_sample_cache_truth(cache, (oai_truth_key){0, OAI_TRUTH_UNION, cases[i].reading, OAI_PLACE_SQUARE, 0}, &truth));
        const int32_t *b = cases[i].pixels;
        for (int32_t p = 0; p < 224 * 224; p++) {
            int32_t x = p % 224, y = p / 224;
            assert_int_equal(truth->twice[p], 2 * (x >= b[0] && x < b[2] && y >= b[1] && y < b[3]));
        }
    }
    oai_sample_cache_destroy(cache);
}

/* ---- many protocols in one pass ---------------------------------------------------------------------------------- */

static const char ALL[] = "canonical,lvs,ezvsl,fnac,slavc,avgn,noprior,sslalignment,acl_extended,avsbench,avsbench_official,tvsl";

/* Sample i of a fixed random set, kept in memory of its own. */
typedef struct random_sample {
    char id[16], group[16];
    double maps[2][144], object[144], boxes[2][1][4], confidence;
    uint8_t mask[60 * 55];
    oassl_metric_truth sources[2];
    oassl_tensor views[2], object_view;
    oassl_metric_sample s;
} random_sample;

static void make_random(uint64_t i, random_sample *r) {
    oai_rng rng = oai_rng_stream(17, i);
    memset(r, 0, sizeof *r);
    snprintf(r->id, sizeof r->id, "s%03d", (int)(i * 7 % 100));
    snprintf(r->group, sizeof r->group, "g%d", (int)(i % 11));
    for (int j = 0; j < 144; j++) r->object[j] = oai_rng_uniform(&rng);
    for (int k = 0; k < 2; k++) {
        for (int j = 0; j < 144; j++) r->maps[k][j] = i % 5 == 0 ? oai_rng_below(&rng, 3) : oai_rng_normal(&rng);
        for (int j = 0; j < 2; j++)
            r->boxes[k][0][j] = 0.7 * oai_rng_uniform(&rng), r->boxes[k][0][j + 2] = r->boxes[k][0][j] + 0.3 * oai_rng_uniform(&rng);
        r->sources[k] = (oassl_metric_truth){.numbers = (const double(*)[4])r->boxes[k], .n_boxes = 1, .numbers_are = OASSL_BOX_NORMALISED,
                                             .part = (uint32_t)k, .consensus = i % 4 == 1};
        r->views[k] = view(r->maps[k], 12, 12);
    }
    for (int j = 0; j < 60 * 55; j++) r->mask[j] = i % 7 != 0 && j % 60 > 20 && j / 60 > 30;
    r->object_view = view(r->object, 12, 12);
    r->confidence = oai_rng_uniform(&rng);
    uint32_t two = 1 + i % 2;
    r->s = (oassl_metric_sample){.id = r->id, .group = i % 3 ? r->group : NULL, .maps = r->views, .n_maps = two, .sources = r->sources,
                                 .n_sources = i % 9 == 8 ? 0 : two, .n_parts = two, .width = 60, .height = 55, .axis = i % 4 / 2,
                                 .object = i % 2 ? &r->object_view : NULL, .confidence = i % 2 ? &r->confidence : NULL};
    if (i % 3 == 0 && two == 1) r->sources[0] = (oassl_metric_truth){.mask = r->mask};
}

static oassl_metric *new_metric(const char *protocols, uint32_t bootstrap) {
    oassl_metric *m;
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.protocols = protocols, o.bootstrap = bootstrap, o.seed = 3;
    assert_ok(oai_metric_create(HOST, &o, &m));
    return m;
}

static void add_one(oassl_metric *m, uint64_t i) {
    random_sample *r = malloc(sizeof *r);
    make_random(i, r);
    assert_ok(oai_metric_add(m, &r->s));
    free(r);
}

static oassl_status feed_sample(void *user, uint64_t i, oassl_metric_sample *out, void **kept) {
    random_sample *r = malloc(sizeof *r);
    make_random(i, r);
    if (user && i == *(uint64_t *)user) r->maps[0][7] = NAN;
    *out = r->s, *kept = r;
    return OASSL_STATUS_OK;
}

static void release_sample(void *user, void *kept) {
    (void)user;
    free(kept);
}

static void assert_same_figures(oassl_metric *a, oassl_metric *b) {
    const oai_figures *x, *y;
    assert_ok(oai_metric_figures(a, &x));
    assert_ok(oai_metric_figures(b, &y));
    assert_int_equal(x->n, y->n);
    assert_true(x->n > 300);
    for (uint64_t i = 0; i < x->n; i++) {
        const oassl_metric_value *p = &x->values[i], *q = &y->values[i];
        assert_string_equal(p->name, q->name);
        assert_memory_equal(&p->value, &q->value, sizeof p->value);
        assert_memory_equal(&p->low, &q->low, sizeof p->low);
        assert_memory_equal(&p->high, &q->high, sizeof p->high);
        assert_int_equal(p->n, q->n);
        assert_true(p->low <= p->high);
        if (p->value < p->low || p->value > p->high) assert_true(p->n < 60); /* an interval need not hold it, but it should */
    }
}

static void test_order_threads_and_merging_do_not_matter(void **state) {
    (void)state;
    enum { N = 45 };
    oassl_metric *forward = new_metric(ALL, 40), *backward = new_metric(ALL, 40), *even = new_metric(ALL, 40), *odd = new_metric(ALL, 40);
    for (uint64_t i = 0; i < N; i++) add_one(forward, i), add_one(backward, N - 1 - i), add_one(i % 2 ? odd : even, i);
    assert_ok(oai_metric_merge(even, odd));
    assert_same_figures(forward, backward);
    assert_same_figures(forward, even);
    oassl_metric_feed feed = {feed_sample, release_sample, NULL};
    for (uint32_t n = 1; n <= 5; n += 2) {
        oai_host host = *HOST;
        oassl_metric *m = new_metric(ALL, 40);
        host.n_threads = n;
        assert_ok(oai_metric_add_all(&host, m, N, &feed));
        assert_same_figures(forward, m);
        uint64_t bad = 30;
        oassl_metric_feed broken = {feed_sample, release_sample, &bad};
        oassl_metric *untouched = new_metric(ALL, 40);
        assert_int_equal(oai_metric_add_all(&host, untouched, N, &broken), OASSL_STATUS_NON_FINITE);
        assert_non_null(strstr(oassl_last_error(), "'s010'"));
        const oai_figures *none;
        assert_ok(oai_metric_figures(untouched, &none));
        assert_int_equal(none->n, 0);
        oai_metric_free(m), oai_metric_free(untouched);
    }
    oai_metric_free(forward), oai_metric_free(backward), oai_metric_free(even), oai_metric_free(odd);
}

/* A protocol's figures do not depend on which others are asked for. */
static void test_protocols_do_not_disturb_each_other(void **state) {
    (void)state;
    oassl_metric *all = new_metric(ALL, 0);
    for (uint64_t i = 0; i < 30; i++) add_one(all, i);
    const oai_figures *figures, *own;
    assert_ok(oai_metric_figures(all, &figures));
    for (uint32_t k = 0; k < oai_n_rules(); k++) {
        const char *name = oai_rules_at(k)->name;
        oassl_metric *one = new_metric(name, 0);
        uint64_t n = 0;
        for (uint64_t i = 0; i < 30; i++) add_one(one, i);
        assert_ok(oai_metric_figures(one, &own));
        assert_true(own->n > 0);
        for (uint64_t i = 0; i < figures->n; i++) {
            if (strcmp(figures->values[i].protocol, name) != 0) continue;
            assert_string_equal(figures->values[i].name, own->values[n].name);
            assert_true(figures->values[i].value == own->values[n].value);
            n++;
        }
        if (n) assert_int_equal(n, own->n);
        oai_metric_free(one);
    }
    oai_metric_free(all);
}

static void test_wrong_protocols_are_named(void **state) {
    (void)state;
    oassl_metric *m;
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.protocols = "canonical,nope";
    assert_int_equal(oai_metric_create(HOST, &o, &m), OASSL_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(oassl_last_error(), "'nope'"));
    o.protocols = "lvs,lvs";
    assert_int_equal(oai_metric_create(HOST, &o, &m), OASSL_STATUS_INVALID_ARGUMENT);
    o.protocols = "lvs", o.tau = -1;
    assert_int_equal(oai_metric_create(HOST, &o, &m), OASSL_STATUS_INVALID_ARGUMENT);
}

/* ---- memory that runs out ------------------------------------------------------------------------------------------ */

/* Whatever allocation fails, the metric says so, stays usable and gives everything back. */
static void test_memory_running_out(void **state) {
    (void)state;
    random_sample *r = malloc(sizeof *r);
    make_random(1, r); /* two parts, two maps, an object map */
    for (int64_t granted = 0, done = 0; !done; granted++) {
        scarce s = {.left = granted};
        oai_host host = scarce_host(&s);
        oassl_metric *m = NULL;
        oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
        const oai_figures *f = NULL;
        o.protocols = "canonical,fnac,noprior,acl,tvsl", o.bootstrap = 3, o.size = 24;
        oassl_status status = oai_metric_create(&host, &o, &m);
        if (status == OASSL_STATUS_OK && (status = oai_metric_add(m, &r->s)) == OASSL_STATUS_OK) {
            status = oai_metric_figures(m, &f);
            done = status == OASSL_STATUS_OK;
        }
        if (!done) assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        if (m && !done) { /* with memory again it goes on */
            s.left = INT64_MAX;
            oassl_status again = oai_metric_add(m, &r->s);
            assert_true(again == OASSL_STATUS_OK || strstr(oassl_last_error(), "added before"));
            assert_ok(oai_metric_figures(m, &f));
            assert_true(f->n > 50);
        }
        oai_metric_free(m);
        assert_int_equal(s.live, 0);
        assert_true(granted < 2000);
    }
    free(r);
}

/* ---- maps in files ------------------------------------------------------------------------------------------------ */

static void test_map_files(void **state) {
    (void)state;
    char folder[512], path[600];
    const char *ids[3] = {"b", "a", "-c"};
    float data[3 * 2 * 6];
    uint8_t bytes[3 * 6];
    int64_t counts[3] = {2, 0, 1};
    double confidence[3] = {.5, .25, 1};
    for (int i = 0; i < 36; i++) data[i] = (float)i;
    for (int i = 0; i < 18; i++) bytes[i] = (uint8_t)(10 * i);
    snprintf(folder, sizeof folder, "%s/maps-XXXXXX", OASSL_TEST_TMP);
    assert_non_null(mkdtemp(folder));
    oai_npy stack = oai_npy_of(OASSL_DTYPE_F32, 4, (int64_t[]){3, 2, 2, 3}, data), names, objects = oai_npy_of(OASSL_DTYPE_U8, 3, (int64_t[]){3, 2, 3}, bytes),
            n = oai_npy_of(OASSL_DTYPE_I64, 1, (int64_t[]){3}, counts), f = oai_npy_of(OASSL_DTYPE_F64, 1, (int64_t[]){3}, confidence);
    assert_ok(oai_npy_from_texts(HOST, ids, 3, false, &names));
    snprintf(path, sizeof path, "%s/m.npz", folder);
    oai_npz_writer *w;
    assert_ok(oai_npz_create(HOST, path, OAI_NPZ_DEFLATE, &w));
    assert_ok(oai_npz_add(w, "maps", &stack));
    assert_ok(oai_npz_add(w, "ids", &names));
    assert_ok(oai_npz_add(w, "counts", &n));
    assert_ok(oai_npz_add(w, "objects", &objects));
    assert_ok(oai_npz_add(w, "confidence", &f));
    assert_ok(oai_npz_commit(w));
    oai_npy_free(&names);
    oassl_maps *maps;
    oassl_map_set set;
    uint64_t at;
    assert_ok(oai_maps_open(HOST, path, &maps));
    assert_int_equal(oai_maps_count(maps), 3);
    assert_ok(oai_maps_find(maps, "-c", &at));
    assert_int_equal(at, 2);
    assert_int_equal(oai_maps_find(maps, "d", &at), OASSL_STATUS_NOT_FOUND);
    assert_ok(oai_maps_get(maps, 2, &set));
    assert_int_equal(set.n_maps, 1);
    assert_true(((const float *)set.maps[0].data)[0] == 24 && set.maps[0].shape[1] == 3);
    assert_true(((const double *)set.object.data)[5] == 170 && set.confidence == 1);
    oai_maps_release(maps, &set);
    assert_ok(oai_maps_get(maps, 1, &set));
    assert_int_equal(set.n_maps, 0);
    oai_maps_release(maps, &set);
    oai_maps_close(maps);
    unlink(path);

    snprintf(path, sizeof path, "%s/m.npy", folder); /* a stack without ids; and, as a folder, one sample */
    stack = oai_npy_of(OASSL_DTYPE_F32, 3, (int64_t[]){6, 2, 3}, data);
    assert_ok(oai_npy_save(HOST, path, &stack));
    assert_ok(oai_maps_open(HOST, path, &maps));
    assert_int_equal(oai_maps_count(maps), 6);
    assert_null(oai_maps_id(maps, 0));
    assert_ok(oai_maps_get(maps, 5, &set));
    assert_true(((const float *)set.maps[0].data)[0] == 30);
    oai_maps_release(maps, &set);
    oai_maps_close(maps);
    assert_ok(oai_maps_open(HOST, folder, &maps));
    assert_string_equal(oai_maps_id(maps, 0), "m");
    assert_ok(oai_maps_get(maps, 0, &set));
    assert_int_equal(set.n_maps, 6);
    oai_maps_release(maps, &set);
    oai_maps_close(maps);
    stack = oai_npy_of(OASSL_DTYPE_F32, 1, (int64_t[]){6}, data);
    assert_ok(oai_npy_save(HOST, path, &stack));
    assert_int_equal(oai_maps_open(HOST, path, &maps), OASSL_STATUS_FORMAT);
    unlink(path);
    assert_int_equal(oai_maps_open(HOST, folder, &maps), OASSL_STATUS_NOT_FOUND);
    assert_int_equal(oai_maps_open(HOST, path, &maps), OASSL_STATUS_NOT_FOUND);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_confidence),
        cmocka_unit_test(test_known_interactive),
        cmocka_unit_test(test_known_noprior),
        cmocka_unit_test(test_known_masks),
        cmocka_unit_test(test_known_retrieval),
        cmocka_unit_test(test_known_boxes),
        cmocka_unit_test(test_order_threads_and_merging_do_not_matter),
        cmocka_unit_test(test_protocols_do_not_disturb_each_other),
        cmocka_unit_test(test_wrong_protocols_are_named),
        cmocka_unit_test(test_memory_running_out),
        cmocka_unit_test(test_map_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
