package data

import (
	"math"
	"slices"
)

// Resize scales the image to the given size, as OpenCV's resize does with
// INTER_LINEAR: pixel centres correspond, weights are in 11 bits of fixed
// point, and a reduction to exactly half is the mean of four pixels.
func (im *Image) Resize(height, width int) {
	if height == im.Height && width == im.Width {
		return
	}
	var s scaler
	out := Image{Warning: im.Warning, decoder: im.decoder}
	s.scale(&out, im, rect{0, 0, im.Height, im.Width}, height, width)
	*im = out
}

// rect is a part of an image.
type rect struct{ top, left, height, width int }

// A scaler scales parts of images. It keeps its storage from one to the next.
type scaler struct {
	columns, rows []tap
	lines         [2]line
}

// line is a row of the source, scaled.
type line struct {
	y    int // in the part
	sums []int32
}

// scale makes dst the given part of src, scaled to the given size.
func (s *scaler) scale(dst, src *Image, part rect, height, width int) {
	dst.reset(src.Channels, width, height)
	pix := src.Pix[(part.top*src.Width+part.left)*src.Channels:]
	if 2*height == part.height && 2*width == part.width {
		halve(dst, pix, src.Width*src.Channels)
		return
	}
	s.columns = taps(s.columns, width, part.width, src.Channels, true)
	s.rows = taps(s.rows, height, part.height, src.Width*src.Channels, false)
	n := width * src.Channels
	for i := range s.lines {
		s.lines[i].y = -1
		s.lines[i].sums = slices.Grow(s.lines[i].sums[:0], n)[:n]
	}
	for y, r := range s.rows {
		above, below := s.row(pix, r.a, src.Channels), s.row(pix, r.b, src.Channels)
		out := dst.Pix[y*n:][:n]
		for i := range out {
			// VResizeLinear of OpenCV's resize.cpp
			v := r.weightA*(above[i]>>4)>>16 + r.weightB*(below[i]>>4)>>16
			out[i] = byte(max(0, min((v+2)>>2, 255)))
		}
	}
}

// row returns the row of the source that begins at pix[at], scaled. It overwrites the
// row above the one of the last call but one.
func (s *scaler) row(pix []byte, at, channels int) []int32 {
	for i := range s.lines {
		if s.lines[i].y == at {
			return s.lines[i].sums
		}
	}
	l := &s.lines[0]
	if s.lines[1].y < l.y {
		l = &s.lines[1]
	}
	l.y = at
	scaleRow(l.sums, pix[at:], channels, s.columns)
	return l.sums
}

// scaleRow scales a row.
func scaleRow(out []int32, row []byte, channels int, columns []tap) {
	if channels == 3 {
		for x, t := range columns {
			a, b, to := row[t.a:t.a+3], row[t.b:t.b+3], out[3*x:3*x+3]
			to[0] = int32(a[0])*t.weightA + int32(b[0])*t.weightB
			to[1] = int32(a[1])*t.weightA + int32(b[1])*t.weightB
			to[2] = int32(a[2])*t.weightA + int32(b[2])*t.weightB
		}
		return
	}
	for x, t := range columns {
		for c := range channels {
			out[x*channels+c] = int32(row[t.a+c])*t.weightA + int32(row[t.b+c])*t.weightB
		}
	}
}

// halve makes dst the means of four pixels. Rows of the source are so many bytes apart.
func halve(dst *Image, pix []byte, row int) {
	for y := range dst.Height {
		for x := range dst.Width {
			for c := range dst.Channels {
				at := 2*y*row + 2*x*dst.Channels + c
				sum := int(pix[at]) + int(pix[at+dst.Channels]) + int(pix[at+row]) + int(pix[at+row+dst.Channels])
				dst.Pix[(y*dst.Width+x)*dst.Channels+c] = byte((sum + 2) >> 2)
			}
		}
	}
}

// resizeBits is OpenCV's INTER_RESIZE_COEF_BITS.
const resizeBits = 11

// A tap is the position of a pixel of the result in the source: between those at the
// offsets a and b, with weights in fixed point.
type tap struct {
	a, b             int
	weightA, weightB int32
}

// taps sets t to the positions of n pixels in a source of from pixels, which are step
// bytes apart. Beyond an edge, the last pixel counts twice; with edgeWeight all weight
// is on a then, as in OpenCV for columns but not for rows.
func taps(t []tap, n, from, step int, edgeWeight bool) []tap {
	scale := 1 / (float64(n) / float64(from))
	t = slices.Grow(t[:0], n)[:n]
	for i := range t {
		at := float32((float64(i)+0.5)*scale - 0.5)
		left := int(math.Floor(float64(at)))
		at -= float32(left)
		if edgeWeight && (left < 0 || left >= from-1) {
			at = 0
		}
		t[i] = tap{
			a:       max(0, min(left, from-1)) * step,
			b:       max(0, min(left+1, from-1)) * step,
			weightA: fixed(1 - at),
			weightB: fixed(at),
		}
	}
	return t
}

func fixed(x float32) int32 { return int32(math.RoundToEven(float64(x * (1 << resizeBits)))) }
