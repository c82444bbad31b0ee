#include "dsp/resample.h"

#include <soxr.h>
#include <stdbool.h>
#include <string.h>

oassl_status oai_check_rate(uint32_t rate) {
    if (rate >= OAI_MIN_RATE && rate <= OAI_MAX_RATE) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "sample rate %u Hz, expected %d to %d", rate, OAI_MIN_RATE,
                    OAI_MAX_RATE);
}

int64_t oai_resampled_length(int64_t n, uint32_t in_rate, uint32_t out_rate) {
    return n / in_rate * out_rate + (n % in_rate * out_rate + in_rate - 1) / in_rate;
}

static oassl_status soxr_failed(soxr_error_t error) {
    bool memory = error && (strstr(error, "malloc") || strstr(error, "memory")); /* it has texts only */
    return oai_fail(memory ? OASSL_STATUS_OUT_OF_MEMORY : OASSL_STATUS_INTERNAL, "libsoxr: %s", soxr_strerror(error));
}

oassl_status oai_resample(const double *in, int64_t n, uint32_t in_rate, uint32_t out_rate, double *out) {
    OAI_TRY(oai_check_rate(in_rate));
    OAI_TRY(oai_check_rate(out_rate));
    if (in_rate == out_rate) {
        if (n > 0) memcpy(out, in, (size_t)n * sizeof *out);
        return OASSL_STATUS_OK;
    }
    soxr_error_t error = NULL;
    soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT64_I, SOXR_FLOAT64_I);
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, SOXR_ROLLOFF_NONE);
    quality.passband_end = 0.96; /* of the lower Nyquist; HQ's own is 0.913 */
    soxr_t resampler = soxr_create(in_rate, out_rate, 1, &error, &io, &quality, NULL);
    if (!resampler) return soxr_failed(error);
    size_t want = (size_t)oai_resampled_length(n, in_rate, out_rate), done = 0, used = 0, made = 0;
    oassl_status status = OASSL_STATUS_OK;
    /* In blocks: libsoxr copies what it was given as often as its buffer grows. */
    enum { BLOCK = 65536 };
    for (size_t at = 0; at < (size_t)n && done < want; at += used, done += made) {
        size_t block = (size_t)n - at < BLOCK ? (size_t)n - at : BLOCK;
        error = soxr_process(resampler, in + at, block, &used, out + done, want - done, &made);
        if (error || (used == 0 && made == 0)) break;
    }
    /* The end is pushed out with silence instead of libsoxr's own flush, which rounds the length its own way. */
    static const double silence[1024];
    for (int idle = 0; !error && done < want && idle < 1 << 20; idle++, done += made)
        error = soxr_process(resampler, silence, 1024, NULL, out + done, want - done, &made);
    if (error)
        status = soxr_failed(error);
    else if (done < want)
        status = oai_fail(OASSL_STATUS_INTERNAL, "libsoxr: made %zu samples instead of %zu", done, want);
    soxr_delete(resampler);
    return status;
}
