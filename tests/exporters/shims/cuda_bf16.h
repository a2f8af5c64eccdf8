/* __nv_bfloat16, held in a float; see cuda_runtime.h. Products of two are exact in double. */
#ifndef SHIM_CUDA_BF16_H
#define SHIM_CUDA_BF16_H

#include "cuda_runtime.h"

struct __nv_bfloat16 {
    float held;
};

static inline __nv_bfloat16 shim_bf16(double high, double low)
{
    return __nv_bfloat16{(float)shim_nearest(high, low, 8, -133, 128)};
}
static inline float __bfloat162float(__nv_bfloat16 a) { return a.held; }
static inline __nv_bfloat16 __float2bfloat16_rn(float a) { return shim_bf16(a, 0); }
static inline __nv_bfloat16 __double2bfloat16(double a) { return shim_bf16(a, 0); }
static inline __nv_bfloat16 __hmul_rn(__nv_bfloat16 a, __nv_bfloat16 b) { return shim_bf16((double)a.held * b.held, 0); }
static inline __nv_bfloat16 __hadd_rn(__nv_bfloat16 a, __nv_bfloat16 b) { return shim_bf16((double)a.held + b.held, shim_low(a.held, b.held)); }
static inline __nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c)
{
    const double product = (double)a.held * b.held;
    return shim_bf16(product + c.held, shim_low(product, c.held));
}
#endif
