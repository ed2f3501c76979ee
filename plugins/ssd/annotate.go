package ssd

import (
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// emitConstraint says which objects stay when a part of an image is taken.
type emitConstraint struct {
	Type    string  `proto:"emit_type"`
	Overlap float32 `proto:"emit_overlap"`
}

// emits reports whether an object stays in a part. A nil constraint keeps all.
func (e *emitConstraint) emits(part, object boxes.Box) bool {
	if e == nil {
		return true
	}
	if e.Type == "MIN_OVERLAP" {
		return coverage(object, part) > e.Overlap
	}
	x, y := (object.XMin+object.XMax)/2, (object.YMin+object.YMax)/2
	return x >= part.XMin && x <= part.XMax && y >= part.YMin && y <= part.YMax
}

// project makes objects those of a part of their image, in fractions of the part. What
// is outside of it is cut off; objects without area are left out.
func project(objects []data.Object, part boxes.Box, emit *emitConstraint) []data.Object {
	stay := objects[:0]
	w, h := part.XMax-part.XMin, part.YMax-part.YMin
	for _, o := range objects {
		b := boxOf(&o)
		if !emit.emits(part, b) {
			continue
		}
		b = boxes.Box{
			XMin: (b.XMin - part.XMin) / w, YMin: (b.YMin - part.YMin) / h,
			XMax: (b.XMax - part.XMin) / w, YMax: (b.YMax - part.YMin) / h,
		}.Clip(1, 1)
		if b.Area(0) > 0 {
			stay = append(stay, withBox(o, b))
		}
	}
	return stay
}

// withBox returns o with another box.
func withBox(o data.Object, b boxes.Box) data.Object {
	o.XMin, o.YMin, o.XMax, o.YMax = b.XMin, b.YMin, b.XMax, b.YMax
	return o
}

// paste copies src into dst, where its top left pixel is to be.
func paste(dst, src *data.Image, top, left int) {
	c := src.Channels
	for y := range src.Height {
		copy(dst.Pix[((top+y)*dst.Width+left)*c:], src.Pix[y*src.Width*c:][:src.Width*c])
	}
}

// blank makes im an image of a color, a value for each channel or for all.
func blank(im *data.Image, channels, height, width int, color []float32) {
	n := channels * height * width
	if cap(im.Pix) < n {
		im.Pix = make([]byte, n)
	}
	im.Channels, im.Height, im.Width, im.Pix = channels, height, width, im.Pix[:n]
	for i := range im.Pix {
		im.Pix[i] = byte(max(0, min(color[i%channels%len(color)]+0.5, 255)))
	}
}
