#include "dsp/audio_preset.h"

#include <math.h>
#include <string.h>

#include "dsp/spectrogram.h"

#define WINDOW(w) OASSL_AUDIO_WINDOW_##w
#define MEAN OASSL_AUDIO_MONO_MEAN
#define FIRST OASSL_AUDIO_MONO_FIRST

/* Rows by OASSL_AUDIO_PRESET_*.  `columns` is filled only where the system itself crops. */
static const struct {
    const char *name;
    oai_audio_rules rules;
} presets[] = {
    /*                            rate   window                 s   tiled ctr overlap cols mono clamp scale */
    [1] = {"oassl", /*         */ {16000, WINDOW(MIDDLE), /*     */ 3, 0, 0, 274, 0, MEAN, 1, 32767}},
    [2] = {"lvs", /*           */ {16000, WINDOW(FIRST), /*     */ 10, 0, 0, 274, 0, MEAN, 1, 32768}},
    [3] = {"ezvsl", /*         */ {16000, WINDOW(MIDDLE), /*     */ 3, 0, 0, 274, 0, MEAN, 1, 32767}},
    [4] = {"noprior", /*       */ {22050, WINDOW(WHOLE_SECONDS), 3, 0, 0, 274, 0, MEAN, 0, 32767}},
    [5] = {"noprior_train", /* */ {22050, WINDOW(FIRST), /*      */ 3, 0, 0, 274, 0, MEAN, 0, 32767}},
    [6] = {"sslalignment", /*  */ {16000, WINDOW(OF_TILED), /*  */ 3, 10, 0, 353, 0, FIRST, 1, 32768}},
    [7] = {"sslalignment_avsbench", {16000, WINDOW(OF_TILED), /* */ 3, 5, 0, 353, 0, FIRST, 1, 32768}},
    [8] = {"sslalignment_foreign", {16000, WINDOW(ROTATED), /*  */ 10, 0, 0, 274, 200, FIRST, 1, 32768}},
};
enum { N_PRESETS = sizeof presets / sizeof presets[0] };

static const char *const ezvsl_family[] = {"slavc", "fnac", "avgn", "marginnce"};

oassl_status oai_audio_preset_find(const char *name, int32_t *out_preset) {
    *out_preset = 0;
    for (int i = 1; i < N_PRESETS; i++)
        if (strcmp(name, presets[i].name) == 0) *out_preset = i;
    for (size_t i = 0; i < sizeof ezvsl_family / sizeof ezvsl_family[0]; i++)
        if (strcmp(name, ezvsl_family[i]) == 0) *out_preset = OASSL_AUDIO_PRESET_EZVSL;
    if (*out_preset) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_NOT_FOUND,
                    "no audio preset \"%s\"; there are oassl, lvs, ezvsl, slavc, fnac, avgn, marginnce, noprior, "
                    "noprior_train, sslalignment, sslalignment_avsbench, sslalignment_foreign",
                    name);
}

const char *oai_audio_preset_name(int32_t preset) {
    if (preset == OASSL_AUDIO_PRESET_DEFAULT) preset = OASSL_AUDIO_PRESET_OASSL;
    return preset > 0 && preset < N_PRESETS ? presets[preset].name : NULL;
}

static oassl_status wrong(const char *field, double value, const char *expected) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "audio options: %s is %g, expected %s", field, value, expected);
}

/* The comparisons are written so that NaN fails them. */
static oassl_status check(const oassl_audio_options *o) {
    if (!oai_audio_preset_name(o->preset)) return wrong("preset", o->preset, "an OASSL_AUDIO_PRESET_*");
    if (o->rate != 0 && o->rate != OASSL_AUDIO_RATE_OF_SOURCE && (o->rate < 1000 || o->rate > 1000000))
        return wrong("rate", o->rate, "1000 to 1000000 Hz, 0 or OASSL_AUDIO_RATE_OF_SOURCE");
    if (o->window < 0 || o->window > OASSL_AUDIO_WINDOW_ROTATED)
        return wrong("window", o->window, "an OASSL_AUDIO_WINDOW_*");
    if (!(o->seconds >= 0 && o->seconds <= 3600)) return wrong("seconds", o->seconds, "0 to 3600");
    if (!(o->centre >= 0 && o->centre <= 1e9)) return wrong("centre", o->centre, "0 or more");
    if (o->overlap < 0 || o->overlap >= OAI_SEGMENT) return wrong("overlap", o->overlap, "0 to 511");
    if (o->columns < 0 || o->columns > 1 << 20) return wrong("columns", o->columns, "0 to 1048576");
    if (o->mono < 0 || o->mono > OASSL_AUDIO_MONO_FIRST) return wrong("mono", o->mono, "an OASSL_AUDIO_MONO_*");
    if (o->clamp < 0 || o->clamp > 2) return wrong("clamp", o->clamp, "0, 1 or 2");
    if (o->integer_scale != 0 && o->integer_scale != 32767 && o->integer_scale != 32768)
        return wrong("integer_scale", o->integer_scale, "0, 32767 or 32768");
    if (o->noprior_exact_slicing != 0 && o->noprior_exact_slicing != 1)
        return wrong("noprior_exact_slicing", o->noprior_exact_slicing, "0 or 1");
    return OASSL_STATUS_OK;
}

oassl_status oai_audio_resolve(const oassl_audio_options *options, oai_audio_rules *out_rules) {
    *out_rules = presets[OASSL_AUDIO_PRESET_OASSL].rules;
    if (!options) return OASSL_STATUS_OK;
    OAI_TRY(check(options));
    oai_audio_rules r = presets[options->preset ? options->preset : OASSL_AUDIO_PRESET_OASSL].rules;
    if (options->rate) r.rate = options->rate;
    if (options->window) r.window = options->window;
    if (options->seconds > 0) r.seconds = options->seconds;
    if (options->overlap) r.overlap = options->overlap;
    if (options->columns) r.columns = options->columns;
    if (options->mono) r.mono = options->mono;
    if (options->clamp) r.clamp = options->clamp == 1;
    if (options->integer_scale) r.integer_scale = options->integer_scale;
    r.centre = options->centre;
    r.exact_slicing = options->noprior_exact_slicing;
    if (r.tiled_seconds < r.seconds) r.tiled_seconds = fmax(10, r.seconds);
    *out_rules = r;
    return OASSL_STATUS_OK;
}

uint32_t oai_audio_rate(const oai_audio_rules *rules, uint32_t source_rate) {
    return rules->rate == OASSL_AUDIO_RATE_OF_SOURCE ? source_rate : rules->rate;
}

int64_t oai_audio_need(const oai_audio_rules *rules, uint32_t source_rate) {
    return (int64_t)floor(oai_audio_rate(rules, source_rate) * rules->seconds);
}

int64_t oai_audio_columns(const oai_audio_rules *rules, uint32_t source_rate) {
    int64_t columns = oai_spectrogram_columns(oai_audio_need(rules, source_rate), rules->overlap);
    return columns > 0 && rules->columns > 0 ? rules->columns : columns;
}
