// CenterLoss. Class -1 stands for a label out of range.
#include "gpu.h"

// distance = x - center of the class, (items, k). term is the part of the loss of
// each item, one block per item: half the sum of the squares, or with l1 of the
// magnitudes, divided by the number of items.
extern "C" __global__ void center_loss_forward(const float *x, const float *centers, const int *cls, float *distance,
                                               float *term, int l1, int k, int items) {
  __shared__ double part[GC_SUM_SIZE];
  const int t = cls[blockIdx.x];
  const long long at = (long long)blockIdx.x * k;
  double s = 0;
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) {
    const float d = t < 0 ? 0.f : x[at + j] - centers[(long long)t * k + j];
    distance[at + j] = d;
    s += l1 ? (double)fabsf(d) : (double)d * d / 2;
  }
  s = gc_block_sum(s, part);
  if (threadIdx.x == 0) term[blockIdx.x] = (float)(s / items);
}

// The derivative of a term by the distance. The sign of 0 is 0, of NaN NaN.
GC_INLINE float slope(float d, int l1) { return !l1 ? d : d > 0 ? 1.f : d < 0 ? -1.f : d; }

extern "C" __global__ void center_loss_backward(const float *distance, const float *dloss, float *dx, int l1, int items,
                                                int n) {
  const float weight = *dloss / items;
  GC_EACH(i, n) dx[i] = weight * slope(distance[i], l1);
}

// dcenters[t] -= the sum of the slopes of all items of the class, divided by 1 + their
// number. One block per item: the first item of a class does the work for all of them.
extern "C" __global__ void center_loss_centers(const float *distance, const int *cls, float *dcenters, int l1, int k,
                                               int items) {
  const int first = blockIdx.x, t = cls[first];
  if (t < 0) return;
  for (int i = 0; i < first; i++)
    if (cls[i] == t) return;
  int count = 0;
  for (int i = first; i < items; i++) count += cls[i] == t;
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) {
    float s = 0;
    for (int i = first; i < items; i++)
      if (cls[i] == t) s += slope(distance[(long long)i * k + j], l1);
    dcenters[(long long)t * k + j] -= s / (1 + count);
  }
}
