package activation

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Power",
		Group: "activation",
		Param: "power_param",
		Doc: `Power of a linear function:

	y = (shift + scale x)^power

If power or scale is 0, y does not depend on x. The gradient is computed as a quotient, which is NaN
where shift + scale x is 0, unless power is 1 or 2.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself.

power_param:
	power (1), scale (1), shift (0): see above

Caffe: power_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			p := s.Param.GetPowerParam()
			l := &power{env: s.Env, power: p.GetPower(), scale: p.GetScale(), shift: p.GetShift()}
			l.forward.Body, l.grad.Body = l.raise, l.gradient
			return l, nil
		},
		Kernels: powerKernels,
	})
}

// power computes y = (shift + scale·x)^power, as Caffe's power_layer.cpp.
type power struct {
	elementwise
	layers.OnRecordableDevice
	env                 *layers.Env
	power, scale, shift float32

	forward, grad parallel.Range
	x, y, dy, dx  []float32

	kept layers.Kept
}

var (
	_ layers.Layer          = (*power)(nil)
	_ layers.BackwardReader = (*power)(nil)
	_ layers.Keeper         = (*power)(nil)
)

// KeepsBottom reports whether Backward needs the x that a pass in place overwrites.
func (l *power) KeepsBottom() bool { return !l.constant() && l.power != 1 }

// from returns the blob of the x that Backward reads.
func (l *power) from(bottom, top *blob.Blob) *blob.Blob {
	if bottom == top {
		return l.kept.Blob()
	}
	return bottom
}

// constant reports whether the top does not depend on the bottom.
func (l *power) constant() bool { return l.power*l.scale == 0 }

// constantValue is the value of all elements of such a top.
func (l *power) constantValue() float32 {
	if l.power == 0 {
		return 1
	}
	return pow(l.shift, l.power)
}

// Forward computes the top.
func (l *power) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.KeepsBottom() && bottom[0] == top[0] {
		if err := l.kept.Keep(l.env.Workers, bottom[0]); err != nil {
			return err
		}
	}
	y := top[0].MutableData()
	switch {
	case l.constant():
		kernel.Fill(l.env.Workers, l.constantValue(), y)
	case l.power == 1:
		kernel.ScaleShift(l.env.Workers, l.scale, l.shift, bottom[0].Data(), y)
	default:
		l.x, l.y = bottom[0].Data(), y
		l.forward.Run(l.env.Workers, len(y), blockSize)
	}
	return nil
}

func (l *power) raise(lo, hi int) {
	for i, x := range l.x[lo:hi] {
		l.y[lo+i] = pow(float32(l.scale*x)+l.shift, l.power)
	}
}

func pow(x, power float32) float32 { return float32(math.Pow(float64(x), float64(power))) }

// BackwardReads returns what Backward reads.
func (l *power) BackwardReads() (bottom, top bool) {
	return l.KeepsBottom(), l.KeepsBottom()
}

// Backward computes the diff of the bottom.
func (l *power) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	dx, dy := bottom[0].MutableDiff(), top[0].Diff()
	switch {
	case l.constant():
		kernel.Fill(l.env.Workers, 0, dx)
	case l.power == 1:
		kernel.Scale(l.env.Workers, l.scale, dy, dx)
	default:
		l.x, l.y, l.dy, l.dx = l.from(bottom[0], top[0]).Data(), top[0].Data(), dy, dx
		l.grad.Run(l.env.Workers, len(dx), blockSize)
	}
	return nil
}

// gradient computes dx = dy · power · scale · y/(shift + scale·x).
func (l *power) gradient(lo, hi int) {
	factor := l.power * l.scale
	for i, x := range l.x[lo:hi] {
		base := float32(l.scale*x) + l.shift
		slope := factor * (l.y[lo+i] / base)
		if l.power == 2 {
			slope = factor * base
		}
		l.dx[lo+i] = l.dy[lo+i] * slope
	}
}
