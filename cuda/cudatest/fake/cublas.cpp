// cublas.cpp implements the functions of cuBLAS that package lib calls, slowly.
#include <cstring>

#include "fake.h"

namespace {

enum { NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };

struct Blas : Object {
  CUstream stream = nullptr;
  Blas() : Object("cuBLAS handle") {}
};

Blas* blas(void* handle, const char* call) { return (Blas*)fake_object(handle, call, "cuBLAS handle"); }

// shorten rounds x to the given number of bits of mantissa.
float shorten(float x, int bits) {
  uint32_t u;
  memcpy(&u, &x, 4);
  const int drop = 23 - bits;
  if (drop) {
    u += (1u << (drop - 1)) - 1 + (u >> drop & 1);
    u &= ~((1u << drop) - 1);
  }
  memcpy(&x, &u, 4);
  return x;
}

int bits_of(int compute) {
  switch (compute) {
    case 68: return 23;
    case 77: return 10;
    case 75: return 7;
  }
  return -1;
}

// at returns element (i,j) of op(M), in column-major order.
const float* at(const float* m, int op, long ld, long i, long j) { return op ? m + i * ld + j : m + j * ld + i; }

int gemm(const char* call, void* handle, int opa, int opb, int m, int n, int k, const float* alpha, const void* a, int ta, int lda,
         long long next_a, const void* b, int tb, int ldb, long long next_b, const float* beta, void* c, int tc, int ldc,
         long long next_c, int batch, int compute) {
  Blas* h = blas(handle, call);
  if (!h) return NOT_INITIALIZED;
  const int bits = bits_of(compute);
  if (ta || tb || tc || bits < 0) return NOT_SUPPORTED;
  if (m < 0 || n < 0 || k < 0 || lda < (opa ? k : m) || ldb < (opb ? n : k) || ldc < m) {
    fake_problem("%s: m %d n %d k %d, lda %d ldb %d ldc %d, op %d %d", call, m, n, k, lda, ldb, ldc, opa, opb);
    return INVALID_VALUE;
  }
  auto size = [](long rows, long columns, long ld) { return size_t((columns - 1) * ld + rows) * 4; };
  const float al = *alpha, be = *beta;
  for (int i = 0; i < batch; i++)
    if ((k && !fake_check(call, (const float*)a + i * next_a, opa ? size(k, m, lda) : size(m, k, lda))) ||
        (k && !fake_check(call, (const float*)b + i * next_b, opb ? size(n, k, ldb) : size(k, n, ldb))) ||
        !fake_check(call, (float*)c + i * next_c, size(m, n, ldc)))
      return EXECUTION_FAILED;
  return fake_push(h->stream, call, [=] {
    for (int z = 0; z < batch; z++) {
      const float *x = (const float*)a + z * next_a, *y = (const float*)b + z * next_b;
      float* r = (float*)c + z * next_c;
      for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
          float sum = 0;
          for (int l = 0; l < k; l++) sum += shorten(*at(x, opa, lda, i, l), bits) * shorten(*at(y, opb, ldb, l, j), bits);
          float* out = r + (long)j * ldc + i;
          *out = al * sum + (be == 0 ? 0 : be * *out);
        }
    }
    return 0;
  }) ? EXECUTION_FAILED : 0;
}

}  // namespace

API int cublasCreate_v2(void** handle) {
  ENTER("cublasCreate_v2");
  if (!fake_context()) return NOT_INITIALIZED;
  Blas* b = new Blas;
  fake_keep(b);
  *handle = b;
  return 0;
}

API int cublasDestroy_v2(void* handle) {
  ENTER("cublasDestroy_v2");
  Blas* b = blas(handle, "cublasDestroy");
  if (!b) return NOT_INITIALIZED;
  fake_destroy(b);
  return 0;
}

API int cublasGetVersion_v2(void* handle, int* version) {
  ENTER("cublasGetVersion_v2");
  if (!blas(handle, "cublasGetVersion")) return NOT_INITIALIZED;
  *version = 120405;
  return 0;
}

API int cublasSetStream_v2(void* handle, CUstream stream) {
  ENTER("cublasSetStream_v2");
  Blas* b = blas(handle, "cublasSetStream");
  if (!b) return NOT_INITIALIZED;
  b->stream = stream;
  return 0;
}

API int cublasSetWorkspace_v2(void* handle, void* p, size_t bytes) {
  ENTER("cublasSetWorkspace_v2", "%zu", bytes);
  if (!blas(handle, "cublasSetWorkspace")) return NOT_INITIALIZED;
  return fake_check("cublasSetWorkspace", p, bytes) ? 0 : INVALID_VALUE;
}

API int cublasGemmEx(void* handle, int opa, int opb, int m, int n, int k, const float* alpha, const void* a, int ta, int lda,
                     const void* b, int tb, int ldb, const float* beta, void* c, int tc, int ldc, int compute, int algorithm) {
  ENTER("cublasGemmEx", "%d %d, %d %d %d, compute %d, algorithm %d", opa, opb, m, n, k, compute, algorithm);
  return gemm("cublasGemmEx", handle, opa, opb, m, n, k, alpha, a, ta, lda, 0, b, tb, ldb, 0, beta, c, tc, ldc, 0, 1, compute);
}

API int cublasGemmStridedBatchedEx(void* handle, int opa, int opb, int m, int n, int k, const float* alpha, const void* a, int ta,
                                   int lda, long long next_a, const void* b, int tb, int ldb, long long next_b, const float* beta,
                                   void* c, int tc, int ldc, long long next_c, int batch, int compute, int algorithm) {
  ENTER("cublasGemmStridedBatchedEx", "%d %d, %d %d %d, batch %d, compute %d, algorithm %d", opa, opb, m, n, k, batch, compute, algorithm);
  return gemm("cublasGemmStridedBatchedEx", handle, opa, opb, m, n, k, alpha, a, ta, lda, next_a, b, tb, ldb, next_b, beta, c, tc,
              ldc, next_c, batch, compute);
}
