// The losses of labels.
#include "gpu.h"

// -log of the probability of the true class, one thread for each of n softmaxes. p is
// (outer, groups, classes, inner), cls is (outer, inner), and least is the smallest
// probability that counts.
extern "C" __global__ void labels_log_terms(const float *p, const int *cls, float least, float *term, int groups,
                                            int classes, int inner, int n) {
  GC_EACH(i, n) {
    const int row = i / inner, column = i % inner, c = cls[row / groups * inner + column];
    const long long at = (long long)row * classes * inner + column;
    term[i] = c < 0 ? 0.f : -logf(fmaxf(p[at + (long long)c * inner], least));
  }
}
