/* Heat-maps made elsewhere, behind oassl/metric.h. */
#ifndef OAI_METRIC_MAPS_H
#define OAI_METRIC_MAPS_H

#include "base/host.h"
#include "oassl/metric.h"

oassl_status oai_maps_open(const oai_host *host, const char *path, oassl_maps **out_maps);
void oai_maps_close(oassl_maps *maps);
uint64_t oai_maps_count(const oassl_maps *maps);
const char *oai_maps_id(const oassl_maps *maps, uint64_t index);
oassl_status oai_maps_find(const oassl_maps *maps, const char *id, uint64_t *out_index);
oassl_status oai_maps_get(const oassl_maps *maps, uint64_t index, oassl_map_set *out_set);
void oai_maps_release(const oassl_maps *maps, oassl_map_set *set);

#endif
