/* Shared by the files of this folder. */
#ifndef OAI_RUNTIME_RUNTIME_H
#define OAI_RUNTIME_RUNTIME_H

#include <pthread.h>
#include <sys/types.h>

#include "runtime/registry.h"
#include "runtime/session.h"

struct oassl_context {
    oai_host host;
    pid_t process;
    oai_registry registry;
    oai_backend *active;
    int32_t allow_fallback;
    pthread_mutex_t lock; /* guards plans and their reference counts */
    oai_plan *plans;      /* alive ones, a list */
};

/* An output of the graph that is a param or a constant: copied by us, backends never see it. */
typedef struct oai_plan_copy {
    oai_value value;
    const void *from;
    size_t bytes;
} oai_plan_copy;

struct oai_plan {
    oassl_context *context;
    oai_plan *next;
    uint32_t n_references;
    /* the cache key: what was asked for */
    oassl_graph *graph;
    oassl_backend_param *params;
    uint32_t n_params;
    const oai_backend *asked;
    oassl_backend_plan_options options; /* ranges are the plan's own */
    /* what it became */
    const oai_backend *backend; /* differs from `asked` after a fallback */
    oassl_graph *main;          /* NULL when every output is a copy */
    void *folded;               /* results of what depends on params and constants only */
    oai_plan_copy *copies;
    uint32_t n_copies;
    oassl_backend_plan *compiled;
};

/* split.c: fills in main, folded and copies, and the params of main (to be freed by the caller). */
oassl_status oai_plan_split(oai_plan *plan, oassl_backend_param **out_params, uint32_t *out_n_params);

#endif
