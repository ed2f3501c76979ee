// product_sm80.h: the loop of product.h on tensor cores, for files *_sm80.cu. Elements
// are rounded to TF32 or BF16 when they are stored in shared memory, and products are
// added in float32.
//
// A block of 256 threads computes a tile of BM x BN, each of its 8 warps a part of
// BM/2 x BN/4. It goes through k in steps of 16.
#pragma once
#include "mma.h"
#include "product.h"

// The format of factors: a word of shared memory holds one number in TF32, or two of
// neighbouring terms in BF16, so that an mma reads 8 words of each row.
struct gc_tf32_factor {
  static const int per_word = 1;
  template <int S> static GC_MEMBER void put(unsigned (*shared)[S], int k, int row, float v) {
    shared[k][row] = gc_tf32(v);
  }
  static GC_MEMBER void mma(float *c, const unsigned *a, const unsigned *b) { gc_mma_tf32(c, a, b); }
};

struct gc_bf16_factor {
  static const int per_word = 2;
  typedef unsigned short __attribute__((may_alias)) half;
  template <int S> static GC_MEMBER void put(unsigned (*shared)[S], int k, int row, float v) {
    ((half *)&shared[k / 2][row])[k % 2] = (half)gc_bf16x2(v, 0.f);
  }
  static GC_MEMBER void mma(float *c, const unsigned *a, const unsigned *b) { gc_mma_bf16(c, a, b); }
};

template <class F, int B, class Op> GC_INLINE void gc_put(const gc_tile<B, 16, Op> &tile, unsigned (*shared)[B + 8]) {
#pragma unroll
  for (int i = 0; i < tile.count; i++) F::put(shared, tile.term_of(i), tile.row_of(i), tile.value[i]);
}

// gc_product_mma is gc_product with factors F.
template <class F, int BM, int BN, class A, class B, class Out>
GC_INLINE void gc_product_mma(const A &a, const B &b, int m0, int n0, int k0, int k1, const Out &out) {
  const int words = 16 / F::per_word, TM = BM / 32, TN = BN / 32; // of a warp: TM x TN mma of 16 x 8
  // The 8 additional columns keep the reads of a warp, 4 words of 8 rows, in different banks.
  __shared__ unsigned sa[2][words][BM + 8];
  __shared__ unsigned sb[2][words][BN + 8];
  const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const int my = warp / 4 * (BM / 2) + g, nx = warp % 4 * (BN / 4) + g;
  float c[TM][TN][4];
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) c[i][j][e] = 0;
  gc_tile<BM, 16, A> ta;
  gc_tile<BN, 16, B> tb;
  ta.begin(a, m0);
  tb.begin(b, n0);
  ta.load(a, k0);
  tb.load(b, k0);
  gc_put<F>(ta, sa[0]);
  gc_put<F>(tb, sb[0]);
  __syncthreads();
  int at = 0;
  for (int k = k0; k < k1; k += 16) {
    const bool more = k + 16 < k1;
    if (more) {
      ta.load(a, k + 16);
      tb.load(b, k + 16);
    }
#pragma unroll
    for (int s = 0; s < words; s += 8) {
      unsigned x[TM][4], y[TN][2];
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int e = 0; e < 4; e++) x[i][e] = sa[at][s + t + e / 2 * 4][my + i * 16 + e % 2 * 8];
#pragma unroll
      for (int j = 0; j < TN; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) y[j][e] = sb[at][s + t + e * 4][nx + j * 8];
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) F::mma(c[i][j], x[i], y[j]);
    }
    if (more) {
      at ^= 1;
      gc_put<F>(ta, sa[at]);
      gc_put<F>(tb, sb[at]);
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        out.store(m0 + my + i * 16 + e / 2 * 8, n0 + nx - g + j * 8 + 2 * t + e % 2, c[i][j][e]);
}

template <int BM, int BN, class A, class B, class Out>
GC_INLINE void gc_product_tf32(const A &a, const B &b, int m0, int n0, int k0, int k1, const Out &out) {
  gc_product_mma<gc_tf32_factor, BM, BN>(a, b, m0, n0, k0, k1, out);
}

template <int BM, int BN, class A, class B, class Out>
GC_INLINE void gc_product_bf16(const A &a, const B &b, int m0, int n0, int k0, int k1, const Out &out) {
  gc_product_mma<gc_bf16_factor, BM, BN>(a, b, m0, n0, k0, k1, out);
}
