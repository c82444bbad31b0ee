#include "text/caption_features.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/npz.h"

void oai_caption_features_destroy(oai_caption_features *features) {
    if (!features) return;
    const oai_host *host = features->host;
    oai_strmap_free(&features->by_id);
    oai_arena_free(&features->arena);
    oai_free(host, features->ids);
    oai_free(host, features->offsets);
    oai_free(host, features->foreground);
    oai_free(host, features->background);
    oai_free(host, features);
}

static oassl_status new_features(const oai_host *host, oai_caption_features **out_features) {
    oai_caption_features *features = oai_calloc(host, 1, sizeof *features);
    *out_features = features;
    if (!features) return oai_no_memory(sizeof *features, "caption features");
    features->host = host;
    features->tokenizer_hash = features->pooling = "";
    oai_arena_init(&features->arena, host);
    oai_strmap_init(&features->by_id, host);
    return OASSL_STATUS_OK;
}

static oassl_status copy_text(oai_caption_features *features, const char *text, const char **out_copy) {
    *out_copy = oai_arena_text(&features->arena, text, strlen(text));
    return *out_copy ? OASSL_STATUS_OK : oai_no_memory(strlen(text), "caption features");
}

/* Fills the lookup table from ids. */
static oassl_status index_ids(oai_caption_features *features) {
    for (int64_t i = 0; i < features->n_samples; i++) {
        const char *id = features->ids[i];
        uint32_t old;
        OAI_TRY(oai_strmap_put(&features->by_id, id, strlen(id), (uint32_t)i, &old));
        if (old != OAI_STRMAP_NONE || !id[0])
            return oai_fail(OASSL_STATUS_FORMAT, id[0] ? "id '%.200s' is there twice" : "an id is empty%s", id);
    }
    return OASSL_STATUS_OK;
}

static oassl_status fill(oai_caption_features *features, const char *const *ids, const uint32_t *n_foreground,
                         const char *encoder, const char *encoder_hash) {
    const oai_host *host = features->host;
    size_t n = (size_t)features->n_samples, width = (size_t)features->width;
    features->ids = oai_calloc(host, n + 1, sizeof *features->ids);
    features->offsets = oai_calloc(host, n + 1, sizeof *features->offsets);
    if (!features->ids || !features->offsets) return oai_no_memory((n + 1) * 16, "caption features");
    for (size_t i = 0; i < n; i++) {
        if (n_foreground[i] == 0)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "sample '%s' has no foreground", ids[i]);
        features->offsets[i + 1] = features->offsets[i] + n_foreground[i];
        OAI_TRY(copy_text(features, ids[i], &features->ids[i]));
    }
    size_t rows = (size_t)features->offsets[n];
    features->foreground = oai_calloc(host, rows ? rows : 1, width * sizeof(float));
    features->background = oai_calloc(host, n ? n : 1, width * sizeof(float));
    if (!features->foreground || !features->background)
        return oai_no_memory((rows + n) * width * sizeof(float), "caption features");
    OAI_TRY(copy_text(features, encoder, &features->encoder));
    OAI_TRY(copy_text(features, encoder_hash, &features->encoder_hash));
    return index_ids(features);
}

oassl_status oai_caption_features_create(const oai_host *host, const char *const *ids, const uint32_t *n_foreground,
                                         int64_t n_samples, int64_t width, const char *encoder,
                                         const char *encoder_hash, oai_caption_features **out_features) {
    *out_features = NULL;
    if (n_samples < 0 || n_samples >= UINT32_MAX || width < 1 || width > 1 << 20)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "caption features: %" PRId64 " samples of width %" PRId64 " are out of range", n_samples,
                        width);
    oai_caption_features *features;
    OAI_TRY(new_features(host, &features));
    features->n_samples = n_samples;
    features->width = width;
    oassl_status status = fill(features, ids, n_foreground, encoder, encoder_hash);
    if (status != OASSL_STATUS_OK) {
        oai_caption_features_destroy(features);
        return status;
    }
    *out_features = features;
    return OASSL_STATUS_OK;
}

oassl_status oai_caption_features_describe(oai_caption_features *features, const char *tokenizer_hash,
                                           const char *pooling) {
    if (tokenizer_hash) OAI_TRY(copy_text(features, tokenizer_hash, &features->tokenizer_hash));
    return pooling ? copy_text(features, pooling, &features->pooling) : OASSL_STATUS_OK;
}

/* ---- the file ----------------------------------------------------------------------------------------------- */

static oassl_status check_shape(const oai_npy *array, int32_t rank, int64_t rows, const char *expected) {
    if (array->rank == rank && (rank == 0 || rows < 0 || array->shape[0] == rows)) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_FORMAT, "expected %s; found rank %d with %" PRId64 " rows", expected, array->rank,
                    array->rank ? array->shape[0] : 1);
}

static oassl_status take_ids(oai_caption_features *features, const oai_npy *array) {
    OAI_TRY(check_shape(array, 1, -1, "a list of ids"));
    if (array->shape[0] >= UINT32_MAX) return oai_fail(OASSL_STATUS_FORMAT, "too many ids");
    if (array->shape[0] > 0 && array->bytes == 0) return oai_fail(OASSL_STATUS_FORMAT, "ids: all are empty");
    features->n_samples = array->shape[0];
    features->ids = oai_calloc(features->host, (size_t)features->n_samples + 1, sizeof *features->ids);
    if (!features->ids) return oai_no_memory((size_t)features->n_samples * sizeof *features->ids, "ids");
    for (int64_t i = 0; i < features->n_samples; i++) {
        char *text;
        OAI_TRY(oai_npy_text_at(features->host, array, (size_t)i, &text));
        oassl_status status = copy_text(features, text, &features->ids[i]);
        oai_free(features->host, text);
        OAI_TRY(status);
    }
    return index_ids(features);
}

static oassl_status take_offsets(oai_caption_features *features, oai_npy *array) {
    int64_t n = features->n_samples;
    OAI_TRY(check_shape(array, 1, n + 1, "as many offsets as ids, and one"));
    if (array->dtype != OASSL_DTYPE_I64) return oai_fail(OASSL_STATUS_FORMAT, "expected dtype <i8");
    features->offsets = array->data;
    array->host = NULL; /* taken over */
    for (int64_t i = 0; i <= n; i++) {
        int64_t offset = features->offsets[i], before = i ? features->offsets[i - 1] : -1;
        if ((i == 0 && offset != 0) || offset <= before || offset > (int64_t)1 << 40)
            return oai_fail(OASSL_STATUS_FORMAT,
                            "offset %" PRId64 " is %" PRId64 " after %" PRId64 ": expected 0, then growing numbers", i,
                            offset, before);
    }
    return OASSL_STATUS_OK;
}

/* Rows of floats; doubles and halves are converted.  The first matrix sets the width, the second must have it. */
static oassl_status take_rows(oai_caption_features *features, oai_npy *array, int64_t rows, float **out_rows) {
    OAI_TRY(check_shape(array, 2, rows, "a matrix with one row a sentence"));
    if (features->width == 0) features->width = array->shape[1];
    if (array->shape[1] != features->width || array->shape[1] == 0)
        return oai_fail(OASSL_STATUS_FORMAT, "rows of %" PRId64 " numbers, expected %" PRId64, array->shape[1],
                        features->width);
    int64_t n = rows * features->width;
    if (array->dtype == OASSL_DTYPE_F32) {
        *out_rows = array->data;
        array->host = NULL; /* taken over */
    } else {
        *out_rows = oai_calloc(features->host, (size_t)n + 1, sizeof **out_rows);
        if (!*out_rows) return oai_no_memory((size_t)n * sizeof **out_rows, "caption features");
        if (!oai_to_f32(array->dtype, array->data, (size_t)n, *out_rows))
            return oai_fail(OASSL_STATUS_FORMAT, "expected dtype <f4");
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite((*out_rows)[i]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "row %" PRId64 " has a NaN or an infinity", i / features->width);
    return OASSL_STATUS_OK;
}

static oassl_status take_text(oai_caption_features *features, const oai_npy *array, const char **out_text) {
    if (oai_npy_count(array) != 1) return oai_fail(OASSL_STATUS_FORMAT, "expected one text");
    char *text;
    OAI_TRY(oai_npy_text_at(features->host, array, 0, &text));
    oassl_status status = copy_text(features, text, out_text);
    oai_free(features->host, text);
    return status;
}

enum { IDS, OFFSETS, FOREGROUND, BACKGROUND, ENCODER, ENCODER_HASH, TOKENIZER_HASH, POOLING, N_MEMBERS };
static const char *const member_names[N_MEMBERS] = {"ids",        "offsets", "foreground",
                                                    "background", "encoder", "encoder_hash",
                                                    "tokenizer_hash", "pooling"};
#define FIRST_OPTIONAL TOKENIZER_HASH

static oassl_status take_member(oai_caption_features *features, int which, oai_npy *array) {
    int64_t n = features->n_samples;
    switch (which) {
    case IDS: return take_ids(features, array);
    case OFFSETS: return take_offsets(features, array);
    case FOREGROUND: return take_rows(features, array, features->offsets[n], &features->foreground);
    case BACKGROUND: return take_rows(features, array, n, &features->background);
    case ENCODER: return take_text(features, array, &features->encoder);
    case ENCODER_HASH: return take_text(features, array, &features->encoder_hash);
    case TOKENIZER_HASH: return take_text(features, array, &features->tokenizer_hash);
    default: return take_text(features, array, &features->pooling);
    }
}

static oassl_status load_members(oai_caption_features *features, const oai_npz *file) {
    for (int i = 0; i < N_MEMBERS; i++) {
        oai_npy array;
        if (i >= FIRST_OPTIONAL && !oai_npz_has(file, member_names[i])) continue;
        OAI_TRY(oai_npz_read(file, member_names[i], &array));
        oassl_status status = take_member(features, i, &array);
        oai_npy_free(&array);
        if (status != OASSL_STATUS_OK)
            return oai_fail_within(status, "%s: member '%s'", oai_npz_path(file), member_names[i]);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_caption_features_load(const oai_host *host, const char *path, oai_caption_features **out_features) {
    *out_features = NULL;
    oai_npz *file;
    oai_caption_features *features = NULL;
    OAI_TRY(oai_npz_open(host, path, &file));
    oassl_status status = new_features(host, &features);
    if (status == OASSL_STATUS_OK) status = load_members(features, file);
    oai_npz_close(file);
    if (status != OASSL_STATUS_OK) {
        oai_caption_features_destroy(features);
        return status;
    }
    *out_features = features;
    return OASSL_STATUS_OK;
}

static oassl_status add_texts(oai_npz_writer *writer, const oai_host *host, const char *name, const char *const *texts,
                              size_t n, bool scalar) {
    oai_npy array;
    OAI_TRY(oai_npy_from_texts(host, texts, n, scalar, &array));
    oassl_status status = oai_npz_add(writer, name, &array);
    oai_npy_free(&array);
    return status;
}

static oassl_status add_members(const oai_caption_features *features, oai_npz_writer *writer) {
    int64_t n = features->n_samples, width = features->width;
    const oai_npy offsets = oai_npy_of(OASSL_DTYPE_I64, 1, (int64_t[]){n + 1}, features->offsets);
    const oai_npy foreground =
        oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){features->offsets[n], width}, features->foreground);
    const oai_npy background = oai_npy_of(OASSL_DTYPE_F32, 2, (int64_t[]){n, width}, features->background);
    const oai_host *host = features->host;
    OAI_TRY(add_texts(writer, host, member_names[IDS], (const char *const *)features->ids, (size_t)n, false));
    OAI_TRY(oai_npz_add(writer, member_names[OFFSETS], &offsets));
    OAI_TRY(oai_npz_add(writer, member_names[FOREGROUND], &foreground));
    OAI_TRY(oai_npz_add(writer, member_names[BACKGROUND], &background));
    OAI_TRY(add_texts(writer, host, member_names[ENCODER], &features->encoder, 1, true));
    OAI_TRY(add_texts(writer, host, member_names[ENCODER_HASH], &features->encoder_hash, 1, true));
    OAI_TRY(add_texts(writer, host, member_names[TOKENIZER_HASH], &features->tokenizer_hash, 1, true));
    return add_texts(writer, host, member_names[POOLING], &features->pooling, 1, true);
}

oassl_status oai_caption_features_save(const oai_caption_features *features, const char *path) {
    oai_npz_writer *writer;
    OAI_TRY(oai_npz_create(features->host, path, OAI_NPZ_DEFLATE, &writer));
    oassl_status status = add_members(features, writer);
    if (status == OASSL_STATUS_OK) return oai_npz_commit(writer);
    oai_npz_abort(writer);
    return status;
}

/* ---- lookup ------------------------------------------------------------------------------------------------- */

int64_t oai_caption_features_find(const oai_caption_features *features, const char *id) {
    uint32_t i = oai_strmap_get(&features->by_id, id, strlen(id));
    return i == OAI_STRMAP_NONE ? -1 : (int64_t)i;
}

const float *oai_caption_features_background(const oai_caption_features *features, int64_t sample) {
    const float *row = features->background + sample * features->width;
    for (int64_t i = 0; i < features->width; i++)
        if (row[i] != 0) return row;
    return NULL;
}

oassl_status oai_caption_features_compose(const oai_caption_features *features, const int64_t *samples, uint32_t n,
                                          uint32_t room, float *out_foreground, uint32_t *out_k, float *out_background,
                                          bool *out_has_background) {
    size_t width = (size_t)features->width;
    uint32_t rows = 0, n_backgrounds = 0;
    *out_k = 0;
    *out_has_background = false;
    memset(out_background, 0, width * sizeof *out_background);
    for (uint32_t i = 0; i < n; i++) {
        if (samples[i] < 0 || samples[i] >= features->n_samples)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "caption sample %" PRId64 " of %" PRId64, samples[i],
                            features->n_samples);
        uint32_t k = oai_caption_features_k(features, samples[i]);
        if (k > room - rows)
            return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "composite with '%s' has more than %u foreground sentences",
                            features->ids[samples[i]], room);
        memcpy(out_foreground + rows * width, oai_caption_features_foreground(features, samples[i]),
               k * width * sizeof *out_foreground);
        rows += k;
        const float *background = oai_caption_features_background(features, samples[i]);
        if (!background) continue;
        n_backgrounds++;
        for (size_t j = 0; j < width; j++) out_background[j] += background[j];
    }
    for (size_t j = 0; n_backgrounds > 1 && j < width; j++) out_background[j] /= (float)n_backgrounds;
    *out_k = rows;
    *out_has_background = n_backgrounds > 0;
    return OASSL_STATUS_OK;
}
