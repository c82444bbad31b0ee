/* What every file reader and writer is put through: all prefixes, all flipped bytes, failing memory, a full disk. */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> /* after the headers it needs */

#include "base/file.h"
#include "base/host.h"

/* TEST_NAME keeps programs that run at the same time apart; define it before including this. */
#define TMP(name) OASSL_TEST_TMP "/" TEST_NAME "-" name
#define DATA(name) OASSL_TEST_DATA "/" name

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status ok_status_ = (expr);                                                                             \
        if (ok_status_ != OASSL_STATUS_OK) fail_msg("%s: %s", oassl_status_name(ok_status_), oassl_last_error());     \
    } while (0)

/* Fails with this status and a text that has these words in it. */
#define assert_fails(expr, expected, words)                                                                           \
    do {                                                                                                              \
        oassl_status got_ = (expr);                                                                                   \
        if (got_ != (expected) || !strstr(oassl_last_error(), (words)))                                               \
            fail_msg("expected %s with \"%s\", got %s: %s", oassl_status_name(expected), (words),                     \
                     oassl_status_name(got_), got_ ? oassl_last_error() : "");                                        \
    } while (0)

static inline void put_file(const char *path, const void *data, size_t bytes) {
    unlink(path); /* rewriting a file in place makes ext4 flush it at each close */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline char *get_file(const char *path, size_t *out_bytes) {
    char *text;
    assert_ok(oai_file_read(&oai_default_host, path, SIZE_MAX, &text, out_bytes));
    return text;
}

/* Reads the file and lets go of what was read. */
typedef oassl_status (*reader_fn)(const oai_host *host, const char *path);

/* Each proper prefix must be refused by a text that names the file. */
static inline void refuse_every_prefix(const char *good, reader_fn read) {
    size_t bytes;
    char *data = get_file(good, &bytes);
    const char *path = TMP("prefix");
    assert_ok(read(&oai_default_host, good));
    for (size_t n = 0; n < bytes; n++) {
        put_file(path, data, n);
        oassl_status status = read(&oai_default_host, path);
        if (status == OASSL_STATUS_OK) fail_msg("%s: prefix of %zu bytes was accepted", good, n);
        if (!strstr(oassl_last_error(), path))
            fail_msg("prefix %zu: text does not name the file: %s", n, oassl_last_error());
    }
    unlink(path);
    oai_free(&oai_default_host, data);
}

/* Each byte damaged in some ways: no crash (ASan watches), and the count of refusals for the caller to judge. */
static inline size_t damage_every_byte(const char *good, reader_fn read) {
    static const uint8_t damages[] = {0x01, 0x80, 0xFF};
    size_t bytes, n_refused = 0;
    char *data = get_file(good, &bytes);
    for (size_t i = 0; i < bytes; i++)
        for (size_t d = 0; d < sizeof damages; d++) {
            data[i] ^= (char)damages[d];
            put_file(TMP("damaged"), data, bytes);
            n_refused += read(&oai_default_host, TMP("damaged")) != OASSL_STATUS_OK;
            data[i] ^= (char)damages[d];
        }
    unlink(TMP("damaged"));
    oai_free(&oai_default_host, data);
    return n_refused;
}

/* Memory whose i-th allocation fails, and a count of what is still held. */
typedef struct failing_memory {
    long countdown, held;
} failing_memory;

static inline void *failing_alloc(void *user, size_t bytes, size_t alignment) {
    failing_memory *memory = user;
    if (--memory->countdown == 0) return NULL;
    memory->held++;
    return oai_default_host.alloc(NULL, bytes, alignment);
}

static inline void failing_free(void *user, void *block) {
    ((failing_memory *)user)->held--;
    oai_default_host.free(NULL, block);
}

/* Runs the reader with the 1st, 2nd, ... allocation failing until it succeeds: always OUT_OF_MEMORY, never a leak. */
static inline void fail_every_allocation(const char *path, reader_fn read) {
    for (long i = 1;; i++) {
        failing_memory memory = {.countdown = i};
        oai_host host = oai_default_host;
        host.alloc = failing_alloc;
        host.free = failing_free;
        host.memory_user = &memory;
        oassl_status status = read(&host, path);
        assert_int_equal(memory.held, 0);
        if (memory.countdown > 0) {
            assert_ok(status);
            assert_true(i > 1);
            return;
        }
        if (status != OASSL_STATUS_OUT_OF_MEMORY)
            fail_msg("allocation %ld failed: expected OUT_OF_MEMORY, got %s", i, oassl_status_name(status));
    }
}

static inline size_t count_entries(const char *folder) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

/* Writes to `path`; must fail and leave nothing behind where it cannot. */
typedef oassl_status (*writer_fn)(const oai_host *host, const char *path);

static inline void refuse_unwritable(writer_fn write, size_t small) {
    assert_fails(write(&oai_default_host, TMP("no/such/folder/x")), OASSL_STATUS_IO, "no/such/folder/x");
    put_file(TMP("plain"), "x", 1);
    assert_fails(write(&oai_default_host, TMP("plain/x")), OASSL_STATUS_IO, "plain/x");
    unlink(TMP("plain"));
    assert_fails(write(&oai_default_host, "/proc/x"), OASSL_STATUS_IO, "/proc/x");
    assert_fails(write(&oai_default_host, "/dev/null"), OASSL_STATUS_IO, "/dev/null");
    assert_fails(write(&oai_default_host, OASSL_TEST_TMP), OASSL_STATUS_IO, "directory");

    /* A disk that fills up: files may not grow beyond `small` bytes. */
    const char *folder = TMP("full"), *path = TMP("full/x");
    assert_ok(oai_make_directories(folder));
    unlink(path);
    put_file(path, "old contents", 12);
    size_t n_before = count_entries(folder);
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = small;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    oassl_status status = write(&oai_default_host, path);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, OASSL_STATUS_IO);
    assert_non_null(strstr(oassl_last_error(), path));
    assert_int_equal(count_entries(folder), n_before);
    size_t bytes;
    char *text = get_file(path, &bytes);
    assert_string_equal(text, "old contents");
    oai_free(&oai_default_host, text);
    assert_ok(write(&oai_default_host, path));
    assert_int_equal(count_entries(folder), n_before);
}

#endif
