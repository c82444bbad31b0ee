/* Calibrating a model for 8-bit inference (OASSL_PRECISION_INT8).
 *
 * 8-bit convolutions must know beforehand between which bounds their inputs lie.  A quantizer runs a model in f32 over
 * samples of what it will meet, takes note of what the values around each convolution hold, and gives a model with the
 * same f32 weights that carries these ranges: saved, it is a file that oassl_model_load() opens with precision INT8
 * (and with any other).  The 8-bit weights, one scale an output channel, are made from the f32 weights whenever a plan
 * is.
 *
 * Take a hundred or so pictures and sounds that were not chosen to test the model with, such as some it was trained
 * on.
 *
 * Threads: a quantizer is used by one thread at a time.
 *
 * Example:
 *   oassl_quantizer *quantizer;
 *   oassl_model *quantized;
 *   oassl_quantizer_create(model, NULL, &quantizer);
 *   if (oassl_quantizer_add_manifest(quantizer, "data/manifest.jsonl") == OASSL_STATUS_OK &&
 *       oassl_quantizer_finish(quantizer, &quantized) == OASSL_STATUS_OK)
 *       oassl_model_save(quantized, "int8.safetensors");
 *   oassl_quantizer_destroy(quantizer); */
#ifndef OASSL_QUANTIZE_H
#define OASSL_QUANTIZE_H

#include "data.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oassl_quantizer oassl_quantizer;

/* Zero means the default in [brackets]. */
typedef struct oassl_quantize_options {
    uint32_t struct_size;
    int32_t missing;      /* OASSL_MISSING_*: records whose media are not there */
    const char *split;    /* of the manifest; "" = all records ["train"; all records if there are none of it] */
    uint64_t max_samples; /* so many records, evenly spread over the split [128] */
    double percentile;    /* of the elements of a value that its range holds, 90 to 100 [99.99] */
} oassl_quantize_options;

#define OASSL_QUANTIZE_OPTIONS_INIT                                                                                   \
    { sizeof(oassl_quantize_options) }

/* `model`, of any precision, must outlive the quantizer; it stays as it is.  `options` may be NULL; its strings are
 * copied. */
OASSL_API oassl_status oassl_quantizer_create(const oassl_model *model, const oassl_quantize_options *options,
                                              oassl_quantizer **out_quantizer);
OASSL_API void oassl_quantizer_destroy(oassl_quantizer *quantizer);

/* Runs over the records of a manifest (data.h); no boxes are needed.  NOT_FOUND: the split has no record with picture
 * and sound.  Errors of a sample name its id.  CANCELLED by the progress callback; task "quantize". */
OASSL_API oassl_status oassl_quantizer_add_manifest(oassl_quantizer *quantizer, const char *manifest_path);
/* The same with inputs of the caller's: pictures [N, 3, H, W] as image.h makes them, log-spectrograms [N, 1, F, T] as
 * audio.h makes them; f32 on the CPU, row-major contiguous, finite.  A classifier takes no sounds. */
OASSL_API oassl_status oassl_quantizer_add_pictures(oassl_quantizer *quantizer, const oassl_tensor *pictures);
OASSL_API oassl_status oassl_quantizer_add_sounds(oassl_quantizer *quantizer, const oassl_tensor *spectrograms);
/* Samples seen by now: pictures or sounds, whichever are more. */
OASSL_API uint64_t oassl_quantizer_n_samples(const oassl_quantizer *quantizer);

/* A model of precision INT8 with a copy of the weights and the ranges seen so far, for the caller to destroy.
 * INVALID_ARGUMENT before pictures and, of a pair, sounds were seen. */
OASSL_API oassl_status oassl_quantizer_finish(const oassl_quantizer *quantizer, oassl_model **out_model);

#ifdef __cplusplus
}
#endif
#endif
