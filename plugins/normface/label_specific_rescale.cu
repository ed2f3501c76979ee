// LabelSpecificRescale. The scores of an item are contiguous.
#include "gpu.h"

// y may be x. slope is the derivative of the score of each item's class.
extern "C" __global__ void label_specific_rescale_forward(const float *x, const int *cls, float *y, float *slope, float w,
                                                          float negative, int for_ip, int raise, int bias_fix, int classes,
                                                          int n) {
  GC_EACH(i, n) {
    const int item = i / classes;
    const float v = x[i];
    if ((int)(i % classes) != cls[item]) {
      y[i] = v * negative;
      continue;
    }
    float score = w * v, s = w;
    if (w == 1 || (for_ip && !(v > 0))) {
      score = v;
      s = 1;
    } else if (raise) {
      const float size = fabsf(v);
      score = (v > 0 ? 1.f : v < 0 ? -1.f : 0.f) * powf(size, w);
      s = w * powf(size, w - 1);
    } else if (bias_fix) {
      score += 1 - w;
    }
    y[i] = score;
    slope[item] = s;
  }
}

extern "C" __global__ void label_specific_rescale_backward(const float *dy, const int *cls, const float *slope, float *dx,
                                                           float negative, int classes, int n) {
  GC_EACH(i, n) {
    const int item = i / classes;
    dx[i] = dy[i] * ((int)(i % classes) == cls[item] ? slope[item] : negative);
  }
}
