// LabelSpecificAdd adds bias to the true class's score if it is above -bias. The
// scores of an item are contiguous.
#include "gpu.h"

extern "C" __global__ void label_specific_add_forward(const int *cls, float *y, float bias, int classes, int items) {
  GC_EACH(i, items) {
    float *score = y + (long long)i * classes + cls[i];
    if (cls[i] >= 0 && *score > -bias) *score += bias;
  }
}
