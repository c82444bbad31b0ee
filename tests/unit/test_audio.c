#include "front_helpers.h"

#include <sndfile.h>

#include "data/front/front_vectors.h"
#include "dsp/audio_file.h"
#include "dsp/audio_front.h"
#include "dsp/resample.h"
#include "dsp/spectrogram.h"

/* ---- spectrogram ---- */

static void test_tukey_window(void **state) {
    (void)state;
    static const struct {
        int k;
        double w;
    } known[] = {{0, 0},
                 {1, 0.000602271897414},
                 {2, 0.0024076366639},
                 {32, 0.5},
                 {63, 0.999397728103},
                 {64, 1},
                 {65, 1},
                 {448, 1},
                 {449, 0.999397728103},
                 {480, 0.5},
                 {511, 0.000602271897414}};
    double w[OAI_SEGMENT], sum = 0, squares = 0;
    oai_tukey_window(w);
    for (int k = 0; k < OAI_SEGMENT; k++) sum += w[k], squares += w[k] * w[k];
    assert_near(sum, 448, 1e-10);
    assert_near(squares, 432, 1e-10);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) assert_near(w[known[i].k], known[i].w, 1e-12);
}

static void check_tone(uint32_t rate, int64_t n, int32_t overlap, int64_t columns, double mean, const double *values) {
    static const int at[8][2] = {{0, 0}, {1, 0}, {14, 0}, {14, 5}, {15, 100}, {32, 199}, {100, 17}, {256, 3}};
    double *x = front_memory((size_t)n * sizeof *x), sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double t = (double)i / rate;
        x[i] = 0.5 * sin(2 * M_PI * 440 * t) + 0.1 * cos(2 * M_PI * 1000 * t) + 0.05;
    }
    assert_int_equal(oai_spectrogram_columns(n, overlap), columns);
    float *out = front_memory((size_t)(257 * columns) * sizeof *out);
    assert_ok(oai_logspec(x, n, rate, overlap, out));
    for (int i = 0; i < 8; i++) assert_near(out[at[i][0] * columns + at[i][1]], values[i], 1e-6);
    for (int64_t i = 0; i < 257 * columns; i++) sum += out[i];
    assert_near(sum / (257.0 * columns), mean, 1e-6);
    free(x);
    free(out);
}

static void test_logspec_of_tones(void **state) {
    (void)state;
    const double at16[] = {-1.33392800865,  -1.34284110069,  -0.469572067399, -0.469566221293,
                           -0.717182031797, -0.735982300836, -1.3431746196,   -1.34317463755};
    const double at22[] = {-1.15867007801, -1.32053943654, -0.95203995018, -0.952682614119,
                           -1.08187815727, -1.33716218654, -1.34317457625, -1.34317463757};
    const double dense[] = {-1.33392800865, -1.34284110069,  -0.469572067399, -0.469558470122,
                            -0.71702718982, -0.736704643184, -1.34317459841,  -1.34317463756};
    check_tone(16000, 48000, 274, 200, -1.3069225829, at16);
    check_tone(16000, 160000, 274, 671, -1.30692291294, at16);
    check_tone(22050, 66150, 274, 276, -1.31184068702, at22);
    check_tone(16000, 48000, 353, 299, -1.30692371487, dense);
}

static void test_logspec_of_silence(void **state) {
    (void)state;
    double x[2048] = {0};
    float out[257 * 7];
    assert_int_equal(oai_spectrogram_columns(2048, 274), 7);
    assert_ok(oai_logspec(x, 2048, 16000, 274, out));
    for (int i = 0; i < 257 * 7; i++) assert_true(out[i] == (float)(log(1e-7) / 12));
    for (int i = 0; i < 2048; i++) x[i] = 0.75; /* the mean is taken out */
    assert_ok(oai_logspec(x, 2048, 16000, 274, out));
    for (int i = 0; i < 257 * 7; i++) assert_true(out[i] == (float)(log(1e-7) / 12));
    assert_fails(oai_logspec(x, 511, 16000, 274, out), OASSL_STATUS_INVALID_ARGUMENT, "511 samples");
    assert_fails(oai_logspec(x, 2048, 16000, 512, out), OASSL_STATUS_INVALID_ARGUMENT, "overlap 512");
}

static void check_scipy(int32_t overlap, const float *expected, size_t n_expected) {
    static const int rows[] = {0, 1, 50, 255, 256};
    uint8_t bytes[5000];
    double x[5000];
    float out[257 * 40];
    front_noise(bytes, sizeof bytes);
    for (int i = 0; i < 5000; i++) x[i] = bytes[i] / 255.0 - 0.5;
    int64_t columns = oai_spectrogram_columns(5000, overlap);
    assert_int_equal(5 * columns, n_expected);
    assert_ok(oai_logspec(x, 5000, 16000, overlap, out));
    for (int r = 0; r < 5; r++)
        for (int64_t t = 0; t < columns; t++) assert_near(out[rows[r] * columns + t], expected[r * columns + t], 2e-6);
}

static void test_logspec_matches_scipy(void **state) {
    (void)state;
    check_scipy(274, scipy_274, sizeof scipy_274 / sizeof scipy_274[0]);
    check_scipy(353, scipy_353, sizeof scipy_353 / sizeof scipy_353[0]);
}

static void test_crop_and_pad(void **state) {
    (void)state;
    float in[2 * 671], out[2 * 700];
    for (int i = 0; i < 2 * 671; i++) in[i] = (float)(i + 1);
    assert_int_equal(oai_centre_offset(671, 200), 236); /* 235.5 */
    assert_int_equal(oai_centre_offset(301, 224), 38);  /* 38.5 */
    assert_int_equal(oai_centre_offset(299, 224), 38);  /* 37.5 */
    oai_logspec_fit(in, 2, 671, out, 200);
    assert_true(out[0] == 237 && out[199] == 436 && out[200] == 671 + 237);
    oai_logspec_fit(in, 2, 5, out, 8); /* 1 zero before, 2 after */
    assert_true(out[0] == 0 && out[1] == 1 && out[5] == 5 && out[6] == 0 && out[7] == 0 && out[8] == 0 && out[9] == 6);
}

/* ---- resampling ---- */

static void check_resampling(uint32_t in_rate, uint32_t out_rate, double hz) {
    int64_t n = 2 * (int64_t)in_rate + 13, m = oai_resampled_length(n, in_rate, out_rate);
    assert_int_equal(m, (n * out_rate + in_rate - 1) / in_rate);
    double *x = front_memory((size_t)n * sizeof *x), *y = front_memory((size_t)m * sizeof *y);
    for (int64_t i = 0; i < n; i++) x[i] = sin(2 * M_PI * hz * (double)i / in_rate + 0.3);
    assert_ok(oai_resample(x, n, in_rate, out_rate, y));
    for (int64_t i = m / 20; i < m - m / 20; i++)
        assert_near(y[i], sin(2 * M_PI * hz * (double)i / out_rate + 0.3), 1e-4);
    free(x);
    free(y);
}

static void test_resampled_sinusoids(void **state) {
    (void)state;
    static const uint32_t rates[][2] = {{44100, 16000}, {48000, 16000}, {8000, 16000},  {22050, 16000},
                                        {11025, 16000}, {16000, 22050}, {96000, 16000}, {12345, 16000},
                                        {16000, 15999}, {16000, 16000}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        uint32_t lower = rates[i][0] < rates[i][1] ? rates[i][0] : rates[i][1];
        check_resampling(rates[i][0], rates[i][1], 440);
        check_resampling(rates[i][0], rates[i][1], 0.45 * lower);
    }
    double x = 0;
    assert_fails(oai_resample(&x, 1, 0, 16000, &x), OASSL_STATUS_INVALID_ARGUMENT, "0 Hz");
    assert_fails(oai_resample(&x, 1, 16000, 4000000000u, &x), OASSL_STATUS_INVALID_ARGUMENT, "4000000000 Hz");
    double y[3]; /* shorter than the filter */
    assert_ok(oai_resample(&x, 1, 16000, 48000, y));
}

/* What lies above the new Nyquist frequency must be gone, not folded down. */
static void test_no_aliasing(void **state) {
    (void)state;
    int64_t n = 44100, m = oai_resampled_length(n, 44100, 16000);
    double *x = front_memory((size_t)n * sizeof *x), *y = front_memory((size_t)m * sizeof *y);
    for (int64_t i = 0; i < n; i++) x[i] = sin(2 * M_PI * 9000 * (double)i / 44100);
    assert_ok(oai_resample(x, n, 44100, 16000, y));
    for (int64_t i = m / 20; i < m - m / 20; i++) assert_near(y[i], 0, 1e-4);
    free(x);
    free(y);
}

/* ---- windows ---- */

static oai_audio_rules rules_of(int32_t preset) {
    oassl_audio_options o = OASSL_AUDIO_OPTIONS_INIT;
    oai_audio_rules rules;
    o.preset = preset;
    assert_ok(oai_audio_resolve(&o, &rules));
    return rules;
}

/* Sample i of the source is i / 2^20, so an excerpt shows where it was taken from. */
static void check_excerpt(const oai_audio_rules *rules, uint32_t rate, int64_t n, int64_t first, int64_t turn_after,
                          int64_t turn_to) {
    float *x = front_memory((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)i / (1 << 20);
    oassl_audio audio = {.samples = x, .frames = n, .channels = 1, .rate = rate};
    int64_t need = oai_audio_need(rules, rate);
    double *out = front_memory((size_t)need * sizeof *out);
    assert_ok(oai_audio_excerpt(HOST, rules, &audio, NULL, out));
    assert_near(out[0] * (1 << 20), first, 1e-6);
    if (turn_after) {
        assert_near(out[turn_after - 1] * (1 << 20), first + turn_after - 1, 1e-6);
        assert_near(out[turn_after] * (1 << 20), turn_to, 1e-6);
    } else {
        assert_near(out[need - 1] * (1 << 20), first + need - 1, 1e-6);
    }
    free(x);
    free(out);
}

static void test_time_windows(void **state) {
    (void)state;
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_LVS);
    check_excerpt(&r, 16000, 200000, 0, 0, 0);
    check_excerpt(&r, 16000, 100000, 0, 100000, 0);
    r = rules_of(OASSL_AUDIO_PRESET_EZVSL);
    check_excerpt(&r, 16000, 160000, 56000, 0, 0);
    check_excerpt(&r, 16000, 80001, 16000, 0, 0); /* floor(16000.5) */
    check_excerpt(&r, 16000, 20000, 0, 20000, 0);
    r.centre = 2;
    check_excerpt(&r, 16000, 160000, 8000, 0, 0);
    r.centre = 9.9; /* moved inside */
    check_excerpt(&r, 16000, 160000, 112000, 0, 0);
    r = rules_of(OASSL_AUDIO_PRESET_SSLALIGNMENT);
    check_excerpt(&r, 16000, 160000, 56000, 0, 0);
    check_excerpt(&r, 16000, 80000, 56000, 24000, 0); /* tiled: sample 80000 is sample 0 again */
    r = rules_of(OASSL_AUDIO_PRESET_SSLALIGNMENT_AVSBENCH);
    check_excerpt(&r, 16000, 80000, 16000, 0, 0);
    r = rules_of(OASSL_AUDIO_PRESET_SSLALIGNMENT_FOREIGN);
    check_excerpt(&r, 16000, 160000, 0, 0, 0);
    /* 5 s tiled twice and shifted later by 2.5 s: starts in the clip's middle */
    check_excerpt(&r, 16000, 80000, 40000, 40000, 0);
    assert_int_equal(oai_audio_columns(&r, 16000), 200);
}

static void test_noprior_windows(void **state) {
    (void)state;
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_NOPRIOR);
    check_excerpt(&r, 22050, 10 * 22050 + 5000, 77175, 0, 0); /* 10 whole seconds: 3.5 s */
    check_excerpt(&r, 22050, 5 * 22050 + 22049, 22050, 0, 0);
    check_excerpt(&r, 22050, 2 * 22050 + 100, 0, 44200, 0);
    r.exact_slicing = 1; /* start -0.5 s, from the end */
    check_excerpt(&r, 22050, 2 * 22050 + 100, 44200 - 11025, 11025, 44200 - 11025);
    r = rules_of(OASSL_AUDIO_PRESET_NOPRIOR_TRAIN);
    check_excerpt(&r, 22050, 10 * 22050, 0, 0, 0);
    r = rules_of(OASSL_AUDIO_PRESET_NOPRIOR); /* another rate kept: still counts in 22050ths */
    r.rate = OASSL_AUDIO_RATE_OF_SOURCE;
    check_excerpt(&r, 16000, 160000, (int64_t)(2 * 22050), 0, 0);
}

static void test_random_window(void **state) {
    (void)state;
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    r.random_start = 1;
    static float x[60000];
    static double out[48000];
    for (int i = 0; i < 60000; i++) x[i] = (float)i / (1 << 20);
    oassl_audio audio = {.samples = x, .frames = 60000, .channels = 1, .rate = 16000};
    double low = 1e9, high = -1;
    for (uint64_t seed = 0; seed < 100; seed++) {
        oai_rng rng = oai_rng_stream(seed, 0);
        assert_ok(oai_audio_excerpt(HOST, &r, &audio, &rng, out));
        assert_near((out[47999] - out[0]) * (1 << 20), 47999, 1e-6);
        low = fmin(low, out[0] * (1 << 20));
        high = fmax(high, out[0] * (1 << 20));
    }
    assert_true(low >= 0 && low < 1000 && high > 11000 && high <= 12000);
}

static void test_tile_short(void **state) { /* n 5, need 12 */
    (void)state;
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_LVS);
    r.rate = 1000, r.seconds = 0.012;
    float x[5] = {0, .1f, .2f, .3f, .4f};
    double out[12];
    oassl_audio audio = {.samples = x, .frames = 5, .channels = 1, .rate = 1000};
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    static const int index[12] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1};
    for (int i = 0; i < 12; i++) assert_true(out[i] == x[index[i]]);
}

/* ---- scaling, channels, clamping ---- */

static void test_integer_scaling_and_channels(void **state) {
    (void)state;
    int16_t pcm[2 * 512];
    float wide[2 * 512];
    double out[512];
    for (int i = 0; i < 512; i++) {
        pcm[2 * i] = 32767, pcm[2 * i + 1] = -16384;
        wide[2 * i] = 1.5f, wide[2 * i + 1] = 2.5f;
    }
    oassl_audio audio = {
        .samples = pcm, .frames = 512, .channels = 2, .rate = 16000, .format = OASSL_AUDIO_FORMAT_I16};
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_EZVSL);
    r.seconds = 0.032;
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    assert_near(out[0], (32767 - 16384) / 2.0 / 32767, 1e-15);
    r = rules_of(OASSL_AUDIO_PRESET_LVS);
    r.seconds = 0.032;
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    assert_near(out[0], (32767 - 16384) / 2.0 / 32768, 1e-15);
    r = rules_of(OASSL_AUDIO_PRESET_SSLALIGNMENT); /* channel 0 */
    r.seconds = 0.032;
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    assert_near(out[0], 32767 / 32768.0, 1e-15);
    audio.samples = wide, audio.format = OASSL_AUDIO_FORMAT_F32;
    r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    r.seconds = 0.032;
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    assert_near(out[0], 1, 0);
    r.clamp = 0;
    assert_ok(oai_audio_excerpt(HOST, &r, &audio, NULL, out));
    assert_near(out[0], 2, 1e-15);
    assert_false(rules_of(OASSL_AUDIO_PRESET_NOPRIOR).clamp);
}

static void test_preset_columns(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t rate;
        int64_t columns;
    } rows[] = {{"oassl", 16000, 200},
                {"lvs", 16000, 671},
                {"ezvsl", 16000, 200},
                {"fnac", 16000, 200},
                {"noprior", 22050, 276},
                {"noprior_train", 22050, 276},
                {"sslalignment", 16000, 299},
                {"sslalignment_avsbench", 16000, 299},
                {"sslalignment_foreign", 16000, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t preset;
        assert_ok(oai_audio_preset_find(rows[i].name, &preset));
        oai_audio_rules r = rules_of(preset);
        assert_int_equal(oai_audio_rate(&r, 44100), rows[i].rate);
        assert_int_equal(oai_audio_columns(&r, 44100), rows[i].columns);
    }
    int32_t preset;
    assert_fails(oai_audio_preset_find("nobody", &preset), OASSL_STATUS_NOT_FOUND, "nobody");
    assert_null(oai_audio_preset_name(99));
    oassl_audio_options o = OASSL_AUDIO_OPTIONS_INIT;
    oai_audio_rules r;
    o.seconds = NAN;
    assert_fails(oai_audio_resolve(&o, &r), OASSL_STATUS_INVALID_ARGUMENT, "seconds");
    o.seconds = 0, o.rate = 7;
    assert_fails(oai_audio_resolve(&o, &r), OASSL_STATUS_INVALID_ARGUMENT, "rate");
}

static void test_mixtures(void **state) {
    (void)state;
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    double a[1024], b[1024], sum[1024], mean[1024];
    float la[257 * 3], lb[257 * 3], expected[257 * 3], got[257 * 3];
    for (int i = 0; i < 1024; i++) {
        a[i] = 0.9 * sin(i * 0.2), b[i] = 0.8 * sin(i * 0.71 + 1);
        sum[i] = fmax(-1, fmin(1, a[i] + b[i]));
        mean[i] = (a[i] + b[i]) / 2;
    }
    const double *both[] = {a, b};
    assert_ok(oai_audio_mix_logspec(HOST, &r, both, 2, 1024, 16000, OAI_MIX_WAVEFORM_SUM, got));
    assert_ok(oai_audio_logspec(HOST, &r, sum, 1024, 16000, expected));
    assert_memory_equal(got, expected, sizeof got);
    assert_ok(oai_audio_mix_logspec(HOST, &r, both, 2, 1024, 16000, OAI_MIX_WAVEFORM_MEAN, got));
    assert_ok(oai_audio_logspec(HOST, &r, mean, 1024, 16000, expected));
    for (int i = 0; i < 257 * 3; i++) assert_near(got[i], expected[i], 1e-6);
    assert_ok(oai_audio_mix_logspec(HOST, &r, both, 2, 1024, 16000, OAI_MIX_LOGSPEC_MEAN, got));
    assert_ok(oai_audio_logspec(HOST, &r, a, 1024, 16000, la));
    assert_ok(oai_audio_logspec(HOST, &r, b, 1024, 16000, lb));
    for (int i = 0; i < 257 * 3; i++) assert_near(got[i], (la[i] + lb[i]) / 2, 1e-6);
    r.clamp = 0;
    for (int i = 0; i < 1024; i++) sum[i] = a[i] + b[i];
    assert_ok(oai_audio_mix_logspec(HOST, &r, both, 2, 1024, 16000, OAI_MIX_WAVEFORM_SUM, got));
    assert_ok(oai_audio_logspec(HOST, &r, sum, 1024, 16000, expected));
    assert_memory_equal(got, expected, sizeof got);
    assert_fails(oai_audio_mix_logspec(HOST, &r, both, 2, 1024, 16000, 7, got), OASSL_STATUS_INVALID_ARGUMENT,
                 "mix 7");
}

/* ---- files ---- */

static void write_sound(const char *path, int format, int channels, int rate, const float *x, int64_t frames) {
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    assert_non_null(file);
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    assert_int_equal(sf_writef_float(file, x, frames), frames);
    assert_int_equal(sf_close(file), 0);
}

static float *make_sound(int64_t frames, int channels) {
    float *x = front_memory((size_t)frames * (size_t)channels * sizeof *x);
    for (int64_t i = 0; i < frames * channels; i++)
        x[i] = 0.4f * sinf(0.03f * (float)(i / channels) * (float)(1 + i % channels));
    return x;
}

static void test_file_formats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int format, bits;
        double tolerance;
    } kinds[] = {{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16, 4e-5},
                 {"b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 24, 1e-6},
                 {"c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8, 1e-2},
                 {"d.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0, 0},
                 {"e.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0, 0},
                 {"f.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16, 4e-5},
                 {"g.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0, 0.1},
                 {"h.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16, 4e-5}};
    float *x = make_sound(7777, 2);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const char *path = front_path(kinds[k].name);
        write_sound(path, kinds[k].format, 2, 44100, x, 7777);
        oassl_audio audio;
        assert_ok(oai_audio_file_read(HOST, path, &audio));
        assert_int_equal(audio.frames, 7777);
        assert_int_equal(audio.channels, 2);
        assert_int_equal(audio.rate, 44100);
        assert_int_equal(audio.source_bits, kinds[k].bits);
        for (int64_t i = 0; i < 2 * 7777; i++) assert_near(((float *)audio.samples)[i], x[i], kinds[k].tolerance);
        oai_audio_release(HOST, &audio);
        unlink(path);
    }
    free(x);
}

static void test_wav_writer(void **state) {
    (void)state;
    float *x = make_sound(5000, 3);
    x[0] = 2, x[1] = -7; /* clipped */
    const char *path = front_path("w.wav");
    oassl_audio audio = {.samples = x, .frames = 5000, .channels = 3, .rate = 22050}, back;
    assert_ok(oai_audio_file_write_wav(HOST, path, &audio));
    assert_ok(oai_audio_file_read(HOST, path, &back));
    assert_true(back.frames == 5000 && back.channels == 3 && back.rate == 22050 && back.source_bits == 16);
    x[0] = 1, x[1] = -1;
    for (int i = 0; i < 15000; i++) assert_near(((float *)back.samples)[i] * 32768.0 / 32767, x[i], 0.51 / 32767);
    oai_audio_release(HOST, &back);
    SF_INFO info = {0}; /* libsndfile agrees that the header is right */
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    assert_non_null(file);
    assert_int_equal(info.format, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    sf_close(file);
    x[7] = NAN;
    unlink(path);
    assert_fails(oai_audio_file_write_wav(HOST, path, &audio), OASSL_STATUS_NON_FINITE, "sample 2 of channel 1");
    assert_int_equal(access(path, F_OK), -1);
    x[7] = 0;
    assert_fails(oai_audio_file_write_wav(HOST, "/nowhere/at/all.wav", &audio), OASSL_STATUS_IO,
                 "/nowhere/at/all.wav");
    free(x);
}

/* Cut at many places and with bytes flipped: a status that names the file, or sound; never a crash. */
static void damage(const char *name, int format, int must_fail_when_cut, int must_fail_when_flipped) {
    float *x = make_sound(20000, 1);
    const char *path = front_path(name);
    write_sound(path, format, 1, 16000, x, 20000);
    free(x);
    size_t n;
    uint8_t *bytes = front_read(path, &n);
    oassl_audio audio;
    for (int i = 0; i < 40; i++) {
        front_write(path, bytes, (n - 1) * (size_t)i / 39);
        oassl_status status = oai_audio_file_read(HOST, path, &audio);
        if (status != OASSL_STATUS_OK) assert_non_null(strstr(oassl_last_error(), path));
        if (must_fail_when_cut) assert_int_equal(status, OASSL_STATUS_FORMAT);
        oai_audio_release(HOST, &audio);
    }
    for (int i = 0; i < 60; i++) {
        size_t at = (size_t)i * 2654435761u % n;
        if (i < 30) at = (size_t)i * 3 % n; /* headers */
        bytes[at] ^= 0x55;
        front_write(path, bytes, n);
        bytes[at] ^= 0x55;
        oassl_status status = oai_audio_file_read(HOST, path, &audio);
        if (status != OASSL_STATUS_OK) assert_non_null(strstr(oassl_last_error(), path));
        if (must_fail_when_flipped) assert_int_equal(status, OASSL_STATUS_FORMAT);
        oai_audio_release(HOST, &audio);
    }
    free(bytes);
    unlink(path);
}

static void test_damaged_files(void **state) {
    (void)state;
    damage("x.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 0);
    damage("x.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1, 0);
    damage("x.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, 0);
    damage("x.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 1, 1);
}

static void test_wrong_files(void **state) {
    (void)state;
    oassl_audio audio;
    const char *path = front_path("none.wav");
    assert_fails(oai_audio_file_read(HOST, path, &audio), OASSL_STATUS_NOT_FOUND, path);
    assert_null(audio.samples);
    assert_fails(oai_audio_file_read(HOST, OASSL_TEST_TMP, &audio), OASSL_STATUS_IO, "not a regular file");
    front_write(path, "", 0);
    assert_fails(oai_audio_file_read(HOST, path, &audio), OASSL_STATUS_FORMAT, path);
    front_write(path, "This is not a sound file, whatever its name says.", 49);
    assert_fails(oai_audio_file_read(HOST, path, &audio), OASSL_STATUS_FORMAT, "not a sound file");
    float nothing = 0;
    write_sound(path, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, 16000, &nothing, 0);
    assert_fails(oai_audio_file_read(HOST, path, &audio), OASSL_STATUS_FORMAT, "no samples");
    float *x = make_sound(1000, 2);
    x[2 * 321 + 1] = NAN;
    write_sound(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, 16000, x, 1000);
    assert_fails(oai_audio_file_read(HOST, path, &audio), OASSL_STATUS_NON_FINITE, "sample 321 of channel 1");
    assert_non_null(strstr(oassl_last_error(), path));
    unlink(path);
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    static double out[48000];
    audio = (oassl_audio){.samples = x, .frames = 1000, .channels = 2, .rate = 16000};
    assert_fails(oai_audio_excerpt(HOST, &r, &audio, NULL, out), OASSL_STATUS_NON_FINITE, "sample 321");
    audio.frames = 0;
    assert_fails(oai_audio_excerpt(HOST, &r, &audio, NULL, out), OASSL_STATUS_INVALID_ARGUMENT, "frames");
    audio.frames = 1000, audio.channels = 0;
    assert_fails(oai_audio_excerpt(HOST, &r, &audio, NULL, out), OASSL_STATUS_INVALID_ARGUMENT, "channels");
    audio.channels = 2, audio.rate = 5;
    assert_fails(oai_audio_excerpt(HOST, &r, &audio, NULL, out), OASSL_STATUS_INVALID_ARGUMENT, "5 Hz");
    free(x);
}

/* A stereo file at 44.1 kHz and the same sound handed over at 16 kHz give nearly the same spectrogram. */
static void test_file_to_logspec(void **state) {
    (void)state;
    float *x = front_memory(2 * 4 * 44100 * sizeof *x), *y = front_memory(4 * 16000 * sizeof *y);
    for (int i = 0; i < 4 * 44100; i++) x[2 * i] = x[2 * i + 1] = 0.5f * (float)sin(2 * M_PI * 1000 * i / 44100.0);
    for (int i = 0; i < 4 * 16000; i++) y[i] = 0.5f * (float)sin(2 * M_PI * 1000 * i / 16000.0);
    const char *path = front_path("s.wav");
    write_sound(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, 44100, x, 4 * 44100);
    oassl_audio file, memory = {.samples = y, .frames = 4 * 16000, .channels = 1, .rate = 16000};
    assert_ok(oai_audio_file_read(HOST, path, &file));
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    static double a[48000], b[48000];
    static float la[257 * 200], lb[257 * 200];
    assert_ok(oai_audio_excerpt(HOST, &r, &file, NULL, a));
    assert_ok(oai_audio_excerpt(HOST, &r, &memory, NULL, b));
    assert_ok(oai_audio_logspec(HOST, &r, a, 48000, 16000, la));
    assert_ok(oai_audio_logspec(HOST, &r, b, 48000, 16000, lb));
    for (int i = 0; i < 257 * 200; i++) assert_near(la[i], lb[i], 1e-3);
    oai_audio_release(HOST, &file);
    unlink(path);
    free(x);
    free(y);
}

static oassl_status hear(const oai_host *host, const char *path, float *out) {
    oassl_audio audio;
    static double excerpt[48000];
    oai_audio_rules r = rules_of(OASSL_AUDIO_PRESET_OASSL);
    OAI_TRY(oai_audio_file_read(host, path, &audio));
    r.columns = 150;
    oassl_status status = oai_audio_excerpt(host, &r, &audio, NULL, excerpt);
    if (status == OASSL_STATUS_OK) status = oai_audio_logspec(host, &r, excerpt, 48000, 16000, out);
    oai_audio_release(host, &audio);
    return status;
}

static void test_memory_runs_out(void **state) {
    (void)state;
    static float out[257 * 150];
    float *x = make_sound(200000, 1);
    const char *path = front_path("m.ogg");
    write_sound(path, SF_FORMAT_OGG | SF_FORMAT_VORBIS, 1, 44100, x, 200000);
    int failures = 0;
    for (int i = 0;; i++, failures++) {
        struct front_faulty faulty = {.fail_at = i};
        oai_host host = front_faulty_host(&faulty);
        oassl_status status = hear(&host, path, out);
        assert_int_equal(faulty.held, 0);
        if (status == OASSL_STATUS_OK) break;
        assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
    }
    assert_true(failures >= 4);
    unlink(path);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tukey_window),       cmocka_unit_test(test_logspec_of_tones),
        cmocka_unit_test(test_logspec_of_silence), cmocka_unit_test(test_logspec_matches_scipy),
        cmocka_unit_test(test_crop_and_pad),       cmocka_unit_test(test_resampled_sinusoids),
        cmocka_unit_test(test_no_aliasing),        cmocka_unit_test(test_time_windows),
        cmocka_unit_test(test_noprior_windows),    cmocka_unit_test(test_random_window),
        cmocka_unit_test(test_tile_short),         cmocka_unit_test(test_integer_scaling_and_channels),
        cmocka_unit_test(test_preset_columns),     cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_file_formats),       cmocka_unit_test(test_wav_writer),
        cmocka_unit_test(test_damaged_files),      cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_file_to_logspec),    cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
