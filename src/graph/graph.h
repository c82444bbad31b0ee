/* Building, differentiating and finishing graphs.
 *
 * A builder records nodes and infers shapes as they are added.  The first error (bad shape, bad attribute, no memory)
 * sticks: later calls return OAI_NO_VALUE and do nothing, and oai_builder_status() gives it, so emitting code needs no
 * checks of its own.  Value ids are stable: finishing removes dead nodes but never renumbers values.
 *
 * Every extent of a graph is at least 1 and no value has more than 2^48 elements. */
#ifndef OAI_GRAPH_GRAPH_H
#define OAI_GRAPH_GRAPH_H

#include "base/host.h"
#include "oassl/backend.h"

typedef struct oai_builder oai_builder;
typedef uint32_t oai_value;
#define OAI_NO_VALUE OASSL_NO_VALUE

oassl_status oai_builder_create(const oai_host *host, oai_builder **out_builder);
void oai_builder_destroy(oai_builder *builder);
oassl_status oai_builder_status(const oai_builder *builder);
/* Makes the builder fail with a formatted message (the first failure wins); returns OAI_NO_VALUE. */
oai_value oai_builder_fail(oai_builder *builder, oassl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Names are copied; they appear in error texts and are how callers find inputs (oai_graph_find). */
oai_value oai_input(oai_builder *builder, const char *name, int32_t dtype, int32_t rank, const int64_t *shape);
oai_value oai_param(oai_builder *builder, const char *name, int32_t dtype, int32_t rank, const int64_t *shape);
oai_value oai_constant(oai_builder *builder, int32_t dtype, int32_t rank, const int64_t *shape, const void *data);
oai_value oai_scalar(oai_builder *builder, int32_t dtype, double value); /* rank-0 constant of a float dtype */

/* Adds a node and returns its first output (further outputs are first+1, ...).  attrs NULL = zeros. */
oai_value oai_node(oai_builder *builder, uint32_t op, const oai_value *inputs, uint32_t n_inputs,
                   const oassl_node_attrs *attrs);
/* Prefix of the names of nodes added from now on, e.g. "imgnet.layer1.0"; "" to clear.  For error texts only. */
void oai_scope(oai_builder *builder, const char *format, ...) __attribute__((format(printf, 2, 3)));

void oai_output(oai_builder *builder, oai_value value);
void oai_name_value(oai_builder *builder, oai_value value, const char *name);

/* Rank, shape, dtype of a value.  A static all-zero value when the builder has failed: never NULL.  The pointer is
 * valid until the next node is added: copy what you keep. */
const oassl_graph_value *oai_info(const oai_builder *builder, oai_value value);
int64_t oai_dim(const oai_builder *builder, oai_value value, int32_t axis); /* negative axis counts from the end */

/* Gradients of the scalar `loss`: adds the backward nodes, writes d loss / d wrt[k] to out_gradients[k], all different
 * values, or OAI_NO_VALUE where loss does not depend on wrt[k].  Constant for this purpose: comparisons, signs, counts,
 * indices, STOP_GRADIENT, every output of a node but its first.  Second derivatives are refused. */
oassl_status oai_gradient(oai_builder *builder, oai_value loss, const oai_value *wrt, uint32_t n_wrt,
                          oai_value *out_gradients);

/* BATCH_NORM_INFER directly after a CONV2D used nowhere else becomes part of its weights and bias (arithmetic on PARAM
 * values, which the runtime then evaluates once).  Call before oai_builder_finish on inference graphs. */
void oai_fold_batch_norm(oai_builder *builder);

/* Verified, dead code removed, hashed, one allocation, freed by oai_graph_destroy.  The builder stays usable. */
oassl_status oai_builder_finish(oai_builder *builder, oassl_graph **out_graph);
void oai_graph_destroy(const oai_host *host, oassl_graph *graph);

/* Every rule of ops.inc and backend.h on a graph from anywhere: ids in range, order, shapes equal to inferred ones,
 * sizes without overflow, constants inside the block.  What the plan fuzzer attacks. */
oassl_status oai_graph_verify(const oassl_graph *graph);
/* A copy of a verified graph without what its outputs do not depend on; checks and hashes it.  Dead values, inputs and
 * params among them, become OASSL_VALUE_UNUSED and keep their ids and names. */
oassl_status oai_graph_prune(const oai_host *host, const oassl_graph *graph, oassl_graph **out_graph);
oassl_status oai_graph_copy(const oai_host *host, const oassl_graph *graph, oassl_graph **out_graph);
/* The same computation on the same shapes and constants; names do not count. */
int oai_graph_equal(const oassl_graph *a, const oassl_graph *b);
uint64_t oai_graph_hash(const oassl_graph *graph); /* what oassl_graph.hash is set to */
/* Value id by name, OAI_NO_VALUE if there is none. */
oai_value oai_graph_find(const oassl_graph *graph, const char *name);

const char *oai_op_name(uint32_t op); /* "conv2d"; "?" for a number that is not an op */
int64_t oai_value_count(const oassl_graph_value *value); /* number of elements */
size_t oai_dtype_bytes(int32_t dtype);                   /* 0 for an unknown dtype */
const char *oai_dtype_name(int32_t dtype);               /* "F32"; "?" */

#endif
