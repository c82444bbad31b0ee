/* Elementwise kernels: unary functions, broadcasting arithmetic, Adam. */
#include <omp.h>
#include <string.h>

#include "internal.h"
#include "native_math.h"

#define SERIAL_BELOW 16384 /* starting the team costs a few microseconds */

/* Splits count elements into one contiguous part a thread, at multiples of 16. */
#define PARTS(count, begin, end)                                                                                      \
    const int64_t threads_ = omp_get_num_threads(), me_ = omp_get_thread_num();                                       \
    const int64_t part_ = ((count) / threads_ + 15) / 16 * 16;                                                        \
    const int64_t begin = me_ * part_ < (count) ? me_ * part_ : (count);                                              \
    const int64_t end = me_ == threads_ - 1 || begin + part_ > (count) ? (count) : begin + part_

/* ---- one operand --------------------------------------------------------------------------------------------- */

typedef void (*unary_fn)(float *y, const float *x, int64_t n, float a, float b);

#define UNARY(name, expression)                                                                                       \
    OAB_CLONES static void name(float *out, const float *in, int64_t n, float a, float b) {                           \
        (void)a, (void)b;                                                                                             \
        _Pragma("GCC ivdep") for (int64_t k = 0; k < n; k++) {                                                        \
            const float x = in[k];                                                                                    \
            out[k] = (expression);                                                                                    \
        }                                                                                                             \
    }

UNARY(affine, a *x + b)
UNARY(exponential, oab_exp(x))
UNARY(logarithm, oab_log(x))
UNARY(square_root, sqrtf(x))
UNARY(reciprocal, 1.0f / x)
UNARY(absolute, fabsf(x))
UNARY(sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x)
UNARY(relu, x <= 0.0f ? 0.0f : x)
UNARY(sigmoid, oab_sigmoid(x))
UNARY(tangent, oab_tanh(x))
UNARY(softplus, oab_softplus(x))
UNARY(quick_gelu, x *oab_sigmoid(1.702f * x))

OAB_CLONES static void gelu(float *out, const float *in, int64_t n, float a, float b) {
    (void)a, (void)b;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; k++) {
        float density;
        out[k] = in[k] * oab_normal_cdf(in[k], &density);
    }
}

static unary_fn unary_of(uint32_t op) {
    switch (op) {
    case OASSL_OP_AFFINE: return affine;
    case OASSL_OP_EXP: return exponential;
    case OASSL_OP_LOG: return logarithm;
    case OASSL_OP_SQRT: return square_root;
    case OASSL_OP_RECIPROCAL: return reciprocal;
    case OASSL_OP_ABS: return absolute;
    case OASSL_OP_SIGN: return sign;
    case OASSL_OP_RELU: return relu;
    case OASSL_OP_SIGMOID: return sigmoid;
    case OASSL_OP_TANH: return tangent;
    case OASSL_OP_SOFTPLUS: return softplus;
    case OASSL_OP_GELU: return gelu;
    default: return quick_gelu;
    }
}

OAB_KERNEL(unary) {
    const unary_fn run = unary_of(call->node->op);
    const float a = (float)call->node->attrs.f[0], b = (float)call->node->attrs.f[1];
    const float *x = call->in[0];
    float *y = call->out[0];
    const int64_t count = call->node->count;
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        PARTS(count, begin, end);
        run(y + begin, x + begin, end - begin, a, b);
    }
    return OASSL_STATUS_OK;
}

/* ---- gradients of functions: (x, dy) ------------------------------------------------------------------------- */

typedef void (*unary_grad_fn)(float *dx, const float *x, const float *dy, int64_t n);

OAB_CLONES static void relu_grad(float *dx, const float *x, const float *dy, int64_t n) {
#pragma GCC ivdep /* results may take over the operands' memory, element for element */
    for (int64_t k = 0; k < n; k++) dx[k] = x[k] > 0.0f ? dy[k] : 0.0f;
}
OAB_CLONES static void gelu_grad(float *dx, const float *x, const float *dy, int64_t n) {
#pragma GCC ivdep
    for (int64_t k = 0; k < n; k++) {
        float density;
        const float cdf = oab_normal_cdf(x[k], &density);
        dx[k] = dy[k] * (cdf + x[k] * density);
    }
}
OAB_CLONES static void quick_gelu_grad(float *dx, const float *x, const float *dy, int64_t n) {
#pragma GCC ivdep
    for (int64_t k = 0; k < n; k++) {
        const float s = oab_sigmoid(1.702f * x[k]);
        dx[k] = dy[k] * s * (1.0f + 1.702f * x[k] * (1.0f - s));
    }
}

OAB_KERNEL(unary_grad) {
    const uint32_t op = call->node->op;
    const unary_grad_fn run = op == OASSL_OP_RELU_GRAD   ? relu_grad
                              : op == OASSL_OP_GELU_GRAD ? gelu_grad
                                                         : quick_gelu_grad;
    const float *x = call->in[0], *dy = call->in[1];
    float *dx = call->out[0];
    const int64_t count = call->node->count;
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        PARTS(count, begin, end);
        run(dx + begin, x + begin, dy + begin, end - begin);
    }
    return OASSL_STATUS_OK;
}

/* ---- two operands -------------------------------------------------------------------------------------------- */

/* One row; a step is 1, or 0 where the operand is one number for the whole row. */
typedef void (*binary_fn)(float *out, const float *a, int64_t step_a, const float *b, int64_t step_b, int64_t n);

#define BINARY(name, expression)                                                                                      \
    OAB_CLONES static void name(float *out, const float *pa, int64_t step_a, const float *pb, int64_t step_b,         \
                                int64_t n) {                                                                          \
        if (step_a && step_b) {                                                                                       \
            _Pragma("GCC ivdep") for (int64_t k = 0; k < n; k++) {                                                    \
                const float a = pa[k], b = pb[k];                                                                     \
                out[k] = (expression);                                                                                \
            }                                                                                                         \
        } else if (step_a) {                                                                                          \
            const float b = *pb;                                                                                      \
            _Pragma("GCC ivdep") for (int64_t k = 0; k < n; k++) {                                                    \
                const float a = pa[k];                                                                                \
                out[k] = (expression);                                                                                \
            }                                                                                                         \
        } else {                                                                                                      \
            const float a = *pa;                                                                                      \
            _Pragma("GCC ivdep") for (int64_t k = 0; k < n; k++) {                                                    \
                const float b = pb[step_b * k];                                                                       \
                out[k] = (expression);                                                                                \
            }                                                                                                         \
        }                                                                                                             \
    }

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(divide, a / b)
BINARY(maximum, a > b || a != a ? a : b)
BINARY(minimum, a < b || a != a ? a : b)
BINARY(less_equal, a <= b ? 1.0f : 0.0f)
BINARY(add_then_relu, a + b <= 0.0f ? 0.0f : a + b)

static binary_fn binary_of(uint32_t op) {
    switch (op) {
    case OASSL_OP_ADD: return add;
    case OASSL_OP_SUB: return sub;
    case OASSL_OP_MUL: return mul;
    case OASSL_OP_DIV: return divide;
    case OASSL_OP_MAXIMUM: return maximum;
    case OASSL_OP_MINIMUM: return minimum;
    default: return less_equal;
    }
}

typedef struct broadcasting { /* fewest axes that say it; the last is the row */
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK], a[OASSL_MAX_RANK], b[OASSL_MAX_RANK]; /* extents, strides */
} broadcasting;

static void strides_in(const oassl_graph_value *v, const oassl_graph_value *out, int64_t *strides) {
    int64_t step = 1;
    for (int32_t k = out->rank; k-- > 0;) {
        const int32_t from = k - (out->rank - v->rank);
        const int64_t extent = from >= 0 ? v->shape[from] : 1;
        strides[k] = extent == 1 ? 0 : step;
        step *= extent;
    }
}

static broadcasting collapse(const oab_node *node) {
    const oassl_graph_value *out = &node->out[0];
    int64_t a[OASSL_MAX_RANK], b[OASSL_MAX_RANK];
    strides_in(&node->in[0], out, a);
    strides_in(&node->in[1], out, b);
    broadcasting c = {.rank = 0};
    for (int32_t k = 0; k < out->rank; k++) {
        const int64_t n = out->shape[k];
        if (n == 1) continue;
        const int32_t last = c.rank - 1;
        if (c.rank && c.a[last] == a[k] * n && c.b[last] == b[k] * n) {
            c.shape[last] *= n;
            c.a[last] = a[k];
            c.b[last] = b[k];
        } else {
            c.shape[c.rank] = n;
            c.a[c.rank] = a[k];
            c.b[c.rank++] = b[k];
        }
    }
    if (!c.rank) c = (broadcasting){.rank = 1, .shape = {1}, .a = {1}, .b = {1}};
    return c;
}

static void run_rows(const broadcasting *c, binary_fn run, float *out, const float *a, const float *b) {
    const int32_t last = c->rank - 1;
    const int64_t n = c->shape[last];
    int64_t rows = 1;
    for (int32_t k = 0; k < last; k++) rows *= c->shape[k];
#pragma omp parallel for schedule(static) if (rows * n >= SERIAL_BELOW)
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, at_a = 0, at_b = 0;
        for (int32_t k = last; k-- > 0;) {
            const int64_t index = rest % c->shape[k];
            rest /= c->shape[k];
            at_a += index * c->a[k];
            at_b += index * c->b[k];
        }
        run(out + row * n, a + at_a, c->a[last], b + at_b, c->b[last], n);
    }
}

static void run_binary(const oab_call *call, binary_fn run) {
    const broadcasting c = collapse(call->node);
    const float *a = call->in[0], *b = call->in[1];
    float *out = call->out[0];
    if (c.rank > 1) {
        run_rows(&c, run, out, a, b);
        return;
    }
    const int64_t count = c.shape[0], step_a = c.a[0], step_b = c.b[0];
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        PARTS(count, begin, end);
        run(out + begin, a + begin * step_a, step_a, b + begin * step_b, step_b, end - begin);
    }
}

OAB_KERNEL(binary) {
    if (oab_onednn_count(&call->node->out[0])) run_binary(call, binary_of(call->node->op));
    return OASSL_STATUS_OK;
}

OAB_KERNEL(add_relu) {
    if (oab_onednn_count(&call->node->out[0])) run_binary(call, add_then_relu);
    return OASSL_STATUS_OK;
}

/* ---- parameters ---------------------------------------------------------------------------------------------- */

typedef struct adam_rule {
    float beta1, beta2, rest1, rest2, eps, decay, rate, scale1, scale2;
} adam_rule;

OAB_CLONES static void adam_part(float *p2, float *m2, float *v2, const float *p, const float *g, const float *m,
                                 const float *v, int64_t n, const adam_rule *rule) {
    const adam_rule r = *rule;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; k++) {
        const float gradient = g[k] + r.decay * p[k];
        const float mean = r.beta1 * m[k] + r.rest1 * gradient;
        const float square = r.beta2 * v[k] + r.rest2 * gradient * gradient;
        p2[k] = p[k] - r.rate * (mean * r.scale1) / (sqrtf(square * r.scale2) + r.eps);
        m2[k] = mean;
        v2[k] = square;
    }
}

OAB_KERNEL(adam) {
    const double *f = call->node->attrs.f;
    const float *scalars = call->in[4];
    const adam_rule rule = {.beta1 = (float)f[0],
                            .beta2 = (float)f[1],
                            .rest1 = (float)(1.0 - f[0]), /* in double: 1 - 0.999f is off in the fifth digit */
                            .rest2 = (float)(1.0 - f[1]),
                            .eps = (float)f[2],
                            .decay = (float)f[3],
                            .rate = scalars[0],
                            .scale1 = 1.0f / scalars[1],
                            .scale2 = 1.0f / scalars[2]};
    const int64_t count = call->node->count;
    float *const *out = call->out, *const *in = call->in;
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        PARTS(count, begin, end);
        adam_part(out[0] + begin, out[1] + begin, out[2] + begin, in[0] + begin, in[1] + begin, in[2] + begin,
                  in[3] + begin, end - begin, &rule);
    }
    return OASSL_STATUS_OK;
}

OAB_CLONES static int64_t count_part(const float *x, int64_t n) {
    int64_t found = 0;
    while (n > 0) {
        const int64_t chunk = n < 4096 ? n : 4096;
        int32_t here = 0;
        for (int64_t k = 0; k < chunk; k++) here += (oab_to_bits(x[k]) & 0x7F800000) == 0x7F800000;
        found += here;
        x += chunk;
        n -= chunk;
    }
    return found;
}

OAB_KERNEL(count_non_finite) {
    const float *x = call->in[0];
    const int64_t count = oab_onednn_count(&call->node->in[0]);
    int64_t found = 0;
#pragma omp parallel if (count >= SERIAL_BELOW) reduction(+ : found)
    {
        PARTS(count, begin, end);
        found += count_part(x + begin, end - begin);
    }
    call->out[0][0] = (float)found;
    return OASSL_STATUS_OK;
}

OAB_KERNEL(copy_kernel) {
    const char *from = (const char *)call->in[0];
    char *to = (char *)call->out[0];
    const int64_t count = call->node->count; /* bytes */
    if (from == to) return OASSL_STATUS_OK; /* the planner gave both the same memory */
#pragma omp parallel if (count >= SERIAL_BELOW)
    {
        PARTS(count, begin, end);
        memcpy(to + begin, from + begin, (size_t)(end - begin));
    }
    return OASSL_STATUS_OK;
}
