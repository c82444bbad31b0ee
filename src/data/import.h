/* From published annotation files to a manifest.
 *
 * A reader (import_<family>.c) turns one format into items and knows nothing of media or output.  What all formats
 * share follows in import.c: the list that chooses, missing media, mixtures, order; import_write.c writes the lines.
 */
#ifndef OAI_DATA_IMPORT_H
#define OAI_DATA_IMPORT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/strmap.h"
#include "data/csv.h"
#include "data/import_box.h"
#include "data/notes.h"
#include "oassl/data.h"

struct json_t;

typedef struct oai_import_source {
    const char *label; /* NULL when not given */
    const char *mask;  /* below the mask folder */
    const double (*boxes)[4];
    uint32_t n_boxes;
} oai_import_source;

enum { OAI_IMPORT_CANDIDATES = 2, OAI_IMPORT_MAX_MIX = 8 };

/* One record to be.  Files are given below their folders, in the order in which they are to be tried. */
typedef struct oai_import_item {
    const char *id;
    const char *image[OAI_IMPORT_CANDIDATES], *audio[OAI_IMPORT_CANDIDATES];
    const char *label, *group, *split;
    const oai_import_source *sources;
    uint32_t n_sources;
    int32_t coordinates; /* OAI_BOX_* */
    bool consensus;      /* two of three annotators must agree; else the union of the boxes counts */
    bool silent;         /* nothing seen makes the sound heard */
    bool quiet_empty;    /* an empty box is the format's way of saying that there is nothing */
    int64_t offset;      /* of SSLalignment's files; -1 = none */
    uint64_t record;     /* line or entry it was read from, from 1 */
    const char *file;
    const char *mix[OAI_IMPORT_MAX_MIX];
    uint32_t n_mix;
    /* found out after reading */
    const char *image_path, *audio_path; /* as the manifest says it */
    int32_t width, height;               /* of the picture; 0 = not known */
} oai_import_item;

/* A folder of media: what is put before a file's name to open it and to write it. */
typedef struct oai_import_folder {
    const char *open, *write;
    bool given;
} oai_import_folder;

typedef struct oai_import {
    const oai_host *host;
    const oassl_import_options *options;
    oai_arena arena;
    oai_import_item *items;
    uint64_t n, room;
    oai_strmap ids; /* id -> item */
    oai_import_folder images, audio, masks, silent_images, silent_audio;
    oai_notes notes;
    oassl_import_counts counts;
} oai_import;

typedef struct oai_import_format {
    const char *name, *summary;
    oassl_status (*read)(oai_import *import, const char *path);
    const char *folders[3]; /* what pictures, sounds and masks lie in when not said */
    const char *split;      /* of the records when not said */
} oai_import_format;

const oai_import_format *oai_import_format_at(uint32_t index); /* NULL past the last */

/* `options` are complete and checked by oai_import_run.  Counts are filled on failure too. */
oassl_status oai_import_run(const oai_host *host, const oassl_import_options *options, const char *out_path,
                            oassl_import_counts *out_counts);

/* ---- for the readers ------------------------------------------------------------------------------------------ */

/* A copy, printf-wise; NULL: no memory. */
char *oai_import_text(oai_import *import, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a copy; of items with the same id the first is kept, with a warning.  Checks that the id can be a file's name.
 */
oassl_status oai_import_add(oai_import *import, const oai_import_item *item);
/* `source` copied with its boxes; label NULL, mask NULL, boxes NULL are fine. */
oassl_status oai_import_set_source(oai_import *import, oai_import_item *item, const char *label, const char *mask,
                                   const double (*boxes)[4], uint32_t n_boxes);
/* "<id>.jpg" or ".png", "<id>.wav" or ".flac". */
oassl_status oai_import_set_media(oai_import *import, oai_import_item *item, const char *image, const char *audio);
/* MUSIC's sounds: "<frame id>.wav", else "<YouTube id>.wav".  FORMAT when the id is no frame id. */
oassl_status oai_import_music_media(oai_import *import, oai_import_item *item);
/* `take` gets every row of a csv file; FORMAT from it is noted and the next row follows. */
typedef oassl_status (*oai_import_row)(oai_import *import, const oai_csv *csv, oai_import_item *item, void *user);
oassl_status oai_import_rows(oai_import *import, const char *path, oai_import_row take, void *user);
/* Calls `take` with every object of a JSON array file; FORMAT from it is noted and the next entry follows. */
typedef oassl_status (*oai_import_entry)(oai_import *import, const struct json_t *object, oai_import_item *item);
oassl_status oai_import_entries(oai_import *import, const char *path, oai_import_entry take);

/* ---- the formats ---------------------------------------------------------------------------------------------- */

oassl_status oai_import_vggss(oai_import *import, const char *path);
oassl_status oai_import_vggsound(oai_import *import, const char *path);
oassl_status oai_import_list(oai_import *import, const char *path);
oassl_status oai_import_extended(oai_import *import, const char *path);
oassl_status oai_import_music_solo(oai_import *import, const char *path);
oassl_status oai_import_music_duet(oai_import *import, const char *path);
oassl_status oai_import_music_tvsl(oai_import *import, const char *path);
oassl_status oai_import_music_videos(oai_import *import, const char *path);
oassl_status oai_import_music_list(oai_import *import, const char *path);
oassl_status oai_import_flickr(oai_import *import, const char *path);
oassl_status oai_import_avsbench_s4(oai_import *import, const char *path);
oassl_status oai_import_avsbench_ms3(oai_import *import, const char *path);
oassl_status oai_import_avsbench_json(oai_import *import, const char *path);
oassl_status oai_import_is3(oai_import *import, const char *path);
oassl_status oai_import_vpo(oai_import *import, const char *path);
/* Adds the masks of a *_seg.json to items read before. */
oassl_status oai_import_segments(oai_import *import, const char *path);

/* Warns when a file is named like a published one and has another number of entries. */
void oai_import_compare_published(oai_import *import, const char *path, uint64_t n_entries);

/* ---- the steps after reading ---------------------------------------------------------------------------------- */

oassl_status oai_import_folders(oai_import *import, const oai_import_format *format, const char *out_path);
/* Paths, picture sizes and what is missing; items without media go unless they are to be kept. */
oassl_status oai_import_media(oai_import *import);
oassl_status oai_import_mixtures(oai_import *import); /* after sorting */
oassl_status oai_import_write(oai_import *import, const char *out_path);

#endif
