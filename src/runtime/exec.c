/* Running a plan: every address is checked to be there before a backend sees the run. */
#include <string.h>

#include "runtime/runtime.h"

struct oai_exec {
    oai_plan *plan;
    oassl_backend_exec *run; /* NULL when every output is a copy */
    void **addresses;        /* of values; what is bound */
    uint8_t *needed;         /* of values: must be bound */
    uint32_t n_missing;
};

static void need(oai_exec *exec, uint32_t value) {
    if (!exec->needed[value]) exec->n_missing++;
    exec->needed[value] = 1;
}

static oassl_status fill(oai_exec *exec) {
    const oai_plan *plan = exec->plan;
    const oai_host *host = &plan->context->host;
    size_t n = plan->graph->n_values;
    exec->addresses = oai_calloc(host, n, sizeof *exec->addresses);
    exec->needed = oai_calloc(host, n, 1);
    if (!exec->addresses || !exec->needed) return oai_no_memory(n * sizeof *exec->addresses, "an exec");
    for (uint32_t k = 0; k < plan->graph->n_outputs; k++) need(exec, plan->graph->outputs[k]);
    if (!plan->main) return OASSL_STATUS_OK;
    for (uint32_t id = 0; id < plan->main->n_values; id++)
        if (plan->main->values[id].kind == OASSL_VALUE_INPUT) need(exec, id);
    return plan->backend->api->exec_create(plan->compiled, &exec->run);
}

oassl_status oai_exec_create(oai_plan *plan, oai_exec **out_exec) {
    *out_exec = NULL;
    oassl_context *context = plan->context;
    OAI_TRY(oai_context_check_process(context));
    oai_exec *exec = oai_calloc(&context->host, 1, sizeof *exec);
    if (!exec) return oai_no_memory(sizeof *exec, "an exec");
    exec->plan = plan;
    pthread_mutex_lock(&context->lock);
    plan->n_references++; /* an exec keeps its plan */
    pthread_mutex_unlock(&context->lock);
    oassl_status status = fill(exec);
    if (status != OASSL_STATUS_OK)
        oai_exec_destroy(exec);
    else
        *out_exec = exec;
    return status;
}

void oai_exec_destroy(oai_exec *exec) {
    if (!exec) return;
    oassl_context *context = exec->plan->context;
    if (oai_context_check_process(context) != OASSL_STATUS_OK) return;
    if (exec->run) exec->plan->backend->api->exec_destroy(exec->run);
    oai_free(&context->host, exec->addresses);
    oai_free(&context->host, exec->needed);
    oai_plan_destroy(exec->plan);
    oai_free(&context->host, exec);
}

static int is_copy(const oai_plan *plan, oai_value value) {
    for (uint32_t k = 0; k < plan->n_copies; k++)
        if (plan->copies[k].value == value) return 1;
    return 0;
}

oassl_status oai_exec_bind(oai_exec *exec, oai_value value, void *address) {
    const oassl_graph *g = exec->plan->graph;
    if (value >= g->n_values) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "bind: there is no value %u", value);
    const oassl_graph_value *v = &g->values[value];
    const char *name = g->names + v->name;
    if (!address)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "bind: value %u '%s': the address is NULL", value, name);
    if (!exec->needed[value]) {
        /* An input that nothing depends on was removed; giving it does no harm. */
        if (v->kind == OASSL_VALUE_INPUT || v->kind == OASSL_VALUE_UNUSED) return OASSL_STATUS_OK;
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "bind: value %u '%s' is neither an input nor an output", value,
                        name);
    }
    if (exec->run && !is_copy(exec->plan, value))
        OAI_TRY(exec->plan->backend->api->exec_bind(exec->run, value, address));
    if (!exec->addresses[value]) exec->n_missing--;
    exec->addresses[value] = address;
    return OASSL_STATUS_OK;
}

static oassl_status missing(const oai_exec *exec) {
    const oassl_graph *g = exec->plan->graph;
    for (uint32_t id = 0; id < g->n_values; id++)
        if (exec->needed[id] && !exec->addresses[id])
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "run: %s %u '%s' is not bound",
                            g->values[id].kind == OASSL_VALUE_INPUT ? "input" : "output", id,
                            g->names + g->values[id].name);
    return OASSL_STATUS_OK;
}

oassl_status oai_exec_run(oai_exec *exec) {
    const oai_plan *plan = exec->plan;
    OAI_TRY(oai_context_check_process(plan->context));
    if (exec->n_missing > 0) OAI_TRY(missing(exec));
    if (exec->run) OAI_TRY(plan->backend->api->exec_run(exec->run));
    for (uint32_t k = 0; k < plan->n_copies; k++) {
        const oai_plan_copy *copy = &plan->copies[k];
        memmove(exec->addresses[copy->value], copy->from, copy->bytes);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_exec_run_whole(oai_exec *exec) {
    oai_registry_uninterrupted(1);
    oassl_status status = oai_exec_run(exec);
    oai_registry_uninterrupted(0);
    return status;
}
