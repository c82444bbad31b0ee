#include "data/synth_draw.h"

#include <stddef.h>

static const oai_rgb BLACK = {0.09f, 0.08f, 0.10f}, IVORY = {0.95f, 0.93f, 0.86f}, STEEL = {0.80f, 0.83f, 0.87f};

typedef const oai_look *look_ptr;

static float lerp(float a, float b, float t) { return a + (b - a) * t; }

oai_look oai_look_draw(oai_rng *rng) {
    oai_look look;
    for (int32_t i = 0; i < 6; i++) look.u[i] = (float)oai_rng_uniform(rng);
    return look;
}

oai_player oai_player_draw(oai_rng *rng) {
    static const oai_rgb skins[] = {{0.97f, 0.82f, 0.70f},
                                    {0.92f, 0.73f, 0.58f},
                                    {0.80f, 0.58f, 0.42f},
                                    {0.62f, 0.42f, 0.29f},
                                    {0.45f, 0.30f, 0.21f}};
    oai_player p = {.skin = skins[oai_rng_below(rng, 5)]};
    float hue = 360.0f * (float)oai_rng_uniform(rng), s = lerp(0.55f, 0.9f, (float)oai_rng_uniform(rng));
    p.sleeve = oai_hsv(hue, s, lerp(0.45f, 0.9f, (float)oai_rng_uniform(rng)));
    for (int32_t i = 0; i < 4; i++) p.u[i] = (float)oai_rng_uniform(rng);
    return p;
}

/* ---- instruments ------------------------------------------------------------------------------------------- */

static oai_rgb guitar_wood(look_ptr k) {
    if (k->u[0] < 0.25f) return oai_hsv(lerp(0, 12, k->u[1]), 0.80f, lerp(0.62f, 0.8f, k->u[2]));
    if (k->u[0] < 0.40f) return oai_hsv(215, 0.65f, lerp(0.6f, 0.8f, k->u[2]));
    return oai_hsv(lerp(30, 42, k->u[1]), 0.62f, lerp(0.85f, 0.97f, k->u[2]));
}

static void guitar(const oai_pen *p, look_ptr k) {
    const float body[] = {0,      -0.12f, 0.34f,  -0.06f, 0.40f,  0.14f, 0.31f,  0.33f, 0.46f,  0.50f,
                          0.55f,  0.72f,  0.40f,  0.94f,  0,      1.0f,  -0.40f, 0.94f, -0.55f, 0.72f,
                          -0.46f, 0.50f,  -0.31f, 0.33f,  -0.40f, 0.14f, -0.34f, -0.06f};
    oai_rgb wood = guitar_wood(k), dark = {0.30f, 0.19f, 0.12f};
    oai_draw_box(p, 0, -0.42f, 0.075f, 0.42f, 0, 0.02f, oai_solid(dark));
    oai_draw_blob(p, 14, body, oai_solid(wood));
    oai_draw_box(p, 0, -0.10f, 0.07f, 0.22f, 0, 0.02f, oai_flat(dark, 1));
    oai_draw_ellipse(p, 0, 0.28f, 0.19f, 0.19f, oai_flat(oai_mix(wood, IVORY, 0.6f), 1));
    oai_draw_ellipse(p, 0, 0.28f, 0.15f, 0.15f, oai_flat(BLACK, 1));
    oai_draw_box(p, 0, 0.74f, 0.20f, 0.045f, 0, 0.02f, oai_solid(dark));
    oai_draw_polygon(p, 4, (float[]){-0.08f, -0.78f, 0.08f, -0.78f, 0.12f, -1.0f, -0.12f, -1.0f}, oai_solid(dark));
    for (int32_t i = 0; i < 3; i++) {
        float x = -0.04f + 0.04f * (float)i, y = -0.95f + 0.065f * (float)i;
        oai_draw_line(p, x, -0.9f, x, 0.74f, 0.006f, 0.006f, oai_flat(IVORY, 0.8f));
        oai_draw_ellipse(p, -0.155f, y, 0.035f, 0.025f, oai_flat(STEEL, 1));
        oai_draw_ellipse(p, 0.155f, y, 0.035f, 0.025f, oai_flat(STEEL, 1));
    }
}

static void violin(const oai_pen *p, look_ptr k) {
    const float body[] = {0,      -0.14f, 0.25f,  -0.12f, 0.33f,  0.06f, 0.27f,  0.20f,  0.17f,  0.32f,  0.29f,
                          0.46f,  0.41f,  0.66f,  0.32f,  0.88f,  0,     0.94f,  -0.32f, 0.88f,  -0.41f, 0.66f,
                          -0.29f, 0.46f,  -0.17f, 0.32f,  -0.27f, 0.20f, -0.33f, 0.06f,  -0.25f, -0.12f};
    oai_rgb wood = oai_hsv(lerp(8, 22, k->u[0]), lerp(0.72f, 0.88f, k->u[1]), lerp(0.52f, 0.70f, k->u[2]));
    oai_draw_blob(p, 16, body, oai_solid(wood));
    oai_draw_line(p, 0, -0.88f, 0, 0.28f, 0.05f, 0.075f, oai_solid(BLACK));
    oai_draw_ellipse(p, 0, -0.92f, 0.10f, 0.08f, oai_solid(wood));
    for (int32_t side = -1; side <= 1; side += 2) {
        float s = (float)side;
        const float hole[] = {s * 0.10f, 0.30f, s * 0.17f, 0.36f, s * 0.14f, 0.48f, s * 0.21f, 0.56f};
        oai_draw_curve(p, 4, hole, 0.025f, 0.025f, oai_flat(BLACK, 1));
        oai_draw_line(p, s * 0.09f, -0.78f + 0.06f * s, s * 0.15f, -0.78f + 0.06f * s, 0.022f, 0.022f,
                      oai_flat(BLACK, 1));
    }
    oai_draw_box(p, 0, 0.45f, 0.12f, 0.03f, 0, 0.01f, oai_flat(IVORY, 1));
    oai_draw_polygon(p, 4, (float[]){-0.09f, 0.56f, 0.09f, 0.56f, 0.05f, 0.86f, -0.05f, 0.86f}, oai_solid(BLACK));
    oai_draw_ellipse(p, -0.2f, 0.82f, 0.14f, 0.08f, oai_solid(BLACK));
}

static oai_rgb drum_shell(look_ptr k) {
    return oai_hsv(360.0f * k->u[0], lerp(0.65f, 0.9f, k->u[1]), lerp(0.55f, 0.85f, k->u[2]));
}

static void drum(const oai_pen *p, look_ptr k) {
    oai_rgb shell = drum_shell(k);
    oai_draw_ellipse(p, 0, 0.50f, 0.84f, 0.28f, oai_solid(STEEL));
    oai_draw_ellipse(p, 0, 0.44f, 0.80f, 0.26f, oai_solid(shell));
    oai_draw_box(p, 0, 0.08f, 0.80f, 0.38f, 0, 0.02f, oai_solid(shell));
    for (int32_t i = -2; i <= 2; i++) {
        float x = 0.34f * (float)i, sag = 0.24f * (1.0f - x * x);
        oai_draw_line(p, x, -0.25f + sag, x, 0.40f + sag, 0.03f, 0.03f, oai_solid(STEEL));
    }
    oai_draw_ellipse(p, 0, -0.30f, 0.86f, 0.31f, oai_solid(STEEL));
    oai_draw_ellipse(p, 0, -0.32f, 0.77f, 0.25f, oai_solid(IVORY));
}

static void trumpet(const oai_pen *p, look_ptr k) {
    oai_rgb brass = oai_hsv(lerp(44, 52, k->u[0]), lerp(0.70f, 0.85f, k->u[1]), lerp(0.90f, 1.0f, k->u[2]));
    const float flare[] = {0.30f,  -0.09f, 0.62f, -0.13f, 0.82f, -0.22f, 0.96f, -0.44f, 1.0f,
                           -0.03f, 0.96f,  0.38f, 0.82f,  0.16f, 0.62f,  0.07f, 0.30f,  0.03f};
    const float loop[] = {0.30f, 0.34f, -0.38f, 0.34f, -0.52f, 0.26f, -0.55f, 0.12f, -0.48f, 0.0f, -0.30f, -0.03f};
    const float back[] = {0.26f, 0.34f, 0.42f, 0.26f, 0.42f, 0.06f, 0.28f, -0.03f};
    oai_draw_curve(p, 6, loop, 0.055f, 0.055f, oai_solid(brass));
    oai_draw_curve(p, 4, back, 0.055f, 0.055f, oai_solid(brass));
    oai_draw_line(p, -0.9f, -0.03f, 0.45f, -0.03f, 0.05f, 0.065f, oai_solid(brass));
    oai_draw_polygon(p, 9, flare, oai_solid(brass));
    oai_draw_ellipse(p, 0.96f, -0.03f, 0.07f, 0.40f, oai_solid(oai_mix(brass, BLACK, 0.35f)));
    oai_draw_polygon(p, 4, (float[]){-1.0f, -0.13f, -0.86f, -0.06f, -0.86f, 0.0f, -1.0f, 0.07f}, oai_solid(STEEL));
    for (int32_t i = 0; i < 3; i++) {
        float x = -0.26f + 0.2f * (float)i;
        oai_draw_box(p, x, 0.12f, 0.075f, 0.32f, 0, 0.04f, oai_solid(brass));
        oai_draw_line(p, x, -0.22f, x, -0.36f, 0.025f, 0.025f, oai_flat(STEEL, 1));
        oai_draw_ellipse(p, x, -0.38f, 0.07f, 0.045f, oai_solid(IVORY));
    }
}

static oai_rgb piano_case(look_ptr k) {
    if (k->u[0] < 0.45f) return (oai_rgb){0.13f, 0.12f, 0.15f};
    return oai_hsv(lerp(14, 26, k->u[1]), 0.62f, lerp(0.36f, 0.52f, k->u[2]));
}

static void piano(const oai_pen *p, look_ptr k) {
    oai_rgb wood = piano_case(k), trim = oai_mix(wood, IVORY, 0.18f);
    oai_draw_box(p, -0.84f, 0.45f, 0.08f, 0.46f, 0, 0.02f, oai_solid(wood));
    oai_draw_box(p, 0.84f, 0.45f, 0.08f, 0.46f, 0, 0.02f, oai_solid(wood));
    oai_draw_box(p, 0, 0.02f, 0.86f, 0.82f, 0, 0.03f, oai_solid(wood));
    oai_draw_box(p, 0, -0.78f, 0.95f, 0.07f, 0, 0.03f, oai_solid(trim));
    oai_draw_box(p, 0, -0.42f, 0.62f, 0.18f, 0, 0.02f, oai_solid(trim));
    oai_draw_box(p, 0, 0.12f, 0.96f, 0.20f, 0, 0.03f, oai_solid(wood));
    oai_draw_box(p, 0, 0.12f, 0.86f, 0.17f, 0, 0.01f, oai_flat(IVORY, 1));
    for (int32_t i = 1; i < 10; i++) {
        float x = -0.86f + 0.172f * (float)i;
        oai_draw_line(p, x, -0.04f, x, 0.28f, 0.012f, 0.012f, oai_flat(BLACK, 0.8f));
        if (i % 7 != 3 && i % 7 != 0) oai_draw_box(p, x, 0.03f, 0.05f, 0.09f, 0, 0.01f, oai_flat(BLACK, 1));
    }
    for (int32_t i = -1; i <= 1; i += 2)
        oai_draw_ellipse(p, 0.08f * (float)i, 0.84f, 0.06f, 0.04f, oai_solid(oai_hsv(46, 0.7f, 0.9f)));
}

static void flute(const oai_pen *p, look_ptr k) {
    oai_rgb metal = k->u[0] < 0.7f ? oai_mix(STEEL, IVORY, k->u[1]) : oai_hsv(lerp(40, 48, k->u[1]), 0.35f, 0.95f);
    oai_rgb key = oai_mix(metal, (oai_rgb){0.3f, 0.35f, 0.45f}, 0.45f);
    oai_draw_line(p, -0.95f, 0, 0.95f, 0, 0.095f, 0.085f, oai_solid(metal));
    oai_draw_box(p, -0.45f, 0, 0.03f, 0.12f, 0, 0.01f, oai_solid(key));
    oai_draw_box(p, 0.62f, 0, 0.03f, 0.115f, 0, 0.01f, oai_solid(key));
    oai_draw_ellipse(p, -0.70f, -0.03f, 0.12f, 0.07f, oai_solid(key));
    oai_draw_ellipse(p, -0.70f, -0.04f, 0.06f, 0.03f, oai_flat(BLACK, 1));
    for (int32_t i = 0; i < 6; i++)
        oai_draw_ellipse(p, -0.28f + 0.155f * (float)i, -0.02f, 0.06f, 0.06f, oai_solid(key));
    oai_draw_line(p, -0.3f, 0.10f, 0.5f, 0.10f, 0.02f, 0.02f, oai_flat(key, 1));
}

static void bell(const oai_pen *p, look_ptr k) {
    oai_rgb bronze = oai_hsv(lerp(24, 34, k->u[0]), lerp(0.72f, 0.85f, k->u[1]), lerp(0.68f, 0.82f, k->u[2]));
    oai_rgb wood = {0.36f, 0.20f, 0.12f}, ribbon = oai_hsv(lerp(340, 380, k->u[3]), 0.8f, 0.75f);
    const float cup[] = {-0.20f, -0.36f, 0.20f,  -0.36f, 0.36f,  -0.22f, 0.42f,  0.10f, 0.50f,  0.42f,
                         0.76f,  0.72f,  -0.76f, 0.72f,  -0.50f, 0.42f,  -0.42f, 0.10f, -0.36f, -0.22f};
    oai_draw_ellipse(p, 0, 0.80f, 0.17f, 0.17f, oai_solid(BLACK));
    oai_draw_box(p, 0, -0.66f, 0.09f, 0.30f, 0, 0.08f, oai_solid(wood));
    oai_draw_ellipse(p, 0, -0.90f, 0.14f, 0.10f, oai_solid(wood));
    oai_draw_polygon(p, 10, cup, oai_solid(bronze));
    oai_draw_box(p, 0, 0.72f, 0.80f, 0.10f, 0, 0.08f, oai_solid(oai_mix(bronze, IVORY, 0.15f)));
    oai_draw_line(p, -0.42f, 0.08f, 0.42f, 0.08f, 0.045f, 0.045f, oai_flat(ribbon, 1));
    oai_draw_line(p, -0.18f, -0.2f, -0.3f, 0.45f, 0.05f, 0.05f, oai_flat(IVORY, 0.45f));
}

static void saxophone(const oai_pen *p, look_ptr k) {
    oai_rgb brass = oai_hsv(lerp(36, 43, k->u[0]), lerp(0.78f, 0.92f, k->u[1]), lerp(0.80f, 0.92f, k->u[2]));
    const float tube[] = {-0.34f, -0.86f, -0.24f, -0.62f, -0.16f, -0.2f, -0.10f, 0.3f,
                          -0.02f, 0.62f,  0.16f,  0.78f,  0.36f,  0.66f, 0.44f,  0.40f};
    const float neck[] = {-0.62f, -0.74f, -0.52f, -0.90f, -0.36f, -0.90f, -0.33f, -0.80f};
    const float flare[] = {0.22f, 0.42f,  0.24f, 0.20f,  0.16f, -0.02f, 0.05f, -0.16f,
                           0.80f, -0.24f, 0.70f, -0.02f, 0.65f, 0.22f,  0.64f, 0.46f};
    oai_draw_curve(p, 4, neck, 0.05f, 0.065f, oai_solid(brass));
    oai_draw_line(p, -0.66f, -0.66f, -0.60f, -0.78f, 0.05f, 0.06f, oai_solid(BLACK));
    oai_draw_curve(p, 8, tube, 0.075f, 0.22f, oai_solid(brass));
    oai_draw_polygon(p, 8, flare, oai_solid(brass));
    oai_draw_ellipse(p, 0.425f, -0.20f, 0.40f, 0.12f, oai_solid(oai_mix(brass, BLACK, 0.55f)));
    for (int32_t i = 0; i < 5; i++) {
        float y = -0.5f + 0.2f * (float)i, x = -0.21f + 0.06f * (float)i;
        oai_draw_ellipse(p, x, y, 0.085f, 0.075f, oai_solid(IVORY));
    }
    oai_draw_line(p, -0.02f, -0.4f, 0.06f, 0.45f, 0.025f, 0.025f, oai_solid(oai_mix(brass, IVORY, 0.3f)));
}

static oai_rgb accordion_case(look_ptr k) {
    return oai_hsv(lerp(330, 380, k->u[0]) + (k->u[1] < 0.4f ? 230.0f : 0.0f), 0.78f, lerp(0.55f, 0.78f, k->u[2]));
}

static void accordion(const oai_pen *p, look_ptr k) {
    oai_rgb shell = accordion_case(k), fold = oai_mix(shell, BLACK, 0.6f);
    for (int32_t i = 0; i < 7; i++) {
        float x = -0.33f + 0.11f * (float)i, y = i & 1 ? 0.06f : 0.0f;
        oai_draw_box(p, x, 0, 0.06f, 0.62f + y, 0, 0.02f, oai_solid(i & 1 ? oai_mix(IVORY, shell, 0.15f) : fold));
    }
    oai_draw_box(p, -0.66f, 0, 0.27f, 0.72f, 0, 0.10f, oai_solid(shell));
    oai_draw_box(p, 0.66f, 0, 0.27f, 0.72f, 0, 0.10f, oai_solid(shell));
    oai_draw_box(p, -0.80f, 0, 0.13f, 0.64f, 0, 0.02f, oai_solid(IVORY));
    for (int32_t i = 0; i < 7; i++) {
        float y = -0.5f + 0.167f * (float)i;
        if (i % 4 != 3) oai_draw_box(p, -0.74f, y, 0.08f, 0.04f, 0, 0.01f, oai_flat(BLACK, 1));
    }
    for (int32_t i = 0; i < 12; i++)
        oai_draw_ellipse(p, 0.58f + 0.14f * (float)(i % 2), -0.5f + 0.19f * (float)(i / 2), 0.045f, 0.045f,
                         oai_flat(IVORY, 1));
    oai_draw_line(p, -0.48f, -0.55f, -0.48f, 0.55f, 0.03f, 0.03f, oai_flat(STEEL, 1));
}

static void xylophone(const oai_pen *p, look_ptr k) {
    float shift = 40.0f * k->u[0], value = lerp(0.82f, 0.98f, k->u[1]);
    oai_rgb rail = oai_hsv(28, 0.55f, lerp(0.40f, 0.60f, k->u[2]));
    oai_draw_line(p, -0.92f, -0.34f, 0.92f, -0.18f, 0.06f, 0.06f, oai_solid(rail));
    oai_draw_line(p, -0.92f, 0.34f, 0.92f, 0.18f, 0.06f, 0.06f, oai_solid(rail));
    for (int32_t i = 0; i < 8; i++) {
        float x = -0.82f + 0.234f * (float)i, half = 0.60f - 0.04f * (float)i;
        oai_draw_box(p, x, 0, 0.09f, half, 0, 0.03f, oai_solid(oai_hsv(shift + 42.0f * (float)i, 0.72f, value)));
        oai_draw_ellipse(p, x, -half + 0.1f, 0.025f, 0.025f, oai_flat(IVORY, 1));
        oai_draw_ellipse(p, x, half - 0.1f, 0.025f, 0.025f, oai_flat(IVORY, 1));
    }
}

typedef struct instrument_kind {
    float half_w, half_h, tilt_lo, tilt_hi;
    void (*draw)(const oai_pen *, look_ptr);
} instrument_kind;

static const instrument_kind KINDS[OAI_N_INSTRUMENTS] = {
    [OAI_GUITAR] = {0.56f, 1.0f, -42, 42, guitar},
    [OAI_VIOLIN] = {0.42f, 1.0f, -42, 42, violin},
    [OAI_DRUM] = {0.87f, 0.72f, -9, 9, drum},
    [OAI_TRUMPET] = {1.0f, 0.46f, -30, 20, trumpet},
    [OAI_PIANO] = {0.96f, 0.90f, -4, 4, piano},
    [OAI_FLUTE] = {1.0f, 0.14f, -48, -22, flute},
    [OAI_BELL] = {0.80f, 0.98f, -25, 25, bell},
    [OAI_SAXOPHONE] = {0.74f, 0.94f, -20, 20, saxophone},
    [OAI_ACCORDION] = {0.94f, 0.73f, -12, 12, accordion},
    [OAI_XYLOPHONE] = {0.97f, 0.62f, -14, 14, xylophone},
};

void oai_instrument_extent(int32_t i, float *out_half_w, float *out_half_h, float *out_tilt_lo, float *out_tilt_hi) {
    *out_half_w = KINDS[i].half_w, *out_half_h = KINDS[i].half_h;
    *out_tilt_lo = KINDS[i].tilt_lo, *out_tilt_hi = KINDS[i].tilt_hi;
}

void oai_instrument_render(oai_pen *pen, int32_t instrument, const oai_look *look) {
    KINDS[instrument].draw(pen, look);
}

static const char *hue_word(float hue) {
    static const char *const words[] = {"red",  "orange", "yellow", "green", "green", "teal",
                                        "blue", "blue",   "purple", "pink",  "red"};
    hue = fmodf(hue + 720.0f, 360.0f);
    return words[(int32_t)(hue / 33.0f)];
}

const char *oai_look_color(int32_t instrument, const oai_look *k) {
    switch (instrument) {
    case OAI_GUITAR: return k->u[0] < 0.25f ? "red" : k->u[0] < 0.40f ? "blue" : "yellow";
    case OAI_DRUM: return hue_word(360.0f * k->u[0]);
    case OAI_ACCORDION: return k->u[1] < 0.4f ? "blue" : "red";
    case OAI_PIANO: return k->u[0] < 0.45f ? "black" : "brown";
    case OAI_FLUTE: return k->u[0] < 0.7f ? "silver" : "golden";
    default: return NULL;
    }
}

/* ---- playing ----------------------------------------------------------------------------------------------- */

/* A sleeve coming in along `angle`, a palm at (x, y) and four fingers pointing on. */
static void hand(oai_pen *p, const oai_player *who, float x, float y, float angle, float size) {
    float c = cosf(angle), s = sinf(angle), back = 1.55f * size;
    oai_rgb skin = who->skin, cuff = oai_mix(who->sleeve, IVORY, 0.75f);
    p->marking = false; /* the arm leads away from the instrument */
    oai_draw_line(p, x - c * size * 0.7f, y - s * size * 0.7f, x - c * (back + size * 1.1f),
                  y - s * (back + size * 1.1f), 0.62f * size, 0.85f * size, oai_solid(who->sleeve));
    oai_draw_line(p, x - c * size * 0.68f - s * 0.5f * size, y - s * size * 0.68f + c * 0.5f * size,
                  x - c * size * 0.68f + s * 0.5f * size, y - s * size * 0.68f - c * 0.5f * size, 0.2f * size,
                  0.2f * size, oai_solid(cuff));
    p->marking = true;
    for (int32_t i = 0; i < 4; i++) {
        float across = (-0.48f + 0.32f * (float)i) * size, reach = (i == 1 || i == 2 ? 1.05f : 0.9f) * size;
        float fx = x - s * across, fy = y + c * across;
        oai_draw_line(p, fx + c * size * 0.2f, fy + s * size * 0.2f, fx + c * reach, fy + s * reach, 0.17f * size,
                      0.14f * size, oai_solid(skin));
    }
    oai_draw_ellipse(p, x, y, 0.62f * size, 0.62f * size, oai_solid(skin));
    oai_draw_line(p, x + s * 0.55f * size, y - c * 0.55f * size, x + s * 0.75f * size + c * 0.6f * size,
                  y - c * 0.75f * size + s * 0.6f * size, 0.2f * size, 0.15f * size, oai_solid(skin));
}

/* Stick with a round head from the hand at (x, y) to the point struck. */
static void stick(oai_pen *p, float x, float y, float to_x, float to_y, float head, oai_rgb color) {
    oai_draw_line(p, x, y, to_x, to_y, 0.04f, 0.035f, oai_solid((oai_rgb){0.85f, 0.68f, 0.42f}));
    oai_draw_ellipse(p, to_x, to_y, head, head, oai_solid(color));
}

static void sound_arcs(oai_pen *p, float x, float y, float angle, float radius) {
    oai_paint light = {{1.0f, 0.97f, 0.72f}, {0.18f, 0.16f, 0.24f}, 0.035f, 0, 1};
    for (int32_t i = 0; i < 3; i++) {
        float r = radius + 0.17f * (float)i, half = 0.50f - 0.04f * (float)i;
        oai_draw_arc(p, x, y, r, angle - half, angle + half, 0.038f, light);
    }
}

static void note(oai_pen *p, float x, float y, float size) {
    oai_paint ink = {{0.12f, 0.10f, 0.20f}, {1, 1, 0.92f}, 0.04f, 0, 1};
    oai_draw_line(p, x + 0.42f * size, y, x + 0.42f * size, y - 1.5f * size, 0.09f * size, 0.09f * size, ink);
    oai_draw_line(p, x + 0.42f * size, y - 1.5f * size, x + 0.95f * size, y - 1.0f * size, 0.13f * size, 0.08f * size,
                  ink);
    oai_draw_ellipse(p, x, y, 0.48f * size, 0.36f * size, ink);
}

static void play_hands(oai_pen *p, int32_t instrument, const oai_player *w) {
    float a = 0.3f * (w->u[0] - 0.5f), lift = 0.16f * w->u[1];
    oai_rgb felt = oai_mix(w->sleeve, IVORY, 0.3f);
    switch (instrument) {
    case OAI_GUITAR:
        hand(p, w, 0.13f, 0.42f + 0.2f * lift, 3.5f + a, 0.27f);
        hand(p, w, -0.08f, -0.52f - lift, 0.25f + a, 0.22f);
        break;
    case OAI_VIOLIN:
        oai_draw_line(p, -0.75f, 0.58f - lift, 0.95f, 0.12f + lift, 0.045f, 0.045f,
                      oai_solid((oai_rgb){0.55f, 0.26f, 0.12f}));
        oai_draw_line(p, -0.72f, 0.66f - lift, 0.95f, 0.21f + lift, 0.02f, 0.02f, oai_flat(IVORY, 1));
        hand(p, w, 0.72f, 0.22f + lift, 3.3f + a, 0.27f);
        hand(p, w, -0.08f, -0.56f, 0.3f + a, 0.22f);
        break;
    case OAI_DRUM:
        stick(p, 0.72f, -0.78f - lift, 0.18f, -0.34f, 0.07f, felt);
        stick(p, -0.72f, -0.95f + lift, -0.20f, -0.36f - lift, 0.07f, felt);
        hand(p, w, 0.68f, -0.74f - lift, 2.5f + a, 0.26f);
        hand(p, w, -0.68f, -0.90f + lift, 0.7f + a, 0.26f);
        break;
    case OAI_TRUMPET: hand(p, w, -0.02f, 0.14f, -1.9f + a, 0.30f); break;
    case OAI_PIANO:
        hand(p, w, -0.42f - 0.5f * lift, 0.24f, -1.45f + a, 0.26f);
        hand(p, w, 0.42f + lift, 0.24f, -1.7f - a, 0.26f);
        break;
    case OAI_FLUTE:
        hand(p, w, -0.10f - lift, 0.12f, -1.75f + a, 0.22f);
        hand(p, w, 0.38f + lift, 0.12f, -1.4f + a, 0.22f);
        break;
    case OAI_BELL: hand(p, w, -0.02f, -0.62f, 0.35f + a, 0.30f); break;
    case OAI_SAXOPHONE:
        hand(p, w, -0.20f, -0.32f, 0.35f + a, 0.25f);
        hand(p, w, 0.02f, 0.34f + 0.5f * lift, 3.4f + a, 0.25f);
        break;
    case OAI_ACCORDION:
        hand(p, w, -0.78f, 0.10f + lift, -0.35f + a, 0.28f);
        hand(p, w, 0.80f, 0.05f - lift, 3.45f + a, 0.28f);
        break;
    case OAI_XYLOPHONE:
        stick(p, 0.50f, 0.75f, 0.24f + lift, 0.02f, 0.09f, felt);
        stick(p, -0.50f, 0.75f, -0.34f + lift, -0.10f, 0.09f, felt);
        hand(p, w, 0.50f, 0.68f, -2.0f + a, 0.26f);
        hand(p, w, -0.50f, 0.68f, -1.1f + a, 0.26f);
        break;
    default: break;
    }
}

void oai_playing_render(oai_pen *pen, int32_t instrument, const oai_player *player) {
    float hw = KINDS[instrument].half_w, hh = KINDS[instrument].half_h;
    float up = 1.5708f, left = instrument == OAI_TRUMPET ? 0.0f : 1.0f;
    pen->marking = false;
    if (instrument == OAI_FLUTE) {
        sound_arcs(pen, 0.6f, 0, 0, 0.52f);
        sound_arcs(pen, -0.6f, 0, 2 * up, 0.52f);
    } else {
        sound_arcs(pen, hw - 0.55f, -hh + 0.6f, -0.45f, 0.78f);
        if (left > 0) sound_arcs(pen, -hw + 0.55f, -hh + 0.6f, 2 * up + 0.45f, 0.78f);
    }
    if (player->u[2] < 0.6f) {
        float size = 0.20f;
        note(pen, -0.15f + 0.5f * (player->u[3] - 0.5f), -hh - 0.22f, size);
        if (player->u[2] < 0.3f) note(pen, 0.38f + 0.5f * (player->u[3] - 0.5f), -hh - 0.36f, size);
    }
    pen->marking = true;
    play_hands(pen, instrument, player);
    pen->marking = false;
}
