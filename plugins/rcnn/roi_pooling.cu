// ROIPooling. A span is x1, y1, x2 and y2 of a ROI in pixels of the map. image is
// negative where it was out of range. h and w are the sizes of the map, ph and pw those of the top.
#include "roi.h"

extern "C" __global__ void roi_pooling_spans(const float *roi, float scale, float pad, int *span, int n) {
  GC_EACH(i, n) {
    const float *p = roi + i / 4 * 5 + 1 + i % 2;
    const float edge = pad == 0 ? 0 : (p[2] - p[0] + 1) * pad, v = roi_round((i % 4 < 2 ? p[0] - edge : p[2] + edge) * scale);
    span[i] = !(v > -1e9f) ? -1000000000 : v > 1e9f ? 1000000000 : (int)v;
  }
}

struct roi_bin {
  int first, end;
};

GC_INLINE roi_bin roi_bin_of(int k, int n, int from, int to, int size) {
  const int extent = to - from + 1 > 1 ? to - from + 1 : 1;
  const float width = (float)extent / (float)n;
  int first = (int)floorf((float)k * width) + from, end = (int)ceilf((float)(k + 1) * width) + from;
  first = first < 0 ? 0 : first;
  end = end < 0 ? 0 : end;
  return roi_bin{first < size ? first : size, end < size ? end : size};
}

// source is the place of the maximum in its plane, or -1
extern "C" __global__ void roi_pooling_forward(const float *x, const int *image, const int *span, float *y, int *source,
                                               int c, int h, int w, int ph, int pw, int n) {
  GC_EACH(i, n) {
    const int r = i / pw / ph / c;
    const int *s = span + 4 * r;
    const roi_bin row = roi_bin_of(i / pw % ph, ph, s[1], s[3], h), column = roi_bin_of(i % pw, pw, s[0], s[2], w);
    float most = -3.40282347e38f;
    int at = -1;
    if (image[r] < 0 || row.first >= row.end || column.first >= column.end) {
      most = 0;
    } else {
      const float *plane = x + (long long)(image[r] * c + i / pw / ph % c) * h * w;
      for (int v = row.first; v < row.end; v++)
        for (int u = column.first; u < column.end; u++)
          if (plane[v * w + u] > most) {
            most = plane[v * w + u];
            at = v * w + u;
          }
    }
    y[i] = most;
    const bool inside = at >= 0 && at / w >= s[1] && at / w <= s[3] && at % w >= s[0] && at % w <= s[2];
    source[i] = inside ? at : -1;
  }
}

// One thread for each element of x, which adds in the order of the ROIs.
extern "C" __global__ void roi_pooling_backward(const float *dy, const int *image, const int *span, const int *source,
                                                float *dx, int c, int h, int w, int ph, int pw, int rois, int n) {
  GC_EACH(i, n) {
    const int at = i % (h * w), u = at % w, v = at / w, channel = i / (h * w) % c, item = i / (h * w) / c;
    float sum = 0;
    for (int r = 0; r < rois; r++) {
      const int *s = span + 4 * r;
      if (image[r] != item || u < s[0] || u > s[2] || v < s[1] || v > s[3]) continue;
      const long long first = (long long)(r * c + channel) * ph * pw;
      for (int k = 0; k < ph; k++) {
        const roi_bin row = roi_bin_of(k, ph, s[1], s[3], h);
        if (v < row.first || v >= row.end) continue;
        for (int j = 0; j < pw; j++)
          if (source[first + k * pw + j] == at) sum += dy[first + k * pw + j];
      }
    }
    dx[i] = sum;
  }
}
