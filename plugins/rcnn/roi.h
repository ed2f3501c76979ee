// Coordinates of regions of interest, as the host computes them. Products and sums are
// rounded one by one, so a coordinate on an edge is on the same side everywhere.
#include "gpu.h"
#if defined(__clang__)
#pragma clang fp contract(off)
#endif

// the nearest whole number, of two the one further from 0
GC_INLINE float roi_round(float v) {
  const float a = fabsf(v), whole = floorf(a), r = a - whole >= 0.5f ? whole + 1.f : whole;
  return v < 0 ? -r : r;
}

// v as a number from 0 to limit; NaN is 0
GC_INLINE int roi_clip(float v, int limit) { return !(v > 0) ? 0 : v > (float)limit ? limit : (int)v; }
