/* The samples a trainer learns from: records of a manifest's split with their captions, loaded, augmented and mixed.
 *
 * Sample `number` is determined by seed and number alone: its epoch's permutation, its crop, flip and partners. */
#ifndef OAI_TRAIN_DATASET_H
#define OAI_TRAIN_DATASET_H

#include "train/step.h"

typedef struct oai_dataset oai_dataset;

/* Checks every record of the split: caption, K, shape of mixtures; that the media are there.  Classes are those of the
 * whole manifest. */
oassl_status oai_dataset_open(const oai_host *host, const oassl_trainer_options *options, const char *manifest_path,
                              const char *captions_path, const char *split, oai_dataset **out_dataset);
void oai_dataset_close(oai_dataset *dataset); /* NULL legal */

uint64_t oai_dataset_count(const oai_dataset *dataset);
/* True when the manifest has records of this split that localisation can be scored on. */
bool oai_dataset_can_score(const oai_dataset *dataset, const char *split);
/* Extents of a training batch of `n` samples. */
oai_batch_shape oai_dataset_shape(const oai_dataset *dataset, int64_t n);
uint32_t oai_dataset_n_classes(const oai_dataset *dataset);
const char *oai_dataset_class(const oai_dataset *dataset, uint32_t index);

/* Training sample `number` (any, epochs follow one another) into position `position` of a batch.  Any threads. */
oassl_status oai_dataset_fill(oai_dataset *dataset, uint64_t number, const oai_batch *batch, uint32_t position);
/* Record `index` without augmentation: what validation of a classifier sees. */
oassl_status oai_dataset_fill_plain(oai_dataset *dataset, uint64_t index, const oai_batch *batch, uint32_t position);

#endif
