#include "train/media.h"

#include <pthread.h>
#include <string.h>

#include "dsp/audio_file.h"
#include "dsp/picture_file.h"
#include "dsp/resize.h"

struct oai_media {
    const oai_host *host;
    oai_image_rules image;
    oai_audio_rules audio;
    int training;
    size_t room; /* bytes the cache may still take */
    uint64_t n_records;
    pthread_mutex_t lock;
    oai_clip **kept; /* [n_records], NULL = not kept */
};

oassl_status oai_media_create(const oai_host *host, const oai_image_rules *image, const oai_audio_rules *audio,
                              int training, uint64_t n_records, size_t cache_bytes, oai_media **out_media) {
    *out_media = NULL;
    oai_media *media = oai_calloc(host, 1, sizeof *media);
    if (!media) return oai_no_memory(sizeof *media, "the media cache");
    media->host = host;
    media->image = *image;
    media->audio = *audio;
    media->training = training;
    media->room = cache_bytes;
    media->n_records = n_records;
    media->kept = oai_calloc(host, n_records, sizeof *media->kept);
    if (!media->kept) {
        oai_free(host, media);
        return oai_no_memory(n_records * sizeof *media->kept, "the media cache");
    }
    pthread_mutex_init(&media->lock, NULL);
    *out_media = media;
    return OASSL_STATUS_OK;
}

static void free_clip(const oai_host *host, oai_clip *clip) {
    if (!clip) return;
    oai_picture_release(host, &clip->picture);
    oai_free(host, clip->sound);
    oai_free(host, clip);
}

void oai_media_destroy(oai_media *media) {
    if (!media) return;
    for (uint64_t i = 0; i < media->n_records; i++) free_clip(media->host, media->kept[i]);
    pthread_mutex_destroy(&media->lock);
    oai_free(media->host, media->kept);
    oai_free(media->host, media);
}

/* Resizes to what training crops from, or to the test size when that is a plain stretch. */
static oassl_status shrink(const oai_media *media, oai_clip *clip) {
    oai_image_plan plan;
    oai_rng unused = {0};
    oassl_image small;
    if (!oai_resize_is_u8(media->image.kernel)) return OASSL_STATUS_OK;
    OAI_TRY(media->training ? oai_image_plan_train(&media->image, clip->full_width, clip->full_height, &unused, &plan)
                            : oai_image_plan_test(&media->image, clip->full_width, clip->full_height, &plan));
    if (plan.resized_width == clip->full_width && plan.resized_height == clip->full_height) return OASSL_STATUS_OK;
    OAI_TRY(oai_picture_alloc(media->host, plan.resized_width, plan.resized_height, &small));
    oassl_status status = oai_resize_u8(media->host, clip->picture.rgb, clip->full_width, clip->full_height,
                                        oai_picture_row_bytes(&clip->picture), 3, media->image.kernel, small.rgb,
                                        small.width, small.height, oai_picture_row_bytes(&small));
    oassl_image *spare = status == OASSL_STATUS_OK ? &clip->picture : &small;
    oai_picture_release(media->host, spare);
    if (status == OASSL_STATUS_OK) clip->picture = small;
    return status;
}

static oassl_status load_picture(const oai_media *media, const char *path, oai_clip *clip) {
    OAI_TRY(oai_picture_read(media->host, path, &clip->picture));
    clip->full_width = clip->picture.width;
    clip->full_height = clip->picture.height;
    return shrink(media, clip);
}

static oassl_status load_sound(const oai_media *media, const char *path, oai_clip *clip) {
    oassl_audio audio;
    OAI_TRY(oai_audio_file_read(media->host, path, &audio));
    int64_t n = oai_audio_need(&media->audio, audio.rate);
    double *excerpt = oai_alloc(media->host, (size_t)n * sizeof *excerpt);
    clip->sound = oai_alloc(media->host, (size_t)n * sizeof *clip->sound);
    oassl_status status = excerpt && clip->sound ? OASSL_STATUS_OK : oai_no_memory((size_t)n * 8, "a sound's excerpt");
    if (status == OASSL_STATUS_OK) {
        status = oai_audio_excerpt(media->host, &media->audio, &audio, NULL, excerpt);
        if (status != OASSL_STATUS_OK) oai_fail_within(status, "%s", path);
    }
    for (int64_t i = 0; status == OASSL_STATUS_OK && i < n; i++) clip->sound[i] = (float)excerpt[i];
    clip->n_sound = n;
    clip->rate = oai_audio_rate(&media->audio, audio.rate);
    oai_free(media->host, excerpt);
    oai_audio_release(media->host, &audio);
    return status;
}

static oassl_status load(const oai_media *media, const oassl_record *record, oai_clip **out_clip) {
    oai_clip *clip = oai_calloc(media->host, 1, sizeof *clip);
    if (!clip) return oai_no_memory(sizeof *clip, "a clip");
    oassl_status status = record->image ? load_picture(media, record->image, clip) : OASSL_STATUS_OK;
    if (status == OASSL_STATUS_OK && record->audio) status = load_sound(media, record->audio, clip);
    if (status != OASSL_STATUS_OK) {
        free_clip(media->host, clip);
        return oai_fail_within(status, "record '%s'", record->id);
    }
    *out_clip = clip;
    return OASSL_STATUS_OK;
}

static size_t clip_bytes(const oai_clip *clip) {
    return sizeof *clip + (size_t)clip->n_sound * sizeof(float) +
           (clip->picture.rgb ? (size_t)clip->picture.height * (size_t)oai_picture_row_bytes(&clip->picture) : 0);
}

oassl_status oai_media_get(oai_media *media, uint64_t number, const oassl_record *record, const oai_clip **out_clip) {
    pthread_mutex_lock(&media->lock);
    oai_clip *clip = media->kept[number];
    pthread_mutex_unlock(&media->lock);
    if (!clip) {
        OAI_TRY(load(media, record, &clip));
        pthread_mutex_lock(&media->lock);
        size_t bytes = clip_bytes(clip);
        if (!media->kept[number] && bytes <= media->room) {
            media->kept[number] = clip;
            media->room -= bytes;
        }
        pthread_mutex_unlock(&media->lock);
    }
    *out_clip = clip;
    return OASSL_STATUS_OK;
}

void oai_media_release(oai_media *media, uint64_t number, const oai_clip *clip) {
    pthread_mutex_lock(&media->lock);
    int kept = media->kept[number] == clip;
    pthread_mutex_unlock(&media->lock);
    if (!kept) free_clip(media->host, (oai_clip *)clip);
}
