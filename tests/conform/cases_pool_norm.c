/* Cases of pooling and normalisation. */
#include "conform.h"

/* ---- pooling -------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    int64_t n, c, h, w;
    cf_window k;
} pools[] = {
    {"2x2_s2", 2, 3, 8, 6, {2, 2, 2, 2, 0, 0, 1, 1, 1}},
    {"3x3_s2_p1", 1, 16, 11, 9, {3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3_s2_p1_c17", 2, 17, 12, 7, {3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3_s1_p1", 1, 5, 7, 7, {3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x2_s1x2", 2, 4, 9, 9, {3, 2, 1, 2, 1, 0, 1, 1, 1}},
    {"whole", 2, 16, 7, 5, {7, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"whole_row", 1, 64, 7, 5, {1, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"1x1", 1, 1, 1, 1, {1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"gap", 1, 3, 9, 9, {2, 2, 3, 3, 0, 0, 1, 1, 1}},
    {"unused_rim", 1, 8, 8, 8, {3, 3, 2, 2, 0, 0, 1, 1, 1}},
    {"stem", 1, 64, 56, 56, {3, 3, 2, 2, 1, 1, 1, 1, 1}},
};

enum { N_POOLS = sizeof pools / sizeof *pools, N_FILLS = 4 };

static const struct {
    const char *name;
    cf_fill fill;
} fills[N_FILLS] = {
    {"normal", {CF_NORMAL}}, {"ties", {CF_TIES}}, {"negative", {CF_UNIFORM, -2, -1}}, {"zeros", {CF_ZEROS}}};

static void pool(cf_suite *s, uint32_t op) {
    for (int k = 0; k < N_POOLS; k++)
        for (int f = 0; f < N_FILLS; f++) {
            cf_graph *g = cf_begin(s, "%s_%s", pools[k].name, fills[f].name);
            if (!g) continue;
            const cf_value x = cf_input(g, fills[f].fill, CF_SHAPE(pools[k].n, pools[k].c, pools[k].h, pools[k].w));
            cf_output(g, cf_pool(g, op, x, pools[k].k));
            cf_check(g);
        }
}

void cases_max_pool(cf_suite *s) { pool(s, OASSL_OP_MAX_POOL); }
void cases_avg_pool(cf_suite *s) { pool(s, OASSL_OP_AVG_POOL); }

static cf_value pooled_gradient(cf_graph *g, int k) {
    const cf_window *w = &pools[k].k;
    return cf_input(g, CF_RANDOM,
                    CF_SHAPE(pools[k].n, pools[k].c, cf_window_extent(pools[k].h, w->kh, w->stride_h, w->pad_h, 1),
                             cf_window_extent(pools[k].w, w->kw, w->stride_w, w->pad_w, 1)));
}

void cases_max_pool_grad(cf_suite *s) {
    for (int k = 0; k < N_POOLS; k++)
        for (int f = 0; f < N_FILLS; f++) {
            cf_graph *g = cf_begin(s, "%s_%s", pools[k].name, fills[f].name);
            if (!g) continue;
            const cf_value x = cf_input(g, fills[f].fill, CF_SHAPE(pools[k].n, pools[k].c, pools[k].h, pools[k].w));
            cf_output(g, cf_max_pool_grad(g, x, pooled_gradient(g, k), pools[k].k));
            cf_check(g);
        }
}

void cases_avg_pool_grad(cf_suite *s) {
    for (int k = 0; k < N_POOLS; k++) {
        cf_graph *g = cf_begin(s, "%s", pools[k].name);
        if (!g) continue;
        cf_output(g, cf_avg_pool_grad(g, pooled_gradient(g, k), pools[k].k, pools[k].h, pools[k].w));
        cf_check(g);
    }
}

/* ---- batch normalisation
 * -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
} norms[] = {
    {"2x3x5x7", 4, {2, 3, 5, 7}},
    {"1x16x4x4", 4, {1, 16, 4, 4}},
    {"3x17x9x2", 4, {3, 17, 9, 2}},
    {"2x1x6x6", 4, {2, 1, 6, 6}},
    {"8x5", 2, {8, 5}},
    {"6x24", 2, {6, 24}},
    {"6x48", 2, {6, 48}},
    {"4x6x10", 3, {4, 6, 10}},
    {"2x64x28x28", 4, {2, 64, 28, 28}},
    {"2x4x1x1", 4, {2, 4, 1, 1}},
};

enum { N_NORMS = sizeof norms / sizeof *norms };

/* gamma, beta or any other vector of a channel */
static cf_value channel_vector(cf_graph *g, int k, cf_fill fill, int param) {
    const int64_t shape[] = {norms[k].shape[1]};
    return param ? cf_param(g, fill, 1, shape) : cf_input(g, fill, 1, shape);
}

static cf_value normed_input(cf_graph *g, int k, cf_fill fill) {
    return cf_input(g, fill, norms[k].rank, norms[k].shape);
}

void cases_batch_norm(cf_suite *s) {
    static const struct {
        const char *name;
        cf_fill fill;
    } x[] = {{"normal", {CF_NORMAL}},
             {"offset", {CF_UNIFORM, 5, 8}},
             {"constant", {CF_ZEROS}},
             {"small", {CF_NORMAL, 0, 1e-3}}};
    for (int k = 0; k < N_NORMS; k++)
        for (int f = 0; f < 4; f++) {
            cf_graph *g = cf_begin(s, "%s_%s", norms[k].name, x[f].name);
            if (!g) continue;
            const cf_value in[] = {normed_input(g, k, x[f].fill), channel_vector(g, k, CF_RANGE(-1, 2), 0),
                                   channel_vector(g, k, CF_RANDOM, 0), channel_vector(g, k, CF_RANDOM, 0),
                                   channel_vector(g, k, CF_RANGE(0.5, 2), 0)};
            if (f == 1) g->looser = 8; /* the mean is large against the spread */
            cf_outputs(g, cf_batch_norm(g, in, 1e-5, 0.1), 5);
            cf_check(g);
        }
}

void cases_batch_norm_grad(cf_suite *s) {
    for (int k = 0; k < N_NORMS; k++) {
        cf_graph *g = cf_begin(s, "%s", norms[k].name);
        if (!g) continue;
        const cf_value in[] = {normed_input(g, k, CF_RANDOM), channel_vector(g, k, CF_RANGE(-1, 2), 0),
                               channel_vector(g, k, CF_RANGE(-0.2, 0.2), 0),
                               channel_vector(g, k, CF_RANGE(0.7, 1.4), 0), normed_input(g, k, CF_RANDOM)};
        cf_outputs(g, cf_batch_norm_grad(g, in), 3);
        cf_check(g);
    }
}

void cases_batch_norm_infer(cf_suite *s) {
    for (int k = 0; k < N_NORMS; k++)
        for (int param = 0; param < 2; param++) {
            cf_graph *g = cf_begin(s, "%s%s", norms[k].name, param ? "_param" : "");
            if (!g) continue;
            const cf_value in[] = {normed_input(g, k, CF_RANDOM), channel_vector(g, k, CF_RANGE(-1, 2), param),
                                   channel_vector(g, k, CF_RANDOM, param), channel_vector(g, k, CF_RANDOM, param),
                                   channel_vector(g, k, CF_RANGE(0.2, 3), param)};
            cf_output(g, cf_batch_norm_infer(g, in, 1e-5));
            cf_check(g);
        }
}

void cases_batch_norm_infer_grad(cf_suite *s) {
    for (int k = 0; k < N_NORMS; k++) {
        cf_graph *g = cf_begin(s, "%s", norms[k].name);
        if (!g) continue;
        const cf_value in[] = {normed_input(g, k, CF_RANDOM), channel_vector(g, k, CF_RANGE(-1, 2), 0),
                               channel_vector(g, k, CF_RANDOM, 0), channel_vector(g, k, CF_RANGE(0.2, 3), 0),
                               normed_input(g, k, CF_RANDOM)};
        cf_outputs(g, cf_batch_norm_infer_grad(g, in, 1e-5), 3);
        cf_check(g);
    }
}

/* ---- layer normalisation
 * -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK];
} rows[] = {
    {"1x1", 2, {1, 1}},       {"3x7", 2, {3, 7}}, {"2x5x64", 3, {2, 5, 64}}, {"2x3x2x17", 4, {2, 3, 2, 17}},
    {"19x768", 2, {19, 768}}, {"12", 1, {12}},
};

enum { N_ROWS = sizeof rows / sizeof *rows };

void cases_layer_norm(cf_suite *s) {
    static const struct {
        const char *name;
        cf_fill fill;
    } x[] = {{"normal", {CF_NORMAL}}, {"offset", {CF_UNIFORM, 5, 8}}, {"constant", {CF_ZEROS}}};
    for (int k = 0; k < N_ROWS; k++)
        for (int f = 0; f < 3; f++) {
            cf_graph *g = cf_begin(s, "%s_%s", rows[k].name, x[f].name);
            if (!g) continue;
            const int64_t width = rows[k].shape[rows[k].rank - 1];
            const cf_value in = cf_input(g, x[f].fill, rows[k].rank, rows[k].shape);
            const cf_value gamma = cf_input(g, CF_RANGE(-1, 2), CF_SHAPE(width)),
                           beta = cf_input(g, CF_RANDOM, CF_SHAPE(width));
            if (f == 1) g->looser = 8;
            cf_outputs(g, cf_layer_norm(g, in, gamma, beta, 1e-5), 3);
            cf_check(g);
        }
}

void cases_layer_norm_grad(cf_suite *s) {
    for (int k = 0; k < N_ROWS; k++) {
        cf_graph *g = cf_begin(s, "%s", rows[k].name);
        if (!g) continue;
        const cf_value in[] = {cf_input(g, CF_RANDOM, rows[k].rank, rows[k].shape),
                               cf_input(g, CF_RANGE(-1, 2), CF_SHAPE(rows[k].shape[rows[k].rank - 1])),
                               cf_input(g, CF_RANGE(-0.2, 0.2), rows[k].rank - 1, rows[k].shape),
                               cf_input(g, CF_RANGE(0.7, 1.4), rows[k].rank - 1, rows[k].shape),
                               cf_input(g, CF_RANDOM, rows[k].rank, rows[k].shape)};
        cf_outputs(g, cf_layer_norm_grad(g, in), 3);
        cf_check(g);
    }
}
