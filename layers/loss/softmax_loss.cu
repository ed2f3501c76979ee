// The loss of SoftmaxWithLoss and its gradient, from the probabilities. The place i
// of n has its classes inner numbers apart.
#include "gpu.h"

extern "C" __global__ void softmax_loss_terms(const float *p, const int *cls, float *term, int classes, int inner,
                                              int n) {
  GC_EACH(i, n) {
    const int c = cls[i];
    const long long at = (long long)(i / inner) * classes * inner + i % inner;
    term[i] = c < 0 ? 0.f : -logf(fmaxf(p[at + (long long)c * inner], 1.17549435e-38f));
  }
}

// normalizer is the one given or, if that is 0, the number of places that count
GC_INLINE float normalizer(float given, const int *valid) {
  return given > 0 ? given : *valid > 1 ? (float)*valid : 1.f;
}

extern "C" __global__ void softmax_loss_top(float *loss, float given, const int *valid) {
  if (threadIdx.x == 0 && blockIdx.x == 0) *loss = *loss / normalizer(given, valid);
}

extern "C" __global__ void softmax_loss_backward(const float *p, const int *cls, const float *dloss, float given,
                                                 const int *valid, float *dx, int classes, int inner, int n) {
  const float weight = *dloss / normalizer(given, valid);
  GC_EACH(i, n) {
    const int place = i / (classes * inner) * inner + i % inner, c = i / inner % classes, t = cls[place];
    dx[i] = t < 0 ? 0.f : (p[i] - (c == t ? 1.f : 0.f)) * weight;
  }
}
