#include "train/step.h"

#include <math.h>
#include <string.h>

#include "loss/loss.h"

static const double BETA1 = 0.9, BETA2 = 0.999, ADAM_EPS = 1e-8;

/* Learning-rate groups; each has its own [lr, 1-beta1^t, 1-beta2^t]. */
enum { GROUP_VISUAL, GROUP_AUDIO, GROUP_TEXT, N_GROUPS };
enum { N_SCALARS = 3, N_PARTS = 4 };

struct oai_step {
    const oai_host *host;
    oassl_trainer_options options;
    oai_plan *plan;
    oai_exec *exec;
    uint32_t n_moments;
    oai_moment *moments;
    float *moment_block;
    float scalars[N_GROUPS][N_SCALARS];
    float parts[N_PARTS]; /* loss, base, oca, ori */
    float *bad;           /* [n_moments] elements of each gradient that are not finite */
    oai_value pictures, spectrograms, foreground, background, background_weight, targets;
};

/* What emission needs beside the step itself; lives during creation. */
typedef struct oai_emission {
    oai_step *step;
    oai_builder *builder;
    oai_emitter emitter;
    const oai_net_config *config;
    const oai_batch_shape *shape;
    oai_store *store;
    oai_value scalars[N_GROUPS], parts[N_PARTS], bad;
    oai_value *updated; /* [3 n_moments]: p', m', v' */
    oai_value *moments; /* [2 n_moments]: m, v */
} oai_emission;

/* ---- emitting ----------------------------------------------------------------------------------------------- */

static oai_value f32_input(oai_builder *b, const char *name, int32_t rank, const int64_t *shape) {
    return oai_input(b, name, OASSL_DTYPE_F32, rank, shape);
}

static oai_value emit_visual(oai_emission *e) {
    const oai_batch_shape *s = e->shape;
    const oassl_trainer_options *o = &e->step->options;
    e->step->pictures = f32_input(e->builder, "pictures", 4, OAI_SHAPE(s->n, 3, s->height, s->width));
    e->emitter.frozen = o->lr_visual < 0;
    e->emitter.bn_train = o->visual_bn == OASSL_BN_TRAIN;
    return oai_net_visual(&e->emitter, e->config, e->step->pictures);
}

/* Mean cross-entropy of one-hot targets. */
static void emit_classifier(oai_emission *e) {
    oai_builder *b = e->builder;
    oai_value visual = emit_visual(e);
    e->emitter.frozen = false;
    oai_value logits = oai_net_classify(&e->emitter, e->config, visual);
    e->step->targets = f32_input(b, "targets", 2, OAI_SHAPE(e->shape->n, e->shape->n_classes));
    oai_value hit = oai_mul(b, oai_log_softmax(b, logits, 1), e->step->targets);
    oai_value sum = oai_reduce(b, OASSL_OP_REDUCE_SUM, hit, OAI_AXIS(0) | OAI_AXIS(1), 0);
    e->parts[0] = oai_affine(b, sum, -1.0 / (double)e->shape->n, 0);
}

/* Pictures and captions by cosine: every row of the batch is compared with all captions, those of its own class share
 * the target; the same from captions to pictures. */
static oai_value emit_match(oai_emission *e, oai_value logits, oai_value same) {
    oai_builder *b = e->builder;
    oai_value target = oai_div(b, same, oai_reduce(b, OASSL_OP_REDUCE_SUM, same, OAI_AXIS(1), 1));
    oai_value hit = oai_mul(b, oai_log_softmax(b, logits, 1), target);
    oai_value sum = oai_reduce(b, OASSL_OP_REDUCE_SUM, hit, OAI_AXIS(0) | OAI_AXIS(1), 0);
    return oai_affine(b, sum, -0.5 / (double)e->shape->n, 0);
}

static void emit_alignment(oai_emission *e) {
    static const double TEMPERATURE = 0.07;
    oai_builder *b = e->builder;
    const oai_batch_shape *s = e->shape;
    oai_value visual = emit_visual(e);
    e->emitter.frozen = false;
    e->step->foreground = f32_input(b, "foreground", 3, OAI_SHAPE(s->n, 1, s->text_dim));
    e->step->targets = f32_input(b, "targets", 2, OAI_SHAPE(s->n, s->n_classes));
    oai_value pooled = oai_reduce(b, OASSL_OP_REDUCE_MEAN, visual, OAI_AXIS(2) | OAI_AXIS(3), 0);
    oai_value text = oai_net_text(&e->emitter, e->config, e->step->foreground);
    text = oai_reshape(b, text, 2, OAI_SHAPE(s->n, -1));
    oai_value picture = oai_loss_unit(b, pooled, 1), caption = oai_loss_unit(b, text, 1);
    oai_value same = oai_matmul(b, e->step->targets, e->step->targets, 0, 1);
    oai_value rows = oai_affine(b, oai_matmul(b, picture, caption, 0, 1), 1 / TEMPERATURE, 0);
    oai_value columns = oai_affine(b, oai_matmul(b, caption, picture, 0, 1), 1 / TEMPERATURE, 0);
    e->parts[0] = oai_add(b, emit_match(e, rows, same), emit_match(e, columns, same));
}

static void emit_captions(oai_emission *e) {
    oai_builder *b = e->builder;
    const oai_batch_shape *s = e->shape;
    e->step->foreground = f32_input(b, "foreground", 3, OAI_SHAPE(s->n, s->n_foreground, s->text_dim));
    e->step->background = f32_input(b, "background", 2, OAI_SHAPE(s->n, s->text_dim));
    if (e->step->options.loss.allow_empty_background)
        e->step->background_weight = f32_input(b, "background_weight", 1, OAI_SHAPE(s->n));
}

static void emit_pair(oai_emission *e) {
    oai_builder *b = e->builder;
    const oai_batch_shape *s = e->shape;
    const oassl_trainer_options *o = &e->step->options;
    oai_value visual = emit_visual(e), foreground = OAI_NO_VALUE, background = OAI_NO_VALUE;
    e->step->spectrograms = f32_input(b, "spectrograms", 4, OAI_SHAPE(s->n, 1, s->bins, s->frames));
    e->emitter.frozen = false;
    e->emitter.bn_train = !o->audio_bn_eval;
    oai_value audio = oai_net_audio(&e->emitter, e->config, e->step->spectrograms);
    if (s->n_foreground > 0) {
        emit_captions(e);
        foreground = oai_net_text(&e->emitter, e->config, e->step->foreground);
        background = oai_net_text(&e->emitter, e->config, e->step->background);
    }
    oai_loss_parts parts =
        oai_loss_oassl_emit(b, &o->loss, visual, audio, foreground, background, e->step->background_weight);
    e->parts[0] = parts.total;
    e->parts[1] = parts.base;
    e->parts[2] = parts.oca;
    e->parts[3] = parts.ori;
}

static int group_of(const char *name) {
    if (strncmp(name, "audnet.", 7) == 0) return GROUP_AUDIO;
    if (strncmp(name, "text_proj.", 10) == 0) return GROUP_TEXT;
    return GROUP_VISUAL;
}

static void emit_adam(oai_emission *e, const oai_net_param *param, uint32_t index) {
    oai_builder *b = e->builder;
    oai_value m = f32_input(b, "", param->rank, param->shape), v = f32_input(b, "", param->rank, param->shape);
    oassl_node_attrs attrs = {.f = {BETA1, BETA2, ADAM_EPS, e->step->options.weight_decay}};
    oai_value inputs[] = {param->value, param->gradient, m, v, e->scalars[group_of(param->name)]};
    oai_value updated = oai_node(b, OASSL_OP_ADAM, inputs, 5, &attrs);
    for (uint32_t k = 0; k < 3; k++) {
        oai_output(b, updated + k);
        e->updated[3 * index + k] = updated + k;
    }
    e->moments[2 * index] = m;
    e->moments[2 * index + 1] = v;
}

/* One number per learned tensor, concatenated: [n_moments]. */
static oai_value emit_finite_check(oai_emission *e, oai_value *counts) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->emitter.n_params; i++) {
        oai_value gradient = e->emitter.params[i].gradient;
        if (gradient == OAI_NO_VALUE) continue;
        oai_value count = oai_node(e->builder, OASSL_OP_COUNT_NON_FINITE, &gradient, 1, NULL);
        counts[n++] = oai_reshape(e->builder, count, 1, OAI_SHAPE(1));
    }
    return oai_concat(e->builder, counts, n, 0);
}

static oassl_status emit_update(oai_emission *e) {
    oai_step *step = e->step;
    OAI_TRY(oai_emitter_gradients(&e->emitter, e->parts[0]));
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->emitter.n_params; i++) n += e->emitter.params[i].gradient != OAI_NO_VALUE;
    if (n == 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "nothing to train: every network is frozen");
    step->n_moments = n;
    step->moments = oai_calloc(step->host, n, sizeof *step->moments);
    step->bad = oai_calloc(step->host, n, sizeof *step->bad);
    e->updated = oai_alloc(step->host, 5 * (size_t)n * sizeof *e->updated);
    if (!step->moments || !step->bad || !e->updated) return oai_no_memory(5 * (size_t)n * 8, "the optimiser's table");
    e->moments = e->updated + 3 * (size_t)n;
    e->bad = emit_finite_check(e, e->updated); /* `updated` is still free: used as the list of counts */
    oai_output(e->builder, e->bad);
    static const char *const names[N_GROUPS] = {"lr.visual", "lr.audio", "lr.text"};
    for (int g = 0; g < N_GROUPS; g++) e->scalars[g] = f32_input(e->builder, names[g], 1, OAI_SHAPE(N_SCALARS));
    for (uint32_t i = 0, k = 0; i < e->emitter.n_params; i++)
        if (e->emitter.params[i].gradient != OAI_NO_VALUE) emit_adam(e, &e->emitter.params[i], k++);
    for (uint32_t i = 0; i < e->emitter.n_params; i++)
        if (e->emitter.params[i].new_state != OAI_NO_VALUE) oai_output(e->builder, e->emitter.params[i].new_state);
    for (int k = 0; k < N_PARTS; k++)
        if (e->parts[k] != OAI_NO_VALUE) oai_output(e->builder, e->parts[k]);
    return oai_builder_status(e->builder);
}

/* ---- binding ------------------------------------------------------------------------------------------------ */

/* Moments in one zeroed block, in the order of the learned tensors. */
static oassl_status allocate_moments(oai_emission *e) {
    oai_step *step = e->step;
    int64_t total = 0;
    uint32_t k = 0;
    for (uint32_t i = 0; i < e->emitter.n_params; i++) {
        const oai_net_param *param = &e->emitter.params[i];
        if (param->gradient == OAI_NO_VALUE) continue;
        step->moments[k].tensor = oai_store_find(e->store, param->name);
        if (!step->moments[k].tensor)
            return oai_fail(OASSL_STATUS_INTERNAL, "tensor '%s' of the training graph is not in the model", param->name);
        total += step->moments[k++].tensor->count;
    }
    step->moment_block = oai_calloc(step->host, 2 * (size_t)total, sizeof(float));
    if (!step->moment_block) return oai_no_memory(2 * (size_t)total * sizeof(float), "Adam's moments");
    float *next = step->moment_block;
    for (k = 0; k < step->n_moments; k++) {
        step->moments[k].m = next;
        step->moments[k].v = next + step->moments[k].tensor->count;
        next += 2 * step->moments[k].tensor->count;
    }
    return OASSL_STATUS_OK;
}

static oassl_status bind_weights(oai_emission *e) {
    oai_exec *exec = e->step->exec;
    for (uint32_t i = 0; i < e->emitter.n_params; i++) {
        const oai_net_param *param = &e->emitter.params[i];
        const oai_store_tensor *tensor = oai_store_find(e->store, param->name);
        if (!tensor) return oai_fail(OASSL_STATUS_INTERNAL, "tensor '%s' is not in the model", param->name);
        OAI_TRY(oai_exec_bind(exec, param->value, tensor->data));
        if (param->new_state != OAI_NO_VALUE) OAI_TRY(oai_exec_bind(exec, param->new_state, tensor->data));
    }
    for (uint32_t k = 0; k < e->step->n_moments; k++) {
        oai_moment *moment = &e->step->moments[k];
        float *addresses[] = {moment->tensor->data, moment->m, moment->v};
        for (uint32_t j = 0; j < 3; j++) OAI_TRY(oai_exec_bind(exec, e->updated[3 * k + j], addresses[j]));
        OAI_TRY(oai_exec_bind(exec, e->moments[2 * k], moment->m));
        OAI_TRY(oai_exec_bind(exec, e->moments[2 * k + 1], moment->v));
    }
    return OASSL_STATUS_OK;
}

static oassl_status bind_results(oai_emission *e) {
    oai_step *step = e->step;
    for (int g = 0; g < N_GROUPS; g++) OAI_TRY(oai_exec_bind(step->exec, e->scalars[g], step->scalars[g]));
    for (int k = 0; k < N_PARTS; k++)
        if (e->parts[k] != OAI_NO_VALUE) OAI_TRY(oai_exec_bind(step->exec, e->parts[k], &step->parts[k]));
    return oai_exec_bind(step->exec, e->bad, step->bad);
}

static oassl_status compile(oai_emission *e, oassl_context *context) {
    switch (e->step->options.task) {
    case OASSL_TASK_CLASSIFY: emit_classifier(e); break;
    case OASSL_TASK_ALIGN: emit_alignment(e); break;
    default: emit_pair(e);
    }
    OAI_TRY(oai_builder_status(e->builder));
    OAI_TRY(emit_update(e));
    OAI_TRY(allocate_moments(e));
    oassl_graph *graph;
    OAI_TRY(oai_builder_finish(e->builder, &graph));
    oai_plan_options options = {.precision = e->step->options.precision,
                                .deterministic = e->step->options.deterministic};
    oassl_status status = oai_plan_create(context, graph, NULL, 0, &options, &e->step->plan);
    oai_graph_destroy(e->step->host, graph);
    OAI_TRY(status);
    OAI_TRY(oai_exec_create(e->step->plan, &e->step->exec));
    OAI_TRY(bind_weights(e));
    return bind_results(e);
}

oassl_status oai_step_create(oassl_context *context, const oassl_trainer_options *options, const oai_net_config *config,
                             const oai_batch_shape *shape, oai_store *store, oai_step **out_step) {
    *out_step = NULL;
    const oai_host *host = oai_context_host(context);
    oai_step *step = oai_calloc(host, 1, sizeof *step);
    if (!step) return oai_no_memory(sizeof *step, "the training step");
    step->host = host;
    step->options = *options;
    step->spectrograms = step->foreground = step->background = step->background_weight = step->targets = OAI_NO_VALUE;
    oai_emission e = {.step = step, .config = config, .shape = shape, .store = store};
    for (int k = 0; k < N_PARTS; k++) e.parts[k] = OAI_NO_VALUE;
    oassl_status status = oai_builder_create(host, &e.builder);
    if (status == OASSL_STATUS_OK) {
        oai_emitter_init(&e.emitter, host, e.builder, true);
        status = compile(&e, context);
        oai_emitter_free(&e.emitter);
        oai_builder_destroy(e.builder);
    }
    oai_free(host, e.updated);
    if (status != OASSL_STATUS_OK) {
        oai_step_destroy(step);
        return status;
    }
    *out_step = step;
    return OASSL_STATUS_OK;
}

void oai_step_destroy(oai_step *step) {
    if (!step) return;
    oai_exec_destroy(step->exec);
    oai_plan_destroy(step->plan);
    oai_free(step->host, step->moment_block);
    oai_free(step->host, step->moments);
    oai_free(step->host, step->bad);
    oai_free(step->host, step);
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static oassl_status bind_batch(oai_step *step, const oai_batch *batch) {
    const struct {
        oai_value value;
        float *data;
    } inputs[] = {{step->pictures, batch->pictures},           {step->spectrograms, batch->spectrograms},
                  {step->foreground, batch->foreground},       {step->background, batch->background},
                  {step->background_weight, batch->background_weight}, {step->targets, batch->targets}};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (inputs[i].value != OAI_NO_VALUE) OAI_TRY(oai_exec_bind(step->exec, inputs[i].value, inputs[i].data));
    return OASSL_STATUS_OK;
}

static void set_scalars(oai_step *step, uint64_t number, double lr) {
    const oassl_trainer_options *o = &step->options;
    const double factors[N_GROUPS] = {o->lr_visual, o->lr_audio, o->lr_text};
    for (int g = 0; g < N_GROUPS; g++) {
        step->scalars[g][0] = (float)(lr * (factors[g] > 0 ? factors[g] : 0));
        step->scalars[g][1] = (float)(1 - pow(BETA1, (double)number));
        step->scalars[g][2] = (float)(1 - pow(BETA2, (double)number));
    }
}

static oassl_status check_finite(const oai_step *step, uint64_t number) {
    for (uint32_t k = 0; k < step->n_moments; k++)
        if (step->bad[k] != 0)
            return oai_fail(OASSL_STATUS_NON_FINITE, "step %llu: the gradient of '%s' has %.0f elements that are NaN or infinite (loss %g)",
                            (unsigned long long)number, step->moments[k].tensor->name, step->bad[k], step->parts[0]);
    if (!isfinite(step->parts[0]))
        return oai_fail(OASSL_STATUS_NON_FINITE, "step %llu: the loss is %g", (unsigned long long)number, step->parts[0]);
    return OASSL_STATUS_OK;
}

oassl_status oai_step_run(oai_step *step, const oai_batch *batch, uint64_t number, double lr, oai_step_result *out_result) {
    OAI_TRY(bind_batch(step, batch));
    set_scalars(step, number, lr);
    OAI_TRY(oai_exec_run_whole(step->exec));
    *out_result = (oai_step_result){step->parts[0], step->parts[1], step->parts[2], step->parts[3]};
    return check_finite(step, number);
}

uint32_t oai_step_n_moments(const oai_step *step) { return step->n_moments; }

oai_moment oai_step_moment(const oai_step *step, uint32_t index) { return step->moments[index]; }

uint64_t oai_step_workspace_bytes(const oai_step *step) {
    oassl_backend_plan_info info = {sizeof info};
    return oai_plan_info(step->plan, &info) == OASSL_STATUS_OK ? info.workspace_bytes : 0;
}
