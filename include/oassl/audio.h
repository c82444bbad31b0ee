/* Sound: files in, log-spectrograms out.
 *
 * Every network of this family hears a log-spectrogram of a few seconds of sound: [257, T] floats, frequency major
 * (row 0 is DC, row 256 half the rate), ln(PSD + 1e-7) / 12, where PSD is scipy.signal.spectrogram's with 512-sample
 * Tukey segments.  What differs from system to system (rate, time window, overlap, mono rule, scaling of integers) is
 * a preset; every rule can be overridden.
 *
 * Steps, in this order: one channel by the mono rule; resampling to the preset's rate (band-limited, output length
 * ceil(N * out / in)); time window; a short excerpt is repeated end to end; clamping to [-1, 1]; log-spectrogram;
 * optionally centre crop or zero padding to a wanted number of columns.
 *
 * Any thread may call any function; nothing is kept between calls.  Wrong content of a file is
 * OASSL_STATUS_FORMAT, a NaN or infinite sample OASSL_STATUS_NON_FINITE; both name the file and the place.
 *
 * Example: a file as OA-SSL hears it
 *   oassl_audio sound;
 *   uint64_t columns;
 *   oassl_audio_logspec_columns(NULL, 0, &columns);                        // 200
 *   float *logspec = malloc(OASSL_LOGSPEC_ROWS * columns * sizeof *logspec);
 *   if (oassl_audio_load(ctx, "guitar.ogg", &sound) == OASSL_STATUS_OK) {
 *       oassl_audio_logspec(ctx, NULL, &sound, logspec, OASSL_LOGSPEC_ROWS * columns);
 *       oassl_audio_free(ctx, &sound);
 *   }
 *
 * Source: the published loaders of LVS, EZ-VSL, NoPrior, SSLalignment; the OA-SSL paper, section 4.1 (3 s, 16 kHz). */
#ifndef OASSL_AUDIO_H
#define OASSL_AUDIO_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OASSL_LOGSPEC_ROWS 257

/* ---- PCM ---- */

/* Sample formats (oassl_audio.format). */
enum { OASSL_AUDIO_FORMAT_F32 = 1, OASSL_AUDIO_FORMAT_I16 = 2 };

/* Interleaved PCM: frames x channels samples.  A plain view: fill one in to pass sound from memory. */
typedef struct oassl_audio {
    void *samples;       /* float in [-1, 1] or int16_t, by `format`; read only for functions that take a const view */
    int64_t frames;      /* samples of one channel */
    int32_t channels;    /* 1..256 */
    uint32_t rate;       /* Hz, 1000..1000000 */
    int32_t format;      /* OASSL_AUDIO_FORMAT_*; 0 = F32 */
    int32_t source_bits; /* F32 samples that are integers of b bits divided by 2^(b-1): b; else 0.  Lets the presets
                            which divide by 2^(b-1) - 1 do so.  Not looked at for I16 */
} oassl_audio;

/* Reads any file libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF, ...), any rate, any number of channels, as F32.
 * Free with oassl_audio_free.  NOT_FOUND, IO; FORMAT: not a sound file, empty, truncated or corrupted;
 * NON_FINITE: a NaN or infinite sample. */
OASSL_API oassl_status oassl_audio_load(const oassl_context *context, const char *path, oassl_audio *out_audio);

/* Frees what oassl_audio_load filled in and zeroes it.  NULL is legal. */
OASSL_API void oassl_audio_free(const oassl_context *context, oassl_audio *audio);

/* Writes a 16-bit WAV file (values beyond [-1, 1] are clipped; scale 32767).  The file appears complete or not at
 * all. */
OASSL_API oassl_status oassl_audio_save_wav(const oassl_context *context, const char *path, const oassl_audio *audio);

/* ---- presets ---- */

enum {
    OASSL_AUDIO_PRESET_DEFAULT = 0,               /* oassl */
    OASSL_AUDIO_PRESET_OASSL = 1,                 /* 16 kHz, middle 3 s, T = 200 */
    OASSL_AUDIO_PRESET_LVS = 2,                   /* 16 kHz, first 10 s, T = 671 */
    OASSL_AUDIO_PRESET_EZVSL = 3,                 /* 16 kHz, middle 3 s, T = 200 (also SLAVC, FNAC, AVGN, MarginNCE) */
    OASSL_AUDIO_PRESET_NOPRIOR = 4,               /* 22.05 kHz, middle 3 s counted in whole seconds, T = 276 */
    OASSL_AUDIO_PRESET_NOPRIOR_TRAIN = 5,         /* 22.05 kHz, first 3 s, T = 276 */
    OASSL_AUDIO_PRESET_SSLALIGNMENT = 6,          /* 16 kHz, 3.5 s to 6.5 s of 10 s, overlap 353, T = 299 */
    OASSL_AUDIO_PRESET_SSLALIGNMENT_AVSBENCH = 7, /* the same, 1 s to 4 s of 5 s */
    OASSL_AUDIO_PRESET_SSLALIGNMENT_FOREIGN = 8 /* how SSLalignment feeds EZ-VSL-like models: 10 s rotated so that the
                                                   clip's middle is at 5 s, the 200 middle columns of 671 */
};

/* Time windows, for the override below. */
enum {
    OASSL_AUDIO_WINDOW_PRESET = 0,
    OASSL_AUDIO_WINDOW_FIRST = 1,         /* the first `seconds` */
    OASSL_AUDIO_WINDOW_MIDDLE = 2,        /* the middle `seconds`, or those around `centre` */
    OASSL_AUDIO_WINDOW_WHOLE_SECONDS = 3, /* NoPrior's: the middle of the clip's whole seconds */
    OASSL_AUDIO_WINDOW_OF_TILED =
        4,                         /* SSLalignment's: the middle `seconds` of the clip tiled to the preset's length */
    OASSL_AUDIO_WINDOW_ROTATED = 5 /* SSLalignment's for other people's models */
};

enum { OASSL_AUDIO_MONO_PRESET = 0, OASSL_AUDIO_MONO_MEAN = 1, OASSL_AUDIO_MONO_FIRST = 2 };

#define OASSL_AUDIO_RATE_OF_SOURCE 0xFFFFFFFFu

typedef struct oassl_audio_options {
    uint32_t struct_size;
    int32_t preset;        /* OASSL_AUDIO_PRESET_* */
    uint32_t rate;         /* resample to this; 0 = the preset's; OASSL_AUDIO_RATE_OF_SOURCE = no resampling, as the
                              published loaders do (T then depends on the sound's rate) */
    int32_t window;        /* OASSL_AUDIO_WINDOW_* */
    double seconds;        /* length of the excerpt; 0 = the preset's (3 or 10 s) */
    double centre;         /* WINDOW_MIDDLE: time of the picture in the clip, seconds; the window is moved inside the
                              clip where it would stick out.  0 = the clip's middle */
    int32_t overlap;       /* samples two segments share, 1..511; 0 = the preset's (274 or 353) */
    int32_t columns;       /* crop or pad to so many columns; 0 = as many as the excerpt gives */
    int32_t mono;          /* OASSL_AUDIO_MONO_*; MONO_FIRST is channel 0 */
    int32_t clamp;         /* 0 = preset (all but NoPrior clamp), 1 = clamp to [-1, 1], 2 = do not */
    int32_t integer_scale; /* divisor of 16-bit samples: 32767 or 32768, other widths alike; 0 = preset */
    int32_t noprior_exact_slicing; /* 1: for clips under 3 s, NoPrior's negative start counts from the clip's end, as
                                      in the original; 0: it is taken as 0 */
} oassl_audio_options;

#define OASSL_AUDIO_OPTIONS_INIT                                                                                      \
    { sizeof(oassl_audio_options) }

/* "oassl", "lvs", "ezvsl", "noprior", "noprior_train", "sslalignment", "sslalignment_avsbench",
 * "sslalignment_foreign"; also "slavc", "fnac", "avgn", "marginnce", which mean "ezvsl".  NOT_FOUND: the text lists
 * the names. */
OASSL_API oassl_status oassl_audio_preset_find(const char *name, int32_t *out_preset);

/* Name of a preset; NULL for a number that is none.  Static. */
OASSL_API const char *oassl_audio_preset_name(int32_t preset);

/* ---- from PCM to the network's input ---- */

/* T for sound of `source_rate` Hz (any value where the options resample).  `options` may be NULL here and below. */
OASSL_API oassl_status oassl_audio_logspec_columns(const oassl_audio_options *options, uint32_t source_rate,
                                                   uint64_t *out_columns);

/* `out_logspec` has room for `n_logspec` floats, at least 257 T.  Layout [257, T]. */
OASSL_API oassl_status oassl_audio_logspec(const oassl_context *context, const oassl_audio_options *options,
                                           const oassl_audio *audio, float *out_logspec, uint64_t n_logspec);

/* The waveform the log-spectrogram is taken of: one channel at the options' rate, windowed, tiled, clamped.
 * *out_n is its length, also when `out_samples` is NULL or too short (INVALID_ARGUMENT if too short). */
OASSL_API oassl_status oassl_audio_excerpt(const oassl_context *context, const oassl_audio_options *options,
                                           const oassl_audio *audio, double *out_samples, uint64_t n_samples,
                                           uint64_t *out_n);

/* Band-limited resampling of one channel (libsoxr, 20 bits).  `out_samples` has room for n_out =
 * ceil(n_in * out_rate / in_rate) values. */
OASSL_API oassl_status oassl_audio_resample(const double *samples, uint64_t n_in, uint32_t in_rate, uint32_t out_rate,
                                            double *out_samples, uint64_t n_out);

#ifdef __cplusplus
}
#endif
#endif
