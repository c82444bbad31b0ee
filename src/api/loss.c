#include "oassl/loss.h"

#include <stdatomic.h>
#include <stdio.h>

#include "api/tensor_view.h"
#include "base/options.h"
#include "loss/loss.h"
#include "runtime/session.h"

enum { N_ROLES = 7, N_PARTS = 6 };

static const char *const role_names[N_ROLES] = {"visual",     "audio", "foreground", "background", "background_weight",
                                                "similarity", "maps"};

/* One compiled graph: the value alone, or with gradients. */
typedef struct loss_plan {
    oai_plan *plan;
    oai_value inputs[N_ROLES];    /* OAI_NO_VALUE for roles that are not used */
    oai_value parts[N_PARTS];     /* total, base, oca, foreground, background, ori */
    oai_value gradients[N_ROLES]; /* OAI_NO_VALUE where there is none */
    /* What the last evaluation ran on, for the next: taken and put back whole, so that evaluations on several threads at
     * once make their own. */
    _Atomic(oai_exec *) spare;
} loss_plan;

struct oassl_loss {
    oassl_context *context;
    const oai_host *host;
    oassl_loss_options options;
    oassl_loss_shape shape;
    int32_t ranks[N_ROLES]; /* 0 = not used */
    int64_t shapes[N_ROLES][OASSL_MAX_RANK];
    loss_plan value, gradient;
};

/* ---- creation ------------------------------------------------------------------------------------------------ */

static void use_role(oassl_loss *loss, int role, int32_t rank, const int64_t *shape) {
    loss->ranks[role] = rank;
    memcpy(loss->shapes[role], shape, (size_t)rank * sizeof *shape);
}

static void find_roles(oassl_loss *loss) {
    const oassl_loss_shape *s = &loss->shape;
    const oassl_loss_options *o = &loss->options;
    int from_similarity = o->kind == OASSL_LOSS_LVS_MAPS, from_maps = o->kind == OASSL_LOSS_ORI_MAPS;
    int captions = oai_loss_needs_captions(o), audio = oai_loss_needs_audio(o);
    if (from_similarity) use_role(loss, 5, 4, OAI_SHAPE(s->batch, s->batch, s->height, s->width));
    if (from_maps) use_role(loss, 6, 4, OAI_SHAPE(s->batch, s->n_foreground + 1, s->height, s->width));
    if (!from_similarity && !from_maps) use_role(loss, 0, 4, OAI_SHAPE(s->batch, s->channels, s->height, s->width));
    if (audio) use_role(loss, 1, 2, OAI_SHAPE(s->batch, s->channels));
    if (captions) use_role(loss, 2, 3, OAI_SHAPE(s->batch, s->n_foreground, s->channels));
    if (captions) use_role(loss, 3, 2, OAI_SHAPE(s->batch, s->channels));
    if (o->allow_empty_background && (captions || from_maps)) use_role(loss, 4, 1, OAI_SHAPE(s->batch));
}

static oassl_status check_extent(const char *name, int64_t value, int64_t least, int64_t most) {
    if (value >= least && value <= most) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "loss shape '%s': expected %lld..%lld, found %lld", name,
                    (long long)least, (long long)most, (long long)value);
}

static oassl_status check_shape(const oassl_loss_options *o, const oassl_loss_shape *s) {
    int maps = o->kind == OASSL_LOSS_LVS_MAPS || o->kind == OASSL_LOSS_ORI_MAPS;
    int captions = oai_loss_needs_captions(o) || o->kind == OASSL_LOSS_ORI_MAPS;
    if (s->dtype != OASSL_DTYPE_F32 && s->dtype != OASSL_DTYPE_F64)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "loss shape 'dtype': expected OASSL_DTYPE_F32 or _F64, found %d", s->dtype);
    OAI_TRY(check_extent("batch", s->batch, 1, OAI_LOSS_MAX_BATCH));
    OAI_TRY(check_extent("channels", s->channels, maps ? 0 : 1, 1 << 20));
    OAI_TRY(check_extent("height", s->height, 1, 4096));
    OAI_TRY(check_extent("width", s->width, 1, 4096));
    return check_extent("n_foreground", s->n_foreground, captions ? 1 : 0, 31);
}

/* Emits, differentiates if asked, and compiles. */
static oassl_status compile(const oassl_loss *loss, oai_builder *b, int with_gradients, loss_plan *out) {
    oai_value *in = out->inputs, wrt[N_ROLES], found[N_ROLES];
    int roles[N_ROLES];
    uint32_t n_wrt = 0;
    for (int r = 0; r < N_ROLES; r++) {
        in[r] = out->gradients[r] = OAI_NO_VALUE;
        if (!loss->ranks[r]) continue;
        in[r] = oai_input(b, role_names[r], loss->shape.dtype, loss->ranks[r], loss->shapes[r]);
        if (r == 4) continue;
        roles[n_wrt] = r;
        wrt[n_wrt++] = in[r];
    }
    oai_loss_inputs inputs = {in[0], in[1], in[2], in[3], in[4], in[5], in[6], OAI_NO_VALUE};
    oai_loss_parts p = oai_loss_emit(b, &loss->options, &inputs);
    const oai_value parts[N_PARTS] = {p.total, p.base, p.oca, p.foreground, p.background, p.ori};
    memcpy(out->parts, parts, sizeof parts);
    for (int k = 0; k < N_PARTS; k++)
        if (parts[k] != OAI_NO_VALUE) oai_output(b, parts[k]);
    OAI_TRY(oai_builder_status(b));
    if (with_gradients) OAI_TRY(oai_gradient(b, p.total, wrt, n_wrt, found));
    for (uint32_t k = 0; with_gradients && k < n_wrt; k++) {
        out->gradients[roles[k]] = found[k];
        if (found[k] != OAI_NO_VALUE) oai_output(b, found[k]);
    }
    oassl_graph *graph;
    OAI_TRY(oai_builder_finish(b, &graph));
    oassl_status status = oai_plan_create(loss->context, graph, NULL, 0, NULL, &out->plan);
    oai_graph_destroy(loss->host, graph);
    return status;
}

static oassl_status compile_both(oassl_loss *loss) {
    for (int with_gradients = 0; with_gradients < 2; with_gradients++) {
        oai_builder *builder;
        OAI_TRY(oai_builder_create(loss->host, &builder));
        oassl_status status = compile(loss, builder, with_gradients, with_gradients ? &loss->gradient : &loss->value);
        oai_builder_destroy(builder);
        OAI_TRY(status);
    }
    return OASSL_STATUS_OK;
}

oassl_status oassl_loss_create(oassl_context *context, const oassl_loss_options *options,
                               const oassl_loss_shape *shape, oassl_loss **out_loss) {
    static const oassl_loss_options defaults = OASSL_LOSS_OPTIONS_INIT;
    OAI_REQUIRE(out_loss);
    *out_loss = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(shape);
    oassl_loss_options own;
    oassl_loss_shape sizes;
    OAI_TRY(oai_options_read("oassl_loss_options", options ? options : &defaults, &own, sizeof own));
    OAI_TRY(oai_options_read("oassl_loss_shape", shape, &sizes, sizeof sizes));
    OAI_TRY(oai_loss_options_resolve(&own, &own));
    OAI_TRY(check_shape(&own, &sizes));
    const oai_host *host = oai_context_host(context);
    oassl_loss *loss = oai_calloc(host, 1, sizeof *loss);
    if (!loss) return oai_no_memory(sizeof *loss, "a loss");
    *loss = (oassl_loss){.context = context, .host = host, .options = own, .shape = sizes};
    find_roles(loss);
    oassl_status status = compile_both(loss);
    if (status != OASSL_STATUS_OK) {
        oassl_loss_destroy(loss);
        return status;
    }
    *out_loss = loss;
    return OASSL_STATUS_OK;
}

void oassl_loss_destroy(oassl_loss *loss) {
    if (!loss) return;
    loss_plan *plans[] = {&loss->value, &loss->gradient};
    for (int k = 0; k < 2; k++) {
        oai_exec_destroy(plans[k]->spare);
        oai_plan_destroy(plans[k]->plan);
    }
    oai_free(loss->host, loss);
}

/* ---- evaluation ---------------------------------------------------------------------------------------------- */

/* What one call owns: dense copies of strided views, the parts. */
typedef struct loss_call {
    const oassl_loss *loss;
    loss_plan *plan;
    const oassl_tensor *in[N_ROLES], *out[N_ROLES];
    void *dense_in[N_ROLES], *dense_out[N_ROLES]; /* owned, NULL where the caller's memory is used */
    union {
        float f32;
        double f64;
    } parts[N_PARTS];
} loss_call;

static oassl_status take_views(const oassl_loss_tensors *given, const char *what, const oassl_tensor **views) {
    oassl_loss_tensors own;
    OAI_TRY(oai_options_read(what, given, &own, sizeof own));
    const oassl_tensor *all[N_ROLES] = {
        own.visual, own.audio, own.foreground, own.background, own.background_weight, own.similarity, own.maps};
    memcpy(views, all, sizeof all);
    return OASSL_STATUS_OK;
}

static oassl_status check_inputs(const loss_call *call) {
    const oassl_loss *loss = call->loss;
    for (int r = 0; r < N_ROLES; r++) {
        if (loss->ranks[r] && !call->in[r])
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "loss input '%s' is missing", role_names[r]);
        if (!loss->ranks[r] && call->in[r])
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "loss input '%s' is not used by this loss", role_names[r]);
        if (!call->in[r]) continue;
        OAI_TRY(oai_view_check(call->in[r], role_names[r], loss->shape.dtype, loss->ranks[r], loss->shapes[r]));
        OAI_TRY(oai_view_check_finite(call->in[r], role_names[r]));
    }
    return OASSL_STATUS_OK;
}

static oassl_status check_outputs(const loss_call *call) {
    const oassl_loss *loss = call->loss;
    for (int r = 0; r < N_ROLES; r++) {
        if (!call->out[r]) continue;
        char name[64];
        snprintf(name, sizeof name, "gradient of %s", role_names[r]);
        if (r == 4) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "there is no %s", name);
        if (!loss->ranks[r])
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: this input is not used by this loss", name);
        OAI_TRY(oai_view_check(call->out[r], name, loss->shape.dtype, loss->ranks[r], loss->shapes[r]));
    }
    return OASSL_STATUS_OK;
}

static oassl_status dense_copy(const oassl_loss *loss, const oassl_tensor *view, int fill, void **out) {
    size_t bytes = (size_t)oai_view_count(view) * oai_dtype_bytes(view->dtype);
    *out = oai_alloc(loss->host, bytes ? bytes : 1);
    if (!*out) return oai_no_memory(bytes, "a dense copy");
    if (fill) oai_view_gather(view, *out);
    return OASSL_STATUS_OK;
}

static oassl_status bind_all(loss_call *call, oai_exec *exec) {
    const loss_plan *plan = call->plan;
    for (int r = 0; r < N_ROLES; r++) {
        if (!call->in[r]) continue;
        void *address = call->in[r]->data;
        if (!oai_view_contiguous(call->in[r])) {
            OAI_TRY(dense_copy(call->loss, call->in[r], 1, &call->dense_in[r]));
            address = call->dense_in[r];
        }
        OAI_TRY(oai_exec_bind(exec, plan->inputs[r], address));
        if (plan->gradients[r] == OAI_NO_VALUE) continue;
        /* The plan writes every gradient: those that nobody wants go to scratch. */
        if (call->out[r] && oai_view_contiguous(call->out[r])) {
            address = call->out[r]->data;
        } else {
            OAI_TRY(dense_copy(call->loss, call->in[r], 0, &call->dense_out[r]));
            address = call->dense_out[r];
        }
        OAI_TRY(oai_exec_bind(exec, plan->gradients[r], address));
    }
    for (int k = 0; k < N_PARTS; k++)
        if (plan->parts[k] != OAI_NO_VALUE) OAI_TRY(oai_exec_bind(exec, plan->parts[k], &call->parts[k]));
    return OASSL_STATUS_OK;
}

/* Gradients that were computed into scratch, and zeros where the loss does not depend on an input (lambda 0). */
static oassl_status deliver(loss_call *call) {
    for (int r = 0; r < N_ROLES; r++) {
        if (!call->out[r]) continue;
        if (call->plan->gradients[r] == OAI_NO_VALUE) {
            size_t bytes = (size_t)oai_view_count(call->out[r]) * oai_dtype_bytes(call->out[r]->dtype);
            OAI_TRY(dense_copy(call->loss, call->in[r], 0, &call->dense_out[r]));
            memset(call->dense_out[r], 0, bytes);
        }
        if (call->dense_out[r]) oai_view_scatter(call->dense_out[r], call->out[r]);
    }
    return OASSL_STATUS_OK;
}

static void report(const loss_call *call, oassl_loss_value *out_value) {
    double parts[N_PARTS] = {0};
    for (int k = 0; k < N_PARTS; k++)
        if (call->plan->parts[k] != OAI_NO_VALUE)
            parts[k] = call->loss->shape.dtype == OASSL_DTYPE_F64 ? call->parts[k].f64 : (double)call->parts[k].f32;
    oassl_loss_value value = {0, 0, parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]};
    OAI_GIVE(value, out_value);
}

static oassl_status run(loss_call *call) {
    oai_exec *exec = atomic_exchange(&call->plan->spare, NULL);
    oassl_status status = exec ? OASSL_STATUS_OK : oai_exec_create(call->plan->plan, &exec);
    if (status == OASSL_STATUS_OK) status = bind_all(call, exec);
    if (status == OASSL_STATUS_OK) status = oai_exec_run(exec);
    if (status == OASSL_STATUS_OK) status = deliver(call);
    if (status == OASSL_STATUS_OK) exec = atomic_exchange(&call->plan->spare, exec);
    oai_exec_destroy(exec);
    for (int r = 0; r < N_ROLES; r++) {
        oai_free(call->loss->host, call->dense_in[r]);
        oai_free(call->loss->host, call->dense_out[r]);
    }
    return status;
}

oassl_status oassl_loss_evaluate(const oassl_loss *loss, const oassl_loss_tensors *inputs, oassl_loss_value *out_value,
                                 const oassl_loss_tensors *out_gradients) {
    OAI_REQUIRE(out_value);
    oassl_loss_value nothing = {0};
    OAI_GIVE(nothing, out_value);
    OAI_REQUIRE(loss);
    OAI_REQUIRE(inputs);
    oassl_loss *own = (oassl_loss *)(uintptr_t)loss; /* for the spare alone */
    loss_call call = {.loss = loss, .plan = out_gradients ? &own->gradient : &own->value};
    OAI_TRY(take_views(inputs, "oassl_loss_tensors", call.in));
    if (out_gradients) OAI_TRY(take_views(out_gradients, "oassl_loss_tensors of gradients", call.out));
    OAI_TRY(check_inputs(&call));
    OAI_TRY(check_outputs(&call));
    OAI_TRY(run(&call));
    report(&call, out_value);
    return OASSL_STATUS_OK;
}
