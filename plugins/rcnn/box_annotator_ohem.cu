// BoxAnnotatorOHEM, one thread for each ROI: it is chosen if fewer than limit ROIs of its
// image come before it.
#include "gpu.h"

// An unsigned number that is smaller for larger losses: the order of boxes.Ranking in Go.
GC_INLINE unsigned ohem_key(float loss) {
  const unsigned bits = (unsigned)__float_as_int(loss + 0.f);
  return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

extern "C" __global__ void box_annotator_ohem(const int *image, const float *loss, const float *label,
                                              const float *weight, int limit, float ignored, int k, float *new_label,
                                              float *new_weight, int n) {
  GC_EACH(i, n) {
    const unsigned key = ohem_key(loss[i]);
    int before = 0;
    for (unsigned j = 0; j < (unsigned)n && before < limit; j++) {
      const unsigned other = ohem_key(loss[j]);
      if (image[j] == image[i] && (other < key || (other == key && j < i))) before++;
    }
    const bool chosen = before < limit;
    new_label[i] = chosen ? label[i] : ignored;
    for (long long m = (long long)i * k, end = m + k; m < end; m++) new_weight[m] = chosen ? weight[m] : 0.f;
  }
}
