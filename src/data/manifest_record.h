/* One line of a manifest to a record.  Internal to src/data. */
#ifndef OAI_DATA_MANIFEST_RECORD_H
#define OAI_DATA_MANIFEST_RECORD_H

#include "base/arena.h"
#include "base/json.h"
#include "data/manifest.h"

enum { OAI_MANIFEST_MAX_MIX = 8 };

/* A record with the ids its mixture names, not yet numbers. */
typedef struct oai_manifest_entry {
    oassl_record record;
    const char **mix_ids; /* [record.n_mix] */
    const char *missing;  /* the file of it that is not there */
} oai_manifest_entry;

/* `folder` is put before relative paths ("" for none).  Errors name the field; the caller adds file and line. */
oassl_status oai_manifest_parse(oai_arena *arena, const char *folder, const json_t *object, uint64_t line,
                                oai_manifest_entry *out_entry);
/* What a record is called: "id", else "image", else "audio"; NULL when it has none of them as text. */
const char *oai_manifest_id(const json_t *object);

#endif
