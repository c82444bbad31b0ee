/* Shape rules, split over shape.c and shape_nn.c. */
#ifndef OAI_GRAPH_SHAPE_H
#define OAI_GRAPH_SHAPE_H

#include "graph/builder.h"

/* One node whose outputs are to be found.  Before a rule runs, the number of inputs and their dtypes have been checked
 * and every output has the dtype of the float inputs and rank 0. */
typedef struct oai_query {
    const oassl_graph_value *values;
    const uint32_t *inputs;
    uint32_t n_inputs;
    const int64_t *i;
    const double *f;
    oai_type *out;
} oai_query;

static inline const oassl_graph_value *oai_in(const oai_query *q, uint32_t k) { return &q->values[q->inputs[k]]; }

oassl_status oai_need_rank(const oai_query *q, uint32_t input, int32_t rank);
/* Input k must have exactly this shape. */
oassl_status oai_need_shape(const oai_query *q, uint32_t input, int32_t rank, const int64_t *shape);
oassl_status oai_need_same(const oai_query *q, uint32_t input, uint32_t as);
/* attrs.i[k] must lie in min..max. */
oassl_status oai_need_attr(const oai_query *q, uint32_t k, const char *name, int64_t min, int64_t max);
/* attrs.f[k] must be finite and at least min. */
oassl_status oai_need_float(const oai_query *q, uint32_t k, const char *name, double min);
void oai_set(oai_type *type, int32_t rank, const int64_t *shape);

typedef oassl_status (*oai_shape_rule)(const oai_query *q);

oassl_status oai_shape_conv2d(const oai_query *q);
oassl_status oai_shape_conv2d_grad_input(const oai_query *q);
oassl_status oai_shape_conv2d_grad_weight(const oai_query *q);
oassl_status oai_shape_pool(const oai_query *q);
oassl_status oai_shape_max_pool_grad(const oai_query *q);
oassl_status oai_shape_avg_pool_grad(const oai_query *q);
oassl_status oai_shape_batch_norm(const oai_query *q);
oassl_status oai_shape_batch_norm_infer(const oai_query *q);
oassl_status oai_shape_batch_norm_grad(const oai_query *q);
oassl_status oai_shape_layer_norm(const oai_query *q);
oassl_status oai_shape_layer_norm_grad(const oai_query *q);
oassl_status oai_shape_sinkhorn(const oai_query *q);
oassl_status oai_shape_sinkhorn_grad(const oai_query *q);
oassl_status oai_shape_adam(const oai_query *q);

#endif
