// The kernels that several losses use.
#include "loss.h"

extern "C" __global__ void loss_top(float *loss, float given, const int *valid) {
  if (threadIdx.x == 0 && blockIdx.x == 0) *loss = *loss / normalizer(given, valid);
}

extern "C" __global__ void loss_difference(const float *a, const float *b, float *diff, int n) {
  GC_EACH(i, n) diff[i] = a[i] - b[i];
}

// -log of the probability of the true class, one thread for each of n places, whose
// classes are inner elements apart. least is the smallest probability that counts.
extern "C" __global__ void loss_log_terms(const float *p, const int *cls, float least, float *term, int classes,
                                          int inner, int n) {
  GC_EACH(i, n) {
    const int c = cls[i];
    const long long at = (long long)(i / inner) * classes * inner + i % inner;
    term[i] = c < 0 ? 0.f : -logf(fmaxf(p[at + (long long)c * inner], least));
  }
}
