// ArgMax with top_k 1, one thread for each search: search i goes through count elements,
// inner apart. It finds the last of equal elements, and NaN is smaller than any number.
#include "gpu.h"

// index and value may be null; their elements are step apart
extern "C" __global__ void argmax_forward(const float *x, float *index, float *value, int step, int count, int inner,
                                          int n) {
  GC_EACH(i, n) {
    const float *p = x + (long long)(i / inner) * count * inner + i % inner;
    float most = p[0];
    int at = 0;
    for (int k = 1; k < count; k++) {
      const float v = p[(long long)k * inner];
      if (v >= most || most != most) {
        most = v;
        at = k;
      }
    }
    if (index) index[(long long)i * step] = (float)at;
    if (value) value[(long long)i * step] = most;
  }
}
