/* JPEG and PNG files through libjpeg-turbo and libpng. */
#ifndef OAI_DSP_PICTURE_FILE_H
#define OAI_DSP_PICTURE_FILE_H

#include "base/host.h"
#include "oassl/image.h"

enum { OAI_PICTURE_MAX_SIDE = 32768, OAI_PICTURE_MAX_PIXELS = 1 << 28 };

/* Told by content.  The text of every failure of the first starts with the path. */
oassl_status oai_picture_read(const oai_host *host, const char *path, oassl_image *out_image);
oassl_status oai_picture_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image);
void oai_picture_release(const oai_host *host, oassl_image *image);

/* A new RGB picture, row_bytes = 3 width, contents undefined.  Checks the limits above. */
oassl_status oai_picture_alloc(const oai_host *host, int64_t width, int64_t height, oassl_image *out_image);

/* A view that can be read: pointer, sides, stride.  Says which field is wrong. */
oassl_status oai_picture_check(const oassl_image *image);
static inline int64_t oai_picture_row_bytes(const oassl_image *image) {
    return image->row_bytes ? image->row_bytes : 3 * (int64_t)image->width;
}

/* Complete or not at all.  `channels` is 3 (RGB) or 1 (grey), row_bytes 0 = channels x width. */
oassl_status oai_picture_write_png(const oai_host *host, const char *path, const uint8_t *pixels, int32_t width,
                                   int32_t height, int64_t row_bytes, int32_t channels);
oassl_status oai_picture_write_jpeg(const oai_host *host, const char *path, const oassl_image *image, int32_t quality);

/* The two decoders (picture_jpeg.c, picture_png.c). */
oassl_status oai_jpeg_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image);
oassl_status oai_png_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image);

#endif
