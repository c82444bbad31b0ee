/* What one sample's protocols share: its maps at each size and kernel asked for, its truth by each rule. */
#ifndef OAI_METRIC_SAMPLE_CACHE_H
#define OAI_METRIC_SAMPLE_CACHE_H

#include "metric/protocol.h"
#include "oassl/metric.h"

/* Maps that are made of the sample's. */
enum { OAI_FROM_SUM = -1, OAI_FROM_LARGEST = -2, OAI_FROM_OBJECT = -3, OAI_FROM_CENTRE = -4, OAI_FROM_WHOLE = -5 };

/* Mixtures of a map with the object map. */
enum {
    OAI_MIX_NONE,
    OAI_MIX_MINMAX,  /* EZ-VSL */
    OAI_MIX_SLAVC,   /* (cos + 1)/2 and x/2.5 */
    OAI_MIX_SCALED,  /* the object's x/2.5 alone */
    OAI_MIX_NEGATED, /* as MINMAX, of 1 - minmax(-M): sslalignment on LVS-type models */
};

typedef struct oai_view_key {
    int32_t from;                  /* map number or OAI_FROM_* */
    int32_t resize, object_resize; /* OAI_MAP_*, for F32 maps in the arithmetic of OAI_RESIZE_BY_* */
    int32_t place, part;
    int32_t mix;
    int32_t inverted; /* 1 - minmax(M) */
    double alpha;
} oai_view_key;

typedef struct oai_truth_key {
    int32_t source; /* -1 = all sources together (of the part, on OAI_PLACE_PART) */
    int32_t rule, reading, place, part;
} oai_truth_key;

typedef struct oai_sample_cache oai_sample_cache;
/* `tau` scales SLAVC's cosines. */
oassl_status oai_sample_cache_create(const oai_host *host, int32_t size, double tau, oai_sample_cache **out_cache);
void oai_sample_cache_destroy(oai_sample_cache *cache);

/* Takes the next sample, which must stay until the one after: checks shapes, values and boxes. */
oassl_status oai_sample_cache_load(oai_sample_cache *cache, const oassl_metric_sample *sample, int32_t truth_rule);
const oassl_metric_sample *oai_sample_cache_sample(const oai_sample_cache *cache);
uint32_t oai_sample_cache_n_parts(const oai_sample_cache *cache);
uint32_t oai_sample_cache_part_of(const oai_sample_cache *cache, uint32_t source);
oai_sort_space *oai_sample_cache_space(oai_sample_cache *cache);

/* Valid until the next sample. */
oassl_status oai_sample_cache_view(oai_sample_cache *cache, oai_view_key key, oai_view **out_view);
/* key.rule is OAI_TRUTH_UNION (as annotated) or OAI_TRUTH_COUNT. */
oassl_status oai_sample_cache_truth(oai_sample_cache *cache, oai_truth_key key, oai_truth **out_truth);
/* A silent thing on the whole picture; valid until the next call. */
oassl_status oai_sample_cache_silent(oai_sample_cache *cache, uint32_t index, oai_truth **out_truth);

/* The same counts and precisions are asked for by several protocols. */
oai_counts oai_sample_cache_count(oai_sample_cache *cache, const oai_view *view, double cutoff,
                                  const oai_truth *truth);
oassl_status oai_sample_cache_ap(oai_sample_cache *cache, oai_view *view, const oai_truth *truth, double *out_ap);
oassl_status oai_sample_cache_sort(oai_sample_cache *cache, oai_view *view);
double oai_sample_cache_rank(oai_sample_cache *cache, const oai_view *view, size_t rank);

#endif
