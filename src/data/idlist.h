/* The ids of a list, and the spellings ids and labels come in (spec: datasets.md 2.1, 2.4, 5). */
#ifndef OAI_DATA_IDLIST_H
#define OAI_DATA_IDLIST_H

#include <stdbool.h>

#include "base/arena.h"
#include "data/notes.h"

enum { OAI_IDLIST_LABELS = 2 };

typedef struct oai_idlist_row {
    const char *id;
    const char *name; /* as written, without folders and extension */
    bool folder_name; /* `name` is SSLalignment's, from which `id` was made */
    const char *labels[OAI_IDLIST_LABELS];
    uint32_t n_labels;
    uint64_t line; /* or entry, from 1 */
} oai_idlist_row;

typedef struct oai_idlist {
    oai_arena arena;
    const char *path;
    oai_idlist_row *rows;
    uint64_t n, room;
} oai_idlist;

/* A .jsonl manifest (its records that are no mixtures), a .json array of annotations ("file" or "image"), else a list
 * "id[,label[,label]]".  Bad lines are noted.  oai_idlist_free is right after failures too. */
oassl_status oai_idlist_load(const oai_host *host, const char *path, oai_notes *notes, oai_idlist *out_list);
void oai_idlist_free(oai_idlist *list);

/* "videos/a/b/123.mp4" -> "123": folders and the extensions of media go. */
void oai_media_stem(const char *path, char *out, size_t capacity);
/* "Fsu8KjtWhPo_79000_89000" -> "Fsu8KjtWhPo_000079"; false when the name is none of that form. */
bool oai_id_from_milliseconds(const char *name, char *out, size_t capacity);
/* "female speech, woman speaking" -> "female_speech_woman_speaking". */
void oai_flat_label(const char *label, char *out, size_t capacity);
bool oai_text_is_number(const char *text); /* decimal digits only */

#endif
