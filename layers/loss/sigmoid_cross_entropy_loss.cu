// SigmoidCrossEntropyLoss, one thread for each score x with its target t.
#include "loss.h"

GC_INLINE bool ignores(float t, int has_ignore, int ignore) {
  return has_ignore && t >= -2147483648.f && t < 2147483648.f && (int)t == ignore;
}

// valid counts the scores that count
extern "C" __global__ void sigmoid_cross_entropy_loss_terms(const float *x, const float *t, int has_ignore, int ignore,
                                                            float *term, int *valid, int n) {
  GC_EACH(i, n) {
    const float v = x[i];
    if (ignores(t[i], has_ignore, ignore)) {
      term[i] = 0;
      continue;
    }
    term[i] = log1pf(expf(-fabsf(v))) - v * (t[i] - (v >= 0 ? 1.f : 0.f));
    if (has_ignore) atomicAdd(valid, 1);
  }
}

extern "C" __global__ void sigmoid_cross_entropy_loss_backward(const float *x, const float *t, int has_ignore,
                                                               int ignore, const float *dloss, float given,
                                                               const int *valid, float *dx, int n) {
  const float weight = *dloss / normalizer(given, valid);
  GC_EACH(i, n) {
    dx[i] = ignores(t[i], has_ignore, ignore) ? 0.f : (1.f / (1.f + expf(-x[i])) - t[i]) * weight;
  }
}
