package jpeg

// Constants of the transform, with 13 bits of fraction: jidctint.c of libjpeg.
const (
	fix0298631336 = 2446
	fix0390180644 = 3196
	fix0541196100 = 4433
	fix0765366865 = 6270
	fix0899976223 = 7373
	fix1175875602 = 9633
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2562915447 = 20995
	fix3072711026 = 25172

	fractionBits = 13
	passBits     = 2 // of fraction between the passes
)

// inverse computes the inverse cosine transform of a block, whose coefficients are in
// natural order, and writes the samples to out, in rows of stride: the algorithm of
// Loeffler, Ligtenberg and Moschytz in integers, with libjpeg's rounding. Coefficients
// that only damaged files have overflow as in the vector code of libjpeg-turbo: sums and
// products of 16 bits wrap, results are limited to 16 bits.
func inverse(b *[64]int16, quant *[64]uint16, out []byte, stride int) {
	var w [64]int32
	if flat(b) {
		v := int32(int16(int32(b[0]) * int32(quant[0]) << passBits))
		for k := range 8 {
			w[8*k] = v
		}
	} else {
		for i := range 8 {
			if b[8+i]|b[16+i]|b[24+i]|b[32+i]|b[40+i]|b[48+i]|b[56+i] == 0 {
				v := limit(int32(int16(int32(b[i])*int32(quant[i]))) << passBits)
				for k := i; k < 64; k += 8 {
					w[k] = v
				}
				continue
			}
			at := func(k int) int32 { return int32(int16(int32(b[8*k+i]) * int32(quant[8*k+i]))) }
			var y [8]int32
			transform(&y, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7))
			const shift = fractionBits - passBits
			for k, v := range y {
				w[8*k+i] = limit((v + 1<<(shift-1)) >> shift)
			}
		}
	}
	for k := range 8 {
		r := w[8*k : 8*k+8 : 8*k+8]
		var y [8]int32
		transform(&y, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		const shift = fractionBits + passBits + 3
		row := out[k*stride:][:8:8]
		for i, v := range y {
			row[i] = clamp((v+1<<(shift-1))>>shift + 128)
		}
	}
}

// flat reports whether a block has no coefficient but the first.
func flat(b *[64]int16) bool {
	for _, v := range b[1:] {
		if v != 0 {
			return false
		}
	}
	return true
}

// limit returns the nearest number of 16 bits.
func limit(v int32) int32 { return max(-1<<15, min(v, 1<<15-1)) }

// transform computes a transform of eight values, with fractionBits of fraction.
func transform(y *[8]int32, x0, x1, x2, x3, x4, x5, x6, x7 int32) {
	z1 := (x2 + x6) * fix0541196100
	t2 := z1 - x6*fix1847759065
	t3 := z1 + x2*fix0765366865
	t0 := int32(int16(x0+x4)) << fractionBits
	t1 := int32(int16(x0-x4)) << fractionBits
	e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

	z1 = x7 + x1
	z2 := x5 + x3
	z3 := int32(int16(x7 + x3))
	z4 := int32(int16(x5 + x1))
	z5 := (z3 + z4) * fix1175875602
	z1 *= -fix0899976223
	z2 *= -fix2562915447
	z3 = z3*-fix1961570560 + z5
	z4 = z4*-fix0390180644 + z5
	o0 := x7*fix0298631336 + z1 + z3
	o1 := x5*fix2053119869 + z2 + z4
	o2 := x3*fix3072711026 + z2 + z3
	o3 := x1*fix1501321110 + z1 + z4

	y[0], y[7] = e0+o3, e0-o3
	y[1], y[6] = e1+o2, e1-o2
	y[2], y[5] = e2+o1, e2-o1
	y[3], y[4] = e3+o0, e3-o0
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}
