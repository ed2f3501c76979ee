// conv.cu: convolution in float32, see conv.h.
#include "conv.h"

FORWARD(conv_forward_64, GC_BOUNDS, 64, gc_product)
FORWARD(conv_forward_128, GC_BOUNDS_TWO, 128, gc_product)
DATA(conv_data_64, GC_BOUNDS, 64, false, gc_product)
DATA(conv_data_128, GC_BOUNDS_TWO, 128, false, gc_product)
DATA(conv_data_strided_64, GC_BOUNDS, 64, true, gc_product)
DATA(conv_data_strided_128, GC_BOUNDS_TWO, 128, true, gc_product)
WEIGHT(conv_weight_64, 64, gc_product)
WEIGHT(conv_weight_128, 128, gc_product)
