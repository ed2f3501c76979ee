// The loss of a pass, one launch of one block for each top with a loss weight, in
// their order: it is summed in *sum and, after the last top, written to ring, which
// holds the losses of the last size passes.
#include "gpu.h"

extern "C" __global__ void net_loss(const float *top, const float *weight, int n, float *sum, float *ring,
                                    long long *passes, int size, int first, int last) {
  __shared__ double part[GC_SUM_SIZE];
  double s = 0;
  for (int i = threadIdx.x; i < n; i += GC_BLOCK) s += (double)top[i] * weight[i];
  s = gc_block_sum(s, part);
  if (threadIdx.x == 0) {
    const float loss = first ? (float)s : *sum + (float)s;
    *sum = loss;
    if (last) ring[(*passes)++ % size] = loss;
  }
}
