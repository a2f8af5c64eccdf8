/* What generated CUDA uses, for a C++ compiler: the same values as on a GPU, one number after the other.
 *
 * Compile with -ffp-contract=off. The narrow types are rounded here in another way than the project's own code does it.
 */
#ifndef SHIM_CUDA_RUNTIME_H
#define SHIM_CUDA_RUNTIME_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#define __device__
#define __global__
#define __forceinline__ inline

struct shim_place {
    unsigned x;
};
static shim_place blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};

static inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline float __fmaf_ieee_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline float __double2float_rn(double a) { return (float)a; }

static inline int __float_as_int(float a)
{
    int bits;
    std::memcpy(&bits, &a, sizeof bits);
    return bits;
}
static inline float __int_as_float(int bits)
{
    float a;
    std::memcpy(&a, &bits, sizeof a);
    return a;
}
static inline unsigned __float_as_uint(float a) { return (unsigned)__float_as_int(a); }
static inline float __uint_as_float(unsigned bits) { return __int_as_float((int)bits); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline float __int2float_rn(int a) { return (float)a; }
static inline int __float2int_rz(float a) { return (int)a; }

/* high + low, of which low is below half a unit of high's last place, rounded to nearest, ties to even. */
static inline double shim_nearest(double high, double low, int digits, int finest, int top)
{
    if (!std::isfinite(high) || high == 0)
        return high;
    int exponent;
    std::frexp(high, &exponent);
    const int last = exponent - digits > finest ? exponent - digits : finest;
    const double scaled = std::ldexp(high, -last), down = std::floor(scaled), part = scaled - down;
    const bool up = part > 0.5 || (part == 0.5 && (low > 0 || (low == 0 && std::fmod(down, 2) != 0)));
    const double found = std::copysign(std::ldexp(down + up, last), high);
    return std::fabs(found) >= std::ldexp(1.0, top) ? std::copysign(INFINITY, high) : found;
}

static inline double shim_low(double a, double b)
{
    const double sum = a + b, part = sum - a;
    return std::isfinite(sum) ? (a - (sum - part)) + (b - part) : 0;
}
#endif
