// PSROIPooling. bins are x, y, width and height of the first bin of each ROI. image is
// negative where it was out of range. h and w are the sizes of the map, c its channels.
#include "roi.h"

extern "C" __global__ void psroi_pooling_bins(const float *roi, float scale, float group, float *bins, int n) {
  GC_EACH(i, n) {
    const float *p = roi + 5 * i;
    for (int k = 0; k < 2; k++) {
      const float start = roi_round(p[1 + k]) * scale, size = (roi_round(p[3 + k]) + 1) * scale - start;
      bins[4 * i + k] = start;
      bins[4 * i + 2 + k] = (size > 0.1f ? size : 0.1f) / group;
    }
  }
}

struct psroi_bin {
  int first, end;
};

GC_INLINE psroi_bin psroi_bin_of(int k, float start, float width, int size) {
  return psroi_bin{roi_clip(floorf((float)k * width + start), size),
                   roi_clip(ceilf((float)(k + 1) * width + start), size)};
}

extern "C" __global__ void psroi_pooling_forward(const float *x, const int *image, const float *bins, float *y, int c,
                                                 int h, int w, int group, int n) {
  GC_EACH(i, n) {
    const int r = i / c, channel = i % c; // y has as many elements for a ROI as x has channels
    const psroi_bin row = psroi_bin_of(channel / group % group, bins[4 * r + 1], bins[4 * r + 3], h);
    const psroi_bin column = psroi_bin_of(channel % group, bins[4 * r], bins[4 * r + 2], w);
    float mean = 0;
    if (image[r] >= 0 && row.first < row.end && column.first < column.end) {
      const float *plane = x + (long long)(image[r] * c + channel) * h * w;
      for (int v = row.first; v < row.end; v++)
        for (int u = column.first; u < column.end; u++) mean += plane[v * w + u];
      mean /= (float)((row.end - row.first) * (column.end - column.first));
    }
    y[i] = mean;
  }
}

// One thread for each element of x, which adds in the order of the ROIs.
extern "C" __global__ void psroi_pooling_backward(const float *dy, const int *image, const float *bins, float *dx,
                                                  int c, int h, int w, int group, int rois, int n) {
  GC_EACH(i, n) {
    const int u = i % w, v = i / w % h, channel = i / (h * w) % c, item = i / (h * w) / c;
    float sum = 0;
    for (int r = 0; r < rois; r++) {
      if (image[r] != item) continue;
      const psroi_bin row = psroi_bin_of(channel / group % group, bins[4 * r + 1], bins[4 * r + 3], h);
      const psroi_bin column = psroi_bin_of(channel % group, bins[4 * r], bins[4 * r + 2], w);
      if (v < row.first || v >= row.end || u < column.first || u >= column.end) continue;
      sum += dy[(long long)r * c + channel] / (float)((row.end - row.first) * (column.end - column.first));
    }
    dx[i] = sum;
  }
}
