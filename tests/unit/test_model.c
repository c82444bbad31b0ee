/* Models as files: round trip, published layouts, and every way a weights file can be wrong; encoders on top. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/oassl_net.h"
#include "oassl/encoder.h"

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

static oassl_context *context;
static char logged[4096];

static void keep_log(void *user, int32_t level, const char *text) {
    (void)user;
    (void)level;
    strncat(logged, text, sizeof logged - strlen(logged) - 2);
    strcat(logged, "\n");
}

static void expect_error(oassl_status found, oassl_status expected, const char *part) {
    if (found != expected) fail_msg("expected status %d, found %d: %s", expected, found, oassl_last_error());
    if (!strstr(oassl_last_error(), part)) fail_msg("'%s' does not name '%s'", oassl_last_error(), part);
}

static oassl_model *small_model(int32_t kind, uint64_t seed) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    oassl_model *model;
    options.kind = kind;
    options.base_width = 4;
    options.text_dim = kind == OASSL_MODEL_PAIR ? 24 : 0;
    options.n_classes = kind == OASSL_MODEL_CLASSIFIER ? 5 : 0;
    options.seed = seed;
    MUST(oassl_model_create(context, &options, &model));
    return model;
}

static int equal_models(const oassl_model *a, const oassl_model *b) {
    oassl_model_info ia = {sizeof ia}, ib = {sizeof ib};
    MUST(oassl_model_get_info(a, &ia));
    MUST(oassl_model_get_info(b, &ib));
    if (memcmp(&ia, &ib, sizeof ia) != 0) return 0;
    for (uint32_t i = 0; i < ia.n_tensors; i++) {
        const char *na, *nb;
        oassl_tensor ta, tb;
        int64_t count = 1;
        MUST(oassl_model_tensor(a, i, &na, &ta));
        MUST(oassl_model_tensor(b, i, &nb, &tb));
        for (int32_t k = 0; k < ta.rank; k++) count *= ta.shape[k];
        if (strcmp(na, nb) != 0 || memcmp(ta.data, tb.data, (size_t)count * sizeof(float)) != 0) return 0;
    }
    return 1;
}

static void save_and_load(void **state) {
    (void)state;
    const char *path = OASSL_TEST_TMP "/pair.safetensors";
    oassl_model *model = small_model(OASSL_MODEL_PAIR, 3), *same = small_model(OASSL_MODEL_PAIR, 3), *loaded;
    oassl_model *other = small_model(OASSL_MODEL_PAIR, 4);
    assert_true(equal_models(model, same));
    assert_false(equal_models(model, other));
    MUST(oassl_model_save(model, path));
    logged[0] = 0;
    MUST(oassl_model_load(context, path, NULL, &loaded));
    assert_string_equal(logged, "");
    assert_true(equal_models(model, loaded));
    oassl_model_info info = {sizeof info};
    MUST(oassl_model_get_info(loaded, &info));
    assert_int_equal(info.channels, 32);
    assert_int_equal(info.text_dim, 24);
    assert_int_equal(info.n_tensors, 2 * 100 + 2); /* 20 convolutions and 20 BN a trunk, text_proj */
    assert_non_null(strstr(oassl_model_metadata(loaded, "oassl_config"), "resnet18"));
    oassl_model_destroy(model);
    oassl_model_destroy(same);
    oassl_model_destroy(loaded);
    oassl_model_destroy(other);
}

/* BN as models.md 2 wants it; convolutions with the variance of Kaiming fan-out. */
static void initial_values(void **state) {
    (void)state;
    oassl_model *model = small_model(OASSL_MODEL_PAIR, 1);
    oassl_model_info info = {sizeof info};
    MUST(oassl_model_get_info(model, &info));
    for (uint32_t i = 0; i < info.n_tensors; i++) {
        const char *name;
        oassl_tensor t;
        double sum = 0, squares = 0;
        int64_t n = 1;
        MUST(oassl_model_tensor(model, i, &name, &t));
        for (int32_t k = 0; k < t.rank; k++) n *= t.shape[k];
        for (int64_t k = 0; k < n; k++)
            sum += ((float *)t.data)[k], squares += ((float *)t.data)[k] * ((float *)t.data)[k];
        if (strstr(name, "running_mean") || (strstr(name, "bn") && strstr(name, ".bias"))) assert_true(squares == 0);
        if (strstr(name, "running_var")) assert_true(sum == (double)n);
        if (t.rank == 4 && n > 1000) {
            double expected = 2.0 / (double)(t.shape[0] * t.shape[2] * t.shape[3]), found = squares / (double)n;
            assert_true(found > 0.8 * expected && found < 1.2 * expected);
        }
    }
    oassl_model_destroy(model);
}

/* ---- files of others ----------------------------------------------------------------------------------------------
 */

typedef struct edit {
    const char *prefix;                 /* put before every name */
    const char *drop, *reshape, *extra; /* a tensor to leave out, to give one row less, to add */
    int lvs;                            /* audnet's stem as conv1_a, unused stems and fc beside it, no text_proj */
} edit;

static void write_edited(const oassl_model *model, const edit *e, const char *path) {
    static char names[600][160];
    static oai_stored_tensor tensors[600];
    static float zeros[4096];
    oassl_model_info info = {sizeof info};
    uint32_t n = 0;
    MUST(oassl_model_get_info(model, &info));
    for (uint32_t i = 0; i < info.n_tensors; i++) {
        const char *name;
        oassl_tensor t;
        MUST(oassl_model_tensor(model, i, &name, &t));
        if ((e->drop && strcmp(name, e->drop) == 0) || (e->lvs && strstr(name, "text_proj"))) continue;
        if (e->lvs && strcmp(name, "audnet.conv1.weight") == 0) name = "audnet.conv1_a.weight";
        snprintf(names[n], sizeof names[n], "%s%s", e->prefix ? e->prefix : "", name);
        tensors[n] = (oai_stored_tensor){.name = names[n], .dtype = OASSL_DTYPE_F32, .rank = t.rank, .data = t.data};
        memcpy(tensors[n].shape, t.shape, sizeof t.shape);
        if (e->reshape && strcmp(name, e->reshape) == 0) tensors[n].shape[0]--;
        n++;
    }
    const char *const spare[] = {"imgnet.conv1_a.weight", "audnet.conv1.weight", "imgnet.fc.weight", "audnet.fc.bias"};
    for (int k = 0; k < 5; k++) {
        const char *name = k < 4 ? (e->lvs ? spare[k] : NULL) : e->extra;
        if (!name) continue;
        snprintf(names[n], sizeof names[n], "%s%s", e->prefix ? e->prefix : "", name);
        tensors[n] =
            (oai_stored_tensor){.name = names[n], .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = zeros};
        n++;
    }
    for (uint32_t i = 0; i < n; i++) {
        tensors[i].bytes = sizeof(float);
        for (int32_t k = 0; k < tensors[i].rank; k++) tensors[i].bytes *= (size_t)tensors[i].shape[k];
    }
    MUST(oai_safetensors_write(&oai_default_host, path, tensors, n, NULL, 0));
}

static void published_layouts(void **state) {
    (void)state;
    const char *path = OASSL_TEST_TMP "/published.safetensors";
    oassl_model *model = small_model(OASSL_MODEL_PAIR, 5), *loaded;
    oassl_model_info info = {sizeof info};
    write_edited(model, &(edit){.prefix = "model_state_dict.module."}, path);
    MUST(oassl_model_load(context, path, NULL, &loaded));
    assert_true(equal_models(model, loaded));
    oassl_model_destroy(loaded);
    /* without a configuration in the file the strides are the caller's to say */
    MUST(oassl_model_load(context, path, &(oassl_model_options){sizeof(oassl_model_options), .visual_stride = 16},
                          &loaded));
    MUST(oassl_model_get_info(loaded, &info));
    assert_true(info.visual_stride == 16 && info.audio_stride == 32);
    oassl_model_destroy(loaded);
    logged[0] = 0;
    write_edited(model, &(edit){.prefix = "module.", .lvs = 1}, path);
    MUST(oassl_model_load(context, path, NULL, &loaded));
    assert_string_equal(logged, ""); /* spare stems and fc are expected there */
    MUST(oassl_model_get_info(loaded, &info));
    assert_true(info.visual_stride == 16 && info.audio_stride == 16 && info.text_dim == 0);
    oassl_model_destroy(loaded);
    oassl_model_destroy(model);
}

static void damaged_files(void **state) {
    (void)state;
    const char *path = OASSL_TEST_TMP "/damaged.safetensors";
    oassl_model *model = small_model(OASSL_MODEL_PAIR, 5), *loaded;
    write_edited(model, &(edit){.drop = "audnet.layer3.1.bn2.running_var"}, path);
    expect_error(oassl_model_load(context, path, NULL, &loaded), OASSL_STATUS_NOT_FOUND,
                 "audnet.layer3.1.bn2.running_var");
    assert_null(loaded);
    assert_non_null(strstr(oassl_last_error(), "damaged.safetensors"));
    write_edited(model, &(edit){.reshape = "imgnet.layer2.0.downsample.0.weight"}, path);
    expect_error(oassl_model_load(context, path, NULL, &loaded), OASSL_STATUS_SHAPE_MISMATCH,
                 "imgnet.layer2.0.downsample.0.weight");
    assert_non_null(strstr(oassl_last_error(), "[7, 4, 1, 1]"));
    assert_non_null(strstr(oassl_last_error(), "[8, 4, 1, 1]"));
    logged[0] = 0;
    write_edited(model, &(edit){.extra = "imgnet.layer5.weight"}, path);
    MUST(oassl_model_load(context, path, NULL, &loaded));
    assert_non_null(strstr(logged, "imgnet.layer5.weight"));
    oassl_model_destroy(loaded);
    MUST(oai_file_write(&oai_default_host, path, "not a weights file", 18));
    expect_error(oassl_model_load(context, path, NULL, &loaded), OASSL_STATUS_FORMAT, "damaged.safetensors");
    expect_error(oassl_model_load(context, OASSL_TEST_TMP "/none.safetensors", NULL, &loaded), OASSL_STATUS_NOT_FOUND,
                 "none.safetensors");
    expect_error(oassl_model_save(model, OASSL_TEST_TMP "/no_such_folder/x.safetensors"), OASSL_STATUS_IO,
                 "no_such_folder");
    oassl_model_destroy(model);
}

static void bad_options(void **state) {
    (void)state;
    oassl_model *model;
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.kind = 7;
    expect_error(oassl_model_create(context, &options, &model), OASSL_STATUS_INVALID_ARGUMENT, "kind 7");
    options.kind = OASSL_MODEL_CLASSIFIER;
    expect_error(oassl_model_create(context, &options, &model), OASSL_STATUS_INVALID_ARGUMENT, "classes");
    options.kind = 0;
    options.visual_stride = 8;
    expect_error(oassl_model_create(context, &options, &model), OASSL_STATUS_INVALID_ARGUMENT, "visual_stride");
    assert_null(model);
}

/* A classifier's trunk, and an older pair, as the start of a new pair. */
static void initialise_from_others(void **state) {
    (void)state;
    const char *path = OASSL_TEST_TMP "/classifier.safetensors";
    oassl_model *classifier = small_model(OASSL_MODEL_CLASSIFIER, 9);
    oai_net_config config = oai_net_config_default(OAI_NET_PAIR);
    oai_store *store;
    config.visual.width = config.audio.width = 4;
    config.text_dim = 24;
    MUST(oassl_model_save(classifier, path));
    MUST(oai_net_store_create(&oai_default_host, &config, &store));
    MUST(oai_net_initialize_from(store, &config, path));
    const char *name;
    oassl_tensor stem;
    MUST(oassl_model_tensor(classifier, 0, &name, &stem));
    assert_string_equal(name, "conv1.weight");
    const oai_store_tensor *to = oai_store_find(store, "imgnet.conv1.weight");
    assert_memory_equal(to->data, stem.data, (size_t)to->count * sizeof(float));
    assert_true(oai_store_find(store, "audnet.conv1.weight")->data[0] == 0);
    oai_store_destroy(store);
    config.visual.width = config.audio.width = 8;
    MUST(oai_net_store_create(&oai_default_host, &config, &store));
    expect_error(oai_net_initialize_from(store, &config, path), OASSL_STATUS_SHAPE_MISMATCH, "conv1.weight");
    oai_store_destroy(store);
    oassl_model_destroy(classifier);
}

/* ---- encoders ------------------------------------------------------------------------------------------------------
 */

static oassl_tensor view(float *data, int32_t rank, const int64_t *shape) {
    oassl_tensor v = {.data = data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank};
    int64_t stride = 1;
    for (int32_t k = rank - 1; k >= 0; k--) v.shape[k] = shape[k], v.strides[k] = stride, stride *= shape[k];
    return v;
}

static void encoders(void **state) {
    (void)state;
    static float x[2 * 3 * 64 * 96], map[2 * 32 * 2 * 3], pooled[2 * 32], vectors[2 * 32];
    oassl_model *model = small_model(OASSL_MODEL_PAIR, 2);
    oassl_encoder *encoder;
    oassl_encoder_shape shape = {sizeof shape};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)((double)(i * 2654435761u % 1000) / 500 - 1);
    MUST(oassl_encoder_create(model, &encoder));
    MUST(oassl_encoder_picture_shape(encoder, 64, 96, &shape));
    assert_true(shape.channels == 32 && shape.height == 2 && shape.width == 3);
    oassl_tensor in = view(x, 4, (const int64_t[]){2, 3, 64, 96}), out = view(map, 4, (const int64_t[]){2, 32, 2, 3});
    oassl_tensor mean = view(pooled, 2, (const int64_t[]){2, 32}), vector = view(vectors, 2, (const int64_t[]){2, 32});
    MUST(oassl_encoder_pictures(encoder, &in, &out, &mean));
    double any = 0;
    for (int i = 0; i < 64; i++) {
        double sum = 0;
        for (int p = 0; p < 6; p++) sum += map[i * 6 + p];
        any += sum;
        assert_true(sum / 6 - pooled[i] < 1e-5 && pooled[i] - sum / 6 < 1e-5);
    }
    assert_true(any > 0);
    oassl_tensor sound = view(x, 4, (const int64_t[]){2, 1, 65, 50});
    MUST(oassl_encoder_sounds(encoder, &sound, &vector));
    out.shape[3] = 4;
    expect_error(oassl_encoder_pictures(encoder, &in, &out, NULL), OASSL_STATUS_SHAPE_MISMATCH,
                 "out_map: expected F32 [2, 32, 2, 3], found F32 [2, 32, 2, 4]");
    x[96 + 1] = NAN;
    expect_error(oassl_encoder_pictures(encoder, &in, NULL, &mean), OASSL_STATUS_NON_FINITE,
                 "element [0, 0, 1, 1] is NaN");
    expect_error(oassl_encoder_classify(encoder, &in, &mean), OASSL_STATUS_UNSUPPORTED, "classifier");
    expect_error(oassl_encoder_tokens(encoder, &in, &in, 0, &mean), OASSL_STATUS_UNSUPPORTED,
                 "oassl_encoder_create_text");
    oassl_encoder_destroy(encoder);
    oassl_model_destroy(model);
}

static int open_one(void **state) {
    (void)state;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = "reference";
    options.log = keep_log;
    return oassl_context_create(&options, &context) == OASSL_STATUS_OK ? 0 : -1;
}

static int close_one(void **state) {
    (void)state;
    oassl_context_destroy(context);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_and_load), cmocka_unit_test(initial_values), cmocka_unit_test(published_layouts),
        cmocka_unit_test(damaged_files), cmocka_unit_test(bad_options),    cmocka_unit_test(initialise_from_others),
        cmocka_unit_test(encoders),
    };
    return cmocka_run_group_tests(tests, open_one, close_one);
}
