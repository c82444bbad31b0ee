/* Which outputs a node has: one rule an operation, found through a table made from ops.inc. */
#include "graph/shape.h"

#include <math.h>
#include <string.h>

#include "base/safetensors.h"

#define TEXT(value) oai_shape_to_text((value)->rank, (value)->shape).text

/* ---- helpers ----------------------------------------------------------------------------------------------- */

oassl_status oai_type_check(int32_t dtype, int32_t rank, const int64_t *shape) {
    if (oai_dtype_bytes(dtype) == 0) return oai_fail(OASSL_STATUS_UNSUPPORTED, "dtype %d is unknown", dtype);
    if (rank < 0 || rank > OASSL_MAX_RANK)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "rank %d is not 0..%d", rank, OASSL_MAX_RANK);
    int64_t count = 1;
    for (int32_t k = 0; k < rank; k++) {
        if (shape[k] < 1)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "extent %lld of axis %d is not positive", (long long)shape[k],
                            k);
        if (shape[k] > OAI_MAX_ELEMENTS / count)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "more than 2^48 elements");
        count *= shape[k];
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_need_rank(const oai_query *q, uint32_t input, int32_t rank) {
    const oassl_graph_value *v = oai_in(q, input);
    if (v->rank == rank) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: expected rank %d, found %s", input, rank, TEXT(v));
}

oassl_status oai_need_shape(const oai_query *q, uint32_t input, int32_t rank, const int64_t *shape) {
    const oassl_graph_value *v = oai_in(q, input);
    if (v->rank == rank && memcmp(v->shape, shape, (size_t)rank * sizeof *shape) == 0) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: expected %s, found %s", input,
                    oai_shape_to_text(rank, shape).text, TEXT(v));
}

oassl_status oai_need_same(const oai_query *q, uint32_t input, uint32_t as) {
    return oai_need_shape(q, input, oai_in(q, as)->rank, oai_in(q, as)->shape);
}

oassl_status oai_need_attr(const oai_query *q, uint32_t k, const char *name, int64_t min, int64_t max) {
    if (q->i[k] >= min && q->i[k] <= max) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s (i%u): expected %lld..%lld, found %lld", name, k,
                    (long long)min, (long long)max, (long long)q->i[k]);
}

oassl_status oai_need_float(const oai_query *q, uint32_t k, const char *name, double min) {
    if (isfinite(q->f[k]) && q->f[k] >= min) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s (f%u): expected at least %g, found %g", name, k, min, q->f[k]);
}

void oai_set(oai_type *type, int32_t rank, const int64_t *shape) {
    type->rank = rank;
    memset(type->shape, 0, sizeof type->shape);
    if (rank > 0) memcpy(type->shape, shape, (size_t)rank * sizeof *shape);
}

static void set_as(const oai_query *q, uint32_t output, uint32_t input) {
    oai_set(&q->out[output], oai_in(q, input)->rank, oai_in(q, input)->shape);
}

/* Extent of `axis` of a right-aligned shape in a broadcast of rank `rank`. */
static int64_t aligned(int32_t in_rank, const int64_t *shape, int32_t rank, int32_t axis) {
    int32_t k = axis - (rank - in_rank);
    return k < 0 ? 1 : shape[k];
}

/* NumPy's rule for two shapes; out may not alias them. */
static oassl_status broadcast(int32_t rank_a, const int64_t *a, int32_t rank_b, const int64_t *b, int32_t *out_rank,
                              int64_t *out) {
    int32_t rank = rank_a > rank_b ? rank_a : rank_b;
    for (int32_t k = 0; k < rank; k++) {
        int64_t x = aligned(rank_a, a, rank, k), y = aligned(rank_b, b, rank, k);
        if (x != y && x != 1 && y != 1)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s and %s do not broadcast",
                            oai_shape_to_text(rank_a, a).text, oai_shape_to_text(rank_b, b).text);
        out[k] = x == 1 ? y : x;
    }
    *out_rank = rank;
    return OASSL_STATUS_OK;
}

/* ---- elementwise and reductions ---------------------------------------------------------------------------- */

static oassl_status binary(const oai_query *q) {
    const oassl_graph_value *a = oai_in(q, 0), *b = oai_in(q, 1);
    return broadcast(a->rank, a->shape, b->rank, b->shape, &q->out->rank, q->out->shape);
}

static oassl_status unary(const oai_query *q) {
    set_as(q, 0, 0);
    return OASSL_STATUS_OK;
}

static oassl_status unary_grad(const oai_query *q) {
    set_as(q, 0, 0);
    return oai_need_same(q, 1, 0);
}

static oassl_status reduced(const oai_query *q, oai_type *out) {
    const oassl_graph_value *x = oai_in(q, 0);
    OAI_TRY(oai_need_attr(q, 0, "axes", 1, ((int64_t)1 << x->rank) - 1));
    OAI_TRY(oai_need_attr(q, 1, "keep", 0, 1));
    int64_t shape[OASSL_MAX_RANK];
    int32_t rank = 0;
    for (int32_t k = 0; k < x->rank; k++) {
        if (!(q->i[0] >> k & 1))
            shape[rank++] = x->shape[k];
        else if (q->i[1])
            shape[rank++] = 1;
    }
    oai_set(out, rank, shape);
    return OASSL_STATUS_OK;
}

static oassl_status reduce(const oai_query *q) { return reduced(q, q->out); }

static oassl_status reduce_max_grad(const oai_query *q) {
    oai_type dy;
    OAI_TRY(reduced(q, &dy));
    set_as(q, 0, 0);
    return oai_need_shape(q, 1, dy.rank, dy.shape);
}

static oassl_status softmax(const oai_query *q) {
    OAI_TRY(oai_need_attr(q, 0, "axis", 0, oai_in(q, 0)->rank - 1));
    set_as(q, 0, 0);
    return q->n_inputs == 2 ? oai_need_same(q, 1, 0) : OASSL_STATUS_OK;
}

static oassl_status count(const oai_query *q) {
    oai_set(q->out, 0, NULL);
    return OASSL_STATUS_OK;
}

/* ---- matrix product ---------------------------------------------------------------------------------------- */

static oassl_status matmul(const oai_query *q) {
    const oassl_graph_value *a = oai_in(q, 0), *b = oai_in(q, 1);
    OAI_TRY(oai_need_attr(q, 0, "transpose_a", 0, 1));
    OAI_TRY(oai_need_attr(q, 1, "transpose_b", 0, 1));
    if (a->rank < 2 || b->rank < 2)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "expected matrices, found %s and %s", TEXT(a), TEXT(b));
    int64_t m = a->shape[a->rank - 2 + q->i[0]], k = a->shape[a->rank - 1 - q->i[0]];
    int64_t k_b = b->shape[b->rank - 2 + q->i[1]], n = b->shape[b->rank - 1 - q->i[1]];
    if (k != k_b)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "inner extents differ: %lld of %s%s, %lld of %s%s", (long long)k,
                        TEXT(a), q->i[0] ? "^T" : "", (long long)k_b, TEXT(b), q->i[1] ? "^T" : "");
    OAI_TRY(broadcast(a->rank - 2, a->shape, b->rank - 2, b->shape, &q->out->rank, q->out->shape));
    q->out->shape[q->out->rank++] = m;
    q->out->shape[q->out->rank++] = n;
    return q->n_inputs == 3 ? oai_need_shape(q, 2, 1, &n) : OASSL_STATUS_OK;
}

/* ---- moving data ------------------------------------------------------------------------------------------- */

/* i0 = rank, i1.. = extents. */
static oassl_status attr_shape(const oai_query *q) {
    OAI_TRY(oai_need_attr(q, 0, "rank", 0, OASSL_MAX_RANK));
    oai_set(q->out, (int32_t)q->i[0], q->i + 1);
    return oai_type_check(q->out->dtype, q->out->rank, q->out->shape);
}

static oassl_status reshape(const oai_query *q) {
    const oassl_graph_value *x = oai_in(q, 0);
    OAI_TRY(attr_shape(q));
    int64_t n = 1;
    for (int32_t k = 0; k < q->out->rank; k++) n *= q->out->shape[k];
    if (n == oai_value_count(x)) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s does not reshape to %s", TEXT(x), TEXT(q->out));
}

static oassl_status broadcast_to(const oai_query *q) {
    const oassl_graph_value *x = oai_in(q, 0);
    OAI_TRY(attr_shape(q));
    int32_t ok = x->rank <= q->out->rank;
    for (int32_t k = 0; ok && k < q->out->rank; k++) {
        int64_t extent = aligned(x->rank, x->shape, q->out->rank, k);
        ok = extent == 1 || extent == q->out->shape[k];
    }
    if (ok) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "%s does not broadcast to %s", TEXT(x), TEXT(q->out));
}

static oassl_status transpose(const oai_query *q) {
    const oassl_graph_value *x = oai_in(q, 0);
    uint32_t seen = 0;
    oai_set(q->out, x->rank, x->shape);
    for (int32_t k = 0; k < x->rank; k++) {
        OAI_TRY(oai_need_attr(q, (uint32_t)k, "permutation", 0, x->rank - 1));
        if (seen >> q->i[k] & 1)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "permutation (i%d): axis %lld occurs twice", k,
                            (long long)q->i[k]);
        seen |= 1u << q->i[k];
        q->out->shape[k] = x->shape[q->i[k]];
    }
    return OASSL_STATUS_OK;
}

static oassl_status concat(const oai_query *q) {
    const oassl_graph_value *first = oai_in(q, 0);
    OAI_TRY(oai_need_attr(q, 0, "axis", 0, first->rank - 1));
    set_as(q, 0, 0);
    int64_t total = 0;
    for (uint32_t k = 0; k < q->n_inputs; k++) {
        const oassl_graph_value *x = oai_in(q, k);
        int ok = x->rank == first->rank;
        for (int32_t axis = 0; ok && axis < x->rank; axis++)
            ok = axis == q->i[0] || x->shape[axis] == first->shape[axis];
        if (!ok)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: %s does not fit %s on axis %lld", k, TEXT(x),
                            TEXT(first), (long long)q->i[0]);
        total += x->shape[q->i[0]];
    }
    q->out->shape[q->i[0]] = total;
    return OASSL_STATUS_OK;
}

static oassl_status slice(const oai_query *q) {
    const oassl_graph_value *x = oai_in(q, 0);
    OAI_TRY(oai_need_attr(q, 0, "axis", 0, x->rank - 1));
    int64_t extent = x->shape[q->i[0]];
    OAI_TRY(oai_need_attr(q, 1, "start", 0, extent - 1));
    OAI_TRY(oai_need_attr(q, 2, "length", 1, extent - q->i[1]));
    set_as(q, 0, 0);
    q->out->shape[q->i[0]] = q->i[2];
    return OASSL_STATUS_OK;
}

static oassl_status pad(const oai_query *q) {
    OAI_TRY(oai_need_attr(q, 0, "axis", 0, oai_in(q, 0)->rank - 1));
    OAI_TRY(oai_need_attr(q, 1, "before", 0, OAI_MAX_ELEMENTS));
    OAI_TRY(oai_need_attr(q, 2, "after", 0, OAI_MAX_ELEMENTS));
    set_as(q, 0, 0);
    q->out->shape[q->i[0]] += q->i[1] + q->i[2];
    return OASSL_STATUS_OK;
}

static oassl_status gather(const oai_query *q) {
    const oassl_graph_value *table = oai_in(q, 0), *index = oai_in(q, 1);
    if (table->rank < 1 || index->rank + table->rank - 1 > OASSL_MAX_RANK)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "rows of %s cannot be gathered by %s", TEXT(table), TEXT(index));
    oai_set(q->out, index->rank, index->shape);
    for (int32_t k = 1; k < table->rank; k++) q->out->shape[q->out->rank++] = table->shape[k];
    return OASSL_STATUS_OK;
}

static oassl_status scatter_add(const oai_query *q) {
    const oassl_graph_value *index = oai_in(q, 0), *dy = oai_in(q, 1);
    OAI_TRY(oai_need_attr(q, 0, "rows", 1, INT32_MAX));
    if (dy->rank < index->rank || memcmp(dy->shape, index->shape, (size_t)index->rank * sizeof *dy->shape) != 0 ||
        dy->rank - index->rank + 1 > OASSL_MAX_RANK)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "rows %s do not fit the index %s", TEXT(dy), TEXT(index));
    oai_set(q->out, 1, q->i);
    for (int32_t k = index->rank; k < dy->rank; k++) q->out->shape[q->out->rank++] = dy->shape[k];
    return OASSL_STATUS_OK;
}

/* ---- the table --------------------------------------------------------------------------------------------- */

#define RULE_add binary
#define RULE_sub binary
#define RULE_mul binary
#define RULE_div binary
#define RULE_maximum binary
#define RULE_minimum binary
#define RULE_less_equal binary
#define RULE_affine unary
#define RULE_exp unary
#define RULE_log unary
#define RULE_sqrt unary
#define RULE_reciprocal unary
#define RULE_abs unary
#define RULE_sign unary
#define RULE_relu unary
#define RULE_sigmoid unary
#define RULE_tanh unary
#define RULE_softplus unary
#define RULE_gelu unary
#define RULE_quick_gelu unary
#define RULE_relu_grad unary_grad
#define RULE_gelu_grad unary_grad
#define RULE_quick_gelu_grad unary_grad
#define RULE_reduce_sum reduce
#define RULE_reduce_mean reduce
#define RULE_reduce_max reduce
#define RULE_reduce_max_grad reduce_max_grad
#define RULE_reduce_lse reduce
#define RULE_matmul matmul
#define RULE_conv2d oai_shape_conv2d
#define RULE_conv2d_grad_input oai_shape_conv2d_grad_input
#define RULE_conv2d_grad_weight oai_shape_conv2d_grad_weight
#define RULE_max_pool oai_shape_pool
#define RULE_max_pool_grad oai_shape_max_pool_grad
#define RULE_avg_pool oai_shape_pool
#define RULE_avg_pool_grad oai_shape_avg_pool_grad
#define RULE_batch_norm oai_shape_batch_norm
#define RULE_batch_norm_grad oai_shape_batch_norm_grad
#define RULE_batch_norm_infer oai_shape_batch_norm_infer
#define RULE_batch_norm_infer_grad oai_shape_batch_norm_grad
#define RULE_layer_norm oai_shape_layer_norm
#define RULE_layer_norm_grad oai_shape_layer_norm_grad
#define RULE_softmax softmax
#define RULE_softmax_grad softmax
#define RULE_log_softmax softmax
#define RULE_log_softmax_grad softmax
#define RULE_reshape reshape
#define RULE_transpose transpose
#define RULE_concat concat
#define RULE_slice slice
#define RULE_pad pad
#define RULE_broadcast broadcast_to
#define RULE_gather gather
#define RULE_scatter_add scatter_add
#define RULE_stop_gradient unary
#define RULE_count_non_finite count
#define RULE_sinkhorn oai_shape_sinkhorn
#define RULE_sinkhorn_grad oai_shape_sinkhorn_grad
#define RULE_adam oai_shape_adam

/* An operation added to ops.inc without a RULE_ above does not compile. */
static const struct {
    const char *name;
    uint32_t min_inputs, max_inputs, n_outputs;
    oai_shape_rule rule;
} ops[OASSL_OP_LIMIT] = {
#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs)                                               \
    [number] = {#name, min_inputs, max_inputs, n_outputs, RULE_##name},
#include "oassl/ops.inc"
#undef OASSL_OP
};

#define OASSL_OP(number, NAME, name, min_inputs, max_inputs, n_outputs)                                               \
    _Static_assert(number < OASSL_OP_LIMIT && n_outputs <= OAI_MAX_OUTPUTS, #name);
#include "oassl/ops.inc"
#undef OASSL_OP

static int known(uint32_t op) { return op < OASSL_OP_LIMIT && ops[op].rule; }

const char *oai_op_name(uint32_t op) { return known(op) ? ops[op].name : "?"; }

uint32_t oai_op_n_outputs(uint32_t op) { return known(op) ? ops[op].n_outputs : 0; }

/* The only inputs that are i32 and not of the node's float type. */
static int is_index(uint32_t op, uint32_t input) {
    return (op == OASSL_OP_GATHER && input == 1) || (op == OASSL_OP_SCATTER_ADD && input == 0) ||
           (op == OASSL_OP_SINKHORN_GRAD && input == 4);
}

static oassl_status check_dtypes(const oai_query *q, uint32_t op, int32_t *out_dtype) {
    int32_t dtype = 0;
    for (uint32_t k = 0; k < q->n_inputs; k++) {
        int32_t found = oai_in(q, k)->dtype;
        if (is_index(op, k)) {
            if (found != OASSL_DTYPE_I32)
                return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: expected dtype I32, found %s", k,
                                oai_dtype_name(found));
        } else if (dtype == 0) {
            dtype = found;
            if (dtype != OASSL_DTYPE_F32 && dtype != OASSL_DTYPE_F64)
                return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: expected dtype F32 or F64, found %s", k,
                                oai_dtype_name(found));
        } else if (found != dtype) {
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "input %u: expected dtype %s, found %s", k,
                            oai_dtype_name(dtype), oai_dtype_name(found));
        }
    }
    *out_dtype = dtype;
    return OASSL_STATUS_OK;
}

oassl_status oai_infer(const oassl_graph_value *values, const uint32_t *inputs, uint32_t n_inputs, uint32_t op,
                       const oassl_node_attrs *attrs, oai_type *out_types) {
    if (!known(op)) return oai_fail(OASSL_STATUS_UNSUPPORTED, "operation %u is unknown", op);
    if (n_inputs < ops[op].min_inputs || n_inputs > ops[op].max_inputs)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "expected %u to %u inputs, found %u", ops[op].min_inputs,
                        ops[op].max_inputs, n_inputs);
    oai_query q = {values, inputs, n_inputs, attrs->i, attrs->f, out_types};
    int32_t dtype = 0;
    OAI_TRY(check_dtypes(&q, op, &dtype));
    for (uint32_t k = 0; k < ops[op].n_outputs; k++) out_types[k] = (oai_type){.dtype = dtype};
    OAI_TRY(ops[op].rule(&q));
    for (uint32_t k = 0; k < ops[op].n_outputs; k++) {
        oassl_status status = oai_type_check(out_types[k].dtype, out_types[k].rank, out_types[k].shape);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "output %u", k);
    }
    return OASSL_STATUS_OK;
}

int64_t oai_value_count(const oassl_graph_value *value) {
    int64_t n = 1;
    for (int32_t k = 0; k < value->rank; k++) n *= value->shape[k];
    return n;
}

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {[OASSL_DTYPE_F32] = {"F32", 4}, [OASSL_DTYPE_F64] = {"F64", 8}, [OASSL_DTYPE_I32] = {"I32", 4},
              [OASSL_DTYPE_I64] = {"I64", 8}, [OASSL_DTYPE_U8] = {"U8", 1},   [OASSL_DTYPE_BF16] = {"BF16", 2},
              [OASSL_DTYPE_F16] = {"F16", 2}};

static int known_dtype(int32_t dtype) {
    return dtype >= 0 && dtype < (int32_t)(sizeof dtypes / sizeof *dtypes) && dtypes[dtype].name;
}

size_t oai_dtype_bytes(int32_t dtype) { return known_dtype(dtype) ? dtypes[dtype].bytes : 0; }

const char *oai_dtype_name(int32_t dtype) { return known_dtype(dtype) ? dtypes[dtype].name : "?"; }
