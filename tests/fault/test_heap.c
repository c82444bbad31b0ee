/* malloc itself fails at request number i, for every i: what jansson, libjpeg, libpng, libsndfile, libsoxr, expat, zlib
 * and the C library ask for on our behalf.  The context's own requests are served from elsewhere and never fail here:
 * test_host_memory.c refuses those. */
#include <features.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
/* A sanitizer brings its own malloc.  CTest counts 77 as skipped. */
int main(void) { return 77; }
#else

#define FAULT_DIR OASSL_TEST_TMP "/fault_heap"
#include "fault/operations.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *block);

static struct {
    bool armed, fired;
    long at, seen, live; /* live: blocks of the heap, the context's left out */
} heap;

/* libsndfile 1.2.0 and libsoxr 0.1.3 use what malloc gave them unseen, and crash: their own requests are left alone, but
 * for test_careless_libraries(), which looks at that in a child. */
static struct {
    const char *name;
    uintptr_t begin, end;
} careless[] = {{"libsndfile", 0, 0}, {"libsoxr", 0, 0}};
enum { N_CARELESS = sizeof careless / sizeof *careless };
static bool careless_too;

static int find_careless(struct dl_phdr_info *info, size_t bytes, void *user) {
    (void)bytes, (void)user;
    for (int k = 0; k < N_CARELESS; k++) {
        if (!strstr(info->dlpi_name, careless[k].name)) continue;
        careless[k].begin = info->dlpi_addr;
        for (int i = 0; i < info->dlpi_phnum; i++) {
            uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
            if (info->dlpi_phdr[i].p_type == PT_LOAD && end > careless[k].end) careless[k].end = end;
        }
    }
    return 0;
}

static bool is_careless(uintptr_t caller) {
    for (int k = 0; k < N_CARELESS; k++)
        if (caller >= careless[k].begin && caller < careless[k].end) return true;
    return false;
}

/* Counts a request; true if it is the one to refuse. */
static bool refused_to(const void *caller) {
    if (!__atomic_load_n(&heap.armed, __ATOMIC_RELAXED)) return false;
    if (!careless_too && is_careless((uintptr_t)caller)) return false;
    if (__atomic_fetch_add(&heap.seen, 1, __ATOMIC_RELAXED) != __atomic_load_n(&heap.at, __ATOMIC_RELAXED)) return false;
    __atomic_store_n(&heap.fired, true, __ATOMIC_RELAXED);
    if (getenv("OASSL_FAULT_TRACE")) {
        void *frames[24];
        heap.armed = false;
        backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
        heap.armed = true;
    }
    errno = ENOMEM;
    return true;
}

static void *counted(void *block) {
    if (block) __atomic_add_fetch(&heap.live, 1, __ATOMIC_RELAXED);
    return block;
}

#define refused() refused_to(__builtin_return_address(0))

/* seen by the libraries, whatever the build hides */
#pragma GCC visibility push(default)
void *malloc(size_t bytes) { return refused() ? NULL : counted(__libc_malloc(bytes)); }
void *calloc(size_t n, size_t size) { return refused() ? NULL : counted(__libc_calloc(n, size)); }
void *memalign(size_t alignment, size_t bytes) { return refused() ? NULL : counted(__libc_memalign(alignment, bytes)); }
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

void *realloc(void *block, size_t bytes) {
    if (refused()) return NULL;
    void *moved = __libc_realloc(block, bytes);
    if (!block && moved) counted(moved);
    if (block && bytes == 0 && !moved) __atomic_sub_fetch(&heap.live, 1, __ATOMIC_RELAXED);
    return moved;
}

int posix_memalign(void **out, size_t alignment, size_t bytes) {
    *out = memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) __atomic_sub_fetch(&heap.live, 1, __ATOMIC_RELAXED);
    __libc_free(block);
}
#pragma GCC visibility pop

/* The context's memory: past the counters. */
static void *host_alloc(void *user, size_t bytes, size_t alignment) {
    (void)user;
    return __libc_memalign(alignment, bytes ? bytes : 1);
}

static void host_free(void *user, void *block) {
    (void)user;
    __libc_free(block);
}

static void arm(long at) {
    heap.armed = false;
    heap.at = at;
    heap.seen = 0;
    heap.fired = false;
    __atomic_store_n(&heap.armed, true, __ATOMIC_SEQ_CST);
}

static long disarm(void) {
    __atomic_store_n(&heap.armed, false, __ATOMIC_SEQ_CST);
    return heap.seen;
}

static bool fired(void) { return heap.fired; }
static long live(void) { return __atomic_load_n(&heap.live, __ATOMIC_RELAXED); }

/* UNAVAILABLE: a thread could not be started. */
static bool fits(oassl_status status) {
    return status == OASSL_STATUS_OUT_OF_MEMORY || status == OASSL_STATUS_UNAVAILABLE;
}

static const injector heap_memory = {"malloc", arm, disarm, fired, live, fits};

static int set_up(void **state) {
    void *frames[4];
    backtrace(frames, 4); /* loads libgcc */
    dl_iterate_phdr(find_careless, NULL);
    for (int k = 0; k < N_CARELESS; k++) assert_true(careless[k].end > 0);
    fault_options.alloc = host_alloc;
    fault_options.free = host_free;
    return open_reference(state); /* oneDNN 2.6's dnnl_engine_create crashes when malloc fails in it */
}

static void test_named(void **state) {
    (void)state;
    INJECT_INTO(&heap_memory, named_operations);
}

static void test_writing(void **state) {
    (void)state;
    INJECT_INTO(&heap_memory, writing_operations);
}

static void test_other(void **state) {
    (void)state;
    INJECT_INTO(&heap_memory, other_operations);
}

/* 0 = answered as it should, 1 = wrong, 2 = crashed. */
static int run_in_child(oassl_status (*run)(uint64_t *), long at) {
    pid_t child = fork();
    if (child == 0) {
        uint64_t digest = 0;
        signal(SIGSEGV, SIG_DFL); /* cmocka's would go on in the parent's code */
        arm(at);
        oassl_status status = run(&digest);
        disarm();
        _exit(status != OASSL_STATUS_OK && !fits(status));
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? 2 : WEXITSTATUS(how);
}

static void look_at_careless(const char *name, oassl_status (*run)(uint64_t *)) {
    uint64_t digest = 0;
    long counts[3] = {0}, n;
    careless_too = true;
    arm(-1);
    MUST(run(&digest));
    n = disarm();
    for (long at = 0; at < n; at++) counts[run_in_child(run, at)]++;
    careless_too = false;
    print_message("%s, its own requests too: %ld points, %ld wrong answers, %ld crashes of its own\n", name, n, counts[1],
                  counts[2]);
    assert_true(n > 0);
    assert_int_equal(counts[1], 0);
}

/* Their crashes are only counted. */
static void test_careless_libraries(void **state) {
    (void)state;
    look_at_careless("libsndfile", run_load_sound);
    look_at_careless("libsoxr", run_logspec);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_writing),
                                       cmocka_unit_test(test_other), cmocka_unit_test(test_careless_libraries)};
    return cmocka_run_group_tests(tests, set_up, close_reference);
}
#endif
