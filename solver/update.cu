// The update rules, each in one pass over the n numbers of a param: the gradient
// with the weight decay in it becomes the update, in its place, and is subtracted
// from the weights. The formulas are those of package internal/kernel/update.
#include "gpu.h"

// The arguments that all rules have: *rates is the learning rate (of Adam with its
// correction), scale 1 over iter_size. The gradient at i is g, the rate r.
#define ARGS float *w, float *diff, float *h, float *h2, const float *rates, float lr_mult, float scale, float decay, \
             int l1, float momentum, float momentum2, float delta, int n
#define RULE(NAME, UPDATE)                                                                          \
  extern "C" __global__ void NAME(ARGS) {                                                          \
    const float r = *rates * lr_mult;                                                              \
    GC_EACH(i, n) {                                                                                \
      float g = diff[i] * scale, u;                                                                \
      const float x = w[i];                                                                        \
      if (decay != 0) g += decay * (l1 ? (x > 0 ? 1.f : x < 0 ? -1.f : 0.f) : x);                  \
      UPDATE                                                                                       \
      diff[i] = u;                                                                                 \
      w[i] = x - u;                                                                                \
    }                                                                                              \
  }

RULE(solver_sgd, {
  u = r * g + momentum * h[i];
  h[i] = u;
})
RULE(solver_nesterov, {
  const float old = h[i];
  const float v = r * g + momentum * old;
  h[i] = v;
  u = (1 + momentum) * v - momentum * old;
})
RULE(solver_adagrad, {
  const float s = h[i] + g * g;
  h[i] = s;
  u = r * (g / (sqrtf(s) + delta));
})
RULE(solver_rmsprop, {
  const float s = (1 - momentum) * (g * g) + momentum * h[i];
  h[i] = s;
  u = r * (g / (sqrtf(s) + delta));
})
RULE(solver_adadelta, {
  const float s = (1 - momentum) * (g * g) + momentum * h[i];
  h[i] = s;
  const float v = g * sqrtf((delta + h2[i]) / (delta + s));
  h2[i] = (1 - momentum) * (v * v) + momentum * h2[i];
  u = r * v;
})
RULE(solver_adam, {
  const float m = (1 - momentum) * g + momentum * h[i];
  const float v = (1 - momentum2) * (g * g) + momentum2 * h2[i];
  h[i] = m;
  h2[i] = v;
  u = r * (m / (sqrtf(v) + delta));
})
