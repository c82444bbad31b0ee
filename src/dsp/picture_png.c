#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/file.h"
#include "dsp/picture_file.h"

/* libpng leaves by longjmp on an error; what lives across the jump is in these structs, not in locals. */
struct png_side {
    const oai_host *host;
    const uint8_t *bytes; /* reading: what is left */
    size_t n_bytes;
    size_t most_bytes; /* reading: of one block of memory */
    oai_writer *writer; /* writing */
    oassl_status status;
    int memory_failed;
    char text[128];
};

static void on_error(png_structp png, png_const_charp text) {
    struct png_side *side = png_get_error_ptr(png);
    strncpy(side->text, text, sizeof side->text - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

/* libpng takes what the length of an unimportant chunk declares before it looks whether that much follows; refused, it
 * goes on without the chunk. */
static png_voidp take(png_structp png, png_alloc_size_t bytes) {
    struct png_side *side = png_get_mem_ptr(png);
    if (side->most_bytes && bytes > side->most_bytes) return NULL;
    void *memory = oai_alloc(side->host, bytes);
    if (!memory) side->memory_failed = 1;
    return memory;
}

static void give(png_structp png, png_voidp memory) {
    oai_free(((struct png_side *)png_get_mem_ptr(png))->host, memory);
}

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    struct png_side *side = png_get_io_ptr(png);
    if (n > side->n_bytes) png_error(png, "truncated");
    memcpy(out, side->bytes, n);
    side->bytes += n;
    side->n_bytes -= n;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t n) {
    struct png_side *side = png_get_io_ptr(png);
    side->status = oai_writer_write(side->writer, bytes, n);
    if (side->status != OASSL_STATUS_OK) png_error(png, "cannot write");
}

static void flush_nothing(png_structp png) { (void)png; }

static oassl_status failed(const struct png_side *side) {
    if (side->status != OASSL_STATUS_OK) return side->status; /* its text is set */
    if (side->memory_failed) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "PNG: out of memory");
    return oai_fail(OASSL_STATUS_FORMAT, "PNG: %s", side->text);
}

/* Runs under the caller's setjmp. */
static oassl_status decode(struct png_side *side, png_structp png, png_infop info, oassl_image *out) {
    const size_t n_bytes = side->n_bytes;
    png_read_info(png, info);
    png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    /* Deflate packs at most 1032 bytes into one. */
    if ((uint64_t)png_get_rowbytes(png, info) * height / 1032 > n_bytes)
        return oai_fail(OASSL_STATUS_FORMAT, "PNG: %ux%u pixels declared in %zu bytes", width, height, n_bytes);
    OAI_TRY(oai_picture_alloc(side->host, width, height, out));
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != (size_t)out->row_bytes)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "PNG: %zu bytes in a row, expected %lld",
                        png_get_rowbytes(png, info), (long long)out->row_bytes);
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++) png_read_row(png, out->rgb + y * out->row_bytes, NULL);
    png_read_end(png, NULL);
    return OASSL_STATUS_OK;
}

oassl_status oai_png_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image) {
    /* Beside the file's own contents, rows of at most 32768 pixels. */
    struct png_side side = {.host = host, .bytes = bytes, .n_bytes = n_bytes, .most_bytes = n_bytes + ((size_t)1 << 20)};
    png_structp png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &side, on_error, on_warning, &side, take, give);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "PNG: out of memory");
    }
    oassl_status status;
    if (setjmp(png_jmpbuf(png))) {
        status = failed(&side);
    } else {
        png_set_read_fn(png, &side, read_bytes);
        png_set_user_limits(png, OAI_PICTURE_MAX_SIDE, OAI_PICTURE_MAX_SIDE);
        status = decode(&side, png, info, out_image);
    }
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}

/* ---- writing ---- */

static oassl_status encode(struct png_side *side, const uint8_t *pixels, int32_t width, int32_t height,
                           int64_t row_bytes, int32_t channels) {
    png_structp png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, side, on_error, on_warning, side, take, give);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "PNG: out of memory");
    }
    oassl_status status = OASSL_STATUS_OK;
    if (setjmp(png_jmpbuf(png))) {
        status = failed(side);
    } else {
        png_set_write_fn(png, side, write_bytes, flush_nothing);
        png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                     channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (int32_t y = 0; y < height; y++) png_write_row(png, pixels + y * row_bytes);
        png_write_end(png, info);
    }
    png_destroy_write_struct(&png, &info);
    return status;
}

oassl_status oai_picture_write_png(const oai_host *host, const char *path, const uint8_t *pixels, int32_t width,
                                   int32_t height, int64_t row_bytes, int32_t channels) {
    if (row_bytes == 0) row_bytes = (int64_t)channels * width;
    if (!pixels || width < 1 || height < 1 || width > OAI_PICTURE_MAX_SIDE || height > OAI_PICTURE_MAX_SIDE ||
        (channels != 1 && channels != 3) || row_bytes < (int64_t)channels * width)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "%s: cannot write %dx%d pixels of %d channels, %lld bytes a row", path, width, height,
                        channels, (long long)row_bytes);
    struct png_side side = {.host = host};
    OAI_TRY(oai_writer_open(host, path, &side.writer));
    oassl_status status = encode(&side, pixels, width, height, row_bytes, channels);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(side.writer);
    oai_writer_abort(side.writer);
    return status;
}
