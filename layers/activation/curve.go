package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// curve is a function of every number whose derivative is a function of its
// value: Sigmoid and TanH.
type curve struct {
	elementwise
	layers.OnRecordableDevice
	env      *layers.Env
	value    func(p *parallel.Pool, x, y []float32)
	gradient func(dx, dy, y []float32)

	// The same on a device: kernels of (x, y, n) and of (y, dy, dx, n).
	forward, backward *cuda.Kernel

	grad      blocks
	y, dy, dx []float32 // of grad
}

var (
	_ layers.Layer          = (*curve)(nil)
	_ layers.BackwardReader = (*curve)(nil)
)

// newCurve returns what makes a layer with the functions of c.
func newCurve(c curve) func(*layers.Spec) (layers.Layer, error) {
	return func(s *layers.Spec) (layers.Layer, error) {
		l := &curve{env: s.Env, value: c.value, gradient: c.gradient, forward: c.forward, backward: c.backward}
		l.grad.loop = func(lo, hi int) { l.gradient(l.dx[lo:hi], l.dy[lo:hi], l.y[lo:hi]) }
		return l, nil
	}
}

// Forward computes the top.
func (l *curve) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.value(l.env.Workers, bottom[0].Data(), top[0].MutableData())
	return nil
}

// BackwardReads returns that Backward reads the top.
func (l *curve) BackwardReads() (bottom, top bool) { return false, true }

// Backward computes the diff of the bottom.
func (l *curve) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	l.y, l.dy, l.dx = top[0].Data(), top[0].Diff(), bottom[0].MutableDiff()
	l.env.Workers.Run(l.grad.parts(len(l.dx)), &l.grad)
	return nil
}
