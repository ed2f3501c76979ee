package rcnn

import (
	"math"

	"github.com/gocaffe/gocaffe/layers/boxes"
)

// A wideBox is a box, xmin, ymin, xmax and ymax in pixels, in float64: the overlaps of
// targets are computed so.
type wideBox [4]float64

// The anchors of Faster R-CNN.
var (
	defaultRatios = []float64{0.5, 1, 2}
	defaultScales = []float64{8, 16, 32}
)

// anchors returns the boxes of all aspect ratios and scales around the first place of a
// map, whose cell is a square from 0 to base - 1 in the image: for each ratio, height
// over width, all scales. Sides are round(sqrt(base^2 / ratio)) and round(that ratio),
// times the scale.
func anchors(base float64, ratios, scales []float64, round func(float64) float64) []wideBox {
	list := make([]wideBox, 0, len(ratios)*len(scales))
	center := (base - 1) / 2
	for _, ratio := range ratios {
		w := round(math.Sqrt(base * base / ratio))
		h := round(w * ratio)
		for _, scale := range scales {
			x, y := (w*scale-1)/2, (h*scale-1)/2
			list = append(list, wideBox{center - x, center - y, center + x, center + y})
		}
	}
	return list
}

// shifted returns the box of a place of the map, which is x and y pixels from the first.
func (b wideBox) shifted(x, y float64) wideBox {
	return wideBox{b[0] + x, b[1] + y, b[2] + x, b[3] + y}
}

// narrow returns the box in float32.
func (b wideBox) narrow() boxes.Box {
	return boxes.Box{XMin: float32(b[0]), YMin: float32(b[1]), XMax: float32(b[2]), YMax: float32(b[3])}
}

// wideOf returns a box in float64.
func wideOf(b boxes.Box) wideBox {
	return wideBox{float64(b.XMin), float64(b.YMin), float64(b.XMax), float64(b.YMax)}
}

// overlap returns the common area of two boxes over that of their union, with a pixel
// added to widths and heights: boxes.Overlap in float64.
func (b wideBox) overlap(o wideBox) float64 {
	w := min(b[2], o[2]) - max(b[0], o[0]) + 1
	h := min(b[3], o[3]) - max(b[1], o[1]) + 1
	if !(w > 0 && h > 0) {
		return 0
	}
	common := float64(w * h)
	return common / (float64((b[2]-b[0]+1)*(b[3]-b[1]+1)) + float64((o[2]-o[0]+1)*(o[3]-o[1]+1)) - common)
}

// decode returns the box that t predicts relative to an anchor: centers moved by t[0]
// and t[1] widths and heights, sides multiplied by exp(t[2]) and exp(t[3]). The sides of
// the anchor are its pixels; those of the result are not.
func decode(a boxes.Box, t [4]float32) boxes.Box {
	w, h := a.XMax-a.XMin+1, a.YMax-a.YMin+1
	x := float32(t[0]*w) + (a.XMin + float32(0.5*w))
	y := float32(t[1]*h) + (a.YMin + float32(0.5*h))
	w = 0.5 * (float32(math.Exp(float64(t[2]))) * w)
	h = 0.5 * (float32(math.Exp(float64(t[3]))) * h)
	return boxes.Box{XMin: x - w, YMin: y - h, XMax: x + w, YMax: y + h}
}

// encode returns what decode makes a box of, in pixels, for the center and the sides of
// another one.
func encode(from wideBox, to boxes.Box) [4]float64 {
	w, h := from[2]-from[0]+1, from[3]-from[1]+1
	toW, toH := to.XMax-to.XMin+1, to.YMax-to.YMin+1
	toX, toY := to.XMin+float32(0.5*toW), to.YMin+float32(0.5*toH)
	return [4]float64{
		(float64(toX) - (from[0] + 0.5*w)) / w,
		(float64(toY) - (from[1] + 0.5*h)) / h,
		math.Log(float64(toW) / w),
		math.Log(float64(toH) / h),
	}
}

// halfUp rounds as C's (int)(v + 0.5) does.
func halfUp(v float64) float64 { return math.Floor(v + 0.5) }
