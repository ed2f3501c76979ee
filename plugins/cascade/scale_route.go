package cascade

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ScaleRoute",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "scale_route_param",
			Number:  154,
			Proto:   layers.Schema(schemas, "scale_route.proto"),
			Message: "ScaleRouteParameter",
		},
		Bottoms:   layers.AtLeast(1),
		Tops:      layers.AtLeast(1),
		SameCount: true,
		New:       newScaleRoute,
		Doc: `Lets regions of interest (ROIs) pass whose size is in a range, such as those for one map of a feature pyramid. The
size is the square root of the area (x2 - x1 + 1) (y2 - y1 + 1). If no ROI has one in the range, the ROI passes whose
size is nearest to the middle of the range: |log2(size / middle)| is least, of equal ones for the first. There is no
gradient.

Bottoms: the ROIs, R x 5: image, x1, y1, x2, y2; others with R items.
Tops: for each bottom, the items of the ROIs that pass. Before the first pass they have one item.

scale_route_param:
	low_scale: sizes from this on; all if it is not given
	high_scale: sizes below this; all if it is not given. The middle is the geometric mean of both, the one that is
	    given, or 256

Source: github.com/zhaoweicai/cascade-rcnn, scale_route_layer.cpp`,
	})
}

// scaleRoute implements the layer type; its registration describes it.
type scaleRoute struct {
	noGradient
	low, high, middle float32
	index             []int32 // of the items that pass
	shape             []int   // of a top
}

var (
	_ layers.Layer          = (*scaleRoute)(nil)
	_ layers.BackwardForcer = (*scaleRoute)(nil)
	_ layers.BackwardReader = (*scaleRoute)(nil)
)

func newScaleRoute(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Low  float32 `proto:"low_scale"`
		High float32 `proto:"high_scale"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	l := &scaleRoute{noGradient: noGradient{s}, low: 0, high: math.MaxFloat32, middle: 256}
	low, high := s.HasOption("low_scale"), s.HasOption("high_scale")
	if low {
		l.low, l.middle = o.Low, o.Low
	}
	if high {
		l.high, l.middle = o.High, o.High
	}
	if low && high {
		l.middle = float32(math.Sqrt(float64(o.Low) * float64(o.High)))
	}
	switch {
	case low && !(o.Low > 0): // true for NaN too
		return nil, s.Errorf("scale_route_param.low_scale", "low_scale is %v, want a positive number", o.Low)
	case high && !(o.High >= l.low && o.High > 0 && o.High < math.MaxFloat32):
		return nil, s.Errorf("scale_route_param.high_scale", "high_scale is %v, want a positive number, not below low_scale", o.High)
	}
	return l, nil
}

// Reshape gives the tops one item; Forward knows how many there are.
func (l *scaleRoute) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if bottom[0].Axes() < 2 || bottom[0].CountFrom(1) != 5 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got ROIs of shape %v, want R x 5: image, x1, y1, x2, y2", bottom[0].Shape()))
	}
	n := bottom[0].Dim(0)
	for i, x := range bottom {
		if x.Axes() == 0 || x.Dim(0) != n {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want %d items, as many as ROIs", x.Shape(), n))
		}
	}
	l.index = slices.Grow(l.index[:0], n)
	return l.reshapeTops(bottom, top, 1)
}

func (l *scaleRoute) reshapeTops(bottom, top []*blob.Blob, n int) error {
	for i, y := range top {
		l.shape = append(l.shape[:0], bottom[i].Shape()...)
		l.shape[0] = n
		if err := y.Reshape(l.shape...); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// Forward computes the tops.
func (l *scaleRoute) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	rois := bottom[0].Data()
	l.index = l.index[:0]
	least, nearest := float32(math.MaxFloat32), -1
	for i := range bottom[0].Dim(0) {
		size := float32(math.Sqrt(float64(boxes.From(rois[5*i+1:]).Area(1))))
		if size >= l.low && size < l.high {
			l.index = append(l.index, int32(i))
		}
		if distance := float32(math.Abs(math.Log2(float64(size / l.middle)))); distance < least {
			least, nearest = distance, i
		}
	}
	if len(l.index) == 0 {
		if nearest < 0 {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("none of %d ROIs has an area", bottom[0].Dim(0)))
		}
		l.index = append(l.index, int32(nearest))
	}
	if err := l.reshapeTops(bottom, top, len(l.index)); err != nil {
		return err
	}
	for i, y := range top {
		kernel.GatherRows(l.spec.Env.Workers, len(l.index), y.CountFrom(1), bottom[i].Data(), l.index, y.MutableData())
	}
	return nil
}
