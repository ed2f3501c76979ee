// gempooling.cu: generalized mean pooling on a GPU, one thread for each element
// that is written. Windows lie inside the image. `make ptx` or the go:generate line
// in gempooling_device.go compiles this file.
#include "gpu.h"

#define SHAPE int H, int W, int OH, int OW, int KH, int KW, int stride

// Unlike fmaxf it keeps NaN.
GC_INLINE float at_least(float x, float least) { return x < least ? least : x; }

// The first element of the window of output i.
GC_INLINE long long first_of(int i, SHAPE) {
  const int plane = i / (OH * OW), place = i % (OH * OW);
  return ((long long)plane * H + place / OW * stride) * W + place % OW * stride;
}

// y and m are those of the layer's description, of n elements.
extern "C" __global__ void gempooling_forward(SHAPE, const float *x, const float *p, float eps, float *m, float *y,
                                              int n) {
  GC_EACH(i, n) {
    const float *from = x + first_of(i, H, W, OH, OW, KH, KW, stride);
    float sum = 0;
    for (int h = 0; h < KH; h++)
      for (int w = 0; w < KW; w++) sum += expf(*p * logf(at_least(from[h * W + w], eps)));
    const float mean = at_least(sum / (KH * KW), 1.17549435e-38f);
    m[i] = mean;
    y[i] = expf(logf(mean) / *p);
  }
}

// slope is dy/dp of each of the n outputs.
extern "C" __global__ void gempooling_exponent(SHAPE, const float *x, const float *p, float eps, const float *m,
                                               const float *y, float *slope, int n) {
  GC_EACH(i, n) {
    const float *from = x + first_of(i, H, W, OH, OW, KH, KW, stride);
    float sum = 0;
    for (int h = 0; h < KH; h++)
      for (int w = 0; w < KW; w++) {
        const float log_c = logf(at_least(from[h * W + w], eps));
        sum += expf(*p * log_c) * log_c;
      }
    slope[i] = y[i] * (sum / (KH * KW) / (*p * m[i]) - logf(m[i]) / (*p * *p));
  }
}

// dx has n elements.
extern "C" __global__ void gempooling_backward(SHAPE, const float *x, const float *p, float eps, const float *m,
                                               const float *y, const float *dy, float *dx, int n) {
  GC_EACH(i, n) {
    const int plane = i / (H * W), place = i % (H * W), h = place / W, w = place % W;
    const long long base = (long long)plane * OH * OW;
    float sum = 0;
    // the windows that cover the element
    for (int oh = h < KH ? 0 : (h - KH) / stride + 1; oh < OH && oh * stride <= h; oh++)
      for (int ow = w < KW ? 0 : (w - KW) / stride + 1; ow < OW && ow * stride <= w; ow++) {
        const long long at = base + oh * OW + ow;
        sum += dy[at] * y[at] / m[at];
      }
    dx[i] = x[i] <= eps ? 0.f : sum / (KH * KW) * expf((*p - 1.f) * logf(x[i]));
  }
}
