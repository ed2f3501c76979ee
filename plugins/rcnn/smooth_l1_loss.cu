// SmoothL1Loss of R-CNN. bound is 1 / sigma^2 in double, which decides as the host does.
#include "gpu.h"

// term = outside f(inside (x0 - x1)), and gradient its derivative by x0. inside and
// outside may both be null.
extern "C" __global__ void rcnn_smooth_l1_loss_forward(const float *x0, const float *x1, const float *inside,
                                                       const float *outside, float sigma2, double bound, float *term,
                                                       float *gradient, int n) {
  GC_EACH(i, n) {
    const float in = inside ? inside[i] : 1.f, out = outside ? outside[i] : 1.f;
    const float d = in * (x0[i] - x1[i]), a = fabsf(d);
    const bool quadratic = (double)a < bound;
    term[i] = out * (quadratic ? 0.5f * d * d * sigma2 : (float)(a - 0.5 * bound));
    gradient[i] = out * (in * (quadratic ? sigma2 * d : d > 0 ? 1.f : d < 0 ? -1.f : d));
  }
}

extern "C" __global__ void rcnn_smooth_l1_loss_backward(const float *gradient, const float *dloss, float scale,
                                                        float *dx, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * gradient[i];
}
