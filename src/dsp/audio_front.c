#include "dsp/audio_front.h"

#include <math.h>
#include <string.h>

#include "dsp/audio_file.h"
#include "dsp/resample.h"
#include "dsp/spectrogram.h"

/* What turns a stored sample into the preset's scale. */
static double sample_scale(const oai_audio_rules *rules, const oassl_audio *audio) {
    int integer = audio->format == OASSL_AUDIO_FORMAT_I16, bits = integer ? 16 : audio->source_bits;
    double full = bits ? ldexp(1, bits - 1) : 1; /* the decoder's divisor */
    double wanted = bits && rules->integer_scale == 32767 ? full - 1 : full;
    return integer ? 1 / wanted : full / wanted;
}

static void to_mono(const oai_audio_rules *rules, const oassl_audio *audio, double *out) {
    const int stride = audio->channels, used = rules->mono == OASSL_AUDIO_MONO_FIRST ? 1 : stride;
    const double scale = sample_scale(rules, audio) / used;
    const float *f = audio->samples;
    const int16_t *i16 = audio->samples;
    const int integer = audio->format == OASSL_AUDIO_FORMAT_I16;
    for (int64_t t = 0; t < audio->frames; t++) {
        double sum = 0;
        for (int c = 0; c < used; c++) sum += integer ? i16[t * stride + c] : (double)f[t * stride + c];
        out[t] = sum * scale;
    }
}

static int64_t between(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

struct span {
    int64_t start, length; /* in the clip; the excerpt repeats it */
    int64_t shift;         /* the excerpt starts so many samples into the repeated span */
};

/* NoPrior counts whole seconds of 22050 samples, even where the file's rate is another. */
static struct span whole_seconds(const oai_audio_rules *rules, int64_t n, uint32_t rate) {
    double second = rules->rate == OASSL_AUDIO_RATE_OF_SOURCE ? 22050 : rate, whole = floor((double)n / second);
    int64_t start = (int64_t)((whole / 2 - rules->seconds / 2) * second);
    int64_t stop = (int64_t)((whole / 2 + rules->seconds / 2) * second);
    if (start < 0) start = rules->exact_slicing ? between(n + start, 0, n) : 0;
    stop = between(stop, 0, n);
    if (stop <= start) return (struct span){0, n, 0};
    return (struct span){start, stop - start, 0};
}

/* Which part of n samples the rules take.  Start and length stay inside the clip. */
static struct span choose_span(const oai_audio_rules *rules, int64_t n, uint32_t rate, int64_t need, oai_rng *rng) {
    double wanted = rate * rules->seconds;
    if (rules->random_start && rng && n > need)
        return (struct span){(int64_t)(oai_rng_uniform(rng) * (double)(n - need + 1)), need, 0};
    switch (rules->window) {
    case OASSL_AUDIO_WINDOW_MIDDLE: {
        double start = rules->centre > 0 ? rules->centre * rate - wanted / 2 : ((double)n - wanted) / 2;
        int64_t first = n > need ? between((int64_t)floor(fmax(start, 0)), 0, n - need) : 0;
        return (struct span){first, n > need ? need : n, 0};
    }
    case OASSL_AUDIO_WINDOW_WHOLE_SECONDS: return whole_seconds(rules, n, rate);
    case OASSL_AUDIO_WINDOW_OF_TILED:
        return (struct span){0, n, (int64_t)floor((rules->tiled_seconds - rules->seconds) / 2 * rate)};
    case OASSL_AUDIO_WINDOW_ROTATED: {
        /* The tiled 10 s turned round until the clip's middle sits in its middle: a read position, not a repetition
         * of the clip, so it is applied to the tiled length below. */
        int64_t clip = n < need ? n : need;
        return (struct span){0, n, -(need / 2 - clip / 2)};
    }
    default: return (struct span){0, n < need ? n : need, 0};
    }
}

static void take_span(const struct span *s, const double *clip, int64_t need, int clamp, double *out) {
    for (int64_t i = 0; i < need; i++) {
        int64_t at = i + s->shift;
        if (at < 0) at += need; /* rotation */
        double v = clip[s->start + at % s->length];
        out[i] = clamp ? fmin(fmax(v, -1), 1) : v;
    }
}

oassl_status oai_audio_excerpt(const oai_host *host, const oai_audio_rules *rules, const oassl_audio *audio,
                               oai_rng *rng, double *out_samples) {
    OAI_TRY(oai_audio_check(audio));
    OAI_TRY(oai_audio_check_finite(audio));
    const uint32_t rate = oai_audio_rate(rules, audio->rate);
    const int64_t need = oai_audio_need(rules, audio->rate);
    const int64_t n = oai_resampled_length(audio->frames, audio->rate, rate);
    const size_t bytes = (size_t)(n + audio->frames) * sizeof(double);
    double *mono = oai_alloc(host, bytes), *clip = mono;
    if (!mono) return oai_no_memory(bytes, "one channel of sound");
    oassl_status status = OASSL_STATUS_OK;
    to_mono(rules, audio, mono);
    if (rate != audio->rate) {
        clip = mono + audio->frames;
        status = oai_resample(mono, audio->frames, audio->rate, rate, clip);
    }
    if (status == OASSL_STATUS_OK) {
        struct span s = choose_span(rules, n, rate, need, rng);
        take_span(&s, clip, need, rules->clamp, out_samples);
    }
    oai_free(host, mono);
    return status;
}

oassl_status oai_audio_logspec(const oai_host *host, const oai_audio_rules *rules, const double *samples, int64_t n,
                               uint32_t rate, float *out_logspec) {
    const int64_t columns = oai_spectrogram_columns(n, rules->overlap);
    if (rules->columns == 0 || rules->columns == columns || columns == 0)
        return oai_logspec(samples, n, rate, rules->overlap, out_logspec);
    const size_t bytes = OAI_SPECTROGRAM_ROWS * (size_t)columns * sizeof(float);
    float *whole = oai_alloc(host, bytes);
    if (!whole) return oai_no_memory(bytes, "a log-spectrogram");
    oassl_status status = oai_logspec(samples, n, rate, rules->overlap, whole);
    if (status == OASSL_STATUS_OK) oai_logspec_fit(whole, OAI_SPECTROGRAM_ROWS, columns, out_logspec, rules->columns);
    oai_free(host, whole);
    return status;
}

static oassl_status mix_waveforms(const oai_host *host, const oai_audio_rules *rules, const double *const *excerpts,
                                  int32_t n_sources, int64_t n, uint32_t rate, double weight, float *out) {
    const size_t bytes = (size_t)n * sizeof(double);
    double *sum = oai_alloc(host, bytes);
    if (!sum) return oai_no_memory(bytes, "a mixture");
    for (int64_t i = 0; i < n; i++) {
        double v = 0;
        for (int32_t k = 0; k < n_sources; k++) v += excerpts[k][i];
        v *= weight;
        sum[i] = rules->clamp ? fmin(fmax(v, -1), 1) : v;
    }
    oassl_status status = oai_audio_logspec(host, rules, sum, n, rate, out);
    oai_free(host, sum);
    return status;
}

static oassl_status mix_logspecs(const oai_host *host, const oai_audio_rules *rules, const double *const *excerpts,
                                 int32_t n_sources, int64_t n, uint32_t rate, float *out) {
    const int64_t columns = rules->columns ? rules->columns : oai_spectrogram_columns(n, rules->overlap);
    const size_t count = OAI_SPECTROGRAM_ROWS * (size_t)columns;
    float *one = oai_alloc(host, count * sizeof *one);
    if (!one) return oai_no_memory(count * sizeof *one, "a log-spectrogram");
    oassl_status status = oai_audio_logspec(host, rules, excerpts[0], n, rate, out);
    for (int32_t k = 1; k < n_sources && status == OASSL_STATUS_OK; k++) {
        status = oai_audio_logspec(host, rules, excerpts[k], n, rate, one);
        for (size_t i = 0; i < count && status == OASSL_STATUS_OK; i++) out[i] += one[i];
    }
    for (size_t i = 0; i < count && status == OASSL_STATUS_OK; i++) out[i] /= (float)n_sources;
    oai_free(host, one);
    return status;
}

oassl_status oai_audio_mix_logspec(const oai_host *host, const oai_audio_rules *rules, const double *const *excerpts,
                                   int32_t n_sources, int64_t n, uint32_t rate, int32_t mix, float *out_logspec) {
    if (n_sources < 1) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "mixture of %d sounds", n_sources);
    if (n_sources == 1) return oai_audio_logspec(host, rules, excerpts[0], n, rate, out_logspec);
    switch (mix) {
    case OAI_MIX_WAVEFORM_SUM: return mix_waveforms(host, rules, excerpts, n_sources, n, rate, 1, out_logspec);
    case OAI_MIX_WAVEFORM_MEAN:
        return mix_waveforms(host, rules, excerpts, n_sources, n, rate, 1.0 / n_sources, out_logspec);
    case OAI_MIX_LOGSPEC_MEAN: return mix_logspecs(host, rules, excerpts, n_sources, n, rate, out_logspec);
    default: return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "audio mix %d is not 0 to 2", mix);
    }
}
