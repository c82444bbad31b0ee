/* Data: the manifest that lists pictures with their sounds, and the generator of the built-in data set.
 *
 * A manifest is JSON Lines, one record a line.  Paths are relative to the manifest's folder; boxes are x0 y0 x1 y1 in
 * pixels of the stored picture, half open.
 *   single      {"id": "a", "image": "images/a.png", "audio": "audio/a.wav", "split": "train",
 *                "sources": [{"label": "guitar", "box": [10, 20, 60, 90]}]}
 *     optional  "silent" (like sources, with "twin": true for a look-alike), "label" (a class, for classification),
 *               in a source "mask" (a PNG) and "boxes" (several annotators) instead of "box"
 *     optional  "frame": [width, height] in whose pixels the boxes are, if that is not the stored picture (an import
 *               whose pictures were not at hand); "ground_truth": "consensus" if two annotators must agree (else the
 *               union of the boxes counts); "group" (what items of one picture or clip share); the published numbers:
 *               in a source "raw_box" or "raw_boxes", in the record "coordinates"
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
    /* The annotation's own numbers, empty boxes included, for results that are exactly the published ones; what they
     * are, oassl_record.numbers_are says.  NULL when not given. */
    const double (*numbers)[4];
    uint32_t n_numbers;
    uint32_t reserved;
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
    uint32_t n_mix;                    /* 0 = single */
    int32_t playing;                   /* crops of the built-in data: 1 played, 0 silent; -1 = not given */
    const uint64_t *mix;               /* [n_mix] record numbers, to be given to oassl_manifest_record() */
    uint64_t line;                     /* of the file it was read from, from 1 */
    const char *group;                 /* what items of one picture or clip have in common; NULL when not given */
    int32_t frame_width, frame_height; /* boxes are in pixels of this frame; 0 = of the stored picture */
    int32_t consensus;                 /* 1: truth is where two of a source's boxes agree; 0: the union of its boxes */
    int32_t numbers_are;               /* OASSL_BOX_* of metric.h, 1..4; 0 = not given */
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

/* ---- published annotation files -------------------------------------------------------------------------------- */

/* Example: VGG-SS with its pictures and sounds at hand
 *   oassl_import_options o = OASSL_IMPORT_OPTIONS_INIT;
 *   o.format = "vggss", o.annotations = "vggss.json", o.images = "frames", o.audio = "wavs";
 *   oassl_import_counts counts = OASSL_IMPORT_COUNTS_INIT;
 *   if (oassl_data_import(ctx, &o, "data/vggss.jsonl", &counts) != OASSL_STATUS_OK) return complain();
 *   printf("%llu records, %llu without media\n", counts.n_records, counts.n_missing); */

enum { OASSL_DATA_WARNING = 1, OASSL_DATA_ERROR = 2 };

/* Told of every defect.  `record` is the line of a text file or the entry of a JSON array, from 1; 0 = the whole file.
 * `id` is "" when not known.  Called by the calling thread. */
typedef void (*oassl_data_report)(void *user, int32_t severity, const char *file, uint64_t record, const char *id,
                                  const char *text);

/* NULL and 0 mean the default in [brackets].
 *   format       of the annotations; oassl_import_format() lists them
 *   list         ids to take, in a text file (id, id,label; .csv or .txt; SSLalignment's millisecond names and names
 *                with .jpg, .wav, .mp4 behind them are understood) [all]
 *   segments     masks beside boxes: SSLalignment's *_seg.json
 *   silent       SLAVC's *_plus_silent.csv: records without sources, "playing": false, id "<video>+<audio>"
 *   mix          csv of mixtures, "id,class,mix_id,mix_class" or longer; or
 *   mix_sources  2..8, the index rule: of N records in order of their ids mixture k takes the numbers
 *                k + floor(i N / n), i = 0..n-1.  The singles of mixtures get the split "part"
 *   images, ...  folders; when given, files are looked for: records whose media are missing are reported, counted and
 *                left out.  When not given, names below images/, audio/, masks/ (AVSBench, IS3, VPO: their own) beside
 *                the manifest are written unseen
 * Pixel boxes are those of the picture when it was found, not rounded; else of a frame of 224 x 224, truncated as the
 * published evaluators do.  "frame" in the record says which. */
typedef struct oassl_import_options {
    uint32_t struct_size;
    int32_t strict;          /* 1: any error or missing file fails, and nothing is written */
    const char *format;      /* required */
    const char *annotations; /* required: a file; for Flickr-SoundNet the folder of XML files */
    const char *list, *segments, *silent, *mix;
    uint32_t mix_sources;
    int32_t axis; /* of mixtures: 0 = width, 1 = height */
    const char *images, *audio, *masks;
    const char *silent_images, *silent_audio; /* of `silent` [images, audio] */
    const char *split; /* of the records [test; train for plain lists; the file's own where it says so, and then only
                          that split is taken] */
    int32_t keep_missing; /* 1: records without media are counted but stay */
    int32_t frame_224;    /* 1: boxes in a frame of 224 x 224 even if the picture was found */
    int32_t flat_labels;  /* 1: "female speech, woman speaking" becomes "female_speech_woman_speaking" */
    int32_t reserved;
    oassl_data_report report; /* NULL: the context's log */
    void *report_user;
} oassl_import_options;

#define OASSL_IMPORT_OPTIONS_INIT                                                                                     \
    { sizeof(oassl_import_options) }

typedef struct oassl_import_counts {
    uint32_t struct_size;
    uint32_t n_classes; /* distinct labels of the records written */
    uint64_t n_entries; /* read from the annotations */
    uint64_t n_records; /* written, mixtures included */
    uint64_t n_mixtures;
    uint64_t n_silent;      /* nothing seen makes the sound heard */
    uint64_t n_boxes;       /* as published, in the records written */
    uint64_t n_empty_boxes; /* of them: sentinels, inverted */
    uint64_t n_sentinels;   /* of the empty ones: with numbers like -2.88e16 */
    uint64_t n_masks;
    uint64_t n_groups;     /* distinct */
    uint64_t n_missing;    /* records whose picture, sound or mask is not there */
    uint64_t n_duplicates; /* repeated ids */
    uint64_t n_unknown;    /* ids of lists and mixtures that the annotations lack */
    uint64_t n_errors, n_warnings;
} oassl_import_counts;

#define OASSL_IMPORT_COUNTS_INIT                                                                                      \
    { sizeof(oassl_import_counts) }

/* Writes the manifest, atomically, records in bytewise order of their ids.  A record that cannot be read, or whose box
 * leaves its picture, is left out, counted and reported.  NOT_FOUND: a file or folder given is not there; FORMAT: the
 * file as a whole is not of the format, or nothing is left, or `strict` found something.  `out_counts` may be NULL;
 * its struct_size is set by the caller; it is filled on failure too. */
OASSL_API oassl_status oassl_data_import(const oassl_context *context, const oassl_import_options *options,
                                         const char *out_path, oassl_import_counts *out_counts);

/* Names of the formats: for (i = 0; oassl_import_format(i, &what); i++).  NULL past the last; `out_summary` may be
 * NULL. */
OASSL_API const char *oassl_import_format(uint32_t index, const char **out_summary);

typedef struct oassl_check_options {
    uint32_t struct_size;
    int32_t skip_media;       /* 1: files are not looked for */
    const char *against;      /* a manifest, an annotation .json or a list with which `path` must share no id */
    oassl_data_report report; /* NULL: the context's log */
    void *report_user;
} oassl_check_options;

#define OASSL_CHECK_OPTIONS_INIT                                                                                      \
    { sizeof(oassl_check_options) }

typedef struct oassl_check_counts {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t n_records;
    uint64_t n_malformed;   /* records that are no records; errors */
    uint64_t n_duplicates;  /* repeated ids; errors in a manifest, warnings in a list */
    uint64_t n_missing;     /* records whose picture, sound or mask is not there; errors */
    uint64_t n_bad_masks;   /* of another size than their picture, or unreadable; errors */
    uint64_t n_outside;     /* records with a box that leaves its picture; errors */
    uint64_t n_empty_boxes; /* published boxes with nothing inside, sentinels among them; warnings */
    uint64_t n_shared;      /* distinct ids that `against` has too; errors */
    uint64_t n_across;      /* records that share picture, sound or group with one of another split; warnings */
    uint64_t n_errors, n_warnings;
} oassl_check_counts;

#define OASSL_CHECK_COUNTS_INIT                                                                                       \
    { sizeof(oassl_check_counts) }

/* Looks through a manifest (.jsonl), or only the ids of a list or annotation file.  OK means it was read: look at the
 * counts. */
OASSL_API oassl_status oassl_data_check(const oassl_context *context, const char *path,
                                        const oassl_check_options *options, oassl_check_counts *out_counts);

/* What is in a manifest as JSON text: records, mixtures, silent ones; splits, classes, boxes a record, box sizes
 * (share of the frame: below 1 %, 1-5, 5-10, 10-25, 25-50, 50-75, 75-100), sources, groups.  Writes at most `capacity`
 * bytes with the closing NUL; *out_bytes is what the whole text needs.  capacity 0 asks for the size. */
OASSL_API oassl_status oassl_data_stats(const oassl_context *context, const char *path, char *out_text,
                                        uint64_t capacity, uint64_t *out_bytes);

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
    int32_t kind;          /* OASSL_SYNTH_* [solo] */
    uint64_t seed;         /* [0] */
    uint64_t n_clips;      /* [100] */
    uint64_t first_index;  /* number of the first clip [0] */
    int32_t width, height; /* pixels, 32..4096 [224] */
    int32_t rate;          /* Hz [16000] */
    int32_t n_classes;     /* the first n of the ten, 2..10 [10] */
    double seconds;        /* [3] */
    int32_t min_sources;   /* 0..3 [kind]; -1 = scenes in which nothing plays are possible */
    int32_t max_sources;   /* [kind] */
    int32_t n_twins;       /* silent look-alikes of each source [kind] */
    int32_t min_others;    /* silent instruments of other classes [kind] */
    int32_t max_others;    /* [kind] */
    int32_t max_clutter;   /* things that are no instruments [kind] */
    int32_t masks;         /* 1: write a mask of every source */
    int32_t jpeg;          /* 1: JPEG of quality 92 instead of PNG */
    int32_t label_playing; /* objects: 1 = "guitar" and "guitar played" are two classes; 0 = one */
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
