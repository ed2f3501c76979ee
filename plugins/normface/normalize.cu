// Normalize of (items, channels, inner), one warp per position: norm is (items, inner).
#include "gpu.h"

GC_INLINE float warp_sum(float v) {
  for (int lanes = 16; lanes > 0; lanes /= 2) v += gc_shfl_xor(v, lanes);
  return v;
}

extern "C" __global__ void normalize_forward(const float *x, float *y, float *norm, int l1, int channels, int inner,
                                             int places) {
  const int i = blockIdx.x * (GC_BLOCK / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (i >= places) return;
  const long long at = (long long)(i / inner) * channels * inner + i % inner;
  float s = 0;
  for (int c = lane; c < channels; c += 32) {
    const float v = x[at + (long long)c * inner];
    s += l1 ? fabsf(v) : v * v;
  }
  s = warp_sum(s) + 1e-6f;
  if (!l1) s = sqrtf(s);
  if (lane == 0) norm[i] = s;
  for (int c = lane; c < channels; c += 32) y[at + (long long)c * inner] = x[at + (long long)c * inner] / s;
}

// dx = (dy - along sum(y dy))/norm + dnorm along, where along is the derivative of
// norm by x: y or, with l1, its sign. dnorm may be null.
extern "C" __global__ void normalize_backward(const float *y, const float *dy, const float *norm, const float *dnorm,
                                              float *dx, int l1, int channels, int inner, int places) {
  const int i = blockIdx.x * (GC_BLOCK / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (i >= places) return;
  const long long at = (long long)(i / inner) * channels * inner + i % inner;
  float dot = 0;
  for (int c = lane; c < channels; c += 32) dot += y[at + (long long)c * inner] * dy[at + (long long)c * inner];
  dot = warp_sum(dot);
  for (int c = lane; c < channels; c += 32) {
    const long long k = at + (long long)c * inner;
    const float along = !l1 ? y[k] : y[k] > 0 ? 1.f : y[k] < 0 ? -1.f : 0.f;
    dx[k] = (dy[k] - along * dot) / norm[i] + (dnorm ? dnorm[i] * along : 0.f);
  }
}
