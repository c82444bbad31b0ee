/* Weights and inputs by a formula that Python and C compute to the same bits: what the comparisons with PyTorch run
 * on, so that no weights need to be committed.  tests/data/gen_parity.py has the same rules. */
#ifndef TEST_SUPPORT_FORMULA_H
#define TEST_SUPPORT_FORMULA_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t formula_hash(const char *name) { /* FNV-1a */
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 0x100000001B3u;
    return hash;
}

static inline uint64_t formula_bits(uint64_t hash, uint64_t index) { /* splitmix64 */
    uint64_t z = hash + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* In [-1, 1) with 24 bits: exact in f32. */
static inline double formula_uniform(uint64_t hash, uint64_t index) {
    return (double)(formula_bits(hash, index) >> 40) * 0x1p-23 - 1.0;
}

/* Element `index` of tensor `name`: offset + scale * uniform, rounded to f32 once. */
static inline void formula_fill(const char *name, double offset, double scale, int64_t count, float *out) {
    uint64_t hash = formula_hash(name);
    for (int64_t i = 0; i < count; i++) out[i] = (float)(offset + scale * formula_uniform(hash, (uint64_t)i));
}

static inline int formula_ends(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* A weight by the role its name tells, scaled so that activations stay of order one; BN biases are around `shift`. */
static inline void formula_weight(const char *name, double shift, int32_t rank, const int64_t *shape, int64_t count,
                                  float *out) {
    double offset = 0, scale = 0.1;
    if (rank == 4) scale = sqrt(6.0 / (double)(shape[1] * shape[2] * shape[3])); /* Kaiming, fan-in */
    if (rank == 2) scale = sqrt(3.0 / (double)shape[1]);
    if (strstr(name, "embeddings.") && rank == 2) scale = 1;
    if (rank == 1 && formula_ends(name, ".weight")) offset = formula_ends(name, "bn2.weight") ? 0.5 : 1;
    if (formula_ends(name, "running_var")) offset = 1, scale = 0.5;
    if (formula_ends(name, ".bias") && (strstr(name, ".bn") || strstr(name, "downsample.1"))) offset = shift;
    formula_fill(name, offset, scale, count, out);
}

/* Where the `k`-th committed sample of a tensor lies. */
static inline int64_t formula_sample(const char *name, int64_t count, int k) {
    return (int64_t)(formula_bits(formula_hash(name) ^ 0x5A5A5A5A5A5A5A5Au, (uint64_t)k) % (uint64_t)count);
}

#endif
