/* Every option of every loss: gradients against central differences in f64 on the reference backend.  (The envelope
 * gradient of ORI is no derivative of its value; the known answers of test_loss.c check it.) */
#include "support/loss_run.h"

#include <math.h>

#include "base/rng.h"

enum { B = 3, D = 5, H = 2, W = 3, K = 2, MOST_IN = 512 };

static oassl_context *reference;
static double data[N_ROLES][MOST_IN];

/* Pictures around a direction of their own, sounds near their pictures: masks neither all open nor all shut. */
static void fill(loss_case *c, uint64_t seed) {
    oai_rng rng = oai_rng_stream(seed, 0);
    for (int r = 0; r < N_ROLES; r++) {
        int64_t n = c->in[r] ? role_count(&c->shape, r) : 0;
        for (int64_t i = 0; i < n; i++) data[r][i] = oai_rng_normal(&rng);
        if (r == R_SIMILARITY || r == R_MAPS)
            for (int64_t i = 0; i < n; i++) data[r][i] = tanh(data[r][i]);
        if (r == R_WEIGHT)
            for (int64_t i = 0; i < n; i++) data[r][i] = i != 1;
    }
    int64_t positions = c->shape.height * c->shape.width;
    if (c->in[R_VISUAL] && c->in[R_AUDIO])
        for (int64_t i = 0; i < c->shape.batch * c->shape.channels; i++)
            for (int64_t p = 0; p < positions; p++) data[R_VISUAL][i * positions + p] += 1.5 * data[R_AUDIO][i];
}

static void check(const char *name, loss_case c, uint64_t seed) {
    static double memory[N_ROLES][MOST_IN];
    double *gradients[N_ROLES] = {0};
    oassl_loss *loss;
    fill(&c, seed);
    for (int r = 0; r < N_ROLES; r++)
        if (c.in[r] && r != R_WEIGHT) gradients[r] = memory[r];
    MUST(oassl_loss_create(reference, &c.options, &c.shape, &loss));
    run_loss(loss, &c, gradients);
    double any = 0;
    for (int r = 0; r < N_ROLES; r++) {
        int64_t n = gradients[r] ? role_count(&c.shape, r) : 0;
        double largest = 0;
        for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(memory[r][i]));
        any = fmax(any, largest);
        for (int64_t i = 0; i < n; i++) {
            double kept = data[r][i], h = 1e-6, ends[2];
            for (int side = 0; side < 2; side++) {
                data[r][i] = kept + (side ? h : -h);
                ends[side] = run_loss(loss, &c, NULL).total;
            }
            data[r][i] = kept;
            double slope = (ends[1] - ends[0]) / (2 * h);
            if (fabs(slope - memory[r][i]) > 2e-6 * (1 + largest))
                fail_msg("%s: input %d element %d: differences give %.9g, the gradient is %.9g", name, r, (int)i,
                         slope, memory[r][i]);
        }
    }
    assert_true(any > 1e-4); /* a gradient of nothing would agree too easily */
    oassl_loss_destroy(loss);
}

static loss_case case_of(int32_t kind) {
    loss_case c = {OASSL_LOSS_OPTIONS_INIT, {sizeof(oassl_loss_shape), OASSL_DTYPE_F64, B, D, H, W, K}, {0}};
    c.options.kind = kind;
    int maps = kind == OASSL_LOSS_LVS_MAPS || kind == OASSL_LOSS_ORI_MAPS;
    if (maps) c.shape.channels = 0;
    if (kind == OASSL_LOSS_LVS_MAPS) c.in[R_SIMILARITY] = data[R_SIMILARITY];
    if (kind == OASSL_LOSS_ORI_MAPS) c.in[R_MAPS] = data[R_MAPS];
    if (!maps) c.in[R_VISUAL] = data[R_VISUAL];
    if (kind == OASSL_LOSS_OASSL || kind == OASSL_LOSS_LVS || kind == OASSL_LOSS_OCA) c.in[R_AUDIO] = data[R_AUDIO];
    if (kind == OASSL_LOSS_OASSL || kind == OASSL_LOSS_OCA || kind == OASSL_LOSS_ORI) {
        c.in[R_FOREGROUND] = data[R_FOREGROUND];
        c.in[R_BACKGROUND] = data[R_BACKGROUND];
    }
    return c;
}

#define CHECK(kind_, ...)                                                                                             \
    do {                                                                                                              \
        loss_case c = case_of(kind_);                                                                                 \
        oassl_loss_options *o = &c.options;                                                                           \
        (void)o;                                                                                                      \
        __VA_ARGS__;                                                                                                  \
        check(#kind_ " " #__VA_ARGS__, c, 1);                                                                         \
        check(#kind_ " " #__VA_ARGS__ " (second draw)", c, 2);                                                        \
    } while (0)

static void lvs(void **state) {
    (void)state;
    CHECK(OASSL_LOSS_LVS, );
    CHECK(OASSL_LOSS_LVS, c.shape.batch = 1);
    CHECK(OASSL_LOSS_LVS_MAPS, );
    CHECK(OASSL_LOSS_LVS_MAPS, o->lvs_exclude_diagonal = 1);
    CHECK(OASSL_LOSS_LVS_MAPS, o->lvs_no_trimap = 1);
    CHECK(OASSL_LOSS_LVS_MAPS, o->lvs_no_hard_negatives = 1);
    CHECK(OASSL_LOSS_LVS_MAPS, o->lvs_exclude_diagonal = o->lvs_no_hard_negatives = 1);
    CHECK(OASSL_LOSS_LVS_MAPS, o->lvs_positive = 0.5; o->lvs_negative = 0.2; o->lvs_width = 0.1;
          o->lvs_temperature = 1);
}

static void oca(void **state) {
    (void)state;
    CHECK(OASSL_LOSS_OCA, );
    CHECK(OASSL_LOSS_OCA, o->oca_rule = OASSL_OCA_REF_REF);
    CHECK(OASSL_LOSS_OCA, o->oca_per_source = 1);
    CHECK(OASSL_LOSS_OCA, o->oca_per_source = 1; o->oca_temperature = 0.07; o->oca_tau = 0.1);
    CHECK(OASSL_LOSS_OCA, o->oca_per_source = 1; o->allow_empty_background = 1; c.in[R_WEIGHT] = data[R_WEIGHT]);
    CHECK(OASSL_LOSS_OCA, o->oca_tau = 0.1);
    CHECK(OASSL_LOSS_OCA, o->oca_tau = 2);
    CHECK(OASSL_LOSS_OCA, o->oca_temperature = 0.07);
    CHECK(OASSL_LOSS_OCA, o->oca_positive = 0.3; o->oca_negative = 0.1; o->oca_width = 0.1);
    CHECK(OASSL_LOSS_OCA, c.shape.batch = 1);
    CHECK(OASSL_LOSS_OCA, c.shape.n_foreground = 1);
    CHECK(OASSL_LOSS_OCA, o->allow_empty_background = 1; c.in[R_WEIGHT] = data[R_WEIGHT]);
}

static void ori(void **state) {
    (void)state;
    CHECK(OASSL_LOSS_ORI, );
    CHECK(OASSL_LOSS_ORI, o->ori_reduction = OASSL_ORI_BATCH_MEAN);
    CHECK(OASSL_LOSS_ORI, o->allow_empty_background = 1; c.in[R_WEIGHT] = data[R_WEIGHT]);
    CHECK(OASSL_LOSS_ORI_MAPS, );
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_cost = OASSL_ORI_MASS);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_transform = OASSL_ORI_RELU);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_transform = OASSL_ORI_HALF);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_transform = OASSL_ORI_MINMAX);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_transform = OASSL_ORI_MINMAX; o->ori_cost = OASSL_ORI_MASS);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_coordinates = OASSL_ORI_GRID);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_squared = 1);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_squared = 1; o->ori_cost = OASSL_ORI_MASS);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_spatial_weight = 0.3);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_spatial_weight = -1);
    CHECK(OASSL_LOSS_ORI_MAPS, o->ori_epsilon = 0.5; o->ori_iterations = 3; o->ori_stop = -1);
    CHECK(OASSL_LOSS_ORI_MAPS, c.shape.height = 1);
}

static void total(void **state) {
    (void)state;
    CHECK(OASSL_LOSS_OASSL, );
    CHECK(OASSL_LOSS_OASSL, o->preset = OASSL_LOSS_PRESET_EQ8);
    CHECK(OASSL_LOSS_OASSL, o->lambda_oca = 0; o->lambda_ori = 0; c.in[R_FOREGROUND] = c.in[R_BACKGROUND] = NULL);
    CHECK(OASSL_LOSS_OASSL, o->lambda_base = 0.3; o->lambda_oca = 2; o->lambda_ori = 0.7);
}

static int open_reference(void **state) {
    (void)state;
    reference = open_context("reference");
    return reference ? 0 : -1;
}

static int close_reference(void **state) {
    (void)state;
    oassl_context_destroy(reference);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lvs), cmocka_unit_test(oca), cmocka_unit_test(ori),
                                       cmocka_unit_test(total)};
    return cmocka_run_group_tests(tests, open_reference, close_reference);
}
