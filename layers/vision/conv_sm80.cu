// conv_sm80.cu: convolution on tensor cores, see conv.h.
#include "conv.h"
#include "product_sm80.h"

FORWARD(conv_forward_64_tf32, GC_BOUNDS, 64, gc_product_tf32)
FORWARD(conv_forward_128_tf32, GC_BOUNDS_TWO, 128, gc_product_tf32)
DATA(conv_data_64_tf32, GC_BOUNDS, 64, false, gc_product_tf32)
DATA(conv_data_128_tf32, GC_BOUNDS_TWO, 128, false, gc_product_tf32)
DATA(conv_data_strided_64_tf32, GC_BOUNDS, 64, true, gc_product_tf32)
DATA(conv_data_strided_128_tf32, GC_BOUNDS_TWO, 128, true, gc_product_tf32)
WEIGHT(conv_weight_64_tf32, 64, gc_product_tf32)
WEIGHT(conv_weight_128_tf32, 128, gc_product_tf32)

FORWARD(conv_forward_64_bf16, GC_BOUNDS, 64, gc_product_bf16)
FORWARD(conv_forward_128_bf16, GC_BOUNDS_TWO, 128, gc_product_bf16)
DATA(conv_data_64_bf16, GC_BOUNDS, 64, false, gc_product_bf16)
DATA(conv_data_128_bf16, GC_BOUNDS_TWO, 128, false, gc_product_bf16)
DATA(conv_data_strided_64_bf16, GC_BOUNDS, 64, true, gc_product_bf16)
DATA(conv_data_strided_128_bf16, GC_BOUNDS_TWO, 128, true, gc_product_bf16)
WEIGHT(conv_weight_64_bf16, 64, gc_product_bf16)
WEIGHT(conv_weight_128_bf16, 128, gc_product_bf16)
