// The statistics of SegNet's BN: one thread per channel.
#include "gpu.h"

// invstd = 1/sqrt(variance + eps)
extern "C" __global__ void segnet_bn_invert(const float *variance, double eps, float *invstd, int channels) {
  GC_EACH(c, channels) invstd[c] = (float)(1 / sqrt((double)variance[c] + eps));
}
