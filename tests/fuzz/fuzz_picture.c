/* Pictures: JPEG and PNG, their sizes from the header, the network's input; PNG chunks also with checksums put right. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/picture_size.h"
#include "dsp/image_preset.h"
#include "dsp/picture_file.h"
#include "fuzz.h"

static void prepare(const oai_host *host, const oassl_image *picture, int32_t preset) {
    static float input[3 * 32 * 32];
    oassl_image_options options = OASSL_IMAGE_OPTIONS_INIT;
    oai_image_rules rules;
    oai_image_plan plan;
    options.preset = preset, options.size = 32;
    if (oai_image_resolve(&options, &rules) != OASSL_STATUS_OK) fuzz_fail("preset %d", preset);
    oassl_status status = oai_image_plan_test(&rules, picture->width, picture->height, &plan);
    if (status == OASSL_STATUS_OK) status = oai_image_apply(host, &plan, picture, input, 32 * 32, 32);
    fuzz_check(status, "oai_image_apply");
    for (int i = 0; status == OASSL_STATUS_OK && i < 3 * 32 * 32; i++)
        if (!(input[i] > -100 && input[i] < 100)) fuzz_fail("%g in the network's input", (double)input[i]);
}

/* What the header declares; 0: not found, as behind stray bytes that libjpeg steps over. */
static uint64_t declared(const uint8_t *data, size_t bytes) {
    int32_t w = 0, h = 0;
    const char *path = fuzz_put("picture", data, bytes);
    oassl_status status = oai_picture_size(path, &w, &h);
    fuzz_check(status, "oai_picture_size");
    return status == OASSL_STATUS_OK ? (uint64_t)w * (uint64_t)h : 0;
}

static void decode(const oai_host *host, const uint8_t *data, size_t bytes, int32_t preset) {
    oassl_image picture;
    uint64_t pixels = declared(data, bytes);
    /* RGB and some rows in libpng.  No header lets more pixels through than 4096 for a byte of JPEG. */
    fuzz_allow(pixels ? 8 * pixels : 3 * 4096 * (uint64_t)bytes);
    oassl_status status = oai_picture_decode(host, data, bytes, &picture);
    fuzz_check(status, "oai_picture_decode");
    if (status != OASSL_STATUS_OK) return;
    if (pixels && (uint64_t)picture.width * (uint64_t)picture.height != pixels)
        fuzz_fail("%d x %d decoded, %llu pixels declared", picture.width, picture.height, (unsigned long long)pixels);
    fuzz_allow(64 * ((uint64_t)picture.width + (uint64_t)picture.height) * 32); /* kernels and one resized direction */
    prepare(host, &picture, preset);
    oai_picture_release(host, &picture);
}

/* False when no checksum was wrong. */
static bool mend_png(uint8_t *data, size_t bytes) {
    bool changed = false;
    for (size_t at = 8; at + 12 <= bytes;) {
        size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > bytes - at - 12) break;
        uint32_t crc = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++) {
            uint8_t *byte = &data[at + 8 + length + i], right = (uint8_t)(crc >> (24 - 8 * i));
            changed = changed || *byte != right;
            *byte = right;
        }
        at += 12 + length;
    }
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    int32_t preset = bytes ? 1 + data[bytes - 1] % 5 : 1;
    const oai_host *host = fuzz_begin(((uint64_t)8 << 20) + 64 * (uint64_t)bytes);
    decode(host, data, bytes, preset);
    if (bytes > 20 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0) {
        uint8_t *copy = malloc(bytes);
        if (!copy) fuzz_fail("no memory");
        memcpy(copy, data, bytes);
        if (mend_png(copy, bytes)) decode(host, copy, bytes, preset);
        free(copy);
    }
    fuzz_end();
    return 0;
}
