/* Backgrounds: a wall or open air above, a floor below, never so colourful as to hide an instrument. */
#include <math.h>

#include "data/synth.h"

typedef struct room {
    oai_canvas *canvas;
    oai_pen pen; /* unit = half the picture height, origin in the middle */
    float half_w, horizon;
    oai_rng *rng;
} room;

static float between(oai_rng *rng, float lo, float hi) { return lo + (hi - lo) * (float)oai_rng_uniform(rng); }

static void gradient(oai_canvas *c, int32_t y0, int32_t y1, oai_rgb top, oai_rgb bottom) {
    for (int32_t y = y0; y < y1; y++) {
        oai_rgb v = oai_mix(top, bottom, (float)(y - y0) / (float)(y1 - y0 > 1 ? y1 - y0 - 1 : 1));
        float *row = c->rgb + (size_t)y * c->width * 3;
        for (int32_t x = 0; x < c->width; x++) row[3 * x] = v.r, row[3 * x + 1] = v.g, row[3 * x + 2] = v.b;
    }
}

static void two_parts(room *r, oai_rgb wall, oai_rgb floor) {
    int32_t h = r->canvas->height, y = (int32_t)((float)h * 0.5f * (1.0f + r->horizon));
    oai_rgb white = {1, 1, 1}, black = {0, 0, 0};
    gradient(r->canvas, 0, y, oai_mix(wall, white, 0.15f), oai_mix(wall, black, 0.08f));
    gradient(r->canvas, y, h, oai_mix(floor, black, 0.12f), oai_mix(floor, white, 0.12f));
}

static oai_rgb pale(oai_rng *rng, float saturation) {
    return oai_hsv(between(rng, 0, 360), between(rng, 0.05f, saturation), between(rng, 0.62f, 0.92f));
}

static void wooden_floor(room *r) {
    oai_rgb plank = oai_hsv(between(r->rng, 24, 36), 0.38f, between(r->rng, 0.50f, 0.72f)),
            gap = oai_mix(plank, (oai_rgb){0, 0, 0}, 0.35f);
    two_parts(r, pale(r->rng, 0.3f), plank);
    float x0 = between(r->rng, -0.2f, 0.2f);
    for (int32_t i = -7; i <= 7; i++)
        oai_draw_line(&r->pen, 0.22f * (float)i + x0, r->horizon, 0.42f * (float)i + x0, 1.05f, 0.006f, 0.012f,
                      oai_flat(gap, 0.7f));
    oai_draw_line(&r->pen, -r->half_w, r->horizon, r->half_w, r->horizon, 0.025f, 0.025f,
                  oai_flat((oai_rgb){0.93f, 0.91f, 0.88f}, 1));
}

static void striped_wall(room *r) {
    oai_rgb wall = pale(r->rng, 0.28f), stripe = oai_mix(wall, pale(r->rng, 0.3f), 0.6f),
            carpet = oai_hsv(between(r->rng, 0, 360), 0.25f, between(r->rng, 0.40f, 0.62f));
    two_parts(r, wall, carpet);
    float step = between(r->rng, 0.16f, 0.30f);
    for (float x = -r->half_w; x < r->half_w; x += step)
        oai_draw_box(&r->pen, x, 0.5f * (r->horizon - 1.0f), 0.25f * step, 0.5f * (1.0f + r->horizon), 0, 0,
                     oai_flat(oai_mix(stripe, (oai_rgb){1, 1, 1}, 0.2f), 0.7f));
    oai_draw_ellipse(&r->pen, between(r->rng, -0.3f, 0.3f), 0.5f * (1 + r->horizon), 0.8f * r->half_w,
                     0.4f * (1 - r->horizon), oai_flat(oai_mix(carpet, (oai_rgb){1, 1, 1}, 0.25f), 0.7f));
}

static void meadow(room *r) {
    oai_rgb sky = oai_hsv(between(r->rng, 195, 220), between(r->rng, 0.18f, 0.4f), 0.95f),
            grass = oai_hsv(between(r->rng, 85, 125), between(r->rng, 0.30f, 0.45f), between(r->rng, 0.50f, 0.72f));
    two_parts(r, sky, grass);
    oai_rgb hill = oai_mix(grass, sky, 0.35f);
    for (int32_t i = 0; i < 2; i++)
        oai_draw_ellipse(&r->pen, between(r->rng, -1, 1) * r->half_w, r->horizon + 0.08f, between(r->rng, 0.5f, 0.9f),
                         between(r->rng, 0.15f, 0.32f), oai_flat(hill, 0.9f));
    oai_draw_box(&r->pen, 0, 0.5f * (1.02f + r->horizon) + 0.04f, r->half_w + 0.1f, 0.5f * (1 - r->horizon), 0, 0,
                 oai_flat(grass, 0.85f));
    for (int32_t i = 0; i < 3; i++) {
        float x = between(r->rng, -1, 1) * r->half_w, y = between(r->rng, -0.9f, -0.5f);
        for (int32_t k = 0; k < 3; k++)
            oai_draw_ellipse(&r->pen, x + 0.12f * (float)(k - 1), y - (k == 1 ? 0.04f : 0), 0.13f, 0.07f,
                             oai_flat((oai_rgb){1, 1, 1}, 0.55f));
    }
}

static void stage(room *r) {
    oai_rgb curtain = oai_hsv(between(r->rng, 345, 365), between(r->rng, 0.40f, 0.6f), between(r->rng, 0.38f, 0.55f)),
            boards = oai_hsv(28, 0.35f, between(r->rng, 0.40f, 0.55f));
    two_parts(r, curtain, boards);
    for (float x = -r->half_w; x < r->half_w; x += 0.17f)
        oai_draw_line(&r->pen, x, -1.05f, x + 0.02f, r->horizon, 0.03f, 0.04f,
                      oai_flat(oai_mix(curtain, (oai_rgb){0, 0, 0}, 0.4f), 0.5f));
    oai_draw_ellipse(&r->pen, between(r->rng, -0.4f, 0.4f), 0.5f * (1 + r->horizon), 0.75f * r->half_w,
                     0.42f * (1 - r->horizon), oai_flat((oai_rgb){0.98f, 0.90f, 0.70f}, 0.35f));
}

static void tiles(room *r) {
    oai_rgb a = pale(r->rng, 0.2f), floor = pale(r->rng, 0.2f), gap = oai_mix(floor, (oai_rgb){0, 0, 0}, 0.3f);
    two_parts(r, a, floor);
    for (int32_t i = -6; i <= 6; i++)
        oai_draw_line(&r->pen, 0.3f * (float)i, r->horizon, 0.6f * (float)i, 1.05f, 0.007f, 0.012f,
                      oai_flat(gap, 0.6f));
    for (int32_t i = 1; i < 4; i++) {
        float y = r->horizon + (1 - r->horizon) * (float)(i * i) / 12.0f;
        oai_draw_line(&r->pen, -r->half_w, y, r->half_w, y, 0.008f, 0.008f, oai_flat(gap, 0.6f));
    }
    if (oai_rng_uniform(r->rng) < 0.5) { /* a window */
        float x = between(r->rng, -0.6f, 0.6f), y = -0.58f;
        oai_draw_box(&r->pen, x, y, 0.28f, 0.26f, 0, 0.01f, oai_flat((oai_rgb){0.97f, 0.97f, 0.95f}, 1));
        oai_draw_box(&r->pen, x, y, 0.24f, 0.22f, 0, 0, oai_flat((oai_rgb){0.70f, 0.84f, 0.95f}, 1));
        oai_draw_line(&r->pen, x, y - 0.22f, x, y + 0.22f, 0.012f, 0.012f,
                      oai_flat((oai_rgb){0.97f, 0.97f, 0.95f}, 1));
    }
}

static void plain(room *r) {
    oai_rgb a = pale(r->rng, 0.35f), b = pale(r->rng, 0.35f);
    gradient(r->canvas, 0, r->canvas->height, a, oai_mix(a, b, 0.6f));
    for (int32_t i = 0; i < 5; i++) {
        float s = between(r->rng, 0.15f, 0.5f);
        oai_draw_ellipse(&r->pen, between(r->rng, -1, 1) * r->half_w, between(r->rng, -1, 1), s, s,
                         oai_flat(oai_mix(a, pale(r->rng, 0.35f), 0.5f), 0.3f));
    }
}

void oai_synth_scenery(oai_canvas *canvas, int32_t scenery, oai_rng *rng) {
    static void (*const draw[OAI_N_SCENERIES])(room *) = {wooden_floor, striped_wall, meadow, stage, tiles, plain};
    room r = {.canvas = canvas, .rng = rng};
    float half = 0.5f * (float)canvas->height;
    r.pen = (oai_pen){
        .canvas = canvas, .x = 0.5f * (float)canvas->width, .y = half, .scale = half, .cosine = 1, .flip = 1};
    r.half_w = (float)canvas->width / (float)canvas->height;
    r.horizon = between(rng, -0.05f, 0.45f);
    draw[scenery](&r);
}
