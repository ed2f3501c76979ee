package data

import "math"

// Resize scales the image to the given size, as OpenCV's resize does with
// INTER_LINEAR: pixel centres correspond, weights are in 11 bits of fixed
// point, and a reduction to exactly half is the mean of four pixels.
func (im *Image) Resize(height, width int) {
	if height == im.Height && width == im.Width {
		return
	}
	out := make([]byte, height*width*im.Channels)
	if 2*height == im.Height && 2*width == im.Width {
		im.halve(out, height, width)
	} else {
		im.interpolate(out, height, width)
	}
	im.Height, im.Width, im.Pix = height, width, out
}

func (im *Image) halve(out []byte, height, width int) {
	row := im.Width * im.Channels
	for y := range height {
		for x := range width {
			for c := range im.Channels {
				at := 2*y*row + 2*x*im.Channels + c
				sum := int(im.Pix[at]) + int(im.Pix[at+im.Channels]) + int(im.Pix[at+row]) + int(im.Pix[at+row+im.Channels])
				out[(y*width+x)*im.Channels+c] = byte((sum + 2) >> 2)
			}
		}
	}
}

// resizeBits is OpenCV's INTER_RESIZE_COEF_BITS.
const resizeBits = 11

// A tap is the position of a pixel of the result in the source: between a and b,
// with weights in fixed point.
type tap struct{ a, b, weightA, weightB int }

// taps returns the positions of n pixels in a source of from pixels. Beyond an
// edge, the last pixel counts twice; with edgeWeight all weight is on a then, as in
// OpenCV for columns but not for rows.
func taps(n, from int, edgeWeight bool) []tap {
	scale := 1 / (float64(n) / float64(from))
	t := make([]tap, n)
	for i := range t {
		at := float32((float64(i)+0.5)*scale - 0.5)
		left := int(math.Floor(float64(at)))
		at -= float32(left)
		if edgeWeight && (left < 0 || left >= from-1) {
			at = 0
		}
		t[i] = tap{
			a:       max(0, min(left, from-1)),
			b:       max(0, min(left+1, from-1)),
			weightA: fixed(1 - at),
			weightB: fixed(at),
		}
	}
	return t
}

func fixed(x float32) int { return int(math.RoundToEven(float64(x * (1 << resizeBits)))) }

func (im *Image) interpolate(out []byte, height, width int) {
	columns, rows := taps(width, im.Width, true), taps(height, im.Height, false)
	n := width * im.Channels
	above, below := make([]int, n), make([]int, n)
	for y, r := range rows {
		im.interpolateRow(above, r.a, columns)
		im.interpolateRow(below, r.b, columns)
		for i := range n {
			// VResizeLinear of OpenCV's resize.cpp
			v := r.weightA*(above[i]>>4)>>16 + r.weightB*(below[i]>>4)>>16
			out[y*n+i] = byte(max(0, min((v+2)>>2, 255)))
		}
	}
}

// interpolateRow scales row y of the image.
func (im *Image) interpolateRow(out []int, y int, columns []tap) {
	row := im.Pix[y*im.Width*im.Channels:]
	for x, t := range columns {
		for c := range im.Channels {
			out[x*im.Channels+c] = int(row[t.a*im.Channels+c])*t.weightA + int(row[t.b*im.Channels+c])*t.weightB
		}
	}
}
