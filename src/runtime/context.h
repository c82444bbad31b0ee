/* The context's inside: host services, the loaded backends, the plan cache. */
#ifndef OAI_RUNTIME_CONTEXT_H
#define OAI_RUNTIME_CONTEXT_H

#include "base/host.h"
#include "oassl/context.h"

const oai_host *oai_context_host(const oassl_context *context);

/* Complete options (struct_size already dealt with). */
oassl_status oai_context_open(const oassl_context_options *options, oassl_context **out_context);
void oai_context_close(oassl_context *context);

/* UNSUPPORTED in a child of the process that made the context: its threads do not exist there. */
oassl_status oai_context_check_process(const oassl_context *context);

/* Backends in the order of oassl_context_backend. */
uint32_t oai_context_n_backends(const oassl_context *context);
void oai_context_describe(const oassl_context *context, uint32_t index, oassl_backend_info *out_info);

#endif
