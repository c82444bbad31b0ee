/* malloc itself fails at request number i, for every i: what jansson, libjpeg, libpng, libsndfile, libsoxr, expat, zlib
 * and the C library ask for on our behalf.  The context's own requests are served from elsewhere and never fail here:
 * test_host_memory.c refuses those. */
#define FAULT_DIR OASSL_TEST_TMP "/fault_heap"
#include "fault/operations.h"

#include <errno.h>
#include <execinfo.h>
#include <malloc.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
/* A sanitizer brings its own malloc. */
int main(void) { return 77; }
#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *block);

static struct {
    bool armed, fired;
    long at, seen, live; /* live: blocks of the heap, the context's left out */
} heap;

/* Counts a request; true if it is the one to refuse. */
static bool refused(void) {
    if (!__atomic_load_n(&heap.armed, __ATOMIC_RELAXED)) return false;
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
    (void)state;
    void *frames[4];
    backtrace(frames, 4); /* loads libgcc */
    write_inputs();
    fault_options.backend = "reference"; /* oneDNN 2.6's dnnl_engine_create crashes when malloc fails in it */
    fault_options.n_threads = 1;
    fault_options.alloc = host_alloc;
    fault_options.free = host_free;
    open_context();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_writing),
                                       cmocka_unit_test(test_other)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
#endif
