package mobile

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// curve applies a function to every element.
type curve struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	option float32 // of both functions

	value    func(option, x float32) float32
	slope    func(option, v float32) float32 // dy/dx, of x or y
	fromTop  bool                            // slope is a function of y
	keep     bool                            // slope is a function of an x that a pass in place must not overwrite
	kernels  passes
	kept     layers.Kept
	forward  parallel.Loop[curveArgs]
	backward parallel.Loop[curveArgs]
}

type curveArgs struct{ from, dy, to []float32 }

var (
	_ layers.Layer          = (*curve)(nil)
	_ layers.BackwardReader = (*curve)(nil)
	_ layers.Keeper         = (*curve)(nil)
)

// newCurve completes a curve.
func newCurve(l *curve) *curve {
	l.forward.Body = func(a *curveArgs, _, i, j int) {
		for k := i; k < j; k++ {
			a.to[k] = l.value(l.option, a.from[k])
		}
	}
	l.backward.Body = func(a *curveArgs, _, i, j int) {
		for k := i; k < j; k++ {
			a.to[k] = a.dy[k] * l.slope(l.option, a.from[k])
		}
	}
	return l
}

// KeepsBottom reports whether Backward needs the x that a pass in place overwrites.
func (l *curve) KeepsBottom() bool { return l.keep }

// BackwardReads returns what the slope is a function of.
func (l *curve) BackwardReads() (bottom, top bool) { return !l.fromTop, l.fromTop }

// SetUp does nothing.
func (l *curve) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *curve) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

// from returns the blob that the slope is a function of.
func (l *curve) from(bottom, top *blob.Blob) *blob.Blob {
	switch {
	case l.fromTop:
		return top
	case l.keep && bottom == top:
		return l.kept.Blob()
	}
	return bottom
}

// Forward computes the top.
func (l *curve) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w := l.spec.Env.Workers
	if l.keep && bottom[0] == top[0] {
		if err := l.kept.Keep(w, bottom[0]); err != nil {
			return err
		}
	}
	x, y := bottom[0].Data(), top[0].MutableData()
	l.forward.Run(w, len(y), parallel.Step(2), curveArgs{from: x, to: y})
	return nil
}

// Backward computes the diff of the bottom.
func (l *curve) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		l.backward.Run(l.spec.Env.Workers, len(dx), parallel.Step(3), curveArgs{l.from(bottom[0], top[0]).Data(), top[0].Diff(), dx})
	}
	return nil
}
