// loss.h: what the kernels of losses share.
#pragma once
#include "gpu.h"

// normalizer is the one given or, if that is 0, the number of labels that count
// (LossNorm.DeviceNormalizer in Go).
GC_INLINE float normalizer(float given, const int *valid) {
  return given > 0 ? given : *valid > 1 ? (float)*valid : 1.f;
}
