// GeneralTripletLoss of the distances d of items from k classes. Class -1 stands for
// a label out of range: such an item has neither terms nor a gradient.
#include "gpu.h"

// shares is (3,items): the amounts by which classes are too near, the distance from
// the true class, and the distances from the others. hardest is the only class of an
// item that counts with hardest_only. One block per item.
extern "C" __global__ void general_triplet_loss_items(const float *d, const int *cls, float *shares, int *hardest,
                                                      float margin, int hardest_only, int positive_first, float upper_bound,
                                                      int items, int k) {
  __shared__ double part[GC_SUM_SIZE];
  const int i = blockIdx.x, t = cls[i];
  d += (long long)i * k;
  float least = INFINITY;
  int at = k;
  double near = 0, others = 0;
  for (int j = threadIdx.x; j < k && t >= 0; j += GC_BLOCK) {
    if (j == t) continue;
    others += d[j];
    const float amount = d[t] + margin - d[j];
    if (!(amount > 0)) continue;
    near += amount;
    if (d[j] < least) {
      least = d[j];
      at = j;
    }
  }
  near = gc_block_sum(near, part);
  others = gc_block_sum(others, part);
  const double nearest = -gc_block_max(-(double)least, part);
  const int only = (int)-gc_block_max(least == nearest ? -(double)at : -(double)k, part); // the first of equal values
  if (threadIdx.x != 0) return;
  if (hardest_only) near = only < k ? d[t] + margin - d[only] : 0.f;
  shares[i] = t < 0 || (positive_first && d[t] > upper_bound) ? 0.f : (float)near;
  shares[items + i] = t < 0 ? 0.f : d[t];
  shares[2 * items + i] = (float)others;
  hardest[i] = only;
}

// The tops, by one block. means may be null.
extern "C" __global__ void general_triplet_loss_total(const float *shares, float *loss, float *means, float negative_weight,
                                                      int items, int k) {
  __shared__ double part[GC_SUM_SIZE];
  double near = 0, own = 0, others = 0;
  for (int i = threadIdx.x; i < items; i += GC_BLOCK) {
    near += shares[i];
    own += shares[items + i];
    others += shares[2 * items + i];
  }
  near = gc_block_sum(near, part);
  own = gc_block_sum(own, part);
  others = gc_block_sum(others, part);
  if (threadIdx.x != 0) return;
  *loss = (float)(near * fabsf(negative_weight) / items);
  if (!means) return;
  means[0] = (float)(own / items);
  means[1] = (float)(others / items / (k - 1));
}

// One block per item. weights may be null.
extern "C" __global__ void general_triplet_loss_backward(const float *d, const int *cls, const int *hardest,
                                                         const float *weights, const float *dloss, float *dx, float margin,
                                                         float positive_weight, float negative_weight, int add_center,
                                                         int hardest_only, int positive_first, float upper_bound, int items,
                                                         int k) {
  __shared__ float part[GC_SUM_SIZE];
  const int i = blockIdx.x, t = cls[i];
  d += (long long)i * k;
  dx += (long long)i * k;
  const float scale = *dloss / items * (weights ? weights[i] : 1.f);
  const bool far = t >= 0 && positive_first && d[t] > upper_bound;
  float drawn = add_center || far;
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) {
    const bool near = t >= 0 && !far && j != t && d[t] + margin - d[j] > 0 && (!hardest_only || hardest[i] == j);
    if (near) drawn = 1;
    if (j != t) dx[j] = near ? -negative_weight * scale : 0.f;
  }
  drawn = gc_block_max(drawn, part);
  if (threadIdx.x == 0 && t >= 0) dx[t] = drawn > 0 ? positive_weight * scale : 0.f;
}
