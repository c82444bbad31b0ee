#include "base/half.h"

#include "oassl/types.h"

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float oai_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;
    if (exponent == 31) return float_of(sign | 0x7F800000u | fraction << 13);
    if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float magnitude = (float)fraction * 0x1p-24f; /* subnormal: exact in f32 */
    return float_of(sign | bits_of(magnitude));
}

uint16_t oai_f32_to_f16(float value) {
    uint32_t bits = bits_of(value), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | ((magnitude >> 13) & 1023));
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* rounds past 65504 */
    if (magnitude < 0x38800000u) {
        /* Adding 0.5 puts the f16 subnormal grid (2^-24) at the last bit of an f32, whose adder rounds to even. */
        float shifted = float_of(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    uint32_t rounded = magnitude - (112u << 23) + 0xFFFu + ((magnitude >> 13) & 1);
    return (uint16_t)(sign | rounded >> 13);
}

uint16_t oai_f32_to_bf16(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16);
}

int oai_to_f32(int32_t dtype, const void *source, size_t n, float *out) {
    const uint8_t *bytes = source;
    switch (dtype) {
    case OASSL_DTYPE_F32: memcpy(out, source, n * sizeof *out); return 1;
    case OASSL_DTYPE_F64:
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
        return 1;
    case OASSL_DTYPE_F16:
    case OASSL_DTYPE_BF16:
        for (size_t i = 0; i < n; i++) {
            uint16_t half;
            memcpy(&half, bytes + i * sizeof half, sizeof half);
            out[i] = dtype == OASSL_DTYPE_F16 ? oai_f16_to_f32(half) : oai_bf16_to_f32(half);
        }
        return 1;
    default: return 0;
    }
}
