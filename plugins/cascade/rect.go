package cascade

import "github.com/gocaffe/gocaffe/layers/boxes"

// A rect is a box by its first pixel and its size in pixels.
type rect struct{ x, y, w, h float32 }

// rectOf returns the rect of a box whose coordinates are those of the first and last
// pixels.
func rectOf(b boxes.Box) rect {
	return rect{b.XMin, b.YMin, b.XMax - b.XMin + 1, b.YMax - b.YMin + 1}
}

// box returns the box of r.
func (r rect) box() boxes.Box {
	return boxes.Box{XMin: r.x, YMin: r.y, XMax: r.x + r.w - 1, YMax: r.y + r.h - 1}
}

// overlap returns the area that two rects have in common divided by that of their union,
// which is 0 if they end less than a pixel apart.
func (r rect) overlap(o rect) float32 {
	if r.w <= 0 || r.h <= 0 || o.w <= 0 || o.h <= 0 {
		return 0
	}
	x0, x1 := max(r.x, o.x), min(r.x+r.w-1, o.x+o.w-1)
	y0, y1 := max(r.y, o.y), min(r.y+r.h-1, o.y+o.h-1)
	if x0 > x1 || y0 > y1 {
		return 0
	}
	common := float32((x1 - x0 + 1) * (y1 - y0 + 1))
	return common / (float32(r.w*r.h) + float32(o.w*o.h) - common)
}

// encode returns the numbers that predict o relative to r: see regression.decode.
func (r rect) encode(o rect) [4]float32 {
	return [4]float32{
		(o.x + 0.5*o.w - (r.x + 0.5*r.w)) / r.w, (o.y + 0.5*o.h - (r.y + 0.5*r.h)) / r.h,
		log(o.w / r.w), log(o.h / r.h),
	}
}
