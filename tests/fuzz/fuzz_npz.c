/* .npz and .npy, and what is read from them: caption features, features for retrieval.
 *
 * An input of parts with "====" lines between them is also packed into a .npz with the members' names and right
 * checksums, so that the search need not find those. */
#include "base/npy.h"
#include "fuzz.h"
#include "metric/retrieval.h"
#include "text/caption_features.h"

static void read_member(const oai_host *host, const oai_npz *file, const char *name) {
    oai_npy array;
    oassl_status status = oai_npz_read(file, name, &array);
    fuzz_check(status, "oai_npz_read");
    if (status != OASSL_STATUS_OK) return;
    uint32_t sum = 0;
    for (size_t k = 0; k < array.bytes; k++) sum += ((const uint8_t *)array.data)[k];
    bool text = array.dtype == OAI_NPY_UNICODE || array.dtype == OAI_NPY_BYTES;
    int64_t n = oai_npy_count(&array);
    for (int64_t i = 0; text && i < n && i < 1000; i++) {
        char *word;
        status = oai_npy_text_at(host, &array, (size_t)i, &word);
        fuzz_check(status, "oai_npy_text_at");
        if (status == OASSL_STATUS_OK) oai_free(host, word);
    }
    oai_npy_free(&array);
    (void)sum;
}

static void open_npz(const oai_host *host, const char *path) {
    oai_npz *file;
    oassl_status status = oai_npz_open(host, path, &file);
    fuzz_check(status, "oai_npz_open");
    if (status != OASSL_STATUS_OK) return;
    for (uint32_t i = 0; i < oai_npz_count(file); i++) read_member(host, file, oai_npz_name(file, i));
    oai_npz_close(file);
}

static void load(const oai_host *host, const char *path) {
    oai_caption_features *features;
    oassl_retrieval_features retrieval;
    open_npz(host, path);
    oassl_status status = oai_caption_features_load(host, path, &features);
    fuzz_check(status, "oai_caption_features_load");
    if (status == OASSL_STATUS_OK) {
        for (int64_t i = 0; i < features->n_samples; i++) {
            if (oai_caption_features_find(features, features->ids[i]) != i) fuzz_fail("'%s' is not found again", features->ids[i]);
            if (oai_caption_features_k(features, i) < 1) fuzz_fail("'%s' has no foreground", features->ids[i]);
            oai_caption_features_background(features, i);
        }
        oai_caption_features_destroy(features);
    }
    status = oai_retrieval_load(host, path, &retrieval);
    fuzz_check(status, "oai_retrieval_load");
    if (status == OASSL_STATUS_OK) oai_retrieval_free(host, &retrieval);
}

/* Both kinds of file in one: each reader leaves what it does not know. */
static const char *pack(const uint8_t *data, size_t bytes, uint8_t *room, size_t room_bytes) {
    static const char *const names[] = {"ids.npy",      "offsets.npy",      "foreground.npy", "background.npy", "encoder.npy",
                                        "pictures.npy", "encoder_hash.npy", "sounds.npy",     "labels.npy"};
    fuzz_part parts[9];
    size_t n = fuzz_split(data, bytes, parts, 9);
    return fuzz_put("packed.npz", room, fuzz_zip(names, parts, n, room, room_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static uint8_t room[1 << 18];
    oai_npy array;
    const char *path = fuzz_put("raw.npz", data, bytes), *packed = pack(data, bytes, room, sizeof room);
    /* Deflate packs at most 1032 bytes into one; a text of n characters needs up to 4 n bytes beside the array. */
    const oai_host *host = fuzz_begin(((uint64_t)1 << 20) + 4 * 1032 * (uint64_t)bytes);
    load(host, path);
    load(host, packed);
    oassl_status status = oai_npy_load(host, path, &array);
    fuzz_check(status, "oai_npy_load");
    if (status == OASSL_STATUS_OK) oai_npy_free(&array);
    fuzz_end();
    return 0;
}
