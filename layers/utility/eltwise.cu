// The kernels of Eltwise beyond cuda/math.go, one thread for each element.
#include "gpu.h"

// The larger of a and b, and its number, 0 or 1.
extern "C" __global__ void eltwise_max(const float *a, const float *b, float *y, int *largest, int n) {
  GC_EACH(i, n) {
    const bool first = a[i] > b[i];
    y[i] = first ? a[i] : b[i];
    largest[i] = first ? 0 : 1;
  }
}

// The larger of y and x, which is bottom k.
extern "C" __global__ void eltwise_max_next(const float *x, int k, float *y, int *largest, int n) {
  GC_EACH(i, n)
  if (x[i] > y[i]) {
    y[i] = x[i];
    largest[i] = k;
  }
}

extern "C" __global__ void eltwise_max_backward(const float *dy, const int *largest, int k, float *dx, int n) {
  GC_EACH(i, n) dx[i] = largest[i] == k ? dy[i] : 0.f;
}

extern "C" __global__ void eltwise_quotient_backward(const float *x, const float *y, const float *dy, float *dx, int n) {
  GC_EACH(i, n) dx[i] = y[i] / x[i] * dy[i];
}
