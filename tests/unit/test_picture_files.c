#include "front_helpers.h"

#include <png.h>
#include <zlib.h>

#include "data/front/pictures.h"
#include "dsp/picture_file.h"

enum { N_PICTURES = sizeof pictures / sizeof pictures[0] };

static void test_kinds_of_pictures(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PICTURES; i++) {
        oassl_image image;
        assert_ok(oai_picture_decode(HOST, pictures[i].bytes, pictures[i].n, &image));
        assert_true(image.width == 23 && image.height == 19 && image.row_bytes == 69);
        if (crc32(0, image.rgb, 3 * 23 * 19) != pictures[i].crc)
            fail_msg("%s differs from Pillow's", pictures[i].name);
        oai_picture_release(HOST, &image);
        assert_null(image.rgb);
    }
}

/* Every truncation is an error; a flipped byte is an error or a picture; nothing crashes. */
static void test_damaged_pictures(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PICTURES; i++) {
        const size_t n = pictures[i].n;
        const int jpeg = strncmp(pictures[i].name, "jpeg", 4) == 0;
        uint8_t *bytes = front_memory(n);
        oassl_image image;
        memcpy(bytes, pictures[i].bytes, n);
        for (size_t keep = 0; keep < n - (jpeg ? 2 : 0); keep++) { /* a JPEG without its end mark has all its pixels */
            uint8_t *part = front_memory(keep);                    /* so that a sanitizer sees reads beyond */
            memcpy(part, bytes, keep);
            oassl_status status = oai_picture_decode(HOST, part, keep, &image);
            free(part);
            if (status != OASSL_STATUS_FORMAT) fail_msg("%s cut to %zu of %zu: %d", pictures[i].name, keep, n, status);
        }
        for (size_t at = 0; at < n; at++) {
            bytes[at] ^= (uint8_t)(1 << at % 8);
            oassl_status status = oai_picture_decode(HOST, bytes, n, &image);
            bytes[at] ^= (uint8_t)(1 << at % 8);
            assert_true(status == OASSL_STATUS_OK || image.rgb == NULL);
            oai_picture_release(HOST, &image);
        }
        free(bytes);
    }
}

static void test_declared_size_is_not_believed(void **state) {
    (void)state;
    uint8_t bytes[sizeof png_rgba], jpeg[sizeof jpeg_rgb];
    oassl_image image;
    memcpy(bytes, png_rgba, sizeof bytes);
    bytes[16] = 0, bytes[17] = 0, bytes[18] = 0x7F, bytes[19] = 0xFF; /* 32767 wide and high */
    bytes[20] = 0, bytes[21] = 0, bytes[22] = 0x7F, bytes[23] = 0xFF;
    uint32_t crc = (uint32_t)crc32(0, bytes + 12, 17);
    for (int i = 0; i < 4; i++) bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    struct front_faulty counting = {.fail_at = -1};
    oai_host host = front_faulty_host(&counting);
    assert_fails(oai_picture_decode(&host, bytes, sizeof bytes, &image), OASSL_STATUS_FORMAT, "32767x32767");
    memcpy(jpeg, jpeg_rgb, sizeof jpeg);
    for (size_t i = 0; i + 9 < sizeof jpeg; i++) /* the frame header */
        if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) jpeg[i + 5] = jpeg[i + 7] = 0x70;
    assert_fails(oai_picture_decode(&host, jpeg, sizeof jpeg, &image), OASSL_STATUS_FORMAT, "pixels declared");
    assert_int_equal(counting.held, 0);
}

static void test_wrong_files(void **state) {
    (void)state;
    oassl_image image;
    const char *path = front_path("none.png");
    assert_fails(oai_picture_read(HOST, path, &image), OASSL_STATUS_NOT_FOUND, path);
    front_write(path, "", 0);
    assert_fails(oai_picture_read(HOST, path, &image), OASSL_STATUS_FORMAT, path);
    front_write(path, "GIF89a and so on", 16);
    assert_fails(oai_picture_read(HOST, path, &image), OASSL_STATUS_FORMAT, "neither a JPEG nor a PNG");
    front_write(path, png_rgba, sizeof png_rgba - 20);
    assert_fails(oai_picture_read(HOST, path, &image), OASSL_STATUS_FORMAT, "none.png: PNG: truncated");
    assert_fails(oai_picture_read(HOST, OASSL_TEST_TMP, &image), OASSL_STATUS_IO, "directory");
    unlink(path);
    const char *misnamed = front_path("really-a-jpeg.png");
    front_write(misnamed, jpeg_rgb, sizeof jpeg_rgb);
    assert_ok(oai_picture_read(HOST, misnamed, &image));
    oai_picture_release(HOST, &image);
    unlink(misnamed);
}

static void test_written_files(void **state) {
    (void)state;
    enum { W = 31, H = 17, ROW = 3 * W + 5 };
    uint8_t pixels[ROW * H];
    front_noise(pixels, sizeof pixels);
    oassl_image view = {.rgb = pixels, .width = W, .height = H, .row_bytes = ROW}, back;
    const char *png = front_path("w.png"), *jpeg = front_path("w.jpg");
    assert_ok(oai_picture_write_png(HOST, png, pixels, W, H, ROW, 3));
    assert_ok(oai_picture_read(HOST, png, &back));
    assert_true(back.width == W && back.height == H);
    for (int y = 0; y < H; y++) assert_memory_equal(back.rgb + y * back.row_bytes, pixels + y * ROW, 3 * W);
    oai_picture_release(HOST, &back);
    assert_ok(oai_picture_write_png(HOST, png, pixels, W, H, 0, 1));
    assert_ok(oai_picture_read(HOST, png, &back));
    for (int i = 0; i < W * H; i++)
        assert_true(back.rgb[3 * i] == pixels[i] && back.rgb[3 * i + 1] == pixels[i] &&
                    back.rgb[3 * i + 2] == pixels[i]);
    oai_picture_release(HOST, &back);
    for (int i = 0; i < ROW * H; i++)
        pixels[i] = (uint8_t)(i / ROW * 10 + i % ROW % 3 * 20); /* smooth: JPEG keeps it */
    assert_ok(oai_picture_write_jpeg(HOST, jpeg, &view, 95));
    assert_ok(oai_picture_read(HOST, jpeg, &back));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < 3 * W; x++) assert_near(back.rgb[y * back.row_bytes + x], pixels[y * ROW + x], 8);
    oai_picture_release(HOST, &back);
    unlink(png);
    unlink(jpeg);
    assert_fails(oai_picture_write_png(HOST, "/nowhere/x.png", pixels, W, H, ROW, 3), OASSL_STATUS_IO,
                 "/nowhere/x.png");
    assert_fails(oai_picture_write_jpeg(HOST, "/nowhere/x.jpg", &view, 0), OASSL_STATUS_IO, "/nowhere/x.jpg");
    assert_fails(oai_picture_write_jpeg(HOST, jpeg, &view, 101), OASSL_STATUS_INVALID_ARGUMENT, "quality 101");
    view.row_bytes = 3 * W - 1;
    assert_fails(oai_picture_write_jpeg(HOST, jpeg, &view, 90), OASSL_STATUS_INVALID_ARGUMENT, "row_bytes");
    assert_int_equal(access(jpeg, F_OK), -1);
}

/* Interlaced, written with libpng directly. */
static void test_interlaced_png(void **state) {
    (void)state;
    uint8_t pixels[3 * 21 * 13];
    front_noise(pixels, sizeof pixels);
    const char *path = front_path("i.png");
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep rows[13];
    for (int y = 0; y < 13; y++) rows[y] = pixels + 63 * y;
    png_init_io(png, file);
    png_set_IHDR(png, info, 21, 13, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, 0, 0);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
    oassl_image image;
    assert_ok(oai_picture_read(HOST, path, &image));
    assert_memory_equal(image.rgb, pixels, sizeof pixels);
    oai_picture_release(HOST, &image);
    unlink(path);
}

static oassl_status read_and_write(const oai_host *host, size_t i, const char *path) {
    oassl_image image;
    OAI_TRY(oai_picture_decode(host, pictures[i].bytes, pictures[i].n, &image));
    oassl_status status = oai_picture_write_png(host, path, image.rgb, image.width, image.height, 0, 3);
    if (status == OASSL_STATUS_OK) status = oai_picture_write_jpeg(host, path, &image, 0);
    oai_picture_release(host, &image);
    return status;
}

static void test_memory_runs_out(void **state) {
    (void)state;
    const char *path = front_path("memory.png");
    for (size_t picture = 0; picture < N_PICTURES; picture++) {
        for (int i = 0;; i++) {
            struct front_faulty faulty = {.fail_at = i};
            oai_host host = front_faulty_host(&faulty);
            unlink(path);
            oassl_status status = read_and_write(&host, picture, path);
            assert_int_equal(faulty.held, 0);
            if (status == OASSL_STATUS_OK) break;
            assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        }
    }
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_pictures),
        cmocka_unit_test(test_damaged_pictures),
        cmocka_unit_test(test_declared_size_is_not_believed),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_written_files),
        cmocka_unit_test(test_interlaced_png),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
