/* Caption files: the sentences that say what sounds in a picture and what does not (spec/datasets.md section 9).
 *
 * Accepted: JSON Lines with `id` (or `file`), `foreground` (sentence or list, one a source), `background`, optional
 * `labels` and provenance; or one JSON object that maps ids to such objects.  Loading reports every defect with line
 * and id instead of stopping at the first: a set with n_errors > 0 lacks the samples in error. */
#ifndef OAI_TEXT_CAPTION_FILE_H
#define OAI_TEXT_CAPTION_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/host.h"
#include "base/strmap.h"

typedef struct oai_caption {
    const char *id;
    uint64_t line;
    uint32_t n_foreground, n_labels;
    const char **foreground; /* trimmed, blanks collapsed */
    const char **labels;
    const char *background;        /* NULL: left out, which needs allow_empty_background */
    const char **more_backgrounds; /* of a composite's further parts: the reference is the mean of all */
    uint32_t n_more;
} oai_caption;

enum { OAI_CAPTION_WARNING = 1, OAI_CAPTION_ERROR = 2 };

typedef struct oai_caption_defect {
    int32_t severity;
    uint64_t line;  /* 0: the file as a whole */
    const char *id; /* NULL: not known */
    const char *text;
} oai_caption_defect;

typedef struct oai_caption_options {
    uint32_t n_sources;          /* K that every sample must have; 0 = as many as its labels, or any */
    bool allow_empty_background; /* the background terms of such samples are skipped */
    bool repair;                 /* importer: cut one JSON object out of code fences or prose, with a warning */
} oai_caption_options;

typedef struct oai_caption_set {
    const oai_host *host;
    char *path;
    oai_caption *captions; /* in order of first appearance */
    size_t n_captions, captions_room;
    oai_caption_defect *defects; /* in order of the file */
    size_t n_defects, defects_room, n_errors, n_warnings;
    bool unknown_key_seen;
    oai_strmap by_id;
    oai_arena arena; /* owns every text */
} oai_caption_set;

/* `options` may be NULL.  Fails only when the file cannot be read or memory runs out. */
oassl_status oai_caption_set_load(const oai_host *host, const char *path, const oai_caption_options *options,
                                  oai_caption_set **out_set);
void oai_caption_set_destroy(oai_caption_set *set);                                  /* NULL legal */
const oai_caption *oai_caption_set_find(const oai_caption_set *set, const char *id); /* NULL if not there */

/* Adds composites of the set's samples (spec/datasets.md 9.5), JSON Lines {"id": .., "parts": [id, id, ..]}: their
 * foregrounds one after another; as background the mean of theirs, or with `concat_text` one sentence, theirs joined
 * by
 * ", and ".  An unknown part, a repeated id, more than 64 sentences or a background beyond 16 KiB is a defect; fails
 * only when the file cannot be read. */
oassl_status oai_caption_set_add_composites(oai_caption_set *set, const char *path, bool concat_text);

oassl_status oai_caption_report(oai_caption_set *set, int32_t severity, uint64_t line, const char *id,
                                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* OASSL_STATUS_FORMAT naming the file, the number of errors and the first of them, if there are errors. */
oassl_status oai_caption_set_require_valid(const oai_caption_set *set);

#endif
