package boxes

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// ROIs reads the regions of interest of a layer: a bottom of rows of image, x1, y1, x2
// and y2. The embedded Indices reads the images.
type ROIs struct {
	*layers.Indices
	spec   *layers.Spec
	bottom int
}

// NewROIs returns the reader of the bottom of that number. What says what the images
// are numbers of, for errors: "images of bottom 0".
func NewROIs(s *layers.Spec, bottom int, what string) ROIs {
	r := ROIs{layers.NewIndices(s, bottom, what), s, bottom}
	r.SetStride(5)
	return r
}

// Reshape returns the number of ROIs, whose images are below the limit.
func (r ROIs) Reshape(b *blob.Blob, images int) (int, error) {
	if b.Axes() < 2 || b.CountFrom(1) != 5 {
		return 0, r.spec.ErrorAt("bottom", r.bottom, fmt.Errorf("got ROIs of shape %v, want R x 5: image, x1, y1, x2, y2", b.Shape()))
	}
	if err := r.Indices.Reshape(b.Dim(0), images); err != nil {
		return 0, r.spec.ErrorAt("bottom", r.bottom, err)
	}
	return b.Dim(0), nil
}

// CheckScale returns an error for the option spatial_scale of a layer, in the field of
// that name, if it is not a positive number.
func CheckScale(s *layers.Spec, field string, scale float32) error {
	if scale > 0 && scale <= math.MaxFloat32 {
		return nil
	}
	return s.Errorf(field+".spatial_scale", "spatial_scale is %v, want a positive number", scale)
}

// CheckPooled returns an error for the options pooled_h and pooled_w of a layer, in the
// field of that name, if one is not set or out of range.
func CheckPooled(s *layers.Spec, field string, h, w uint32) error {
	for _, o := range []struct {
		name  string
		value uint32
	}{{"pooled_h", h}, {"pooled_w", w}} {
		if !s.HasOption(o.name) {
			return s.Errorf(field, "%s is not set", o.name)
		}
		if o.value < 1 || o.value > math.MaxInt16 {
			return s.Errorf(field+"."+o.name, "%s is %d, want 1 to %d", o.name, o.value, math.MaxInt16)
		}
	}
	return nil
}

// Pad returns b enlarged by a part of its width on the left and on the right, and of its
// height above and below. The coordinates are those of the first and last pixels.
func (b Box) Pad(part float32) Box {
	if part == 0 { // infinite coordinates stay
		return b
	}
	x, y := float32((b.XMax-b.XMin+1)*part), float32((b.YMax-b.YMin+1)*part)
	return Box{b.XMin - x, b.YMin - y, b.XMax + x, b.YMax + y}
}

// CheckPad returns an error for the option pad_ratio of a layer, in the field of that
// name, if it is not a number from 0.
func CheckPad(s *layers.Spec, field string, ratio float32) error {
	if ratio >= 0 && ratio <= math.MaxFloat32 {
		return nil
	}
	return s.Errorf(field+".pad_ratio", "pad_ratio is %v, want a number from 0", ratio)
}
