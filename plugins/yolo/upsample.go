package yolo

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// maxScale is the largest factor of a height or width.
const maxScale = 1<<15 - 1

func init() {
	layers.Register(layers.Info{
		Type:     "Upsample",
		Dialects: []string{"yolo"},
		Group:    "vision",
		Plugin: &layers.Plugin{
			Field:   "upsample_param",
			Number:  150,
			Proto:   layers.Schema(schemas, "upsample.proto"),
			Message: "UpsampleParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newUpsample,
		Kernels: upsampleKernels,
		Doc: `Enlarge planes by repeating each pixel (nearest neighbor):

	y[i, j] = x[i / scale, j / scale]

A pixel's gradient is the sum over its square.

Bottom: x, N x C x H x W.
Top: y, N x C x H scale x W scale.

upsample_param:
	scale (1): factor of H and W, 1 or more

Source: github.com/eric612/MobileNet-YOLO, upsample_layer.cpp`,
	})
}

// upsample implements the layer type; its registration describes it.
type upsample struct {
	layers.OnRecordableDevice
	spec  *layers.Spec
	scale int
}

var (
	_ layers.Layer          = (*upsample)(nil)
	_ layers.BackwardReader = (*upsample)(nil)
)

func newUpsample(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Scale int `proto:"scale"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if o.Scale < 1 || o.Scale > maxScale {
		return nil, s.Errorf("upsample_param.scale", "scale is %d, want 1 to %d", o.Scale, maxScale)
	}
	return &upsample{spec: s, scale: o.Scale}, nil
}

// BackwardReads returns that Backward reads neither x nor y.
func (l *upsample) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *upsample) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the shape of the top.
func (l *upsample) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want 4 axes", x.Shape()))
	}
	if err := top[0].Reshape(x.Dim(0), x.Dim(1), x.Dim(2)*l.scale, x.Dim(3)*l.scale); err != nil {
		return l.spec.ErrorAt("upsample_param.scale", 0, err)
	}
	return nil
}

// Forward computes the top.
func (l *upsample) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.run(&upsampleForward, bottom[0], bottom[0].Data(), top[0].MutableData())
	return nil
}

// Backward computes the diff of the bottom.
func (l *upsample) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.run(&upsampleBackward, bottom[0], bottom[0].MutableDiff(), top[0].Diff())
	}
	return nil
}

// upsampleArgs are small rows, width elements each, and large ones: scale for each
// small one.
type upsampleArgs struct {
	small, large []float32
	width, scale int
}

func (l *upsample) run(loop *parallel.Loop[upsampleArgs], x *blob.Blob, small, large []float32) {
	if len(small) > 0 {
		w := x.Dim(3)
		loop.Run(l.spec.Env.Workers, len(small)/w, parallel.Step(w), upsampleArgs{small, large, w, l.scale})
	}
}

// square returns the place in the large rows of the square of element i of a row.
func (a *upsampleArgs) square(row, i int) int { return (row*a.width*a.scale + i) * a.scale }

var upsampleForward = parallel.Loop[upsampleArgs]{Body: func(a *upsampleArgs, _, from, to int) {
	wide := a.width * a.scale
	for row := from; row < to; row++ {
		first := a.large[a.square(row, 0):][:wide]
		for i, v := range a.small[row*a.width:][:a.width] {
			for k := range a.scale {
				first[i*a.scale+k] = v
			}
		}
		for k := 1; k < a.scale; k++ {
			copy(a.large[a.square(row, 0)+k*wide:], first)
		}
	}
}}

var upsampleBackward = parallel.Loop[upsampleArgs]{Body: func(a *upsampleArgs, _, from, to int) {
	wide := a.width * a.scale
	for row := from; row < to; row++ {
		for i := range a.width {
			var sum float32
			for k := range a.scale {
				for _, v := range a.large[a.square(row, i)+k*wide:][:a.scale] {
					sum += v
				}
			}
			a.small[row*a.width+i] = sum
		}
	}
}}
