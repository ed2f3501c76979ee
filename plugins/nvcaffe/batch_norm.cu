// The statistics of NVIDIA's BatchNorm: one thread per channel.
#include "gpu.h"

// invstd = 1/sqrt(variance + eps). If update is set, the running statistics become keep
// times themselves plus 1 - keep times the batch's mean and unbiased variance.
extern "C" __global__ void nv_batch(const float *mean, const float *variance, float eps, float keep, float unbiased, int update,
                                    float *invstd, float *running_mean, float *running_variance, int channels) {
  GC_EACH(c, channels) {
    invstd[c] = (float)(1 / sqrt((double)variance[c] + eps));
    if (update) {
      running_mean[c] = (1 - keep) * mean[c] + keep * running_mean[c];
      running_variance[c] = (1 - keep) * unbiased * variance[c] + keep * running_variance[c];
    }
  }
}
