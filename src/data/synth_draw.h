/* The things of the built-in pictures: instruments, the people playing them, and clutter.  Internal to src/data. */
#ifndef OAI_DATA_SYNTH_DRAW_H
#define OAI_DATA_SYNTH_DRAW_H

#include "base/rng.h"
#include "data/synth_canvas.h"

enum {
    OAI_GUITAR,
    OAI_VIOLIN,
    OAI_DRUM,
    OAI_TRUMPET,
    OAI_PIANO,
    OAI_FLUTE,
    OAI_BELL,
    OAI_SAXOPHONE,
    OAI_ACCORDION,
    OAI_XYLOPHONE,
    OAI_N_INSTRUMENTS
};

enum { OAI_LAMP, OAI_CHAIR, OAI_PLANT, OAI_BOOKS, OAI_CRATE, OAI_VASE, OAI_FRAME, OAI_BALL, OAI_N_CLUTTER };

/* Everything about an object's look that is not its place: a twin shares it. */
typedef struct oai_look {
    float u[6]; /* uniform in [0, 1): colours and proportions */
} oai_look;

typedef struct oai_player {
    oai_rgb skin, sleeve;
    float u[4];
} oai_player;

oai_look oai_look_draw(oai_rng *rng);
oai_player oai_player_draw(oai_rng *rng);

/* Half width and half height of an object before rotation (object units), and its usual tilt range in degrees. */
void oai_instrument_extent(int32_t instrument, float *out_half_w, float *out_half_h, float *out_tilt_lo,
                           float *out_tilt_hi);
void oai_clutter_extent(int32_t clutter, float *out_half_w, float *out_half_h);

/* The instrument alone: what a silent one looks like. */
void oai_instrument_render(oai_pen *pen, int32_t instrument, const oai_look *look);
/* What shows that it plays, drawn over it: hands with bow, sticks or mallets (in the mask), sound arcs and notes
 * (not in the mask). */
void oai_playing_render(oai_pen *pen, int32_t instrument, const oai_player *player);
void oai_clutter_render(oai_pen *pen, int32_t clutter, const oai_look *look);

/* The colour word that fits the instrument's look, or NULL where the colour is the class's own. */
const char *oai_look_color(int32_t instrument, const oai_look *look);

#endif
