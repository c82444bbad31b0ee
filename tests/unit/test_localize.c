/* Identification with K known (losses.md 7, known answer noprior_known_K2) and regions of heat-maps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "localize/identify.h"
#include "localize/region.h"

enum { C = 3, P = 6 };

static const double features[C][P] = {
    {0.9, 0.85, 0.1, 0.2, -0.5, 0.0}, {0.1, 0.2, 0.9, 0.8, 0.1, -0.6}, {0.2, 0.1, 0.1, 0.2, 0.9, 0.7}};
static const double sound[C] = {0.7, 0.65, 0.1};

/* v and S of the known answer: unit features, unit sound. */
static void scene(float *similarity, float *visual) {
    double sound_norm = sqrt(sound[0] * sound[0] + sound[1] * sound[1] + sound[2] * sound[2]);
    for (int p = 0; p < P; p++) {
        double norm = 0, dot = 0;
        for (int c = 0; c < C; c++) norm += features[c][p] * features[c][p];
        for (int c = 0; c < C; c++) {
            visual[c * P + p] = (float)(features[c][p] / sqrt(norm));
            dot += features[c][p] / sqrt(norm) * sound[c] / sound_norm;
        }
        similarity[p] = (float)dot;
    }
}

static void test_identify_known_answer(void **state) {
    (void)state;
    static const double expected[2][P] = {
        {-0.147974039228, -1.73205080757e-06, -0.938689581035, -0.878853865022, -0.823513433594, -0.921862889906},
        {-0.910966373948, -0.878853772241, -0.164123403574, -1.73205080757e-06, -0.891291888366, -0.751448670137}};
    float similarity[P], visual[C * P], maps[2 * P];
    uint32_t picks[2];
    scene(similarity, visual);
    assert_int_equal(oai_identify(&oai_default_host, similarity, visual, C, P, 2, OAI_IDENTIFY_PUBLISHED, maps, picks), OASSL_STATUS_OK);
    assert_int_equal(picks[0], 1);
    assert_int_equal(picks[1], 3);
    for (int k = 0; k < 2; k++)
        for (int p = 0; p < P; p++) assert_true(fabs(maps[k * P + p] - expected[k][p]) < 1e-6);
}

static void test_identify_more_sources_than_objects(void **state) {
    (void)state;
    float similarity[P], visual[C * P], maps[8 * P];
    uint32_t picks[8];
    scene(similarity, visual);
    assert_int_equal(oai_identify(&oai_default_host, similarity, visual, C, P, 8, OAI_IDENTIFY_SUPPRESS, maps, picks), OASSL_STATUS_OK);
    for (int k = 0; k < 8; k++) {
        assert_true(picks[k] < P);
        for (int p = 0; p < P; p++) assert_true(isfinite(maps[k * P + p]) && maps[k * P + p] <= 0);
    }
}

static void test_region_of_two_blobs(void **state) {
    (void)state;
    /* the region is the one around the peak, not both */
    float map[5 * 7] = {0};
    map[1 * 7 + 1] = 0.9f, map[1 * 7 + 2] = 1.0f, map[2 * 7 + 2] = 0.6f;
    map[4 * 7 + 6] = 0.95f;
    oai_region region;
    assert_int_equal(oai_find_region(&oai_default_host, map, 7, 5, &region), OASSL_STATUS_OK);
    assert_int_equal(region.peak_x, 2);
    assert_int_equal(region.peak_y, 1);
    static const int32_t box[4] = {1, 1, 3, 3};
    assert_memory_equal(region.box, box, sizeof box);
}

static void test_region_of_a_constant_map(void **state) {
    (void)state;
    float map[4] = {0.5f, 0.5f, 0.5f, 0.5f};
    oai_region region;
    assert_int_equal(oai_find_region(&oai_default_host, map, 2, 2, &region), OASSL_STATUS_OK);
    static const int32_t box[4] = {0, 0, 2, 2};
    assert_memory_equal(region.box, box, sizeof box);
    assert_int_equal(region.peak_x, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identify_known_answer),
        cmocka_unit_test(test_identify_more_sources_than_objects),
        cmocka_unit_test(test_region_of_two_blobs),
        cmocka_unit_test(test_region_of_a_constant_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
