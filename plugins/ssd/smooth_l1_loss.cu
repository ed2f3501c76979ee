// SmoothL1Loss of SSD.
#include "gpu.h"

// term = f(x0 - x1), gradient = f'
extern "C" __global__ void ssd_smooth_l1_loss_forward(const float *x0, const float *x1, float *term, float *gradient,
                                                      int n) {
  GC_EACH(i, n) {
    const float d = x0[i] - x1[i], a = fabsf(d);
    term[i] = a < 1 ? 0.5f * d * d : a - 0.5f;
    gradient[i] = a < 1 ? d : d > 0 ? 1.f : d < 0 ? -1.f : d;
  }
}

extern "C" __global__ void ssd_smooth_l1_loss_backward(const float *gradient, const float *dloss, float scale,
                                                       float *dx, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * gradient[i];
}
