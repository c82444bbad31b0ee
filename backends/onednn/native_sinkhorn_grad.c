/* The gradient of the entropic transport distance (spec losses.md 8.2), one pair of maps a thread at a time.
 *
 * Backwards through an iteration, B and A are the kernel with scaled columns and rows (native_sinkhorn.h),
 *   B = alpha K beta,   alpha = exp(u - u_ref),             beta = 1 / (K' alpha)
 *   A = delta K gamma,  gamma = exp(v_before - v_ref),      delta = 1 / (K gamma)
 * so that the gradient of the cost is K * weight, elementwise, where each iteration adds two outer products to weight.
 */
#include "native_sinkhorn.h"

#define EXPONENT_LIMIT 90.0 /* of the scalings' logarithms */

typedef struct back { /* vectors `padded` long */
    double *gu, *gv;  /* gradients of the potentials after the iteration at hand */
    double *u, *v;    /* its u, and v before it */
    double *alpha, *gamma;
    double *columns;                   /* K' alpha */
    double *share;                     /* beta gv */
    double *gathered;                  /* K' (delta gu) */
    double *next_alpha, *next_columns; /* of the iteration before */
    double *ds, *dt;
    double *weight; /* [padded, padded]; unused where the cost does not depend on the maps */
} back;

/* d cost / d a, for a cost in units of eps and intensities scaled as in oab_sinkhorn_pair */
OAB_INLINE double slope_of(cost_kind kind, double a, double b) {
    const double d = a - b;
    return kind == COST_SQUARED ? 2.0 * d : d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0;
}

/* The plan's own term, pi = K: gC = pi (1 - C), gu = gv = pi C; envelope: gC = pi.  Also columns = K' 1. */
OAB_INLINE void plan_rows(cost_kind kind, const pair *k, const back *r) {
    const problem *p = k->problem;
    const double keep = p->envelope ? 0.0 : 1.0;
    const int64_t n = p->padded;
    const double *restrict t = k->t;
    double *restrict gv = r->gv, *restrict columns = r->columns;
    memset(r->weight, 0, (size_t)(n * n) * sizeof(double));
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict space = p->space + a * n, *restrict pi = k->kernel + a * n;
        double *restrict weight = r->weight + a * n;
        const double s = k->s[a];
        double gu = 0;
#pragma omp simd reduction(+ : gu)
        for (int64_t b = 0; b < p->points; b++) {
            const double cost = oab_sinkhorn_cost(kind, s, t[b], space[b]), moved = pi[b] * cost;
            weight[b] = 1.0 - keep * cost;
            gu += moved;
            gv[b] += moved;
            columns[b] += pi[b];
        }
        r->gu[a] = gu;
    }
}

/* One iteration backwards on four rows at a time.  with_v: through v = ln nu - lse(u - C), which needs `columns` and
 * adds to gu; with_u: through u = ln mu - lse(v_before - C), which turns gu into `gathered`; the columns for the
 * iteration before are summed on the way. */
OAB_INLINE void walk_back(const pair *k, const back *r, int with_v, int with_u, int weighted) {
    const int64_t n = k->problem->padded;
    const double *restrict gamma = r->gamma, *restrict share = r->share, *restrict alpha = r->alpha;
    double *restrict gathered = r->gathered, *restrict next = r->next_columns, *restrict gu = r->gu;
    for (int64_t i = 0; i < n; i += OAB_SINKHORN_ROWS) {
        const double *restrict k0 = k->kernel + i * n, *restrict k1 = k0 + n, *restrict k2 = k1 + n,
                               *restrict k3 = k2 + n;
        double *restrict w0 = r->weight + i * n, *restrict w1 = w0 + n, *restrict w2 = w1 + n, *restrict w3 = w2 + n;
        const double *restrict after = r->next_alpha + i;
        double row0 = 0, row1 = 0, row2 = 0, row3 = 0, taken0 = 0, taken1 = 0, taken2 = 0, taken3 = 0;
#pragma omp simd reduction(+ : row0, row1, row2, row3, taken0, taken1, taken2, taken3)
        for (int64_t j = 0; j < n; j++) {
            row0 += k0[j] * gamma[j];
            row1 += k1[j] * gamma[j];
            row2 += k2[j] * gamma[j];
            row3 += k3[j] * gamma[j];
            taken0 += k0[j] * share[j];
            taken1 += k1[j] * share[j];
            taken2 += k2[j] * share[j];
            taken3 += k3[j] * share[j];
        }
        const double a0 = with_v ? alpha[i] : 0, a1 = with_v ? alpha[i + 1] : 0, a2 = with_v ? alpha[i + 2] : 0,
                     a3 = with_v ? alpha[i + 3] : 0;
        gu[i] -= a0 * taken0;
        gu[i + 1] -= a1 * taken1;
        gu[i + 2] -= a2 * taken2;
        gu[i + 3] -= a3 * taken3;
        const double d0 = with_u ? oab_sinkhorn_ratio(gu[i], row0) : 0,
                     d1 = with_u ? oab_sinkhorn_ratio(gu[i + 1], row1) : 0,
                     d2 = with_u ? oab_sinkhorn_ratio(gu[i + 2], row2) : 0,
                     d3 = with_u ? oab_sinkhorn_ratio(gu[i + 3], row3) : 0;
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            gathered[j] += d0 * k0[j] + d1 * k1[j] + d2 * k2[j] + d3 * k3[j];
            next[j] += after[0] * k0[j] + after[1] * k1[j] + after[2] * k2[j] + after[3] * k3[j];
        }
        if (!weighted) continue;
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            w0[j] += a0 * share[j] + d0 * gamma[j];
            w1[j] += a1 * share[j] + d1 * gamma[j];
            w2[j] += a2 * share[j] + d2 * gamma[j];
            w3[j] += a3 * share[j] + d3 * gamma[j];
        }
    }
}

OAB_CLONES static void walk_both(const pair *k, const back *r) {
    if (k->problem->kind == COST_SPACE)
        walk_back(k, r, 1, 1, 0);
    else
        walk_back(k, r, 1, 1, 1);
}
OAB_CLONES static void walk_v(const pair *k, const back *r) { walk_back(k, r, 1, 0, 1); }
OAB_CLONES static void walk_u(const pair *k, const back *r) { walk_back(k, r, 0, 1, 1); }

/* ds += K weight slope, dt -= the same; weight starts anew */
OAB_INLINE void settle_rows(cost_kind kind, const pair *k, const back *r) {
    const problem *p = k->problem;
    const double *restrict t = k->t;
    double *restrict dt = r->dt;
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict kernel = k->kernel + a * p->padded;
        double *restrict weight = r->weight + a * p->padded;
        const double s = k->s[a];
        double ds = 0;
#pragma omp simd reduction(+ : ds)
        for (int64_t b = 0; b < p->points; b++) {
            const double along = kernel[b] * weight[b] * slope_of(kind, s, t[b]);
            ds += along;
            dt[b] -= along;
            weight[b] = 0.0;
        }
        r->ds[a] += ds;
    }
}

OAB_CLONES static void plan_back(const pair *k, const back *r) {
    OAB_SINKHORN_BY_KIND(k->problem->kind, plan_rows, k, r);
}
OAB_CLONES static void settle(const pair *k, const back *r) {
    OAB_SINKHORN_BY_KIND(k->problem->kind, settle_rows, k, r);
}

/* ---- unrolling ----------------------------------------------------------------------------------------------- */

static void load_potential(const problem *p, double *to, const float *from) {
    for (int64_t j = 0; j < p->points; j++) to[j] = from ? from[j] / p->eps : 0.0;
}

/* scaling = exp(potential - reference); returns the largest |exponent| */
OAB_CLONES static double scale_to(const problem *p, const double *potential, const double *reference,
                                  double *scaling) {
    double most = 0;
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < p->points; j++) {
        const double exponent = potential[j] - reference[j], size = fabs(exponent);
        most = size > most ? size : most;
        scaling[j] = oab_exp64(exponent);
    }
    return most;
}

OAB_CLONES static void column_sums(const pair *k, const double *restrict alpha, double *restrict columns) {
    const int64_t n = k->problem->padded;
    memset(columns, 0, (size_t)n * sizeof *columns);
    for (int64_t a = 0; a < k->problem->points; a++) {
        const double *restrict row = k->kernel + a * n;
#pragma omp simd
        for (int64_t b = 0; b < n; b++) columns[b] += alpha[a] * row[b];
    }
}

/* A new kernel around these potentials; what was gathered for the old one is settled. */
static void move_reference(const pair *k, const back *r, const double *u, const double *v) {
    const size_t bytes = (size_t)k->problem->points * sizeof(double);
    settle(k, r);
    memcpy(k->u_ref, u, bytes);
    memcpy(k->v_ref, v, bytes);
    oab_sinkhorn_fill_kernel(k);
}

static void make_share(const problem *p, const back *r) {
    for (int64_t j = 0; j < p->padded; j++) r->share[j] = oab_sinkhorn_ratio(r->gv[j], r->columns[j]);
}

/* Iteration `step` where one kernel cannot serve both halves: sharp costs (small eps), early iterations. */
static void halves_back(const pair *k, const back *r, const double *v_after) {
    const problem *p = k->problem;
    const double *v_before = r->v;
    move_reference(k, r, r->u, v_after);
    scale_to(p, r->u, k->u_ref, r->alpha);
    column_sums(k, r->alpha, r->columns);
    make_share(p, r);
    walk_v(k, r);
    move_reference(k, r, r->u, v_before);
    scale_to(p, v_before, k->v_ref, r->gamma);
    memset(r->gathered, 0, (size_t)p->padded * sizeof(double));
    walk_u(k, r);
}

/* d_mu, d_nu: gradients of ln(marginal), not in units of eps; NULL where the marginals are constant */
static void unroll(const pair *k, back *r, const float *all_u, const float *all_v, int64_t done, double *d_mu,
                   double *d_nu) {
    const problem *p = k->problem;
    const size_t bytes = (size_t)p->padded * sizeof(double);
    int known = 1; /* columns belong to this iteration: plan_back made them for the last */
    load_potential(p, r->u, all_u + (done - 1) * p->points);
    for (int64_t step = done - 1; step >= 0; step--) {
        load_potential(p, k->v, all_v + step * p->points);
        load_potential(p, r->v, step ? all_v + (step - 1) * p->points : NULL);
        load_potential(p, k->u, step ? all_u + (step - 1) * p->points : NULL); /* for the next turn */
        if (scale_to(p, r->u, k->u_ref, r->alpha) > EXPONENT_LIMIT ||
            scale_to(p, k->v, k->v_ref, r->gamma) > EXPONENT_LIMIT) {
            move_reference(k, r, r->u, k->v);
            scale_to(p, r->u, k->u_ref, r->alpha);
            known = 0;
        }
        for (int64_t j = 0; d_nu && j < p->points; j++) d_nu[j] += p->eps * r->gv[j];
        if (scale_to(p, r->v, k->v_ref, r->gamma) > EXPONENT_LIMIT) {
            halves_back(k, r, k->v);
            known = 0;
        } else {
            if (!known) column_sums(k, r->alpha, r->columns);
            make_share(p, r);
            scale_to(p, k->u, k->u_ref, r->next_alpha);
            memset(r->gathered, 0, bytes);
            memset(r->next_columns, 0, bytes);
            walk_both(k, r);
            known = 1;
            double *columns = r->columns;
            r->columns = r->next_columns;
            r->next_columns = columns;
        }
        for (int64_t j = 0; d_mu && j < p->points; j++) d_mu[j] += p->eps * r->gu[j];
        for (int64_t j = 0; j < p->points; j++) r->gv[j] = -r->gamma[j] * r->gathered[j];
        memset(r->gu, 0, bytes);
        memcpy(r->u, k->u, bytes);
    }
}

/* ---- to the maps --------------------------------------------------------------------------------------------- */

/* Gradient of ln(marginal + floor), or of the marginal (envelope), back to the map it was made of. */
static void mass_back(const problem *p, const double *g, const float *map, double sum, int of_logarithm,
                      double upstream, float *out) {
    double inner = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < p->points; j++) {
            const double mass = ((map[j] > 0 ? (double)map[j] : 0.0) + OAB_SINKHORN_FLOOR) / sum;
            const double slope = of_logarithm ? g[j] / (mass + OAB_SINKHORN_FLOOR) : g[j];
            if (pass == 0)
                inner += slope * mass;
            else
                out[j] = map[j] > 0 ? (float)(upstream * (slope - inner) / sum) : 0.0f;
        }
}

/* Gradients of the two maps from those of their marginals. */
static void to_masses(const pair *k, const double *d_mu, const double *d_nu, const float *s, const float *t,
                      double upstream, float *ds, float *dt) {
    const problem *p = k->problem;
    if (ds) mass_back(p, d_mu, s, k->sum_mu, !p->envelope, upstream, ds);
    if (dt) mass_back(p, d_nu, t, k->sum_nu, !p->envelope, upstream, dt);
}

/* The same from those of the intensities: back from scaled ones, and from a distance in units of eps. */
static void to_intensities(const pair *k, const back *r, double upstream, float *ds, float *dt) {
    const problem *p = k->problem;
    const double scale = upstream * (p->kind == COST_SQUARED ? sqrt(p->eps) : 1.0);
    settle(k, r);
    for (int64_t j = 0; j < p->points; j++) {
        if (ds) ds[j] = (float)(scale * r->ds[j]);
        if (dt) dt[j] = (float)(scale * r->dt[j]);
    }
}

static void pair_gradient(const oab_call *call, int64_t n) {
    const problem *p = call->node->extra;
    const int64_t points = p->points, w = p->padded, said = ((const int32_t *)(const void *)call->in[4])[n];
    const int64_t done = said < p->most ? said : p->most;
    const float *s = call->in[0] + n * points, *t = call->in[1] + n * points;
    const float *all_u = call->in[2] + n * p->most * points, *all_v = call->in[3] + n * p->most * points;
    const float *last_u = done ? all_u + (done - 1) * points : NULL,
                *last_v = done ? all_v + (done - 1) * points : NULL;
    float *ds = call->out[0] ? call->out[0] + n * points : NULL, *dt = call->out[1] ? call->out[1] + n * points : NULL;
    double *rest, *weight;
    const pair k = oab_sinkhorn_pair(call, s, t, &rest, &weight);
    double *d_mu = rest + 13 * w, *d_nu = rest + 14 * w;
    back r = {rest,         rest + w,     rest + 2 * w, rest + 3 * w,  rest + 4 * w,  rest + 5 * w,  rest + 6 * w,
              rest + 7 * w, rest + 8 * w, rest + 9 * w, rest + 10 * w, rest + 11 * w, rest + 12 * w, weight};
    load_potential(p, k.u_ref, last_u);
    load_potential(p, k.v_ref, last_v);
    oab_sinkhorn_fill_kernel(&k);
    plan_back(&k, &r);
    const int mass = p->kind == COST_SPACE;
    if (!p->envelope && done) unroll(&k, &r, all_u, all_v, done, mass ? d_mu : NULL, mass ? d_nu : NULL);
    for (int64_t j = 0; p->envelope && done && j < points; j++) {
        d_mu[j] = last_u[j];
        d_nu[j] = last_v[j];
    }
    if (mass)
        to_masses(&k, d_mu, d_nu, s, t, call->in[5][n], ds, dt);
    else
        to_intensities(&k, &r, call->in[5][n], ds, dt);
}

OAB_KERNEL(sinkhorn_grad) {
    const int64_t pairs = call->node->in[0].shape[0];
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t n = 0; n < pairs; n++) pair_gradient(call, n);
    return OASSL_STATUS_OK;
}
