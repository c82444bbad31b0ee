#include "dsp/audio_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "dsp/resample.h"
#include "dsp/sound_container.h"

enum { MAX_CHANNELS = 256, BLOCK_SAMPLES = 65536 };
#define MAX_SAMPLES ((int64_t)1 << 31) /* of one file, all channels together: 8 GiB as floats */

oassl_status oai_audio_check(const oassl_audio *audio) {
    const char *format = "audio: %s is %lld, expected %s";
    if (audio->frames <= 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, format, "frames", (long long)audio->frames, "at least 1");
    if (audio->frames > (int64_t)1 << 40)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, format, "frames", (long long)audio->frames, "at most 2^40");
    if (audio->channels < 1 || audio->channels > MAX_CHANNELS)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, format, "channels", (long long)audio->channels, "1 to 256");
    if (audio->format < 0 || audio->format > OASSL_AUDIO_FORMAT_I16)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, format, "format", (long long)audio->format,
                        "an OASSL_AUDIO_FORMAT_*");
    if (audio->source_bits != 0 && (audio->source_bits < 8 || audio->source_bits > 32))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, format, "source_bits", (long long)audio->source_bits,
                        "0 or 8 to 32");
    if (!audio->samples) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "audio: samples is NULL");
    return oai_check_rate(audio->rate);
}

oassl_status oai_audio_check_finite(const oassl_audio *audio) {
    if (audio->format == OASSL_AUDIO_FORMAT_I16) return OASSL_STATUS_OK;
    const float *x = audio->samples;
    for (int64_t i = 0, n = audio->frames * audio->channels; i < n; i++)
        if (!isfinite(x[i]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "sample %lld of channel %lld is %f",
                            (long long)(i / audio->channels), (long long)(i % audio->channels), (double)x[i]);
    return OASSL_STATUS_OK;
}

void oai_audio_release(const oai_host *host, oassl_audio *audio) {
    oai_free(host, audio->samples);
    *audio = (oassl_audio){0};
}

/* Width of the integers the decoder divided by 2^(b-1); 0 for what is decoded to floating point. */
static int32_t integer_bits(int format) {
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8: return 8;
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_ALAC_16:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW: return 16;
    case SF_FORMAT_ALAC_20: return 20;
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_ALAC_24: return 24;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_32: return 32;
    default: return 0;
    }
}

/* libsndfile has no public code for memory, only a text. */
static oassl_status sndfile_failed(SNDFILE *file, const char *what) {
    const char *why = sf_strerror(file);
    if (strstr(why, "malloc")) return oai_fail(OASSL_STATUS_OUT_OF_MEMORY, "libsndfile: %s", why);
    return oai_fail(OASSL_STATUS_FORMAT, "%s: %s", what, why);
}

/* Decodes block by block: memory follows what the file really holds, not what its header promises. */
static oassl_status read_frames(const oai_host *host, SNDFILE *file, const SF_INFO *info, oassl_audio *out) {
    const size_t frame_bytes = sizeof(float) * (size_t)info->channels;
    const int64_t block = BLOCK_SAMPLES / info->channels;
    int64_t room = 0, got = 0;
    do {
        if (out->frames + block > room) {
            int64_t want = room                        ? 2 * room
                           : info->frames < 10 * block ? info->frames + block
                                                       : 10 * block;
            if (want * info->channels > MAX_SAMPLES)
                return oai_fail(OASSL_STATUS_UNSUPPORTED, "more than %lld samples", (long long)MAX_SAMPLES / 2);
            float *larger =
                oai_grow(host, out->samples, frame_bytes * (size_t)out->frames, frame_bytes * (size_t)want);
            if (!larger) return oai_no_memory(frame_bytes * (size_t)want, "sound");
            out->samples = larger;
            room = want;
        }
        got = sf_readf_float(file, (float *)out->samples + out->frames * info->channels, block);
        out->frames += got;
    } while (got == block);
    if (sf_error(file) != SF_ERR_NO_ERROR) {
        char what[64];
        snprintf(what, sizeof what, "corrupted after sample %lld", (long long)out->frames);
        return sndfile_failed(file, what);
    }
    if (out->frames == 0) return oai_fail(OASSL_STATUS_FORMAT, "no samples in it");
    /* An MP3 header's count is an estimate, and intact Ogg files exist whose last page declares too much; the pages
     * themselves have been checked. */
    int container = info->format & SF_FORMAT_TYPEMASK;
    if (out->frames < info->frames && container != SF_FORMAT_MPEG && container != SF_FORMAT_OGG)
        return oai_fail(OASSL_STATUS_FORMAT, "truncated: %lld samples declared, %lld decoded", (long long)info->frames,
                        (long long)out->frames);
    return OASSL_STATUS_OK;
}

/* A file as libsndfile reads it.  By itself it takes a failed read for the end of the file, and may go on. */
typedef struct sound_source {
    int fd, cause; /* cause: errno of the first failed read */
    sf_count_t bytes, at;
} sound_source;

static sf_count_t source_bytes(void *user) { return ((sound_source *)user)->bytes; }
static sf_count_t source_at(void *user) { return ((sound_source *)user)->at; }

static sf_count_t source_seek(sf_count_t offset, int whence, void *user) {
    sound_source *s = user;
    sf_count_t at = offset + (whence == SEEK_CUR ? s->at : whence == SEEK_END ? s->bytes : 0);
    if (at < 0) return -1;
    return s->at = at;
}

static sf_count_t source_read(void *data, sf_count_t bytes, void *user) {
    sound_source *s = user;
    sf_count_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(s->fd, (char *)data + done, (size_t)(bytes - done), (off_t)s->at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && !s->cause) s->cause = errno;
        if (n <= 0) break;
        done += n;
        s->at += n;
    }
    return done;
}

static oassl_status read_open_file(const oai_host *host, int fd, oassl_audio *out) {
    struct stat about;
    if (fstat(fd, &about) != 0) return oai_fail(OASSL_STATUS_IO, "%s", strerror(errno));
    if (!S_ISREG(about.st_mode)) return oai_fail(OASSL_STATUS_IO, "not a regular file");
    OAI_TRY(oai_check_sound_container(host, fd, (uint64_t)about.st_size));
    SF_INFO info = {0};
    sound_source source = {.fd = fd, .bytes = (sf_count_t)about.st_size};
    SF_VIRTUAL_IO io = {.get_filelen = source_bytes, .seek = source_seek, .read = source_read, .tell = source_at};
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &source);
    if (source.cause) {
        if (file) sf_close(file);
        return oai_fail(OASSL_STATUS_IO, "cannot read: %s", strerror(source.cause));
    }
    if (!file) return sndfile_failed(NULL, "not a sound file libsndfile reads");
    oassl_status status = OASSL_STATUS_OK;
    if (info.channels < 1 || info.channels > MAX_CHANNELS)
        status = oai_fail(OASSL_STATUS_UNSUPPORTED, "%d channels, at most %d", info.channels, MAX_CHANNELS);
    else if (info.samplerate < OAI_MIN_RATE || info.samplerate > OAI_MAX_RATE)
        status = oai_fail(OASSL_STATUS_FORMAT, "sample rate %d Hz, expected %d to %d", info.samplerate, OAI_MIN_RATE,
                          OAI_MAX_RATE);
    else
        status = read_frames(host, file, &info, out);
    sf_close(file);
    if (source.cause) status = oai_fail(OASSL_STATUS_IO, "cannot read: %s", strerror(source.cause));
    out->channels = info.channels;
    out->rate = (uint32_t)info.samplerate;
    out->format = OASSL_AUDIO_FORMAT_F32;
    out->source_bits = integer_bits(info.format);
    return status == OASSL_STATUS_OK ? oai_audio_check_finite(out) : status;
}

oassl_status oai_audio_file_read(const oai_host *host, const char *path, oassl_audio *out_audio) {
    *out_audio = (oassl_audio){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return oai_fail(errno == ENOENT ? OASSL_STATUS_NOT_FOUND : OASSL_STATUS_IO, "%s: %s", path, strerror(errno));
    oassl_status status = read_open_file(host, fd, out_audio);
    close(fd);
    if (status == OASSL_STATUS_OK) return status;
    oai_audio_release(host, out_audio);
    return oai_fail_within(status, "%s", path);
}

static void to_16_bits(const oassl_audio *audio, int64_t first, int64_t n, int16_t *out) {
    if (audio->format == OASSL_AUDIO_FORMAT_I16) {
        memcpy(out, (const int16_t *)audio->samples + first, (size_t)n * sizeof *out);
        return;
    }
    const float *x = (const float *)audio->samples + first;
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] < -1 ? -1 : x[i] > 1 ? 1 : x[i];
        out[i] = (int16_t)lrintf(v * 32767);
    }
}

static void put(uint8_t *at, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void wav_header(const oassl_audio *audio, uint32_t data_bytes, uint8_t *out) {
    uint32_t frame_bytes = 2 * (uint32_t)audio->channels;
    memcpy(out, "RIFF....WAVEfmt ....................data....", 44);
    put(out + 4, 36 + data_bytes, 4);
    put(out + 16, 16, 4); /* size of this chunk */
    put(out + 20, 1, 2);  /* integer PCM */
    put(out + 22, (uint32_t)audio->channels, 2);
    put(out + 24, audio->rate, 4);
    put(out + 28, audio->rate * frame_bytes, 4);
    put(out + 32, frame_bytes, 2);
    put(out + 34, 16, 2); /* bits */
    put(out + 40, data_bytes, 4);
}

static oassl_status write_samples(oai_writer *writer, const oassl_audio *audio) {
    enum { AT_ONCE = 4096 };
    int16_t block[AT_ONCE];
    uint8_t bytes[2 * AT_ONCE];
    const int64_t n = audio->frames * audio->channels;
    wav_header(audio, (uint32_t)(2 * n), bytes);
    OAI_TRY(oai_writer_write(writer, bytes, 44));
    for (int64_t at = 0; at < n; at += AT_ONCE) {
        int64_t part = n - at < AT_ONCE ? n - at : AT_ONCE;
        to_16_bits(audio, at, part, block);
        for (int64_t i = 0; i < part; i++) put(bytes + 2 * i, (uint16_t)block[i], 2);
        OAI_TRY(oai_writer_write(writer, bytes, 2 * (size_t)part));
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_audio_file_write_wav(const oai_host *host, const char *path, const oassl_audio *audio) {
    OAI_TRY(oai_audio_check(audio));
    OAI_TRY(oai_audio_check_finite(audio));
    if (audio->frames > ((int64_t)UINT32_MAX - 64) / 2 / audio->channels)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: %lld samples do not fit a WAV file", path,
                        (long long)audio->frames);
    oai_writer *writer;
    OAI_TRY(oai_writer_open(host, path, &writer));
    oassl_status status = write_samples(writer, audio);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(writer);
    oai_writer_abort(writer);
    return status;
}
