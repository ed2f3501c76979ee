// The passes of ReLU, one thread for each element.
#include "gpu.h"

extern "C" __global__ void relu_forward(const float *x, float *y, float slope, int n) {
  GC_EACH(i, n) y[i] = x[i] > 0 ? x[i] : x[i] * slope;
}

extern "C" __global__ void relu_backward(const float *x, const float *dy, float *dx, float slope, int n) {
  GC_EACH(i, n) dx[i] = x[i] > 0 ? dy[i] : dy[i] * slope;
}
