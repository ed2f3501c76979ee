// What Indices.Read does, one thread for each element that is read, stride apart. info
// is the number of elements that count, nothing, and 8 bytes about the first element
// out of range: its number, counted down from 0x7fffffff so that an integer maximum
// finds the first, and its bits. They stay until the host has read them.
#include "gpu.h"

extern "C" __global__ void indices_begin(int *info) {
  if (threadIdx.x == 0 && blockIdx.x == 0) info[0] = 0;
}

extern "C" __global__ void indices_read(const float *x, int *index, int *info, int has_ignore, int ignore,
                                       int limit, int stride, int n) {
  GC_EACH(i, n) {
    const float v = x[i * stride];
    const bool whole = v >= -2147483648.f && v < 2147483648.f;
    const int c = whole ? (int)v : -1;
    if (whole && has_ignore && c == ignore) {
      index[i] = -1;
    } else if (c < 0 || c >= limit) {
      index[i] = -1;
      gc_atomic_max((unsigned long long *)(info + 2),
                    (unsigned long long)(0x7fffffffu - i * stride) << 32 | (unsigned)__float_as_int(v));
    } else {
      index[i] = c;
      atomicAdd(info, 1);
    }
  }
}
