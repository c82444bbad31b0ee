/* Which positions belong to which source: the iterative identification of losses.md 7, run with K known. */
#ifndef OAI_LOCALIZE_IDENTIFY_H
#define OAI_LOCALIZE_IDENTIFY_H

#include "base/host.h"

enum {
    OAI_IDENTIFY_PUBLISHED = 0, /* a claimed position is out of the race, all others stay as they are */
    /* Besides, every position p loses the share max(0, cos(v_p, v_pick)) of its similarity.  On fine grids the rim of the
     * loudest source is not claimed and would be picked as the next one (docs/ablation.md). */
    OAI_IDENTIFY_SUPPRESS = 1
};

/* similarity [P]: S = <v_p, a>; visual [C, P]: v, unit vectors per position.  out_maps [K, P] receives map_t = -d1, the
 * negative distance of every position's feature to object t (0 at the object itself); out_picks [K] the position each
 * object was taken at.  Positions a source has claimed are not picked again unless all others are <= 0. */
oassl_status oai_identify(const oai_host *host, const float *similarity, const float *visual, uint32_t n_channels,
                          uint32_t n_positions, uint32_t n_sources, int rule, float *out_maps, uint32_t *out_picks);

#endif
