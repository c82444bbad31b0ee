/* .npy and .npz: NumPy's files, ours, and damaged ones. */
#define TEST_NAME "npz"
#include "hostile.h"

#include <zlib.h>

#include "base/npy.h"
#include "base/npz.h"

static const oai_host *host = &oai_default_host;

/* Reads every member. */
static oassl_status read_all(const oai_host *h, const char *path) {
    oai_npz *file;
    OAI_TRY(oai_npz_open(h, path, &file));
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t i = 0; i < oai_npz_count(file) && status == OASSL_STATUS_OK; i++) {
        oai_npy array;
        status = oai_npz_read(file, oai_npz_name(file, i), &array);
        oai_npy_free(&array);
    }
    oai_npz_close(file);
    return status;
}

static oassl_status read_npy(const oai_host *h, const char *path) {
    oai_npy array;
    oassl_status status = oai_npy_load(h, path, &array);
    oai_npy_free(&array);
    return status;
}

static void check_member(const oai_npz *file, const char *name, int32_t dtype, int32_t rank, int64_t rows,
                         const void *data, size_t bytes) {
    oai_npy array;
    assert_ok(oai_npz_read(file, name, &array));
    assert_int_equal(array.dtype, dtype);
    assert_int_equal(array.rank, rank);
    if (rank) assert_int_equal(array.shape[0], rows);
    assert_int_equal(array.bytes, bytes);
    if (bytes) assert_memory_equal(array.data, data, bytes);
    oai_npy_free(&array);
}

static void check_texts(const oai_npz *file, const char *name, const char *const *expected, size_t n) {
    oai_npy array;
    assert_ok(oai_npz_read(file, name, &array));
    assert_int_equal(oai_npy_count(&array), n);
    for (size_t i = 0; i < n; i++) {
        char *text;
        assert_ok(oai_npy_text_at(host, &array, i, &text));
        assert_string_equal(text, expected[i]);
        oai_free(host, text);
    }
    oai_npy_free(&array);
}

static const float f4[6] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
static const char *const ids[3] = {"clip-1", "Zürich_日本_😀", "c"};

static void test_numpy(void **state) {
    (void)state;
    const char *const paths[] = {DATA("formats/numpy_stored.npz"), DATA("formats/numpy_deflated.npz")};
    for (int k = 0; k < 2; k++) {
        oai_npz *file;
        assert_ok(oai_npz_open(host, paths[k], &file));
        assert_int_equal(oai_npz_count(file), 10);
        check_member(file, "f4", OASSL_DTYPE_F32, 2, 2, f4, sizeof f4);
        check_member(file, "f8", OASSL_DTYPE_F64, 0, 0, &(double){2.5}, 8);
        check_member(file, "i4", OASSL_DTYPE_I32, 1, 2, (int32_t[]){-1, INT32_MAX}, 8);
        check_member(file, "i8", OASSL_DTYPE_I64, 2, 2, (int64_t[]){INT64_MIN, (int64_t)1 << 40}, 16);
        check_member(file, "u1", OASSL_DTYPE_U8, 1, 5, "\0\1\2\3\4", 5);
        check_member(file, "b1", OASSL_DTYPE_U8, 1, 2, "\1\0", 2);
        check_member(file, "f2", OASSL_DTYPE_F16, 1, 2, (uint16_t[]){0x3E00, 0xFBFF}, 4);
        check_member(file, "empty", OASSL_DTYPE_F32, 2, 0, NULL, 0);
        check_texts(file, "ids", ids, 3);
        check_texts(file, "raw", (const char *const[]){"ab", "c"}, 2);
        oai_npy array;
        assert_fails(oai_npz_read(file, "none", &array), OASSL_STATUS_NOT_FOUND, "member 'none' is missing");
        assert_ok(oai_npz_read(file, "f4", &array));
        char *text;
        assert_fails(oai_npy_text_at(host, &array, 0, &text), OASSL_STATUS_FORMAT, "texts");
        oai_npy_free(&array);
        oai_npz_close(file);
    }
    assert_fails(read_npy(host, DATA("formats/fortran.npy")), OASSL_STATUS_UNSUPPORTED, "Fortran");
    assert_fails(read_npy(host, DATA("formats/big_endian.npy")), OASSL_STATUS_UNSUPPORTED, "'>f4'");
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static float noise[100000]; /* does not compress */

static oassl_status write_with(const oai_host *h, const char *path, int flags) {
    for (uint32_t i = 0; i < 100000; i++) noise[i] = (float)(int32_t)(i * 2654435761u) * 1e-9f;
    oai_npz_writer *writer;
    OAI_TRY(oai_npz_create(h, path, flags, &writer));
    oai_npy arrays[] = {oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){2, 3}, f4),
                        oai_npy_of(OASSL_DTYPE_F64, 0, NULL, &(double){2.5}),
                        oai_npy_of(OASSL_DTYPE_I64, 3, (int64_t[]){1, 0, 2}, ""),
                        oai_npy_of(OASSL_DTYPE_F32, 1, (int64_t[]){100000}, noise)};
    const char *const names[] = {"f4", "scalar", "empty", "noise"};
    oassl_status status = OASSL_STATUS_OK;
    for (int i = 0; i < 4 && status == OASSL_STATUS_OK; i++) status = oai_npz_add(writer, names[i], &arrays[i]);
    oai_npy texts = {0};
    if (status == OASSL_STATUS_OK) status = oai_npy_from_texts(h, ids, 3, false, &texts);
    if (status == OASSL_STATUS_OK) status = oai_npz_add(writer, "ids", &texts);
    oai_npy_free(&texts);
    if (status == OASSL_STATUS_OK) return oai_npz_commit(writer);
    oai_npz_abort(writer);
    return status;
}

static oassl_status write_stored(const oai_host *h, const char *path) { return write_with(h, path, OAI_NPZ_STORE); }
static oassl_status write_deflated(const oai_host *h, const char *path) {
    return write_with(h, path, OAI_NPZ_DEFLATE);
}
static oassl_status save_npy(const oai_host *h, const char *path) {
    const oai_npy array = oai_npy_of(OASSL_DTYPE_F32, 1, (int64_t[]){100000}, noise);
    return oai_npy_save(h, path, &array);
}

static void test_round_trip(void **state) {
    (void)state;
    const char *path = TMP("round.npz");
    for (int flags = 0; flags < 4; flags++) {
        assert_ok(write_with(host, path, flags));
        oai_npz *file;
        assert_ok(oai_npz_open(host, path, &file));
        assert_int_equal(oai_npz_count(file), 5);
        check_member(file, "f4", OASSL_DTYPE_F32, 2, 2, f4, sizeof f4);
        check_member(file, "scalar", OASSL_DTYPE_F64, 0, 0, &(double){2.5}, 8);
        check_member(file, "empty", OASSL_DTYPE_I64, 3, 1, NULL, 0);
        check_member(file, "noise", OASSL_DTYPE_F32, 1, 100000, noise, sizeof noise);
        check_texts(file, "ids", ids, 3);
        oai_npz_close(file);
    }
    /* The same arrays give the same bytes. */
    size_t n_one, n_two;
    assert_ok(write_deflated(host, path));
    char *one = get_file(path, &n_one);
    assert_ok(write_deflated(host, path));
    char *two = get_file(path, &n_two);
    assert_int_equal(n_one, n_two);
    assert_memory_equal(one, two, n_one);
    oai_free(host, one);
    oai_free(host, two);
    unlink(path);

    assert_ok(save_npy(host, TMP("x.npy")));
    oai_npy array;
    assert_ok(oai_npy_load(host, TMP("x.npy"), &array));
    assert_memory_equal(array.data, noise, sizeof noise);
    oai_npy_free(&array);
    unlink(TMP("x.npy"));
}

static void test_refused_arrays(void **state) {
    (void)state;
    oai_npy texts;
    oai_npz_writer *writer;
    assert_fails(oai_npy_from_texts(host, (const char *[]){"a", "b\xff"}, 2, false, &texts), OASSL_STATUS_FORMAT,
                 "text 1");
    assert_fails(oai_npy_from_texts(host, (const char *[]){"\xC0\x80"}, 1, true, &texts), OASSL_STATUS_FORMAT,
                 "text 0");
    assert_ok(oai_npy_from_texts(host, (const char *[]){""}, 1, true, &texts));
    assert_int_equal(texts.width, 1);
    oai_npy_free(&texts);
    assert_ok(oai_npz_create(host, TMP("refused.npz"), 0, &writer));
    const oai_npy good = oai_npy_of(OASSL_DTYPE_U8, 1, (int64_t[]){1}, "x");
    oai_npy bad = good;
    bad.dtype = OASSL_DTYPE_BF16;
    assert_ok(oai_npz_add(writer, "a", &good));
    assert_fails(oai_npz_add(writer, "a", &good), OASSL_STATUS_INVALID_ARGUMENT, "'a'");
    assert_fails(oai_npz_add(writer, "b", &bad), OASSL_STATUS_INVALID_ARGUMENT, "'b'");
    oai_npz_abort(writer);
    assert_int_equal(access(TMP("refused.npz"), F_OK), -1);
    const uint32_t surrogate[] = {'a', 0xD800, 0x110000, 'a', 0, 'b'};
    const oai_npy array = {.dtype = OAI_NPY_UNICODE, .width = 1, .rank = 1, .shape = {3}, .data = (void *)surrogate};
    char *text;
    assert_fails(oai_npy_text_at(host, &array, 1, &text), OASSL_STATUS_FORMAT, "U+D800");
    assert_fails(oai_npy_text_at(host, &array, 2, &text), OASSL_STATUS_FORMAT, "U+110000");
    const oai_npy wide = {.dtype = OAI_NPY_UNICODE, .width = 3, .rank = 1, .shape = {2}, .data = (void *)surrogate};
    assert_fails(oai_npy_text_at(host, &wide, 1, &text), OASSL_STATUS_FORMAT, "NUL inside");
}

/* ---- damage ------------------------------------------------------------------------------------------------- */

static void test_damaged_files(void **state) {
    (void)state;
    const char *const paths[] = {DATA("formats/numpy_stored.npz"), DATA("formats/numpy_deflated.npz")};
    for (int k = 0; k < 2; k++) {
        refuse_every_prefix(paths[k], read_all);
        damage_every_byte(paths[k], read_all);
        fail_every_allocation(paths[k], read_all);
    }
    assert_ok(write_with(host, TMP("zip64.npz"), OAI_NPZ_ZIP64));
    size_t bytes;
    char *data = get_file(TMP("zip64.npz"), &bytes);
    oai_free(host, data);
    assert_ok(read_all(host, TMP("zip64.npz")));
    for (long cut = 1; cut < 800; cut++) {
        assert_int_equal(truncate(TMP("zip64.npz"), (off_t)bytes - cut), 0);
        assert_fails(read_all(host, TMP("zip64.npz")), OASSL_STATUS_FORMAT, TMP("zip64.npz"));
    }
    unlink(TMP("zip64.npz"));
}

/* Finds a pattern and damages the byte `offset` after it. */
static void damage(char *data, size_t bytes, const char *pattern, size_t n, size_t offset, char value) {
    char *at = memmem(data, bytes, pattern, n);
    assert_non_null(at);
    at[offset] = value;
}

static void test_named_damage(void **state) {
    (void)state;
    const char *path = TMP("named.npz");
    size_t bytes;
    char *good = get_file(DATA("formats/numpy_stored.npz"), &bytes);
    char *data = malloc(bytes);
    const struct {
        const char *pattern;
        size_t n, offset;
        char value;
        const char *words;
    } cases[] = {
        {"PK\3\4", 4, 30, 'X', "'f4': local header is that of another member"},
        {"PK\3\4", 4, 8, 8, "'f4': local header is that of another member"},
        {"\0\0\x80\x3E", 4, 0, 1, "'f4': checksum does not match"},
        {"PK\1\2", 4, 16, 99, "'f4': checksum does not match"},
        {"PK\1\2", 4, 24, 99, "'f4': "},
        {"PK\1\2", 4, 27, 99, "'f4': "},
        {"PK\1\2", 4, 8, 1, "'f4' is encrypted"},
        {"PK\1\2", 4, 10, 12, "'f4': zip method 12"},
        {"PK\1\2", 4, 45, 99, "'f4': no local header"},
        {"PK\1\2", 4, 47, '8', "'f8' is there twice"},
        {"PK\1\2", 4, 51, 'x', "'f4.npx' is not an .npy array"},
        {"PK\1\2", 4, 0, 'X', "member 0 is damaged"},
        {"PK\5\6", 4, 10, 1, "bytes too many"},
        {"PK\5\6", 4, 10, 99, "directory"},
        {"PK\5\6", 4, 17, 99, "directory does not fit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(data, good, bytes);
        damage(data, bytes, cases[i].pattern, cases[i].n, cases[i].offset, cases[i].value);
        put_file(path, data, bytes);
        oassl_status status = read_all(host, path);
        if (status == OASSL_STATUS_OK || !strstr(oassl_last_error(), cases[i].words) ||
            !strstr(oassl_last_error(), path))
            fail_msg("case %zu: expected \"%s\", got %s", i, cases[i].words, status ? oassl_last_error() : "OK");
    }
    put_file(path, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
    assert_ok(read_all(host, path)); /* an archive of nothing */
    put_file(path, "not a zip", 9);
    assert_fails(read_all(host, path), OASSL_STATUS_FORMAT, "not an npz");
    unlink(path);
    assert_fails(read_all(host, path), OASSL_STATUS_NOT_FOUND, path);
    free(data);
    oai_free(host, good);
}

static oassl_status parse_header(const char *dictionary, size_t data_bytes) {
    uint8_t text[512] = "\x93NUMPY\1\0";
    size_t n = strlen(dictionary), header;
    text[8] = (uint8_t)n;
    memcpy(text + 10, dictionary, n);
    oai_npy array;
    return oai_npy_parse(text, 10 + n + data_bytes, &array, &header);
}

static void test_npy_headers(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        size_t data_bytes;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n", NULL, 8},
        {"{'shape': (2, 1), \"descr\": '<f4', 'fortran_order': False}", NULL, 8},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", NULL, 8},
        {"{'descr': '<u1', 'fortran_order': False, 'shape': (), }", NULL, 1},
        {"{'descr': '<U0', 'fortran_order': False, 'shape': (3,), }", NULL, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "shape [2] needs 8 bytes of data, found 7", 7},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "shape [2] needs 8 bytes of data, found 9", 9},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", "bad 'shape'", 8},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", "not a tuple", 8},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "bad number", 8},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "bad number", 8},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4), }", "overflows", 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }", "more than 6", 4},
        {"{'descr': '<f4', 'fortran_order': False, }", "'shape' is missing", 0},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (), }", "unexpected key 'descr'", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", "unexpected key 'x'", 4},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (), }", "fortran_order", 4},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (), }", "dtype '|O'", 4},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }", "not a plain type", 4},
        {"{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,), }", "dtype", 4},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (), }", "expected ','", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "behind", 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (", "bad number", 4},
        {"", "not a dictionary", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oassl_status status = parse_header(cases[i].text, cases[i].data_bytes);
        if (!cases[i].words)
            assert_ok(status);
        else if (status == OASSL_STATUS_OK || !strstr(oassl_last_error(), cases[i].words))
            fail_msg("%s: expected \"%s\", got %s", cases[i].text, cases[i].words, status ? oassl_last_error() : "OK");
    }
    const oai_npy array = oai_npy_of(OASSL_DTYPE_I32, 3, (int64_t[]){2, 1, 2}, (int32_t[]){1, 2, 3, 4});
    assert_ok(oai_npy_save(host, TMP("small.npy"), &array));
    refuse_every_prefix(TMP("small.npy"), read_npy);
    damage_every_byte(TMP("small.npy"), read_npy);
    unlink(TMP("small.npy"));
}

/* A deflated member that claims to grow to 1 TiB. */
static void test_impossible_size(void **state) {
    (void)state;
    size_t bytes;
    char *data = get_file(DATA("formats/numpy_deflated.npz"), &bytes);
    char *central = memmem(data, bytes, "PK\1\2", 4);
    memset(central + 24, 0xF0, 4);
    put_file(TMP("bomb.npz"), data, bytes);
    assert_fails(read_all(host, TMP("bomb.npz")), OASSL_STATUS_FORMAT, "'f4': 4042322160 bytes from");
    unlink(TMP("bomb.npz"));
    oai_free(host, data);
}

static void test_unwritable(void **state) {
    (void)state;
    refuse_unwritable(write_stored, 100000);
    refuse_unwritable(write_deflated, 100000);
    refuse_unwritable(save_npy, 100000);
    fail_every_allocation(TMP("allocation.npz"), write_deflated);
    unlink(TMP("allocation.npz"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numpy),           cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused_arrays),  cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_named_damage),    cmocka_unit_test(test_npy_headers),
        cmocka_unit_test(test_impossible_size), cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
