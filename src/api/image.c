#include "oassl/image.h"

#include "base/options.h"
#include "dsp/image_preset.h"
#include "dsp/overlay.h"
#include "dsp/picture_file.h"
#include "dsp/resize.h"
#include "runtime/context.h"

/* ---- files ---- */

oassl_status oassl_image_load(const oassl_context *context, const char *path, oassl_image *out_image) {
    OAI_REQUIRE(out_image);
    *out_image = (oassl_image){0};
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    return oai_picture_read(oai_context_host(context), path, out_image);
}

oassl_status oassl_image_decode(const oassl_context *context, const void *bytes, uint64_t n_bytes,
                                oassl_image *out_image) {
    OAI_REQUIRE(out_image);
    *out_image = (oassl_image){0};
    OAI_REQUIRE(context);
    OAI_REQUIRE(bytes);
    return oai_picture_decode(oai_context_host(context), bytes, (size_t)n_bytes, out_image);
}

void oassl_image_free(const oassl_context *context, oassl_image *image) {
    if (context && image) oai_picture_release(oai_context_host(context), image);
}

oassl_status oassl_image_save_png(const oassl_context *context, const char *path, const oassl_image *image) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    OAI_REQUIRE(image);
    OAI_TRY(oai_picture_check(image));
    return oai_picture_write_png(oai_context_host(context), path, image->rgb, image->width, image->height,
                                 image->row_bytes, 3);
}

oassl_status oassl_image_save_jpeg(const oassl_context *context, const char *path, const oassl_image *image,
                                   int32_t quality) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    OAI_REQUIRE(image);
    return oai_picture_write_jpeg(oai_context_host(context), path, image, quality);
}

/* ---- resizing ---- */

oassl_status oassl_image_resize(const oassl_context *context, const oassl_image *image, int32_t width, int32_t height,
                                int32_t kernel, oassl_image *out_image) {
    OAI_REQUIRE(out_image);
    *out_image = (oassl_image){0};
    OAI_REQUIRE(context);
    OAI_REQUIRE(image);
    OAI_TRY(oai_picture_check(image));
    if (kernel == OASSL_RESIZE_DEFAULT) kernel = OASSL_RESIZE_PILLOW_BICUBIC;
    if (!oai_resize_is_u8(kernel) || width < 1 || height < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resize of a picture to %dx%d by kernel %d", width, height,
                        kernel);
    const oai_host *host = oai_context_host(context);
    oassl_image resized;
    OAI_TRY(oai_picture_alloc(host, width, height, &resized));
    oassl_status status = oai_resize_u8(host, image->rgb, image->width, image->height, oai_picture_row_bytes(image), 3,
                                        kernel, resized.rgb, width, height, resized.row_bytes);
    if (status == OASSL_STATUS_OK)
        *out_image = resized;
    else
        oai_picture_release(host, &resized);
    return status;
}

oassl_status oassl_image_resize_map(const oassl_context *context, const float *map, int32_t map_width,
                                    int32_t map_height, int32_t width, int32_t height, int32_t kernel,
                                    float *out_map) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(map);
    OAI_REQUIRE(out_map);
    return oai_resize_f32(oai_context_host(context), map, map_width, map_height, map_width,
                          kernel ? kernel : OASSL_RESIZE_BILINEAR, out_map, width, height, width);
}

/* ---- the network's input ---- */

oassl_status oassl_image_preset_find(const char *name, int32_t *out_preset) {
    OAI_REQUIRE(out_preset);
    *out_preset = 0;
    OAI_REQUIRE(name);
    return oai_image_preset_find(name, out_preset);
}

const char *oassl_image_preset_name(int32_t preset) { return oai_image_preset_name(preset); }

static oassl_status take_plan(const oassl_image_options *options, int32_t width, int32_t height,
                              oai_image_plan *out_plan) {
    oassl_image_options own;
    oai_image_rules rules;
    OAI_TRY(oai_options_read("oassl_image_options", options, &own, sizeof own));
    OAI_TRY(oai_image_resolve(&own, &rules));
    return oai_image_plan_test(&rules, width, height, out_plan);
}

oassl_status oassl_image_prepare(const oassl_context *context, const oassl_image_options *options,
                                 const oassl_image *image, float *out_input, uint64_t n_input) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(image);
    OAI_REQUIRE(out_input);
    oai_image_plan plan;
    OAI_TRY(oai_picture_check(image));
    OAI_TRY(take_plan(options, image->width, image->height, &plan));
    const int64_t size = plan.rules.size;
    if (n_input < (uint64_t)(3 * size * size))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "network input: room for %llu floats, 3 x %lld x %lld are needed", (unsigned long long)n_input,
                        (long long)size, (long long)size);
    return oai_image_apply(oai_context_host(context), &plan, image, out_input, size * size, size);
}

oassl_status oassl_image_placement_of(const oassl_image_options *options, int32_t picture_width,
                                      int32_t picture_height, oassl_image_placement *out_placement) {
    OAI_REQUIRE(out_placement);
    *out_placement = (oassl_image_placement){0};
    oai_image_plan plan;
    OAI_TRY(take_plan(options, picture_width, picture_height, &plan));
    oai_image_plan_placement(&plan, out_placement);
    return OASSL_STATUS_OK;
}

void oassl_image_box_to_input(const oassl_image_placement *placement, const double *box, double *out_box) {
    if (placement && box && out_box) oai_box_to_input(placement, box, out_box);
}

void oassl_image_box_to_picture(const oassl_image_placement *placement, const double *box, double *out_box) {
    if (placement && box && out_box) oai_box_to_picture(placement, box, out_box);
}

oassl_status oassl_image_map_to_picture(const oassl_context *context, const oassl_image_options *options,
                                        const float *map, int32_t map_width, int32_t map_height, int32_t picture_width,
                                        int32_t picture_height, int32_t kernel, float *out_map) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(map);
    OAI_REQUIRE(out_map);
    oai_image_plan plan;
    OAI_TRY(take_plan(options, picture_width, picture_height, &plan));
    return oai_map_to_picture(oai_context_host(context), &plan, map, map_width, map_height,
                              kernel ? kernel : OASSL_RESIZE_BILINEAR, out_map);
}

/* ---- drawing ---- */

static oassl_status copy_picture(const oai_host *host, const oassl_image *image, oassl_image *out_image) {
    OAI_TRY(oai_picture_alloc(host, image->width, image->height, out_image));
    for (int32_t y = 0; y < image->height; y++)
        memcpy(out_image->rgb + y * out_image->row_bytes, image->rgb + y * oai_picture_row_bytes(image),
               (size_t)out_image->row_bytes);
    return OASSL_STATUS_OK;
}

oassl_status oassl_image_overlay(const oassl_context *context, const oassl_overlay_options *options,
                                 const oassl_image *image, const float *map, int32_t map_width, int32_t map_height,
                                 const oassl_overlay_mark *marks, uint32_t n_marks, oassl_image *out_image) {
    OAI_REQUIRE(out_image);
    *out_image = (oassl_image){0};
    OAI_REQUIRE(context);
    OAI_REQUIRE(image);
    if (n_marks) OAI_REQUIRE(marks);
    OAI_TRY(oai_picture_check(image));
    oassl_overlay_options own;
    OAI_TRY(oai_options_read("oassl_overlay_options", options, &own, sizeof own));
    const oai_host *host = oai_context_host(context);
    oassl_image drawing;
    OAI_TRY(copy_picture(host, image, &drawing));
    oassl_status status = OASSL_STATUS_OK;
    if (map) status = oai_overlay_map(host, &own, map, map_width, map_height, &drawing);
    if (status == OASSL_STATUS_OK) status = oai_overlay_marks(marks, n_marks, &drawing);
    if (status == OASSL_STATUS_OK)
        *out_image = drawing;
    else
        oai_picture_release(host, &drawing);
    return status;
}
