// Order of axes. axes has, for each axis of the ordered array, its size and the step
// between two of its elements in the plain one, where base is the first element. Both
// arrays have n elements.
#include "gpu.h"

extern "C" __global__ void axes_move(float *ordered, float *plain, const int *axes, int count, int base, int back, int n) {
  GC_EACH(i, n) {
    unsigned rest = i;
    int at = base;
    for (int k = count - 1; k >= 0; k--) {
      const unsigned size = axes[2 * k];
      at += (int)(rest % size) * axes[2 * k + 1];
      rest /= size;
    }
    if (back)
      plain[at] = ordered[i];
    else
      ordered[i] = plain[at];
  }
}
