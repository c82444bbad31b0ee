/* Cases of reductions and softmax. */
#include "conform.h"

static const struct {
    const char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK], axes;
} grid[] = {
    {"1", 1, {1}, 1},
    {"17_all", 1, {17}, 1},
    {"3x5_none", 2, {3, 5}, 0},
    {"3x5_rows", 2, {3, 5}, 1},
    {"3x5_cols", 2, {3, 5}, 2},
    {"3x5_all", 2, {3, 5}, 3},
    {"2x16x7x9_space", 4, {2, 16, 7, 9}, 0xC},
    {"2x16x7x9_channels", 4, {2, 16, 7, 9}, 0x2},
    {"2x16x7x9_batch_space", 4, {2, 16, 7, 9}, 0xD},
    {"2x16x7x9_outer", 4, {2, 16, 7, 9}, 0x3},
    {"2x16x7x9_odd", 4, {2, 16, 7, 9}, 0xA},
    {"4x1x5_one", 3, {4, 1, 5}, 0x2},
    {"6axes", 6, {2, 3, 2, 5, 3, 4}, 0x2A},
    {"33x1000_cols", 2, {33, 1000}, 2},
    {"1000x33_rows", 2, {1000, 33}, 1},
    {"100003_all", 1, {100003}, 1},
};

static void reduce(cf_suite *s, uint32_t op, cf_fill fill, const char *fill_name) {
    for (size_t k = 0; k < sizeof grid / sizeof *grid; k++)
        for (int keep = 0; keep < 2; keep++) {
            cf_graph *g = cf_begin(s, "%s_%s_%s", grid[k].name, fill_name, keep ? "keep" : "drop");
            if (!g) continue;
            cf_output(g, cf_reduce(g, op, cf_input(g, fill, grid[k].rank, grid[k].shape), grid[k].axes, keep));
            cf_check(g);
        }
}

void cases_reduce_sum(cf_suite *s) {
    reduce(s, OASSL_OP_REDUCE_SUM, CF_RANDOM, "normal");
    reduce(s, OASSL_OP_REDUCE_SUM, CF_RANGE(0, 1), "positive");
}
void cases_reduce_mean(cf_suite *s) {
    reduce(s, OASSL_OP_REDUCE_MEAN, CF_RANDOM, "normal");
    reduce(s, OASSL_OP_REDUCE_MEAN, CF_RANGE(100, 101), "offset");
}
void cases_reduce_max(cf_suite *s) {
    reduce(s, OASSL_OP_REDUCE_MAX, CF_RANDOM, "normal");
    reduce(s, OASSL_OP_REDUCE_MAX, CF_FILL(CF_TIES), "ties");
    reduce(s, OASSL_OP_REDUCE_MAX, CF_RANGE(-2, -1), "negative");
    reduce(s, OASSL_OP_REDUCE_MAX, CF_FILL(CF_INFINITE), "infinite");
}
void cases_reduce_lse(cf_suite *s) {
    reduce(s, OASSL_OP_REDUCE_LSE, CF_RANDOM, "normal");
    reduce(s, OASSL_OP_REDUCE_LSE, CF_FILL(CF_TIES), "ties");
    reduce(s, OASSL_OP_REDUCE_LSE, CF_RANGE(-900, 900), "wide");
}

void cases_reduce_max_grad(cf_suite *s) {
    static const struct {
        const char *name;
        cf_fill fill;
    } fills[] = {
        {"normal", {CF_NORMAL}}, {"ties", {CF_TIES}}, {"zeros", {CF_ZEROS}}, {"negative", {CF_UNIFORM, -2, -1}}};
    for (size_t k = 0; k < sizeof grid / sizeof *grid; k++)
        for (size_t f = 0; f < 4; f++)
            for (int keep = 0; keep < 2; keep++) {
                cf_graph *g = cf_begin(s, "%s_%s_%s", grid[k].name, fills[f].name, keep ? "keep" : "drop");
                if (!g) continue;
                const cf_value x = cf_input(g, fills[f].fill, grid[k].rank, grid[k].shape);
                int64_t shape[OASSL_MAX_RANK];
                int32_t rank = 0;
                for (int32_t axis = 0; axis < grid[k].rank; axis++)
                    if (!(grid[k].axes >> axis & 1))
                        shape[rank++] = grid[k].shape[axis];
                    else if (keep)
                        shape[rank++] = 1;
                const cf_value dy = cf_input(g, CF_RANDOM, rank, shape);
                oassl_node_attrs *a = cf_node(g, OASSL_OP_REDUCE_MAX_GRAD, CF_IN(x, dy));
                a->i[0] = grid[k].axes;
                a->i[1] = keep;
                cf_output(g, cf_result_like(g, x));
                cf_check(g);
            }
}

/* ---- softmax -------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    int32_t rank;
    int64_t shape[OASSL_MAX_RANK], axis;
} soft[] = {
    {"1", 1, {1}, 0},
    {"17", 1, {17}, 0},
    {"5x1", 2, {5, 1}, 1},
    {"5x33", 2, {5, 33}, 1},
    {"33x5_axis0", 2, {33, 5}, 0},
    {"2x16x7x9_axis1", 4, {2, 16, 7, 9}, 1},
    {"2x3x7x64_axis3", 4, {2, 3, 7, 64}, 3},
    {"2x4x9x9", 4, {2, 4, 9, 9}, 3},
    {"2x3x4_axis1", 3, {2, 3, 4}, 1},
    {"129x1001", 2, {129, 1001}, 1},
    {"2x3x2x3x2x5_axis4", 6, {2, 3, 2, 3, 2, 5}, 4},
};

enum { N_SOFT = sizeof soft / sizeof *soft };

static void softmax(cf_suite *s, uint32_t op) {
    static const struct {
        const char *name;
        cf_fill fill;
    } fills[] = {
        {"normal", {CF_NORMAL}}, {"ties", {CF_TIES}}, {"wide", {CF_UNIFORM, -300, 300}}, {"zeros", {CF_ZEROS}}};
    for (size_t k = 0; k < N_SOFT; k++)
        for (size_t f = 0; f < 4; f++) {
            cf_graph *g = cf_begin(s, "%s_%s", soft[k].name, fills[f].name);
            if (!g) continue;
            cf_output(g, cf_softmax(g, op, cf_input(g, fills[f].fill, soft[k].rank, soft[k].shape), soft[k].axis));
            cf_check(g);
        }
}

void cases_softmax(cf_suite *s) { softmax(s, OASSL_OP_SOFTMAX); }
void cases_log_softmax(cf_suite *s) { softmax(s, OASSL_OP_LOG_SOFTMAX); }

static void softmax_grad(cf_suite *s, uint32_t op, cf_fill y) {
    for (size_t k = 0; k < N_SOFT; k++) {
        cf_graph *g = cf_begin(s, "%s", soft[k].name);
        if (!g) continue;
        const cf_value in = cf_input(g, y, soft[k].rank, soft[k].shape);
        const cf_value dy = cf_input(g, CF_RANDOM, soft[k].rank, soft[k].shape);
        cf_node(g, op, CF_IN(in, dy))->i[0] = soft[k].axis;
        cf_output(g, cf_result_like(g, in));
        cf_check(g);
    }
}

void cases_softmax_grad(cf_suite *s) { softmax_grad(s, OASSL_OP_SOFTMAX_GRAD, CF_RANGE(0, 0.1)); }
void cases_log_softmax_grad(cf_suite *s) { softmax_grad(s, OASSL_OP_LOG_SOFTMAX_GRAD, CF_RANGE(-9, -2)); }

void cases_count_non_finite(cf_suite *s) {
    static const int64_t counts[] = {1, 17, 1000, 100003};
    static const int32_t kinds[] = {CF_NORMAL, CF_SPECIAL, CF_INFINITE, CF_TINY};
    for (size_t k = 0; k < 4; k++)
        for (size_t f = 0; f < 4; f++) {
            cf_graph *g = cf_begin(s, "%lld_fill%d", (long long)counts[k], (int)kinds[f]);
            if (!g) continue;
            const cf_value x = cf_input(g, CF_FILL(kinds[f]), CF_SHAPE(counts[k]));
            cf_node(g, OASSL_OP_COUNT_NON_FINITE, CF_IN(x));
            cf_output(g, cf_result(g, CF_SCALAR));
            cf_check(g);
        }
}
