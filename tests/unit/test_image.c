#include "front_helpers.h"

#include <zlib.h>

#include "data/front/front_vectors.h"
#include "data/front/map_known.h"
#include "dsp/image_preset.h"
#include "dsp/overlay.h"
#include "dsp/picture_file.h"
#include "dsp/resize.h"

/* ---- resizing ---- */

static void test_pillow_known_answers(void **state) {
    (void)state;
    uint8_t in[6 * 9], out[35];
    for (int k = 0; k < 54; k++) in[k] = (uint8_t)(k * 37 + k * k % 101 * 3);
    static const uint8_t down[20] = {48, 125, 128, 73,  192, 152, 94,  84,  126, 169,
                                     99, 148, 117, 177, 107, 115, 207, 202, 91,  142};
    static const uint8_t up[35] = {0,   4,   28, 52,  81,  125, 149, 12, 34, 79, 117, 140, 120, 106, 57, 90, 152, 200,
                                   206, 108, 49, 169, 157, 134, 105, 83, 90, 97, 239, 195, 114, 32,  0,  80, 135};
    assert_ok(oai_resize_u8(HOST, in, 9, 6, 9, 1, OASSL_RESIZE_PILLOW_BICUBIC, out, 5, 4, 5));
    assert_memory_equal(out, down, sizeof down);
    assert_ok(
        oai_resize_u8(HOST, in, 4, 3, 9, 1, OASSL_RESIZE_PILLOW_BICUBIC, out, 7, 5, 7)); /* a corner, by stride */
    assert_memory_equal(out, up, sizeof up);
}

static void test_pillow_many_sizes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pillow_crc / sizeof pillow_crc[0]; i++) {
        const int32_t w = pillow_crc[i].in_w, h = pillow_crc[i].in_h, ow = pillow_crc[i].out_w,
                      oh = pillow_crc[i].out_h;
        const size_t n = 3 * (size_t)ow * (size_t)oh;
        uint8_t *in = front_memory(3 * (size_t)w * (size_t)h), *out = front_memory(n);
        front_noise(in, 3 * (size_t)w * (size_t)h);
        assert_ok(oai_resize_u8(HOST, in, w, h, 3 * w, 3, OASSL_RESIZE_PILLOW_BICUBIC, out, ow, oh, 3 * ow));
        if (crc32(0, out, (uInt)n) != pillow_crc[i].bicubic) fail_msg("bicubic %dx%d to %dx%d", w, h, ow, oh);
        assert_ok(oai_resize_u8(HOST, in, w, h, 3 * w, 3, OASSL_RESIZE_PILLOW_BILINEAR, out, ow, oh, 3 * ow));
        if (crc32(0, out, (uInt)n) != pillow_crc[i].bilinear) fail_msg("bilinear %dx%d to %dx%d", w, h, ow, oh);
        free(in);
        free(out);
    }
}

static void test_row_strides(void **state) {
    (void)state;
    enum { W = 20, H = 10, ROW = 71, OW = 7, OH = 13, OUT_ROW = 30 };
    uint8_t in[ROW * H], tight[3 * W * H], a[OUT_ROW * OH], b[3 * OW * OH];
    front_noise(in, sizeof in);
    for (int y = 0; y < H; y++) memcpy(tight + 3 * W * y, in + ROW * y, 3 * W);
    memset(a, 0xAB, sizeof a);
    assert_ok(oai_resize_u8(HOST, in, W, H, ROW, 3, OASSL_RESIZE_PILLOW_BICUBIC, a, OW, OH, OUT_ROW));
    assert_ok(oai_resize_u8(HOST, tight, W, H, 3 * W, 3, OASSL_RESIZE_PILLOW_BICUBIC, b, OW, OH, 3 * OW));
    for (int y = 0; y < OH; y++) {
        assert_memory_equal(a + OUT_ROW * y, b + 3 * OW * y, 3 * OW);
        for (int x = 3 * OW; x < OUT_ROW; x++) assert_int_equal(a[OUT_ROW * y + x], 0xAB);
    }
}

static void test_map_known_answers(void **state) { /* metrics.md 2.3, to 5 x 7 */
    (void)state;
    static const float map[9] = {0.1f, 0.7f, 0.3f, 0.9f, 0.2f, 0.5f, 0.4f, 0.8f, -0.6f};
    float out[35];
    for (size_t i = 0; i < 4; i++) {
        assert_ok(oai_resize_f32(HOST, map, 3, 3, 3, map_known[i].kernel, out, 7, 5, 7));
        for (int k = 0; k < 35; k++) assert_near(out[k], map_known[i].out[k], 1e-6);
    }
}

static void test_torch_resizing(void **state) {
    (void)state;
    uint8_t bytes[35];
    float in[5 * 9], out[128];
    front_noise(bytes, sizeof bytes);
    for (int i = 0; i < 35; i++) in[i / 7 * 9 + i % 7] = (float)(bytes[i] / 255.0 - 0.5);
    for (size_t i = 0; i < sizeof torch_resize / sizeof torch_resize[0]; i++) {
        const int32_t w = torch_resize[i].out_w, h = torch_resize[i].out_h;
        assert_ok(oai_resize_f32(HOST, in, 7, 5, 9, torch_resize[i].kernel, out, w, h, w));
        for (int k = 0; k < w * h; k++) assert_near(out[k], torch_resized[torch_resize[i].first + k], 1e-6);
    }
    assert_fails(oai_resize_f32(HOST, in, 7, 5, 9, OASSL_RESIZE_PILLOW_BICUBIC, out, 1, 1, 1),
                 OASSL_STATUS_INVALID_ARGUMENT, "kernel 1");
    assert_fails(oai_resize_f32(HOST, in, 7, 5, 9, OASSL_RESIZE_BILINEAR, out, 0, 1, 1), OASSL_STATUS_INVALID_ARGUMENT,
                 "7x5 to 0x1");
    assert_fails(oai_resize_f32(HOST, in, 7, 5, 9, OASSL_RESIZE_BILINEAR, out, 1 << 30, 1, 1),
                 OASSL_STATUS_INVALID_ARGUMENT, "sides");
}

/* ---- presets ---- */

static oai_image_rules rules_of(int32_t preset, int32_t size) {
    oassl_image_options o = OASSL_IMAGE_OPTIONS_INIT;
    oai_image_rules rules;
    o.preset = preset;
    o.size = size;
    assert_ok(oai_image_resolve(&o, &rules));
    return rules;
}

static void test_size_and_crop_rules(void **state) {
    (void)state;
    oai_image_rules r = rules_of(OASSL_IMAGE_PRESET_LVS, 246);
    oai_image_plan p;
    assert_ok(oai_image_plan_test(&r, 640, 480, &p));
    assert_true(p.resized_width == 328 && p.resized_height == 246 && p.crop_x == 41 && p.crop_y == 0);
    r = rules_of(OASSL_IMAGE_PRESET_LVS, 0);
    assert_ok(oai_image_plan_test(&r, 481, 360, &p));
    assert_true(p.resized_width == 299 && p.resized_height == 224 && p.crop_x == 38 && p.crop_y == 0); /* 37.5 */
    assert_ok(oai_image_plan_test(&r, 360, 484, &p));
    assert_true(p.resized_width == 224 && p.resized_height == 301 && p.crop_x == 0 && p.crop_y == 38); /* 38.5 */
    r = rules_of(OASSL_IMAGE_PRESET_OASSL, 0);
    assert_ok(oai_image_plan_test(&r, 640, 480, &p));
    assert_true(p.resized_width == 224 && p.resized_height == 224 && p.crop_x == 0 && p.crop_y == 0);
    assert_fails(oai_image_plan_test(&r, 0, 480, &p), OASSL_STATUS_INVALID_ARGUMENT, "0x480");
    r = rules_of(OASSL_IMAGE_PRESET_LVS, 0);
    assert_fails(oai_image_plan_test(&r, 1, 32768, &p), OASSL_STATUS_UNSUPPORTED, "1x32768");
}

static void test_normalised_pixels(void **state) {
    (void)state;
    static const double imagenet[3] = {-2.11790393013, 0.205182072829, 2.64};
    static const double clip[3] = {-1.79226253375, 0.168897239031, 2.14589698906};
    uint8_t rgb[3] = {0, 128, 255};
    oassl_image image = {.rgb = rgb, .width = 1, .height = 1};
    oassl_image_options o = OASSL_IMAGE_OPTIONS_INIT;
    oai_image_rules r;
    oai_image_plan p;
    float out[3];
    o.size = 1;
    for (int kernel = 0; kernel <= OASSL_RESIZE_BICUBIC; kernel += OASSL_RESIZE_BICUBIC) {
        o.kernel = kernel;
        for (int s = 1; s <= 3; s++) {
            o.statistics = s;
            assert_ok(oai_image_resolve(&o, &r));
            assert_ok(oai_image_plan_test(&r, 1, 1, &p));
            assert_ok(oai_image_apply(HOST, &p, &image, out, 1, 1));
            for (int c = 0; c < 3; c++)
                assert_near(out[c], s == 1 ? imagenet[c] : s == 2 ? clip[c] : rgb[c] / 255.0, 1e-6);
        }
    }
}

static void check_prepared(const oassl_image_options *options, const float *expected, double tolerance) {
    uint8_t rgb[3 * 53 * 37];
    float out[3 * 32 * 32];
    front_noise(rgb, sizeof rgb);
    oassl_image image = {.rgb = rgb, .width = 53, .height = 37};
    oai_image_rules r;
    oai_image_plan p;
    assert_ok(oai_image_resolve(options, &r));
    assert_ok(oai_image_plan_test(&r, 53, 37, &p));
    assert_ok(oai_image_apply(HOST, &p, &image, out, 32 * 32, 32));
    double mean = 0;
    for (int i = 0; i < 3072; i++) mean += out[i] / 3072.0;
    assert_near(mean, expected[0], tolerance);
    assert_near(out[0], expected[1], tolerance);
    assert_near(out[1024 + 5 * 32 + 17], expected[2], tolerance);
    assert_near(out[3071], expected[3], tolerance);
}

static void test_prepared_like_torchvision(void **state) {
    (void)state;
    oassl_image_options o = OASSL_IMAGE_OPTIONS_INIT;
    o.size = 32;
    assert_ok(oai_image_preset_find("lvs", &o.preset));
    check_prepared(&o, prepared_lvs, 1e-6);
    assert_ok(oai_image_preset_find("slavc", &o.preset));
    check_prepared(&o, prepared_ezvsl, 1e-6);
    o.preset = OASSL_IMAGE_PRESET_DEFAULT;
    check_prepared(&o, prepared_ezvsl, 1e-6);
    assert_ok(oai_image_preset_find("sslalignment", &o.preset));
    check_prepared(&o, prepared_sslalignment, 2e-5);
    o.kernel = OASSL_RESIZE_BICUBIC_ANTIALIAS;
    check_prepared(&o, prepared_sslalignment_aa, 2e-5);
    o.kernel = OASSL_RESIZE_PILLOW_BICUBIC, o.geometry = OASSL_IMAGE_GEOMETRY_CROP; /* "LVS transform" */
    check_prepared(&o, prepared_lvs, 1e-6);
    o.statistics = OASSL_IMAGE_STATISTICS_CLIP;
    check_prepared(&o, prepared_clip_crop, 1e-6);
    assert_fails(oai_image_preset_find("nobody", &o.preset), OASSL_STATUS_NOT_FOUND, "nobody");
    o.preset = 77;
    oai_image_rules r;
    assert_fails(oai_image_resolve(&o, &r), OASSL_STATUS_INVALID_ARGUMENT, "preset is 77");
}

static void test_training_choices(void **state) {
    (void)state;
    oai_image_rules r = rules_of(OASSL_IMAGE_PRESET_EZVSL, 0), still = rules_of(OASSL_IMAGE_PRESET_NOPRIOR, 0);
    int flips = 0, low = 1000, high = -1;
    oai_image_plan p, q;
    for (uint64_t seed = 0; seed < 400; seed++) {
        oai_rng a = oai_rng_stream(seed, 1), b = a;
        assert_ok(oai_image_plan_train(&r, 640, 480, &a, &p));
        assert_true(p.resized_width == 328 && p.resized_height == 246);
        assert_true(p.crop_x >= 0 && p.crop_x <= 104 && p.crop_y >= 0 && p.crop_y <= 22);
        flips += p.flip;
        low = p.crop_x < low ? p.crop_x : low;
        high = p.crop_x > high ? p.crop_x : high;
        assert_ok(oai_image_plan_train(&still, 640, 480, &b, &q));
        assert_true(q.flip == 0 && q.crop_x == p.crop_x && q.crop_y == p.crop_y && a.state == b.state);
    }
    assert_true(flips > 160 && flips < 240);
    assert_true(low <= 2 && high >= 102);
    r = rules_of(OASSL_IMAGE_PRESET_OASSL, 352);
    oai_rng rng = {1};
    assert_ok(oai_image_plan_train(&r, 500, 400, &rng, &p));
    assert_int_equal(p.resized_height, 387);
}

/* Pixels, boxes and maps all go through the same geometry: a bright block stays inside its box. */
static void check_geometry(oai_image_plan *plan, int w, int h) {
    oassl_image_placement placement;
    oassl_image image;
    assert_ok(oai_picture_alloc(HOST, w, h, &image));
    memset(image.rgb, 0, (size_t)(3 * w * h));
    const int x0 = w / 2, x1 = w / 2 + w / 5, y0 = h / 3, y1 = h / 3 + h / 4;
    for (int y = y0; y < y1; y++) memset(image.rgb + 3 * (y * w + x0), 255, 3 * (size_t)(x1 - x0));
    const int size = plan->rules.size;
    float *out = front_memory(3 * (size_t)(size * size) * sizeof *out),
          *back = front_memory((size_t)(w * h) * sizeof *back);
    assert_ok(oai_image_apply(HOST, plan, &image, out, size * size, size));
    oai_image_plan_placement(plan, &placement);
    double box[4] = {x0, y0, x1, y1}, at[4], again[4];
    oai_box_to_input(&placement, box, at);
    oai_box_to_picture(&placement, at, again);
    for (int k = 0; k < 4; k++) assert_near(again[k], box[k], 1e-9);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            double in_x = fmin(x + 0.5 - at[0], at[2] - x - 0.5), in_y = fmin(y + 0.5 - at[1], at[3] - y - 0.5);
            double inside = fmin(in_x, in_y);
            if (inside > 2) assert_true(out[y * size + x] > 1);
            if (inside < -2) assert_true(out[y * size + x] < -1);
        }
    assert_ok(oai_map_to_picture(HOST, plan, out, size, size, OASSL_RESIZE_BILINEAR, back));
    double sum = 0, sum_x = 0, sum_y = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if (back[y * w + x] > 0) sum += 1, sum_x += x + 0.5, sum_y += y + 0.5;
    assert_near(sum_x / sum, (x0 + x1) / 2.0, 1);
    assert_near(sum_y / sum, (y0 + y1) / 2.0, 1);
    oai_picture_release(HOST, &image);
    free(out);
    free(back);
}

static void test_one_geometry_for_all(void **state) {
    (void)state;
    oai_image_plan p;
    for (int preset = 1; preset <= 5; preset++) {
        oai_image_rules r = rules_of(preset, 96);
        assert_ok(oai_image_plan_test(&r, 200, 120, &p));
        check_geometry(&p, 200, 120);
        assert_ok(oai_image_plan_test(&r, 60, 120, &p));
        check_geometry(&p, 60, 120);
    }
    oai_image_rules r = rules_of(OASSL_IMAGE_PRESET_LVS, 96);
    int flipped = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        oai_rng rng = oai_rng_stream(seed, 7);
        assert_ok(oai_image_plan_train(&r, 140, 120, &rng, &p));
        check_geometry(&p, 140, 120);
        flipped += p.flip;
    }
    assert_true(flipped > 0 && flipped < 6);
    uint8_t rgb[3] = {0};
    oassl_image image = {.rgb = rgb, .width = 1, .height = 1};
    float out;
    assert_fails(oai_image_apply(HOST, &p, &image, &out, 1, 1), OASSL_STATUS_INVALID_ARGUMENT, "1x1");
}

static void test_side_by_side_inputs(void **state) { /* two pictures into one [3, 8, 16] input */
    (void)state;
    uint8_t rgb[3 * 16];
    float wide[3 * 8 * 16], alone[3 * 8 * 8];
    front_noise(rgb, sizeof rgb);
    oassl_image image = {.rgb = rgb, .width = 4, .height = 4};
    oai_image_rules r = rules_of(OASSL_IMAGE_PRESET_OASSL, 8);
    oai_image_plan p;
    assert_ok(oai_image_plan_test(&r, 4, 4, &p));
    for (int i = 0; i < 2; i++) assert_ok(oai_image_apply(HOST, &p, &image, wide + 8 * i, 8 * 16, 16));
    assert_ok(oai_image_apply(HOST, &p, &image, alone, 64, 8));
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 8; y++)
            for (int i = 0; i < 2; i++)
                assert_memory_equal(wide + c * 128 + y * 16 + 8 * i, alone + c * 64 + y * 8, 8 * sizeof(float));
}

/* ---- drawing ---- */

static int red_minus_blue(const oassl_image *image, int x, int y) {
    const uint8_t *p = image->rgb + y * image->row_bytes + 3 * x;
    return p[0] - p[2];
}

static void test_overlay(void **state) {
    (void)state;
    oassl_image image;
    float map[4] = {0, 0, 0, 1};
    assert_ok(oai_picture_alloc(HOST, 120, 80, &image));
    memset(image.rgb, 128, 3 * 120 * 80);
    assert_ok(oai_overlay_map(HOST, NULL, map, 2, 2, &image));
    assert_true(red_minus_blue(&image, 115, 75) > 80); /* hot is red */
    assert_true(abs(red_minus_blue(&image, 5, 5)) < 20);
    oassl_overlay_mark marks[] = {{OASSL_OVERLAY_MARK_BOX, 10, 10, 60, 50, {255, 255, 255}, 0},
                                  {OASSL_OVERLAY_MARK_PEAK, 90, 40, 0, 0, {0, 255, 0}, 0},
                                  {OASSL_OVERLAY_MARK_BOX, -1e9f, -50, 1e9f, 500, {1, 2, 3}, 0}};
    assert_ok(oai_overlay_marks(marks, 3, &image));
    assert_true(image.rgb[3 * (30 * 120 + 10)] > 230);
    assert_true(image.rgb[3 * (40 * 120 + 90) + 1] > 230 && image.rgb[3 * (40 * 120 + 90)] < 60);
    map[1] = NAN;
    assert_fails(oai_overlay_map(HOST, NULL, map, 2, 2, &image), OASSL_STATUS_NON_FINITE, "value 1");
    marks[0].x0 = INFINITY;
    assert_fails(oai_overlay_marks(marks, 1, &image), OASSL_STATUS_NON_FINITE, "mark 0");
    marks[0].kind = 9;
    assert_fails(oai_overlay_marks(marks, 1, &image), OASSL_STATUS_INVALID_ARGUMENT, "kind 9");
    uint8_t cold[3], hot[3];
    oai_colormap(OASSL_OVERLAY_COLORMAP_INFERNO, -5, cold);
    oai_colormap(OASSL_OVERLAY_COLORMAP_INFERNO, 5, hot);
    assert_true(cold[0] == 0 && cold[2] == 4 && hot[0] == 252 && hot[1] == 255);
    oai_picture_release(HOST, &image);
}

/* An absolute scale paints a weak map cold; its own scale would paint its maximum hot. */
static void test_overlay_absolute_scale(void **state) {
    (void)state;
    oassl_image image;
    float map[4] = {0, 0, 0, 0.1f};
    oassl_overlay_options o = OASSL_OVERLAY_OPTIONS_INIT;
    o.high = 1;
    assert_ok(oai_picture_alloc(HOST, 40, 40, &image));
    memset(image.rgb, 128, 3 * 40 * 40);
    assert_ok(oai_overlay_map(HOST, &o, map, 2, 2, &image));
    assert_true(red_minus_blue(&image, 39, 39) < 0);
    oai_picture_release(HOST, &image);
}

static oassl_status prepare_and_draw(const oai_host *host, int32_t kernel) {
    uint8_t rgb[3 * 40 * 30];
    float out[3 * 16 * 16], back[40 * 30];
    front_noise(rgb, sizeof rgb);
    oassl_image image = {.rgb = rgb, .width = 40, .height = 30};
    oai_image_rules r = rules_of(OASSL_IMAGE_PRESET_LVS, 16);
    oai_image_plan p;
    r.kernel = kernel;
    OAI_TRY(oai_image_plan_test(&r, 40, 30, &p));
    OAI_TRY(oai_image_apply(host, &p, &image, out, 256, 16));
    OAI_TRY(oai_map_to_picture(host, &p, out, 16, 16, OASSL_RESIZE_BICUBIC, back));
    return oai_overlay_map(host, NULL, back, 40, 30, &image);
}

static void test_memory_runs_out(void **state) {
    (void)state;
    for (int32_t kernel = OASSL_RESIZE_PILLOW_BICUBIC; kernel <= OASSL_RESIZE_BICUBIC; kernel += 2) {
        int failures = 0;
        for (int i = 0;; i++, failures++) {
            struct front_faulty faulty = {.fail_at = i};
            oai_host host = front_faulty_host(&faulty);
            oassl_status status = prepare_and_draw(&host, kernel);
            assert_int_equal(faulty.held, 0);
            if (status == OASSL_STATUS_OK) break;
            assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        }
        assert_true(failures >= 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pillow_known_answers),
        cmocka_unit_test(test_pillow_many_sizes),
        cmocka_unit_test(test_row_strides),
        cmocka_unit_test(test_map_known_answers),
        cmocka_unit_test(test_torch_resizing),
        cmocka_unit_test(test_size_and_crop_rules),
        cmocka_unit_test(test_normalised_pixels),
        cmocka_unit_test(test_prepared_like_torchvision),
        cmocka_unit_test(test_training_choices),
        cmocka_unit_test(test_one_geometry_for_all),
        cmocka_unit_test(test_side_by_side_inputs),
        cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_overlay_absolute_scale),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
