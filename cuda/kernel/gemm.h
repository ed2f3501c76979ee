// gemm.h: kernels for products of row-major matrices,
//
//   C (m,n) = alpha op(A) (m,k) op(B) (k,n) + beta C
//
// where op is the matrix or its transpose. Block z computes the terms from z kper to
// (z+1) kper. If there is more than one, each writes an (m,n) of its own, with alpha 1
// and beta 0, and gemm_total adds them in order.
#pragma once
#include "product.h"

namespace {
// gemm_operand is a matrix of rows x k elements, at r ld + k if K, else at k ld + r.
template <bool K> struct gemm_operand {
  const float *x;
  int ld, rows, k;
  static const bool along_k = K;
  struct Row {
    const float *p; // null beyond the end
  };
  struct Term {
    long long at; // negative beyond the end
  };
  GC_MEMBER Row row(int r) const { return Row{r < rows ? x + (K ? (long long)r * ld : r) : nullptr}; }
  GC_MEMBER Term term(int i) const { return Term{i < k ? (K ? i : (long long)i * ld) : -1}; }
  GC_MEMBER float load(const Row &r, const Term &t) const { return r.p && t.at >= 0 ? r.p[t.at] : 0.f; }
};

struct gemm_out {
  float *c;
  float alpha, beta;
  int ldc, m, n;
  GC_MEMBER void store(int i, int j, float v) const {
    if (i >= m || j >= n) return;
    float *p = c + (long long)i * ldc + j;
    *p = beta == 0 ? alpha * v : alpha * v + beta * *p; // beta = 0: C may be NaN
  }
};
} // namespace

// GEMM is the kernel for tiles of TILE x TILE, of A and B or their transposes, by the
// loop PRODUCT.
#define GEMM(NAME, BOUNDS, TILE, TA, TB, PRODUCT)                                                                   \
  extern "C" __global__ BOUNDS void NAME(int m, int n, int k, float alpha, const float *a, int lda, const float *b, \
                                         int ldb, float beta, float *c, int ldc, int kper) {                        \
    const int k0 = blockIdx.z * kper, k1 = k0 + kper < k ? k0 + kper : k;                                           \
    const gemm_operand<!TA> x{a, lda, m, k1};                                                                       \
    const gemm_operand<TB> y{b, ldb, n, k1};                                                                        \
    const gemm_out out{c + (long long)blockIdx.z * m * n, alpha, beta, ldc, m, n};                                  \
    PRODUCT<TILE, TILE>(x, y, blockIdx.y * TILE, blockIdx.x * TILE, k0, k1, out);                                   \
  }
