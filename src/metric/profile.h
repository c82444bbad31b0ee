/* A sorted view against a truth of whole weights: with the running count of truth under its pixels every threshold
 * costs a search, and average precision one pass. */
#ifndef OAI_METRIC_PROFILE_H
#define OAI_METRIC_PROFILE_H

#include "metric/truth.h"

/* in[i]: how many of the pixels order[i..n) are in the truth. */
typedef struct oai_profile {
    uint32_t *in; /* [n + 1]; of rings only where one begins */
} oai_profile;

/* Only weights 0 and 1. */
bool oai_truth_is_whole(const oai_truth *truth);
void oai_profile_fill(const oai_view *view, const oai_truth *truth, oai_profile *profile);
oai_counts oai_profile_count(const oai_view *view, double cutoff, const oai_profile *profile);
/* Average precision over distinct values, ties one step; 0 without positives. */
double oai_profile_ap(const oai_view *view, const oai_profile *profile, oai_sort_space *space);

#endif
