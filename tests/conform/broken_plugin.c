/* The reference backend with one mistake, chosen by the environment variable OASSL_BREAK.  tests/conform/broken.sh
 * checks that oassl-conform finds each of them and says where.  The mistakes are those that backends make: */
#define oab_reference_kernel sound_kernel
#include "../../backends/reference/kernels.c"
#undef oab_reference_kernel

#include <stdlib.h>

static oassl_backend_api broken_api;
static int fusing; /* the last plan was asked for with fusion on */

static int breaks(const char *what) {
    const char *wanted = getenv("OASSL_BREAK");
    return wanted && strcmp(wanted, what) == 0;
}

static float *result(const oab_call *call, int k) { return call->out[k].data; }

static oassl_status sound(uint32_t op, const oab_call *call) { return sound_kernel(op, OASSL_DTYPE_F32)(call); }

/* a wrong value for some arguments: leaky */
static oassl_status leaky_relu(const oab_call *call) {
    const float *x = call->in[0].data;
    for (int64_t k = 0; k < call->out[0].count; k++) result(call, 0)[k] = x[k] < 0 ? 0.01f * x[k] : x[k];
    return OASSL_STATUS_OK;
}

/* one vector register too many at the end */
static oassl_status add_beyond(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_ADD, call);
    result(call, 0)[call->out[0].count] = 0;
    return status;
}

static oassl_status sub_before(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_SUB, call);
    result(call, 0)[-1] = 0;
    return status;
}

/* the input as scratch */
static oassl_status softmax_in_input(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_SOFTMAX, call);
    memcpy(call->in[0].data, call->out[0].data, (size_t)call->out[0].count * sizeof(float));
    return status;
}

/* right but for channel counts that are no multiple of a vector: the last channel is left unwritten */
static oassl_status conv_without_tail(const oab_call *call) {
    float *y = result(call, 0);
    const int64_t area = call->out[0].shape[2] * call->out[0].shape[3], depth = call->out[0].shape[1];
    float *kept = depth == 17 ? malloc((size_t)area * sizeof *y) : NULL;
    if (kept) memcpy(kept, y + 16 * area, (size_t)area * sizeof *y);
    const oassl_status status = sound(OASSL_OP_CONV2D, call);
    if (kept) memcpy(y + 16 * area, kept, (size_t)area * sizeof *y);
    free(kept);
    return status;
}

/* right but for groups and dilation together */
static oassl_status conv_groups_dilated(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_CONV2D, call);
    if (call->attrs->i[6] > 1 && call->attrs->i[4] > 1) result(call, 0)[0] *= 1.001f;
    return status;
}

/* the last maximum instead of the first */
static oassl_status last_maximum(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_REDUCE_MAX_GRAD, call);
    const float *x = call->in[0].data;
    float *dx = result(call, 0);
    for (int64_t k = 1; k < call->out[0].count; k++)
        if (dx[k - 1] != 0 && x[k] == x[k - 1]) dx[k] = dx[k - 1], dx[k - 1] = 0;
    return status;
}

/* the fifth output: the biased instead of the unbiased variance, at momentum 0.1 */
static oassl_status biased_variance(const oab_call *call) {
    const oassl_status status = sound(OASSL_OP_BATCH_NORM, call);
    const float *old = call->in[4].data;
    const double count = (double)(call->in[0].count / call->in[0].shape[1]);
    for (int64_t c = 0; c < call->out[4].count; c++)
        result(call, 4)[c] = (float)(0.9 * old[c] + (result(call, 4)[c] - 0.9 * old[c]) * (count - 1) / count);
    return status;
}

/* results that depend on what was there before */
static oassl_status matmul_accumulates(const oab_call *call) {
    static int runs;
    const oassl_status status = sound(OASSL_OP_MATMUL, call);
    if (runs++ % 2) result(call, 0)[0] *= 1.0000005f;
    return status;
}

/* only when fusing: the activation is lost */
static oassl_status lost_gelu(const oab_call *call) {
    if (!fusing) return sound(OASSL_OP_GELU, call);
    memcpy(call->out[0].data, call->in[0].data, (size_t)call->out[0].count * sizeof(float));
    return OASSL_STATUS_OK;
}

/* an index outside the table is read as row 0 */
static oassl_status gather_clamps(const oab_call *call) {
    const int64_t row = call->in[0].count / call->in[0].shape[0];
    for (int64_t k = 0; k < call->in[1].count; k++) {
        const int32_t at = ((const int32_t *)call->in[1].data)[k];
        memcpy(result(call, 0) + k * row,
               (const float *)call->in[0].data + (at >= 0 && at < call->in[0].shape[0] ? at : 0) * row,
               (size_t)row * sizeof(float));
    }
    return OASSL_STATUS_OK;
}

oab_kernel oab_reference_kernel(uint32_t op, int32_t dtype) {
    static const struct {
        const char *name;
        uint32_t op;
        oab_kernel kernel;
    } mistakes[] = {
        {"relu_value", OASSL_OP_RELU, leaky_relu},
        {"add_beyond", OASSL_OP_ADD, add_beyond},
        {"sub_before", OASSL_OP_SUB, sub_before},
        {"softmax_input", OASSL_OP_SOFTMAX, softmax_in_input},
        {"conv_tail", OASSL_OP_CONV2D, conv_without_tail},
        {"conv_groups_dilated", OASSL_OP_CONV2D, conv_groups_dilated},
        {"max_tie", OASSL_OP_REDUCE_MAX_GRAD, last_maximum},
        {"norm_variance", OASSL_OP_BATCH_NORM, biased_variance},
        {"matmul_state", OASSL_OP_MATMUL, matmul_accumulates},
        {"gelu_fused", OASSL_OP_GELU, lost_gelu},
        {"gather_index", OASSL_OP_GATHER, gather_clamps},
    };
    for (size_t k = 0; k < sizeof mistakes / sizeof *mistakes && dtype == OASSL_DTYPE_F32; k++)
        if (mistakes[k].op == op && breaks(mistakes[k].name)) return mistakes[k].kernel;
    return sound_kernel(op, dtype);
}

static oassl_status plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                const oassl_backend_param *params, uint32_t n_params,
                                const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    fusing = !options->no_fusion;
    return oab_reference_plan_create(instance, graph, params, n_params, options, out_plan);
}

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);

oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    const oassl_backend_api *api;
    *out_api = NULL;
    const oassl_status status = oab_reference_query(major, minor, &api);
    if (status != OASSL_STATUS_OK) return status;
    broken_api = *api;
    broken_api.name = "broken";
    broken_api.plan_create = plan_create;
    *out_api = &broken_api;
    return OASSL_STATUS_OK;
}
