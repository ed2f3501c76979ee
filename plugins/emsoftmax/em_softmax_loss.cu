// EMSoftmaxLoss: the margin softmax of all classifiers of an item at once, and
// the parts of the diversity term that are not matrix products. One warp per item.
#include "gpu.h"

// The sum and the maximum of v over the lanes of a warp, returned in all of them.
GC_INLINE float warp_sum(float v) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v += gc_shfl_xor(v, lanes);
  return v;
}
GC_INLINE float warp_max(float v) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v = fmaxf(v, gc_shfl_xor(v, lanes));
  return v;
}

// The mean of the classifiers, n elements each.
extern "C" __global__ void em_softmax_loss_mean(const float *w, float *mean, int groups, int n) {
  GC_EACH(i, n) {
    float s = 0;
    for (int v = 0; v < groups; v++) s += w[(long long)v * n + i];
    mean[i] = s * (1.f / groups);
  }
}

// z and p are (items, groups, classes): scores, and probabilities with the margin.
// term (items) is the sum of an item's losses, score (items, classes) the mean of
// its scores, or null.
extern "C" __global__ void em_softmax_loss_forward(const float *z, const int *cls, float margin, float *p, float *term,
                                                   float *score, int groups, int classes, int items) {
  const int item = blockIdx.x * (GC_BLOCK / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (item >= items) return;
  const int t = cls[item];
  z += (long long)item * groups * classes;
  p += (long long)item * groups * classes;
  if (score)
    for (int c = lane; c < classes; c += 32) {
      float s = 0;
      for (int v = 0; v < groups; v++) s += z[(long long)v * classes + c];
      score[(long long)item * classes + c] = s * (1.f / groups);
    }
  float loss = 0;
  for (int v = 0; v < groups; v++) {
    float most = -INFINITY, sum = 0;
    for (int c = lane; c < classes; c += 32) most = fmaxf(most, c == t ? z[c] - margin : z[c]);
    most = warp_max(most);
    for (int c = lane; c < classes; c += 32) {
      p[c] = expf((c == t ? z[c] - margin : z[c]) - most);
      sum += p[c];
    }
    sum = warp_sum(sum);
    for (int c = lane; c < classes; c += 32) p[c] /= sum;
    if (t >= 0) loss += logf(sum) - (z[t] - margin - most); // not -log p, which may be 0
    z += classes;
    p += classes;
  }
  if (lane == 0) term[item] = loss;
}

// inverse[i] = 1/norm of n vectors. sums[i][1] of sums (n, 2) is the sum of the
// squares of vector i. inverse[i] is 0 if it is too large for a float.
extern "C" __global__ void em_softmax_loss_inverse(const double *sums, float *inverse, int n) {
  GC_EACH(i, n) {
    const double norm = sqrt(sums[2 * i + 1]);
    inverse[i] = norm < 1.1754943508222875e-38 ? 0.f : (float)(1 / norm);
  }
}

// c = w inverse without the mean over the classes, for each classifier (blockIdx.y)
// and 32 of d elements (blockIdx.x). each class vectors share an inverse, which may
// be null.
extern "C" __global__ void em_softmax_loss_center(const float *w, const float *inverse, int each, float *c, int classes,
                                                  int d) {
  enum { rows = GC_BLOCK / 32 };
  __shared__ float part[GC_BLOCK];
  const int row = threadIdx.x / 32, lane = threadIdx.x % 32, j = blockIdx.x * 32 + lane;
  const int first = blockIdx.y * classes; // row of w
  float s = 0;
  if (j < d)
    for (int k = first + row; k < first + classes; k += rows)
      s += w[(long long)k * d + j] * (inverse ? inverse[k / each] : 1.f);
  part[threadIdx.x] = s;
  __syncthreads();
  if (j >= d) return;
  float mean = 0;
  for (int r = 0; r < rows; r++) mean += part[r * 32 + lane];
  mean /= classes;
  for (int k = first + row; k < first + classes; k += rows)
    c[(long long)k * d + j] = w[(long long)k * d + j] * (inverse ? inverse[k / each] : 1.f) - mean;
}

// others[v] = the sum of gram[u] over u != v, of groups matrices of n elements
extern "C" __global__ void em_softmax_loss_others(const float *gram, float *others, int groups, int n) {
  GC_EACH(i, n) {
    for (int v = 0; v < groups; v++) {
      float s = 0;
      for (int u = 0; u < groups; u++)
        if (u != v) s += gram[(long long)u * n + i];
      others[(long long)v * n + i] = s;
    }
  }
}

// dw += scale dloss times the gradient, n elements, of which each size share an
// inverse. With dots, w grad of each vector, the gradient goes through the
// normalization: it is the part of grad orthogonal to w, divided by |w|. inverse and
// dots may be null.
extern "C" __global__ void em_softmax_loss_diversity(const float *w, const float *grad, const float *inverse,
                                                     const float *dots, const float *dloss, float scale, float *dw,
                                                     int size, int n) {
  const float weight = scale * *dloss;
  GC_EACH(i, n) {
    float g = grad[i];
    if (inverse) {
      const float inv = inverse[i / size];
      if (inv == 0) continue;
      if (dots) g = (g - dots[i / size] * inv * (w[i] * inv)) * inv;
    }
    dw[i] += weight * g;
  }
}
