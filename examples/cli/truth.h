/* What a manifest says about where things are, as metrics take it: published numbers where the manifest keeps them, so
 * that results are exactly the published ones. */
#ifndef OASSL_CLI_TRUTH_H
#define OASSL_CLI_TRUTH_H

#include "cli.h"

typedef struct truth_book truth_book;

/* Returns the exit code, after printing what failed.  `data` as oassl_manifest_load takes it; `split` "" = all;
 * `mixtures` leaves out single records, which such a manifest has as the mixtures' parts.  A mask counts from a gray of
 * `mask_threshold` on; 0 = from 128 in a JPEG, elsewhere where it is not 0. */
int truth_open(const oassl_context *context, const char *data, const char *split, bool mixtures, uint64_t mask_threshold,
               truth_book **out_book);
void truth_close(truth_book *book);
uint64_t truth_count(const truth_book *book); /* records that can be scored */
uint64_t truth_n_left_out(const truth_book *book); /* records without any truth */
const char *truth_id(const truth_book *book, uint64_t index);

/* Fills everything of a sample but its maps.  Any thread. */
oassl_status truth_fill(const truth_book *book, uint64_t index, oassl_metric_sample *out_sample, void **out_kept);
void truth_release(void *kept);

#endif
