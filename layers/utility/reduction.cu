// What Reduction needs besides the arithmetic that layers share, one thread for each
// element of the bottom.
#include "gpu.h"

extern "C" __global__ void reduction_abs(const float *x, float *y, int n) {
  GC_EACH(i, n) y[i] = fabsf(x[i]);
}

// op is 1 for SUM and MEAN, 2 for ASUM, 3 for SUMSQ; x is not read for 1. Division by
// the width of a row is by (mul, shift).
extern "C" __global__ void reduction_backward(const float *x, const float *dy, int op, float coeff, float *dx, int n,
                                              unsigned mul, unsigned shift) {
  GC_EACH(i, n) {
    const float scale = coeff * dy[gc_divide(i, mul, shift)];
    if (op == 1) {
      dx[i] = scale;
    } else {
      const float v = x[i];
      dx[i] = scale * (op == 3 ? 2.f * v : v > 0 ? 1.f : v < 0 ? -1.f : v);
    }
  }
}
