// Pooling, one thread per element written. A window starts at (y stride - pad) and is
// clipped at the end of the padded image.
#include "gpu.h"

namespace {
struct shape {
  int H, W, OH, OW, KH, KW, pad_h, pad_w, stride_h, stride_w;
};
struct span { // the part of a window in the image, and its extent in the padded one
  int lo, hi, extent;
};
GC_INLINE span span_of(int at, int stride, int pad, int kernel, int size) {
  const int start = at * stride - pad, end = start + kernel;
  return span{start > 0 ? start : 0, end < size ? end : size, (end < size + pad ? end : size + pad) - start};
}
// the first of count windows that covers element at, and the one after the last
GC_INLINE int first_window(int at, int stride, int pad, int kernel) {
  const int p = at + pad - kernel;
  return p < 0 ? 0 : p / stride + 1;
}
GC_INLINE int end_window(int at, int stride, int pad, int count) {
  const int e = (at + pad) / stride + 1;
  return e < count ? e : count;
}
} // namespace

#define SHAPE int H, int W, int OH, int OW, int KH, int KW, int pad_h, int pad_w, int stride_h, int stride_w
#define MAKE_SHAPE const shape s{H, W, OH, OW, KH, KW, pad_h, pad_w, stride_h, stride_w};

// mask is the index of the maximum in its plane, or -1; mask_top, which may be null, is
// the same as float
extern "C" __global__ void pooling_max_forward(SHAPE, const float *x, float *y, int *mask, float *mask_top, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.OH * s.OW), place = i % (s.OH * s.OW);
    const span r = span_of(place / s.OW, s.stride_h, s.pad_h, s.KH, s.H);
    const span c = span_of(place % s.OW, s.stride_w, s.pad_w, s.KW, s.W);
    const float *p = x + (long long)plane * s.H * s.W;
    float most = -3.40282347e38f;
    int at = -1;
    for (int h = r.lo; h < r.hi; h++)
      for (int w = c.lo; w < c.hi; w++)
        if (p[h * s.W + w] > most) {
          most = p[h * s.W + w];
          at = h * s.W + w;
        }
    y[i] = most;
    mask[i] = at;
    if (mask_top) mask_top[i] = (float)at;
  }
}

extern "C" __global__ void pooling_max_backward(SHAPE, const float *dy, const int *mask, float *dx, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.H * s.W), place = i % (s.H * s.W), h = place / s.W, w = place % s.W;
    const long long base = (long long)plane * s.OH * s.OW;
    const int h1 = end_window(h, s.stride_h, s.pad_h, s.OH), w1 = end_window(w, s.stride_w, s.pad_w, s.OW);
    float sum = 0;
    for (int oh = first_window(h, s.stride_h, s.pad_h, s.KH); oh < h1; oh++)
      for (int ow = first_window(w, s.stride_w, s.pad_w, s.KW); ow < w1; ow++)
        if (mask[base + oh * s.OW + ow] == place) sum += dy[base + oh * s.OW + ow];
    dx[i] = sum;
  }
}

extern "C" __global__ void pooling_ave_forward(SHAPE, const float *x, float *y, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.OH * s.OW), place = i % (s.OH * s.OW);
    const span r = span_of(place / s.OW, s.stride_h, s.pad_h, s.KH, s.H);
    const span c = span_of(place % s.OW, s.stride_w, s.pad_w, s.KW, s.W);
    const float *p = x + (long long)plane * s.H * s.W;
    float sum = 0;
    for (int h = r.lo; h < r.hi; h++)
      for (int w = c.lo; w < c.hi; w++) sum += p[h * s.W + w];
    y[i] = r.lo < r.hi && c.lo < c.hi ? sum / (float)(r.extent * c.extent) : 0.f;
  }
}

extern "C" __global__ void pooling_ave_backward(SHAPE, const float *dy, float *dx, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.H * s.W), place = i % (s.H * s.W), h = place / s.W, w = place % s.W;
    const long long base = (long long)plane * s.OH * s.OW;
    const int h1 = end_window(h, s.stride_h, s.pad_h, s.OH), w1 = end_window(w, s.stride_w, s.pad_w, s.OW);
    float sum = 0;
    for (int oh = first_window(h, s.stride_h, s.pad_h, s.KH); oh < h1; oh++) {
      const span r = span_of(oh, s.stride_h, s.pad_h, s.KH, s.H);
      for (int ow = first_window(w, s.stride_w, s.pad_w, s.KW); ow < w1; ow++) {
        const span c = span_of(ow, s.stride_w, s.pad_w, s.KW, s.W);
        sum += dy[base + oh * s.OW + ow] / (float)(r.extent * c.extent);
      }
    }
    dx[i] = sum;
  }
}

// The sum of the elements of a window of the plane p, and the sum of their squares.
GC_INLINE void window_sums(const float *p, int W, span r, span c, float *sum, float *squares) {
  float s = 0, q = 0;
  for (int h = r.lo; h < r.hi; h++)
    for (int w = c.lo; w < c.hi; w++) {
      const float v = p[h * W + w];
      s += v;
      q += v * v;
    }
  *sum = s;
  *squares = q;
}

// Samples an element of each window with a probability proportional to the element,
// using word i of a stream of random numbers: kernel.PhiloxUniform.
extern "C" __global__ void pooling_draw(SHAPE, const float *x, unsigned long long key,
                                        const unsigned long long *stream, float *y, int *mask, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.OH * s.OW), place = i % (s.OH * s.OW);
    const span r = span_of(place / s.OW, s.stride_h, s.pad_h, s.KH, s.H);
    const span c = span_of(place % s.OW, s.stride_w, s.pad_w, s.KW, s.W);
    const float *p = x + (long long)plane * s.H * s.W;
    unsigned words[4];
    gc_philox(key, *stream, i / 4, words);
    float sum, squares, so_far = 0;
    window_sums(p, s.W, r, c, &sum, &squares);
    const float limit = (words[i % 4] >> 8) * (1.f / 16777216.f) * sum;
    int at = -1;
    bool found = false;
    for (int h = r.lo; h < r.hi && !found; h++)
      for (int w = c.lo; w < c.hi && !found; w++) {
        at = h * s.W + w;
        so_far += p[at];
        found = so_far >= limit;
      }
    mask[i] = at;
    y[i] = at < 0 ? 0.f : p[at];
  }
}

extern "C" __global__ void pooling_weigh_forward(SHAPE, const float *x, float *y, int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.OH * s.OW), place = i % (s.OH * s.OW);
    const span r = span_of(place / s.OW, s.stride_h, s.pad_h, s.KH, s.H);
    const span c = span_of(place % s.OW, s.stride_w, s.pad_w, s.KW, s.W);
    float sum, squares;
    window_sums(x + (long long)plane * s.H * s.W, s.W, r, c, &sum, &squares);
    y[i] = sum > 0 ? squares / sum : 0.f;
  }
}

extern "C" __global__ void pooling_weigh_backward(SHAPE, const float *x, const float *y, const float *dy, float *dx,
                                                  int n) {
  MAKE_SHAPE
  GC_EACH(i, n) {
    const int plane = i / (s.H * s.W), place = i % (s.H * s.W), h = place / s.W, w = place % s.W;
    const long long base = (long long)plane * s.OH * s.OW;
    const int h1 = end_window(h, s.stride_h, s.pad_h, s.OH), w1 = end_window(w, s.stride_w, s.pad_w, s.OW);
    float total = 0;
    for (int oh = first_window(h, s.stride_h, s.pad_h, s.KH); oh < h1; oh++) {
      const span r = span_of(oh, s.stride_h, s.pad_h, s.KH, s.H);
      for (int ow = first_window(w, s.stride_w, s.pad_w, s.KW); ow < w1; ow++) {
        const span c = span_of(ow, s.stride_w, s.pad_w, s.KW, s.W);
        float sum, squares;
        window_sums(x + (long long)plane * s.H * s.W, s.W, r, c, &sum, &squares);
        const long long at = base + oh * s.OW + ow;
        if (sum > 0) total += dy[at] * (2.f * x[i] - y[at]) / sum;
      }
    }
    dx[i] = total;
  }
}
