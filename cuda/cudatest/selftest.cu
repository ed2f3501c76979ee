// selftest.cu: kernels that test the fake driver and real ones.
#include "gpu.h"

// y = a x, one thread for each element
extern "C" __global__ void selftest_scale(const float *x, float *y, float a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i];
}

// y[block] = sum of the block's part of x; a block has 256 threads at most
extern "C" __global__ __launch_bounds__(256) void selftest_sum(const float *x, float *y) {
  __shared__ float part[256];
  const int t = threadIdx.x;
  part[t] = x[blockIdx.x * blockDim.x + t];
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = part[0];
}

// selftest_sum without the barrier in the loop: wrong
extern "C" __global__ __launch_bounds__(256) void selftest_race(const float *x, float *y) {
  __shared__ float part[256];
  const int t = threadIdx.x;
  part[t] = x[blockIdx.x * blockDim.x + t];
  __syncthreads();
  for (int half = blockDim.x / 2; half; half /= 2)
    if (t < half) part[t] += part[t + half];
  if (t == 0) y[blockIdx.x] = part[0];
}

// y[warp] = sum of the warp's part of x
extern "C" __global__ void selftest_warp(const float *x, float *y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  float s = x[i];
  for (int m = 16; m; m /= 2) s += gc_shfl_xor(s, m);
  if (i % 32 == 0) y[i / 32] = s;
}

// a thread of each block returns before the barrier: wrong
extern "C" __global__ void selftest_deadlock(float *y) {
  if (threadIdx.x == 0) return;
  __syncthreads();
  y[threadIdx.x] = 1.f;
}

// y = x, the threads of a block in reverse, through dynamic shared memory
extern "C" __global__ void selftest_dynamic(const float *x, float *y) {
  gc_dynamic_shared(float, reversed);
  const int t = threadIdx.x, n = blockDim.x;
  reversed[n - 1 - t] = x[blockIdx.x * n + t];
  __syncthreads();
  y[blockIdx.x * n + t] = reversed[t];
}

// only half of a warp takes part in a shuffle: wrong
extern "C" __global__ void selftest_half(float *y) {
  if (threadIdx.x < 16) y[threadIdx.x] = gc_shfl_xor(1.f, 1);
  __syncthreads();
}

// y[i] = i for each thread of a grid and blocks of three dimensions
extern "C" __global__ void selftest_dims(int *y) {
  const int threads = blockDim.x * blockDim.y * blockDim.z;
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int i = block * threads + threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const bool inside = blockIdx.x < 2 && blockIdx.y < 3 && blockIdx.z < 4 && threadIdx.x < 5 && threadIdx.y < 6 && threadIdx.z < 7;
  y[i] = inside ? i : -1;
}
