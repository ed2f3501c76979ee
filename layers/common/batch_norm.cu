// The statistics of BatchNorm, one thread for each channel.
#include "gpu.h"

// invstd = 1/sqrt(variance + eps) of a batch. The running statistics are multiplied by
// fraction; then the mean, the variance times unbiased, and 1 are added to them.
extern "C" __global__ void batch_norm_batch(const float *mean, const float *variance, float eps, float unbiased,
                                            float fraction, float *invstd, float *running_mean,
                                            float *running_variance, float *factor, int channels) {
  GC_EACH(c, channels) {
    invstd[c] = (float)(1 / sqrt((double)variance[c] + eps));
    running_mean[c] = fraction * running_mean[c] + mean[c];
    running_variance[c] = fraction * running_variance[c] + unbiased * variance[c];
    if (c == 0) *factor = *factor * fraction + 1;
  }
}

// mean and invstd of the running statistics, divided by the factor.
extern "C" __global__ void batch_norm_global(const float *running_mean, const float *running_variance,
                                             const float *factor, float eps, float *mean, float *invstd, int channels) {
  const float scale = *factor == 0 ? 0.f : 1 / *factor;
  GC_EACH(c, channels) {
    mean[c] = running_mean[c] * scale;
    invstd[c] = 1 / sqrtf(running_variance[c] * scale + eps);
  }
}
