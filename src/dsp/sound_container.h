/* Truncation and corruption that libsndfile passes over in silence: a WAV or AIFF data chunk longer than the file, an
 * Ogg page with a wrong checksum, a missing last Ogg page. */
#ifndef OAI_DSP_SOUND_CONTAINER_H
#define OAI_DSP_SOUND_CONTAINER_H

#include "base/host.h"

/* Reads `fd` by position only.  FORMAT names the byte; other containers pass unlooked at.  The text does not name the
 * file: the caller does. */
oassl_status oai_check_sound_container(const oai_host *host, int fd, uint64_t file_bytes);

#endif
