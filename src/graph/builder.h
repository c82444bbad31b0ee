/* The builder's inside, shared by the files of this folder: growing POD arrays and the sticky failure. */
#ifndef OAI_GRAPH_BUILDER_H
#define OAI_GRAPH_BUILDER_H

#include "graph/graph.h"

/* Limits of every graph.  An extent is at least 1; with at most 2^48 elements no product of sizes overflows. */
#define OAI_MAX_ELEMENTS ((int64_t)1 << 48)
#define OAI_MAX_OUTPUTS 5

typedef struct oai_type {
    int32_t dtype, rank;
    int64_t shape[OASSL_MAX_RANK];
} oai_type;

typedef struct oai_array {
    void *data;
    size_t n, capacity; /* in elements */
} oai_array;

struct oai_builder {
    const oai_host *host;
    oassl_status status; /* first failure */
    char message[768];
    oai_array nodes;     /* oassl_graph_node */
    oai_array values;    /* oassl_graph_value */
    oai_array operands;  /* uint32_t */
    oai_array outputs;   /* uint32_t */
    oai_array names;     /* char */
    oai_array constants; /* char, length a multiple of 64 */
    uint32_t scope;      /* offset into names */
};

static inline oassl_graph_node *oai_nodes(const oai_builder *b) { return b->nodes.data; }
static inline oassl_graph_value *oai_values(const oai_builder *b) { return b->values.data; }
static inline uint32_t *oai_operands(const oai_builder *b) { return b->operands.data; }

/* Room for `extra` more elements; failing makes the builder fail.  Returns the first new element or NULL. */
void *oai_array_add(oai_builder *b, oai_array *array, size_t extra, size_t element);

/* What the node's outputs are, or a failure without the node's name in it (shape.c). */
oassl_status oai_infer(const oassl_graph_value *values, const uint32_t *inputs, uint32_t n_inputs, uint32_t op,
                       const oassl_node_attrs *attrs, oai_type *out_types);
uint32_t oai_op_n_outputs(uint32_t op); /* 0 for an unknown op */

/* Extents at least 1, few enough elements, a known dtype. */
oassl_status oai_type_check(int32_t dtype, int32_t rank, const int64_t *shape);

/* "node 12 conv2d (imgnet.layer1.0)" for error texts. */
void oai_node_text(char *text, size_t bytes, uint32_t node, uint32_t op, const char *name);

#endif
