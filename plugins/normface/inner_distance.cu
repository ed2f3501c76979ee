// InnerDistance with L2: x is (m,k), the centers w are (n,k), distances are (m,n).
#include "gpu.h"

// Scales the rows of w, of k numbers, to length 1; a block for each.
extern "C" __global__ void inner_distance_unit_rows(float *w, int k) {
  __shared__ double part[GC_SUM_SIZE];
  w += (long long)blockIdx.x * k;
  double s = 0;
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) s += (double)w[j] * w[j];
  const float scale = (float)(1 / sqrt(gc_block_sum(s, part) + 1e-6));
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) w[j] *= scale;
}

enum { tile = 16 };

// The squares of the differences, one by one: x^2 - 2xw + w^2 would lose the digits
// of a small distance. A block makes tile x tile distances.
extern "C" __global__ void inner_distance_forward(const float *x, const float *w, float *y, int m, int n, int k) {
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
      s += d * d;
    }
    sum += s;
    __syncthreads();
  }
  if (i < m && j < n) y[(long long)i * n + j] = (float)sum;
}

// masked is dy but 0 where the center is not that of the item's class
extern "C" __global__ void inner_distance_mask(const float *dy, const int *cls, float *masked, int n, int count) {
  GC_EACH(i, count) masked[i] = cls[i / n] == (int)(i % n) ? dy[i] : 0.f;
}
