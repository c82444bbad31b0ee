#include "data/picture_size.h"

#include <string.h>

#include "base/file.h"

static uint32_t big16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t big32(const uint8_t *p) { return big16(p) << 16 | big16(p + 2); }

static void png_size(const uint8_t *p, size_t n, uint32_t *w, uint32_t *h) {
    if (n >= 24 && memcmp(p + 12, "IHDR", 4) == 0) *w = big32(p + 16), *h = big32(p + 20);
}

/* The first frame header (SOF0..15 but DHT, JPG, DAC). */
static void jpeg_size(const uint8_t *p, size_t n, uint32_t *w, uint32_t *h) {
    for (size_t at = 2; at + 9 <= n;) {
        if (p[at] != 0xFF) return;
        uint8_t marker = p[at + 1];
        if (marker == 0xFF) { /* fill byte */
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) { /* without contents */
            at += 2;
            continue;
        }
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) {
            *h = big16(p + at + 5), *w = big16(p + at + 7);
            return;
        }
        at += 2 + (size_t)big16(p + at + 2);
    }
}

oassl_status oai_picture_size(const char *path, int32_t *out_width, int32_t *out_height) {
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    oai_file_map map;
    uint32_t w = 0, h = 0;
    OAI_TRY(oai_file_map_open(path, &map));
    if (map.bytes > 8 && memcmp(map.data, png, 8) == 0) png_size(map.data, map.bytes, &w, &h);
    if (map.bytes > 2 && map.data[0] == 0xFF && map.data[1] == 0xD8) jpeg_size(map.data, map.bytes, &w, &h);
    oai_file_map_close(&map);
    if (w == 0 || h == 0 || w > 1000000 || h > 1000000)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: expected a JPEG or PNG picture, found no header of one", path);
    *out_width = (int32_t)w, *out_height = (int32_t)h;
    return OASSL_STATUS_OK;
}
