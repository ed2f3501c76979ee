// The gradient of SoftmaxWithLoss, one thread for each score.
#include "loss.h"

extern "C" __global__ void softmax_loss_backward(const float *p, const int *cls, const float *dloss, float given,
                                                 const int *valid, float *dx, int classes, int inner, int n) {
  const float weight = *dloss / normalizer(given, valid);
  GC_EACH(i, n) {
    const int place = i / (classes * inner) * inner + i % inner, c = i / inner % classes, t = cls[place];
    dx[i] = t < 0 ? 0.f : (p[i] - (c == t ? 1.f : 0.f)) * weight;
  }
}
