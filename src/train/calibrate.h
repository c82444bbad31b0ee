/* Confidence that means something: how often a picture truly shows what is heard, as a function of the similarity.
 *
 * The validation pairs, and the same pictures with sounds of other classes, are localised; a logistic curve fitted to
 * their similarities (Platt 1999, with his smoothed targets) is kept in the weights' metadata. */
#ifndef OAI_TRAIN_CALIBRATE_H
#define OAI_TRAIN_CALIBRATE_H

#include "train/validate.h"

/* Similarities of pairs that belong together and of pairs that do not. */
typedef struct oai_pairs {
    const double *matched, *mismatched;
    uint64_t n_matched, n_mismatched;
} oai_pairs;

typedef struct oai_calibration {
    double scale, offset; /* confidence = 1 / (1 + exp(-(scale * similarity + offset))); scale >= 0 */
} oai_calibration;

/* Both counts above 0.  Similarities that say nothing, or the contrary, give scale 0: the share of matched pairs. */
oai_calibration oai_fit_calibration(const oai_pairs *pairs);

/* Sets OAI_CALIBRATION_KEY of `store`, whose weights validation->store are.  Without enough validation pairs, and
 * after pre-training, nothing is set. */
oassl_status oai_calibrate(const oai_validation *validation, oai_store *store);

#endif
