/* The training objectives, usable alone: value and gradients on the caller's buffers.
 *
 * A loss is compiled once for its options and shapes and then evaluated any number of times, so that any training
 * program (PyTorch, NumPy, C++) can use the same numerics as oassl_trainer.
 *
 *   OASSL_LOSS_OASSL   lambda_base * LVS + lambda_oca * OCA + lambda_ori * ORI      (OA-SSL eq. 8, losses.md 8.3)
 *   OASSL_LOSS_LVS     tri-map contrastive loss from features                       (LVS eqs. 2-6, losses.md 1)
 *   OASSL_LOSS_OCA     object-aware contrastive alignment                           (OA-SSL eqs. 1-5, losses.md 8.1)
 *   OASSL_LOSS_ORI     object region isolation, by Sinkhorn distances               (OA-SSL eqs. 6-7, losses.md 8.2)
 *   OASSL_LOSS_LVS_MAPS, OASSL_LOSS_ORI_MAPS   the same two from similarity maps computed elsewhere
 *
 * Tensors (B batch, d channels, h x w positions, K foreground captions; all of one dtype, f32 or f64, on the CPU):
 *   visual             F_v [B, d, h, w], not normalised                 OASSL LVS OCA ORI
 *   audio              l_a [B, d]                                       OASSL LVS OCA
 *   foreground         F_r^p [B, K, d]                                  OASSL OCA ORI
 *   background         r^n [B, d]                                       OASSL OCA ORI
 *   background_weight  [B], 1 = sample has a background, 0 = it has none: only with allow_empty_background
 *   similarity         S[n, k] of picture n with sound k [B, B, h, w]   LVS_MAPS
 *   maps               S_r [B, K+1, h, w], background last              ORI_MAPS
 *
 * f32 losses run on the context's backend; f64 losses on the reference backend.
 * Threads: a loss is immutable; evaluate may be called from any threads at once.  The workspace of one evaluation is kept
 * for the next until the loss is destroyed.
 *
 * Example:
 *   oassl_loss_options options = OASSL_LOSS_OPTIONS_INIT;
 *   options.kind = OASSL_LOSS_LVS;
 *   oassl_loss_shape shape = {sizeof shape, OASSL_DTYPE_F32, B, d, h, w, 0};
 *   oassl_loss *loss;
 *   oassl_loss_create(ctx, &options, &shape, &loss);
 *   oassl_loss_tensors in = {sizeof in, .visual = &F, .audio = &a}, grad = {sizeof grad, .visual = &dF, .audio = &da};
 *   oassl_loss_value value = {sizeof value};
 *   oassl_loss_evaluate(loss, &in, &value, &grad);
 *   oassl_loss_destroy(loss); */
#ifndef OASSL_LOSS_H
#define OASSL_LOSS_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_loss oassl_loss;

enum {
    OASSL_LOSS_OASSL = 0,
    OASSL_LOSS_LVS = 1,
    OASSL_LOSS_OCA = 2,
    OASSL_LOSS_ORI = 3,
    OASSL_LOSS_LVS_MAPS = 4,
    OASSL_LOSS_ORI_MAPS = 5
};
/* EQ8: equation 8 as printed, without a base loss (lambda_base is taken as 0). */
enum { OASSL_LOSS_PRESET_DEFAULT = 0, OASSL_LOSS_PRESET_EQ8 = 1 };
/* Which pictures j are soft negatives of reference i: those with Sim(l_j, r_i) <= tau, or with Sim(r_j, r_i) <= tau.
 */
enum { OASSL_OCA_VISUAL_REF = 0, OASSL_OCA_REF_REF = 1 };
/* Interpretation A: points with a cost of intensity and place; B: the maps are the masses. */
enum { OASSL_ORI_INTENSITY_COST = 0, OASSL_ORI_MASS = 1 };
enum { OASSL_ORI_UNROLLED = 0, OASSL_ORI_ENVELOPE = 1 };
enum { OASSL_ORI_BATCH_SUM = 0, OASSL_ORI_BATCH_MEAN = 1 };
/* What is done to the cosine maps first: nothing, max(s, 0), (1 + s) / 2, (s - min) / (max - min) of each map. */
enum { OASSL_ORI_RAW = 0, OASSL_ORI_RELU = 1, OASSL_ORI_HALF = 2, OASSL_ORI_MINMAX = 3 };
/* Positions x/(w-1), y/(h-1), or x, y. */
enum { OASSL_ORI_UNIT = 0, OASSL_ORI_GRID = 1 };

/* Zero means the default in [brackets], except for the three lambdas: they count as written, zero switches the term
 * off, and OASSL_LOSS_OPTIONS_INIT sets them.  (For a threshold of exactly zero write 1e-12.) */
typedef struct oassl_loss_options {
    uint32_t struct_size;
    int32_t kind;                   /* OASSL_LOSS_* */
    int32_t preset;                 /* OASSL_LOSS_PRESET_* */
    int32_t allow_empty_background; /* 1: background_weight is given; samples with 0 skip their background terms */
    double lambda_base;             /* INIT: 1 */
    double lambda_oca;              /* INIT: 1 */
    double lambda_ori;              /* INIT: 0.1 */
    double lvs_positive;            /* tri-map threshold e_pos [0.65] */
    double lvs_negative;            /* tri-map threshold e_neg [0.4] */
    double lvs_width;               /* softness t of the thresholds [0.03] */
    double lvs_temperature;         /* T of the logits [0.07] */
    int32_t lvs_exclude_diagonal;   /* 1: leaves out the column -99 pos/T that the published code has */
    int32_t lvs_no_trimap;          /* 1: hard negatives are everything below e_pos */
    int32_t lvs_no_hard_negatives;  /* 1: no column for them */
    int32_t oca_rule;               /* OASSL_OCA_* */
    double oca_positive;            /* mask threshold alpha_p [0.65] */
    double oca_negative;            /* mask threshold alpha_n [0.4] */
    double oca_width;               /* softness omega [0.03] */
    double oca_tau;                 /* false-negative threshold [0.7] */
    double oca_temperature;         /* of the logits [1] */
    int32_t ori_cost;               /* OASSL_ORI_INTENSITY_COST ... */
    int32_t ori_gradient;           /* OASSL_ORI_UNROLLED ... */
    int32_t ori_reduction;          /* OASSL_ORI_BATCH_SUM ... */
    int32_t ori_transform;          /* OASSL_ORI_RAW ... */
    int32_t ori_coordinates;        /* OASSL_ORI_UNIT ... */
    int32_t ori_squared;            /* 1: squared intensity and spatial terms */
    uint32_t ori_iterations;        /* at most [100] */
    int32_t oca_per_source;         /* 1: a region for each of the K sources instead of one for all (an extension) */
    double ori_epsilon;        /* entropy weight [0.1] */
    double ori_stop;           /* stop when the potentials change less in sum [0.1]; negative = never */
    double ori_spatial_weight; /* of the spatial term [1]; negative = none */
} oassl_loss_options;

#define OASSL_LOSS_OPTIONS_INIT                                                                                       \
    { sizeof(oassl_loss_options), OASSL_LOSS_OASSL, OASSL_LOSS_PRESET_DEFAULT, 0, 1.0, 1.0, 0.1 }

typedef struct oassl_loss_shape {
    uint32_t struct_size;
    int32_t dtype;         /* OASSL_DTYPE_F32 or OASSL_DTYPE_F64 */
    int64_t batch;         /* B >= 1 */
    int64_t channels;      /* d; 0 for the _MAPS kinds */
    int64_t height, width; /* h, w */
    int64_t n_foreground;  /* K >= 1, the same for every sample; 0 for kinds without captions */
} oassl_loss_shape;

/* Views named by role; those a kind does not use are NULL.  Strides may be any non-negative ones. */
typedef struct oassl_loss_tensors {
    uint32_t struct_size;
    uint32_t reserved;
    const oassl_tensor *visual, *audio, *foreground, *background, *background_weight, *similarity, *maps;
} oassl_loss_tensors;

/* The value and its parts before the lambdas.  A part that is off or not of this kind is 0. */
typedef struct oassl_loss_value {
    uint32_t struct_size;
    uint32_t reserved;
    double total;
    double base;       /* LVS */
    double oca;        /* (foreground + background) / 2 */
    double foreground; /* L_frg */
    double background; /* L_bkg */
    double ori;
} oassl_loss_value;

/* options NULL = defaults.  INVALID_ARGUMENT: an option or size out of range, all lambdas zero; the text names it. */
OASSL_API oassl_status oassl_loss_create(oassl_context *context, const oassl_loss_options *options,
                                         const oassl_loss_shape *shape, oassl_loss **out_loss);
OASSL_API void oassl_loss_destroy(oassl_loss *loss);

/* `out_value->struct_size` and, if given, `out_gradients->struct_size` are set by the caller.  out_gradients may be
 * NULL; its views may be NULL where no gradient is wanted, else they are written (never added to).  They must not
 * overlap the inputs.  There is no gradient for background_weight.
 * INVALID_ARGUMENT: a tensor is missing or is not used by this kind.  SHAPE_MISMATCH: rank, extents (K included) or
 * dtype, expected and found.  NON_FINITE: names tensor and index of the first NaN or infinity. */
OASSL_API oassl_status oassl_loss_evaluate(const oassl_loss *loss, const oassl_loss_tensors *inputs,
                                           oassl_loss_value *out_value, const oassl_loss_tensors *out_gradients);

#ifdef __cplusplus
}
#endif
#endif
