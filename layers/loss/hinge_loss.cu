// HingeLoss, one thread for each score: that of item i / classes for class i % classes.
// cls has the true classes of the items.
#include "gpu.h"

// max(0, 1 - s x), and 0 for NaN
GC_INLINE float margin(float x, bool is_true) {
  const float m = 1.f + (is_true ? -x : x);
  return m > 0 ? m : 0.f;
}

extern "C" __global__ void hinge_loss_terms(const float *x, const int *cls, int square, float *term, int classes,
                                            int n) {
  GC_EACH(i, n) {
    const float m = margin(x[i], (int)(i % classes) == cls[i / classes]);
    term[i] = square ? m * m : m;
  }
}

// scale is 1/N, for squares 2/N
extern "C" __global__ void hinge_loss_backward(const float *x, const int *cls, int square, const float *dloss,
                                               float scale, float *dx, int classes, int n) {
  const float weight = *dloss * scale;
  GC_EACH(i, n) {
    const bool is_true = (int)(i % classes) == cls[i / classes];
    float d = margin(x[i], is_true);
    if (d > 0 && !square) d = 1;
    dx[i] = (is_true ? -d : d) * weight;
  }
}
