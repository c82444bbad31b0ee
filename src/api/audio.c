#include "oassl/audio.h"

#include "base/options.h"
#include "dsp/audio_file.h"
#include "dsp/audio_front.h"
#include "dsp/resample.h"
#include "dsp/spectrogram.h"
#include "runtime/context.h"

oassl_status oassl_audio_load(const oassl_context *context, const char *path, oassl_audio *out_audio) {
    OAI_REQUIRE(out_audio);
    *out_audio = (oassl_audio){0};
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    return oai_audio_file_read(oai_context_host(context), path, out_audio);
}

void oassl_audio_free(const oassl_context *context, oassl_audio *audio) {
    if (context && audio) oai_audio_release(oai_context_host(context), audio);
}

oassl_status oassl_audio_save_wav(const oassl_context *context, const char *path, const oassl_audio *audio) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    OAI_REQUIRE(audio);
    return oai_audio_file_write_wav(oai_context_host(context), path, audio);
}

oassl_status oassl_audio_preset_find(const char *name, int32_t *out_preset) {
    OAI_REQUIRE(out_preset);
    *out_preset = 0;
    OAI_REQUIRE(name);
    return oai_audio_preset_find(name, out_preset);
}

const char *oassl_audio_preset_name(int32_t preset) { return oai_audio_preset_name(preset); }

static oassl_status take_rules(const oassl_audio_options *options, oai_audio_rules *out_rules) {
    oassl_audio_options own;
    OAI_TRY(oai_options_read("oassl_audio_options", options, &own, sizeof own));
    return oai_audio_resolve(&own, out_rules);
}

static oassl_status need_columns(const oai_audio_rules *rules, uint32_t source_rate, uint64_t *out_columns) {
    if (rules->rate == OASSL_AUDIO_RATE_OF_SOURCE) OAI_TRY(oai_check_rate(source_rate));
    *out_columns = (uint64_t)oai_audio_columns(rules, source_rate);
    if (*out_columns > 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "an excerpt of %lld samples is shorter than one segment of %d",
                    (long long)oai_audio_need(rules, source_rate), OAI_SEGMENT);
}

oassl_status oassl_audio_logspec_columns(const oassl_audio_options *options, uint32_t source_rate,
                                         uint64_t *out_columns) {
    OAI_REQUIRE(out_columns);
    *out_columns = 0;
    oai_audio_rules rules;
    OAI_TRY(take_rules(options, &rules));
    return need_columns(&rules, source_rate, out_columns);
}

oassl_status oassl_audio_logspec(const oassl_context *context, const oassl_audio_options *options,
                                 const oassl_audio *audio, float *out_logspec, uint64_t n_logspec) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(audio);
    OAI_REQUIRE(out_logspec);
    const oai_host *host = oai_context_host(context);
    oai_audio_rules rules;
    uint64_t columns;
    OAI_TRY(take_rules(options, &rules));
    OAI_TRY(oai_audio_check(audio));
    OAI_TRY(need_columns(&rules, audio->rate, &columns));
    if (n_logspec < OASSL_LOGSPEC_ROWS * columns)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "log-spectrogram: room for %llu floats, %d x %llu are needed",
                        (unsigned long long)n_logspec, OASSL_LOGSPEC_ROWS, (unsigned long long)columns);
    const int64_t n = oai_audio_need(&rules, audio->rate);
    double *excerpt = oai_alloc(host, (size_t)n * sizeof *excerpt);
    if (!excerpt) return oai_no_memory((size_t)n * sizeof *excerpt, "an excerpt");
    oassl_status status = oai_audio_excerpt(host, &rules, audio, NULL, excerpt);
    if (status == OASSL_STATUS_OK)
        status = oai_audio_logspec(host, &rules, excerpt, n, oai_audio_rate(&rules, audio->rate), out_logspec);
    oai_free(host, excerpt);
    return status;
}

oassl_status oassl_audio_excerpt(const oassl_context *context, const oassl_audio_options *options,
                                 const oassl_audio *audio, double *out_samples, uint64_t n_samples, uint64_t *out_n) {
    OAI_REQUIRE(out_n);
    *out_n = 0;
    OAI_REQUIRE(context);
    OAI_REQUIRE(audio);
    oai_audio_rules rules;
    OAI_TRY(take_rules(options, &rules));
    OAI_TRY(oai_audio_check(audio));
    *out_n = (uint64_t)oai_audio_need(&rules, audio->rate);
    if (!out_samples) return OASSL_STATUS_OK;
    if (n_samples < *out_n)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "excerpt: room for %llu samples, %llu are needed",
                        (unsigned long long)n_samples, (unsigned long long)*out_n);
    return oai_audio_excerpt(oai_context_host(context), &rules, audio, NULL, out_samples);
}

oassl_status oassl_audio_resample(const double *samples, uint64_t n_in, uint32_t in_rate, uint32_t out_rate,
                                  double *out_samples, uint64_t n_out) {
    OAI_REQUIRE(samples);
    OAI_REQUIRE(out_samples);
    OAI_TRY(oai_check_rate(in_rate));
    OAI_TRY(oai_check_rate(out_rate));
    if (n_in == 0 || n_in > (uint64_t)1 << 40)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resample: %llu samples, expected 1 to 2^40",
                        (unsigned long long)n_in);
    uint64_t needed = (uint64_t)oai_resampled_length((int64_t)n_in, in_rate, out_rate);
    if (n_out != needed)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "resample: n_out is %llu, expected %llu",
                        (unsigned long long)n_out, (unsigned long long)needed);
    return oai_resample(samples, (int64_t)n_in, in_rate, out_rate, out_samples);
}
