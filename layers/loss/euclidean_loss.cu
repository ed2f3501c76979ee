// EuclideanLoss, one thread for each element.
#include "gpu.h"

// dx = dloss scale diff
extern "C" __global__ void euclidean_loss_backward(const float *diff, const float *dloss, float scale, float *dx,
                                                   int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * diff[i];
}
