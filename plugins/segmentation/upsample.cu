// SegNet's Upsample, one thread for each element. in and out are the elements in a plane of
// the bottom and of the top; a place is negative if it was out of range.
#include "gpu.h"

// winner of an element of the top: one more than the last element of the bottom that has
// its place.
extern "C" __global__ void upsample_choose(const int *place, unsigned long long *winner, int in, int out, int n) {
  GC_EACH(i, n) {
    if (place[i] >= 0) gc_atomic_max(winner + (long long)(i / in) * out + place[i], (unsigned long long)i + 1);
  }
}

extern "C" __global__ void upsample_forward(const float *x, const unsigned long long *winner, float *y, int n) {
  GC_EACH(i, n) y[i] = winner[i] > 0 ? x[winner[i] - 1] : 0.f;
}

extern "C" __global__ void upsample_backward(const float *dy, const int *place, float *dx, int in, int out, int n) {
  GC_EACH(i, n) dx[i] = place[i] >= 0 ? dy[(long long)(i / in) * out + place[i]] : 0.f;
}
