// conv.h: the kernels of convolution with two spatial axes as a product of matrices
// whose columns are read directly from the images: implicit GEMM, without a column
// buffer. C and O are the channels and outputs of a group. PRODUCT is the loop.
#pragma once
#include "product.h"

namespace {
// shape is the geometry, the same for all kernels of this file.
struct shape {
  int C, H, W, O, OH, OW, stride_h, stride_w, pad_h, pad_w;
  int all_C, all_O;    // channels and outputs of all groups
  int images;
  unsigned mul, shift;   // to divide by OH OW, or by H W in conv_data
  unsigned mul2, shift2; // to divide by OW, or by W
};

// A tap describes a channel and a position in the kernel: its offset from the first
// element that the kernel covers, or for dW its index in W.
struct tap {
  int at, y, x, w;
};
GC_INLINE tap tap_of(const int *taps, int k, int n) {
  if (k >= n) return tap{0, 1 << 28, 1 << 28, -1}; // beyond any image
  return tap{taps[4 * k], taps[4 * k + 1], taps[4 * k + 2], taps[4 * k + 3]};
}

// weights is W (O, taps), contiguous along the taps.
struct weights {
  const float *w;
  int O, taps;
  static const bool along_k = true;
  struct Row {
    const float *p;
  };
  struct Term {
    int k;
  };
  GC_MEMBER Row row(int o) const { return Row{o < O ? w + (long long)o * taps : nullptr}; }
  GC_MEMBER Term term(int k) const { return Term{k < taps ? k : -1}; }
  GC_MEMBER float load(const Row &r, const Term &t) const { return r.p && t.k >= 0 ? r.p[t.k] : 0.f; }
};

// window is the elements that the kernel covers at output position j = (image, y, x), by
// taps.
struct window {
  shape s;
  const float *x; // of the group
  const int *taps;
  int count;
  static const bool along_k = false;
  struct Row {
    const float *p; // of the first element covered, which may be outside the image
    int y, x;
  };
  typedef tap Term;
  GC_MEMBER Row row(int j) const {
    const unsigned image = gc_divide(j, s.mul, s.shift), place = j - image * (unsigned)(s.OH * s.OW);
    if ((int)image >= s.images) return Row{x, 1 << 29, 1 << 29};
    const unsigned oy = gc_divide(place, s.mul2, s.shift2), ox = place - oy * s.OW;
    const int y0 = (int)oy * s.stride_h - s.pad_h, x0 = (int)ox * s.stride_w - s.pad_w;
    return Row{x + (long long)image * s.all_C * s.H * s.W + ((long long)y0 * s.W + x0), y0, x0};
  }
  GC_MEMBER Term term(int k) const { return tap_of(taps, k, count); }
  GC_MEMBER float load(const Row &r, const Term &t) const {
    const bool inside = (unsigned)(r.y + t.y) < (unsigned)s.H && (unsigned)(r.x + t.x) < (unsigned)s.W;
    return inside ? r.p[t.at] : 0.f;
  }
};

struct output {
  shape s;
  float *y; // of the group
  const float *bias;
  GC_MEMBER void store(int o, int j, float v) const {
    const unsigned places = s.OH * s.OW, image = gc_divide(j, s.mul, s.shift);
    if (o >= s.O || (int)image >= s.images) return;
    if (bias) v += bias[o];
    y[((long long)image * s.all_O + o) * places + (j - image * places)] = v;
  }
};

// transposed is W as (C, taps), where a tap is an output and a position: its w is the
// index in W of its first channel, and channels are step apart.
struct transposed {
  const float *w;
  int C, step;
  const int *taps;
  int count;
  static const bool along_k = true;
  struct Row {
    const float *p;
  };
  struct Term {
    int w;
  };
  GC_MEMBER Row row(int c) const { return Row{c < C ? w + (long long)c * step : nullptr}; }
  GC_MEMBER Term term(int k) const { return Term{k < count ? taps[4 * k + 3] : -1}; }
  GC_MEMBER float load(const Row &r, const Term &t) const { return r.p && t.w >= 0 ? r.p[t.w] : 0.f; }
};

// touching is the dy of the outputs that depend on element j = (image, y, x) of the
// bottom, by taps.
template <bool STRIDED> struct touching {
  shape s;
  const float *dy; // of the group
  const int *taps;
  int count;
  static const bool along_k = false;
  struct Row {
    const float *p;
    int y, x;
  };
  typedef tap Term;
  GC_MEMBER Row row(int j) const {
    const unsigned image = gc_divide(j, s.mul, s.shift), place = j - image * (unsigned)(s.H * s.W);
    if ((int)image >= s.images) return Row{dy, -(1 << 29), -(1 << 29)};
    const unsigned y = gc_divide(place, s.mul2, s.shift2), x = place - y * s.W;
    return Row{dy + (long long)image * s.all_O * s.OH * s.OW, (int)y + s.pad_h, (int)x + s.pad_w};
  }
  GC_MEMBER Term term(int k) const { return tap_of(taps, k, count); }
  GC_MEMBER float load(const Row &r, const Term &t) const {
    int y = r.y - t.y, x = r.x - t.x;
    if (STRIDED) {
      if (y < 0 || x < 0) return 0.f;
      const int oy = y / s.stride_h, ox = x / s.stride_w;
      if (oy * s.stride_h != y || ox * s.stride_w != x) return 0.f;
      y = oy;
      x = ox;
    }
    const bool inside = (unsigned)y < (unsigned)s.OH && (unsigned)x < (unsigned)s.OW;
    return inside ? r.p[t.at + y * s.OW + x] : 0.f;
  }
};

struct input {
  shape s;
  float *dx; // of the group
  GC_MEMBER void store(int c, int j, float v) const {
    const unsigned places = s.H * s.W, image = gc_divide(j, s.mul, s.shift);
    if (c >= s.C || (int)image >= s.images) return;
    dx[((long long)image * s.all_C + c) * places + (j - image * places)] = v;
  }
};

// For dW the sum is over q = (image, output position).
struct output_terms {
  shape s;
  const float *dy; // of the group
  int end;
  static const bool along_k = true;
  struct Row {
    const float *p;
  };
  struct Term {
    long long at;
  };
  GC_MEMBER Row row(int o) const { return Row{o < s.O ? dy + (long long)o * s.OH * s.OW : nullptr}; }
  GC_MEMBER Term term(int q) const {
    if (q >= end) return Term{-1};
    const unsigned places = s.OH * s.OW, image = gc_divide(q, s.mul, s.shift);
    return Term{(long long)image * s.all_O * places + (q - image * places)};
  }
  GC_MEMBER float load(const Row &r, const Term &t) const { return r.p && t.at >= 0 ? r.p[t.at] : 0.f; }
};

struct window_terms {
  window w;
  int end;
  static const bool along_k = true;
  typedef tap Row;
  typedef window::Row Term;
  GC_MEMBER Row row(int k) const { return w.term(k); }
  GC_MEMBER Term term(int q) const { return w.row(q < end ? q : 0x7fffffff); }
  GC_MEMBER float load(const Row &t, const Term &r) const { return w.load(r, t); }
};

struct gradient {
  float *dw;
  int O, taps;
  bool add;
  GC_MEMBER void store(int o, int k, float v) const {
    if (o >= O || k >= taps) return;
    float *p = dw + (long long)o * taps + k;
    *p = add ? *p + v : v;
  }
};
} // namespace

// The arguments of all kernels: the geometry, and the table of count taps.
#define SHAPE                                                                                                         \
  int C, int H, int W, int O, int OH, int OW, int stride_h, int stride_w, int pad_h, int pad_w, int all_C, int all_O, \
      int images, unsigned mul, unsigned shift, unsigned mul2, unsigned shift2, const int *taps, int count
#define MAKE_SHAPE \
  const shape s{C, H, W, O, OH, OW, stride_h, stride_w, pad_h, pad_w, all_C, all_O, images, mul, shift, mul2, shift2};

// y = W * x + bias; bias may be null
#define FORWARD(NAME, BOUNDS, BM, PRODUCT)                                                                         \
  extern "C" __global__ BOUNDS void NAME(SHAPE, const float *x, const float *w, const float *bias, float *y) {     \
    MAKE_SHAPE                                                                                                     \
    PRODUCT<BM, 128>(weights{w, O, count}, window{s, x, taps, count}, blockIdx.y * BM, blockIdx.x * 128, 0, count, \
                     output{s, y, bias});                                                                          \
  }

// dx from dy; step is the number of positions in the kernel
#define DATA(NAME, BOUNDS, BM, STRIDED, PRODUCT)                                                                  \
  extern "C" __global__ BOUNDS void NAME(SHAPE, const float *dy, const float *w, int step, float *dx) {           \
    MAKE_SHAPE                                                                                                    \
    PRODUCT<BM, 128>(transposed{w, C, step, taps, count}, touching<STRIDED>{s, dy, taps, count}, blockIdx.y * BM, \
                     blockIdx.x * 128, 0, count, input{s, dx});                                                   \
  }

// dW: block z sums the terms from z per to (z+1) per. A single part is added to dw,
// several parts are stored separately
#define WEIGHT(NAME, BM, PRODUCT)                                                                                           \
  extern "C" __global__ GC_BOUNDS void NAME(SHAPE, const float *x, const float *dy, int per, float *dw) {                   \
    MAKE_SHAPE                                                                                                              \
    const int all = images * OH * OW, q0 = blockIdx.z * per, q1 = q0 + per < all ? q0 + per : all;                          \
    PRODUCT<BM, 128>(output_terms{s, dy, q1}, window_terms{window{s, x, taps, count}, q1}, blockIdx.y * BM,                 \
                     blockIdx.x * 128, q0, q1, gradient{dw + (long long)blockIdx.z * O * count, O, count, gridDim.z == 1}); \
  }
