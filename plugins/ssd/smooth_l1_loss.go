package ssd

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:     "SmoothL1Loss",
		Dialects: []string{"ssd"},
		Group:    "loss",
		Bottoms:  layers.Exactly(2),
		Tops:     layers.Exactly(1),
		Loss:     true,
		New:      func(s *layers.Spec) (layers.Layer, error) { return &smoothL1Loss{spec: s}, nil },
		Kernels:  smoothL1LossKernels,
		Doc: `Distance of two blobs, squared where it is small, averaged over the N items:

	E = 1/N sum of f(x0 - x1)      f(d) = 1/2 d^2 if |d| < 1, else |d| - 1/2

Bottoms: x0 and x1, both of N items of equal size. Both have a gradient.
Top: the loss, a scalar.

R-CNN's layer SmoothL1Loss has sigma and weights. Caffe-SSD has code for weights in a third bottom, which cannot be
reached: a third bottom is an error there too.

Source: github.com/weiliu89/caffe (branch ssd), smooth_L1_loss_layer.cpp`,
	})
}

// smoothL1Loss implements the layer type; its registration describes it.
type smoothL1Loss struct {
	layers.OnRecordableDevice
	spec     *layers.Spec
	gradient []float32 // f', which Backward needs

	onDevice, terms blob.Blob // gradient and f on a device
}

var (
	_ layers.Layer          = (*smoothL1Loss)(nil)
	_ layers.BackwardForcer = (*smoothL1Loss)(nil)
	_ layers.BackwardReader = (*smoothL1Loss)(nil)
)

// AllowForceBackward returns true: both bottoms have a gradient.
func (l *smoothL1Loss) AllowForceBackward(int) bool { return true }

func (l *smoothL1Loss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms.
func (l *smoothL1Loss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i, b := range bottom {
		if b.Axes() == 0 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d is a scalar, want items", i))
		}
	}
	if err := l.spec.NoItems(bottom[0].Dim(0), bottom[0]); err != nil {
		return err
	}
	if bottom[0].Dim(0) != bottom[1].Dim(0) || bottom[0].CountFrom(1) != bottom[1].CountFrom(1) {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want as many items of equal size",
			bottom[0].Shape(), bottom[1].Shape()))
	}
	if err := l.onDevice.Reshape(bottom[0].Count()); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	if err := l.terms.Reshape(bottom[0].Count()); err != nil {
		return l.spec.ErrorAt("bottom", 0, err)
	}
	return top[0].Reshape()
}

// Forward computes the loss.
func (l *smoothL1Loss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.gradient = layers.Resize(l.gradient, bottom[0].Count())
	kernel.Sub(l.spec.Env.Workers, bottom[0].Data(), bottom[1].Data(), l.gradient)
	var sum float64
	for i, d := range l.gradient {
		f, slope := smoothL1(d)
		sum += float64(f)
		l.gradient[i] = slope
	}
	top[0].MutableData()[0] = float32(sum / float64(bottom[0].Dim(0)))
	return nil
}

// smoothL1 returns f(d) of SmoothL1Loss and its derivative.
func smoothL1(d float32) (f, slope float32) {
	if d < 1 && d > -1 {
		return 0.5 * d * d, d
	}
	return max(d, -d) - 0.5, kernel.Sign(d)
}

// BackwardReads returns that Backward reads no data.
func (l *smoothL1Loss) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diffs of the bottoms.
func (l *smoothL1Loss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	scale := top[0].Diff()[0] / float32(bottom[0].Dim(0))
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Scale(l.spec.Env.Workers, scale, l.gradient, b.MutableDiff())
		}
		scale = -scale
	}
	return nil
}
