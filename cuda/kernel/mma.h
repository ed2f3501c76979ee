// mma.h: products on tensor cores (mma.sync) by a whole warp, for files *_sm80.cu.
//
// C (16,8) += A (16,k) B (k,8), in registers. With g = lane / 4 and t = lane % 4, a
// lane has
//
//   C       c[0] (g,2t)  c[1] (g,2t+1)  c[2] (g+8,2t)  c[3] (g+8,2t+1)
//   TF32    k = 8:   a[0] (g,t)  a[1] (g+8,t)  a[2] (g,t+4)  a[3] (g+8,t+4)
//                    b[0] (t,g)  b[1] (t+4,g)
//   BF16    k = 16:  a[0] (g,2t)  a[1] (g+8,2t)  a[2] (g,2t+8)  a[3] (g+8,2t+8)
//                    b[0] (2t,g)  b[1] (2t+8,g), each with its neighbour in k in the upper half
#pragma once
#include "gpu.h"

#if defined(GC_CPU)

GC_INLINE unsigned gc_bits(float x) { return (unsigned)__float_as_int(x); }

// gc_tf32 rounds to TF32: 10 bits of mantissa, ties away from zero.
GC_INLINE unsigned gc_tf32(float x) { return (gc_bits(x) + 0x1000u) & ~0x1fffu; }

// gc_bf16x2 rounds two numbers to BF16, ties to even; lo is the lower half.
GC_INLINE unsigned gc_bf16x2(float lo, float hi) {
  const unsigned a = gc_bits(lo), b = gc_bits(hi);
  return (a + 0x7fffu + (a >> 16 & 1)) >> 16 | ((b + 0x7fffu + (b >> 16 & 1)) & 0xffff0000u);
}

struct gc_mma_operands {
  unsigned a[4], b[2];
};
GC_INLINE const gc_mma_operands &gc_mma_of(const unsigned char *all, int lane) {
  return *(const gc_mma_operands *)(all + 64 * lane);
}

GC_INLINE void gc_mma_tf32(float *c, const unsigned *a, const unsigned *b) {
  const gc_mma_operands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const unsigned char *all = gc_exchange(&mine, sizeof mine);
  const int g = gc_lane() / 4, t = gc_lane() % 4;
  for (int i = 0; i < 4; i++) {
    const int column = 2 * t + i % 2;
    for (int k = 0; k < 8; k++) {
      const unsigned x = gc_mma_of(all, g * 4 + k % 4).a[k / 4 * 2 + i / 2];
      const unsigned y = gc_mma_of(all, column * 4 + k % 4).b[k / 4];
      c[i] += __int_as_float((int)(x & ~0x1fffu)) * __int_as_float((int)(y & ~0x1fffu));
    }
  }
}

GC_INLINE void gc_mma_bf16(float *c, const unsigned *a, const unsigned *b) {
  const gc_mma_operands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const unsigned char *all = gc_exchange(&mine, sizeof mine);
  const int g = gc_lane() / 4, t = gc_lane() % 4;
  for (int i = 0; i < 4; i++) {
    const int column = 2 * t + i % 2;
    for (int k = 0; k < 16; k++) {
      const int half = k % 2 ? 0 : 16; // BF16 is the upper half of a float
      const unsigned x = gc_mma_of(all, g * 4 + k % 8 / 2).a[k / 8 * 2 + i / 2] << half & 0xffff0000u;
      const unsigned y = gc_mma_of(all, column * 4 + k % 8 / 2).b[k / 8] << half & 0xffff0000u;
      c[i] += __int_as_float((int)x) * __int_as_float((int)y);
    }
  }
}

#else

GC_INLINE unsigned gc_tf32(float x) {
  unsigned r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
  return r;
}
GC_INLINE unsigned gc_bf16x2(float lo, float hi) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
GC_INLINE void gc_mma_tf32(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
GC_INLINE void gc_mma_bf16(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
