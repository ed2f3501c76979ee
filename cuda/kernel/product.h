// product.h: the loop of all products of matrices, and of convolutions computed as
// products:
//
//   c[m][n] = sum over k of a[m][k] b[n][k]
//
// A block of 256 threads computes a tile of BM x BN, each thread 1/256 of it in
// registers. It goes through k in steps of 8, and reads each step into shared memory
// while it computes the previous one. It adds in the order of k.
//
// An operand defines where the elements are:
//
//   struct Operand {
//     struct Row { ... };   // the state of a row m (or n)
//     struct Term { ... };  // the state of an index k
//     GC_MEMBER Row row(int m) const;
//     GC_MEMBER Term term(int k) const;            // k may be beyond the end
//     GC_MEMBER float load(const Row &, const Term &) const;  // 0 beyond the end
//     static const bool along_k;  // whether neighbours in memory are neighbours in k
//   };
#pragma once
#include "gpu.h"

#if defined(GC_CPU)
#define GC_MEMBER inline
#else
#define GC_MEMBER __device__ __attribute__((always_inline)) inline
#endif

// The launch bounds of kernels that run gc_product. With GC_BOUNDS_TWO a thread has at
// most 128 registers, so that a multiprocessor runs two blocks at a time. Kernels for
// the larger tiles use it unless it spills registers, which make ptxas reports.
#define GC_BOUNDS __launch_bounds__(256)
#define GC_BOUNDS_TWO __launch_bounds__(256, 2)

// gc_load4 reads four elements at once, from an address that is a multiple of 16.
#if defined(__clang__) && defined(__CUDA__)
typedef float gc_float4 __attribute__((vector_size(16)));
#define GC_ALIGNED __attribute__((aligned(16)))
GC_INLINE void gc_load4(float *to, const float *from) {
  const gc_float4 v = *(const gc_float4 *)from;
  for (int i = 0; i < 4; i++) to[i] = v[i];
}
#else
#define GC_ALIGNED
GC_INLINE void gc_load4(float *to, const float *from) {
  for (int i = 0; i < 4; i++) to[i] = from[i];
}
#endif

// gc_tile reads a tile of B rows and T terms of an operand.
template <int B, int T, class Op> struct gc_tile {
  static const int count = B * T / 256; // elements of a thread
  static const int rows = Op::along_k ? count : 1, terms = Op::along_k ? 1 : count;
  typename Op::Row row[rows];
  float value[count];

  GC_MEMBER int row_of(int i) const { return Op::along_k ? threadIdx.x / T + 256 / T * i : threadIdx.x % B; }
  GC_MEMBER int term_of(int i) const { return Op::along_k ? threadIdx.x % T : threadIdx.x / B + 256 / B * i; }

  GC_MEMBER void begin(const Op &op, int first) {
#pragma unroll
    for (int i = 0; i < rows; i++) row[i] = op.row(first + row_of(i));
  }
  GC_MEMBER void load(const Op &op, int k) {
    typename Op::Term term[terms];
#pragma unroll
    for (int i = 0; i < terms; i++) term[i] = op.term(k + term_of(i));
#pragma unroll
    for (int i = 0; i < count; i++) value[i] = op.load(row[Op::along_k ? i : 0], term[Op::along_k ? 0 : i]);
  }
  GC_MEMBER void store(float (*shared)[B + 4]) const {
#pragma unroll
    for (int i = 0; i < count; i++) shared[term_of(i)][row_of(i)] = value[i];
  }
};

// gc_product computes the block's tile of the product over k0 <= k < k1 and passes
// each element to out.store(m, n, value), where m and n may be beyond the end.
template <int BM, int BN, class A, class B, class Out>
GC_INLINE void gc_product(const A &a, const B &b, int m0, int n0, int k0, int k1, const Out &out) {
  const int TM = BM / 16, TN = BN / 16; // of a thread: groups of 4 rows, 64 apart
  __shared__ GC_ALIGNED float sa[2][8][BM + 4];
  __shared__ GC_ALIGNED float sb[2][8][BN + 4];
  const int ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4;
  float c[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++) c[i][j] = 0;
  gc_tile<BM, 8, A> ta;
  gc_tile<BN, 8, B> tb;
  ta.begin(a, m0);
  tb.begin(b, n0);
  ta.load(a, k0);
  tb.load(b, k0);
  ta.store(sa[0]);
  tb.store(sb[0]);
  __syncthreads();
  int at = 0;
  for (int k = k0; k < k1; k += 8) {
    const bool more = k + 8 < k1;
    if (more) {
      ta.load(a, k + 8);
      tb.load(b, k + 8);
    }
#pragma unroll
    for (int s = 0; s < 8; s++) {
      float x[TM], y[TN];
#pragma unroll
      for (int i = 0; i < TM; i += 4) gc_load4(x + i, &sa[at][s][i * 16 + ty]);
#pragma unroll
      for (int j = 0; j < TN; j += 4) gc_load4(y + j, &sb[at][s][j * 16 + tx]);
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) c[i][j] = fmaf(x[i], y[j], c[i][j]);
    }
    if (more) {
      at ^= 1;
      ta.store(sa[at]);
      tb.store(sb[at]);
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++) out.store(m0 + i / 4 * 64 + ty + i % 4, n0 + j / 4 * 64 + tx + j % 4, c[i][j]);
}
