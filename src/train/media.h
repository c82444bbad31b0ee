/* Pictures and sounds of single records, decoded once and kept while the cache has room.
 *
 * A kept picture has been brought to the size that cropping starts from, a kept sound is the excerpt the networks hear:
 * what is left to do for a sample is cheap. */
#ifndef OAI_TRAIN_MEDIA_H
#define OAI_TRAIN_MEDIA_H

#include "dsp/audio_front.h"
#include "dsp/image_preset.h"
#include "oassl/data.h"

typedef struct oai_clip {
    oassl_image picture;             /* rgb NULL when the record has none */
    int32_t full_width, full_height; /* of the picture in the file */
    float *sound;                    /* [n_sound] mono excerpt, NULL when the record has none */
    int64_t n_sound;
    uint32_t rate;
} oai_clip;

typedef struct oai_media oai_media;

/* Rules are copied.  Numbers given to oai_media_get are below n_records. */
oassl_status oai_media_create(const oai_host *host, const oai_image_rules *image, const oai_audio_rules *audio,
                              int training, uint64_t n_records, size_t cache_bytes, oai_media **out_media);
void oai_media_destroy(oai_media *media); /* NULL legal */

/* Any threads.  Every clip got is released. */
oassl_status oai_media_get(oai_media *media, uint64_t number, const oassl_record *record, const oai_clip **out_clip);
void oai_media_release(oai_media *media, uint64_t number, const oai_clip *clip);

#endif
