/* The host is asked whether to go on at many places.  It says no at the first, second, ... of them: CANCELLED, nothing
 * left behind, and the same call made again gives the untroubled result. */
#define FAULT_DIR OASSL_TEST_TMP "/fault_cancel"
#include "fault/counted_memory.h"
#include "fault/operations.h"

static struct {
    long at, seen;
    bool fired;
} host;

static int32_t progress(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user, (void)done, (void)total;
    assert_non_null(task);
    host.fired = host.fired || host.seen == host.at;
    return host.seen++ == host.at;
}

static void arm(long at) {
    host.seen = 0;
    host.fired = false;
    host.at = at;
}

static long disarm(void) {
    host.at = -1;
    return host.seen;
}

static bool fired(void) { return host.fired; }
static bool fits(oassl_status status) { return status == OASSL_STATUS_CANCELLED; }

static const injector cancelling = {"poll", arm, disarm, fired, count_blocks, fits};

static int set_up(void **state) {
    (void)state;
    host.at = -1;
    write_inputs();
    return 0;
}

static void use_backend(const char *backend) {
    fault_options.backend = backend;
    fault_options.backend_path = OASSL_TEST_BACKENDS;
    fault_options.n_threads = 1;
    fault_options.alloc = counted_alloc;
    fault_options.free = counted_free;
    fault_options.progress = progress;
    open_context();
}

static void close_context(void) {
    oassl_context_destroy(context);
    assert_int_equal(count_blocks(), 0);
}

static void test_reference(void **state) {
    (void)state;
    use_backend("reference");
    INJECT_INTO(&cancelling, named_operations);
    INJECT_INTO(&cancelling, writing_operations);
    INJECT_INTO(&cancelling, other_operations);
    close_context();
}

static void test_best(void **state) {
    (void)state;
    use_backend(NULL);
    INJECT_INTO(&cancelling, named_operations);
    close_context();
}

/* A whole run: cancelled, it has kept its last step; going on ends with the same weights. */
static void test_training(void **state) {
    (void)state;
    use_backend(NULL);
    assert_int_equal(inject_everywhere(&cancelling, &whole_training), 0);
    close_context();
}

/* The checkpoint that the cancelled run promises is there, whole, and another trainer ends like the untroubled one. */
static void test_resuming(void **state) {
    (void)state;
    uint64_t want, got;
    oai_rng rng = oai_rng_stream(20, 4);
    use_backend(NULL);
    MUST(open_trainer());
    arm(-1);
    MUST(run_trainer_run(&want));
    long n = disarm();
    close_trainer();
    for (long at = 0; at < n; at = next_point(&whole_training, at, n, &rng)) {
        MUST(open_trainer());
        arm(at);
        assert_int_equal(run_trainer_run(&got), OASSL_STATUS_CANCELLED);
        assert_non_null(strstr(oassl_last_error(), "last.safetensors keeps step"));
        disarm();
        close_trainer();
        oassl_trainer_options options = training_options();
        MUST(oassl_trainer_create(context, &options, AT("data/manifest.jsonl"), AT("data/captions.npz"), AT("run"),
                                  &trainer));
        MUST(oassl_trainer_resume(trainer));
        MUST(run_trainer_run(&got));
        close_trainer();
        if (got != want) fail_msg("cancelled at poll %ld and resumed: other weights", at);
    }
    close_context();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_best),
                                       cmocka_unit_test(test_training), cmocka_unit_test(test_resuming)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
