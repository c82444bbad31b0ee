#include "dsp/picture_file.h"

#include <string.h>

#include "base/file.h"

oassl_status oai_picture_check(const oassl_image *image) {
    if (!image->rgb) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "image: rgb is NULL");
    if (image->width < 1 || image->width > OAI_PICTURE_MAX_SIDE || image->height < 1 ||
        image->height > OAI_PICTURE_MAX_SIDE)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "image: width %d and height %d, expected 1 to %d", image->width,
                        image->height, OAI_PICTURE_MAX_SIDE);
    if (oai_picture_row_bytes(image) < 3 * (int64_t)image->width)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "image: row_bytes is %lld, expected at least %lld",
                        (long long)image->row_bytes, 3LL * image->width);
    return OASSL_STATUS_OK;
}

oassl_status oai_picture_alloc(const oai_host *host, int64_t width, int64_t height, oassl_image *out_image) {
    *out_image = (oassl_image){0};
    if (width < 1 || height < 1) return oai_fail(OASSL_STATUS_FORMAT, "a picture without pixels");
    if (width > OAI_PICTURE_MAX_SIDE || height > OAI_PICTURE_MAX_SIDE || width * height > OAI_PICTURE_MAX_PIXELS)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%lldx%lld pixels, at most %d a side and %d in all",
                        (long long)width, (long long)height, OAI_PICTURE_MAX_SIDE, OAI_PICTURE_MAX_PIXELS);
    size_t bytes = (size_t)(3 * width * height);
    uint8_t *rgb = oai_alloc(host, bytes);
    if (!rgb) return oai_no_memory(bytes, "a picture");
    *out_image = (oassl_image){.rgb = rgb, .width = (int32_t)width, .height = (int32_t)height, .row_bytes = 3 * width};
    return OASSL_STATUS_OK;
}

void oai_picture_release(const oai_host *host, oassl_image *image) {
    oai_free(host, image->rgb);
    *image = (oassl_image){0};
}

oassl_status oai_picture_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image) {
    *out_image = (oassl_image){0};
    oassl_status status;
    if (n_bytes >= 8 && memcmp(bytes, "\x89PNG\r\n\x1A\n", 8) == 0)
        status = oai_png_decode(host, bytes, n_bytes, out_image);
    else if (n_bytes >= 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0)
        status = oai_jpeg_decode(host, bytes, n_bytes, out_image);
    else
        status = oai_fail(OASSL_STATUS_FORMAT, n_bytes ? "neither a JPEG nor a PNG picture" : "an empty file");
    if (status != OASSL_STATUS_OK) oai_picture_release(host, out_image);
    return status;
}

oassl_status oai_picture_read(const oai_host *host, const char *path, oassl_image *out_image) {
    *out_image = (oassl_image){0};
    char *bytes;
    size_t n_bytes;
    OAI_TRY(oai_file_read(host, path, (size_t)1 << 31, &bytes, &n_bytes));
    oassl_status status = oai_picture_decode(host, (const uint8_t *)bytes, n_bytes, out_image);
    oai_free(host, bytes);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s", path);
}
