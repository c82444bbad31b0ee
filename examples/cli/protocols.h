/* Figures of the published protocols, as JSON and as tables: what `oassl eval` and `oassl metrics` share. */
#ifndef OASSL_CLI_PROTOCOLS_H
#define OASSL_CLI_PROTOCOLS_H

#include "cli.h"

/* Adds counts, list hash, settings, canonical scores with their baselines, and "protocols" to `out`. */
oassl_status protocols_to_json(oassl_metric *metric, json_t *out);
/* Prints a result: all digits as JSON, or tables. */
void protocols_show(const json_t *result, bool as_json);
/* The tables of result["protocols"] alone. */
void protocols_print(const json_t *protocols);

#endif
