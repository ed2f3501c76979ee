// The gradient of the cross-entropy of a softmax by the scores, from the probabilities
// p, which are (outer, groups, classes, inner). cls is (outer, inner), and -1 for a
// label to ignore. n is the number of scores.
#include "loss.h"

extern "C" __global__ void cross_entropy_backward(const float *p, const int *cls, const float *dloss, float given,
                                                  const int *valid, float *dx, int groups, int classes, int inner,
                                                  int n) {
  const float weight = *dloss / normalizer(given, valid);
  GC_EACH(i, n) {
    const int label = i / (groups * classes * inner) * inner + i % inner, c = i / inner % classes, t = cls[label];
    dx[i] = t < 0 ? 0.f : (p[i] - (c == t ? 1.f : 0.f)) * weight;
  }
}
