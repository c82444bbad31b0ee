/* Places the arena buffers: a buffer occupies memory from the first step that touches it to the last, and buffers
 * whose lives do not meet share memory.  Largest first, each into the smallest gap that fits, is within a few per cent
 * of the lower bound on training graphs of convolutional networks. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void touch(oassl_backend_plan *plan, uint32_t buffer, uint32_t step) {
    if (buffer == OAB_NONE) return;
    oab_buffer *b = &plan->buffers[buffer];
    if (b->first > b->last) b->first = step;
    b->last = step;
}

static void find_lives(oassl_backend_plan *plan) {
    for (uint32_t k = 0; k < plan->n_buffers; k++) {
        plan->buffers[k].first = OAB_NONE;
        plan->buffers[k].last = 0;
    }
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        for (uint32_t a = 0; a < plan->steps[s].n_args; a++) touch(plan, plan->steps[s].args[a], s);
        touch(plan, plan->steps[s].scratch, s);
    }
}

/* A result takes over the memory of an operand nobody reads later. */
static void share_in_place(oassl_backend_plan *plan) {
    for (uint32_t s = 0; s < plan->n_steps; s++) {
        const oab_step *step = &plan->steps[s];
        if (step->in_place == OAB_NONE || step->args[0] == OAB_NONE || step->args[step->in_place] == OAB_NONE)
            continue;
        oab_buffer *to = &plan->buffers[step->args[0]];
        const oab_buffer *from = &plan->buffers[step->args[step->in_place]];
        if (to->home != OAB_ARENA || from->home != OAB_ARENA || to == from) continue;
        oab_buffer *root = &plan->buffers[from->root];
        if (to->first != s || root->last != s || from->bytes != to->bytes) continue;
        to->root = from->root;
        root->last = to->last;
    }
}

static int larger_first(const void *a, const void *b) {
    const oab_buffer *const *x = a, *const *y = b;
    if ((*x)->bytes != (*y)->bytes) return (*x)->bytes < (*y)->bytes ? 1 : -1;
    return *x < *y ? -1 : *x > *y;
}

static int lower_first(const void *a, const void *b) {
    const oab_buffer *const *x = a, *const *y = b;
    if ((*x)->offset != (*y)->offset) return (*x)->offset < (*y)->offset ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

static uint64_t best_gap(const oab_buffer *b, oab_buffer **alive, uint32_t n_alive) {
    const uint64_t bytes = oab_aligned(b->bytes);
    uint64_t end = 0, best = UINT64_MAX, best_size = UINT64_MAX;
    qsort(alive, n_alive, sizeof *alive, lower_first);
    for (uint32_t k = 0; k < n_alive; k++) {
        const uint64_t start = alive[k]->offset, stop = start + oab_aligned(alive[k]->bytes);
        if (start > end && start - end >= bytes && start - end < best_size) {
            best = end;
            best_size = start - end;
        }
        if (stop > end) end = stop;
    }
    return best == UINT64_MAX ? end : best;
}

oassl_status oab_onednn_place(oassl_backend_plan *plan) {
    const oassl_backend_host *host = plan->instance->host;
    find_lives(plan);
    share_in_place(plan);
    oab_buffer **order = oab_onednn_alloc(host, 2 * (uint64_t)plan->n_buffers * sizeof *order + 1);
    if (!order) return OASSL_STATUS_OUT_OF_MEMORY;
    oab_buffer **alive = order + plan->n_buffers;
    uint32_t n = 0;
    for (uint32_t k = 0; k < plan->n_buffers; k++) {
        oab_buffer *b = &plan->buffers[k];
        if (b->home == OAB_ARENA && b->root == k && b->first <= b->last) order[n++] = b;
    }
    qsort(order, n, sizeof *order, larger_first);
    plan->arena_bytes = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t n_alive = 0;
        for (uint32_t j = 0; j < k; j++)
            if (order[j]->first <= order[k]->last && order[k]->first <= order[j]->last) alive[n_alive++] = order[j];
        order[k]->offset = best_gap(order[k], alive, n_alive);
        const uint64_t stop = order[k]->offset + oab_aligned(order[k]->bytes);
        if (stop > plan->arena_bytes) plan->arena_bytes = stop;
    }
    oab_onednn_free(host, order);
    for (uint32_t k = 0; k < plan->n_buffers; k++)
        plan->buffers[k].offset = plan->buffers[plan->buffers[k].root].offset;
    return OASSL_STATUS_OK;
}
