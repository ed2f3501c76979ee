// Accuracy. The place i of n has its scores inner numbers apart. counts is, for each
// class, how many places have it and how many of them are right, and then how many are
// right of all: whole numbers, so that the order in which they are added up does not
// matter.
#include "gpu.h"

extern "C" __global__ void accuracy_count(const float *x, const int *cls, float sign, int top_k, int *counts,
                                          int classes, int inner, int n) {
  GC_EACH(i, n) {
    const int c = cls[i];
    if (c < 0) continue;
    const float *p = x + (long long)(i / inner) * classes * inner + i % inner;
    const float score = sign * p[(long long)c * inner];
    int higher = -1; // the score of the true class finds itself
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
