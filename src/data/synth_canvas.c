#include "data/synth_canvas.h"

#include <math.h>
#include <stddef.h>

typedef float (*sdf)(const void *shape, float x, float y);

typedef struct bounds {
    float x0, y0, x1, y1;
} bounds;

static float clampf(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

oai_rgb oai_hsv(float h, float s, float v) {
    h = fmodf(h + 720.0f, 360.0f) / 60.0f;
    float k[3] = {5.0f, 3.0f, 1.0f}, out[3];
    for (int32_t i = 0; i < 3; i++) {
        float t = fmodf(k[i] + h, 6.0f);
        out[i] = v - v * s * clampf(fminf(t, 4.0f - t), 0.0f, 1.0f);
    }
    return (oai_rgb){out[0], out[1], out[2]};
}

oai_rgb oai_mix(oai_rgb a, oai_rgb b, float t) {
    return (oai_rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

oai_paint oai_solid(oai_rgb fill) {
    return (oai_paint){fill, oai_mix(fill, (oai_rgb){0.05f, 0.04f, 0.06f}, 0.75f), 0.035f, 0.45f, 1.0f};
}

oai_paint oai_flat(oai_rgb fill, float alpha) { return (oai_paint){fill, fill, 0.0f, 0.0f, alpha}; }

static void blend(float *pixel, oai_rgb color, float amount) {
    pixel[0] += (color.r - pixel[0]) * amount;
    pixel[1] += (color.g - pixel[1]) * amount;
    pixel[2] += (color.b - pixel[2]) * amount;
}

/* The pixel rectangle that can be touched by object-space bounds grown by `margin` pixels. */
static bool pixel_bounds(const oai_pen *pen, bounds b, float margin, int32_t out[4]) {
    float lo_x = 1e9f, lo_y = 1e9f, hi_x = -1e9f, hi_y = -1e9f;
    for (int32_t i = 0; i < 4; i++) {
        float ox = (i & 1 ? b.x1 : b.x0) * pen->flip, oy = i & 2 ? b.y1 : b.y0;
        float px = pen->x + pen->scale * (ox * pen->cosine - oy * pen->sine);
        float py = pen->y + pen->scale * (ox * pen->sine + oy * pen->cosine);
        lo_x = fminf(lo_x, px), hi_x = fmaxf(hi_x, px);
        lo_y = fminf(lo_y, py), hi_y = fmaxf(hi_y, py);
    }
    float w = (float)pen->canvas->width, h = (float)pen->canvas->height;
    out[0] = (int32_t)clampf(floorf(lo_x - margin), 0, w), out[1] = (int32_t)clampf(floorf(lo_y - margin), 0, h);
    out[2] = (int32_t)clampf(ceilf(hi_x + margin), 0, w), out[3] = (int32_t)clampf(ceilf(hi_y + margin), 0, h);
    return out[0] < out[2] && out[1] < out[3];
}

/* Distance in pixels to coverage: half a pixel either side of the outline.  Edges are never thinner than 0.7 px
 * so that small objects keep their outline. */
static void paint_shape(const oai_pen *pen, bounds b, sdf distance, const void *shape, oai_paint paint) {
    float edge = paint.edge_width > 0 ? fmaxf(paint.edge_width * pen->scale, 0.7f) : 0.0f;
    int32_t r[4];
    if (!pixel_bounds(pen, b, edge + 1.0f, r)) return;
    float inv = 1.0f / pen->scale, sx = 1.0f / fmaxf(b.x1 - b.x0, 1e-3f), sy = 1.0f / fmaxf(b.y1 - b.y0, 1e-3f);
    for (int32_t y = r[1]; y < r[3]; y++) {
        float *row = pen->canvas->rgb + (size_t)y * pen->canvas->width * 3;
        for (int32_t x = r[0]; x < r[2]; x++) {
            float dx = ((float)x + 0.5f - pen->x) * inv, dy = ((float)y + 0.5f - pen->y) * inv;
            float ox = (dx * pen->cosine + dy * pen->sine) * pen->flip, oy = dy * pen->cosine - dx * pen->sine;
            float d = distance(shape, ox, oy) * pen->scale;
            float outer = clampf(0.5f - (d - edge), 0, 1), inner = clampf(0.5f - d, 0, 1);
            if (outer <= 0) continue;
            if (edge > 0) blend(row + 3 * x, paint.edge, outer * paint.alpha);
            if (inner > 0) {
                float light =
                    0.5f - 0.5f * ((ox * pen->flip - (b.x0 + b.x1) * 0.5f * pen->flip) * sx + (oy - b.y0) * sy);
                float gain = 1.0f + paint.shade * clampf(light - 0.25f, -0.6f, 0.5f);
                oai_rgb c = {clampf(paint.fill.r * gain, 0, 1), clampf(paint.fill.g * gain, 0, 1),
                             clampf(paint.fill.b * gain, 0, 1)};
                blend(row + 3 * x, c, inner * paint.alpha);
            }
            if (pen->marking && pen->mask && paint.alpha > 0.5f) {
                uint8_t *m = pen->mask + (size_t)y * pen->canvas->width + x;
                uint8_t v = (uint8_t)(outer * 255.0f + 0.5f);
                if (v > *m) *m = v;
            }
        }
    }
}

/* ---- shapes ------------------------------------------------------------------------------------------------ */

typedef struct ellipse {
    float x, y, rx, ry;
} ellipse;

/* First-order distance: implicit value over the length of its gradient; exact for circles. */
static float ellipse_distance(const void *shape, float x, float y) {
    const ellipse *e = shape;
    float u = (x - e->x) / e->rx, v = (y - e->y) / e->ry;
    float k = sqrtf(u * u + v * v), gu = u / e->rx, gv = v / e->ry, g = sqrtf(gu * gu + gv * gv);
    return g > 1e-6f ? k * (k - 1.0f) / g : -fminf(e->rx, e->ry);
}

void oai_draw_ellipse(const oai_pen *pen, float x, float y, float rx, float ry, oai_paint paint) {
    ellipse e = {x, y, rx, ry};
    paint_shape(pen, (bounds){x - rx, y - ry, x + rx, y + ry}, ellipse_distance, &e, paint);
}

typedef struct box {
    float x, y, half_w, half_h, cosine, sine, round;
} box;

static float box_distance(const void *shape, float x, float y) {
    const box *b = shape;
    float dx = x - b->x, dy = y - b->y;
    float u = fabsf(dx * b->cosine + dy * b->sine) - b->half_w + b->round;
    float v = fabsf(dy * b->cosine - dx * b->sine) - b->half_h + b->round;
    float ou = fmaxf(u, 0), ov = fmaxf(v, 0);
    return sqrtf(ou * ou + ov * ov) + fminf(fmaxf(u, v), 0) - b->round;
}

void oai_draw_box(const oai_pen *pen, float x, float y, float half_w, float half_h, float angle, float round,
                  oai_paint paint) {
    box b = {x, y, half_w, half_h, cosf(angle), sinf(angle), fminf(round, fminf(half_w, half_h))};
    float ex = fabsf(half_w * b.cosine) + fabsf(half_h * b.sine),
          ey = fabsf(half_w * b.sine) + fabsf(half_h * b.cosine);
    paint_shape(pen, (bounds){x - ex, y - ey, x + ex, y + ey}, box_distance, &b, paint);
}

typedef struct polyline {
    int32_t n;
    const float *xy;
    float w0, w1;
} polyline;

static float segment_distance(const float *p, const float *q, float x, float y, float *out_t) {
    float ex = q[0] - p[0], ey = q[1] - p[1], wx = x - p[0], wy = y - p[1];
    float t = clampf((wx * ex + wy * ey) / fmaxf(ex * ex + ey * ey, 1e-12f), 0, 1);
    float dx = wx - ex * t, dy = wy - ey * t;
    *out_t = t;
    return sqrtf(dx * dx + dy * dy);
}

static float stroke_distance(const void *shape, float x, float y) {
    const polyline *l = shape;
    float best = 1e9f, t;
    for (int32_t i = 0; i + 1 < l->n; i++) {
        float d = segment_distance(l->xy + 2 * i, l->xy + 2 * i + 2, x, y, &t);
        d -= l->w0 + (l->w1 - l->w0) * ((float)i + t) / (float)(l->n - 1);
        best = fminf(best, d);
    }
    return best;
}

static float polygon_distance(const void *shape, float x, float y) {
    const polyline *l = shape;
    float best = 1e9f;
    bool inside = false;
    for (int32_t i = 0, j = l->n - 1; i < l->n; j = i++) {
        const float *p = l->xy + 2 * i, *q = l->xy + 2 * j;
        float ex = q[0] - p[0], ey = q[1] - p[1], wx = x - p[0], wy = y - p[1];
        float t = clampf((wx * ex + wy * ey) / fmaxf(ex * ex + ey * ey, 1e-12f), 0, 1);
        float dx = wx - ex * t, dy = wy - ey * t;
        best = fminf(best, dx * dx + dy * dy);
        if ((p[1] > y) != (q[1] > y) && x < ex * (y - p[1]) / ey + p[0]) inside = !inside;
    }
    return inside ? -sqrtf(best) : sqrtf(best);
}

static bounds points_bounds(int32_t n, const float *xy, float margin) {
    bounds b = {1e9f, 1e9f, -1e9f, -1e9f};
    for (int32_t i = 0; i < n; i++) {
        b.x0 = fminf(b.x0, xy[2 * i] - margin), b.x1 = fmaxf(b.x1, xy[2 * i] + margin);
        b.y0 = fminf(b.y0, xy[2 * i + 1] - margin), b.y1 = fmaxf(b.y1, xy[2 * i + 1] + margin);
    }
    return b;
}

static void stroke(const oai_pen *pen, int32_t n, const float *xy, float w0, float w1, oai_paint paint) {
    polyline l = {n, xy, w0, w1};
    paint_shape(pen, points_bounds(n, xy, fmaxf(w0, w1)), stroke_distance, &l, paint);
}

void oai_draw_line(const oai_pen *pen, float x0, float y0, float x1, float y1, float w0, float w1, oai_paint paint) {
    stroke(pen, 2, (float[]){x0, y0, x1, y1}, w0, w1, paint);
}

void oai_draw_polygon(const oai_pen *pen, int32_t n, const float *xy, oai_paint paint) {
    polyline l = {n, xy, 0, 0};
    paint_shape(pen, points_bounds(n, xy, 0), polygon_distance, &l, paint);
}

/* Catmull-Rom through p1..p2 with neighbours p0 and p3. */
static float spline(float p0, float p1, float p2, float p3, float t) {
    return p1 + 0.5f * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));
}

static int32_t smooth(int32_t n, const float *xy, bool closed, float *out) {
    int32_t made = 0, pieces = closed ? n : n - 1;
    for (int32_t i = 0; i < pieces; i++) {
        int32_t a = closed ? (i + n - 1) % n : (i ? i - 1 : 0), b = i, c = (i + 1) % n;
        int32_t d = closed ? (i + 2) % n : (i + 2 < n ? i + 2 : n - 1);
        for (int32_t s = 0; s < OAI_CURVE_STEPS; s++, made++) {
            float t = (float)s / OAI_CURVE_STEPS;
            out[2 * made] = spline(xy[2 * a], xy[2 * b], xy[2 * c], xy[2 * d], t);
            out[2 * made + 1] = spline(xy[2 * a + 1], xy[2 * b + 1], xy[2 * c + 1], xy[2 * d + 1], t);
        }
    }
    if (!closed) out[2 * made] = xy[2 * n - 2], out[2 * made + 1] = xy[2 * n - 1], made++;
    return made;
}

void oai_draw_blob(const oai_pen *pen, int32_t n, const float *xy, oai_paint paint) {
    float points[2 * OAI_CURVE_MAX_POINTS * OAI_CURVE_STEPS];
    int32_t made = smooth(n, xy, true, points);
    oai_draw_polygon(pen, made, points, paint);
}

void oai_draw_curve(const oai_pen *pen, int32_t n, const float *xy, float w0, float w1, oai_paint paint) {
    float points[2 * (OAI_CURVE_MAX_POINTS * OAI_CURVE_STEPS + 1)];
    int32_t made = smooth(n, xy, false, points);
    stroke(pen, made, points, w0, w1, paint);
}

void oai_draw_arc(const oai_pen *pen, float x, float y, float radius, float a0, float a1, float w, oai_paint paint) {
    float points[2 * 9];
    for (int32_t i = 0; i < 9; i++) {
        float a = a0 + (a1 - a0) * (float)i / 8.0f;
        points[2 * i] = x + radius * cosf(a), points[2 * i + 1] = y + radius * sinf(a);
    }
    stroke(pen, 9, points, w, w, paint);
}
