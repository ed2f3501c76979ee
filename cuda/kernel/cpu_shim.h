// cpu_shim.h: what CUDA gives a kernel on the device, for a kernel that is compiled
// for the CPU by a host C++ compiler (-DGC_CPU); gpu.h includes it. Tests only. The threads
// of a block run one after another, each until it waits at a barrier or a
// shuffle; the blocks of a grid too. Who runs next is random, so that a
// missing barrier shows. The scheduler is in cuda/cudatest/fake/fibers.cpp.
//
// No header of the system is included: a file compiles in a moment.
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

// gc_exchange waits for the whole warp, and returns what each of its lanes
// gave: that of lane i is at i * 64 bytes. At most 64 bytes. It holds until the
// warp's next exchange but one.
const unsigned char* gc_exchange(const void* mine, unsigned bytes);

inline void __syncthreads() { gc_block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) { gc_warp_barrier(); }

inline unsigned gc_lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
}
template <class T> inline T gc_from_lane(T v, unsigned lane) {
  return *(const T*)(gc_exchange(&v, sizeof v) + 64 * (lane & 31));
}
// The whole warp takes part in a shuffle.
inline float gc_shfl_xor(float v, int m) { return gc_from_lane(v, gc_lane() ^ m); }

// One thread runs at a time: a plain update is atomic.
inline int atomicAdd(int* p, int v) { int old = *p; *p = old + v; return old; }
