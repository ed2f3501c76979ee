// Permute. axes has, for each axis of the top, its size and the step between two of its
// elements in the bottom. ordered has n elements in the order of the top, plain in that
// of the bottom.
#include "gpu.h"

extern "C" __global__ void permute_move(float *ordered, float *plain, const int *axes, int count, int back, int n) {
  GC_EACH(i, n) {
    unsigned rest = i;
    int at = 0;
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
