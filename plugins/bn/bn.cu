// BN of blobs of items x channels x inner numbers. sums has for each channel two
// sums in double, of cuda.Device.ChannelSums.
#include "gpu.h"

// The mean of a channel and 1/sqrt(variance + eps) of the batch of m numbers, from
// the sums of x and of its squares; and the running ones, which move towards them.
extern "C" __global__ void bn_batch(const double *sums, double m, float eps, float momentum, float *mean, float *invstd,
                                    float *running_mean, float *running_invstd, int channels) {
  GC_EACH(c, channels) {
    const double average = sums[2 * c] / m;
    double variance = sums[2 * c + 1] / m - average * average;
    if (variance < 0) variance = 0;
    mean[c] = (float)average;
    invstd[c] = (float)(1 / sqrt(variance + eps));
    running_mean[c] = (1 - momentum) * mean[c] + momentum * running_mean[c];
    running_invstd[c] = (1 - momentum) * invstd[c] + momentum * running_invstd[c];
  }
}

extern "C" __global__ void bn_forward(const float *x, const float *mean, const float *invstd, const float *slope,
                                      const float *bias, float *y, int channels, int n, unsigned mul_inner,
                                      unsigned shift_inner, unsigned mul_channels, unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned plane = gc_divide(i, mul_inner, shift_inner);
    const unsigned c = plane - gc_divide(plane, mul_channels, shift_channels) * channels;
    y[i] = (x[i] - mean[c]) * invstd[c] * slope[c] + bias[c];
  }
}

// means is (channels, 2), mean(dy) and mean(dy xnorm), from the sums of dy and dy x;
// the gradients of slope and bias are added to, if they are not null.
extern "C" __global__ void bn_sums(const double *sums, const float *mean, const float *invstd, double m, float *means,
                                   float *dslope, float *dbias, int channels) {
  GC_EACH(c, channels) {
    const double dot = (sums[2 * c + 1] - mean[c] * sums[2 * c]) * invstd[c];
    means[2 * c] = (float)(sums[2 * c] / m);
    means[2 * c + 1] = (float)(dot / m);
    if (dslope) dslope[c] += (float)dot;
    if (dbias) dbias[c] += (float)sums[2 * c];
  }
}

// dx = (dy - mean(dy) - xnorm mean(dy xnorm)) invstd slope; without means, of running
// statistics, dx = dy invstd slope.
extern "C" __global__ void bn_backward(const float *x, const float *dy, const float *mean, const float *invstd,
                                       const float *slope, const float *means, float *dx, int channels, int n,
                                       unsigned mul_inner, unsigned shift_inner, unsigned mul_channels,
                                       unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned plane = gc_divide(i, mul_inner, shift_inner);
    const unsigned c = plane - gc_divide(plane, mul_channels, shift_channels) * channels;
    float g = dy[i];
    if (means) g = g - means[2 * c] - (x[i] - mean[c]) * invstd[c] * means[2 * c + 1];
    dx[i] = g * (invstd[c] * slope[c]);
  }
}
