/* Data: the manifest that lists pictures with their sounds, and the generator of the built-in data set.
 *
 * A manifest is JSON Lines, one record a line.  Paths are relative to the manifest's folder; boxes are x0 y0 x1 y1 in
 * pixels of the stored picture, half open.
 *   single      {"id": "a", "image": "images/a.png", "audio": "audio/a.wav", "split": "train",
 *                "sources": [{"label": "guitar", "box": [10, 20, 60, 90]}]}
 *     optional  "silent" (like sources, with "twin": true for a look-alike), "label" (a class, for classification),
 *               in a source "mask" (a PNG) and "boxes" (several annotators) instead of "box"
 *   mixture     {"id": "m", "mix": ["a", "b"], "axis": "width", "split": "test"}: the records' pictures side by side
 *               (axis "height": one above the other), their sounds added
 * Without "id" a record is called by its image (or audio) path.  Unknown fields are left alone.
 *
 * Example: the records of the training split
 *   oassl_manifest *m;
 *   uint64_t n;
 *   if (oassl_manifest_load(ctx, "data/manifest.jsonl", NULL, &m) != OASSL_STATUS_OK) return complain();
 *   oassl_manifest_split(m, "train", NULL, 0, &n);
 *   uint64_t *which = malloc(n * sizeof *which);
 *   oassl_manifest_split(m, "train", which, n, &n);
 *   for (uint64_t i = 0; i < n; i++) {
 *       oassl_record r = OASSL_RECORD_INIT;
 *       oassl_manifest_record(m, which[i], &r);
 *       printf("%s: %s\n", r.id, r.image);
 *   }
 *   oassl_manifest_destroy(m); */
#ifndef OASSL_DATA_H
#define OASSL_DATA_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- manifest ------------------------------------------------------------------------------------------------ */

/* What to do with records whose picture or sound is not there. */
enum {
    OASSL_MISSING_ERROR = 0, /* NOT_FOUND, naming the first and how many */
    OASSL_MISSING_SKIP = 1,  /* such records are left out, and listed by oassl_manifest_missing() */
    OASSL_MISSING_KEEP = 2   /* files are not looked for */
};

typedef struct oassl_manifest_options {
    uint32_t struct_size;
    int32_t missing; /* OASSL_MISSING_* */
} oassl_manifest_options;

#define OASSL_MANIFEST_OPTIONS_INIT                                                                                   \
    { sizeof(oassl_manifest_options) }

/* One thing in a picture that sounds or could. */
typedef struct oassl_record_source {
    const char *label;       /* "" when not given */
    const char *mask;        /* path of an 8-bit picture, non-zero where the thing is; NULL when not given */
    const float (*boxes)[4]; /* x0 y0 x1 y1 in pixels, x0 < x1, y0 < y1 */
    uint32_t n_boxes;
    int32_t twin; /* in `silent`: 1 = looks like a source of the same label */
} oassl_record_source;

/* A view of one record; pointers are the manifest's. */
typedef struct oassl_record {
    uint32_t struct_size;
    int32_t axis; /* mixtures: 0 = pictures side by side (width), 1 = one above the other (height) */
    const char *id;
    const char *image; /* path that can be opened; NULL when not given */
    const char *audio;
    const char *label; /* class for classification; NULL when not given */
    const char *split; /* "" when not given */
    const oassl_record_source *sources, *silent;
    uint32_t n_sources, n_silent;
    uint32_t n_mix;      /* 0 = single */
    int32_t playing;     /* crops of the built-in data: 1 played, 0 silent; -1 = not given */
    const uint64_t *mix; /* [n_mix] record numbers, to be given to oassl_manifest_record() */
    uint64_t line;       /* of the file it was read from, from 1 */
} oassl_record;

#define OASSL_RECORD_INIT                                                                                             \
    { sizeof(oassl_record) }

/* Immutable after loading; any number of threads may read it. */
typedef struct oassl_manifest oassl_manifest;

/* `path` is one file, or several separated by commas: the first holds the data, the others only lend records to its
 * mixtures.  Ids a mixture names that are in none of them are looked for in the other .jsonl files of the first one's
 * folder.  FORMAT: the text names file, line and field. */
OASSL_API oassl_status oassl_manifest_load(const oassl_context *context, const char *path,
                                           const oassl_manifest_options *options, oassl_manifest **out_manifest);
OASSL_API void oassl_manifest_destroy(oassl_manifest *manifest);

/* Records of the data file itself: numbers 0..count-1.  Records lent to mixtures have higher numbers. */
OASSL_API uint64_t oassl_manifest_count(const oassl_manifest *manifest);
/* `out_record->struct_size` set by the caller.  INVALID_ARGUMENT for a number out of range. */
OASSL_API oassl_status oassl_manifest_record(const oassl_manifest *manifest, uint64_t number,
                                             oassl_record *out_record);
/* NOT_FOUND names the id. */
OASSL_API oassl_status oassl_manifest_find(const oassl_manifest *manifest, const char *id, uint64_t *out_number);
/* Numbers of the records of a split, in file order; NULL or "" = all.  Writes at most `capacity` of them and always
 * the full count. */
OASSL_API oassl_status oassl_manifest_split(const oassl_manifest *manifest, const char *split, uint64_t *out_numbers,
                                            uint64_t capacity, uint64_t *out_count);
/* What OASSL_MISSING_SKIP left out, as "id: path"; NULL past the end. */
OASSL_API uint64_t oassl_manifest_n_missing(const oassl_manifest *manifest);
OASSL_API const char *oassl_manifest_missing(const oassl_manifest *manifest, uint64_t index);

/* ---- the built-in data set ------------------------------------------------------------------------------------ */

/* Pictures of instruments, some of them played -- hands on it, a bow or sticks, sound arcs -- beside silent ones, with
 * the sound of those that play.  Ten classes: guitar, violin, drum, trumpet, piano, flute, bell, saxophone, accordion,
 * xylophone.  Clip i of a seed and kind is the same bytes whatever else is made, in whatever order, on any number of
 * threads. */
enum {
    OASSL_SYNTH_OBJECTS = 1, /* crops of one instrument, played or silent, with its class: to pre-train a trunk */
    OASSL_SYNTH_SOLO = 2,    /* one source; a silent twin and silent instruments of other classes beside it */
    OASSL_SYNTH_TWINS = 3,   /* one source; the only silent instruments are its twins */
    OASSL_SYNTH_DUET = 4     /* two sources of different classes, each with a silent twin, in one picture */
};

/* Zero means the default in [brackets], "kind" that of the kind; counts take -1 for none. */
typedef struct oassl_synth_options {
    uint32_t struct_size;
    int32_t kind;            /* OASSL_SYNTH_* [solo] */
    uint64_t seed;           /* [0] */
    uint64_t n_clips;        /* [100] */
    uint64_t first_index;    /* number of the first clip [0] */
    int32_t width, height;   /* pixels, 32..4096 [224] */
    int32_t rate;            /* Hz [16000] */
    int32_t n_classes;       /* the first n of the ten, 2..10 [10] */
    double seconds;          /* [3] */
    int32_t min_sources;     /* 0..3 [kind]; -1 = scenes in which nothing plays are possible */
    int32_t max_sources;     /* [kind] */
    int32_t n_twins;         /* silent look-alikes of each source [kind] */
    int32_t min_others;      /* silent instruments of other classes [kind] */
    int32_t max_others;      /* [kind] */
    int32_t max_clutter;     /* things that are no instruments [kind] */
    int32_t masks;           /* 1: write a mask of every source */
    int32_t jpeg;            /* 1: JPEG of quality 92 instead of PNG */
    int32_t label_playing;   /* objects: 1 = "guitar" and "guitar played" are two classes; 0 = one */
    int32_t reserved;
    double off_screen;       /* probability of a quieter sound whose instrument is not in the picture [0] */
    double train, val, test; /* shares of the splits, normalised to their sum [0.8, 0.1, 0.1 if all are 0] */
} oassl_synth_options;

#define OASSL_SYNTH_OPTIONS_INIT                                                                                      \
    { sizeof(oassl_synth_options) }

/* Writes <folder>/images, audio, masks (if asked for), captions.jsonl (foreground and background of every scene, in
 * the published form), vocab.txt (a WordPiece vocabulary covering the captions) and, last, manifest.jsonl.  The folder
 * is made if need be.  The context's threads are used; progress and cancel go through its callback. */
OASSL_API oassl_status oassl_synth_write(const oassl_context *context, const oassl_synth_options *options,
                                         const char *folder);

/* The instrument's name, NULL past the last: for (i = 0; oassl_synth_class_name(i); i++). */
OASSL_API const char *oassl_synth_class_name(uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
