/* Parameters of networks: declared while a network is emitted, kept by name in a store.
 *
 * A network is a function that adds nodes to emitter->builder and asks oai_weight() for its tensors by their
 * checkpoint names.  The emitter remembers every tensor asked for, so one emission gives graph and parameter table
 * alike.
 *
 *   inference: tensors are PARAM values, given once at plan creation; BN uses its running statistics
 *   training:  tensors are INPUT values, bound to the trainer's memory; BN in train mode yields new running statistics
 *
 * Asking for the same name twice (a network applied twice) gives the same value. */
#ifndef OAI_MODEL_PARAMS_H
#define OAI_MODEL_PARAMS_H

#include <stdbool.h>

#include "base/strmap.h"
#include "base/weights.h"
#include "graph/emit.h"

/* ---- declaring ----------------------------------------------------------------------------------------------- */

enum {
    OAI_INIT_CONSTANT = 0, /* a */
    OAI_INIT_NORMAL = 1,   /* mean a, standard deviation b */
    OAI_INIT_UNIFORM = 2   /* -a .. a */
};

typedef struct oai_init {
    int32_t kind;
    double a, b;
} oai_init;

oai_init oai_init_constant(double value);
oai_init oai_init_normal(double mean, double deviation);
oai_init oai_init_uniform(double limit);
oai_init oai_init_kaiming_fan_out(const int64_t shape[4]); /* convolution weight before a ReLU */

enum { OAI_ROLE_WEIGHT = 0, OAI_ROLE_STATE = 1 /* BN running statistics: not learned by gradient */ };

typedef struct oai_net_param {
    char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
    oai_init init;
    int32_t role; /* OAI_ROLE_* */
    bool frozen;  /* gets no gradient */
    oai_value value;
    oai_value gradient;  /* after oai_emitter_gradients(); OAI_NO_VALUE for frozen and unused weights and for state */
    oai_value new_state; /* of state updated by this graph, else OAI_NO_VALUE */
} oai_net_param;

typedef struct oai_emitter {
    oai_builder *builder;
    const oai_host *host;
    bool training; /* the mode, fixed */
    int32_t dtype; /* OASSL_DTYPE_F32; F64 for gradient checks */
    /* applied to tensors and BN emitted from now on: set between networks */
    bool frozen;
    bool bn_train; /* batch statistics (only when training) */
    oai_net_param *params;
    uint32_t n_params, capacity;
    oai_strmap by_name;
} oai_emitter;

void oai_emitter_init(oai_emitter *emitter, const oai_host *host, oai_builder *builder, bool training);
void oai_emitter_free(oai_emitter *emitter);

/* The value of a weight; the name is printf-like.  A failure sticks to the builder. */
oai_value oai_weight(oai_emitter *emitter, oai_init init, int32_t rank, const int64_t *shape, const char *name, ...)
    __attribute__((format(printf, 5, 6)));
/* BatchNorm2d `name`.{weight, bias, running_mean, running_var} over axis 1, eps 1e-5, momentum 0.1. */
oai_value oai_batch_norm(oai_emitter *emitter, oai_value x, const char *name);
/* Differentiates the scalar loss with respect to every weight that is not frozen. */
oassl_status oai_emitter_gradients(oai_emitter *emitter, oai_value loss);
const oai_net_param *oai_emitter_find(const oai_emitter *emitter, const char *name); /* NULL if not there */

/* ---- keeping ------------------------------------------------------------------------------------------------- */

typedef struct oai_store_tensor {
    char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
    int64_t count;
    oai_init init;
    int32_t role;
    float *data; /* row-major */
} oai_store_tensor;

/* Named f32 tensors and text metadata: the weights of one model in memory. */
typedef struct oai_store oai_store;

/* One zeroed tensor for each parameter. */
oassl_status oai_store_create(const oai_host *host, const oai_net_param *params, uint32_t n_params,
                              oai_store **out_store);
/* The same without memory for the tensors (data NULL): oai_store_load() and oai_store_map() take it as they fill. */
oassl_status oai_store_create_empty(const oai_host *host, const oai_net_param *params, uint32_t n_params,
                                    oai_store **out_store);
/* The same tensors, in memory of their own, with the same contents and metadata. */
oassl_status oai_store_copy(const oai_store *store, oai_store **out_copy);
/* Before memory is taken for a network that `file` describes and is to fill: FORMAT when it declares far more than it
 * holds.  NULL is legal. */
oassl_status oai_store_check_declared(const oai_weights *file, const oai_net_param *params, uint32_t n_params);
void oai_store_destroy(oai_store *store); /* NULL legal */
const oai_host *oai_store_host(const oai_store *store);
uint32_t oai_store_count(const oai_store *store);
const oai_store_tensor *oai_store_at(const oai_store *store, uint32_t index);     /* data is writable until shared */
const oai_store_tensor *oai_store_find(const oai_store *store, const char *name); /* NULL if not there */
int64_t oai_store_n_learned(const oai_store *store); /* scalars in OAI_ROLE_WEIGHT tensors */

/* By each tensor's rule; a tensor's numbers depend on seed and name only. */
void oai_store_initialize(oai_store *store, uint64_t seed);

/* Reads the tensors whose name begins with `prefix` from a file where they are called `file_prefix` + rest; "" and ""
 * for a whole file of the same model.  Missing tensors: NOT_FOUND naming the first and counting them; of another
 * shape: SHAPE_MISMATCH, expected and found; names of the file that nobody asks for are logged as a warning, once.
 * Flags: PARTIAL, missing tensors keep their values, but at least one must be there; NO_HEAD, `prefix`fc.* is left. */
enum { OAI_LOAD_PARTIAL = 1, OAI_LOAD_NO_HEAD = 2 };
oassl_status oai_store_load(oai_store *store, const oai_weights *file, const char *prefix, const char *file_prefix,
                            uint32_t flags);
/* Fills an empty store from a whole file of the same model, like oai_store_load(), without copying what can be used as it
 * lies in the file: such tensors are read-only.  Takes the file over, also on failure. */
oassl_status oai_store_map(oai_store *store, oai_weights *file);
/* IO when somebody has written into the mapped file since, whose contents are then nobody's weights and whose end may be
 * missing: to be asked before mapped tensors are read. */
oassl_status oai_store_check_file(const oai_store *store);
/* Mapped tensors leave the process's memory; whoever reads them next gets them from the file again. */
void oai_store_rest(const oai_store *store);
/* Atomic; tensors in order of declaration, with the metadata. */
oassl_status oai_store_save(const oai_store *store, const char *path);

oassl_status oai_store_set_metadata(oai_store *store, const char *key, const char *value); /* copies */
const char *oai_store_metadata(const oai_store *store, const char *key);                   /* NULL if not there */
/* All of the file's keys among `keys` (NULL-terminated list) into the store. */
oassl_status oai_store_take_metadata(oai_store *store, const oai_weights *file, const char *const *keys);

/* The params list of oai_plan_create() for a graph emitted by `emitter` in inference mode; PARAM values removed as
 * dead are left out.  *out_params with oai_free. */
oassl_status oai_store_bind(const oai_store *store, const oai_emitter *emitter, const oassl_graph *graph,
                            oassl_backend_param **out_params, uint32_t *out_n_params);

#endif
