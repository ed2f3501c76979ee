// y = x mask. Each pass computes the mask from the counter, as kernel.DropoutMask does.
#include "gpu.h"

GC_INLINE void apply(const float *x, float *y, unsigned long long key, unsigned long long stream, unsigned limit,
                     float scale, int n) {
  GC_EACH(block, (n + 3) / 4) {
    unsigned w[4];
    gc_philox(key, stream, block, w);
    for (int j = 0; j < 4; j++) {
      const unsigned i = 4 * block + j;
      if (i < (unsigned)n) y[i] = w[j] < limit ? 0.f : x[i] * scale;
    }
  }
}

// kept gets the number of the stream, for the backward pass
extern "C" __global__ void dropout_forward(const float *x, float *y, unsigned long long key,
                                           const unsigned long long *stream, unsigned long long *kept, unsigned limit,
                                           float scale, int n) {
  if (blockIdx.x == 0 && threadIdx.x == 0) *kept = *stream;
  apply(x, y, key, *stream, limit, scale, n);
}

extern "C" __global__ void dropout_backward(const float *dy, float *dx, unsigned long long key,
                                            const unsigned long long *kept, unsigned limit, float scale, int n) {
  apply(dy, dx, key, *kept, limit, scale, n);
}
