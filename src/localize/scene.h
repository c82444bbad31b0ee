/* A manifest record as something to localise: picture, sound and truth, mixtures composed. */
#ifndef OAI_LOCALIZE_SCENE_H
#define OAI_LOCALIZE_SCENE_H

#include "data/manifest.h"
#include "localize/session.h"
#include "metric/metric.h"

enum { OAI_SCENE_MAX_SILENT = 64 };

typedef struct oai_scene {
    const oai_host *host;
    oassl_image picture;
    oassl_audio sound;
    bool excerpt; /* the sound is what the networks hear of it, cut already */
    uint32_t n_parts; /* pictures composed */
    int32_t axis;
    const char *group; /* the record's; NULL when it has none */
    uint32_t n_sources, n_silent;
    oassl_metric_truth sources[OASSL_METRIC_MAX_SOURCES], silent[OAI_SCENE_MAX_SILENT];
    float (*boxes)[4]; /* of all of the above */
    uint8_t *masks[OASSL_METRIC_MAX_SOURCES];
} oai_scene;

/* True when the record can be scored: picture, sound, and boxes (published ones may all be empty) or a mask for every source,
 * or word that nothing sounds; of a mixture all parts, boxes only. */
bool oai_scene_usable(const oassl_manifest *manifest, const oassl_record *record);
/* True when no label of a's sources is one of b's; what has no label is taken to be different. */
bool oai_scene_labels_differ(const oassl_manifest *manifest, const oassl_record *a, const oassl_record *b);

/* Picture and truth of `record`, sound of `sounding` (usually the same).  Freed by oai_scene_free, also on failure. */
oassl_status oai_scene_load(const oai_host *host, const oassl_manifest *manifest, const oai_hearing *hearing,
                            const oassl_record *record, const oassl_record *sounding, oai_scene *out_scene);
void oai_scene_free(oai_scene *scene);

#endif
