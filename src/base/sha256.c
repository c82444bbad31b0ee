#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

static const uint32_t constants[64] = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void digest_block(uint32_t state[8], const uint8_t block[64]) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] =
            w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t t =
            s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + constants[i] + w[i];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

void oai_sha256_init(oai_sha256 *hash) {
    *hash = (oai_sha256){
        .state = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19}};
}

void oai_sha256_add(oai_sha256 *hash, const void *data, size_t bytes) {
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t used = hash->bytes % 64, n = 64 - used < bytes ? 64 - used : bytes;
        hash->bytes += n;
        if (n == 64) {
            digest_block(hash->state, from);
        } else {
            memcpy(hash->block + used, from, n);
            if (used + n == 64) digest_block(hash->state, hash->block);
        }
        from += n;
        bytes -= n;
    }
}

void oai_sha256_finish(oai_sha256 *hash, uint8_t out_digest[32]) {
    uint64_t bits = 8 * hash->bytes;
    uint8_t end[8];
    oai_sha256_add(hash, "\x80", 1);
    while (hash->bytes % 64 != 56) oai_sha256_add(hash, "", 1);
    for (int i = 0; i < 8; i++) end[i] = (uint8_t)(bits >> (56 - 8 * i));
    oai_sha256_add(hash, end, 8);
    for (int i = 0; i < 32; i++) out_digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void oai_sha256_finish_text(oai_sha256 *hash, char out_text[OAI_SHA256_TEXT]) {
    uint8_t digest[32];
    oai_sha256_finish(hash, digest);
    for (int i = 0; i < 32; i++) snprintf(out_text + 2 * i, 3, "%02x", digest[i]);
}

oassl_status oai_sha256_add_file(oai_sha256 *hash, const char *path) {
    oai_file_map map;
    OAI_TRY(oai_file_map_open(path, &map));
    oai_sha256_add(hash, map.data, map.bytes);
    oai_file_map_close(&map);
    return OASSL_STATUS_OK;
}
