// gemm.cu: products of matrices in float32, see gemm.h.
#include "gemm.h"

GEMM(gemm_128_nn, GC_BOUNDS_TWO, 128, false, false, gc_product)
GEMM(gemm_128_nt, GC_BOUNDS_TWO, 128, false, true, gc_product)
GEMM(gemm_128_tn, GC_BOUNDS_TWO, 128, true, false, gc_product)
GEMM(gemm_128_tt, GC_BOUNDS_TWO, 128, true, true, gc_product)
GEMM(gemm_64_nn, GC_BOUNDS, 64, false, false, gc_product)
GEMM(gemm_64_nt, GC_BOUNDS, 64, false, true, gc_product)
GEMM(gemm_64_tn, GC_BOUNDS, 64, true, false, gc_product)
GEMM(gemm_64_tt, GC_BOUNDS, 64, true, true, gc_product)

// C = alpha (sum of the parts, each (m,n)) + beta C
extern "C" __global__ void gemm_total(const float *parts, int count, float alpha, float beta, float *c, int ldc, int n,
                                      int size, unsigned mul, unsigned shift) {
  GC_EACH(i, size) {
    float s = parts[i];
    for (int z = 1; z < count; z++) s += parts[(long long)z * size + i];
    const unsigned row = gc_divide(i, mul, shift);
    float *p = c + (long long)row * ldc + (i - row * n);
    *p = beta == 0 ? alpha * s : alpha * s + beta * *p;
  }
}
