/* Sound files through libsndfile. */
#ifndef OAI_DSP_AUDIO_FILE_H
#define OAI_DSP_AUDIO_FILE_H

#include "base/host.h"
#include "oassl/audio.h"

/* Whole file as F32.  The text of every failure starts with the path. */
oassl_status oai_audio_file_read(const oai_host *host, const char *path, oassl_audio *out_audio);
void oai_audio_release(const oai_host *host, oassl_audio *audio);

/* 16-bit WAV, all channels, values clipped to [-1, 1] and scaled by 32767. */
oassl_status oai_audio_file_write_wav(const oai_host *host, const char *path, const oassl_audio *audio);

/* A view that can be read at all: pointer, counts, rate, format.  Says which field is wrong. */
oassl_status oai_audio_check(const oassl_audio *audio);

/* NON_FINITE naming the first NaN or infinite sample of an F32 view. */
oassl_status oai_audio_check_finite(const oassl_audio *audio);

#endif
