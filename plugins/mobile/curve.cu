// The passes of the curves (curve.go), one thread for each element. In a value, v is x;
// in a slope, dy/dx, it is x or y, whichever the layer passes. a is the layer's option.
#include "gpu.h"

#define GC_FORWARD(NAME, VALUE)                                                         \
  extern "C" __global__ void NAME(const float *x, float *y, float a, int n) {           \
    GC_EACH(i, n) {                                                                     \
      const float v = x[i];                                                             \
      y[i] = VALUE;                                                                     \
    }                                                                                   \
  }

#define GC_BACKWARD(NAME, SLOPE)                                                                    \
  extern "C" __global__ void NAME(const float *from, const float *dy, float *dx, float a, int n) {  \
    GC_EACH(i, n) {                                                                                 \
      const float v = from[i];                                                                      \
      dx[i] = dy[i] * (SLOPE);                                                                      \
    }                                                                                               \
  }

// a is the slope below zero
GC_FORWARD(relu6_forward, fminf(fmaxf(v, 0.f) + a * fminf(v, 0.f), 6.f))
GC_BACKWARD(relu6_backward, v > 0 && v < 6 ? 1.f : v <= 0 ? a : 0.f)

GC_FORWARD(hswish_forward, v * fminf(fmaxf(v + 3.f, 0.f), 6.f) / 6.f)
GC_BACKWARD(hswish_backward, v <= -3.f ? 0.f : v >= 3.f ? 1.f : v / 3.f + 0.5f)

GC_INLINE float softplus(float x) { return x > 20.f ? x : x < -20.f ? expf(x) : logf(1.f + expf(x)); }
GC_INLINE float tangent(float x) { return 2.f / (1.f + expf(-2.f * x)) - 1.f; }
GC_INLINE float mish_slope(float v) {
  const float s = softplus(v), t = tangent(s);
  return v * (1.f - t * t) * (1.f - expf(-s)) + t;
}
GC_FORWARD(mish_forward, v * tangent(softplus(v)))
GC_BACKWARD(mish_backward, mish_slope(v)) // of y

GC_FORWARD(selu_forward, v > 0 ? 1.05070099f * v : 1.75809934f * (expf(v) - 1.f))
GC_BACKWARD(selu_backward, v > 0 ? 1.05070099f : v + 1.75809934f) // of y
