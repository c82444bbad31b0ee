/* bench_step THREADS BATCH REPEATS [KEY=VALUE ...]
 * Times OA-SSL training steps of a full-size pair on batches in memory (224 x 224 RGB, 257 x 200, K = 1, LVS + OCA + ORI, Adam) and
 * nothing else, so that the process's peak memory is training's.  KEY=VALUE are training options, e.g. precision=bf16.
 * Prints {"seconds": [...], "workspace_bytes", "loss"}. */
#include <string.h>

#include "bench.h"

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: bench_step THREADS BATCH REPEATS [KEY=VALUE ...]\n");
        return 2;
    }
    enum { FRAMES = 200, TEXT_DIM = 768 };
    const int repeats = atoi(argv[3]);
    oassl_context *context = bench_context((uint32_t)atoi(argv[1]));
    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    options.batch_size = (uint32_t)atoi(argv[2]);
    for (int i = 4; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals) return 2;
        *equals = '\0';
        MUST(oassl_trainer_options_set(&options, argv[i], equals + 1));
    }
    oassl_trainer_shape shape = {.struct_size = sizeof shape, .height = 224, .width = 224, .frames = FRAMES, .n_foreground = 1,
                                 .text_dim = TEXT_DIM};
    oassl_trainer *trainer;
    MUST(oassl_trainer_create_fed(context, &options, &shape, NULL, &trainer));
    const int64_t n = options.batch_size;
    oassl_tensor pictures = bench_tensor(4, (const int64_t[]){n, 3, 224, 224});
    oassl_tensor sounds = bench_tensor(4, (const int64_t[]){n, 1, OASSL_LOGSPEC_ROWS, FRAMES});
    oassl_tensor foreground = bench_tensor(3, (const int64_t[]){n, 1, TEXT_DIM});
    oassl_tensor background = bench_tensor(2, (const int64_t[]){n, TEXT_DIM});
    oassl_tensor *all[] = {&pictures, &sounds, &foreground, &background};
    for (uint32_t i = 0; i < 4; i++) bench_noise(all[i], i + 1);
    oassl_trainer_batch batch = {.struct_size = sizeof batch, .pictures = &pictures, .spectrograms = &sounds,
                                 .foreground = &foreground, .background = &background};
    double seconds[repeats + 1];
    for (int i = 0; i <= repeats; i++) { /* the first step is not counted */
        double start = bench_now();
        MUST(oassl_trainer_step_batch(trainer, &batch));
        seconds[i] = bench_now() - start;
    }
    oassl_trainer_state state = {.struct_size = sizeof state};
    MUST(oassl_trainer_get_state(trainer, &state));
    printf("{\"workspace_bytes\": %llu, \"loss\": %.7g, ", (unsigned long long)state.workspace_bytes, state.loss);
    bench_print(seconds + 1, repeats);
    puts("}");
    for (int i = 0; i < 4; i++) free(all[i]->data);
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
    return 0;
}
