// GeneralContrastiveLoss of the distances d of items from k classes. Class -1 stands
// for a label out of range: such an item has neither terms nor a gradient.
#include "gpu.h"

// fminf and fmaxf would return the other argument for NaN.
GC_INLINE float positive_term(float d, float margin, float outlier) {
  const float v = d - margin < 0 ? 0.f : d - margin;
  return v > outlier ? outlier : v;
}

GC_INLINE float negative_term(float d, float margin, float weight, int use_exp) {
  if (!(d < margin)) return 0;
  return (use_exp ? expf(-d) : margin - d) * weight;
}

// shares is (3,items): the terms of the true class and of the others without their
// weights, and the term of the others in the loss. chosen is the only class of an
// item that counts with max_negative. One block per item.
extern "C" __global__ void general_contrastive_loss_items(const float *d, const int *cls, const float *intra, float *shares,
                                                          int *chosen, float positive_margin, float negative_margin,
                                                          float outlier, float positive_weight, float negative_weight,
                                                          int use_exp, int max_negative, int add_intra, int positive_first,
                                                          float upper_bound, int items, int k) {
  __shared__ double part[GC_SUM_SIZE];
  const int i = blockIdx.x, t = cls[i];
  d += (long long)i * k;
  const float margin = negative_margin + (add_intra ? *intra : 0.f);
  const float positive = t < 0 ? 0.f : positive_term(d[t], positive_margin, outlier);
  float best = -INFINITY;
  int at = 0;
  double negative = 0, loss = 0;
  for (int j = threadIdx.x; j < k && t >= 0; j += GC_BLOCK) {
    const bool near = j != t && d[j] < margin;
    const float term = j == t ? positive * positive_weight : negative_term(d[j], margin, negative_weight, use_exp);
    if (near) {
      negative += margin - d[j];
      loss += fabsf(term);
    }
    if ((near || j == 0) && term > best) {
      best = term;
      at = j;
    }
  }
  negative = gc_block_sum(negative, part);
  loss = gc_block_sum(loss, part);
  const double largest = gc_block_max((double)best, part);
  const int only = (int)-gc_block_max(best == largest ? -(double)at : -(double)k, part); // the first of equal values
  if (threadIdx.x != 0) return;
  const bool far = t >= 0 && positive_first && d[t] > upper_bound;
  if (max_negative) loss = t < 0 || only == t ? 0 : fabsf(negative_term(d[only], margin, negative_weight, use_exp));
  shares[i] = positive;
  shares[items + i] = (float)negative;
  shares[2 * items + i] = far ? 0.f : (float)loss;
  chosen[i] = only;
}

// The tops, by one block. means may be null. Sets chosen[items], the only item whose
// true class counts with max_positive, margin for the backward pass, and intra.
extern "C" __global__ void general_contrastive_loss_total(const float *shares, const int *cls, int *chosen, float *intra,
                                                          float *margin, float *loss, float *means, float negative_margin,
                                                          float positive_weight, int max_positive, int add_intra,
                                                          float max_margin, int items, int k) {
  __shared__ double part[GC_SUM_SIZE];
  float least = INFINITY;
  int at = items;
  double positive = 0, negative = 0, others = 0, own = 0;
  for (int i = threadIdx.x; i < items; i += GC_BLOCK) {
    const float term = shares[i] * positive_weight;
    positive += shares[i];
    negative += shares[items + i];
    others += shares[2 * items + i];
    own += fabsf(term);
    if (cls[i] >= 0 && term < least) {
      least = term;
      at = i;
    }
  }
  positive = gc_block_sum(positive, part);
  negative = gc_block_sum(negative, part);
  others = gc_block_sum(others, part);
  own = gc_block_sum(own, part);
  const double smallest = -gc_block_max(-(double)least, part);
  const int only = (int)-gc_block_max(least == smallest ? -(double)at : -(double)items, part);
  if (threadIdx.x != 0) return;
  if (max_positive) own = only < items ? fabsf(shares[only] * positive_weight) : 0;
  chosen[items] = only;
  *loss = (float)((others + own) / items);
  *margin = negative_margin + (add_intra ? *intra : 0.f);
  const float mean = 0.99f * *intra + 0.01f * (float)(positive / items);
  *intra = mean > max_margin ? max_margin : mean;
  if (!means) return;
  means[0] = (float)(positive / items);
  means[1] = (float)(negative / items / (k - 1));
  if (add_intra) means[2] = *intra;
}

// dx without the loss weight, and for each item the sum of the magnitudes of dx over
// the other classes. One block per item.
extern "C" __global__ void general_contrastive_loss_slopes(const float *d, const int *cls, const float *margin,
                                                           const int *chosen, float *dx, float *sums, float positive_margin,
                                                           float outlier, float positive_weight, float negative_weight,
                                                           int use_exp, int max_negative, int max_positive,
                                                           int positive_first, float upper_bound, int items, int k) {
  __shared__ double part[GC_SUM_SIZE];
  const int i = blockIdx.x, t = cls[i];
  d += (long long)i * k;
  dx += (long long)i * k;
  const bool far = t >= 0 && positive_first && d[t] > upper_bound;
  double sum = 0;
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) {
    float g = 0;
    if (j == t) {
      const bool counts = !max_positive || chosen[items] == i;
      if (far || (counts && d[j] > positive_margin && d[j] < outlier)) g = positive_weight;
    } else if (t >= 0 && !far && d[j] < *margin && (!max_negative || chosen[i] == j)) {
      g = -(use_exp ? expf(-d[j]) : 1.f) * negative_weight;
      sum -= g;
    }
    dx[j] = g;
  }
  sum = gc_block_sum(sum, part);
  if (threadIdx.x == 0) sums[i] = (float)sum;
}

// share is the divisor of the gradients of the other classes. One block.
extern "C" __global__ void general_contrastive_loss_share(const float *sums, float *share, float normalize,
                                                          float positive_weight, int items) {
  __shared__ double part[GC_SUM_SIZE];
  double sum = 0;
  for (int i = threadIdx.x; i < items; i += GC_BLOCK) sum += sums[i];
  sum = gc_block_sum(sum, part);
  const float q = fabsf((float)(sum / items)) / normalize;
  if (threadIdx.x == 0) *share = q > positive_weight ? q : 1.f;
}

// share may be null, which stands for 1.
extern "C" __global__ void general_contrastive_loss_scale(const int *cls, const float *share, const float *dloss, float *dx,
                                                          int items, int k) {
  const float scale = *dloss / items, divisor = share ? *share : 1.f;
  GC_EACH(i, items * k) dx[i] = ((int)(i % k) == cls[i / k] ? dx[i] : dx[i] / divisor) * scale;
}
