/* The entropic transport distance of spec losses.md 8.2 and its gradient, one pair of maps a thread at a time.
 *
 * In double: the test that stops the iterations then falls as it does in the reference, and the vector units make up
 * for it.  Everything is in units of eps.  The cost is never stored: its spatial part is the same for every pair and
 * symmetric (made once, at plan creation), its intensity part is recomputed from two vectors, so that columns can be
 * walked like rows and every pass is over contiguous memory.  Rows are padded to LANES with potentials of -infinity.
 */
#include <omp.h>
#include <string.h>

#include "internal.h"
#include "native_math.h"

#define LANES 8
#define FLOOR 1e-8
#define PADDING -1e30
#define VECTORS 17 /* padded vectors of scratch a thread */

typedef enum cost_kind { COST_SPACE, COST_ABSOLUTE, COST_SQUARED } cost_kind;

typedef struct problem {
    int64_t points, padded, most;
    cost_kind kind;
    int envelope;
    double eps, stop;
    const double *space; /* [points, padded], weighted, over eps */
} problem;

typedef struct pair { /* vectors of one pair, `padded` long */
    const problem *problem;
    double *s, *t;         /* intensities, scaled so that their difference (or its square) is in units of eps */
    double *ln_mu, *ln_nu; /* ln(marginal + floor) */
    double *u, *v, *z;
    double sum_mu, sum_nu;
} pair;

/* ---- preparation --------------------------------------------------------------------------------------------- */

static int64_t padded(int64_t points) { return (points + LANES - 1) / LANES * LANES; }

uint64_t oab_onednn_sinkhorn_scratch(const oassl_backend_plan *plan, const oassl_graph_value *s) {
    return (uint64_t)plan->n_threads * VECTORS * (uint64_t)padded(s->shape[1]) * sizeof(double);
}

static void fill_space(double *space, const oassl_node_attrs *a) {
    const int64_t h = a->i[0], w = a->i[1], points = h * w, width = padded(points);
    const int unit = a->i[4] == 0;
    const double step_x = unit && w > 1 ? 1.0 / (double)(w - 1) : 1.0,
                 step_y = unit && h > 1 ? 1.0 / (double)(h - 1) : 1.0;
    for (int64_t p = 0; p < points; p++)
        for (int64_t q = 0; q < points; q++) {
            const double x = step_x * (double)(p % w - q % w), y = step_y * (double)(p / w - q / w);
            const double square = x * x + y * y;
            space[p * width + q] = a->f[2] * (a->i[5] ? square : sqrt(square)) / a->f[0];
        }
}

oassl_status oab_onednn_sinkhorn_extra(oab_lower *l, uint32_t node, const void **out_extra) {
    const oassl_node_attrs *a = &l->graph->nodes[node].attrs;
    const int64_t points = a->i[0] * a->i[1];
    problem *p = oab_onednn_keep(l, sizeof *p + 64 + (uint64_t)(points * padded(points)) * sizeof(double));
    if (!p) return OASSL_STATUS_OUT_OF_MEMORY;
    double *space = (double *)(p + 1);
    *p = (problem){.points = points,
                   .padded = padded(points),
                   .most = a->i[2],
                   .kind = a->i[3] == 1 ? COST_SPACE
                           : a->i[5]    ? COST_SQUARED
                                        : COST_ABSOLUTE,
                   .envelope = a->i[6] == 1,
                   .eps = a->f[0],
                   .stop = a->f[1],
                   .space = space};
    fill_space(space, a);
    *out_extra = p;
    return OASSL_STATUS_OK;
}

static pair pair_in(const problem *p, double *scratch, double **out_rest) {
    double *base = scratch + (int64_t)omp_get_thread_num() * VECTORS * p->padded;
    const int64_t n = p->padded;
    *out_rest = base + 7 * n;
    return (pair){.problem = p,
                  .s = base,
                  .t = base + n,
                  .ln_mu = base + 2 * n,
                  .ln_nu = base + 3 * n,
                  .u = base + 4 * n,
                  .v = base + 5 * n,
                  .z = base + 6 * n};
}

static double set_marginal(const problem *p, const float *map, double *ln_marginal) {
    double sum = 0;
    for (int64_t k = 0; k < p->points; k++)
        sum += p->kind == COST_SPACE ? (map[k] > 0 ? (double)map[k] : 0.0) + FLOOR : 1.0;
    for (int64_t k = 0; k < p->points; k++) {
        const double mass = p->kind == COST_SPACE ? (map[k] > 0 ? (double)map[k] : 0.0) + FLOOR : 1.0;
        ln_marginal[k] = log(mass / sum + FLOOR);
    }
    return sum;
}

static void load_pair(pair *k, const float *s, const float *t) {
    const problem *p = k->problem;
    const double scale = p->kind == COST_SQUARED ? 1.0 / sqrt(p->eps) : 1.0 / p->eps;
    for (int64_t j = 0; j < p->padded; j++) {
        k->s[j] = j < p->points ? s[j] * scale : 0.0;
        k->t[j] = j < p->points ? t[j] * scale : 0.0;
        k->ln_mu[j] = k->ln_nu[j] = 0.0;
        k->u[j] = k->v[j] = j < p->points ? 0.0 : PADDING;
    }
    k->sum_mu = set_marginal(p, s, k->ln_mu);
    k->sum_nu = set_marginal(p, t, k->ln_nu);
}

/* ---- forward ------------------------------------------------------------------------------------------------- */

OAB_INLINE double cost_of(cost_kind kind, double a, double b, double space) {
    const double d = a - b;
    return kind == COST_SPACE ? space : space + (kind == COST_SQUARED ? d * d : fabs(d));
}

/* ln sum_j exp(potential_j - cost(a, other_j)) */
OAB_INLINE double lse_row(cost_kind kind, double a, const double *restrict other, const double *restrict potential,
                          const double *restrict space, double *restrict z, int64_t n) {
    double max = -INFINITY, sum = 0;
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < n; j++) {
        z[j] = potential[j] - cost_of(kind, a, other[j], space[j]);
        max = z[j] > max ? z[j] : max;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += oab_exp64(z[j] - max);
    return max + log(sum);
}

OAB_INLINE void lse_rows(cost_kind kind, const problem *p, const double *own, const double *other,
                         const double *potential, double *z, double *out) {
    for (int64_t k = 0; k < p->points; k++)
        out[k] = lse_row(kind, own[k], other, potential, p->space + k * p->padded, z, p->padded);
}

/* out_p = lse over the other side; `own` and `other` are s and t, or t and s. */
OAB_CLONES static void lse_of(const problem *p, const double *own, const double *other, const double *potential,
                              double *z, double *out) {
    if (p->kind == COST_SPACE)
        lse_rows(COST_SPACE, p, own, other, potential, z, out);
    else if (p->kind == COST_ABSOLUTE)
        lse_rows(COST_ABSOLUTE, p, own, other, potential, z, out);
    else
        lse_rows(COST_SQUARED, p, own, other, potential, z, out);
}

/* One iteration; returns sum |u - previous u|, not in units of eps. */
static double iterate(const pair *k, double *lse) {
    const problem *p = k->problem;
    double change = 0;
    lse_of(p, k->s, k->t, k->v, k->z, lse);
    for (int64_t j = 0; j < p->points; j++) {
        const double next = k->ln_mu[j] - lse[j];
        change += fabs(next - k->u[j]);
        k->u[j] = next;
    }
    lse_of(p, k->t, k->s, k->u, k->z, lse);
    for (int64_t j = 0; j < p->points; j++) k->v[j] = k->ln_nu[j] - lse[j];
    return change * p->eps;
}

OAB_INLINE double distance_as(cost_kind kind, const pair *k) {
    const problem *p = k->problem;
    const double *restrict t = k->t, *restrict v = k->v;
    double total = 0;
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict space = p->space + a * p->padded;
        const double s = k->s[a], u = k->u[a];
#pragma omp simd reduction(+ : total)
        for (int64_t b = 0; b < p->padded; b++) {
            const double cost = cost_of(kind, s, t[b], space[b]);
            total += oab_exp64(u + v[b] - cost) * cost;
        }
    }
    return total * p->eps;
}

OAB_CLONES static double distance_of(const pair *k) {
    if (k->problem->kind == COST_SPACE) return distance_as(COST_SPACE, k);
    return k->problem->kind == COST_ABSOLUTE ? distance_as(COST_ABSOLUTE, k) : distance_as(COST_SQUARED, k);
}

static int64_t solve(const pair *k, double *lse, float *all_u, float *all_v) {
    const problem *p = k->problem;
    int64_t done = 0;
    for (double change = INFINITY; done < p->most && !(change < p->stop); done++) {
        change = iterate(k, lse);
        for (int64_t j = 0; all_u && j < p->points; j++) all_u[done * p->points + j] = (float)(k->u[j] * p->eps);
        for (int64_t j = 0; all_v && j < p->points; j++) all_v[done * p->points + j] = (float)(k->v[j] * p->eps);
    }
    return done;
}

OAB_KERNEL(sinkhorn) {
    const problem *p = call->node->extra;
    float *const *out = call->out, *const *in = call->in;
    const int64_t pairs = call->node->in[0].shape[0], history = p->most * p->points;
    int32_t *iterations = (int32_t *)(void *)out[3];
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t n = 0; n < pairs; n++) {
        double *rest;
        pair k = pair_in(p, call->scratch, &rest);
        load_pair(&k, in[0] + n * p->points, in[1] + n * p->points);
        const int64_t done =
            solve(&k, rest, out[1] ? out[1] + n * history : NULL, out[2] ? out[2] + n * history : NULL);
        out[0][n] = (float)distance_of(&k);
        if (iterations) iterations[n] = (int32_t)done;
    }
    return OASSL_STATUS_OK;
}

/* ---- gradient ------------------------------------------------------------------------------------------------ */

typedef struct gradients { /* `padded` long */
    double *gu, *gv, *gv_before, *v_before, *lse_p, *lse_q, *ds, *dt;
    double *marginals; /* two */
} gradients;

/* d cost / d a, for a cost in units of eps and intensities scaled as in load_pair */
OAB_INLINE double slope_of(cost_kind kind, double a, double b) {
    const double d = a - b;
    return kind == COST_SQUARED ? 2.0 * d : d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0;
}

/* The plan's own term: gC = pi (1 - C), gu = gv = pi C; envelope: gC = pi.  gC goes to the maps at once: ds += gC
 * slope, dt -= gC slope. */
OAB_INLINE void plan_rows(cost_kind kind, const pair *k, const gradients *r) {
    const problem *p = k->problem;
    const double keep = p->envelope ? 0.0 : 1.0;
    const double *restrict t = k->t, *restrict v = k->v;
    double *restrict gv = r->gv, *restrict dt = r->dt;
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict space = p->space + a * p->padded;
        const double s = k->s[a], u = k->u[a];
        double ds = 0, gu = 0;
#pragma omp simd reduction(+ : ds, gu)
        for (int64_t b = 0; b < p->padded; b++) {
            const double cost = cost_of(kind, s, t[b], space[b]), pi = oab_exp64(u + v[b] - cost), moved = pi * cost;
            const double along = (pi - keep * moved) * slope_of(kind, s, t[b]);
            gu += moved;
            gv[b] += moved;
            ds += along;
            dt[b] -= along;
        }
        r->gu[a] = gu;
        r->ds[a] += ds;
    }
}

/* One iteration backwards, see the formulas of the specification: B from u, then A from the v before. */
OAB_INLINE void iteration_rows(cost_kind kind, const pair *k, const gradients *r) {
    const problem *p = k->problem;
    const double *restrict t = k->t, *restrict gv = r->gv, *restrict lse_q = r->lse_q, *restrict v = r->v_before;
    double *restrict gv_before = r->gv_before, *restrict dt = r->dt;
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict space = p->space + a * p->padded;
        const double s = k->s[a], u = k->u[a], lse = r->lse_p[a];
        double ds = 0, taken = 0;
#pragma omp simd reduction(+ : ds, taken)
        for (int64_t b = 0; b < p->padded; b++) {
            const double share = oab_exp64(u - cost_of(kind, s, t[b], space[b]) - lse_q[b]) * gv[b];
            const double along = share * slope_of(kind, s, t[b]);
            taken += share;
            ds += along;
            dt[b] -= along;
        }
        const double gu = r->gu[a] - taken;
#pragma omp simd reduction(+ : ds)
        for (int64_t b = 0; b < p->padded; b++) {
            const double share = oab_exp64(v[b] - cost_of(kind, s, t[b], space[b]) - lse) * gu;
            const double along = share * slope_of(kind, s, t[b]);
            gv_before[b] -= share;
            ds += along;
            dt[b] -= along;
        }
        r->gu[a] = gu;
        r->ds[a] += ds;
    }
}

OAB_CLONES static void plan_back(const pair *k, const gradients *r) {
    if (k->problem->kind == COST_SPACE)
        plan_rows(COST_SPACE, k, r);
    else if (k->problem->kind == COST_ABSOLUTE)
        plan_rows(COST_ABSOLUTE, k, r);
    else
        plan_rows(COST_SQUARED, k, r);
}

OAB_CLONES static void iteration_back(const pair *k, const gradients *r) {
    if (k->problem->kind == COST_SPACE)
        iteration_rows(COST_SPACE, k, r);
    else if (k->problem->kind == COST_ABSOLUTE)
        iteration_rows(COST_ABSOLUTE, k, r);
    else
        iteration_rows(COST_SQUARED, k, r);
}

static void load_potential(const problem *p, double *to, const float *from) {
    for (int64_t j = 0; j < p->padded; j++) to[j] = j < p->points ? (from ? from[j] / p->eps : 0.0) : PADDING;
}

/* d_mu, d_nu: gradients of ln(marginal), not in units of eps */
static void unroll(const pair *k, gradients *r, const float *all_u, const float *all_v, int64_t done, double *d_mu,
                   double *d_nu) {
    const problem *p = k->problem;
    for (int64_t step = done - 1; step >= 0; step--) {
        load_potential(p, k->u, all_u + step * p->points);
        load_potential(p, r->v_before, step ? all_v + (step - 1) * p->points : NULL);
        lse_of(p, k->t, k->s, k->u, k->z, r->lse_q);
        lse_of(p, k->s, k->t, r->v_before, k->z, r->lse_p);
        memset(r->gv_before, 0, (size_t)p->padded * sizeof(double));
        iteration_back(k, r);
        for (int64_t j = 0; d_mu && j < p->points; j++) {
            d_nu[j] += p->eps * r->gv[j];
            d_mu[j] += p->eps * r->gu[j];
        }
        double *before = r->gv_before;
        r->gv_before = r->gv;
        r->gv = before;
        memset(r->gu, 0, (size_t)p->padded * sizeof(double));
    }
}

/* Gradient of ln(marginal + floor), or of the marginal (envelope), back to the map it was made of. */
static void mass_back(const problem *p, const double *g, const float *map, double sum, int of_logarithm,
                      double upstream, float *out) {
    double inner = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < p->points; j++) {
            const double mass = ((map[j] > 0 ? (double)map[j] : 0.0) + FLOOR) / sum;
            const double slope = of_logarithm ? g[j] / (mass + FLOOR) : g[j];
            if (pass == 0)
                inner += slope * mass;
            else
                out[j] = map[j] > 0 ? (float)(upstream * (slope - inner) / sum) : 0.0f;
        }
}

static void mass_gradient(const pair *k, gradients *r, const float *all_u, const float *all_v, int64_t done,
                          const float *s, const float *t, double upstream, float *ds, float *dt) {
    const problem *p = k->problem;
    double *d_mu = r->marginals, *d_nu = d_mu + p->padded;
    memset(d_mu, 0, 2 * (size_t)p->padded * sizeof *d_mu);
    if (!p->envelope) unroll(k, r, all_u, all_v, done, d_mu, d_nu);
    for (int64_t j = 0; p->envelope && done && j < p->points; j++) {
        d_mu[j] = all_u[(done - 1) * p->points + j];
        d_nu[j] = all_v[(done - 1) * p->points + j];
    }
    mass_back(p, d_mu, s, k->sum_mu, !p->envelope, upstream, ds);
    mass_back(p, d_nu, t, k->sum_nu, !p->envelope, upstream, dt);
}

static void pair_gradient(const oab_call *call, int64_t n) {
    const problem *p = call->node->extra;
    const int64_t points = p->points, width = p->padded, said = ((const int32_t *)(const void *)call->in[4])[n];
    const int64_t done = said < p->most ? said : p->most;
    const float *s = call->in[0] + n * points, *t = call->in[1] + n * points;
    const float *all_u = call->in[2] + n * p->most * points, *all_v = call->in[3] + n * p->most * points;
    float *ds = call->out[0] ? call->out[0] + n * points : NULL, *dt = call->out[1] ? call->out[1] + n * points : NULL;
    double *rest;
    pair k = pair_in(p, call->scratch, &rest);
    gradients r = {rest,
                   rest + width,
                   rest + 2 * width,
                   rest + 3 * width,
                   rest + 4 * width,
                   rest + 5 * width,
                   rest + 6 * width,
                   rest + 7 * width,
                   rest + 8 * width};
    load_pair(&k, s, t);
    memset(rest, 0, 10 * (size_t)width * sizeof *rest);
    for (int64_t j = points; j < width; j++) r.lse_q[j] = -PADDING; /* no share for the padding */
    load_potential(p, k.u, done ? all_u + (done - 1) * points : NULL);
    load_potential(p, k.v, done ? all_v + (done - 1) * points : NULL);
    plan_back(&k, &r);
    const double upstream = call->in[5][n];
    if (p->kind == COST_SPACE) {
        mass_gradient(&k, &r, all_u, all_v, done, s, t, upstream, ds, dt);
        return;
    }
    if (!p->envelope) unroll(&k, &r, all_u, all_v, done, NULL, NULL);
    /* back from scaled intensities, and from a distance in units of eps */
    const double scale = upstream * (p->kind == COST_SQUARED ? sqrt(p->eps) : 1.0);
    for (int64_t j = 0; j < points; j++) {
        if (ds) ds[j] = (float)(scale * r.ds[j]);
        if (dt) dt[j] = (float)(scale * r.dt[j]);
    }
}

OAB_KERNEL(sinkhorn_grad) {
    const int64_t pairs = call->node->in[0].shape[0];
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t n = 0; n < pairs; n++) pair_gradient(call, n);
    return OASSL_STATUS_OK;
}
