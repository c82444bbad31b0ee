/* The kernels, once for float and once for double, and the table of them: a row of ops.inc without a kernel does not
 * compile. */
#include "reference.h"

#include <math.h>
#include <string.h>

#include "walk.h"

#define REAL float
#define FN(name) name##_f32
#include "kernels.inc"
#undef REAL
#undef FN

#define REAL double
#define FN(name) name##_f64
#include "kernels.inc"
#undef REAL
#undef FN

static const struct {
    const char *name;
    oab_kernel f32, f64;
} kernels[OASSL_OP_LIMIT] = {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs) [number] = {#name, name##_f32, name##_f64},
#include "oassl/ops.inc"
#undef OASSL_OP
};

/* These copy elements without looking at them, so the float kernels serve the equally wide i32. */
static int only_moves(uint32_t op) {
    switch (op) {
    case OASSL_OP_RESHAPE:
    case OASSL_OP_TRANSPOSE:
    case OASSL_OP_CONCAT:
    case OASSL_OP_SLICE:
    case OASSL_OP_PAD:
    case OASSL_OP_BROADCAST:
    case OASSL_OP_GATHER:
    case OASSL_OP_STOP_GRADIENT: return 1;
    default: return 0;
    }
}

oab_kernel oab_reference_kernel(uint32_t op, int32_t dtype) {
    if (op >= OASSL_OP_LIMIT) return NULL;
    if (dtype == OASSL_DTYPE_F32 || (dtype == OASSL_DTYPE_I32 && only_moves(op))) return kernels[op].f32;
    return dtype == OASSL_DTYPE_F64 ? kernels[op].f64 : NULL;
}

const char *oab_reference_op_name(uint32_t op) {
    return op < OASSL_OP_LIMIT && kernels[op].name ? kernels[op].name : "?";
}
