// Interp, one thread for each element of the result.
#include "gpu.h"

// Where element i of an axis of the top lies among the in elements of the bottom.
struct Sample {
  int at, next;
  float weight; // of next
};

GC_INLINE Sample sample(int i, float step, int in) {
  Sample s;
  const float at = step * i;
  s.at = (int)at < in - 1 ? (int)at : in - 1;
  s.next = s.at + 1 < in - 1 ? s.at + 1 : in - 1;
  s.weight = at - s.at;
  return s;
}

extern "C" __global__ void interp_forward(const float *x, float *y, int height, int width, int offset, int h, int w,
                                          int out_h, int out_w, float step_h, float step_w, int n) {
  GC_EACH(i, n) {
    const Sample r = sample(i / out_w % out_h, step_h, h), c = sample(i % out_w, step_w, w);
    const float *plane = x + (long long)(i / out_w / out_h) * height * width + offset;
    const float *upper = plane + r.at * width, *lower = plane + r.next * width;
    y[i] = (1 - r.weight) * ((1 - c.weight) * upper[c.at] + c.weight * upper[c.next]) +
           r.weight * ((1 - c.weight) * lower[c.at] + c.weight * lower[c.next]);
  }
}

// The first element of the top that may have a part in element k of the bottom, and the
// number of those up to the last.
GC_INLINE int first(int k, float step, int out) {
  if (step <= 0) return 0;
  const int i = (int)((k - 1) / step) - 1;
  return i < 0 ? 0 : i;
}
GC_INLINE int last(int k, float step, int out) {
  if (step <= 0) return out - 1;
  const float i = (k + 1) / step + 1;
  return i < out - 1 ? (int)i : out - 1;
}

// The weight of element k of the bottom in a sample.
GC_INLINE float part(const Sample &s, int k) {
  return (s.at == k ? 1 - s.weight : 0.f) + (s.next == k ? s.weight : 0.f);
}

extern "C" __global__ void interp_backward(float *dx, const float *dy, int height, int width, int pad, int h, int w,
                                           int out_h, int out_w, float step_h, float step_w, int n) {
  GC_EACH(i, n) {
    const int row = i / width % height - pad, column = i % width - pad;
    const float *plane = dy + (long long)(i / width / height) * out_h * out_w;
    float sum = 0;
    if (row >= 0 && row < h && column >= 0 && column < w) {
      for (int r = first(row, step_h, out_h), end = last(row, step_h, out_h); r <= end; r++) {
        const float weight = part(sample(r, step_h, h), row);
        if (weight == 0) continue;
        for (int c = first(column, step_w, out_w), stop = last(column, step_w, out_w); c <= stop; c++)
          sum += weight * part(sample(c, step_w, w), column) * plane[r * out_w + c];
      }
    }
    dx[i] = sum;
  }
}
