// Normalize of SSD. x is (n,c,s). A place is a position of an item, or with across an
// item: norm and dot have an element for each place.
#include "gpu.h"

GC_INLINE long long place_of(long long i, int across, int c, int s) {
  return across ? i / ((long long)c * s) : i / ((long long)c * s) * s + i % s;
}

// out = sum(u v) over the channels of a position, its root if length is 1
extern "C" __global__ void ssd_normalize_positions(const float *u, const float *v, float eps, int length,
                                                   const float *norm, float *out, int c, int s, int places) {
  GC_EACH(i, places) {
    const long long at = (long long)(i / s) * c * s + i % s;
    double sum = 0;
    for (int k = 0; k < c; k++) sum += (double)u[at + (long long)k * s] * v[at + (long long)k * s];
    out[i] = length ? (float)sqrt(sum + eps) : (float)(sum / ((double)norm[i] * norm[i]));
  }
}

// the same over the count elements of an item, one block for each
extern "C" __global__ void ssd_normalize_items(const float *u, const float *v, float eps, int length,
                                               const float *norm, float *out, int count) {
  __shared__ double part[GC_SUM_SIZE];
  const long long at = (long long)blockIdx.x * count;
  double sum = 0;
  for (int k = threadIdx.x; k < count; k += GC_BLOCK) sum += (double)u[at + k] * v[at + k];
  sum = gc_block_sum(sum, part);
  const int i = blockIdx.x;
  if (threadIdx.x == 0) out[i] = length ? (float)sqrt(sum + eps) : (float)(sum / ((double)norm[i] * norm[i]));
}

extern "C" __global__ void ssd_normalize_forward(const float *x, const float *norm, const float *scale, float *y,
                                                 int shared, int across, int c, int s, int n) {
  GC_EACH(i, n) y[i] = x[i] / norm[place_of(i, across, c, s)] * scale[shared ? 0 : i / s % c];
}

extern "C" __global__ void ssd_normalize_backward(const float *x, const float *dy, const float *norm,
                                                  const float *dot, const float *scale, float *dx, int shared,
                                                  int across, int c, int s, int n) {
  GC_EACH(i, n) {
    const long long p = place_of(i, across, c, s);
    dx[i] = (dy[i] - x[i] * dot[p]) / norm[p] * scale[shared ? 0 : i / s % c];
  }
}

// dscale = sum of x/norm dy over each channel, one block for each
extern "C" __global__ void ssd_normalize_scale(const float *x, const float *dy, const float *norm, float *dscale,
                                               int across, int items, int c, int s) {
  __shared__ double part[GC_SUM_SIZE];
  double sum = 0;
  for (int k = threadIdx.x; k < items * s; k += GC_BLOCK) {
    const long long at = ((long long)(k / s) * c + blockIdx.x) * s + k % s;
    sum += (double)x[at] * dy[at] / norm[across ? k / s : k];
  }
  sum = gc_block_sum(sum, part);
  if (threadIdx.x == 0) dscale[blockIdx.x] = (float)sum;
}
