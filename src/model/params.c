#include "model/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

oai_init oai_init_constant(double value) { return (oai_init){OAI_INIT_CONSTANT, value, 0}; }
oai_init oai_init_normal(double mean, double deviation) { return (oai_init){OAI_INIT_NORMAL, mean, deviation}; }
oai_init oai_init_uniform(double limit) { return (oai_init){OAI_INIT_UNIFORM, limit, 0}; }
oai_init oai_init_kaiming_fan_out(const int64_t shape[4]) {
    return oai_init_normal(0, sqrt(2.0 / (double)(shape[0] * shape[2] * shape[3])));
}

void oai_emitter_init(oai_emitter *emitter, const oai_host *host, oai_builder *builder, bool training) {
    *emitter = (oai_emitter){.builder = builder, .host = host, .training = training, .dtype = OASSL_DTYPE_F32};
    oai_strmap_init(&emitter->by_name, host);
}

void oai_emitter_free(oai_emitter *emitter) {
    for (uint32_t i = 0; i < emitter->n_params; i++) oai_free(emitter->host, emitter->params[i].name);
    oai_free(emitter->host, emitter->params);
    oai_strmap_free(&emitter->by_name);
    emitter->params = NULL;
    emitter->n_params = emitter->capacity = 0;
}

static oai_net_param *find(const oai_emitter *emitter, const char *name) {
    uint32_t index = oai_strmap_get(&emitter->by_name, name, strlen(name));
    return index == OAI_STRMAP_NONE ? NULL : &emitter->params[index];
}

const oai_net_param *oai_emitter_find(const oai_emitter *emitter, const char *name) { return find(emitter, name); }

/* A new row with the name copied; NULL with the builder failed. */
static oai_net_param *append(oai_emitter *emitter, const char *name) {
    if (emitter->n_params == emitter->capacity) {
        uint32_t capacity = emitter->capacity ? 2 * emitter->capacity : 64;
        oai_net_param *grown =
            oai_grow(emitter->host, emitter->params, emitter->n_params * sizeof *grown, capacity * sizeof *grown);
        if (!grown) {
            oai_builder_fail(emitter->builder, OASSL_STATUS_OUT_OF_MEMORY, "out of memory for the parameter table");
            return NULL;
        }
        emitter->params = grown;
        emitter->capacity = capacity;
    }
    char *copy = oai_strdup(emitter->host, name);
    if (!copy || oai_strmap_put(&emitter->by_name, copy, strlen(copy), emitter->n_params, NULL) != OASSL_STATUS_OK) {
        oai_free(emitter->host, copy);
        oai_builder_fail(emitter->builder, OASSL_STATUS_OUT_OF_MEMORY, "out of memory for parameter '%s'", name);
        return NULL;
    }
    oai_net_param *param = &emitter->params[emitter->n_params++];
    *param = (oai_net_param){.name = copy, .gradient = OAI_NO_VALUE, .new_state = OAI_NO_VALUE};
    return param;
}

static oai_net_param *declare(oai_emitter *emitter, oai_init init, int32_t role, int32_t rank, const int64_t *shape,
                              const char *name) {
    oai_builder *b = emitter->builder;
    oai_net_param *param = find(emitter, name);
    if (param) {
        if (param->rank != rank || memcmp(param->shape, shape, (size_t)rank * sizeof *shape) != 0)
            oai_builder_fail(b, OASSL_STATUS_INTERNAL, "parameter '%s' declared with two shapes", name);
        return param;
    }
    if (oai_builder_status(b) != OASSL_STATUS_OK) return NULL;
    param = append(emitter, name);
    if (!param) return NULL;
    param->rank = rank;
    memcpy(param->shape, shape, (size_t)rank * sizeof *shape);
    param->init = init;
    param->role = role;
    param->frozen = emitter->frozen || role == OAI_ROLE_STATE;
    param->value = emitter->training ? oai_input(b, name, emitter->dtype, rank, shape)
                                     : oai_param(b, name, emitter->dtype, rank, shape);
    return param;
}

oai_value oai_weight(oai_emitter *emitter, oai_init init, int32_t rank, const int64_t *shape, const char *format,
                     ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const oai_net_param *param = declare(emitter, init, OAI_ROLE_WEIGHT, rank, shape, name);
    return param ? param->value : OAI_NO_VALUE;
}

/* The row's present value: a network applied twice goes on from the statistics of its first pass. */
static oai_value state_value(const oai_emitter *emitter, uint32_t index) {
    const oai_net_param *param = &emitter->params[index];
    return param->new_state != OAI_NO_VALUE ? param->new_state : param->value;
}

oai_value oai_batch_norm(oai_emitter *emitter, oai_value x, const char *name) {
    static const char *const parts[4] = {"weight", "bias", "running_mean", "running_var"};
    static const double initial[4] = {1, 0, 0, 1};
    oai_builder *b = emitter->builder;
    int64_t channels = oai_dim(b, x, 1);
    uint32_t index[4];
    for (int i = 0; i < 4; i++) {
        char full[256];
        snprintf(full, sizeof full, "%s.%s", name, parts[i]);
        oai_init init = i == 0 ? oai_init_normal(1, 0.02) : oai_init_constant(initial[i]);
        oai_net_param *param = declare(emitter, init, i < 2 ? OAI_ROLE_WEIGHT : OAI_ROLE_STATE, 1, &channels, full);
        if (!param) return OAI_NO_VALUE;
        index[i] = (uint32_t)(param - emitter->params);
    }
    oassl_node_attrs attrs = {.f = {1e-5, 0.1}};
    oai_value inputs[5] = {x, emitter->params[index[0]].value, emitter->params[index[1]].value,
                           state_value(emitter, index[2]), state_value(emitter, index[3])};
    if (!emitter->training || !emitter->bn_train) return oai_node(b, OASSL_OP_BATCH_NORM_INFER, inputs, 5, &attrs);
    oai_value y = oai_node(b, OASSL_OP_BATCH_NORM, inputs, 5, &attrs);
    if (y == OAI_NO_VALUE) return y;
    emitter->params[index[2]].new_state = y + 3;
    emitter->params[index[3]].new_state = y + 4;
    return y;
}

oassl_status oai_emitter_gradients(oai_emitter *emitter, oai_value loss) {
    uint32_t n = 0;
    size_t bytes = ((size_t)emitter->n_params + 1) * sizeof(oai_value);
    OAI_TRY(oai_builder_status(emitter->builder));
    oai_value *wrt = oai_alloc(emitter->host, 2 * bytes);
    if (!wrt) return oai_no_memory(2 * bytes, "gradients");
    oai_value *gradients = wrt + emitter->n_params + 1;
    for (uint32_t i = 0; i < emitter->n_params; i++)
        if (!emitter->params[i].frozen) wrt[n++] = emitter->params[i].value;
    oassl_status status = oai_gradient(emitter->builder, loss, wrt, n, gradients);
    n = 0;
    for (uint32_t i = 0; i < emitter->n_params && status == OASSL_STATUS_OK; i++)
        if (!emitter->params[i].frozen) emitter->params[i].gradient = gradients[n++];
    oai_free(emitter->host, wrt);
    return status;
}
