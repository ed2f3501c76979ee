// The weights of classes and items in a loss.
#include "gpu.h"

// v is terms or gradients, (outer, groups, classes, inner), n of them. Each is multiplied
// with the weight of its class, cls[label] or, without cls, its own, and with that of the
// item of its label. Labels are (outer, inner) with cls, otherwise as v; per of them
// share an item's weight. class_weights or item_weights may be missing. A term whose cls
// is -1 remains.
extern "C" __global__ void loss_weights_apply(float *v, const int *cls, const float *class_weights,
                                              const float *item_weights, int per, int groups, int classes, int inner,
                                              int n) {
  GC_EACH(i, n) {
    int label = i, c = i / inner % classes;
    if (cls) {
      label = i / (groups * classes * inner) * inner + i % inner;
      c = cls[label];
      if (c < 0) continue;
    }
    float weight = class_weights ? class_weights[c] : 1.f;
    if (item_weights) weight *= item_weights[label / per];
    v[i] *= weight;
  }
}
