package common

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// broadcast matches a small blob f to a large one x, for Scale and Bias: x is
// (outer,dim,inner) and f is (dim). The axes of f are those of x from axis on.
type broadcast struct {
	spec  *layers.Spec
	field string // "scale_param" or "bias_param"
	axis  int    // as in the prototxt, from the end if negative

	outer, dim, inner int
	sum               []float32 // (dim)
}

// perChannel reports whether f has one element for each channel of x, which is
// (n,c,...). For a single channel this does not depend on the axis, nor on the shape.
func (g *broadcast) perChannel(n, c int) bool { return g.dim == c && (g.outer == n || c == 1) }

// check checks the options.
func (g *broadcast) check(numAxes int32) error {
	if numAxes < -1 {
		return g.spec.Errorf(g.field+".num_axes", "num_axes is %d, want 0 or more, or -1 for all axes to the last", numAxes)
	}
	return nil
}

// shape returns the shape of a learned f.
func (g *broadcast) shape(x *blob.Blob, numAxes int) ([]int, error) {
	axis, err := x.Axis(g.axis)
	if err != nil {
		return nil, g.spec.ErrorAt(g.field+".axis", 0, err)
	}
	end := axis + numAxes
	if numAxes == -1 {
		end = x.Axes()
	}
	if end > x.Axes() {
		return nil, g.spec.Errorf(g.field+".num_axes", "num_axes is %d, but from axis %d on bottom has fewer axes: its shape is %v", numAxes, axis, x.Shape())
	}
	return x.Shape()[axis:end], nil
}

// fit finds the sizes for blobs x and f. If f is a scalar, the axis does not matter.
func (g *broadcast) fit(x, f *blob.Blob) error {
	axis := 0
	if f.Axes() > 0 {
		var err error
		if axis, err = x.Axis(g.axis); err != nil {
			return g.spec.ErrorAt(g.field+".axis", 0, err)
		}
	}
	end := axis + f.Axes()
	if end > x.Axes() {
		return g.spec.Errorf("bottom", "shape %v from axis %d on has more axes than bottom, whose shape is %v", f.Shape(), axis, x.Shape())
	}
	for i, n := range f.Shape() {
		if x.Dim(axis+i) != n {
			return g.spec.Errorf("bottom", "shape %v does not fit bottom of shape %v from axis %d on", f.Shape(), x.Shape(), axis)
		}
	}
	g.outer, g.dim, g.inner = x.CountRange(0, axis), f.Count(), x.CountFrom(end)
	if len(g.sum) < g.dim {
		g.sum = make([]float32, g.dim)
	}
	return nil
}
