/* Things that make no sound. */
#include "data/synth_draw.h"

typedef const oai_look *look_ptr;

static oai_rgb tint(look_ptr k, float saturation, float value) { return oai_hsv(360.0f * k->u[0], saturation, value); }

static void lamp(const oai_pen *p, look_ptr k) {
    oai_rgb shade = tint(k, 0.35f, 0.92f), metal = {0.32f, 0.30f, 0.30f};
    oai_draw_line(p, 0, -0.3f, 0, 0.88f, 0.04f, 0.05f, oai_solid(metal));
    oai_draw_ellipse(p, 0, 0.92f, 0.34f, 0.08f, oai_solid(metal));
    oai_draw_polygon(p, 4, (float[]){-0.26f, -0.95f, 0.26f, -0.95f, 0.50f, -0.25f, -0.50f, -0.25f}, oai_solid(shade));
}

static void chair(const oai_pen *p, look_ptr k) {
    oai_rgb wood = oai_hsv(20 + 20 * k->u[0], 0.5f, 0.45f + 0.3f * k->u[1]), seat = tint(k, 0.5f, 0.65f);
    for (int32_t i = -1; i <= 1; i += 2) {
        float s = (float)i;
        oai_draw_line(p, s * 0.42f, -0.95f, s * 0.44f, 0.95f, 0.05f, 0.05f, oai_solid(wood));
        oai_draw_line(p, s * 0.26f, 0.25f, s * 0.28f, 0.80f, 0.045f, 0.045f, oai_solid(wood));
    }
    oai_draw_box(p, 0, -0.72f, 0.42f, 0.10f, 0, 0.03f, oai_solid(wood));
    oai_draw_box(p, 0, -0.36f, 0.42f, 0.07f, 0, 0.03f, oai_solid(wood));
    oai_draw_box(p, 0, 0.14f, 0.50f, 0.13f, 0, 0.05f, oai_solid(seat));
}

static void plant(const oai_pen *p, look_ptr k) {
    oai_rgb leaf = oai_hsv(100 + 50 * k->u[1], 0.6f, 0.45f + 0.3f * k->u[2]),
            pot = oai_hsv(10 + 20 * k->u[3], 0.55f, 0.65f);
    for (int32_t i = -3; i <= 3; i++) {
        float a = 0.42f * (float)i, x = sinf(a), y = -cosf(a);
        oai_draw_line(p, 0.12f * x, 0.35f, 0.72f * x, 0.25f + 1.05f * y, 0.05f, 0.13f, oai_solid(leaf));
    }
    oai_draw_polygon(p, 4, (float[]){-0.40f, 0.30f, 0.40f, 0.30f, 0.28f, 0.95f, -0.28f, 0.95f}, oai_solid(pot));
}

static void books(const oai_pen *p, look_ptr k) {
    for (int32_t i = 0; i < 4; i++) {
        float y = 0.60f - 0.32f * (float)i, x = 0.12f * (k->u[i] - 0.5f);
        oai_rgb c = oai_hsv(360.0f * k->u[i + 1], 0.5f, 0.6f);
        oai_draw_box(p, x, y, 0.78f - 0.08f * (float)i, 0.15f, 0, 0.02f, oai_solid(c));
        oai_draw_box(p, x + 0.5f, y, 0.1f, 0.11f, 0, 0, oai_flat((oai_rgb){0.93f, 0.91f, 0.84f}, 1));
    }
}

static void crate(const oai_pen *p, look_ptr k) {
    oai_rgb wood = oai_hsv(30 + 12 * k->u[0], 0.45f, 0.55f + 0.3f * k->u[1]);
    oai_draw_box(p, 0, 0, 0.78f, 0.74f, 0, 0.02f, oai_solid(wood));
    for (int32_t i = -1; i <= 1; i += 2) {
        oai_draw_box(p, 0, 0.62f * (float)i, 0.78f, 0.11f, 0, 0.01f,
                     oai_solid(oai_mix(wood, (oai_rgb){1, 1, 1}, 0.15f)));
        oai_draw_box(p, 0.66f * (float)i, 0, 0.11f, 0.74f, 0, 0.01f,
                     oai_solid(oai_mix(wood, (oai_rgb){1, 1, 1}, 0.15f)));
    }
    oai_draw_line(p, -0.5f, -0.48f, 0.5f, 0.48f, 0.08f, 0.08f, oai_solid(wood));
}

static void vase(const oai_pen *p, look_ptr k) {
    const float body[] = {-0.16f, -0.40f, 0.16f,  -0.40f, 0.22f,  -0.2f, 0.46f,  0.2f, 0.40f,  0.7f,
                          0.22f,  0.95f,  -0.22f, 0.95f,  -0.40f, 0.7f,  -0.46f, 0.2f, -0.22f, -0.2f};
    oai_rgb glaze = tint(k, 0.55f, 0.75f);
    for (int32_t i = -1; i <= 1; i++) {
        float x = 0.26f * (float)i, y = -0.72f + 0.1f * (float)(i * i);
        oai_draw_line(p, 0.3f * x, -0.35f, x, y, 0.025f, 0.025f, oai_solid((oai_rgb){0.25f, 0.5f, 0.25f}));
        oai_draw_ellipse(p, x, y, 0.17f, 0.17f, oai_solid(oai_hsv(360.0f * k->u[i + 2], 0.55f, 0.95f)));
    }
    oai_draw_polygon(p, 10, body, oai_solid(glaze));
    oai_draw_line(p, -0.40f, 0.32f, 0.40f, 0.32f, 0.06f, 0.06f, oai_flat(oai_mix(glaze, (oai_rgb){1, 1, 1}, 0.6f), 1));
}

static void frame(const oai_pen *p, look_ptr k) {
    oai_draw_box(p, 0, 0, 0.92f, 0.72f, 0, 0.01f, oai_solid(oai_hsv(35, 0.5f, 0.4f + 0.4f * k->u[1])));
    oai_draw_box(p, 0, 0, 0.76f, 0.56f, 0, 0, oai_flat(tint(k, 0.3f, 0.9f), 1));
    oai_draw_polygon(p, 5, (float[]){-0.76f, 0.56f, -0.76f, 0.2f, -0.3f, -0.2f, 0.1f, 0.3f, 0.3f, 0.56f},
                     oai_flat(oai_hsv(120 * k->u[2] + 60, 0.4f, 0.6f), 1));
    oai_draw_ellipse(p, 0.42f, -0.25f, 0.14f, 0.14f, oai_flat(oai_hsv(45, 0.6f, 1), 1));
}

static void ball(const oai_pen *p, look_ptr k) {
    oai_rgb c = tint(k, 0.75f, 0.85f);
    oai_draw_ellipse(p, 0, 0, 0.80f, 0.80f, oai_solid(c));
    oai_draw_arc(p, -1.0f, 0, 0.95f, -0.75f, 0.75f, 0.05f, oai_flat((oai_rgb){1, 1, 1}, 0.9f));
    oai_draw_arc(p, 1.0f, 0, 0.95f, 2.4f, 3.88f, 0.05f, oai_flat((oai_rgb){1, 1, 1}, 0.9f));
    oai_draw_ellipse(p, -0.28f, -0.36f, 0.16f, 0.12f, oai_flat((oai_rgb){1, 1, 1}, 0.4f));
}

static const struct {
    float half_w, half_h;
    void (*draw)(const oai_pen *, look_ptr);
} THINGS[OAI_N_CLUTTER] = {
    [OAI_LAMP] = {0.5f, 1.0f, lamp},     [OAI_CHAIR] = {0.52f, 1.0f, chair}, [OAI_PLANT] = {0.85f, 0.98f, plant},
    [OAI_BOOKS] = {0.86f, 0.8f, books},  [OAI_CRATE] = {0.8f, 0.76f, crate}, [OAI_VASE] = {0.48f, 0.96f, vase},
    [OAI_FRAME] = {0.94f, 0.74f, frame}, [OAI_BALL] = {0.8f, 0.8f, ball},
};

void oai_clutter_extent(int32_t i, float *out_half_w, float *out_half_h) {
    *out_half_w = THINGS[i].half_w, *out_half_h = THINGS[i].half_h;
}

void oai_clutter_render(oai_pen *pen, int32_t clutter, const oai_look *look) { THINGS[clutter].draw(pen, look); }
