// softmax.cu: softmax over the classes of outer x classes x inner numbers, and
// the gradient through it.
#include "gpu.h"

// one block for each row of classes next to each other
extern "C" __global__ void softmax_rows(const float *x, float *y, int classes) {
  __shared__ float part[GC_SUM_SIZE];
  __shared__ double sums[GC_SUM_SIZE];
  x += (long long)blockIdx.x * classes;
  y += (long long)blockIdx.x * classes;
  float most = -INFINITY;
  for (int c = threadIdx.x; c < classes; c += GC_BLOCK) most = fmaxf(most, x[c]);
  most = gc_block_max(most, part);
  double s = 0;
  for (int c = threadIdx.x; c < classes; c += GC_BLOCK) {
    const float e = expf(x[c] - most);
    y[c] = e;
    s += e;
  }
  const float scale = (float)(1 / gc_block_sum(s, sums));
  for (int c = threadIdx.x; c < classes; c += GC_BLOCK) y[c] *= scale;
}

extern "C" __global__ void softmax_rows_backward(const float *y, const float *dy, float *dx, int classes) {
  __shared__ double sums[GC_SUM_SIZE];
  const long long at = (long long)blockIdx.x * classes;
  double s = 0;
  for (int c = threadIdx.x; c < classes; c += GC_BLOCK) s += (double)dy[at + c] * y[at + c];
  const float dot = (float)gc_block_sum(s, sums);
  for (int c = threadIdx.x; c < classes; c += GC_BLOCK) dx[at + c] = (dy[at + c] - dot) * y[at + c];
}

// one thread for each of n places
extern "C" __global__ void softmax_places(const float *x, float *y, int classes, int inner, int n) {
  GC_EACH(i, n) {
    const long long at = (long long)(i / inner) * classes * inner + i % inner;
    float most = x[at], s = 0;
    for (int c = 1; c < classes; c++) most = fmaxf(most, x[at + (long long)c * inner]);
    for (int c = 0; c < classes; c++) {
      const float e = expf(x[at + (long long)c * inner] - most);
      y[at + (long long)c * inner] = e;
      s += e;
    }
    for (int c = 0; c < classes; c++) y[at + (long long)c * inner] /= s;
  }
}

extern "C" __global__ void softmax_places_backward(const float *y, const float *dy, float *dx, int classes, int inner,
                                                   int n) {
  GC_EACH(i, n) {
    const long long at = (long long)(i / inner) * classes * inner + i % inner;
    float dot = 0;
    for (int c = 0; c < classes; c++) dot += dy[at + (long long)c * inner] * y[at + (long long)c * inner];
    for (int c = 0; c < classes; c++) {
      const long long j = at + (long long)c * inner;
      dx[j] = (dy[j] - dot) * y[j];
    }
  }
}
