// MVN of n vectors. sums has two sums in double for each, of math_channel_total.
#include "gpu.h"

// 1/(sqrt(variance) + eps), or 1 if the variance is not normalized
extern "C" __global__ void mvn_invstd(const float *variance, int normalize, float eps, float *invstd, int n) {
  GC_EACH(i, n) invstd[i] = normalize ? (float)(1 / (sqrt((double)variance[i]) + eps)) : 1.f;
}

// means is (n, 2): mean(dy) and mean(dy y), from the sums of dy and of dy y
extern "C" __global__ void mvn_means(const double *sums, double dim, float *means, int n) {
  GC_EACH(i, 2 * n) means[i] = (float)(sums[i] / dim);
}

// dx = (dy - mean(dy) - y mean(dy y)) invstd, where y may be null: then the variance is
// not normalized. Division by dim is by (mul, shift).
extern "C" __global__ void mvn_backward(const float *y, const float *dy, const float *means, const float *invstd,
                                        float *dx, int n, unsigned mul, unsigned shift) {
  GC_EACH(i, n) {
    const unsigned v = gc_divide(i, mul, shift);
    const float d = dy[i] - means[2 * v];
    dx[i] = y ? (d - y[i] * means[2 * v + 1]) * invstd[v] : d;
  }
}
