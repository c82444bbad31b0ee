/* The maximum over windows of u8 pictures with channels innermost, as 8-bit convolutions leave them: down the rows of
 * a window first, which is done for all its columns at once.  oneDNN takes each window by itself, three times as long.
 */
#include <omp.h>
#include <string.h>

#include "internal.h"
#include "native_math.h"

OAB_CLONES static void raise_to(uint8_t *out, const uint8_t *in, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = out[i] > in[i] ? out[i] : in[i];
}

/* The elements of `in`, n apart, that window `at` covers along axis k. */
static void max_over(uint8_t *out, const uint8_t *in, int64_t n, const oab_node *node, int k, int64_t at) {
    const int64_t *a = node->attrs.i; /* kernel, stride and pad of both axes */
    const int64_t extent = node->in[0].shape[2 + k], start = at * a[2 + k] - a[4 + k], stop = start + a[k];
    const int64_t first = start > 0 ? start : 0, end = stop < extent ? stop : extent;
    memcpy(out, in + first * n, (size_t)n);
    for (int64_t i = first + 1; i < end; i++) raise_to(out, in + i * n, n);
}

uint64_t oab_onednn_max_pool_scratch(const oassl_backend_plan *plan, const oassl_graph_value *x) {
    return plan->n_threads * oab_aligned((uint64_t)(x->shape[1] * x->shape[3]));
}

OAB_KERNEL(max_pool_u8) {
    const oab_node *node = call->node;
    const int64_t *from = node->in[0].shape, *to = node->out[0].shape, channels = to[1], row = from[3] * channels;
    const uint8_t *x = (const uint8_t *)(const void *)call->in[0];
    uint8_t *y = (uint8_t *)(void *)call->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < to[0] * to[2]; r++) {
        uint8_t *line = (uint8_t *)call->scratch + (uint64_t)omp_get_thread_num() * oab_aligned((uint64_t)row);
        max_over(line, x + r / to[2] * from[2] * row, row, node, 0, r % to[2]);
        for (int64_t c = 0; c < to[3]; c++) max_over(y + (r * to[3] + c) * channels, line, channels, node, 1, c);
    }
    return OASSL_STATUS_OK;
}
