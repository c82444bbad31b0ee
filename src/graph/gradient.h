/* One step of reverse-mode differentiation: a node and the gradients of its outputs. */
#ifndef OAI_GRAPH_GRADIENT_H
#define OAI_GRAPH_GRADIENT_H

#include "graph/builder.h"
#include "graph/emit.h"

typedef struct oai_tape {
    oai_builder *b;
    oai_value *gradients; /* of every value that existed before, OAI_NO_VALUE where none has arrived */
    const uint8_t *needed; /* 1 for values that depend on what is differentiated by */
    oassl_graph_node node; /* copies: adding nodes moves the builder's arrays */
    oai_value *in;
    oai_value out;         /* first output */
    oai_value dy;          /* gradient of the first output */
} oai_tape;

typedef void (*oai_gradient_rule)(oai_tape *t);

/* True when input k wants a gradient. */
static inline int oai_wants(const oai_tape *t, uint32_t k) {
    return k < t->node.n_inputs && t->needed[t->in[k]];
}
/* Adds `gradient` to what input k has so far. */
void oai_give(oai_tape *t, uint32_t k, oai_value gradient);

/* NULL for an operation that passes no gradient on (its outputs count as constants). */
extern const oai_gradient_rule oai_gradient_rules[OASSL_OP_LIMIT];

#endif
