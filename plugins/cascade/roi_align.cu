// ROIAlign. points are the rows, then the columns of the grid of each ROI: the pixels
// before and after the point, -1 if it is outside of the map, and how far it is from the
// first. image is negative where it was out of range. h and w are the sizes of the map,
// gh and gw those of the top. Products and sums are rounded one by one, as on the host.
#include "gpu.h"
#if defined(__clang__)
#pragma clang fp contract(off)
#endif

extern "C" __global__ void roi_align_points(const float *roi, float scale, float pad, float *points, int h, int w,
                                            int gh, int gw, int n) {
  GC_EACH(i, n) {
    const int at = i % (gh + gw), r = i / (gh + gw), horizontal = at >= gh;
    float from[2], to[2];
    for (int k = 0; k < 2; k++) {
      const float *p = roi + 5 * r + 1 + k;
      const float edge = pad == 0 ? 0 : (p[2] - p[0] + 1) * pad;
      from[k] = (p[0] - edge) * scale - 0.5f;
      to[k] = (p[2] + edge) * scale - 0.5f;
    }
    const int k = horizontal ? 0 : 1, step = horizontal ? at - gh : at, bins = (horizontal ? gw : gh) - 1;
    const int last = (horizontal ? w : h) - 1;
    const float v = from[k] + (float)step * ((to[k] - from[k]) / (float)bins);
    float *point = points + 3 * i;
    if (!(to[0] - from[0] > 0 && to[1] - from[1] > 0 && last >= 0 && v >= -0.5f && v - (float)last <= 0.5f)) {
      point[0] = point[1] = -1;
      point[2] = 0;
      continue;
    }
    const float below = floorf(v), first = below > 0 ? below : 0, inside = v > 0 ? v : 0;
    point[0] = first;
    point[1] = below + 1 < (float)last ? below + 1 : (float)last;
    point[2] = (inside < (float)last ? inside : (float)last) - first;
  }
}

extern "C" __global__ void roi_align_forward(const float *x, const int *image, const float *points, float *y, int c,
                                             int h, int w, int gh, int gw, int n) {
  GC_EACH(i, n) {
    const int r = i / gw / gh / c;
    const float *row = points + 3 * (r * (gh + gw) + i / gw % gh), *column = points + 3 * (r * (gh + gw) + gh + i % gw);
    if (image[r] < 0 || row[0] < 0 || column[0] < 0) {
      y[i] = 0;
      continue;
    }
    const float *plane = x + (long long)(image[r] * c + i / gw / gh % c) * h * w;
    const float *above = plane + (int)row[0] * w, *below = plane + (int)row[1] * w;
    const int left = (int)column[0], right = (int)column[1];
    const float v = 1 - row[2], u = 1 - column[2];
    y[i] = u * v * above[left] + column[2] * v * above[right] + u * row[2] * below[left] +
           column[2] * row[2] * below[right];
  }
}

// One thread for each element of x, which adds in the order of the ROIs and their points.
extern "C" __global__ void roi_align_backward(const float *dy, const int *image, const float *points, float *dx, int c,
                                              int h, int w, int gh, int gw, int rois, int n) {
  GC_EACH(i, n) {
    const int channel = i / (h * w) % c, item = i / (h * w) / c;
    const float u = (float)(i % w), v = (float)(i / w % h);
    float sum = 0;
    for (int r = 0; r < rois; r++) {
      if (image[r] != item) continue;
      const float *rows = points + 3 * r * (gh + gw), *columns = rows + 3 * gh;
      const float *d = dy + (long long)(r * c + channel) * gh * gw;
      for (int k = 0; k < gh; k++) {
        const float *row = rows + 3 * k;
        if (row[0] != v && row[1] != v) continue;
        for (int j = 0; j < gw; j++) {
          const float *column = columns + 3 * j;
          if (row[0] < 0 || column[0] < 0) continue;
          const float g = d[k * gw + j], below = 1 - row[2], before = 1 - column[2];
          if (row[0] == v && column[0] == u) sum += before * below * g;
          if (row[0] == v && column[1] == u) sum += column[2] * below * g;
          if (row[1] == v && column[0] == u) sum += before * row[2] * g;
          if (row[1] == v && column[1] == u) sum += column[2] * row[2] * g;
        }
      }
    }
    dx[i] = sum;
  }
}
