/* The entropic transport distance of spec losses.md 8.2, one pair of maps a thread at a time. */
#include "native_sinkhorn.h"

#define SCALING_LIMIT 1e40

/* ---- preparation --------------------------------------------------------------------------------------------- */

static int64_t rounded(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static int64_t padded(int64_t points) { return rounded(points, OAB_LANES); }

static int64_t thread_doubles(int64_t points) {
    const int64_t n = padded(points);
    return OAB_SINKHORN_VECTORS * n + rounded(points, OAB_SINKHORN_ROWS) * n * OAB_SINKHORN_MATRICES / 2;
}

uint64_t oab_onednn_sinkhorn_scratch(const oassl_backend_plan *plan, const oassl_graph_value *s) {
    return (uint64_t)plan->n_threads * (uint64_t)thread_doubles(s->shape[1]) * sizeof(double);
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
                   .rows = rounded(points, OAB_SINKHORN_ROWS),
                   .padded = padded(points),
                   .used = rounded(points, OAB_LANES / 2),
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

static double set_marginal(const problem *p, const float *map, double *ln_marginal) {
    const int mass = p->kind == COST_SPACE;
    double sum = 0;
    for (int64_t k = 0; k < p->points; k++)
        sum += mass ? (map[k] > 0 ? (double)map[k] : 0.0) + OAB_SINKHORN_FLOOR : 1.0;
    for (int64_t k = 0; k < p->points; k++) {
        const double part = mass ? (map[k] > 0 ? (double)map[k] : 0.0) + OAB_SINKHORN_FLOOR : 1.0;
        ln_marginal[k] = log(part / sum + OAB_SINKHORN_FLOOR);
    }
    return sum;
}

pair oab_sinkhorn_pair(const oab_call *call, const float *s, const float *t, double **out_vectors) {
    const problem *p = call->node->extra;
    const int64_t n = p->padded;
    double *base = (double *)call->scratch + omp_get_thread_num() * thread_doubles(p->points);
    memset(base, 0, (size_t)(OAB_SINKHORN_VECTORS * n) * sizeof *base);
    pair k = {p, base, base + n, base + 2 * n, base + 3 * n, base + 4 * n, base + 5 * n, base + 6 * n, base + 7 * n};
    *out_vectors = base + 8 * n;
    k.matrices = base + OAB_SINKHORN_VECTORS * n;
    const double scale = p->kind == COST_SQUARED ? 1.0 / sqrt(p->eps) : 1.0 / p->eps;
    for (int64_t j = 0; j < p->points; j++) {
        k.s[j] = s[j] * scale;
        k.t[j] = t[j] * scale;
    }
    k.sum_mu = set_marginal(p, s, k.ln_mu);
    k.sum_nu = set_marginal(p, t, k.ln_nu);
    return k;
}

OAB_INLINE void fill_rows(cost_kind kind, const pair *k) {
    const problem *p = k->problem;
    double *kernel = k->matrices;
    memset(kernel, 0, (size_t)(p->rows * p->padded) * sizeof *kernel);
    for (int64_t a = 0; a < p->points; a++) OAB_SINKHORN_FILL_ROW(kind, k, a, kernel + a * p->padded);
}

OAB_CLONES static void fill_kernel(const pair *k) { OAB_SINKHORN_BY_KIND(k->problem->kind, fill_rows, k); }

/* ---- an iteration -------------------------------------------------------------------------------------------- */

typedef struct scaling {
    double *mu, *nu, *a, *b, *next_u, *next_v, *columns;
} scaling;

/* The reference from which the first iteration, u = v = 0, works: each row's largest entry is 1. */
OAB_INLINE void smallest_cost(cost_kind kind, const pair *k) {
    const problem *p = k->problem;
    for (int64_t a = 0; a < p->points; a++) {
        double least = INFINITY;
        for (int64_t b = 0; b < p->points; b++) {
            const double cost = oab_sinkhorn_cost(kind, k->s[a], k->t[b], p->space[a * p->padded + b]);
            least = cost < least ? cost : least;
        }
        k->u_ref[a] = least;
    }
}

OAB_CLONES static void start(const pair *k, const scaling *z) {
    const problem *p = k->problem;
    OAB_SINKHORN_BY_KIND(p->kind, smallest_cost, k);
    fill_kernel(k);
    for (int64_t j = 0; j < p->points; j++) {
        z->mu[j] = exp(k->ln_mu[j]);
        z->nu[j] = exp(k->ln_nu[j]);
        z->a[j] = exp(-k->u_ref[j]);
        z->b[j] = 1.0;
    }
}

/* a = mu / (K b), columns = K' a */
OAB_CLONES static void walk(const pair *k, const scaling *z) {
    const int64_t n = k->problem->padded, used = k->problem->used;
    const double *kernel = k->matrices;
    const double *restrict b = z->b, *restrict mu = z->mu;
    double *restrict a = z->a, *restrict columns = z->columns;
    memset(columns, 0, (size_t)n * sizeof *columns);
    for (int64_t i = 0; i < k->problem->rows; i += OAB_SINKHORN_ROWS) {
        const double *restrict k0 = kernel + i * n, *restrict k1 = k0 + n, *restrict k2 = k1 + n,
                               *restrict k3 = k2 + n;
        double r0 = 0, r1 = 0, r2 = 0, r3 = 0;
#pragma omp simd reduction(+ : r0, r1, r2, r3)
        for (int64_t j = 0; j < used; j++) {
            r0 += k0[j] * b[j];
            r1 += k1[j] * b[j];
            r2 += k2[j] * b[j];
            r3 += k3[j] * b[j];
        }
        const double a0 = oab_sinkhorn_ratio(mu[i], r0), a1 = oab_sinkhorn_ratio(mu[i + 1], r1),
                     a2 = oab_sinkhorn_ratio(mu[i + 2], r2), a3 = oab_sinkhorn_ratio(mu[i + 3], r3);
#pragma omp simd
        for (int64_t j = 0; j < used; j++) columns[j] += a0 * k0[j] + a1 * k1[j] + a2 * k2[j] + a3 * k3[j];
        a[i] = a0;
        a[i + 1] = a1;
        a[i + 2] = a2;
        a[i + 3] = a3;
    }
}

/* next potentials = reference + ln(scaling); 0 unless every scaling is within the limit */
OAB_CLONES static int next_potentials(const pair *k, const scaling *z) {
    const int64_t points = k->problem->points, used = k->problem->used;
    const double *restrict rows = z->a, *restrict nu = z->nu, *restrict columns = z->columns;
    const double *restrict u_ref = k->u_ref, *restrict v_ref = k->v_ref;
    double *restrict b_out = z->b, *restrict next_u = z->next_u, *restrict next_v = z->next_v;
    double least = 1.0, most = 1.0;
#pragma omp simd reduction(min : least) reduction(max : most)
    for (int64_t j = 0; j < used; j++) { /* the padding, too: whole vectors are faster */
        const int inside = j < points;
        const double row = rows[j], column = nu[j] / columns[j];
        const double a = inside ? row : 1.0, b = inside ? column : 1.0;
        least = a < least ? a : least;
        least = b < least ? b : least;
        most = a > most ? a : most;
        most = b > most ? b : most;
        b_out[j] = inside ? b : 0.0;
        next_u[j] = u_ref[j] + oab_log64(a);
        next_v[j] = v_ref[j] + oab_log64(b);
    }
    return least >= 1.0 / SCALING_LIMIT && most <= SCALING_LIMIT;
}

/* out = ln_marginal - lse_j(potential_j - cost(own, other_j)): exact whatever the range, slow */
OAB_INLINE void log_potentials(cost_kind kind, const problem *p, const double *own, const double *other,
                               const double *potential, const double *ln_marginal, double *out) {
    for (int64_t i = 0; i < p->points; i++) {
        const double *space = p->space + i * p->padded;
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < p->points; j++)
            most = fmax(most, potential[j] - oab_sinkhorn_cost(kind, own[i], other[j], space[j]));
        for (int64_t j = 0; j < p->points; j++)
            sum += exp(potential[j] - oab_sinkhorn_cost(kind, own[i], other[j], space[j]) - most);
        out[i] = ln_marginal[i] - most - log(sum);
    }
}

/* The iteration in the log domain, absorbed into the kernel. */
static void absorb_next(const pair *k, const scaling *z) {
    const problem *p = k->problem;
    OAB_SINKHORN_BY_KIND(p->kind, log_potentials, p, k->s, k->t, k->v, k->ln_mu, z->next_u);
    OAB_SINKHORN_BY_KIND(p->kind, log_potentials, p, k->t, k->s, z->next_u, k->ln_nu, z->next_v);
    memcpy(k->u_ref, z->next_u, (size_t)p->points * sizeof(double));
    memcpy(k->v_ref, z->next_v, (size_t)p->points * sizeof(double));
    fill_kernel(k);
    for (int64_t j = 0; j < p->points; j++) z->a[j] = z->b[j] = 1.0;
}

/* Returns sum |u - previous u|, not in units of eps. */
static double iterate(const pair *k, const scaling *z) {
    const problem *p = k->problem;
    double change = 0;
    walk(k, z);
    if (!next_potentials(k, z)) absorb_next(k, z);
    for (int64_t j = 0; j < p->points; j++) {
        change += fabs(z->next_u[j] - k->u[j]);
        k->u[j] = z->next_u[j];
        k->v[j] = z->next_v[j];
    }
    return change * p->eps;
}

/* ---- the distance -------------------------------------------------------------------------------------------- */

OAB_INLINE void add_distance(cost_kind kind, const pair *k, const scaling *z, double *total) {
    const problem *p = k->problem;
    const double *restrict t = k->t, *restrict b = z->b;
    for (int64_t i = 0; i < p->points; i++) {
        const double *restrict space = p->space + i * p->padded, *restrict kernel =
                                                                     (const double *)k->matrices + i * p->padded;
        const double s = k->s[i];
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < p->points; j++) sum += kernel[j] * b[j] * oab_sinkhorn_cost(kind, s, t[j], space[j]);
        *total += z->a[i] * sum;
    }
}

OAB_CLONES static double distance_of(const pair *k, const scaling *z) {
    double total = 0;
    OAB_SINKHORN_BY_KIND(k->problem->kind, add_distance, k, z, &total);
    return total * k->problem->eps;
}

static void note(const problem *p, const double *potential, int64_t row, float *history) {
    for (int64_t j = 0; history && j < p->points; j++) history[row * p->points + j] = (float)(potential[j] * p->eps);
}

OAB_KERNEL(sinkhorn) {
    const problem *p = call->node->extra;
    float *const *out = call->out, *const *in = call->in;
    const int64_t pairs = call->node->in[0].shape[0], history = p->most * p->points, w = p->padded;
    int32_t *iterations = (int32_t *)(void *)out[3];
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t n = 0; n < pairs; n++) {
        double *rest;
        const pair k = oab_sinkhorn_pair(call, in[0] + n * p->points, in[1] + n * p->points, &rest);
        const scaling z = {rest, rest + w, rest + 2 * w, rest + 3 * w, rest + 4 * w, rest + 5 * w, rest + 6 * w};
        int64_t done = 0;
        start(&k, &z);
        for (double change = INFINITY; done < p->most && !(change < p->stop); done++) {
            change = iterate(&k, &z);
            note(p, k.u, done, out[1] ? out[1] + n * history : NULL);
            note(p, k.v, done, out[2] ? out[2] + n * history : NULL);
        }
        out[0][n] = (float)distance_of(&k, &z);
        if (iterations) iterations[n] = (int32_t)done;
    }
    return OASSL_STATUS_OK;
}
