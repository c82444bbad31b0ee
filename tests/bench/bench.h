/* What the timing programs share: a clock, files of raw floats, JSON on standard output. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "oassl/oassl.h"

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) {                                                                              \
            fprintf(stderr, "%s: %s\n", #call, oassl_last_error());                                                   \
            exit(1);                                                                                                  \
        }                                                                                                             \
    } while (0)

static inline double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline oassl_context *bench_context(uint32_t n_threads) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    oassl_context *context;
    options.n_threads = n_threads;
    MUST(oassl_context_create(&options, &context));
    return context;
}

/* A row-major f32 view of new memory. */
static inline oassl_tensor bench_tensor(int32_t rank, const int64_t *shape) {
    oassl_tensor t = {.device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank};
    int64_t count = 1;
    for (int32_t axis = rank - 1; axis >= 0; axis--) {
        t.shape[axis] = shape[axis];
        t.strides[axis] = count;
        count *= shape[axis];
    }
    t.data = calloc((size_t)count, sizeof(float));
    if (!t.data) exit(1);
    return t;
}

static inline size_t bench_count(const oassl_tensor *t) {
    size_t count = 1;
    for (int32_t axis = 0; axis < t->rank; axis++) count *= (size_t)t->shape[axis];
    return count;
}

/* The same even noise in [-1, 1) every time. */
static inline void bench_noise(const oassl_tensor *t, uint32_t seed) {
    float *data = t->data;
    for (size_t i = 0; i < bench_count(t); i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / 8388608.0f - 1;
    }
}

/* Files hold the tensors' values one after the other. */
static inline void bench_read(const char *path, const oassl_tensor *const *tensors, int n) {
    FILE *f = fopen(path, "rb");
    for (int i = 0; i < n; i++)
        if (!f || fread(tensors[i]->data, sizeof(float), bench_count(tensors[i]), f) != bench_count(tensors[i])) {
            fprintf(stderr, "%s: cannot be read or is too short\n", path);
            exit(1);
        }
    fclose(f);
}

static inline void bench_write(const char *path, const oassl_tensor *const *tensors, int n) {
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < n; i++)
        if (!f || fwrite(tensors[i]->data, sizeof(float), bench_count(tensors[i]), f) != bench_count(tensors[i])) {
            fprintf(stderr, "%s: cannot be written\n", path);
            exit(1);
        }
    if (fclose(f) != 0) exit(1);
}

static inline void bench_print(const double *seconds, int n) {
    printf("\"seconds\": [");
    for (int i = 0; i < n; i++) printf("%s%.9f", i ? ", " : "", seconds[i]);
    printf("]");
}

#endif
