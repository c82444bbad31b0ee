/* The log-spectrogram all systems of this family hear: scipy.signal.spectrogram's defaults (Tukey .25 window, constant
 * detrend, density, one-sided), then ln(PSD + 1e-7) / 12.  Computed in double, written as float. */
#ifndef OAI_DSP_SPECTROGRAM_H
#define OAI_DSP_SPECTROGRAM_H

#include <stdint.h>

#include "base/error.h"

enum { OAI_SEGMENT = 512, OAI_SPECTROGRAM_ROWS = OAI_SEGMENT / 2 + 1 };

/* Periodic Tukey window with alpha 0.25 of OAI_SEGMENT samples. */
void oai_tukey_window(double *out_window);

/* Columns for n samples: floor((n - overlap) / (512 - overlap)); 0 when not one whole segment fits. */
int64_t oai_spectrogram_columns(int64_t n, int32_t overlap);

/* out_logspec is [257, columns], frequency major (row 0 is DC).  n >= 512, 0 <= overlap < 512, rate > 0.  Reads
 * nothing global, so any thread may call it. */
oassl_status oai_logspec(const double *samples, int64_t n, uint32_t rate, int32_t overlap, float *out_logspec);

/* Centre crop (offset by round-half-even) or zero padding (the left side gets the floor of half the deficit) of
 * [rows, columns] to [rows, wanted]. */
void oai_logspec_fit(const float *logspec, int32_t rows, int64_t columns, float *out_logspec, int64_t wanted);

/* round_half_even((size - crop) / 2): the offset of every centre crop.  size >= crop. */
int64_t oai_centre_offset(int64_t size, int64_t crop);

#endif
