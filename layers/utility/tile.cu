// Tile: inner elements of the bottom are repeated tiles times. One thread for each
// element that is written; (mul, shift) divide by inner.
#include "gpu.h"

extern "C" __global__ void tile_forward(const float *x, float *y, int inner, int tiles, int n, unsigned mul,
                                        unsigned shift) {
  GC_EACH(i, n) {
    const unsigned row = gc_divide(i, mul, shift);
    y[i] = x[(row / tiles) * (unsigned)inner + (i - row * inner)];
  }
}

extern "C" __global__ void tile_backward(const float *dy, float *dx, int inner, int tiles, int n, unsigned mul,
                                         unsigned shift) {
  GC_EACH(i, n) {
    const unsigned row = gc_divide(i, mul, shift);
    const float *p = dy + (long long)row * inner * tiles + (i - row * inner);
    float sum = p[0];
    for (int t = 1; t < tiles; t++) sum += p[(long long)t * inner];
    dx[i] = sum;
  }
}
