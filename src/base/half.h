/* f16 and bf16 as stored in files: conversion to and from f32, and the sizes and names of element types. */
#ifndef OAI_BASE_HALF_H
#define OAI_BASE_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

float oai_f16_to_f32(uint16_t half);
uint16_t oai_f32_to_f16(float value); /* nearest even; overflow becomes infinity */

static inline float oai_bf16_to_f32(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
uint16_t oai_f32_to_bf16(float value); /* nearest even */

/* n elements of `dtype` (F32, F64, F16, BF16; source may be unaligned) to f32.  False for another dtype. */
int oai_to_f32(int32_t dtype, const void *source, size_t n, float *out);

#endif
