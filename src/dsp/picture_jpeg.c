#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/file.h"
#include "dsp/picture_file.h"

/* libjpeg reports by calling back; every report that matters leaves by longjmp.  What lives across the jump is in this
 * struct, not in locals. */
struct jpeg_failure {
    struct jpeg_error_mgr base; /* first: libjpeg hands back a pointer to it */
    jmp_buf escape;
    bool no_memory;
    char text[JMSG_LENGTH_MAX];
};

static void fail_now(j_common_ptr any) {
    struct jpeg_failure *failure = (struct jpeg_failure *)any->err;
    any->err->format_message(any, failure->text);
    failure->no_memory = any->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(failure->escape, 1);
}

/* libjpeg paints damaged parts grey and only warns; to us these warnings mean a damaged file.  The others (stray bytes
 * between markers, an odd version number) are common in intact files of cameras. */
static void on_message(j_common_ptr any, int level) {
    if (level >= 0) return;
    switch (any->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION: fail_now(any); break;
    default: break;
    }
}

static void stay_silent(j_common_ptr any) { (void)any; }

/* A progressive file of many tiny scans makes the decoder pass over the whole picture for each of them. */
static void limit_scans(j_common_ptr any) {
    struct jpeg_failure *failure = (struct jpeg_failure *)any->err;
    if (((j_decompress_ptr)any)->input_scan_number <= 200) return;
    snprintf(failure->text, sizeof failure->text, "more than 200 scans");
    longjmp(failure->escape, 1);
}

static oassl_status failed(const struct jpeg_failure *failure, oassl_status otherwise) {
    return oai_fail(failure->no_memory ? OASSL_STATUS_OUT_OF_MEMORY : otherwise, "JPEG: %s", failure->text);
}

static struct jpeg_error_mgr *set_failure(struct jpeg_failure *failure) {
    failure->no_memory = false;
    jpeg_std_error(&failure->base);
    failure->base.error_exit = fail_now;
    failure->base.emit_message = on_message;
    failure->base.output_message = stay_silent;
    return &failure->base;
}

static uint8_t times_255th(int a, int b) { return (uint8_t)((a * b + 127) / 255); }

/* As Pillow converts: black applied to each colour.  Adobe writes CMYK inverted. */
static void cmyk_to_rgb(const uint8_t *cmyk, int32_t width, int inverted, uint8_t *rgb) {
    for (int32_t x = 0; x < width; x++) {
        const uint8_t *p = cmyk + 4 * x;
        for (int c = 0; c < 3; c++)
            rgb[3 * x + c] = inverted ? times_255th(p[c], p[3]) : times_255th(255 - p[c], 255 - p[3]);
    }
}

/* Runs under the caller's setjmp. */
static oassl_status decode(const oai_host *host, j_decompress_ptr jpeg, size_t n_bytes, oassl_image *out) {
    jpeg_read_header(jpeg, TRUE);
    /* Even an empty 8x8 block takes a bit in every usual coding. */
    if ((uint64_t)jpeg->image_width * jpeg->image_height / 4096 > n_bytes)
        return oai_fail(OASSL_STATUS_FORMAT, "%ux%u pixels declared in %zu bytes", jpeg->image_width,
                        jpeg->image_height, n_bytes);
    OAI_TRY(oai_picture_alloc(host, jpeg->image_width, jpeg->image_height, out));
    int cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    JSAMPARRAY wide = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * jpeg->output_width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = out->rgb + jpeg->output_scanline * out->row_bytes;
        jpeg_read_scanlines(jpeg, cmyk ? wide : &row, 1);
        if (cmyk) cmyk_to_rgb(wide[0], out->width, jpeg->saw_Adobe_marker, row);
    }
    jpeg_finish_decompress(jpeg);
    return OASSL_STATUS_OK;
}

oassl_status oai_jpeg_decode(const oai_host *host, const uint8_t *bytes, size_t n_bytes, oassl_image *out_image) {
    struct jpeg_decompress_struct jpeg = {0};
    struct jpeg_failure failure;
    struct jpeg_progress_mgr progress = {.progress_monitor = limit_scans};
    jpeg.err = set_failure(&failure);
    if (setjmp(failure.escape)) {
        jpeg_destroy_decompress(&jpeg);
        return failed(&failure, OASSL_STATUS_FORMAT);
    }
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &progress;
    jpeg_mem_src(&jpeg, bytes, (unsigned long)n_bytes);
    oassl_status status = decode(host, &jpeg, n_bytes, out_image);
    jpeg_destroy_decompress(&jpeg);
    return status;
}

/* ---- writing ---- */

/* Where libjpeg writes to.  Its own destination in memory loses count of its block when memory runs out. */
struct jpeg_target {
    struct jpeg_destination_mgr base; /* first: libjpeg hands back a pointer to it */
    oai_writer *writer;
    oassl_status status; /* of the writer; its text is set */
    JOCTET buffer[4096];
};

static void begin_target(j_compress_ptr jpeg) {
    struct jpeg_target *target = (struct jpeg_target *)jpeg->dest;
    target->base.next_output_byte = target->buffer;
    target->base.free_in_buffer = sizeof target->buffer;
}

static void write_target(j_compress_ptr jpeg, size_t n_bytes) {
    struct jpeg_target *target = (struct jpeg_target *)jpeg->dest;
    target->status = oai_writer_write(target->writer, target->buffer, n_bytes);
    if (target->status != OASSL_STATUS_OK) longjmp(((struct jpeg_failure *)jpeg->err)->escape, 1);
    begin_target(jpeg);
}

static boolean empty_target(j_compress_ptr jpeg) {
    write_target(jpeg, sizeof ((struct jpeg_target *)jpeg->dest)->buffer);
    return TRUE;
}

static void end_target(j_compress_ptr jpeg) {
    const struct jpeg_target *target = (const struct jpeg_target *)jpeg->dest;
    write_target(jpeg, sizeof target->buffer - target->base.free_in_buffer);
}

static oassl_status encode(const oassl_image *image, int32_t quality, oai_writer *writer) {
    struct jpeg_compress_struct jpeg = {0};
    struct jpeg_failure failure;
    struct jpeg_target target = {
        .base = {.init_destination = begin_target, .empty_output_buffer = empty_target, .term_destination = end_target},
        .writer = writer};
    jpeg.err = set_failure(&failure);
    if (setjmp(failure.escape)) {
        jpeg_destroy_compress(&jpeg);
        return target.status != OASSL_STATUS_OK ? target.status : failed(&failure, OASSL_STATUS_INTERNAL);
    }
    jpeg_create_compress(&jpeg);
    jpeg.dest = &target.base;
    jpeg.image_width = (JDIMENSION)image->width;
    jpeg.image_height = (JDIMENSION)image->height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = image->rgb + jpeg.next_scanline * oai_picture_row_bytes(image);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return OASSL_STATUS_OK;
}

oassl_status oai_picture_write_jpeg(const oai_host *host, const char *path, const oassl_image *image,
                                    int32_t quality) {
    OAI_TRY(oai_picture_check(image));
    if (quality < 0 || quality > 100)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: JPEG quality %d, expected 1 to 100", path, quality);
    oai_writer *writer;
    OAI_TRY(oai_writer_open(host, path, &writer));
    oassl_status status = encode(image, quality ? quality : 90, writer);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(writer);
    oai_writer_abort(writer);
    return status;
}
