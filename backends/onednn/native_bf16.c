/* Elementwise kernels on bf16 numbers, for plans that train in bf16: f32 in between, rounded to nearest even. */
#include <omp.h>

#include "internal.h"
#include "native_math.h"

#define SERIAL_BELOW 16384

typedef void (*bf16_fn)(uint16_t *out, const uint16_t *a, const uint16_t *b, int64_t n);

/* b is a for functions of one operand; results may take over an operand's memory, element for element. */
#define BF16(name, expression)                                                                                        \
    OAB_CLONES static void name(uint16_t *out, const uint16_t *pa, const uint16_t *pb, int64_t n) {                   \
        _Pragma("GCC ivdep") for (int64_t k = 0; k < n; k++) {                                                        \
            const float a = oab_from_bf16(pa[k]), b = oab_from_bf16(pb[k]);                                           \
            (void)b;                                                                                                  \
            out[k] = oab_to_bf16(expression);                                                                         \
        }                                                                                                             \
    }

BF16(add, a + b)
BF16(add_then_relu, a + b <= 0.0f ? 0.0f : a + b)
BF16(relu, a <= 0.0f ? 0.0f : a)
BF16(relu_grad, a > 0.0f ? b : 0.0f)

static oassl_status run(const oab_call *call, bf16_fn fn) {
    const int64_t count = call->node->count;
    const uint16_t *a = (const uint16_t *)(const void *)call->in[0];
    const uint16_t *b = call->node->n_inputs > 1 ? (const uint16_t *)(const void *)call->in[1] : a;
    uint16_t *out = (uint16_t *)(void *)call->out[0];
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        const int64_t threads = omp_get_num_threads(), me = omp_get_thread_num();
        const int64_t part = (count / threads + 31) / 32 * 32;
        const int64_t begin = me * part < count ? me * part : count;
        const int64_t end = me == threads - 1 || begin + part > count ? count : begin + part;
        fn(out + begin, a + begin, b + begin, end - begin);
    }
    return OASSL_STATUS_OK;
}

OAB_KERNEL(bf16_add) { return run(call, add); }
OAB_KERNEL(bf16_add_relu) { return run(call, add_then_relu); }
OAB_KERNEL(bf16_relu) { return run(call, relu); }
OAB_KERNEL(bf16_relu_grad) { return run(call, relu_grad); }
