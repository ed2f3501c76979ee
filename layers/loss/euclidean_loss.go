package loss

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "EuclideanLoss",
		Group:   "loss",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newEuclideanLoss,
		Kernels: euclideanLossKernels,
		Doc: `Half the squared distance of two blobs, averaged over the items:

	E = 1/(2N) sum of (x0 - x1)^2      dE/dx0 = (x0 - x1)/N = -dE/dx1

N is the number of items, not of elements.

Bottoms: x0 and x1, both of N items of equal size. Both have a gradient.
Top: the loss, a scalar.

Caffe: euclidean_loss_layer.cpp`,
	})
}

// euclideanLoss implements the layer type; its registration describes it.
type euclideanLoss struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	diff []float32 // x0 - x1, which Backward needs

	onDevice blob.Blob // diff on a device
}

var (
	_ layers.Layer          = (*euclideanLoss)(nil)
	_ layers.BackwardForcer = (*euclideanLoss)(nil)
	_ layers.BackwardReader = (*euclideanLoss)(nil)
)

func newEuclideanLoss(spec *layers.Spec) (layers.Layer, error) {
	return &euclideanLoss{spec: spec}, nil
}

func (l *euclideanLoss) AllowForceBackward(int) bool { return true }

func (l *euclideanLoss) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *euclideanLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Num(), bottom[0]); err != nil {
		return err
	}
	if bottom[0].CountFrom(1) != bottom[1].CountFrom(1) {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want items of equal size",
			bottom[0].Shape(), bottom[1].Shape()))
	}
	return nil
}

func (l *euclideanLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	workers := l.spec.Env.Workers
	l.diff = layers.Resize(l.diff, bottom[0].Count())
	kernel.Sub(workers, bottom[0].Data(), bottom[1].Data(), l.diff)
	sum := kernel.SumSq(workers, l.diff)
	top[0].MutableData()[0] = float32(sum / float64(2*bottom[0].Num()))
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *euclideanLoss) BackwardReads() (bottom, top bool) { return false, false }

func (l *euclideanLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	scale := top[0].Diff()[0] / float32(bottom[0].Num())
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Scale(l.spec.Env.Workers, scale, l.diff, b.MutableDiff())
		}
		scale = -scale
	}
	return nil
}
