/* The order of samples without a list: a seeded permutation of 0..n-1 for every epoch, any position on its own. */
#ifndef OAI_TRAIN_ORDER_H
#define OAI_TRAIN_ORDER_H

#include "base/rng.h"

/* Four Feistel rounds on the smallest even number of bits that holds n, walked until the value is below n. */
static inline uint64_t oai_permuted(uint64_t seed, uint64_t epoch, uint64_t position, uint64_t n) {
    uint32_t half = 1;
    while (half < 31 && ((uint64_t)1 << (2 * half)) < n) half++;
    uint64_t mask = ((uint64_t)1 << half) - 1, value = position;
    do {
        uint64_t left = value >> half, right = value & mask;
        for (uint64_t round = 0; round < 4; round++) {
            oai_rng rng = oai_rng_stream(seed ^ (epoch * 0x9E3779B97F4A7C15u), right * 4 + round);
            uint64_t next = left ^ (oai_rng_u64(&rng) & mask);
            left = right;
            right = next;
        }
        value = left << half | right;
    } while (value >= n);
    return value;
}

#endif
