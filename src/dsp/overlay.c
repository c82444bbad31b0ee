#include "dsp/overlay.h"

#include <math.h>
#include <string.h>

#include "dsp/picture_file.h"
#include "dsp/resize.h"

/* Colours at equal steps, interpolated in between: enough for the eye. */
enum { STOPS = 9 };
static const uint8_t colormaps[][STOPS][3] = {
    [OASSL_OVERLAY_COLORMAP_TURBO] = {{48, 18, 59},
                                      {69, 91, 205},
                                      {62, 155, 254},
                                      {24, 214, 203},
                                      {70, 247, 131},
                                      {162, 252, 60},
                                      {225, 220, 55},
                                      {253, 141, 39},
                                      {205, 45, 4}},
    [OASSL_OVERLAY_COLORMAP_INFERNO] = {{0, 0, 4},
                                        {31, 12, 72},
                                        {85, 15, 109},
                                        {136, 34, 106},
                                        {186, 54, 85},
                                        {227, 89, 51},
                                        {249, 140, 10},
                                        {249, 201, 50},
                                        {252, 255, 164}},
};

void oai_colormap(int32_t colormap, double v, uint8_t *out_rgb) {
    double at = fmin(fmax(v, 0), 1) * (STOPS - 1);
    int stop = at >= STOPS - 1 ? STOPS - 2 : (int)at;
    const uint8_t(*c)[3] = &colormaps[colormap][stop];
    for (int k = 0; k < 3; k++) out_rgb[k] = (uint8_t)(c[0][k] + (c[1][k] - c[0][k]) * (at - stop) + 0.5);
}

/* Cold places keep the picture, greyed a little so that the map's colours are the only strong ones. */
static void blend_row(const float *heat, double low, double high, double strength, int32_t colormap, int32_t width,
                      uint8_t *rgb) {
    for (int32_t x = 0; x < width; x++, rgb += 3) {
        double v = high > low ? fmin(fmax((heat[x] - low) / (high - low), 0), 1) : 0;
        double opacity = strength * (0.2 + 0.8 * v), grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        uint8_t hot[3];
        oai_colormap(colormap, v, hot);
        for (int c = 0; c < 3; c++) {
            double ground = 0.5 * rgb[c] + 0.5 * grey;
            rgb[c] = (uint8_t)(ground + (hot[c] - ground) * opacity + 0.5);
        }
    }
}

static oassl_status value_range(const oassl_overlay_options *o, const float *map, int64_t n, double *low,
                                double *high) {
    *low = *high = map[0];
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(map[i]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "heat-map: value %lld is %f", (long long)i, (double)map[i]);
        *low = fmin(*low, map[i]);
        *high = fmax(*high, map[i]);
    }
    if (o->low != 0 || o->high != 0) *low = o->low, *high = o->high;
    return OASSL_STATUS_OK;
}

oassl_status oai_overlay_map(const oai_host *host, const oassl_overlay_options *options, const float *map,
                             int32_t map_width, int32_t map_height, oassl_image *image) {
    const oassl_overlay_options defaults = OASSL_OVERLAY_OPTIONS_INIT, *o = options ? options : &defaults;
    if (o->colormap < 0 || o->colormap > OASSL_OVERLAY_COLORMAP_INFERNO || !(o->strength <= 1) || !isfinite(o->low) ||
        !isfinite(o->high))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "overlay options: colormap %d, strength %g, low %g, high %g",
                        o->colormap, (double)o->strength, (double)o->low, (double)o->high);
    if (o->strength < 0) return OASSL_STATUS_OK;
    if (map_width < 1 || map_height < 1 || map_width > OAI_RESIZE_MAX_SIDE || map_height > OAI_RESIZE_MAX_SIDE)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "heat-map of %dx%d", map_width, map_height);
    double low, high;
    OAI_TRY(value_range(o, map, (int64_t)map_width * map_height, &low, &high));
    const size_t bytes = (size_t)image->width * (size_t)image->height * sizeof(float);
    float *heat = oai_alloc(host, bytes);
    if (!heat) return oai_no_memory(bytes, "a heat-map");
    oassl_status status = oai_resize_f32(host, map, map_width, map_height, map_width, OASSL_RESIZE_BILINEAR, heat,
                                         image->width, image->height, image->width);
    for (int32_t y = 0; y < image->height && status == OASSL_STATUS_OK; y++)
        blend_row(heat + (size_t)y * image->width, low, high, o->strength > 0 ? o->strength : 0.65, o->colormap,
                  image->width, image->rgb + y * oai_picture_row_bytes(image));
    oai_free(host, heat);
    return status;
}

/* ---- marks ---- */

static double clip(double v, double limit) { return fmin(fmax(v, 0), limit); }

/* Signed distance from (x, y) to the outline of the mark, 0 on its line. */
static double outline_distance(const oassl_overlay_mark *m, double radius, double x, double y) {
    if (m->kind == OASSL_OVERLAY_MARK_PEAK) return fabs(hypot(x - m->x0, y - m->y0) - radius);
    double dx = fabs(x - (m->x0 + m->x1) / 2) - fabs(m->x1 - m->x0) / 2;
    double dy = fabs(y - (m->y0 + m->y1) / 2) - fabs(m->y1 - m->y0) / 2;
    return fabs(dx > 0 && dy > 0 ? hypot(dx, dy) : fmax(dx, dy));
}

/* Coverage of the pixel at `distance` from the middle of a line of half width `half`. */
static double coverage(double distance, double half) { return clip(half - distance + 0.5, 1); }

static void draw_mark(const oassl_overlay_mark *m, oassl_image *image) {
    const double side = fmin(image->width, image->height), half = fmax(1, side / 240), rim = half + fmax(1, half / 2);
    const double radius = fmax(4, side / 36), reach = rim + 1;
    int peak = m->kind == OASSL_OVERLAY_MARK_PEAK;
    double left = peak ? m->x0 - radius : fmin(m->x0, m->x1), right = peak ? m->x0 + radius : fmax(m->x0, m->x1);
    double top = peak ? m->y0 - radius : fmin(m->y0, m->y1), bottom = peak ? m->y0 + radius : fmax(m->y0, m->y1);
    int32_t x_from = (int32_t)clip(left - reach, image->width), x_to = (int32_t)clip(right + reach + 1, image->width);
    int32_t y_from = (int32_t)clip(top - reach, image->height),
            y_to = (int32_t)clip(bottom + reach + 1, image->height);
    for (int32_t y = y_from; y < y_to; y++) {
        for (int32_t x = x_from; x < x_to; x++) {
            double d = outline_distance(m, radius, x + 0.5, y + 0.5);
            if (peak) d = fmin(d, fmax(0, hypot(x + 0.5 - m->x0, y + 0.5 - m->y0) - half)); /* and its centre */
            if (d > reach) continue;
            double dark = 0.6 * coverage(d, rim), line = coverage(d, half);
            uint8_t *rgb = image->rgb + y * oai_picture_row_bytes(image) + 3 * (int64_t)x;
            for (int c = 0; c < 3; c++) {
                double v = rgb[c] * (1 - dark);
                rgb[c] = (uint8_t)(v + (m->rgb[c] - v) * line + 0.5);
            }
        }
    }
}

oassl_status oai_overlay_marks(const oassl_overlay_mark *marks, uint32_t n_marks, oassl_image *image) {
    for (uint32_t i = 0; i < n_marks; i++) {
        const oassl_overlay_mark *m = &marks[i];
        int box = m->kind == OASSL_OVERLAY_MARK_BOX;
        if (!box && m->kind != OASSL_OVERLAY_MARK_PEAK)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "overlay mark %u: kind %d", i, m->kind);
        if (!isfinite(m->x0) || !isfinite(m->y0) || (box && (!isfinite(m->x1) || !isfinite(m->y1))))
            return oai_fail(OASSL_STATUS_NON_FINITE, "overlay mark %u: a coordinate is not finite", i);
        draw_mark(m, image);
    }
    return OASSL_STATUS_OK;
}
