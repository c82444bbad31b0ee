/* bench_logspec SOUND.f32 FRAMES REPEATS LOGSPEC.f32
 * Times the log-spectrogram of FRAMES samples of mono sound at 16 kHz in memory, all that oassl_audio_logspec() does (checks and
 * window included).  Prints {"columns", "seconds": [...]} and writes [257, columns]. */
#include "bench.h"

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: bench_logspec SOUND.f32 FRAMES REPEATS LOGSPEC.f32\n");
        return 2;
    }
    const int repeats = atoi(argv[3]);
    oassl_context *context = bench_context(1);
    oassl_tensor samples = bench_tensor(1, (const int64_t[]){atoll(argv[2])});
    bench_read(argv[1], &(const oassl_tensor *){&samples}, 1);
    oassl_audio sound = {.samples = samples.data, .frames = samples.shape[0], .channels = 1, .rate = 16000};
    uint64_t columns;
    MUST(oassl_audio_logspec_columns(NULL, sound.rate, &columns));
    oassl_tensor logspec = bench_tensor(2, (const int64_t[]){OASSL_LOGSPEC_ROWS, (int64_t)columns});
    double seconds[repeats + 1];
    for (int i = 0; i <= repeats; i++) { /* the first call is not counted */
        double start = bench_now();
        MUST(oassl_audio_logspec(context, NULL, &sound, logspec.data, bench_count(&logspec)));
        seconds[i] = bench_now() - start;
    }
    bench_write(argv[4], &(const oassl_tensor *){&logspec}, 1);
    printf("{\"columns\": %llu, ", (unsigned long long)columns);
    bench_print(seconds + 1, repeats);
    puts("}");
    free(samples.data);
    free(logspec.data);
    oassl_context_destroy(context);
    return 0;
}
