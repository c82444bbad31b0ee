/* A text encoder's folder: configuration, weights and pooling that may contradict each other.
 *
 * Input: parts with "====" lines between them: config.json, 1_Pooling/config.json, model.safetensors (last, as it may
 * contain anything). */
#include <string.h>

#include "fuzz.h"
#include "model/text_encoder.h"
#include "oassl/oassl.h"

static oassl_context *context(void) {
    static oassl_context *made;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    const oai_host *host = fuzz_host();
    options.backend = "reference", options.n_threads = 1;
    options.alloc = host->alloc, options.free = host->free;
    if (!made && oassl_context_create(&options, &made) != OASSL_STATUS_OK) fuzz_fail("no context: %s", oassl_last_error());
    return made;
}

static void encode(oai_text_encoder *encoder) {
    enum { LENGTH = 4 };
    int32_t ids[2 * LENGTH] = {1, 2, 3, 0, 2, 1, 0, 0}, lengths[2] = {3, 2};
    int64_t dim = oai_text_encoder_dim(encoder);
    static float out[2 * 4096];
    const char *pooling;
    fuzz_check(oai_text_encoder_pooling(encoder, OAI_POOLING_FOLDER, &pooling), "oai_text_encoder_pooling");
    if (dim <= 4096 && oai_text_encoder_vocab_size(encoder) < 100000)
        fuzz_check(oai_text_encoder_encode(encoder, ids, lengths, 2, LENGTH, OAI_POOLING_FOLDER, out), "oai_text_encoder_encode");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_part parts[3];
    size_t n = fuzz_split(data, bytes, parts, 3);
    if (parts[0].bytes > 1) fuzz_put("config.json", parts[0].data, parts[0].bytes);
    else fuzz_remove("config.json"); /* OpenAI's weights need none */
    if (n > 1 && parts[1].bytes > 1) fuzz_put("1_Pooling/config.json", parts[1].data, parts[1].bytes);
    else fuzz_remove("1_Pooling/config.json");
    fuzz_put("model.safetensors", parts[n - 1].data, parts[n - 1].bytes);
    context();
    /* A thousand layers are described before it shows that the weights lack them; a million numbers of spare room. */
    fuzz_begin(((uint64_t)96 << 20) + 256 * (uint64_t)bytes);
    oai_text_encoder *encoder;
    oassl_status status = oai_text_encoder_open(context(), fuzz_folder(), &encoder);
    fuzz_check(status, "oai_text_encoder_open");
    if (status == OASSL_STATUS_OK) {
        encode(encoder);
        oai_text_encoder_close(encoder);
    }
    fuzz_end();
    return 0;
}
