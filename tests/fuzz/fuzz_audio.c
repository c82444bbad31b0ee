/* Sound files, decoded and heard by each preset; Ogg pages also with their checksums put right. */
#include <string.h>

#include "dsp/audio_file.h"
#include "dsp/audio_front.h"
#include "fuzz.h"

static void hear(const oai_host *host, const oassl_audio *sound, int32_t preset) {
    oassl_audio_options options = OASSL_AUDIO_OPTIONS_INIT;
    oai_audio_rules rules;
    options.preset = preset;
    if (oai_audio_resolve(&options, &rules) != OASSL_STATUS_OK) fuzz_fail("preset %d", preset);
    int64_t n = oai_audio_need(&rules, sound->rate), columns = oai_audio_columns(&rules, sound->rate);
    double *samples = oai_alloc(host, (size_t)n * sizeof *samples);
    float *logspec = oai_alloc(host, 257 * (size_t)columns * sizeof *logspec);
    oassl_status status = oai_audio_excerpt(host, &rules, sound, NULL, samples);
    fuzz_check(status, "oai_audio_excerpt");
    if (status == OASSL_STATUS_OK) {
        status = oai_audio_logspec(host, &rules, samples, n, oai_audio_rate(&rules, sound->rate), logspec);
        fuzz_check(status, "oai_audio_logspec");
        for (int64_t i = 0; status == OASSL_STATUS_OK && i < 257 * columns; i++)
            if (!(logspec[i] > -100 && logspec[i] < 100)) fuzz_fail("preset %d: %g in a log-spectrogram", preset, (double)logspec[i]);
    }
    oai_free(host, logspec);
    oai_free(host, samples);
}

static void read_sound(const oai_host *host, const char *path, int32_t preset) {
    oassl_audio sound;
    oassl_status status = oai_audio_file_read(host, path, &sound);
    fuzz_check(status, "oai_audio_file_read");
    if (status != OASSL_STATUS_OK) return;
    fuzz_allow(3 * (uint64_t)sound.frames * sizeof(double)); /* one channel, before and after resampling */
    hear(host, &sound, preset);
    oai_audio_release(host, &sound);
}

static uint32_t ogg_checksum(const uint8_t *page, size_t bytes) {
    uint32_t crc = 0;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (uint32_t)page[i] << 24;
        for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc >> 31 ? 0x04C11DB7u : 0);
    }
    return crc;
}

/* False when no checksum was wrong. */
static bool mend_ogg(uint8_t *data, size_t bytes) {
    bool changed = false;
    for (size_t at = 0; at + 27 <= bytes && memcmp(data + at, "OggS", 4) == 0;) {
        size_t head = 27 + (size_t)data[at + 26], length = head;
        if (at + head > bytes) break;
        for (size_t i = 27; i < head; i++) length += data[at + i];
        if (at + length > bytes) break;
        uint8_t before[4];
        memcpy(before, data + at + 22, 4);
        memset(data + at + 22, 0, 4);
        uint32_t crc = ogg_checksum(data + at, length);
        for (int i = 0; i < 4; i++) data[at + 22 + (size_t)i] = (uint8_t)(crc >> 8 * i);
        changed = changed || memcmp(before, data + at + 22, 4) != 0;
        at += length;
    }
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static uint8_t copy[1 << 16];
    int32_t preset = bytes ? 1 + data[bytes - 1] % 8 : 1;
    /* Ten blocks of 65536 samples to begin with, twice that while they grow; ten seconds at 48 kHz and their spectrogram as
     * doubles.  A frame of FLAC, some 14 bytes, may be 65536 equal samples. */
    const uint64_t allowance = ((uint64_t)64 << 20) + 65536 * (uint64_t)bytes;
    const oai_host *host = fuzz_begin(allowance);
    read_sound(host, fuzz_put("sound", data, bytes), preset);
    if (bytes <= sizeof copy && bytes > 0) {
        memcpy(copy, data, bytes);
        if (mend_ogg(copy, bytes)) read_sound(host, fuzz_put("sound", copy, bytes), preset);
    }
    fuzz_end();
    return 0;
}
