/* The losses against the known answers of the specification (f64 on the reference backend, f32 on what there is),
 * their stability at the ends of the range, and their errors. */
#include "support/loss_run.h"

#include <math.h>
#include <stdlib.h>

#include "data/loss_kat.h"

static oassl_context *reference, *fast; /* fast: the plug-in for f32, or NULL */

static loss_case case_of(const loss_kat *k) {
    loss_case c = {
        k->options, k->shape, {k->visual, k->audio, k->foreground, k->background, NULL, k->similarity, k->maps}};
    return c;
}

static void expect_close(const char *name, const char *what, double found, double expected, double tolerance) {
    if (fabs(found - expected) > tolerance)
        fail_msg("%s %s: expected %.12g, found %.12g", name, what, expected, found);
}

static void check_kat(oassl_context *context, const loss_kat *k, int32_t dtype, double value_tol,
                      double gradient_tol) {
    static double memory[N_ROLES][64];
    const double *expected[N_ROLES] = {k->d_visual, k->d_audio,      k->d_foreground, k->d_background,
                                       NULL,        k->d_similarity, k->d_maps};
    double *gradients[N_ROLES] = {0};
    loss_case c = case_of(k);
    c.shape.dtype = dtype;
    oassl_loss *loss;
    MUST(oassl_loss_create(context, &c.options, &c.shape, &loss));
    for (int r = 0; r < N_ROLES; r++)
        if (expected[r]) gradients[r] = memory[r];
    oassl_loss_value value = run_loss(loss, &c, gradients), alone = run_loss(loss, &c, NULL);
    double scale = 1 + fabs(k->total);
    expect_close(k->name, "value", value.total, k->total, value_tol * scale);
    expect_close(k->name, "value without gradients", alone.total, k->total, value_tol * scale);
    if (k->frg != 0) expect_close(k->name, "foreground", value.foreground, k->frg, value_tol * scale);
    if (k->bkg != 0) expect_close(k->name, "background", value.background, k->bkg, value_tol * scale);
    for (int r = 0; r < N_ROLES; r++) {
        double largest = 0;
        int64_t n = expected[r] ? role_count(&c.shape, r) : 0;
        for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(expected[r][i]));
        for (int64_t i = 0; i < n; i++)
            expect_close(k->name, "gradient", gradients[r][i], expected[r][i], gradient_tol * (largest + 1e-3));
    }
    oassl_loss_destroy(loss);
}

static void known_answers_f64(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof loss_kats / sizeof *loss_kats; i++)
        check_kat(reference, &loss_kats[i], OASSL_DTYPE_F64, 1e-9, 1e-9);
}

static void known_answers_f32(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof loss_kats / sizeof *loss_kats; i++) {
        /* A stop test at 1e-9 never holds in f32: more iterations, more rounding. */
        double looser = loss_kats[i].options.ori_stop == 1e-9 ? 20 : 1;
        check_kat(reference, &loss_kats[i], OASSL_DTYPE_F32, 1e-5 * looser, 1e-4 * looser);
        if (fast) check_kat(fast, &loss_kats[i], OASSL_DTYPE_F32, 1e-5 * looser, 1e-4 * looser);
    }
    if (!fast) print_message("no onednn plug-in: f32 on the reference backend only\n");
}

/* ---- stability ------------------------------------------------------------------------------------------------ */

enum { B = 3, D = 4, H = 2, W = 2, K = 2 };

static double picture[B * D * H * W], sound[B * D], captions[B * K * D], backgrounds[B * D], weights[B];

/* Sounds opposite (sign -1), parallel (1) or at right angles (0) to every position of their pictures, but for a slope
 * of a few degrees that tells the positions apart. */
static loss_case aligned_case(double sign, int32_t dtype) {
    loss_case c = {OASSL_LOSS_OPTIONS_INIT, {sizeof(oassl_loss_shape), dtype, B, D, H, W, K}, {0}};
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++) {
            for (int p = 0; p < H * W; p++)
                picture[(b * D + d) * H * W + p] =
                    (d == b % D ? 1.0 : 0.1) * (1 + 0.2 * p) + 0.05 * sin(1.7 * (b * D + d) + p);
            double along = d == b % D ? 1.0 : 0.1, across = d == b % D ? 0.3 : -1.0;
            sound[b * D + d] = sign != 0 ? sign * along : across;
            backgrounds[b * D + d] = sin(2.0 + 3 * b + d);
            for (int k = 0; k < K; k++) captions[(b * K + k) * D + d] = cos(1.0 + 5 * b + 2 * d + 0.3 * k);
        }
    c.in[R_VISUAL] = picture;
    c.in[R_AUDIO] = sound;
    c.in[R_FOREGROUND] = captions;
    c.in[R_BACKGROUND] = backgrounds;
    return c;
}

static double largest(const double *x, int n) {
    double most = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i])) fail_msg("gradient %d is %g", i, x[i]);
        most = fmax(most, fabs(x[i]));
    }
    return most;
}

/* OCA where masks are e^-50 and smaller: f32 must agree with f64, and the signal must not vanish (an epsilon of 1e-8
 * in a cosine would make it). */
static void check_extreme(oassl_context *context, double sign) {
    enum { MOST_IN = B * D * H * W };
    static double memory[2][4][MOST_IN];
    static const int counts[4] = {B * D * H * W, B * D, B * K * D, B * D};
    for (int pass = 0; pass < 2; pass++) {
        loss_case c = aligned_case(sign, pass ? OASSL_DTYPE_F32 : OASSL_DTYPE_F64);
        c.options.kind = OASSL_LOSS_OCA;
        double *gradients[N_ROLES] = {memory[pass][0], memory[pass][1], memory[pass][2], memory[pass][3]};
        oassl_loss *loss;
        MUST(oassl_loss_create(pass ? context : reference, &c.options, &c.shape, &loss));
        oassl_loss_value value = run_loss(loss, &c, gradients);
        assert_true(isfinite(value.total) && value.foreground > 0 && value.background > 0);
        oassl_loss_destroy(loss);
    }
    for (int r = 0; r < 4; r++) {
        double most = largest(memory[0][r], counts[r]);
        largest(memory[1][r], counts[r]);
        assert_true(most > (r == R_VISUAL ? 1e-3 : 1e-6));
        for (int i = 0; i < counts[r]; i++)
            expect_close("extreme", "gradient", memory[1][r][i], memory[0][r][i], 1e-3 * most + 1e-6);
    }
}

static void extremes_in_f32(void **state) {
    (void)state;
    for (int sign = -1; sign <= 1; sign++) {
        check_extreme(reference, sign);
        if (fast) check_extreme(fast, sign);
    }
}

static void zero_vectors_are_finite(void **state) {
    (void)state;
    static double dv[B * D * H * W], da[B * D], df[B * K * D], db[B * D];
    double *gradients[N_ROLES] = {dv, da, df, db};
    for (int32_t dtype = OASSL_DTYPE_F32; dtype <= OASSL_DTYPE_F64; dtype++) {
        loss_case c = aligned_case(1, dtype);
        for (int d = 0; d < D; d++) {
            picture[d * H * W] = 0; /* one position after a ReLU that let nothing through */
            sound[D + d] = 0;
        }
        oassl_loss *loss;
        MUST(oassl_loss_create(reference, &c.options, &c.shape, &loss));
        oassl_loss_value value = run_loss(loss, &c, gradients);
        assert_true(isfinite(value.total) && isfinite(value.base) && isfinite(value.oca) && isfinite(value.ori));
        largest(dv, B * D * H * W);
        largest(da, B * D);
        largest(df, B * K * D);
        largest(db, B * D);
        oassl_loss_destroy(loss);
    }
}

/* ---- options ---------------------------------------------------------------------------------------------------- */

static oassl_loss_value value_of(const loss_case *c) {
    oassl_loss *loss;
    MUST(oassl_loss_create(reference, &c->options, &c->shape, &loss));
    oassl_loss_value value = run_loss(loss, c, NULL);
    oassl_loss_destroy(loss);
    return value;
}

static void total_is_the_weighted_sum(void **state) {
    (void)state;
    loss_case c = aligned_case(0, OASSL_DTYPE_F64);
    c.options.lambda_base = 0.5;
    c.options.lambda_oca = 2;
    c.options.lambda_ori = 0.25;
    oassl_loss_value v = value_of(&c);
    expect_close("total", "sum", v.total, 0.5 * v.base + 2 * v.oca + 0.25 * v.ori, 1e-12);
    expect_close("total", "oca", v.oca, (v.foreground + v.background) / 2, 1e-12);
    loss_case eq8 = c;
    eq8.options.preset = OASSL_LOSS_PRESET_EQ8;
    oassl_loss_value w = value_of(&eq8);
    assert_true(w.base == 0);
    expect_close("eq8", "sum", w.total, 2 * v.oca + 0.25 * v.ori, 1e-12);
}

/* Samples without background: the mean of L_bkg runs over the others, their ORI pairs with the background are left
 * out. */
static void empty_backgrounds_are_skipped(void **state) {
    (void)state;
    loss_case c = aligned_case(0, OASSL_DTYPE_F64);
    oassl_loss_value plain = value_of(&c);
    c.options.allow_empty_background = 1;
    c.in[R_WEIGHT] = weights;
    weights[0] = weights[1] = weights[2] = 1;
    oassl_loss_value all = value_of(&c);
    expect_close("weights", "all present", all.total, plain.total, 1e-12);
    weights[1] = 0;
    oassl_loss_value some = value_of(&c);
    for (int d = 0; d < D; d++) backgrounds[D + d] = 100 * sin(7 * d + 1); /* must not matter any more */
    oassl_loss_value other = value_of(&c);
    expect_close("weights", "ignored background", other.total, some.total, 1e-12);
    expect_close("weights", "foreground", some.foreground, plain.foreground, 1e-12);
    assert_true(fabs(some.background - plain.background) > 1e-6 && some.ori < plain.ori);
    weights[0] = weights[2] = 0;
    oassl_loss_value none = value_of(&c);
    assert_true(none.background == 0 && isfinite(none.total));
}

static void batch_of_one(void **state) {
    (void)state;
    loss_case c = aligned_case(0, OASSL_DTYPE_F64);
    c.shape.batch = 1;
    oassl_loss_value v = value_of(&c);
    assert_true(isfinite(v.total) && v.foreground > 0);
}

static void strided_views(void **state) {
    (void)state;
    loss_case c = aligned_case(0, OASSL_DTYPE_F64);
    c.options.kind = OASSL_LOSS_LVS;
    double dense[B * D * H * W], *gradients[N_ROLES] = {dense};
    c.in[R_FOREGROUND] = c.in[R_BACKGROUND] = NULL;
    oassl_loss *loss;
    MUST(oassl_loss_create(reference, &c.options, &c.shape, &loss));
    oassl_loss_value expected = run_loss(loss, &c, gradients);
    /* the same pictures channels-last, gradients too */
    double last[B * D * H * W], gradient_last[B * D * H * W];
    oassl_tensor visual = dense_view(&c.shape, R_VISUAL, last), audio = dense_view(&c.shape, R_AUDIO, sound);
    const int64_t strides[4] = {D * H * W, 1, W * D, D};
    memcpy(visual.strides, strides, sizeof strides);
    oassl_tensor gradient = visual;
    gradient.data = gradient_last;
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            for (int p = 0; p < H * W; p++) last[b * D * H * W + p * D + d] = picture[(b * D + d) * H * W + p];
    oassl_loss_tensors in = {sizeof in, .visual = &visual, .audio = &audio}, out = {sizeof out, .visual = &gradient};
    oassl_loss_value value = {sizeof value};
    MUST(oassl_loss_evaluate(loss, &in, &value, &out));
    assert_true(value.total == expected.total);
    for (int b = 0; b < B; b++)
        for (int d = 0; d < D; d++)
            for (int p = 0; p < H * W; p++)
                assert_true(gradient_last[b * D * H * W + p * D + d] == dense[(b * D + d) * H * W + p]);
    oassl_loss_destroy(loss);
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static void expect_error(oassl_status found, oassl_status expected, const char *part) {
    if (found != expected) fail_msg("expected status %d, found %d: %s", expected, found, oassl_last_error());
    if (!strstr(oassl_last_error(), part)) fail_msg("'%s' does not name '%s'", oassl_last_error(), part);
}

static void errors_name_the_tensor(void **state) {
    (void)state;
    loss_case c = aligned_case(0, OASSL_DTYPE_F64);
    oassl_loss *loss;
    MUST(oassl_loss_create(reference, &c.options, &c.shape, &loss));
    oassl_tensor views[4];
    for (int r = 0; r < 4; r++) views[r] = dense_view(&c.shape, r, (void *)c.in[r]);
    oassl_loss_tensors in = {sizeof in, .visual = &views[0], .audio = &views[1], .foreground = &views[2],
                             .background = &views[3]};
    oassl_loss_value value = {sizeof value};
    sound[D + 2] = NAN;
    expect_error(oassl_loss_evaluate(loss, &in, &value, NULL), OASSL_STATUS_NON_FINITE,
                 "audio: element [1, 2] is NaN");
    assert_true(value.total == 0);
    sound[D + 2] = 1;
    views[2].shape[1] = K + 1;
    expect_error(oassl_loss_evaluate(loss, &in, &value, NULL), OASSL_STATUS_SHAPE_MISMATCH,
                 "foreground: expected F64 [3, 2, 4], found F64 [3, 3, 4]");
    views[2].shape[1] = K;
    views[3].dtype = OASSL_DTYPE_F32;
    expect_error(oassl_loss_evaluate(loss, &in, &value, NULL), OASSL_STATUS_SHAPE_MISMATCH, "background");
    views[3].dtype = OASSL_DTYPE_F64;
    in.maps = &views[0];
    expect_error(oassl_loss_evaluate(loss, &in, &value, NULL), OASSL_STATUS_INVALID_ARGUMENT, "maps");
    in.maps = NULL;
    in.background = NULL;
    expect_error(oassl_loss_evaluate(loss, &in, &value, NULL), OASSL_STATUS_INVALID_ARGUMENT, "background");
    in.background = &views[3];
    oassl_tensor wrong = views[0];
    wrong.shape[3] = W + 1;
    oassl_loss_tensors out = {sizeof out, .visual = &wrong};
    expect_error(oassl_loss_evaluate(loss, &in, &value, &out), OASSL_STATUS_SHAPE_MISMATCH, "gradient of visual");
    oassl_loss_destroy(loss);
}

static void bad_options(void **state) {
    (void)state;
    oassl_loss *loss = (oassl_loss *)&loss;
    oassl_loss_shape shape = {sizeof shape, OASSL_DTYPE_F32, 2, 4, 2, 2, 1};
#define REFUSED(part, ...)                                                                                            \
    do {                                                                                                              \
        oassl_loss_options o = OASSL_LOSS_OPTIONS_INIT;                                                               \
        __VA_ARGS__;                                                                                                  \
        expect_error(oassl_loss_create(reference, &o, &shape, &loss), OASSL_STATUS_INVALID_ARGUMENT, part);           \
        assert_null(loss);                                                                                            \
    } while (0)
    REFUSED("kind", o.kind = 9);
    REFUSED("oca_rule", o.oca_rule = 2);
    REFUSED("lvs_width", o.lvs_width = -1);
    REFUSED("oca_temperature", o.oca_temperature = NAN);
    REFUSED("lambda_ori", o.lambda_ori = -0.1);
    REFUSED("lambda_base", o.lambda_base = o.lambda_oca = o.lambda_ori = 0);
    REFUSED("batch", shape.batch = 0);
    shape.batch = 2;
    REFUSED("n_foreground", shape.n_foreground = 0);
    shape.n_foreground = 1;
    REFUSED("dtype", shape.dtype = OASSL_DTYPE_I32);
}

static int open_contexts(void **state) {
    (void)state;
    reference = open_context("reference");
    fast = open_context("onednn");
    if (!reference) fprintf(stderr, "%s\n", oassl_last_error());
    return reference ? 0 : -1;
}

static int close_contexts(void **state) {
    (void)state;
    oassl_context_destroy(reference);
    oassl_context_destroy(fast);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_f64),
        cmocka_unit_test(known_answers_f32),
        cmocka_unit_test(extremes_in_f32),
        cmocka_unit_test(zero_vectors_are_finite),
        cmocka_unit_test(total_is_the_weighted_sum),
        cmocka_unit_test(empty_backgrounds_are_skipped),
        cmocka_unit_test(batch_of_one),
        cmocka_unit_test(strided_views),
        cmocka_unit_test(errors_name_the_tensor),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
