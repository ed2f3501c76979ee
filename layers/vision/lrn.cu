// LRN, one thread per element. An array is a list of planes of rows x cols. Each
// element has a window of size_r x size_c around it, clipped at the borders. Within
// channels, a plane is a plane of an image; across channels, its rows are the channels
// and its columns the positions of an image.
#include "gpu.h"

namespace {
struct shape {
  int rows, cols, size_r, size_c;
};
// the sum of x, or of x^2, over the window of element i
template <bool squares> GC_INLINE float window_sum(const shape &s, int i, const float *x) {
  const int r = i / s.cols % s.rows, c = i % s.cols;
  const int r0 = r - s.size_r / 2, r1 = r + s.size_r / 2, c0 = c - s.size_c / 2, c1 = c + s.size_c / 2;
  x += i - r * s.cols - c; // the plane
  float sum = 0;
  for (int h = r0 > 0 ? r0 : 0; h <= r1 && h < s.rows; h++)
    for (int w = c0 > 0 ? c0 : 0; w <= c1 && w < s.cols; w++) {
      const float v = x[h * s.cols + w];
      sum += squares ? v * v : v;
    }
  return sum;
}
// v^-beta; 3/4 is the beta of every known net
GC_INLINE float to_minus(float v, float beta) {
  if (beta != 0.75f) return powf(v, -beta);
  const float root = sqrtf(v);
  return 1.f / (root * sqrtf(root));
}
} // namespace

// alpha is already divided by the size of the window
extern "C" __global__ void lrn_forward(const float *x, float *y, int rows, int cols, int size_r, int size_c,
                                       float alpha, float beta, float k, int n) {
  const shape s{rows, cols, size_r, size_c};
  GC_EACH(i, n) y[i] = x[i] * to_minus(k + alpha * window_sum<true>(s, i, x), beta);
}

// With v = k + alpha sum of x^2: dx = dy v^-beta, and ratio = dy x v^(-beta-1)
extern "C" __global__ void lrn_ratios(const float *x, const float *dy, float *dx, float *ratio, int rows, int cols,
                                      int size_r, int size_c, float alpha, float beta, float k, int n) {
  const shape s{rows, cols, size_r, size_c};
  GC_EACH(i, n) {
    const float v = k + alpha * window_sum<true>(s, i, x), d = dy[i] * to_minus(v, beta);
    dx[i] = d;
    ratio[i] = d * x[i] / v;
  }
}

// dx -= factor x sum of ratio over the windows that contain x, which are those of the
// elements in its own window
extern "C" __global__ void lrn_backward(const float *x, const float *ratio, float *dx, int rows, int cols, int size_r,
                                        int size_c, float factor, int n) {
  const shape s{rows, cols, size_r, size_c};
  GC_EACH(i, n) dx[i] -= factor * x[i] * window_sum<false>(s, i, ratio);
}
