package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// curve applies a function y to every element x. Its derivative is a function of x or
// of y. Most kernels are in curve.cu.
type curve struct {
	elementwise
	layers.OnRecordableDevice
	env *layers.Env

	value    func(p *parallel.Pool, x, y []float32)
	gradient func(p *parallel.Pool, from, dy, dx []float32)
	fromTop  bool // from is y, not x
	keep     bool // from is an x that a pass in place must not overwrite

	// The same on a device, with their options.
	passes
	forwardOptions, backwardOptions [3]float32

	kept layers.Kept
}

var (
	_ layers.Layer          = (*curve)(nil)
	_ layers.BackwardReader = (*curve)(nil)
	_ layers.Keeper         = (*curve)(nil)
)

// KeepsBottom reports whether Backward needs the x that a pass in place overwrites.
func (l *curve) KeepsBottom() bool { return l.keep }

// BackwardReads returns what the derivative is a function of.
func (l *curve) BackwardReads() (bottom, top bool) { return !l.fromTop, l.fromTop }

// from returns the blob that the derivative is a function of.
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
	if l.keep && bottom[0] == top[0] {
		if err := l.kept.Keep(l.env.Workers, bottom[0]); err != nil {
			return err
		}
	}
	l.value(l.env.Workers, bottom[0].Data(), top[0].MutableData())
	return nil
}

// Backward computes the diff of the bottom.
func (l *curve) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.gradient(l.env.Workers, l.from(bottom[0], top[0]).Data(), top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}

// inParts returns a gradient that runs loop on the threads of the pool.
func inParts(loop func(from, dy, dx []float32)) func(p *parallel.Pool, from, dy, dx []float32) {
	type args struct{ from, dy, dx []float32 }
	parts := &parallel.Loop[args]{Body: func(a *args, _, i, j int) { loop(a.from[i:j], a.dy[i:j], a.dx[i:j]) }}
	return func(p *parallel.Pool, from, dy, dx []float32) { parts.Run(p, len(dx), blockSize, args{from, dy, dx}) }
}
