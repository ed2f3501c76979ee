package jpeg

import "slices"

// row writes row y of a component at full size to out. Planes of half the size are
// interpolated as in libjpeg's jdsample.c ("fancy upsampling"), with samples halfway
// between those of the full size. All others are repeated.
func (d *Decoder) row(i, y int, out []byte) {
	c := &d.components[i]
	at := func(y int) []byte { return c.plane[max(0, min(y, c.height-1))*c.stride:][:c.width] }
	near, far := y/2, y/2-1+y%2*2
	switch h, v := d.maxH/c.h, d.maxV/c.v; {
	case h == 1 && v == 1:
		copy(out, at(y))
	case h == 2 && v == 1 && c.width > 2:
		row := at(y)
		d.sums = slices.Grow(d.sums[:0], len(row))[:len(row)]
		for x, s := range row {
			d.sums[x] = int32(s)
		}
		double(out, d.sums, 2, 1, 2)
	case h == 1 && v == 2:
		a, b := at(near), at(far)
		round := int32(1 + y%2)
		for x := range out {
			out[x] = byte((3*int32(a[x]) + int32(b[x]) + round) >> 2)
		}
	case h == 2 && v == 2 && c.width > 2:
		a, b := at(near), at(far)
		d.sums = slices.Grow(d.sums[:0], len(a))[:len(a)]
		for x := range a {
			d.sums[x] = 3*int32(a[x]) + int32(b[x])
		}
		double(out, d.sums, 4, 8, 7)
	default:
		row := at(y / v)
		for x := range out {
			out[x] = row[x/h]
		}
	}
}

// double doubles a row. Each value becomes two: three quarters of it plus one quarter of
// its neighbour on that side. The sums have shift-2 bits of fraction; left and right are
// added before these are shifted out.
func double(out []byte, sums []int32, shift uint, left, right int32) {
	last := len(sums) - 1
	before := sums[0]
	for i, s := range sums {
		after := sums[min(i+1, last)]
		out[2*i] = byte((3*s + before + left) >> shift)
		if 2*i+1 < len(out) {
			out[2*i+1] = byte((3*s + after + right) >> shift)
		}
		before = s
	}
}
