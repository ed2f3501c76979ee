// Crop, one thread for each element of the top. table has for each axis its size in the
// top and the distance of two places in x, in which the part begins at first.
#include "gpu.h"

GC_INLINE unsigned place(unsigned i, const int *table, int axes, int first) {
  unsigned at = first;
  for (int k = axes - 1; k >= 0; k--) {
    const unsigned size = table[2 * k], rest = i / size;
    at += (i - rest * size) * table[2 * k + 1];
    i = rest;
  }
  return at;
}

extern "C" __global__ void crop_forward(const float *x, float *y, const int *table, int axes, int first, int n) {
  GC_EACH(i, n) y[i] = x[place(i, table, axes, first)];
}

extern "C" __global__ void crop_backward(const float *dy, float *dx, const int *table, int axes, int first, int n) {
  GC_EACH(i, n) dx[place(i, table, axes, first)] = dy[i];
}
