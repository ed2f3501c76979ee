package ssd

import (
	"fmt"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// resizeOptions are the options of ResizeParameter: how an image becomes what a net
// sees.
type resizeOptions struct {
	Mode        string    `proto:"resize_mode"`
	Height      int       `proto:"height"`
	Width       int       `proto:"width"`
	HeightScale int       `proto:"height_scale"`
	WidthScale  int       `proto:"width_scale"`
	Pad         string    `proto:"pad_mode"`
	PadValue    []float32 `proto:"pad_value"`
	Interp      []string  `proto:"interp_mode"`
	Prob        float32   `proto:"prob"`
}

// check checks the options, which are number i in a field.
func (r *resizeOptions) check(s *layers.Spec, field string, i int) error {
	if r != nil && (r.Height <= 0 || r.Width <= 0) {
		return s.ErrorAt(field, i, fmt.Errorf("%s has height %d and width %d, want positive numbers", field, r.Height, r.Width))
	}
	return nil
}

// inPixels returns a box of fractions in pixels of the image that was scaled, as Caffe's
// OutputBBox. r may be nil: the image was scaled to the net's size.
func (r *resizeOptions) inPixels(b boxes.Box, h, w int) boxes.Box {
	height, width := float32(h), float32(w)
	if r != nil {
		switch {
		case r.Mode == "FIT_LARGE_SIZE_AND_PAD":
			b = r.withoutPadding(b, width/height)
		case r.Mode == "FIT_SMALL_SIZE" && r.HeightScale > 0 && r.WidthScale > 0:
			return b.Scale(float32(r.WidthScale), float32(r.HeightScale)).Clip(width, height)
		}
	}
	return b.Clip(1, 1).Scale(width, height)
}

// withoutPadding returns a box of fractions of a padded image in fractions of the image
// with the given aspect. As in Caffe, a box in the padding stays as it is.
func (r *resizeOptions) withoutPadding(b boxes.Box, aspect float32) boxes.Box {
	height, width := float32(r.Height), float32(r.Width)
	image := boxes.Box{XMax: 1, YMax: 1}
	if aspect > width/height {
		padding := (height - width/aspect) / 2
		image.YMin, image.YMax = padding/height, float32(1-float64(padding/height))
	} else {
		padding := (width - float32(height*aspect)) / 2
		image.XMin, image.XMax = padding/width, float32(1-float64(padding/width))
	}
	if b.XMin >= image.XMax || b.XMax <= image.XMin || b.YMin >= image.YMax || b.YMax <= image.YMin {
		return b
	}
	w, h := image.XMax-image.XMin, image.YMax-image.YMin
	return boxes.Box{
		XMin: (b.XMin - image.XMin) / w, YMin: (b.YMin - image.YMin) / h,
		XMax: (b.XMax - image.XMin) / w, YMax: (b.YMax - image.YMin) / h,
	}
}
