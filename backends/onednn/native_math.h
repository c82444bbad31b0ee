/* Single-precision functions that compilers can vectorise: no branches, no tables, no calls.  Errors are below 3 units
 * in the last place except where noted; infinities and NaN go the usual ways.  The polynomials are least-maximum fits
 * of our own on the reduced ranges. */
#ifndef OAB_ONEDNN_NATIVE_MATH_H
#define OAB_ONEDNN_NATIVE_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* One version of a hot function for each generation of x86-64, chosen when the module is loaded.  Not with clang, whose
 * resolvers of static functions of one name clash when the module is linked. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OAB_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define OAB_CLONES
#endif

#define OAB_INLINE static inline __attribute__((always_inline))

OAB_INLINE float oab_from_bits(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
OAB_INLINE int32_t oab_to_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

OAB_INLINE float oab_from_bf16(uint16_t x) { return oab_from_bits((int32_t)((uint32_t)x << 16)); }
OAB_INLINE uint16_t oab_to_bf16(float x) { /* to nearest even */
    const uint32_t bits = (uint32_t)oab_to_bits(x);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)(x == x ? rounded : bits >> 16 | 0x40); /* NaN stays NaN */
}

/* e^x = 2^n (1 + q): returns q, |reduced x| <= ln(2)/2, and n. */
OAB_INLINE float oab_exp_parts(float x, int32_t *n) {
    const float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer in the low bits */
    const float whole = shifted - 12582912.0f;
    *n = oab_to_bits(shifted) - 0x4B400000;
    float r = x - whole * 0.693359375f;
    r = r + whole * 2.12194440e-4f;
    float q = 1.39013e-3f;
    q = q * r + 8.36314e-3f;
    q = q * r + 4.166685e-2f;
    q = q * r + 1.6666577e-1f;
    q = q * r + 0.5f;
    return q * r * r + r;
}
OAB_INLINE float oab_power_of_two(int32_t n) { return oab_from_bits((int32_t)((uint32_t)(n + 127) << 23)); }

OAB_INLINE float oab_exp(float x) {
    int32_t n;
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const float q = oab_exp_parts(x, &n);
    const int32_t half = n >> 1; /* two factors: 2^n alone is out of range at both ends */
    return (1.0f + q) * oab_power_of_two(half) * oab_power_of_two(n - half);
}

/* e^x in double, relative error below 1e-14 */
OAB_INLINE double oab_exp64(double x) {
    x = x < -708.0 ? -708.0 : x;
    x = x > 709.0 ? 709.0 : x;
    const double shifted = x * 1.4426950408889634 + 6755399441055744.0; /* 1.5 * 2^52 */
    const double whole = shifted - 6755399441055744.0;
    double r = x - whole * 0.693147180369123816490;
    r = r - whole * 1.90821492927058770002e-10;
    double p = 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52; /* the integer is in the low bits of `shifted`; the others are shifted out */
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* ln x in double for normal x > 0, relative error below 1e-14 */
OAB_INLINE double oab_log64(double x) {
    uint64_t bits, exponent;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t shifted = bits - 0x3FE6A09E667F3BCDu; /* of sqrt(1/2): the rest is in sqrt(1/2) .. sqrt(2) */
    exponent = (shifted >> 52 ^ 0x800) & 0xFFF;          /* biased by 2048 */
    bits -= (exponent - 2048) << 52;
    exponent |= 0x4330000000000000u; /* an integer in the low bits of 2^52 */
    double f, n;
    memcpy(&f, &bits, sizeof f);
    memcpy(&n, &exponent, sizeof n);
    n -= 4503599627370496.0 + 2048.0;
    const double s = (f - 1.0) / (f + 1.0), q = s * s;
    double p = 8.40991394562987233e-2; /* artanh(s) = s + s q p, relative error 2e-16 */
    p = p * q + 9.06182103359167672e-2;
    p = p * q + 1.11116858493761706e-1;
    p = p * q + 1.42857085647877033e-1;
    p = p * q + 2.00000000261375006e-1;
    p = p * q + 3.33333333332936033e-1;
    return n * 0.69314718055994530942 + 2.0 * (s + s * q * p);
}

/* e^x - 1 for x <= 0 */
OAB_INLINE float oab_expm1_negative(float x) {
    int32_t n;
    x = x < -40.0f ? -40.0f : x;
    const float q = oab_exp_parts(x, &n), scale = oab_power_of_two(n);
    return scale * q + (scale - 1.0f);
}

OAB_INLINE float oab_log(float x) {
    const int32_t bits = oab_to_bits(x);
    const int32_t e = (bits - 0x3F3504F3) >> 23; /* mantissa in sqrt(1/2) .. sqrt(2) */
    const float f = oab_from_bits(bits - (int32_t)((uint32_t)e << 23)) - 1.0f, n = (float)e;
    float p = -7.9741e-2f;
    p = p * f + 1.2655646e-1f;
    p = p * f - 1.2989292e-1f;
    p = p * f + 1.4209953e-1f;
    p = p * f - 1.6641581e-1f;
    p = p * f + 2.0001201e-1f;
    p = p * f - 2.5000304e-1f;
    p = p * f + 3.3333330e-1f;
    float y = p * f * f * f + n * -2.12194440e-4f;
    y = y - 0.5f * f * f;
    y = f + y + n * 0.693359375f;
    y = x < 1.17549435e-38f ? (x < 0.0f ? NAN : -INFINITY) : y;
    return x < INFINITY ? y : x; /* also NaN */
}

/* ln(1 + t), 0 <= t <= 1 */
OAB_INLINE float oab_log1p(float t) {
    const float u = 1.0f + t, d = u - 1.0f;
    return d == 0.0f ? t : oab_log(u) * t / d;
}

OAB_INLINE float oab_sigmoid(float x) { return 1.0f / (1.0f + oab_exp(-x)); }

OAB_INLINE float oab_tanh(float x) {
    const float t = oab_expm1_negative(-2.0f * fabsf(x));
    return copysignf(-t / (t + 2.0f), x);
}

OAB_INLINE float oab_softplus(float x) { return (x > 0.0f ? x : 0.0f) + oab_log1p(oab_exp(-fabsf(x))); }

/* Standard normal distribution, relative accuracy in the left tail too (error grows to 1e-6 at -5). */
OAB_INLINE float oab_normal_cdf(float x, float *density) {
    const float a = fabsf(x), e = oab_exp(-0.5f * x * x), t = 1.0f / (1.0f + 0.3f * a);
    float p = -2.06129185e-2f;
    p = p * t + 1.12376260e-1f;
    p = p * t - 2.28068638e-1f;
    p = p * t + 1.91583178e-1f;
    p = p * t - 7.92485568e-2f;
    p = p * t + 9.60584710e-2f;
    p = p * t + 7.84253629e-2f;
    p = p * t + 1.10227369e-1f;
    p = p * t + 1.19572836e-1f;
    p = p * t + 1.19686634e-1f;
    const float tail = e * t * p;
    *density = e * 0.39894228f;
    return x > 0.0f ? 1.0f - tail : tail;
}

#endif
