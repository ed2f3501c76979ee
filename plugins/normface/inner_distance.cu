// InnerDistance: x is (m,k), the centers w are (n,k), distances are (m,n).
#include "gpu.h"

enum { tile = 16 };

// The sums of the squares of the differences or, with l1, of their magnitudes:
// x^2 - 2xw + w^2 would lose the digits of a small distance. A block computes
// tile x tile distances.
extern "C" __global__ void inner_distance_forward(const float *x, const float *w, float *y, int l1, int m, int n, int k) {
  __shared__ float xs[tile][tile + 1], ws[tile][tile + 1];
  const int row = threadIdx.x / tile, column = threadIdx.x % tile;
  const int i = blockIdx.y * tile + row, j = blockIdx.x * tile + column, center = blockIdx.x * tile + row;
  double sum = 0;
  for (int first = 0; first < k; first += tile) {
    const int c = first + column;
    xs[row][column] = i < m && c < k ? x[(long long)i * k + c] : 0.f;
    ws[row][column] = center < n && c < k ? w[(long long)center * k + c] : 0.f;
    __syncthreads();
    float s = 0;
    for (int t = 0; t < tile; t++) {
      const float d = xs[row][t] - ws[column][t];
      s += l1 ? fabsf(d) : d * d;
    }
    sum += s;
    __syncthreads();
  }
  if (i < m && j < n) y[(long long)i * n + j] = (float)sum;
}

// masked is dy, but 0 where the center is not that of the item's class
extern "C" __global__ void inner_distance_mask(const float *dy, const int *cls, float *masked, int n, int count) {
  GC_EACH(i, count) masked[i] = cls[i / n] == (int)(i % n) ? dy[i] : 0.f;
}

// The gradient of L1 by a, of na rows, which is x or w; b, of nb rows, is the other
// one. The distance of row i from row j has the gradient dy[i*stepa + j*stepb]. With
// add, the gradient is added to da.
extern "C" __global__ void inner_distance_backward_l1(const float *a, const float *b, const float *dy, float *da, int add,
                                                      int na, int stepa, int nb, int stepb, int k) {
  GC_EACH(at, na * k) {
    const int column = at % k;
    const float *g = dy + (long long)(at / k) * stepa;
    float s = add ? da[at] : 0.f;
    for (int j = 0; j < nb; j++) {
      const float d = a[at] - b[(long long)j * k + column];
      s += d > 0 ? g[(long long)j * stepb] : d < 0 ? -g[(long long)j * stepb] : 0.f;
    }
    da[at] = s;
  }
}
