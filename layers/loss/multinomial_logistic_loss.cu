// The gradient of MultinomialLogisticLoss, one thread for each probability: that of item
// i / classes for class i % classes. cls has the true classes of the items.
#include "gpu.h"

extern "C" __global__ void multinomial_logistic_loss_backward(const float *p, const int *cls, float least,
                                                              const float *dloss, float scale, float *dp,
                                                              int classes, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dp[i] = (int)(i % classes) == cls[i / classes] ? -weight / fmaxf(p[i], least) : 0.f;
}
