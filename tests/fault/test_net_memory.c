/* The allocator refuses the n-th request, for every n: each call of the model, loss and encoder API must answer
 * OUT_OF_MEMORY, leave nothing behind, and work again afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault/counted_memory.h"
#include "model/text_encoder.h"
#include "oassl/encoder.h"
#include "oassl/loss.h"

static long left; /* requests until the refusal; negative = never */

static void *refusing_alloc(void *user, size_t bytes, size_t alignment) {
    if (left == 0) return NULL;
    if (left > 0) left--;
    return counted_alloc(user, bytes, alignment);
}

static oassl_context *context;

typedef oassl_status (*action)(void);

/* Runs `act` with the first, second, ... allocation refused until it gets through. */
static void refuse_each(const char *name, action act) {
    left = -1;
    oassl_status status = act(); /* lets caches of the context fill */
    if (status != OASSL_STATUS_OK) fail_msg("%s: %s", name, oassl_last_error());
    long n = 0;
    do {
        long before = count_blocks();
        left = n;
        status = act();
        int refused = left == 0;
        left = -1;
        if (count_blocks() != before) fail_msg("%s: %ld blocks leaked at request %ld", name, count_blocks() - before, n);
        if (status != OASSL_STATUS_OK && status != OASSL_STATUS_OUT_OF_MEMORY)
            fail_msg("%s: request %ld refused gave status %d: %s", name, n, status, oassl_last_error());
        if (status == OASSL_STATUS_OK && !refused) break;
        n++;
    } while (n < 20000);
    print_message("%s: %ld requests\n", name, n);
    assert_true(n > 3 && n < 20000);
}

#define MODEL_PATH OASSL_TEST_TMP "/fault_model.safetensors"
#define TEXT_PATH OASSL_TEST_TMP "/fault_text"

static oassl_status create_model(void) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *model;
    options.base_width = 1;
    options.text_dim = 4;
    OAI_TRY(oassl_model_create(context, &options, &model));
    oassl_status status = oassl_model_save(model, MODEL_PATH);
    oassl_model_destroy(model);
    return status;
}

static oassl_status load_model(void) {
    oassl_model *model;
    OAI_TRY(oassl_model_load(context, MODEL_PATH, NULL, &model));
    oassl_model_destroy(model);
    return OASSL_STATUS_OK;
}

static oassl_status encode(void) {
    static float x[32 * 32], y[8];
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *model;
    oassl_encoder *encoder = NULL;
    oassl_tensor in = {x, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 4, {1, 1, 32, 32}, {1024, 1024, 32, 1}};
    oassl_tensor out = {y, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 2, {1, 8}, {8, 1}};
    options.base_width = 1;
    options.text_dim = -1;
    OAI_TRY(oassl_model_create(context, &options, &model));
    oassl_status status = oassl_encoder_create(model, &encoder);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_sounds(encoder, &in, &out);
    oassl_encoder_destroy(encoder);
    oassl_model_destroy(model);
    return status;
}

static oassl_status encode_text(void) {
    static float y[8];
    const char *text = "a b";
    oassl_encoder *encoder;
    oassl_tensor out = {y, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 2, {1, 8}, {8, 1}};
    OAI_TRY(oassl_encoder_create_text(context, TEXT_PATH, &encoder));
    oassl_status status = oassl_encoder_texts(encoder, &text, 1, OASSL_POOLING_MEAN, &out);
    oassl_encoder_destroy(encoder);
    return status;
}

static oassl_status evaluate_loss(void) {
    static double data[4][64], gradient[64];
    for (int i = 0; i < 256; i++) data[i / 64][i % 64] = (double)(i * 37 % 101) / 50 - 1;
    oassl_loss_shape shape = {sizeof shape, OASSL_DTYPE_F64, 2, 4, 2, 2, 1};
    oassl_tensor v = {data[0], OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F64, 4, {2, 4, 2, 2}, {16, 1, 8, 4}}; /* strided */
    oassl_tensor a = {data[1], OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F64, 2, {2, 4}, {4, 1}};
    oassl_tensor f = {data[2], OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F64, 3, {2, 1, 4}, {4, 4, 1}};
    oassl_tensor b = {data[3], OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F64, 2, {2, 4}, {4, 1}}, g = v;
    g.data = gradient;
    oassl_loss_tensors in = {sizeof in, .visual = &v, .audio = &a, .foreground = &f, .background = &b};
    oassl_loss_tensors out = {sizeof out, .visual = &g};
    oassl_loss_value value = {sizeof value};
    oassl_loss *loss;
    OAI_TRY(oassl_loss_create(context, NULL, &shape, &loss));
    oassl_status status = oassl_loss_evaluate(loss, &in, &value, &out);
    oassl_loss_destroy(loss);
    return status;
}

static void models(void **state) {
    (void)state;
    refuse_each("create and save a model", create_model);
    refuse_each("load a model", load_model);
}

static void encoders(void **state) {
    (void)state;
    static const char *const vocab[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"};
    refuse_each("encode a sound", encode);
    assert_int_equal(oai_text_encoder_write_seeded(&oai_default_host, TEXT_PATH, vocab, 7, 1, 8, 2, 1),
                     OASSL_STATUS_OK);
    refuse_each("encode a text", encode_text);
}

static void losses(void **state) {
    (void)state;
    refuse_each("evaluate a loss", evaluate_loss);
}

static int open_counting(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "reference";
    options.n_threads = 1;
    options.alloc = refusing_alloc;
    options.free = counted_free;
    left = -1;
    return oassl_context_create(&options, &context) == OASSL_STATUS_OK ? 0 : -1;
}

static int close_counting(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return count_blocks() == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(models), cmocka_unit_test(encoders), cmocka_unit_test(losses)};
    return cmocka_run_group_tests(tests, open_counting, close_counting);
}
