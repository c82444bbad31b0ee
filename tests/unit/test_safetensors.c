/* safetensors reader and writer, the naming rules over it, half floats, and the file layer below. */
#define TEST_NAME "safetensors"
#include "hostile.h"

#include <math.h>

#include "base/half.h"
#include "base/safetensors.h"
#include "base/weights.h"

static const oai_host *host = &oai_default_host;

static oassl_status read_file(const oai_host *h, const char *path) {
    oai_safetensors *file;
    oassl_status status = oai_safetensors_open(h, path, &file);
    if (status != OASSL_STATUS_OK) assert_null(file);
    oai_safetensors_close(file);
    return status;
}

static oassl_status read_weights(const oai_host *h, const char *path) {
    oai_weights *weights;
    oassl_status status = oai_weights_open(h, path, &weights);
    oai_weights_close(weights);
    return status;
}

static const float floats[6] = {1, -2, 3.5f, 0, 1e-38f, -1e38f};
static const int64_t longs[2] = {INT64_MIN, 7};

static oassl_status write_file(const oai_host *h, const char *path) {
    static float big[50000];
    const oai_stored_tensor tensors[] = {
        {.name = "a.weight", .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = floats},
        {.name = "counter", .dtype = OASSL_DTYPE_I64, .rank = 1, .shape = {2}, .data = longs},
        {.name = "scalar", .dtype = OASSL_DTYPE_U8, .rank = 0, .data = "x"},
        {.name = "none", .dtype = OASSL_DTYPE_F64, .rank = 3, .shape = {2, 0, 5}, .data = NULL},
        {.name = "big", .dtype = OASSL_DTYPE_F32, .rank = 1, .shape = {50000}, .data = big},
    };
    const oai_metadata metadata[] = {{"step", "12"}, {"config", "{\"quoted\": \"Grüße\"}"}};
    return oai_safetensors_write(h, path, tensors, 5, metadata, 2);
}

static void test_round_trip(void **state) {
    (void)state;
    const char *path = TMP("round.safetensors");
    assert_ok(write_file(host, path));
    oai_safetensors *file;
    assert_ok(oai_safetensors_open(host, path, &file));
    assert_int_equal(oai_safetensors_count(file), 5);
    assert_string_equal(oai_safetensors_metadata(file, "step"), "12");
    assert_string_equal(oai_safetensors_metadata(file, "config"), "{\"quoted\": \"Grüße\"}");
    assert_null(oai_safetensors_metadata(file, "other"));
    const oai_stored_tensor *a = oai_safetensors_find(file, "a.weight");
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal((uintptr_t)a->data % 8, 0);
    assert_memory_equal(a->data, floats, sizeof floats);
    assert_memory_equal(oai_safetensors_find(file, "counter")->data, longs, sizeof longs);
    assert_int_equal(oai_safetensors_find(file, "scalar")->bytes, 1);
    assert_int_equal(oai_safetensors_find(file, "none")->bytes, 0);
    assert_null(oai_safetensors_find(file, "a"));
    oai_safetensors_close(file);
    const oai_stored_tensor twice[] = {{.name = "a", .dtype = OASSL_DTYPE_U8, .data = "x"},
                                       {.name = "a", .dtype = OASSL_DTYPE_U8, .data = "x"}};
    assert_fails(oai_safetensors_write(host, TMP("twice"), twice, 2, NULL, 0), OASSL_STATUS_INVALID_ARGUMENT, "'a'");
    assert_int_equal(access(TMP("twice"), F_OK), -1);
    unlink(path);
}

static void test_python(void **state) {
    (void)state;
    oai_weights *weights;
    assert_ok(oai_weights_open(host, DATA("formats/python.safetensors"), &weights));
    assert_int_equal(oai_weights_count(weights), 7);
    assert_string_equal(oai_safetensors_metadata(oai_weights_file(weights), "note"), "Grüße");
    float values[6];
    assert_ok(oai_weights_read(weights, "conv.weight", 2, (int64_t[]){2, 3}, values));
    for (int i = 0; i < 6; i++) assert_true(values[i] == (float)i / 4);
    assert_ok(oai_weights_read(weights, "half", 1, (int64_t[]){3}, values));
    assert_true(values[0] == 1.5f && values[1] == -2 && values[2] == 65504);
    assert_ok(oai_weights_read(weights, "brain", 1, (int64_t[]){3}, values));
    assert_true(values[0] == 1.5f && values[1] == -2 && fabsf(values[2] / 3e38f - 1) < 0.01f);
    assert_ok(oai_weights_read(weights, "double", 0, NULL, values));
    assert_true(values[0] == 0.1f);
    assert_fails(oai_weights_read(weights, "conv.bias", 0, NULL, values), OASSL_STATUS_NOT_FOUND, "'conv.bias'");
    assert_fails(oai_weights_read(weights, "conv.weight", 2, (int64_t[]){3, 2}, values), OASSL_STATUS_SHAPE_MISMATCH,
                 "'conv.weight': expected shape [3, 2], found [2, 3]");
    assert_fails(oai_weights_read(weights, "mask", 1, (int64_t[]){3}, values), OASSL_STATUS_SHAPE_MISMATCH, "'mask'");
    assert_true(oai_weights_ignorable(oai_weights_find(weights, "bn.num_batches_tracked")));
    assert_true(oai_weights_ignorable(oai_weights_find(weights, "none")));
    assert_false(oai_weights_ignorable(oai_weights_find(weights, "half")));
    oai_weights_close(weights);
}

/* A file from a header text and a number of data bytes. */
static void put_header(const char *path, const char *header, size_t data_bytes) {
    size_t n = strlen(header);
    char *file = calloc(1, 8 + n + data_bytes);
    for (int i = 0; i < 8; i++) file[i] = (char)((uint64_t)n >> 8 * i);
    memcpy(file + 8, header, n);
    put_file(path, file, 8 + n + data_bytes);
    free(file);
}

static void test_hostile_headers(void **state) {
    (void)state;
#define T(name, type, shape, begin, end)                                                                              \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
    static const struct {
        const char *header, *words;
        size_t data_bytes;
    } cases[] = {
        {"{" T("a", "F32", "[1]", "0", "4") "}", NULL, 4},
        {"{}", NULL, 0},
        {"{" T("a", "F32", "[1]", "0", "4") "}   ", NULL, 4},
        {"{}", "1 bytes behind", 1},
        {"[]", "list", 0},
        {"{ ", "not valid JSON", 0},
        {"{} x", "not valid JSON", 0},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("a", "F32", "[1]", "4", "8") "}", "duplicate", 8},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "0", "4") "}", "'b': data overlaps", 4},
        {"{" T("a", "F32", "[2]", "0", "8") "," T("b", "F32", "[1]", "4", "8") "}", "'b': data overlaps", 8},
        {"{" T("a", "F32", "[1]", "0", "4") "," T("b", "F32", "[1]", "8", "12") "}", "'b': data leaves a hole", 12},
        {"{" T("a", "F32", "[1]", "4", "8") "}", "'a': data leaves a hole", 8},
        {"{" T("a", "F32", "[2]", "0", "8") "}", "'a': data_offsets [0, 8] are not within the 4 bytes", 4},
        {"{" T("a", "F32", "[2]", "0", "4") "}", "'a': data_offsets span 4 bytes", 4},
        {"{" T("a", "F32", "[1]", "4", "0") "}", "'a': data_offsets", 4},
        {"{" T("a", "F32", "[1]", "-4", "0") "}", "'a': data_offsets", 4},
        {"{" T("a", "F32", "[4294967296,4294967296]", "0", "0") "}", "'a': data_offsets span 0 bytes", 0},
        {"{" T("a", "F32", "[4611686018427387904,4]", "0", "0") "}", "'a'", 0},
        {"{" T("a", "F32", "[-1]", "0", "4") "}", "'a': field 'shape'", 4},
        {"{" T("a", "F32", "[1.0]", "0", "4") "}", "'a': field 'shape'", 4},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1]", "0", "4") "}", "'a': rank 7", 4},
        {"{" T("a", "F31", "[1]", "0", "4") "}", "'a': unknown dtype 'F31'", 4},
        {"{" T("a", "F32", "[1]", "0", "18446744073709551616") "}", "not valid JSON", 4},
        {"{\"a\":7}", "'a': expected an object", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", "'a': field 'data_offsets': missing", 0},
        {"{\"a\":{\"dtype\":5}}", "'a': field 'dtype': expected a string, found 5", 0},
        {"{\"__metadata__\":{\"x\":1}}", "'x'", 0},
        {"{\"__metadata__\":[1]}", "'__metadata__'", 0},
        {"{\"a\\u0000\":1}", "not valid JSON", 0},
        {"{\"a\xff\":1}", "not valid JSON", 0},
    };
    const char *path = TMP("hostile.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_header(path, cases[i].header, cases[i].data_bytes);
        if (!cases[i].words) {
            assert_ok(read_file(host, path));
            continue;
        }
        assert_fails(read_file(host, path), OASSL_STATUS_FORMAT, cases[i].words);
        assert_non_null(strstr(oassl_last_error(), path));
    }
    char *deep = malloc(300001);
    memset(deep, '[', 300000);
    deep[300000] = 0;
    put_header(path, deep, 0);
    assert_fails(read_file(host, path), OASSL_STATUS_FORMAT, "depth");
    free(deep);
    put_file(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_fails(read_file(host, path), OASSL_STATUS_FORMAT, "18446744073709551615");
    put_file(path, "\x03\x00\x00\x00\x00\x00\x00\x00{}", 10);
    assert_fails(read_file(host, path), OASSL_STATUS_FORMAT, "truncated");
    unlink(path);
    assert_fails(read_file(host, path), OASSL_STATUS_NOT_FOUND, path);
    assert_fails(read_file(host, OASSL_TEST_TMP), OASSL_STATUS_IO, "directory");
    assert_fails(read_file(host, "/dev/zero"), OASSL_STATUS_IO, "device");
}

static void test_damaged_files(void **state) {
    (void)state;
    refuse_every_prefix(DATA("formats/python.safetensors"), read_file);
    damage_every_byte(DATA("formats/python.safetensors"), read_weights);
    fail_every_allocation(DATA("formats/python.safetensors"), read_weights);
}

static void test_unwritable(void **state) {
    (void)state;
    refuse_unwritable(write_file, 100000);
}

/* The names stored, separated by blanks, and those they must be looked up by. */
static void check_names(const char *stored, const char *expected) {
    char header[2048] = "{", names[512];
    snprintf(names, sizeof names, "%s", stored);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "))
        snprintf(header + strlen(header), sizeof header - strlen(header),
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", header[1] ? "," : "", name);
    strcat(header, "}");
    put_header(TMP("names.safetensors"), header, 0);
    oai_weights *weights;
    assert_ok(oai_weights_open(host, TMP("names.safetensors"), &weights));
    uint32_t n = 0;
    snprintf(names, sizeof names, "%s", expected);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "), n++)
        if (!oai_weights_find(weights, name)) fail_msg("%s: no '%s'", stored, name);
    assert_int_equal(oai_weights_count(weights), n);
    oai_weights_close(weights);
}

static void test_wrapper_rules(void **state) {
    (void)state;
    check_names("imgnet.a audnet.b", "imgnet.a audnet.b");
    check_names("module.imgnet.a module.module.audnet.b c", "imgnet.a audnet.b c");
    check_names("model.imgnet.a model.audnet.b", "imgnet.a audnet.b");
    check_names("model.a head.b", "model.a head.b");
    check_names("model.module.a model.module.b optimizer.state.0 epoch", "a b");
    check_names("model_state_dict.module.a model_state_dict.b optimizer.x model.c", "a b");
    check_names("state_dict.model.a state_dict.model.b optimizer_states.0", "a b");
    check_names("state_dict.model.a state_dict.b", "model.a b");
    check_names("module.model.a module.model.b", "a b");
    check_names("model.model.a model.model.b", "model.a model.b"); /* once */
    check_names("modulex.a", "modulex.a");
    put_header(TMP("names.safetensors"),
               "{" T("module.a", "F32", "[0]", "0", "0") "," T("a", "F32", "[0]", "0", "0") "}", 0);
    assert_fails(read_weights(host, TMP("names.safetensors")), OASSL_STATUS_FORMAT, "'a' is there twice");
    unlink(TMP("names.safetensors"));
}

static void test_half_floats(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float value = oai_f16_to_f32((uint16_t)h);
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        if (exponent == 31) {
            assert_true(fraction ? isnan(value) : isinf(value));
            if (fraction) continue;
        } else {
            double expected = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
            assert_true((double)value == (h & 0x8000 ? -expected : expected));
        }
        assert_int_equal(oai_f32_to_f16(value), h);
        if (exponent >= 30 || fraction == 1023) continue;
        /* half way to the next value: to the even one; a little more: up */
        float middle = (value + oai_f16_to_f32((uint16_t)(h + 1))) / 2;
        assert_int_equal(oai_f32_to_f16(middle), h + (h & 1));
        assert_int_equal(oai_f32_to_f16(nextafterf(middle, value < 0 || (h & 0x8000) ? -1e9f : 1e9f)), h + 1);
    }
    assert_int_equal(oai_f32_to_f16(65519.99f), 0x7BFF);
    assert_int_equal(oai_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(oai_f32_to_f16(-1e30f), 0xFC00);
    assert_true(isnan(oai_f16_to_f32(oai_f32_to_f16(NAN))));
    assert_int_equal(oai_f32_to_bf16(1.0f), 0x3F80);
    assert_int_equal(oai_f32_to_bf16(1.00390625f), 0x3F80); /* half way: even */
    assert_int_equal(oai_f32_to_bf16(1.01171875f), 0x3F82); /* half way: even */
    assert_int_equal(oai_f32_to_bf16(3.4e38f), 0x7F80);     /* rounds to infinity */
    assert_true(isnan(oai_bf16_to_f32(oai_f32_to_bf16(NAN))));
}

static void test_files(void **state) {
    (void)state;
    assert_ok(oai_make_directories(TMP("one/two/three/")));
    assert_ok(oai_make_directories(TMP("one/two/three")));
    put_file(TMP("one/file"), "x", 1);
    assert_fails(oai_make_directories(TMP("one/file")), OASSL_STATUS_IO, "one/file");
    assert_fails(oai_make_directories(TMP("one/file/below")), OASSL_STATUS_IO, "one/file");
    assert_fails(oai_make_directories(""), OASSL_STATUS_INVALID_ARGUMENT, "directory");
    char *text;
    size_t bytes;
    assert_fails(oai_file_read(host, TMP("one/file"), 0, &text, &bytes), OASSL_STATUS_FORMAT, "at most 0");
    oai_writer *writer;
    size_t n_before = count_entries(TMP("one"));
    assert_ok(oai_writer_open(host, TMP("one/new"), &writer));
    assert_ok(oai_writer_write(writer, "0123456789", 10));
    oai_writer_abort(writer);
    assert_int_equal(count_entries(TMP("one")), n_before);
    assert_ok(oai_writer_open(host, TMP("one/new"), &writer));
    for (int i = 0; i < 20000; i++) assert_ok(oai_writer_write(writer, "0123456789", 10));
    assert_int_equal(oai_writer_offset(writer), 200000);
    assert_ok(oai_writer_patch(writer, 199998, "ab", 2));
    assert_ok(oai_writer_patch(writer, 3, "X", 1));
    assert_fails(oai_writer_patch(writer, 199999, "ab", 2), OASSL_STATUS_INTERNAL, "patch");
    assert_ok(oai_writer_write(writer, "end", 3));
    assert_ok(oai_writer_commit(writer));
    text = get_file(TMP("one/new"), &bytes);
    assert_int_equal(bytes, 200003);
    assert_memory_equal(text, "012X45", 6);
    assert_string_equal(text + 199996, "67abend");
    oai_free(host, text);
    oai_file_map map;
    put_file(TMP("one/new"), "", 0);
    assert_ok(oai_file_map_open(TMP("one/new"), &map));
    assert_int_equal(map.bytes, 0);
    oai_file_map_close(&map);
    unlink(TMP("one/new"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_python),
        cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_unwritable),      cmocka_unit_test(test_wrapper_rules),
        cmocka_unit_test(test_half_floats),     cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
