/* The published evaluators as rows of one table (metrics.md 4), flaws included. */
#ifndef OAI_METRIC_PROTOCOL_H
#define OAI_METRIC_PROTOCOL_H

#include "metric/scores.h"

enum { OAI_CUT_HALF, OAI_CUT_FIXED, OAI_CUT_GRID /* 0.05, 0.10 .. 0.95 */ };

/* Added to a kernel (OAI_MAP_*): the library whose arithmetic F32 maps are resized in.  It also marks a published protocol,
 * whose scores of F32 maps are computed in single precision as NumPy and PyTorch do. */
enum { OAI_RESIZE_KERNEL = 3, OAI_RESIZE_BY_TORCH = 4, OAI_RESIZE_BY_OPENCV = 8 };

/* Where a map is compared with its truth. */
enum {
    OAI_PLACE_SQUARE, /* the whole picture, composed or not, at size x size */
    OAI_PLACE_CANVAS, /* size x size for each composed picture, the others' parts of the truth zero */
    OAI_PLACE_PART    /* the composed picture of the source alone, at size x size */
};

/* How published box numbers become pixels when they are x, y, width, height. */
enum {
    OAI_READ_BOX,      /* trunc(size (x + w)) */
    OAI_READ_EACH,     /* trunc(size x) + trunc(size w) */
    OAI_READ_AS_XYXY   /* w taken for x1: wrong */
};

/* Which figures a protocol reports. */
enum {
    OAI_FIG_SUCCESS = 1 << 0, /* success_50, auc, mean_ciou */
    OAI_FIG_AT_30 = 1 << 1,
    OAI_FIG_AT_75 = 1 << 2,
    OAI_FIG_ADAPTIVE = 1 << 3,
    OAI_FIG_AP = 1 << 4, /* ap: continuous; of the binary map for noprior */
    OAI_FIG_PIAP = 1 << 5,
    OAI_FIG_GROUPS = 1 << 6,     /* iiou, iauc */
    OAI_FIG_CONFIDENCE = 1 << 7, /* ap_conf, max_f1, loc_acc, precision_50 */
    OAI_FIG_SIZES = 1 << 8,
    OAI_FIG_COUNT = 1 << 9, /* count_accuracy */
    OAI_FIG_MASKS = 1 << 10,          /* miou, f_score where the truth is masks */
    OAI_FIG_MASKS_OFFICIAL = 1 << 11, /* the same by batches */
    OAI_FIG_STRICT = 1 << 12          /* progress lines: success with > */
};

typedef struct oai_rules {
    const char *name;
    int32_t resize; /* OAI_MAP_*, OAI_RESIZE_BY_* */
    int32_t score;  /* OAI_SCORE_* */
    int32_t cut;    /* OAI_CUT_* */
    double at;      /* of OAI_CUT_FIXED */
    int32_t predicate;
    int32_t truth;  /* OAI_TRUTH_UNION: union or consensus, as annotated; OAI_TRUTH_COUNT: boxes added up */
    int32_t reading; /* OAI_READ_* */
    int32_t place;  /* OAI_PLACE_* */
    int32_t assign; /* OASSL_ASSIGN_*; greedy marks NoPrior's own procedure (5.2) */
    double alpha;   /* weight of the audio-visual map when mixed with an object map; 0 = never mixed */
    double eps;     /* added to cIoU's denominator */
    uint32_t figures;
    const char *success; /* what counts as success, in words */
    const char *note;    /* flaws and choices, for the output */
} oai_rules;

uint32_t oai_n_rules(void);
const oai_rules *oai_rules_at(uint32_t index);
const oai_rules *oai_rules_find(const char *name, size_t bytes); /* NULL: no such protocol */
/* One line: "bilinear half_pixel, minmax, half threshold, >=, ..." */
void oai_rules_text(const oai_rules *rules, char *out_text, size_t bytes);

/* A protocol scores one or several systems: the map, the object map, both mixed, another kernel, each threshold of a
 * grid. */
enum { OAI_SYSTEM_MAP, OAI_SYSTEM_OBJECT, OAI_SYSTEM_MIXED };
typedef struct oai_variant {
    const oai_rules *rules;
    char prefix[16]; /* of its figures' names: "", "ogl.", "t0.35." */
    int32_t system, resize, cut;
    double at;
    uint32_t figures;
    bool curve; /* F-score curves are kept */
} oai_variant;

enum { OAI_MAX_VARIANTS = 96 };
/* Adds the variants of one protocol; false when there is no room. */
bool oai_rules_expand(const oai_rules *rules, oai_variant *variants, uint32_t *n_variants);

#endif
