/* The built-in audio-visual data: pictures of instruments, of which some are played, and the sound they make.
 * Clip i of a seed is the same bytes whatever else is made and in whatever order; writing to a folder is the API's
 * (src/api/data.c). */
#ifndef OAI_DATA_SYNTH_H
#define OAI_DATA_SYNTH_H

#include "base/host.h"
#include "data/synth_draw.h"

enum { OAI_SYNTH_OBJECTS = 1, OAI_SYNTH_SOLO = 2, OAI_SYNTH_TWINS = 3, OAI_SYNTH_DUET = 4 };
enum { OAI_SYNTH_MAX_SOURCES = 3, OAI_SYNTH_MAX_OBJECTS = 12, OAI_SYNTH_TEXT_BYTES = 512 };

typedef struct oai_synth_options {
    uint64_t seed;
    int32_t kind;
    int32_t width, height;
    int32_t rate, n_samples;
    int32_t min_sources, max_sources; /* playing instruments, 0..3; not for objects */
    int32_t n_classes;                /* the first n instruments, 2..OAI_N_INSTRUMENTS */
    int32_t n_twins;                  /* silent copies of each playing instrument */
    int32_t min_others, max_others;   /* silent instruments of other classes */
    int32_t max_clutter;              /* 0..max things that are no instruments */
    double off_screen;                /* probability of a quieter sound whose instrument is not in the picture */
} oai_synth_options;

typedef struct oai_synth_object {
    int32_t thing; /* OAI_GUITAR.. or, when clutter, OAI_LAMP.. */
    bool clutter, playing, twin;
    float box[4];      /* x0 y0 x1 y1 in pixels: bounds of the mask */
    uint8_t *mask;     /* [height, width] coverage of the instrument with the hands on it; sources only, else NULL */
    const char *color; /* or NULL */
    /* place */
    float x, y, scale, angle, flip;
    oai_look look;
} oai_synth_object;

typedef struct oai_synth_clip {
    int32_t width, height;
    uint8_t *rgb; /* [height, width, 3] */
    int32_t n_samples;
    float *pcm;                   /* mono, within -1..1; NULL for objects */
    int32_t n_objects, n_sources; /* the first n_sources objects are the playing ones */
    oai_synth_object objects[OAI_SYNTH_MAX_OBJECTS];
    int32_t off_screen; /* the instrument heard but not seen, or -1 */
    int32_t scenery;
    char foreground[OAI_SYNTH_MAX_SOURCES][OAI_SYNTH_TEXT_BYTES]; /* one per source; [0] for an objects crop */
    char background[OAI_SYNTH_TEXT_BYTES];
    const oai_host *host;
} oai_synth_clip;

/* The options of a kind, at 224 x 224 and 3 s of 16 kHz. */
oai_synth_options oai_synth_defaults(int32_t kind);

/* INVALID_ARGUMENT naming the option. */
oassl_status oai_synth_check(const oai_synth_options *options);

oassl_status oai_synth_clip_make(const oai_host *host, const oai_synth_options *options, uint64_t index,
                                 oai_synth_clip *out_clip);
void oai_synth_clip_free(oai_synth_clip *clip); /* safe on a zeroed clip */

const char *oai_synth_instrument_name(int32_t instrument);
const char *oai_synth_clutter_name(int32_t clutter);

/* A WordPiece vocabulary, one token a line: [PAD] [UNK] [CLS] [SEP] [MASK], letters, digits and punctuation alone
 * and as ##pieces, and every word the captions use.  Static text made once by the caller: free with oai_free. */
oassl_status oai_synth_vocabulary(const oai_host *host, char **out_text);

/* ---- the parts, for synth.c ---- */
enum { OAI_N_SCENERIES = 6 };
void oai_synth_scenery(oai_canvas *canvas, int32_t scenery, oai_rng *rng);
/* Adds one instrument's playing to pcm. */
void oai_synth_play(int32_t instrument, oai_rng *rng, int32_t rate, int32_t n_samples, float *pcm);
/* A crop is described by its one instrument, played or silent, before the scenery. */
void oai_synth_describe(oai_synth_clip *clip, bool crop, oai_rng *rng);

#endif
