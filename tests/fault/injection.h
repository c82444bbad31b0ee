/* Injecting faults: a call is repeated with its first, second, ... request for something refused, and each time the
 * call must end in a status, leave nothing behind, and give the untroubled result when it is repeated untroubled.
 *
 * Every point is tried when there are at most OASSL_FAULT_POINTS of them (environment; default below, a quarter of it
 * for slow operations; 0 = no limit, `./dev faults`); else the first two thirds of that number, and a seeded sample of
 * the rest. */
#ifndef TEST_FAULT_INJECTION_H
#define TEST_FAULT_INJECTION_H

#include "support/tiny_set.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/rng.h"

#ifndef TEST_FAULT_IO_FAULTS_H
/* Nothing here has to survive a power cut, and thousands of waits for the disk take minutes. */
int fsync(int file) { return (void)file, 0; }
int fdatasync(int file) { return (void)file, 0; }
int syncfs(int file) { return (void)file, 0; }
#endif

/* What is called.  `open` makes what the call needs (may be NULL), `run` is the call and gives a digest of its result.
 * `each`: the object changes with the call, so every point begins with a new one. */
typedef struct operation {
    const char *name;
    oassl_status (*open)(void);
    oassl_status (*run)(uint64_t *digest);
    void (*close)(void);
    bool each, slow;
    const char *dead; /* what a dead object says when it is used again; NULL = it must stay usable */
    const char *out;  /* file or folder that it writes */
    const char *late; /* what may be missing after a failure: see test_disk.c */
} operation;

/* What is refused. */
typedef struct injector {
    const char *what;
    void (*arm)(long at);   /* refuses request number `at`, from 0; -1 = counts only */
    long (*disarm)(void);   /* requests seen since */
    bool (*fired)(void);    /* one of them was refused */
    long (*live)(void);     /* blocks not freed */
    bool (*fits)(oassl_status status); /* an answer that suits the refusal */
} injector;

enum { DEFAULT_POINTS = 600 };

static inline long injection_limit(const operation *op) {
    const char *text = getenv("OASSL_FAULT_POINTS");
    long limit = text ? strtol(text, NULL, 10) : DEFAULT_POINTS;
    return limit <= 0 ? 1L << 60 : op->slow ? limit / 4 + 1 : limit;
}

/* The point after `k` of n. */
static inline long next_point(const operation *op, long k, long n, oai_rng *rng) {
    long limit = injection_limit(op), dense = 2 * limit / 3;
    if (n <= limit || k + 1 < dense) return k + 1;
    long step = (n - dense) / (limit - dense) + 1;
    return k + 1 + (long)oai_rng_below(rng, (uint32_t)(2 * step - 1));
}

static inline uint64_t digest_bytes(uint64_t digest, const void *data, size_t bytes) {
    for (const uint8_t *at = data; bytes-- > 0; at++) digest = (digest ^ *at) * 0x100000001B3u;
    return digest;
}

/* By system calls, so that neither malloc nor the C library's wrappers, which tests replace, are in it. */
static inline uint64_t digest_file(uint64_t digest, const char *path) {
    uint8_t buffer[4096];
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    if (file < 0) fail_msg("%s is not there", path);
    for (long n; (n = syscall(SYS_read, file, buffer, sizeof buffer)) > 0;)
        digest = digest_bytes(digest, buffer, (size_t)n);
    syscall(SYS_close, file);
    return digest;
}

static inline void must_open(const operation *op) {
    if (op->open && op->open() != OASSL_STATUS_OK) fail_msg("%s: cannot prepare: %s", op->name, oassl_last_error());
}

static inline uint64_t must_run(const operation *op) {
    uint64_t digest = 0;
    if (op->run(&digest) != OASSL_STATUS_OK) fail_msg("%s: untroubled: %s", op->name, oassl_last_error());
    return digest;
}

static inline void shut(const operation *op) {
    if (op->close) op->close();
}

typedef struct injection_tally {
    long n, tried, failed, tolerated, dead, wrong;
} injection_tally;

/* Says what is wrong and goes on: the other points may have more to say.  The operation fails at its end. */
static void complain(injection_tally *tally, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (tally->wrong++ < 12) print_message("WRONG: %s\n", text);
}

/* One point: the troubled call, then the same call left alone. */
static void inject_at(const injector *in, const operation *op, long at, uint64_t want, injection_tally *tally) {
    uint64_t digest = 0;
    if (op->each) must_open(op);
    in->arm(at);
    oassl_status status = op->run(&digest);
    in->disarm();
    tally->tried++;
    if (status == OASSL_STATUS_OK) {
        if (digest != want) complain(tally, "%s: %s %ld refused: OK with another result", op->name, in->what, at);
        tally->tolerated += in->fired();
    } else {
        tally->failed++;
        if (!in->fired()) complain(tally, "%s: %s %ld: nothing refused, yet: %s", op->name, in->what, at, oassl_last_error());
        if (!in->fits(status) || !*oassl_last_error())
            complain(tally, "%s: %s %ld refused gave %s: %s", op->name, in->what, at, oassl_status_name(status),
                     oassl_last_error());
        digest = 0;
        status = op->run(&digest);
        if (status == OASSL_STATUS_OK && digest != want)
            complain(tally, "%s: %s %ld refused: the repetition gave another result", op->name, in->what, at);
        if (status != OASSL_STATUS_OK && !(op->dead && strstr(oassl_last_error(), op->dead)))
            complain(tally, "%s: %s %ld refused: the repetition failed: %s", op->name, in->what, at, oassl_last_error());
        tally->dead += status != OASSL_STATUS_OK;
    }
    if (op->each) shut(op);
}

static inline double injection_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The number of wrong answers. */
static long inject_everywhere(const injector *in, const operation *op) {
    injection_tally tally = {0};
    oai_rng rng = oai_rng_stream(20, 3);
    double start = injection_seconds();
    uint64_t want = 0;
    for (int i = 0; i < 2; i++) { /* the first fills caches */
        if (i == 0 || op->each) must_open(op);
        in->arm(-1);
        want = must_run(op);
        tally.n = in->disarm();
        if (op->each) shut(op);
    }
    if (!op->each && must_run(op) != want) fail_msg("%s: gives another result every time", op->name);
    long live = in->live();
    for (long at = 0; at < tally.n; at = next_point(op, at, tally.n, &rng)) {
        inject_at(in, op, at, want, &tally);
        if (in->live() != live)
            complain(&tally, "%s: %s %ld refused: %ld blocks leaked", op->name, in->what, at, in->live() - live);
        live = in->live();
    }
    if (!op->each) shut(op);
    print_message("%-34s %-12s %6ld points, %6ld tried: %6ld failed, %4ld tolerated, %4ld dead after it, %5.1f s\n",
                  op->name, in->what, tally.n, tally.tried, tally.failed, tally.tolerated, tally.dead,
                  injection_seconds() - start);
    return tally.wrong;
}

/* OASSL_FAULT_ONLY: a part of the name of the operations to run. */
static inline void inject_into_all(const injector *in, const operation *operations, size_t n) {
    long wrong = 0;
    const char *only = getenv("OASSL_FAULT_ONLY");
    for (size_t i = 0; i < n; i++)
        if (!only || strstr(operations[i].name, only)) wrong += inject_everywhere(in, &operations[i]);
    if (wrong) fail_msg("%ld answers were wrong", wrong);
}

#define INJECT_INTO(in, list) inject_into_all(in, list, sizeof(list) / sizeof *(list))

#endif
