#include "dsp/sound_container.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Headers of streams written to a pipe declare a size near 2^31 or 2^32: "until the end of the file". */
enum { UNKNOWN_SIZE = 0x7FFFF000 };

typedef struct container {
    int fd, cause; /* cause: errno of a read that failed, which is not the file's end */
} container;

static int read_at(container *c, uint64_t at, void *out, size_t bytes) {
    ssize_t n;
    do n = pread(c->fd, out, bytes, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0) c->cause = errno;
    return n == (ssize_t)bytes;
}

static uint32_t number(const uint8_t *b, int big_endian) {
    return big_endian ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
                      : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* RIFF and FORM files: chunks of {id, size, bytes padded to even}, the sound in the chunk `data_id`. */
static oassl_status check_chunks(container *c, uint64_t file_bytes, int big_endian, const char *data_id) {
    uint8_t head[8];
    for (uint64_t at = 12; read_at(c, at, head, 8);) {
        uint64_t size = number(head + 4, big_endian);
        int is_data = memcmp(head, data_id, 4) == 0;
        if (is_data && size >= UNKNOWN_SIZE) return OASSL_STATUS_OK;
        if (is_data && size > file_bytes - at - 8)
            return oai_fail(
                OASSL_STATUS_FORMAT, "truncated: %llu bytes of sound declared at byte %llu, %llu are there",
                (unsigned long long)size, (unsigned long long)at, (unsigned long long)(file_bytes - at - 8));
        if (is_data) return OASSL_STATUS_OK;
        at += 8 + size + (size & 1);
    }
    return oai_fail(OASSL_STATUS_FORMAT, "truncated: no \"%s\" chunk in %llu bytes", data_id,
                    (unsigned long long)file_bytes);
}

static void ogg_crc_table(uint32_t *table) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i << 24;
        for (int bit = 0; bit < 8; bit++) r = r << 1 ^ (r >> 31 ? 0x04C11DB7u : 0);
        table[i] = r;
    }
}

/* Length of the page at `at` and whether it ends a stream; 0 if it is not a whole page with the right checksum. */
static size_t ogg_page(container *c, uint64_t at, const uint32_t *table, uint8_t *page, int *out_last) {
    if (!read_at(c, at, page, 27) || memcmp(page, "OggS", 4) != 0 || !read_at(c, at + 27, page + 27, page[26]))
        return 0;
    size_t head = 27 + (size_t)page[26], bytes = head;
    for (size_t i = 27; i < head; i++) bytes += page[i];
    if (!read_at(c, at + head, page + head, bytes - head)) return 0;
    uint32_t stored = number(page + 22, 0), crc = 0;
    memset(page + 22, 0, 4);
    for (size_t i = 0; i < bytes; i++) crc = crc << 8 ^ table[(crc >> 24) ^ page[i]];
    if (crc != stored) return 0;
    *out_last = (page[5] & 4) != 0;
    return bytes;
}

static oassl_status check_ogg(const oai_host *host, container *c, uint64_t file_bytes) {
    enum { PAGE_BYTES = 27 + 255 + 255 * 255 };
    uint32_t table[256];
    uint8_t *page = oai_alloc(host, PAGE_BYTES);
    if (!page) return oai_no_memory(PAGE_BYTES, "an Ogg page");
    ogg_crc_table(table);
    uint64_t at = 0;
    int last = 0;
    while (at < file_bytes) {
        size_t bytes = ogg_page(c, at, table, page, &last);
        if (bytes == 0) break;
        at += bytes;
    }
    oai_free(host, page);
    if (last) return OASSL_STATUS_OK; /* whatever follows the end of the stream is not sound */
    return at < file_bytes ? oai_fail(OASSL_STATUS_FORMAT, "corrupted or truncated Ogg page at byte %llu of %llu",
                                      (unsigned long long)at, (unsigned long long)file_bytes)
                           : oai_fail(OASSL_STATUS_FORMAT, "truncated: the last Ogg page is missing");
}

static oassl_status check(const oai_host *host, container *c, uint64_t file_bytes) {
    uint8_t head[12];
    if (!read_at(c, 0, head, 12)) return oai_fail(OASSL_STATUS_FORMAT, "not a sound file: %d bytes", (int)file_bytes);
    if (memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WAVE", 4) == 0)
        return check_chunks(c, file_bytes, 0, "data");
    if (memcmp(head, "FORM", 4) == 0 && memcmp(head + 8, "AIF", 3) == 0)
        return check_chunks(c, file_bytes, 1, "SSND");
    if (memcmp(head, "OggS", 4) == 0) return check_ogg(host, c, file_bytes);
    return OASSL_STATUS_OK;
}

oassl_status oai_check_sound_container(const oai_host *host, int fd, uint64_t file_bytes) {
    container c = {.fd = fd};
    oassl_status status = check(host, &c, file_bytes);
    return c.cause ? oai_fail(OASSL_STATUS_IO, "cannot read: %s", strerror(c.cause)) : status;
}
