// Im2col. table has six ints for each spatial axis: the sizes of y, of x and of the
// kernel, stride, pad and dilation.
#include "gpu.h"

// One thread per element of y: one for each position in a plane and each of the taps
// positions in the kernel.
extern "C" __global__ void im2col_forward(const float *x, float *y, const int *table, int axes, int taps, int size,
                                          int out_size, int n) {
  GC_EACH(i, n) {
    int place = i % out_size, tap = i / out_size % taps, at = 0, step = 1;
    const int plane = i / out_size / taps;
    bool inside = true;
    for (int a = axes - 1; a >= 0; a--) {
      const int *t = table + 6 * a;
      const int p = place % t[0] * t[3] - t[4] + tap % t[2] * t[5];
      inside = inside && p >= 0 && p < t[1];
      at += p * step;
      step *= t[1];
      place /= t[0];
      tap /= t[2];
    }
    y[i] = inside ? x[(long long)plane * size + at] : 0.f;
  }
}

// One thread per element of x, which sums all elements of y that are copies of it.
extern "C" __global__ void im2col_backward(const float *dy, float *dx, const int *table, int axes, int taps, int size,
                                           int out_size, int n) {
  GC_EACH(i, n) {
    const int plane = i / size;
    float sum = 0;
    for (int k = 0; k < taps; k++) {
      int place = i % size, tap = k, at = 0, step = 1;
      bool seen = true;
      for (int a = axes - 1; a >= 0; a--) {
        const int *t = table + 6 * a;
        const int p = place % t[1] + t[4] - tap % t[2] * t[5];
        seen = seen && p >= 0 && p % t[3] == 0 && p / t[3] < t[0];
        at += p / t[3] * step;
        step *= t[0];
        place /= t[1];
        tap /= t[2];
      }
      if (seen) sum += dy[((long long)plane * taps + k) * out_size + at];
    }
    dx[i] = sum;
  }
}
