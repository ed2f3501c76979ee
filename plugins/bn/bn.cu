// The statistics of BN: one thread per channel.
#include "gpu.h"

GC_INLINE float invert(float variance, float eps) { return (float)(1 / sqrt((double)variance + eps)); }

// invstd = 1/sqrt(variance + eps) of a batch; the running statistics move towards
// those of the batch. The spread is the variance or invstd.
extern "C" __global__ void bn_batch(const float *mean, const float *variance, float eps, float momentum, float *invstd,
                                    float *running_mean, float *running_spread, int is_variance, int channels) {
  GC_EACH(c, channels) {
    invstd[c] = invert(variance[c], eps);
    const float spread = is_variance ? variance[c] : invstd[c];
    running_mean[c] = (1 - momentum) * mean[c] + momentum * running_mean[c];
    running_spread[c] = (1 - momentum) * spread + momentum * running_spread[c];
  }
}

// invstd = 1/sqrt(variance + eps)
extern "C" __global__ void bn_invert(const float *variance, float eps, float *invstd, int channels) {
  GC_EACH(c, channels) invstd[c] = invert(variance[c], eps);
}
