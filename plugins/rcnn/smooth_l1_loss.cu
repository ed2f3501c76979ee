// SmoothL1Loss of R-CNN. bound is 1 / sigma^2 in double, which decides as the host does.
#include "gpu.h"

// term = outside f(inside (x0 - x1)), and gradient its derivative by x0, or with ohem that
// by inside (x0 - x1). inside and outside may be null.
extern "C" __global__ void rcnn_smooth_l1_loss_forward(const float *x0, const float *x1, const float *inside,
                                                       const float *outside, float sigma2, double bound, int ohem,
                                                       float *term, float *gradient, int n) {
  GC_EACH(i, n) {
    const float in = inside ? inside[i] : 1.f, out = outside ? outside[i] : 1.f;
    const float d = in * (x0[i] - x1[i]), a = fabsf(d);
    const bool quadratic = (double)a < bound;
    term[i] = out * (quadratic ? 0.5f * d * d * sigma2 : (float)(a - 0.5 * bound));
    const float slope = quadratic ? sigma2 * d : d > 0 ? 1.f : d < 0 ? -1.f : d;
    gradient[i] = ohem ? slope : out * (in * slope);
  }
}

// The sums of the terms over the channels.
extern "C" __global__ void rcnn_smooth_l1_loss_places(const float *term, int channels, int inner, float *y, int n) {
  GC_EACH(i, n) {
    const float *first = term + (long long)(i / inner) * channels * inner + i % inner;
    float sum = 0;
    for (int c = 0; c < channels; c++) sum += first[(long long)c * inner];
    y[i] = sum;
  }
}

extern "C" __global__ void rcnn_smooth_l1_loss_backward(const float *gradient, const float *dloss, float scale,
                                                        float *dx, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * gradient[i];
}
