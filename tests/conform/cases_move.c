/* Cases of the operations that move elements. */
#include "conform.h"

/* Contents that arithmetic would change: NaN, infinities, signed zeros, subnormal numbers. */
static cf_value raw_input(cf_graph *g, size_t k, int32_t rank, const int64_t *shape) {
    static const int32_t kinds[] = {CF_NORMAL, CF_SPECIAL, CF_TINY};
    return cf_input(g, CF_FILL(kinds[k % 3]), rank, shape);
}

void cases_reshape(cf_suite *s) {
    static const struct {
        const char *name;
        int32_t from_rank;
        int64_t from[OASSL_MAX_RANK];
        int32_t to_rank;
        int64_t to[OASSL_MAX_RANK];
    } grid[] = {
        {"1_scalar", 1, {1}, 0, {0}},
        {"scalar_1x1", 0, {0}, 2, {1, 1}},
        {"3x4_12", 2, {3, 4}, 1, {12}},
        {"2x16x7x9_2x16x63", 4, {2, 16, 7, 9}, 3, {2, 16, 63}},
        {"24_2x3x4", 1, {24}, 3, {2, 3, 4}},
        {"2x3x4x5_6x20", 4, {2, 3, 4, 5}, 2, {6, 20}},
        {"6x20_1x2x3x4x5x1", 2, {6, 20}, 6, {1, 2, 3, 4, 5, 1}},
        {"same", 2, {5, 7}, 2, {5, 7}},
    };
    for (size_t k = 0; k < sizeof grid / sizeof *grid; k++) {
        cf_graph *g = cf_begin(s, "%s", grid[k].name);
        if (!g) continue;
        const cf_value x = raw_input(g, k, grid[k].from_rank, grid[k].from);
        cf_output(g, cf_reshape(g, OASSL_OP_RESHAPE, x, grid[k].to_rank, grid[k].to));
        cf_check(g);
    }
}

void cases_broadcast(cf_suite *s) {
    static const struct {
        const char *name;
        int32_t from_rank;
        int64_t from[OASSL_MAX_RANK];
        int32_t to_rank;
        int64_t to[OASSL_MAX_RANK];
    } grid[] = {
        {"scalar_7", 0, {0}, 1, {7}},
        {"1_3x4", 1, {1}, 2, {3, 4}},
        {"5_3x5", 1, {5}, 2, {3, 5}},
        {"3x1_3x5", 2, {3, 1}, 2, {3, 5}},
        {"channel", 4, {1, 17, 1, 1}, 4, {2, 17, 7, 9}},
        {"middle", 3, {2, 1, 5}, 4, {3, 2, 4, 5}},
        {"same", 2, {5, 7}, 2, {5, 7}},
        {"6axes", 6, {1, 3, 1, 2, 1, 5}, 6, {2, 3, 4, 2, 3, 5}},
    };
    for (size_t k = 0; k < sizeof grid / sizeof *grid; k++) {
        cf_graph *g = cf_begin(s, "%s", grid[k].name);
        if (!g) continue;
        const cf_value x = raw_input(g, k, grid[k].from_rank, grid[k].from);
        cf_output(g, cf_reshape(g, OASSL_OP_BROADCAST, x, grid[k].to_rank, grid[k].to));
        cf_check(g);
    }
}

void cases_transpose(cf_suite *s) {
    static const struct {
        const char *name;
        int32_t rank;
        int64_t shape[OASSL_MAX_RANK], permutation[OASSL_MAX_RANK];
    } grid[] = {
        {"3x5", 2, {3, 5}, {1, 0}},
        {"identity", 3, {3, 5, 2}, {0, 1, 2}},
        {"2x16x7x9_nhwc", 4, {2, 16, 7, 9}, {0, 2, 3, 1}},
        {"2x7x9x16_nchw", 4, {2, 7, 9, 16}, {0, 3, 1, 2}},
        {"heads", 4, {2, 9, 4, 8}, {0, 2, 1, 3}},
        {"swap_last", 4, {2, 4, 9, 8}, {0, 1, 3, 2}},
        {"rotate3", 3, {3, 4, 5}, {2, 0, 1}},
        {"5axes", 5, {2, 3, 4, 2, 3}, {4, 2, 0, 3, 1}},
        {"6axes", 6, {2, 3, 1, 2, 3, 4}, {5, 3, 1, 4, 2, 0}},
        {"101x203", 2, {101, 203}, {1, 0}},
    };
    for (size_t k = 0; k < sizeof grid / sizeof *grid; k++) {
        cf_graph *g = cf_begin(s, "%s", grid[k].name);
        if (!g) continue;
        cf_output(g, cf_transpose(g, raw_input(g, k, grid[k].rank, grid[k].shape), grid[k].permutation));
        cf_check(g);
    }
}

void cases_concat(cf_suite *s) {
    static const int64_t extents[][4] = {{3, 0}, {1, 1}, {2, 5, 1}, {16, 17}, {4, 3, 2, 1}};
    for (size_t k = 0; k < 5; k++)
        for (int32_t axis = 0; axis < 4; axis++) {
            cf_graph *g = cf_begin(s, "list%zu_axis%d", k, (int)axis);
            if (!g) continue;
            cf_value x[4];
            uint32_t n = 0;
            while (n < 4 && extents[k][n] > 0) {
                int64_t shape[] = {2, 3, 5, 4};
                shape[axis] = extents[k][n];
                x[n] = raw_input(g, k, 4, shape);
                n++;
            }
            cf_output(g, cf_concat(g, x, n, axis));
            cf_check(g);
        }
    cf_graph *g = cf_begin(s, "same_twice");
    if (!g) return;
    const cf_value x = cf_input(g, CF_RANDOM, CF_SHAPE(3, 4));
    cf_output(g, cf_concat(g, (const cf_value[]){x, x}, 2, 1));
    cf_check(g);
}

void cases_slice(cf_suite *s) {
    static const int64_t cuts[][2] = {{0, 1}, {1, 2}, {2, 1}, {0, 3}};
    for (int32_t axis = 0; axis < 4; axis++)
        for (size_t k = 0; k < 4; k++) {
            cf_graph *g = cf_begin(s, "axis%d_%lld_%lld", (int)axis, (long long)cuts[k][0], (long long)cuts[k][1]);
            if (!g) continue;
            int64_t shape[] = {4, 5, 6, 7};
            shape[axis] = 3;
            cf_output(g, cf_slice(g, raw_input(g, k, 4, shape), axis, cuts[k][0], cuts[k][1]));
            cf_check(g);
        }
}

void cases_pad(cf_suite *s) {
    static const int64_t pads[][2] = {{0, 1}, {2, 0}, {1, 3}, {0, 0}};
    for (int32_t axis = 0; axis < 4; axis++)
        for (size_t k = 0; k < 4; k++) {
            cf_graph *g = cf_begin(s, "axis%d_%lld_%lld", (int)axis, (long long)pads[k][0], (long long)pads[k][1]);
            if (!g) continue;
            const int64_t shape[] = {2, 3, 4, 5};
            cf_output(g, cf_pad(g, raw_input(g, k, 4, shape), axis, pads[k][0], pads[k][1]));
            cf_check(g);
        }
}

/* ---- rows by index
 * -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t row_rank;
    int64_t rows, row[3];
    int32_t index_rank;
    int64_t index[3];
} lookups[] = {
    {"5x3_by7", 1, 5, {3}, 1, {7}},
    {"1x1_by1", 1, 1, {1}, 1, {1}},
    {"9_by4", 0, 9, {0}, 1, {4}},
    {"scalar_index", 1, 6, {4}, 0, {0}},
    {"100x64_by2x17", 1, 100, {64}, 2, {2, 17}},
    {"7x2x3_by5", 2, 7, {2, 3}, 1, {5}},
    {"3x8_by200", 1, 3, {8}, 1, {200}}, /* every row many times */
};

enum { N_LOOKUPS = sizeof lookups / sizeof *lookups };

void cases_gather(cf_suite *s) {
    for (int k = 0; k < N_LOOKUPS; k++)
        for (int param = 0; param < 2; param++) {
            cf_graph *g = cf_begin(s, "%s%s", lookups[k].name, param ? "_param" : "");
            if (!g) continue;
            int64_t shape[4] = {lookups[k].rows};
            for (int32_t a = 0; a < lookups[k].row_rank; a++) shape[a + 1] = lookups[k].row[a];
            const cf_value table = param ? cf_param(g, CF_RANDOM, lookups[k].row_rank + 1, shape)
                                         : cf_input(g, CF_RANDOM, lookups[k].row_rank + 1, shape);
            const cf_value index = cf_index(g, lookups[k].rows, lookups[k].index_rank, lookups[k].index);
            cf_output(g, cf_gather(g, table, index));
            cf_check(g);
        }
}

void cases_scatter_add(cf_suite *s) {
    for (int k = 0; k < N_LOOKUPS; k++) {
        cf_graph *g = cf_begin(s, "%s", lookups[k].name);
        if (!g) continue;
        int64_t shape[OASSL_MAX_RANK];
        int32_t rank = 0;
        for (int32_t a = 0; a < lookups[k].index_rank; a++) shape[rank++] = lookups[k].index[a];
        for (int32_t a = 0; a < lookups[k].row_rank; a++) shape[rank++] = lookups[k].row[a];
        const cf_value index = cf_index(g, lookups[k].rows, lookups[k].index_rank, lookups[k].index);
        cf_output(g, cf_scatter_add(g, index, cf_input(g, CF_RANDOM, rank, shape), lookups[k].rows));
        cf_check(g);
    }
}
