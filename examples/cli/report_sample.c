/* The card of one sample: its picture with what is true, each heat-map, the sound's spectrogram. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report_parts.h"

enum { LONG_SIDE = 256, SPECTROGRAM_WIDTH = 400, SPECTROGRAM_HEIGHT = 132, MAX_MARKS = 64, QUALITY = 84, MAX_MAPS_SHOWN = 4 };

static const uint8_t GREEN[3] = {64, 255, 96}, RED[3] = {255, 84, 84}, WHITE[3] = {255, 255, 255};

/* ---- data URLs ---- */

static char *base64(const uint8_t *bytes, size_t n, const char *prefix) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = strlen(prefix);
    char *text = malloc(at + (n + 2) / 3 * 4 + 1);
    if (!text) return NULL;
    memcpy(text, prefix, at);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t left = (uint32_t)(n - i), b = (uint32_t)bytes[i] << 16;
        if (left > 1) b |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) b |= bytes[i + 2];
        text[at++] = digits[b >> 18];
        text[at++] = digits[b >> 12 & 63];
        text[at++] = left > 1 ? digits[b >> 6 & 63] : '=';
        text[at++] = left > 2 ? digits[b & 63] : '=';
    }
    text[at] = '\0';
    return text;
}

/* The library writes pictures to files only. */
static oassl_status data_url(const oassl_context *context, const char *folder, const oassl_image *image, json_t **out_url) {
    char path[512];
    snprintf(path, sizeof path, "%s/picture.jpg", folder);
    oassl_status status = oassl_image_save_jpeg(context, path, image, QUALITY);
    if (status != OASSL_STATUS_OK) return status;
    status = OASSL_STATUS_IO;
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (file && fstat(fileno(file), &about) == 0) {
        uint8_t *bytes = malloc((size_t)about.st_size + 1);
        if (bytes && fread(bytes, 1, (size_t)about.st_size, file) == (size_t)about.st_size) {
            char *url = base64(bytes, (size_t)about.st_size, "data:image/jpeg;base64,");
            *out_url = url ? json_string_nocheck(url) : NULL;
            status = *out_url ? OASSL_STATUS_OK : OASSL_STATUS_OUT_OF_MEMORY;
            free(url);
        }
        free(bytes);
    }
    if (file) fclose(file);
    return status;
}

static oassl_status flat_image(int32_t width, int32_t height, uint8_t grey, oassl_image *out_image) {
    *out_image = (oassl_image){malloc((size_t)width * (size_t)height * 3), width, height, 0};
    if (!out_image->rgb) return OASSL_STATUS_OUT_OF_MEMORY;
    memset(out_image->rgb, grey, (size_t)width * (size_t)height * 3);
    return OASSL_STATUS_OK;
}

/* ---- the picture ---- */

typedef struct drawing {
    const oassl_context *context;
    const char *folder;
    const oassl_metric_sample *sample;
    oassl_image small;
    double scale_x, scale_y;
} drawing;

int truth_box(const oassl_metric_sample *sample, const oassl_metric_truth *truth, uint32_t b, double *out_box) {
    double parts = sample->n_parts > 1 ? sample->n_parts : 1, size[2] = {sample->width, sample->height}, box[4], origin[2] = {0, 0};
    if (truth->numbers) {
        size[sample->axis != 0] /= parts;
        origin[sample->axis != 0] = truth->part * size[sample->axis != 0];
    }
    for (int e = 0; e < 4; e++) {
        if (!truth->numbers) {
            box[e] = truth->boxes ? (double)truth->boxes[b][e] : 0;
            continue;
        }
        double v = truth->numbers[b][e];
        if (truth->numbers_are == OASSL_BOX_XYWH && e > 1) v += truth->numbers[b][e - 2];
        double unit = truth->numbers_are == OASSL_BOX_PIXELS ? 1 : truth->numbers_are == OASSL_BOX_OF_256 ? 1 / 256.0 * size[e % 2] : size[e % 2];
        box[e] = origin[e % 2] + fmin(fmax(v * unit, 0), size[e % 2]);
    }
    for (int e = 0; e < 4; e++) out_box[e] = fmin(fmax(box[e], 0), e % 2 ? sample->height : sample->width);
    return out_box[0] < out_box[2] && out_box[1] < out_box[3];
}

static uint32_t box_marks(const drawing *d, const oassl_metric_truth *truth, const uint8_t *rgb, oassl_overlay_mark *marks, uint32_t n) {
    double box[4];
    for (uint32_t b = 0; !truth->mask && b < truth->n_boxes && n < MAX_MARKS; b++)
        if (truth_box(d->sample, truth, b, box))
            marks[n++] = (oassl_overlay_mark){OASSL_OVERLAY_MARK_BOX, (float)(box[0] * d->scale_x), (float)(box[1] * d->scale_y),
                                              (float)(box[2] * d->scale_x), (float)(box[3] * d->scale_y), {rgb[0], rgb[1], rgb[2]}, 0};
    return n;
}

static int masked(const drawing *d, const uint8_t *mask, int32_t x, int32_t y) {
    int32_t width = d->sample->width, height = d->sample->height;
    if (x < 0 || y < 0 || x >= d->small.width || y >= d->small.height) return 0;
    int32_t sx = (int32_t)((x + 0.5) / d->scale_x), sy = (int32_t)((y + 0.5) / d->scale_y);
    sx = sx < width ? sx : width - 1;
    sy = sy < height ? sy : height - 1;
    return mask[(size_t)sy * (size_t)width + (size_t)sx] != 0;
}

/* The rim of a mask, two pixels thick. */
static void draw_mask(const drawing *d, const uint8_t *mask, const uint8_t *rgb, oassl_image *image) {
    int64_t row = image->row_bytes ? image->row_bytes : 3 * (int64_t)image->width;
    for (int32_t y = 0; y < image->height; y++)
        for (int32_t x = 0; x < image->width; x++)
            if (masked(d, mask, x, y) && !(masked(d, mask, x - 2, y) && masked(d, mask, x + 2, y) && masked(d, mask, x, y - 2) &&
                                           masked(d, mask, x, y + 2)))
                memcpy(image->rgb + y * row + 3 * x, rgb, 3);
}

/* `only`: the source to mark; -1 = all of them, with their silent twins. */
static oassl_status add_picture(const drawing *d, const oassl_overlay_options *options, const float *map, int32_t map_width,
                                int32_t map_height, const oassl_overlay_mark *peak, int32_t only, const char *caption, json_t *images) {
    oassl_overlay_mark marks[MAX_MARKS + 1];
    uint32_t n = 0;
    for (uint32_t i = 0; only < 0 && i < d->sample->n_silent; i++)
        if (d->sample->silent[i].twin) n = box_marks(d, &d->sample->silent[i], RED, marks, n);
    for (uint32_t k = 0; k < d->sample->n_sources; k++)
        if (only < 0 || (uint32_t)only == k) n = box_marks(d, &d->sample->sources[k], GREEN, marks, n);
    if (peak) marks[n++] = *peak;
    oassl_image drawn;
    oassl_status status = oassl_image_overlay(d->context, options, &d->small, map, map_width, map_height, marks, n, &drawn);
    if (status != OASSL_STATUS_OK) return status;
    for (uint32_t k = 0; k < d->sample->n_sources; k++)
        if (d->sample->sources[k].mask && (only < 0 || (uint32_t)only == k)) draw_mask(d, d->sample->sources[k].mask, GREEN, &drawn);
    json_t *url = NULL, *item;
    status = data_url(d->context, d->folder, &drawn, &url);
    if (status == OASSL_STATUS_OK) {
        item = json_pack("{s:o, s:o, s:i, s:i}", "src", url, "caption", json_clean_string(caption), "width", (int)drawn.width, "height",
                         (int)drawn.height);
        if (!item || json_array_append_new(images, item) != 0) status = OASSL_STATUS_OUT_OF_MEMORY;
    }
    oassl_image_free(d->context, &drawn);
    return status;
}

/* ---- the heat-maps ---- */

static float *contiguous(const oassl_tensor *map) {
    size_t height = (size_t)map->shape[0], width = (size_t)map->shape[1];
    float *values = malloc(height * width * sizeof *values);
    for (size_t y = 0; values && y < height; y++)
        for (size_t x = 0; x < width; x++) {
            int64_t at = (int64_t)y * map->strides[0] + (int64_t)x * map->strides[1];
            values[y * width + x] = map->dtype == OASSL_DTYPE_F64 ? (float)((const double *)map->data)[at] : ((const float *)map->data)[at];
        }
    return values;
}

static oassl_status add_map(const drawing *d, uint32_t k, int32_t source, double size, const oassl_metric_pair *pair, json_t *images) {
    const oassl_tensor *tensor = &d->sample->maps[k];
    const char *label = source >= 0 ? d->sample->sources[source].label : NULL;
    char caption[160];
    if (d->sample->n_maps == 1) snprintf(caption, sizeof caption, "heat-map");
    else snprintf(caption, sizeof caption, "heat-map %u%s%.100s", k + 1, label ? ": " : "", label ? label : "");
    float *map = contiguous(tensor);
    if (!map) return OASSL_STATUS_OUT_OF_MEMORY;
    oassl_overlay_mark peak = {0};
    if (pair)
        peak = (oassl_overlay_mark){OASSL_OVERLAY_MARK_PEAK, (float)((pair->peak_x + 0.5) / size * d->small.width),
                                    (float)((pair->peak_y + 0.5) / size * d->small.height), 0, 0, {WHITE[0], WHITE[1], WHITE[2]}, 0};
    oassl_status status = add_picture(d, NULL, map, (int32_t)tensor->shape[1], (int32_t)tensor->shape[0], pair ? &peak : NULL,
                                      source >= 0 ? source : INT32_MAX, caption, images);
    free(map);
    return status;
}

static oassl_status add_pictures(drawing *d, const oassl_image *picture, const oassl_metric_pair *pairs, json_t *images) {
    const oassl_metric_sample *s = d->sample;
    double across = picture ? picture->width : s->width, down = picture ? picture->height : s->height; /* truth may be in other units */
    int32_t width = (int32_t)fmax(1, round(across * LONG_SIDE / fmax(across, down)));
    int32_t height = (int32_t)fmax(1, round(down * LONG_SIDE / fmax(across, down)));
    oassl_status status;
    if (picture) status = oassl_image_resize(d->context, picture, width, height, OASSL_RESIZE_DEFAULT, &d->small);
    else status = flat_image(width, height, 128, &d->small);
    if (status != OASSL_STATUS_OK) return status;
    d->scale_x = (double)width / s->width;
    d->scale_y = (double)height / s->height;
    const oassl_overlay_options bare = {.struct_size = sizeof bare, .strength = -1};
    status = add_picture(d, &bare, NULL, 0, 0, NULL, -1, picture ? "truth" : "truth (on grey: the picture was not found)", images);
    for (uint32_t k = 0; k < s->n_maps && k < MAX_MAPS_SHOWN && status == OASSL_STATUS_OK; k++) {
        int32_t source = -1;
        for (uint32_t i = 0; i < s->n_sources; i++)
            if (pairs[i].map == (int32_t)k) source = (int32_t)i;
        status = add_map(d, k, source, 224, source >= 0 ? &pairs[source] : NULL, images);
    }
    if (picture) oassl_image_free(d->context, &d->small);
    else free(d->small.rgb);
    return status;
}

/* ---- the sound ---- */

/* Row 0, the lowest frequency, goes to the bottom; quiet places are lifted, for an overlay on black darkens them. */
static void flip_and_lift(const float *spec, uint64_t columns, float *out_map) {
    float low = spec[0], high = spec[0];
    for (uint64_t i = 1; i < OASSL_LOGSPEC_ROWS * columns; i++) {
        low = fminf(low, spec[i]);
        high = fmaxf(high, spec[i]);
    }
    for (uint64_t row = 0; row < OASSL_LOGSPEC_ROWS; row++)
        for (uint64_t x = 0; x < columns; x++)
            out_map[(OASSL_LOGSPEC_ROWS - 1 - row) * columns + x] = high > low ? sqrtf((spec[row * columns + x] - low) / (high - low)) : 0;
}

static oassl_status spectrogram_url(const oassl_context *context, const char *folder, const oassl_audio *sound, json_t **out_url) {
    uint64_t columns;
    oassl_status status = oassl_audio_logspec_columns(NULL, sound->rate, &columns);
    if (status != OASSL_STATUS_OK) return status;
    size_t n = (size_t)(OASSL_LOGSPEC_ROWS * columns);
    float *spec = malloc(2 * n * sizeof *spec), *flipped = spec + n;
    if (!spec) return OASSL_STATUS_OUT_OF_MEMORY;
    status = oassl_audio_logspec(context, NULL, sound, spec, n);
    if (status == OASSL_STATUS_OK) flip_and_lift(spec, columns, flipped);
    oassl_image black = {0}, drawn;
    const oassl_overlay_options inferno = {.struct_size = sizeof inferno, .colormap = OASSL_OVERLAY_COLORMAP_INFERNO, .strength = 1, .high = 1};
    if (status == OASSL_STATUS_OK) status = flat_image(SPECTROGRAM_WIDTH, SPECTROGRAM_HEIGHT, 0, &black);
    if (status == OASSL_STATUS_OK)
        status = oassl_image_overlay(context, &inferno, &black, flipped, (int32_t)columns, OASSL_LOGSPEC_ROWS, NULL, 0, &drawn);
    if (status == OASSL_STATUS_OK) {
        status = data_url(context, folder, &drawn, out_url);
        oassl_image_free(context, &drawn);
    }
    free(black.rgb);
    free(spec);
    return status;
}

/* ---- the card ---- */

static json_t *sources_json(const oassl_metric_sample *sample, const oassl_metric_pair *pairs) {
    json_t *sources = json_array();
    for (uint32_t k = 0; k < sample->n_sources; k++)
        json_array_append_new(sources, json_pack("{s:o, s:f, s:f, s:f, s:f}", "label", json_clean_string(sample->sources[k].label), "ap",
                                                 pairs[k].ap, "ciou", pairs[k].ciou, "adaptive_ciou", pairs[k].adaptive_ciou, "pointing",
                                                 pairs[k].pointing));
    return sources;
}

oassl_status sample_card(const oassl_context *context, const char *folder, const oassl_metric_sample *sample, const oassl_image *picture,
                         const oassl_audio *sound, const oassl_metric_pair *pairs, double score, json_t **out_card) {
    drawing d = {.context = context, .folder = folder, .sample = sample};
    json_t *images = json_array(), *url = NULL;
    oassl_status status = images ? add_pictures(&d, picture, pairs, images) : OASSL_STATUS_OUT_OF_MEMORY;
    if (status == OASSL_STATUS_OK && sound) status = spectrogram_url(context, folder, sound, &url);
    if (status == OASSL_STATUS_OK) {
        *out_card = json_pack("{s:o, s:f, s:o, s:O}", "id", json_clean_string(sample->id), "score", score, "sources",
                              sources_json(sample, pairs), "images", images);
        if (!*out_card || (url && json_object_set(*out_card, "sound", url) != 0)) status = OASSL_STATUS_OUT_OF_MEMORY;
    }
    json_decref(url);
    json_decref(images);
    return status;
}
