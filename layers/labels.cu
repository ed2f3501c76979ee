// What Labels.Read does, one thread for each place. info is the number of places
// that count, nothing, and 8 bytes about the first label that is none: its place,
// counted down from 0x7fffffff so that an integer maximum finds the first, and its
// bits. They stay until the host has read them.
#include "gpu.h"

extern "C" __global__ void labels_begin(int *info) {
  if (threadIdx.x == 0 && blockIdx.x == 0) info[0] = 0;
}

extern "C" __global__ void labels_read(const float *label, int *cls, int *info, int has_ignore, int ignore,
                                       int classes, int n) {
  GC_EACH(i, n) {
    const float v = label[i];
    const bool whole = v >= -2147483648.f && v < 2147483648.f;
    const int c = whole ? (int)v : -1;
    if (whole && has_ignore && c == ignore) {
      cls[i] = -1;
    } else if (c < 0 || c >= classes) {
      cls[i] = -1;
      gc_atomic_max((unsigned long long *)(info + 2),
                    (unsigned long long)(0x7fffffffu - i) << 32 | (unsigned)__float_as_int(v));
    } else {
      cls[i] = c;
      atomicAdd(info, 1);
    }
  }
}

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
