/* What the systems disagree about when they listen: the table of presets, and options resolved against it. */
#ifndef OAI_DSP_AUDIO_PRESET_H
#define OAI_DSP_AUDIO_PRESET_H

#include <stdint.h>

#include "base/error.h"
#include "oassl/audio.h"

/* Fully resolved: no zero means "default" any more. */
typedef struct oai_audio_rules {
    uint32_t rate;         /* Hz, or OASSL_AUDIO_RATE_OF_SOURCE */
    int32_t window;        /* OASSL_AUDIO_WINDOW_* */
    double seconds;        /* length of the excerpt */
    double tiled_seconds;  /* WINDOW_OF_TILED: the clip is tiled and cut to this first */
    double centre;         /* seconds; 0 = the clip's middle */
    int32_t overlap;       /* samples */
    int32_t columns;       /* 0 = as they come */
    int32_t mono;          /* OASSL_AUDIO_MONO_* */
    int32_t clamp;         /* 0 or 1 */
    int32_t integer_scale; /* 32767: divide b-bit integers by 2^(b-1) - 1; 32768: by 2^(b-1) */
    int32_t exact_slicing; /* 0 or 1 */
    int32_t random_start;  /* 1: the window starts anywhere inside the clip (training augmentation; needs an rng) */
} oai_audio_rules;

/* `options` may be NULL; its struct_size has been dealt with.  INVALID_ARGUMENT names the field. */
oassl_status oai_audio_resolve(const oassl_audio_options *options, oai_audio_rules *out_rules);

/* The rate the excerpt has for a source of this rate. */
uint32_t oai_audio_rate(const oai_audio_rules *rules, uint32_t source_rate);
/* Samples in the excerpt: floor(rate * seconds). */
int64_t oai_audio_need(const oai_audio_rules *rules, uint32_t source_rate);
/* Columns of its log-spectrogram after the crop or padding; 0 if the excerpt is shorter than one segment. */
int64_t oai_audio_columns(const oai_audio_rules *rules, uint32_t source_rate);

oassl_status oai_audio_preset_find(const char *name, int32_t *out_preset);
const char *oai_audio_preset_name(int32_t preset);

#endif
