/* Included twice by view.c, for float and for double: REAL, NAME(x). */

typedef struct NAME(item) {
    REAL value;
    uint32_t pixel;
} NAME(item);

/* Sixteen extremes side by side: one would wait for itself at every pixel. */
CLONES static bool NAME(extent)(const REAL *v, size_t n, double *out_lo, double *out_hi) {
    enum { WIDE = 16 };
    REAL lo[WIDE], hi[WIDE], odd[WIDE];
    size_t whole = n / WIDE * WIDE;
    for (int32_t k = 0; k < WIDE; k++) lo[k] = hi[k] = v[0], odd[k] = 0;
    for (size_t i = 0; i < whole; i += WIDE)
        for (int32_t k = 0; k < WIDE; k++) {
            REAL x = v[i + (size_t)k];
            lo[k] = x < lo[k] ? x : lo[k], hi[k] = x > hi[k] ? x : hi[k];
            odd[k] += x - x; /* NaN once, NaN for ever */
        }
    for (size_t i = whole; i < n; i++)
        lo[0] = v[i] < lo[0] ? v[i] : lo[0], hi[0] = v[i] > hi[0] ? v[i] : hi[0], odd[0] += v[i] - v[i];
    for (int32_t k = 1; k < WIDE; k++)
        lo[0] = lo[k] < lo[0] ? lo[k] : lo[0], hi[0] = hi[k] > hi[0] ? hi[k] : hi[0], odd[0] += odd[k];
    *out_lo = (double)lo[0], *out_hi = (double)hi[0];
    return odd[0] == 0;
}

/* Steps of equal width between the extremes: a value's step never falls when the value rises, rounding included. */
static inline uint32_t NAME(step)(REAL v, REAL lo, REAL scale) { return (uint32_t)(int32_t)((v - lo) * scale); }

static REAL NAME(scale)(const oai_view *view, int32_t steps) {
    REAL range = (REAL)view->hi - (REAL)view->lo;
    if (!(range > 0) || !isfinite(range)) return 0;
    REAL scale = (REAL)(steps - 1) / range;
    return isfinite(scale) ? scale : 0;
}

static int NAME(by_value_then_pixel)(const void *a, const void *b) {
    const NAME(item) *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value)
                                : (x->pixel > y->pixel) - (x->pixel < y->pixel);
}

/* Puts values right that share a step; most are alone in theirs.  Equal values are in the picture's order already. */
static void NAME(sort_within_steps)(NAME(item) * items, size_t n, REAL lo, REAL scale) {
    enum { FEW = 24 };
    for (size_t i = 1; i < n; i++) {
        if (items[i - 1].value <= items[i].value) continue;
        uint32_t step = NAME(step)(items[i].value, lo, scale);
        size_t first = i - 1, last = i + 1;
        while (first > 0 && NAME(step)(items[first - 1].value, lo, scale) == step) first--;
        while (last < n && NAME(step)(items[last].value, lo, scale) == step) last++;
        if (last - first > FEW) {
            qsort(items + first, last - first, sizeof *items, NAME(by_value_then_pixel));
        } else {
            for (size_t k = first + 1; k < last; k++) {
                NAME(item) one = items[k];
                size_t at = k;
                for (; at > first && items[at - 1].value > one.value; at--) items[at] = items[at - 1];
                items[at] = one;
            }
        }
        i = last - 1;
    }
}

static void NAME(add_up)(uint32_t count[RADIX]) {
    for (uint32_t b = 0, total = 0; b < RADIX; b++) {
        uint32_t here = count[b];
        count[b] = total, total += here;
    }
}

/* Radix sort by steps of 2^22, stable, so that equal values stay in the picture's order. */
static void NAME(sort)(const oai_view *view, const REAL *v, NAME(item) * items, NAME(item) * spare,
                       uint32_t *out_order, REAL *out_sorted, bool *out_ties) {
    uint32_t low[RADIX] = {0}, high[RADIX] = {0};
    REAL lo = (REAL)view->lo, scale = NAME(scale)(view, STEPS);
    size_t n = view->n;
    bool ties = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t step = NAME(step)(v[i], lo, scale);
        low[step & (RADIX - 1)]++, high[step >> DIGIT]++;
    }
    NAME(add_up)(low), NAME(add_up)(high);
    for (size_t i = 0; i < n; i++)
        spare[low[NAME(step)(v[i], lo, scale) & (RADIX - 1)]++] = (NAME(item)){v[i], (uint32_t)i};
    for (size_t i = 0; i < n; i++) items[high[NAME(step)(spare[i].value, lo, scale) >> DIGIT]++] = spare[i];
    NAME(sort_within_steps)(items, n, lo, scale);
    for (size_t i = 0; i < n; i++) out_order[i] = items[i].pixel, out_sorted[i] = items[i].value;
    for (size_t i = 1; i < n; i++) ties |= out_sorted[i - 1] == out_sorted[i];
    *out_ties = ties;
}

static int NAME(by_value)(const void *a, const void *b) {
    REAL x = *(const REAL *)a, y = *(const REAL *)b;
    return (x > y) - (x < y);
}

/* By a histogram, and by sorting the one step that has the rank. */
static REAL NAME(rank)(const oai_view *view, const REAL *v, size_t rank, oai_sort_space *space) {
    uint32_t counts[RADIX] = {0}, b = 0, *steps = space->items;
    REAL lo = (REAL)view->lo, scale = NAME(scale)(view, RADIX), *some = space->spare;
    size_t before = 0, n = 0;
    for (size_t i = 0; i < view->n; i++) steps[i] = NAME(step)(v[i], lo, scale);
    for (size_t i = 0; i < view->n; i++) counts[steps[i]]++;
    while (before + counts[b] <= rank) before += counts[b++];
    for (size_t i = 0; i < view->n; i++)
        if (steps[i] == b) some[n++] = v[i];
    qsort(some, n, sizeof *some, NAME(by_value));
    return some[rank - before];
}

static size_t NAME(below)(const REAL *sorted, size_t n, double cutoff) {
    size_t low = 0, high = n; /* the first that passes lies in low..high */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((double)sorted[middle] >= cutoff)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* NumPy's sum of contiguous values: eight of them side by side in blocks of 128, halves added up. */
static REAL NAME(pairwise_sum)(const REAL *v, size_t n) {
    if (n < 8) {
        REAL sum = 0;
        for (size_t i = 0; i < n; i++) sum += v[i];
        return sum;
    }
    if (n <= 128) {
        REAL r[8], sum;
        size_t i = 8;
        for (size_t k = 0; k < 8; k++) r[k] = v[k];
        for (; i < n - n % 8; i += 8)
            for (size_t k = 0; k < 8; k++) r[k] += v[i + k];
        sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < n; i++) sum += v[i];
        return sum;
    }
    size_t half = n / 2 - n / 2 % 8;
    return NAME(pairwise_sum)(v, half) + NAME(pairwise_sum)(v + half, n - half);
}
