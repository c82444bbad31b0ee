/* A weights file seen through the naming rules of published checkpoints (spec/models.md section 1):
 * descend into a `model_state_dict.`, `state_dict.` or `model.` wrapper, remove every leading `module.`, and one
 * `model.` that all names share.  What lies outside the wrapper (optimiser state) is not listed. */
#ifndef OAI_BASE_WEIGHTS_H
#define OAI_BASE_WEIGHTS_H

#include <stdbool.h>

#include "base/safetensors.h"

typedef struct oai_weights oai_weights;

oassl_status oai_weights_open(const oai_host *host, const char *path, oai_weights **out_weights);
void oai_weights_close(oai_weights *weights); /* NULL legal */
const char *oai_weights_path(const oai_weights *weights);
const oai_safetensors *oai_weights_file(const oai_weights *weights); /* metadata and the stored names */
uint32_t oai_weights_count(const oai_weights *weights);
const oai_stored_tensor *oai_weights_at(const oai_weights *weights, uint32_t index);
const oai_stored_tensor *oai_weights_find(const oai_weights *weights, const char *name);

/* Copies tensor `name` as f32 (from F32, F64, F16, BF16).  Missing: NOT_FOUND; another shape: SHAPE_MISMATCH. */
oassl_status oai_weights_read(const oai_weights *weights, const char *name, int32_t rank, const int64_t *shape,
                              float *out_values);

/* Names no network asks for and nobody needs a warning about: num_batches_tracked, *.position_ids, empty tensors. */
bool oai_weights_ignorable(const oai_stored_tensor *tensor);

#endif
