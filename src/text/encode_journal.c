#include "text/encode_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/sha256.h"
#include "base/strmap.h"

#define HEADING_BYTES 64
#define TEXT_KEY_BYTES 16

struct oai_encode_journal {
    const oai_host *host;
    char *path;
    int file;
    size_t width, record_bytes;
    uint8_t *records; /* of an earlier run, until forgotten */
    size_t n, room;
    uint8_t *pending; /* put and not yet flushed */
    size_t n_pending, pending_room;
    bool empty;        /* no record in the file */
    oai_strmap by_key; /* keys point into `keys`, which does not move */
    uint8_t (**keys)[TEXT_KEY_BYTES];
    size_t n_key_blocks;
};

#define KEYS_A_BLOCK 4096

static oassl_status io_failed(const oai_encode_journal *j, const char *what) {
    return oai_fail(OASSL_STATUS_IO, "%s: %s: %s", j->path, what, strerror(errno));
}

static void text_key(const char *text, uint8_t out[TEXT_KEY_BYTES]) {
    uint8_t digest[32];
    oai_sha256 hash;
    oai_sha256_init(&hash);
    oai_sha256_add(&hash, text, strlen(text));
    oai_sha256_finish(&hash, digest);
    memcpy(out, digest, TEXT_KEY_BYTES);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

static uint8_t *record_at(const oai_encode_journal *j, size_t i) { return j->records + i * j->record_bytes; }

static uint32_t checksum(const oai_encode_journal *j, const uint8_t *record) {
    return (uint32_t)crc32(crc32(0, NULL, 0), record, (uInt)(j->record_bytes - 4));
}

static oassl_status make_room(const oai_encode_journal *j, uint8_t **records, size_t n, size_t *room) {
    if (n < *room) return OASSL_STATUS_OK;
    size_t more = *room ? 2 * *room : 64;
    uint8_t *larger = oai_grow(j->host, *records, n * j->record_bytes, more * j->record_bytes);
    if (!larger) return oai_no_memory(more * j->record_bytes, j->path);
    *records = larger;
    *room = more;
    return OASSL_STATUS_OK;
}

/* Enters record j->n, which is in place, into the table. */
static oassl_status enter(oai_encode_journal *j) {
    size_t block = j->n / KEYS_A_BLOCK;
    if (block == j->n_key_blocks) {
        void *larger = oai_grow(j->host, j->keys, block * sizeof *j->keys, (block + 1) * sizeof *j->keys);
        if (!larger) return oai_no_memory((block + 1) * sizeof *j->keys, j->path);
        j->keys = larger;
        if (!(j->keys[block] = oai_alloc(j->host, KEYS_A_BLOCK * TEXT_KEY_BYTES)))
            return oai_no_memory(KEYS_A_BLOCK * TEXT_KEY_BYTES, j->path);
        j->n_key_blocks++;
    }
    uint8_t *key = j->keys[block][j->n % KEYS_A_BLOCK];
    memcpy(key, record_at(j, j->n), TEXT_KEY_BYTES);
    OAI_TRY(oai_strmap_put(&j->by_key, (const char *)key, TEXT_KEY_BYTES, (uint32_t)j->n, NULL));
    j->n++;
    return OASSL_STATUS_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static oassl_status write_all(const oai_encode_journal *j, const void *data, size_t bytes) {
    for (const uint8_t *at = data; bytes > 0;) {
        ssize_t n = write(j->file, at, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return io_failed(j, "writing");
        at += n;
        bytes -= (size_t)n;
    }
    return OASSL_STATUS_OK;
}

/* Bytes read, fewer at the end of the file. */
static oassl_status read_some(const oai_encode_journal *j, void *data, size_t bytes, size_t *out_bytes) {
    *out_bytes = 0;
    while (*out_bytes < bytes) {
        ssize_t n = read(j->file, (uint8_t *)data + *out_bytes, bytes - *out_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_failed(j, "reading");
        if (n == 0) break;
        *out_bytes += (size_t)n;
    }
    return OASSL_STATUS_OK;
}

/* Takes the good records and cuts off what follows them. */
static oassl_status recover(oai_encode_journal *j, const uint8_t heading[HEADING_BYTES]) {
    uint8_t found[HEADING_BYTES];
    size_t bytes;
    OAI_TRY(read_some(j, found, sizeof found, &bytes));
    bool same = bytes == sizeof found && memcmp(found, heading, sizeof found) == 0;
    while (same) {
        OAI_TRY(make_room(j, &j->records, j->n, &j->room));
        uint8_t *record = record_at(j, j->n);
        uint32_t crc;
        OAI_TRY(read_some(j, record, j->record_bytes, &bytes));
        memcpy(&crc, record + j->record_bytes - 4, 4);
        if (bytes < j->record_bytes || crc != checksum(j, record)) break;
        OAI_TRY(enter(j));
    }
    j->empty = j->n == 0;
    off_t end = same ? (off_t)(HEADING_BYTES + j->n * j->record_bytes) : 0;
    if (ftruncate(j->file, end) != 0 || lseek(j->file, end, SEEK_SET) != end) return io_failed(j, "cutting");
    return same ? OASSL_STATUS_OK : write_all(j, heading, HEADING_BYTES);
}

static oassl_status open_file(oai_encode_journal *j, const char *key, int64_t width) {
    uint8_t heading[HEADING_BYTES] = "OASSL captions 1\n";
    uint8_t digest[32];
    oai_sha256 hash;
    oai_sha256_init(&hash);
    oai_sha256_add(&hash, key, strlen(key));
    oai_sha256_add(&hash, &width, sizeof width);
    oai_sha256_finish(&hash, digest);
    memcpy(heading + 32, digest, sizeof digest);
    j->file = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (j->file < 0) return io_failed(j, "opening");
    struct stat about;
    if (fstat(j->file, &about) != 0 || !S_ISREG(about.st_mode))
        return oai_fail(OASSL_STATUS_IO, "%s: expected a regular file", j->path);
    if (flock(j->file, LOCK_EX | LOCK_NB) != 0)
        return oai_fail(OASSL_STATUS_IO, "%s: another run is writing it", j->path);
    return recover(j, heading);
}

oassl_status oai_encode_journal_open(const oai_host *host, const char *path, const char *key, int64_t width,
                                     oai_encode_journal **out_journal) {
    *out_journal = NULL;
    oai_encode_journal *j = oai_calloc(host, 1, sizeof *j);
    if (!j) return oai_no_memory(sizeof *j, path);
    j->host = host;
    j->file = -1;
    j->width = (size_t)width;
    j->record_bytes = TEXT_KEY_BYTES + j->width * sizeof(float) + 4;
    oai_strmap_init(&j->by_key, host);
    oassl_status status = (j->path = oai_strdup(host, path)) ? OASSL_STATUS_OK : oai_no_memory(strlen(path), path);
    if (status == OASSL_STATUS_OK) status = open_file(j, key, width);
    if (status != OASSL_STATUS_OK) {
        if (j->file >= 0) close(j->file); /* what is in it stays */
        j->file = -1;
        oai_encode_journal_close(j, 0);
        return status;
    }
    *out_journal = j;
    return OASSL_STATUS_OK;
}

const float *oai_encode_journal_find(const oai_encode_journal *j, const char *text) {
    uint8_t key[TEXT_KEY_BYTES];
    text_key(text, key);
    uint32_t i = oai_strmap_get(&j->by_key, (const char *)key, sizeof key);
    return i == OAI_STRMAP_NONE ? NULL : (const float *)(const void *)(record_at(j, i) + TEXT_KEY_BYTES);
}

static void forget(oai_encode_journal *j) {
    for (size_t i = 0; i < j->n_key_blocks; i++) oai_free(j->host, j->keys[i]);
    oai_free(j->host, j->keys);
    oai_free(j->host, j->records);
    oai_strmap_free(&j->by_key);
    j->keys = NULL;
    j->records = NULL;
    j->n_key_blocks = j->n = j->room = 0;
}

void oai_encode_journal_forget(oai_encode_journal *j) { forget(j); }

oassl_status oai_encode_journal_put(oai_encode_journal *j, const char *text, const float *vector) {
    OAI_TRY(make_room(j, &j->pending, j->n_pending, &j->pending_room));
    uint8_t *record = j->pending + j->n_pending++ * j->record_bytes;
    text_key(text, record);
    memcpy(record + TEXT_KEY_BYTES, vector, j->width * sizeof *vector);
    uint32_t crc = checksum(j, record);
    memcpy(record + j->record_bytes - 4, &crc, 4);
    return OASSL_STATUS_OK;
}

oassl_status oai_encode_journal_flush(oai_encode_journal *j) {
    OAI_TRY(write_all(j, j->pending, j->n_pending * j->record_bytes));
    if (j->n_pending) j->empty = false;
    j->n_pending = 0;
    return fdatasync(j->file) == 0 ? OASSL_STATUS_OK : io_failed(j, "writing");
}

void oai_encode_journal_close(oai_encode_journal *j, int done) {
    if (!j) return;
    if (j->file >= 0) {
        if (done || j->empty) unlink(j->path); /* while the lock is held */
        close(j->file);
    }
    forget(j);
    oai_free(j->host, j->pending);
    oai_free(j->host, j->path);
    oai_free(j->host, j);
}
