// Package boxes implements the arithmetic of boxes that the layers of detection nets
// share: the overlap of two boxes, the codes in which nets predict boxes, the order of
// scores and the suppression of boxes that overlap better ones.
//
// All arithmetic is float32, rounded after each operation in the order that is given,
// because decisions such as "overlap above 0.5" depend on the last bit.
package boxes

// Box is a rectangle with sides parallel to the axes. The coordinates are fractions of
// an image's width and height, or pixels.
type Box struct{ XMin, YMin, XMax, YMax float32 }

// From returns the box of the first four elements of x: xmin, ymin, xmax, ymax.
func From(x []float32) Box { return Box{x[0], x[1], x[2], x[3]} }

// Put writes the coordinates to the first four elements of x.
func (b Box) Put(x []float32) { x[0], x[1], x[2], x[3] = b.XMin, b.YMin, b.XMax, b.YMax }

// Area returns the area of b, which is 0 if a maximum is less than its minimum. pixel
// is added to width and height: 0 for fractions, 1 for the coordinates of the first and
// the last pixel, as R-CNN has them.
func (b Box) Area(pixel float32) float32 {
	if b.XMax < b.XMin || b.YMax < b.YMin {
		return 0
	}
	return float32((b.XMax - b.XMin + pixel) * (b.YMax - b.YMin + pixel))
}

// Overlap returns the area that a and b have in common divided by the area of their
// union. It is 0 for boxes that have no area in common. For pixel see Area.
func Overlap(a, b Box, pixel float32) float32 {
	return overlap(a, b, a.Area(pixel), b.Area(pixel), pixel)
}

func overlap(a, b Box, areaA, areaB, pixel float32) float32 {
	w := min(a.XMax, b.XMax) - max(a.XMin, b.XMin) + pixel
	h := min(a.YMax, b.YMax) - max(a.YMin, b.YMin) + pixel
	if !(w > 0 && h > 0) {
		return 0
	}
	common := float32(w * h)
	return common / (areaA + areaB - common)
}

// Intersect returns the box that a and b have in common. It reports false, and the
// zero Box, if one of them ends before the other begins.
func Intersect(a, b Box) (Box, bool) {
	if b.XMin > a.XMax || b.XMax < a.XMin || b.YMin > a.YMax || b.YMax < a.YMin {
		return Box{}, false
	}
	return Box{max(a.XMin, b.XMin), max(a.YMin, b.YMin), min(a.XMax, b.XMax), min(a.YMax, b.YMax)}, true
}

// Clip returns b with all coordinates within an image of width w and height h: 1 and 1
// for fractions.
func (b Box) Clip(w, h float32) Box {
	return Box{clip(b.XMin, w), clip(b.YMin, h), clip(b.XMax, w), clip(b.YMax, h)}
}

func clip(v, limit float32) float32 { return max(min(v, limit), 0) }

// Scale returns b with x multiplied by w and y by h.
func (b Box) Scale(w, h float32) Box {
	return Box{b.XMin * w, b.YMin * h, b.XMax * w, b.YMax * h}
}
