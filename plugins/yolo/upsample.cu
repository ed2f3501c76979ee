// YOLO's Upsample: each pixel of planes of h x w becomes a square of scale x scale.
#include "gpu.h"

extern "C" __global__ void yolo_upsample_forward(const float *x, float *y, int w, int scale, int n) {
  const int wide = w * scale;
  GC_EACH(i, n) {
    const int row = i / wide; // of all planes
    y[i] = x[row / scale * w + i % wide / scale];
  }
}

extern "C" __global__ void yolo_upsample_backward(const float *dy, float *dx, int w, int scale, int n) {
  const long long wide = (long long)w * scale;
  GC_EACH(i, n) {
    const float *square = dy + i / w * scale * wide + i % w * scale;
    float sum = 0;
    for (int r = 0; r < scale; r++)
      for (int c = 0; c < scale; c++) sum += square[r * wide + c];
    dx[i] = sum;
  }
}
