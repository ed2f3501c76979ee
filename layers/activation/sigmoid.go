package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Sigmoid",
		Group: "activation",
		Param: "sigmoid_param",
		Doc: `Logistic function:

	y = 1 / (1 + exp(-x))        dy/dx = y (1 - y)

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

sigmoid_param:
	engine: accepted and ignored

Caffe: sigmoid_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			l := &sigmoid{env: s.Env}
			l.grad.loop = l.gradient
			return l, nil
		},
	})
}

// sigmoid is the logistic function y = 1/(1+exp(-x)) of Caffe's
// sigmoid_layer.cpp.
type sigmoid struct {
	elementwise
	env *layers.Env

	grad      blocks
	y, dy, dx []float32 // of grad
}

var _ layers.Layer = (*sigmoid)(nil)

// Forward computes the top.
func (l *sigmoid) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.SigmoidP(l.env.Workers, top[0].MutableData(), bottom[0].Data())
	return nil
}

// Backward computes the diff of the bottom.
func (l *sigmoid) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	l.y, l.dy, l.dx = top[0].Data(), top[0].Diff(), bottom[0].MutableDiff()
	l.env.Workers.Run(l.grad.parts(len(l.dx)), &l.grad)
	return nil
}

func (l *sigmoid) gradient(lo, hi int) {
	y, dy := l.y[lo:hi], l.dy[lo:hi]
	for i := range l.dx[lo:hi] {
		l.dx[lo+i] = dy[i] * y[i] * (1 - y[i])
	}
}
