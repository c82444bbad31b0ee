/* bench_pair make MODEL.safetensors
 *   Writes a freshly initialised full-size pair.
 * bench_pair quantize MODEL.safetensors INT8.safetensors N INPUT.f32
 *   Calibrates it on N pictures and N spectrograms.
 * bench_pair THREADS MODEL.safetensors PRECISION BATCH REPEATS [INPUT.f32 OUTPUT.f32]
 *   Times inference of a pair: feature map of a 224 x 224 picture and vector of a 257 x 200 log-spectrogram.  PRECISION is f32,
 *   f32-fast, bf16 or int8.  INPUT holds the pictures, then the spectrograms; OUTPUT gets the maps, then the vectors.  Prints
 *   {"load", "plan", "seconds": [...]}; "plan" is what the first call, which makes the plans, took beyond the fastest later one. */
#include <string.h>

#include "bench.h"

static const char *const precisions[] = {"f32", "bf16", "int8", "f32-fast"}; /* in the order of OASSL_PRECISION_* */

typedef struct pair {
    oassl_encoder *encoder;
    oassl_tensor pictures, sounds, map, vectors;
} pair;

static double call(const pair *p) {
    double start = bench_now();
    MUST(oassl_encoder_pictures(p->encoder, &p->pictures, &p->map, NULL));
    MUST(oassl_encoder_sounds(p->encoder, &p->sounds, &p->vectors));
    return bench_now() - start;
}

static int make(const char *path) {
    oassl_context *context = bench_context(1);
    oassl_model *model;
    MUST(oassl_model_create(context, NULL, &model));
    MUST(oassl_model_save(model, path));
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}

static void make_tensors(pair *p, int64_t n) {
    p->pictures = bench_tensor(4, (const int64_t[]){n, 3, 224, 224});
    p->sounds = bench_tensor(4, (const int64_t[]){n, 1, OASSL_LOGSPEC_ROWS, 200});
    p->map = bench_tensor(4, (const int64_t[]){n, 512, 7, 7});
    p->vectors = bench_tensor(2, (const int64_t[]){n, 512});
    bench_noise(&p->pictures, 1);
    bench_noise(&p->sounds, 2);
}

static int quantize(const char *path, const char *out, int64_t n, const char *input) {
    oassl_context *context = bench_context(0);
    oassl_model *model, *quantized;
    oassl_quantizer *quantizer;
    pair p;
    make_tensors(&p, n);
    bench_read(input, (const oassl_tensor *[]){&p.pictures, &p.sounds}, 2);
    MUST(oassl_model_load(context, path, NULL, &model));
    MUST(oassl_quantizer_create(model, NULL, &quantizer));
    MUST(oassl_quantizer_add_pictures(quantizer, &p.pictures));
    MUST(oassl_quantizer_add_sounds(quantizer, &p.sounds));
    MUST(oassl_quantizer_finish(quantizer, &quantized));
    MUST(oassl_model_save(quantized, out));
    oassl_tensor *all[] = {&p.pictures, &p.sounds, &p.map, &p.vectors};
    for (int i = 0; i < 4; i++) free(all[i]->data);
    oassl_quantizer_destroy(quantizer);
    oassl_model_destroy(quantized);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}

static oassl_model *load(oassl_context *context, const char *path, const char *precision) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *model;
    while (options.precision < 4 && strcmp(precisions[options.precision], precision) != 0) options.precision++;
    if (options.precision == 4) exit(2);
    MUST(oassl_model_load(context, path, &options, &model));
    return model;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "make") == 0) return make(argv[2]);
    if (argc == 6 && strcmp(argv[1], "quantize") == 0) return quantize(argv[2], argv[3], atoll(argv[4]), argv[5]);
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: bench_pair make MODEL | quantize MODEL OUT N INPUT | THREADS MODEL PRECISION BATCH REPEATS [INPUT OUTPUT]\n");
        return 2;
    }
    const int repeats = atoi(argv[5]);
    pair p;
    make_tensors(&p, atoll(argv[4]));
    const oassl_tensor *in[] = {&p.pictures, &p.sounds}, *out[] = {&p.map, &p.vectors};
    if (argc == 8) bench_read(argv[6], in, 2);
    oassl_context *context = bench_context((uint32_t)atoi(argv[1]));
    double start = bench_now();
    oassl_model *model = load(context, argv[2], argv[3]);
    const double loaded = bench_now() - start;
    start = bench_now();
    MUST(oassl_encoder_create(model, &p.encoder));
    double least = call(&p), seconds[repeats + 1];
    const double made = bench_now() - start;
    for (int i = 0; i <= repeats; i++) { /* the first is not counted */
        seconds[i] = call(&p);
        if (seconds[i] < least) least = seconds[i];
    }
    if (argc == 8) bench_write(argv[7], out, 2);
    printf("{\"load\": %.6f, \"plan\": %.6f, ", loaded, made - least);
    bench_print(seconds + 1, repeats);
    puts("}");
    for (int i = 0; i < 2; i++) free(in[i]->data), free(out[i]->data);
    oassl_encoder_destroy(p.encoder);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return 0;
}
