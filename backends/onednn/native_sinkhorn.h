/* Shared by SINKHORN (native_sinkhorn.c) and its gradient (native_sinkhorn_grad.c).
 *
 * Potentials are in double: the test that stops the iterations then falls as it does in the reference.  So is the way
 * forward; the way back, whose results are f32, walks over f32 matrices.  Potentials and costs are in units of eps.
 * The cost is never stored: its spatial part is the same for every pair and symmetric (made once, at plan creation),
 * its intensity part is recomputed from two vectors.
 *
 * Iterations are in the scaling form: with a kernel K = exp(u_ref + v_ref - cost) near the potentials of the moment,
 * exp(u + v - cost) is a K b with a = exp(u - u_ref), b = exp(v - v_ref), and an iteration is one walk over K with two
 * multiplications an entry instead of two exponentials.  Where the scalings leave [1 / SCALING_LIMIT, SCALING_LIMIT]
 * the potentials are absorbed into a new K. */
#ifndef OAB_ONEDNN_NATIVE_SINKHORN_H
#define OAB_ONEDNN_NATIVE_SINKHORN_H

#include <omp.h>
#include <string.h>

#include "internal.h"
#include "native_math.h"

#define OAB_LANES 16
#define OAB_SINKHORN_FLOOR 1e-8
#define OAB_SINKHORN_ROWS 4     /* of K at a time: vectors are loaded once for all of them */
#define OAB_SINKHORN_VECTORS 30 /* of scratch a thread: the pair's 8 and the larger of forward's and backward's */
#define OAB_SINKHORN_MATRICES 3 /* of float, [rows, padded]: backward's; forward needs one of double */

typedef enum cost_kind { COST_SPACE, COST_ABSOLUTE, COST_SQUARED } cost_kind;

typedef struct problem {
    int64_t points, rows, padded, most; /* the matrices are [rows, padded], zero beyond [points, points] */
    int64_t used;                       /* columns in whole vectors of double, at most padded */
    cost_kind kind;
    int envelope;
    double eps, stop;
    const double *space; /* [points, padded], weighted, over eps */
} problem;

typedef struct pair { /* vectors of one pair, `padded` long */
    const problem *problem;
    double *s, *t;         /* intensities, scaled so that their difference (or its square) is in units of eps */
    double *ln_mu, *ln_nu; /* ln(marginal + floor) */
    double *u, *v;
    double *u_ref, *v_ref;
    void *matrices; /* OAB_SINKHORN_MATRICES of float, or one of double */
    double sum_mu, sum_nu;
} pair;

/* The calling thread's pair of maps; *out_vectors: OAB_SINKHORN_VECTORS - 8 further vectors, zeros. */
pair oab_sinkhorn_pair(const oab_call *call, const float *s, const float *t, double **out_vectors);

OAB_INLINE double oab_sinkhorn_cost(cost_kind kind, double a, double b, double space) {
    const double d = a - b;
    return kind == COST_SPACE ? space : space + (kind == COST_SQUARED ? d * d : fabs(d));
}

/* x / y, 0 in the padding */
OAB_INLINE double oab_sinkhorn_ratio(double x, double y) { return y > 0.0 ? x / y : 0.0; }

/* row[b] = exp(u_ref[a] + v_ref[b] - cost(a, b)): an entry of the kernel, for b below points */
#define OAB_SINKHORN_FILL_ROW(kind, k, a, row)                                                                        \
    do {                                                                                                              \
        const problem *p_ = (k)->problem;                                                                             \
        const double *restrict space_ = p_->space + (a)*p_->padded, *restrict t_ = (k)->t, *restrict v_ = (k)->v_ref; \
        const double s_ = (k)->s[a], u_ = (k)->u_ref[a];                                                              \
        _Pragma("omp simd") for (int64_t b_ = 0; b_ < p_->points; b_++)(row)[b_] =                                    \
            oab_exp64(u_ + v_[b_] - oab_sinkhorn_cost(kind, s_, t_[b_], space_[b_]));                                 \
    } while (0)

/* Calls inline function `f` with the cost's kind as a constant. */
#define OAB_SINKHORN_BY_KIND(kind, f, ...)                                                                            \
    do {                                                                                                              \
        if ((kind) == COST_SPACE)                                                                                     \
            f(COST_SPACE, __VA_ARGS__);                                                                               \
        else if ((kind) == COST_ABSOLUTE)                                                                             \
            f(COST_ABSOLUTE, __VA_ARGS__);                                                                            \
        else                                                                                                          \
            f(COST_SQUARED, __VA_ARGS__);                                                                             \
    } while (0)

#endif
