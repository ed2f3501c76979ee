// The statistics of BN: one thread per channel.
#include "gpu.h"

// invstd = 1/sqrt(variance + eps) of a batch; the running statistics move towards
// those of the batch.
extern "C" __global__ void bn_batch(const float *mean, const float *variance, float eps, float momentum, float *invstd,
                                    float *running_mean, float *running_invstd, int channels) {
  GC_EACH(c, channels) {
    invstd[c] = (float)(1 / sqrt((double)variance[c] + eps));
    running_mean[c] = (1 - momentum) * mean[c] + momentum * running_mean[c];
    running_invstd[c] = (1 - momentum) * invstd[c] + momentum * running_invstd[c];
  }
}
