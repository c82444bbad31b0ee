/* The order of samples and the loader's threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "train/order.h"
#include "train/prefetch.h"

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

/* ---- order -------------------------------------------------------------------------------------------------- */

static void test_every_epoch_is_a_permutation(void **state) {
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            uint8_t *seen = calloc(sizes[k], 1);
            for (uint64_t i = 0; i < sizes[k]; i++) {
                uint64_t value = oai_permuted(42, epoch, i, sizes[k]);
                assert_true(value < sizes[k]);
                assert_int_equal(seen[value]++, 0);
            }
            free(seen);
        }
}

static void test_epochs_and_seeds_differ(void **state) {
    (void)state;
    enum { N = 1000 };
    int same_epoch = 0, same_seed = 0, fixed = 0;
    for (uint64_t i = 0; i < N; i++) {
        uint64_t value = oai_permuted(1, 0, i, N);
        assert_int_equal(value, oai_permuted(1, 0, i, N));
        same_epoch += value == oai_permuted(1, 1, i, N);
        same_seed += value == oai_permuted(2, 0, i, N);
        fixed += value == i;
    }
    assert_true(same_epoch < 20 && same_seed < 20 && fixed < 20); /* 1 is expected */
}

static void test_large_sets_stay_in_range(void **state) {
    (void)state;
    const uint64_t n = ((uint64_t)1 << 40) + 12345;
    for (uint64_t i = 0; i < 1000; i++) assert_true(oai_permuted(7, 3, i * 1000003, n) < n);
}

/* ---- loader ------------------------------------------------------------------------------------------------- */

enum { SLOTS = 3, BATCH = 5 };

typedef struct source {
    uint64_t data[SLOTS][BATCH];
    uint64_t bad_from, bad_step; /* samples that fail */
    long nap;                    /* nanoseconds a sample takes */
    atomic_int calls;
} source;

static oassl_status fill(void *user, uint64_t number, uint32_t slot, uint32_t position) {
    source *s = user;
    atomic_fetch_add(&s->calls, 1);
    if (s->nap) nanosleep(&(struct timespec){0, s->nap * (1 + (long)(number * 7 % 5))}, NULL);
    if (s->bad_step && number >= s->bad_from && (number - s->bad_from) % s->bad_step == 0)
        return oai_fail(OASSL_STATUS_IO, "sample %llu: the disk is on fire", (unsigned long long)number);
    s->data[slot][position] = number * 1000003;
    return OASSL_STATUS_OK;
}

static void check_batches(uint32_t n_workers, uint64_t first, int n_batches, long nap) {
    source s = {.nap = nap};
    oai_prefetch *prefetch;
    MUST(oai_prefetch_create(&oai_default_host, SLOTS, BATCH, n_workers, first * BATCH, fill, &s, &prefetch));
    for (int b = 0; b < n_batches; b++) {
        uint32_t slot;
        double wait;
        MUST(oai_prefetch_acquire(prefetch, &slot, &wait));
        assert_true(wait >= 0);
        for (uint64_t k = 0; k < BATCH; k++)
            assert_int_equal(s.data[slot][k], ((first + (uint64_t)b) * BATCH + k) * 1000003);
        oai_prefetch_release(prefetch);
    }
    oai_prefetch_destroy(prefetch);
}

static void test_batches_in_order_for_any_number_of_workers(void **state) {
    (void)state;
    check_batches(1, 0, 40, 0);
    check_batches(3, 0, 40, 0);
    check_batches(3, 17, 20, 100000);
    check_batches(8, 2, 20, 20000);
}

static void test_a_slot_in_use_is_not_touched(void **state) {
    (void)state;
    source s = {0};
    oai_prefetch *prefetch;
    MUST(oai_prefetch_create(&oai_default_host, SLOTS, BATCH, 3, 0, fill, &s, &prefetch));
    uint32_t slot;
    double wait;
    MUST(oai_prefetch_acquire(prefetch, &slot, &wait));
    uint64_t before[BATCH];
    memcpy(before, s.data[slot], sizeof before);
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    assert_memory_equal(before, s.data[slot], sizeof before);
    assert_true(atomic_load(&s.calls) <= SLOTS * BATCH); /* the ring is full: workers sleep */
    oai_prefetch_destroy(prefetch);
}

static void test_a_sample_that_fails_is_reported_with_its_batch(void **state) {
    (void)state;
    for (uint32_t n_workers = 1; n_workers <= 3; n_workers += 2) {
        source s = {.bad_from = 2 * BATCH + 3, .bad_step = 1000};
        oai_prefetch *prefetch;
        MUST(oai_prefetch_create(&oai_default_host, SLOTS, BATCH, n_workers, 0, fill, &s, &prefetch));
        uint32_t slot;
        double wait;
        for (int b = 0; b < 2; b++) {
            MUST(oai_prefetch_acquire(prefetch, &slot, &wait));
            oai_prefetch_release(prefetch);
        }
        for (int again = 0; again < 2; again++) { /* a caller that insists is told the same */
            assert_int_equal(oai_prefetch_acquire(prefetch, &slot, &wait), OASSL_STATUS_IO);
            assert_string_equal(oassl_last_error(), "sample 13: the disk is on fire");
        }
        oai_prefetch_release(prefetch);
        MUST(oai_prefetch_acquire(prefetch, &slot, &wait)); /* the ring's next lap is clean */
        oai_prefetch_destroy(prefetch);
    }
}

/* Workers asleep before a full ring, workers in the middle of a sample, all samples failing: none of it may hang. */
static void test_destroy_at_any_moment(void **state) {
    (void)state;
    for (int round = 0; round < 30; round++) {
        source s = {.nap = round % 3 == 0 ? 0 : 200000, .bad_step = round % 5 == 4};
        oai_prefetch *prefetch;
        MUST(oai_prefetch_create(&oai_default_host, SLOTS, BATCH, 1 + (uint32_t)round % 4, 0, fill, &s, &prefetch));
        if (round % 2) nanosleep(&(struct timespec){0, 100000 * round}, NULL);
        oai_prefetch_destroy(prefetch);
    }
    oai_prefetch_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_epoch_is_a_permutation),
        cmocka_unit_test(test_epochs_and_seeds_differ),
        cmocka_unit_test(test_large_sets_stay_in_range),
        cmocka_unit_test(test_batches_in_order_for_any_number_of_workers),
        cmocka_unit_test(test_a_slot_in_use_is_not_touched),
        cmocka_unit_test(test_a_sample_that_fails_is_reported_with_its_batch),
        cmocka_unit_test(test_destroy_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
