#include "dsp/image_preset.h"

#include <math.h>
#include <string.h>

#include "dsp/picture_file.h"
#include "dsp/resize.h"
#include "dsp/spectrogram.h"

#define STRETCH OASSL_IMAGE_GEOMETRY_STRETCH
#define CROP OASSL_IMAGE_GEOMETRY_CROP
#define IMAGENET                                                                                                      \
    {0.485f, 0.456f, 0.406f}, { 0.229f, 0.224f, 0.225f }

/* Rows by OASSL_IMAGE_PRESET_*. */
static const struct {
    const char *name;
    oai_image_rules rules;
} presets[] = {
    /*                     size  kernel                      test     flip */
    [1] = {"oassl", /* */ {224, OASSL_RESIZE_PILLOW_BICUBIC, STRETCH, 0, IMAGENET}},
    [2] = {"lvs", /*   */ {224, OASSL_RESIZE_PILLOW_BICUBIC, CROP, 1, IMAGENET}},
    [3] = {"ezvsl", /* */ {224, OASSL_RESIZE_PILLOW_BICUBIC, STRETCH, 1, IMAGENET}},
    [4] = {"noprior", {224, OASSL_RESIZE_PILLOW_BICUBIC, STRETCH, 0, IMAGENET}},
    [5] = {"sslalignment", {224, OASSL_RESIZE_BICUBIC, STRETCH, 1, IMAGENET}},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0], MAX_SIZE = 8192 };

static const char *const ezvsl_family[] = {"slavc", "fnac", "avgn", "marginnce"};

oassl_status oai_image_preset_find(const char *name, int32_t *out_preset) {
    *out_preset = 0;
    for (int i = 1; i < N_PRESETS; i++)
        if (strcmp(name, presets[i].name) == 0) *out_preset = i;
    for (size_t i = 0; i < sizeof ezvsl_family / sizeof ezvsl_family[0]; i++)
        if (strcmp(name, ezvsl_family[i]) == 0) *out_preset = OASSL_IMAGE_PRESET_EZVSL;
    if (*out_preset) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NOT_FOUND,
                    "no image preset \"%s\"; there are oassl, lvs, ezvsl, slavc, fnac, avgn, marginnce, noprior, "
                    "sslalignment",
                    name);
}

const char *oai_image_preset_name(int32_t preset) {
    if (preset == OASSL_IMAGE_PRESET_DEFAULT) preset = OASSL_IMAGE_PRESET_OASSL;
    return preset > 0 && preset < N_PRESETS ? presets[preset].name : NULL;
}

static oassl_status wrong(const char *field, int32_t value, const char *expected) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "image options: %s is %d, expected %s", field, value, expected);
}

static void set_statistics(int32_t statistics, oai_image_rules *rules) {
    static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    for (int c = 0; c < 3; c++) {
        if (statistics == OASSL_IMAGE_STATISTICS_CLIP) rules->mean[c] = clip_mean[c], rules->std[c] = clip_std[c];
        if (statistics == OASSL_IMAGE_STATISTICS_NONE) rules->mean[c] = 0, rules->std[c] = 1;
    }
}

oassl_status oai_image_resolve(const oassl_image_options *options, oai_image_rules *out_rules) {
    *out_rules = presets[OASSL_IMAGE_PRESET_OASSL].rules;
    if (!options) return OASSL_STATUS_OK;
    const oassl_image_options *o = options;
    if (!oai_image_preset_name(o->preset)) return wrong("preset", o->preset, "an OASSL_IMAGE_PRESET_*");
    if (o->size < 0 || o->size > MAX_SIZE) return wrong("size", o->size, "1 to 8192, or 0");
    if (o->kernel < 0 || o->kernel > OASSL_RESIZE_BILINEAR_CORNERS)
        return wrong("kernel", o->kernel, "an OASSL_RESIZE_*");
    if (o->geometry < 0 || o->geometry > CROP) return wrong("geometry", o->geometry, "an OASSL_IMAGE_GEOMETRY_*");
    if (o->statistics < 0 || o->statistics > OASSL_IMAGE_STATISTICS_NONE)
        return wrong("statistics", o->statistics, "an OASSL_IMAGE_STATISTICS_*");
    if (o->preset) *out_rules = presets[o->preset].rules;
    if (o->size) out_rules->size = o->size;
    if (o->kernel) out_rules->kernel = o->kernel;
    if (o->geometry) out_rules->geometry = o->geometry;
    set_statistics(o->statistics, out_rules);
    return OASSL_STATUS_OK;
}

/* The shorter side becomes `side`, the other trunc(side * long / short). */
static oassl_status shorter_side(int32_t side, oai_image_plan *plan) {
    int64_t w = plan->picture_width, h = plan->picture_height;
    int64_t rw = w <= h ? side : side * w / h, rh = w <= h ? side * h / w : side;
    if (rw > OAI_RESIZE_MAX_SIDE || rh > OAI_RESIZE_MAX_SIDE)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "a %lldx%lld picture is too narrow to crop to %d pixels",
                        (long long)w, (long long)h, side);
    plan->resized_width = (int32_t)rw;
    plan->resized_height = (int32_t)rh;
    return OASSL_STATUS_OK;
}

static oassl_status start_plan(const oai_image_rules *rules, int32_t width, int32_t height, oai_image_plan *plan) {
    *plan = (oai_image_plan){.rules = *rules, .picture_width = width, .picture_height = height};
    if (width >= 1 && width <= OAI_PICTURE_MAX_SIDE && height >= 1 && height <= OAI_PICTURE_MAX_SIDE)
        return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "a picture of %dx%d pixels, expected sides of 1 to %d", width,
                    height, OAI_PICTURE_MAX_SIDE);
}

oassl_status oai_image_plan_test(const oai_image_rules *rules, int32_t width, int32_t height,
                                 oai_image_plan *out_plan) {
    OAI_TRY(start_plan(rules, width, height, out_plan));
    if (rules->geometry == STRETCH) {
        out_plan->resized_width = out_plan->resized_height = rules->size;
        return OASSL_STATUS_OK;
    }
    OAI_TRY(shorter_side(rules->size, out_plan));
    out_plan->crop_x = (int32_t)oai_centre_offset(out_plan->resized_width, rules->size);
    out_plan->crop_y = (int32_t)oai_centre_offset(out_plan->resized_height, rules->size);
    return OASSL_STATUS_OK;
}

oassl_status oai_image_plan_train(const oai_image_rules *rules, int32_t width, int32_t height, oai_rng *rng,
                                  oai_image_plan *out_plan) {
    OAI_TRY(start_plan(rules, width, height, out_plan));
    OAI_TRY(shorter_side(rules->size * 11 / 10, out_plan));
    out_plan->crop_x = (int32_t)oai_rng_below(rng, (uint32_t)(out_plan->resized_width - rules->size + 1));
    out_plan->crop_y = (int32_t)oai_rng_below(rng, (uint32_t)(out_plan->resized_height - rules->size + 1));
    int mirrored = oai_rng_uniform(rng) < 0.5;
    out_plan->flip = rules->flip && mirrored;
    return OASSL_STATUS_OK;
}

/* ---- pixels ---- */

static oassl_status apply_u8(const oai_host *host, const oai_image_plan *plan, const oassl_image *image, float *out,
                             int64_t plane_stride, int64_t row_stride) {
    const int64_t row = 3 * (int64_t)plan->resized_width;
    const size_t bytes = (size_t)(row * plan->resized_height);
    uint8_t *resized = oai_alloc(host, bytes);
    if (!resized) return oai_no_memory(bytes, "a resized picture");
    oassl_status status = oai_resize_u8(host, image->rgb, image->width, image->height, oai_picture_row_bytes(image), 3,
                                        plan->rules.kernel, resized, plan->resized_width, plan->resized_height, row);
    const int32_t size = plan->rules.size;
    for (int c = 0; c < 3 && status == OASSL_STATUS_OK; c++) {
        float value[256];
        for (int v = 0; v < 256; v++) value[v] = (float)((v / 255.0 - plan->rules.mean[c]) / plan->rules.std[c]);
        for (int32_t y = 0; y < size; y++) {
            const uint8_t *from = resized + (plan->crop_y + y) * row + 3 * (int64_t)plan->crop_x + c;
            float *to = out + c * plane_stride + y * row_stride;
            for (int32_t x = 0; x < size; x++) to[plan->flip ? size - 1 - x : x] = value[from[3 * x]];
        }
    }
    oai_free(host, resized);
    return status;
}

static oassl_status apply_f32(const oai_host *host, const oai_image_plan *plan, const oassl_image *image, float *out,
                              int64_t plane_stride, int64_t row_stride) {
    const int32_t w = image->width, h = image->height, rw = plan->resized_width, rh = plan->resized_height;
    const int32_t size = plan->rules.size;
    const size_t in_count = (size_t)w * (size_t)h, out_count = (size_t)rw * (size_t)rh;
    float *plane = oai_calloc(host, in_count + out_count, sizeof *plane), *resized = plane + in_count;
    if (!plane) return oai_no_memory((in_count + out_count) * sizeof *plane, "a resized picture");
    oassl_status status = OASSL_STATUS_OK;
    for (int c = 0; c < 3 && status == OASSL_STATUS_OK; c++) {
        for (int32_t y = 0; y < h; y++) {
            const uint8_t *from = image->rgb + y * oai_picture_row_bytes(image) + c;
            for (int32_t x = 0; x < w; x++) plane[(size_t)y * w + x] = (float)(from[3 * (int64_t)x] / 255.0);
        }
        status = oai_resize_f32(host, plane, w, h, w, plan->rules.kernel, resized, rw, rh, rw);
        for (int32_t y = 0; y < size && status == OASSL_STATUS_OK; y++) {
            const float *from = resized + (size_t)(plan->crop_y + y) * rw + plan->crop_x;
            float *to = out + c * plane_stride + y * row_stride;
            for (int32_t x = 0; x < size; x++)
                to[plan->flip ? size - 1 - x : x] = (from[x] - plan->rules.mean[c]) / plan->rules.std[c];
        }
    }
    oai_free(host, plane);
    return status;
}

oassl_status oai_image_apply(const oai_host *host, const oai_image_plan *plan, const oassl_image *image, float *out,
                             int64_t plane_stride, int64_t row_stride) {
    OAI_TRY(oai_picture_check(image));
    if (image->width != plan->picture_width || image->height != plan->picture_height)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "a picture of %dx%d pixels where %dx%d were planned for",
                        image->width, image->height, plan->picture_width, plan->picture_height);
    return oai_resize_is_u8(plan->rules.kernel) ? apply_u8(host, plan, image, out, plane_stride, row_stride)
                                                : apply_f32(host, plan, image, out, plane_stride, row_stride);
}

/* ---- geometry ---- */

void oai_image_plan_placement(const oai_image_plan *plan, oassl_image_placement *out_placement) {
    oassl_image_placement p = {.scale_x = (double)plan->resized_width / plan->picture_width,
                               .scale_y = (double)plan->resized_height / plan->picture_height,
                               .offset_x = -plan->crop_x,
                               .offset_y = -plan->crop_y,
                               .width = plan->rules.size,
                               .height = plan->rules.size};
    if (plan->flip) {
        p.scale_x = -p.scale_x;
        p.offset_x = plan->rules.size - p.offset_x;
    }
    *out_placement = p;
}

static void in_order(double a, double b, double *out_low, double *out_high) {
    *out_low = fmin(a, b);
    *out_high = fmax(a, b);
}

void oai_box_to_input(const oassl_image_placement *p, const double *box, double *out_box) {
    in_order(box[0] * p->scale_x + p->offset_x, box[2] * p->scale_x + p->offset_x, &out_box[0], &out_box[2]);
    in_order(box[1] * p->scale_y + p->offset_y, box[3] * p->scale_y + p->offset_y, &out_box[1], &out_box[3]);
}

void oai_box_to_picture(const oassl_image_placement *p, const double *box, double *out_box) {
    in_order((box[0] - p->offset_x) / p->scale_x, (box[2] - p->offset_x) / p->scale_x, &out_box[0], &out_box[2]);
    in_order((box[1] - p->offset_y) / p->scale_y, (box[3] - p->offset_y) / p->scale_y, &out_box[1], &out_box[3]);
}

static int32_t pixel(double at, int32_t limit) {
    int32_t p = (int32_t)floor(at + 0.5);
    return p < 0 ? 0 : p > limit ? limit : p;
}

static void mirror_rows(float *map, int32_t width, int32_t height, int64_t stride) {
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width / 2; x++) {
            float *row = map + y * stride, kept = row[x];
            row[x] = row[width - 1 - x];
            row[width - 1 - x] = kept;
        }
}

oassl_status oai_map_to_picture(const oai_host *host, const oai_image_plan *plan, const float *map, int32_t map_width,
                                int32_t map_height, int32_t kernel, float *out_map) {
    oassl_image_placement p;
    oai_image_plan_placement(plan, &p);
    double seen[4] = {0, 0, p.width, p.height};
    oai_box_to_picture(&p, seen, seen);
    const int32_t w = plan->picture_width, h = plan->picture_height;
    int32_t x0 = pixel(seen[0], w - 1), x1 = pixel(seen[2], w), y0 = pixel(seen[1], h - 1), y1 = pixel(seen[3], h);
    if (x1 <= x0) x1 = x0 + 1;
    if (y1 <= y0) y1 = y0 + 1;
    if (x1 - x0 < w || y1 - y0 < h) {
        float low = map_width > 0 && map_height > 0 ? map[0] : 0;
        for (int64_t i = 1; i < (int64_t)map_width * map_height; i++) low = map[i] < low ? map[i] : low;
        for (int64_t i = 0; i < (int64_t)w * h; i++) out_map[i] = low;
    }
    float *from = out_map + (int64_t)y0 * w + x0;
    OAI_TRY(oai_resize_f32(host, map, map_width, map_height, map_width, kernel, from, x1 - x0, y1 - y0, w));
    if (plan->flip) mirror_rows(from, x1 - x0, y1 - y0, w);
    return OASSL_STATUS_OK;
}
