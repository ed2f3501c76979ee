// The passes of Power, one thread for each element.
#include "gpu.h"

extern "C" __global__ void power_forward(const float *x, float *y, float power, float scale, float shift, int n) {
  GC_EACH(i, n) {
    const float base = scale * x[i] + shift;
    y[i] = power == 1 ? base : power == 2 ? base * base : powf(base, power);
  }
}

// dx = dy power scale y / (scale x + shift)
extern "C" __global__ void power_backward(const float *x, const float *y, const float *dy, float *dx, float power,
                                          float scale, float shift, int n) {
  const float factor = power * scale;
  GC_EACH(i, n) {
    const float base = scale * x[i] + shift;
    dx[i] = dy[i] * (factor * (power == 2 ? base : y[i] / base));
  }
}
