/* The contexts of a program whose cases run on the reference and, where it is built, on oneDNN. */
#ifndef TEST_SUPPORT_TWO_BACKENDS_H
#define TEST_SUPPORT_TWO_BACKENDS_H

#include "support/net_run.h"

static oassl_context *reference, *fast; /* fast: NULL without the plug-in */

static int open_contexts(void **state) {
    (void)state;
    reference = open_context("reference");
    fast = open_context("onednn");
    return reference ? 0 : -1;
}

static int close_contexts(void **state) {
    (void)state;
    oassl_context_destroy(fast);
    oassl_context_destroy(reference);
    return 0;
}

#endif
