/* The host's allocator refuses request number i, for every i: OUT_OF_MEMORY, no block left behind, and the object works
 * again when there is memory again (or, a trainer whose weights are lost, says so). */
#define FAULT_DIR OASSL_TEST_TMP "/fault_host"
#include "fault/counted_memory.h"
#include "fault/operations.h"

static struct {
    long at, seen;
    bool fired;
} memory;

static void *host_alloc(void *user, size_t bytes, size_t alignment) {
    long number = __atomic_fetch_add(&memory.seen, 1, __ATOMIC_RELAXED);
    if (number == __atomic_load_n(&memory.at, __ATOMIC_RELAXED)) {
        __atomic_store_n(&memory.fired, true, __ATOMIC_RELAXED);
        return NULL;
    }
    return counted_alloc(user, bytes, alignment);
}

static void arm(long at) {
    __atomic_store_n(&memory.at, -1, __ATOMIC_RELAXED);
    __atomic_store_n(&memory.seen, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&memory.fired, false, __ATOMIC_RELAXED);
    __atomic_store_n(&memory.at, at, __ATOMIC_RELAXED);
}

static long disarm(void) {
    __atomic_store_n(&memory.at, -1, __ATOMIC_RELAXED);
    return __atomic_load_n(&memory.seen, __ATOMIC_RELAXED);
}

static bool fired(void) { return __atomic_load_n(&memory.fired, __ATOMIC_RELAXED); }
static bool fits(oassl_status status) { return status == OASSL_STATUS_OUT_OF_MEMORY; }

static const injector host_memory = {"request", arm, disarm, fired, count_blocks, fits};

static int set_up(void **state) {
    (void)state;
    memory.at = -1;
    write_inputs();
    return 0;
}

static void use_backend(const char *backend) {
    fault_options.backend = backend;
    fault_options.backend_path = OASSL_TEST_BACKENDS;
    fault_options.n_threads = 1;
    fault_options.alloc = host_alloc;
    fault_options.free = counted_free;
    open_context();
}

static void close_context(void) {
    oassl_context_destroy(context);
    if (count_blocks() != 0) fail_msg("%ld blocks left when the context is gone", count_blocks());
}

static void test_reference(void **state) {
    (void)state;
    use_backend("reference");
    INJECT_INTO(&host_memory, named_operations);
    INJECT_INTO(&host_memory, writing_operations);
    INJECT_INTO(&host_memory, other_operations);
    close_context();
}

/* The backend that everyone computes with. */
static void test_best(void **state) {
    (void)state;
    use_backend(NULL);
    INJECT_INTO(&host_memory, named_operations);
    close_context();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_best)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
