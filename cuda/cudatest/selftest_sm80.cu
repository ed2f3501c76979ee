// selftest_sm80.cu: the kernels of selftest.cu that need tensor cores.
#include "mma.h"

// c (16,8) = a (16,8) b (8,8) in TF32, by one warp; row-major
extern "C" __global__ void selftest_tf32(const float *a, const float *b, float *c) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const unsigned x[4] = {gc_tf32(a[g * 8 + t]), gc_tf32(a[(g + 8) * 8 + t]), gc_tf32(a[g * 8 + t + 4]), gc_tf32(a[(g + 8) * 8 + t + 4])};
  const unsigned y[2] = {gc_tf32(b[t * 8 + g]), gc_tf32(b[(t + 4) * 8 + g])};
  float sum[4] = {0, 0, 0, 0};
  gc_mma_tf32(sum, x, y);
  for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}

// c (16,8) = a (16,16) b (16,8) in BF16, by one warp; row-major
extern "C" __global__ void selftest_bf16(const float *a, const float *b, float *c) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  unsigned x[4], y[2];
  for (int i = 0; i < 4; i++) {
    const float *p = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
    x[i] = gc_bf16x2(p[0], p[1]);
  }
  for (int i = 0; i < 2; i++) {
    const float *p = b + (2 * t + i * 8) * 8 + g;
    y[i] = gc_bf16x2(p[0], p[8]);
  }
  float sum[4] = {0, 0, 0, 0};
  gc_mma_bf16(sum, x, y);
  for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}
