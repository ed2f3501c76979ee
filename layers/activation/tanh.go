package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "TanH",
		Group: "activation",
		Param: "tanh_param",
		Doc: `Hyperbolic tangent:

	y = tanh(x)        dy/dx = 1 - y^2

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

tanh_param:
	engine: accepted and ignored

Caffe: tanh_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			l := &tanh{env: s.Env}
			l.grad.loop = l.gradient
			return l, nil
		},
	})
}

// tanh is the hyperbolic tangent of Caffe's tanh_layer.cpp.
type tanh struct {
	elementwise
	env *layers.Env

	grad      blocks
	y, dy, dx []float32 // of grad
}

var _ layers.Layer = (*tanh)(nil)

// Forward computes the top.
func (l *tanh) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.TanHP(l.env.Workers, top[0].MutableData(), bottom[0].Data())
	return nil
}

// Backward computes the diff of the bottom.
func (l *tanh) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	l.y, l.dy, l.dx = top[0].Data(), top[0].Diff(), bottom[0].MutableDiff()
	l.env.Workers.Run(l.grad.parts(len(l.dx)), &l.grad)
	return nil
}

func (l *tanh) gradient(lo, hi int) {
	y, dy := l.y[lo:hi], l.dy[lo:hi]
	for i := range l.dx[lo:hi] {
		l.dx[lo+i] = dy[i] * (1 - float32(y[i]*y[i]))
	}
}
