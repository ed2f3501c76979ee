// The passes of TanH, one thread for each number.
#include "gpu.h"

extern "C" __global__ void tanh_forward(const float *x, float *y, int n) {
  GC_EACH(i, n) y[i] = tanhf(x[i]);
}

extern "C" __global__ void tanh_backward(const float *y, const float *dy, float *dx, int n) {
  GC_EACH(i, n) dx[i] = dy[i] * (1.f - y[i] * y[i]);
}
