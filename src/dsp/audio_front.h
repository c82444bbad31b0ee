/* PCM of any kind -> the excerpt a preset listens to -> its log-spectrogram.  Two steps, because training mixes
 * either the waveforms or the spectrograms of several sounds in between. */
#ifndef OAI_DSP_AUDIO_FRONT_H
#define OAI_DSP_AUDIO_FRONT_H

#include "base/host.h"
#include "base/rng.h"
#include "dsp/audio_preset.h"

/* Writes oai_audio_need(rules, audio->rate) samples: one channel at oai_audio_rate(), windowed, tiled, clamped.
 * `rng` is used only with rules->random_start and may be NULL otherwise. */
oassl_status oai_audio_excerpt(const oai_host *host, const oai_audio_rules *rules, const oassl_audio *audio,
                               oai_rng *rng, double *out_samples);

/* [257, oai_audio_columns()] of an excerpt of `n` samples at `rate`, cropped or padded as the rules say. */
oassl_status oai_audio_logspec(const oai_host *host, const oai_audio_rules *rules, const double *samples, int64_t n,
                               uint32_t rate, float *out_logspec);

/* How several sounds become one (preprocessing.md, section 7). */
enum { OAI_MIX_WAVEFORM_SUM = 0, OAI_MIX_WAVEFORM_MEAN = 1, OAI_MIX_LOGSPEC_MEAN = 2 };

/* Log-spectrogram of the mixture of `n_sources` excerpts of n samples each.  A mixed waveform is clamped again if the
 * rules clamp. */
oassl_status oai_audio_mix_logspec(const oai_host *host, const oai_audio_rules *rules, const double *const *excerpts,
                                   int32_t n_sources, int64_t n, uint32_t rate, int32_t mix, float *out_logspec);

#endif
