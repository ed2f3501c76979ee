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
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __forceinline__ inline

struct gc_dim { unsigned x, y, z; };

// The built-in variables. gc_dynamic is the dynamic shared memory.
extern gc_dim threadIdx, blockIdx, blockDim, gridDim;
extern unsigned char* gc_dynamic;
const int warpSize = 32;

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
inline void __threadfence() {}
inline void __threadfence_block() {}

inline unsigned gc_lane() {
  return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
}
template <class T> inline T gc_from_lane(T v, unsigned lane) {
  return *(const T*)(gc_exchange(&v, sizeof v) + 64 * (lane & 31));
}
// Shuffles of the whole warp; each lane takes part.
inline float gc_shfl_xor(float v, int m) { return gc_from_lane(v, gc_lane() ^ m); }
inline int gc_shfl_xor(int v, int m) { return gc_from_lane(v, gc_lane() ^ m); }
inline unsigned gc_shfl_xor(unsigned v, int m) { return gc_from_lane(v, gc_lane() ^ m); }
inline float gc_shfl(float v, int lane) { return gc_from_lane(v, lane); }
inline int gc_shfl(int v, int lane) { return gc_from_lane(v, lane); }
inline float gc_shfl_down(float v, int d) { return gc_from_lane(v, gc_lane() + d < 32 ? gc_lane() + d : gc_lane()); }
inline int gc_shfl_down(int v, int d) { return gc_from_lane(v, gc_lane() + d < 32 ? gc_lane() + d : gc_lane()); }
inline float gc_shfl_up(float v, int d) { return gc_from_lane(v, (int)gc_lane() - d >= 0 ? gc_lane() - d : gc_lane()); }
inline int gc_shfl_up(int v, int d) { return gc_from_lane(v, (int)gc_lane() - d >= 0 ? gc_lane() - d : gc_lane()); }
inline unsigned gc_ballot(bool p) {
  const int mine = p;
  const unsigned char* all = gc_exchange(&mine, sizeof mine);
  unsigned mask = 0;
  for (unsigned i = 0; i < 32; i++) mask |= unsigned(*(const int*)(all + 64 * i) == 1) << i;
  return mask;
}

// One thread runs at a time: a plain update is atomic.
template <class T, class V> inline T gc_atomic_add(T* p, V v) { T old = *p; *p = old + v; return old; }
inline float atomicAdd(float* p, float v) { return gc_atomic_add(p, v); }
inline int atomicAdd(int* p, int v) { return gc_atomic_add(p, v); }
inline unsigned atomicAdd(unsigned* p, unsigned v) { return gc_atomic_add(p, v); }
inline unsigned long long atomicAdd(unsigned long long* p, unsigned long long v) { return gc_atomic_add(p, v); }
inline int atomicMax(int* p, int v) { int old = *p; if (v > old) *p = v; return old; }
inline unsigned atomicMax(unsigned* p, unsigned v) { unsigned old = *p; if (v > old) *p = v; return old; }
inline int atomicCAS(int* p, int was, int v) { int old = *p; if (old == was) *p = v; return old; }
inline unsigned atomicCAS(unsigned* p, unsigned was, unsigned v) { unsigned old = *p; if (old == was) *p = v; return old; }
