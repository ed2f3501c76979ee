// The passes of Sigmoid, one thread for each number.
#include "gpu.h"

extern "C" __global__ void sigmoid_forward(const float *x, float *y, int n) {
  GC_EACH(i, n) y[i] = 1.f / (1.f + expf(-x[i]));
}

extern "C" __global__ void sigmoid_backward(const float *y, const float *dy, float *dx, int n) {
  GC_EACH(i, n) dx[i] = dy[i] * y[i] * (1.f - y[i]);
}
