#include "fuzz.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>

#include "oassl/oassl.h"

enum { FUZZ_SECONDS = 20 }; /* of processor time for one input: far beyond what any takes */
#define HEAD 64             /* in front of a block: its size */

static struct {
    uint64_t held, most, allowance;
    uint64_t before; /* held when the input began */
} memory;

void fuzz_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("fuzz: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

/* Targets are single-threaded except where a context of one thread is used: no locks. */
static void *counting_alloc(void *user, size_t bytes, size_t alignment) {
    (void)user;
    memory.held += bytes;
    if (memory.held > memory.most) memory.most = memory.held;
    if (memory.held > memory.before + memory.allowance)
        fuzz_fail("%zu bytes asked for, %llu held, %llu allowed", bytes, (unsigned long long)(memory.held - memory.before - bytes),
                  (unsigned long long)memory.allowance);
    if (alignment > HEAD) fuzz_fail("alignment %zu asked for", alignment);
    void *block = NULL;
    if (posix_memalign(&block, HEAD, HEAD + (bytes ? bytes : 1)) != 0) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return (uint8_t *)block + HEAD;
}

static void counting_free(void *user, void *block) {
    (void)user;
    if (!block) return;
    size_t bytes;
    uint8_t *start = (uint8_t *)block - HEAD;
    memcpy(&bytes, start, sizeof bytes);
    memory.held -= bytes;
    free(start);
}

static const oai_host host = {.alloc = counting_alloc, .free = counting_free, .n_threads = 1};

const oai_host *fuzz_host(void) {
    if (memory.allowance == 0) memory.allowance = (uint64_t)1 << 30;
    return &host;
}

/* ---- time ----------------------------------------------------------------------------------------------------- */

static void on_time(int signal_number) {
    (void)signal_number;
    static const char text[] = "fuzz: one input takes too much processor time\n";
    if (write(2, text, sizeof text - 1) < 0) _exit(1);
    abort();
}

static void set_timer(int seconds) {
    struct itimerval time = {.it_value = {.tv_sec = seconds}};
    signal(SIGPROF, on_time);
    setitimer(ITIMER_PROF, &time, NULL);
}

const oai_host *fuzz_begin(uint64_t allowance) {
    memory.before = memory.held;
    memory.most = memory.held;
    memory.allowance = allowance;
    set_timer(FUZZ_SECONDS);
    return &host;
}

void fuzz_allow(uint64_t more) { memory.allowance += more; }

void fuzz_end(void) {
    set_timer(0);
    if (memory.held != memory.before)
        fuzz_fail("%llu bytes are still held", (unsigned long long)(memory.held - memory.before));
}

void fuzz_check(oassl_status status, const char *call) {
    if (status == OASSL_STATUS_OK) return;
    if (!oassl_last_error()[0]) fuzz_fail("%s: %s without a text", call, oassl_status_name(status));
    if (status == OASSL_STATUS_OUT_OF_MEMORY) fuzz_fail("%s: %s", call, oassl_last_error());
    if (status == OASSL_STATUS_INTERNAL) fuzz_fail("%s: internal error: %s", call, oassl_last_error());
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(void) { nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *fuzz_folder(void) {
    if (folder[0]) return folder;
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/oassl-fuzz-XXXXXX", where);
    if (!mkdtemp(folder)) fuzz_fail("cannot make a folder in %s", where);
    atexit(remove_folder);
    return folder;
}

static const char *path_of(const char *name) {
    static char paths[16][512];
    static int next;
    char *path = paths[next = (next + 1) % 16];
    snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder(), name);
    return path;
}

const char *fuzz_put(const char *name, const void *data, size_t bytes) {
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");
    if (!file && strchr(name, '/')) {
        char parent[512];
        snprintf(parent, sizeof parent, "%s", path);
        *strrchr(parent, '/') = 0;
        mkdir(parent, 0700);
        file = fopen(path, "wb");
    }
    if (!file || (bytes > 0 && fwrite(data, 1, bytes, file) != bytes) || fclose(file) != 0) fuzz_fail("cannot write %s", path);
    return path;
}

void fuzz_remove(const char *name) { unlink(path_of(name)); }

/* ---- inputs of several parts ---------------------------------------------------------------------------------- */

size_t fuzz_split(const uint8_t *data, size_t bytes, fuzz_part *parts, size_t most) {
    size_t n = 0, start = 0;
    for (size_t i = 0; i + 6 <= bytes && n + 1 < most; i++) {
        if (memcmp(data + i, "\n====\n", 6) != 0) continue;
        parts[n++] = (fuzz_part){data + start, i - start};
        start = i + 6;
        i += 5;
    }
    parts[n++] = (fuzz_part){data + start, bytes - start};
    return n;
}

static uint8_t *put(uint8_t *at, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

/* Version, flags, method, time, date, checksum, sizes, length of the name, no extra field. */
static uint8_t *put_common(uint8_t *at, const char *name, const fuzz_part *part) {
    at = put(put(put(at, 2, 20), 4, 0), 4, 0);
    at = put(at, 4, crc32(0, part->data, (uInt)part->bytes));
    at = put(put(at, 4, part->bytes), 4, part->bytes);
    return put(put(at, 2, strlen(name)), 2, 0);
}

size_t fuzz_zip(const char *const *names, const fuzz_part *parts, size_t n, uint8_t *out, size_t room) {
    size_t need = 22;
    for (size_t i = 0; i < n; i++) need += 30 + 46 + 2 * strlen(names[i]) + parts[i].bytes;
    if (need > room || n > 64) return 0;
    size_t offsets[64];
    uint8_t *at = out;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = (size_t)(at - out);
        at = put_common(put(at, 4, 0x04034B50), names[i], &parts[i]);
        at = (uint8_t *)memcpy(at, names[i], strlen(names[i])) + strlen(names[i]);
        if (parts[i].bytes > 0) memcpy(at, parts[i].data, parts[i].bytes);
        at += parts[i].bytes;
    }
    size_t directory = (size_t)(at - out);
    for (size_t i = 0; i < n; i++) {
        at = put_common(put(put(at, 4, 0x02014B50), 2, 20), names[i], &parts[i]);
        at = put(put(put(put(at, 2, 0), 4, 0), 4, 0), 4, offsets[i]); /* comment; disk and attributes */
        at = (uint8_t *)memcpy(at, names[i], strlen(names[i])) + strlen(names[i]);
    }
    size_t end = (size_t)(at - out);
    at = put(put(put(put(at, 4, 0x06054B50), 4, 0), 2, n), 2, n);
    at = put(put(put(at, 4, end - directory), 4, directory), 2, 0);
    return (size_t)(at - out);
}
