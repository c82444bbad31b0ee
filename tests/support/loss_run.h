/* Runs an oassl_loss on plain arrays: what the loss tests share. */
#ifndef TEST_SUPPORT_LOSS_RUN_H
#define TEST_SUPPORT_LOSS_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "oassl/loss.h"

enum { R_VISUAL, R_AUDIO, R_FOREGROUND, R_BACKGROUND, R_WEIGHT, R_SIMILARITY, R_MAPS, N_ROLES };

typedef struct loss_case {
    oassl_loss_options options;
    oassl_loss_shape shape;
    const double *in[N_ROLES]; /* NULL = not given */
} loss_case;

static oassl_context *open_context(const char *backend) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    if (strcmp(backend, "reference") != 0) options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = 2;
    oassl_context *context = NULL;
    if (oassl_context_create(&options, &context) != OASSL_STATUS_OK) return NULL;
    return context;
}

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

static int32_t role_shape(const oassl_loss_shape *s, int role, int64_t *shape) {
    const int64_t shapes[N_ROLES][4] = {{s->batch, s->channels, s->height, s->width},
                                        {s->batch, s->channels},
                                        {s->batch, s->n_foreground, s->channels},
                                        {s->batch, s->channels},
                                        {s->batch},
                                        {s->batch, s->batch, s->height, s->width},
                                        {s->batch, s->n_foreground + 1, s->height, s->width}};
    static const int32_t ranks[N_ROLES] = {4, 2, 3, 2, 1, 4, 4};
    memcpy(shape, shapes[role], sizeof shapes[role]);
    return ranks[role];
}

static oassl_tensor dense_view(const oassl_loss_shape *s, int role, void *data) {
    oassl_tensor view = {.data = data, .device = OASSL_DEVICE_CPU, .dtype = s->dtype};
    int64_t shape[4], stride = 1;
    view.rank = role_shape(s, role, shape);
    for (int32_t k = view.rank - 1; k >= 0; k--) {
        view.shape[k] = shape[k];
        view.strides[k] = stride;
        stride *= shape[k];
    }
    return view;
}

static int64_t role_count(const oassl_loss_shape *s, int role) {
    int64_t shape[4], n = 1;
    int32_t rank = role_shape(s, role, shape);
    for (int32_t k = 0; k < rank; k++) n *= shape[k];
    return n;
}

enum { MOST = 1 << 16 };

/* Evaluates a case in its dtype; gradients[r] (may be NULL) get doubles. */
static oassl_loss_value run_loss(const oassl_loss *loss, const loss_case *c, double *const *gradients) {
    static double memory[2][N_ROLES][MOST];
    oassl_tensor in[N_ROLES], out[N_ROLES];
    const oassl_tensor *ins[N_ROLES] = {0}, *outs[N_ROLES] = {0};
    for (int r = 0; r < N_ROLES; r++) {
        if (!c->in[r]) continue;
        int64_t n = role_count(&c->shape, r);
        assert_true(n <= MOST);
        for (int64_t i = 0; i < n; i++) {
            if (c->shape.dtype == OASSL_DTYPE_F64)
                memory[0][r][i] = c->in[r][i];
            else
                ((float *)memory[0][r])[i] = (float)c->in[r][i];
        }
        memset(memory[1][r], 0xFF, (size_t)n * sizeof(double)); /* NaN until written */
        in[r] = dense_view(&c->shape, r, memory[0][r]);
        out[r] = dense_view(&c->shape, r, memory[1][r]);
        ins[r] = &in[r];
        if (gradients && gradients[r]) outs[r] = &out[r];
    }
    oassl_loss_tensors inputs = {sizeof inputs, 0, ins[0], ins[1], ins[2], ins[3], ins[4], ins[5], ins[6]};
    oassl_loss_tensors grads = {sizeof grads, 0, outs[0], outs[1], outs[2], outs[3], outs[4], outs[5], outs[6]};
    oassl_loss_value value = {sizeof value};
    MUST(oassl_loss_evaluate(loss, &inputs, &value, gradients ? &grads : NULL));
    for (int r = 0; r < N_ROLES; r++) {
        if (!outs[r]) continue;
        for (int64_t i = 0; i < role_count(&c->shape, r); i++)
            gradients[r][i] = c->shape.dtype == OASSL_DTYPE_F64 ? memory[1][r][i] : (double)((float *)memory[1][r])[i];
    }
    return value;
}

#endif
