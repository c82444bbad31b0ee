/* Running a plan: one workspace, one oneDNN stream, the caller's addresses. */
#include <omp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "internal.h"

#define HUGE_PAGE (2u << 20)

typedef struct bound_memory { /* oneDNN argument whose address the caller may change */
    dnnl_memory_t memory;
    uint32_t buffer;
    uint64_t offset;
} bound_memory;

struct oassl_backend_exec {
    const oassl_backend_plan *plan;
    void *arena;
    void **addresses; /* [n_buffers] */
    dnnl_stream_t stream;
    dnnl_exec_arg_t *args; /* of all primitives, one after the other; memories owned */
    uint32_t *first_arg;   /* [n_steps + 1] */
    bound_memory *rebind;
    uint32_t n_rebind;
    int32_t rebound;  /* an address changed since the last run */
    float **pointers; /* arguments of the kernel that runs */
};

/* ---- threads and denormals ----------------------------------------------------------------------------------- */

/* Results near zero become denormal in long training runs and are a hundred times slower to compute with; ours are
 * flushed, denormals that the caller hands in still count.  The mode belongs to a thread, and OpenMP may replace its
 * threads between two parallel regions: all of them get the caller's mode back, as they had it when they were made. */
static void set_float_mode(uint32_t mode) {
#ifdef __SSE__
#pragma omp parallel
    _mm_setcsr(mode);
#else
    (void)mode;
#endif
}

/* The process in which this thread last had OpenMP helpers, 0 = never.  A forked child inherits the thread's belief in
 * them, and a parallel region would wait for them for ever. */
static _Thread_local long helpers_of;

oassl_status oab_onednn_check_fork(const oassl_backend_host *host, uint32_t n_threads) {
    if (n_threads <= 1 || !helpers_of || helpers_of == (long)getpid()) return OASSL_STATUS_OK;
    return oab_onednn_fail(host, OASSL_STATUS_UNSUPPORTED,
                           "oneDNN backend: OpenMP's threads do not survive fork(), and this thread had some before it: "
                           "compute on a thread made after the fork, or use n_threads = 1");
}

void oab_onednn_enter(uint32_t n_threads, oab_environment *saved) {
    if (n_threads > 1) helpers_of = (long)getpid();
    saved->threads = omp_get_max_threads();
    omp_set_num_threads((int)n_threads);
#ifdef __SSE__
    saved->float_mode = _mm_getcsr();
    set_float_mode(saved->float_mode | 0x8000);
#endif
}

void oab_onednn_leave(const oab_environment *saved) {
    set_float_mode(saved->float_mode);
    omp_set_num_threads(saved->threads);
}

/* ---- creation ------------------------------------------------------------------------------------------------ */

void oab_onednn_exec_destroy(oassl_backend_exec *exec) {
    if (!exec) return;
    const oassl_backend_host *host = exec->plan->instance->host;
    if (exec->args && exec->first_arg)
        for (uint32_t k = 0; k < exec->first_arg[exec->plan->n_steps]; k++)
            if (exec->args[k].memory) dnnl_memory_destroy(exec->args[k].memory);
    if (exec->stream) dnnl_stream_destroy(exec->stream);
    oab_onednn_free(host, exec->arena);
    oab_onednn_free(host, exec->addresses);
    oab_onednn_free(host, exec->args);
    oab_onednn_free(host, exec->first_arg);
    oab_onednn_free(host, exec->rebind);
    oab_onednn_free(host, exec->pointers);
    oab_onednn_free(host, exec);
}

static oassl_status make_arena(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_backend_host *host = plan->instance->host;
    if (!plan->arena_bytes) return OASSL_STATUS_OK;
    const int large = plan->arena_bytes >= HUGE_PAGE;
    exec->arena = host->alloc(host->user, plan->arena_bytes, large ? HUGE_PAGE : OAB_ALIGNMENT);
    if (!exec->arena)
        return oab_onednn_fail(host, OASSL_STATUS_OUT_OF_MEMORY,
                               "oneDNN backend: no memory for a workspace of %llu MiB",
                               (unsigned long long)(plan->arena_bytes >> 20));
    /* Best effort: fewer page faults and TLB misses. */
    if (large) madvise(exec->arena, plan->arena_bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return OASSL_STATUS_OK;
}

static void resolve(oassl_backend_exec *exec) {
    for (uint32_t k = 0; k < exec->plan->n_buffers; k++) {
        const oab_buffer *b = &exec->plan->buffers[k];
        if (b->home == OAB_ARENA && exec->arena) exec->addresses[k] = (char *)exec->arena + b->offset;
        if (b->home == OAB_FIXED) exec->addresses[k] = (void *)(uintptr_t)b->address;
    }
}

static oassl_status add_arg(oassl_backend_exec *exec, uint32_t at, int32_t id, const oab_md *md, uint32_t buffer,
                            uint64_t offset) {
    const oassl_backend_plan *plan = exec->plan;
    dnnl_exec_arg_t *arg = &exec->args[at];
    char *const address = exec->addresses[buffer];
    arg->arg = id;
    const dnnl_status_t status =
        oab_memory(&arg->memory, md, plan->instance->engine, address ? address + offset : NULL);
    if (status != dnnl_success) {
        arg->memory = NULL;
        return oab_onednn_fail(plan->instance->host, OASSL_STATUS_OUT_OF_MEMORY, "oneDNN cannot make a memory object");
    }
    if (plan->buffers[buffer].home == OAB_BOUND)
        exec->rebind[exec->n_rebind++] = (bound_memory){arg->memory, buffer, offset};
    return OASSL_STATUS_OK;
}

/* Arguments of a step that runs in parts: those of each part, one after the other, then scratch memory for each thread. */
static uint32_t count_args(const oassl_backend_plan *plan, const oab_step *step) {
    if (!step->primitive) return 0;
    const uint32_t has_scratch = step->scratch != OAB_NONE;
    return step->n_parts ? step->n_parts * step->n_args + has_scratch * plan->n_threads : step->n_args + has_scratch;
}

static oassl_status make_args(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const oab_step *step = &plan->steps[s];
        uint32_t at = exec->first_arg[s];
        if (!step->primitive) continue;
        for (uint32_t p = 0; p < (step->n_parts ? step->n_parts : 1); p++)
            for (uint32_t k = 0; k < step->n_args; k++)
                OAB_TRY(add_arg(exec, at++, step->dnnl_args[k], step->mds[k], step->args[k],
                                step->n_parts ? p * step->part_bytes[k] : 0));
        if (step->scratch == OAB_NONE) continue;
        for (uint32_t t = 0; t < (step->n_parts ? plan->n_threads : 1); t++)
            OAB_TRY(add_arg(exec, at++, DNNL_ARG_SCRATCHPAD, step->scratch_md, step->scratch,
                            t * oab_aligned(oab_md_bytes(step->scratch_md))));
    }
    return OASSL_STATUS_OK;
}

static oassl_status fill_exec(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_backend_host *host = plan->instance->host;
    uint32_t total = 0, widest = 1;
    exec->first_arg = oab_onednn_alloc(host, (plan->n_steps + 1) * sizeof *exec->first_arg);
    if (!exec->first_arg) return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const oab_step *step = &plan->steps[s];
        exec->first_arg[s] = total;
        total += count_args(plan, step);
        if (step->n_args > widest) widest = step->n_args;
    }
    exec->first_arg[plan->n_steps] = total;
    exec->addresses = oab_onednn_alloc(host, plan->n_buffers * sizeof *exec->addresses);
    exec->args = oab_onednn_alloc(host, total * sizeof *exec->args);
    exec->rebind = oab_onednn_alloc(host, total * sizeof *exec->rebind);
    exec->pointers = oab_onednn_alloc(host, widest * sizeof *exec->pointers);
    if (!exec->addresses || !exec->args || !exec->rebind || !exec->pointers) return OASSL_STATUS_OUT_OF_MEMORY;
    OAB_TRY(make_arena(exec));
    resolve(exec);
    if (dnnl_stream_create(&exec->stream, plan->instance->engine, dnnl_stream_default_flags) != dnnl_success)
        return oab_onednn_fail(host, OASSL_STATUS_OUT_OF_MEMORY, "oneDNN cannot make a stream");
    return make_args(exec);
}

oassl_status oab_onednn_exec_create(const oassl_backend_plan *plan, oassl_backend_exec **out_exec) {
    *out_exec = NULL;
    oassl_backend_exec *exec = oab_onednn_alloc(plan->instance->host, sizeof *exec);
    if (!exec) return OASSL_STATUS_OUT_OF_MEMORY;
    exec->plan = plan;
    const oassl_status status = fill_exec(exec);
    if (status != OASSL_STATUS_OK) {
        oab_onednn_exec_destroy(exec);
        return status;
    }
    *out_exec = exec;
    return OASSL_STATUS_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

oassl_status oab_onednn_exec_bind(oassl_backend_exec *exec, uint32_t value, void *address) {
    const oassl_backend_plan *plan = exec->plan;
    if (value >= plan->n_values || plan->bound[value] == OAB_NONE)
        return oab_onednn_fail(plan->instance->host, OASSL_STATUS_INVALID_ARGUMENT,
                               "oneDNN backend: value %u is neither an input nor an output of the graph", value);
    void **place = &exec->addresses[plan->bound[value]];
    if (*place != address) exec->rebound = 1;
    *place = address;
    return OASSL_STATUS_OK;
}

static oassl_status bring_addresses(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        if (plan->buffers[k].home == OAB_BOUND && plan->buffers[k].bytes && !exec->addresses[k])
            return oab_onednn_fail(plan->instance->host, OASSL_STATUS_INVALID_ARGUMENT,
                                   "oneDNN backend: value %u was not bound before the run", plan->buffers[k].value);
    for (uint32_t k = 0; exec->rebound && k < exec->n_rebind; k++)
        dnnl_memory_set_data_handle(exec->rebind[k].memory,
                                    (char *)exec->addresses[exec->rebind[k].buffer] + exec->rebind[k].offset);
    exec->rebound = 0;
    return OASSL_STATUS_OK;
}

static dnnl_status_t run_parts(const oassl_backend_exec *exec, const oab_step *step, dnnl_exec_arg_t *args) {
    const dnnl_exec_arg_t *scratch = step->scratch == OAB_NONE ? NULL : args + step->n_parts * step->n_args;
    dnnl_status_t result = dnnl_success;
#pragma omp parallel for schedule(static)
    for (uint32_t p = 0; p < step->n_parts; p++) {
        dnnl_exec_arg_t own[OAB_MAX_ARGS + 1];
        memcpy(own, args + p * step->n_args, step->n_args * sizeof *own);
        if (scratch) own[step->n_args] = scratch[omp_get_thread_num()];
        const dnnl_status_t status =
            dnnl_primitive_execute(step->primitive, exec->stream, (int)step->n_args + (scratch != NULL), own);
        if (status != dnnl_success) {
#pragma omp atomic write
            result = status;
        }
    }
    return result;
}

static oassl_status run_step(oassl_backend_exec *exec, uint32_t s) {
    const oassl_backend_plan *plan = exec->plan;
    const oab_step *step = &plan->steps[s];
    if (step->primitive) {
        dnnl_exec_arg_t *args = exec->args + exec->first_arg[s];
        const dnnl_status_t status =
            step->n_parts ? run_parts(exec, step, args)
                          : dnnl_primitive_execute(step->primitive, exec->stream,
                                                   (int)(exec->first_arg[s + 1] - exec->first_arg[s]), args);
        if (status == dnnl_success) return OASSL_STATUS_OK;
        return oab_onednn_fail(plan->instance->host, OASSL_STATUS_INTERNAL, "oneDNN failed in step %u with status %d",
                               s, (int)status);
    }
    for (uint32_t k = 0; k < step->n_args; k++)
        exec->pointers[k] = step->args[k] == OAB_NONE ? NULL : exec->addresses[step->args[k]];
    const oab_call call = {.node = step->node,
                           .out = exec->pointers,
                           .in = exec->pointers + step->n_written,
                           .scratch = step->scratch == OAB_NONE ? NULL : exec->addresses[step->scratch],
                           .host = plan->instance->host};
    return step->kernel(&call);
}

oassl_status oab_onednn_exec_run(oassl_backend_exec *exec) {
    const oassl_backend_plan *plan = exec->plan;
    const oassl_backend_host *host = plan->instance->host;
    if (plan->n_threads > 1 && (long)getpid() != plan->instance->process)
        return oab_onednn_fail(
            host, OASSL_STATUS_UNSUPPORTED,
            "oneDNN backend: worker threads do not survive fork(); open a context after the fork, or "
            "use one thread");
    OAB_TRY(oab_onednn_check_fork(host, plan->n_threads));
    OAB_TRY(bring_addresses(exec));
    oab_environment saved;
    oab_onednn_enter(plan->n_threads, &saved);
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t s = 0; s < plan->n_steps && status == OASSL_STATUS_OK; s++) {
        status = host->cancelled && host->cancelled(host->user)
                     ? oab_onednn_fail(host, OASSL_STATUS_CANCELLED, "the run was cancelled")
                     : run_step(exec, s);
    }
    if (dnnl_stream_wait(exec->stream) != dnnl_success && status == OASSL_STATUS_OK)
        status = oab_onednn_fail(host, OASSL_STATUS_INTERNAL, "oneDNN: waiting for the stream failed");
    oab_onednn_leave(&saved);
    return status;
}
