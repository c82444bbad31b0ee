/* Shared by the tests of the sound and picture front ends. */
#ifndef TEST_FRONT_HELPERS_H
#define TEST_FRONT_HELPERS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/host.h"

#define HOST (&oai_default_host)
#define assert_ok(call) front_assert_ok((call), #call, __FILE__, __LINE__)
#define assert_near(a, b, tolerance) front_assert_near((a), (b), (tolerance), #a, __FILE__, __LINE__)
/* The call fails with this status and its text contains `part`. */
#define assert_fails(call, status, part) front_assert_fails((call), (status), (part), #call, __FILE__, __LINE__)

static inline void front_assert_ok(oassl_status status, const char *call, const char *file, int line) {
    if (status == OASSL_STATUS_OK) return;
    print_error("%s: %s: %s\n", call, oassl_status_name(status), oassl_last_error());
    _fail(file, line);
}

static inline void front_assert_near(double a, double b, double tolerance, const char *what, const char *file,
                                     int line) {
    if (fabs(a - b) <= tolerance) return;
    print_error("%s is %.12g, expected %.12g within %g\n", what, a, b, tolerance);
    _fail(file, line);
}

static inline void front_assert_fails(oassl_status got, oassl_status expected, const char *part, const char *call,
                                      const char *file, int line) {
    if (got == expected && strstr(oassl_last_error(), part)) return;
    print_error("%s: %s \"%s\", expected %s with \"%s\"\n", call, oassl_status_name(got), oassl_last_error(),
                oassl_status_name(expected), part);
    _fail(file, line);
}

/* The pseudo-random bytes of tests/data/front/gen_front.py. */
static inline void front_noise(uint8_t *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)i * 2654435761u;
        v = (v ^ v >> 15) * 2246822519u;
        out[i] = (uint8_t)(v >> 24);
    }
}

static inline void *front_memory(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    assert_non_null(memory);
    return memory;
}

static inline const char *front_path(const char *name) {
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/front-%d-%s", OASSL_TEST_TMP, (int)getpid(), name);
    return paths[next];
}

static inline void front_write(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline uint8_t *front_read(const char *path, size_t *out_n) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *out_n = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = front_memory(*out_n);
    assert_int_equal(fread(bytes, 1, *out_n, file), *out_n);
    fclose(file);
    return bytes;
}

/* A host whose allocator fails at call number `fail_at` (from 0) and counts what is still held. */
struct front_faulty {
    int calls, fail_at, held;
};

static inline void *front_faulty_alloc(void *user, size_t bytes, size_t alignment) {
    struct front_faulty *f = user;
    if (f->calls++ == f->fail_at) return NULL;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return NULL;
    f->held++;
    return memory;
}

static inline void front_faulty_free(void *user, void *memory) {
    ((struct front_faulty *)user)->held--;
    free(memory);
}

static inline oai_host front_faulty_host(struct front_faulty *f) {
    return (oai_host){.alloc = front_faulty_alloc, .free = front_faulty_free, .memory_user = f, .n_threads = 1};
}

#endif
