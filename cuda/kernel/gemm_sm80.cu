// gemm_sm80.cu: products of matrices on tensor cores, see gemm.h.
#include "gemm.h"
#include "product_sm80.h"

GEMM(gemm_128_nn_tf32, GC_BOUNDS_TWO, 128, false, false, gc_product_tf32)
GEMM(gemm_128_nt_tf32, GC_BOUNDS, 128, false, true, gc_product_tf32)
GEMM(gemm_128_tn_tf32, GC_BOUNDS_TWO, 128, true, false, gc_product_tf32)
GEMM(gemm_128_tt_tf32, GC_BOUNDS_TWO, 128, true, true, gc_product_tf32)
GEMM(gemm_64_nn_tf32, GC_BOUNDS, 64, false, false, gc_product_tf32)
GEMM(gemm_64_nt_tf32, GC_BOUNDS, 64, false, true, gc_product_tf32)
GEMM(gemm_64_tn_tf32, GC_BOUNDS, 64, true, false, gc_product_tf32)
GEMM(gemm_64_tt_tf32, GC_BOUNDS, 64, true, true, gc_product_tf32)

GEMM(gemm_128_nn_bf16, GC_BOUNDS_TWO, 128, false, false, gc_product_bf16)
GEMM(gemm_128_nt_bf16, GC_BOUNDS, 128, false, true, gc_product_bf16)
GEMM(gemm_128_tn_bf16, GC_BOUNDS_TWO, 128, true, false, gc_product_bf16)
GEMM(gemm_128_tt_bf16, GC_BOUNDS_TWO, 128, true, true, gc_product_bf16)
GEMM(gemm_64_nn_bf16, GC_BOUNDS, 64, false, false, gc_product_bf16)
GEMM(gemm_64_nt_bf16, GC_BOUNDS, 64, false, true, gc_product_bf16)
GEMM(gemm_64_tn_bf16, GC_BOUNDS, 64, true, false, gc_product_bf16)
GEMM(gemm_64_tt_bf16, GC_BOUNDS, 64, true, true, gc_product_bf16)
