/* The context's inside: host services, the loaded backends, the plan cache. */
#ifndef OAI_RUNTIME_CONTEXT_H
#define OAI_RUNTIME_CONTEXT_H

#include "base/host.h"
#include "oassl/context.h"

const oai_host *oai_context_host(const oassl_context *context);

#endif
