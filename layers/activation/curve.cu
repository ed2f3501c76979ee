// The passes of the curves (curve.go), one thread for each element. In a value, v is x;
// in a slope, dy/dx, it is x or y, whichever the layer passes. a, b and c are the
// options of the pass.
#include "gpu.h"

#define GC_FORWARD(NAME, VALUE)                                                                       \
  extern "C" __global__ void NAME(const float *x, float *y, float a, float b, float c, int n) {       \
    GC_EACH(i, n) {                                                                                   \
      const float v = x[i];                                                                           \
      y[i] = VALUE;                                                                                   \
    }                                                                                                 \
  }

#define GC_BACKWARD(NAME, SLOPE)                                                                      \
  extern "C" __global__ void NAME(const float *from, const float *dy, float *dx, float a, float b,    \
                                  float c, int n) {                                                   \
    GC_EACH(i, n) {                                                                                   \
      const float v = from[i];                                                                        \
      dx[i] = dy[i] * (SLOPE);                                                                        \
    }                                                                                                 \
  }

GC_INLINE float logistic(float x) { return 1.f / (1.f + expf(-x)); }

GC_FORWARD(sigmoid_forward, logistic(v))
GC_BACKWARD(sigmoid_backward, v * (1.f - v)) // of y

GC_FORWARD(tanh_forward, tanhf(v))
GC_BACKWARD(tanh_backward, 1.f - v * v) // of y

GC_FORWARD(absval_forward, fabsf(v))
GC_BACKWARD(absval_backward, v > 0 ? 1.f : v < 0 ? -1.f : v)

GC_FORWARD(bnll_forward, fmaxf(v, 0.f) + log1pf(expf(-fabsf(v))))
GC_BACKWARD(bnll_backward, logistic(v))

// a and b are the bounds
GC_FORWARD(clip_forward, v > b ? b : v > a ? v : a)
GC_BACKWARD(clip_backward, v >= a && v <= b ? 1.f : 0.f)

// a is alpha
GC_FORWARD(elu_forward, v > 0 ? v : a * (expf(v) - 1.f))
GC_BACKWARD(elu_backward, v > 0 ? 1.f : v + a)            // of y
GC_BACKWARD(elu_backward_x, v > 0 ? 1.f : a * expf(v))

// y = b exp(a x), dy/dx = a y
GC_FORWARD(exp_forward, b * expf(a * v))
GC_BACKWARD(exp_backward, a * v)

// y = c log(a x + b), dy/dx = c / (a x + b), where c is another one
GC_FORWARD(log_forward, c * logf(a * v + b))
GC_BACKWARD(log_backward, c / (a * v + b))

// a is beta
GC_FORWARD(swish_forward, v * logistic(a * v))
GC_INLINE float swish_slope(float t) { // t is beta x
  const float s = logistic(t);
  return s * (1.f + t * (1.f - s));
}
GC_BACKWARD(swish_backward, swish_slope(a * v))

// a is the threshold
GC_FORWARD(threshold_forward, v > a ? 1.f : 0.f)
