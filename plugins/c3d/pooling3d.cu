// Pooling3D. Sizes are those of a volume: length, height, width. kl, ks are the kernel's
// length and its height and width, sl, ss the strides, pad that of height and width.
#include "gpu.h"

struct window {
  int from, to, size;
};

// The part of window i that is in a clip of the given size, and its size with padding.
GC_INLINE window span(int i, int kernel, int stride, int pad, int size) {
  window w;
  w.from = i * stride - pad;
  w.to = w.from + kernel < size + pad ? w.from + kernel : size + pad;
  w.size = w.to - w.from;
  if (w.from < 0) w.from = 0;
  if (w.to > size) w.to = size;
  return w;
}

// One thread for each element of the top. mask gets the place of the maximum.
extern "C" __global__ void pooling3d_forward(const float *x, float *y, int *mask, int ave, int il, int ih, int iw,
                                             int ol, int oh, int ow, int kl, int ks, int sl, int ss, int pad, int n) {
  GC_EACH(i, n) {
    const int plane = i / ow / oh / ol;
    const window t = span(i / ow / oh % ol, kl, sl, 0, il), h = span(i / ow % oh, ks, ss, pad, ih),
                 w = span(i % ow, ks, ss, pad, iw);
    const float *in = x + (long long)plane * il * ih * iw;
    int place = (t.from * ih + h.from) * iw + w.from;
    float sum = 0, best = in[place];
    for (int a = t.from; a < t.to; a++)
      for (int b = h.from; b < h.to; b++)
        for (int c = w.from; c < w.to; c++) {
          const int k = (a * ih + b) * iw + c;
          const float v = in[k];
          sum += v;
          if (v > best) {
            best = v;
            place = k;
          }
        }
    y[i] = ave ? sum / (float)(t.size * h.size * w.size) : best;
    mask[i] = place;
  }
}

// The windows in which a place of the clip is: from the first to the last but one.
GC_INLINE window windows(int place, int kernel, int stride, int pad, int count) {
  window w;
  w.from = place + pad < kernel ? 0 : (place + pad - kernel) / stride + 1;
  w.to = (place + pad) / stride + 1 < count ? (place + pad) / stride + 1 : count;
  w.size = 0;
  return w;
}

// One thread for each element of the bottom, which adds up what its windows have.
extern "C" __global__ void pooling3d_backward(const float *dy, float *dx, const int *mask, int ave, int il, int ih,
                                              int iw, int ol, int oh, int ow, int kl, int ks, int sl, int ss, int pad,
                                              int n) {
  GC_EACH(i, n) {
    const int volume = il * ih * iw, place = i % volume;
    const long long out = (long long)(i / volume) * ol * oh * ow;
    const window t = windows(place / iw / ih, kl, sl, 0, ol), h = windows(place / iw % ih, ks, ss, pad, oh),
                 w = windows(place % iw, ks, ss, pad, ow);
    float sum = 0;
    for (int a = t.from; a < t.to; a++)
      for (int b = h.from; b < h.to; b++)
        for (int c = w.from; c < w.to; c++) {
          const long long k = out + (a * oh + b) * ow + c;
          if (ave) {
            const int size = span(a, kl, sl, 0, il).size * span(b, ks, ss, pad, ih).size * span(c, ks, ss, pad, iw).size;
            sum += dy[k] / (float)size;
          } else if (mask[k] == place) {
            sum += dy[k];
          }
        }
    dx[i] = sum;
  }
}
