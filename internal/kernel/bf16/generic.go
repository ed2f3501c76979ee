package bf16

import (
	"math"
	"unsafe"
)

var generic = Micro{
	Name: "generic",
	blocks: [2][2]BlockFunc{
		{blockGeneric(1, 1), blockGeneric(1, 2)},
		{blockGeneric(2, 1), blockGeneric(2, 2)},
	},
	round:     roundGeneric,
	pair:      pairGeneric,
	copyLines: copyLinesGeneric,
}

// FromFloat32 returns the nearest bfloat16, of two that are as near the even one. As the
// processors' instructions do, it turns numbers below 2⁻¹²⁶ into 0.
func FromFloat32(x float32) uint16 {
	b := math.Float32bits(x)
	switch b >> 23 & 0xff {
	case 0:
		return uint16(b >> 16 & 0x8000)
	case 0xff:
		if b<<9 != 0 {
			return uint16(b>>16 | 0x40) // a NaN stays one
		}
		return uint16(b >> 16)
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// ToFloat32 returns the value of a bfloat16.
func ToFloat32(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }

// blockGeneric returns the BlockFunc of some panels. It sums in the order of AVX512_BF16.
func blockGeneric(rows, cols int) BlockFunc {
	return func(k int, a *byte, offA *int32, lda, stepA int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool) {
		at := func(p *byte, off int) [2]float32 {
			v := *(*uint32)(unsafe.Add(unsafe.Pointer(p), off))
			return [2]float32{ToFloat32(uint16(v)), ToFloat32(uint16(v >> 16))}
		}
		placesA, placesB := unsafe.Slice(offA, k), unsafe.Slice(offB, k)
		for i := range rows * Side {
			for j := range cols * Side {
				y := (*float32)(unsafe.Add(unsafe.Pointer(c), 4*(i*ldc+j)))
				var sum float32
				if add {
					sum = *y
				}
				for t := range k {
					fromA := int(placesA[t]) + i/Side*stepA + i%Side*lda
					fromB := int(placesB[t]) + j/Side*stepB + 4*(j%Side)
					for p := range Side {
						u, v := at(a, fromA+4*p), at(b, fromB+p*ldb)
						sum += float32(u[1] * v[1])
						sum += float32(u[0] * v[0])
					}
				}
				*y = sum
			}
		}
	}
}

func roundGeneric(n int, src *float32, dst *uint16, _ int) {
	to := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		to[i] = FromFloat32(v)
	}
}

func pairGeneric(n int, even, odd *float32, dst *uint32, _ int) {
	to := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(even, n) {
		to[i] = uint32(FromFloat32(v))
	}
	if odd == nil {
		return
	}
	for i, v := range unsafe.Slice(odd, n) {
		to[i] |= uint32(FromFloat32(v)) << 16
	}
}

func copyLinesGeneric(n int, src *byte, off *int32, dst *uint32) {
	to := unsafe.Slice((*byte)(unsafe.Pointer(dst)), 4*Side*n)
	for i, o := range unsafe.Slice(off, n) {
		copy(to[4*Side*i:][:4*Side], unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(src), int(o))), 4*Side))
	}
}
