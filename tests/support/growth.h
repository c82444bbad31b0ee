/* How the processor time of some work grows with its size, for tests that it does not grow faster than it should: a
 * ratio, because how long anything takes says more about the machine. */
#ifndef TEST_SUPPORT_GROWTH_H
#define TEST_SUPPORT_GROWTH_H

#include <math.h>
#include <time.h>

typedef void (*sized_work)(int n);

static inline double least_seconds(sized_work work, int n) {
    double least = INFINITY;
    for (int k = 0; k < 3; k++) {
        const clock_t start = clock();
        work(n);
        least = fmin(least, (double)(clock() - start) / CLOCKS_PER_SEC);
    }
    return least;
}

/* Time of eight times as much by time of n: 8 when it is proportional, 64 when it is the square. */
static inline double growth(sized_work work, int n) {
    const double small = least_seconds(work, n);
    return least_seconds(work, 8 * n) / small;
}

#endif
