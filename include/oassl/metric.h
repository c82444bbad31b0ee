/* Scores: how well heat-maps find what sounds.
 *
 * A metric collects samples -- heat-maps with the boxes or masks of what truly sounds -- and gives every canonical
 * figure at once, with two baselines beside it that never saw the sample: the centre box and the whole image.  Rules:
 * maps are resized (bilinear, half pixel) to 224 x 224, scaled to 0..1, binarised with >= at the half threshold (the
 * value at index floor(n/2) of the sorted map; "adaptive": the A largest, A the area of the truth), and compared by
 * consensus IoU; all in double precision.
 *
 * Maps that come as F32 are scored by the published protocols in single precision, step by step as those evaluators' NumPy,
 * PyTorch (on a CPU with FMA) and OpenCV (its own code, not Intel's IPP) do, resizing included: ties are ties where theirs
 * are.  F64 maps follow the same rules in double precision.
 *
 * Published numbers come from evaluators that disagree: other kernels, > for >=, success rates here and means there.
 * `protocols` names any number of them, to be reproduced in the same pass over the maps, flaws included; each result
 * says which.  oassl_metric_protocol() lists the names, oassl_metric_protocol_rules() explains one.  Figures of
 * different protocols must not be compared with each other.
 *
 * The result does not depend on the order in which samples were added, on batching, or on how they were spread over
 * metrics that were merged: bit for bit.  Of a sample a few numbers are kept, never its maps.
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
    /* The fields above rule oassl_metric_result; those below the protocols. */
    const char *protocols;  /* names separated by commas, e.g. "canonical,noprior"; NULL or "" = none */
    double tau;             /* slavc, avgn: maps are cosines divided by it; 0 = 1: plain cosines */
    double bias;            /* acl: added to logits before the sigmoid (its b/w) */
    double alpha;           /* weight of the map when an object map is mixed in; 0 = the protocol's, 0.4 */
    int32_t probabilities;  /* acl, avsbench: 1 = maps are probabilities already, not logits */
    uint32_t batch;         /* avsbench_official: frames a batch; 0 = 5, one clip */
    uint32_t bootstrap;     /* resamples behind the confidence intervals; 0 = none */
    uint32_t reserved;
    uint64_t seed;          /* of the bootstrap */
} oassl_metric_options;

#define OASSL_METRIC_OPTIONS_INIT                                                                                     \
    { sizeof(oassl_metric_options) }

/* What the published numbers of a box are. */
enum {
    OASSL_BOX_PIXELS = 0,     /* x0 y0 x1 y1 in pixels of the (part's) picture */
    OASSL_BOX_NORMALISED = 1, /* x0 y0 x1 y1 in 0..1: VGG-SS */
    OASSL_BOX_XYWH = 2,       /* x y width height in 0..1: MUSIC */
    OASSL_BOX_OF_256 = 3,     /* x0 y0 x1 y1 on 256 x 256, truncated to integers: Flickr-SoundNet */
    OASSL_BOX_OF_224 = 4      /* x0 y0 x1 y1 on 224 x 224, truncated to integers: IS3, VPO, AVSBench */
};

/* One thing in the picture: a source, or something silent. */
typedef struct oassl_metric_truth {
    const float (*boxes)[4]; /* [n_boxes] x0 y0 x1 y1 in pixels of the picture */
    const uint8_t *mask;     /* [height, width] of the picture, non-zero where it is; NULL = use the boxes */
    const char *label;       /* matches a twin to its source; NULL = matches any */
    uint32_t n_boxes;
    int32_t twin; /* among the silent: 1 = looks like the source of the same label */
    /* Instead of `boxes`, [n_boxes]: the annotation's own numbers, for results that are exactly the published ones.
     * Boxes that are empty, inverted or far outside, of which VGG-SS has 12, are legal here and cover nothing. */
    const double (*numbers)[4];
    int32_t numbers_are; /* OASSL_BOX_* */
    int32_t consensus;   /* 1: the boxes are of different annotators, as with OASSL_TRUTH_CONSENSUS */
    uint32_t part; /* with `numbers`, which are of one composed picture: which, 0..n_parts-1; else it is looked at
                      where the box or mask is */
    uint32_t reserved;
} oassl_metric_truth;

#define OASSL_METRIC_MAX_SOURCES 8

typedef struct oassl_metric_sample {
    const char *id;                    /* names the sample in errors; each may be added once */
    const oassl_tensor *maps;          /* [n_maps] of shape [h, w], F32 or F64 on the CPU, any strides, any size */
    const oassl_metric_truth *sources; /* [n_sources] */
    const oassl_metric_truth *silent;  /* [n_silent]; only twins matter */
    uint32_t n_maps;                   /* 0..8 */
    uint32_t n_sources;                /* 0..8; 0 = nothing in the picture sounds */
    uint32_t n_silent;
    int32_t width, height; /* of the picture the truth refers to; maps cover it exactly */
    uint32_t n_parts;      /* pictures composed into it; 0 = 1 */
    int32_t axis;          /* 0 = side by side, 1 = one above the other */
    const char *group;     /* samples of one picture, for IIoU and IAUC; NULL = on its own */
    const double *confidence;   /* that something sounds, for AP_conf and max-F1; NULL = from the map */
    const oassl_tensor *object; /* [h, w] an object map to mix in (EZ-VSL's OGL); NULL = none */
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

/* One figure of one protocol: "success_50", "auc", "cap", "ogl.success_50", "t0.35.auc" ... */
typedef struct oassl_metric_value {
    uint32_t struct_size;
    uint32_t reserved;
    const char *protocol, *name; /* the metric's, until samples are added to it or it is destroyed */
    double value;
    double low, high; /* 95 % percentile interval of the bootstrap over samples; both the value without bootstrap */
    uint64_t n;       /* samples (or pairs, pictures, frames) it is of */
} oassl_metric_value;

#define OASSL_METRIC_VALUE_INIT                                                                                       \
    { sizeof(oassl_metric_value) }

/* The protocols' names; NULL past the last. */
OASSL_API const char *oassl_metric_protocol(uint32_t index);
/* Its rules in one line, its flaws and choices in a second.  Writes at most `capacity` bytes with the closing NUL;
 * *out_bytes is what the whole text needs.  NOT_FOUND: no such protocol. */
OASSL_API oassl_status oassl_metric_protocol_rules(const char *protocol, char *out_text, uint64_t capacity,
                                                   uint64_t *out_bytes);

/* Copies what it needs.  NON_FINITE: a NaN or infinite value in a map, naming id, map and place; INVALID_ARGUMENT: an
 * id twice, a source without box or mask, a bad box; SHAPE_MISMATCH: a map that is not [h, w].  After a failure the
 * metric is as before. */
OASSL_API oassl_status oassl_metric_add(oassl_metric *metric, const oassl_metric_sample *sample);
/* Hands over sample `index`, 0..n-1; called from several threads at once.  What it points to must stay until `release`
 * is called for it (from the same thread), or, without one, until oassl_metric_add_all returns. */
typedef struct oassl_metric_feed {
    oassl_status (*sample)(void *user, uint64_t index, oassl_metric_sample *out_sample, void **out_kept);
    void (*release)(void *user, void *kept); /* may be NULL */
    void *user;
} oassl_metric_feed;
/* Adds n samples on the context's threads.  The result is bit for bit that of adding them one by one.  Progress and
 * cancelling through the context's callback, from the calling thread.  After a failure the metric is as before; the
 * text is that of the failing sample with the lowest number that was looked at. */
OASSL_API oassl_status oassl_metric_add_all(const oassl_context *context, oassl_metric *metric, uint64_t n,
                                            const oassl_metric_feed *feed);
/* Adds all samples of `from`, which stays as it is.  Options must be the same. */
OASSL_API oassl_status oassl_metric_merge(oassl_metric *metric, const oassl_metric *from);
/* `out_result->struct_size` set by the caller.  With no samples every score is 0. */
OASSL_API oassl_status oassl_metric_compute(const oassl_metric *metric, oassl_metric_result *out_result);
/* Pairs in the order of ids, then sources; n is oassl_metric_result.n_pairs.  `out_pair->struct_size` set by the
 * caller. */
OASSL_API oassl_status oassl_metric_get_pair(oassl_metric *metric, uint64_t index, oassl_metric_pair *out_pair);
/* Figures of the protocols asked for.  The first call after samples were added computes all of them. */
OASSL_API oassl_status oassl_metric_n_values(oassl_metric *metric, uint64_t *out_n);
/* `out_value->struct_size` set by the caller. */
OASSL_API oassl_status oassl_metric_get_value(oassl_metric *metric, uint64_t index, oassl_metric_value *out_value);
/* NOT_FOUND names what there is no figure of. */
OASSL_API oassl_status oassl_metric_find_value(oassl_metric *metric, const char *protocol, const char *name,
                                               oassl_metric_value *out_value);
/* The result as JSON text with protocol, counts, list hash and library version.  Writes at most `capacity` bytes with
 * the closing NUL; *out_bytes is what the whole text needs.  capacity 0 asks for the size. */
OASSL_API oassl_status oassl_metric_json(oassl_metric *metric, char *out_text, uint64_t capacity,
                                         uint64_t *out_bytes);

/* ---- heat-maps made elsewhere ---------------------------------------------------------------------------------- */

/* A stack or a folder of heat-maps, as `oassl metrics` reads them:
 *   maps.npy    [N, h, w], or [N, K, h, w] for K maps a sample; read one by one
 *   maps.npz    "maps" as above, but the file is read whole; optionally "ids" [N] (text), "counts" [N] (of the K maps the
 *               first so many are there), "objects" [N, h, w] (object maps), "confidence" [N]
 *   folder      <id>.npy, each [h, w] or [K, h, w]
 * Elements are f4, f8, f2, i4, i8 or u1.  Any number of threads may read. */
typedef struct oassl_maps oassl_maps;
OASSL_API oassl_status oassl_maps_open(const oassl_context *context, const char *path, oassl_maps **out_maps);
OASSL_API void oassl_maps_close(oassl_maps *maps);
OASSL_API uint64_t oassl_maps_count(const oassl_maps *maps);
/* NULL for a stack without ids, and past the end. */
OASSL_API const char *oassl_maps_id(const oassl_maps *maps, uint64_t index);
/* NOT_FOUND names the id. */
OASSL_API oassl_status oassl_maps_find(const oassl_maps *maps, const char *id, uint64_t *out_index);

typedef struct oassl_map_set {
    uint32_t struct_size;
    uint32_t n_maps;
    oassl_tensor maps[OASSL_METRIC_MAX_SOURCES];
    oassl_tensor object; /* data NULL = none */
    double confidence;
    int32_t has_confidence;
    int32_t reserved;
    void *owned; /* memory of the above, or NULL */
} oassl_map_set;

#define OASSL_MAP_SET_INIT                                                                                            \
    { sizeof(oassl_map_set) }

/* `out_set->struct_size` set by the caller; to be released. */
OASSL_API oassl_status oassl_maps_get(const oassl_maps *maps, uint64_t index, oassl_map_set *out_set);
OASSL_API void oassl_maps_release(const oassl_maps *maps, oassl_map_set *set);

/* ---- retrieval and the gap between the modalities ------------------------------------------------------------- */

/* Rank of the match = 1 + items more similar, + equally similar ones before it.  R@k: share of queries with rank <= k;
 * by class: any of the top k has the query's label. */
typedef struct oassl_retrieval {
    uint32_t struct_size;
    int32_t has_labels;
    double sound_to_picture[3], picture_to_sound[3];             /* R@1, R@5, R@10, the match being the same clip */
    double class_sound_to_picture[3], class_picture_to_sound[3]; /* the same by class; 0 without labels */
    double alignment;                                            /* mean cosine of a clip's own pair */
    double magnitude, magnitude_std;                             /* mean and population deviation of their distance */
    double centroid;                                             /* distance of the two means */
    uint64_t n;
} oassl_retrieval;

#define OASSL_RETRIEVAL_INIT                                                                                          \
    { sizeof(oassl_retrieval) }

/* Features [n, d] of pictures and sounds, F32 or F64 on the CPU; they are L2-normalised here.  `labels` [n] may be
 * NULL.  The context's threads are used; the result does not depend on how many.  NON_FINITE names the row. */
OASSL_API oassl_status oassl_metric_retrieval(const oassl_context *context, const oassl_tensor *pictures,
                                              const oassl_tensor *sounds, const int64_t *labels,
                                              oassl_retrieval *out_result);

/* Features kept in a file: .npz with "pictures" and "sounds" [n, d], f4 or f8, and optionally "labels" [n], text or
 * integers. */
typedef struct oassl_retrieval_features {
    uint32_t struct_size;
    uint32_t reserved;
    oassl_tensor pictures, sounds;
    int64_t *labels; /* NULL = none */
} oassl_retrieval_features;

#define OASSL_RETRIEVAL_FEATURES_INIT                                                                                 \
    { sizeof(oassl_retrieval_features) }

/* `out_features->struct_size` set by the caller; freed by the second. */
OASSL_API oassl_status oassl_retrieval_load(const oassl_context *context, const char *path,
                                            oassl_retrieval_features *out_features);
OASSL_API void oassl_retrieval_free(const oassl_context *context, oassl_retrieval_features *features);

#ifdef __cplusplus
}
#endif
#endif
