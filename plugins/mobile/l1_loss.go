package mobile

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "L1Loss",
		Group:   "loss",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     func(s *layers.Spec) (layers.Layer, error) { return &l1Loss{spec: s}, nil },
		Kernels: mobileKernels,
		Doc: `Sum of the absolute differences of two blobs, averaged over the items:

	E = 1/N sum of |x0 - x1|      dE/dx0 = sign(x0 - x1)/N = -dE/dx1

N is the number of items, not of elements. The sign of 0 is 0.

Bottoms: x0 and x1, both of N items of equal size. Both have a gradient.
Top: the loss, a scalar.

Source: github.com/NVIDIA/caffe, l1_loss_layer.cpp`,
	})
}

// l1Loss implements the layer type; its registration describes it.
type l1Loss struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	sign []float32 // of x0 - x1
	diff []float32

	signOnDevice, diffOnDevice blob.Blob
}

var (
	_ layers.Layer          = (*l1Loss)(nil)
	_ layers.BackwardForcer = (*l1Loss)(nil)
	_ layers.BackwardReader = (*l1Loss)(nil)
)

// AllowForceBackward reports that both bottoms may have a gradient.
func (l *l1Loss) AllowForceBackward(int) bool { return true }

// BackwardReads returns that Backward reads no data.
func (l *l1Loss) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *l1Loss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the shapes.
func (l *l1Loss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Num(), bottom[0]); err != nil {
		return err
	}
	if bottom[0].Num() != bottom[1].Num() || bottom[0].Count() != bottom[1].Count() {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want as many items of equal size",
			bottom[0].Shape(), bottom[1].Shape()))
	}
	return top[0].Reshape()
}

// Forward computes the loss.
func (l *l1Loss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, n := l.spec.Env.Workers, bottom[0].Count()
	l.diff, l.sign = layers.Resize(l.diff, n), layers.Resize(l.sign, n)
	kernel.Sub(w, bottom[0].Data(), bottom[1].Data(), l.diff)
	for i, v := range l.diff {
		l.sign[i] = kernel.Sign(v)
	}
	top[0].MutableData()[0] = float32(kernel.Asum(w, l.diff) / float64(bottom[0].Num()))
	return nil
}

// Backward computes the diffs of the bottoms.
func (l *l1Loss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	scale := top[0].Diff()[0] / float32(bottom[0].Num())
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Scale(l.spec.Env.Workers, scale, l.sign, b.MutableDiff())
		}
		scale = -scale
	}
	return nil
}
