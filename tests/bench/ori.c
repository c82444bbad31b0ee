/* bench_ori THREADS BATCH MAPS SIDE REPEATS MAPS.f32 GRADIENT.f32
 * Times ORI forward and backward from similarity maps [BATCH, MAPS, SIDE, SIDE], 100 iterations without the early stop.
 * Prints {"value", "seconds": [...]} and writes the gradient, so that the caller can compare both with its own. */
#include "bench.h"

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: bench_ori THREADS BATCH MAPS SIDE REPEATS MAPS.f32 GRADIENT.f32\n");
        return 2;
    }
    const int64_t batch = atoll(argv[2]), n_maps = atoll(argv[3]), side = atoll(argv[4]);
    const int repeats = atoi(argv[5]);
    oassl_context *context = bench_context((uint32_t)atoi(argv[1]));
    oassl_loss_options options = OASSL_LOSS_OPTIONS_INIT;
    options.kind = OASSL_LOSS_ORI_MAPS;
    options.ori_iterations = 100;
    options.ori_stop = -1;
    oassl_loss_shape shape = {sizeof shape, OASSL_DTYPE_F32, batch, 0, side, side, n_maps - 1};
    oassl_loss *loss;
    MUST(oassl_loss_create(context, &options, &shape, &loss));
    oassl_tensor maps = bench_tensor(4, (const int64_t[]){batch, n_maps, side, side});
    oassl_tensor gradient = bench_tensor(4, maps.shape);
    bench_read(argv[6], &(const oassl_tensor *){&maps}, 1);
    oassl_loss_tensors in = {.struct_size = sizeof in, .maps = &maps}, out = {.struct_size = sizeof out, .maps = &gradient};
    oassl_loss_value value = {.struct_size = sizeof value};
    double seconds[repeats + 1];
    for (int i = 0; i <= repeats; i++) { /* the first call is not counted */
        double start = bench_now();
        MUST(oassl_loss_evaluate(loss, &in, &value, &out));
        seconds[i] = bench_now() - start;
    }
    bench_write(argv[7], &(const oassl_tensor *){&gradient}, 1);
    printf("{\"value\": %.9g, ", value.ori);
    bench_print(seconds + 1, repeats);
    puts("}");
    free(maps.data);
    free(gradient.data);
    oassl_loss_destroy(loss);
    oassl_context_destroy(context);
    return 0;
}
