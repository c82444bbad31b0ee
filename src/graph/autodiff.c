/* Reverse-mode differentiation by adding nodes; the rules of the operations are in gradient.c. */
#include <string.h>

#include "graph/gradient.h"

void oai_give(oai_tape *t, uint32_t k, oai_value gradient) {
    oai_value *sum = &t->gradients[t->in[k]];
    *sum = *sum == OAI_NO_VALUE ? gradient : oai_add(t->b, *sum, gradient);
}

/* Values through which `wrt` reaches the loss's side of the graph. */
static void mark_needed(const oai_builder *b, const oai_value *wrt, uint32_t n_wrt, uint8_t *needed) {
    for (uint32_t k = 0; k < n_wrt; k++) needed[wrt[k]] = 1;
    for (size_t n = 0; n < b->nodes.n; n++) {
        const oassl_graph_node *node = &oai_nodes(b)[n];
        if (!oai_gradient_rules[node->op]) continue;
        uint8_t any = 0;
        for (uint32_t k = 0; k < node->n_inputs; k++) any |= needed[oai_operands(b)[node->first_input + k]];
        /* Only the first output is differentiated: statistics beside it are constants. */
        if (any) needed[node->first_output] = 1;
    }
}

static int wants_any(const oai_tape *t) {
    for (uint32_t k = 0; k < t->node.n_inputs; k++)
        if (oai_wants(t, k)) return 1;
    return 0;
}

static oassl_status backward(oai_tape *t, uint32_t n_nodes) {
    oai_builder *b = t->b;
    uint32_t scope = b->scope;
    for (uint32_t n = n_nodes; n-- > 0 && b->status == OASSL_STATUS_OK;) {
        t->node = oai_nodes(b)[n];
        t->out = t->node.first_output;
        t->dy = t->gradients[t->out];
        if (t->dy == OAI_NO_VALUE || !t->needed[t->out] || !oai_gradient_rules[t->node.op]) continue;
        t->in = oai_alloc(b->host, t->node.n_inputs * sizeof *t->in);
        if (!t->in) return oai_no_memory(t->node.n_inputs * sizeof *t->in, "autodiff");
        memcpy(t->in, oai_operands(b) + t->node.first_input, t->node.n_inputs * sizeof *t->in);
        b->scope = t->node.name; /* a backward node is named as its forward node */
        if (wants_any(t)) oai_gradient_rules[t->node.op](t);
        oai_free(b->host, t->in);
    }
    b->scope = scope;
    return oai_builder_status(b);
}

/* Two gradients may be one value (of x + y); a copy lets the caller bind each to memory of its own. */
static oassl_status collect(const oai_tape *t, const oai_value *wrt, uint32_t n_wrt, oai_value *out_gradients) {
    for (uint32_t k = 0; k < n_wrt; k++) {
        oai_value gradient = t->gradients[wrt[k]];
        for (uint32_t j = 0; j < k && gradient != OAI_NO_VALUE; j++)
            if (out_gradients[j] == gradient) gradient = oai_affine(t->b, gradient, 1, 0);
        out_gradients[k] = gradient;
    }
    oassl_status status = oai_builder_status(t->b);
    for (uint32_t k = 0; k < n_wrt && status != OASSL_STATUS_OK; k++) out_gradients[k] = OAI_NO_VALUE;
    return status;
}

static oassl_status check(oai_builder *b, oai_value loss, const oai_value *wrt, uint32_t n_wrt) {
    OAI_TRY(oai_builder_status(b));
    if (loss >= b->values.n || oai_value_count(oai_info(b, loss)) != 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "autodiff: the loss is not one number");
    for (uint32_t k = 0; k < n_wrt; k++)
        if (wrt[k] >= b->values.n)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "autodiff: there is no value %u", wrt[k]);
    return OASSL_STATUS_OK;
}

oassl_status oai_gradient(oai_builder *b, oai_value loss, const oai_value *wrt, uint32_t n_wrt,
                          oai_value *out_gradients) {
    for (uint32_t k = 0; k < n_wrt; k++) out_gradients[k] = OAI_NO_VALUE;
    OAI_TRY(check(b, loss, wrt, n_wrt));
    size_t n_values = b->values.n;
    oai_tape t = {.b = b, .gradients = oai_alloc(b->host, n_values * sizeof *t.gradients)};
    uint8_t *needed = oai_calloc(b->host, n_values, 1);
    oassl_status status = OASSL_STATUS_OK;
    if (!t.gradients || !needed) {
        status = oai_no_memory(n_values * sizeof *t.gradients, "autodiff");
    } else {
        memset(t.gradients, 0xff, n_values * sizeof *t.gradients); /* OAI_NO_VALUE */
        mark_needed(b, wrt, n_wrt, needed);
        t.needed = needed;
        if (needed[loss]) {
            oassl_graph_value type = *oai_info(b, loss);
            oai_value one = oai_scalar(b, type.dtype, 1.0);
            t.gradients[loss] = type.rank == 0 ? one : oai_reshape(b, one, type.rank, type.shape);
            status = backward(&t, (uint32_t)b->nodes.n);
        }
        if (status == OASSL_STATUS_OK) status = collect(&t, wrt, n_wrt, out_gradients);
    }
    oai_free(b->host, needed);
    oai_free(b->host, t.gradients);
    return status;
}
