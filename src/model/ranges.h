/* Calibrated ranges: what the values around a network's convolutions were seen to hold, kept with its weights so that
 * 8-bit plans can be made from the file alone.
 *
 * A value is named by a convolution, the name of its weights without ".weight", and its place there:
 *   input        what the convolution reads
 *   output       what it gives, batch normalisation included
 *   add, relu, max_pool   what becomes of that, one after the other, as long as it has one reader
 * Names do not depend on value ids, input sizes or batch; a value that two names fit has the first, but every convolution
 * has its own input.
 *
 * Metadata OAI_RANGES_KEY:
 *   {"samples": 128, "ranges": {"imgnet.conv1": {"input": [-2.1, 2.6], "relu": [0, 5.3], ...}, ...}} */
#ifndef OAI_MODEL_RANGES_H
#define OAI_MODEL_RANGES_H

#include "model/params.h"

#define OAI_RANGES_KEY "oassl_int8"

typedef struct oai_tap {
    oai_value value;
    char convolution[128];
    const char *place; /* static */
} oai_tap;

/* All named values of an inference graph with batch normalisation folded; *out_taps with oai_free. */
oassl_status oai_taps_of(const oai_host *host, const oassl_graph *graph, oai_tap **out_taps, uint32_t *out_n_taps);

/* Whether 8-bit plans can be made from the store.  NOT_FOUND: not calibrated; FORMAT: no JSON as above, a range that is
 * not finite or the wrong way round, a convolution of the network without an input range; the text names it. */
oassl_status oai_ranges_check(const oai_store *store);

/* The ranges of a graph by value id; *out_ranges with oai_free. */
oassl_status oai_ranges_bind(const oai_store *store, const oassl_graph *graph, oassl_backend_range **out_ranges,
                             uint32_t *out_n_ranges);

#endif
