/* One small deterministic generator (splitmix64) for initialisation, augmentation and the built-in data.
 * The same seed gives the same numbers on every machine; state is one word, so a checkpoint can carry it. */
#ifndef OAI_BASE_RNG_H
#define OAI_BASE_RNG_H

#include <math.h>
#include <stdint.h>

typedef struct oai_rng {
    uint64_t state;
} oai_rng;

static inline uint64_t oai_rng_u64(oai_rng *rng) {
    uint64_t z = (rng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* An independent stream for item `index` of seed `seed`: results do not depend on the order of work. */
static inline oai_rng oai_rng_stream(uint64_t seed, uint64_t index) {
    oai_rng rng = {seed ^ (index * 0xD1342543DE82EF95u + 0x2545F4914F6CDD1Du)};
    rng.state = oai_rng_u64(&rng);
    return rng;
}

/* Uniform in [0, 1) with 53 bits. */
static inline double oai_rng_uniform(oai_rng *rng) { return (double)(oai_rng_u64(rng) >> 11) * 0x1p-53; }

/* Uniform integer in 0..n-1; n > 0.  The bias of the multiply-shift is below 2^-32 for the n used here. */
static inline uint32_t oai_rng_below(oai_rng *rng, uint32_t n) {
    return (uint32_t)(((oai_rng_u64(rng) >> 32) * (uint64_t)n) >> 32);
}

/* Standard normal (Box-Muller, one value a call: no hidden state). */
static inline double oai_rng_normal(oai_rng *rng) {
    double u = 1.0 - oai_rng_uniform(rng), v = oai_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

#endif
