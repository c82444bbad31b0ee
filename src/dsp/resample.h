/* Band-limited resampling of one channel. */
#ifndef OAI_DSP_RESAMPLE_H
#define OAI_DSP_RESAMPLE_H

#include <stdint.h>

#include "base/host.h"

enum { OAI_MIN_RATE = 1000, OAI_MAX_RATE = 1000000 };

/* INVALID_ARGUMENT unless OAI_MIN_RATE <= rate <= OAI_MAX_RATE. */
oassl_status oai_check_rate(uint32_t rate);

/* ceil(n * out_rate / in_rate). */
int64_t oai_resampled_length(int64_t n, uint32_t in_rate, uint32_t out_rate);

/* Writes oai_resampled_length() samples; sample 0 of both ends up at the same time.  Beyond the ends the signal is
 * taken as 0.  Equal rates copy. */
oassl_status oai_resample(const double *in, int64_t n, uint32_t in_rate, uint32_t out_rate, double *out);

#endif
