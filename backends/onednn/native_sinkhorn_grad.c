/* The gradient of the entropic transport distance (spec losses.md 8.2), one pair of maps a thread at a time.
 *
 * Backwards through an iteration, B and A are the kernel with scaled columns and rows (native_sinkhorn.h),
 *   B = alpha K beta,   alpha = exp(u - u_ref),             beta = 1 / (K' alpha)
 *   A = delta K gamma,  gamma = exp(v_before - v_ref),      delta = 1 / (K gamma)
 * so that the gradient of the cost is K * weight, elementwise, where each iteration adds two outer products to weight.
 * K and what multiplies it is float, whose range EXPONENT_LIMIT keeps to; potentials are rows of the forward run's f32
 * history, and sums that nearly cancel (last_v_back, ds, dt) are double. */
#include "native_sinkhorn.h"

#define KEPT 4               /* iterations whose outer products are added at once */
#define EXPONENT_LIMIT 30.0f /* of the scalings' logarithms */

typedef struct back {    /* vectors `padded` long */
    double *d_mu, *d_nu; /* gradients of ln(marginal), not in units of eps */
    double *ds, *dt;
    double *moved_from, *moved_to, *plan_columns; /* pi C summed over either side, pi summed over rows */
    float *gu, *gv;                               /* gradients of the potentials after the iteration at hand */
    float *alpha, *gamma;
    float *columns;                   /* K' alpha */
    float *share;                     /* beta gv */
    float *gathered;                  /* K' (delta gu) */
    float *next_alpha, *next_columns; /* of the iteration before */
    float *row_sums, *taken;          /* K gamma, K share */
    float *spread;                    /* delta gu */
    float *zeros;                     /* the potentials before the first iteration */
    const float *u_ref, *v_ref;       /* rows of the forward run's history, not in units of eps */
    float *kept;                      /* of up to KEPT iterations: share, gamma, alpha, spread; the rest zeros */
    int64_t n_kept;
    /* [rows, padded]: K, its transpose, and what K is multiplied with in the cost's gradient */
    float *kernel, *across, *weight;
} back;

static back back_in(const pair *k, double *vectors) {
    const int64_t n = k->problem->padded, matrix = k->problem->rows * n;
    back r = {
        .kernel = k->matrices, .across = (float *)k->matrices + matrix, .weight = (float *)k->matrices + 2 * matrix};
    double **doubles[] = {&r.d_mu, &r.d_nu, &r.ds, &r.dt, &r.moved_from, &r.moved_to, &r.plan_columns};
    float **floats[] = {&r.gu,         &r.gv,           &r.alpha,    &r.gamma, &r.columns, &r.share, &r.gathered,
                        &r.next_alpha, &r.next_columns, &r.row_sums, &r.taken, &r.spread,  &r.zeros};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++, vectors += n) *doubles[i] = vectors;
    float *single = (float *)vectors;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++, single += n) *floats[i] = single;
    r.kept = single;
    return r;
}

OAB_INLINE float ratio(float x, float y) { return y > 0.0f ? x / y : 0.0f; }

/* d cost / d a, for a cost in units of eps and intensities scaled as in oab_sinkhorn_pair */
OAB_INLINE double slope_of(cost_kind kind, double a, double b) {
    const double d = a - b;
    return kind == COST_SQUARED ? 2.0 * d : d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0;
}

/* The kernel around u_ref and v_ref, no weight yet. */
OAB_INLINE void fill_rows(cost_kind kind, const pair *k, const back *r) {
    const problem *p = k->problem;
    memset(k->matrices, 0, OAB_SINKHORN_MATRICES * (size_t)(p->rows * p->padded) * sizeof(float));
    for (int64_t a = 0; a < p->points; a++) OAB_SINKHORN_FILL_ROW(kind, k, a, r->kernel + a * p->padded);
    for (int64_t a = 0; a < p->points; a++)
        for (int64_t b = 0; b < p->points; b++) r->across[a * p->padded + b] = r->kernel[b * p->padded + a];
}

/* The plan's own term, pi = K: gC = pi (1 - C), gu = gv = pi C. */
OAB_INLINE void plan_rows(cost_kind kind, const pair *k, const back *r) {
    const problem *p = k->problem;
    const double keep = p->envelope ? 0.0 : 1.0;
    const double *restrict t = k->t;
    double *restrict moved_to = r->moved_to, *restrict columns = r->plan_columns;
    for (int64_t a = 0; a < p->points; a++) {
        const double *restrict space = p->space + a * p->padded;
        const float *restrict pi = r->kernel + a * p->padded;
        float *restrict weight = r->weight + a * p->padded;
        const double s = k->s[a];
        double from = 0;
#pragma omp simd reduction(+ : from)
        for (int64_t b = 0; b < p->points; b++) {
            const double cost = oab_sinkhorn_cost(kind, s, t[b], space[b]), moved = pi[b] * cost;
            weight[b] = (float)(1.0 - keep * cost);
            from += moved;
            moved_to[b] += moved;
            columns[b] += pi[b];
        }
        r->moved_from[a] = from;
        r->alpha[a] = 1.0f;
    }
}

/* The last iteration's v, whose share nearly cancels gu: in double, after which gv is settled and gu small. */
OAB_CLONES static void last_v_back(const pair *k, const back *r) {
    const problem *p = k->problem;
    for (int64_t b = 0; b < p->points; b++) {
        r->d_nu[b] = p->eps * r->moved_to[b];
        r->moved_to[b] = oab_sinkhorn_ratio(r->moved_to[b], r->plan_columns[b]);
    }
    for (int64_t a = 0; a < p->points; a++) {
        const float *restrict pi = r->kernel + a * p->padded;
        const double *restrict share = r->moved_to;
        float *restrict weight = r->weight + a * p->padded;
        double taken = 0;
#pragma omp simd reduction(+ : taken)
        for (int64_t b = 0; b < p->points; b++) {
            taken += pi[b] * share[b];
            weight[b] += (float)share[b];
        }
        r->gu[a] = (float)(r->moved_from[a] - taken);
    }
}

/* out_x = m' x and out_y = m' y, for one reading of m and without a sum across lanes */
OAB_INLINE void two_products(const problem *p, const float *m, const float *x, const float *y, float *restrict out_x,
                             float *restrict out_y) {
    const int64_t n = p->padded;
    memset(out_x, 0, (size_t)n * sizeof *out_x);
    memset(out_y, 0, (size_t)n * sizeof *out_y);
    for (int64_t i = 0; i < p->rows;
         i += OAB_SINKHORN_ROWS, m += OAB_SINKHORN_ROWS * n, x += OAB_SINKHORN_ROWS, y += OAB_SINKHORN_ROWS) {
        const float *restrict m0 = m, *restrict m1 = m0 + n, *restrict m2 = m1 + n, *restrict m3 = m2 + n;
        const float x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            out_x[j] += x0 * m0[j] + x1 * m1[j] + x2 * m2[j] + x3 * m3[j];
            out_y[j] += y0 * m0[j] + y1 * m1[j] + y2 * m2[j] + y3 * m3[j];
        }
    }
}

/* weight += the outer products alpha share' + spread gamma' of the iterations kept, for one walk over weight. */
OAB_CLONES static void add_products(const problem *p, back *r) {
    const int64_t n = p->padded;
    const float *const kept = r->kept;
    const float *restrict x0 = kept, *restrict y0 = kept + n, *restrict x1 = kept + 4 * n, *restrict y1 = kept + 5 * n,
                          *restrict x2 = kept + 8 * n, *restrict y2 = kept + 9 * n, *restrict x3 = kept + 12 * n,
                          *restrict y3 = kept + 13 * n;
    for (int64_t i = 0; i < p->points; i++) {
        float *restrict weight = r->weight + i * n;
        const float *a = kept + 2 * n + i, *d = kept + 3 * n + i;
        const float a0 = a[0], d0 = d[0], a1 = a[4 * n], d1 = d[4 * n], a2 = a[8 * n], d2 = d[8 * n], a3 = a[12 * n],
                    d3 = d[12 * n];
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            weight[j] += (a0 * x0[j] + d0 * y0[j] + a1 * x1[j] + d1 * y1[j]) +
                         (a2 * x2[j] + d2 * y2[j] + a3 * x3[j] + d3 * y3[j]);
    }
    memset(r->kept, 0, (size_t)(4 * KEPT * n) * sizeof(float));
    r->n_kept = 0;
}

static void keep_products(const problem *p, back *r) {
    const float *const vectors[4] = {r->share, r->gamma, r->alpha, r->spread};
    float *to = r->kept + 4 * r->n_kept * p->padded;
    for (int v = 0; v < 4; v++) memcpy(to + v * p->padded, vectors[v], (size_t)p->padded * sizeof(float));
    if (++r->n_kept == KEPT) add_products(p, r);
}

/* One iteration backwards: through v = ln nu - lse(u - C), which takes from gu, then through u = ln mu - lse(v_before
 * - C), which turns gu into `gathered`.  Either can be left out by a share or gamma of zeros.  The columns for the
 * iteration before are summed on the way. */
OAB_CLONES static void walk_back(const pair *k, back *r) {
    const problem *p = k->problem;
    two_products(p, r->across, r->gamma, r->share, r->row_sums, r->taken);
#pragma omp simd
    for (int64_t i = 0; i < p->padded; i++) {
        r->gu[i] -= r->alpha[i] * r->taken[i];
        r->spread[i] = ratio(r->gu[i], r->row_sums[i]);
    }
    two_products(p, r->kernel, r->spread, r->next_alpha, r->gathered, r->next_columns);
    if (p->kind != COST_SPACE) keep_products(p, r);
}

/* ds += K weight slope, dt -= the same */
OAB_INLINE void settle_rows(cost_kind kind, const pair *k, const back *r) {
    const problem *p = k->problem;
    const double *restrict t = k->t;
    double *restrict dt = r->dt;
    for (int64_t a = 0; a < p->points; a++) {
        const float *restrict kernel = r->kernel + a * p->padded, *restrict weight = r->weight + a * p->padded;
        const double s = k->s[a];
        double ds = 0;
#pragma omp simd reduction(+ : ds)
        for (int64_t b = 0; b < p->points; b++) {
            const double along = kernel[b] * weight[b] * slope_of(kind, s, t[b]);
            ds += along;
            dt[b] -= along;
        }
        r->ds[a] += ds;
    }
}

OAB_CLONES static void fill_kernel(const pair *k, const back *r) {
    OAB_SINKHORN_BY_KIND(k->problem->kind, fill_rows, k, r);
}
OAB_CLONES static void plan_back(const pair *k, const back *r) {
    OAB_SINKHORN_BY_KIND(k->problem->kind, plan_rows, k, r);
}
OAB_CLONES static void settle_of(const pair *k, const back *r) {
    OAB_SINKHORN_BY_KIND(k->problem->kind, settle_rows, k, r);
}
static void settle(const pair *k, back *r) {
    if (r->n_kept) add_products(k->problem, r);
    settle_of(k, r);
}

/* ---- unrolling ----------------------------------------------------------------------------------------------- */

/* Potentials around an iteration, rows of the forward run's history, not in units of eps. */
typedef struct around {
    const float *u_before, *u, *v_before, *v;
} around;

/* scaling = exp(potential - reference); 0 when the range of float does not do */
OAB_CLONES static int scale_to(const problem *p, const float *restrict potential, const float *restrict reference,
                               float *restrict scaling) {
    const float unit = (float)(1.0 / p->eps);
    float most = 0;
#pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < p->points; j++) {
        const float exponent = (potential[j] - reference[j]) * unit, size = fabsf(exponent);
        most = size > most ? size : most;
        scaling[j] = oab_exp(exponent);
    }
    return most <= EXPONENT_LIMIT;
}

OAB_CLONES static void column_sums(const pair *k, const back *r) {
    const int64_t n = k->problem->padded;
    float *restrict columns = r->columns;
    memset(columns, 0, (size_t)n * sizeof *columns);
    for (int64_t a = 0; a < k->problem->points; a++) {
        const float *restrict row = r->kernel + a * n;
        const float alpha = r->alpha[a];
#pragma omp simd
        for (int64_t b = 0; b < n; b++) columns[b] += alpha * row[b];
    }
}

OAB_CLONES static void make_share(const problem *p, const back *r) {
#pragma omp simd
    for (int64_t j = 0; j < p->padded; j++) r->share[j] = ratio(r->gv[j], r->columns[j]);
}

/* The reference and the kernel around these potentials. */
static void set_reference(const pair *k, back *r, const float *u, const float *v) {
    r->u_ref = u, r->v_ref = v;
    for (int64_t j = 0; j < k->problem->points; j++) {
        k->u_ref[j] = u[j] / k->problem->eps;
        k->v_ref[j] = v[j] / k->problem->eps;
    }
    fill_kernel(k, r);
}

/* Another reference; what was gathered around the old one is settled. */
static void move_reference(const pair *k, back *r, const float *u, const float *v) {
    settle(k, r);
    set_reference(k, r, u, v);
    scale_to(k->problem, u, r->u_ref, r->alpha);
}

/* An iteration where one kernel cannot serve both halves: sharp costs (small eps), early iterations. */
static void halves_back(const pair *k, back *r, const around *at) {
    const problem *p = k->problem;
    const size_t bytes = (size_t)p->padded * sizeof(float);
    move_reference(k, r, at->u, at->v);
    column_sums(k, r);
    make_share(p, r);
    memset(r->gamma, 0, bytes);
    walk_back(k, r);
    move_reference(k, r, at->u, at->v_before);
    scale_to(p, at->v_before, r->v_ref, r->gamma);
    memset(r->share, 0, bytes);
    walk_back(k, r);
}

/* `known`: alpha and columns are there already, made on the way by the iteration after.  Returns whether they are for
 * the iteration before. */
static int iteration_back(const pair *k, back *r, const around *at, int known) {
    const problem *p = k->problem;
    if (!known && (!scale_to(p, at->v, r->v_ref, r->gamma) || !scale_to(p, at->u, r->u_ref, r->alpha)))
        move_reference(k, r, at->u, at->v);
    if (!scale_to(p, at->v_before, r->v_ref, r->gamma)) {
        halves_back(k, r, at);
        return 0;
    }
    if (!known) column_sums(k, r);
    make_share(p, r);
    const int next = scale_to(p, at->u_before, r->u_ref, r->next_alpha);
    walk_back(k, r);
    float *alpha = r->alpha, *columns = r->columns;
    r->alpha = r->next_alpha, r->next_alpha = alpha;
    r->columns = r->next_columns, r->next_columns = columns;
    return next;
}

/* The gradients of both potentials before this iteration; those after it go to the marginals. */
OAB_CLONES static void step_back(const problem *p, const back *r) {
#pragma omp simd
    for (int64_t j = 0; j < p->points; j++) {
        r->d_mu[j] += p->eps * r->gu[j];
        r->gv[j] = -r->gamma[j] * r->gathered[j];
        r->d_nu[j] += p->eps * r->gv[j];
        r->gu[j] = 0.0f;
    }
}

/* The history is larger than the caches and read backwards: fetched ahead of its use. */
static void fetch_ahead(const float *history, int64_t row, int64_t points) {
    const int64_t from = row - 4 * points;
    for (int64_t j = 0; from >= 0 && j < points; j += 16) __builtin_prefetch(history + from + j);
}

static void unroll(const pair *k, back *r, const float *all_u, const float *all_v, int64_t done) {
    const problem *p = k->problem;
    int known = 1; /* alpha is 1 by plan_back, the last v has been gone through */
    for (int64_t step = done - 1; step >= 0; step--) {
        const int64_t row = step * p->points, before = row - p->points;
        const around at = {step ? all_u + before : r->zeros, all_u + row, step ? all_v + before : r->zeros,
                           all_v + row};
        fetch_ahead(all_u, row, p->points);
        fetch_ahead(all_v, row, p->points);
        known = iteration_back(k, r, &at, known);
        if (step == 0) memset(r->gathered, 0, (size_t)p->padded * sizeof(float)); /* the first v is no one's result */
        step_back(p, r);
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
static void to_masses(const pair *k, const back *r, const float *s, const float *t, double upstream, float *ds,
                      float *dt) {
    const problem *p = k->problem;
    if (ds) mass_back(p, r->d_mu, s, k->sum_mu, !p->envelope, upstream, ds);
    if (dt) mass_back(p, r->d_nu, t, k->sum_nu, !p->envelope, upstream, dt);
}

/* The same from those of the intensities: back from scaled ones, and from a distance in units of eps. */
static void to_intensities(const pair *k, back *r, double upstream, float *ds, float *dt) {
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
    const int64_t points = p->points, said = ((const int32_t *)(const void *)call->in[4])[n];
    const int64_t done = said < 0 ? 0 : said < p->most ? said : p->most;
    const float *s = call->in[0] + n * points, *t = call->in[1] + n * points;
    const float *all_u = call->in[2] + n * p->most * points, *all_v = call->in[3] + n * p->most * points;
    float *ds = call->out[0] ? call->out[0] + n * points : NULL, *dt = call->out[1] ? call->out[1] + n * points : NULL;
    double *vectors;
    const pair k = oab_sinkhorn_pair(call, s, t, &vectors);
    back r = back_in(&k, vectors);
    const float *last_u = done ? all_u + (done - 1) * points : r.zeros,
                *last_v = done ? all_v + (done - 1) * points : r.zeros;
    set_reference(&k, &r, last_u, last_v);
    plan_back(&k, &r);
    if (!p->envelope && done) {
        last_v_back(&k, &r);
        unroll(&k, &r, all_u, all_v, done);
    }
    for (int64_t j = 0; p->envelope && j < points; j++) {
        r.d_mu[j] = last_u[j];
        r.d_nu[j] = last_v[j];
    }
    if (p->kind == COST_SPACE)
        to_masses(&k, &r, s, t, call->in[5][n], ds, dt);
    else
        to_intensities(&k, &r, call->in[5][n], ds, dt);
}

OAB_KERNEL(sinkhorn_grad) {
    const int64_t pairs = call->node->in[0].shape[0];
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t n = 0; n < pairs; n++) pair_gradient(call, n);
    return OASSL_STATUS_OK;
}
