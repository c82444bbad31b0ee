/* Composes a clip: who is in the picture, where, the drawing, the sound, the words. */
#include "data/synth.h"

#include <string.h>

static const float DEGREE = 0.017453293f;

typedef struct layout { /* axis-aligned boxes in pixels of what is placed so far */
    float box[OAI_SYNTH_MAX_OBJECTS][4];
    int32_t n;
} layout;

static float between(oai_rng *rng, float lo, float hi) { return lo + (hi - lo) * (float)oai_rng_uniform(rng); }

oai_synth_options oai_synth_defaults(int32_t kind) {
    oai_synth_options o = {.kind = kind,
                           .width = 224,
                           .height = 224,
                           .rate = 16000,
                           .n_samples = 48000,
                           .n_classes = OAI_N_INSTRUMENTS,
                           .min_sources = 1,
                           .max_sources = 1,
                           .n_twins = 1,
                           .max_clutter = 2};
    if (kind == OAI_SYNTH_OBJECTS) o.min_sources = o.max_sources = o.n_twins = 0;
    if (kind == OAI_SYNTH_SOLO) o.min_others = 1, o.max_others = 2;
    if (kind == OAI_SYNTH_TWINS) o.n_twins = 2, o.max_clutter = 1;
    if (kind == OAI_SYNTH_DUET) o.min_sources = o.max_sources = 2, o.max_others = 1, o.max_clutter = 1;
    return o;
}

#define REQUIRE(cond, ...)                                                                                            \
    if (!(cond)) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "synth options: " __VA_ARGS__)

oassl_status oai_synth_check(const oai_synth_options *o) {
    REQUIRE(o->kind >= OAI_SYNTH_OBJECTS && o->kind <= OAI_SYNTH_DUET, "kind is %d, known are 1..4", o->kind);
    REQUIRE(o->width >= 32 && o->width <= 4096, "width is %d, expected 32..4096", o->width);
    REQUIRE(o->height >= 32 && o->height <= 4096, "height is %d, expected 32..4096", o->height);
    REQUIRE(o->rate >= 8000 && o->rate <= 96000, "rate is %d Hz, expected 8000..96000", o->rate);
    REQUIRE(o->n_samples >= o->rate / 10 && o->n_samples <= 600 * o->rate,
            "%d samples at %d Hz, expected 0.1 to 600 s", o->n_samples, o->rate);
    REQUIRE(o->n_classes >= 2 && o->n_classes <= OAI_N_INSTRUMENTS, "n_classes is %d, expected 2..%d", o->n_classes,
            OAI_N_INSTRUMENTS);
    REQUIRE(o->min_sources >= 0 && o->min_sources <= o->max_sources && o->max_sources <= OAI_SYNTH_MAX_SOURCES,
            "sources are %d to %d, expected within 0..%d", o->min_sources, o->max_sources, OAI_SYNTH_MAX_SOURCES);
    REQUIRE(o->n_twins >= 0 && o->min_others >= 0 && o->min_others <= o->max_others && o->max_clutter >= 0,
            "twins %d, others %d to %d, clutter %d: expected counts >= 0 in order", o->n_twins, o->min_others,
            o->max_others, o->max_clutter);
    int32_t most = o->max_sources * (1 + o->n_twins) + o->max_others + o->max_clutter;
    REQUIRE(most <= OAI_SYNTH_MAX_OBJECTS, "up to %d things in a picture, at most %d are possible", most,
            OAI_SYNTH_MAX_OBJECTS);
    REQUIRE(o->max_sources + o->max_others + (o->off_screen > 0) <= o->n_classes,
            "%d sources, %d others and an off-screen sound need different classes, there are %d", o->max_sources,
            o->max_others, o->n_classes);
    REQUIRE(o->off_screen >= 0 && o->off_screen <= 1, "off_screen is %g, expected a probability", o->off_screen);
    return OASSL_STATUS_OK;
}

/* ---- who ---------------------------------------------------------------------------------------------------- */

static oai_synth_object *add(oai_synth_clip *clip, int32_t thing, oai_rng *rng) {
    oai_synth_object *o = &clip->objects[clip->n_objects++];
    *o = (oai_synth_object){.thing = thing, .look = oai_look_draw(rng)};
    o->flip = oai_rng_uniform(rng) < 0.5 ? -1.0f : 1.0f;
    return o;
}

static void shuffle_classes(oai_rng *rng, int32_t n, int32_t *classes) {
    for (int32_t i = 0; i < n; i++) classes[i] = i;
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t j = (int32_t)oai_rng_below(rng, (uint32_t)i + 1), swap = classes[i];
        classes[i] = classes[j], classes[j] = swap;
    }
}

/* Classes in shuffled order go to the sources, then to the silent others, then to the off-screen sound. */
static void cast_scene(const oai_synth_options *o, oai_rng *rng, oai_synth_clip *clip) {
    int32_t classes[OAI_N_INSTRUMENTS], used = 0;
    shuffle_classes(rng, o->n_classes, classes);
    clip->n_sources = o->min_sources + (int32_t)oai_rng_below(rng, (uint32_t)(o->max_sources - o->min_sources) + 1);
    for (int32_t i = 0; i < clip->n_sources; i++) add(clip, classes[used++], rng)->playing = true;
    for (int32_t i = 0; i < clip->n_sources; i++) {
        for (int32_t k = 0; k < o->n_twins; k++) {
            oai_synth_object *twin = add(clip, clip->objects[i].thing, rng);
            twin->twin = true;
            twin->look = clip->objects[i].look;
        }
    }
    int32_t others = o->min_others + (int32_t)oai_rng_below(rng, (uint32_t)(o->max_others - o->min_others) + 1);
    for (int32_t i = 0; i < others; i++) add(clip, classes[used++], rng);
    int32_t clutter = (int32_t)oai_rng_below(rng, (uint32_t)o->max_clutter + 1);
    for (int32_t i = 0; i < clutter; i++) add(clip, (int32_t)oai_rng_below(rng, OAI_N_CLUTTER), rng)->clutter = true;
    clip->off_screen = oai_rng_uniform(rng) < o->off_screen ? classes[used] : -1;
}

static void cast_object(const oai_synth_options *o, uint64_t index, oai_rng *rng, oai_synth_clip *clip) {
    add(clip, (int32_t)(index % (uint64_t)o->n_classes), rng)->playing = oai_rng_uniform(rng) < 0.5;
    clip->n_sources = clip->objects[0].playing;
    int32_t clutter = (int32_t)oai_rng_below(rng, (uint32_t)o->max_clutter + 1);
    for (int32_t i = 0; i < clutter; i++) add(clip, (int32_t)oai_rng_below(rng, OAI_N_CLUTTER), rng)->clutter = true;
    clip->off_screen = -1;
}

/* ---- where --------------------------------------------------------------------------------------------------- */

/* Half extents of the object's box in object units after rotation by its angle. */
static void extent(oai_synth_object *o, oai_rng *rng, float *out_w, float *out_h) {
    float w, h, lo = -6, hi = 6;
    if (o->clutter)
        oai_clutter_extent(o->thing, &w, &h);
    else
        oai_instrument_extent(o->thing, &w, &h, &lo, &hi);
    o->angle = between(rng, lo, hi) * DEGREE * o->flip;
    float c = fabsf(cosf(o->angle)), s = fabsf(sinf(o->angle));
    *out_w = w * c + h * s, *out_h = w * s + h * c;
}

static float overlap(const float *a, const float *b) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (w <= 0 || h <= 0) return 0;
    float least = fminf((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]));
    return w * h / least;
}

/* Tries places at a shrinking size and keeps the one that overlaps the others least; near none is enough. */
static void place(layout *l, oai_synth_object *o, oai_rng *rng, int32_t width, int32_t height, float lo, float hi) {
    float side = (float)(width < height ? width : height), w, h, best = 1e9f, size = between(rng, lo, hi) * side;
    float *kept = l->box[l->n];
    extent(o, rng, &w, &h);
    for (int32_t attempt = 0; attempt < 60 && best > 0.04f; attempt++) {
        if (attempt && attempt % 15 == 0) size = fmaxf(0.88f * size, 0.8f * lo * side);
        float scale = 0.5f * size / fmaxf(w, h), margin = 0.12f * scale;
        float hw = w * scale, hh = h * scale;
        float x = between(rng, hw + margin, (float)width - hw - margin),
              y = between(rng, hh + margin, (float)height - hh - margin);
        float box[4] = {x - hw - margin, y - hh - margin, x + hw + margin, y + hh + margin}, worst = 0;
        for (int32_t i = 0; i < l->n; i++) worst = fmaxf(worst, overlap(box, l->box[i]));
        if (worst >= best) continue;
        best = worst;
        memcpy(kept, box, sizeof box);
        o->x = x, o->y = y, o->scale = scale;
    }
    l->n++;
}

/* Few things may be large; a crowd has to be small.  Sources, twins and others follow the same law, and are placed
 * in random order, so that neither size nor place tells which one plays. */
static void place_scene(oai_synth_clip *clip, oai_rng *rng) {
    int32_t order[OAI_SYNTH_MAX_OBJECTS];
    layout l = {.n = 0};
    float crowd = (float)(clip->n_objects > 3 ? clip->n_objects - 3 : 0);
    float hi = fmaxf(0.46f - 0.025f * crowd, 0.30f), lo = fmaxf(0.34f - 0.02f * crowd, 0.22f);
    shuffle_classes(rng, clip->n_objects, order);
    for (int32_t i = 0; i < clip->n_objects; i++) { /* instruments first: clutter takes what room is left */
        oai_synth_object *o = &clip->objects[order[i]];
        if (!o->clutter) place(&l, o, rng, clip->width, clip->height, lo, hi);
    }
    for (int32_t i = 0; i < clip->n_objects; i++) {
        oai_synth_object *o = &clip->objects[order[i]];
        if (o->clutter) place(&l, o, rng, clip->width, clip->height, 0.7f * lo, 0.8f * hi);
    }
}

static void place_crop(oai_synth_clip *clip, oai_rng *rng) {
    oai_synth_object *o = &clip->objects[0];
    layout l = {.n = 0};
    place(&l, o, rng, clip->width, clip->height, 0.48f, 0.88f);
    for (int32_t i = 1; i < clip->n_objects; i++)
        place(&l, &clip->objects[i], rng, clip->width, clip->height, 0.2f, 0.35f);
}

/* ---- drawing ------------------------------------------------------------------------------------------------- */

static void box_of_mask(const uint8_t *mask, int32_t width, int32_t height, float *box) {
    int32_t x0 = width, y0 = height, x1 = 0, y1 = 0;
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            if (mask[(size_t)y * width + x] < 128) continue;
            x0 = x < x0 ? x : x0, x1 = x + 1 > x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0, y1 = y + 1 > y1 ? y + 1 : y1;
        }
    }
    box[0] = (float)x0, box[1] = (float)y0, box[2] = (float)x1, box[3] = (float)y1;
}

static void draw_shadow(oai_pen *pen, float half_h) {
    oai_pen flat = *pen;
    flat.cosine = 1, flat.sine = 0, flat.marking = false;
    for (int32_t i = 0; i < 3; i++)
        oai_draw_ellipse(&flat, 0.05f, half_h, 0.75f - 0.12f * (float)i, 0.14f - 0.03f * (float)i,
                         oai_flat((oai_rgb){0, 0, 0}, 0.10f));
}

static oassl_status draw_object(oai_synth_clip *clip, oai_canvas *canvas, oai_synth_object *o, oai_rng *rng) {
    size_t n_pixels = (size_t)clip->width * clip->height;
    uint8_t *mask = oai_calloc(clip->host, n_pixels, 1);
    if (!mask) return oai_no_memory(n_pixels, "a mask of the built-in data");
    oai_pen pen = {.canvas = canvas,
                   .x = o->x,
                   .y = o->y,
                   .scale = o->scale,
                   .cosine = cosf(o->angle),
                   .sine = sinf(o->angle),
                   .flip = o->flip,
                   .mask = mask,
                   .marking = true};
    float w, h, unused;
    if (o->clutter)
        oai_clutter_extent(o->thing, &w, &h);
    else
        oai_instrument_extent(o->thing, &w, &h, &unused, &unused);
    draw_shadow(&pen, h);
    if (o->clutter) {
        oai_clutter_render(&pen, o->thing, &o->look);
    } else {
        oai_instrument_render(&pen, o->thing, &o->look);
        o->color = oai_look_color(o->thing, &o->look);
    }
    if (o->playing) {
        oai_player player = oai_player_draw(rng);
        oai_playing_render(&pen, o->thing, &player);
    }
    box_of_mask(mask, clip->width, clip->height, o->box);
    if (o->playing)
        o->mask = mask;
    else
        oai_free(clip->host, mask);
    return OASSL_STATUS_OK;
}

/* Light level, then camera noise, then 8 bits. */
static void develop(const oai_canvas *canvas, oai_rng *rng, uint8_t *rgb) {
    float gain = between(rng, 0.85f, 1.08f), noise = between(rng, 0.0f, 0.03f);
    size_t n = (size_t)canvas->width * canvas->height * 3;
    for (size_t i = 0; i < n; i++) {
        float v = canvas->rgb[i] * gain + noise * (float)(oai_rng_uniform(rng) + oai_rng_uniform(rng) - 1.0);
        rgb[i] = (uint8_t)(fminf(fmaxf(v, 0), 1) * 255.0f + 0.5f);
    }
}

static oassl_status draw(oai_synth_clip *clip, oai_rng *rng) {
    size_t n = (size_t)clip->width * clip->height * 3;
    clip->rgb = oai_alloc(clip->host, n);
    oai_canvas canvas = {clip->width, clip->height, oai_alloc(clip->host, n * sizeof(float))};
    oassl_status status =
        clip->rgb && canvas.rgb ? OASSL_STATUS_OK : oai_no_memory(5 * n, "a picture of the built-in data");
    if (status == OASSL_STATUS_OK) oai_synth_scenery(&canvas, clip->scenery, rng);
    /* silent things first: nothing covers what plays */
    for (int32_t pass = 0; pass < 2 && status == OASSL_STATUS_OK; pass++) {
        for (int32_t i = clip->n_objects - 1; i >= 0 && status == OASSL_STATUS_OK; i--)
            if (clip->objects[i].playing == (pass == 1)) status = draw_object(clip, &canvas, &clip->objects[i], rng);
    }
    if (status == OASSL_STATUS_OK) develop(&canvas, rng, clip->rgb);
    oai_free(clip->host, canvas.rgb);
    return status;
}

/* ---- sound --------------------------------------------------------------------------------------------------- */

/* One instrument at the given loudness (root mean square), added to the mix. */
static void mix_in(int32_t instrument, oai_rng *rng, const oai_synth_clip *clip, int32_t rate, double rms,
                   float *scratch) {
    double power = 1e-12;
    memset(scratch, 0, (size_t)clip->n_samples * sizeof *scratch);
    oai_synth_play(instrument, rng, rate, clip->n_samples, scratch);
    for (int32_t i = 0; i < clip->n_samples; i++) power += (double)scratch[i] * scratch[i];
    float gain = (float)(rms / sqrt(power / clip->n_samples));
    for (int32_t i = 0; i < clip->n_samples; i++) clip->pcm[i] += gain * scratch[i];
}

static oassl_status sound(oai_synth_clip *clip, const oai_synth_options *o, oai_rng *rng) {
    size_t bytes = (size_t)clip->n_samples * sizeof(float);
    clip->pcm = oai_calloc(clip->host, 1, bytes);
    float *scratch = oai_alloc(clip->host, bytes), peak = 0;
    if (!clip->pcm || !scratch) {
        oai_free(clip->host, scratch);
        return oai_no_memory(bytes, "a sound of the built-in data");
    }
    for (int32_t i = 0; i < clip->n_sources; i++)
        mix_in(clip->objects[i].thing, rng, clip, o->rate, between(rng, 0.06f, 0.11f), scratch);
    if (clip->off_screen >= 0) mix_in(clip->off_screen, rng, clip, o->rate, between(rng, 0.015f, 0.035f), scratch);
    double hiss = between(rng, 0.0002f, 0.003f);
    for (int32_t i = 0; i < clip->n_samples; i++) {
        clip->pcm[i] += (float)(hiss * (oai_rng_uniform(rng) + oai_rng_uniform(rng) - 1.0));
        peak = fmaxf(peak, fabsf(clip->pcm[i]));
    }
    for (int32_t i = 0; peak > 0.95f && i < clip->n_samples; i++) clip->pcm[i] *= 0.95f / peak;
    oai_free(clip->host, scratch);
    return OASSL_STATUS_OK;
}

/* ---- a clip --------------------------------------------------------------------------------------------------- */

oassl_status oai_synth_clip_make(const oai_host *host, const oai_synth_options *o, uint64_t index,
                                 oai_synth_clip *clip) {
    memset(clip, 0, sizeof *clip);
    OAI_TRY(oai_synth_check(o));
    clip->host = host;
    clip->width = o->width, clip->height = o->height;
    /* one stream for each part, so that a change in one leaves the others as they were */
    uint64_t seed = o->seed * 8u + (uint64_t)o->kind;
    oai_rng rng = oai_rng_stream(seed, 4 * index), picture = oai_rng_stream(seed, 4 * index + 1);
    oai_rng noise = oai_rng_stream(seed, 4 * index + 2), words = oai_rng_stream(seed, 4 * index + 3);
    clip->scenery = (int32_t)oai_rng_below(&rng, OAI_N_SCENERIES);
    if (o->kind == OAI_SYNTH_OBJECTS) {
        cast_object(o, index, &rng, clip);
        place_crop(clip, &rng);
    } else {
        cast_scene(o, &rng, clip);
        place_scene(clip, &rng);
    }
    oassl_status status = draw(clip, &picture);
    if (status == OASSL_STATUS_OK && o->kind != OAI_SYNTH_OBJECTS) {
        clip->n_samples = o->n_samples;
        status = sound(clip, o, &noise);
    }
    if (status != OASSL_STATUS_OK) {
        oai_synth_clip_free(clip);
        return status;
    }
    oai_synth_describe(clip, o->kind == OAI_SYNTH_OBJECTS, &words);
    return OASSL_STATUS_OK;
}

void oai_synth_clip_free(oai_synth_clip *clip) {
    if (!clip || !clip->host) return;
    for (int32_t i = 0; i < clip->n_objects; i++) oai_free(clip->host, clip->objects[i].mask);
    oai_free(clip->host, clip->rgb);
    oai_free(clip->host, clip->pcm);
    memset(clip, 0, sizeof *clip);
}
