package cascade

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// bounds say how much a box may differ from its anchor.
type bounds struct {
	xy float32 // of the center, in sizes of the anchor
	wh float32 // of the logarithm of the sizes' ratio
}

// newBounds returns the bounds that options field_xyr and field_whr of a layer give, in
// the field of that name.
func newBounds(s *layers.Spec, field string, xyr, whr float32) (b bounds, err error) {
	for name, v := range map[string]float32{"field_whr": whr, "field_xyr": xyr} {
		if !(v > 0 && v <= math.MaxFloat32) {
			return b, s.Errorf(field+"."+name, "%s is %v, want a positive number", name, v)
		}
	}
	return bounds{1 / xyr, log(whr)}, nil
}

// side returns the first pixel and the length of a box whose anchor of that size is at a
// place of the map, from the denormalized numbers that predict it.
func (b bounds) side(offset, logarithm, size float32, at int, stride float32) (first, length float32) {
	offset = min(b.xy, max(-b.xy, offset))
	logarithm = min(b.wh, max(-b.wh, logarithm))
	center := float32(offset*size) + float32((float32(at)+0.5)*stride)
	length = size * exp(logarithm)
	return center - length/2, length
}

// anchors are the boxes at each pixel of a map, which a region proposal network tells
// apart.
type anchors struct {
	regression
	classes    int
	w, h       []float32 // of each anchor
	stride     float32
	objectness bool // whether all classes but the background are one
	ignore     *int // the label that does not count

	items, height, width int // of the map; items are anchors of images
	labels               []int
}

// anchorOptions are the options of a layer about its anchors.
type anchorOptions struct {
	Classes    int      `proto:"cls_num"`
	H          []uint32 `proto:"field_h"`
	W          []uint32 `proto:"field_w"`
	Stride     int      `proto:"stride"`
	Objectness bool     `proto:"objectness"`
}

// newAnchors returns the anchors that options in the field of that name give.
func newAnchors(s *layers.Spec, field string, o *anchorOptions) (a anchors, err error) {
	switch {
	case o.Classes < 2 || o.Classes > math.MaxInt16:
		return a, s.Errorf(field, "cls_num is %d, want 2 to %d, with the background", o.Classes, math.MaxInt16)
	case o.Objectness && o.Classes != 2:
		return a, s.Errorf(field+".cls_num", "cls_num is %d, want 2 with objectness", o.Classes)
	case len(o.H) == 0 || len(o.H) != len(o.W):
		return a, s.Errorf(field, "there are %d field_h and %d field_w, want as many of each, at least one", len(o.H), len(o.W))
	case o.Stride < 1 || o.Stride > math.MaxInt16:
		return a, s.Errorf(field, "stride is %d, want 1 to %d", o.Stride, math.MaxInt16)
	}
	a = anchors{classes: o.Classes, stride: float32(o.Stride), objectness: o.Objectness}
	for i := range o.H {
		a.h, a.w = append(a.h, float32(o.H[i])), append(a.w, float32(o.W[i]))
		if o.H[i] == 0 || o.W[i] == 0 {
			return a, s.Errorf(field, "anchor %d has height %d and width %d, want positive numbers", i, o.H[i], o.W[i])
		}
	}
	if p := s.Param.GetLossParam(); p != nil && p.IgnoreLabel != nil {
		label := int(p.GetIgnoreLabel())
		a.ignore = &label
	}
	a.regression, err = newRegression(s)
	return a, err
}

// reshape checks the bottoms: scores, numbers of boxes, and labels with boxes.
func (a *anchors) reshape(s *layers.Spec, bottom []*blob.Blob) error {
	for i, channels := range []int{a.classes, 4, 6} {
		b := bottom[i]
		if b.Axes() != 4 {
			return s.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want 4 axes", i, b.Shape()))
		}
		if i == 0 {
			a.items, a.height, a.width = b.Dim(0), b.Dim(2), b.Dim(3)
		}
		if b.Dim(0) != a.items || b.Dim(1) != channels || b.Dim(2) != a.height || b.Dim(3) != a.width {
			return s.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want %d x %d x %d x %d", i, b.Shape(), a.items, channels, a.height, a.width))
		}
	}
	if a.items%len(a.w) != 0 {
		return s.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has %d items, want %d for each image, one for each anchor", a.items, len(a.w)))
	}
	a.labels = layers.Resize(a.labels, a.items*a.size())
	return nil
}

// size returns the number of pixels of the map.
func (a *anchors) size() int { return a.height * a.width }

// plane returns a plane of an item of a bottom.
func (a *anchors) plane(x []float32, channels, item, channel int) []float32 {
	return x[(item*channels+channel)*a.size():][:a.size()]
}

// readLabels reads the classes of all anchors.
func (a *anchors) readLabels(s *layers.Spec, truth *blob.Blob) error {
	for item := range a.items {
		for at, v := range a.plane(truth.Data(), 6, item, 0) {
			if !(v > -1<<24 && v < 1<<24) || a.class(int(v)) >= a.classes {
				return s.ErrorAt("bottom", 2, fmt.Errorf("the label of item %d at pixel %d is %v, want 0 to %d", item, at, v, a.classes-1))
			}
			a.labels[item*a.size()+at] = int(v)
		}
	}
	return nil
}

// class returns the class of a label: 1 for all but the background, with objectness.
func (a *anchors) class(label int) int {
	if a.objectness {
		return min(1, label)
	}
	return label
}

// ignored reports whether a class does not count.
func (a *anchors) ignored(class int) bool { return a.ignore != nil && class == *a.ignore }
