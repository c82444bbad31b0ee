#include "localize/region.h"

#include <stdbool.h>

typedef struct oai_flood {
    const float *map;
    int32_t width, height;
    float threshold;
    bool *seen;
    int32_t *stack; /* positions found and not yet expanded */
    size_t n_stack;
    int32_t *box;
} oai_flood;

static void visit(oai_flood *flood, int32_t x, int32_t y) {
    if (x < 0 || y < 0 || x >= flood->width || y >= flood->height) return;
    int32_t p = y * flood->width + x;
    if (flood->seen[p] || flood->map[p] < flood->threshold) return;
    flood->seen[p] = true;
    flood->stack[flood->n_stack++] = p;
    if (x < flood->box[0]) flood->box[0] = x;
    if (y < flood->box[1]) flood->box[1] = y;
    if (x >= flood->box[2]) flood->box[2] = x + 1;
    if (y >= flood->box[3]) flood->box[3] = y + 1;
}

oassl_status oai_find_region(const oai_host *host, const float *map, int32_t width, int32_t height, oai_region *out_region) {
    size_t n = (size_t)width * (size_t)height, best = 0;
    float low = map[0];
    for (size_t p = 1; p < n; p++) {
        if (map[p] > map[best]) best = p;
        if (map[p] < low) low = map[p];
    }
    int32_t x = (int32_t)(best % (size_t)width), y = (int32_t)(best / (size_t)width);
    *out_region = (oai_region){x, y, map[best], {x, y, x + 1, y + 1}};
    bool *seen = oai_calloc(host, n, sizeof *seen);
    int32_t *stack = oai_alloc(host, n * sizeof *stack);
    oassl_status status = seen && stack ? OASSL_STATUS_OK : oai_no_memory(n * sizeof *stack, "a heat-map's region");
    if (status == OASSL_STATUS_OK) {
        oai_flood flood = {map, width, height, low + (map[best] - low) / 2, seen, stack, 0, out_region->box};
        visit(&flood, x, y);
        while (flood.n_stack > 0) {
            int32_t p = stack[--flood.n_stack];
            visit(&flood, p % width + 1, p / width);
            visit(&flood, p % width - 1, p / width);
            visit(&flood, p % width, p / width + 1);
            visit(&flood, p % width, p / width - 1);
        }
    }
    oai_free(host, stack);
    oai_free(host, seen);
    return status;
}
