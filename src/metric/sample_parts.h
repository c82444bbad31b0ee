/* What sample_cache.c, sample_input.c and sample_truth.c share. */
#ifndef OAI_METRIC_SAMPLE_PARTS_H
#define OAI_METRIC_SAMPLE_PARTS_H

#include "metric/sample_cache.h"

enum { MAX_SOURCES = OASSL_METRIC_MAX_SOURCES, MAX_BOXES = 64 };
enum { N_PROFILES = 16 }; /* beyond that, pixels are counted */
enum { N_MEMOS = 256 };

/* A map as it came, row by row without gaps: the caller's memory where that is so, else a copy. */
typedef struct dense_map {
    const void *values; /* float if single, else double */
    void *own;
    size_t room; /* bytes of it */
    int64_t h, w;
    bool single;
    double lo, hi;
} dense_map;

typedef struct kept_view {
    oai_view_key key;
    oai_view view;
    size_t room; /* bytes of view.own */
    bool fixed;  /* a baseline: the same for every sample */
} kept_view;

typedef struct kept_truth {
    oai_truth_key key;
    oai_truth truth;
    size_t room;
} kept_truth;

/* An answer given before; views and truths are told apart by address. */
typedef struct memo {
    const oai_view *view;
    const oai_truth *truth;
    double at;
    oai_counts counts;
    double ap;
} memo;

typedef struct kept_profile {
    const oai_view *view;
    const oai_truth *truth;
    oai_profile profile;
    size_t room;
} kept_profile;

struct oai_sample_cache {
    const oai_host *host;
    int32_t size;
    double tau;
    const oassl_metric_sample *sample;
    int32_t truth_rule;
    uint32_t n_parts, part_of[MAX_SOURCES];
    bool has_xywh; /* some numbers are x, y, width, height: only then do readings differ */
    dense_map maps[MAX_SOURCES], object, sum;
    bool has_sum;
    double *wide; /* a single map on its way to a double view */
    size_t wide_room;
    kept_view **views; /* pointers: entries stay where they are when more are added */
    kept_truth **truths;
    uint32_t n_views, n_kept_views, n_truths, n_kept_truths;
    oai_truth silent;
    oai_sort_space space;
    memo counts[N_MEMOS], aps[N_MEMOS], ranks[N_MEMOS];
    uint32_t n_counts, n_aps, n_ranks, n_profiles;
    kept_profile profiles[N_PROFILES];
};

/* sample_input.c: checks a sample and takes its maps. */
oassl_status oai_sample_take(oai_sample_cache *cache, const oassl_metric_sample *sample);
/* Room for `bytes` of a map's own. */
oassl_status oai_dense_room(const oai_host *host, dense_map *map, size_t bytes);
/* The composed picture a truth lies in: that of its first box's middle, or of its mask's first pixel. */
uint32_t oai_part_of_truth(const oai_sample_cache *cache, const oassl_metric_truth *truth);
/* Height and width of a place. */
void oai_place_size(const oai_sample_cache *cache, int32_t place, int64_t *out_h, int64_t *out_w);

#endif
