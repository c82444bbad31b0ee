/* A C program outside the tree: versions, backends, and a loss with and without the out-of-tree backend.
 *
 *   consumer EXAMPLE.so [PREFIX]     with PREFIX the oneDNN plug-in must have been found, below it
 *   consumer EXAMPLE.so linked       the oneDNN backend must be in the program, and compute */
#include <math.h>
#include <oassl/oassl.h>
#include <stdio.h>
#include <string.h>

enum { B = 3, D = 4, H = 2, W = 2 };

static int wrong(const char *what) {
    fprintf(stderr, "consumer: %s (%s)\n", what, oassl_last_error());
    return 1;
}

/* The LVS loss of fixed features on a backend. */
static oassl_status lvs(const oassl_context_options *context_options, double *out_total) {
    static float visual[B * D * H * W], audio[B * D];
    for (int i = 0; i < B * D * H * W; i++) visual[i] = sinf((float)i);
    for (int i = 0; i < B * D; i++) audio[i] = cosf(3.0f * (float)i);
    oassl_tensor v = {.data = visual,
                      .device = OASSL_DEVICE_CPU,
                      .dtype = OASSL_DTYPE_F32,
                      .rank = 4,
                      .shape = {B, D, H, W},
                      .strides = {D * H * W, H * W, W, 1}};
    oassl_tensor a = {.data = audio,
                      .device = OASSL_DEVICE_CPU,
                      .dtype = OASSL_DTYPE_F32,
                      .rank = 2,
                      .shape = {B, D},
                      .strides = {D, 1}};
    oassl_loss_options options = OASSL_LOSS_OPTIONS_INIT;
    options.kind = OASSL_LOSS_LVS;
    const oassl_loss_shape shape = {
        .struct_size = sizeof shape, .dtype = OASSL_DTYPE_F32, .batch = B, .channels = D, .height = H, .width = W};
    const oassl_loss_tensors inputs = {.struct_size = sizeof inputs, .visual = &v, .audio = &a};
    oassl_loss_value value = {.struct_size = sizeof value};
    oassl_context *context = NULL;
    oassl_loss *loss = NULL;
    oassl_status status = oassl_context_create(context_options, &context);
    if (status == OASSL_STATUS_OK) status = oassl_loss_create(context, &options, &shape, &loss);
    if (status == OASSL_STATUS_OK) status = oassl_loss_evaluate(loss, &inputs, &value, NULL);
    *out_total = value.total;
    oassl_loss_destroy(loss);
    oassl_context_destroy(context);
    return status;
}

/* NULL if the backend is there and usable. */
static const char *find_backend(const oassl_context *context, const char *name, const char *folder) {
    for (uint32_t i = 0; i < oassl_context_n_backends(context); i++) {
        oassl_backend_info info = {.struct_size = sizeof info};
        if (oassl_context_backend(context, i, &info) != OASSL_STATUS_OK) return "oassl_context_backend failed";
        if (strcmp(info.name, name) != 0) continue;
        if (!info.available) return "a backend is there but not available";
        return (*folder ? strncmp(info.path, folder, strlen(folder)) == 0 : !*info.path)
                   ? NULL
                   : "a backend came from the wrong folder";
    }
    return "a backend was not found";
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: consumer EXAMPLE.so [PREFIX]\n"), 2;
    if (oassl_version() != OASSL_VERSION_NUMBER) return wrong("header and library differ in version");

    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.n_threads = 1;
    options.backend_path = argv[1];
    oassl_context *context;
    if (oassl_context_create(&options, &context) != OASSL_STATUS_OK) return wrong("no context");
    const char *problem = find_backend(context, "reference", "");
    if (!problem) problem = find_backend(context, "example", argv[1]);
    const int linked = argc > 2 && strcmp(argv[2], "linked") == 0;
    if (!problem && argc > 2) problem = find_backend(context, "onednn", linked ? "" : argv[2]);
    oassl_context_destroy(context);
    if (problem) return wrong(problem);

    double reference, example, onednn;
    options.backend = "reference";
    if (lvs(&options, &reference) != OASSL_STATUS_OK) return wrong("the loss on the reference failed");
    if (!isfinite(reference) || reference <= 0) return wrong("the loss is no positive number");
    /* The example cannot do everything: an error that names it, unless the context may fall back. */
    options.backend = "example";
    if (lvs(&options, &example) != OASSL_STATUS_UNSUPPORTED) return wrong("expected UNSUPPORTED from the example");
    if (!strstr(oassl_last_error(), "example")) return wrong("the error does not name the backend");
    options.allow_fallback = 1;
    if (lvs(&options, &example) != OASSL_STATUS_OK) return wrong("the loss with fallback failed");
    if (fabs(example - reference) > 1e-6 * reference) return wrong("fallback and reference differ");
    if (linked) {
        options.backend = "onednn";
        options.allow_fallback = 0;
        if (lvs(&options, &onednn) != OASSL_STATUS_OK) return wrong("the loss on oneDNN failed");
        if (fabs(onednn - reference) > 1e-5 * reference) return wrong("oneDNN and reference differ");
    }
    printf("liboassl %s, LVS %.6f\n", oassl_version_string(), reference);
    return 0;
}
