// cpu_shim.h: provides what CUDA provides on a device to kernels compiled for the CPU
// by a host C++ compiler (-DGC_CPU), for tests. gpu.h includes it. The threads of a
// block run one after another, each until it waits at a barrier or a shuffle, and so
// do the blocks of a grid. The next one is chosen at random, so that a missing barrier
// has an effect. The scheduler is in cuda/cudatest/fake/fibers.cpp.
//
// It includes no header of the system, so that files compile quickly.
#pragma once

#define __global__ __attribute__((used))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __launch_bounds__(...)

struct gc_dim { unsigned x, y, z; };

// The built-in variables. gc_dynamic is the dynamic shared memory.
extern gc_dim threadIdx, blockIdx, blockDim, gridDim;
extern unsigned char* gc_dynamic;

// gc_dynamic_shared declares NAME as the dynamic shared memory of the launch.
#define gc_dynamic_shared(TYPE, NAME) TYPE* NAME = (TYPE*)gc_dynamic

void gc_block_barrier();
void gc_warp_barrier();

// gc_exchange waits for the whole warp and returns the values of its lanes, that of
// lane i at offset 64 i. A value has at most 64 bytes. The result is valid until the
// next but one exchange of the warp.
const unsigned char* gc_exchange(const void* mine, unsigned bytes);

inline void __syncthreads() { gc_block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) { gc_warp_barrier(); }

inline unsigned gc_lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
}
template <class T> inline T gc_from_lane(T v, unsigned lane) {
  return *(const T*)(gc_exchange(&v, sizeof v) + 64 * (lane & 31));
}
// The whole warp must take part in a shuffle.
inline float gc_shfl_xor(float v, int m) { return gc_from_lane(v, gc_lane() ^ m); }

// Only one thread runs at a time, so a plain update is atomic.
inline int atomicAdd(int* p, int v) { int old = *p; *p = old + v; return old; }
