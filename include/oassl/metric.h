/* Scores: how well heat-maps find what sounds.
 *
 * A metric collects samples -- heat-maps with the boxes or masks of what truly sounds -- and gives every canonical
 * figure at once, with two baselines beside it that never saw the sample: the centre box and the whole image.  Rules
 * (metrics.md 1 to 3): maps are resized (bilinear, half pixel) to 224 x 224, scaled to 0..1, binarised with >= at the
 * half threshold (the value at index floor(n/2) of the sorted map; "adaptive": the n - A largest, A the area of the
 * truth), and compared by consensus IoU; all in double precision.
 *
 * The result does not depend on the order in which samples were added, on batching, or on how they were spread over
 * metrics that were merged: bit for bit.
 *
 * One thread at a time per metric; give each thread its own and merge.
 *
 * Example: one source, map of any size, box in pixels of a 640 x 480 picture
 *   oassl_metric *metric;
 *   oassl_metric_create(ctx, NULL, &metric);
 *   float box[1][4] = {{10, 20, 200, 240}};
 *   oassl_metric_truth truth = {.boxes = box, .n_boxes = 1};
 *   oassl_metric_sample sample = {.id = "a", .maps = &map, .n_maps = 1, .sources = &truth, .n_sources = 1,
 *                                 .width = 640, .height = 480};
 *   oassl_metric_add(metric, &sample);
 *   oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
 *   oassl_metric_compute(metric, &result);
 *   printf("success@0.5 %.3f (centre box %.3f)\n", result.model.success_50, result.centre.success_50);
 *   oassl_metric_destroy(metric);
 *
 * Sources: cIoU and AUC from LVS (Chen et al. 2021), CAP, PIAP and CIoU@0.3 from NoPrior (Kim et al. 2024), pointing
 * game from Zhang et al. 2016. */
#ifndef OASSL_METRIC_H
#define OASSL_METRIC_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Map resizing: kernel, and where output pixels lie on the map. */
enum {
    OASSL_MAP_BILINEAR_HALF_PIXEL = 0,
    OASSL_MAP_BILINEAR_CORNERS = 1,
    OASSL_MAP_BICUBIC_HALF_PIXEL = 2,
    OASSL_MAP_BICUBIC_CORNERS = 3
};

/* Which pixels of a map count, t being the threshold. */
enum {
    OASSL_PREDICATE_GE = 0,       /* >= t */
    OASSL_PREDICATE_GT = 1,       /* > t */
    OASSL_PREDICATE_GT_OR_ONE = 2 /* > t, or 1 and more */
};

/* Several boxes of one source. */
enum {
    OASSL_TRUTH_UNION = 0,    /* any of them */
    OASSL_TRUTH_CONSENSUS = 1 /* annotators: one box 0.5, two and more 1 */
};

/* Which map belongs to which source. */
enum {
    OASSL_ASSIGN_BEST = 0,     /* one to one with the largest total IoU; missing maps score 0, surplus ones nothing */
    OASSL_ASSIGN_IN_ORDER = 1, /* map k is source k */
    OASSL_ASSIGN_GREEDY = 2    /* maps in turn take the best source left; surplus maps add zeros (NoPrior) */
};

typedef struct oassl_metric_options {
    uint32_t struct_size;
    uint32_t size;     /* side at which maps are compared, 8..2048; 0 = 224 */
    int32_t resize;    /* OASSL_MAP_* */
    int32_t predicate; /* OASSL_PREDICATE_* */
    int32_t truth;     /* OASSL_TRUTH_* */
    int32_t assign;    /* OASSL_ASSIGN_* */
} oassl_metric_options;

#define OASSL_METRIC_OPTIONS_INIT                                                                                     \
    { sizeof(oassl_metric_options) }

/* One thing in the picture: a source, or something silent. */
typedef struct oassl_metric_truth {
    const float (*boxes)[4]; /* [n_boxes] x0 y0 x1 y1 in pixels of the picture */
    const uint8_t *mask;     /* [height, width] of the picture, non-zero where it is; NULL = use the boxes */
    const char *label;       /* matches a twin to its source; NULL = matches any */
    uint32_t n_boxes;
    int32_t twin; /* among the silent: 1 = looks like the source of the same label */
} oassl_metric_truth;

#define OASSL_METRIC_MAX_SOURCES 8

typedef struct oassl_metric_sample {
    const char *id;                    /* names the sample in errors; each may be added once */
    const oassl_tensor *maps;          /* [n_maps] of shape [h, w], F32 or F64 on the CPU, any strides, any size */
    const oassl_metric_truth *sources; /* [n_sources] */
    const oassl_metric_truth *silent;  /* [n_silent]; only twins matter */
    uint32_t n_maps;                   /* 0..8 */
    uint32_t n_sources;                /* 1..8 */
    uint32_t n_silent;
    int32_t width, height; /* of the picture the truth refers to; maps cover it exactly */
} oassl_metric_sample;

/* Fractions in 0..1; over (sample, source) pairs unless said otherwise. */
typedef struct oassl_metric_scores {
    double success_30; /* cIoU >= 0.3: "CIoU@0.3" */
    double success_50; /* cIoU >= 0.5: "cIoU", "IoU@0.5" */
    double auc;        /* of success over thresholds 0, 0.05 .. 1 */
    double mean_ciou;
    double adaptive_success_30; /* the same with the adaptive threshold */
    double adaptive_success_50;
    double adaptive_auc;
    double adaptive_mean_ciou;
    double ap;       /* mean pixel average precision: AP (one source), CAP (several) */
    double piap;     /* best one-to-one assignment's mean pixel AP, mean over samples */
    double pointing; /* the map's maximum lies on the source (several maxima: the share that does) */
    double twin;     /* highest value on the source above that on all its silent twins; a tie counts half */
} oassl_metric_scores;

typedef struct oassl_metric_result {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t n_samples, n_pairs;
    uint64_t n_twin;    /* pairs with a silent twin; with none `twin` is 0 */
    uint64_t list_hash; /* of the ids, whatever their order: equal lists, equal hash */
    oassl_metric_scores model, centre, whole;
} oassl_metric_result;

#define OASSL_METRIC_RESULT_INIT                                                                                      \
    { sizeof(oassl_metric_result) }

/* What one (sample, source) pair scored. */
typedef struct oassl_metric_pair {
    uint32_t struct_size;
    uint32_t source; /* number within the sample; UINT32_MAX for a surplus map (greedy) */
    int32_t map;     /* the map assigned, -1 = none */
    int32_t has_twin;
    const char *id; /* the metric's, until it is destroyed */
    double ciou, adaptive_ciou, ap, pointing, twin;
    int32_t peak_x, peak_y; /* at the evaluation size */
} oassl_metric_pair;

#define OASSL_METRIC_PAIR_INIT                                                                                        \
    { sizeof(oassl_metric_pair) }

typedef struct oassl_metric oassl_metric;

/* `options` may be NULL: canonical. */
OASSL_API oassl_status oassl_metric_create(const oassl_context *context, const oassl_metric_options *options,
                                           oassl_metric **out_metric);
OASSL_API void oassl_metric_destroy(oassl_metric *metric);

/* Copies what it needs.  NON_FINITE: a NaN or infinite value in a map, naming id, map and place; INVALID_ARGUMENT: an
 * id twice, a source without box or mask, a bad box; SHAPE_MISMATCH: a map that is not [h, w].  After a failure the
 * metric is as before. */
OASSL_API oassl_status oassl_metric_add(oassl_metric *metric, const oassl_metric_sample *sample);
/* Adds all samples of `from`, which stays as it is.  Options must be the same. */
OASSL_API oassl_status oassl_metric_merge(oassl_metric *metric, const oassl_metric *from);
/* `out_result->struct_size` set by the caller.  With no samples every score is 0. */
OASSL_API oassl_status oassl_metric_compute(const oassl_metric *metric, oassl_metric_result *out_result);
/* Pairs in the order of ids, then sources; n is oassl_metric_result.n_pairs.  `out_pair->struct_size` set by the
 * caller. */
OASSL_API oassl_status oassl_metric_get_pair(oassl_metric *metric, uint64_t index, oassl_metric_pair *out_pair);
/* The result as JSON text with protocol, counts, list hash and library version.  Writes at most `capacity` bytes with
 * the closing NUL; *out_bytes is what the whole text needs.  capacity 0 asks for the size. */
OASSL_API oassl_status oassl_metric_json(const oassl_metric *metric, char *out_text, uint64_t capacity,
                                         uint64_t *out_bytes);

#ifdef __cplusplus
}
#endif
#endif
