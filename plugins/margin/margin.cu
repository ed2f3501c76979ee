// The margin of L-Softmax and of A-Softmax ("sphere") in the score of each item's
// true class. Class -1 stands for a label out of range.
#include "gpu.h"

GC_INLINE float sign(float x) { return x > 0 ? 1.f : x < 0 ? -1.f : 0.f; }

// psi for the factor m, 2 to 4, and the coefficients of its gradient; see Psi in
// psi.go.
struct margin_psi {
  float psi, across, along;
};

GC_INLINE margin_psi psi_of(int m, float c) {
  if (m == 2) {
    const float s = sign(c);
    return {2 * s * c * c - 1, 4 * s * c, 2 * s * c * c + 1};
  }
  if (m == 3) {
    const float s1 = sign(fabsf(c) - 0.5f), s2 = sign(c) * (1 + s1) - 2;
    return {s1 * (4 * c * c * c - 3 * c) + s2, s1 * (12 * c * c - 3), 8 * s1 * c * c * c - s2};
  }
  const float s3 = sign(c) * sign(2 * c * c - 1), s4 = 2 * sign(c) + s3 - 3;
  return {s3 * (8 * c * c * c * c - 8 * c * c + 1) + s4, s3 * (32 * c * c * c - 16 * c),
          s3 * (24 * c * c * c * c - 8 * c * c - 1) - s4};
}

// The length of a vector of n elements, computed by a block.
GC_INLINE float length(const float *x, int n, double *part) {
  double s = 0;
  for (int k = threadIdx.x; k < n; k += GC_BLOCK) s += (double)x[k] * x[k];
  return (float)sqrt(gc_block_sum(s, part));
}

#define TINY 1e-9f // keeps the fork's quotients finite

// kept is (items, 3): |x|, |w[t]| and the cosine. One block per item.
extern "C" __global__ void margin_forward(const float *x, const float *w, const int *cls, float *y, float *kept, int sphere,
                                          int m, float lambda, int classes, int k) {
  __shared__ double part[GC_SUM_SIZE];
  const int i = blockIdx.x, t = cls[i];
  if (t < 0) return;
  const float norm_x = length(x + (long long)i * k, k, part);
  __syncthreads();
  const float norm_w = sphere ? 1.f : length(w + (long long)t * k, k, part);
  if (threadIdx.x != 0) return;
  float *score = y + (long long)i * classes + t;
  const float product = sphere ? norm_x : norm_x * norm_w + TINY;
  const float c = product > 0 ? *score / product : 0.f;
  *score = (product * psi_of(m, c).psi + lambda * *score) / (1 + lambda);
  kept[3 * i] = norm_x;
  kept[3 * i + 1] = norm_w;
  kept[3 * i + 2] = c;
}

// g is dy, except that for the true classes it is the gradient by x w[t]. own is
// (items, 2): the factor of x in the gradient by x, and of w[t] in that by w.
extern "C" __global__ void margin_gradient(const float *dy, const int *cls, const float *kept, float *g, float *own,
                                           int sphere, int m, float lambda, int classes, int items) {
  GC_EACH(i, items) {
    const int t = cls[i];
    own[2 * i] = own[2 * i + 1] = 0;
    if (t < 0) continue;
    const long long at = (long long)i * classes + t;
    const float norm_x = kept[3 * i], norm_w = kept[3 * i + 1], share = dy[at] / (1 + lambda);
    const margin_psi p = psi_of(m, kept[3 * i + 2]);
    float across = p.across;
    if (!sphere) {
      own[2 * i] = norm_x > 0 ? -p.along * share * ((norm_w + TINY) / norm_x) : 0.f;
      own[2 * i + 1] = -p.along * share * (norm_x / (norm_w + TINY));
    } else if (norm_x > 0) { // the two coefficients are scaled to length 1, and w gets no part along itself
      const float along = -p.along / norm_x, size = (float)sqrt((double)across * across + (double)along * along);
      across /= size;
      own[2 * i] = share * (along / size);
    } else {
      across = 0;
    }
    g[at] = share * (across + lambda);
  }
}

// dx += own x, n elements, k per item
extern "C" __global__ void margin_own_x(const float *x, const float *own, float *dx, int k, int n) {
  GC_EACH(i, n) dx[i] += own[2 * (i / k)] * x[i];
}

// dw[t] += own w[t] for all items, one block per item: the first item of a class
// does the work for all of them.
extern "C" __global__ void margin_own_w(const float *w, const int *cls, const float *own, float *dw, int k, int items) {
  const int first = blockIdx.x, t = cls[first];
  if (t < 0) return;
  for (int i = 0; i < first; i++)
    if (cls[i] == t) return;
  float s = 0;
  for (int i = first; i < items; i++)
    if (cls[i] == t) s += own[2 * i + 1];
  for (int j = threadIdx.x; j < k; j += GC_BLOCK) dw[(long long)t * k + j] += s * w[(long long)t * k + j];
}
