package normface

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Flip",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "flip_param",
			Number:  212,
			Proto:   layers.Schema(schemas, "flip.proto"),
			Message: "FlipParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newFlip,
		Kernels: flipKernels,
		Doc: `Mirror images.

Bottom: items x channels x height x width.
Top: of the same shape.

flip_param:
	flip_width (true): swap left and right
	flip_height (false): swap top and bottom

Source: github.com/happynear/caffe-windows, flip_layer.cpp`,
	})
}

// flip implements the layer type; its registration describes it.
type flip struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options flipOptions

	planes, h, w int
}

type flipOptions struct {
	Width  bool `proto:"flip_width"`
	Height bool `proto:"flip_height"`
}

var _ layers.Layer = (*flip)(nil)

func newFlip(s *layers.Spec) (layers.Layer, error) {
	l := &flip{spec: s}
	return l, s.Options(&l.options)
}

func (l *flip) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *flip) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	n, c, h, w, err := legacy(l.spec, bottom[0])
	if err != nil {
		return err
	}
	l.planes, l.h, l.w = n*c, h, w
	return top[0].ReshapeLike(bottom[0])
}

func (l *flip) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.flip(top[0].MutableData(), bottom[0].Data())
	return nil
}

// Backward flips the diff: flipping is its own inverse.
func (l *flip) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.flip(bottom[0].MutableDiff(), top[0].Diff())
	}
	return nil
}

func (l *flip) flip(dst, src []float32) {
	for row := range l.planes * l.h {
		from := row
		if l.options.Height {
			from = row/l.h*l.h + l.h - 1 - row%l.h
		}
		to, src := dst[row*l.w:(row+1)*l.w], src[from*l.w:(from+1)*l.w]
		if !l.options.Width {
			copy(to, src)
			continue
		}
		for i, v := range src {
			to[l.w-1-i] = v
		}
	}
}
