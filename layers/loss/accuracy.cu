// Accuracy. The scores of place i of n are inner elements apart. counts has, for each
// class, the number of places with this class and how many of them are right, and then
// how many are right in all. They are integers, so the order of the additions does not
// matter.
#include "gpu.h"

extern "C" __global__ void accuracy_count(const float *x, const int *cls, float sign, int top_k, int *counts,
                                          int classes, int inner, int n) {
  GC_EACH(i, n) {
    const int c = cls[i];
    if (c < 0) continue;
    const float *p = x + (long long)(i / inner) * classes * inner + i % inner;
    const float score = sign * p[(long long)c * inner];
    int higher = -1; // the true class counts itself
    for (int k = 0; k < classes && higher < top_k; k++)
      if (sign * p[(long long)k * inner] >= score) higher++;
    atomicAdd(counts + 2 * c, 1);
    if (higher < top_k && score == score) {
      atomicAdd(counts + 2 * c + 1, 1);
      atomicAdd(counts + 2 * classes, 1);
    }
  }
}

GC_INLINE float share(int hits, int items) { return items > 0 ? (float)((double)hits / items) : 0.f; }

// valid is the number of places that count; per_class may be null
extern "C" __global__ void accuracy_top(const int *counts, const int *valid, float *all, float *per_class, int classes) {
  GC_EACH(c, classes) {
    if (c == 0) *all = share(counts[2 * classes], *valid);
    if (per_class) per_class[c] = share(counts[2 * c + 1], counts[2 * c]);
  }
}
