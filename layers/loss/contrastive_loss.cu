// ContrastiveLoss.
#include "gpu.h"

// One thread for each pair, whose term is first its squared distance, then twice its loss.
extern "C" __global__ void contrastive_loss_pairs(const float *similar, float margin, int legacy, float *term,
                                                  float *factor, int n) {
  GC_EACH(i, n) {
    const float squared = term[i];
    if (!(similar[i] > -1 && similar[i] < 1)) {
      factor[i] = 1;
      continue;
    }
    const float distance = sqrtf(squared), rest = margin - (legacy ? squared : distance);
    if (!(rest > 0)) {
      term[i] = factor[i] = 0;
    } else {
      term[i] = legacy ? rest : rest * rest;
      factor[i] = legacy ? -1.f : -rest / (distance + 1e-4f);
    }
  }
}

// dx = dloss scale factor diff, one thread for each element of n pairs of c elements
extern "C" __global__ void contrastive_loss_backward(const float *diff, const float *factor, const float *dloss,
                                                     float scale, float *dx, int c, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) dx[i] = weight * factor[i / c] * diff[i];
}
