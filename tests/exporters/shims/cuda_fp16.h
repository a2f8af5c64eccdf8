/* __half, held in a float; see cuda_runtime.h. Products of two are exact in double. */
#ifndef SHIM_CUDA_FP16_H
#define SHIM_CUDA_FP16_H

#include "cuda_runtime.h"

struct __half {
    float held;
};

static inline __half shim_fp16(double high, double low)
{
    return __half{(float)shim_nearest(high, low, 11, -24, 16)};
}
static inline float __half2float(__half a) { return a.held; }
static inline __half __float2half_rn(float a) { return shim_fp16(a, 0); }
static inline __half __double2half(double a) { return shim_fp16(a, 0); }
static inline __half __hmul_rn(__half a, __half b) { return shim_fp16((double)a.held * b.held, 0); }
static inline __half __hadd_rn(__half a, __half b) { return shim_fp16((double)a.held + b.held, shim_low(a.held, b.held)); }
static inline __half __hfma(__half a, __half b, __half c)
{
    const double product = (double)a.held * b.held;
    return shim_fp16(product + c.held, shim_low(product, c.held));
}
#endif
