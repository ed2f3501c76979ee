// The kernels that several losses use.
#include "gpu.h"

extern "C" __global__ void loss_difference(const float *a, const float *b, float *diff, int n) {
  GC_EACH(i, n) diff[i] = a[i] - b[i];
}
