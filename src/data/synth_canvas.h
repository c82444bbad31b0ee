/* A small antialiased rasteriser for the built-in pictures: shapes are signed distance functions in object space
 * ([-1,1] squared, y down), placed by a pen (scale, rotation, flip, translation).  Internal to src/data. */
#ifndef OAI_DATA_SYNTH_CANVAS_H
#define OAI_DATA_SYNTH_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct oai_rgb {
    float r, g, b;
} oai_rgb;

/* Working picture: interleaved float RGB in 0..1. */
typedef struct oai_canvas {
    int32_t width, height;
    float *rgb;
} oai_canvas;

typedef struct oai_pen {
    oai_canvas *canvas;
    float x, y, scale;  /* object origin in pixels; pixels per object unit */
    float cosine, sine; /* rotation */
    float flip;         /* +1 or -1: mirrors object x */
    uint8_t *mask;      /* width*height coverage of what is drawn while `marking`; may be NULL */
    bool marking;
} oai_pen;

typedef struct oai_paint {
    oai_rgb fill;
    oai_rgb edge;
    float edge_width; /* object units outside the shape; 0 = none */
    float shade;      /* 0..1: light from the upper left of the shape's box to dark at the lower right */
    float alpha;
} oai_paint;

enum { OAI_CURVE_STEPS = 5, OAI_CURVE_MAX_POINTS = 16 };

oai_rgb oai_hsv(float hue_degrees, float saturation, float value);
oai_rgb oai_mix(oai_rgb a, oai_rgb b, float t);

/* Opaque fill with a dark thin edge and light shading: the look of nearly every part. */
oai_paint oai_solid(oai_rgb fill);
/* No edge, no shading. */
oai_paint oai_flat(oai_rgb fill, float alpha);

void oai_draw_ellipse(const oai_pen *pen, float x, float y, float rx, float ry, oai_paint paint);
void oai_draw_box(const oai_pen *pen, float x, float y, float half_w, float half_h, float angle, float round,
                  oai_paint paint);
/* A capsule whose radius goes from w0 to w1. */
void oai_draw_line(const oai_pen *pen, float x0, float y0, float x1, float y1, float w0, float w1, oai_paint paint);
/* Straight-edged polygon of n points (x, y pairs), n <= 64. */
void oai_draw_polygon(const oai_pen *pen, int32_t n, const float *xy, oai_paint paint);
/* Smooth closed shape / open stroke through at most OAI_CURVE_MAX_POINTS points. */
void oai_draw_blob(const oai_pen *pen, int32_t n, const float *xy, oai_paint paint);
void oai_draw_curve(const oai_pen *pen, int32_t n, const float *xy, float w0, float w1, oai_paint paint);
/* Arc of a circle from angle a0 to a1 (radians, clockwise on the screen). */
void oai_draw_arc(const oai_pen *pen, float x, float y, float radius, float a0, float a1, float w, oai_paint paint);

#endif
