// Batch normalization of blobs of items x channels x inner numbers. sums has for
// each channel two sums in double, of math_channel_total.
#include "gpu.h"

// The mean of a channel and 1/sqrt(variance + eps) of the batch of m numbers, from
// the sums of x and of its squares; and the running ones.
extern "C" __global__ void batch_norm_batch(const double *sums, double m, float eps, float fraction, float *mean,
                                            float *invstd, float *running_mean, float *running_variance, int channels) {
  GC_EACH(c, channels) {
    const double average = sums[2 * c] / m;
    double variance = sums[2 * c + 1] / m - average * average;
    if (variance < 0) variance = 0;
    mean[c] = (float)average;
    invstd[c] = (float)(1 / sqrt(variance + eps));
    running_mean[c] = fraction * running_mean[c] + (float)average;
    running_variance[c] = fraction * running_variance[c] + (float)(m > 1 ? variance * m / (m - 1) : variance);
  }
}

extern "C" __global__ void batch_norm_count(float *factor, float fraction) {
  if (threadIdx.x == 0 && blockIdx.x == 0) *factor = *factor * fraction + 1;
}

// The same from the running statistics.
extern "C" __global__ void batch_norm_global(const float *running_mean, const float *running_variance,
                                             const float *factor, float eps, float *mean, float *invstd, int channels) {
  const float scale = *factor == 0 ? 0.f : 1 / *factor;
  GC_EACH(c, channels) {
    mean[c] = running_mean[c] * scale;
    invstd[c] = 1 / sqrtf(running_variance[c] * scale + eps);
  }
}

extern "C" __global__ void batch_norm_forward(const float *x, const float *mean, const float *invstd, float *y,
                                              int channels, int n, unsigned mul_inner, unsigned shift_inner,
                                              unsigned mul_channels, unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned plane = gc_divide(i, mul_inner, shift_inner);
    const unsigned c = plane - gc_divide(plane, mul_channels, shift_channels) * channels;
    y[i] = (x[i] - mean[c]) * invstd[c];
  }
}

// means is (channels, 2): mean(dy) and mean(dy xnorm), from the sums of dy and dy x
extern "C" __global__ void batch_norm_means(const double *sums, const float *mean, const float *invstd, double m,
                                            float *means, int channels) {
  GC_EACH(c, channels) {
    means[2 * c] = (float)(sums[2 * c] / m);
    means[2 * c + 1] = (float)((sums[2 * c + 1] - mean[c] * sums[2 * c]) * invstd[c] / m);
  }
}

// dx = (dy - mean(dy) - xnorm mean(dy xnorm)) invstd
extern "C" __global__ void batch_norm_backward(const float *x, const float *dy, const float *mean, const float *invstd,
                                               const float *means, float *dx, int channels, int n, unsigned mul_inner,
                                               unsigned shift_inner, unsigned mul_channels, unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned plane = gc_divide(i, mul_inner, shift_inner);
    const unsigned c = plane - gc_divide(plane, mul_channels, shift_channels) * channels;
    const float xnorm = (x[i] - mean[c]) * invstd[c];
    dx[i] = (dy[i] - means[2 * c] - xnorm * means[2 * c + 1]) * invstd[c];
  }
}
