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
#include "data/metric/vectors.h"
#include "metric/metric.h"
#include "metric/scores.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))
#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

static const oai_host *const HOST = &oai_default_host;

/* ---- the parts ------------------------------------------------------------------------------------------------- */

static const oai_scoring MINMAX = {OAI_SCORE_MINMAX, 1, 0, false}, RAW = {OAI_SCORE_RAW, 1, 0, false};

/* A sorted view; the tests' views are freed at the end of each. */
static oai_view scored(size_t n, const double *values) {
    oai_view view;
    oai_sort_space space;
    assert_ok(oai_sort_space_create(HOST, n, &space));
    assert_ok(oai_view_create(HOST, n, false, &view));
    memcpy(view.own, values, n * sizeof *values);
    oai_view_ready(&view);
    for (size_t i = 0; i < n; i++) { /* ranks by selection, and by the order */
        double r = oai_view_rank(&view, i, &space);
        assert_ok(oai_view_sort(HOST, &view, &space));
        assert_true(r == view.d[view.order[i]]);
        view.is_sorted = false;
    }
    assert_ok(oai_view_sort(HOST, &view, &space));
    oai_sort_space_free(HOST, &space);
    return view;
}

static oai_truth truth_of(size_t n, const double *weights) {
    oai_truth t;
    assert_ok(oai_truth_create(HOST, n, &t));
    for (size_t i = 0; i < n; i++) t.twice[i] = (uint8_t)(2 * weights[i]);
    oai_truth_finish(&t, OAI_TRUTH_COUNT);
    return t;
}

static void test_truth_maps(void **state) {
    (void)state;
    static const int32_t boxes[3][4] = {{1, 1, 5, 5}, {2, 2, 6, 7}, {2, 0, 4, 4}};
    static const double *const expected[] = {TRUTH_UNION, TRUTH_CONSENSUS, TRUTH_COUNT};
    oai_truth t;
    assert_ok(oai_truth_create(HOST, 64, &t));
    for (int32_t rule = 0; rule < 3; rule++) {
        oai_truth_clear(&t);
        for (int i = 0; i < 3; i++) oai_truth_paint(&t, 8, boxes[i]);
        oai_truth_finish(&t, rule);
        double sum = 0;
        for (int i = 0; i < 64; i++) assert_near(t.twice[i] / 2.0, expected[rule][i], 0), sum += expected[rule][i];
        assert_near(t.twice_sum / 2.0, sum, 0);
    }
    const int32_t inside_out[4] = {4, 4, 0, 6};
    oai_truth_clear(&t);
    oai_truth_paint(&t, 8, inside_out);
    oai_truth_finish(&t, OAI_TRUTH_UNION);
    assert_int_equal(t.area, 0);
    oai_truth_free(HOST, &t);
}

static void check_box(double x0, double y0, double x1, double y1, double side, const int32_t *expected) {
    int32_t out[4];
    oai_box_to_pixels((double[]){x0, y0, x1, y1}, side, side, 224, out);
    for (int i = 0; i < 4; i++) assert_int_equal(out[i], expected[i]);
}

static void test_box_to_pixels(void **state) {
    (void)state;
    check_box(.403125, .253125, .6, .75, 1, (int32_t[]){90, 56, 134, 168});
    check_box(.2, .3, -2.88e16, 1, 1, (int32_t[]){44, 67, 0, 224});
    check_box(13, 77, 200, 256, 256, (int32_t[]){11, 67, 175, 224});
    check_box(89, 1, 223, 300, 224, (int32_t[]){89, 1, 223, 224}); /* no loss at the picture's own size */
}

static double ciou_at(const oai_view *m, double threshold, int32_t predicate, const oai_truth *t) {
    oai_counts c = oai_count(m, oai_view_cutoff(m, &MINMAX, predicate, threshold), t);
    return oai_ciou(&c, t);
}

static double rank_score(const oai_view *m, size_t rank) { return oai_score_of(m, &MINMAX, m->d[m->order[rank]]); }

static void check_ciou(const double *values, const oai_truth *t, double half, double ge, double gt, double gt_or_one,
                       double adaptive, double adaptive_ge, double adaptive_gt) {
    oai_view m = scored(16, values);
    double h = rank_score(&m, 8), a = rank_score(&m, 16 - t->area);
    assert_near(h, half, 1e-11);
    assert_near(ciou_at(&m, h, OAI_PREDICATE_GE, t), ge, 1e-11);
    assert_near(ciou_at(&m, h, OAI_PREDICATE_GT, t), gt, 1e-11);
    assert_near(ciou_at(&m, h, OAI_PREDICATE_GT_OR_ONE, t), gt_or_one, 1e-11);
    assert_near(a, adaptive, 1e-11);
    assert_near(ciou_at(&m, a, OAI_PREDICATE_GE, t), adaptive_ge, 1e-11);
    assert_near(ciou_at(&m, a, OAI_PREDICATE_GT, t), adaptive_gt, 1e-11);
    oai_view_free(HOST, &m);
}

static const double CENTRE_4[16] = {0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0};

static void test_ciou(void **state) {
    (void)state;
    oai_truth a = truth_of(16, CENTRE_4), b = truth_of(16, TRUTH_B), nothing = truth_of(16, (double[16]){0});
    check_ciou(MAP_A, &a, 0.444444444444, 0.4, 0.8, 0.8, 0.666666666667, 1.0, 0.75);
    check_ciou(MAP_B, &b, 0.5, 0.785714285714, 0.642857142857, 0.642857142857, 0.5, 0.785714285714, 0.642857142857);
    oai_view m = scored(16, MAP_A), n = scored(16, MAP_B);
    for (int i = 0; i < 16; i++) assert_near(oai_score_of(&m, &MINMAX, m.d[i]), MAP_A_SCALED[i], 1e-11);
    static const int32_t rules[2] = {OAI_PREDICATE_GE, OAI_PREDICATE_GT};
    for (int i = 0; i < 2; i++) {
        assert_near(ciou_at(&m, 0.5, rules[i], &a), 0.8, 1e-11);
        assert_near(ciou_at(&n, 0.5, rules[i], &b), i ? 0.642857142857 : 0.785714285714, 1e-11);
    }
    static const uint64_t selected[2][3] = {{10, 5, 5}, {8, 7, 7}};
    for (int32_t rule = 0; rule < 3; rule++) {
        oai_counts x = oai_count(&m, oai_view_cutoff(&m, &MINMAX, rule, rank_score(&m, 8)), &a);
        oai_counts y = oai_count(&n, oai_view_cutoff(&n, &MINMAX, rule, rank_score(&n, 8)), &b);
        assert_int_equal(x.selected, selected[0][rule]);
        assert_int_equal(y.selected, selected[1][rule]);
    }
    assert_near(ciou_at(&m, 2, OAI_PREDICATE_GE, &nothing), 0, 0); /* 0/0 */
    oai_view_free(HOST, &m), oai_view_free(HOST, &n);
    oai_truth_free(HOST, &nothing), oai_truth_free(HOST, &a), oai_truth_free(HOST, &b);
}

static void test_ciou_of_constant_maps(void **state) {
    (void)state;
    static const double level[3] = {0.3, 1.0, -2.0}, expected[3][3] = {{0.25, 0, 0}, {0.25, 0, 0.25}, {0.25, 0, 0}};
    oai_truth t = truth_of(16, CENTRE_4);
    for (int k = 0; k < 3; k++) {
        double values[16];
        for (int i = 0; i < 16; i++) values[i] = level[k];
        oai_view m = scored(16, values);
        for (int32_t rule = 0; rule < 3; rule++) assert_near(ciou_at(&m, level[k], rule, &t), expected[k][rule], 0);
        oai_view_free(HOST, &m);
    }
    oai_truth_free(HOST, &t);
}

/* The cut-off is the first value that passes, to the last bit, for every score. */
static void test_cutoff_is_exact(void **state) {
    (void)state;
    enum { N = 200 };
    double values[N];
    oai_rng rng = oai_rng_stream(5, 6);
    for (int i = 0; i < N; i++) values[i] = oai_rng_normal(&rng);
    oai_view m = scored(N, values);
    for (int32_t kind = 0; kind < 6; kind++)
        for (int32_t predicate = 0; predicate < 3; predicate++)
            for (int k = 0; k < 20; k++) {
                oai_scoring s = {kind, 0.07, 0.3, false};
                double t = k < 10 ? oai_score_of(&m, &s, values[k]) : 0.1 * k - 1;
                double cutoff = oai_view_cutoff(&m, &s, predicate, t);
                for (int i = 0; i < N; i++) {
                    double score = oai_score_of(&m, &s, values[i]);
                    bool passes = predicate == OAI_PREDICATE_GE ? score >= t : score > t || (predicate == OAI_PREDICATE_GT_OR_ONE && score >= 1);
                    assert_int_equal(values[i] >= cutoff, passes);
                }
            }
    oai_view_free(HOST, &m);
}

static void test_aggregates(void **state) {
    (void)state;
    static const double a[8] = {0, .12, .3, .5, .49999, .55, .75, 1},
                        b[5] = {0.05, 0.15, 0.35, 0.6000000000000001, 0.15000000000000002};
    assert_near(oai_success(a, 8, 0.5), 0.5, 0);
    assert_near(oai_success(a, 8, 0.3), 0.75, 0);
    assert_near(oai_auc(a, 8), 0.471875, 1e-12);
    assert_near(oai_mean_sorted(a, 8), 0.46499875, 1e-12);
    assert_near(oai_success(b, 5, 0.5), 0.2, 0);
    assert_near(oai_success(b, 5, 0.3), 0.4, 0);
    assert_near(oai_auc(b, 5), 0.265, 1e-12);
    double sum = 0;
    for (int i = 0; i < 8; i++) sum += oai_auc_of_one(a[i]) / 8;
    assert_near(sum, 0.471875, 1e-12);
}

static void test_pixel_ap(void **state) {
    (void)state;
    oai_truth t = truth_of(16, AP_TRUTH);
    oai_view m = scored(16, AP_SCORE);
    assert_near(oai_pixel_ap(&m, &t), 0.925, 1e-11);
    double binary[16], half = rank_score(&m, 8), gt = oai_view_cutoff(&m, &MINMAX, OAI_PREDICATE_GT, half);
    for (int i = 0; i < 16; i++) binary[i] = m.d[i] >= gt;
    oai_view b = scored(16, binary);
    oai_counts c = oai_count(&m, gt, &t);
    assert_near(oai_pixel_ap(&b, &t), 0.519642857143, 1e-11);
    assert_near(oai_binary_ap(c.clamped_hit, c.selected, t.clamped_sum, 16), 0.519642857143, 1e-11);
    assert_near(oai_swapped_ap(&m, oai_view_cutoff(&m, &MINMAX, OAI_PREDICATE_GE, half), &t), 0.8125, 1e-11);
    oai_view ties = scored(5, (double[]){0.5, 0.5, 0.5, 0.2, 0.9});
    oai_truth few = truth_of(5, (double[]){1, 0, 1, 0, 0}), none = truth_of(5, (double[]){0, 0, 0, 0, 0});
    assert_near(oai_pixel_ap(&ties, &few), 0.5, 1e-12);
    assert_near(oai_pixel_ap(&ties, &none), 0, 0);
    oai_view_free(HOST, &m), oai_view_free(HOST, &b), oai_view_free(HOST, &ties);
    oai_truth_free(HOST, &t), oai_truth_free(HOST, &few), oai_truth_free(HOST, &none);
}

static void test_sorting_of_signs_and_zeros(void **state) {
    (void)state;
    static const double values[7] = {1e-300, -0.0, -5, 0.0, 3, -1e-300, -1e300};
    static const uint32_t order[7] = {6, 2, 5, 1, 3, 0, 4}; /* equal values in the picture's order */
    oai_view m = scored(7, values);
    for (int i = 0; i < 7; i++) assert_int_equal(m.order[i], order[i]);
    oai_view_free(HOST, &m);
    /* values crowded into one bucket by an outlier, many of them equal */
    double crowd[300];
    oai_rng rng = oai_rng_stream(9, 1);
    for (int i = 0; i < 300; i++) crowd[i] = i == 17 ? 1e9 : 1e-6 * oai_rng_below(&rng, 90);
    m = scored(300, crowd);
    for (int i = 1; i < 300; i++) {
        double a = crowd[m.order[i - 1]], b = crowd[m.order[i]];
        assert_true(a < b || (a == b && m.order[i - 1] < m.order[i]));
    }
    oai_view_free(HOST, &m);
}

static void test_confidence_from_the_map(void **state) {
    (void)state;
    static const double s[16] = {0.9, 0.1, 0.2, 0.3, 0.4, 0.8, 0.7, 0.6, 0.5, 0.55, 0.45, 0.35, 0.05, 0.15, 0.25, 0.65};
    oai_sort_space space;
    assert_ok(oai_sort_space_create(HOST, 16, &space));
    oai_view m = scored(16, s);
    assert_near(oai_view_top_quarter(&m, &RAW, &space), 0.7625, 1e-12);
    m.is_sorted = false;
    assert_near(oai_view_top_quarter(&m, &RAW, &space), 0.7625, 1e-12);
    oai_view_free(HOST, &m);
    oai_sort_space_free(HOST, &space);
}

static void test_pointing_shares_ties(void **state) {
    (void)state;
    size_t peak = 99;
    oai_truth t = truth_of(4, (double[]){0, 1, 0, 1});
    oai_view one = scored(4, (double[]){.1, .9, .2, .3}), tied = scored(4, (double[]){.7, .7, .2, .1});
    assert_near(oai_pointing(&one, &t, &peak), 1, 0);
    assert_int_equal(peak, 1);
    assert_near(oai_pointing(&tied, &t, &peak), 0.5, 0);
    assert_int_equal(peak, 0);
    oai_view_free(HOST, &one), oai_view_free(HOST, &tied);
    oai_truth_free(HOST, &t);
}

static void test_resize(void **state) {
    (void)state;
    static const double map[9] = {0.1, 0.7, 0.3, 0.9, 0.2, 0.5, 0.4, 0.8, -0.6};
    static const double *const expected[4] = {[OAI_MAP_BILINEAR_HALF_PIXEL] = RESIZE_BILINEAR_HALF_PIXEL,
                                              [OAI_MAP_BILINEAR_CORNERS] = RESIZE_BILINEAR_CORNERS,
                                              [OAI_MAP_BICUBIC_HALF_PIXEL] = RESIZE_BICUBIC_HALF_PIXEL,
                                              [OAI_MAP_BICUBIC_CORNERS] = RESIZE_BICUBIC_CORNERS};
    double out[35];
    float map32[9], out32[35];
    for (int i = 0; i < 9; i++) map32[i] = (float)map[i];
    for (int32_t how = 0; how < 4; how++) {
        assert_ok(oai_map_resize(HOST, how, map, 3, 3, out, 5, 7));
        assert_ok(oai_map_resize_f32(HOST, how, map32, 3, 3, out32, 5, 7));
        for (int i = 0; i < 35; i++)
            assert_near(out[i], expected[how][i], 1e-11), assert_near(out32[i], expected[how][i], 1e-6);
        double flat[4] = {0.1, 0.1, 0.1, 0.1};
        assert_ok(oai_map_resize(HOST, how, flat, 2, 2, out, 5, 7));
        for (int i = 0; i < 35; i++) assert_true(out[i] == 0.1); /* exactly: ties stay ties */
    }
    assert_int_equal(oai_map_resize(HOST, 4, map, 3, 3, out, 5, 7), OASSL_STATUS_INVALID_ARGUMENT);
}

static void test_assignment(void **state) {
    (void)state;
    int32_t map_of[3], source_of[3];
    /* taking the largest first gives 0.9 + 0.1; the best total is 0.8 + 0.7 */
    static const double score[4] = {0.9, 0.8, 0.7, 0.1};
    assert_near(oai_assign_best(score, 2, 2, map_of), 1.5, 1e-15);
    assert_int_equal(map_of[0], 1);
    assert_int_equal(map_of[1], 0);
    assert_int_equal(oai_assign_greedy(score, 2, 2, map_of, source_of), 0);
    assert_int_equal(map_of[0], 0);
    assert_near(oai_assign_best(score, 1, 2, map_of), 0.9, 0);
    assert_int_equal(map_of[1], -1);
    assert_near(oai_assign_best(score, 2, 1, map_of), 0.9, 0); /* two maps, one source: [0.9], [0.8] */
    assert_int_equal(map_of[0], 0);
    static const double nothing[4] = {0, 0, 0, 0};
    oai_assign_best(nothing, 2, 2, map_of);
    assert_int_equal(map_of[0] + map_of[1], 1); /* all maps are used even when they score nothing */
    /* against every permutation */
    oai_rng rng = oai_rng_stream(3, 4);
    static const int32_t permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int round = 0; round < 50; round++) {
        double s[9], most = 0;
        for (int i = 0; i < 9; i++) s[i] = oai_rng_uniform(&rng);
        for (int p = 0; p < 6; p++)
            most = fmax(most, s[permutations[p][0]] + s[3 + permutations[p][1]] + s[6 + permutations[p][2]]);
        assert_near(oai_assign_best(s, 3, 3, map_of), most, 1e-12);
    }
}

/* ---- the accumulator ---------------------------------------------------------------------------------------------
 */

static oassl_tensor view(float *data, int64_t h, int64_t w) {
    return (oassl_tensor){.data = data,
                          .device = OASSL_DEVICE_CPU,
                          .dtype = OASSL_DTYPE_F32,
                          .rank = 2,
                          .shape = {h, w},
                          .strides = {w, 1}};
}

/* A map that is highest at (x, y) and falls off from there. */
static void hill(float *map, int n, double x, double y) {
    for (int i = 0; i < n * n; i++)
        map[i] = (float)exp(-((i % n - x) * (i % n - x) + (i / n - y) * (i / n - y)) / (n * n / 16.0));
}

static oassl_metric *metric_with(int32_t assign) {
    oassl_metric *m;
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.assign = assign;
    assert_ok(oai_metric_create(HOST, &o, &m));
    return m;
}

static oassl_metric_result result_of(const oassl_metric *m) {
    oassl_metric_result r = OASSL_METRIC_RESULT_INIT;
    assert_ok(oai_metric_compute(m, &r));
    return r;
}

static void test_one_source_with_twin(void **state) {
    (void)state;
    float good[256], bad[256];
    hill(good, 16, 3, 3), hill(bad, 16, 12, 12);
    float box[1][4] = {{0, 0, 28, 28}}, other[1][4] = {{40, 40, 64, 64}};
    oassl_metric_truth source = {.boxes = (const float(*)[4])box, .n_boxes = 1, .label = "bell"};
    oassl_metric_truth twin[2] = {{.boxes = (const float(*)[4])other, .n_boxes = 1, .label = "bell", .twin = 1},
                                  {.boxes = (const float(*)[4])box, .n_boxes = 1, .label = "drum", .twin = 1}};
    oassl_tensor map = view(good, 16, 16);
    oassl_metric_sample s = {.id = "a",
                             .maps = &map,
                             .n_maps = 1,
                             .sources = &source,
                             .n_sources = 1,
                             .silent = twin,
                             .n_silent = 2,
                             .width = 64,
                             .height = 64};
    oassl_metric *m = metric_with(OASSL_ASSIGN_BEST);
    assert_ok(oai_metric_add(m, &s));
    oassl_metric_result r = result_of(m);
    assert_near(r.model.pointing, 1, 0);
    assert_near(r.model.twin, 1, 0);
    assert_near(r.model.success_30, 1, 0);
    assert_true(r.model.ap > 0.9 && r.model.adaptive_mean_ciou > 0.8);
    assert_near(r.centre.pointing, 0, 0);
    double area = 98.0 * 98.0 / (224.0 * 224.0);
    assert_near(r.whole.mean_ciou, area, 1e-12);
    assert_near(r.whole.pointing, area, 1e-12);
    assert_near(r.whole.ap, area, 1e-12);
    assert_near(r.whole.twin, 0.5, 0);
    map = view(bad, 16, 16), s.id = "b";
    assert_ok(oai_metric_add(m, &s));
    r = result_of(m);
    assert_int_equal(r.n_twin, 2);
    assert_near(r.model.twin, 0.5, 0);
    assert_near(r.model.pointing, 0.5, 0);
    oassl_metric_pair p = OASSL_METRIC_PAIR_INIT;
    assert_ok(oai_metric_pair_at(m, 1, &p));
    assert_string_equal(p.id, "b");
    assert_near(p.pointing, 0, 0);
    assert_true(p.peak_x > 160 && p.peak_y > 160);
    oai_metric_free(m);
}

static void test_several_maps(void **state) {
    (void)state;
    float left[256], right[256], boxes[2][1][4] = {{{0, 20, 24, 44}}, {{40, 20, 64, 44}}};
    hill(left, 16, 3, 8), hill(right, 16, 12, 8);
    oassl_metric_truth sources[2] = {{.boxes = (const float(*)[4])boxes[0], .n_boxes = 1},
                                     {.boxes = (const float(*)[4])boxes[1], .n_boxes = 1}};
    oassl_tensor maps[3] = {view(right, 16, 16), view(left, 16, 16), view(left, 16, 16)};
    oassl_metric_sample s = {
        .id = "d", .maps = maps, .n_maps = 2, .sources = sources, .n_sources = 2, .width = 64, .height = 64};
    static const double pointing[3] = {
        [OASSL_ASSIGN_BEST] = 1, [OASSL_ASSIGN_IN_ORDER] = 0, [OASSL_ASSIGN_GREEDY] = 1};
    for (int32_t assign = 0; assign < 3; assign++) {
        oassl_metric *m = metric_with(assign);
        assert_ok(oai_metric_add(m, &s));
        oassl_metric_result r = result_of(m);
        assert_int_equal(r.n_pairs, 2);
        assert_near(r.model.pointing, pointing[assign], 0);
        assert_true(r.model.piap > 0.9); /* whatever the labels */
        oai_metric_free(m);
    }
    /* a surplus map costs only the greedy rule; a missing one costs a source */
    s.n_maps = 3;
    oassl_metric *best = metric_with(OASSL_ASSIGN_BEST), *greedy = metric_with(OASSL_ASSIGN_GREEDY);
    assert_ok(oai_metric_add(best, &s));
    assert_ok(oai_metric_add(greedy, &s));
    assert_near(result_of(best).model.pointing, 1, 0);
    assert_near(result_of(greedy).model.pointing, 2.0 / 3, 1e-12);
    s.n_maps = 1, s.id = "e";
    assert_ok(oai_metric_add(best, &s));
    assert_near(result_of(best).model.pointing, 0.75, 1e-12);
    s.n_maps = 0, s.id = "f";
    assert_ok(oai_metric_add(best, &s));
    assert_near(result_of(best).model.pointing, 0.5, 1e-12);
    oai_metric_free(best), oai_metric_free(greedy);
}

/* Sample i of a fixed random set. */
static void add_random(oassl_metric *m, uint64_t i) {
    enum { N = 12 };
    oai_rng rng = oai_rng_stream(11, i);
    float data[2][N * N], boxes[2][1][4], twin_box[1][4] = {{0, 0, 10, 10}};
    oassl_metric_truth sources[2], twin = {.boxes = (const float(*)[4])twin_box, .n_boxes = 1, .twin = 1};
    oassl_tensor maps[2];
    char id[16];
    snprintf(id, sizeof id, "s%03d", (int)(i * 7 % 100));
    for (int k = 0; k < 2; k++) {
        for (int j = 0; j < N * N; j++) data[k][j] = (float)oai_rng_normal(&rng);
        for (int j = 0; j < 2; j++)
            boxes[k][0][j] = (float)oai_rng_below(&rng, 30),
            boxes[k][0][j + 2] = boxes[k][0][j] + 5 + (float)oai_rng_below(&rng, 20);
        sources[k] = (oassl_metric_truth){.boxes = (const float(*)[4])boxes[k], .n_boxes = 1};
        maps[k] = view(data[k], N, N);
    }
    oassl_metric_sample s = {.id = id,
                             .maps = maps,
                             .n_maps = 2,
                             .sources = sources,
                             .n_sources = 1 + i % 2,
                             .silent = &twin,
                             .n_silent = i % 3 == 0,
                             .width = 60,
                             .height = 55};
    assert_ok(oai_metric_add(m, &s));
}

static void test_order_and_merging_do_not_matter(void **state) {
    (void)state;
    enum { N = 40 };
    oassl_metric *forward = metric_with(0), *backward = metric_with(0), *even = metric_with(0), *odd = metric_with(0);
    for (uint64_t i = 0; i < N; i++) {
        add_random(forward, i);
        add_random(backward, N - 1 - i);
        add_random(i % 2 ? odd : even, i);
    }
    assert_ok(oai_metric_merge(odd, even));
    oassl_metric_result a = result_of(forward), b = result_of(backward), c = result_of(odd);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &c, sizeof a);
    assert_int_equal(a.n_samples, N);
    for (uint64_t i = 0; i < a.n_pairs; i++) {
        oassl_metric_pair p = OASSL_METRIC_PAIR_INIT, q = OASSL_METRIC_PAIR_INIT;
        assert_ok(oai_metric_pair_at(forward, i, &p));
        assert_ok(oai_metric_pair_at(odd, i, &q));
        assert_string_equal(p.id, q.id);
        assert_true(p.ciou == q.ciou && p.ap == q.ap && p.source == q.source);
    }
    assert_int_equal(oai_metric_merge(odd, even), OASSL_STATUS_INVALID_ARGUMENT); /* the same samples again */
    add_random(even, 99);
    assert_true(result_of(even).list_hash != a.list_hash);
    oai_metric_free(forward), oai_metric_free(backward), oai_metric_free(even), oai_metric_free(odd);
}

static void test_bad_samples_change_nothing(void **state) {
    (void)state;
    float data[16], box[1][4] = {{0, 0, 2, 2}}, inverted[1][4] = {{3, 0, 2, 2}};
    hill(data, 4, 1, 1);
    oassl_metric_truth source = {.boxes = (const float(*)[4])box, .n_boxes = 1};
    oassl_tensor map = view(data, 4, 4);
    const oassl_metric_sample good = {
        .id = "good", .maps = &map, .n_maps = 1, .sources = &source, .n_sources = 1, .width = 4, .height = 4};
    oassl_metric *m = metric_with(0);
    assert_ok(oai_metric_add(m, &good));
    oassl_metric_result before = result_of(m), after;
    oassl_metric_sample s = good;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_INVALID_ARGUMENT); /* twice */
    assert_non_null(strstr(oassl_last_error(), "'good'"));
    s.id = "nan-id", data[5] = NAN;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_NON_FINITE);
    assert_non_null(strstr(oassl_last_error(), "nan-id"));
    assert_non_null(strstr(oassl_last_error(), "row 1, column 1"));
    data[5] = 0.5f, source.boxes = (const float(*)[4])inverted;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_INVALID_ARGUMENT);
    source.boxes = NULL;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_INVALID_ARGUMENT);
    source.boxes = (const float(*)[4])box, map.rank = 3;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_SHAPE_MISMATCH);
    map.rank = 2, s.width = 0;
    assert_int_equal(oai_metric_add(m, &s), OASSL_STATUS_INVALID_ARGUMENT);
    after = result_of(m);
    assert_memory_equal(&before, &after, sizeof after);
    s.width = 4;
    assert_ok(oai_metric_add(m, &s));
    oai_metric_free(m);
    oassl_metric_options o = OASSL_METRIC_OPTIONS_INIT;
    o.predicate = 3;
    assert_int_equal(oai_metric_create(HOST, &o, &m), OASSL_STATUS_INVALID_ARGUMENT);
    assert_null(m);
}

static void test_strides_and_doubles(void **state) {
    (void)state;
    float rows[64], box[1][4] = {{0, 0, 4, 8}};
    double columns[64];
    hill(rows, 8, 2, 5);
    for (int i = 0; i < 64; i++) columns[i % 8 * 8 + i / 8] = rows[i];
    oassl_metric_truth source = {.boxes = (const float(*)[4])box, .n_boxes = 1};
    oassl_tensor a = view(rows, 8, 8), b = view(NULL, 8, 8);
    b.data = columns, b.dtype = OASSL_DTYPE_F64, b.strides[0] = 1, b.strides[1] = 8;
    oassl_metric *m = metric_with(0);
    oassl_metric_sample s = {
        .id = "a", .maps = &a, .n_maps = 1, .sources = &source, .n_sources = 1, .width = 8, .height = 8};
    assert_ok(oai_metric_add(m, &s));
    s.id = "b", s.maps = &b;
    assert_ok(oai_metric_add(m, &s));
    oassl_metric_pair p = OASSL_METRIC_PAIR_INIT, q = OASSL_METRIC_PAIR_INIT;
    assert_ok(oai_metric_pair_at(m, 0, &p));
    assert_ok(oai_metric_pair_at(m, 1, &q));
    assert_true(p.ciou == q.ciou && p.ap == q.ap && p.peak_x == q.peak_x && p.peak_y == q.peak_y);
    oai_metric_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth_maps),
        cmocka_unit_test(test_box_to_pixels),
        cmocka_unit_test(test_ciou),
        cmocka_unit_test(test_ciou_of_constant_maps),
        cmocka_unit_test(test_cutoff_is_exact),
        cmocka_unit_test(test_confidence_from_the_map),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_pixel_ap),
        cmocka_unit_test(test_sorting_of_signs_and_zeros),
        cmocka_unit_test(test_pointing_shares_ties),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_assignment),
        cmocka_unit_test(test_one_source_with_twin),
        cmocka_unit_test(test_several_maps),
        cmocka_unit_test(test_order_and_merging_do_not_matter),
        cmocka_unit_test(test_bad_samples_change_nothing),
        cmocka_unit_test(test_strides_and_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
