// math.cu: the arithmetic of cuda/math.go, cuda/rows.go and cuda/channel.go, on n numbers,
// on rows, or on arrays of outer x channels x inner numbers.
#include "gpu.h"

extern "C" __global__ void math_axpby(float a, const float *x, float b, float *y, int n) {
  GC_EACH(i, n) y[i] = b == 0 ? a * x[i] : a * x[i] + b * y[i]; // b = 0: y may be NaN
}

extern "C" __global__ void math_add(const float *a, const float *b, float *y, int n) {
  GC_EACH(i, n) y[i] = a[i] + b[i];
}

extern "C" __global__ void math_mul(const float *a, const float *b, float *y, int n) {
  GC_EACH(i, n) y[i] = a[i] * b[i];
}

// y[r dst + i] = x[r src + i] for i < width. Division by width is by (mul, shift).
extern "C" __global__ void math_copy_rows(const float *x, int src, float *y, int dst, int width, int n, unsigned mul,
                                          unsigned shift) {
  GC_EACH(i, n) {
    const unsigned r = gc_divide(i, mul, shift), c = i - r * width;
    y[(unsigned long long)r * dst + c] = x[(unsigned long long)r * src + c];
  }
}

// y = x / sqrt(sum of x^2 + eps) of a row, for which there is a block; 0 where float cannot
// hold the inverse of the root
extern "C" __global__ void math_normalize_rows(const float *x, double eps, float *y, int width) {
  __shared__ double part[GC_SUM_SIZE];
  x += (long long)blockIdx.x * width;
  y += (long long)blockIdx.x * width;
  double square = 0;
  for (int j = threadIdx.x; j < width; j += GC_BLOCK) square += (double)x[j] * x[j];
  square = gc_block_sum(square, part) + eps;
  const float scale = square >= 0x1p-252 ? (float)(1 / sqrt(square)) : 0.f;
  for (int j = threadIdx.x; j < width; j += GC_BLOCK) y[j] = x[j] * scale;
}

// y = x scale[channel] + shift[channel]; scale or shift may be null
extern "C" __global__ void math_scale_shift(const float *x, const float *scale, const float *shift, float *y,
                                            int channels, int n, unsigned mul_inner, unsigned shift_inner,
                                            unsigned mul_channels, unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned c = gc_channel(i, channels, mul_inner, shift_inner, mul_channels, shift_channels);
    float v = x[i];
    if (scale) v *= scale[c];
    if (shift) v += shift[c];
    y[i] = v;
  }
}

// The sums over outer and inner of a, and of a b, in two steps: first each part of
// per rows (of outer x inner) by a block, then the parts in their order.
// parts is (parts, channels, 2). b may be null.
extern "C" __global__ void math_channel_parts(const float *a, const float *b, double *parts, int channels, int inner,
                                              int rows, int per, unsigned mul_inner, unsigned shift_inner) {
  __shared__ double part[GC_SUM_SIZE], part2[GC_SUM_SIZE];
  const int c = blockIdx.x, first = blockIdx.y * per, last = first + per < rows ? first + per : rows;
  double s = 0, s2 = 0;
  for (int r = first + threadIdx.x; r < last; r += GC_BLOCK) {
    const unsigned o = gc_divide(r, mul_inner, shift_inner);
    const long long at = ((long long)o * channels + c) * inner + (r - o * inner);
    const float v = a[at];
    s += v;
    if (b) s2 += (double)v * b[at];
  }
  s = gc_block_sum(s, part);
  if (b) s2 = gc_block_sum(s2, part2);
  if (threadIdx.x == 0) {
    double *p = parts + 2 * ((long long)blockIdx.y * channels + c);
    p[0] = s;
    p[1] = s2;
  }
}

// The same for a small inner: a thread for each channel and part, so that
// neighbours read neighbours.
extern "C" __global__ void math_column_parts(const float *a, const float *b, double *parts, int channels, int inner,
                                             int outer, int per) {
  const int c = blockIdx.x * GC_BLOCK + threadIdx.x, first = blockIdx.y * per;
  if (c >= channels) return;
  const int last = first + per < outer ? first + per : outer;
  double s = 0, s2 = 0;
  for (int o = first; o < last; o++)
    for (int i = 0; i < inner; i++) {
      const long long at = ((long long)o * channels + c) * inner + i;
      const float v = a[at];
      s += v;
      if (b) s2 += (double)v * b[at];
    }
  double *p = parts + 2 * ((long long)blockIdx.y * channels + c);
  p[0] = s;
  p[1] = s2;
}

// sums is (channels, 2)
extern "C" __global__ void math_channel_total(const double *parts, double *sums, int channels, int count) {
  GC_EACH(c, channels) {
    double s = 0, s2 = 0;
    for (int i = 0; i < count; i++) {
      s += parts[2 * ((long long)i * channels + c)];
      s2 += parts[2 * ((long long)i * channels + c) + 1];
    }
    sums[2 * c] = s;
    sums[2 * c + 1] = s2;
  }
}

// y = beta y + sums[c][which]
extern "C" __global__ void math_channel_add(const double *sums, int which, float beta, float *y, int channels) {
  GC_EACH(c, channels) y[c] = (float)sums[2 * c + which] + (beta == 0 ? 0.f : beta * y[c]);
}

// The mean and the variance of a channel of m elements, from the sums of x and of its
// squares.
extern "C" __global__ void math_channel_stats(const double *sums, double m, float *mean, float *variance,
                                              int channels) {
  GC_EACH(c, channels) {
    const double average = sums[2 * c] / m, v = sums[2 * c + 1] / m - average * average;
    mean[c] = (float)average;
    variance[c] = v < 0 ? 0.f : (float)v;
  }
}

// y = (x - mean) invstd factor + shift of the channel; factor or shift may be null
extern "C" __global__ void math_channel_normalize(const float *x, const float *mean, const float *invstd,
                                                  const float *factor, const float *shift, float *y, int channels,
                                                  int n, unsigned mul_inner, unsigned shift_inner,
                                                  unsigned mul_channels, unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned c = gc_channel(i, channels, mul_inner, shift_inner, mul_channels, shift_channels);
    float v = (x[i] - mean[c]) * invstd[c];
    if (factor) v *= factor[c];
    if (shift) v += shift[c];
    y[i] = v;
  }
}

// means is (channels, 2), mean(dy) and mean(dy xnorm) of m elements with xnorm = (x -
// mean) invstd, from the sums of dy and of dy x. The sums of dy xnorm and of dy are
// added to dfactor and dshift, if these are not null.
extern "C" __global__ void math_channel_normalize_sums(const double *sums, const float *mean, const float *invstd,
                                                       double m, float *means, float *dfactor, float *dshift,
                                                       int channels) {
  GC_EACH(c, channels) {
    const double dot = (sums[2 * c + 1] - mean[c] * sums[2 * c]) * invstd[c];
    means[2 * c] = (float)(sums[2 * c] / m);
    means[2 * c + 1] = (float)(dot / m);
    if (dfactor) dfactor[c] += (float)dot;
    if (dshift) dshift[c] += (float)sums[2 * c];
  }
}

// dx = (dy - mean(dy) - xnorm mean(dy xnorm)) invstd factor; factor may be null
extern "C" __global__ void math_channel_normalize_backward(const float *x, const float *mean, const float *invstd,
                                                           const float *factor, const float *means, const float *dy,
                                                           float *dx, int channels, int n, unsigned mul_inner,
                                                           unsigned shift_inner, unsigned mul_channels,
                                                           unsigned shift_channels) {
  GC_EACH(i, n) {
    const unsigned c = gc_channel(i, channels, mul_inner, shift_inner, mul_channels, shift_channels);
    const float g = dy[i] - means[2 * c] - (x[i] - mean[c]) * invstd[c] * means[2 * c + 1];
    dx[i] = g * (factor ? invstd[c] * factor[c] : invstd[c]);
  }
}

// mask[i] = 0 with the given probability, else value: word i of the stream under
// the key, as DropoutMask of internal/kernel.
extern "C" __global__ void math_dropout_mask(float *mask, unsigned long long key, const unsigned long long *stream,
                                             unsigned limit, float value, int n) {
  GC_EACH(block, (n + 3) / 4) {
    unsigned w[4];
    gc_philox(key, *stream, block, w);
    for (int j = 0; j < 4; j++)
      if (4 * block + j < (unsigned)n) mask[4 * block + j] = w[j] < limit ? 0.f : value;
  }
}

extern "C" __global__ void math_set_long(unsigned long long *p, unsigned long long v) {
  if (blockIdx.x == 0 && threadIdx.x == 0) *p = v;
}

// Row i of y is row index[i] of x, or zeros if that is negative. Division by width is
// by (mul, shift).
extern "C" __global__ void math_gather_rows(const float *x, const int *index, float *y, int width, int n, unsigned mul,
                                            unsigned shift) {
  GC_EACH(i, n) {
    const unsigned r = gc_divide(i, mul, shift), c = i - r * width;
    y[i] = index[r] < 0 ? 0.f : x[(long long)index[r] * width + c];
  }
}

// chains has two ints for each row: whether no row before it has the same index, and the
// next row that has, or -1. A thread adds the rows of a chain in their order.
extern "C" __global__ void math_row_chains(const int *index, int *chains, int n) {
  GC_EACH(i, n) {
    const int c = index[i];
    int first = c >= 0, next = -1;
    for (int j = 0; first && j < (int)i; j++)
      if (index[j] == c) first = 0;
    for (int j = (int)i + 1; c >= 0 && j < n; j++)
      if (index[j] == c) {
        next = j;
        break;
      }
    chains[2 * i] = first;
    chains[2 * i + 1] = next;
  }
}

// Row index[i] of y += row i of x.
extern "C" __global__ void math_scatter_rows(const float *x, const int *index, const int *chains, float *y, int width,
                                             int n, unsigned mul, unsigned shift) {
  GC_EACH(i, n) {
    const unsigned first = gc_divide(i, mul, shift), c = i - first * width;
    if (!chains[2 * first]) continue;
    float *to = y + (long long)index[first] * width + c;
    float sum = *to;
    for (int r = first; r >= 0; r = chains[2 * r + 1]) sum += x[(long long)r * width + c];
    *to = sum;
  }
}
