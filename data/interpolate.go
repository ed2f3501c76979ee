package data

import (
	"math"
	"slices"
)

// Interpolation is how an image is scaled, with the meanings of OpenCV's constants.
type Interpolation byte

// The interpolations. Cubic has a = -0.75, and Lanczos4 takes 8 x 8 pixels. Area is the
// mean of the pixels that one of the result covers, and Linear where an image grows.
//
// Differs from OpenCV: all but Linear and Nearest are computed in float32, so a byte may
// differ by one; Area where an image grows in one direction only is Linear in both.
const (
	Linear Interpolation = iota
	Nearest
	Area
	Cubic
	Lanczos4
)

// A Resizer scales images. It keeps its storage from one image to the next.
type Resizer struct {
	linear        scaler
	columns, rows resampling
	wide          []float32 // the source, scaled in width
}

// Resize makes dst the image src, scaled to the given size. dst must not be src.
func (r *Resizer) Resize(dst, src *Image, height, width int, how Interpolation) {
	r.resize(dst, src, rect{0, 0, src.Height, src.Width}, height, width, how)
}

// resize is Resize of a part of src.
func (r *Resizer) resize(dst, src *Image, part rect, height, width int, how Interpolation) {
	if how == Area && (height > part.height || width > part.width) {
		how = Linear
	}
	if how == Linear {
		r.linear.scale(dst, src, part, height, width)
		return
	}
	dst.reset(src.Channels, width, height)
	r.columns.set(width, part.width, how)
	r.rows.set(height, part.height, how)
	c, n := src.Channels, width*src.Channels
	r.wide = slices.Grow(r.wide[:0], part.height*n)[:part.height*n]
	for y := range part.height {
		row, out := src.Pix[((part.top+y)*src.Width+part.left)*c:], r.wide[y*n:][:n]
		for x := range width {
			at, weights := r.columns.taps(x)
			for k := range c {
				var sum float32
				for i, w := range weights {
					sum += float32(w * float32(row[at[i]*c+k]))
				}
				out[x*c+k] = sum
			}
		}
	}
	for y := range height {
		at, weights := r.rows.taps(y)
		out := dst.Pix[y*n:][:n]
		for x := range out {
			var sum float32
			for i, w := range weights {
				sum += float32(w * r.wide[at[i]*n+x])
			}
			out[x] = toByte(sum)
		}
	}
}

// resampling has the pixels of the source that each pixel of the result is made of, in
// one direction, with their weights.
type resampling struct {
	each    int // taps of a pixel
	at      []int
	weights []float32
}

// taps returns the pixels of the source and their weights.
func (r *resampling) taps(i int) ([]int, []float32) {
	from, to := i*r.each, (i+1)*r.each
	return r.at[from:to], r.weights[from:to]
}

// set computes the taps of n pixels in a source of from pixels.
func (r *resampling) set(n, from int, how Interpolation) {
	scale := float64(from) / float64(n)
	r.each = map[Interpolation]int{Nearest: 1, Cubic: 4, Lanczos4: 8, Area: int(math.Ceil(scale)) + 1}[how]
	r.at, r.weights = r.at[:0], r.weights[:0]
	for i := range n {
		center := (float64(i)+0.5)*scale - 0.5
		first := int(math.Floor(center)) - r.each/2 + 1
		switch how {
		case Nearest:
			first = int(math.Floor(float64(i) * scale))
		case Area:
			first = int(math.Floor(float64(i) * scale))
		}
		sum := 0.
		for k := range r.each {
			sum += weight(how, first+k, i, center, scale)
		}
		for k := range r.each {
			r.at = append(r.at, max(0, min(first+k, from-1)))
			r.weights = append(r.weights, float32(weight(how, first+k, i, center, scale)/sum))
		}
	}
}

// weight returns the weight of pixel at of the source in pixel i of the result.
func weight(how Interpolation, at, i int, center, scale float64) float64 {
	x := math.Abs(center - float64(at))
	switch how {
	case Area:
		from, to := float64(i)*scale, float64(i+1)*scale
		return max(0, min(to, float64(at+1))-max(from, float64(at)))
	case Cubic:
		const a = -0.75
		switch {
		case x <= 1:
			return ((a+2)*x-(a+3))*x*x + 1
		case x < 2:
			return ((a*x-5*a)*x+8*a)*x - 4*a
		}
		return 0
	case Lanczos4:
		if x < 1e-9 {
			return 1
		}
		if x >= 4 {
			return 0
		}
		return 4 * math.Sin(math.Pi*x) * math.Sin(math.Pi*x/4) / (math.Pi * math.Pi * x * x)
	}
	return 1
}
