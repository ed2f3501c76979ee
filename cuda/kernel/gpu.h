// gpu.h: the common prelude of all kernels. A kernel includes this file and no header
// of a system. Three compilers accept it:
//
//   clang (make ptx)   to PTX, without CUDA's SDK: no header, no libdevice
//   a C++ compiler     with -DGC_CPU, for tests without a GPU: cpu_shim.h
//   nvcc, NVRTC        where they are installed
//
// A kernel has the form
//
//   extern "C" __global__ void NAME(const float *x, float *y, int n) { ... }
//
// NAME starts with the name of the layer, since names must be unique in a program.
// Kernels add in a fixed order, and never by atomic additions of floats, so that
// results are the same in each run.
#pragma once

#if defined(GC_CPU)
#include "cpu_shim.h"
#define GC_INLINE static inline
#define fabsf __builtin_fabsf
#define floorf __builtin_floorf
#define ceilf __builtin_ceilf
#define fmaf __builtin_fmaf
#define fmaxf __builtin_fmaxf
#define fminf __builtin_fminf
#define sqrtf __builtin_sqrtf
#define sqrt __builtin_sqrt
#define expf __builtin_expf
#define logf __builtin_logf
#define log1pf __builtin_log1pf
#define exp __builtin_exp
#define log __builtin_log
#define tanhf __builtin_tanhf
#define powf __builtin_powf
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
GC_INLINE int __float_as_int(float x) {
  int r;
  __builtin_memcpy(&r, &x, 4);
  return r;
}
GC_INLINE float __int_as_float(int x) {
  float r;
  __builtin_memcpy(&r, &x, 4);
  return r;
}
GC_INLINE unsigned long long gc_atomic_max(unsigned long long *p, unsigned long long v) {
  const unsigned long long old = *p;
  if (v > old) *p = v;
  return old;
}

#elif defined(__clang__) && defined(__CUDA__)
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define gc_dynamic_shared(TYPE, NAME) extern __shared__ __attribute__((aligned(16))) TYPE NAME[]
#define GC_INLINE __device__ static inline __attribute__((always_inline))

// threadIdx etc.: reading a member reads a special register.
#define GC_REGISTER(TYPE, REG)                                                           \
  struct TYPE {                                                                          \
    __declspec(property(get = get_x)) unsigned x;                                        \
    __declspec(property(get = get_y)) unsigned y;                                        \
    __declspec(property(get = get_z)) unsigned z;                                        \
    GC_INLINE unsigned get_x() { return __nvvm_read_ptx_sreg_##REG##_x(); }              \
    GC_INLINE unsigned get_y() { return __nvvm_read_ptx_sreg_##REG##_y(); }              \
    GC_INLINE unsigned get_z() { return __nvvm_read_ptx_sreg_##REG##_z(); }              \
  };
GC_REGISTER(gc_thread_index, tid)
GC_REGISTER(gc_block_index, ctaid)
GC_REGISTER(gc_block_size, ntid)
GC_REGISTER(gc_grid_size, nctaid)
#undef GC_REGISTER
extern const __device__ __attribute__((weak)) gc_thread_index threadIdx;
extern const __device__ __attribute__((weak)) gc_block_index blockIdx;
extern const __device__ __attribute__((weak)) gc_block_size blockDim;
extern const __device__ __attribute__((weak)) gc_grid_size gridDim;

// __syncthreads is a builtin of clang.
GC_INLINE unsigned long long gc_atomic_max(unsigned long long *p, unsigned long long v) {
  return (unsigned long long)__nvvm_atom_max_gen_ull(p, v);
}
GC_INLINE int atomicAdd(int *p, int v) { return __nvvm_atom_add_gen_i(p, v); }
GC_INLINE float gc_shfl_xor(float v, int m) { return __nvvm_shfl_sync_bfly_f32(0xffffffffu, v, m, 31); }
#define fabsf __builtin_fabsf
#define floorf __builtin_floorf
#define ceilf __builtin_ceilf
#define fmaf __builtin_fmaf
#define fmaxf __builtin_fmaxf
#define fminf __builtin_fminf
#define sqrtf __nvvm_sqrt_rn_f
#define sqrt __nvvm_sqrt_rn_d
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
GC_INLINE int __float_as_int(float x) { return __nvvm_bitcast_f2i(x); }
GC_INLINE float __int_as_float(int x) { return __nvvm_bitcast_i2f(x); }
GC_INLINE double gc_bits_double(long long x) { return __nvvm_bitcast_ll2d(x); }
GC_INLINE long long gc_double_bits(double x) { return __nvvm_bitcast_d2ll(x); }
GC_INLINE float gc_exp2_approx(float x) {
  float r;
  asm("ex2.approx.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

// expf to 2 units in the last place: x = t ln 2 + r, with ln 2 in two parts.
GC_INLINE float expf(float x) {
  float t = floorf(fmaf(x, 1.44269504f, 0.5f));
  t = t < -126.f ? -126.f : t > 127.f ? 127.f : t;
  const float r = fmaf(t, 1.42860677e-6f, fmaf(t, 0.693145752f, -x)); // -r
  const float y = gc_exp2_approx(r * -1.44269504f) * gc_exp2_approx(t);
  if (x != x) return x;
  return x < -104.f ? 0.f : x > 88.73f ? INFINITY : y;
}

// logf to about 1 unit in the last place: x = 2^e (1+f) with 1+f between the
// roots of 1/2 and 2, and log(1+f) as the series of 2 artanh(f/(2+f)).
GC_INLINE float logf(float x) {
  if (!(x > 0.f)) return x == 0.f ? -INFINITY : NAN;
  if (x > 3.40282347e38f) return x;
  int e = 0;
  if (x < 1.17549435e-38f) { // subnormal
    x *= 8388608.f;
    e = -23;
  }
  const int bits = __float_as_int(x), k = (bits - 0x3f3504f3) >> 23;
  e += k;
  const float f = __int_as_float(bits - (k << 23)) - 1.f;
  const float s = f / (2.f + f), z = s * s;
  const float r = z * fmaf(z, fmaf(z, fmaf(z, 0.222222222f, 0.285714286f), 0.4f), 0.666666667f);
  return fmaf((float)e, 0.693145752f, fmaf((float)e, 1.42860677e-6f, f - s * (f - r)));
}

// log1pf, the logarithm of 1 + x, to a few units in the last place. The quotient
// corrects for the rounding of 1 + x.
GC_INLINE float log1pf(float x) {
  const float u = 1.f + x;
  if (u == 1.f || u > 3.40282347e38f) return x;
  return logf(u) * (x / (u - 1.f));
}

// log and exp in double, for values computed once per item.
GC_INLINE double log(double x) {
  if (!(x > 0)) return x == 0 ? -(double)INFINITY : (double)NAN;
  if (x > 1.7976931348623157e308) return x;
  int e = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 4503599627370496.0;
    e = -52;
  }
  const long long bits = gc_double_bits(x), k = (bits - 0x3fe6a09e667f3bcdLL) >> 52;
  e += (int)k;
  const double f = gc_bits_double(bits - (k << 52)) - 1;
  const double s = f / (2 + f), z = s * s;
  double r = 0;
#pragma unroll
  for (int i = 21; i >= 3; i -= 2) r = (r + 2.0 / i) * z;
  return e * 0.69314718055994531 + (f - s * (f - r));
}
GC_INLINE double exp(double x) {
  if (x != x) return x;
  if (x > 709.782712893384) return (double)INFINITY;
  if (x < -745.2) return 0;
  const int t = (int)__nvvm_floor_d(x * 1.4426950408889634 + 0.5);
  const double r = (x - t * 0.693147180369123816490) - t * 1.90821492927058770002e-10;
  double y = 1;
#pragma unroll
  for (int i = 14; i >= 1; i--) y = 1 + y * r / i;
  const int half = t / 2; // 2^t may be subnormal
  return y * gc_bits_double((1023LL + half) << 52) * gc_bits_double((1023LL + t - half) << 52);
}
GC_INLINE float tanhf(float x) {
  const float a = fabsf(x);
  if (a < 0.3f) { // the quotient below would lose precision
    const float z = x * x;
    return x + x * z * fmaf(z, fmaf(z, fmaf(z, 0.0218694885f, -0.0539682540f), 0.133333333f), -0.333333333f);
  }
  const float y = 1.f - 2.f / (expf(2.f * a) + 1.f);
  return x < 0 ? -y : y;
}
// powf as in C.
GC_INLINE float powf(float x, float y) {
  if (y == 0.f || x == 1.f) return 1.f;
  if (x != x || y != y) return NAN;
  const bool whole = floorf(y) == y, odd = whole && fabsf(y) < 16777216.f && ((long long)y & 1);
  if (x == 0.f) {
    const float r = y > 0 ? 0.f : INFINITY;
    return odd && __float_as_int(x) < 0 ? -r : r;
  }
  if (x < 0 && !whole) return NAN;
  const float r = (float)exp(y * log((double)fabsf(x)));
  return x < 0 && odd ? -r : r;
}

#else // nvcc, NVRTC
#define GC_INLINE __device__ static __forceinline__
GC_INLINE unsigned long long gc_atomic_max(unsigned long long *p, unsigned long long v) { return atomicMax(p, v); }
GC_INLINE float gc_shfl_xor(float v, int m) { return __shfl_xor_sync(0xffffffffu, v, m); }
#endif

// GC_EACH(i, n) runs its statement for each i from 0 to n-1, which the threads of a
// launch with one-dimensional blocks and grid share.
#define GC_EACH(i, n)                                                  \
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)(n); \
       i += gridDim.x * blockDim.x)

// gc_divide returns n / d for n < 2^31, given the mul and shift of cuda.Divisor(d) in
// Go: devices have no instruction for integer division.
GC_INLINE unsigned gc_divide(unsigned n, unsigned mul, unsigned shift) {
  return (unsigned)((unsigned long long)n * mul >> shift);
}

// gc_channel returns the channel of element i of an array of items x channels x
// inner, given the mul and shift of cuda.Divisor for inner and for channels.
GC_INLINE unsigned gc_channel(unsigned i, unsigned channels, unsigned mul_inner, unsigned shift_inner,
                              unsigned mul_channels, unsigned shift_channels) {
  const unsigned plane = gc_divide(i, mul_inner, shift_inner);
  return plane - gc_divide(plane, mul_channels, shift_channels) * channels;
}

// gc_philox sets w to the four words of a block of random numbers: Philox4x32-10, as
// in package internal/kernel/rand.
GC_INLINE void gc_philox(unsigned long long key, unsigned long long stream, unsigned long long block, unsigned *w) {
  unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
  unsigned c0 = (unsigned)block, c1 = (unsigned)(block >> 32), c2 = (unsigned)stream, c3 = (unsigned)(stream >> 32);
#pragma unroll
  for (int i = 0; i < 10; i++) {
    const unsigned long long a = 0xD2511F53ull * c0, b = 0xCD9E8D57ull * c2;
    c0 = (unsigned)(b >> 32) ^ c1 ^ k0;
    c1 = (unsigned)b;
    c2 = (unsigned)(a >> 32) ^ c3 ^ k1;
    c3 = (unsigned)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  w[0] = c0;
  w[1] = c1;
  w[2] = c2;
  w[3] = c3;
}

// GC_BLOCK is the number of threads of a block in kernels whose threads cooperate:
// cuda.Block in Go.
#define GC_BLOCK 256

// gc_block_sum returns to every thread the sum of v over the GC_BLOCK threads of its
// block, in a fixed order. part is __shared__ and has GC_SUM_SIZE elements.
#define GC_SUM_SIZE (GC_BLOCK + 16)
template <typename T> GC_INLINE T gc_block_sum(T v, T *part) {
  const int t = threadIdx.x;
  part[t] = v;
  __syncthreads();
  if (t < 16) {
    T s = part[t];
    for (int j = 1; j < 16; j++) s += part[t + 16 * j];
    part[GC_BLOCK + t] = s;
  }
  __syncthreads();
  T s = part[GC_BLOCK];
  for (int j = 1; j < 16; j++) s += part[GC_BLOCK + j];
  return s;
}

// gc_block_max returns the largest v in the same way.
template <typename T> GC_INLINE T gc_block_max(T v, T *part) {
  const int t = threadIdx.x;
  part[t] = v;
  __syncthreads();
  if (t < 16) {
    T s = part[t];
    for (int j = 1; j < 16; j++) s = part[t + 16 * j] > s ? part[t + 16 * j] : s;
    part[GC_BLOCK + t] = s;
  }
  __syncthreads();
  T s = part[GC_BLOCK];
  for (int j = 1; j < 16; j++) s = part[GC_BLOCK + j] > s ? part[GC_BLOCK + j] : s;
  return s;
}
