/* Which positions belong to which source: the iterative identification of losses.md 7, run with K known. */
#ifndef OAI_LOCALIZE_IDENTIFY_H
#define OAI_LOCALIZE_IDENTIFY_H

#include "base/host.h"

/* similarity [P]: S = <v_p, a>; visual [C, P]: v, unit vectors per position.  out_maps [K, P] receives map_t = -d1, the
 * negative distance of every position's feature to object t (0 at the object itself); out_picks [K] the position each
 * object was taken at.  Positions a source has claimed are not picked again unless all others are <= 0. */
oassl_status oai_identify(const oai_host *host, const float *similarity, const float *visual, uint32_t n_channels,
                          uint32_t n_positions, uint32_t n_sources, float *out_maps, uint32_t *out_picks);

#endif
