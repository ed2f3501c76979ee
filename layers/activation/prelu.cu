// The passes of PReLU, one thread for each element, which has the slope of its channel.
// There are as many channels as slopes.
#include "gpu.h"

extern "C" __global__ void prelu_forward(const float *x, const float *slope, float *y, int slopes, int n,
                                         unsigned mul_dim, unsigned shift_dim, unsigned mul_slopes,
                                         unsigned shift_slopes) {
  GC_EACH(i, n) {
    const float v = x[i];
    y[i] = v > 0 ? v : v * slope[gc_channel(i, slopes, mul_dim, shift_dim, mul_slopes, shift_slopes)];
  }
}

// terms are added up to the gradient of the slopes. dx and terms may be null; dx may be
// dy.
extern "C" __global__ void prelu_backward(const float *x, const float *dy, const float *slope, float *dx, float *terms,
                                          int slopes, int n, unsigned mul_dim, unsigned shift_dim,
                                          unsigned mul_slopes, unsigned shift_slopes) {
  GC_EACH(i, n) {
    const float v = x[i], g = dy[i];
    if (terms) terms[i] = g * (v > 0 ? 0.f : v);
    if (dx) dx[i] = v > 0 ? g : g * slope[gc_channel(i, slopes, mul_dim, shift_dim, mul_slopes, shift_slopes)];
  }
}
