// Flip of planes of h x w elements, n elements in all.
#include "gpu.h"

extern "C" __global__ void flip_pass(const float *src, float *dst, int width, int height, int h, int w, int n) {
  GC_EACH(i, n) {
    const int column = i % w, row = i / w, r = row % h;
    dst[i] = src[(long long)(height ? row - r + h - 1 - r : row) * w + (width ? w - 1 - column : column)];
  }
}
